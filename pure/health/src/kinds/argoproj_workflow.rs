//! Argo Workflow: its phase. Source: gitops-engine `pkg/health/health_argo.go`.

use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use serde_json::Value;

use super::Kind;

pub(super) const KIND: Kind = Kind {
    group: "argoproj.io",
    kind: "Workflow",
    rule: "Healthy when succeeded, Degraded when failed or in error, Progressing before.",
    assess,
};

fn assess(live: &Value) -> Health {
    let status = match object::text(live, &["status", "phase"]) {
        "" | "Pending" | "Running" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" | "Error" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Health::of(status, object::text(live, &["status", "message"]))
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing, Unknown};
    use serde_json::json;

    #[test]
    fn a_workflow_is_judged_by_its_phase() {
        crate::read::check(
            "argoproj.io/v1alpha1",
            "Workflow",
            &[
                (json!({}), Progressing, ""),
                (json!({"status": {"phase": "Running"}}), Progressing, ""),
                (json!({"status": {"phase": "Succeeded"}}), Healthy, ""),
                (json!({"status": {"phase": "Failed", "message": "step 2 failed"}}), Degraded, "step 2"),
                (json!({"status": {"phase": "Odd"}}), Unknown, ""),
            ],
        );
    }
}
