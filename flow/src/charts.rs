//! Charts of chart repositories and registries, unpacked into trees, each version fetched once.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use landfall_helm::chart::Chart;
use landfall_model::application::Source;
use landfall_ports::charts::{ChartRepo, PassCredentials};
use landfall_ports::dependencies::{self, Found};
use landfall_ports::registry::{Artifact, CHART_LAYER, Registry};
use landfall_render::{Missing, remote_path};
use landfall_repository::chart_index::Index;
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::Repository;
use landfall_tree::Tree;
use sha2::{Digest as _, Sha256};

use crate::render::Checkout;
use crate::repositories::Repositories;

/// How many unpacked charts are kept.
const CHARTS_MAX: usize = 256;

/// A chart as it was fetched.
#[derive(Clone)]
struct Unpacked {
    tree: Arc<dyn Tree>,
    /// Of the archive, as `sha256:` and hexadecimal digits.
    digest: String,
}

/// Fetches charts.
pub struct Charts {
    repositories: Arc<dyn ChartRepo>,
    registry: Arc<dyn Registry>,
    unpacked: Mutex<Vec<(String, Unpacked)>>,
}

/// What was fetched for a chart that stands in a repository.
#[derive(Default)]
pub struct Supply {
    /// The files to add to the repository's, by path.
    pub files: Vec<(String, Bytes)>,
    /// What each was fetched as: an address or a chart's name and version, and the digest of the content.
    pub pins: Vec<(String, String)>,
}

impl Charts {
    /// Starts with none.
    pub fn of(repositories: Arc<dyn ChartRepo>, registry: Arc<dyn Registry>) -> Self {
        Self { repositories, registry, unpacked: Mutex::default() }
    }

    /// Fetches the chart of a source at the version that its target revision (or `revision`) means, below a folder of
    /// the chart's name.
    pub async fn checkout(
        &self,
        configured: &Repositories,
        source: &Source,
        project: &str,
        revision: Option<&str>,
    ) -> Result<Checkout, SourceError> {
        let mut repository = configured.repository(&source.repo_url, project);
        let wanted = revision.unwrap_or(&source.target_revision);
        let is_oci = source.repo_url.starts_with("oci://") || repository.connection.oci_enabled;
        let name = if source.chart.is_empty() { last_part(&source.repo_url) } else { source.chart.as_str() };
        let checkout = |revision: String, Unpacked { tree, digest }: Unpacked| Checkout {
            repo_url: source.repo_url.clone(),
            revision,
            tree,
            digest: Some(digest),
        };
        if is_oci {
            if !source.chart.is_empty() {
                repository.url = format!("{}/{}", repository.url.trim_end_matches('/'), source.chart);
            }
            let tag = self.registry.resolve(&repository, wanted).await?;
            let key = format!("{} {tag}", repository.url);
            if let Some(known) = self.find(&key) {
                return Ok(checkout(tag, known));
            }
            let artifact = self.registry.pull(&repository, &tag).await?;
            let layer = artifact.layers.into_iter().find(|layer| layer.media_type == CHART_LAYER).ok_or_else(|| {
                let reason = format!("{tag} is no Helm chart: it has no layer of the type {CHART_LAYER}");
                SourceError::of(SourceProblem::Unsupported, &repository.url, reason)
            })?;
            return Ok(checkout(tag, self.unpack(key, &repository.url, name, &layer.content)?));
        }
        let version = self.repositories.resolve(&repository, name, wanted).await?;
        let key = format!("{} {name} {}", repository.url, version.version);
        if let Some(known) = self.find(&key) {
            return Ok(checkout(version.version, known));
        }
        let passes = source.helm.as_ref().is_some_and(|helm| helm["passCredentials"] == true);
        let pass = if passes { PassCredentials::Everywhere } else { PassCredentials::SameHost };
        let archive = self.repositories.download(&repository, name, &version, pass).await?;
        let unpacked = self.unpack(key, &repository.url, name, &archive.bytes)?;
        Ok(checkout(version.version, unpacked))
    }

    /// Reads the index of a chart repository.
    pub async fn index(&self, repository: &Repository) -> Result<Arc<Index>, SourceError> {
        self.repositories.index(repository).await
    }

    /// Lists the tags of an OCI repository.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, SourceError> {
        self.registry.tags(repository).await
    }

    /// Reads an OCI artifact by the tag that a version or constraint means.
    pub async fn artifact(&self, repository: &Repository, version: &str) -> Result<Artifact, SourceError> {
        let tag = self.registry.resolve(repository, version).await?;
        self.registry.pull(repository, &tag).await
    }

    /// Fetches what a chart in a repository names and the repository has not. `schemes` are those that values files may be
    /// fetched over (Argo CD's `helm.valuesFileSchemes`).
    ///
    /// Errors: the first thing that cannot be had.
    pub async fn supply(
        &self,
        configured: &Repositories,
        missing: &Missing,
        project: &str,
        schemes: &[String],
    ) -> Result<Supply, SourceError> {
        let mut supply = Supply::default();
        for address in &missing.remote_files {
            let scheme = address.split("://").next().unwrap_or_default();
            if !schemes.iter().any(|allowed| allowed == scheme) {
                let reason = format!("values files may not be fetched over {scheme}");
                return Err(SourceError::of(SourceProblem::Unsupported, address, reason)
                    .hinting(format!("Add {scheme} to helm.valuesFileSchemes in argocd-cm, or commit the file.")));
            }
            let repository = configured.repository(address, project);
            let content = self.repositories.file(&repository, address).await?;
            supply.pins.push((address.clone(), digest(&content)));
            supply.files.push((remote_path(address), content));
        }
        let pass = match missing.pass_credentials {
            true => PassCredentials::Everywhere,
            false => PassCredentials::SameHost,
        };
        let known = configured.configured();
        let (charts, registry) = (&*self.repositories, &*self.registry);
        for found in dependencies::fetch(&missing.dependencies, &known, project, pass, charts, registry).await? {
            if let Found::Archive { name, version, archive } = found {
                supply.pins.push((format!("{name}:{version}"), digest(&archive.bytes)));
                supply.files.push((missing.supplied_file(&name, &version), archive.bytes));
            }
        }
        Ok(supply)
    }

    fn find(&self, key: &str) -> Option<Unpacked> {
        let unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        unpacked.iter().find(|(known, _)| known == key).map(|(_, tree)| tree.clone())
    }

    fn unpack(&self, key: String, url: &str, name: &str, archive: &[u8]) -> Result<Unpacked, SourceError> {
        let tree = Chart::unpack(archive, name)
            .map_err(|error| SourceError::of(SourceProblem::Broken, url, error.to_string()))?;
        let fetched = Unpacked { tree: Arc::new(tree), digest: digest(archive) };
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if unpacked.len() >= CHARTS_MAX {
            unpacked.remove(0);
        }
        unpacked.push((key, fetched.clone()));
        Ok(fetched)
    }
}

fn digest(archive: &[u8]) -> String {
    let digits: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn last_part(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or(url)
}
