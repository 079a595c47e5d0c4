//! Jobs: pods that end, as many as wanted, and what is made of their ends.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::job_policy::{self, Failure, index_of};
use super::pod_set::{self, is_active, is_ready, set_condition};
use crate::clock::{parse_time, rfc3339};
use crate::json;
use crate::operations::DeleteOptions;
use crate::selector::LabelSelector;
use crate::store::ObjectId;

const BY: &str = "job-controller";
/// The wait after the first failure; it doubles up to the maximum. Source: the job controller's back-off.
const BACK_OFF: Duration = Duration::from_secs(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(600);
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Looks at one Job.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("jobs.batch", &id.namespace, &id.name) else { return };
    let job = stored.value.as_ref();
    let other = json::text(job, "/spec/managedBy");
    if json::is_terminating(job) || !(other.is_empty() || other == "kubernetes.io/job-controller") {
        return;
    }
    if let Some(finished) = finished_at(job) {
        expire(context, id, job, finished);
        return;
    }
    Run::of(context, id, job).step(context);
}

/// True when a condition holds.
fn has(job: &Value, kind: &str) -> bool {
    json::list(job, "/status/conditions")
        .iter()
        .any(|held| json::text(held, "/type") == kind && json::text(held, "/status") == "True")
}

/// When a Job ended, well or not.
pub(super) fn finished_at(job: &Value) -> Option<Timestamp> {
    json::list(job, "/status/conditions")
        .iter()
        .find(|held| {
            matches!(json::text(held, "/type"), "Complete" | "Failed") && json::text(held, "/status") == "True"
        })
        .and_then(|held| parse_time(json::text(held, "/lastTransitionTime")))
}

/// True when a Job ended well.
pub(super) fn succeeded(job: &Value) -> bool {
    has(job, "Complete")
}

/// Deletes a finished Job when its time to live is over.
fn expire(context: &mut Context<'_>, id: &ObjectId, job: &Value, finished: Timestamp) {
    let Some(seconds) = json::integer(job, "/spec/ttlSecondsAfterFinished") else { return };
    let due = finished + SignedDuration::from_secs(seconds);
    if due <= context.now {
        let options =
            DeleteOptions { propagation: Some(crate::operations::Propagation::Foreground), ..DeleteOptions::default() };
        context.delete("ttl-after-finished-controller", id, &options);
    } else {
        context.again_at((Controller::Job, id.clone()), due);
    }
}

struct Run<'a> {
    id: &'a ObjectId,
    job: &'a Value,
    pods: Vec<std::sync::Arc<crate::store::Stored>>,
    status: Value,
}

impl<'a> Run<'a> {
    fn of(context: &Context<'_>, id: &'a ObjectId, job: &'a Value) -> Self {
        let selector = LabelSelector::of_spec(job.pointer("/spec/selector"));
        let pods = pod_set::claim(context, BY, job, &selector);
        let status = job.get("status").cloned().unwrap_or_else(|| json!({}));
        Self { id, job, pods, status }
    }

    fn phase(&self, phase: &str) -> i64 {
        let count = self.pods.iter().filter(|pod| json::text(&pod.value, "/status/phase") == phase).count();
        i64::try_from(count).unwrap_or(0)
    }

    fn active(&self) -> Vec<&Value> {
        self.pods.iter().map(|pod| pod.value.as_ref()).filter(|pod| is_active(pod)).collect()
    }

    fn is_indexed(&self) -> bool {
        json::text(self.job, "/spec/completionMode") == "Indexed"
    }

    /// How many failures count against the limit: failed pods, and restarts of containers.
    fn failures(&self) -> i64 {
        let restarts: i64 = self
            .pods
            .iter()
            .flat_map(|pod| json::list(&pod.value, "/status/containerStatuses"))
            .filter_map(|status| json::integer(status, "/restartCount"))
            .sum();
        let on_failure = json::text(self.job, "/spec/template/spec/restartPolicy") == "OnFailure";
        let counted = self
            .pods
            .iter()
            .filter(|pod| json::text(&pod.value, "/status/phase") == "Failed")
            .filter(|pod| job_policy::failure_of(self.job, &pod.value) == Failure::Counts)
            .count();
        i64::try_from(counted).unwrap_or(i64::MAX) + if on_failure { restarts } else { 0 }
    }

    /// The indexes that have failed for good.
    fn failed_indexes(&self) -> std::collections::BTreeSet<i64> {
        let pods: Vec<&Value> = self.pods.iter().map(|pod| pod.value.as_ref()).collect();
        job_policy::failed_indexes(self.job, &pods)
    }

    /// Why the Job has failed for good, if it has: reason and message.
    fn fatal(&self, limit: i64) -> Option<(&'static str, String)> {
        let by_policy =
            self.pods.iter().filter(|pod| json::text(&pod.value, "/status/phase") == "Failed").find_map(|pod| {
                match job_policy::failure_of(self.job, &pod.value) {
                    Failure::FailsJob(why) => Some(why),
                    _ => None,
                }
            });
        if let Some(why) = by_policy {
            return Some(("PodFailurePolicy", why));
        }
        let per_index = json::integer(self.job, "/spec/backoffLimitPerIndex").is_some();
        let limited =
            !per_index || json::integer(self.job, "/spec/backoffLimit").is_some_and(|own| own != i64::from(i32::MAX));
        if limited && self.failures() > limit {
            return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit".to_string()));
        }
        let failed = self.failed_indexes();
        let most = json::integer(self.job, "/spec/maxFailedIndexes").and_then(|most| usize::try_from(most).ok());
        if most.is_some_and(|most| failed.len() > most) {
            let why = "Job has exceeded the specified maximal number of failed indexes";
            return Some(("MaxFailedIndexesExceeded", why.to_string()));
        }
        let completions = json::integer(self.job, "/spec/completions").and_then(|count| usize::try_from(count).ok());
        let over = completions.is_some_and(|count| failed.len() + self.done_indexes().len() >= count);
        (per_index && !failed.is_empty() && over).then(|| ("FailedIndexes", "Job has failed indexes".to_string()))
    }

    fn step(mut self, context: &mut Context<'_>) {
        let now = context.stamp();
        let suspended = json::flag(self.job, "/spec/suspend");
        if suspended {
            self.suspend(context, &now);
            return;
        }
        if has(self.job, "Suspended") {
            set_condition(&mut self.status, "Suspended", "False", "JobResumed", "Job resumed", &now, false);
            json::set(&mut self.status, &["startTime"], now.as_str());
            context.event(BY, self.job, "Normal", "Resumed", "Job resumed");
        }
        if json::text(&self.status, "/startTime").is_empty() {
            json::set(&mut self.status, &["startTime"], now.as_str());
        }
        let limit = json::integer(self.job, "/spec/backoffLimit").unwrap_or(6);
        let start = parse_time(json::text(&self.status, "/startTime")).unwrap_or(context.now);
        let deadline =
            json::integer(self.job, "/spec/activeDeadlineSeconds").map(|s| start + SignedDuration::from_secs(s));
        let succeeded = self.succeeded_count();
        let completions = json::integer(self.job, "/spec/completions");
        let active = i64::try_from(self.active().len()).unwrap_or(0);
        let complete = match completions {
            Some(completions) => succeeded >= completions,
            None => succeeded > 0 && active == 0,
        };
        let fulfilled = self.is_indexed().then(|| job_policy::fulfilled(self.job, &self.done_indexes())).flatten();
        if let Some(rule) = fulfilled {
            self.finish(context, &now, true, "SuccessPolicy", &format!("Matched rules at index {rule}"));
        } else if complete {
            self.finish(context, &now, true, "CompletionsReached", "Reached expected number of succeeded pods");
        } else if let Some((reason, message)) = self.fatal(limit) {
            self.finish(context, &now, false, reason, &message);
        } else if deadline.is_some_and(|deadline| deadline <= context.now) {
            self.finish(context, &now, false, "DeadlineExceeded", "Job was active longer than specified deadline");
        } else {
            if let Some(deadline) = deadline {
                context.again_at((Controller::Job, self.id.clone()), deadline);
            }
            self.fill(context, succeeded, completions, active);
            self.write(context);
        }
    }

    fn succeeded_count(&self) -> i64 {
        if !self.is_indexed() {
            return self.phase("Succeeded");
        }
        i64::try_from(self.done_indexes().len()).unwrap_or(0)
    }

    fn done_indexes(&self) -> std::collections::BTreeSet<i64> {
        self.pods
            .iter()
            .filter(|pod| json::text(&pod.value, "/status/phase") == "Succeeded")
            .filter_map(|pod| index_of(&pod.value))
            .chain(job_policy::parse_indexes(json::text(self.job, "/status/completedIndexes")))
            .collect()
    }

    fn suspend(&mut self, context: &mut Context<'_>, now: &str) {
        for pod in self.active() {
            pod_set::delete(context, BY, self.job, pod);
        }
        if !has(self.job, "Suspended") {
            set_condition(&mut self.status, "Suspended", "True", "JobSuspended", "Job suspended", now, false);
            json::take(&mut self.status, &["startTime"]);
            context.event(BY, self.job, "Normal", "Suspended", "Job suspended");
        }
        self.pods.clear();
        self.write(context);
    }

    /// Makes the pods that are missing; after failures only when the back-off is over.
    fn fill(&mut self, context: &mut Context<'_>, succeeded: i64, completions: Option<i64>, active: i64) {
        let parallelism = json::integer(self.job, "/spec/parallelism").unwrap_or(1);
        let wanted = match completions {
            Some(completions) => {
                let failed = i64::try_from(self.failed_indexes().len()).unwrap_or(0);
                (completions - succeeded - failed).min(parallelism)
            }
            // Work is done as soon as one pod has ended well: no new ones then.
            None if succeeded > 0 => active,
            None => parallelism,
        };
        if active > wanted {
            let mut candidates = self.active();
            pod_set::sort_for_deletion(&mut candidates);
            for pod in candidates.into_iter().take(usize::try_from(active - wanted).unwrap_or(0)) {
                pod_set::delete(context, BY, self.job, pod);
            }
            return;
        }
        let terminating = self.pods.iter().any(|pod| json::is_terminating(&pod.value));
        if active == wanted || (terminating && json::text(self.job, "/spec/podReplacementPolicy") == "Failed") {
            return;
        }
        if let Some(due) = self.back_off_until()
            && due > context.now
        {
            context.again_at((Controller::Job, self.id.clone()), due);
            return;
        }
        let taken: std::collections::BTreeSet<i64> = self
            .active()
            .into_iter()
            .filter_map(index_of)
            .chain(self.done_indexes())
            .chain(self.failed_indexes())
            .collect();
        let mut free = (0..completions.unwrap_or(i64::MAX)).filter(|index| !taken.contains(index));
        for _ in active..wanted {
            let index = self.is_indexed().then(|| free.next()).flatten();
            let mut pod = pod_set::pod_of(self.job, self.job.pointer("/spec/template").unwrap_or(&Value::Null));
            let prefix = match index {
                Some(index) => {
                    json::set(&mut pod, &["metadata", "annotations", INDEX], index.to_string());
                    json::set(&mut pod, &["metadata", "labels", INDEX], index.to_string());
                    json::set(&mut pod, &["spec", "hostname"], format!("{}-{index}", self.id.name));
                    format!("{}-{index}-", self.id.name)
                }
                None => format!("{}-", self.id.name),
            };
            json::set(&mut pod, &["metadata", "generateName"], prefix);
            match pod_set::create(context, BY, self.job, pod) {
                Ok(made) => self.pods.push(made),
                Err(_) => {
                    context.again_in((Controller::Job, self.id.clone()), BACK_OFF);
                    return;
                }
            }
        }
    }

    /// When the next pod may be made after the last failure.
    fn back_off_until(&self) -> Option<Timestamp> {
        let failed = self.phase("Failed");
        if failed == 0 {
            return None;
        }
        let last = self
            .pods
            .iter()
            .filter(|pod| json::text(&pod.value, "/status/phase") == "Failed")
            .flat_map(|pod| json::list(&pod.value, "/status/containerStatuses"))
            .filter_map(|status| parse_time(json::text(status, "/state/terminated/finishedAt")))
            .max()?;
        let doublings = u32::try_from((failed - 1).clamp(0, 10)).unwrap_or(0);
        let wait = (BACK_OFF * 2_u32.pow(doublings)).min(BACK_OFF_MAX);
        Some(last + SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
    }

    fn finish(&mut self, context: &mut Context<'_>, now: &str, good: bool, reason: &str, message: &str) {
        for pod in self.active() {
            pod_set::delete(context, BY, self.job, pod);
        }
        let (target, last) = if good { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") };
        set_condition(&mut self.status, target, "True", reason, message, now, false);
        set_condition(&mut self.status, last, "True", reason, message, now, false);
        if good {
            json::set(&mut self.status, &["completionTime"], rfc3339(context.now));
            context.event(BY, self.job, "Normal", "Completed", "Job completed");
        } else {
            context.event(BY, self.job, "Warning", reason, message);
        }
        self.pods.retain(|pod| !is_active(&pod.value));
        self.write(context);
    }

    fn write(&mut self, context: &Context<'_>) {
        let active = self.active();
        let ready = active.iter().filter(|pod| is_ready(pod)).count();
        let (active, terminating) =
            (active.len(), self.pods.iter().filter(|pod| json::is_terminating(&pod.value)).count());
        let (succeeded, failed) = (self.succeeded_count(), self.phase("Failed"));
        // Pods that were deleted still count.
        let succeeded = succeeded.max(json::integer(&self.status, "/succeeded").unwrap_or(0));
        let failed = failed.max(json::integer(&self.status, "/failed").unwrap_or(0));
        super::replica_sets::set_count(&mut self.status, "active", active);
        super::replica_sets::set_count(&mut self.status, "succeeded", usize::try_from(succeeded).unwrap_or(0));
        super::replica_sets::set_count(&mut self.status, "failed", usize::try_from(failed).unwrap_or(0));
        json::set(&mut self.status, &["ready"], ready);
        json::set(&mut self.status, &["terminating"], terminating);
        json::set(&mut self.status, &["uncountedTerminatedPods"], json!({}));
        if self.is_indexed() {
            let done = self.done_indexes();
            if !done.is_empty() {
                json::set(&mut self.status, &["completedIndexes"], job_policy::write_indexes(&done));
            }
            if json::integer(self.job, "/spec/backoffLimitPerIndex").is_some() {
                let failed = job_policy::write_indexes(&self.failed_indexes());
                json::set(&mut self.status, &["failedIndexes"], failed);
            }
        }
        pod_set::write_status(context, BY, "jobs.batch", self.job, self.status.clone());
    }
}
