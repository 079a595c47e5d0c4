//! Pods: from unscheduled to running to gone, as scheduler and kubelet would have it.

use serde_json::{Value, json};

use super::containers::{self, Step};
use super::context::{Context, Controller};
use super::{conditions, references, schedule};
use crate::faults::{self, Rules};
use crate::json;
use crate::operations::DeleteOptions;
use crate::store::ObjectId;

const BY: &str = "kubelet";
/// How long a pod waits for objects that it refers to before they are looked for again.
const REFERENCES_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Looks at one pod.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("pods", &id.namespace, &id.name) else { return };
    let pod = &stored.value;
    let rules = context.core.faults.rules(&context.core.store);
    if json::is_terminating(pod) {
        if !rules.is_lost(json::text(pod, "/spec/nodeName")) {
            stop(context, id, pod);
        }
        return;
    }
    if schedule::is_finished(pod) {
        return;
    }
    if json::text(pod, "/spec/nodeName").is_empty() {
        schedule::schedule(context, id, pod, &rules);
        return;
    }
    let node = context.get("nodes", "", json::text(pod, "/spec/nodeName"));
    let is_simulated = node
        .as_ref()
        .is_some_and(|node| json::annotation(&node.value, "sandbox.landfall.io/simulated") == Some("true"));
    if is_simulated && !rules.is_lost(json::text(pod, "/spec/nodeName")) {
        run(context, id, pod, &rules, node.as_ref().map_or(&Value::Null, |node| &node.value));
    }
}

/// The node stops a pod at once; whoever set finalizers on it is waited for by the server.
fn stop(context: &mut Context<'_>, id: &ObjectId, pod: &Value) {
    let stopped = json::integer(pod, "/metadata/deletionGracePeriodSeconds") == Some(0);
    if stopped && !json::list(pod, "/metadata/finalizers").is_empty() {
        return;
    }
    let running =
        json::list(pod, "/status/containerStatuses").iter().filter(|status| status.pointer("/state/running").is_some());
    for status in running {
        let message = format!("Stopping container {}", json::text(status, "/name"));
        context.event(BY, pod, "Normal", "Killing", &message);
    }
    context.delete(BY, id, &DeleteOptions::now());
}

/// One look of the kubelet: every container makes at most one step.
fn run(context: &mut Context<'_>, id: &ObjectId, pod: &Value, rules: &Rules, node: &Value) {
    let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
    if json::text(&status, "/startTime").is_empty() {
        json::set(&mut status, &["startTime"], context.stamp());
        let node_address = json::list(node, "/status/addresses")
            .iter()
            .find(|address| json::text(address, "/type") == "InternalIP")
            .map_or("", |address| json::text(address, "/address"))
            .to_string();
        let own_address = if json::flag(pod, "/spec/hostNetwork") {
            node_address.clone()
        } else {
            context.core.addresses.take_pod_address()
        };
        json::set(&mut status, &["hostIP"], node_address.as_str());
        json::set(&mut status, &["hostIPs"], json!([{"ip": node_address}]));
        json::set(&mut status, &["podIP"], own_address.as_str());
        json::set(&mut status, &["podIPs"], json!([{"ip": own_address}]));
    }
    let owners = context.faulty_owners(pod);
    let mut wake: Option<jiff::Timestamp> = None;
    let mut steps: Vec<Step> = Vec::new();
    let volumes = references::missing_for_volumes(context, pod);
    let mut may_start = volumes.is_none();
    if let Some(missing) = &volumes {
        context.event(BY, pod, "Warning", "FailedMount", missing);
        wake =
            Some(context.now + jiff::SignedDuration::try_from(REFERENCES_AGAIN).unwrap_or(jiff::SignedDuration::MAX));
    }
    for (list, statuses_key) in [("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")] {
        let mut statuses = Vec::new();
        for container in json::list(pod, &format!("/spec/{list}")) {
            let name = json::text(container, "/name");
            let held =
                json::list(&status, &format!("/{statuses_key}")).iter().find(|held| json::text(held, "/name") == name);
            let view = containers::View {
                pod,
                container,
                is_init: list == "initContainers",
                has_inits: !json::list(pod, "/spec/initContainers").is_empty(),
                faults: faults::of(pod, owners.iter().map(|owner| owner.value.as_ref()), container, rules),
                missing: may_start.then(|| references::missing_for_container(context, pod, container)).flatten(),
                may_start,
                quick_probes: context.core.settings.quick_probes,
                unknown_commands_end: context.core.settings.unknown_commands_end,
                now: context.now,
            };
            let step = containers::step(&view, held);
            if view.is_init {
                may_start &= step.lets_next_start;
            }
            statuses.push(step.status.clone());
            wake = [wake, step.wake].into_iter().flatten().min();
            steps.push(step);
        }
        if !statuses.is_empty() {
            json::set(&mut status, &[statuses_key], statuses);
        }
    }
    conditions::complete(pod, &mut status, &context.stamp());
    for event in steps.iter().flat_map(|step| &step.events) {
        context.event(BY, pod, event.kind, event.reason, &event.message);
    }
    if pod.get("status") != Some(&status) {
        let mut next = pod.clone();
        json::set(&mut next, &["status"], status);
        context.update_status(BY, "pods", next);
    }
    if let Some(at) = wake {
        context.again_at((Controller::Pod, id.clone()), at);
    }
}
