//! Operations: sync, rollback, terminate, and when they are permitted.
//! Source: Argo CD 3.5 `server/application/application.go` (Sync, Rollback, TerminateOperation).

use landfall_access::windows::{self, Subject};
use landfall_api::error::{ApiError, Code};
use landfall_model::application::{Application, Info, RetryStrategy};
use landfall_model::project::SyncWindow;
use landfall_model::status::{
    Operation, OperationInitiator, OperationPhase, SyncOperation, SyncOperationResource, SyncStrategy,
};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;
use landfall_sync::rollback::{self, RollbackRequest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::call::{Call, Held, Outcome, flag, source_positions, text, texts, value_of};

/// Starts a sync.
pub(crate) async fn sync(call: &Call, request: &Value) -> Outcome {
    let (held, operation) = wanted(call, request)?;
    start(call, &held, &operation).await
}

/// The operation that a sync request asks for, if it is permitted.
pub(crate) fn wanted(call: &Call, request: &Value) -> Result<(Held, Operation), ApiError> {
    let held = call.application(request, "get")?;
    let application = held.application()?;
    let verdict = verdict(call, application)?;
    if !verdict.manual_allowed {
        return Err(ApiError::of(Code::PermissionDenied, "cannot sync: blocked by sync window").hint(verdict.why));
    }
    call.enforce("applications", "sync", &held.object)?;
    let manifests = texts(request, "manifests");
    let is_dry_run = flag(request, "dryRun");
    let is_automatic = application.spec.automated().is_some();
    if !manifests.is_empty() {
        call.enforce("applications", "override", &held.object)?;
        if is_automatic && !is_dry_run {
            return Err(ApiError::precondition(
                "cannot use local sync when Automatic Sync Policy is enabled unless for dry run",
            ));
        }
    }
    if application.metadata.deletion_timestamp.is_some() {
        return Err(ApiError::precondition("application is deleting"));
    }
    let (revision, revisions) = wanted_revisions(application, request)?;
    let given: Vec<&str> = revisions.iter().map(String::as_str).chain([revision.as_str()]).collect();
    let is_other = application.spec.sources().iter().enumerate().any(|(at, source)| {
        let wanted =
            if revisions.is_empty() { revision.as_str() } else { revisions.get(at).map_or("", String::as_str) };
        let own = if source.target_revision.is_empty() { "HEAD" } else { source.target_revision.as_str() };
        !wanted.is_empty() && wanted != own
    });
    if is_other && is_automatic && !is_dry_run {
        let wanted = given.iter().find(|text| !text.is_empty()).copied().unwrap_or("");
        let own = application.spec.sources().first().map_or("", |source| source.target_revision.as_str());
        return Err(ApiError::precondition(format!(
            "Cannot sync to {wanted}: auto-sync currently set to {}",
            if own.is_empty() { "HEAD" } else { own }
        )));
    }
    let policy = application.spec.sync_policy.as_ref();
    let retry: Option<RetryStrategy> = part(request, "retryStrategy")?;
    let sync_options = match request.get("syncOptions") {
        Some(given) if given.is_object() => texts(given, "items"),
        _ => policy.map(|policy| policy.sync_options.clone()).unwrap_or_default(),
    };
    let mut sync = SyncOperation {
        revision,
        revisions,
        prune: flag(request, "prune"),
        dry_run: is_dry_run,
        sync_strategy: part::<SyncStrategy>(request, "strategy")?,
        resources: part::<Vec<SyncOperationResource>>(request, "resources")?.unwrap_or_default(),
        sync_options,
        ..SyncOperation::default()
    };
    sync.manifests = manifests;
    let operation = Operation {
        sync: Some(sync),
        initiated_by: OperationInitiator { username: call.caller.name().to_owned(), automated: false },
        info: part::<Vec<Info>>(request, "infos")?.unwrap_or_default(),
        retry: retry.or_else(|| policy.and_then(|policy| policy.retry.clone())).unwrap_or_default(),
    };
    Ok((held, operation))
}

/// The revision, or those of several sources, that a request wants; empty is each source's own.
fn wanted_revisions(application: &Application, request: &Value) -> Result<(String, Vec<String>), ApiError> {
    let revision = text(request, "revision").to_owned();
    let given = texts(request, "revisions");
    if !application.spec.has_multiple_sources() {
        let first = given.into_iter().next().unwrap_or_default();
        return Ok((if revision.is_empty() { first } else { revision }, Vec::new()));
    }
    let sources = application.spec.sources();
    let positions = source_positions(request);
    if positions.is_empty() {
        if given.is_empty() {
            return Ok((String::new(), Vec::new()));
        }
        if given.len() != sources.len() {
            return Err(ApiError::invalid(format!(
                "there are {} revisions for {} sources",
                given.len(),
                sources.len()
            ))
            .hint("name the source of each with sourcePositions, counted from 1"));
        }
        return Ok((String::new(), given));
    }
    if positions.len() != given.len() {
        return Err(ApiError::invalid("sourcePositions and revisions must have the same length"));
    }
    let mut wanted: Vec<String> = sources.iter().map(|source| source.target_revision.clone()).collect();
    for (position, revision) in positions.iter().zip(given) {
        let place = usize::try_from(position.saturating_sub(1)).ok().and_then(|at| wanted.get_mut(at));
        let place = place.ok_or_else(|| {
            ApiError::invalid(format!(
                "source position {position} is out of range: there are {} sources",
                sources.len()
            ))
        })?;
        *place = revision;
    }
    Ok((String::new(), wanted))
}

/// A part of a request, in the shape of the model.
fn part<T: DeserializeOwned>(request: &Value, field: &str) -> Result<Option<T>, ApiError> {
    match request.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| ApiError::invalid(format!("{field} cannot be read: {error}"))),
    }
}

/// Starts going back to an earlier sync.
pub(crate) async fn rollback(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let config = call.controller().home.config_map("argocd-cm").unwrap_or_default();
    let has_own_right = config.get("server.rbac.rollback.enforce.enable").is_some_and(|text| text == "true");
    call.enforce("applications", if has_own_right { "rollback" } else { "sync" }, &held.object)?;
    let application = held.application()?;
    if application.metadata.deletion_timestamp.is_some() {
        return Err(ApiError::precondition("application is deleting"));
    }
    let wanted = RollbackRequest {
        id: request.get("id").and_then(Value::as_i64),
        prune: flag(request, "prune"),
        dry_run: flag(request, "dryRun"),
        username: call.caller.name().to_owned(),
    };
    let operation = rollback::operation(application, &wanted).map_err(ApiError::invalid)?;
    start(call, &held, &operation).await
}

/// Sets an operation, unless one runs.
async fn start(call: &Call, held: &Held, operation: &Operation) -> Outcome {
    let application = held.application()?;
    if application.operation.is_some() {
        return Err(ApiError::precondition("another operation is already in progress")
            .hint("wait for its end, or terminate it: argocd app terminate-op"));
    }
    // The resource version makes sure that of two who start something at the same time only one does.
    let patch = json!({
        "metadata": {"resourceVersion": held.known.resource_version},
        "operation": operation,
    });
    match call.patch_application(&held.key, patch).await {
        Err(error) if error.code == Code::Aborted => {
            // Somebody changed something meanwhile, which may not have been an operation.
            let kind = landfall_flow::home::HomeKind::Application.served();
            let cluster = &call.controller().home_cluster;
            let fresh = cluster.get(&kind, &held.key.namespace, &held.key.name).await;
            let fresh = fresh.map_err(|error| crate::api::call::refused(&error))?.unwrap_or_default();
            if fresh.get("operation").is_some_and(|operation| !operation.is_null()) {
                return Err(ApiError::precondition("another operation is already in progress"));
            }
            let version = landfall_model::object::resource_version(&fresh);
            let patch = json!({"metadata": {"resourceVersion": version}, "operation": operation});
            let known = call.patch_application(&held.key, patch).await?;
            Ok(value_of(&known).into())
        }
        other => {
            let known = other?;
            Ok(value_of(&known).into())
        }
    }
}

/// Ends the operation that runs.
pub(crate) async fn terminate(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    call.enforce("applications", "sync", &held.object)?;
    let application = held.application()?;
    let runs = application.status.operation_state.as_ref().is_some_and(|state| !state.phase.is_completed());
    if application.operation.is_none() && !runs {
        return Err(ApiError::invalid("Unable to terminate operation. No operation is in progress"));
    }
    let patch = match &application.status.operation_state {
        Some(state) if !state.phase.is_completed() => {
            json!({"status": {"operationState": {"phase": OperationPhase::Terminating.as_str()}}})
        }
        // It has not begun: taking it back is enough.
        _ => json!({"operation": null}),
    };
    call.patch_application(&held.key, patch).await?;
    Ok(json!({}).into())
}

/// What the project's windows say about an application now.
fn verdict(call: &Call, application: &Application) -> Result<WindowVerdict, ApiError> {
    let windows = windows_of(call, application);
    let cluster = call.controller().destinations.find(&application.spec.destination).ok();
    let subject = Subject {
        application: &application.metadata.name,
        namespace: &application.spec.destination.namespace,
        server: cluster.as_ref().map_or("", |cluster| cluster.server.as_str()),
        cluster: cluster.as_ref().map_or("", |cluster| cluster.name.as_str()),
    };
    Ok(windows::evaluate(&windows, subject, Time::of(call.controller().clock.now())))
}

fn windows_of(call: &Call, application: &Application) -> Vec<SyncWindow> {
    let project = call.controller().home.project(application.spec.project());
    project.map(|project| project.spec.sync_windows.clone()).unwrap_or_default()
}

/// Tells which windows concern an application, which are open, and whether it may be synchronised.
pub(crate) fn windows(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let application = held.application()?;
    let cluster = call.controller().destinations.find(&application.spec.destination).ok();
    let subject = Subject {
        application: &application.metadata.name,
        namespace: &application.spec.destination.namespace,
        server: cluster.as_ref().map_or("", |cluster| cluster.server.as_str()),
        cluster: cluster.as_ref().map_or("", |cluster| cluster.name.as_str()),
    };
    let now = Time::of(call.controller().clock.now());
    let all = windows_of(call, application);
    let (assigned, active) = windows::assigned(&all, subject, now);
    let shown = |window: &&SyncWindow| json!({"kind": window.kind, "schedule": window.schedule, "duration": window.duration, "manualSync": window.manual_sync});
    Ok(json!({
        "activeWindows": active.iter().map(shown).collect::<Vec<_>>(),
        "assignedWindows": assigned.iter().map(shown).collect::<Vec<_>>(),
        "canSync": verdict(call, application)?.manual_allowed,
    })
    .into())
}
