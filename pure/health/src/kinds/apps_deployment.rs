//! Deployment: the rollout's progress as its controller reports it.
//! Source: gitops-engine `pkg/health/health_deployment.go`, kubectl's rollout status.

use landfall_model::health::Health;
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{count, degraded, find, healthy, is_unobserved, progressing, replicas_wanted, suspended, unobserved};

pub(super) const KIND: Kind = Kind {
    group: "apps",
    kind: "Deployment",
    rule: "Suspended when paused, Degraded past its progress deadline, Progressing until every replica is updated and \
           available.",
    assess,
};

fn assess(live: &Value) -> Health {
    if object::at(live, &["spec", "paused"]) == Some(&Value::Bool(true)) {
        return suspended("the rollout is paused (spec.paused)");
    }
    if is_unobserved(live) {
        return unobserved();
    }
    if let Some(condition) = find(live, "Progressing").filter(|found| found.reason == "ProgressDeadlineExceeded") {
        let deadline_s = object::integer(live, &["spec", "progressDeadlineSeconds"]).unwrap_or(600);
        let detail = if condition.message.is_empty() { String::new() } else { format!(": {}", condition.message) };
        return degraded(format!("the rollout made no progress within its deadline of {deadline_s} s{detail}"));
    }
    let (updated, available) = (count(live, "updatedReplicas"), count(live, "availableReplicas"));
    if let Some(wanted) = replicas_wanted(live).filter(|wanted| updated < *wanted) {
        return progressing(format!("{updated} of {wanted} replicas are updated"));
    }
    let old = count(live, "replicas") - updated;
    if old > 0 {
        return progressing(format!("{old} old replicas are still to go"));
    }
    if available < updated {
        return progressing(format!("{available} of {updated} updated replicas are available"));
    }
    healthy()
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
    use serde_json::json;

    #[test]
    fn a_deployment_is_as_far_as_its_rollout() {
        crate::read::check(
            "apps/v1",
            "Deployment",
            &[
                (json!({"spec": {"paused": true, "replicas": 1}}), Suspended, "paused"),
                (
                    json!({"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": {"observedGeneration": 1}}),
                    Progressing,
                    "newest change",
                ),
                (
                    json!({"spec": {"replicas": 3}, "status": {"replicas": 3, "updatedReplicas": 1, "availableReplicas": 3}}),
                    Progressing,
                    "1 of 3",
                ),
                (
                    json!({"spec": {"replicas": 3}, "status": {"replicas": 4, "updatedReplicas": 3, "availableReplicas": 4}}),
                    Progressing,
                    "1 old",
                ),
                (
                    json!({"spec": {"replicas": 3}, "status": {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 2}}),
                    Progressing,
                    "2 of 3 updated",
                ),
                (
                    json!({"spec": {"replicas": 3}, "status": {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}}),
                    Healthy,
                    "",
                ),
                (
                    json!({"spec": {"replicas": 0}, "status": {"observedGeneration": 1}, "metadata": {"generation": 1}}),
                    Healthy,
                    "",
                ),
                (
                    json!({"spec": {"replicas": 1, "progressDeadlineSeconds": 30}, "status": {"replicas": 2, "updatedReplicas": 1, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet web-2 has timed out"}]}}),
                    Degraded,
                    "30 s: ReplicaSet web-2",
                ),
            ],
        );
    }
}
