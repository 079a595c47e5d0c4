//! What all controllers of pods share: their pods, who is ready, making pods from a template.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::{Context, Work, owner_reference};
use crate::clock::parse_time;
use crate::error::ApiError;
use crate::json;
use crate::selector::LabelSelector;
use crate::store::Stored;

/// True when the pod's condition says so.
pub(super) fn is_ready(pod: &Value) -> bool {
    ready_since(pod).is_some()
}

/// Since when the pod is ready.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let condition = json::list(pod, "/status/conditions").iter().find(|held| json::text(held, "/type") == "Ready")?;
    if json::text(condition, "/status") != "True" {
        return None;
    }
    parse_time(json::text(condition, "/lastTransitionTime"))
}

/// When a pod is or will be available: ready for so many seconds. `None` while it is not ready.
pub(super) fn available_at(pod: &Value, min_ready_s: i64) -> Option<Timestamp> {
    ready_since(pod).map(|since| since + SignedDuration::from_secs(min_ready_s))
}

/// True when the pod is neither finished nor on its way out.
pub(super) fn is_active(pod: &Value) -> bool {
    !super::schedule::is_finished(pod) && !json::is_terminating(pod)
}

/// The pods of a controller: those it owns, after adopting lone ones that match and releasing those that do not.
pub(super) fn claim(context: &Context<'_>, by: &str, owner: &Value, selector: &LabelSelector) -> Vec<Arc<Stored>> {
    let uid = json::uid(owner);
    let mut pods = Vec::new();
    for stored in context.owned(uid, "pods") {
        if json::controller_uid(&stored.value) != uid {
            continue;
        }
        if selector.matches(&stored.value) || json::is_terminating(&stored.value) {
            pods.push(stored);
        } else {
            let mut next = Value::clone(&stored.value);
            let kept: Vec<Value> = json::list(&next, "/metadata/ownerReferences")
                .iter()
                .filter(|reference| json::text(reference, "/uid") != uid)
                .cloned()
                .collect();
            json::set(&mut next, &["metadata", "ownerReferences"], kept);
            context.update(by, "pods", next);
        }
    }
    if json::is_terminating(owner) {
        return pods;
    }
    for stored in context.lone("pods", json::namespace(owner)) {
        let pod = &stored.value;
        if json::controller(pod).is_none() && is_active(pod) && selector.matches(pod) {
            let mut next = Value::clone(pod);
            let mut owners = json::list(&next, "/metadata/ownerReferences").to_vec();
            owners.push(owner_reference(owner));
            json::set(&mut next, &["metadata", "ownerReferences"], owners);
            if let Some(adopted) = context.update(by, "pods", next) {
                pods.push(adopted);
            }
        }
    }
    pods
}

/// A pod of a template, owned by the controller; without a name.
pub(super) fn pod_of(owner: &Value, template: &Value) -> Value {
    let mut metadata = json!({"namespace": json::namespace(owner), "ownerReferences": [owner_reference(owner)]});
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{key}")) {
            metadata[key] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": template.get("spec")})
}

/// Creates a pod and tells of it.
pub(super) fn create(context: &Context<'_>, by: &str, owner: &Value, pod: Value) -> Result<Arc<Stored>, ApiError> {
    match context.create(by, "pods", pod) {
        Ok(made) => {
            let message = format!("Created pod: {}", json::name(&made.value));
            context.event(by, owner, "Normal", "SuccessfulCreate", &message);
            Ok(made)
        }
        Err(error) => {
            // A namespace that is going away is no fault of the workload.
            if !error.message.contains("because it is being terminated") {
                context.event(by, owner, "Warning", "FailedCreate", &format!("Error creating: {error}"));
            }
            Err(error)
        }
    }
}

/// Deletes a pod and tells of it.
pub(super) fn delete(context: &Context<'_>, by: &str, owner: &Value, pod: &Value) {
    let id = crate::store::ObjectId::of(&"pods".into(), pod);
    if context.delete(by, &id, &crate::operations::DeleteOptions::background()).is_some() {
        let message = format!("Deleted pod: {}", json::name(pod));
        context.event(by, owner, "Normal", "SuccessfulDelete", &message);
    }
}

/// Counts pods that are available now, and comes back when the next one will be.
pub(super) fn count_available(
    context: &mut Context<'_>,
    pods: &[&Value],
    min_ready_s: i64,
    work: impl FnOnce() -> Work,
) -> i64 {
    let mut available = 0;
    let mut next: Option<Timestamp> = None;
    for at in pods.iter().filter_map(|pod| available_at(pod, min_ready_s)) {
        if at <= context.now {
            available += 1;
        } else {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
    }
    if let Some(at) = next {
        context.again_at(work(), at);
    }
    available
}

/// The order in which pods are given up: unplaced, unready, most restarted and youngest first.
/// Source: `ActivePodsWithRanks` of Kubernetes' controllers.
pub(super) fn sort_for_deletion(pods: &mut [&Value]) {
    pods.sort_by_cached_key(|pod| {
        let phase = match json::text(pod, "/status/phase") {
            "Pending" => 0,
            "Running" => 2,
            _ => 1,
        };
        let cost: i64 = json::annotation(pod, "controller.kubernetes.io/pod-deletion-cost")
            .and_then(|cost| cost.parse().ok())
            .unwrap_or(0);
        let restarts: i64 = json::list(pod, "/status/containerStatuses")
            .iter()
            .filter_map(|status| json::integer(status, "/restartCount"))
            .max()
            .unwrap_or(0);
        let created = json::text(pod, "/metadata/creationTimestamp").to_string();
        (
            !json::text(pod, "/spec/nodeName").is_empty(),
            phase,
            is_ready(pod),
            cost,
            std::cmp::Reverse(ready_since(pod)),
            std::cmp::Reverse(restarts),
            std::cmp::Reverse(created),
            json::name(pod).to_string(),
        )
    });
}

/// `maxSurge`, `maxUnavailable`: a number, or a share of the total rounded up or down.
pub(super) fn share(value: Option<&Value>, total: i64, round_up: bool, default: i64) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(default),
        Some(Value::String(text)) => match text.strip_suffix('%').and_then(|percent| percent.parse::<i64>().ok()) {
            Some(percent) => {
                let scaled = total * percent;
                if round_up { (scaled + 99).div_euclid(100) } else { scaled.div_euclid(100) }
            }
            None => text.parse().unwrap_or(default),
        },
        _ => default,
    }
}

/// Puts a condition into a status; the transition time changes only with the status.
pub(super) fn set_condition(
    status: &mut Value,
    kind: &str,
    word: &str,
    reason: &str,
    message: &str,
    now: &str,
    with_update_time: bool,
) {
    let mut conditions = json::list(status, "/conditions").to_vec();
    let held = conditions.iter().position(|held| json::text(held, "/type") == kind);
    let mut condition =
        json!({"type": kind, "status": word, "reason": reason, "message": message, "lastTransitionTime": now});
    if with_update_time {
        condition["lastUpdateTime"] = json!(now);
    }
    match held {
        Some(index) => {
            if json::text(&conditions[index], "/status") == word {
                condition["lastTransitionTime"] = json!(json::text(&conditions[index], "/lastTransitionTime"));
                let unchanged = json::text(&conditions[index], "/reason") == reason;
                if with_update_time && unchanged && json::text(&conditions[index], "/message") == message {
                    return;
                }
            }
            conditions[index] = condition;
        }
        None => conditions.push(condition),
    }
    json::set(status, &["conditions"], conditions);
}

/// Writes a status when it differs.
pub(super) fn write_status(context: &Context<'_>, by: &str, resource: &str, object: &Value, status: Value) {
    if object.get("status") == Some(&status) {
        return;
    }
    let mut next = object.clone();
    json::set(&mut next, &["status"], status);
    context.update_status(by, resource, next);
}
