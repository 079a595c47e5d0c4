//! DaemonSet: one updated, available pod per node that wants one.
//! Source: gitops-engine `pkg/health/health_daemonset.go`.

use landfall_model::health::Health;
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{count, healthy, is_unobserved, progressing, unobserved};

pub(super) const KIND: Kind = Kind {
    group: "apps",
    kind: "DaemonSet",
    rule: "Progressing until every node that wants a pod has an updated, available one; with OnDelete always Healthy.",
    assess,
};

fn assess(live: &Value) -> Health {
    if is_unobserved(live) {
        return unobserved();
    }
    if object::text(live, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return healthy();
    }
    let wanted = count(live, "desiredNumberScheduled");
    let (updated, available) = (count(live, "updatedNumberScheduled"), count(live, "numberAvailable"));
    if updated < wanted {
        return progressing(format!("{updated} of {wanted} pods are updated"));
    }
    if available < wanted {
        return progressing(format!("{available} of {wanted} pods are available"));
    }
    healthy()
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn a_daemon_set_is_healthy_when_every_node_has_its_pod() {
        crate::read::check(
            "apps/v1",
            "DaemonSet",
            &[
                (
                    json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
                    Progressing,
                    "newest change",
                ),
                (
                    json!({"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1, "numberAvailable": 3}}),
                    Progressing,
                    "1 of 3 pods are updated",
                ),
                (
                    json!({"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}}),
                    Progressing,
                    "2 of 3 pods are available",
                ),
                (
                    json!({"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}}),
                    Healthy,
                    "",
                ),
                (
                    json!({"spec": {"updateStrategy": {"type": "OnDelete"}}, "status": {"desiredNumberScheduled": 3}}),
                    Healthy,
                    "",
                ),
            ],
        );
    }
}
