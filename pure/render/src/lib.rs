//! One source of an Application, rendered: which tool it is for, with which settings, and what is missing for it.
//!
//! ```text
//! Request, Trees -> detect -> .argocd-source.yaml -> chart | kustomization | plain manifests -> Rendered
//!                                                  \-> Failure::Missing: fetch it, supply it, ask again
//! ```
//!
//! Nothing here fetches, reads a clock or touches a disk. Entry: [`render`].

mod chart;
mod environment;

use std::collections::BTreeMap;

use landfall_gotemplate::context::Host;
use landfall_helm::Profile;
use landfall_kustomize::argocd::Settings as KustomizeSettings;
use landfall_kustomize::{Answers, BuildFlags, ChartSource, NativeCharts, NoRemotes, Options, Outside, Remote};
use landfall_model::application::Source;
use landfall_source::detect;
use landfall_source::{directory, overrides};
use landfall_tree::Tree;
use serde_json::Value;

pub use chart::{Missing, remote_path};
pub use landfall_kustomize::Session;
pub use landfall_source::detect::SourceType;

/// What is rendered, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The application's name.
    pub application: &'a str,
    /// The destination namespace.
    pub namespace: &'a str,
    /// The project.
    pub project: &'a str,
    /// The source; its path is one of the source's own tree.
    pub source: &'a Source,
    /// The commit, or the version of a chart, as far as it is known.
    pub revision: &'a str,
    /// Whether the files are those of a chart of a chart repository.
    pub is_chart: bool,
    /// The cluster's version; `""` is the renderer's default.
    pub kube_version: &'a str,
    /// What the cluster serves: `group/version` and `group/version/Kind`.
    pub api_versions: &'a [String],
    /// Which Helm renders charts, unless the source says it (`helm.version`).
    pub profile: Profile,
    /// The tools that the installation switched off: what they would render is read as plain manifests.
    /// Source: Argo CD 3.5 `util/app/discovery` (`IsManifestGenerationEnabled`), `kustomize.enable` and `helm.enable`.
    pub disabled: &'a [SourceType],
    /// The flags that kustomize is given (`kustomize.buildOptions`).
    pub kustomize: Option<&'a BuildFlags>,
    /// What was fetched for kustomizations; they note in it what has to be. `None` refuses what lies elsewhere.
    pub answers: Option<&'a Answers>,
}

impl<'a> Request<'a> {
    /// Makes a request for a source, of no application in particular.
    pub fn of(source: &'a Source) -> Self {
        Self {
            application: "",
            namespace: "",
            project: "default",
            source,
            revision: "",
            is_chart: false,
            kube_version: "",
            api_versions: &[],
            profile: Profile::default(),
            disabled: &[],
            kustomize: None,
            answers: None,
        }
    }
}

/// The files that a render reads.
pub struct Trees<'a> {
    /// Those of the source itself.
    pub own: &'a dyn Tree,
    /// Those of the sources with `ref`, by that name.
    pub references: BTreeMap<String, &'a dyn Tree>,
}

impl<'a> Trees<'a> {
    /// The files of a source that refers to no other.
    pub fn of(own: &'a dyn Tree) -> Self {
        Self { own, references: BTreeMap::new() }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The objects in order.
    pub objects: Vec<Value>,
    /// Which tool rendered them.
    pub source_type: SourceType,
    /// What is no error but should be known.
    pub warnings: Vec<String>,
    /// Whether the same inputs give the same output again.
    pub is_deterministic: bool,
}

/// Why nothing came out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The source cannot be rendered: what, where, why and what to do.
    #[error("{0}")]
    Refused(String),
    /// Something must be fetched first.
    #[error("{0}")]
    Missing(Box<Missing>),
}

impl Failure {
    fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}

/// Renders. `host` answers templates that ask for the time or randomness.
///
/// Errors: those of the tools, which say what, where, why and what to do; [`Failure::Missing`].
pub fn render(
    request: &Request<'_>,
    trees: &Trees<'_>,
    host: &mut dyn Host,
    session: &Session,
) -> Result<Rendered, Failure> {
    let tree = trees.own;
    let folder = detect::folder(tree, &request.source.path).map_err(Failure::refused)?;
    let source = overrides::apply(tree, &folder, request.application, request.source).map_err(Failure::refused)?;
    let source_type = match request.is_chart {
        true => SourceType::Helm,
        false => detect::detect(tree, &folder, &source).map_err(Failure::refused)?,
    };
    let is_disabled = request.disabled.contains(&source_type);
    match if is_disabled { SourceType::Directory } else { source_type } {
        SourceType::Directory => plain(tree, &folder, &source),
        SourceType::Helm => chart::render(request, trees, &folder, &source, host),
        SourceType::Kustomize => kustomize(request, tree, &folder, &source, session),
        SourceType::Plugin => Err(Failure::refused(
            "configuration management plugins are not run\nhint: commit what the plugin renders, or use helm, kustomize or directory",
        )),
    }
}

fn plain(tree: &dyn Tree, folder: &str, source: &Source) -> Result<Rendered, Failure> {
    let how = source.directory.clone().unwrap_or_default();
    let manifests = directory::objects(tree, folder, &how).map_err(Failure::refused)?;
    let objects = manifests.into_iter().map(|manifest| manifest.object).collect();
    Ok(Rendered { objects, source_type: SourceType::Directory, warnings: Vec::new(), is_deterministic: true })
}

fn kustomize(
    request: &Request<'_>,
    tree: &dyn Tree,
    folder: &str,
    source: &Source,
    session: &Session,
) -> Result<Rendered, Failure> {
    let settings = KustomizeSettings::decode(source.kustomize.as_ref().unwrap_or(&Value::Null));
    let settings = settings.map_err(Failure::refused)?;
    let overlaid = settings.apply(tree, folder, &environment::of(request, source)).map_err(Failure::refused)?;
    let flags = request.kustomize.cloned().unwrap_or_default();
    let options = settings.options(Options {
        helm_kube_version: request.kube_version.to_owned(),
        helm_api_versions: request.api_versions.to_vec(),
        ..flags.options
    });
    let fetch = |source: &ChartSource| match request.answers {
        Some(answers) => answers.chart(source),
        None => Err("charts are not fetched here".to_owned()),
    };
    let charts = NativeCharts { profile: request.profile, fetch: Some(&fetch) };
    let remote: &dyn Remote = match request.answers {
        Some(answers) => answers,
        None => &NoRemotes,
    };
    let outside = Outside { remote, charts: Some(&charts) };
    let built = landfall_kustomize::build(&overlaid, folder, &options, &outside, session).map_err(Failure::refused)?;
    Ok(Rendered {
        objects: built.objects,
        source_type: SourceType::Kustomize,
        warnings: flags.warnings.into_iter().chain(built.warnings).collect(),
        is_deterministic: true,
    })
}

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
