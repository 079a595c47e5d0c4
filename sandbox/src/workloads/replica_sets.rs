//! ReplicaSets and ReplicationControllers: as many pods as wanted.

use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::pod_set::{self, is_active, is_ready};
use crate::json;
use crate::selector::LabelSelector;
use crate::store::ObjectId;

/// How long a refused creation waits before it is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Looks at one set.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let resource = id.resource.as_str().to_string();
    let Some(stored) = context.get(&resource, &id.namespace, &id.name) else { return };
    let set = &stored.value;
    let is_old_kind = resource == "replicationcontrollers";
    let by = if is_old_kind { "replication-controller" } else { "replicaset-controller" };
    let selector = if is_old_kind {
        LabelSelector::of_map(set.pointer("/spec/selector"))
    } else {
        LabelSelector::of_spec(set.pointer("/spec/selector"))
    };
    let owned = pod_set::claim(context, by, set, &selector);
    let pods: Vec<&Value> = owned.iter().map(|pod| pod.value.as_ref()).collect();
    let active: Vec<&Value> = pods.iter().copied().filter(|pod| is_active(pod)).collect();
    let wanted = json::integer(set, "/spec/replicas").unwrap_or(1);
    let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
    let mut failure: Option<String> = None;
    let mut made = Vec::new();
    if !json::is_terminating(set) {
        for _ in have..wanted {
            let mut pod = pod_set::pod_of(set, set.pointer("/spec/template").unwrap_or(&Value::Null));
            json::set(&mut pod, &["metadata", "generateName"], format!("{}-", id.name));
            match pod_set::create(context, by, set, pod) {
                Ok(pod) => made.push(pod),
                Err(error) => {
                    failure = Some(error.to_string());
                    context.again_in((Controller::ReplicaSet, id.clone()), AGAIN);
                    break;
                }
            }
        }
        if have > wanted {
            let mut candidates = active.clone();
            pod_set::sort_for_deletion(&mut candidates);
            for pod in candidates.iter().take(usize::try_from(have - wanted).unwrap_or(0)) {
                pod_set::delete(context, by, set, pod);
            }
        }
    }
    // What was just made or deleted comes back as a change; the status tells what was seen.
    let seen: Vec<&Value> = active.iter().copied().chain(made.iter().map(|pod| pod.value.as_ref())).collect();
    let min_ready_s = json::integer(set, "/spec/minReadySeconds").unwrap_or(0);
    let available = pod_set::count_available(context, &seen, min_ready_s, || (Controller::ReplicaSet, id.clone()));
    let template_labels = LabelSelector::of_map(set.pointer("/spec/template/metadata/labels"));
    let count = |test: &dyn Fn(&Value) -> bool| seen.iter().filter(|pod| test(pod)).count();
    let mut status = set.get("status").cloned().unwrap_or_else(|| json!({}));
    for (key, number) in [
        ("fullyLabeledReplicas", count(&|pod| template_labels.matches(pod))),
        ("readyReplicas", count(&is_ready)),
        ("availableReplicas", usize::try_from(available).unwrap_or(0)),
    ] {
        set_count(&mut status, key, number);
    }
    json::set(&mut status, &["replicas"], seen.len());
    if !is_old_kind {
        let terminating = pods.iter().filter(|pod| json::is_terminating(pod)).count();
        json::set(&mut status, &["terminatingReplicas"], terminating);
    }
    json::set(&mut status, &["observedGeneration"], json::integer(set, "/metadata/generation").unwrap_or(0));
    match &failure {
        Some(message) => {
            let now = context.stamp();
            let held = json::list(&status, "/conditions")
                .iter()
                .find(|held| json::text(held, "/type") == "ReplicaFailure")
                .map(|held| json::text(held, "/message").to_string());
            // The name of a pod that was refused is new in each attempt: that alone is nothing new, or it would never end.
            if held.is_none_or(|held| without_quoted(&held) != without_quoted(message)) {
                pod_set::set_condition(&mut status, "ReplicaFailure", "True", "FailedCreate", message, &now, false);
            }
        }
        None => {
            let kept: Vec<Value> = json::list(&status, "/conditions")
                .iter()
                .filter(|held| json::text(held, "/type") != "ReplicaFailure")
                .cloned()
                .collect();
            if kept.is_empty() {
                json::take(&mut status, &["conditions"]);
            } else {
                json::set(&mut status, &["conditions"], kept);
            }
        }
    }
    pod_set::write_status(context, by, &resource, set, status);
}

/// A message without what it quotes.
fn without_quoted(message: &str) -> String {
    message.split('"').step_by(2).collect()
}

/// Counts of zero are left out, as in Kubernetes' types.
pub(super) fn set_count(status: &mut Value, key: &str, number: usize) {
    if number == 0 {
        json::take(status, &[key]);
    } else {
        json::set(status, &[key], number);
    }
}
