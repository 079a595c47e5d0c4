//! Owners and dependents: what happens to objects whose owners go away.
//!
//! - *foreground*: the owner waits (finalizer `foregroundDeletion`) until every dependent that blocks it is gone;
//! - *orphan*: the owner waits (finalizer `orphan`) until its dependents have forgotten it;
//! - *background*: dependents whose owners are all gone are deleted.
//!
//! Owners are known by uid, so a new object with an old name adopts nothing by accident.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::context::{Context, Controller, Work};
use crate::json;
use crate::operations::{Core, DeleteOptions};
use crate::store::{Change, ChangeKind, ObjectId};

const BY: &str = "generic-garbage-collector";
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Queues what a change may have made garbage.
pub(super) fn enqueue(core: &Core, id: &ObjectId, change: &Change, queue: &mut BTreeSet<Work>) {
    let value = &change.object.value;
    let owners = json::list(value, "/metadata/ownerReferences");
    match change.kind {
        ChangeKind::Deleted => {
            for child in core.store.children(json::uid(value)) {
                queue.insert((Controller::Garbage, child));
            }
            for owner in owners.iter().filter_map(|owner| core.store.by_uid(json::text(owner, "/uid"))) {
                queue.insert((Controller::Garbage, owner));
            }
        }
        ChangeKind::Added | ChangeKind::Modified => {
            let waits = json::is_terminating(value) && !json::list(value, "/metadata/finalizers").is_empty();
            if waits || !owners.is_empty() {
                queue.insert((Controller::Garbage, id.clone()));
            }
        }
    }
}

/// Looks at one object: as an owner that waits, and as a dependent whose owners may be gone.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.core.store.get(&id.resource, &id.namespace, &id.name) else { return };
    let value = &stored.value;
    if json::is_terminating(value) {
        let finalizers = json::list(value, "/metadata/finalizers");
        if finalizers.iter().any(|finalizer| finalizer == ORPHAN) {
            orphan_dependents(context, value);
            remove_finalizer(context, id, value, ORPHAN);
            return;
        }
        if finalizers.iter().any(|finalizer| finalizer == FOREGROUND) {
            delete_dependents_first(context, id, value);
        }
        return;
    }
    delete_if_abandoned(context, id, value);
}

fn remove_finalizer(context: &Context<'_>, id: &ObjectId, value: &Value, finalizer: &str) {
    let mut next = value.clone();
    let kept: Vec<Value> =
        json::list(value, "/metadata/finalizers").iter().filter(|held| *held != finalizer).cloned().collect();
    json::set(&mut next, &["metadata", "finalizers"], kept);
    context.update(BY, id.resource.as_str(), next);
}

fn orphan_dependents(context: &Context<'_>, owner: &Value) {
    let uid = json::uid(owner);
    for child in context.core.store.children(uid) {
        let Some(stored) = context.core.store.get(&child.resource, &child.namespace, &child.name) else { continue };
        let mut next = Value::clone(&stored.value);
        let kept: Vec<Value> = json::list(&next, "/metadata/ownerReferences")
            .iter()
            .filter(|owner| json::text(owner, "/uid") != uid)
            .cloned()
            .collect();
        json::set(&mut next, &["metadata", "ownerReferences"], kept);
        context.update(BY, child.resource.as_str(), next);
    }
}

fn delete_dependents_first(context: &Context<'_>, id: &ObjectId, owner: &Value) {
    let uid = json::uid(owner);
    let mut blocked = false;
    for child in context.core.store.children(uid) {
        let Some(stored) = context.core.store.get(&child.resource, &child.namespace, &child.name) else { continue };
        if !json::is_terminating(&stored.value) && other_owner_lives(context, &stored.value, uid) {
            forget_owner(context, &child, &stored.value, uid);
            continue;
        }
        if !json::is_terminating(&stored.value) {
            // In a circle, one that waits depends on this one: then this one holds nobody up.
            let waits = |id: &ObjectId| {
                let held = context.core.store.get(&id.resource, &id.namespace, &id.name);
                held.is_some_and(|held| {
                    json::is_terminating(&held.value)
                        && json::list(&held.value, "/metadata/finalizers").iter().any(|held| held == FOREGROUND)
                })
            };
            if context.core.store.children(json::uid(&stored.value)).iter().any(waits) {
                unblock(context, &child, &stored.value);
            }
            // Dependents that have dependents of their own go the same way.
            let policy = if context.core.store.children(json::uid(&stored.value)).is_empty() {
                crate::operations::Propagation::Background
            } else {
                crate::operations::Propagation::Foreground
            };
            let options = DeleteOptions {
                propagation: Some(policy),
                uid: Some(json::uid(&stored.value).to_string()),
                ..DeleteOptions::default()
            };
            context.delete(BY, &child, &options);
        }
        blocked |= context.core.store.get(&child.resource, &child.namespace, &child.name).is_some_and(|child| {
            json::list(&child.value, "/metadata/ownerReferences")
                .iter()
                .any(|owner| json::text(owner, "/uid") == uid && json::flag(owner, "/blockOwnerDeletion"))
        });
    }
    if !blocked && let Some(stored) = context.core.store.get(&id.resource, &id.namespace, &id.name) {
        remove_finalizer(context, id, &stored.value, FOREGROUND);
    }
}

/// Lets an object's owners go before it.
fn unblock(context: &Context<'_>, id: &ObjectId, value: &Value) {
    let mut next = value.clone();
    let owners = next.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        if json::flag(owner, "/blockOwnerDeletion") {
            json::set(owner, &["blockOwnerDeletion"], false);
        }
    }
    context.update(BY, id.resource.as_str(), next);
}

/// True when another owner exists that is not itself waiting for its dependents.
fn other_owner_lives(context: &Context<'_>, value: &Value, leaving: &str) -> bool {
    json::list(value, "/metadata/ownerReferences").iter().map(|owner| json::text(owner, "/uid")).any(|uid| {
        uid != leaving
            && context
                .core
                .store
                .by_uid(uid)
                .and_then(|id| context.core.store.get(&id.resource, &id.namespace, &id.name))
                .is_some_and(|owner| {
                    !(json::is_terminating(&owner.value)
                        && json::list(&owner.value, "/metadata/finalizers")
                            .iter()
                            .any(|finalizer| finalizer == FOREGROUND))
                })
    })
}

fn forget_owner(context: &Context<'_>, id: &ObjectId, value: &Value, uid: &str) {
    let mut next = value.clone();
    let kept: Vec<Value> = json::list(value, "/metadata/ownerReferences")
        .iter()
        .filter(|owner| json::text(owner, "/uid") != uid)
        .cloned()
        .collect();
    json::set(&mut next, &["metadata", "ownerReferences"], json!(kept));
    context.update(BY, id.resource.as_str(), next);
}

/// Deletes an object whose owners are all gone; if some live, forgets those that do not.
fn delete_if_abandoned(context: &Context<'_>, id: &ObjectId, value: &Value) {
    let owners = json::list(value, "/metadata/ownerReferences");
    if owners.is_empty() {
        return;
    }
    let lives = |owner: &&Value| {
        let found = context.core.store.by_uid(json::text(owner, "/uid"));
        found.is_some_and(|found| {
            // An owner in another namespace is no owner; cluster-scoped ones may own anything.
            found.namespace.is_empty() || found.namespace == id.namespace
        })
    };
    let gone: Vec<&str> = owners.iter().filter(|owner| !lives(owner)).map(|owner| json::text(owner, "/uid")).collect();
    if gone.is_empty() {
        return;
    }
    if gone.len() < owners.len() {
        let mut next = value.clone();
        let kept: Vec<Value> =
            owners.iter().filter(|owner| !gone.contains(&json::text(owner, "/uid"))).cloned().collect();
        json::set(&mut next, &["metadata", "ownerReferences"], json!(kept));
        context.update(BY, id.resource.as_str(), next);
        return;
    }
    let options = DeleteOptions { uid: Some(json::uid(value).to_string()), ..DeleteOptions::background() };
    context.delete(BY, id, &options);
}
