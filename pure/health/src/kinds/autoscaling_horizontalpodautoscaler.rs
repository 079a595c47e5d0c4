//! HorizontalPodAutoscaler: can it scale, and can it measure? Source: gitops-engine `pkg/health/health_hpa.go`.

use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{Condition, condition, conditions, degraded, progressing};

pub(super) const KIND: Kind = Kind {
    group: "autoscaling",
    kind: "HorizontalPodAutoscaler",
    rule: "Degraded when scale or metrics cannot be read, Healthy when able to scale or at a limit, otherwise Progressing.",
    assess,
};

/// Where `autoscaling/v1` keeps the conditions, as JSON.
const CONDITIONS_OF_V1: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// What each condition gives as its reason when the autoscaler cannot work.
const FAILURES: &[(&str, &[&str])] = &[
    ("AbleToScale", &["FailedGetScale", "FailedUpdateScale"]),
    (
        "ScalingActive",
        &[
            "FailedGetResourceMetric",
            "FailedGetContainerResourceMetric",
            "FailedGetObjectMetric",
            "FailedGetPodsMetric",
            "FailedGetExternalMetric",
            "FailedComputeMetricsReplicas",
            "InvalidSelector",
        ],
    ),
];

fn assess(live: &Value) -> Health {
    let from_annotation = object::annotation(live, CONDITIONS_OF_V1).map(serde_json::from_str::<Vec<Value>>);
    match from_annotation {
        Some(Err(error)) => Health::of(
            HealthStatus::Unknown,
            format!("annotation {CONDITIONS_OF_V1} is not a list of conditions: {error}"),
        ),
        Some(Ok(list)) => judge(list.iter().map(condition)),
        None => judge(conditions(live).into_iter()),
    }
}

fn judge<'a>(conditions: impl Iterator<Item = Condition<'a>>) -> Health {
    let conditions: Vec<Condition<'a>> = conditions.collect();
    // Being able to scale is listed first and says nothing about metrics, so failures are looked for in all of them.
    let is_failure = |condition: &&Condition<'_>| {
        FAILURES.iter().any(|(kind, reasons)| *kind == condition.kind && reasons.contains(&condition.reason))
    };
    if let Some(failure) = conditions.iter().find(is_failure) {
        return degraded(failure.words());
    }
    let is_working =
        |condition: &&Condition<'_>| matches!(condition.kind, "AbleToScale" | "ScalingLimited") && condition.is_true();
    match conditions.iter().find(is_working) {
        Some(condition) => Health::of(HealthStatus::Healthy, condition.message),
        None => progressing("waits for the first scaling decision"),
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing, Unknown};
    use serde_json::json;

    #[test]
    fn an_autoscaler_is_degraded_when_it_cannot_read_scale_or_metrics() {
        let with = |kind: &str, status: &str, reason: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": reason, "message": "words"}]}});
        crate::read::check(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            &[
                (json!({}), Progressing, "first"),
                (with("AbleToScale", "True", "ReadyForNewScale"), Healthy, "words"),
                (with("AbleToScale", "False", "FailedGetScale"), Degraded, "FailedGetScale: words"),
                (with("ScalingActive", "False", "FailedGetResourceMetric"), Degraded, "words"),
                (with("ScalingActive", "False", "ScalingDisabled"), Progressing, ""),
                (with("ScalingLimited", "True", "TooManyReplicas"), Healthy, ""),
                (
                    json!({"status": {"conditions": [{"type": "AbleToScale", "status": "True"},
                {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"}]}}),
                    Degraded,
                    "no metrics",
                ),
            ],
        );
        let v1 = |text: &str| json!({"metadata": {"annotations": {super::CONDITIONS_OF_V1: text}}});
        crate::read::check(
            "autoscaling/v1",
            "HorizontalPodAutoscaler",
            &[
                (v1(r#"[{"type":"AbleToScale","status":"True"}]"#), Healthy, ""),
                (v1("[]"), Progressing, ""),
                (v1("{"), Unknown, "not a list"),
            ],
        );
    }
}
