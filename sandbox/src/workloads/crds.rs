//! CustomResourceDefinitions that are being deleted: their objects go first.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::context::{Context, Controller, Work};
use crate::crd::{CLEANUP_FINALIZER, CRD_RESOURCE, resource_key};
use crate::json;
use crate::operations::{Core, DeleteOptions};
use crate::store::{Change, ChangeKind, ObjectId, ResourceKey};

const BY: &str = "customresourcecleanup";

/// A definition that waits is looked at again when one of its objects goes.
pub(super) fn enqueue(core: &Core, id: &ObjectId, change: &Change, queue: &mut BTreeSet<Work>) {
    if change.kind != ChangeKind::Deleted || !id.resource.as_str().contains('.') {
        return;
    }
    let definitions = ResourceKey::from(CRD_RESOURCE);
    if core.store.get(&definitions, "", id.resource.as_str()).is_some() {
        let definition = ObjectId { resource: definitions, namespace: "".into(), name: id.resource.as_str().into() };
        queue.insert((Controller::Definition, definition));
    }
}

/// Looks at one definition.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get(CRD_RESOURCE, "", &id.name) else { return };
    let waits =
        json::list(&stored.value, "/metadata/finalizers").iter().any(|finalizer| finalizer == CLEANUP_FINALIZER);
    if !json::is_terminating(&stored.value) || !waits {
        return;
    }
    let key = resource_key(&stored.value);
    for object in context.list(key.as_str(), None) {
        if !json::is_terminating(&object.value) {
            context.delete(BY, &ObjectId::of(&key, &object.value), &DeleteOptions::background());
        }
    }
    if context.core.store.count(&key) > 0 {
        return;
    }
    let Some(stored) = context.get(CRD_RESOURCE, "", &id.name) else { return };
    let mut next = Value::clone(&stored.value);
    let kept: Vec<Value> = json::list(&next, "/metadata/finalizers")
        .iter()
        .filter(|finalizer| *finalizer != CLEANUP_FINALIZER)
        .cloned()
        .collect();
    json::set(&mut next, &["metadata", "finalizers"], json!(kept));
    context.update(BY, CRD_RESOURCE, next);
}
