//! The step machine of an operation: given what is wanted, what is there and what was done so far, the next groups of
//! steps, what is waited for, and how the operation ends.
//!
//! Flow: phases PreSync, Sync, PostSync in order, waves within a phase in order; within a wave first pruning, then what
//! replaces old hooks, then applying by kind. A wave begins when everything before it is healthy and its hooks have
//! ended well. After a failure the SyncFail hooks run, and the operation is Failed.
//!
//! Guarantees: nothing is applied when any task is not valid; an object is pruned only if [`crate::compare`] called it
//! extra and `operation.sync.prune` is set; an operation whose last wave holds no hook succeeds when that wave is
//! applied, without waiting for its health (what Argo CD does, and its users build on).
//!
//! Assumptions: the live objects include what was just done ([`reflect`] does that for what has no answer of its own).
//!
//! Caveats: nothing bounds how long a wave may take to become healthy; the reason is in the message all the while, and a
//! newer commit takes over ([`crate::decide`]).
//!
//! Source: gitops-engine `pkg/sync/sync_context.go`.

mod advance;
mod ending;
mod record;
mod steps;

pub use record::{record, reflect};

use std::collections::BTreeMap;

use landfall_model::application::Application;
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::plan::{PlannedStep, Step, Waiting};
use landfall_model::status::{OperationPhase, OperationState, SyncPhase};
use landfall_model::time::Time;

use crate::compare::{Compared, LiveByKey};
use crate::targets::Targets;

/// What planning depends on.
pub struct PlanRequest<'a> {
    /// The application.
    pub application: &'a Application,
    /// Its name for tracking.
    pub instance: &'a str,
    /// What it wants, at the operation's revision.
    pub targets: &'a Targets,
    /// How that compares.
    pub compared: &'a Compared,
    /// What is there, hooks included.
    pub live: &'a LiveByKey,
    /// The destination namespace.
    pub namespace: &'a NamespaceState,
    /// Whether the cluster serves a kind now, as opposed to when the targets were made ready.
    pub is_served: &'a dyn Fn(&GroupVersionKind) -> bool,
    /// Where the operation stands.
    pub state: &'a OperationState,
    /// The moment.
    pub now: Time,
}

/// What is known about the destination namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceState {
    /// Nothing; it is made sure of when `CreateNamespace=true`.
    Unknown,
    /// It is not there.
    Missing,
    /// It is there.
    Present {
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Its annotations.
        annotations: BTreeMap<String, String>,
    },
}

/// What to do next in an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Groups of steps, one group after the other, the steps of a group at once. Empty: nothing to do now; the operation
    /// waits (`waits` is not empty) or has ended (`state.phase`).
    pub groups: Vec<Vec<PlannedStep>>,
    /// What has to happen before the operation goes on.
    pub waits: Vec<Waiting>,
    /// Where the operation stands before the groups are carried out.
    pub state: OperationState,
    /// Whether `state` has to be written before the groups are carried out, because a crash in between would repeat or
    /// lose something that cannot be seen in the cluster: a hook's run or end.
    pub record_first: bool,
    /// What follows when the groups were carried out.
    pub then: Then,
    /// Where each step's result is recorded, in the order of the groups' steps.
    pub places: Vec<Place>,
}

/// What follows on a plan's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The next plan says.
    PlanOn,
    /// The operation has ended, if no step failed.
    EndIfDone(OperationPhase, String),
    /// The operation has ended, whatever became of the steps.
    End(OperationPhase, String),
}

/// Where a step's result is recorded: the task, by object and phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The object.
    pub key: ObjectKey,
    /// The phase.
    pub phase: SyncPhase,
    /// Whether the step carries the task out, rather than tidying up before or after it.
    pub is_main: bool,
}

/// Plans what to do next. Total; the same request gives the same plan.
pub fn advance(request: &PlanRequest<'_>) -> Plan {
    let mut plan = advance::advance(request);
    // A wave that holds nothing to do leads straight to the next one.
    while is_idle(&plan) {
        let state = plan.state;
        plan = advance::advance(&PlanRequest { state: &state, ..copy(request) });
        if plan.state == state {
            break;
        }
        // What was found on the way here is not written either.
        plan.record_first |= touches_hooks(&plan.groups) && plan.state != *request.state;
    }
    plan
}

/// Says whether a hook is made, let go of or deleted: then what is known has to be written first.
fn touches_hooks(groups: &[Vec<PlannedStep>]) -> bool {
    groups.iter().flatten().any(|step| match step.action {
        Step::CreateHook { .. } | Step::DeleteHook { .. } | Step::RemoveFinalizer { .. } => true,
        Step::CreateNamespace { .. }
        | Step::Apply { .. }
        | Step::Replace { .. }
        | Step::DeleteAndRecreate { .. }
        | Step::Prune { .. } => false,
    })
}

fn is_idle(plan: &Plan) -> bool {
    plan.groups.is_empty() && plan.waits.is_empty() && !plan.state.phase.is_completed()
}

fn copy<'a>(request: &PlanRequest<'a>) -> PlanRequest<'a> {
    PlanRequest {
        application: request.application,
        instance: request.instance,
        targets: request.targets,
        compared: request.compared,
        live: request.live,
        namespace: request.namespace,
        is_served: request.is_served,
        state: request.state,
        now: request.now,
    }
}
