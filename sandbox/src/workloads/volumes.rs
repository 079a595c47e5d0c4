//! PersistentVolumeClaims: bound to a volume that fits, or to one made for them.

use serde_json::{Value, json};

use super::context::Context;
use crate::json;
use crate::operations::DeleteOptions;
use crate::quantity::Quantity;
use crate::store::ObjectId;

const BY: &str = "persistentvolume-binder";

/// Looks at one claim.
pub(super) fn reconcile_claim(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("persistentvolumeclaims", &id.namespace, &id.name) else { return };
    let claim = stored.value.as_ref();
    if json::is_terminating(claim) {
        if !has_consumer(context, id) {
            release(context, "persistentvolumeclaims", claim, "kubernetes.io/pvc-protection");
        }
        return;
    }
    if json::text(claim, "/status/phase") == "Bound" {
        return;
    }
    let class_name = json::text(claim, "/spec/storageClassName");
    let volume = find_volume(context, claim);
    let volume = match volume {
        Some(volume) => volume,
        None => {
            let Some(class) = context.get("storageclasses.storage.k8s.io", "", class_name) else {
                if !class_name.is_empty() {
                    let message = format!("storageclass.storage.k8s.io {class_name:?} not found");
                    context.event(BY, claim, "Warning", "ProvisioningFailed", &message);
                }
                return;
            };
            let waits = json::text(&class.value, "/volumeBindingMode") == "WaitForFirstConsumer";
            if waits && !has_consumer(context, id) {
                if json::list(claim, "/status/conditions").is_empty() {
                    context.event(
                        BY,
                        claim,
                        "Normal",
                        "WaitForFirstConsumer",
                        "waiting for first consumer to be created before binding",
                    );
                }
                return;
            }
            let Some(volume) = provision(context, claim, &class.value) else { return };
            volume
        }
    };
    bind(context, claim, volume);
}

fn has_consumer(context: &Context<'_>, id: &ObjectId) -> bool {
    context.list("pods", Some(&id.namespace)).iter().any(|pod| {
        json::list(&pod.value, "/spec/volumes")
            .iter()
            .any(|volume| json::text(volume, "/persistentVolumeClaim/claimName") == id.name.as_ref())
    })
}

/// Takes the finalizer away that kept a claim or volume while it was used.
fn release(context: &Context<'_>, resource: &str, object: &Value, finalizer: &str) {
    let held = json::list(object, "/metadata/finalizers");
    let kept: Vec<Value> = held.iter().filter(|other| *other != finalizer).cloned().collect();
    if kept.len() < held.len() {
        let mut next = object.clone();
        json::set(&mut next, &["metadata", "finalizers"], kept);
        context.update(BY, resource, next);
    }
}

/// A volume that is free or meant for the claim, large enough, of its class and modes.
fn find_volume(context: &Context<'_>, claim: &Value) -> Option<Value> {
    let wanted = claim.pointer("/spec/resources/requests/storage").and_then(Quantity::of);
    let named = json::text(claim, "/spec/volumeName");
    context
        .list("persistentvolumes", None)
        .into_iter()
        .map(|volume| Value::clone(&volume.value))
        .filter(|volume| {
            let reference = volume.pointer("/spec/claimRef");
            let meant = reference.is_some_and(|reference| {
                json::text(reference, "/name") == json::name(claim)
                    && json::text(reference, "/namespace") == json::namespace(claim)
                    && json::text(reference, "/uid").is_empty()
            });
            let mine = reference.is_some_and(|reference| json::text(reference, "/uid") == json::uid(claim));
            let free =
                reference.is_none() && matches!(json::text(volume, "/status/phase"), "" | "Pending" | "Available");
            let fits = volume.pointer("/spec/capacity/storage").and_then(Quantity::of) >= wanted
                && json::text(volume, "/spec/storageClassName") == json::text(claim, "/spec/storageClassName")
                && json::list(claim, "/spec/accessModes")
                    .iter()
                    .all(|mode| json::list(volume, "/spec/accessModes").contains(mode));
            mine || ((named.is_empty() || named == json::name(volume)) && (meant || (free && fits)))
        })
        .min_by_key(|volume| volume.pointer("/spec/capacity/storage").and_then(Quantity::of))
}

fn provision(context: &Context<'_>, claim: &Value, class: &Value) -> Option<Value> {
    let name = format!("pvc-{}", json::uid(claim));
    let amount = claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or_else(|| json!("1Gi"));
    let volume = json!({
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": json::text(class, "/provisioner")}},
        "spec": {
            "capacity": {"storage": amount}, "accessModes": json::list(claim, "/spec/accessModes"),
            "persistentVolumeReclaimPolicy": json::text(class, "/reclaimPolicy"), "storageClassName": json::name(class),
            "volumeMode": json::text(claim, "/spec/volumeMode"),
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": json::namespace(claim),
                "name": json::name(claim), "uid": json::uid(claim)},
            "hostPath": {"path": format!("/var/sandbox/{name}"), "type": ""},
        },
    });
    match context.create(BY, "persistentvolumes", volume) {
        Ok(made) => {
            context.event(
                BY,
                claim,
                "Normal",
                "ProvisioningSucceeded",
                &format!("Successfully provisioned volume {name}"),
            );
            Some(Value::clone(&made.value))
        }
        Err(error) => {
            context.event(BY, claim, "Warning", "ProvisioningFailed", &error.to_string());
            None
        }
    }
}

fn bind(context: &Context<'_>, claim: &Value, mut volume: Value) {
    let reference = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": json::namespace(claim),
        "name": json::name(claim), "uid": json::uid(claim)});
    json::set(&mut volume, &["spec", "claimRef"], reference);
    let Some(held) = context.update(BY, "persistentvolumes", volume) else { return };
    let mut volume = Value::clone(&held.value);
    json::set(&mut volume, &["status", "phase"], "Bound");
    context.update_status(BY, "persistentvolumes", volume.clone());
    let mut next = claim.clone();
    json::set(&mut next, &["spec", "volumeName"], json::name(&volume));
    json::set(&mut next, &["metadata", "annotations", "pv.kubernetes.io/bind-completed"], "yes");
    let Some(held) = context.update(BY, "persistentvolumeclaims", next) else { return };
    let mut next = Value::clone(&held.value);
    json::set(
        &mut next,
        &["status"],
        json!({"phase": "Bound", "accessModes": json::list(&volume, "/spec/accessModes"),
            "capacity": volume.pointer("/spec/capacity").cloned().unwrap_or_default()}),
    );
    context.update_status(BY, "persistentvolumeclaims", next);
}

/// Looks at one volume: free ones say so, and those whose claim is gone are released or deleted.
pub(super) fn reconcile_volume(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("persistentvolumes", "", &id.name) else { return };
    let volume = stored.value.as_ref();
    if json::is_terminating(volume) {
        let claim = json::text(volume, "/spec/claimRef/uid");
        if claim.is_empty() || context.core.store.by_uid(claim).is_none() {
            release(context, "persistentvolumes", volume, "kubernetes.io/pv-protection");
        }
        return;
    }
    let phase = match volume.pointer("/spec/claimRef") {
        None => "Available",
        Some(reference) => {
            let uid = json::text(reference, "/uid");
            if uid.is_empty() {
                "Available"
            } else if context.core.store.by_uid(uid).is_some() {
                return;
            } else if json::text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
                context.delete(BY, id, &DeleteOptions::background());
                return;
            } else {
                "Released"
            }
        }
    };
    if json::text(volume, "/status/phase") != phase {
        let mut next = volume.clone();
        json::set(&mut next, &["status", "phase"], phase);
        context.update_status(BY, "persistentvolumes", next);
    }
}
