//! The questions that a build puts to its caller: remote resources and Helm charts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use landfall_tree::Tree;

/// Answers the questions of a build that its own tree cannot.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Fetches remote resources; [`NoRemotes`] refuses them all.
    pub remote: &'a dyn Remote,
    /// Renders charts; `None`: `helmCharts` fails with a message.
    pub charts: Option<&'a dyn Charts>,
}

impl Default for Outside<'_> {
    fn default() -> Self {
        Self { remote: &NoRemotes, charts: None }
    }
}

impl fmt::Debug for Outside<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outside").field("charts", &self.charts.is_some()).finish_non_exhaustive()
    }
}

/// Describes a resource that lies outside the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRequest {
    /// The text in the kustomization.
    pub url: String,
    /// The repository part if the text can name a Git repository, as a URL or `host:path` that Git understands.
    pub repository: Option<String>,
    /// The directory inside the repository, `""` for its root.
    pub path: String,
    /// The branch, tag or commit (`?ref=` or `?version=`), empty for the default branch.
    pub reference: String,
    /// Whether submodules are wanted (`?submodules=`, true unless it says false).
    pub submodules: bool,
    /// Whether the text is an http or https URL, which may name a single file.
    pub is_http: bool,
    /// Whether the kustomization wants a file (a patch, a component never does); then a repository is no answer.
    pub wants_file: bool,
}

/// What a remote resource turned out to be.
#[derive(Clone)]
pub enum RemoteContent {
    /// The content of one file.
    File(Bytes),
    /// A tree, pinned to a commit, and the directory in it.
    Directory {
        /// The files of the repository.
        tree: Arc<dyn Tree>,
        /// The kustomization's directory in it.
        path: String,
    },
}

impl fmt::Debug for RemoteContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(bytes) => formatter.debug_tuple("File").field(&bytes.len()).finish(),
            Self::Directory { path, .. } => {
                formatter.debug_struct("Directory").field("path", path).finish_non_exhaustive()
            }
        }
    }
}

/// Fetches remote resources and pins them. A build asks once per mention.
///
/// Implementations check an allow-list, fetch by library (never a process), and must answer the same for the same
/// request during one build.
pub trait Remote: Send + Sync {
    /// Fetches what `request` describes.
    ///
    /// Errors: a sentence that says why not and what to do, for example that the host is not on the allow-list.
    fn fetch(&self, request: &RemoteRequest) -> Result<RemoteContent, String>;
}

/// Refuses every remote resource.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRemotes;

impl Remote for NoRemotes {
    fn fetch(&self, _request: &RemoteRequest) -> Result<RemoteContent, String> {
        Err("remote resources are not fetched here; copy the files into the repository, or allow the host".to_owned())
    }
}

/// Says where a chart is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartSource {
    /// In the tree that the request carries, unpacked, at this directory.
    Local {
        /// The directory of the chart, relative to the root of the tree.
        path: String,
    },
    /// In a repository.
    Repository {
        /// `https://…` or `oci://…`.
        url: String,
        /// The chart's name.
        name: String,
        /// The version or constraint, empty for the newest.
        version: String,
        /// Whether pre-releases count.
        devel: bool,
    },
}

/// Describes one inflation of a chart, as the arguments of `helm template`.
pub struct ChartRequest<'a> {
    /// The tree of the kustomization.
    pub tree: &'a dyn Tree,
    /// The chart.
    pub chart: ChartSource,
    /// The release name; `None`: generated (`--generate-name`).
    pub release_name: Option<String>,
    /// A template for the release name (`--name-template`), empty if none.
    pub name_template: String,
    /// The namespace, empty for Helm's default.
    pub namespace: String,
    /// Values as YAML texts, later ones win (`-f` in this order).
    pub values: Vec<String>,
    /// API versions that the cluster is said to have.
    pub api_versions: Vec<String>,
    /// The Kubernetes version, empty for the renderer's default.
    pub kube_version: String,
    /// Whether the chart's CRDs are printed.
    pub include_crds: bool,
    /// Whether test hooks are left out.
    pub skip_tests: bool,
    /// Whether all hooks are left out.
    pub skip_hooks: bool,
}

/// Renders Helm charts.
pub trait Charts: Send + Sync {
    /// Renders what `helm template` prints for the request.
    ///
    /// Errors: a sentence that says why not, with the file and line of the template where there is one.
    fn template(&self, request: &ChartRequest<'_>) -> Result<String, String>;
}
