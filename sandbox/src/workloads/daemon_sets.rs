//! DaemonSets: one pod on every node that takes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::pod_set::{self, is_ready, share};
use super::{revisions, schedule};
use crate::json;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, Stored};

const BY: &str = "daemonset-controller";

/// Taints that daemons tolerate whatever their template says.
const TOLERATED: &[(&str, &str)] = &[
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Looks at one DaemonSet.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("daemonsets.apps", &id.namespace, &id.name) else { return };
    let set = stored.value.as_ref();
    let selector = LabelSelector::of_spec(set.pointer("/spec/selector"));
    let pods = pod_set::claim(context, BY, set, &selector);
    let Some((_, hash)) = revisions::ensure(context, BY, set) else { return };
    let model = daemon_for(set, &hash, "");
    let nodes: Vec<String> = context
        .list("nodes", None)
        .iter()
        .filter(|node| schedule::placement_refusal(&without_pin(&model), &node.value).is_none())
        .map(|node| json::name(&node.value).to_string())
        .collect();
    let mut by_node: BTreeMap<String, Vec<Arc<Stored>>> = BTreeMap::new();
    for pod in &pods {
        by_node.entry(node_of(&pod.value)).or_default().push(Arc::clone(pod));
    }
    if !json::is_terminating(set) {
        place(context, set, &hash, &nodes, &by_node);
        if json::text(set, "/spec/updateStrategy/type") == "RollingUpdate" {
            roll(context, id, set, &hash, &nodes, &by_node);
        }
    }
    write_status(context, id, set, &hash, &nodes, &pods);
    let used: Vec<&str> =
        pods.iter().filter_map(|pod| json::label(&pod.value, revisions::HASH)).chain([hash.as_str()]).collect();
    revisions::forget(context, BY, set, &used);
}

/// The node of a pod, or the one that it is pinned to.
fn node_of(pod: &Value) -> String {
    let bound = json::text(pod, "/spec/nodeName");
    if !bound.is_empty() {
        return bound.to_string();
    }
    let pinned = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    json::text(pod, pinned).to_string()
}

fn without_pin(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let path =
        ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let mut terms = json::list(
        &pod,
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
    )
    .to_vec();
    for term in &mut terms {
        json::take(term, &["matchFields"]);
    }
    json::set(&mut pod, &path, terms);
    pod
}

/// A daemon pod, pinned to a node.
fn daemon_for(set: &Value, hash: &str, node: &str) -> Value {
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let mut pod = pod_set::pod_of(set, &template);
    json::set(&mut pod, &["metadata", "generateName"], format!("{}-", json::name(set)));
    json::set(&mut pod, &["metadata", "labels", revisions::HASH], hash);
    let generation = json::integer(set, "/metadata/generation").unwrap_or(1);
    json::set(&mut pod, &["metadata", "labels", "pod-template-generation"], generation.to_string());
    let mut terms = json::list(
        &pod,
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
    )
    .to_vec();
    if terms.is_empty() {
        terms.push(json!({}));
    }
    for term in &mut terms {
        json::set(term, &["matchFields"], json!([{"key": "metadata.name", "operator": "In", "values": [node]}]));
    }
    json::set(
        &mut pod,
        &["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"],
        terms,
    );
    let mut tolerations = json::list(&pod, "/spec/tolerations").to_vec();
    for (key, effect) in TOLERATED {
        tolerations.push(json!({"key": key, "operator": "Exists", "effect": effect}));
    }
    json::set(&mut pod, &["spec", "tolerations"], tolerations);
    pod
}

/// One pod on every node that shall have one, none elsewhere, and new ones for failed ones.
fn place(
    context: &Context<'_>,
    set: &Value,
    hash: &str,
    nodes: &[String],
    by_node: &BTreeMap<String, Vec<Arc<Stored>>>,
) {
    for (node, pods) in by_node {
        let mut kept = !nodes.contains(node);
        for pod in pods.iter().filter(|pod| !json::is_terminating(&pod.value)) {
            if schedule::is_finished(&pod.value) {
                let message = format!(
                    "Found failed daemon pod {}/{} on node {node}, will try to kill it",
                    json::namespace(set),
                    json::name(&pod.value)
                );
                context.event(BY, set, "Warning", "FailedDaemonPod", &message);
                pod_set::delete(context, BY, set, &pod.value);
            } else if kept {
                pod_set::delete(context, BY, set, &pod.value);
            } else {
                kept = true;
            }
        }
    }
    for node in nodes {
        let present = by_node
            .get(node)
            .into_iter()
            .flatten()
            .any(|pod| pod_set::is_active(&pod.value) || json::is_terminating(&pod.value));
        if !present {
            // A refused creation was told as an event; the next change of anything here tries again.
            let _ = pod_set::create(context, BY, set, daemon_for(set, hash, node));
        }
    }
}

/// Replaces old pods, as many at a time as may be missing.
fn roll(
    context: &mut Context<'_>,
    id: &ObjectId,
    set: &Value,
    hash: &str,
    nodes: &[String],
    by_node: &BTreeMap<String, Vec<Arc<Stored>>>,
) {
    let total = i64::try_from(nodes.len()).unwrap_or(0);
    let most = share(set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"), total, true, 1).max(1);
    let min_ready_s = json::integer(set, "/spec/minReadySeconds").unwrap_or(0);
    let mut missing = 0;
    let mut old = Vec::new();
    for node in nodes {
        let pod = by_node.get(node).into_iter().flatten().find(|pod| pod_set::is_active(&pod.value));
        let Some(pod) = pod else {
            missing += 1;
            continue;
        };
        let available = match pod_set::available_at(&pod.value, min_ready_s) {
            Some(at) if at <= context.now => true,
            Some(at) => {
                context.again_at((Controller::DaemonSet, id.clone()), at);
                false
            }
            None => false,
        };
        if json::label(&pod.value, revisions::HASH) == Some(hash) {
            missing += i64::from(!available);
        } else if available {
            old.push(Arc::clone(pod));
        } else {
            // It is of no use as it is.
            pod_set::delete(context, BY, set, &pod.value);
            missing += 1;
        }
    }
    for pod in old.iter().take(usize::try_from(most - missing).unwrap_or(0)) {
        pod_set::delete(context, BY, set, &pod.value);
    }
}

fn write_status(
    context: &mut Context<'_>,
    id: &ObjectId,
    set: &Value,
    hash: &str,
    nodes: &[String],
    pods: &[Arc<Stored>],
) {
    let min_ready_s = json::integer(set, "/spec/minReadySeconds").unwrap_or(0);
    let active: Vec<&Value> = pods.iter().map(|pod| pod.value.as_ref()).filter(|pod| pod_set::is_active(pod)).collect();
    let placed: Vec<&Value> = active.iter().copied().filter(|pod| nodes.contains(&node_of(pod))).collect();
    let available = pod_set::count_available(context, &placed, min_ready_s, || (Controller::DaemonSet, id.clone()));
    let available = usize::try_from(available).unwrap_or(0);
    let mut status = set.get("status").cloned().unwrap_or_else(|| json!({}));
    json::set(&mut status, &["desiredNumberScheduled"], nodes.len());
    json::set(&mut status, &["currentNumberScheduled"], placed.len());
    json::set(&mut status, &["numberMisscheduled"], active.len() - placed.len());
    json::set(&mut status, &["numberReady"], placed.iter().filter(|pod| is_ready(pod)).count());
    let updated = placed.iter().filter(|pod| json::label(pod, revisions::HASH) == Some(hash)).count();
    super::replica_sets::set_count(&mut status, "updatedNumberScheduled", updated);
    super::replica_sets::set_count(&mut status, "numberAvailable", available);
    super::replica_sets::set_count(&mut status, "numberUnavailable", nodes.len().saturating_sub(available));
    json::set(&mut status, &["observedGeneration"], json::integer(set, "/metadata/generation").unwrap_or(0));
    pod_set::write_status(context, BY, "daemonsets.apps", set, status);
}
