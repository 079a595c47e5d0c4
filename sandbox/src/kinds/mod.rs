//! What is particular to the built-in kinds: defaults, validation, and what the server assigns.
//!
//! The generic verbs call the functions here at fixed points; each looks at the resource and does what that kind needs.
//! Source: the defaulting functions, registry strategies and validation of Kubernetes 1.36.

mod cluster;
mod pod;
mod service;
mod validate_pod;
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
        "pods" => pod::prepare_create(value),
        "secrets" => cluster::fold_string_data(value),
        "jobs.batch" => workload::prepare_job(core, value),
        "persistentvolumeclaims" | "persistentvolumes" => json::set(value, &["status"], json!({"phase": "Pending"})),
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

/// Sets what the server decides when an object is changed.
pub(crate) fn prepare_update(_core: &Core, resource: &Resource, part: Part, old: &Value, new: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    match resource.key.as_str() {
        "secrets" => cluster::fold_string_data(new),
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
