//! What a Job's failed pods come to: failure policies, failed indexes, success policies.
//!
//! Source: `pod_failure_policy.go`, `backoff_utils.go` and `success_policy.go` of Kubernetes' job controller, 1.36.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::json;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What a failed pod comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It counts against the limit.
    Counts,
    /// It is as if it had not been.
    Ignored,
    /// Its index has failed.
    FailsIndex,
    /// The Job has failed, for this reason.
    FailsJob(String),
}

/// The index of a pod of an indexed Job.
pub(super) fn index_of(pod: &Value) -> Option<i64> {
    json::annotation(pod, INDEX)?.parse().ok()
}

/// Applies the Job's `podFailurePolicy` to a failed pod.
pub(super) fn failure_of(job: &Value, pod: &Value) -> Failure {
    for (number, rule) in json::list(job, "/spec/podFailurePolicy/rules").iter().enumerate() {
        let Some(why) = matched(rule, pod) else { continue };
        return match json::text(rule, "/action") {
            "Ignore" => Failure::Ignored,
            "FailIndex" => Failure::FailsIndex,
            "FailJob" => Failure::FailsJob(format!("{why} matching FailJob rule at index {number}")),
            _ => Failure::Counts,
        };
    }
    Failure::Counts
}

/// Says how a rule matches a pod; `None` when it does not.
fn matched(rule: &Value, pod: &Value) -> Option<String> {
    let full = format!("{}/{}", json::namespace(pod), json::name(pod));
    if let Some(codes) = rule.get("onExitCodes") {
        let wanted = json::text(codes, "/containerName");
        let values = json::list(codes, "/values");
        let is_in = json::text(codes, "/operator") == "In";
        let statuses =
            json::list(pod, "/status/containerStatuses").iter().chain(json::list(pod, "/status/initContainerStatuses"));
        for status in statuses.filter(|status| wanted.is_empty() || json::text(status, "/name") == wanted) {
            let Some(code) = json::integer(status, "/state/terminated/exitCode").filter(|code| *code != 0) else {
                continue;
            };
            if values.iter().any(|value| value.as_i64() == Some(code)) == is_in {
                let name = json::text(status, "/name");
                return Some(format!("Container {name} for pod {full} failed with exit code {code}"));
            }
        }
    }
    for condition in json::list(rule, "/onPodConditions") {
        let (kind, status) = (json::text(condition, "/type"), json::text(condition, "/status"));
        let status = if status.is_empty() { "True" } else { status };
        let holds = json::list(pod, "/status/conditions")
            .iter()
            .any(|held| json::text(held, "/type") == kind && json::text(held, "/status") == status);
        if holds {
            return Some(format!("Pod {full} has condition {kind}"));
        }
    }
    None
}

/// The indexes of a Job with `backoffLimitPerIndex` that have failed for good.
pub(super) fn failed_indexes(job: &Value, pods: &[&Value]) -> BTreeSet<i64> {
    let Some(limit) = json::integer(job, "/spec/backoffLimitPerIndex") else { return BTreeSet::new() };
    let mut failures: BTreeMap<i64, i64> = BTreeMap::new();
    let mut failed = parse_indexes(json::text(job, "/status/failedIndexes"));
    for pod in pods.iter().filter(|pod| json::text(pod, "/status/phase") == "Failed") {
        let Some(index) = index_of(pod) else { continue };
        match failure_of(job, pod) {
            Failure::FailsIndex => {
                failed.insert(index);
            }
            Failure::Counts => *failures.entry(index).or_default() += 1,
            Failure::Ignored | Failure::FailsJob(_) => {}
        }
    }
    failed.extend(failures.into_iter().filter(|(_, count)| *count > limit).map(|(index, _)| index));
    failed
}

/// The first rule of the success policy that the completed indexes fulfil.
pub(super) fn fulfilled(job: &Value, completed: &BTreeSet<i64>) -> Option<usize> {
    json::list(job, "/spec/successPolicy/rules").iter().position(|rule| {
        let named = json::text(rule, "/succeededIndexes");
        let count = json::integer(rule, "/succeededCount").and_then(|count| usize::try_from(count).ok());
        if named.is_empty() {
            return count.is_some_and(|count| completed.len() >= count);
        }
        let wanted = parse_indexes(named);
        let done = wanted.intersection(completed).count();
        done >= count.unwrap_or(wanted.len())
    })
}

/// Reads `0-2,5`.
pub(super) fn parse_indexes(text: &str) -> BTreeSet<i64> {
    let mut all = BTreeSet::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
            // Completions are bounded by the API at 100,000 for such Jobs.
            all.extend(first..=last.min(first + 100_000));
        }
    }
    all
}

/// Writes `0-2,5`; two in a row are written `0,1`, as the controller does.
pub(super) fn write_indexes(indexes: &BTreeSet<i64>) -> String {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => parts.push((*index, *index)),
        }
    }
    let texts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_read_as_they_are_written() {
        for text in ["", "3", "0,1", "0-4", "0-2,4,6,7,9-11"] {
            assert_eq!(write_indexes(&parse_indexes(text)), text);
        }
    }
}
