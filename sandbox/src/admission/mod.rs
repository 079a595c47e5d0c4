//! What the cluster decides about a write before it is validated: namespace lifecycle, service accounts, defaults of
//! the cluster. Each plug-in of the real server that users notice has a function here.

mod limits;
pub(crate) mod matching;
mod pods;
mod policies;
pub(crate) mod quotas;
mod security;
mod webhooks;

use std::sync::LazyLock;

use serde_json::Value;

use crate::access;
use crate::error::{ApiError, Cause};
use crate::faults;
use crate::json;
use crate::operations::{Core, Part, WriteOptions};
use crate::registry::Resource;
use crate::store::ResourceKey;
use matching::Act;

/// Namespaces that cannot be deleted. Source: the NamespaceLifecycle admission plug-in.
const IMMORTAL_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public"];

/// Decides about a new object, and completes it.
pub(crate) fn admit_create(
    core: &Core,
    resource: &Resource,
    value: &mut Value,
    options: &WriteOptions,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    access::escalation::check(core, resource, value, None, &options.who)?;
    if resource.is_namespaced() {
        require_namespace(core, resource, json::namespace(value), json::name(value))?;
    }
    match resource.key.as_str() {
        "pods" => {
            faults::admit_pod(core, value)?;
            limits::complete(core, value);
            pods::admit_create(core, resource, value)?;
        }
        "persistentvolumeclaims" => set_default_storage_class(core, value),
        "ingresses.networking.k8s.io" => set_default_ingress_class(core, value),
        _ => {}
    }
    faults::admit(core, resource, value)?;
    mutate(core, "CREATE", resource, Part::Main, value, None, options, warnings)
}

/// Who is asked about writes, if there are any: policies and webhooks that change, and those that only refuse.
static MUTATING: LazyLock<[ResourceKey; 2]> = LazyLock::new(|| askers("mutating"));
static VALIDATING: LazyLock<[ResourceKey; 2]> = LazyLock::new(|| askers("validating"));

fn askers(prefix: &str) -> [ResourceKey; 2] {
    ["admissionpolicies", "webhookconfigurations"]
        .map(|kind| ResourceKey::from(format!("{prefix}{kind}.admissionregistration.k8s.io").as_str()))
}

/// Lets policies and webhooks change what is written.
#[expect(clippy::too_many_arguments, reason = "the parts of an act")]
fn mutate(
    core: &Core,
    operation: &'static str,
    resource: &Resource,
    part: Part,
    value: &mut Value,
    old: Option<&Value>,
    options: &WriteOptions,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    if !core.store.has_any(&*MUTATING) {
        return Ok(());
    }
    let mut act = Act {
        operation,
        resource,
        subresource: part.subresource(),
        object: std::mem::take(value),
        old: old.cloned().unwrap_or_default(),
        options,
        dry_run: options.dry_run,
    };
    let done = policies::mutate(core, &mut act).and_then(|()| webhooks::mutate(core, &mut act, warnings));
    *value = act.object;
    done
}

/// Decides about a write that was completed and is valid; counts it against quotas.
pub(crate) fn validate(
    core: &Core,
    resource: &Resource,
    part: Part,
    value: &Value,
    old: Option<&Value>,
    options: &WriteOptions,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    if part == Part::Main {
        if matches!(resource.key.as_str(), "pods" | "persistentvolumeclaims") && old.is_none() {
            limits::check(core, resource, value)?;
        }
        let same_spec = old.is_some_and(|old| old.get("spec") == value.get("spec"));
        if resource.is_namespaced() && !same_spec {
            security::check(core, resource, value, warnings)?;
        }
    }
    if core.store.has_any(&*VALIDATING) {
        let act = Act {
            operation: if old.is_some() { "UPDATE" } else { "CREATE" },
            resource,
            subresource: part.subresource(),
            object: value.clone(),
            old: old.cloned().unwrap_or_default(),
            options,
            dry_run: options.dry_run,
        };
        policies::validate(core, &act, warnings)?;
        webhooks::validate(core, &act, warnings)?;
    }
    if part == Part::Main {
        quotas::admit(core, resource, value, old, options.dry_run)?;
    }
    Ok(())
}

/// Decides about a change.
pub(crate) fn admit_update(
    core: &Core,
    resource: &Resource,
    part: Part,
    old: &Value,
    new: &mut Value,
    options: &WriteOptions,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    access::escalation::check(core, resource, new, Some(old), &options.who)?;
    if part == Part::Main {
        faults::admit(core, resource, new)?;
    }
    mutate(core, "UPDATE", resource, part, new, Some(old), options, warnings)
}

/// Decides about a deletion.
pub(crate) fn admit_delete(
    core: &Core,
    resource: &Resource,
    value: &Value,
    options: &WriteOptions,
    dry_run: bool,
) -> Result<(), ApiError> {
    let name = json::name(value);
    if resource.key.as_str() == "namespaces" && IMMORTAL_NAMESPACES.contains(&name) {
        return Err(ApiError::forbidden("namespaces", name, "this namespace may not be deleted"));
    }
    if !core.store.has_any(&*MUTATING) && !core.store.has_any(&*VALIDATING) {
        return Ok(());
    }
    let mut act = Act {
        operation: "DELETE",
        resource,
        subresource: "",
        object: Value::Null,
        old: value.clone(),
        options,
        dry_run,
    };
    // What they warn about a deletion has no place in its answer.
    let mut warnings = Vec::new();
    webhooks::mutate(core, &mut act, &mut warnings)?;
    policies::validate(core, &act, &mut warnings)?;
    webhooks::validate(core, &act, &mut warnings)
}

fn require_namespace(core: &Core, resource: &Resource, namespace: &str, name: &str) -> Result<(), ApiError> {
    let Some(held) = core.store.get(&ResourceKey::from("namespaces"), "", namespace) else {
        return Err(ApiError::not_found("namespaces", namespace));
    };
    if json::is_terminating(&held.value) {
        return Err(ApiError::namespace_terminating(resource.qualified(), name, namespace));
    }
    Ok(())
}

/// The newest object of a resource that carries an annotation with the value `true`.
fn marked_default(core: &Core, resource: &str, annotation: &str) -> Option<String> {
    let listing = core.store.list(&ResourceKey::from(resource), None, None).ok()?;
    listing
        .items
        .iter()
        .filter(|stored| json::annotation(&stored.value, annotation) == Some("true"))
        .max_by_key(|stored| json::text(&stored.value, "/metadata/creationTimestamp").to_string())
        .map(|stored| json::name(&stored.value).to_string())
}

fn set_default_storage_class(core: &Core, claim: &mut Value) {
    if claim.pointer("/spec/storageClassName").is_some() {
        return;
    }
    if let Some(class) =
        marked_default(core, "storageclasses.storage.k8s.io", "storageclass.kubernetes.io/is-default-class")
    {
        json::set(claim, &["spec", "storageClassName"], class);
    }
}

fn set_default_ingress_class(core: &Core, ingress: &mut Value) {
    let named = ingress.pointer("/spec/ingressClassName").is_some()
        || json::annotation(ingress, "kubernetes.io/ingress.class").is_some();
    if named {
        return;
    }
    if let Some(class) =
        marked_default(core, "ingressclasses.networking.k8s.io", "ingressclass.kubernetes.io/is-default-class")
    {
        json::set(ingress, &["spec", "ingressClassName"], class);
    }
}

/// Checks the labels of a namespace that ask for a Pod Security standard.
pub(crate) fn check_security_labels(namespace: &Value, causes: &mut Vec<Cause>) {
    security::check_namespace(namespace, causes);
}
