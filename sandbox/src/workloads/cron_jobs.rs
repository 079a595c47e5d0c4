//! CronJobs: a Job whenever the schedule comes round.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::{Context, Controller, owner_reference};
use super::cron::Schedule;
use super::jobs;
use super::pod_set;
use crate::clock::{parse_time, rfc3339};
use crate::json;
use crate::operations::DeleteOptions;
use crate::store::ObjectId;

const BY: &str = "cronjob-controller";
/// More missed runs than this are not made up for. Source: the CronJob controller's limit.
const MISSED_MAX: usize = 100;

/// Looks at one CronJob.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("cronjobs.batch", &id.namespace, &id.name) else { return };
    let cron_job = stored.value.as_ref();
    if json::is_terminating(cron_job) {
        return;
    }
    let mut status = cron_job.get("status").cloned().unwrap_or_else(|| json!({}));
    let uid = json::uid(cron_job);
    let owned: Vec<_> =
        context.owned(uid, "jobs.batch").into_iter().filter(|job| json::controller_uid(&job.value) == uid).collect();
    let mut active: Vec<Value> = Vec::new();
    for job in &owned {
        match jobs::finished_at(&job.value) {
            None => active.push(reference(&job.value)),
            Some(_) => {
                let done = json::text(&job.value, "/status/completionTime");
                if !done.is_empty() && done > json::text(&status, "/lastSuccessfulTime") {
                    json::set(&mut status, &["lastSuccessfulTime"], done);
                }
                let was_active =
                    json::list(&status, "/active").iter().any(|held| json::text(held, "/uid") == json::uid(&job.value));
                if was_active {
                    let word = if jobs::succeeded(&job.value) { "Complete" } else { "Failed" };
                    let message = format!("Saw completed job: {}, condition: {word}", json::name(&job.value));
                    context.event(BY, cron_job, "Normal", "SawCompletedJob", &message);
                }
            }
        }
    }
    forget_old(context, cron_job, &owned);
    if let Ok(schedule) = Schedule::parse(json::text(cron_job, "/spec/schedule"))
        && !json::flag(cron_job, "/spec/suspend")
    {
        let zone = match json::text(cron_job, "/spec/timeZone") {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        };
        if let Some(due) = latest_due(context.now, cron_job, &status, &schedule, &zone) {
            run(context, cron_job, &mut status, &mut active, due);
        }
        if let Some(next) = schedule.next(context.now, &zone) {
            context.again_at((Controller::CronJob, id.clone()), next);
        }
    }
    if active.is_empty() {
        json::take(&mut status, &["active"]);
    } else {
        json::set(&mut status, &["active"], active);
    }
    pod_set::write_status(context, BY, "cronjobs.batch", cron_job, status);
}

fn reference(job: &Value) -> Value {
    json!({"kind": "Job", "apiVersion": "batch/v1", "namespace": json::namespace(job), "name": json::name(job),
        "uid": json::uid(job), "resourceVersion": json::text(job, "/metadata/resourceVersion")})
}

/// The last time that the schedule came round and has not been run.
fn latest_due(
    now: Timestamp,
    cron_job: &Value,
    status: &Value,
    schedule: &Schedule,
    zone: &TimeZone,
) -> Option<Timestamp> {
    let mut since = parse_time(json::text(status, "/lastScheduleTime"))
        .or_else(|| parse_time(json::text(cron_job, "/metadata/creationTimestamp")))?;
    if let Some(seconds) = json::integer(cron_job, "/spec/startingDeadlineSeconds") {
        since = since.max(now - SignedDuration::from_secs(seconds));
    }
    let mut due = None;
    for _ in 0..=MISSED_MAX {
        match schedule.next(due.unwrap_or(since), zone) {
            Some(next) if next <= now => due = Some(next),
            _ => return due,
        }
    }
    // Too many were missed to count; only the last one matters, and it is near.
    let mut near = now - SignedDuration::from_hours(24);
    while let Some(next) = schedule.next(near, zone).filter(|next| *next <= now) {
        near = next;
    }
    Some(near)
}

fn run(context: &mut Context<'_>, cron_job: &Value, status: &mut Value, active: &mut Vec<Value>, due: Timestamp) {
    match json::text(cron_job, "/spec/concurrencyPolicy") {
        "Forbid" if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            context.event(BY, cron_job, "Normal", "JobAlreadyActive", message);
            return;
        }
        "Replace" => {
            for held in active.drain(..) {
                let id = ObjectId {
                    resource: "jobs.batch".into(),
                    namespace: json::namespace(cron_job).into(),
                    name: json::text(&held, "/name").into(),
                };
                context.delete(BY, &id, &DeleteOptions::background());
            }
        }
        _ => {}
    }
    let template = cron_job.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
    let name = format!("{}-{}", json::name(cron_job), due.as_second() / 60);
    let mut annotations = template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({}));
    json::set(&mut annotations, &["batch.kubernetes.io/cronjob-scheduled-timestamp"], rfc3339(due));
    let job = json!({
        "metadata": {"name": name, "namespace": json::namespace(cron_job), "annotations": annotations,
            "labels": template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})),
            "ownerReferences": [owner_reference(cron_job)]},
        "spec": template.get("spec"),
    });
    match context.create(BY, "jobs.batch", job) {
        Ok(made) => {
            context.event(BY, cron_job, "Normal", "SuccessfulCreate", &format!("Created job {name}"));
            active.push(reference(&made.value));
        }
        Err(error) if error.reason == "AlreadyExists" => {}
        Err(error) => {
            context.event(BY, cron_job, "Warning", "FailedCreate", &format!("Error creating job: {error}"));
            return;
        }
    }
    json::set(status, &["lastScheduleTime"], rfc3339(due));
}

/// Deletes finished Jobs beyond the limits of the history.
fn forget_old(context: &Context<'_>, cron_job: &Value, owned: &[std::sync::Arc<crate::store::Stored>]) {
    for (good, pointer, default) in
        [(true, "/spec/successfulJobsHistoryLimit", 3), (false, "/spec/failedJobsHistoryLimit", 1)]
    {
        let limit = json::integer(cron_job, pointer).unwrap_or(default);
        let mut finished: Vec<_> = owned
            .iter()
            .filter(|job| jobs::finished_at(&job.value).is_some() && jobs::succeeded(&job.value) == good)
            .collect();
        finished.sort_by_key(|job| json::text(&job.value, "/status/startTime").to_string());
        let surplus = finished.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for job in &finished[..surplus] {
            context.delete(BY, &ObjectId::of(&"jobs.batch".into(), &job.value), &DeleteOptions::background());
        }
    }
}
