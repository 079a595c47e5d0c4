//! Pod: its phase, its readiness, and what keeps its containers from starting.
//! Source: gitops-engine `pkg/health/health_pod.go`.

use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{degraded, find, progressing, unknown};

pub(super) const KIND: Kind = Kind {
    group: "",
    kind: "Pod",
    rule: "Healthy when running and ready or succeeded; Degraded when failed, or when a container of a pod that restarts \
           always cannot start or has ended before; otherwise Progressing.",
    assess,
};

/// Judges a pod with a finite life (restart policy OnFailure or Never) as one that is to run forever.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

fn assess(live: &Value) -> Health {
    let says = object::text(live, &["status", "message"]);
    let restarts_always = match object::text(live, &["spec", "restartPolicy"]) {
        "OnFailure" | "Never" => object::annotation(live, IGNORE_RESTART_POLICY) == Some("true"),
        _ => true,
    };
    // A pod with a finite life may still get over a failed start; a hook must not be failed for one early.
    let stuck: Vec<String> = containers(live, "containerStatuses").filter_map(stuck_container).collect();
    if restarts_always && !stuck.is_empty() {
        return degraded(stuck.join("; "));
    }
    match object::text(live, &["status", "phase"]) {
        "Pending" => progressing(first_of([says.to_owned(), waiting(live, &stuck)])),
        "Succeeded" => Health::of(HealthStatus::Healthy, says),
        "Failed" => degraded(first_of([says.to_owned(), ended(live)])),
        "Running" if !restarts_always => progressing(first_of([says.to_owned(), stuck.join("; ")])),
        "Running" if find(live, "Ready").is_some_and(|condition| condition.is_true()) => {
            Health::of(HealthStatus::Healthy, says)
        }
        "Running" => match containers(live, "containerStatuses").find_map(last_end) {
            Some(end) => degraded(first_of([says.to_owned(), end])),
            None => progressing(first_of([says.to_owned(), not_ready(live)])),
        },
        "" => progressing("the pod has no status yet"),
        phase => unknown(first_of([says.to_owned(), format!("the pod's phase is {phase}")])),
    }
}

fn containers<'a>(live: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object::at(live, &["status", field]).and_then(Value::as_array).into_iter().flatten()
}

/// Says in words why a container cannot start, if its waiting reason is a failure and no stage of starting.
fn stuck_container(container: &Value) -> Option<String> {
    let reason = object::text(container, &["state", "waiting", "reason"]);
    let is_failure = reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff");
    is_failure.then(|| {
        let name = object::text(container, &["name"]);
        match object::text(container, &["state", "waiting", "message"]) {
            "" => format!("container {name}: {reason}"),
            message => format!("container {name}: {reason}: {message}"),
        }
    })
}

/// Says what a pending pod waits for: containers, containers that initialise, or a node.
fn waiting(live: &Value, stuck: &[String]) -> String {
    if !stuck.is_empty() {
        return stuck.join("; ");
    }
    let initial = containers(live, "initContainerStatuses").find_map(stuck_container);
    let unscheduled = || {
        find(live, "PodScheduled").filter(|condition| condition.status == "False").map(|condition| condition.words())
    };
    initial.or_else(unscheduled).unwrap_or_default()
}

/// Says how the containers of a failed pod ended.
fn ended(live: &Value) -> String {
    let mut all = containers(live, "initContainerStatuses").chain(containers(live, "containerStatuses"));
    let end = all.find_map(|container| {
        let name = object::text(container, &["name"]);
        let end = object::at(container, &["state", "terminated"])?;
        let (message, reason) = (object::text(end, &["message"]), object::text(end, &["reason"]));
        let code = object::integer(end, &["exitCode"]).unwrap_or(0);
        match (message, reason, code) {
            ("", "OOMKilled", _) => Some(format!("container {name} ran out of memory (OOMKilled)")),
            ("", _, 0) => None,
            ("", _, _) => Some(format!("container {name} failed with exit code {code}")),
            _ => Some(format!("container {name}: {message}")),
        }
    });
    end.or_else(|| Some(object::text(live, &["status", "reason"]).to_owned())).unwrap_or_default()
}

fn last_end(container: &Value) -> Option<String> {
    let end = object::at(container, &["lastState", "terminated"]).filter(|end| end.is_object())?;
    let (name, reason) = (object::text(container, &["name"]), object::text(end, &["reason"]));
    let code = object::integer(end, &["exitCode"]).unwrap_or(0);
    Some(format!("container {name} ended before ({reason}, exit code {code}) and is not ready"))
}

fn not_ready(live: &Value) -> String {
    find(live, "Ready").map(|condition| condition.words()).unwrap_or_default()
}

fn first_of<const N: usize>(choices: [String; N]) -> String {
    choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing, Unknown};
    use serde_json::json;

    #[test]
    fn a_pod_is_judged_by_phase_readiness_and_what_its_containers_wait_for() {
        let pulling = json!([{"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"web:2\""}}}]);
        let always = json!({"restartPolicy": "Always"});
        crate::read::check(
            "v1",
            "Pod",
            &[
                (
                    json!({"spec": always, "status": {"phase": "Pending", "containerStatuses": pulling}}),
                    Degraded,
                    "container web: ImagePullBackOff: Back-off pulling",
                ),
                (
                    json!({"spec": {"restartPolicy": "Never"}, "status": {"phase": "Pending", "containerStatuses": pulling}}),
                    Progressing,
                    "ImagePullBackOff",
                ),
                (
                    json!({"spec": {"restartPolicy": "Never"}, "metadata": {"annotations": {"argocd.argoproj.io/ignore-restart-policy": "true"}},
                "status": {"phase": "Pending", "containerStatuses": pulling}}),
                    Degraded,
                    "ImagePullBackOff",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Pending", "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}]}}),
                    Progressing,
                    "",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                "reason": "Unschedulable", "message": "0/3 nodes are available"}]}}),
                    Progressing,
                    "0/3 nodes",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
                    Healthy,
                    "",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "message": "not ready: web"}]}}),
                    Progressing,
                    "not ready: web",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Running", "containerStatuses": [{"name": "web", "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}}),
                    Degraded,
                    "exit code 1",
                ),
                (
                    json!({"spec": {"restartPolicy": "OnFailure"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
                    Progressing,
                    "",
                ),
                (json!({"spec": always, "status": {"phase": "Succeeded"}}), Healthy, ""),
                (
                    json!({"spec": always, "status": {"phase": "Failed", "containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": 2}}}]}}),
                    Degraded,
                    "exit code 2",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Failed", "containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}}),
                    Degraded,
                    "memory",
                ),
                (
                    json!({"spec": always, "status": {"phase": "Failed", "message": "Pod was evicted"}}),
                    Degraded,
                    "evicted",
                ),
                (json!({"spec": always, "status": {"phase": "Unknown"}}), Unknown, "Unknown"),
                (json!({"spec": always}), Progressing, "no status"),
            ],
        );
    }
}
