//! Deployments: from one template to the next, by ReplicaSets.
//!
//! Source: the rolling update, history and condition rules of Kubernetes' deployment controller, 1.36.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::context::{Context, Controller, fnv, owner_reference};
use super::pod_set::{self, set_condition, share};
use super::replica_sets::set_count;
use crate::clock::parse_time;
use crate::json;
use crate::operations::DeleteOptions;
use crate::random::safe_encoded;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, Stored};

const BY: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";

/// Looks at one Deployment.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("deployments.apps", &id.namespace, &id.name) else { return };
    let deployment = stored.value.as_ref();
    let mut rollout = Rollout::of(context, deployment);
    if json::is_terminating(deployment) {
        rollout.write_status(context, id);
        return;
    }
    if json::flag(deployment, "/spec/paused") {
        rollout.scale_all(context);
        rollout.write_status(context, id);
        return;
    }
    let recreates = json::text(deployment, "/spec/strategy/type") == "Recreate";
    if !recreates || rollout.new.is_some() {
        rollout.ensure_new(context);
    }
    if rollout.was_rescaled() {
        rollout.scale_all(context);
    } else if recreates {
        rollout.recreate(context);
    } else {
        rollout.roll(context);
    }
    rollout.forget_old_revisions(context);
    rollout.write_status(context, id);
}

/// One look at a Deployment and its ReplicaSets.
struct Rollout<'a> {
    deployment: &'a Value,
    sets: Vec<Arc<Stored>>,
    new: Option<usize>,
    replicas: i64,
    max_surge: i64,
    max_unavailable: i64,
    /// A ReplicaSet was made in this look.
    created: bool,
}

fn wanted_of(set: &Value) -> i64 {
    json::integer(set, "/spec/replicas").unwrap_or(0)
}

fn available_of(set: &Value) -> i64 {
    json::integer(set, "/status/availableReplicas").unwrap_or(0)
}

fn revision_of(object: &Value) -> i64 {
    json::annotation(object, REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// A template without the label that tells ReplicaSets apart.
fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    json::take(&mut template, &["metadata", "labels", HASH]);
    template
}

impl<'a> Rollout<'a> {
    fn of(context: &Context<'_>, deployment: &'a Value) -> Self {
        let uid = json::uid(deployment);
        let selector = LabelSelector::of_spec(deployment.pointer("/spec/selector"));
        let mut sets: Vec<Arc<Stored>> = context
            .owned(uid, "replicasets.apps")
            .into_iter()
            .filter(|set| json::controller_uid(&set.value) == uid)
            .collect();
        for set in context.lone("replicasets.apps", json::namespace(deployment)) {
            let alone = json::controller(&set.value).is_none() && !json::is_terminating(&set.value);
            if alone && selector.matches(&set.value) && !json::is_terminating(deployment) {
                let mut next = Value::clone(&set.value);
                let mut owners = json::list(&next, "/metadata/ownerReferences").to_vec();
                owners.push(owner_reference(deployment));
                json::set(&mut next, &["metadata", "ownerReferences"], owners);
                sets.extend(context.update(BY, "replicasets.apps", next));
            }
        }
        sets.sort_by_cached_key(|set| {
            (json::text(&set.value, "/metadata/creationTimestamp").to_string(), revision_of(&set.value))
        });
        let template = without_hash(deployment.pointer("/spec/template").unwrap_or(&Value::Null));
        let new = sets
            .iter()
            .position(|set| set.value.pointer("/spec/template").is_some_and(|held| without_hash(held) == template));
        let replicas = json::integer(deployment, "/spec/replicas").unwrap_or(1);
        let is_rolling = json::text(deployment, "/spec/strategy/type") == "RollingUpdate";
        let rolling = |key: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{key}"));
        let max_surge = if is_rolling { share(rolling("maxSurge"), replicas, true, 0) } else { 0 };
        let mut max_unavailable = if is_rolling { share(rolling("maxUnavailable"), replicas, false, 0) } else { 0 };
        if is_rolling && max_surge == 0 && max_unavailable == 0 {
            max_unavailable = 1;
        }
        Self {
            deployment,
            sets,
            new,
            replicas,
            max_surge,
            max_unavailable: max_unavailable.min(replicas),
            created: false,
        }
    }

    fn new_set(&self) -> Option<&Value> {
        self.new.map(|index| self.sets[index].value.as_ref())
    }

    fn old_indexes(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|index| Some(*index) != self.new).collect()
    }

    fn total_wanted(&self) -> i64 {
        self.sets.iter().map(|set| wanted_of(&set.value)).sum()
    }

    /// Annotations that a ReplicaSet inherits from its Deployment.
    fn annotations(&self) -> Value {
        let mut all = json!({});
        for (key, value) in json::object(self.deployment, "/metadata/annotations").into_iter().flatten() {
            if key != "kubectl.kubernetes.io/last-applied-configuration"
                && !key.starts_with("deployment.kubernetes.io/")
            {
                json::as_map(&mut all).insert(key.clone(), value.clone());
            }
        }
        json::as_map(&mut all).insert(DESIRED.into(), json!(self.replicas.to_string()));
        json::as_map(&mut all).insert(MOST.into(), json!((self.replicas + self.max_surge).to_string()));
        all
    }

    /// Makes the ReplicaSet of the present template, or brings its revision up to date.
    fn ensure_new(&mut self, context: &mut Context<'_>) {
        let last = self.old_indexes().into_iter().map(|index| revision_of(&self.sets[index].value)).max().unwrap_or(0);
        let revision = (last + 1).to_string();
        match self.new {
            Some(index) => {
                let set = &self.sets[index].value;
                let held = revision_of(set);
                let mut next = Value::clone(set);
                for (key, value) in json::object(&self.annotations(), "").into_iter().flatten() {
                    if key != DESIRED && key != MOST {
                        json::set(&mut next, &["metadata", "annotations", key], value.clone());
                    }
                }
                if held <= last {
                    json::set(&mut next, &["metadata", "annotations", REVISION], revision.as_str());
                    if held > 0 {
                        let history = json::annotation(set, REVISION_HISTORY).unwrap_or_default();
                        let history = if history.is_empty() { held.to_string() } else { format!("{history},{held}") };
                        json::set(&mut next, &["metadata", "annotations", REVISION_HISTORY], history);
                    }
                }
                let min_ready = self.deployment.pointer("/spec/minReadySeconds").cloned();
                match min_ready {
                    Some(seconds) => json::set(&mut next, &["spec", "minReadySeconds"], seconds),
                    None => {
                        json::take(&mut next, &["spec", "minReadySeconds"]);
                    }
                }
                if next != **set
                    && let Some(updated) = context.update(BY, "replicasets.apps", next)
                {
                    self.sets[index] = updated;
                }
            }
            None => self.create_new(context, &revision),
        }
        let revision = self.new_set().map(revision_of).unwrap_or(0);
        if revision > 0 && revision_of(self.deployment) != revision {
            let mut next = self.deployment.clone();
            json::set(&mut next, &["metadata", "annotations", REVISION], revision.to_string());
            json::take(&mut next, &["metadata", "resourceVersion"]);
            context.update(BY, "deployments.apps", next);
        }
    }

    fn create_new(&mut self, context: &mut Context<'_>, revision: &str) {
        let deployment = self.deployment;
        let collisions = json::integer(deployment, "/status/collisionCount").unwrap_or(0);
        let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
        let text = canonical(&template);
        let hash = safe_encoded(&(fnv(&[&text, &collisions.to_string()]) as u32).to_string());
        json::set(&mut template, &["metadata", "labels", HASH], hash.as_str());
        let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
        json::set(&mut selector, &["matchLabels", HASH], hash.as_str());
        let mut annotations = self.annotations();
        json::as_map(&mut annotations).insert(REVISION.into(), json!(revision));
        let set = json!({
            "metadata": {
                "name": format!("{}-{hash}", json::name(deployment)), "namespace": json::namespace(deployment),
                "labels": template.pointer("/metadata/labels"), "annotations": annotations,
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": self.new_replicas(0),
                "selector": selector, "template": template,
            },
        });
        let mut set = set;
        if let Some(seconds) = json::integer(deployment, "/spec/minReadySeconds").filter(|seconds| *seconds > 0) {
            json::set(&mut set, &["spec", "minReadySeconds"], seconds);
        }
        match context.create(BY, "replicasets.apps", set) {
            Ok(set) => {
                let count = wanted_of(&set.value);
                if count > 0 {
                    let name = json::name(&set.value).to_string();
                    self.tell_scaling(context, &name, 0, count);
                }
                self.sets.push(set);
                self.new = Some(self.sets.len() - 1);
                self.created = true;
            }
            Err(error) if error.reason == "AlreadyExists" => {
                let mut status = deployment.get("status").cloned().unwrap_or_else(|| json!({}));
                json::set(&mut status, &["collisionCount"], collisions + 1);
                pod_set::write_status(context, BY, "deployments.apps", deployment, status);
            }
            Err(error) => {
                let message = format!("Failed to create new replica set: {error}");
                context.event(BY, deployment, "Warning", "ReplicaSetCreateError", &message);
            }
        }
    }

    /// How many replicas the new set may have now.
    fn new_replicas(&self, held: i64) -> i64 {
        if json::text(self.deployment, "/spec/strategy/type") == "Recreate" {
            return self.replicas;
        }
        let room = self.replicas + self.max_surge - self.total_wanted();
        if room <= 0 { held } else { held + room.min(self.replicas - held) }
    }

    fn tell_scaling(&self, context: &Context<'_>, set: &str, from: i64, to: i64) {
        let way = if to > from { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {set} from {from} to {to}");
        context.event(BY, self.deployment, "Normal", "ScalingReplicaSet", &message);
    }

    fn scale(&mut self, context: &mut Context<'_>, index: usize, to: i64) {
        let set = &self.sets[index].value;
        let from = wanted_of(set);
        let desired = self.replicas.to_string();
        let most = (self.replicas + self.max_surge).to_string();
        let annotated = json::annotation(set, DESIRED) == Some(desired.as_str())
            && json::annotation(set, MOST) == Some(most.as_str());
        if from == to && annotated {
            return;
        }
        let mut next = Value::clone(set);
        json::set(&mut next, &["spec", "replicas"], to);
        json::set(&mut next, &["metadata", "annotations", DESIRED], desired);
        json::set(&mut next, &["metadata", "annotations", MOST], most);
        if let Some(updated) = context.update(BY, "replicasets.apps", next) {
            self.sets[index] = updated;
            if from != to {
                let name = json::name(&self.sets[index].value).to_string();
                self.tell_scaling(context, &name, from, to);
            }
        }
    }

    /// True when the Deployment's size was changed since its sets were last scaled.
    fn was_rescaled(&self) -> bool {
        self.sets.iter().any(|set| {
            wanted_of(&set.value) > 0
                && json::annotation(&set.value, DESIRED)
                    .and_then(|desired| desired.parse::<i64>().ok())
                    .is_some_and(|desired| desired != self.replicas)
        })
    }

    /// Follows a changed size without going on with the rollout: in proportion over the sets that have pods.
    fn scale_all(&mut self, context: &mut Context<'_>) {
        let active: Vec<usize> = (0..self.sets.len()).filter(|index| wanted_of(&self.sets[*index].value) > 0).collect();
        match active.as_slice() {
            [] => {
                let latest = self.new.or_else(|| self.sets.len().checked_sub(1));
                if let (Some(latest), true) = (latest, self.was_paused_or_complete()) {
                    self.scale(context, latest, self.replicas);
                }
            }
            [only] => self.scale(context, *only, self.replicas),
            several => {
                let total = self.total_wanted();
                let allowed = if self.replicas > 0 { self.replicas + self.max_surge } else { 0 };
                let mut left = allowed - total;
                let mut order = several.to_vec();
                // When growing the largest and newest come first, when shrinking the smallest and oldest.
                order.sort_by_key(|index| (-wanted_of(&self.sets[*index].value), std::cmp::Reverse(*index)));
                if left < 0 {
                    order.reverse();
                }
                for (place, index) in order.iter().enumerate() {
                    let held = wanted_of(&self.sets[*index].value);
                    let before: i64 = json::annotation(&self.sets[*index].value, MOST)
                        .and_then(|most| most.parse().ok())
                        .unwrap_or(allowed)
                        .max(1);
                    let fair = (held * allowed + before / 2) / before - held;
                    let last = place + 1 == order.len();
                    let step = if last {
                        left
                    } else if left > 0 {
                        fair.clamp(0, left)
                    } else {
                        fair.clamp(left, 0)
                    };
                    left -= step;
                    self.scale(context, *index, (held + step).max(0));
                }
            }
        }
    }

    fn was_paused_or_complete(&self) -> bool {
        !json::flag(self.deployment, "/spec/paused") || self.new.is_some()
    }

    fn recreate(&mut self, context: &mut Context<'_>) {
        let mut scaled_down = false;
        for index in self.old_indexes() {
            scaled_down |= wanted_of(&self.sets[index].value) > 0;
            self.scale(context, index, 0);
        }
        if scaled_down {
            return;
        }
        let running_old = self.old_indexes().iter().any(|index| {
            let uid = json::uid(&self.sets[*index].value);
            context.owned(uid, "pods").iter().any(|pod| !super::schedule::is_finished(&pod.value))
        });
        if running_old {
            return;
        }
        if self.new.is_none() {
            self.ensure_new(context);
        }
        if let Some(new) = self.new {
            self.scale(context, new, self.replicas);
        }
    }

    fn roll(&mut self, context: &mut Context<'_>) {
        let Some(new) = self.new else { return };
        let held = wanted_of(&self.sets[new].value);
        if held > self.replicas {
            self.scale(context, new, self.replicas);
        } else {
            let to = self.new_replicas(held);
            self.scale(context, new, to);
        }
        let olds = self.old_indexes();
        let old_wanted: i64 = olds.iter().map(|index| wanted_of(&self.sets[*index].value)).sum();
        if old_wanted == 0 {
            return;
        }
        let new_set = &self.sets[new].value;
        let least = self.replicas - self.max_unavailable;
        let new_unavailable = wanted_of(new_set) - available_of(new_set);
        let mut room = self.total_wanted() - least - new_unavailable;
        if room <= 0 {
            return;
        }
        // Pods that are no use go first; then as many good ones as may be missed.
        for index in &olds {
            let set = &self.sets[*index].value;
            let unhealthy = (wanted_of(set) - available_of(set)).min(room);
            if unhealthy > 0 {
                room -= unhealthy;
                self.scale(context, *index, wanted_of(&self.sets[*index].value) - unhealthy);
            }
        }
        let available: i64 = self.sets.iter().map(|set| available_of(&set.value)).sum();
        let mut spare = available - least;
        for index in &olds {
            if spare <= 0 {
                break;
            }
            let held = wanted_of(&self.sets[*index].value);
            let down = held.min(spare);
            if down > 0 {
                spare -= down;
                self.scale(context, *index, held - down);
            }
        }
    }

    /// Deletes ReplicaSets beyond the history that is to be kept, once the rollout is complete.
    fn forget_old_revisions(&mut self, context: &mut Context<'_>) {
        let Some(limit) = json::integer(self.deployment, "/spec/revisionHistoryLimit") else { return };
        let mut empty: Vec<&Arc<Stored>> = self
            .old_indexes()
            .into_iter()
            .map(|index| &self.sets[index])
            .filter(|set| {
                wanted_of(&set.value) == 0
                    && json::integer(&set.value, "/status/replicas").unwrap_or(0) == 0
                    && !json::is_terminating(&set.value)
            })
            .collect();
        empty.sort_by_key(|set| revision_of(&set.value));
        let surplus = empty.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for set in &empty[..surplus] {
            context.delete(BY, &ObjectId::of(&"replicasets.apps".into(), &set.value), &DeleteOptions::background());
        }
    }

    fn write_status(&mut self, context: &mut Context<'_>, id: &ObjectId) {
        let Some(current) = context.get("deployments.apps", &id.namespace, &id.name) else { return };
        let deployment = current.value.as_ref();
        let sum = |pointer: &str| -> i64 {
            self.sets.iter().map(|set| json::integer(&set.value, pointer).unwrap_or(0)).sum()
        };
        let total = sum("/status/replicas");
        let updated = self.new_set().map_or(0, |set| json::integer(set, "/status/replicas").unwrap_or(0));
        let (ready, available) = (sum("/status/readyReplicas"), sum("/status/availableReplicas"));
        let unavailable = (self.total_wanted() - available).max(0);
        let before = deployment.get("status").cloned().unwrap_or_else(|| json!({}));
        let mut status = before.clone();
        for (key, number) in [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", unavailable),
        ] {
            set_count(&mut status, key, usize::try_from(number).unwrap_or(0));
        }
        json::set(&mut status, &["terminatingReplicas"], sum("/status/terminatingReplicas"));
        json::set(&mut status, &["observedGeneration"], json::integer(deployment, "/metadata/generation").unwrap_or(0));
        let now = context.stamp();
        let paused =
            json::flag(deployment, "/spec/paused") && deployment.pointer("/spec/progressDeadlineSeconds").is_some();
        if paused {
            // The real controller says this before it looks at anything else.
            let message = "Deployment is paused";
            set_condition(&mut status, "Progressing", "Unknown", "DeploymentPaused", message, &now, true);
        }
        if available >= self.replicas - self.max_unavailable {
            let message = "Deployment has minimum availability.";
            set_condition(&mut status, "Available", "True", "MinimumReplicasAvailable", message, &now, true);
        } else {
            let message = "Deployment does not have minimum availability.";
            set_condition(&mut status, "Available", "False", "MinimumReplicasUnavailable", message, &now, true);
        }
        let failure = self.sets.iter().find_map(|set| {
            json::list(&set.value, "/status/conditions")
                .iter()
                .find(|held| json::text(held, "/type") == "ReplicaFailure")
                .map(|held| (json::text(held, "/reason").to_string(), json::text(held, "/message").to_string()))
        });
        match failure {
            Some((reason, message)) => {
                set_condition(&mut status, "ReplicaFailure", "True", &reason, &message, &now, true)
            }
            None => {
                let kept: Vec<Value> = json::list(&status, "/conditions")
                    .iter()
                    .filter(|held| json::text(held, "/type") != "ReplicaFailure")
                    .cloned()
                    .collect();
                json::set(&mut status, &["conditions"], kept);
            }
        }
        self.write_progress(context, id, deployment, &before, &mut status);
        pod_set::write_status(context, BY, "deployments.apps", deployment, status);
    }

    fn write_progress(
        &self,
        context: &mut Context<'_>,
        id: &ObjectId,
        deployment: &Value,
        before: &Value,
        status: &mut Value,
    ) {
        let Some(deadline_s) = json::integer(deployment, "/spec/progressDeadlineSeconds") else { return };
        let now = context.stamp();
        if json::flag(deployment, "/spec/paused") {
            set_condition(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", &now, true);
            return;
        }
        let number = |status: &Value, key: &str| json::integer(status, &format!("/{key}")).unwrap_or(0);
        let complete = number(status, "updatedReplicas") == self.replicas
            && number(status, "replicas") == self.replicas
            && number(status, "availableReplicas") == self.replicas;
        let name = self.new_set().map_or("", json::name);
        let subject =
            if name.is_empty() { format!("Deployment {:?}", id.name) } else { format!("ReplicaSet {name:?}") };
        let held = json::list(before, "/conditions").iter().find(|held| json::text(held, "/type") == "Progressing");
        let held_reason = held.map_or("", |held| json::text(held, "/reason"));
        if self.created {
            let message = format!("Created new replica set {name:?}");
            set_condition(status, "Progressing", "True", "NewReplicaSetCreated", &message, &now, true);
        } else if complete {
            let message = format!("{subject} has successfully progressed.");
            set_condition(status, "Progressing", "True", "NewReplicaSetAvailable", &message, &now, true);
            return;
        } else {
            let old_before = number(before, "replicas") - number(before, "updatedReplicas");
            let old_after = number(status, "replicas") - number(status, "updatedReplicas");
            let progressed = number(status, "updatedReplicas") > number(before, "updatedReplicas")
                || old_after < old_before
                || number(status, "readyReplicas") > number(before, "readyReplicas")
                || number(status, "availableReplicas") > number(before, "availableReplicas");
            let resumed = matches!(held_reason, "" | "DeploymentPaused");
            if progressed || resumed {
                // A new time even if the words are the same: the deadline counts from the last progress.
                let kept: Vec<Value> = json::list(status, "/conditions")
                    .iter()
                    .map(|held| {
                        let mut held = held.clone();
                        if json::text(&held, "/type") == "Progressing" {
                            json::set(&mut held, &["message"], "");
                        }
                        held
                    })
                    .collect();
                json::set(status, &["conditions"], kept);
                let message = format!("{subject} is progressing.");
                set_condition(status, "Progressing", "True", "ReplicaSetUpdated", &message, &now, true);
            } else if held_reason == "NewReplicaSetAvailable" || held_reason == "ProgressDeadlineExceeded" {
                // A finished rollout whose pods fail later has not lost its progress.
                return;
            }
        }
        let since = json::list(status, "/conditions")
            .iter()
            .find(|held| json::text(held, "/type") == "Progressing")
            .and_then(|held| parse_time(json::text(held, "/lastUpdateTime")));
        let Some(since) = since else { return };
        let due = since + SignedDuration::from_secs(deadline_s);
        if due <= context.now {
            let message = format!("{subject} has timed out progressing.");
            set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", &message, &now, true);
        } else {
            context.again_at((Controller::Deployment, id.clone()), due);
        }
    }
}

/// A text of a value that does not depend on the order of its keys.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let texts: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key:?}:{}", canonical(value))).collect();
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", texts.join(","))
        }
        other => other.to_string(),
    }
}
