//! The nodes that an application's Pods run on, and how much of each they ask for.
//! Source: Argo CD 3.5 `controller/appcontroller.go` (getAppHosts).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use landfall_flow::live::LiveCluster;
use landfall_flow::live::pod::millis;
use serde_json::{Value, json};

use super::tree::Node;
use crate::api::call::{Call, lean};

/// The labels of nodes that may be shown. Source: Argo CD `application.allowedNodeLabels`.
const SHOWN_LABELS: &str = "application.allowedNodeLabels";

/// The nodes of an application, sorted by name; none if its cluster does not list them.
pub(super) async fn of(call: &Call, live: &LiveCluster, found: &[Node]) -> Vec<Value> {
    let pods = || found.iter().filter_map(|node| Some((&node.record, node.record.pod.as_ref()?)));
    let names: BTreeSet<String> = pods().map(|(_, pod)| pod.node.clone()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let hosts = live.hosts().await;
    if hosts.is_empty() {
        return Vec::new();
    }
    let own: HashSet<&str> = pods().map(|(record, _)| record.live.uid.as_str()).collect();
    // By node: what this application's Pods ask for, and what all others do; processor and memory.
    let mut asked: BTreeMap<&str, [[i64; 2]; 2]> = BTreeMap::new();
    let neighbours = live.pods_on(&names);
    for record in &neighbours {
        let Some(pod) = record.pod.as_ref().filter(|pod| !pod.has_ended) else { continue };
        let whose = usize::from(!own.contains(record.live.uid.as_str()));
        let sums = &mut asked.entry(pod.node.as_str()).or_default()[whose];
        sums[0] = sums[0].saturating_add(pod.cpu_millis);
        sums[1] = sums[1].saturating_add(pod.memory_millis);
    }
    let config = call.controller().home.config_map("argocd-cm").unwrap_or_default();
    let shown = config.get(SHOWN_LABELS).map_or("", String::as_str);
    let shown: Vec<&str> = shown.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut told = Vec::new();
    for name in &names {
        let Some(host) = hosts.get(name) else { continue };
        let sums = asked.get(name.as_str()).copied().unwrap_or_default();
        let resources: Vec<Value> = [("cpu", 0), ("memory", 1)]
            .into_iter()
            .map(|(resource, at)| {
                let capacity = host.capacity.get(resource).and_then(|text| millis(text));
                let mut told = lean(json!({
                    "resourceName": resource, "requestedByApp": sums[0][at], "requestedByNeighbors": sums[1][at],
                    "capacity": capacity,
                }));
                told["resourceName"] = json!(resource);
                told
            })
            .collect();
        let labels: BTreeMap<&String, &String> =
            host.labels.iter().filter(|(label, _)| shown.contains(&label.as_str())).collect();
        told.push(lean(json!({
            "name": name, "systemInfo": host.system, "resourcesInfo": resources, "labels": labels,
        })));
    }
    told
}
