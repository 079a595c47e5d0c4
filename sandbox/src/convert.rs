//! Versions of one resource: objects are stored in one version and shown in the one that was asked for.
//!
//! Most versions differ only in `apiVersion`. Two built-in kinds differ in shape: HorizontalPodAutoscaler
//! (`autoscaling/v1` is shown from the stored `v2`) and Event (`events.k8s.io/v1` is shown from the stored core form).

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::json;
use crate::registry::{Resource, api_version};

/// How a version relates to the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// Only `apiVersion` differs.
    Renamed,
    Autoscaler,
    Event,
}

fn relation(resource: &Resource) -> Relation {
    match (resource.group.as_str(), resource.version.as_str(), resource.plural.as_str()) {
        ("autoscaling", "v1", "horizontalpodautoscalers") => Relation::Autoscaler,
        ("events.k8s.io", _, "events") => Relation::Event,
        _ => Relation::Renamed,
    }
}

/// True when a stored object's body can be shown as it is, under another `apiVersion`.
pub(crate) fn is_same_shape(resource: &Resource) -> bool {
    relation(resource) == Relation::Renamed
}

/// Turns an object of the resource's version into the stored form.
pub(crate) fn to_storage(resource: &Resource, value: &mut Value) {
    match relation(resource) {
        Relation::Renamed => {}
        Relation::Autoscaler => autoscaler_to_v2(value),
        Relation::Event => event_to_core(value),
    }
    let group = if relation(resource) == Relation::Event { "" } else { resource.group.as_str() };
    let map = json::as_map(value);
    map.insert("apiVersion".into(), json!(api_version(group, &resource.storage_version)));
    map.insert("kind".into(), json!(resource.kind));
}

/// Turns a stored object into the resource's version.
pub(crate) fn from_storage(resource: &Resource, value: &mut Value) {
    match relation(resource) {
        Relation::Renamed => {}
        Relation::Autoscaler => autoscaler_to_v1(value),
        Relation::Event => event_from_core(value),
    }
    let map = json::as_map(value);
    map.insert("apiVersion".into(), json!(resource.api_version()));
    map.insert("kind".into(), json!(resource.kind));
}

/// A stored object in the resource's version, without copying when it is that already.
pub(crate) fn shown<'a>(resource: &Resource, stored: &'a Value) -> Cow<'a, Value> {
    if is_same_shape(resource) && resource.version == resource.storage_version {
        return Cow::Borrowed(stored);
    }
    let mut value = stored.clone();
    from_storage(resource, &mut value);
    Cow::Owned(value)
}

fn autoscaler_to_v2(value: &mut Value) {
    let Some(target) = json::take(value, &["spec", "targetCPUUtilizationPercentage"]) else { return };
    let metric = json!({"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": target}}});
    json::set(value, &["spec", "metrics"], json!([metric]));
}

fn is_cpu_utilization(metric: &Value) -> bool {
    json::text(metric, "/resource/name") == "cpu" && json::text(metric, "/resource/target/type") == "Utilization"
}

fn autoscaler_to_v1(value: &mut Value) {
    if let Some(metrics) = json::take(value, &["spec", "metrics"]) {
        let cpu = json::list(&metrics, "").iter().find(|metric| is_cpu_utilization(metric));
        if let Some(target) = cpu.and_then(|metric| metric.pointer("/resource/target/averageUtilization")) {
            json::set(value, &["spec", "targetCPUUtilizationPercentage"], target.clone());
        }
    }
    json::take(value, &["spec", "behavior"]);
    if let Some(metrics) = json::take(value, &["status", "currentMetrics"])
        && let Some(current) = json::list(&metrics, "")
            .iter()
            .find(|metric| json::text(metric, "/resource/name") == "cpu")
            .and_then(|metric| metric.pointer("/resource/current/averageUtilization"))
    {
        json::set(value, &["status", "currentCPUUtilizationPercentage"], current.clone());
    }
    json::take(value, &["status", "conditions"]);
    if let Some(status) = value.get_mut("status") {
        json::default(json::as_map(status), "currentReplicas", 0);
    }
}

/// Field names of an Event: in `events.k8s.io/v1`, and as stored in the core form.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

fn renamed(map: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_string(), value);
    }
}

fn event_to_core(value: &mut Value) {
    let map = json::as_map(value);
    for (new, core) in EVENT_FIELDS {
        renamed(map, new, core);
    }
}

fn event_from_core(value: &mut Value) {
    let map = json::as_map(value);
    for (new, core) in EVENT_FIELDS {
        renamed(map, core, new);
    }
}
