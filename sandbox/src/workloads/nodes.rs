//! Nodes that are no longer heard of, and come back: conditions, taints, and the pods that do not tolerate them.
//!
//! Source: the node lifecycle controller and the taint eviction controller of Kubernetes 1.36.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::{Context, Controller};
use crate::clock::{parse_time, rfc3339};
use crate::json;
use crate::operations::DeleteOptions;
use crate::store::ObjectId;

const BY: &str = "node-controller";
/// How long a node may be silent before it counts as lost. Source: `--node-monitor-grace-period`.
const GRACE: Duration = Duration::from_secs(50);
/// Since when a simulated node has been silent.
const SILENT_SINCE: &str = "sandbox.landfall.io/silent-since";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// Looks at one node.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("nodes", "", &id.name) else { return };
    let node = &stored.value;
    if json::is_terminating(node) {
        return;
    }
    let silent = context.core.faults.rules(&context.core.store).is_lost(&id.name);
    let since = json::annotation(node, SILENT_SINCE).and_then(parse_time);
    match (silent, since) {
        (true, None) => {
            let mut next = Value::clone(node);
            json::set(&mut next, &["metadata", "annotations", SILENT_SINCE], rfc3339(context.now));
            context.update(BY, "nodes", next);
        }
        (true, Some(since)) => {
            let due = since + SignedDuration::try_from(GRACE).unwrap_or(SignedDuration::MAX);
            if due > context.now {
                context.again_at((Controller::Node, id.clone()), due);
            } else if is_ready(node) {
                lose(context, id, node);
            }
        }
        (false, Some(_)) => come_back(context, id, node),
        (false, None) => {}
    }
    evict(context, id);
}

fn is_ready(node: &Value) -> bool {
    json::list(node, "/status/conditions")
        .iter()
        .any(|held| json::text(held, "/type") == "Ready" && json::text(held, "/status") == "True")
}

fn set_conditions(
    context: &Context<'_>,
    node: &Value,
    told: impl Fn(&str) -> (&'static str, &'static str, &'static str),
) -> Value {
    let mut next = node.clone();
    let now = context.stamp();
    let mut conditions = json::list(node, "/status/conditions").to_vec();
    for held in &mut conditions {
        let kind = json::text(held, "/type").to_string();
        let (status, reason, message) = told(&kind);
        if json::text(held, "/status") != status {
            json::set(held, &["lastTransitionTime"], now.as_str());
        }
        json::set(held, &["status"], status);
        json::set(held, &["reason"], reason);
        json::set(held, &["message"], message);
    }
    json::set(&mut next, &["status", "conditions"], conditions);
    next
}

fn lose(context: &mut Context<'_>, id: &ObjectId, node: &Value) {
    let next =
        set_conditions(context, node, |_| ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."));
    let Some(held) = context.update_status(BY, "nodes", next) else { return };
    let mut next = Value::clone(&held.value);
    let mut taints: Vec<Value> = json::list(node, "/spec/taints")
        .iter()
        .filter(|taint| json::text(taint, "/key") != UNREACHABLE)
        .cloned()
        .collect();
    for effect in ["NoSchedule", "NoExecute"] {
        taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": context.stamp()}));
    }
    json::set(&mut next, &["spec", "taints"], taints);
    context.update(BY, "nodes", next);
    let message = format!("Node {} status is now: NodeNotReady", id.name);
    context.event(BY, node, "Normal", "NodeNotReady", &message);
    for pod in pods_on(context, &id.name) {
        let mut next = pod.clone();
        let mut conditions = json::list(&pod, "/status/conditions").to_vec();
        for held in conditions.iter_mut().filter(|held| json::text(held, "/type") == "Ready") {
            if json::text(held, "/status") == "True" {
                json::set(held, &["status"], "False");
                json::set(held, &["lastTransitionTime"], context.stamp());
            }
        }
        json::set(&mut next, &["status", "conditions"], conditions);
        if next != pod {
            context.update_status(BY, "pods", next);
            context.event(BY, &pod, "Warning", "NodeNotReady", "Node is not ready");
        }
    }
}

fn come_back(context: &mut Context<'_>, id: &ObjectId, node: &Value) {
    let next = set_conditions(context, node, |kind| match kind {
        "Ready" => ("True", "KubeletReady", "kubelet is posting ready status"),
        "MemoryPressure" => ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure" => ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        _ => ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    });
    let Some(held) = context.update_status(BY, "nodes", next) else { return };
    let mut next = Value::clone(&held.value);
    let taints: Vec<Value> = json::list(&next, "/spec/taints")
        .iter()
        .filter(|taint| json::text(taint, "/key") != UNREACHABLE)
        .cloned()
        .collect();
    if taints.is_empty() {
        json::take(&mut next, &["spec", "taints"]);
    } else {
        json::set(&mut next, &["spec", "taints"], taints);
    }
    json::take(&mut next, &["metadata", "annotations", SILENT_SINCE]);
    context.update(BY, "nodes", next);
    if !is_ready(node) {
        let message = format!("Node {} status is now: NodeReady", id.name);
        context.event("kubelet", node, "Normal", "NodeReady", &message);
    }
    for pod in pods_on(context, &id.name) {
        context.again_at((Controller::Pod, ObjectId::of(&"pods".into(), &pod)), context.now);
    }
}

fn pods_on(context: &Context<'_>, node: &str) -> Vec<Value> {
    context
        .list("pods", None)
        .into_iter()
        .filter(|pod| json::text(&pod.value, "/spec/nodeName") == node)
        .map(|pod| Value::clone(&pod.value))
        .collect()
}

/// Deletes the pods of a node that do not tolerate its `NoExecute` taints, when their time is over.
fn evict(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("nodes", "", &id.name) else { return };
    let taints: Vec<Value> = json::list(&stored.value, "/spec/taints")
        .iter()
        .filter(|taint| json::text(taint, "/effect") == "NoExecute")
        .cloned()
        .collect();
    if taints.is_empty() {
        return;
    }
    let mut next_look: Option<Timestamp> = None;
    for pod in pods_on(context, &id.name) {
        if json::is_terminating(&pod) || super::schedule::is_finished(&pod) {
            continue;
        }
        let due = taints.iter().filter_map(|taint| evicted_at(context, &pod, taint)).min();
        match due {
            Some(due) if due <= context.now => evict_pod(context, &pod),
            Some(due) => next_look = Some(next_look.map_or(due, |next| next.min(due))),
            None => {}
        }
    }
    if let Some(at) = next_look {
        context.again_at((Controller::Node, id.clone()), at);
    }
}

/// When a taint drives a pod away; `None` is never.
fn evicted_at(context: &Context<'_>, pod: &Value, taint: &Value) -> Option<Timestamp> {
    let added = parse_time(json::text(taint, "/timeAdded")).unwrap_or(context.now);
    let mut tolerated: Option<Option<i64>> = None;
    for toleration in json::list(pod, "/spec/tolerations") {
        if super::schedule::tolerates_one(toleration, taint) {
            let seconds = json::integer(toleration, "/tolerationSeconds");
            tolerated = Some(match (tolerated, seconds) {
                (None, seconds) => seconds,
                (Some(held), None) => held,
                (Some(None), seconds) => seconds,
                (Some(Some(held)), Some(seconds)) => Some(held.min(seconds)),
            });
        }
    }
    match tolerated {
        None => Some(added),
        Some(None) => None,
        Some(Some(seconds)) => Some(added + SignedDuration::from_secs(seconds.max(0))),
    }
}

fn evict_pod(context: &mut Context<'_>, pod: &Value) {
    const BY: &str = "taint-eviction-controller";
    let mut next = pod.clone();
    let mut status = next.get("status").cloned().unwrap_or_else(|| json!({}));
    let message = "Taint manager: deleting due to NoExecute taint";
    let now = context.stamp();
    super::pod_set::set_condition(
        &mut status,
        "DisruptionTarget",
        "True",
        "DeletionByTaintManager",
        message,
        &now,
        false,
    );
    json::set(&mut next, &["status"], status);
    context.update_status(BY, "pods", next);
    let told = format!("Marking for deletion Pod {}/{}", json::namespace(pod), json::name(pod));
    context.event(BY, pod, "Normal", "TaintManagerEviction", &told);
    context.delete(BY, &ObjectId::of(&"pods".into(), pod), &DeleteOptions::background());
}
