//! What became of the steps of a plan, and what the world is told about it.

use crate::key::{GroupVersionKind, ObjectKey};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The object.
    pub key: ObjectKey,
    /// The kind in the version it was sent in.
    pub gvk: GroupVersionKind,
    /// What happened.
    pub result: StepResult,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// It was not there and is now.
    Created,
    /// It was changed.
    Changed,
    /// It was as it is to be.
    Unchanged,
    /// Its deletion was accepted; it may still be there with a deletion timestamp.
    Deleted,
    /// It was not there any more.
    AlreadyGone,
    /// It was left as it is, because it is not what the decision was made about any more; the reason in words.
    LeftAlone(String),
    /// The step could not be carried out.
    Failed {
        /// What the server or the network said.
        message: String,
        /// Whether the same step may succeed later with nothing changed.
        is_transient: bool,
    },
}

/// An Event on an Application, with the reasons that Argo CD gives.
/// Source: Argo CD 3.5 `util/argo/audit_logger.go`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The reason.
    pub reason: EventReason,
    /// Whether people should be warned.
    pub is_warning: bool,
    /// What happened.
    pub message: String,
}

/// Reasons of Events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventReason {
    /// A sync, heal or rollback began.
    OperationStarted,
    /// It ended.
    OperationCompleted,
    /// Sync or health status changed.
    ResourceUpdated,
    /// An object was made.
    ResourceCreated,
    /// An object was deleted.
    ResourceDeleted,
    /// A condition appeared or went, or something was skipped.
    StatusRefreshed,
}

impl EventReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OperationStarted => "OperationStarted",
            Self::OperationCompleted => "OperationCompleted",
            Self::ResourceUpdated => "ResourceUpdated",
            Self::ResourceCreated => "ResourceCreated",
            Self::ResourceDeleted => "ResourceDeleted",
            Self::StatusRefreshed => "StatusRefreshed",
        }
    }
}
