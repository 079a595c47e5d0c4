//! From everything a pass found and did to the status to write, the Events to send and when to look again. Status is
//! derived here and nowhere else. Source: Argo CD 3.5 `controller/appcontroller.go`, `controller/state.go`.
//!
//! A status that says the same as the one before is not written, whatever the time: `reconciledAt` alone is no news.

mod events;

use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::key::ObjectKey;
use landfall_model::outcome::Event;
use landfall_model::status::{
    AppHealth, ApplicationStatus, ComparedTo, Condition, ConditionType, Operation, OperationPhase, OperationState,
    ResourceStatus, RevisionHistory, Summary, SyncStatus, SyncStatusCode,
};
use landfall_model::time::Time;

use crate::compare::Compared;
use crate::decide::{Decision, running_operation};
use crate::{explain, retry, start};

/// What a pass found and did.
pub struct ConcludeRequest<'a> {
    /// The application as it was read at the beginning of the pass: what is new is told by comparing with it.
    pub application: &'a Application,
    /// The moment.
    pub now: Time,
    /// What was decided, at last.
    pub decision: &'a Decision,
    /// The comparison with the application's own sources at their newest revisions, after what was done; `None` if there
    /// is none: then `errors` says why, or the status stays as it was.
    pub compared: Option<&'a Compared>,
    /// The revisions of that comparison, one per source; empty if they could not be resolved.
    pub revisions: &'a [String],
    /// The type of each source: `Directory`, `Helm`, `Kustomize`, `Plugin`; empty if unknown.
    pub source_types: &'a [String],
    /// What stops a sync, and other conditions that the comparison does not have. Times are not set.
    pub errors: &'a [Condition],
    /// Where the operation stands after the pass, before [`retry::settle`]; `None`: as it stood. When the
    /// decision is to finish, it is told from the application and this does not count.
    pub state: Option<&'a OperationState>,
    /// The namespace the controller runs in.
    pub controller_namespace: &'a str,
    /// Where the health of single objects is kept.
    pub health_place: HealthPlace,
}

/// Where the health of single objects is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthPlace {
    /// In the application's status (`controller.resource.health.persist=true`).
    Status,
    /// With the controller, which answers for it; Argo CD's default since 3.0.
    AppTree,
}

/// What follows from a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The status.
    pub status: ApplicationStatus,
    /// What `operation` is to be: the operation while it runs, `None` when it has ended.
    pub operation: Option<Operation>,
    /// Whether status or operation have to be written.
    pub is_changed: bool,
    /// Events to send, in order.
    pub events: Vec<Event>,
    /// What was decided and why, for the log and for an Event when it changes.
    pub note: String,
    /// When to look again if nothing happens before; `None`: no sooner than the next poll.
    pub wake_at: Option<Time>,
}

/// Concludes. Total.
pub fn conclude(request: &ConcludeRequest<'_>) -> Verdict {
    let before = &request.application.status;
    let asked = waiting_to_begin(request).or_else(|| finished(request));
    let state = asked.or_else(|| request.state.or(before.operation_state.as_ref()).cloned()).map(|state| match request
        .decision
    {
        Decision::GiveUp { why } => given_up(state, why, request.now),
        Decision::Wait { why, .. } if !state.phase.is_completed() && retry::next_try(&state).is_none() => {
            OperationState { message: why.clone(), ..state }
        }
        _ => settled(before, state, request.now),
    });
    let mut status = ApplicationStatus {
        sync: sync_status(request),
        health: health(request),
        resources: resources(request),
        conditions: conditions(request),
        history: history(request, state.as_ref()),
        summary: summary(request),
        resource_health_source: match request.health_place {
            HealthPlace::Status => String::new(),
            HealthPlace::AppTree => "appTree".to_owned(),
        },
        controller_namespace: request.controller_namespace.to_owned(),
        operation_state: state,
        reconciled_at: before.reconciled_at,
        ..before.clone()
    };
    set_source_types(&mut status, request);
    let operation = operation(request, status.operation_state.as_ref());
    if wants_the_same(request, &status) {
        status.sync = before.sync.clone();
    }
    let is_changed = status != *before || operation != request.application.operation;
    if is_changed {
        status.reconciled_at = Some(request.now);
    }
    let events = events::events(request, &status);
    let wake_at = wake_at(request, status.operation_state.as_ref());
    let note = explain::decision(request.decision);
    Verdict { status, operation, is_changed, events, note, wake_at }
}

/// Says whether a newer revision wants what was synced before, and the cluster holds it: then the status goes on naming
/// the revision that was synced, and a commit that is not about the application writes nothing to it.
fn wants_the_same(request: &ConcludeRequest<'_>, after: &ApplicationStatus) -> bool {
    let before = &request.application.status;
    let stayed = before.sync.status == SyncStatusCode::Synced
        && after.sync.status == SyncStatusCode::Synced
        && before.sync.compared_to == after.sync.compared_to
        && before.operation_state == after.operation_state;
    let last = after.operation_state.as_ref().filter(|state| state.phase == OperationPhase::Succeeded);
    let was_synced = last
        .and_then(|state| state.sync_result.as_ref())
        .is_some_and(|result| result.revision == before.sync.revision && result.revisions == before.sync.revisions);
    let wanted = last.and_then(start::wanted_of);
    stayed && was_synced && wanted.is_some() && wanted == request.compared.map(|compared| compared.wanted.as_str())
}

/// An operation that was asked for and may not begin yet is shown as running, with the reason.
fn waiting_to_begin(request: &ConcludeRequest<'_>) -> Option<OperationState> {
    let known = request.state.or(request.application.status.operation_state.as_ref());
    let is_new = known.is_none_or(|state| state.phase.is_completed());
    let waits = matches!(request.decision, Decision::Wait { .. }) && request.application.operation.is_some() && is_new;
    waits.then(|| start::pending(request.application, request.now))
}

/// An operation that cannot be carried out ends, be it the one that runs or one that was asked for: never the one that had
/// ended before.
fn finished(request: &ConcludeRequest<'_>) -> Option<OperationState> {
    let Decision::Finish { phase, message } = request.decision else { return None };
    Some(start::finish(request.application, *phase, message, request.now))
}

/// Ends an operation for good, whatever its retry rules say.
fn given_up(state: OperationState, why: &str, now: Time) -> OperationState {
    let message = format!("{}: {why}", explain::GIVEN_UP);
    OperationState { phase: OperationPhase::Failed, message, finished_at: Some(now), ..state }
}

/// Applies the retry rules to what ended in this pass; what had ended before stays as it was, and what somebody ended is
/// not tried again.
fn settled(before: &ApplicationStatus, state: OperationState, now: Time) -> OperationState {
    let is_old = before.operation_state.as_ref() == Some(&state);
    let is_terminated = before.operation_state.as_ref().is_some_and(|old| old.phase == OperationPhase::Terminating);
    if is_old || is_terminated || !state.phase.is_completed() { state } else { retry::settle(state, now) }
}

/// Says whether an operation ended in this pass.
fn has_ended(before: &ApplicationStatus, state: &OperationState) -> bool {
    let was_over = before.operation_state.as_ref().is_some_and(|old| {
        old.phase.is_completed() && old.started_at == state.started_at && old.operation == state.operation
    });
    state.phase.is_completed() && !was_over
}

fn operation(request: &ConcludeRequest<'_>, state: Option<&OperationState>) -> Option<Operation> {
    match state {
        Some(state) if !state.phase.is_completed() => Some(operation_while_running(request.application, state)),
        // An operation that was asked for and has not begun yet must not be lost with the end of an older one.
        Some(state) if has_ended(&request.application.status, state) => asked_meanwhile(request.application).cloned(),
        Some(_) | None => request.application.operation.clone(),
    }
}

/// What `operation` is to be while an operation runs: that one, or the next if somebody asked for it meanwhile.
pub fn operation_while_running(application: &Application, state: &OperationState) -> Operation {
    asked_meanwhile(application).unwrap_or(&state.operation).clone()
}

/// The operation that was asked for while another one ran: what runs stands both there and in the status.
fn asked_meanwhile(application: &Application) -> Option<&Operation> {
    let running = running_operation(application)?;
    application.operation.as_ref().filter(|operation| **operation != running.operation)
}

fn sync_status(request: &ConcludeRequest<'_>) -> SyncStatus {
    let (spec, before) = (&request.application.spec, &request.application.status.sync);
    let status = match request.compared {
        Some(compared) => compared.status,
        None if explain::blocking(request.errors).is_some() => SyncStatusCode::Unknown,
        None => return before.clone(),
    };
    let compared_to = ComparedTo {
        source: if spec.has_multiple_sources() { None } else { spec.source.clone() },
        sources: spec.sources.clone(),
        destination: spec.destination.clone(),
        ignore_differences: spec.ignore_differences.clone(),
    };
    let mut sync =
        SyncStatus { status, compared_to, revision: before.revision.clone(), revisions: before.revisions.clone() };
    if !request.revisions.is_empty() {
        (sync.revision, sync.revisions) = match spec.has_multiple_sources() {
            true => (String::new(), request.revisions.to_vec()),
            false => (request.revisions[0].clone(), Vec::new()),
        };
    }
    sync
}

fn health(request: &ConcludeRequest<'_>) -> AppHealth {
    let before = &request.application.status.health;
    let Some(compared) = request.compared else { return before.clone() };
    let now = &compared.health;
    let is_same = before.status == now.status && before.last_transition_time.is_some();
    // A reason is kept only for what went wrong: while things move it would change with every look.
    let message = if now.status == HealthStatus::Degraded { now.message.clone() } else { String::new() };
    let last_transition_time = if is_same { before.last_transition_time } else { Some(request.now) };
    AppHealth { status: now.status, message, last_transition_time }
}

fn resources(request: &ConcludeRequest<'_>) -> Vec<ResourceStatus> {
    let Some(compared) = request.compared else { return request.application.status.resources.clone() };
    let mut resources = compared.resources.clone();
    for resource in &mut resources {
        match (request.health_place, &mut resource.health) {
            (HealthPlace::AppTree, health) => *health = None,
            // What counts up while things move would be written with every step of it.
            (HealthPlace::Status, Some(health)) if health.status == HealthStatus::Progressing => health.message.clear(),
            (HealthPlace::Status, _) => {}
        }
    }
    resources
}

fn conditions(request: &ConcludeRequest<'_>) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = request.errors.to_vec();
    conditions.extend(request.compared.iter().flat_map(|compared| compared.conditions.iter().cloned()));
    if let Decision::Hold { why, condition: Some(condition_type) } = request.decision {
        conditions.push(Condition {
            condition_type: *condition_type,
            message: why.clone(),
            last_transition_time: None,
        });
    }
    conditions.sort_by(|a, b| (a.condition_type, &a.message).cmp(&(b.condition_type, &b.message)));
    conditions.dedup_by(|a, b| a.condition_type == b.condition_type && a.message == b.message);
    for condition in &mut conditions {
        let mut known = request.application.status.conditions.iter();
        let before =
            known.find(|old| old.condition_type == condition.condition_type && old.message == condition.message);
        condition.last_transition_time = before.and_then(|old| old.last_transition_time).or(Some(request.now));
    }
    conditions
}

/// A successful sync of everything is remembered, with an id that counts up.
fn history(request: &ConcludeRequest<'_>, state: Option<&OperationState>) -> Vec<RevisionHistory> {
    let mut history = request.application.status.history.clone();
    let limit = request.application.spec.revision_history_limit();
    let ended =
        state.filter(|state| state.phase == OperationPhase::Succeeded && has_ended(&request.application.status, state));
    let real = ended
        .filter(|state| state.operation.sync.as_ref().is_some_and(|sync| !sync.dry_run && sync.resources.is_empty()));
    if let Some((state, result)) = real.and_then(|state| Some((state, state.sync_result.as_ref()?))) {
        history.push(RevisionHistory {
            revision: result.revision.clone(),
            revisions: result.revisions.clone(),
            deployed_at: Some(request.now),
            deploy_started_at: Some(state.started_at),
            id: history.iter().map(|entry| entry.id + 1).max().unwrap_or(0),
            source: result.source.clone(),
            sources: result.sources.clone(),
            initiated_by: state.operation.initiated_by.clone(),
        });
        let surplus = history.len().saturating_sub(limit);
        history.drain(..surplus);
    }
    history
}

fn summary(request: &ConcludeRequest<'_>) -> Summary {
    match request.compared {
        Some(compared) => Summary { external_urls: compared.urls.clone(), images: compared.images.clone() },
        None => request.application.status.summary.clone(),
    }
}

fn set_source_types(status: &mut ApplicationStatus, request: &ConcludeRequest<'_>) {
    if request.source_types.is_empty() {
        return;
    }
    (status.source_type, status.source_types) = match request.application.spec.has_multiple_sources() {
        true => (String::new(), request.source_types.to_vec()),
        false => (request.source_types[0].clone(), Vec::new()),
    };
}

fn wake_at(request: &ConcludeRequest<'_>, state: Option<&OperationState>) -> Option<Time> {
    let decided = match request.decision {
        Decision::Wait { until, .. } => *until,
        Decision::GiveUp { .. } => Some(request.now),
        Decision::Nothing { .. }
        | Decision::Sync(_)
        | Decision::Heal(_)
        | Decision::RollBack(_)
        | Decision::Retry { .. }
        | Decision::Continue
        | Decision::Hold { .. }
        | Decision::Finish { .. }
        | Decision::Delete => None,
    };
    let tried = state.and_then(retry::next_try);
    decided.into_iter().chain(tried).min()
}

/// Names an object for a condition of this crate.
pub(crate) fn deletion_error(key: &ObjectKey, why: &str) -> Condition {
    Condition {
        condition_type: ConditionType::DeletionError,
        message: format!("{key}: {why}"),
        last_transition_time: None,
    }
}
