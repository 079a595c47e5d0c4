//! The Events of a pass: what is different from before. Source: Argo CD 3.5 `util/argo/audit_logger.go` and its callers.

use landfall_model::outcome::{Event, EventReason};
use landfall_model::status::{ApplicationStatus, OperationPhase, OperationState, ResultCode};

use super::{ConcludeRequest, has_ended};
use crate::{explain, rollback};

pub(super) fn events(request: &ConcludeRequest<'_>, after: &ApplicationStatus) -> Vec<Event> {
    let before = &request.application.status;
    let mut events = Vec::new();
    let mut tell = |reason, is_warning, message| events.push(Event { reason, is_warning, message });
    if let Some(state) = &after.operation_state {
        operation(before, state, &mut tell);
    }
    if before.sync.status != after.sync.status {
        let message = format!(
            "Updated sync status: {} -> {}",
            word(before.sync.status.as_str(), before),
            after.sync.status.as_str()
        );
        tell(EventReason::ResourceUpdated, false, message);
    }
    if before.health.status != after.health.status {
        let cause = match request.compared.map(|compared| compared.health.message.as_str()) {
            Some(cause) if !cause.is_empty() => format!(" {cause}"),
            _ => String::new(),
        };
        let (from, to) = (word(before.health.status.as_str(), before), after.health.status.as_str());
        tell(EventReason::ResourceUpdated, false, format!("Updated health status: {from} -> {to}{cause}"));
    }
    for condition in &after.conditions {
        let is_old = before
            .conditions
            .iter()
            .any(|old| old.condition_type == condition.condition_type && old.message == condition.message);
        if !is_old {
            tell(EventReason::StatusRefreshed, true, condition.message.clone());
        }
    }
    events
}

/// Argo CD writes nothing for a state that was never set.
fn word<'a>(word: &'a str, before: &ApplicationStatus) -> &'a str {
    if before.reconciled_at.is_none() { "" } else { word }
}

fn operation(before: &ApplicationStatus, state: &OperationState, tell: &mut impl FnMut(EventReason, bool, String)) {
    let old = before.operation_state.as_ref();
    let to = revision(state);
    // One that may not begin yet has no result; its start is told when it begins.
    let is_new = old.is_none_or(|old| {
        old.started_at != state.started_at || old.operation != state.operation || old.sync_result.is_none()
    });
    if is_new && state.sync_result.is_some() {
        let sync = state.operation.sync.as_ref();
        let what = match sync {
            _ if rollback::left_revision(state).is_some() => "rollback",
            Some(sync) if sync.auto_heal_attempts_count.is_some() => "self-heal",
            _ => "sync",
        };
        let message = if state.operation.initiated_by.automated {
            format!("Initiated automated {what} to '{to}'")
        } else {
            format!("{} initiated {what} to {to}", explain::initiator(&state.operation))
        };
        tell(EventReason::OperationStarted, false, message);
    }
    let tries = |state: &OperationState| state.retry_count.unwrap_or(0);
    if state.phase == OperationPhase::Running
        && tries(state) > old.filter(|old| old.started_at == state.started_at).map_or(0, tries)
    {
        tell(EventReason::OperationCompleted, true, format!("Sync operation to {to} failed: {}", state.message));
    }
    if has_ended(before, state) {
        let is_partial = state.operation.sync.as_ref().is_some_and(|sync| !sync.resources.is_empty());
        let what = if is_partial { "Partial sync operation" } else { "Sync operation" };
        if state.phase == OperationPhase::Succeeded {
            tell(EventReason::OperationCompleted, false, format!("{what} to {to} succeeded"));
        } else {
            tell(EventReason::OperationCompleted, true, format!("{what} to {to} failed: {}", state.message));
        }
    }
    pruned(old, state, tell);
}

/// What was pruned since the last pass: nothing else in Argo CD's status outlives the object.
fn pruned(old: Option<&OperationState>, state: &OperationState, tell: &mut impl FnMut(EventReason, bool, String)) {
    let gone = |state: &OperationState| {
        let results = state.sync_result.iter().flat_map(|result| &result.resources);
        results
            .filter(|result| result.status == Some(ResultCode::Pruned))
            .map(|result| result.key())
            .collect::<Vec<_>>()
    };
    let known = old.filter(|old| old.started_at == state.started_at).map(gone).unwrap_or_default();
    let is_real = state.operation.sync.as_ref().is_some_and(|sync| !sync.dry_run);
    let new: Vec<_> = gone(state).into_iter().filter(|key| is_real && !known.contains(key)).collect();
    if !new.is_empty() {
        tell(EventReason::ResourceDeleted, false, format!("Pruned {}", explain::names(new.iter())));
    }
}

fn revision(state: &OperationState) -> String {
    let Some(result) = &state.sync_result else { return String::new() };
    let revisions =
        if result.revisions.is_empty() { std::slice::from_ref(&result.revision) } else { &result.revisions };
    revisions.join(", ")
}
