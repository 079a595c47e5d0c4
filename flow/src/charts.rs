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

use crate::render::Checkout;
use crate::repositories::Repositories;

/// How many unpacked charts are kept.
const CHARTS_MAX: usize = 256;

/// Fetches charts.
pub struct Charts {
    repositories: Arc<dyn ChartRepo>,
    registry: Arc<dyn Registry>,
    unpacked: Mutex<Vec<(String, Arc<dyn Tree>)>>,
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
        let checkout =
            |revision: String, tree: Arc<dyn Tree>| Checkout { repo_url: source.repo_url.clone(), revision, tree };
        if is_oci {
            if !source.chart.is_empty() {
                repository.url = format!("{}/{}", repository.url.trim_end_matches('/'), source.chart);
            }
            let tag = self.registry.resolve(&repository, wanted).await?;
            let key = format!("{} {tag}", repository.url);
            if let Some(tree) = self.find(&key) {
                return Ok(checkout(tag, tree));
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
        if let Some(tree) = self.find(&key) {
            return Ok(checkout(version.version, tree));
        }
        let passes = source.helm.as_ref().is_some_and(|helm| helm["passCredentials"] == true);
        let pass = if passes { PassCredentials::Everywhere } else { PassCredentials::SameHost };
        let archive = self.repositories.download(&repository, name, &version, pass).await?;
        let tree = self.unpack(key, &repository.url, name, &archive.bytes)?;
        Ok(checkout(version.version, tree))
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

    /// Fetches what a chart in a repository names and the repository has not: the files to add to it, by path. `schemes` are
    /// those that values files may be fetched over (Argo CD's `helm.valuesFileSchemes`).
    ///
    /// Errors: the first thing that cannot be had.
    pub async fn supply(
        &self,
        configured: &Repositories,
        missing: &Missing,
        project: &str,
        schemes: &[String],
    ) -> Result<Vec<(String, Bytes)>, SourceError> {
        let mut files = Vec::new();
        for address in &missing.remote_files {
            let scheme = address.split("://").next().unwrap_or_default();
            if !schemes.iter().any(|allowed| allowed == scheme) {
                let reason = format!("values files may not be fetched over {scheme}");
                return Err(SourceError::of(SourceProblem::Unsupported, address, reason)
                    .hinting(format!("Add {scheme} to helm.valuesFileSchemes in argocd-cm, or commit the file.")));
            }
            let repository = configured.repository(address, project);
            files.push((remote_path(address), self.repositories.file(&repository, address).await?));
        }
        let pass = match missing.pass_credentials {
            true => PassCredentials::Everywhere,
            false => PassCredentials::SameHost,
        };
        let known = configured.configured();
        let (charts, registry) = (&*self.repositories, &*self.registry);
        for found in dependencies::fetch(&missing.dependencies, &known, project, pass, charts, registry).await? {
            if let Found::Archive { name, version, archive } = found {
                files.push((missing.supplied_file(&name, &version), archive.bytes));
            }
        }
        Ok(files)
    }

    fn find(&self, key: &str) -> Option<Arc<dyn Tree>> {
        let unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        unpacked.iter().find(|(known, _)| known == key).map(|(_, tree)| tree.clone())
    }

    fn unpack(&self, key: String, url: &str, name: &str, archive: &[u8]) -> Result<Arc<dyn Tree>, SourceError> {
        let tree = Chart::unpack(archive, name)
            .map_err(|error| SourceError::of(SourceProblem::Broken, url, error.to_string()))?;
        let tree: Arc<dyn Tree> = Arc::new(tree);
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if unpacked.len() >= CHARTS_MAX {
            unpacked.remove(0);
        }
        unpacked.push((key, tree.clone()));
        Ok(tree)
    }
}

fn last_part(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or(url)
}
