//! StatefulSets: pods with names and volumes of their own, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::pod_set::{self, is_ready};
use super::{revisions, schedule};
use crate::json;
use crate::operations::DeleteOptions;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, Stored};

const BY: &str = "statefulset-controller";
/// How long a refused creation waits before it is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Looks at one StatefulSet.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("statefulsets.apps", &id.namespace, &id.name) else { return };
    let set = stored.value.as_ref();
    let selector = LabelSelector::of_spec(set.pointer("/spec/selector"));
    let pods = pod_set::claim(context, BY, set, &selector);
    let Some((update_name, _)) = revisions::ensure(context, BY, set) else { return };
    let current_name = match json::text(set, "/status/currentRevision") {
        "" => update_name.clone(),
        held => held.to_string(),
    };
    let mut by_ordinal: BTreeMap<i64, Arc<Stored>> = BTreeMap::new();
    for pod in pods {
        if let Some(ordinal) = ordinal_of(set, &pod.value) {
            by_ordinal.insert(ordinal, pod);
        }
    }
    let view = View { set, id, update_name: &update_name, current_name: &current_name };
    if !json::is_terminating(set) {
        // Before a pod goes, its claim must know that it goes with it.
        view.keep_claims(context, &by_ordinal);
        view.step(context, &by_ordinal);
    }
    view.write_status(context, &by_ordinal);
    let used: Vec<String> =
        by_ordinal.values().filter_map(|pod| json::label(&pod.value, revisions::HASH)).map(str::to_string).collect();
    let mut used: Vec<&str> = used.iter().map(String::as_str).collect();
    used.extend([update_name.as_str(), current_name.as_str()]);
    revisions::forget(context, BY, set, &used);
}

fn ordinal_of(set: &Value, pod: &Value) -> Option<i64> {
    json::name(pod).strip_prefix(json::name(set))?.strip_prefix('-')?.parse().ok()
}

struct View<'a> {
    set: &'a Value,
    id: &'a ObjectId,
    update_name: &'a str,
    current_name: &'a str,
}

impl View<'_> {
    fn first(&self) -> i64 {
        json::integer(self.set, "/spec/ordinals/start").unwrap_or(0)
    }

    fn wanted(&self) -> i64 {
        json::integer(self.set, "/spec/replicas").unwrap_or(1)
    }

    fn partition(&self) -> i64 {
        json::integer(self.set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0)
    }

    /// Makes what is missing, removes what is too many, replaces what is old: one pod at a time unless in parallel.
    fn step(&self, context: &mut Context<'_>, pods: &BTreeMap<i64, Arc<Stored>>) {
        let parallel = json::text(self.set, "/spec/podManagementPolicy") == "Parallel";
        let range = self.first()..self.first() + self.wanted();
        for ordinal in range.clone() {
            match pods.get(&ordinal) {
                None => {
                    let made = self.create(context, ordinal);
                    if !parallel || !made {
                        return;
                    }
                }
                Some(pod) if schedule::is_finished(&pod.value) && !json::is_terminating(&pod.value) => {
                    let message = format!(
                        "StatefulSet {}/{} is recreating failed Pod {}",
                        self.id.namespace,
                        self.id.name,
                        json::name(&pod.value)
                    );
                    context.event(BY, self.set, "Warning", "RecreatingFailedPod", &message);
                    self.delete(context, &pod.value);
                    if !parallel {
                        return;
                    }
                }
                Some(pod)
                    if !parallel && (json::is_terminating(&pod.value) || !self.is_available(context, &pod.value)) =>
                {
                    return;
                }
                Some(_) => {}
            }
        }
        let surplus: Vec<&Arc<Stored>> =
            pods.iter().rev().filter(|(ordinal, _)| !range.contains(ordinal)).map(|(_, pod)| pod).collect();
        for pod in surplus {
            if !json::is_terminating(&pod.value) {
                self.delete(context, &pod.value);
            }
            if !parallel {
                return;
            }
        }
        if json::text(self.set, "/spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        for (_, pod) in pods
            .iter()
            .rev()
            .filter(|(ordinal, _)| range.contains(ordinal) && **ordinal - self.first() >= self.partition())
        {
            let is_new = json::label(&pod.value, revisions::HASH) == Some(self.update_name);
            if !is_new && !json::is_terminating(&pod.value) {
                self.delete(context, &pod.value);
                return;
            }
            if !self.is_available(context, &pod.value) {
                return;
            }
        }
    }

    /// Ties claims to the set or to their pod, as the retention policy wants, so that they go with them.
    fn keep_claims(&self, context: &Context<'_>, pods: &BTreeMap<i64, Arc<Stored>>) {
        let policy =
            |key: &str| json::text(self.set, &format!("/spec/persistentVolumeClaimRetentionPolicy/{key}")) == "Delete";
        let (with_set, with_scale) = (policy("whenDeleted"), policy("whenScaled"));
        let range = self.first()..self.first() + self.wanted();
        for template in json::list(self.set, "/spec/volumeClaimTemplates") {
            let prefix = format!("{}-{}-", json::name(template), self.id.name);
            for claim in context.list("persistentvolumeclaims", Some(&self.id.namespace)) {
                let Some(ordinal) =
                    json::name(&claim.value).strip_prefix(&prefix).and_then(|rest| rest.parse::<i64>().ok())
                else {
                    continue;
                };
                let mut owners: Vec<Value> = json::list(&claim.value, "/metadata/ownerReferences")
                    .iter()
                    .filter(|owner| {
                        let uid = json::text(owner, "/uid");
                        let is_pod = json::text(owner, "/kind") == "Pod";
                        uid != json::uid(self.set)
                            && !(is_pod && json::text(owner, "/name").starts_with(&*self.id.name))
                    })
                    .cloned()
                    .collect();
                let surplus = !range.contains(&ordinal);
                if with_set && !(surplus && with_scale) {
                    let mut owner = super::context::owner_reference(self.set);
                    json::take(&mut owner, &["blockOwnerDeletion"]);
                    json::take(&mut owner, &["controller"]);
                    owners.push(owner);
                }
                if surplus
                    && with_scale
                    && let Some(pod) = pods.get(&ordinal)
                {
                    owners.push(json!({"apiVersion": "v1", "kind": "Pod", "name": json::name(&pod.value), "uid": json::uid(&pod.value)}));
                }
                if owners.as_slice() != json::list(&claim.value, "/metadata/ownerReferences")
                    && !json::is_terminating(&claim.value)
                {
                    let mut next = Value::clone(&claim.value);
                    if owners.is_empty() {
                        json::take(&mut next, &["metadata", "ownerReferences"]);
                    } else {
                        json::set(&mut next, &["metadata", "ownerReferences"], owners);
                    }
                    context.update(BY, "persistentvolumeclaims", next);
                }
            }
        }
    }

    fn is_available(&self, context: &mut Context<'_>, pod: &Value) -> bool {
        let min_ready_s = json::integer(self.set, "/spec/minReadySeconds").unwrap_or(0);
        match pod_set::available_at(pod, min_ready_s) {
            Some(at) if at <= context.now => true,
            Some(at) => {
                context.again_at((Controller::StatefulSet, self.id.clone()), at);
                false
            }
            None => false,
        }
    }

    fn delete(&self, context: &Context<'_>, pod: &Value) {
        let id = ObjectId::of(&"pods".into(), pod);
        if context.delete(BY, &id, &DeleteOptions::background()).is_some() {
            let message = format!("Delete Pod {} in StatefulSet {} successful", json::name(pod), self.id.name);
            context.event(BY, self.set, "Normal", "SuccessfulDelete", &message);
        }
    }

    fn create(&self, context: &mut Context<'_>, ordinal: i64) -> bool {
        let name = format!("{}-{ordinal}", self.id.name);
        // Below the partition, pods stay at the revision that they had.
        let below = ordinal - self.first() < self.partition();
        let revision = if below { self.current_name } else { self.update_name };
        let held = context.get("controllerrevisions.apps", &self.id.namespace, revision);
        let template = held
            .as_ref()
            .and_then(|held| held.value.pointer("/data/spec/template"))
            .or_else(|| self.set.pointer("/spec/template"))
            .cloned()
            .unwrap_or_default();
        let mut pod = pod_set::pod_of(self.set, &template);
        json::set(&mut pod, &["metadata", "name"], name.as_str());
        json::set(&mut pod, &["metadata", "labels", "statefulset.kubernetes.io/pod-name"], name.as_str());
        json::set(&mut pod, &["metadata", "labels", "apps.kubernetes.io/pod-index"], ordinal.to_string());
        json::set(&mut pod, &["metadata", "labels", revisions::HASH], revision);
        json::set(&mut pod, &["spec", "hostname"], name.as_str());
        json::set(&mut pod, &["spec", "subdomain"], json::text(self.set, "/spec/serviceName"));
        let mut volumes: Vec<Value> = json::list(&pod, "/spec/volumes").to_vec();
        for claim in json::list(self.set, "/spec/volumeClaimTemplates") {
            let template_name = json::text(claim, "/metadata/name");
            let claim_name = format!("{template_name}-{name}");
            if context.get("persistentvolumeclaims", &self.id.namespace, &claim_name).is_none() {
                let mut made = claim.clone();
                json::take(&mut made, &["status"]);
                json::set(&mut made, &["metadata", "name"], claim_name.as_str());
                json::set(&mut made, &["metadata", "namespace"], &*self.id.namespace);
                for (key, value) in json::object(self.set, "/spec/selector/matchLabels").into_iter().flatten() {
                    json::set(&mut made, &["metadata", "labels", key], value.clone());
                }
                if context.create(BY, "persistentvolumeclaims", made).is_ok() {
                    let message =
                        format!("Create Claim {claim_name} Pod {name} in StatefulSet {} success", self.id.name);
                    context.event(BY, self.set, "Normal", "SuccessfulCreate", &message);
                }
            }
            volumes.retain(|volume| json::text(volume, "/name") != template_name);
            volumes.push(json!({"name": template_name, "persistentVolumeClaim": {"claimName": claim_name}}));
        }
        if !volumes.is_empty() {
            json::set(&mut pod, &["spec", "volumes"], volumes);
        }
        match context.create(BY, "pods", pod) {
            Ok(_) => {
                let message = format!("Create Pod {name} in StatefulSet {} successful", self.id.name);
                context.event(BY, self.set, "Normal", "SuccessfulCreate", &message);
                true
            }
            Err(error) => {
                let message = format!("Create Pod {name} in StatefulSet {} failed error: {error}", self.id.name);
                context.event(BY, self.set, "Warning", "FailedCreate", &message);
                context.again_in((Controller::StatefulSet, self.id.clone()), AGAIN);
                false
            }
        }
    }

    fn write_status(&self, context: &mut Context<'_>, pods: &BTreeMap<i64, Arc<Stored>>) {
        // What this look has done is seen in the next one, which those changes bring about.
        let live: Vec<&Value> =
            pods.values().map(|pod| pod.value.as_ref()).filter(|pod| pod_set::is_active(pod)).collect();
        let min_ready_s = json::integer(self.set, "/spec/minReadySeconds").unwrap_or(0);
        let available =
            pod_set::count_available(context, &live, min_ready_s, || (Controller::StatefulSet, self.id.clone()));
        let of = |revision: &str| live.iter().filter(|pod| json::label(pod, revisions::HASH) == Some(revision)).count();
        let ready = live.iter().filter(|pod| is_ready(pod)).count();
        let updated = of(self.update_name);
        let wanted = usize::try_from(self.wanted()).unwrap_or(0);
        let is_rolling = json::text(self.set, "/spec/updateStrategy/type") == "RollingUpdate";
        let complete = is_rolling && updated == wanted && live.len() == wanted && ready == wanted;
        let current = if complete { self.update_name } else { self.current_name };
        let mut status = self.set.get("status").cloned().unwrap_or_else(|| json!({}));
        json::set(&mut status, &["observedGeneration"], json::integer(self.set, "/metadata/generation").unwrap_or(0));
        json::set(&mut status, &["replicas"], live.len());
        json::set(&mut status, &["availableReplicas"], available);
        super::replica_sets::set_count(&mut status, "readyReplicas", ready);
        super::replica_sets::set_count(&mut status, "currentReplicas", of(current));
        super::replica_sets::set_count(&mut status, "updatedReplicas", updated);
        json::set(&mut status, &["currentRevision"], current);
        json::set(&mut status, &["updateRevision"], self.update_name);
        json::set(&mut status, &["collisionCount"], json::integer(self.set, "/status/collisionCount").unwrap_or(0));
        pod_set::write_status(context, BY, "statefulsets.apps", self.set, status);
    }
}
