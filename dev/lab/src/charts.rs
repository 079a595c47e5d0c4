//! Chart repositories and registries: there are none in the simulated world, and asking says so.

use std::sync::Arc;

use async_trait::async_trait;
use landfall_ports::charts::{ChartArchive, ChartRepo, PassCredentials};
use landfall_ports::cluster::Cause;
use landfall_ports::registry::{Artifact, Registry};
use landfall_repository::chart_index::{ChartVersion, Index};
use landfall_repository::problem::SourceError;
use landfall_repository::repository::Repository;

use crate::gate::{Effect, Gate, Port};
use crate::git::failure;

/// One process' way to nowhere.
pub struct NoCharts {
    /// The process' gate.
    pub gate: Arc<Gate>,
}

impl NoCharts {
    async fn refuse<T>(&self, verb: &'static str, repository: &Repository) -> Result<T, SourceError> {
        let url = repository.url.clone();
        let nothing = async { Err(failure(Cause::NotFound, &url)) };
        self.gate.pass((Port::Charts, verb, Effect::Reads), url.clone(), |cause| failure(cause, &url), nothing).await
    }
}

type Found<T> = Result<T, SourceError>;

#[async_trait]
impl ChartRepo for NoCharts {
    async fn index(&self, repository: &Repository) -> Found<Arc<Index>> {
        self.refuse("index", repository).await
    }

    async fn resolve(&self, repository: &Repository, _: &str, _: &str) -> Found<ChartVersion> {
        self.refuse("resolve", repository).await
    }

    async fn download(
        &self,
        repository: &Repository,
        _: &str,
        _: &ChartVersion,
        _: PassCredentials,
    ) -> Found<ChartArchive> {
        self.refuse("download", repository).await
    }

    async fn file(&self, repository: &Repository, _: &str) -> Found<bytes::Bytes> {
        self.refuse("file", repository).await
    }
}

#[async_trait]
impl Registry for NoCharts {
    async fn tags(&self, repository: &Repository) -> Found<Vec<String>> {
        self.refuse("tags", repository).await
    }

    async fn resolve(&self, repository: &Repository, _: &str) -> Found<String> {
        self.refuse("resolve", repository).await
    }

    async fn digest(&self, repository: &Repository, _: &str) -> Found<String> {
        self.refuse("digest", repository).await
    }

    async fn pull(&self, repository: &Repository, _: &str) -> Found<Artifact> {
        self.refuse("pull", repository).await
    }

    async fn push(&self, repository: &Repository, _: &str, _: &Artifact) -> Found<String> {
        self.refuse("push", repository).await
    }
}
