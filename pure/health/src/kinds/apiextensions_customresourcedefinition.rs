//! CustomResourceDefinition: is the kind served?
//! Source: Argo CD 3.5.1 `resource_customizations/apiextensions.k8s.io/CustomResourceDefinition/health.lua`.

use landfall_model::health::Health;
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{conditions, degraded, healthy, progressing};

pub(super) const KIND: Kind = Kind {
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    rule: "Healthy when established; Degraded when its names are taken, its schema is not structural or it is not \
           established; Progressing while new, installing or going.",
    assess,
};

fn assess(live: &Value) -> Health {
    if !object::text(live, &["metadata", "deletionTimestamp"]).is_empty() {
        return progressing("the definition is being deleted");
    }
    let conditions = conditions(live);
    if conditions.is_empty() {
        return progressing("the definition has no conditions yet");
    }
    let find = |kind: &str, status: &str| {
        conditions.iter().find(|condition| condition.kind == kind && condition.status == status)
    };
    if let Some(condition) = find("Terminating", "True") {
        return progressing(format!("the definition is being deleted: {}", condition.message));
    }
    if let Some(condition) = find("NamesAccepted", "False") {
        return degraded(format!("its names are not accepted: {}", condition.message));
    }
    if find("Established", "True").is_none() {
        let established = conditions.iter().find(|condition| condition.kind == "Established");
        return match established {
            Some(condition) if condition.reason == "Installing" => progressing("the kind is being installed"),
            Some(condition) => degraded(format!("the kind is not served: {}", condition.words())),
            None => degraded("the kind is not served"),
        };
    }
    if let Some(condition) = find("NonStructuralSchema", "True") {
        return degraded(format!("its schema is not structural: {}", condition.message));
    }
    healthy()
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn a_definition_is_healthy_when_its_kind_is_served() {
        let with = |list: &[(&str, &str, &str)]| {
            let conditions: Vec<_> = list.iter().map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "message": "words"})).collect();
            json!({"status": {"conditions": conditions}})
        };
        crate::read::check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &[
                (json!({}), Progressing, "no conditions"),
                (with(&[("NamesAccepted", "True", ""), ("Established", "True", "")]), Healthy, ""),
                (with(&[("NamesAccepted", "False", "ListKindConflict")]), Degraded, "words"),
                (
                    with(&[("NamesAccepted", "True", ""), ("Established", "False", "Installing")]),
                    Progressing,
                    "installed",
                ),
                (
                    with(&[("NamesAccepted", "True", ""), ("Established", "False", "NotAccepted")]),
                    Degraded,
                    "not served",
                ),
                (
                    with(&[("Established", "True", ""), ("NonStructuralSchema", "True", "Violations")]),
                    Degraded,
                    "structural",
                ),
                (with(&[("Established", "True", ""), ("Terminating", "True", "")]), Progressing, "deleted"),
            ],
        );
    }
}
