//! What belongs to an application: the tree of live objects, and what is wanted beside what is there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use landfall_api::error::ApiError;
use landfall_flow::live::LiveCluster;
use landfall_flow::live::record::Record;
use landfall_flow::reconcile::inspect::{Inspection, Look};
use landfall_model::application::Application;
use landfall_model::key::ObjectKey;
use landfall_model::object;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::hosts;
use super::secrets::masked_together;
use crate::api::call::{Answer, Call, Held, Outcome, conditions, lean, refused, text};

/// How far down owners are followed.
const LEVELS_MAX: usize = 16;
/// How many nodes a tree has at most.
const NODES_MAX: usize = 20_000;

/// The tree of an application's live objects.
pub(crate) async fn get(call: &Call, request: &Value) -> Outcome {
    let held = call.application_by(request, "applicationName", "get")?;
    Ok(of(call, &held).await?.into())
}

/// The tree anew, each time the application changes.
pub(crate) async fn watch(call: &Call, request: &Value) -> Outcome {
    let held = call.application_by(request, "applicationName", "get")?;
    let (_, feed, _) = call.controller().home.follow();
    let first = of(call, &held).await?;
    let state = (call.clone(), held, feed, first.clone());
    let later = futures::stream::unfold(state, |(call, held, mut feed, mut last)| async move {
        loop {
            match feed.recv().await {
                Ok(event) if event.key != held.key => continue,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
            let known = call.controller().home.application(&held.key)?;
            let held = Held { key: held.key.clone(), known, object: held.object.clone() };
            let Ok(tree) = of(&call, &held).await else { return None };
            if tree != last {
                last = tree.clone();
                return Some((Ok(tree), (call, held, feed, last)));
            }
        }
    });
    Ok(Answer::Many(futures::stream::iter([Ok(first)]).chain(later).boxed()))
}

/// One node, with what it hangs from.
pub(crate) struct Node {
    pub(crate) record: Arc<Record>,
    pub(crate) parents: Vec<Arc<Record>>,
}

/// Collects an application's live objects and what they own.
pub(crate) fn nodes(live: &LiveCluster, instance: &str) -> Vec<Node> {
    let mut found: Vec<Node> = Vec::new();
    let mut seen = HashSet::new();
    let mut level: Vec<Arc<Record>> = live.of_instance(instance);
    level.sort_by(|a, b| a.live.key.cmp(&b.live.key));
    for record in &level {
        seen.insert(record.live.uid.clone());
        // What an owner of the same application has made hangs below it.
        let parents = record.owner_uids.iter();
        let parents = parents.filter_map(|uid| level.iter().find(|other| other.live.uid == *uid).cloned()).collect();
        found.push(Node { record: record.clone(), parents });
    }
    for _ in 0..LEVELS_MAX {
        let mut next = Vec::new();
        for parent in &level {
            let mut children = live.children(&parent.live.uid);
            children.sort_by(|a, b| a.live.key.cmp(&b.live.key));
            for child in children {
                if found.len() >= NODES_MAX {
                    return found;
                }
                if seen.insert(child.live.uid.clone()) {
                    found.push(Node { record: child.clone(), parents: vec![parent.clone()] });
                    next.push(child);
                }
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    found
}

/// An application's tree as JSON.
async fn of(call: &Call, held: &Held) -> Result<Value, ApiError> {
    let application = held.application()?;
    let cluster = call.cluster(application)?;
    let instance = call.controller().instance_of(&held.key);
    let found = nodes(&cluster.live, &instance);
    let hosts = hosts::of(call, &cluster.live, &found).await;
    let mut nodes: Vec<Value> = found.iter().map(node).collect();
    // What is wanted and not there is part of the tree too, without a uid.
    for resource in &application.status.resources {
        let key = resource.key();
        if cluster.live.get(&key).is_none() {
            nodes.push(lean(json!({
                "group": key.group, "version": resource.version, "kind": key.kind, "namespace": key.namespace, "name": key.name,
                "health": {"status": "Missing"},
            })));
        }
    }
    Ok(lean(json!({"nodes": nodes, "hosts": hosts})))
}

fn reference(record: &Record) -> Value {
    let live = &record.live;
    lean(json!({
        "group": live.key.group, "version": live.gvk.version, "kind": live.key.kind, "namespace": live.key.namespace,
        "name": live.key.name, "uid": live.uid,
    }))
}

fn node(node: &Node) -> Value {
    let live = &node.record.live;
    let mut value = reference(&node.record);
    value["resourceVersion"] = json!(node.record.resource_version);
    if let Some(created) = node.record.created {
        value["createdAt"] = json!(format!("{created:.0}"));
    }
    let info = info(&node.record);
    if !info.is_empty() {
        value["info"] = info.into_iter().map(|(name, text)| json!({"name": name, "value": text})).collect();
    }
    if !node.parents.is_empty() {
        value["parentRefs"] = node.parents.iter().map(|parent| reference(parent)).collect();
    }
    if !live.images.is_empty() {
        value["images"] = json!(live.images);
    }
    if let Some(health) = &live.health {
        value["health"] = lean(json!({"status": health.status.as_str(), "message": health.message}));
    }
    if !live.urls.is_empty() {
        value["networkingInfo"] = json!({"externalURLs": live.urls});
    }
    value
}

/// What is told of an object beside its health. Source: Argo CD `controller/cache/info.go`.
fn info(record: &Record) -> Vec<(&'static str, String)> {
    let mut info = Vec::new();
    if let Some(revision) = record.revision {
        info.push(("Revision", format!("Rev:{revision}")));
    }
    if let Some(pod) = &record.pod {
        info.push(("Status Reason", pod.reason.clone()));
        if !pod.node.is_empty() {
            info.push(("Node", pod.node.clone()));
        }
        info.push(("Containers", format!("{}/{}", pod.ready, pod.containers)));
        if pod.restarts > 0 {
            info.push(("Restart Count", pod.restarts.to_string()));
        }
    }
    info.retain(|(_, text)| !text.is_empty());
    info
}

/// What is wanted beside what is there, for each object.
pub(crate) async fn managed(call: &Call, request: &Value) -> Outcome {
    let held = call.application_by(request, "applicationName", "get")?;
    let application = held.application()?;
    let found = inspect(call, &held, application).await?;
    let matches = |field: &str, own: &str| text(request, field).is_empty() || text(request, field) == own;
    let mut items = Vec::new();
    for (key, pair) in pairs(&found) {
        let is_wanted = matches("group", &key.group)
            && matches("kind", &key.kind)
            && matches("namespace", &key.namespace)
            && matches("name", &key.name);
        if is_wanted {
            items.push(difference(&found, &key, pair));
        }
    }
    Ok(lean(json!({"items": items})).into())
}

/// Looks at an application as it is.
pub(crate) async fn inspect(call: &Call, held: &Held, application: &Application) -> Result<Inspection, ApiError> {
    let found = call.controller().inspect(&held.key, application, &Look::default()).await;
    found.map_err(|found| conditions(&held.key.name, &found))
}

struct Pair<'a> {
    wanted: Option<&'a Value>,
    live: Option<&'a Arc<Record>>,
    is_hook: bool,
}

fn pairs(found: &Inspection) -> BTreeMap<ObjectKey, Pair<'_>> {
    let mut pairs: BTreeMap<ObjectKey, Pair<'_>> = found
        .live
        .iter()
        .map(|(key, record)| (key.clone(), Pair { wanted: None, live: Some(record), is_hook: record.live.is_hook }))
        .collect();
    for target in &found.targets.objects {
        let pair = pairs.entry(target.key.clone()).or_insert(Pair { wanted: None, live: None, is_hook: false });
        pair.wanted = Some(&target.object);
    }
    pairs
}

fn difference(found: &Inspection, key: &ObjectKey, pair: Pair<'_>) -> Value {
    let live = pair.live.and_then(|record| record.body());
    let difference = found.difference(pair.wanted, live.as_ref());
    let (wanted_shown, live_shown) = masked_together(pair.wanted, live.as_ref());
    let written = |value: Option<&Value>| value.map_or_else(|| "null".to_owned(), Value::to_string);
    let is_modified = !pair.is_hook && !difference.is_in_sync() && pair.wanted.is_some() && live.is_some();
    // What the comparison shows is masked as a pair already.
    let mut value = lean(json!({
        "group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name, "hook": pair.is_hook,
        "resourceVersion": pair.live.map(|record| record.resource_version.clone()), "modified": is_modified,
    }));
    value["targetState"] = json!(written(wanted_shown.as_ref()));
    value["liveState"] = json!(written(live_shown.as_ref()));
    let is_in_sync = difference.is_in_sync();
    let mut normal = difference.live.map(|state| placed(state, key));
    let mut predicted = difference.predicted.map(|state| placed(state, key));
    if key.kind == "Secret" && key.group.is_empty() {
        // Masks are equal where values are, across all four states only if all are masked together.
        normal = live_shown.clone().map(|mut state| {
            object::map_mut(&mut state, &["metadata"]).remove("managedFields");
            state
        });
        if is_in_sync {
            predicted.clone_from(&normal);
        }
    }
    value["normalizedLiveState"] = json!(written(normal.as_ref()));
    value["predictedLiveState"] = json!(written(predicted.as_ref()));
    value
}

/// A normalised state without its namespace is another object to who reads it: the namespace is put back.
fn placed(mut state: Value, key: &ObjectKey) -> Value {
    if !key.namespace.is_empty() {
        object::map_mut(&mut state, &["metadata"]).insert("namespace".to_owned(), json!(key.namespace));
    }
    state
}

/// Asks the cluster what applying manifests would make of what is there.
pub(crate) async fn server_side_diff(call: &Call, request: &Value) -> Outcome {
    let held = call.application_by(request, "appName", "get")?;
    let application = held.application()?;
    let cluster = call.cluster(application)?;
    let discovery = cluster.live.discovery().await.map_err(|error| refused(&error))?;
    let targets = request.get("targetManifests").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut items = Vec::new();
    let mut is_any_modified = false;
    for text in targets.iter().filter_map(Value::as_str) {
        let wanted: Value = serde_json::from_str(text)
            .map_err(|error| ApiError::invalid(format!("a target manifest is no JSON: {error}")))?;
        let key = object::key(&wanted);
        let gvk = object::gvk(&wanted);
        let kind =
            discovery.find(&gvk).ok_or_else(|| ApiError::invalid(format!("the cluster does not serve {gvk}")))?;
        let live =
            cluster.live.cluster().get(kind, &key.namespace, &key.name).await.map_err(|error| refused(&error))?;
        let how = landfall_ports::cluster::Write {
            manager: landfall_model::annotations::FIELD_MANAGER.to_owned(),
            force: true,
            dry_run: true,
            strict: false,
        };
        let predicted = cluster.live.cluster().apply(kind, &wanted, &how).await.map_err(|error| refused(&error))?;
        let plain = |mut value: Value| {
            let metadata = object::map_mut(&mut value, &["metadata"]);
            for field in ["managedFields", "resourceVersion", "generation"] {
                metadata.remove(field);
            }
            value
        };
        let (live, predicted) = (live.map(plain), plain(predicted));
        let is_modified = live.as_ref() != Some(&predicted);
        is_any_modified |= is_modified;
        let (wanted_shown, _) = masked_together(Some(&wanted), None);
        let (predicted_shown, live_shown) = masked_together(Some(&predicted), live.as_ref());
        let written = |value: Option<&Value>| value.map_or_else(|| "null".to_owned(), Value::to_string);
        let mut item = lean(json!({
            "group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name, "modified": is_modified,
        }));
        item["targetState"] = json!(written(wanted_shown.as_ref()));
        item["liveState"] = json!(written(live_shown.as_ref()));
        item["predictedLiveState"] = json!(written(predicted_shown.as_ref()));
        item["normalizedLiveState"] = json!(written(live_shown.as_ref()));
        items.push(item);
    }
    Ok(json!({"items": items, "modified": is_any_modified}).into())
}
