//! StatefulSet: readiness and the rolling update, partitioned or not.
//! Source: gitops-engine `pkg/health/health_statefulset.go`.

use landfall_model::health::Health;
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{count, healthy, is_unobserved, progressing, replicas_wanted, unobserved};

pub(super) const KIND: Kind = Kind {
    group: "apps",
    kind: "StatefulSet",
    rule: "Progressing until every replica is ready and updated; replicas below the partition are left alone, and with \
           OnDelete readiness is enough.",
    assess,
};

fn assess(live: &Value) -> Health {
    if count(live, "observedGeneration") == 0 || is_unobserved(live) {
        return unobserved();
    }
    let (ready, updated) = (count(live, "readyReplicas"), count(live, "updatedReplicas"));
    if let Some(wanted) = replicas_wanted(live).filter(|wanted| ready < *wanted) {
        return progressing(format!("{ready} of {wanted} replicas are ready"));
    }
    let strategy = object::text(live, &["spec", "updateStrategy", "type"]);
    let rolling = object::at(live, &["spec", "updateStrategy", "rollingUpdate"]).filter(|block| block.is_object());
    if let (Some(rolling), "RollingUpdate") = (rolling, strategy) {
        let partition = object::integer(rolling, &["partition"]);
        let to_update = replicas_wanted(live).zip(partition).map(|(wanted, partition)| wanted - partition);
        if let Some(to_update) = to_update.filter(|to_update| updated < *to_update) {
            return progressing(format!("{updated} of {to_update} replicas above the partition are updated"));
        }
        return healthy();
    }
    if strategy == "OnDelete" {
        return healthy();
    }
    let current = object::text(live, &["status", "currentRevision"]);
    let next = object::text(live, &["status", "updateRevision"]);
    if next != current {
        return progressing(format!("{updated} replicas are updated to revision {next}, the others have {current}"));
    }
    healthy()
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn a_stateful_set_is_healthy_when_what_is_to_be_updated_is_ready() {
        let rolling = |partition: i64| json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}});
        crate::read::check(
            "apps/v1",
            "StatefulSet",
            &[
                (json!({"spec": {"replicas": 1}}), Progressing, "newest change"),
                (
                    json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 2}}),
                    Progressing,
                    "newest change",
                ),
                (
                    json!({"spec": {"replicas": 3}, "status": {"observedGeneration": 1, "readyReplicas": 2}}),
                    Progressing,
                    "2 of 3",
                ),
                (
                    json!({"spec": rolling(1), "status": {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 1}}),
                    Progressing,
                    "1 of 2",
                ),
                (
                    json!({"spec": rolling(1), "status": {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 2,
                "currentRevision": "a", "updateRevision": "b"}}),
                    Healthy,
                    "",
                ),
                (
                    json!({"spec": {"replicas": 1, "updateStrategy": {"type": "OnDelete"}}, "status": {"observedGeneration": 1, "readyReplicas": 1,
                "currentRevision": "a", "updateRevision": "b"}}),
                    Healthy,
                    "",
                ),
                (
                    json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"}}),
                    Progressing,
                    "revision b",
                ),
                (
                    json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}}),
                    Healthy,
                    "",
                ),
            ],
        );
    }
}
