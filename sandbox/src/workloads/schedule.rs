//! Finding a node for a pod.

use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::loads::{COUNTED, Load};
use super::preemption;
use crate::faults::{self, Fault, Rules};
use crate::json;
use crate::operations::WriteOptions;
use crate::quantity::Quantity;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, ResourceKey};

const BY: &str = "default-scheduler";
/// How long an unschedulable pod waits before it is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(5);
/// The same for one that others make room for.
const SOON: std::time::Duration = std::time::Duration::from_secs(1);

/// Binds a pod to the node with the fewest pods that takes it, or says why none does.
pub(super) fn schedule(context: &mut Context<'_>, id: &ObjectId, pod: &Value, rules: &Rules) {
    if json::text(pod, "/spec/schedulerName") != BY || !json::list(pod, "/spec/schedulingGates").is_empty() {
        return;
    }
    let nodes = context.list("nodes", None);
    let mut reasons: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let mut best: Option<(usize, String)> = None;
    let faulty = keeps_pending(context, pod, rules);
    for node in &nodes {
        let name = json::name(&node.value);
        let load = context.loads.of(name);
        let refusal = if faulty {
            Some("node(s) refused the pod on demand (fault \"pending\")".to_string())
        } else {
            refusal(pod, &node.value, &load)
                .or_else(|| Some(format!("Insufficient {}", preemption::lacks_more(context, pod, &node.value)?)))
        };
        match refusal {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None if best.as_ref().is_none_or(|(count, _)| load.pods < *count) => {
                best = Some((load.pods, name.to_string()));
            }
            None => {}
        }
    }
    if let Some((_, node)) = best {
        let Ok(resource) = context.core.resource(&ResourceKey::from("pods")) else { return };
        let bound = context.core.bind_pod(&resource, &id.namespace, &id.name, &node, &WriteOptions::component(BY));
        if bound.is_ok() {
            let message = format!("Successfully assigned {}/{} to {node}", id.namespace, id.name);
            context.event(BY, pod, "Normal", "Scheduled", &message);
        }
        return;
    }
    let list: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let message = if nodes.is_empty() {
        "no nodes available to schedule pods".to_string()
    } else {
        format!("0/{} nodes are available: {}.", nodes.len(), list.join(", "))
    };
    let held = json::list(pod, "/status/conditions").iter().find(|held| json::text(held, "/type") == "PodScheduled");
    if held.is_none_or(|held| json::text(held, "/message") != message) {
        let mut next = pod.clone();
        let mut conditions: Vec<Value> = json::list(pod, "/status/conditions")
            .iter()
            .filter(|condition| json::text(condition, "/type") != "PodScheduled")
            .cloned()
            .collect();
        conditions
            .push(json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastProbeTime": null, "lastTransitionTime": context.stamp()}));
        json::set(&mut next, &["status", "conditions"], conditions);
        context.update_status(BY, "pods", next);
        context.event(BY, pod, "Warning", "FailedScheduling", &message);
    }
    let makes_room = !faulty && preemption::preempt(context, id, pod, &nodes);
    context.again_in((Controller::Pod, id.clone()), if makes_room { SOON } else { AGAIN });
}

/// True when no node shall take the pod.
fn keeps_pending(context: &Context<'_>, pod: &Value, rules: &Rules) -> bool {
    let owners = context.faulty_owners(pod);
    json::list(pod, "/spec/containers").iter().any(|container| {
        let owners = owners.iter().map(|owner| owner.value.as_ref());
        faults::of(pod, owners, container, rules).contains(&Fault::Pending)
    })
}

/// True when a pod no longer needs its node.
pub(super) fn is_finished(pod: &Value) -> bool {
    matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Why a node does not take a pod, in the scheduler's words.
fn refusal(pod: &Value, node: &Value, load: &Load) -> Option<String> {
    if let Some(reason) = placement_refusal(pod, node) {
        return Some(reason);
    }
    let most = node.pointer("/status/allocatable/pods").and_then(Quantity::of).map_or(f64::MAX, |most| most.as_f64());
    #[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
    if load.pods as f64 >= most {
        return Some("Too many pods".to_string());
    }
    for (resource, used) in COUNTED.iter().zip(load.requested) {
        let wanted = requests(pod, resource);
        if wanted == 0.0 {
            continue;
        }
        let pointer = format!("/status/allocatable/{resource}");
        let Some(room) = node.pointer(&pointer).and_then(Quantity::of) else { continue };
        // Sums of fractions are not exact: a millionth more is no more.
        if used + wanted > room.as_f64() * 1.000_001 {
            return Some(format!("Insufficient {resource}"));
        }
    }
    if host_ports(pod).iter().any(|port| load.ports.contains_key(port)) {
        return Some("node(s) didn't have free ports for the requested pod ports".to_string());
    }
    None
}

/// Why a node is no place for a pod at all, whatever room it has; also what DaemonSets go by.
pub(super) fn placement_refusal(pod: &Value, node: &Value) -> Option<String> {
    let untolerated = json::list(node, "/spec/taints")
        .iter()
        .find(|taint| matches!(json::text(taint, "/effect"), "NoSchedule" | "NoExecute") && !tolerates(pod, taint));
    if json::flag(node, "/spec/unschedulable") {
        let taint = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if !tolerates(pod, &taint) {
            return Some("node(s) were unschedulable".to_string());
        }
    }
    if let Some(taint) = untolerated {
        return Some(format!("node(s) had untolerated taint(s) {{{}}}", json::text(taint, "/key")));
    }
    let labels = node.pointer("/metadata/labels");
    let selector = pod
        .pointer("/spec/nodeSelector")
        .filter(|selector| !selector.as_object().is_none_or(serde_json::Map::is_empty));
    let selected = selector.is_none_or(|selector| LabelSelector::of_map(Some(selector)).matches_labels(labels));
    if !selected || !affinity_fits(pod, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_string());
    }
    None
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    json::list(pod, "/spec/tolerations").iter().any(|toleration| tolerates_one(toleration, taint))
}

/// True when a toleration is for a taint.
pub(super) fn tolerates_one(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (json::text(toleration, "/key"), json::text(toleration, "/effect"));
    let effect_fits = effect.is_empty() || effect == json::text(taint, "/effect");
    let key_fits = match json::text(toleration, "/operator") {
        "Exists" => key.is_empty() || key == json::text(taint, "/key"),
        _ => key == json::text(taint, "/key") && json::text(toleration, "/value") == json::text(taint, "/value"),
    };
    effect_fits && key_fits
}

fn affinity_fits(pod: &Value, node: &Value) -> bool {
    let terms =
        json::list(pod, "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let fits = |term: &Value| {
        let by_labels =
            LabelSelector::of_spec(Some(&json!({"matchExpressions": json::list(term, "/matchExpressions")})));
        let by_fields = json::list(term, "/matchFields").iter().all(|field| {
            let listed = json::list(field, "/values").iter().any(|value| value == json::name(node));
            listed == (json::text(field, "/operator") == "In")
        });
        by_labels.matches(node) && by_fields
    };
    terms.is_empty() || terms.iter().any(fits)
}

/// What all containers of a pod ask of a resource together.
pub(crate) fn requests(pod: &Value, resource: &str) -> f64 {
    let of = |container: &Value| {
        container
            .pointer("/resources/requests")
            .and_then(|requests| requests.get(resource))
            .and_then(Quantity::of)
            .map_or(0.0, |amount| amount.as_f64())
    };
    let sum: f64 = json::list(pod, "/spec/containers").iter().map(of).sum();
    json::list(pod, "/spec/initContainers").iter().map(of).fold(sum, f64::max)
}

/// The ports of the node that a pod wants for itself.
pub(super) fn host_ports(pod: &Value) -> Vec<(i64, String)> {
    json::list(pod, "/spec/containers")
        .iter()
        .flat_map(|container| json::list(container, "/ports"))
        .filter_map(|port| {
            Some((
                json::integer(port, "/hostPort").filter(|port| *port != 0)?,
                json::text(port, "/protocol").to_string(),
            ))
        })
        .collect()
}
