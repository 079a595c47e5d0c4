//! APIService: is the API it stands for available? Source: gitops-engine `pkg/health/health_apiservice.go`.

use landfall_model::health::{Health, HealthStatus};
use serde_json::Value;

use super::Kind;
use crate::read::{find, progressing};

pub(super) const KIND: Kind = Kind {
    group: "apiregistration.k8s.io",
    kind: "APIService",
    rule: "Healthy when available, otherwise Progressing.",
    assess,
};

fn assess(live: &Value) -> Health {
    match find(live, "Available") {
        Some(condition) if condition.is_true() => Health::of(HealthStatus::Healthy, condition.words()),
        Some(condition) => progressing(condition.words()),
        None => progressing("waits to be looked at"),
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn an_api_service_is_healthy_when_available() {
        let with = |status: &str| json!({"status": {"conditions": [{"type": "Available", "status": status, "reason": "Why", "message": "words"}]}});
        crate::read::check(
            "apiregistration.k8s.io/v1",
            "APIService",
            &[
                (json!({}), Progressing, "waits"),
                (with("True"), Healthy, "Why: words"),
                (with("False"), Progressing, "Why: words"),
            ],
        );
    }
}
