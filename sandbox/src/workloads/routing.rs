//! Which controllers care about an object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::context::{Controller, Work};
use super::fault;
use crate::json;
use crate::operations::Core;
use crate::store::{ObjectId, ResourceKey};

/// The controller that looks at objects of a resource.
fn controller_of(resource: &str) -> Option<Controller> {
    match resource {
        "namespaces" => Some(Controller::Namespace),
        "pods" => Some(Controller::Pod),
        "deployments.apps" => Some(Controller::Deployment),
        "replicasets.apps" | "replicationcontrollers" => Some(Controller::ReplicaSet),
        crate::crd::CRD_RESOURCE => Some(Controller::Definition),
        _ => None,
    }
}

/// Queues the controllers that care about an object, because of itself, its owner, or whom it may belong to.
pub(super) fn enqueue(core: &Core, id: &ObjectId, value: &Value, queue: &mut BTreeSet<Work>) {
    let resource = id.resource.as_str();
    if let Some(controller) = controller_of(resource) {
        queue.insert((controller, id.clone()));
    }
    match json::controller(value) {
        Some(owner) => {
            if let Some(owner) = core.store.by_uid(json::text(owner, "/uid"))
                && let Some(controller) = controller_of(owner.resource.as_str())
            {
                queue.insert((controller, owner));
            }
        }
        None => {
            // A lone pod or set may be adopted.
            let adopters: &[&str] = match resource {
                "pods" => &[
                    "replicasets.apps",
                    "replicationcontrollers",
                    "statefulsets.apps",
                    "daemonsets.apps",
                    "jobs.batch",
                ],
                "replicasets.apps" => &["deployments.apps"],
                _ => &[],
            };
            for adopter in adopters {
                all_of(core, adopter, Some(&id.namespace), queue);
            }
        }
    }
    if resource == "configmaps" && id.name.as_ref() == fault::RULES && id.namespace.as_ref() == "kube-system" {
        all_of(core, "pods", None, queue);
    }
    if resource == "nodes" {
        for pod in
            core.store.list(&ResourceKey::from("pods"), None, None).map(|listing| listing.items).unwrap_or_default()
        {
            if json::text(&pod.value, "/spec/nodeName").is_empty() {
                queue.insert((Controller::Pod, ObjectId::of(&ResourceKey::from("pods"), &pod.value)));
            }
        }
    }
}

/// Queues every object of a resource.
fn all_of(core: &Core, resource: &str, namespace: Option<&str>, queue: &mut BTreeSet<Work>) {
    let Some(controller) = controller_of(resource) else { return };
    let key = ResourceKey::from(resource);
    for stored in core.store.list(&key, namespace, None).map(|listing| listing.items).unwrap_or_default() {
        queue.insert((controller, ObjectId::of(&key, &stored.value)));
    }
}
