//! The port to OCI registries: charts and other artifacts.

use async_trait::async_trait;
use bytes::Bytes;
use landfall_repository::problem::SourceError;
use landfall_repository::repository::Repository;

/// The media type of a packed chart. Source: Helm 3.21 `pkg/registry/constants.go`.
pub const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// The media type of a chart's metadata.
pub const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

/// Reads and writes artifacts in OCI registries. The repository's address is `oci://host[:port]/path`, or the same
/// without scheme if OCI is enabled for it. Errors carry the address without credentials, the reason and a hint.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Lists all tags, in the registry's order.
    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, SourceError>;

    /// Finds the tag that a version or constraint means: a tag of that name, else the highest version that satisfies it.
    /// A digest (`sha256:...`) is returned as it is.
    ///
    /// Errors: `UnknownRevision` with the highest versions there are.
    async fn resolve(&self, repository: &Repository, version: &str) -> Result<String, SourceError>;

    /// Returns the digest (`sha256:...`) of the manifest that a tag stands for now.
    async fn digest(&self, repository: &Repository, reference: &str) -> Result<String, SourceError>;

    /// Reads the manifest and the layers of an artifact by tag or digest. Every digest is checked.
    ///
    /// Errors: `Unsupported` for an index of several platforms, `TooLarge`.
    async fn pull(&self, repository: &Repository, reference: &str) -> Result<Artifact, SourceError>;

    /// Writes an artifact under a tag and returns the digest of its manifest.
    async fn push(&self, repository: &Repository, tag: &str, artifact: &Artifact) -> Result<String, SourceError>;
}

/// Holds one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The digest of its manifest; empty before it was pushed.
    pub digest: String,
    /// What the configuration is.
    pub config_media_type: String,
    /// The configuration: for charts the `Chart.yaml` as JSON.
    pub config: Bytes,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// Notes on the whole, such as `org.opencontainers.image.revision`; sorted by name.
    pub annotations: Vec<(String, String)>,
}

/// Holds one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it is.
    pub media_type: String,
    /// Its content.
    pub content: Bytes,
}
