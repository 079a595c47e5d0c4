//! What is to be done: steps in groups. The same value feeds the executor, differences and dry runs for people, the
//! approval screen and the audit record.
//!
//! A [`Step`] is idempotent: carried out twice it leaves what it left the first time. Groups are carried out one after
//! the other; the steps of one group in any order and at the same time. A failed step does not stop the later ones of its
//! plan: what follows from it is decided when the outcomes are recorded.

use serde_json::Value;

use crate::key::{GroupVersionKind, ObjectKey};
use crate::status::SyncPhase;
use crate::sync_options::Propagation;

/// One thing to do to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    /// The object.
    pub key: ObjectKey,
    /// The kind in the version it is sent in.
    pub gvk: GroupVersionKind,
    /// The phase it belongs to.
    pub phase: SyncPhase,
    /// The wave it belongs to.
    pub wave: i64,
    /// What is done.
    pub action: Step,
    /// Why, for people.
    pub why: String,
}

/// Everything that is ever done to an object. A new variant fails to compile wherever steps are described or carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Makes the destination namespace, or gives it its labels and annotations, by server-side apply.
    CreateNamespace {
        /// The namespace as it is to be.
        object: Value,
        /// How it is sent.
        options: ApplyOptions,
    },
    /// Applies an object server-side: makes it, or changes what differs.
    Apply {
        /// The object as it is to be, tracking annotation included.
        object: Value,
        /// How it is sent.
        options: ApplyOptions,
    },
    /// Puts the object in the place of the one that is there (`Replace=true`), or creates it. Fields of others are lost.
    Replace {
        /// The object as it is to be, without `resourceVersion`: take that of the live one.
        object: Value,
        /// How it is sent.
        options: ApplyOptions,
    },
    /// Deletes the object, waits until it is gone and creates it (`Replace=true` with `Force=true`).
    DeleteAndRecreate {
        /// The object as it is to be.
        object: Value,
        /// How its dependents go.
        propagation: Propagation,
        /// How it is sent.
        options: ApplyOptions,
    },
    /// Makes a hook. It carries [`crate::annotations::HOOK_FINALIZER`], so that it cannot vanish before its end is recorded.
    CreateHook {
        /// The hook with its final name.
        object: Value,
        /// How it is sent.
        options: ApplyOptions,
    },
    /// Deletes an object that the source no longer holds, after reading anew that it still is `owner`'s and has this uid.
    Prune {
        /// The uid the decision was made about.
        uid: String,
        /// The application's name for tracking; the object's own annotation must still name it.
        owner: String,
        /// How its dependents go.
        propagation: Propagation,
        /// Change nothing.
        dry_run: bool,
    },
    /// Deletes a hook by its delete policy. That it is gone already is success.
    DeleteHook {
        /// The uid the decision was made about.
        uid: String,
        /// How its dependents go.
        propagation: Propagation,
    },
    /// Takes a finalizer off an object. That the object or the finalizer is gone already is success.
    RemoveFinalizer {
        /// The finalizer.
        finalizer: String,
    },
}

/// How an object is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Change nothing, but ask the server what it would say.
    pub dry_run: bool,
    /// Refuse unknown and duplicate fields.
    pub validate: bool,
    /// Delete and create again if the server refuses the change as invalid (`Force=true`, or strategy `force`).
    pub recreate_if_refused: bool,
    /// Before sending, give fields that `ignoreDifferences` names the value they have in the cluster.
    pub respect_ignore_differences: bool,
    /// Take over the fields of this manager's client-side applies first; `None` to leave them.
    pub migrate_from: Option<String>,
}

impl Step {
    /// One word for what is done, for logs and tables.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::CreateNamespace { .. } => "create namespace",
            Self::Apply { .. } => "apply",
            Self::Replace { .. } => "replace",
            Self::DeleteAndRecreate { .. } => "delete and create",
            Self::CreateHook { .. } => "run hook",
            Self::Prune { .. } => "prune",
            Self::DeleteHook { .. } => "delete hook",
            Self::RemoveFinalizer { .. } => "remove finalizer from",
        }
    }

    /// The object that is sent, where one is.
    pub fn object(&self) -> Option<&Value> {
        match self {
            Self::CreateNamespace { object, .. }
            | Self::Apply { object, .. }
            | Self::Replace { object, .. }
            | Self::DeleteAndRecreate { object, .. }
            | Self::CreateHook { object, .. } => Some(object),
            Self::Prune { .. } | Self::DeleteHook { .. } | Self::RemoveFinalizer { .. } => None,
        }
    }
}

impl PlannedStep {
    /// What is done to which object, in one line.
    pub fn describe(&self) -> String {
        format!("{} {}", self.action.verb(), self.key)
    }
}

/// Something that has to happen by itself before a sync goes on. Look again when the object changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The object.
    pub key: ObjectKey,
    /// What has to happen.
    pub until: WaitUntil,
    /// What is known about why it has not happened yet; may be empty.
    pub detail: String,
}

/// What a sync may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitUntil {
    /// The object becomes healthy.
    Healthy,
    /// The hook ends.
    HookEnds,
    /// The object is gone.
    Gone,
    /// The kind that the definition describes is served.
    KindServed,
    /// A person approves the deletion ([`crate::annotations::DELETION_APPROVED`]).
    Confirmed,
}
