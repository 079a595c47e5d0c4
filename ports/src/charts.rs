//! The port to Helm chart repositories over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use landfall_repository::chart_index::{ChartVersion, Index};
use landfall_repository::problem::SourceError;
use landfall_repository::repository::Repository;

/// Reads chart repositories. Every method may be called concurrently. Errors carry the address without credentials, the
/// reason and a hint.
#[async_trait]
pub trait ChartRepo: Send + Sync {
    /// Reads the index, asking the server only whether it changed if it was read before.
    async fn index(&self, repository: &Repository) -> Result<Arc<Index>, SourceError>;

    /// Finds the version of a chart that a version or constraint means; empty is the highest release.
    ///
    /// Errors: `NotFound` for the chart, `UnknownRevision` for the version, with what there is instead.
    async fn resolve(&self, repository: &Repository, chart: &str, version: &str) -> Result<ChartVersion, SourceError>;

    /// Downloads a version that [`ChartRepo::resolve`] returned and checks its digest.
    ///
    /// Errors: `Broken` if the digest differs, `TooLarge`.
    async fn download(
        &self,
        repository: &Repository,
        chart: &str,
        version: &ChartVersion,
        pass_credentials: PassCredentials,
    ) -> Result<ChartArchive, SourceError>;

    /// Reads a file at an address of its own, such as a remote values file. Credentials of `repository` are sent only to
    /// its own host.
    async fn file(&self, repository: &Repository, url: &str) -> Result<Bytes, SourceError>;
}

/// Says whether credentials of a repository go along to other hosts that its index points to.
/// Source: Helm `--pass-credentials`, Argo CD `helm.passCredentials`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PassCredentials {
    /// Only to the repository's own scheme, host and port.
    #[default]
    SameHost,
    /// To every host.
    Everywhere,
}

/// Holds a packed chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartArchive {
    /// The `.tgz`.
    pub bytes: Bytes,
    /// Its SHA-256, hexadecimal.
    pub digest: String,
}
