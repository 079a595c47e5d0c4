//! What controllers write on an Application: `status`, `operation`, `status.operationState`.
//! Source: Argo CD 3.5 `pkg/apis/application/v1alpha1/types.go`; the shapes are exactly its, so that printer columns,
//! dashboards and scripts of its users keep working.

use serde::{Deserialize, Serialize};

use crate::application::{Destination, IgnoreDifference, Info, ManagedNamespaceMetadata, RetryStrategy, Source};
use crate::health::HealthStatus;
use crate::key::ObjectKey;
use crate::time::Time;

/// Whether the cluster holds what the source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum SyncStatusCode {
    /// Could not be compared.
    #[default]
    Unknown,
    /// It does.
    Synced,
    /// It does not.
    OutOfSync,
}

impl SyncStatusCode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
        }
    }
}

/// `status`. Every field but the times is a function of what was observed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// One entry per object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// Where the health of single objects is kept: `appTree` when not in `resources`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_health_source: String,
    /// Whether the cluster holds what the source holds.
    pub sync: SyncStatus,
    /// How the application does.
    pub health: AppHealth,
    /// Successful syncs, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<RevisionHistory>,
    /// Errors and warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When it was last compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<Time>,
    /// The running operation, or the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    /// `Directory`, `Helm`, `Kustomize`, `Plugin`; for one source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_type: String,
    /// The same for several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_types: Vec<String>,
    /// Images and links.
    #[serde(skip_serializing_if = "Summary::is_empty")]
    pub summary: Summary,
    /// The namespace of the controller that wrote this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller_namespace: String,
}

/// `status.health`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppHealth {
    /// The state.
    pub status: HealthStatus,
    /// Why; since Argo CD 3.0 only on single objects, kept here because people look for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the state changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// `status.sync`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    /// The answer.
    pub status: SyncStatusCode,
    /// What was compared.
    pub compared_to: ComparedTo,
    /// The resolved revision of the one source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The resolved revisions of several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
}

/// `status.sync.comparedTo`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComparedTo {
    /// The one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The destination.
    pub destination: Destination,
    /// Differences that did not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifference>,
}

/// `status.resources[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceStatus {
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Whether it is as the source holds it; absent for hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SyncStatusCode>,
    /// How it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<ResourceHealth>,
    /// Whether it is a hook.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hook: bool,
    /// Whether it stands in the cluster but no longer in the source.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub requires_pruning: bool,
    /// Whether its deletion needs a person's word.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub requires_deletion_confirmation: bool,
    /// Its wave, when not 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_wave: Option<i64>,
}

impl ResourceStatus {
    /// Names the object.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(&self.group, &self.kind, &self.namespace, &self.name)
    }
}

/// `status.resources[].health`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceHealth {
    /// The state.
    pub status: HealthStatus,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// `status.history[]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RevisionHistory {
    /// The revision of the one source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The revisions of several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// When the sync ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed_at: Option<Time>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy_started_at: Option<Time>,
    /// Counts up from 0; `rollback` takes it.
    pub id: i64,
    /// The one source as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Several sources as they were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Who asked.
    #[serde(skip_serializing_if = "OperationInitiator::is_empty")]
    pub initiated_by: OperationInitiator,
}

/// The types of conditions. Those that end in `Error` stop a sync; the others warn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// Deleting the application failed.
    DeletionError,
    /// The spec cannot be followed.
    InvalidSpecError,
    /// Desired and live state could not be compared.
    ComparisonError,
    /// An automatic sync failed or was refused.
    SyncError,
    /// Anything else.
    UnknownError,
    /// Another application has one of the objects.
    SharedResourceWarning,
    /// One object stands in several sources.
    RepeatedResourceWarning,
    /// Objects that settings exclude.
    ExcludedResourceWarning,
    /// Objects of the namespace that no application has.
    OrphanedResourceWarning,
}

impl ConditionType {
    /// Says whether this stops a sync.
    pub fn is_error(self) -> bool {
        match self {
            Self::DeletionError
            | Self::InvalidSpecError
            | Self::ComparisonError
            | Self::SyncError
            | Self::UnknownError => true,
            Self::SharedResourceWarning
            | Self::RepeatedResourceWarning
            | Self::ExcludedResourceWarning
            | Self::OrphanedResourceWarning => false,
        }
    }
}

/// `status.conditions[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The type.
    #[serde(rename = "type")]
    pub condition_type: ConditionType,
    /// What happened, to which object, why, and what to do.
    pub message: String,
    /// When it appeared or its message changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// `status.summary`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Links to what the application serves.
    #[serde(rename = "externalURLs", skip_serializing_if = "Vec::is_empty")]
    pub external_urls: Vec<String>,
    /// Images that run, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

impl Summary {
    fn is_empty(&self) -> bool {
        self.external_urls.is_empty() && self.images.is_empty()
    }
}

/// `operation`: setting it starts a sync.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// What to synchronise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncOperation>,
    /// Who asked.
    #[serde(skip_serializing_if = "OperationInitiator::is_empty")]
    pub initiated_by: OperationInitiator,
    /// What people want to see beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// What to do when it fails.
    #[serde(skip_serializing_if = "RetryStrategy::is_empty")]
    pub retry: RetryStrategy,
}

impl RetryStrategy {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `operation.initiatedBy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationInitiator {
    /// The user, when a person asked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Whether nobody asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub automated: bool,
}

impl OperationInitiator {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `operation.sync`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncOperation {
    /// The revision; `""` is the one that the source resolves to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The revisions of several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// Whether objects that the source no longer holds are deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// Whether nothing is changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How objects are applied; absent is with hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_strategy: Option<SyncStrategy>,
    /// Only these objects; empty is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<SyncOperationResource>,
    /// Another source than the spec's: a rollback has the one of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Other sources than the spec's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Manifests to apply in place of the sources': `--local`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
    /// Options of the form `Name=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// How often healing was tried in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_heal_attempts_count: Option<i64>,
}

/// `operation.sync.syncStrategy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStrategy {
    /// Without hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<StrategyForce>,
    /// With hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<StrategyForce>,
}

/// Whether objects that cannot be changed are deleted and made again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyForce {
    /// Whether they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// `operation.sync.resources[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncOperationResource {
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace; `""` is any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Whether this one is left out rather than taken; Landfall's CLI expands it, and it is not written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclude: bool,
}

/// The phases of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OperationPhase {
    /// Under way.
    Running,
    /// Under way, and asked to stop.
    Terminating,
    /// Objects could not be applied, or became unhealthy.
    Failed,
    /// It could not be carried out at all.
    Error,
    /// Done.
    Succeeded,
}

impl OperationPhase {
    /// Says whether nothing more will happen.
    pub fn is_completed(self) -> bool {
        match self {
            Self::Running | Self::Terminating => false,
            Self::Failed | Self::Error | Self::Succeeded => true,
        }
    }

    /// Says whether it ended well.
    pub fn is_successful(self) -> bool {
        self == Self::Succeeded
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Terminating => "Terminating",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Succeeded => "Succeeded",
        }
    }
}

/// `status.operationState`: all progress of a sync; a restarted controller goes on from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// The operation as it was asked for.
    pub operation: Operation,
    /// Where it stands.
    pub phase: OperationPhase,
    /// What happens or happened, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What was done so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_result: Option<SyncResult>,
    /// When it began.
    pub started_at: Time,
    /// When it ended; while it waits for another try, when the last try ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Tries after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<i64>,
}

/// `status.operationState.syncResult`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncResult {
    /// One entry per object that was dealt with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceResult>,
    /// The revision of the one source.
    pub revision: String,
    /// The one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The revisions of several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// Labels and annotations that the namespace was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResultCode {
    /// It was applied.
    Synced,
    /// It could not be.
    SyncFailed,
    /// It was deleted.
    Pruned,
    /// It was left although the source no longer holds it.
    PruneSkipped,
}

/// The phases of a sync, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SyncPhase {
    /// Before the objects.
    PreSync,
    /// The objects.
    Sync,
    /// After the objects are healthy.
    PostSync,
    /// After a failure.
    SyncFail,
    /// Before the application is deleted.
    PreDelete,
    /// After the application was deleted.
    PostDelete,
}

/// `status.operationState.syncResult.resources[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceResult {
    /// The API group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ResultCode>,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The hook's type, `""` for other objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hook_type: String,
    /// Where a hook, or an object that is waited for, stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_phase: Option<OperationPhase>,
    /// The phase it was dealt with in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_phase: Option<SyncPhase>,
    /// Images of its containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

impl ResourceResult {
    /// Names the object.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(&self.group, &self.kind, &self.namespace, &self.name)
    }
}
