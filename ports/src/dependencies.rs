//! What a chart needs beside what lies in its `charts/` folder, fetched over the ports.

use landfall_repository::dependencies::{Dependency, Origin};
use landfall_repository::lookup::{Access, Repositories};
use landfall_repository::problem::{SourceError, SourceProblem};

use sha2::{Digest as _, Sha256};

use crate::charts::{ChartArchive, ChartRepo, PassCredentials};
use crate::registry::{CHART_LAYER, Registry};

/// One dependency as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A packed chart.
    Archive {
        /// The chart's name.
        name: String,
        /// The version that the constraint led to.
        version: String,
        /// The chart.
        archive: ChartArchive,
    },
    /// A folder that the caller reads from its own file tree.
    Folder {
        /// The chart's name.
        name: String,
        /// The path, relative to the chart's folder, as written.
        path: String,
    },
}

/// Fetches `dependencies` in order, with the credentials that `repositories` has for an application of `project`.
///
/// Errors: the first one that cannot be had; an alias that no repository Secret has as its name.
pub async fn fetch(
    dependencies: &[Dependency],
    repositories: &Repositories,
    project: &str,
    pass_credentials: PassCredentials,
    charts: &dyn ChartRepo,
    registry: &dyn Registry,
) -> Result<Vec<Found>, SourceError> {
    let mut found = Vec::new();
    for dependency in dependencies {
        let name = dependency.name.clone();
        let (url, is_oci) = match &dependency.origin {
            Origin::Local { path } => {
                found.push(Found::Folder { name, path: path.clone() });
                continue;
            }
            Origin::Http { url } => (url.clone(), false),
            Origin::Oci { url } => (url.clone(), true),
            Origin::Named { name: alias } => {
                let config = repositories.named(alias, project).ok_or_else(|| {
                    let reason =
                        format!("the dependency {name} names the repository @{alias}, which nobody configured");
                    SourceError::of(SourceProblem::NotFound, &format!("@{alias}"), reason).hinting(format!(
                        "Add a repository Secret of type helm with name: {alias}, or write the address into Chart.yaml."
                    ))
                })?;
                (config.url.clone(), config.connection.oci_enabled || config.url.starts_with("oci://"))
            }
        };
        let repository = repositories.find(&url, project, Access::Read);
        if is_oci || repository.connection.oci_enabled {
            let mut repository = repository;
            repository.url = format!("{}/{name}", url.trim_end_matches('/'));
            let tag = registry.resolve(&repository, &dependency.version).await?;
            let artifact = registry.pull(&repository, &tag).await?;
            let layer = artifact.layers.into_iter().find(|layer| layer.media_type == CHART_LAYER).ok_or_else(|| {
                let reason = format!("{tag} is no Helm chart: it has no layer of the type {CHART_LAYER}");
                SourceError::of(SourceProblem::Broken, &repository.url, reason)
            })?;
            let digest = Sha256::digest(&layer.content).iter().map(|byte| format!("{byte:02x}")).collect();
            let archive = ChartArchive { bytes: layer.content, digest };
            found.push(Found::Archive { name, version: tag.replace('_', "+"), archive });
        } else {
            let version = charts.resolve(&repository, &name, &dependency.version).await?;
            let archive = charts.download(&repository, &name, &version, pass_credentials).await?;
            found.push(Found::Archive { name, version: version.version, archive });
        }
    }
    Ok(found)
}
