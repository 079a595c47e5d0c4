//! What the automatic policy says when no operation runs and none was asked for.

use landfall_model::application::{Application, Automated, RetryStrategy};
use landfall_model::key::ObjectKey;
use landfall_model::status::{
    ConditionType, Operation, OperationInitiator, OperationPhase, OperationState, SyncOperation, SyncOperationResource,
    SyncResult, SyncStatusCode,
};

use super::{Decision, Snapshot};
use crate::compare::{Compared, Difference, Entry};
use crate::retry::{AUTOMATIC_LIMIT, HEAL_QUIET_S, heal_wait_s, is_to_come, later};
use crate::start::Start;
use crate::{explain, rollback, start};

/// Says whether the application synchronises by itself.
pub(super) fn is_on(application: &Application) -> bool {
    application.spec.automated().is_some()
}

pub(super) fn decide(snapshot: &Snapshot<'_>) -> Decision {
    let nothing = |why: &str| Decision::Nothing { why: why.to_owned() };
    if let Some(why) = explain::blocking(snapshot.errors) {
        return Decision::Hold { why, condition: None };
    }
    let Some(compared) = snapshot.compared else {
        return Decision::Wait { until: None, why: "it has not been compared yet".to_owned() };
    };
    match compared.status {
        SyncStatusCode::Synced => return nothing("the cluster holds what the source holds"),
        SyncStatusCode::Unknown => {
            return Decision::Hold { why: "some of its objects cannot be read".to_owned(), condition: None };
        }
        SyncStatusCode::OutOfSync => {}
    }
    let Some(policy) = snapshot.application.spec.automated() else {
        return nothing("it differs, and automatic sync is off (spec.syncPolicy.automated); a person has to sync it");
    };
    let prunes = policy.prune == Some(true);
    // Nothing at all differs when only the metadata of the namespace is to be changed.
    let mut differing = compared.out_of_sync().peekable();
    if !prunes && differing.peek().is_some() && differing.all(|entry| entry.difference == Difference::Extra) {
        return nothing("only objects that the source no longer holds differ, and automated.prune is off");
    }
    if prunes && policy.allow_empty != Some(true) && wipes_out(compared) {
        let why = "the source holds no objects any more, and syncing would delete every object of the application; \
                   if that is meant, set automated.allowEmpty or delete the application"
            .to_owned();
        return Decision::Hold { why, condition: Some(ConditionType::SyncError) };
    }
    if let Some(why) = rolled_back(snapshot) {
        return Decision::Hold { why, condition: Some(ConditionType::SyncError) };
    }
    match last_attempt(snapshot) {
        Last::None => begin_full(snapshot, "it has not been synced yet".to_owned()),
        Last::Other(why) => begin_full(snapshot, why),
        Last::Failed(state) => {
            let (revision, message) = (explain::revisions(snapshot.revisions), &state.message);
            let why = format!(
                "the sync of {revision} failed and is not tried again until the source or the application \
                               changes: {message}"
            );
            Decision::Hold { why, condition: Some(ConditionType::SyncError) }
        }
        Last::Succeeded(state) => heal(snapshot, compared, policy, state),
    }
}

/// What the last operation says about what is wanted now.
enum Last<'a> {
    /// There was none that counts.
    None,
    /// It was about something else.
    Other(String),
    /// It was about the same and failed.
    Failed(&'a OperationState),
    /// It was about the same and succeeded.
    Succeeded(&'a OperationState),
}

/// A dry run and a sync of selected objects by a person are no attempts: what they left is still to be done.
fn last_attempt<'a>(snapshot: &Snapshot<'a>) -> Last<'a> {
    let application = snapshot.application;
    let Some(state) = application.status.operation_state.as_ref() else { return Last::None };
    let (Some(sync), Some(result)) = (&state.operation.sync, &state.sync_result) else { return Last::None };
    let is_heal = sync.auto_heal_attempts_count.is_some();
    if sync.dry_run || !sync.manifests.is_empty() || (!sync.resources.is_empty() && !is_heal) {
        return Last::None;
    }
    if state.message.starts_with(explain::GIVEN_UP) {
        return Last::Other("the sync before was given up for it".to_owned());
    }
    let sources = if result.sources.is_empty() { result.source.as_slice() } else { &result.sources };
    if sources != start::sources(&Operation::default(), application).0 {
        return Last::Other("its sources changed since the last sync".to_owned());
    }
    let older = revisions_of(result);
    let is_same_revision = older == snapshot.revisions;
    // What is wanted decides: a commit that changes nothing of it is no new commit, and makes no change by hand a new one.
    // After a failure a new commit is a reason to try again all the same, unless its inputs are known to be the same.
    let succeeded = state.phase == OperationPhase::Succeeded;
    let is_same_wish = start::wanted_of(state).zip(snapshot.compared).map(|(then, now)| then == now.wanted);
    let is_same = snapshot.inputs_unchanged.or(is_same_wish.filter(|_| succeeded)).unwrap_or(is_same_revision);
    if !is_same {
        let (from, to) = (explain::revisions(&older), explain::revisions(snapshot.revisions));
        return Last::Other(format!("the source went from {from} to {to}"));
    }
    if succeeded { Last::Succeeded(state) } else { Last::Failed(state) }
}

/// A revision that a person went back from is not synced again by itself.
fn rolled_back(snapshot: &Snapshot<'_>) -> Option<String> {
    let state = snapshot.application.status.operation_state.as_ref()?;
    let left = rollback::left_revision(state)?;
    (left == snapshot.revisions).then(|| {
        let (left, who) = (explain::revisions(&left), explain::initiator(&state.operation));
        format!("{who} rolled back from {left}, which is held until a newer commit comes or it is synced by hand")
    })
}

fn heal(snapshot: &Snapshot<'_>, compared: &Compared, policy: &Automated, last: &OperationState) -> Decision {
    if policy.self_heal != Some(true) {
        let why = "objects were changed in the cluster since the last sync, and automated.selfHeal is off";
        return Decision::Nothing { why: why.to_owned() };
    }
    let finished = last.finished_at.unwrap_or(last.started_at);
    let is_recent = snapshot.now.seconds_since(finished) < HEAL_QUIET_S;
    let counted = last.operation.sync.as_ref().and_then(|sync| sync.auto_heal_attempts_count).filter(|_| is_recent);
    let heals_done = counted.unwrap_or(0);
    let at = later(finished, heal_wait_s(heals_done));
    if is_to_come(at, finished, snapshot.now) {
        let why = format!("its objects keep changing: healed {heals_done} times in a row, the next time at {at}");
        return Decision::Wait { until: Some(at), why };
    }
    if !snapshot.windows.automatic_allowed {
        return Decision::Wait { until: snapshot.windows.changes_at, why: explain::window(snapshot.windows) };
    }
    // What another application took is given back by neither side's healing, or they would take it from each other for
    // ever; the next commit, or a person, decides.
    let is_shared = |key: &ObjectKey| compared.shared.iter().any(|(shared, _)| shared == key);
    let differing: Vec<&Entry> = compared
        .out_of_sync()
        .filter(|entry| policy.prune == Some(true) || entry.difference != Difference::Extra)
        .filter(|entry| !is_shared(&entry.key))
        // What was pruned and is not gone yet needs no second deletion.
        .filter(|entry| !(entry.is_going && entry.difference == Difference::Extra))
        .collect();
    if differing.is_empty() && compared.shared.is_empty() {
        let why = "what is left of the last sync is being deleted; finalizers may hold it";
        return Decision::Nothing { why: why.to_owned() };
    }
    if differing.is_empty() {
        let others = explain::names(compared.shared.iter().map(|(key, _)| key));
        let why = format!("only what other applications have too differs: {others}; remove it from one of them");
        return Decision::Nothing { why };
    }
    let why = format!("changed in the cluster: {}", explain::names(differing.iter().map(|entry| &entry.key)));
    let mut start = full(snapshot, why);
    if let Some(sync) = &mut start.operation.sync {
        sync.auto_heal_attempts_count = Some(heals_done + 1);
        sync.resources = differing
            .iter()
            .map(|entry| SyncOperationResource {
                group: entry.key.group.clone(),
                kind: entry.key.kind.clone(),
                name: entry.key.name.clone(),
                namespace: entry.key.namespace.clone(),
                exclude: false,
            })
            .collect();
    }
    Decision::Heal(start)
}

fn begin_full(snapshot: &Snapshot<'_>, why: String) -> Decision {
    if !snapshot.windows.automatic_allowed {
        return Decision::Wait { until: snapshot.windows.changes_at, why: explain::window(snapshot.windows) };
    }
    Decision::Sync(full(snapshot, why))
}

/// A sync of everything at the newest revisions.
fn full(snapshot: &Snapshot<'_>, why: String) -> Start {
    let spec = &snapshot.application.spec;
    let policy = spec.sync_policy.clone().unwrap_or_default();
    let mut sync = SyncOperation {
        prune: spec.automated().is_some_and(|automated| automated.prune == Some(true)),
        sync_options: policy.sync_options,
        ..SyncOperation::default()
    };
    if spec.has_multiple_sources() {
        sync.revisions = snapshot.revisions.to_vec();
    } else {
        sync.revision = snapshot.revisions.first().cloned().unwrap_or_default();
    }
    let retry = policy.retry.unwrap_or(RetryStrategy { limit: Some(AUTOMATIC_LIMIT), ..RetryStrategy::default() });
    let operation = Operation {
        sync: Some(sync),
        initiated_by: OperationInitiator { username: String::new(), automated: true },
        info: Vec::new(),
        retry,
    };
    let wanted = snapshot.compared.map_or("", |compared| compared.wanted.as_str());
    let operation = start::with_wanted(operation, wanted);
    let last = snapshot.application.status.operation_state.as_ref();
    let supersedes =
        last.filter(|state| state.message.starts_with(explain::GIVEN_UP)).map(|state| state.message.clone());
    Start { operation, why, supersedes }
}

/// The revisions a sync was about, one per source.
pub(super) fn revisions_of(result: &SyncResult) -> Vec<String> {
    if result.revisions.is_empty() { vec![result.revision.clone()] } else { result.revisions.clone() }
}

fn wipes_out(compared: &Compared) -> bool {
    let mut own = compared.entries.iter().filter(|entry| entry.difference != Difference::NotCompared).peekable();
    own.peek().is_some() && own.all(|entry| entry.difference == Difference::Extra)
}
