//! What the cluster decides about a write before it is validated: namespace lifecycle, service accounts, defaults of
//! the cluster. Each plug-in of the real server that users notice has a function here.

mod pods;

use serde_json::Value;

use crate::error::ApiError;
use crate::faults;
use crate::json;
use crate::operations::{Core, Part, WriteOptions};
use crate::registry::Resource;
use crate::store::ResourceKey;

/// Namespaces that cannot be deleted. Source: the NamespaceLifecycle admission plug-in.
const IMMORTAL_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public"];

/// Decides about a new object, and completes it.
pub(crate) fn admit_create(
    core: &Core,
    resource: &Resource,
    value: &mut Value,
    _options: &WriteOptions,
) -> Result<(), ApiError> {
    if resource.is_namespaced() {
        require_namespace(core, resource, json::namespace(value), json::name(value))?;
    }
    match resource.key.as_str() {
        "pods" => {
            faults::admit_pod(core, value)?;
            pods::admit_create(core, resource, value)
        }
        "persistentvolumeclaims" => {
            set_default_storage_class(core, value);
            Ok(())
        }
        "ingresses.networking.k8s.io" => {
            set_default_ingress_class(core, value);
            Ok(())
        }
        _ => Ok(()),
    }?;
    faults::admit(core, resource, value)
}

/// Decides about a change.
pub(crate) fn admit_update(
    core: &Core,
    resource: &Resource,
    part: Part,
    _old: &Value,
    new: &mut Value,
    _options: &WriteOptions,
) -> Result<(), ApiError> {
    if part == Part::Main { faults::admit(core, resource, new) } else { Ok(()) }
}

/// Decides about a deletion.
pub(crate) fn admit_delete(_core: &Core, resource: &Resource, value: &Value) -> Result<(), ApiError> {
    let name = json::name(value);
    if resource.key.as_str() == "namespaces" && IMMORTAL_NAMESPACES.contains(&name) {
        return Err(ApiError::forbidden("namespaces", name, "this namespace may not be deleted"));
    }
    Ok(())
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
