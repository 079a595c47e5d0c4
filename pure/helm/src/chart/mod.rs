//! A chart, loaded and not yet rendered: metadata, templates, files, default values, charts inside it.
//!
//! A [`Chart`] never changes and may be rendered many times, on several threads at once; parsed templates and compiled
//! schemas stay with it. Entry: [`Chart::from_tree`], [`Chart::from_archive`].

mod archive;
mod directory;
mod ignore;
mod load;
mod metadata;

pub use archive::{ARCHIVE_BYTES_MAX, ENTRIES_MAX, FILE_BYTES_MAX};
pub use directory::{DIRECTORY_BYTES_MAX, DIRECTORY_DEPTH_MAX};
pub use load::CHARTS_NESTED_MAX;
pub use metadata::{Dependency, ImportValue, Lock, Maintainer, Metadata};
pub(crate) use metadata::{coerced_text, json_kind};

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use landfall_tree::Tree;
use serde_json::{Map, Value};

use crate::Profile;
use crate::error::{Error, ErrorKind};
use crate::remembered::Remembered;
use crate::values;

/// A file of a chart.
#[derive(Debug, Clone)]
pub struct File {
    /// The path below the chart's directory.
    pub path: String,
    /// What it holds, without a byte order mark.
    pub content: Bytes,
}

/// The objects of a file of `crds/`, or why it is no YAML.
pub(crate) type ReadDefinitions = Result<Arc<Vec<Value>>, String>;

/// A chart as it was loaded.
#[derive(Debug, Default)]
pub struct Chart {
    /// What `Chart.yaml` says (and `requirements.yaml` of version 1 charts).
    pub metadata: Metadata,
    /// What `Chart.lock` says, if it is there.
    pub lock: Option<Lock>,
    /// Everything below `templates/`, in the order it was found.
    pub templates: Vec<File>,
    /// Everything that is nothing else; templates read it as `.Files`, and `crds/` is among it.
    pub files: Vec<File>,
    /// `values.yaml` as it is written.
    pub values_file: Option<Bytes>,
    /// `values.schema.json` as it is written.
    pub schema: Option<Bytes>,
    /// The charts in `charts/`, by the name they stand under there. Helm's order is random; this one is not.
    pub subcharts: Vec<Arc<Chart>>,
    /// What loading had to say that is no error.
    pub warnings: Vec<String>,
    values_by_profile: [OnceLock<ReadValues>; 2],
    definitions: OnceLock<Vec<(usize, ReadDefinitions)>>,
    pub(crate) compiled_schema: OnceLock<Result<Arc<crate::schema::Compiled>, String>>,
    pub(crate) sets: crate::engine::SetCache,
}

impl Chart {
    /// Loads a chart from a directory of a tree; links are followed inside the tree, `.helmignore` is obeyed.
    ///
    /// Errors: [`ErrorKind::Load`], [`ErrorKind::Chart`].
    pub fn from_tree(tree: &dyn Tree, directory: &str) -> Result<Self, Error> {
        load::load(directory::read(tree, directory)?, &mut archive::Budget::default(), 0)
    }

    /// Loads a chart from an archive as `helm package` makes it.
    ///
    /// Errors: [`ErrorKind::Load`] (no archive, too large, paths that lead out of the chart), [`ErrorKind::Chart`].
    pub fn from_archive(archive: &[u8]) -> Result<Self, Error> {
        let mut budget = archive::Budget::default();
        let files = archive::unpack(archive, &mut budget)?;
        load::load(files, &mut budget, 0)
    }

    /// Unpacks an archive without loading it, below `prefix`: Argo CD renders charts of repositories from such a directory,
    /// and values files can be named in it.
    ///
    /// Errors: as [`Chart::from_archive`].
    pub fn unpack(archive: &[u8], prefix: &str) -> Result<landfall_tree::MemoryTree, Error> {
        let files = archive::unpack(archive, &mut archive::Budget::default())?;
        let named = files.into_iter().map(|file| (landfall_tree::join(prefix, &file.path), file.content));
        Ok(landfall_tree::MemoryTree::of(named))
    }

    /// Loads a chart from a path of a tree that may be a directory or an archive.
    ///
    /// Errors: as [`Chart::from_tree`] and [`Chart::from_archive`].
    pub fn from_path(tree: &dyn Tree, path: &str) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::new(ErrorKind::Load, reason);
        match landfall_tree::read(tree, path).map_err(|error| unreadable(error.to_string()))? {
            Some(archive) => Self::from_archive(&archive),
            None => Self::from_tree(tree, path),
        }
    }

    /// The default values: `values.yaml` as Helm reads it. Every number is a float.
    ///
    /// Errors: [`ErrorKind::Values`].
    pub fn default_values(&self, profile: Profile) -> Result<&Map<String, Value>, Error> {
        let slot = &self.values_by_profile[profile as usize];
        let read = slot.get_or_init(|| match &self.values_file {
            None => Ok(Arc::new(Map::new())),
            Some(text) => {
                let key = (profile, text.clone());
                VALUES.get_or_make(&key, || key.clone(), text.len(), || values::read(text, profile).map(Arc::new))
            }
        });
        match read {
            Ok(values) => Ok(values),
            Err(error) => Err(error.clone().wrapped("cannot load values.yaml").in_chart(&self.metadata.name)),
        }
    }

    /// The files of `crds/` that hold manifests, with the objects in them; read once.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = (&File, &ReadDefinitions)> {
        let read = self.definitions.get_or_init(|| {
            let files = self.files.iter().enumerate().filter(|(_, file)| {
                let extension = crate::go::extension(&file.path).to_ascii_lowercase();
                file.path.starts_with("crds/") && matches!(extension.as_str(), ".yaml" | ".yml" | ".json")
            });
            files.map(|(index, file)| (index, definitions_in(&file.content))).collect()
        });
        read.iter().map(|(index, objects)| (&self.files[*index], objects))
    }

    /// The names of declared dependencies that are not in `charts/`.
    pub fn missing_dependencies(&self) -> Vec<&str> {
        let declared = self.metadata.dependencies.iter().flatten();
        let is_missing = |name: &str| !self.subcharts.iter().any(|chart| chart.metadata.name == name);
        declared.map(|dependency| dependency.name.as_str()).filter(|name| is_missing(name)).collect()
    }
}

/// Default values as they were read.
type ReadValues = Result<Arc<Map<String, Value>>, Error>;

/// How much text of values files stays read.
const VALUES_BYTES_MAX: usize = 4 << 20;
/// How much text of definitions stays read: they are large, and the same in every render.
const DEFINITIONS_BYTES_MAX: usize = 6 << 20;

static VALUES: Remembered<(Profile, Bytes), ReadValues> = Remembered::of(VALUES_BYTES_MAX);
static DEFINITIONS: Remembered<Bytes, ReadDefinitions> = Remembered::of(DEFINITIONS_BYTES_MAX);

fn definitions_in(content: &Bytes) -> ReadDefinitions {
    DEFINITIONS.get_or_make(content, || content.clone(), content.len(), || read_definitions(content))
}

fn read_definitions(content: &[u8]) -> ReadDefinitions {
    let terminated = [content, b"\n"].concat();
    let mut objects = landfall_yaml::read(&terminated, landfall_yaml::Resolver::Kubernetes)
        .map_err(|error| crate::go::yaml_error(&error, &terminated))?;
    objects.retain(|object| !object.is_null());
    Ok(Arc::new(objects))
}
