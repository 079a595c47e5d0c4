//! What to do with an operation that runs.

use landfall_model::status::{OperationPhase, OperationState};

use super::{Decision, Snapshot, asked_for, automatic, window_allows};
use crate::{explain, retry};

pub(super) fn decide(snapshot: &Snapshot<'_>, state: &OperationState) -> Decision {
    if state.phase == OperationPhase::Terminating {
        return Decision::Continue;
    }
    if state.sync_result.is_none() {
        // It was asked for and had to wait, so that it has not begun yet.
        return asked_for(snapshot, &state.operation);
    }
    if let Some(why) = superseded(snapshot, state) {
        return Decision::GiveUp { why };
    }
    let has_begun = state.sync_result.as_ref().is_some_and(|result| !result.resources.is_empty());
    let next_try = retry::next_try(state);
    let since = state.finished_at.unwrap_or(state.started_at);
    if let Some(at) = next_try.filter(|at| retry::is_to_come(*at, since, snapshot.now)) {
        return Decision::Wait { until: Some(at), why: state.message.clone() };
    }
    // What was begun while it was allowed may end, and with syncOverrun be tried again; otherwise a new try, or one that
    // has done nothing yet, has to be allowed now.
    let may_overrun = next_try.is_some() && snapshot.windows.overrun_allowed;
    if (next_try.is_some() || !has_begun) && !may_overrun && !window_allows(snapshot.windows, &state.operation) {
        return Decision::Wait { until: snapshot.windows.changes_at, why: explain::window(snapshot.windows) };
    }
    if let Some(message) = explain::blocking(snapshot.errors) {
        return Decision::Finish { phase: OperationPhase::Error, message };
    }
    match next_try {
        Some(_) => Decision::Retry { why: format!("try {} of {}", 1 + state.retry_count.unwrap_or(0), tries(state)) },
        None => Decision::Continue,
    }
}

fn tries(state: &OperationState) -> String {
    match state.operation.retry.limit.unwrap_or(0) {
        limit if limit < 0 => "any number".to_owned(),
        limit => (limit + 1).to_string(),
    }
}

/// A newer commit takes over from an automatic sync of an older one that failed before or waits for its next try; and,
/// if it is known to want something else, also from one that waits for objects to become healthy. A hook that runs is
/// never cut off: it is let end first.
/// Argo CD leaves the newer commit waiting (its issues 11494, 6055, 15642); `retry.refresh` there is a part of this.
fn superseded(snapshot: &Snapshot<'_>, state: &OperationState) -> Option<String> {
    let result = state.sync_result.as_ref()?;
    let is_ours = state.operation.initiated_by.automated && automatic::is_on(snapshot.application);
    let runs_hook = result
        .resources
        .iter()
        .any(|entry| !entry.hook_type.is_empty() && entry.hook_phase == Some(OperationPhase::Running));
    let is_failing = state.finished_at.is_some() || state.retry_count.is_some();
    let wants_other = match snapshot.inputs_unchanged {
        Some(is_same) => !is_same,
        // In a busy repository most commits are about something else: a sync that gets on is not begun anew for them.
        None => is_failing,
    };
    if !is_ours || !wants_other || (runs_hook && state.finished_at.is_none()) {
        return None;
    }
    let older = automatic::revisions_of(result);
    if snapshot.revisions.is_empty() || older == snapshot.revisions || !snapshot.windows.automatic_allowed {
        return None;
    }
    let (newer, older) = (explain::revisions(snapshot.revisions), explain::revisions(&older));
    let stood = if state.message.is_empty() { String::new() } else { format!(" ({})", state.message) };
    Some(format!("{newer} is newer than {older}, whose sync did not get to an end{stood}"))
}
