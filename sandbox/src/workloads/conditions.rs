//! Phase and conditions of a pod, from its containers' states.

use serde_json::{Value, json};

use crate::json;

/// Sets phase and conditions; times of transition change only where the status does.
pub(super) fn complete(pod: &Value, status: &mut Value, now: &str) {
    let phase = phase(pod, status);
    json::set(status, &["phase"], phase);
    if let Some(generation) = json::integer(pod, "/metadata/generation") {
        json::set(status, &["observedGeneration"], generation);
    }
    let finished = phase == "Succeeded";
    let over = finished || phase == "Failed";
    let inits_done = json::list(status, "/initContainerStatuses")
        .iter()
        .all(|held| json::integer(held, "/state/terminated/exitCode") == Some(0) || json::flag(held, "/started"));
    let unready: Vec<String> = json::list(status, "/containerStatuses")
        .iter()
        .filter(|held| !json::flag(held, "/ready"))
        .map(|held| json::text(held, "/name").to_string())
        .collect();
    let listed = unready.join(" ");
    let unready_message = format!("containers with unready status: [{listed}]");
    let incomplete: Vec<&str> = json::list(status, "/initContainerStatuses")
        .iter()
        .filter(|held| json::integer(held, "/state/terminated/exitCode") != Some(0) && !json::flag(held, "/started"))
        .map(|held| json::text(held, "/name"))
        .collect();
    let incomplete_message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
    let no_reason = (String::new(), String::new());
    let because = |bad: bool, reason: &str, message: &str| {
        if finished {
            ("PodCompleted".to_string(), String::new())
        } else if over {
            ("PodFailed".to_string(), String::new())
        } else if bad {
            (reason.to_string(), message.to_string())
        } else {
            no_reason.clone()
        }
    };
    let containers_ready = unready.is_empty() && inits_done && !over;
    let gates_met = json::list(pod, "/spec/readinessGates").iter().all(|gate| {
        json::list(status, "/conditions")
            .iter()
            .any(|held| held.get("type") == gate.get("conditionType") && json::text(held, "/status") == "True")
    });
    let (initialized_reason, initialized_message) = if inits_done {
        (if finished { "PodCompleted".to_string() } else { String::new() }, String::new())
    } else {
        ("ContainersNotInitialized".to_string(), incomplete_message)
    };
    let (reason, message) = because(!containers_ready, "ContainersNotReady", &unready_message);
    let (ready_reason, ready_message) = if containers_ready && !gates_met {
        (
            "ReadinessGatesNotReady".to_string(),
            "the status of pod readiness gate is not \"True\", but False".to_string(),
        )
    } else {
        (reason.clone(), message.clone())
    };
    set(status, "PodReadyToStartContainers", !over, "", "", now);
    set(status, "Initialized", inits_done, &initialized_reason, &initialized_message, now);
    set(status, "Ready", containers_ready && gates_met, &ready_reason, &ready_message, now);
    set(status, "ContainersReady", containers_ready, &reason, &message, now);
}

fn phase(pod: &Value, status: &Value) -> &'static str {
    let states = json::list(status, "/containerStatuses");
    let policy = json::text(pod, "/spec/restartPolicy");
    let failed_init = json::list(status, "/initContainerStatuses")
        .iter()
        .any(|held| json::integer(held, "/state/terminated/exitCode").is_some_and(|code| code != 0));
    if failed_init && policy == "Never" {
        return "Failed";
    }
    let codes: Vec<Option<i64>> = states.iter().map(|held| json::integer(held, "/state/terminated/exitCode")).collect();
    if !codes.is_empty() && codes.iter().all(Option::is_some) && policy != "Always" {
        let good = codes.iter().all(|code| *code == Some(0));
        return match (good, policy) {
            (true, _) => "Succeeded",
            (false, "Never") => "Failed",
            (false, _) => "Running",
        };
    }
    let begun = states.iter().any(|held| {
        held.pointer("/state/running").is_some()
            || held.pointer("/state/terminated").is_some()
            || json::integer(held, "/restartCount").unwrap_or(0) > 0
    });
    let all_begun = states
        .iter()
        .all(|held| held.pointer("/state/waiting").is_none() || json::integer(held, "/restartCount").unwrap_or(0) > 0);
    if begun && all_begun { "Running" } else { "Pending" }
}

fn set(status: &mut Value, kind: &str, is_true: bool, reason: &str, message: &str, now: &str) {
    let word = if is_true { "True" } else { "False" };
    let mut conditions = json::list(status, "/conditions").to_vec();
    let held = conditions.iter().position(|held| json::text(held, "/type") == kind);
    let since = held
        .map(|index| &conditions[index])
        .filter(|held| json::text(held, "/status") == word)
        .map_or(now, |held| json::text(held, "/lastTransitionTime"));
    let mut condition = json!({"type": kind, "status": word, "lastProbeTime": null, "lastTransitionTime": since});
    if !reason.is_empty() {
        condition["reason"] = json!(reason);
    }
    if !message.is_empty() {
        condition["message"] = json!(message);
    }
    match held {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
    json::set(status, &["conditions"], conditions);
}
