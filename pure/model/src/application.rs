//! The Application resource (`argoproj.io/v1alpha1`): what its users write. What controllers write is in [`crate::status`].
//! Source: Argo CD 3.5 `pkg/apis/application/v1alpha1/types.go`, `manifests/crds/application-crd.yaml`.
//!
//! Unknown fields are tolerated and ignored, as a Kubernetes controller must; a field of another type than its schema has
//! is an [`InvalidApplication`] and not a panic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object;
use crate::status::{ApplicationStatus, Operation};
use crate::sync_options::SyncOptions;
use crate::time::Time;

/// The API group of Application, AppProject and ApplicationSet.
pub const GROUP: &str = "argoproj.io";
/// The version of those kinds.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// How many syncs are remembered unless the application says otherwise.
pub const REVISION_HISTORY_LIMIT_DEFAULT: i64 = 10;

/// Says what is wrong with an Application that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Application {namespace}/{name} cannot be read: {reason}")]
pub struct InvalidApplication {
    /// The namespace it stands in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which field, and what was expected there.
    pub reason: String,
}

/// One Application as read from the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Metadata that the controller needs.
    pub metadata: Metadata,
    /// What the user wants.
    pub spec: ApplicationSpec,
    /// An operation that was asked for, or runs.
    pub operation: Option<Operation>,
    /// What a controller last wrote.
    pub status: ApplicationStatus,
}

/// The metadata that the controller reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The version of the object, for writes that must not overwrite others'.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Counts changes of the object.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Time>,
    /// When its deletion was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Time>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Finalizers, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// `spec`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSpec {
    /// The project; `""` means `default` ([`ApplicationSpec::project`]).
    pub project: String,
    /// Where objects go.
    pub destination: Destination,
    /// The one source; ignored when `sources` is not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Several sources, in order: of equal objects the later source's wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// When and how to synchronise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_policy: Option<SyncPolicy>,
    /// Differences that do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifference>,
    /// What people want to see beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// How many syncs are remembered; default [`REVISION_HISTORY_LIMIT_DEFAULT`], 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i64>,
}

/// A destination: a cluster by `server` or by `name`, never both, and the namespace for objects that name none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// The URL of the API server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The name of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace for namespaced objects that name none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Where manifests come from. `helm`, `kustomize` and `plugin` are kept as written: their renderers read them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// A Git repository, a Helm repository (with `chart`), or `oci://...`.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// The folder in the repository; exclusive with `chart`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Branch, tag, commit, version or constraint; `""` is the default branch or the newest version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_revision: String,
    /// The chart of a Helm repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// Makes this source usable as `$ref/...` in value files of others.
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// A label for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Stripped from Git tags before they are compared as versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag_prefix: String,
    /// Helm's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Value>,
    /// Kustomize's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Value>,
    /// Settings of a plain directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectorySource>,
    /// A plugin's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Value>,
}

/// Settings of a plain directory of manifests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DirectorySource {
    /// Whether folders below are read too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub recurse: bool,
    /// Glob of files to read; `""` is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub include: String,
    /// Glob of files to leave out; decided before `include`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclude: String,
    /// Jsonnet's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jsonnet: Option<Value>,
}

/// When and how to synchronise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPolicy {
    /// Present: synchronise without being asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// Options of the form `Name=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// What to do when a sync fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryStrategy>,
    /// Labels and annotations of a namespace that was made by `CreateNamespace=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
}

/// Automatic synchronisation. Absent switches are `false`, but for `enabled`, which is `true`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Automated {
    /// Whether objects that Git no longer holds are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// Whether changes made in the cluster are undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_heal: Option<bool>,
    /// Whether a source that holds nothing may delete everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// `false` keeps the block but switches it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// How a failed sync is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryStrategy {
    /// Tries after the first; 0 is none, below 0 without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// How long to wait between tries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Whether a try takes the newest revision and not the one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<bool>,
}

/// Waiting time between tries: `duration * factor^n`, at most `max_duration`. Durations are Go's (`5s`, `3m`) or bare
/// seconds. Defaults: 5s, 2, 3m.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// The first wait.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub duration: String,
    /// What each further wait is multiplied by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<i64>,
    /// The longest wait.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_duration: String,
}

/// Labels and annotations of a managed namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagedNamespaceMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Differences of some objects that do not count. `group`, `kind` are globs; empty `name` or `namespace` is any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreDifference {
    /// The API group, a glob.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind, a glob.
    pub kind: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// RFC 6901 pointers to fields that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// jq paths to fields that are left out.
    #[serde(rename = "jqPathExpressions", skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    /// Managers whose fields are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
}

/// A name and a value for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// The name.
    pub name: String,
    /// The value; a URL becomes a link.
    pub value: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    metadata: Metadata,
    spec: ApplicationSpec,
    operation: Option<Operation>,
    status: Option<Value>,
}

impl Application {
    /// Reads an Application. A status that cannot be read is taken as none: it is ours to write anew.
    pub fn read(value: &Value) -> Result<Self, InvalidApplication> {
        let wire: Wire = serde_json::from_value(value.clone()).map_err(|error| InvalidApplication {
            namespace: object::namespace(value).to_owned(),
            name: object::name(value).to_owned(),
            reason: error.to_string(),
        })?;
        let status = wire.status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default();
        Ok(Self { metadata: wire.metadata, spec: wire.spec, operation: wire.operation, status })
    }

    /// Reads an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.get(name).map(String::as_str)
    }
}

impl ApplicationSpec {
    /// Names the project, `default` if none is written.
    pub fn project(&self) -> &str {
        if self.project.is_empty() { "default" } else { &self.project }
    }

    /// Lists the sources in order, whether written as `source` or as `sources`.
    pub fn sources(&self) -> &[Source] {
        if self.sources.is_empty() { self.source.as_slice() } else { &self.sources }
    }

    /// Says whether several sources were written (`sources`), which changes the shape of the status.
    pub fn has_multiple_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Returns the automatic policy if it is there and switched on.
    pub fn automated(&self) -> Option<&Automated> {
        self.sync_policy.as_ref()?.automated.as_ref().filter(|automated| automated.enabled.unwrap_or(true))
    }

    /// Parses the application's sync options.
    pub fn sync_options(&self) -> SyncOptions {
        let options = self.sync_policy.iter().flat_map(|policy| policy.sync_options.iter());
        SyncOptions::parse(options.map(String::as_str))
    }

    /// Says how many syncs are remembered.
    pub fn revision_history_limit(&self) -> usize {
        self.revision_history_limit.unwrap_or(REVISION_HISTORY_LIMIT_DEFAULT).max(0) as usize
    }
}
