//! Changing Applications: create, update, patch, delete. Source: Argo CD 3.5 `server/application/application.go`.

use landfall_api::error::ApiError;
use landfall_flow::home::{AppKey, HomeKind};
use landfall_flow::reconcile::inspect::Look;
use landfall_merge::{json_patch, merge_patch};
use landfall_model::annotations::{FINALIZER, FINALIZER_BACKGROUND, FINALIZER_FOREGROUND};
use landfall_model::application::Application;
use landfall_model::object;
use landfall_ports::cluster::{Cause, Delete};
use serde_json::{Map, Value, json};

use crate::api::call::{Call, Outcome, conditions, flag, refused, text, value_of, write};

/// Makes an Application; with `upsert`, or if it is the same, one that is there already is no error.
pub(crate) async fn create(call: &Call, request: Value) -> Outcome {
    let mut value = request.get("application").cloned().unwrap_or_default();
    let name = object::name(&value).to_owned();
    if name.is_empty() {
        return Err(ApiError::invalid("create: application must have a name").hint("set metadata.name"));
    }
    let given = object::namespace(&value).to_owned();
    let key = call.key(&json!({"name": name, "appNamespace": given}), "name")?;
    complete(&mut value, &key);
    let application = read(&value)?;
    let object = call.object(application.spec.project(), &key);
    call.enforce("applications", "create", &object)?;
    if value.get("operation").is_some_and(|operation| !operation.is_null()) {
        call.enforce("applications", "sync", &object)?;
    }
    if request.get("validate").and_then(Value::as_bool).unwrap_or(true) {
        validate(call, &key, &application).await?;
    }
    let controller = call.controller();
    let kind = HomeKind::Application.served();
    match controller.home_cluster.create(&kind, &value, &write()).await {
        Ok(answer) => Ok(value_of(&call.took(&key, &answer)).into()),
        Err(error) if error.cause == Cause::AlreadyExists => {
            let existing = controller.home_cluster.get(&kind, &key.namespace, &key.name).await;
            let existing = existing
                .map_err(|error| refused(&error))?
                .ok_or_else(|| ApiError::precondition("the application was deleted just now; try again"))?;
            let is_same = existing.get("spec") == value.get("spec")
                && existing.pointer("/metadata/labels") == value.pointer("/metadata/labels")
                && existing.pointer("/metadata/annotations") == value.pointer("/metadata/annotations")
                && existing.pointer("/metadata/finalizers") == value.pointer("/metadata/finalizers");
            if is_same {
                return Ok(value_of(&call.took(&key, &existing)).into());
            }
            if !flag(&request, "upsert") {
                return Err(ApiError::invalid(
                    "existing application spec is different, use upsert flag to force update",
                ));
            }
            let old = read(&existing)?;
            call.enforce("applications", "update", &call.object(old.spec.project(), &key))?;
            call.enforce("applications", "update", &object)?;
            store(call, &key, &existing, &value).await
        }
        Err(error) => Err(refused(&error)),
    }
}

/// Puts an Application in the place of the one that is there.
pub(crate) async fn update(call: &Call, request: Value) -> Outcome {
    let mut value = request.get("application").cloned().unwrap_or_default();
    let namespace = object::namespace(&value).to_owned();
    let named = json!({"name": object::name(&value), "appNamespace": namespace});
    let held = call.held(call.key(&named, "name")?, text(&request, "project"), "update")?;
    complete(&mut value, &held.key);
    let is_checked = request.get("validate").and_then(Value::as_bool).unwrap_or(true);
    replace(call, &held.key, &held.value(), &value, is_checked).await
}

/// Puts another spec in place. Answers with the spec.
pub(crate) async fn update_spec(call: &Call, request: Value) -> Outcome {
    let held = call.application(&request, "update")?;
    let old = held.value();
    let mut value = old.clone();
    let spec = request.get("spec").cloned().unwrap_or_default();
    if !spec.is_object() {
        return Err(ApiError::invalid("the request has no spec"));
    }
    value["spec"] = spec;
    let is_checked = request.get("validate").and_then(Value::as_bool).unwrap_or(true);
    let answer = replace(call, &held.key, &old, &value, is_checked).await?;
    match answer {
        crate::api::call::Answer::One(mut value) => Ok(value["spec"].take().into()),
        other => Ok(other),
    }
}

/// Patches an Application: `patchType` is `json` (RFC 6902) or `merge` (RFC 7396).
pub(crate) async fn patch(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    call.enforce("applications", "update", &held.object)?;
    let old = held.value();
    let wanted = patched(&old, text(request, "patch"), text(request, "patchType"))?;
    replace(call, &held.key, &old, &wanted, true).await
}

/// Applies a patch that is given as text.
pub(crate) fn patched(document: &Value, patch: &str, patch_type: &str) -> Result<Value, ApiError> {
    let read: Value =
        serde_json::from_str(patch).map_err(|error| ApiError::invalid(format!("the patch is no JSON: {error}")))?;
    match patch_type {
        "json" | "" | "application/json-patch+json" => json_patch::apply(document, &read)
            .map_err(|error| ApiError::invalid(format!("the patch cannot be applied: {error}"))),
        "merge" | "application/merge-patch+json" => Ok(merge_patch::apply(document, &read)),
        other => Err(ApiError::invalid(format!("Patch type '{other}' is not supported"))
            .hint("use json (RFC 6902) or merge (RFC 7396)")),
    }
}

/// Deletes an Application: with `cascade` (the default) after everything it manages.
pub(crate) async fn delete(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    call.enforce("applications", "delete", &held.object)?;
    let cascades = request.get("cascade").and_then(Value::as_bool).unwrap_or(true);
    let policy = text(request, "propagationPolicy");
    if !cascades && !policy.is_empty() {
        return Err(ApiError::invalid("cannot set propagation policy when cascading is disabled"));
    }
    let value = held.value();
    let mut finalizers: Vec<String> = object::finalizers(&value).into_iter().map(str::to_owned).collect();
    let ours = [FINALIZER, FINALIZER_FOREGROUND, FINALIZER_BACKGROUND];
    let before = finalizers.clone();
    if cascades {
        let wanted = match policy {
            "" | "foreground" | "Foreground" => FINALIZER,
            "background" | "Background" => FINALIZER_BACKGROUND,
            other => {
                return Err(ApiError::invalid(format!("invalid propagation policy: {other}"))
                    .hint("use foreground or background"));
            }
        };
        let has_one = finalizers.iter().any(|known| ours.contains(&known.as_str()));
        if !policy.is_empty() || !has_one {
            finalizers.retain(|known| !ours.contains(&known.as_str()));
            finalizers.push(wanted.to_owned());
        }
    } else {
        finalizers.retain(|known| !ours.contains(&known.as_str()));
    }
    if finalizers != before {
        call.patch_application(&held.key, json!({"metadata": {"finalizers": finalizers}})).await?;
    }
    let kind = HomeKind::Application.served();
    let cluster = &call.controller().home_cluster;
    let was_there = cluster.delete(&kind, &held.key.namespace, &held.key.name, &Delete::default()).await;
    if !was_there.map_err(|error| refused(&error))? {
        return Err(ApiError::not_found(format!("applications.argoproj.io \"{}\" not found", held.key.name)));
    }
    Ok(json!({}).into())
}

/// Fills in what the cluster needs, and takes out what only the controller writes.
fn complete(value: &mut Value, key: &AppKey) {
    value["apiVersion"] = json!("argoproj.io/v1alpha1");
    value["kind"] = json!("Application");
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    let metadata = object::map_mut(value, &["metadata"]);
    metadata.insert("namespace".to_owned(), json!(key.namespace));
    for field in ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink"] {
        metadata.remove(field);
    }
    let spec = object::map_mut(value, &["spec"]);
    if spec.get("project").and_then(Value::as_str).unwrap_or("").is_empty() {
        spec.insert("project".to_owned(), json!("default"));
    }
}

fn read(value: &Value) -> Result<Application, ApiError> {
    Application::read(value).map_err(|invalid| ApiError::invalid(format!("the application cannot be read: {invalid}")))
}

/// Refuses a spec that could not be followed: unknown project or cluster, what the project does not permit, sources that
/// cannot be rendered.
async fn validate(call: &Call, key: &AppKey, application: &Application) -> Result<(), ApiError> {
    let controller = call.controller();
    match controller.inspect(key, application, &Look::default()).await {
        Ok(_) => Ok(()),
        Err(found) => Err(conditions(&key.name, &found)),
    }
}

/// Checks and writes an Application that changed from `old` to `value`.
async fn replace(call: &Call, key: &AppKey, old: &Value, value: &Value, is_checked: bool) -> Outcome {
    let application = read(value)?;
    let before = read(old)?;
    if before.spec.project() != application.spec.project() {
        // Moving an application between projects needs the right to make it there.
        call.enforce("applications", "create", &call.object(application.spec.project(), key))?;
        call.enforce("applications", "update", &call.object(application.spec.project(), key))?;
    }
    if is_checked && before.spec != application.spec {
        validate(call, key, &application).await?;
    }
    store(call, key, old, value).await
}

/// Writes spec, labels, annotations and finalizers; nothing else of an Application is a person's.
async fn store(call: &Call, key: &AppKey, old: &Value, value: &Value) -> Outcome {
    let part = |value: &Value| {
        let mut metadata = Map::new();
        for field in ["labels", "annotations", "finalizers"] {
            if let Some(found) = value.pointer(&format!("/metadata/{field}")) {
                metadata.insert(field.to_owned(), found.clone());
            }
        }
        json!({"metadata": metadata, "spec": value.get("spec")})
    };
    let patch = merge_patch::create(&part(old), &part(value));
    if patch.as_object().is_none_or(Map::is_empty) {
        let known = call.controller().home.application(key);
        return Ok(known.map_or_else(|| old.clone(), |known| value_of(&known)).into());
    }
    let known = call.patch_application(key, patch).await?;
    Ok(value_of(&known).into())
}
