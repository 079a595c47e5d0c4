//! What is on each node: kept up with every change of a pod, so that finding a place does not look at all pods.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::schedule::{host_ports, is_finished, requests};
use crate::json;

/// The resources that are counted.
pub(super) const COUNTED: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The pods of one node that are not finished, together.
#[derive(Debug, Default, Clone)]
pub(super) struct Load {
    /// How many pods.
    pub(super) pods: usize,
    /// What they request, in the order of [`COUNTED`].
    pub(super) requested: [f64; 3],
    /// The host ports that they hold, and how many hold each.
    pub(super) ports: BTreeMap<(i64, String), usize>,
}

/// The loads of all nodes.
#[derive(Debug, Default)]
pub(super) struct Loads {
    nodes: HashMap<String, Load>,
    /// Pods without a node that others make room for, by their uid.
    nominated: HashMap<String, Value>,
}

impl Loads {
    /// What is on a node.
    pub(super) fn of(&self, node: &str) -> Load {
        self.nodes.get(node).cloned().unwrap_or_default()
    }

    /// The pods that wait for room on a node and are at least as important as a priority; not the one of a uid.
    pub(super) fn nominated(&self, node: &str, priority: i64, uid: &str) -> Vec<&Value> {
        self.nominated
            .values()
            .filter(|pod| {
                json::text(pod, "/status/nominatedNodeName") == node
                    && json::integer(pod, "/spec/priority").unwrap_or(0) >= priority
                    && json::uid(pod) != uid
            })
            .collect()
    }

    /// Follows a change of a pod.
    pub(super) fn follow(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let counts = |pod: &&Value| !json::text(pod, "/spec/nodeName").is_empty() && !is_finished(pod);
        if let Some(pod) = after.or(before) {
            let waits = |pod: &&Value| {
                !json::text(pod, "/status/nominatedNodeName").is_empty()
                    && json::text(pod, "/spec/nodeName").is_empty()
                    && !json::is_terminating(pod)
            };
            match after.filter(waits) {
                Some(pod) => {
                    self.nominated.insert(json::uid(pod).to_string(), pod.clone());
                }
                None => {
                    self.nominated.remove(json::uid(pod));
                }
            }
        }
        let (before, after) = (before.filter(counts), after.filter(counts));
        if let (Some(before), Some(after)) = (before, after)
            && before.get("spec") == after.get("spec")
        {
            return;
        }
        if let Some(pod) = before {
            self.count(pod, false);
        }
        if let Some(pod) = after {
            self.count(pod, true);
        }
    }

    fn count(&mut self, pod: &Value, comes: bool) {
        let load = self.nodes.entry(json::text(pod, "/spec/nodeName").to_string()).or_default();
        load.pods = if comes { load.pods + 1 } else { load.pods.saturating_sub(1) };
        for (held, resource) in load.requested.iter_mut().zip(COUNTED) {
            let amount = requests(pod, resource);
            *held += if comes { amount } else { -amount };
        }
        for port in host_ports(pod) {
            let held = load.ports.entry(port).or_default();
            *held = if comes { *held + 1 } else { held.saturating_sub(1) };
        }
        load.ports.retain(|_, count| *count > 0);
    }
}
