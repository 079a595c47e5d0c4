//! Job: its end. Source: gitops-engine `pkg/health/health_job.go`.

use landfall_model::health::{Health, HealthStatus};
use serde_json::Value;

use super::Kind;
use crate::read::{conditions, degraded, progressing, suspended};

pub(super) const KIND: Kind = Kind {
    group: "batch",
    kind: "Job",
    rule: "Degraded when failed, Healthy when complete, Suspended when suspended, otherwise Progressing.",
    assess,
};

fn assess(live: &Value) -> Health {
    let conditions = conditions(live);
    // Only what holds counts: a resumed Job keeps its condition Suspended with status False.
    let holds = |kind: &str| conditions.iter().find(|condition| condition.kind == kind && condition.is_true());
    if let Some(condition) = holds("Failed") {
        return degraded(condition.words());
    }
    if let Some(condition) = holds("Complete") {
        return Health::of(HealthStatus::Healthy, condition.message);
    }
    if let Some(condition) = holds("Suspended") {
        return suspended(condition.words());
    }
    progressing("the job is running")
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
    use serde_json::json;

    #[test]
    fn a_job_is_judged_by_its_end() {
        let ended = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "message": "words", "reason": "Why"}]}});
        crate::read::check(
            "batch/v1",
            "Job",
            &[
                (json!({}), Progressing, "running"),
                (ended("Complete", "True"), Healthy, "words"),
                (ended("Failed", "True"), Degraded, "Why: words"),
                (ended("Suspended", "True"), Suspended, "words"),
                (ended("Suspended", "False"), Progressing, "running"),
            ],
        );
    }
}
