//! CronJob: did its last run succeed? Source: Argo CD 3.5.1 `resource_customizations/batch/CronJob/health.lua`.

use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use landfall_model::time::Time;
use serde_json::Value;

use super::Kind;
use crate::read::{degraded, progressing};

pub(super) const KIND: Kind = Kind {
    group: "batch",
    kind: "CronJob",
    rule: "Degraded when nothing runs and the last success is older than the last start; Healthy otherwise, also when \
           suspended or never run.",
    assess,
};

fn assess(live: &Value) -> Health {
    let healthy = |message: &str| Health::of(HealthStatus::Healthy, message);
    if object::at(live, &["spec", "suspend"]) == Some(&Value::Bool(true)) {
        return healthy("suspended (spec.suspend)");
    }
    if object::at(live, &["status"]).is_none_or(|status| !status.is_object()) {
        return progressing("waits for its controller");
    }
    let time = |field: &str| Time::parse(object::text(live, &["status", field]));
    let runs_now =
        object::at(live, &["status", "active"]).and_then(Value::as_array).is_some_and(|jobs| !jobs.is_empty());
    match (time("lastScheduleTime"), time("lastSuccessfulTime")) {
        (None, _) => healthy("not started yet"),
        // Whether it never succeeded or is in its first run cannot be told apart.
        (Some(_), None) => healthy("no run has succeeded yet; it may not be healthy"),
        (Some(_), Some(_)) if runs_now => healthy("running; the run before may have failed"),
        (Some(started), Some(succeeded)) if succeeded < started => {
            degraded(format!("the run started at {started} did not succeed"))
        }
        _ => healthy("the last run succeeded"),
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Degraded, Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn a_cron_job_is_judged_by_its_last_run() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
        crate::read::check(
            "batch/v1",
            "CronJob",
            &[
                (json!({}), Progressing, "controller"),
                (
                    json!({"spec": {"suspend": true}, "status": {"lastScheduleTime": late, "lastSuccessfulTime": early}}),
                    Healthy,
                    "suspended",
                ),
                (json!({"status": {}}), Healthy, "not started"),
                (json!({"status": {"lastScheduleTime": early}}), Healthy, "may not be"),
                (
                    json!({"status": {"lastScheduleTime": late, "lastSuccessfulTime": early, "active": [{"name": "a"}]}}),
                    Healthy,
                    "running",
                ),
                (json!({"status": {"lastScheduleTime": late, "lastSuccessfulTime": early}}), Degraded, late),
                (json!({"status": {"lastScheduleTime": early, "lastSuccessfulTime": late}}), Healthy, "succeeded"),
            ],
        );
    }
}
