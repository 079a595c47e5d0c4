//! Charts: the `helm` block of a source, and what must be fetched before its chart can be rendered.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_gotemplate::context::Host;
use landfall_helm::argocd::{Application, Files, Settings};
use landfall_helm::chart::Chart;
use landfall_model::application::Source;
use landfall_repository::dependencies::{self, ChartFiles, Dependency, Origin};
use landfall_source::detect::SourceType;
use landfall_tree::Tree;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Failure, Rendered, Request, Trees, environment};

/// What a source names and its files do not have. Supply it ([`landfall_tree::Supplied`]) and render again.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Missing {
    /// Addresses of values files; the content belongs to [`remote_path`].
    pub remote_files: Vec<String>,
    /// Charts that the chart declares and that do not lie in its `charts/`; the archives belong to
    /// [`Missing::supplied_file`].
    pub dependencies: Vec<Dependency>,
    /// The chart's folder in the tree.
    pub chart_folder: String,
    /// Whether credentials of a chart repository go to other hosts too.
    pub pass_credentials: bool,
}

impl Missing {
    /// Where the archive of a dependency belongs.
    pub fn supplied_file(&self, name: &str, version: &str) -> String {
        landfall_tree::join(&self.chart_folder, &format!("charts/{name}-{version}.tgz"))
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let charts = self.dependencies.iter().map(|dependency| format!("the chart {}", dependency.name));
        let files = self.remote_files.iter().map(|file| format!("the values file {file}"));
        let all: Vec<String> = charts.chain(files).collect();
        write!(out, "{} must be fetched first, and nobody did", all.join(", "))
    }
}

/// Where the content of a values file at an address belongs: a path that no repository has.
pub fn remote_path(address: &str) -> String {
    let digest: String = Sha256::digest(address).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(".git/landfall/remote/{digest}")
}

pub(crate) fn render(
    request: &Request<'_>,
    trees: &Trees<'_>,
    folder: &str,
    source: &Source,
    host: &mut dyn Host,
) -> Result<Rendered, Failure> {
    let tree = trees.own;
    let mut chart = Chart::from_tree(tree, folder).map_err(Failure::refused)?;
    let settings = Settings::decode(source.helm.as_ref().unwrap_or(&Value::Null)).map_err(Failure::refused)?;
    let environment = environment::of(request, source);
    let mut missing =
        Missing { chart_folder: folder.to_owned(), pass_credentials: settings.pass_credentials, ..Missing::default() };
    let mut remote = BTreeMap::new();
    for address in settings.remote_files(&environment) {
        match tree.file(&remote_path(&address)).map_err(Failure::refused)? {
            Some(content) => {
                remote.insert(address, content);
            }
            None => missing.remote_files.push(address),
        }
    }
    let is_remote = !remote.is_empty();
    if !chart.missing_dependencies().is_empty() {
        for dependency in needed(tree, folder)? {
            match &dependency.origin {
                Origin::Local { path } => chart.subcharts.push(Arc::new(local(tree, folder, path, &dependency.name)?)),
                _ => missing.dependencies.push(dependency),
            }
        }
    }
    if !missing.remote_files.is_empty() || !missing.dependencies.is_empty() {
        return Err(Failure::Missing(Box::new(missing)));
    }
    let fetched = |address: &str| -> Result<Vec<u8>, String> {
        remote.get(address).map(|content| content.to_vec()).ok_or_else(|| "it was not fetched".to_owned())
    };
    let files = Files { tree, chart_path: folder, references: trees.references.clone(), remote: &fetched };
    let application = Application {
        name: request.application,
        namespace: request.namespace,
        kube_version: request.kube_version,
        api_versions: request.api_versions,
        environment: &environment,
    };
    let profile = settings.profile.unwrap_or(request.profile);
    let helm = settings.request(&application, &files, profile).map_err(Failure::refused)?;
    let output = landfall_helm::render::render(&chart, &helm, host).map_err(Failure::refused)?;
    Ok(Rendered {
        source_type: SourceType::Helm,
        warnings: output.warnings.clone(),
        // What lies at an address may change without any commit.
        is_deterministic: output.is_deterministic && !is_remote,
        objects: output.into_objects(),
    })
}

/// The dependencies that are not vendored.
fn needed(tree: &dyn Tree, folder: &str) -> Result<Vec<Dependency>, Failure> {
    let read = |name: &str| landfall_tree::read(tree, &landfall_tree::join(folder, name)).map_err(Failure::refused);
    let (chart, requirements) = (read("Chart.yaml")?.unwrap_or_default(), read("requirements.yaml")?);
    let lock = read(if requirements.is_some() { "requirements.lock" } else { "Chart.lock" })?;
    let vendored = tree.directory(&landfall_tree::join(folder, "charts")).map_err(Failure::refused)?;
    let vendored: Vec<String> = vendored.into_iter().flatten().map(|entry| entry.name).collect();
    let files =
        ChartFiles { chart: &chart, requirements: requirements.as_deref(), lock: lock.as_deref(), vendored: &vendored };
    dependencies::needed(files).map_err(|error| {
        Failure::refused(format!(
            "{error}\nhint: the chart {folder:?} has dependencies that do not lie in its charts/ folder; vendor them, or name where they are in Chart.yaml"
        ))
    })
}

/// A chart in a folder beside this one (`file://../common`).
fn local(tree: &dyn Tree, folder: &str, path: &str, name: &str) -> Result<Chart, Failure> {
    let place = landfall_tree::clean(&landfall_tree::join(folder, path)).map_err(|_| {
        Failure::refused(format!(
            "the dependency {name} is at file://{path}, which leads outside the repository\nhint: move the chart into the repository, or vendor it"
        ))
    })?;
    Chart::from_tree(tree, &place)
        .map_err(|error| Failure::refused(format!("the dependency {name} at file://{path} cannot be loaded: {error}")))
}
