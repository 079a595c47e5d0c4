//! A Kubernetes API server, as far as Landfall needs one: discovery, reading, watching and writing objects.
//!
//! Objects are JSON as the server sends it. A kind is named by [`ServedKind`], which the caller has from
//! [`Cluster::discovery`]: an implementation never guesses a plural. Every call is one request (a list is one per page),
//! which is what makes requests countable; nothing here retries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use landfall_model::key::{GroupKind, GroupVersionKind};
use landfall_repository::cluster::ClusterAccess;
use serde_json::Value;

/// A kind that the server serves, in one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServedKind {
    /// Group, version and kind.
    pub gvk: GroupVersionKind,
    /// The plural name in paths.
    pub plural: String,
    /// Whether objects stand in namespaces.
    pub is_namespaced: bool,
    /// What can be done with it: `list`, `watch`, `patch`, ...
    pub verbs: Vec<String>,
    /// Whether this version is the one that the group prefers.
    pub is_preferred: bool,
}

impl ServedKind {
    /// Says whether `verb` can be done.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// What a server serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The version as `v1.36.3`.
    pub server_version: String,
    /// Every kind in every version, without subresources.
    pub kinds: Vec<ServedKind>,
    /// Groups that could not be asked, with the reason: a broken APIService affects its own group only.
    pub failures: Vec<(String, String)>,
}

impl Discovery {
    /// Finds a kind in exactly this version.
    pub fn find(&self, gvk: &GroupVersionKind) -> Option<&ServedKind> {
        self.kinds.iter().find(|kind| kind.gvk == *gvk)
    }

    /// Finds a kind in the version that its group prefers, or any.
    pub fn preferred(&self, wanted: &GroupKind) -> Option<&ServedKind> {
        let mut served =
            self.kinds.iter().filter(|kind| kind.gvk.group == wanted.group && kind.gvk.kind == wanted.kind);
        let first = served.clone().next();
        served.find(|kind| kind.is_preferred).or(first)
    }
}

/// How much of each object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// All of it.
    Full,
    /// `metadata` only (PartialObjectMetadata).
    Metadata,
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this namespace; `""` is all.
    pub namespace: String,
    /// A label selector; `""` is all.
    pub label_selector: String,
    /// A field selector; `""` is all.
    pub field_selector: String,
}

/// Asks for one page of a list.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Which objects.
    pub selection: Selection,
    /// How many objects a page holds at most; 0 is no limit.
    pub page_size_max: u32,
    /// Where the last page ended ([`Page::next`]); `""` is the beginning.
    pub from: String,
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The objects, each with `apiVersion` and `kind`.
    pub objects: Vec<Value>,
    /// The version of the whole list, to watch from.
    pub resource_version: String,
    /// Where the next page begins; `""` if this was the last.
    pub next: String,
}

/// One event of a watch.
#[derive(Debug, Clone)]
pub enum Change {
    /// The object was made or changed.
    Applied(Value),
    /// The object is gone; this is its last state.
    Deleted(Value),
    /// Nothing changed up to this resource version.
    Bookmark(String),
}

/// How an object is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The field manager.
    pub manager: String,
    /// Take fields that others manage (server-side apply only).
    pub force: bool,
    /// Change nothing, but answer as if.
    pub dry_run: bool,
    /// Refuse unknown and duplicate fields rather than warn.
    pub strict: bool,
}

/// A patch of an object that is there.
#[derive(Debug, Clone)]
pub enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902.
    Json(Value),
    /// Kubernetes' strategic merge; built-in kinds only.
    Strategic(Value),
}

/// How an object is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delete {
    /// `Foreground`, `Background`, `Orphan`; `""` is the kind's default.
    pub propagation: String,
    /// Only if the object still has this uid; `""` is any.
    pub uid: String,
    /// Change nothing, but answer as if.
    pub dry_run: bool,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No answer: the server is down, or the way to it.
    Unreachable,
    /// Who we are is not accepted (401).
    Unauthorized,
    /// We may not (403).
    Forbidden,
    /// There is no such object (404).
    NotFound,
    /// There is no such kind.
    NotServed,
    /// It is there already (409).
    AlreadyExists,
    /// Somebody else changed it, or manages the field (409).
    Conflict,
    /// The object is not valid (422, 400).
    Invalid,
    /// The version to watch or page from is too old (410).
    Gone,
    /// The server asks for patience (429).
    TooManyRequests,
    /// Too large (413).
    TooLarge,
    /// The server failed (5xx).
    Internal,
}

impl Cause {
    /// Says whether the same request may go through later with nothing changed.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::TooManyRequests | Self::Internal | Self::Conflict | Self::Gone => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::NotServed
            | Self::AlreadyExists
            | Self::Invalid
            | Self::TooLarge => false,
        }
    }
}

/// A request that failed, in the server's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ClusterError {
    /// Why.
    pub cause: Cause,
    /// What was tried, as in `apply Deployment.apps shop/web`.
    pub action: String,
    /// The server's message.
    pub message: String,
    /// When to try again, if the server said.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ClusterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {}: {}", self.action, self.message)
    }
}

/// One API server.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Asks what is served.
    async fn discovery(&self) -> Result<Discovery, ClusterError>;

    /// Reads one object; `None` if it is not there.
    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError>;

    /// Reads one page of a list.
    async fn list(&self, kind: &ServedKind, detail: Detail, request: &ListRequest) -> Result<Page, ClusterError>;

    /// Watches a kind from a resource version on. The stream ends when the server ends it; an error of
    /// cause [`Cause::Gone`] means: list again.
    async fn watch(
        &self,
        kind: &ServedKind,
        detail: Detail,
        selection: &Selection,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError>;

    /// Applies an object server-side and returns it as it is then.
    async fn apply(&self, kind: &ServedKind, object: &Value, write: &Write) -> Result<Value, ClusterError>;

    /// Makes an object that is not there.
    async fn create(&self, kind: &ServedKind, object: &Value, write: &Write) -> Result<Value, ClusterError>;

    /// Puts an object in the place of the one that is there.
    async fn replace(&self, kind: &ServedKind, object: &Value, write: &Write) -> Result<Value, ClusterError>;

    /// Patches an object that is there. `subresource` is `""` or, say, `status`.
    async fn patch(
        &self,
        kind: &ServedKind,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: &Patch,
        write: &Write,
    ) -> Result<Value, ClusterError>;

    /// Asks for an object's deletion. `false` if it was not there.
    async fn delete(&self, kind: &ServedKind, namespace: &str, name: &str, how: &Delete) -> Result<bool, ClusterError>;

    /// Reads a container's log as text; `previous` is that of the container's last run.
    async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        tail_lines_max: Option<u32>,
        previous: bool,
    ) -> Result<String, ClusterError>;

    /// Reads a container's log line by line, each line beginning with its moment and a blank. With `follows` the stream
    /// goes on until the container ends or the stream is dropped.
    async fn log_lines(
        &self,
        request: &LogRequest,
    ) -> Result<BoxStream<'static, Result<String, ClusterError>>, ClusterError> {
        let tail = request.tail_lines.and_then(|lines| u32::try_from(lines).ok());
        let LogRequest { namespace, pod, container, previous, .. } = request;
        let text = self.logs(namespace, pod, container, tail, *previous).await?;
        let lines: Vec<_> = text.lines().map(|line| Ok(line.to_owned())).collect();
        Ok(Box::pin(futures::stream::iter(lines)))
    }
}

/// Which lines of a container's log are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod.
    pub pod: String,
    /// The container; `""` if there is only one.
    pub container: String,
    /// Whether to go on as lines are written.
    pub follows: bool,
    /// Whether the log of the container's last run is meant.
    pub previous: bool,
    /// Only what was written in the last seconds.
    pub since_seconds: Option<i64>,
    /// Only what was written since this moment, as RFC 3339.
    pub since_time: Option<String>,
    /// Only the last lines.
    pub tail_lines: Option<i64>,
}

/// Reaches API servers by their address and credentials.
#[async_trait]
pub trait ClusterConnector: Send + Sync {
    /// Makes a client for an API server; nothing is asked of it yet. Errors: what is wrong with `access`, in words that
    /// show no credential.
    async fn connect(&self, server: &str, access: &ClusterAccess) -> Result<Arc<dyn Cluster>, String>;
}
