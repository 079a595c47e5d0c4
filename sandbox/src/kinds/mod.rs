//! What is particular to the built-in kinds: defaults, validation, and what the server assigns.
//!
//! The generic verbs call the functions here at fixed points; each looks at the resource and does what that kind needs.
//! Source: the defaulting functions, registry strategies and validation of Kubernetes 1.36.

mod cluster;
mod pod;
mod service;
mod validate_network;
mod validate_pod;
mod validate_pod_more;
mod validate_small;
mod validation;
mod workload;

use serde_json::{Value, json};

use crate::crd;
use crate::error::{ApiError, Cause};
use crate::json;
use crate::operations::{Core, Part};
use crate::registry::Resource;

/// Sets what the server decides when an object is made, before defaults and admission.
pub(crate) fn prepare_create(core: &Core, resource: &Resource, value: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    match resource.key.as_str() {
        crd::CRD_RESOURCE => crd::prepare_create(value),
        "namespaces" => cluster::prepare_namespace(value),
        "pods" => pod::prepare_create(value, &crate::clock::rfc3339(core.clock.now())),
        "events" => cluster::fill_event(value),
        "jobs.batch" => workload::prepare_job(core, value),
        "persistentvolumeclaims" => {
            json::set(value, &["status"], json!({"phase": "Pending"}));
            add_finalizer(value, "kubernetes.io/pvc-protection");
            cluster::mirror_source(value);
        }
        "persistentvolumes" => {
            let now = crate::clock::rfc3339(core.clock.now());
            json::set(value, &["status"], json!({"phase": "Pending", "lastPhaseTransitionTime": now}));
            add_finalizer(value, "kubernetes.io/pv-protection");
        }
        "volumeattributesclasses.storage.k8s.io" => add_finalizer(value, "kubernetes.io/vac-protection"),
        "volumeattachments.storage.k8s.io" => json::set(value, &["status"], json!({"attached": false})),
        "apiservices.apiregistration.k8s.io" => {
            let mut status = json!({});
            if value.pointer("/spec/service").is_none_or(Value::is_null) {
                let now = crate::clock::rfc3339(core.clock.now());
                status = json!({"conditions": [{"type": "Available", "status": "True", "lastTransitionTime": now,
                    "reason": "Local", "message": "Local APIServices are always available"}]});
            }
            json::set(value, &["status"], status);
        }
        "nodes" => prepare_node(value),
        "certificatesigningrequests.certificates.k8s.io"
        | "resourcequotas"
        | "flowschemas.flowcontrol.apiserver.k8s.io"
        | "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
        | "validatingadmissionpolicies.admissionregistration.k8s.io"
        | "servicecidrs.networking.k8s.io"
        | "resourceclaims.resource.k8s.io" => json::set(value, &["status"], json!({})),
        "services" => json::set(value, &["status"], json!({"loadBalancer": {}})),
        "ingresses.networking.k8s.io" => json::set(value, &["status"], json!({"loadBalancer": {}})),
        "deployments.apps"
        | "replicationcontrollers"
        | "daemonsets.apps"
        | "replicasets.apps"
        | "statefulsets.apps" => {
            json::set(value, &["status"], workload::empty_status(resource.key.as_str()));
        }
        "cronjobs.batch" | "poddisruptionbudgets.policy" | "horizontalpodautoscalers.autoscaling" => {
            json::set(value, &["status"], workload::empty_status(resource.key.as_str()));
        }
        _ => {}
    }
}

/// Keeps an object until those who use it are gone.
fn add_finalizer(value: &mut Value, finalizer: &str) {
    let mut finalizers = json::list(value, "/metadata/finalizers").to_vec();
    if !finalizers.iter().any(|held| held == finalizer) {
        finalizers.push(Value::from(finalizer));
        json::set(value, &["metadata", "finalizers"], finalizers);
    }
}

/// What a new node's status always has.
fn prepare_node(value: &mut Value) {
    let status = json::child(value, "status");
    if let Some(capacity) = status.get("capacity").cloned() {
        json::default(status, "allocatable", capacity);
    }
    json::default(status, "daemonEndpoints", json!({"kubeletEndpoint": {"Port": 0}}));
    let mut info = json!({});
    for key in [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ] {
        json::set(&mut info, &[key], "");
    }
    json::default(status, "nodeInfo", info);
}

/// Sets what the server decides when an object is changed.
pub(crate) fn prepare_update(_core: &Core, resource: &Resource, part: Part, old: &Value, new: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    match resource.key.as_str() {
        "secrets" => cluster::fold_string_data(new),
        "events" => cluster::fill_event(new),
        "services" if part == Part::Main => service::keep_assigned(old, new),
        "namespaces" if part == Part::Main => {
            // Finalizers of the spec have a path of their own.
            if let Some(spec) = old.get("spec") {
                json::set(new, &["spec"], spec.clone());
            }
        }
        "jobs.batch" if part == Part::Main => {
            if new.pointer("/spec/selector").is_none()
                && let Some(selector) = old.pointer("/spec/selector")
            {
                json::set(new, &["spec", "selector"], selector.clone());
            }
        }
        "persistentvolumeclaims" if part == Part::Main => {
            cluster::mirror_source(new);
            for key in ["volumeName", "storageClassName"] {
                if let (None, Some(held)) =
                    (new.get("spec").and_then(|s| s.get(key)), old.get("spec").and_then(|s| s.get(key)))
                {
                    json::set(new, &["spec", key], held.clone());
                }
            }
        }
        _ => {}
    }
}

/// Brings fields that only writers know into the form that is kept.
pub(crate) fn fold(resource: &Resource, value: &mut Value) {
    if resource.custom.is_none() && resource.key.as_str() == "secrets" {
        cluster::fold_string_data(value);
    }
}

/// Sets what follows from an object once admission has completed it.
pub(crate) fn after_admission(resource: &Resource, value: &mut Value) {
    if resource.custom.is_none() && resource.key.as_str() == "pods" {
        json::set(value, &["status", "qosClass"], pod::quality_of_service(value));
    }
}

/// Says what of an object is allowed but most likely a mistake.
pub(crate) fn warn(resource: &Resource, value: &Value, warnings: &mut Vec<String>) {
    if resource.custom.is_some() {
        return;
    }
    let template = match resource.key.as_str() {
        "pods" => "",
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" | "jobs.batch" => {
            "/spec/template"
        }
        "cronjobs.batch" => "/spec/jobTemplate/spec/template",
        _ => return,
    };
    if let Some(spec) = value.pointer(&format!("{template}/spec")) {
        pod::warn(spec, &format!("{template}/spec")[1..].replace('/', "."), warnings);
    }
}

/// A resize may not change the class of a pod's quality of service.
pub(crate) fn validate_resize(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if pod::quality_of_service(old) != pod::quality_of_service(new) {
        let class = json!(json::text(old, "/status/qosClass"));
        causes.push(Cause::invalid("spec", &class, "Pod QOS Class may not change as a result of resizing"));
    }
}

/// Fills the defaults of absent fields.
pub(crate) fn fill_defaults(resource: &Resource, value: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    match resource.key.as_str() {
        "pods" => pod::fill_pod(value),
        "podtemplates" => {
            if let Some(template) = value.get_mut("template") {
                pod::fill_template(template);
            }
        }
        "deployments.apps" => workload::fill_deployment(value),
        "replicasets.apps" | "replicationcontrollers" => workload::fill_replica_set(resource.key.as_str(), value),
        "statefulsets.apps" => workload::fill_stateful_set(value),
        "daemonsets.apps" => workload::fill_daemon_set(value),
        "jobs.batch" => {
            if let Some(spec) = value.get_mut("spec") {
                workload::fill_job_spec(spec);
                json::default(json::as_map(spec), "manualSelector", false);
            }
        }
        "cronjobs.batch" => workload::fill_cron_job(value),
        "horizontalpodautoscalers.autoscaling" => workload::fill_autoscaler(value),
        "services" => service::fill_service(value),
        "endpoints" | "endpointslices.discovery.k8s.io" => service::fill_endpoints(value),
        _ => cluster::fill(resource.key.as_str(), value),
    }
}

/// Checks an object; `old` is what it replaces.
pub(crate) fn validate(core: &Core, resource: &Resource, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    if resource.custom.is_none() {
        validation::validate(core, resource, value, old, causes);
    }
}

/// Gives out cluster IPs and node ports.
pub(crate) fn allocate(
    core: &Core,
    resource: &Resource,
    value: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), ApiError> {
    if resource.custom.is_none() && resource.key.as_str() == "services" {
        service::allocate(core, resource, value, old, dry_run)?;
    }
    Ok(())
}

/// Takes back what [`allocate`] gave.
pub(crate) fn release(core: &Core, resource: &Resource, value: &Value) {
    if resource.custom.is_none() && resource.key.as_str() == "services" {
        service::release(core, value);
    }
}

/// Marks what restored services hold as taken.
pub(crate) fn restore(core: &Core, service: &Value) {
    service::restore(core, service);
}
