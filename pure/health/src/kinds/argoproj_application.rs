//! Application as a part of another Application. Argo CD has had no rule for it since 1.8, so that a tree of
//! applications does not wait for its branches; an installation that wants it to adds [`ApplicationsCount`].

use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use serde_json::Value;

use crate::Assess;
use crate::read::progressing;

/// Makes child applications count in their parent's health and hold its waves, as
/// `crate::Rules::built_in().with(Box::new(ApplicationsCount))`.
#[derive(Debug, Clone, Copy)]
pub struct ApplicationsCount;

impl Assess for ApplicationsCount {
    fn covers(&self, group: &str, kind: &str) -> bool {
        group == "argoproj.io" && kind == "Application"
    }

    fn assess(&self, live: &Value) -> Option<Health> {
        let status = match object::text(live, &["status", "health", "status"]) {
            "Healthy" => HealthStatus::Healthy,
            "Suspended" => HealthStatus::Suspended,
            "Progressing" => HealthStatus::Progressing,
            "Missing" => HealthStatus::Missing,
            "Degraded" => HealthStatus::Degraded,
            "" => return Some(progressing("the application has not been looked at yet")),
            _ => HealthStatus::Unknown,
        };
        Some(Health::of(status, object::text(live, &["status", "health", "message"])))
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus;
    use serde_json::json;

    use super::ApplicationsCount;
    use crate::Rules;

    #[test]
    fn an_application_has_no_health_unless_asked_for() {
        let child = |status: serde_json::Value| json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "status": status});
        let degraded = child(json!({"health": {"status": "Degraded", "message": "words"}}));
        assert_eq!(crate::assess(&degraded), None);
        let rules = Rules::built_in().with(Box::new(ApplicationsCount));
        assert!(rules.needs_body("argoproj.io", "Application"));
        assert_eq!(rules.assess(&degraded).map(|health| health.status), Some(HealthStatus::Degraded));
        assert_eq!(rules.assess(&child(json!({}))).map(|health| health.status), Some(HealthStatus::Progressing));
        assert_eq!(
            rules.assess(&child(json!({"health": {"status": "Healthy"}}))).map(|health| health.status),
            Some(HealthStatus::Healthy)
        );
    }
}
