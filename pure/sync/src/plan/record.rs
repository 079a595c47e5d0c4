//! From outcomes back to the state of the operation.

use std::collections::HashMap;

use landfall_model::key::ObjectKey;
use landfall_model::outcome::{Outcome, StepResult};
use landfall_model::plan::{PlannedStep, Step};
use landfall_model::status::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncPhase};
use landfall_model::time::Time;

use super::{Place, Plan, Then};
use crate::compare::LiveByKey;
use crate::hooks;
use crate::tasks::printed;

/// Records what became of a plan's steps. `outcomes` has one entry per step, in the order of the groups' steps; entries
/// that are missing at the end count as not carried out, and are planned again.
pub fn record(plan: &Plan, outcomes: &[Outcome], now: Time) -> OperationState {
    let mut state = plan.state.clone();
    let steps = plan.groups.iter().flatten();
    let result = state.sync_result.get_or_insert_default();
    let mut index_by_place = places_of(&result.resources);
    let mut is_done = outcomes.len() >= plan.places.len();
    for ((step, place), outcome) in steps.zip(&plan.places).zip(outcomes) {
        is_done &= !matches!(outcome.result, StepResult::Failed { .. });
        let known = index_by_place.get(&(place.key.clone(), Some(place.phase))).copied();
        let has_failed = matches!(outcome.result, StepResult::Failed { .. });
        match (place.is_main, known) {
            (true, Some(index)) => result.resources[index] = main_result(step, place, outcome),
            (false, Some(index)) => note_failure(&mut result.resources[index], step, outcome),
            (false, None) if !has_failed => {}
            (is_main, None) => {
                let mut entry = if is_main { main_result(step, place, outcome) } else { empty_result(step, place) };
                if !is_main {
                    note_failure(&mut entry, step, outcome);
                }
                index_by_place.insert((place.key.clone(), Some(place.phase)), result.resources.len());
                result.resources.push(entry);
            }
        }
    }
    let ended = match &plan.then {
        Then::PlanOn => None,
        Then::EndIfDone(phase, message) => is_done.then_some((*phase, message)),
        Then::End(phase, message) => (outcomes.len() >= plan.places.len()).then_some((*phase, message)),
    };
    if let Some((phase, message)) = ended {
        (state.phase, state.message) = (phase, message.clone());
        state.finished_at = Some(now);
    }
    state
}

/// Where each task's result stands.
pub(super) fn places_of(results: &[ResourceResult]) -> HashMap<(ObjectKey, Option<SyncPhase>), usize> {
    results.iter().enumerate().map(|(index, result)| ((result.key(), result.sync_phase), index)).collect()
}

fn empty_result(step: &PlannedStep, place: &Place) -> ResourceResult {
    let is_hook = match step.action {
        Step::CreateHook { .. } | Step::DeleteHook { .. } | Step::RemoveFinalizer { .. } => true,
        Step::CreateNamespace { .. }
        | Step::Apply { .. }
        | Step::Replace { .. }
        | Step::DeleteAndRecreate { .. }
        | Step::Prune { .. } => false,
    };
    ResourceResult {
        group: step.gvk.group.clone(),
        version: step.gvk.version.clone(),
        kind: step.gvk.kind.clone(),
        namespace: step.key.namespace.clone(),
        name: step.key.name.clone(),
        status: None,
        message: String::new(),
        hook_type: if is_hook { hooks::phase_name(place.phase).to_owned() } else { String::new() },
        hook_phase: None,
        sync_phase: Some(place.phase),
        images: step.action.object().map(crate::summary::images).unwrap_or_default(),
    }
}

/// The result of a step that carries a task out.
fn main_result(step: &PlannedStep, place: &Place, outcome: &Outcome) -> ResourceResult {
    let object = format!("{}/{}", printed(&step.key.group_kind()), step.key.name);
    let (is_prune, dry_run) = match &step.action {
        Step::Prune { dry_run, .. } => (true, *dry_run),
        Step::CreateNamespace { options, .. }
        | Step::Apply { options, .. }
        | Step::Replace { options, .. }
        | Step::DeleteAndRecreate { options, .. }
        | Step::CreateHook { options, .. } => (false, options.dry_run),
        Step::DeleteHook { .. } | Step::RemoveFinalizer { .. } => (false, false),
    };
    // A namespace has no health to wait for; neither has what was not really done.
    let applied = match &step.action {
        Step::CreateNamespace { .. } => OperationPhase::Succeeded,
        _ if dry_run => OperationPhase::Succeeded,
        _ => OperationPhase::Running,
    };
    let suffix = if dry_run { " (dry run)" } else { "" };
    let (status, progress, message) = match &outcome.result {
        StepResult::Created => (ResultCode::Synced, applied, format!("{object} created{suffix}")),
        StepResult::Changed => (ResultCode::Synced, applied, format!("{object} configured{suffix}")),
        StepResult::Unchanged => (ResultCode::Synced, applied, format!("{object} unchanged{suffix}")),
        StepResult::Deleted | StepResult::AlreadyGone if is_prune => {
            (ResultCode::Pruned, OperationPhase::Succeeded, format!("pruned{suffix}"))
        }
        StepResult::LeftAlone(why) if is_prune => {
            (ResultCode::PruneSkipped, OperationPhase::Succeeded, format!("ignored ({why})"))
        }
        StepResult::Deleted | StepResult::AlreadyGone => {
            (ResultCode::SyncFailed, OperationPhase::Failed, format!("{object} is gone"))
        }
        StepResult::LeftAlone(why) => (ResultCode::SyncFailed, OperationPhase::Failed, why.clone()),
        StepResult::Failed { message, .. } => (ResultCode::SyncFailed, OperationPhase::Failed, message.clone()),
    };
    ResourceResult { status: Some(status), hook_phase: Some(progress), message, ..empty_result(step, place) }
}

/// A step that tidies up changes a result only if it failed, so that it is not tried again without end.
fn note_failure(entry: &mut ResourceResult, step: &PlannedStep, outcome: &Outcome) {
    if let StepResult::Failed { message, .. } = &outcome.result {
        entry.hook_phase = Some(OperationPhase::Error);
        entry.message = format!("failed to {}: {message}", step.describe());
    }
}

/// Puts what a step did into the live objects where the server's answer does not: deletions and finalizers. What was
/// applied has to be put there by the caller, from the answer ([`crate::live::Live::read`]).
pub fn reflect(live: &mut LiveByKey, step: &PlannedStep, outcome: &Outcome, now: Time) {
    let is_gone = matches!(outcome.result, StepResult::AlreadyGone);
    let was_deleted = matches!(outcome.result, StepResult::Deleted);
    match &step.action {
        Step::Prune { dry_run: true, .. } => {}
        Step::Prune { .. } | Step::DeleteHook { .. } => {
            if is_gone {
                live.remove(&step.key);
            } else if was_deleted && let Some(known) = live.get_mut(&step.key) {
                known.deletion_time.get_or_insert(now);
            }
        }
        Step::RemoveFinalizer { .. } => {
            if is_gone {
                live.remove(&step.key);
            } else if !matches!(outcome.result, StepResult::Failed { .. })
                && let Some(known) = live.get_mut(&step.key)
            {
                known.has_hook_finalizer = false;
            }
        }
        Step::CreateNamespace { .. }
        | Step::Apply { .. }
        | Step::Replace { .. }
        | Step::DeleteAndRecreate { .. }
        | Step::CreateHook { .. } => {}
    }
}
