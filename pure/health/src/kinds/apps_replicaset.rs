//! ReplicaSet: available replicas, and the failure to make them.
//! Source: gitops-engine `pkg/health/health_replicaset.go`.

use landfall_model::health::Health;
use serde_json::Value;

use super::Kind;
use crate::read::{count, degraded, find, healthy, is_unobserved, progressing, replicas_wanted, unobserved};

pub(super) const KIND: Kind = Kind {
    group: "apps",
    kind: "ReplicaSet",
    rule: "Degraded when replicas cannot be made, Progressing until all are available.",
    assess,
};

fn assess(live: &Value) -> Health {
    if is_unobserved(live) {
        return unobserved();
    }
    if let Some(failure) = find(live, "ReplicaFailure").filter(|condition| condition.is_true()) {
        return degraded(failure.words());
    }
    let available = count(live, "availableReplicas");
    match replicas_wanted(live) {
        Some(wanted) if available < wanted => progressing(format!("{available} of {wanted} replicas are available")),
        _ => healthy(),
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn a_replica_set_is_healthy_when_its_replicas_are_available() {
        crate::read::check(
            "apps/v1",
            "ReplicaSet",
            &[
                (
                    json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
                    Progressing,
                    "newest change",
                ),
                (json!({"spec": {"replicas": 2}, "status": {"availableReplicas": 1}}), Progressing, "1 of 2"),
                (json!({"spec": {"replicas": 2}, "status": {"availableReplicas": 2}}), Healthy, ""),
                (
                    json!({"spec": {"replicas": 2}, "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": "exceeded quota"}]}}),
                    Degraded,
                    "exceeded quota",
                ),
            ],
        );
    }
}
