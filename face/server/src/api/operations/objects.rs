//! One object of an application: read, patched, deleted, and acted on.

use landfall_api::error::ApiError;
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_ports::cluster::{Cluster, Delete, Patch, ServedKind};
use serde_json::{Value, json};
use std::sync::Arc;

use super::secrets::masked;
use super::tree::nodes;
use crate::api::call::{Call, Held, Outcome, flag, refused, text, write};
use crate::api::gate::Part;

/// An object of an application as it is in the cluster.
pub(crate) struct Found {
    pub(crate) held: Held,
    pub(crate) value: Value,
    pub(crate) kind: ServedKind,
    pub(crate) cluster: Arc<dyn Cluster>,
}

/// Finds the object that a request names, if it belongs to the application: by its own word, or below something that does.
pub(crate) async fn find(call: &Call, request: &Value, action: &str) -> Result<Found, ApiError> {
    let held = call.application(request, action)?;
    let application = held.application()?;
    let cluster = call.cluster(application)?;
    let (group, version, kind) = (text(request, "group"), text(request, "version"), text(request, "kind"));
    let (namespace, name) = (text(request, "namespace"), text(request, "resourceName"));
    let key = ObjectKey::of(group, kind, namespace, name);
    let instance = call.controller().instance_of(&held.key);
    let belongs = cluster.live.get(&key).is_some_and(|record| record.live.owner.as_deref() == Some(instance.as_str()))
        || nodes(&cluster.live, &instance).iter().any(|node| node.record.live.key == key);
    if !belongs {
        let shown = [group, kind, name].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        return Err(ApiError::invalid(format!("{shown} not found as part of application {}", held.key.name)));
    }
    let discovery = cluster.live.discovery().await.map_err(|error| refused(&error))?;
    let gvk = GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() };
    let served = discovery.find(&gvk).or_else(|| discovery.preferred(&gvk.group_kind())).cloned();
    let served = served.ok_or_else(|| ApiError::not_found(format!("the cluster does not serve {gvk}")))?;
    let client = cluster.live.cluster().clone();
    let value = client.get(&served, namespace, name).await.map_err(|error| refused(&error))?;
    let value = value.ok_or_else(|| ApiError::not_found(format!("{kind} {name} is not there any more")))?;
    Ok(Found { held, value, kind: served, cluster: client })
}

/// The object as it is, Secrets masked.
pub(crate) async fn get(call: &Call, request: &Value) -> Outcome {
    let found = find(call, request, "get").await?;
    Ok(json!({"manifest": shown(found.value).to_string()}).into())
}

fn shown(mut value: Value) -> Value {
    object::map_mut(&mut value, &["metadata"]).remove("managedFields");
    masked(&value)
}

/// Patches the object.
pub(crate) async fn patch(call: &Call, request: &Value) -> Outcome {
    let found = find(call, request, "get").await?;
    call.enforce_part("update", part(request), &found.held.object)?;
    let read: Value = serde_json::from_str(text(request, "patch"))
        .map_err(|error| ApiError::invalid(format!("the patch is no JSON: {error}")))?;
    let patch = match text(request, "patchType") {
        "application/merge-patch+json" | "merge" | "" => Patch::Merge(read),
        "application/json-patch+json" | "json" => Patch::Json(read),
        "application/strategic-merge-patch+json" | "strategic" => Patch::Strategic(read),
        other => {
            return Err(ApiError::invalid(format!("the patch type {other:?} is not known")).hint(
                "use application/merge-patch+json, application/json-patch+json or application/strategic-merge-patch+json",
            ));
        }
    };
    let (namespace, name) = (text(request, "namespace"), text(request, "resourceName"));
    let answer = found.cluster.patch(&found.kind, namespace, name, "", &patch, &write()).await;
    let answer = answer.map_err(|error| refused(&error))?;
    Ok(json!({"manifest": shown(answer).to_string()}).into())
}

/// Deletes the object.
pub(crate) async fn delete(call: &Call, request: &Value) -> Outcome {
    let found = find(call, request, "get").await?;
    call.enforce_part("delete", part(request), &found.held.object)?;
    let propagation = if flag(request, "orphan") {
        "Orphan"
    } else if flag(request, "force") {
        "Background"
    } else {
        "Foreground"
    };
    let how = Delete { propagation: propagation.to_owned(), uid: object::uid(&found.value).to_owned(), dry_run: false };
    let (namespace, name) = (text(request, "namespace"), text(request, "resourceName"));
    found.cluster.delete(&found.kind, namespace, name, &how).await.map_err(|error| refused(&error))?;
    Ok(json!({}).into())
}

fn part(request: &Value) -> Part<'_> {
    Part {
        group: text(request, "group"),
        kind: text(request, "kind"),
        namespace: text(request, "namespace"),
        name: text(request, "resourceName"),
    }
}

/// One thing that can be done to an object.
struct Action {
    name: &'static str,
    is_disabled: bool,
    parameters: &'static [&'static str],
}

/// What can be done to an object, by its kind. Source: Argo CD `resource_customizations/*/actions`.
fn actions(value: &Value) -> Vec<Action> {
    let gvk = object::gvk(value);
    let action = |name, is_disabled| Action { name, is_disabled, parameters: &[] };
    let is_paused = value.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or(false);
    let is_suspended = value.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false);
    let scale = || Action { name: "scale", is_disabled: false, parameters: &["replicas"] };
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => {
            vec![action("restart", is_paused), action("pause", is_paused), action("resume", !is_paused), scale()]
        }
        ("apps", "StatefulSet") => vec![action("restart", false), scale()],
        ("apps", "DaemonSet") => vec![action("restart", false)],
        ("batch", "CronJob") => {
            vec![action("create-job", false), action("suspend", is_suspended), action("resume", !is_suspended)]
        }
        ("batch", "Job") => {
            vec![action("suspend", is_suspended), action("resume", !is_suspended), action("terminate", false)]
        }
        _ => Vec::new(),
    }
}

/// Lists what can be done to the object.
pub(crate) async fn list_actions(call: &Call, request: &Value) -> Outcome {
    let found = find(call, request, "get").await?;
    let shown: Vec<Value> = actions(&found.value)
        .iter()
        .map(|action| {
            let mut shown = json!({"name": action.name});
            if action.is_disabled {
                shown["disabled"] = json!(true);
            }
            if !action.parameters.is_empty() {
                shown["params"] = action.parameters.iter().map(|name| json!({"name": name})).collect();
            }
            shown
        })
        .collect();
    Ok(json!({"actions": shown}).into())
}

/// Does something to the object.
pub(crate) async fn run_action(call: &Call, request: &Value) -> Outcome {
    let name = text(request, "action");
    let found = find(call, request, "get").await?;
    let gvk = object::gvk(&found.value);
    call.enforce("applications", &format!("action/{}/{}/{name}", gvk.group, gvk.kind), &found.held.object)?;
    let known = actions(&found.value);
    let action = known.iter().find(|action| action.name == name).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|action| action.name).collect();
        ApiError::invalid(format!("the action {name:?} is not known for {}", gvk.kind)).hint(if names.is_empty() {
            "no action is known for this kind".to_owned()
        } else {
            format!("known: {}", names.join(", "))
        })
    })?;
    if action.is_disabled {
        return Err(ApiError::precondition(format!("the action {name} is disabled in the object's state")));
    }
    let now = format!("{:.0}", call.controller().clock.now());
    let patch = match (gvk.kind.as_str(), name) {
        (_, "restart") => {
            json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}}})
        }
        ("Deployment", "pause") => json!({"spec": {"paused": true}}),
        ("Deployment", "resume") => json!({"spec": {"paused": null}}),
        (_, "suspend") => json!({"spec": {"suspend": true}}),
        (_, "resume") => json!({"spec": {"suspend": false}}),
        (_, "terminate") => json!({"spec": {"activeDeadlineSeconds": 1}}),
        (_, "scale") => json!({"spec": {"replicas": replicas(request)?}}),
        ("CronJob", "create-job") => return create_job(call, &found).await,
        _ => return Err(ApiError::internal(format!("the action {name} has no patch"))),
    };
    let (namespace, resource) = (object::namespace(&found.value), object::name(&found.value));
    let answer = found.cluster.patch(&found.kind, namespace, resource, "", &Patch::Merge(patch), &write()).await;
    answer.map_err(|error| refused(&error))?;
    Ok(json!({}).into())
}

fn replicas(request: &Value) -> Result<i64, ApiError> {
    let given = request.get("resourceActionParameters").and_then(Value::as_array).into_iter().flatten();
    let given = given.filter(|given| text(given, "name") == "replicas").map(|given| text(given, "value")).next();
    let given = given.ok_or_else(|| ApiError::invalid("the action scale needs the parameter replicas"))?;
    given.parse::<i64>().ok().filter(|count| (0..=10_000).contains(count)).ok_or_else(|| {
        ApiError::invalid(format!("the parameter replicas must be a number from 0 to 10000, but is {given:?}"))
    })
}

/// Makes a Job from a CronJob's template, as `kubectl create job --from` does.
async fn create_job(call: &Call, found: &Found) -> Outcome {
    let cron = &found.value;
    let stamp = call.controller().clock.now().as_second();
    let name: String = object::name(cron).chars().take(50).collect();
    let template = cron.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
    let mut annotations = template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({}));
    annotations["cronjob.kubernetes.io/instantiate"] = json!("manual");
    let owner = json!([{
        "apiVersion": "batch/v1", "kind": "CronJob", "name": object::name(cron), "uid": object::uid(cron), "controller": true,
    }]);
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": format!("{name}-{stamp}"), "namespace": object::namespace(cron), "annotations": annotations,
            "labels": template.pointer("/metadata/labels"), "ownerReferences": owner,
        },
        "spec": template.get("spec"),
    });
    let kind = GroupVersionKind::of("batch/v1", "Job");
    let application = found.held.application()?;
    let discovery = call.cluster(application)?.live.discovery().await.map_err(|error| refused(&error))?;
    let served = discovery.find(&kind).ok_or_else(|| ApiError::precondition("the cluster does not serve Jobs"))?;
    found.cluster.create(served, &job, &write()).await.map_err(|error| refused(&error))?;
    Ok(json!({}).into())
}
