//! PodDisruptionBudget: can it be honoured?
//! Source: Argo CD 3.5.1 `resource_customizations/policy/PodDisruptionBudget/health.lua`.

use landfall_model::health::Health;
use serde_json::Value;

use super::Kind;
use crate::read::{conditions, degraded, healthy, progressing};

pub(super) const KIND: Kind = Kind {
    group: "policy",
    kind: "PodDisruptionBudget",
    rule: "Degraded when a condition is False for another reason than too few pods; Progressing without conditions.",
    assess,
};

fn assess(live: &Value) -> Health {
    let conditions = conditions(live);
    if conditions.is_empty() {
        return progressing("the budget has no conditions yet");
    }
    // Too few pods is no fault of the budget: it is doing its work.
    match conditions.iter().find(|condition| condition.status == "False" && condition.reason != "InsufficientPods") {
        Some(condition) => degraded(condition.words()),
        None => healthy(),
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn a_budget_is_healthy_unless_it_cannot_be_honoured() {
        let with = |status: &str, reason: &str| json!({"status": {"conditions": [{"type": "DisruptionAllowed", "status": status, "reason": reason}]}});
        crate::read::check(
            "policy/v1",
            "PodDisruptionBudget",
            &[
                (json!({}), Progressing, "no conditions"),
                (with("True", "SufficientPods"), Healthy, ""),
                (with("False", "InsufficientPods"), Healthy, ""),
                (with("False", "SyncFailed"), Degraded, "SyncFailed"),
            ],
        );
    }
}
