//! PersistentVolumeClaim: bound or not. Source: gitops-engine `pkg/health/health_pvc.go`.

use landfall_model::health::Health;
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{degraded, healthy, progressing, unknown};

pub(super) const KIND: Kind = Kind {
    group: "",
    kind: "PersistentVolumeClaim",
    rule: "Healthy when bound, Progressing while pending, Degraded when its volume is lost.",
    assess,
};

fn assess(live: &Value) -> Health {
    match object::text(live, &["status", "phase"]) {
        "Bound" => healthy(),
        "Pending" => progressing("waits for a volume"),
        "Lost" => degraded("its volume is lost"),
        "" => unknown("the claim has no phase yet"),
        phase => unknown(format!("the claim's phase is {phase}")),
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing, Unknown};
    use serde_json::json;

    #[test]
    fn a_claim_is_healthy_when_bound() {
        crate::read::check(
            "v1",
            "PersistentVolumeClaim",
            &[
                (json!({"status": {"phase": "Bound"}}), Healthy, ""),
                (json!({"status": {"phase": "Pending"}}), Progressing, "volume"),
                (json!({"status": {"phase": "Lost"}}), Degraded, "lost"),
                (json!({}), Unknown, "no phase"),
            ],
        );
    }
}
