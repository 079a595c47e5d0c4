//! Defaults of the kinds that run pods.

use serde_json::{Value, json};

use super::pod::fill_template;
use crate::json::{self, default};
use crate::operations::Core;

/// The status of a workload that nothing has looked at yet.
pub(super) fn empty_status(resource: &str) -> Value {
    match resource {
        "replicasets.apps" | "replicationcontrollers" => json!({"replicas": 0}),
        "statefulsets.apps" => json!({"replicas": 0, "availableReplicas": 0}),
        "daemonsets.apps" => {
            json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0})
        }
        "poddisruptionbudgets.policy" => {
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0})
        }
        "horizontalpodautoscalers.autoscaling" => json!({"desiredReplicas": 0, "currentMetrics": null}),
        _ => json!({}),
    }
}

fn fill_template_of(spec: &mut Value) {
    if let Some(template) = spec.get_mut("template") {
        fill_template(template);
    }
}

/// Fills a Deployment.
pub(super) fn fill_deployment(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    fill_template_of(spec);
    let map = json::as_map(spec);
    default(map, "replicas", 1);
    default(map, "revisionHistoryLimit", 10);
    default(map, "progressDeadlineSeconds", 600);
    let strategy = map.entry("strategy").or_insert_with(|| json!({}));
    let strategy = json::as_map(strategy);
    default(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        let rolling = json::as_map(rolling);
        default(rolling, "maxUnavailable", "25%");
        default(rolling, "maxSurge", "25%");
    }
}

/// Fills a ReplicaSet or a ReplicationController.
pub(super) fn fill_replica_set(resource: &str, value: &mut Value) {
    if resource == "replicationcontrollers" {
        let labels = value.pointer("/spec/template/metadata/labels").cloned();
        if let (Some(labels), Some(spec)) = (labels, value.get_mut("spec").and_then(Value::as_object_mut)) {
            default(spec, "selector", labels.clone());
            let metadata = json::child(value, "metadata");
            default(metadata, "labels", labels);
        }
    }
    let Some(spec) = value.get_mut("spec") else { return };
    fill_template_of(spec);
    default(json::as_map(spec), "replicas", 1);
}

/// Fills a StatefulSet.
pub(super) fn fill_stateful_set(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    fill_template_of(spec);
    let map = json::as_map(spec);
    default(map, "replicas", 1);
    default(map, "revisionHistoryLimit", 10);
    default(map, "podManagementPolicy", "OrderedReady");
    let strategy = map.entry("updateStrategy").or_insert_with(|| json!({}));
    let strategy = json::as_map(strategy);
    default(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        default(json::as_map(rolling), "partition", 0);
    }
    let retention = map.entry("persistentVolumeClaimRetentionPolicy").or_insert_with(|| json!({}));
    let retention = json::as_map(retention);
    default(retention, "whenDeleted", "Retain");
    default(retention, "whenScaled", "Retain");
    for claim in map.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten() {
        let claim_map = json::as_map(claim);
        default(claim_map, "apiVersion", "v1");
        default(claim_map, "kind", "PersistentVolumeClaim");
        default(claim_map, "status", json!({"phase": "Pending"}));
        if let Some(spec) = claim_map.get_mut("spec") {
            default(json::as_map(spec), "volumeMode", "Filesystem");
        }
    }
}

/// Fills a DaemonSet.
pub(super) fn fill_daemon_set(value: &mut Value) {
    if json::annotation(value, "deprecated.daemonset.template.generation").is_none() {
        json::set(value, &["metadata", "annotations", "deprecated.daemonset.template.generation"], "1");
    }
    let Some(spec) = value.get_mut("spec") else { return };
    fill_template_of(spec);
    let map = json::as_map(spec);
    default(map, "revisionHistoryLimit", 10);
    let strategy = map.entry("updateStrategy").or_insert_with(|| json!({}));
    let strategy = json::as_map(strategy);
    default(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        let rolling = json::as_map(rolling);
        default(rolling, "maxUnavailable", 1);
        default(rolling, "maxSurge", 0);
    }
}

/// Fills the spec of a Job.
pub(super) fn fill_job_spec(spec: &mut Value) {
    fill_template_of(spec);
    let map = json::as_map(spec);
    if !map.contains_key("completions") && !map.contains_key("parallelism") {
        map.insert("completions".into(), json!(1));
        map.insert("parallelism".into(), json!(1));
    }
    default(map, "parallelism", 1);
    default(map, "backoffLimit", if map.contains_key("backoffLimitPerIndex") { i64::from(i32::MAX) } else { 6 });
    let rules =
        map.get_mut("podFailurePolicy").and_then(|policy| policy.get_mut("rules")).and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        for condition in rule.get_mut("onPodConditions").and_then(Value::as_array_mut).into_iter().flatten() {
            default(json::as_map(condition), "status", "True");
        }
    }
    default(map, "completionMode", "NonIndexed");
    default(map, "suspend", false);
    let replacement = if map.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    default(map, "podReplacementPolicy", replacement);
}

/// Gives a Job the selector and labels that tie its pods to it.
pub(super) fn prepare_job(_core: &Core, value: &mut Value) {
    json::set(value, &["status"], json!({}));
    if json::flag(value, "/spec/manualSelector") {
        return;
    }
    json::set(value, &["spec", "manualSelector"], false);
    let (uid, name) = (json::uid(value).to_string(), json::name(value).to_string());
    for (key, text) in [
        ("controller-uid", uid.as_str()),
        ("batch.kubernetes.io/controller-uid", uid.as_str()),
        ("job-name", name.as_str()),
        ("batch.kubernetes.io/job-name", name.as_str()),
    ] {
        json::set(value, &["spec", "template", "metadata", "labels", key], text);
    }
    json::set(value, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], uid);
    // Without labels of its own, a Job has those of its template.
    if value.pointer("/metadata/labels").is_none()
        && let Some(labels) = value.pointer("/spec/template/metadata/labels").cloned()
    {
        json::set(value, &["metadata", "labels"], labels);
    }
}

/// Fills a CronJob.
pub(super) fn fill_cron_job(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    let map = json::as_map(spec);
    default(map, "concurrencyPolicy", "Allow");
    default(map, "suspend", false);
    default(map, "successfulJobsHistoryLimit", 3);
    default(map, "failedJobsHistoryLimit", 1);
    if let Some(template) = map.get_mut("jobTemplate") {
        default(json::as_map(template), "metadata", json!({}));
        // Only what any Job would get; the rest is filled when a Job is made of it.
        if let Some(inner) = template.get_mut("spec") {
            fill_template_of(inner);
        }
    }
}

/// Fills a HorizontalPodAutoscaler (v2).
pub(super) fn fill_autoscaler(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    let map = json::as_map(spec);
    default(map, "minReplicas", 1);
    if map.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let metric = json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 80}}});
        map.insert("metrics".into(), json!([metric]));
    }
    let Some(behavior) = map.get_mut("behavior").map(json::as_map) else { return };
    for (direction, policies, window) in [
        (
            "scaleUp",
            json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]),
            Some(0),
        ),
        ("scaleDown", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]), None),
    ] {
        let rules = json::as_map(behavior.entry(direction).or_insert_with(|| json!({})));
        default(rules, "selectPolicy", "Max");
        default(rules, "policies", policies);
        if let Some(window) = window {
            default(rules, "stabilizationWindowSeconds", window);
        }
    }
}
