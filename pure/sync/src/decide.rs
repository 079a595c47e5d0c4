//! Decides what to do with an application now: nothing, begin, go on, wait, hold or end. Every answer says why.
//!
//! Rules, in order: a deletion comes first; then the operation that runs; then one that a person asked for; then what the
//! automatic policy says. Source: Argo CD 3.5 `controller/appcontroller.go` (autoSync, processRequestedAppOperation).

mod automatic;
mod running;

use landfall_model::annotations::SKIP_RECONCILE;
use landfall_model::application::{Application, Source};
use landfall_model::status::{Condition, ConditionType, OperationPhase, OperationState};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;

use crate::compare::Compared;
use crate::explain;
use crate::start::{self, Start};

/// Everything a decision depends on.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    /// The application, with the operation and status that were last written.
    pub application: &'a Application,
    /// The moment.
    pub now: Time,
    /// The newest resolved revisions of the application's sources, one per source, in order; empty if unknown.
    pub revisions: &'a [String],
    /// The comparison with what [`wanted`] names; `None` if there is none, then `errors` says why.
    pub compared: Option<&'a Compared>,
    /// What stops a sync: InvalidSpecError, ComparisonError.
    pub errors: &'a [Condition],
    /// What the sync windows say.
    pub windows: &'a WindowVerdict,
    /// Whether the newest revisions want the same as the last operation did, or the one that runs: from the inputs that
    /// were read, or from the two [`crate::targets::Targets::digest`]. `None` if unknown; then what was wanted then is
    /// compared with what is now where both are at hand, or else revisions are.
    pub inputs_unchanged: Option<bool>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// There is nothing to do.
    Nothing {
        /// Why.
        why: String,
    },
    /// Begin a sync.
    Sync(Start),
    /// Begin a sync of what differs from a revision that was synced before.
    Heal(Start),
    /// Begin a sync to an earlier state.
    RollBack(Start),
    /// Begin the next try of the operation that runs ([`crate::start::retry`]).
    Retry {
        /// Why.
        why: String,
    },
    /// Go on with the operation that runs.
    Continue,
    /// Wait for a moment, or for something to change.
    Wait {
        /// The moment, if it is known.
        until: Option<Time>,
        /// Why.
        why: String,
    },
    /// Leave it as it is until something changes: a new revision, the spec, or a person.
    Hold {
        /// Why; also what `condition` says.
        why: String,
        /// The condition that tells it.
        condition: Option<ConditionType>,
    },
    /// End the operation that runs, or was asked for: it cannot be carried out. The retry rules apply.
    Finish {
        /// How.
        phase: OperationPhase,
        /// Why.
        message: String,
    },
    /// End the automatic sync that runs, for good: a newer commit takes over, in the next pass.
    GiveUp {
        /// Why.
        why: String,
    },
    /// Delete what the application has ([`crate::deletion`]).
    Delete,
}

/// What has to be rendered and compared for the next decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted<'a> {
    /// The sources.
    pub sources: &'a [Source],
    /// The revision of each source; `None`: resolve the source's target revision.
    pub revisions: Vec<Option<String>>,
    /// Manifests in place of the sources' (`--local`), each one YAML or JSON document; empty if there are none.
    pub manifests: &'a [String],
    /// Whether these are the application's own sources at their target revisions, so that the comparison also tells the
    /// sync status. Otherwise the status needs a comparison of its own.
    pub is_newest: bool,
}

/// Names what has to be rendered and compared: that of the operation that runs or was asked for, else the application's.
pub fn wanted(application: &Application) -> Wanted<'_> {
    let running = running_operation(application);
    let Some(operation) = running.map(|state| &state.operation).or(application.operation.as_ref()) else {
        return own(application);
    };
    let (sources, has_several) = start::sources(operation, application);
    let Some(sync) = &operation.sync else { return own(application) };
    let is_fresh_try = running.is_some_and(|state| {
        state.finished_at.is_some()
            && state.operation.retry.refresh == Some(true)
            && sync.sources.is_empty()
            && sync.source.is_none()
    });
    // Once begun, the revisions are those that were resolved then; before, those that were asked for, if any.
    let begun = running.and_then(|state| state.sync_result.as_ref()).map(|result| match has_several {
        true => result.revisions.clone(),
        false => vec![result.revision.clone()],
    });
    let asked = if has_several { sync.revisions.clone() } else { vec![sync.revision.clone()] };
    let named = if is_fresh_try { Vec::new() } else { begun.unwrap_or(asked) };
    let revision = |index: usize| named.get(index).filter(|revision| !revision.is_empty()).cloned();
    let revisions: Vec<Option<String>> = (0..sources.len()).map(revision).collect();
    let is_newest =
        sync.manifests.is_empty() && revisions.iter().all(Option::is_none) && sources == application.spec.sources();
    Wanted { sources, revisions, manifests: &sync.manifests, is_newest }
}

fn own(application: &Application) -> Wanted<'_> {
    let sources = application.spec.sources();
    Wanted { sources, revisions: vec![None; sources.len()], manifests: &[], is_newest: true }
}

/// Finds the operation that runs, also while it waits for its next try.
pub fn running_operation(application: &Application) -> Option<&OperationState> {
    application.status.operation_state.as_ref().filter(|state| !state.phase.is_completed())
}

/// Decides. Total and explained.
pub fn decide(snapshot: &Snapshot<'_>) -> Decision {
    let application = snapshot.application;
    if application.annotation(SKIP_RECONCILE) == Some("true") {
        return Decision::Nothing { why: format!("annotation {SKIP_RECONCILE} says to leave it alone") };
    }
    if application.metadata.deletion_timestamp.is_some() {
        return Decision::Delete;
    }
    if let Some(state) = running_operation(application) {
        return running::decide(snapshot, state);
    }
    if let Some(operation) = &application.operation {
        return asked_for(snapshot, operation);
    }
    automatic::decide(snapshot)
}

fn asked_for(snapshot: &Snapshot<'_>, operation: &landfall_model::status::Operation) -> Decision {
    let Some(sync) = &operation.sync else {
        let message = "the operation says nothing to do: operation.sync is missing".to_owned();
        return Decision::Finish { phase: OperationPhase::Error, message };
    };
    if let Some(message) = explain::blocking(snapshot.errors) {
        return Decision::Finish { phase: OperationPhase::Error, message };
    }
    if !window_allows(snapshot.windows, operation) {
        return Decision::Wait { until: snapshot.windows.changes_at, why: explain::window(snapshot.windows) };
    }
    let who = explain::initiator(operation);
    let wanted = snapshot.compared.map_or("", |compared| compared.wanted.as_str());
    let start = Start {
        operation: start::with_wanted(operation.clone(), wanted),
        why: format!("{who} asked for it"),
        supersedes: None,
    };
    let is_rollback = sync.source.is_some() || !sync.sources.is_empty();
    if is_rollback { Decision::RollBack(start) } else { Decision::Sync(start) }
}

/// The windows' answer for an operation, by who began it.
pub(crate) fn window_allows(windows: &WindowVerdict, operation: &landfall_model::status::Operation) -> bool {
    if operation.initiated_by.automated { windows.automatic_allowed } else { windows.manual_allowed }
}
