//! What a controller may do: look at objects, write them, set timers, tell events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::loads::Loads;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::json;
use crate::operations::{Core, Decoded, DeleteOptions, Deleted, Part, WriteOptions};
use crate::store::{ObjectId, ResourceKey, Stored};

/// Which controller a piece of work belongs to. The order is the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Controller {
    /// Namespaces: default objects, emptying.
    Namespace,
    /// CustomResourceDefinitions being deleted.
    Definition,
    /// Owners and their dependents.
    Garbage,
    /// CronJobs.
    CronJob,
    /// Jobs.
    Job,
    /// Deployments.
    Deployment,
    /// StatefulSets.
    StatefulSet,
    /// DaemonSets.
    DaemonSet,
    /// ReplicaSets and ReplicationControllers.
    ReplicaSet,
    /// PersistentVolumeClaims.
    Claim,
    /// PersistentVolumes.
    Volume,
    /// Services, by their endpoints.
    Service,
    /// Ingresses.
    Ingress,
    /// PodDisruptionBudgets.
    Budget,
    /// HorizontalPodAutoscalers.
    Autoscaler,
    /// Nodes that are lost and come back, and pods that they do not tolerate.
    Node,
    /// Pods on their nodes, and on the way there.
    Pod,
    /// Events that are old.
    Event,
    /// The requests to the Services of a namespace.
    Traffic,
    /// The scenario that is being played.
    Scenario,
    /// ResourceQuotas.
    Quota,
    /// Endpoints that people write.
    Mirror,
}

/// One object that one controller shall look at.
pub(super) type Work = (Controller, ObjectId);

/// The view and the hands of a controller.
pub(super) struct Context<'a> {
    /// The verbs.
    pub(super) core: &'a Arc<Core>,
    /// The time of this step.
    pub(super) now: Timestamp,
    /// What is on each node.
    pub(super) loads: &'a mut Loads,
    /// Timers that were set: when, and what for.
    pub(super) timers: &'a mut BTreeMap<(Timestamp, Work), ()>,
}

impl Context<'_> {
    /// An object, if it exists.
    pub(super) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        self.core.store.get(&ResourceKey::from(resource), namespace, name)
    }

    /// All objects of a resource, in a namespace or everywhere.
    pub(super) fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        let key = ResourceKey::from(resource);
        self.core.store.list(&key, namespace, None).map(|listing| listing.items).unwrap_or_default()
    }

    /// The pods, ReplicaSets or ControllerRevisions of a namespace that no controller owns.
    pub(super) fn lone(&self, resource: &str, namespace: &str) -> Vec<Arc<Stored>> {
        self.core.store.lone(&ResourceKey::from(resource), namespace)
    }

    /// The objects of a resource that name a uid among their owners.
    pub(super) fn owned(&self, uid: &str, resource: &str) -> Vec<Arc<Stored>> {
        self.core.store.children_of(uid, &ResourceKey::from(resource))
    }

    /// The workloads above a pod that carry a fault, nearest first.
    pub(super) fn faulty_owners(&self, pod: &Value) -> Vec<Arc<Stored>> {
        let mut found = Vec::new();
        let mut uid = json::controller_uid(pod).to_string();
        for _ in 0..2 {
            let Some(id) = self.core.store.by_uid(&uid) else { break };
            let Some(owner) = self.core.store.get(&id.resource, &id.namespace, &id.name) else { break };
            uid = json::controller_uid(&owner.value).to_string();
            // A ReplicaSet has its Deployment's annotations as they were; what the Deployment says now counts.
            let inherits = id.resource.as_str() == "replicasets.apps" && !uid.is_empty();
            if !inherits && has_faults(&owner.value) {
                found.push(owner);
            }
        }
        found
    }

    /// Creates an object; `None` when the server refused.
    pub(super) fn create(&self, by: &str, resource: &str, value: Value) -> Result<Arc<Stored>, ApiError> {
        let resource = self.core.resource(&ResourceKey::from(resource))?;
        let namespace = json::namespace(&value).to_string();
        let mut value = value;
        json::default(json::as_map(&mut value), "apiVersion", resource.api_version());
        json::default(json::as_map(&mut value), "kind", resource.kind.clone());
        self.core
            .create(&resource, &namespace, Decoded::from(value), &WriteOptions::component(by))
            .map(|outcome| outcome.object)
    }

    /// Writes an object's main part; a lost race is no error, since the winner's change brings the controller back.
    pub(super) fn update(&self, by: &str, resource: &str, value: Value) -> Option<Arc<Stored>> {
        self.write(by, resource, Part::Main, value)
    }

    /// Writes an object's status.
    pub(super) fn update_status(&self, by: &str, resource: &str, value: Value) -> Option<Arc<Stored>> {
        self.write(by, resource, Part::Status, value)
    }

    fn write(&self, by: &str, resource: &str, part: Part, value: Value) -> Option<Arc<Stored>> {
        let resource = self.core.resource(&ResourceKey::from(resource)).ok()?;
        let (namespace, name) = (json::namespace(&value).to_string(), json::name(&value).to_string());
        let options = WriteOptions::component(by);
        match self.core.update(&resource, &namespace, &name, part, Decoded::from(value), &options) {
            Ok(outcome) => Some(outcome.object),
            Err(error) => {
                if error.code != 409 && error.code != 404 {
                    tracing::warn!(controller = by, object = %format!("{}/{namespace}/{name}", resource.qualified()), %error,
                        "a simulated controller's write was refused");
                }
                None
            }
        }
    }

    /// Deletes an object.
    pub(super) fn delete(&self, by: &str, id: &ObjectId, options: &DeleteOptions) -> Option<Deleted> {
        let resource = self.core.resource(&id.resource).ok()?;
        self.core.delete(&resource, &id.namespace, &id.name, options, &WriteOptions::component(by)).ok()
    }

    /// Has a controller look at an object again after a while.
    pub(super) fn again_in(&mut self, work: Work, after: Duration) {
        let at = self.now + SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        self.again_at(work, at);
    }

    /// Has a controller look at an object again at a time.
    pub(super) fn again_at(&mut self, work: Work, at: Timestamp) {
        self.timers.insert((at, work), ());
    }

    /// The present time as objects hold it.
    pub(super) fn stamp(&self) -> String {
        rfc3339(self.now)
    }

    /// Tells an event about an object; equal ones are counted, not repeated.
    pub(super) fn event(&self, by: &str, about: &Value, kind: &str, reason: &str, message: &str) {
        let namespace = match json::namespace(about) {
            "" => "default",
            namespace => namespace,
        };
        let uid = json::uid(about);
        // The name is derived from what the event says, so that a repetition finds the first.
        let hash = fnv(&[uid, kind, reason, message, by]);
        let name = format!("{}.{hash:016x}", json::name(about));
        let now = self.stamp();
        if let Some(held) = self.get("events", namespace, &name) {
            let mut next = Value::clone(&held.value);
            let count = json::integer(&next, "/count").unwrap_or(1) + 1;
            json::set(&mut next, &["count"], count);
            json::set(&mut next, &["lastTimestamp"], now);
            self.update(by, "events", next);
            return;
        }
        let involved = json!({
            "kind": about.get("kind"), "apiVersion": about.get("apiVersion"), "name": json::name(about),
            "namespace": json::namespace(about), "uid": uid,
            "resourceVersion": json::text(about, "/metadata/resourceVersion"),
        });
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved, "reason": reason, "message": message, "type": kind,
            "source": {"component": by}, "reportingComponent": by, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1, "eventTime": null,
        });
        // In a namespace that is going away there is nobody to tell.
        let _ = self.create(by, "events", event);
    }
}

/// True when an object's annotations name a fault.
pub(super) fn has_faults(object: &Value) -> bool {
    json::object(object, "/metadata/annotations")
        .is_some_and(|all| all.keys().any(|key| key.starts_with(crate::faults::ANNOTATION)))
}

/// A small stable hash (FNV-1a).
pub(super) fn fnv(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain(std::iter::once(0)) {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

/// An owner reference to an object.
pub(super) fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner.get("apiVersion"), "kind": owner.get("kind"), "name": json::name(owner),
        "uid": json::uid(owner), "controller": true, "blockOwnerDeletion": true,
    })
}
