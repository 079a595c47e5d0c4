//! ControllerRevisions: the templates that a StatefulSet or DaemonSet has had.

use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{Context, fnv, owner_reference};
use super::deployments::canonical;
use crate::json;
use crate::operations::DeleteOptions;
use crate::random::safe_encoded;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, Stored};

/// The label that ties a pod to a revision.
pub(super) const HASH: &str = "controller-revision-hash";

/// Takes on the revisions of a workload's labels that nobody controls.
fn adopt(context: &Context<'_>, by: &str, owner: &Value) {
    let selector = LabelSelector::of_spec(owner.pointer("/spec/selector"));
    for revision in context.lone("controllerrevisions.apps", json::namespace(owner)) {
        if !json::is_terminating(&revision.value) && selector.matches(&revision.value) {
            let mut owners = json::list(&revision.value, "/metadata/ownerReferences").to_vec();
            owners.push(owner_reference(owner));
            let mut next = Value::clone(&revision.value);
            json::set(&mut next, &["metadata", "ownerReferences"], owners);
            context.update(by, "controllerrevisions.apps", next);
        }
    }
}

/// The revisions of a workload, oldest first.
pub(super) fn of(context: &Context<'_>, owner: &Value) -> Vec<Arc<Stored>> {
    let uid = json::uid(owner);
    let mut all: Vec<Arc<Stored>> = context
        .owned(uid, "controllerrevisions.apps")
        .into_iter()
        .filter(|revision| json::controller_uid(&revision.value) == uid)
        .collect();
    all.sort_by_key(|revision| json::integer(&revision.value, "/revision").unwrap_or(0));
    all
}

/// The revision of the present template, made or brought to the front; returns its name (and hash label).
pub(super) fn ensure(context: &Context<'_>, by: &str, owner: &Value) -> Option<(String, String)> {
    let template = owner.pointer("/spec/template").cloned().unwrap_or_default();
    let mut data_template = template.clone();
    json::set(&mut data_template, &["$patch"], "replace");
    let data = json!({"spec": {"template": data_template}});
    adopt(context, by, owner);
    let all = of(context, owner);
    let last = all.last().map_or(0, |revision| json::integer(&revision.value, "/revision").unwrap_or(0));
    if let Some(held) = all.iter().rfind(|revision| revision.value.get("data") == Some(&data)) {
        if json::integer(&held.value, "/revision").unwrap_or(0) != last {
            let mut next = Value::clone(&held.value);
            json::set(&mut next, &["revision"], last + 1);
            context.update(by, "controllerrevisions.apps", next);
        }
        let hash = json::label(&held.value, HASH).unwrap_or_default().to_string();
        return Some((json::name(&held.value).to_string(), hash));
    }
    let collisions = json::integer(owner, "/status/collisionCount").unwrap_or(0);
    let hash = safe_encoded(&(fnv(&[&canonical(&template), &collisions.to_string()]) as u32).to_string());
    let name = format!("{}-{hash}", json::name(owner));
    let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    json::set(&mut labels, &[HASH], hash.as_str());
    let revision = json!({
        "metadata": {"name": name, "namespace": json::namespace(owner), "labels": labels,
            "annotations": owner.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})),
            "ownerReferences": [owner_reference(owner)]},
        "data": data, "revision": last + 1,
    });
    context.create(by, "controllerrevisions.apps", revision).ok()?;
    Some((name, hash))
}

/// Deletes revisions beyond the limit that no pod uses.
pub(super) fn forget(context: &Context<'_>, by: &str, owner: &Value, used: &[&str]) {
    let limit = json::integer(owner, "/spec/revisionHistoryLimit").unwrap_or(10);
    let unused: Vec<Arc<Stored>> = of(context, owner)
        .into_iter()
        .filter(|revision| {
            let hash = json::label(&revision.value, HASH).unwrap_or_default();
            !used.contains(&hash) && !used.contains(&json::name(&revision.value))
        })
        .collect();
    let surplus = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for revision in &unused[..surplus] {
        let id = ObjectId::of(&"controllerrevisions.apps".into(), &revision.value);
        context.delete(by, &id, &DeleteOptions::background());
    }
}
