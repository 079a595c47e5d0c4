//! What people look for at a Pod: how it is in one word, where it runs, how often it was started again, and what it asks of
//! its node. Source: Argo CD 3.5 `controller/cache/info.go` (populatePodInfo), which follows `kubectl get pods`.

use landfall_model::object;
use serde_json::Value;

/// A Pod, reduced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// How it is, in one word: `Running`, `CrashLoopBackOff`, `Init:0/2`, `Terminating`.
    pub reason: String,
    /// Its node; `""` before it has one.
    pub node: String,
    /// How many of its containers are ready.
    pub ready: usize,
    /// How many it has.
    pub containers: usize,
    /// How often containers were started again.
    pub restarts: i64,
    /// What its containers ask of the processor, in thousandths.
    pub cpu_millis: i64,
    /// What its containers ask of memory, in thousandths of a byte as Argo CD counts them.
    pub memory_millis: i64,
    /// Whether it has ended: it asks nothing of its node any more.
    pub has_ended: bool,
}

impl Pod {
    /// Reads a Pod as the API sent it.
    pub fn read(value: &Value) -> Self {
        let statuses = list(value, "/status/containerStatuses");
        let specs = list(value, "/spec/containers");
        let requests = |name: &str| specs.iter().filter_map(|spec| request(spec, name)).sum();
        let phase = object::text(value, &["status", "phase"]);
        let mut reason = match object::text(value, &["status", "reason"]) {
            "" => phase.to_owned(),
            reason => reason.to_owned(),
        };
        let mut restarts = 0;
        let starting = starting(value, &mut restarts);
        match starting {
            Some(starting) => reason = starting,
            None => {
                restarts = statuses.iter().map(restart_count).sum();
                if let Some(found) = statuses.iter().rev().find_map(|status| trouble(status)) {
                    reason = found;
                }
            }
        }
        if value.pointer("/metadata/deletionTimestamp").is_some() {
            reason = if reason == "NodeLost" { "Unknown" } else { "Terminating" }.to_owned();
        }
        Self {
            reason,
            node: object::text(value, &["spec", "nodeName"]).to_owned(),
            ready: statuses.iter().filter(|status| status["ready"] == true).count(),
            containers: specs.len(),
            restarts,
            cpu_millis: requests("cpu"),
            memory_millis: requests("memory"),
            has_ended: matches!(phase, "Succeeded" | "Failed"),
        }
    }
}

fn list<'a>(value: &'a Value, place: &str) -> &'a [Value] {
    value.pointer(place).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn restart_count(status: &Value) -> i64 {
    status["restartCount"].as_i64().unwrap_or(0)
}

/// How far containers that run before the others are; `None` if they are through.
fn starting(value: &Value, restarts: &mut i64) -> Option<String> {
    let all = list(value, "/status/initContainerStatuses");
    let count = list(value, "/spec/initContainers").len();
    for (at, status) in all.iter().enumerate() {
        *restarts += restart_count(status);
        let ended = &status["state"]["terminated"];
        // A sidecar goes on beside the others.
        let is_up = status["started"] == true && is_sidecar(value, object::text(status, &["name"]));
        if is_up || ended["exitCode"].as_i64() == Some(0) {
            continue;
        }
        let waiting = object::text(status, &["state", "waiting", "reason"]);
        return Some(match (ended.is_object(), waiting) {
            (true, _) => format!("Init:{}", end(ended)),
            (false, "" | "PodInitializing") => format!("Init:{at}/{count}"),
            (false, waiting) => format!("Init:{waiting}"),
        });
    }
    None
}

fn is_sidecar(value: &Value, name: &str) -> bool {
    let specs = list(value, "/spec/initContainers");
    specs.iter().any(|spec| object::text(spec, &["name"]) == name && spec["restartPolicy"] == "Always")
}

/// Why a container does not run.
fn trouble(status: &Value) -> Option<String> {
    let waiting = object::text(status, &["state", "waiting", "reason"]);
    if !waiting.is_empty() {
        return Some(waiting.to_owned());
    }
    let ended = &status["state"]["terminated"];
    ended.is_object().then(|| end(ended))
}

fn end(ended: &Value) -> String {
    match (object::text(ended, &["reason"]), ended["signal"].as_i64().unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", ended["exitCode"].as_i64().unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn request(spec: &Value, name: &str) -> Option<i64> {
    let asked = &spec["resources"]["requests"][name];
    match asked {
        Value::String(text) => millis(text),
        Value::Number(number) => millis(&number.to_string()),
        _ => None,
    }
}

/// Reads a quantity in thousandths, rounded up: `250m` is 250, `1Ki` is 1024000. `None` if it is none.
pub fn millis(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        other => 10.0_f64.powi(other.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let found = (number * factor * 1000.0).ceil();
    #[expect(clippy::cast_possible_truncation, reason = "what is beyond becomes the largest, which is what it is")]
    found.is_finite().then_some(found as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(spec: Value, status: Value) -> Pod {
        Pod::read(
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec, "status": status}),
        )
    }

    #[test]
    fn a_pod_is_told_in_one_word_as_kubectl_does() {
        let spec =
            json!({"nodeName": "n1", "containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]});
        let through = json!([{"name": "i", "state": {"terminated": {"exitCode": 0}}}]);
        let cases = [
            (json!({"phase": "Pending"}), "Pending", 0),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
                "Init:CrashLoopBackOff",
                3,
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
                "Init:0/1",
                0,
            ),
            (
                json!({"phase": "Running", "initContainerStatuses": through, "containerStatuses": [
                    {"ready": true, "restartCount": 2, "state": {"running": {}}},
                    {"ready": false, "restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
                "CrashLoopBackOff",
                7,
            ),
            (
                json!({"phase": "Failed", "initContainerStatuses": through, "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}),
                "ExitCode:3",
                0,
            ),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted", 0),
        ];
        for (status, reason, restarts) in cases {
            let read = pod(spec.clone(), status.clone());
            assert_eq!((read.reason.as_str(), read.restarts), (reason, restarts), "{status}");
            assert_eq!((read.node.as_str(), read.containers), ("n1", 2));
        }
        let leaving =
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Running"}});
        assert_eq!(Pod::read(&leaving).reason, "Terminating");
    }

    #[test]
    fn what_containers_ask_for_is_added_up() {
        let spec = json!({"containers": [
            {"resources": {"requests": {"cpu": "250m", "memory": "1Ki"}}}, {"resources": {"requests": {"cpu": 1}}}, {}]});
        let read = pod(spec, json!({}));
        assert_eq!((read.cpu_millis, read.memory_millis), (1250, 1_024_000));
        assert_eq!(millis("1e3"), Some(1_000_000));
        assert_eq!(millis("nothing"), None);
    }
}
