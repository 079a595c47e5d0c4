//! Room for pods of higher priority: which pods of lower priority go for them.
//!
//! Source: the DefaultPreemption plug-in of kube-scheduler 1.36, without disruption budgets: of the nodes where it helps, the one whose most
//! important victim is the least important, then the one with the fewest victims.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::Context;
use super::schedule::{host_ports, is_finished, placement_refusal};
use crate::json;
use crate::operations::DeleteOptions;
use crate::quantity::Quantity;
use crate::store::{ObjectId, ResourceKey, Stored};

const BY: &str = "default-scheduler";

fn priority(pod: &Value) -> i64 {
    json::integer(pod, "/spec/priority").unwrap_or(0)
}

/// Everything that a pod requests, by name; of init containers the largest.
fn requested(pod: &Value) -> BTreeMap<String, f64> {
    let mut all: BTreeMap<String, f64> = BTreeMap::new();
    let amounts = |container: &Value| -> Vec<(String, f64)> {
        json::object(container, "/resources/requests")
            .into_iter()
            .flatten()
            .filter_map(|(name, amount)| Some((name.clone(), Quantity::of(amount)?.as_f64())))
            .collect()
    };
    for (name, amount) in json::list(pod, "/spec/containers").iter().flat_map(amounts) {
        *all.entry(name).or_default() += amount;
    }
    for (name, amount) in json::list(pod, "/spec/initContainers").iter().flat_map(amounts) {
        let held = all.entry(name).or_default();
        *held = held.max(amount);
    }
    all
}

/// The pods that take room on a node.
fn on_node(pods: &[Arc<Stored>], node: &str) -> Vec<Arc<Stored>> {
    pods.iter()
        .filter(|pod| json::text(&pod.value, "/spec/nodeName") == node && !is_finished(&pod.value))
        .cloned()
        .collect()
}

/// What a node lacks for a pod beside others, if anything.
fn lack(pod: &Value, node: &Value, others: &[&Value]) -> Option<String> {
    let room =
        |name: &str| node.pointer("/status/allocatable").and_then(|amounts| amounts.get(name)).and_then(Quantity::of);
    #[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
    if room("pods").is_some_and(|most| others.len() as f64 >= most.as_f64()) {
        return Some("pods".to_string());
    }
    let mut used: BTreeMap<String, f64> = BTreeMap::new();
    for (name, amount) in others.iter().flat_map(|other| requested(other)) {
        *used.entry(name).or_default() += amount;
    }
    for (name, wanted) in requested(pod) {
        if wanted == 0.0 {
            continue;
        }
        let room = room(&name).map_or(0.0, |room| room.as_f64());
        if used.get(&name).copied().unwrap_or(0.0) + wanted > room * 1.000_001 {
            return Some(name);
        }
    }
    let ports = host_ports(pod);
    let taken = others.iter().flat_map(|other| host_ports(other)).any(|port| ports.contains(&port));
    taken.then(|| "ports".to_string())
}

/// What a node lacks for a pod of the resources beyond the usual ones, or because more important pods wait for its room.
pub(super) fn lacks_more(context: &Context<'_>, pod: &Value, node: &Value) -> Option<String> {
    let is_extended = |name: &String| name.contains('/') || name.starts_with("hugepages-");
    let waiting = context.loads.nominated(json::name(node), priority(pod), json::uid(pod));
    if waiting.is_empty() && !requested(pod).keys().any(is_extended) {
        return None;
    }
    let held = on_node(&context.list("pods", None), json::name(node));
    let others: Vec<&Value> = held.iter().map(|other| &*other.value).chain(waiting.iter().copied()).collect();
    lack(pod, node, &others).filter(|name| !waiting.is_empty() || is_extended(name))
}

/// Sends pods of lower priority away so that there is room for this one; true if there will be.
pub(super) fn preempt(context: &Context<'_>, id: &ObjectId, pod: &Value, nodes: &[Arc<Stored>]) -> bool {
    let own = priority(pod);
    if json::text(pod, "/spec/preemptionPolicy") == "Never" || own <= 0 {
        return false;
    }
    let pods = context.list("pods", None);
    let nominated = json::text(pod, "/status/nominatedNodeName");
    let goes = |other: &Arc<Stored>| json::is_terminating(&other.value) && priority(&other.value) < own;
    if !nominated.is_empty() && on_node(&pods, nominated).iter().any(goes) {
        return true;
    }
    let mut best: Option<(i64, usize, String, Vec<Value>)> = None;
    for node in nodes.iter().map(|node| &node.value) {
        if placement_refusal(pod, node).is_some() {
            continue;
        }
        let held = on_node(&pods, json::name(node));
        let (mut lower, mut kept): (Vec<&Value>, Vec<&Value>) =
            held.iter().map(|other| &*other.value).partition(|other| priority(other) < own);
        kept.extend(context.loads.nominated(json::name(node), own, json::uid(pod)));
        if lower.is_empty() || lack(pod, node, &kept).is_some() {
            continue;
        }
        // The most important ones may stay if there is room for them all the same.
        lower.sort_by_key(|other| std::cmp::Reverse(priority(other)));
        let mut victims = Vec::new();
        for other in lower {
            kept.push(other);
            if lack(pod, node, &kept).is_some() {
                kept.pop();
                victims.push(other.clone());
            }
        }
        let Some(highest) = victims.iter().map(priority).max() else { continue };
        let better = best.as_ref().is_none_or(|(held, count, _, _)| (highest, victims.len()) < (*held, *count));
        if better {
            best = Some((highest, victims.len(), json::name(node).to_string(), victims));
        }
    }
    let Some((_, _, node, victims)) = best else { return false };
    for victim in &victims {
        send_away(context, pod, &node, victim);
    }
    if let Some(held) = context.get("pods", &id.namespace, &id.name) {
        let mut next = Value::clone(&held.value);
        json::set(&mut next, &["status", "nominatedNodeName"], node);
        context.update_status(BY, "pods", next);
    }
    true
}

fn send_away(context: &Context<'_>, pod: &Value, node: &str, victim: &Value) {
    let mut next = victim.clone();
    let mut conditions: Vec<Value> = json::list(victim, "/status/conditions")
        .iter()
        .filter(|condition| json::text(condition, "/type") != "DisruptionTarget")
        .cloned()
        .collect();
    conditions.push(json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
        "message": format!("{BY}: preempting to accommodate a higher priority pod"),
        "lastProbeTime": null, "lastTransitionTime": context.stamp()}));
    json::set(&mut next, &["status", "conditions"], conditions);
    context.update_status(BY, "pods", next);
    let message = format!("Preempted by pod {} on node {node}", json::uid(pod));
    context.event(BY, victim, "Normal", "Preempted", &message);
    context.delete(BY, &ObjectId::of(&ResourceKey::from("pods"), victim), &DeleteOptions::background());
}
