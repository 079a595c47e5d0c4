//! Makes chart archives as `helm package` does, but reproducibly: the same chart gives the same bytes.
//!
//! Source: Helm 3.21.4 `pkg/chartutil/save.go`.

use serde_json::{Map, Value, json};

use crate::chart::{Chart, Dependency, ImportValue, Lock, Metadata};
use crate::error::{Error, ErrorKind};
use crate::go;

/// What may be changed while packaging.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Another version for the chart (`--version`).
    pub version: Option<String>,
    /// Another version for what it installs (`--app-version`).
    pub app_version: Option<String>,
    /// The time that all files get, in seconds since 1970.
    pub modified_s: u64,
}

/// A packaged chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// `NAME-VERSION.tgz`.
    pub file_name: String,
    /// The archive.
    pub content: Vec<u8>,
}

/// The mark that Helm puts into the header of its archives.
const GZIP_EXTRA: &[u8] = b"+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";

/// Packages a chart with all charts in it.
///
/// Errors: [`ErrorKind::Chart`]: the version is none, a schema is no JSON, declared dependencies are missing.
pub fn package(chart: &Chart, options: &Options) -> Result<Package, Error> {
    let mut metadata = chart.metadata.clone();
    if let Some(version) = &options.version {
        landfall_semver::Version::parse(version).map_err(|error| {
            wrong(format!("chart.metadata.version {} is invalid: {error}", go::quote(version))).in_chart(&metadata.name)
        })?;
        metadata.version.clone_from(version);
    }
    if let Some(version) = &options.app_version {
        metadata.app_version.clone_from(version);
    }
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        return Err(Error::new(
            ErrorKind::Dependencies,
            format!("found in Chart.yaml, but missing in charts/ directory: {}", missing.join(", ")),
        )
        .in_chart(&metadata.name)
        .with_hint("fetch the dependencies first: `landfall chart dependency build`"));
    }
    pack(chart, &metadata, options.modified_s)
}

/// Packages a chart although declared dependencies may be missing: one that lies beside another and is vendored into it.
///
/// Errors: [`ErrorKind::Chart`]: a schema is no JSON.
pub fn package_as_it_is(chart: &Chart) -> Result<Package, Error> {
    pack(chart, &chart.metadata, 0)
}

/// What `Chart.yaml` says, as Go's encoder writes it: the configuration of a chart in a registry.
pub fn metadata_value(metadata: &Metadata) -> Value {
    metadata_json(metadata, true)
}

fn pack(chart: &Chart, metadata: &Metadata, modified_s: u64) -> Result<Package, Error> {
    let gzip = flate2::GzBuilder::new().extra(GZIP_EXTRA).comment("Helm").operating_system(255);
    let gzip = gzip.write(Vec::new(), flate2::Compression::default());
    let mut archive = Archive { tar: tar::Builder::new(gzip), modified_s };
    archive.chart(chart, metadata, "")?;
    let content =
        archive.tar.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(|error| unwritable(&error))?;
    Ok(Package { file_name: format!("{}-{}.tgz", metadata.name, metadata.version), content })
}

struct Archive {
    tar: tar::Builder<flate2::write::GzEncoder<Vec<u8>>>,
    modified_s: u64,
}

impl Archive {
    fn chart(&mut self, chart: &Chart, metadata: &Metadata, prefix: &str) -> Result<(), Error> {
        let base = landfall_tree::join(prefix, &metadata.name);
        let is_v1 = metadata.api_version == "v1";
        self.file(&base, "Chart.yaml", landfall_yaml::write(&metadata_json(metadata, !is_v1)).as_bytes())?;
        if let (false, Some(lock)) = (is_v1, &chart.lock) {
            self.file(&base, "Chart.lock", landfall_yaml::write(&lock_json(lock)).as_bytes())?;
        }
        if let Some(values) = &chart.values_file {
            self.file(&base, "values.yaml", values)?;
        }
        if let Some(schema) = &chart.schema {
            serde_json::from_slice::<Value>(schema).map_err(|error| {
                wrong(format!("Invalid JSON in values.schema.json: {error}")).in_chart(&metadata.name)
            })?;
            self.file(&base, "values.schema.json", schema)?;
        }
        for file in chart.templates.iter().chain(&chart.files) {
            self.file(&base, &file.path, &file.content)?;
        }
        for subchart in &chart.subcharts {
            self.chart(subchart, &subchart.metadata, &format!("{base}/charts"))?;
        }
        Ok(())
    }

    fn file(&mut self, base: &str, path: &str, content: &[u8]) -> Result<(), Error> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_mtime(self.modified_s);
        self.tar.append_data(&mut header, format!("{base}/{path}"), content).map_err(|error| unwritable(&error))
    }
}

/// The metadata as Go's encoder writes it: empty fields are left out.
pub(crate) fn metadata_json(metadata: &Metadata, with_dependencies: bool) -> Value {
    let mut fields = Map::new();
    let texts = [
        ("name", &metadata.name),
        ("home", &metadata.home),
        ("version", &metadata.version),
        ("description", &metadata.description),
        ("icon", &metadata.icon),
        ("apiVersion", &metadata.api_version),
        ("condition", &metadata.condition),
        ("tags", &metadata.tags),
        ("appVersion", &metadata.app_version),
        ("kubeVersion", &metadata.kube_version),
        ("type", &metadata.kind),
    ];
    for (key, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        fields.insert(key.to_owned(), Value::from(text.as_str()));
    }
    let lists = [("sources", &metadata.sources), ("keywords", &metadata.keywords)];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        fields.insert(key.to_owned(), json!(list));
    }
    if !metadata.maintainers.is_empty() {
        let maintainers = metadata.maintainers.iter().map(|maintainer| {
            present([("name", &maintainer.name), ("email", &maintainer.email), ("url", &maintainer.url)])
        });
        fields.insert("maintainers".to_owned(), maintainers.map(Value::Object).collect());
    }
    if metadata.deprecated {
        fields.insert("deprecated".to_owned(), Value::Bool(true));
    }
    if !metadata.annotations.is_empty() {
        fields.insert("annotations".to_owned(), json!(metadata.annotations));
    }
    if let (true, Some(dependencies)) =
        (with_dependencies, metadata.dependencies.as_ref().filter(|list| !list.is_empty()))
    {
        fields.insert("dependencies".to_owned(), dependencies.iter().map(dependency_json).collect());
    }
    Value::Object(fields)
}

fn present<const N: usize>(texts: [(&str, &String); N]) -> Map<String, Value> {
    let filled = texts.into_iter().filter(|(_, text)| !text.is_empty());
    filled.map(|(key, text)| (key.to_owned(), Value::from(text.as_str()))).collect()
}

fn dependency_json(dependency: &Dependency) -> Value {
    let mut fields =
        present([("version", &dependency.version), ("condition", &dependency.condition), ("alias", &dependency.alias)]);
    fields.insert("name".to_owned(), Value::from(dependency.name.as_str()));
    fields.insert("repository".to_owned(), Value::from(dependency.repository.as_str()));
    if !dependency.tags.is_empty() {
        fields.insert("tags".to_owned(), json!(dependency.tags));
    }
    if dependency.enabled {
        fields.insert("enabled".to_owned(), Value::Bool(true));
    }
    if !dependency.import_values.is_empty() {
        let imports = dependency.import_values.iter().map(|import| match import {
            ImportValue::Table { child, parent } => json!({ "child": child, "parent": parent }),
            ImportValue::Export(name) => Value::from(name.as_str()),
            ImportValue::Other(value) => value.clone(),
        });
        fields.insert("import-values".to_owned(), imports.collect());
    }
    Value::Object(fields)
}

pub(crate) fn lock_json(lock: &Lock) -> Value {
    let dependencies: Vec<Value> = lock.dependencies.iter().map(dependency_json).collect();
    json!({ "generated": lock.generated, "digest": lock.digest, "dependencies": dependencies })
}

fn unwritable(error: &std::io::Error) -> Error {
    wrong(format!("cannot write the chart archive: {error}"))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Chart, message)
}
