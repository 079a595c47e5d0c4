//! Which controllers care about an object.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::context::{Controller, Work};
use crate::faults;
use crate::json;
use crate::operations::Core;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, ResourceKey};

/// The controller that looks at objects of a resource.
fn controller_of(resource: &str) -> Option<Controller> {
    match resource {
        "namespaces" => Some(Controller::Namespace),
        "nodes" => Some(Controller::Node),
        "pods" => Some(Controller::Pod),
        "events" => Some(Controller::Event),
        "deployments.apps" => Some(Controller::Deployment),
        "replicasets.apps" | "replicationcontrollers" => Some(Controller::ReplicaSet),
        "statefulsets.apps" => Some(Controller::StatefulSet),
        "daemonsets.apps" => Some(Controller::DaemonSet),
        "jobs.batch" => Some(Controller::Job),
        "cronjobs.batch" => Some(Controller::CronJob),
        "services" => Some(Controller::Service),
        "ingresses.networking.k8s.io" => Some(Controller::Ingress),
        "persistentvolumeclaims" => Some(Controller::Claim),
        "persistentvolumes" => Some(Controller::Volume),
        "resourcequotas" => Some(Controller::Quota),
        "endpoints" => Some(Controller::Mirror),
        "poddisruptionbudgets.policy" => Some(Controller::Budget),
        "horizontalpodautoscalers.autoscaling" => Some(Controller::Autoscaler),
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
    if !id.namespace.is_empty() && resource != "events" && !resource.starts_with("leases") {
        all_of(core, "resourcequotas", Some(&id.namespace), queue);
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
    if resource == "configmaps" && id.name.as_ref() == "kube-root-ca.crt" {
        let space = ObjectId { resource: "namespaces".into(), namespace: "".into(), name: Arc::clone(&id.namespace) };
        queue.insert((Controller::Namespace, space));
    }
    if resource == "configmaps" && id.name.as_ref() == faults::RULES && id.namespace.as_ref() == "kube-system" {
        all_of(core, "pods", None, queue);
        all_of(core, "nodes", None, queue);
        for namespace in
            core.store.list(&"namespaces".into(), None, None).map(|listing| listing.items).unwrap_or_default()
        {
            enqueue_traffic(json::name(&namespace.value), queue);
        }
    }
    if resource == "configmaps" && id.name.as_ref() == super::scenario::NAME && id.namespace.as_ref() == "kube-system" {
        queue.insert((Controller::Scenario, id.clone()));
    }
    if is_of_traffic(resource) {
        enqueue_traffic(&id.namespace, queue);
    }
    match resource {
        "pods" => enqueue_for_pod(core, id, value, queue),
        "endpoints" | "endpointslices.discovery.k8s.io" => {}
        // A claim that goes lets its volume go, and a class that comes lets claims be bound.
        "persistentvolumeclaims" => all_of(core, "persistentvolumes", None, queue),
        "persistentvolumes" | "storageclasses.storage.k8s.io" => all_of(core, "persistentvolumeclaims", None, queue),
        "nodes" => all_of(core, "daemonsets.apps", None, queue),
        _ => {}
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

/// True when a change of such an object may change who is asked how often.
fn is_of_traffic(resource: &str) -> bool {
    matches!(
        resource,
        "pods"
            | "services"
            | "ingresses.networking.k8s.io"
            | "virtualservices.networking.istio.io"
            | "httproutes.gateway.networking.k8s.io"
            | "trafficsplits.split.smi-spec.io"
            | "traefikservices.traefik.io"
            | "httpproxies.projectcontour.io"
            | "apisixroutes.apisix.apache.org"
    )
}

fn enqueue_traffic(namespace: &str, queue: &mut BTreeSet<Work>) {
    let id = ObjectId { resource: ResourceKey::from("namespaces"), namespace: "".into(), name: namespace.into() };
    queue.insert((Controller::Traffic, id));
}

/// A workload whose faults were changed concerns its pods, and those of the sets below it.
pub(super) fn enqueue_for_faults(
    core: &Core,
    id: &ObjectId,
    before: &Value,
    after: &Value,
    queue: &mut BTreeSet<Work>,
) {
    if !super::context::has_faults(before) && !super::context::has_faults(after) {
        return;
    }
    if json::object(before, "/metadata/annotations") == json::object(after, "/metadata/annotations")
        || id.resource.as_str() == "pods"
    {
        return;
    }
    for child in core.store.children(json::uid(after)) {
        for pod in std::iter::once(child.clone()).chain(
            core.store
                .get(&child.resource, &child.namespace, &child.name)
                .into_iter()
                .flat_map(|set| core.store.children(json::uid(&set.value))),
        ) {
            if pod.resource.as_str() == "pods" {
                queue.insert((Controller::Pod, pod));
            }
        }
    }
    enqueue_traffic(&id.namespace, queue);
}

/// Services, budgets and claims that a pod concerns.
fn enqueue_for_pod(core: &Core, id: &ObjectId, pod: &Value, queue: &mut BTreeSet<Work>) {
    let in_namespace = |resource: &str| {
        let key = ResourceKey::from(resource);
        core.store.list(&key, Some(&id.namespace), None).map(|listing| listing.items).unwrap_or_default()
    };
    for service in in_namespace("services") {
        if is_selected(service.value.pointer("/spec/selector"), pod) {
            queue.insert((Controller::Service, ObjectId::of(&"services".into(), &service.value)));
        }
    }
    for budget in in_namespace("poddisruptionbudgets.policy") {
        if LabelSelector::of_spec(budget.value.pointer("/spec/selector")).matches(pod) {
            queue.insert((Controller::Budget, ObjectId::of(&"poddisruptionbudgets.policy".into(), &budget.value)));
        }
    }
    for volume in json::list(pod, "/spec/volumes") {
        let claim = json::text(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() {
            let claim = ObjectId {
                resource: "persistentvolumeclaims".into(),
                namespace: id.namespace.clone(),
                name: claim.into(),
            };
            queue.insert((Controller::Claim, claim));
        }
    }
}

/// True when a Service's selector selects a pod. Every change of a pod asks every Service of its namespace, so nothing
/// is built here.
fn is_selected(selector: Option<&Value>, pod: &Value) -> bool {
    let Some(selector) = selector.and_then(Value::as_object).filter(|selector| !selector.is_empty()) else {
        return false;
    };
    selector.iter().all(|(key, value)| json::label(pod, key).is_some_and(|held| value.as_str() == Some(held)))
}

/// Queues every object of a resource.
fn all_of(core: &Core, resource: &str, namespace: Option<&str>, queue: &mut BTreeSet<Work>) {
    let Some(controller) = controller_of(resource) else { return };
    let key = ResourceKey::from(resource);
    for stored in core.store.list(&key, namespace, None).map(|listing| listing.items).unwrap_or_default() {
        queue.insert((controller, ObjectId::of(&key, &stored.value)));
    }
}
