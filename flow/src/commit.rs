//! Writes what a pass concluded onto the Application: one request if anything changed, none otherwise.
//!
//! Status, operation and the refresh annotation go in one merge patch, so that nobody ever sees half of it. What a person
//! asks for while a pass runs is not lost: an operation, a refresh or a termination that came after the pass had read the
//! Application is left for the next pass. A patch that clears `operation` names the resource version it is about; one that
//! meets a newer version is made anew against that.

use landfall_model::annotations::{FIELD_MANAGER, REFRESH};
use landfall_model::application::Application;
use landfall_model::object;
use landfall_model::status::{ApplicationStatus, Operation, OperationPhase};
use landfall_ports::cluster::{Cause, Cluster, ClusterError, Patch, Write};
use serde_json::{Map, Value, json};

use crate::home::{self, AppKey, Home, HomeKind, Known};

/// What becomes of a field that a request of a person stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// It stays.
    Keep,
    /// It was carried out, and goes.
    Clear,
}

/// What is written.
pub struct Writing<'a> {
    /// The Application as the pass read it: what was asked for since is not the pass's to clear. `None` where it cannot
    /// be read.
    pub read: Option<&'a Application>,
    /// The status as it is to be.
    pub status: &'a ApplicationStatus,
    /// `operation` as it is to be: the one that runs, or none.
    pub operation: Option<&'a Operation>,
    /// The annotation that asks for a refresh.
    pub refresh: Request,
}

/// How often a write that met a newer Application is tried against that one.
const TRIES_MAX: usize = 4;

/// Writes what changed against what is known, or against what is there if that is newer: what was done stands in the
/// results and must not be lost because somebody touched an annotation. Returns whether a request was made.
pub async fn write(
    cluster: &dyn Cluster,
    home: &Home,
    key: &AppKey,
    known: &Known,
    writing: &Writing<'_>,
) -> Result<bool, ClusterError> {
    let kind = HomeKind::Application.served();
    let mut newer = None;
    for is_last in (1..=TRIES_MAX).map(|number| number == TRIES_MAX) {
        let Some(patch) = patch(newer.as_ref().unwrap_or(known), writing) else { return Ok(false) };
        match cluster.patch(&kind, &key.namespace, &key.name, "", &Patch::Merge(patch), &manager()).await {
            Ok(answer) => {
                home.wrote(key, &answer);
                return Ok(true);
            }
            Err(error) if error.cause != Cause::Conflict || is_last => return Err(error),
            Err(error) => match cluster.get(&kind, &key.namespace, &key.name).await? {
                Some(value) if is_the_same(&value, writing) => newer = Some(home::known(&value)),
                _ => return Err(error),
            },
        }
    }
    Ok(false)
}

/// Sets the finalizers of an Application.
pub async fn write_finalizers(
    cluster: &dyn Cluster,
    home: &Home,
    key: &AppKey,
    known: &Known,
    finalizers: &[String],
) -> Result<(), ClusterError> {
    let metadata = json!({"finalizers": finalizers, "resourceVersion": known.resource_version});
    let kind = HomeKind::Application.served();
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let answer = cluster.patch(&kind, &key.namespace, &key.name, "", &patch, &manager()).await?;
    home.wrote(key, &answer);
    Ok(())
}

fn manager() -> Write {
    Write { manager: FIELD_MANAGER.to_owned(), force: false, dry_run: false, strict: false }
}

fn patch(known: &Known, writing: &Writing<'_>) -> Option<Value> {
    let application = known.application.as_ref().ok();
    let mut wanted = serde_json::to_value(writing.status).expect("a status serialises");
    if application.is_some_and(|application| is_terminated_since(application, writing)) {
        wanted["operationState"]["phase"] = json!(OperationPhase::Terminating);
    }
    let mut patch = Map::new();
    let status = landfall_merge::merge_patch::create(&known.status, &wanted);
    if status.as_object().is_none_or(|fields| !fields.is_empty()) && !only_says_when(&status) {
        patch.insert("status".to_owned(), status);
    }
    let mut metadata = Map::new();
    let operation = application.and_then(|application| application.operation.as_ref());
    if writing.operation != operation && !is_asked_since(operation, writing) {
        patch.insert("operation".to_owned(), json!(writing.operation));
        // A merge patch merges: what the old operation had and the new one has not must go.
        if let (Some(old), Some(new)) = (operation, writing.operation) {
            patch.insert("operation".to_owned(), landfall_merge::merge_patch::create(&json!(old), &json!(new)));
        }
        metadata.insert("resourceVersion".to_owned(), json!(known.resource_version));
    }
    let asks = |application: &Application| application.annotation(REFRESH).is_some();
    if writing.refresh == Request::Clear && application.is_some_and(asks) && writing.read.is_some_and(asks) {
        metadata.insert("annotations".to_owned(), json!({REFRESH: null}));
        // Who asked for a refresh waits for this: say that it was done although nothing else changed.
        if let Some(at) = writing.status.reconciled_at {
            let status = patch.entry("status").or_insert_with(|| json!({}));
            status["reconciledAt"] = json!(at);
        }
    }
    if !metadata.is_empty() {
        patch.insert("metadata".to_owned(), Value::Object(metadata));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Says whether an Application is the one that the pass read, and not another of the same name.
fn is_the_same(value: &Value, writing: &Writing<'_>) -> bool {
    writing.read.is_some_and(|read| read.metadata.uid == object::uid(value))
}

/// Says whether the operation that stands there is neither the one that the pass read nor the one that it carried out.
fn is_asked_since(operation: Option<&Operation>, writing: &Writing<'_>) -> bool {
    let read = writing.read.and_then(|application| application.operation.as_ref());
    let carried_out = writing.status.operation_state.as_ref().map(|state| &state.operation);
    operation.is_some() && operation != read && operation != carried_out
}

/// Says whether somebody ended the operation that the pass read as running and would leave so.
fn is_terminated_since(application: &Application, writing: &Writing<'_>) -> bool {
    let phase = |application: &Application| application.status.operation_state.as_ref().map(|state| state.phase);
    let was_so = writing.read.and_then(phase) == Some(OperationPhase::Terminating);
    let (Some(now), Some(wanted)) = (&application.status.operation_state, &writing.status.operation_state) else {
        return false;
    };
    let is_the_same = now.started_at == wanted.started_at;
    !was_so && is_the_same && now.phase == OperationPhase::Terminating && !wanted.phase.is_completed()
}

/// A patch that changes nothing but the moment of the last comparison is not worth a write.
fn only_says_when(status: &Value) -> bool {
    status.as_object().is_some_and(|fields| fields.keys().all(|name| name == "reconciledAt"))
}
