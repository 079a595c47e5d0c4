//! Namespaces: what each begins with, and how it is emptied when it goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{Context, Controller, Work};
use crate::json;
use crate::operations::Decoded;
use crate::operations::{DeleteOptions, Part, WriteOptions};
use crate::store::{Change, ChangeKind, ObjectId, ResourceKey};

const BY: &str = "namespace-controller";

/// A namespace that is being emptied is looked at again whenever something in it goes; its own objects come back.
pub(super) fn enqueue(change: &Change, queue: &mut BTreeSet<Work>) {
    if change.kind == ChangeKind::Deleted && !change.namespace.is_empty() {
        let id = ObjectId {
            resource: ResourceKey::from("namespaces"),
            namespace: "".into(),
            name: Arc::clone(&change.namespace),
        };
        queue.insert((Controller::Namespace, id));
    }
}

/// Looks at one namespace.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("namespaces", "", &id.name) else { return };
    if json::is_terminating(&stored.value) {
        empty(context, id, &stored.value);
        return;
    }
    let namespace: &str = &id.name;
    if context.get("serviceaccounts", namespace, "default").is_none() {
        let account = json!({"metadata": {"name": "default", "namespace": namespace}});
        // The namespace may be going away meanwhile.
        let _ = context.create("service-account-controller", "serviceaccounts", account);
    }
    if let Some(held) = context.get("configmaps", namespace, "kube-root-ca.crt") {
        let certificate = context.core.root_certificate_pem.get().cloned().unwrap_or_default();
        if held.value.get("data") != Some(&json!({"ca.crt": certificate})) {
            let mut next = Value::clone(&held.value);
            json::set(&mut next, &["data"], json!({"ca.crt": certificate}));
            context.update("root-ca-certificate-publisher", "configmaps", next);
        }
    } else {
        let certificate = context.core.root_certificate_pem.get().cloned().unwrap_or_default();
        let map = json!({
            "metadata": {"name": "kube-root-ca.crt", "namespace": namespace, "annotations": {"kubernetes.io/description":
                "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as \
                 the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of \
                 Kubernetes clusters."}},
            "data": {"ca.crt": certificate},
        });
        // As above.
        let _ = context.create("root-ca-certificate-publisher", "configmaps", map);
    }
}

/// Deletes everything in the namespace, pods first; when nothing is left, lets it go.
fn empty(context: &mut Context<'_>, id: &ObjectId, namespace: &Value) {
    if !json::list(namespace, "/spec/finalizers").iter().any(|finalizer| finalizer == "kubernetes") {
        return;
    }
    let resources: Vec<ResourceKey> = context
        .core
        .registry
        .all_stored()
        .iter()
        .filter(|resource| resource.is_namespaced() && !resource.is_virtual)
        .map(|resource| resource.key.clone())
        .collect();
    let pods = ResourceKey::from("pods");
    let ordered = std::iter::once(&pods).chain(resources.iter().filter(|resource| **resource != pods));
    let mut remaining: Vec<(ResourceKey, usize)> = Vec::new();
    let mut with_finalizers: Vec<(String, usize)> = Vec::new();
    for resource in ordered {
        if *resource != pods && remaining.iter().any(|(left, _)| *left == pods) {
            // Pods go first: they may need what else is there to stop well.
            break;
        }
        for stored in context.list(resource.as_str(), Some(&id.name)) {
            if !json::is_terminating(&stored.value) {
                let options = DeleteOptions::background();
                context.delete(BY, &ObjectId::of(resource, &stored.value), &options);
            }
        }
        let left = context.list(resource.as_str(), Some(&id.name));
        if left.is_empty() {
            continue;
        }
        for stored in &left {
            for finalizer in json::list(&stored.value, "/metadata/finalizers").iter().filter_map(Value::as_str) {
                match with_finalizers.iter_mut().find(|(held, _)| held == finalizer) {
                    Some((_, count)) => *count += 1,
                    None => with_finalizers.push((finalizer.to_string(), 1)),
                }
            }
        }
        remaining.push((resource.clone(), left.len()));
    }
    let mut next = namespace.clone();
    if remaining.is_empty() {
        let kept: Vec<Value> = json::list(namespace, "/spec/finalizers")
            .iter()
            .filter(|finalizer| *finalizer != "kubernetes")
            .cloned()
            .collect();
        json::set(&mut next, &["spec", "finalizers"], json!(kept));
        if let Ok(resource) = context.core.resource(&ResourceKey::from("namespaces")) {
            let options = WriteOptions::component(BY);
            // A lost race brings the namespace back here.
            let _ = context.core.update(&resource, "", &id.name, Part::Finalize, Decoded::from(next), &options);
        }
        return;
    }
    json::set(
        &mut next,
        &["status", "conditions"],
        json!(conditions(context, namespace, &remaining, &with_finalizers)),
    );
    context.update_status(BY, "namespaces", next);
}

/// Source: the condition types, reasons and messages of Kubernetes' namespace deletion.
fn conditions(
    context: &Context<'_>,
    namespace: &Value,
    remaining: &[(ResourceKey, usize)],
    with_finalizers: &[(String, usize)],
) -> Vec<Value> {
    let counts: Vec<String> = remaining
        .iter()
        .map(|(resource, count)| format!("{} has {count} resource instances", qualified(resource)))
        .collect();
    let finalizers: Vec<String> =
        with_finalizers.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    let all = [
        (
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_string(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_string(),
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_string(),
        ),
        (
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", counts.join(", ")),
        ),
        (
            "NamespaceFinalizersRemaining",
            !finalizers.is_empty(),
            if finalizers.is_empty() { "ContentHasNoFinalizers" } else { "SomeFinalizersRemain" },
            if finalizers.is_empty() {
                "All content-preserving finalizers finished".to_string()
            } else {
                format!("Some content in the namespace has finalizers remaining: {}", finalizers.join(", "))
            },
        ),
    ];
    all.into_iter()
        .map(|(kind, status, reason, message)| {
            let status = if status { "True" } else { "False" };
            let since = json::list(namespace, "/status/conditions")
                .iter()
                .find(|held| json::text(held, "/type") == kind && json::text(held, "/status") == status)
                .map(|held| json::text(held, "/lastTransitionTime").to_string())
                .unwrap_or_else(|| context.stamp());
            json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
        })
        .collect()
}

/// `pods.` for the core group, as the real message writes it.
fn qualified(resource: &ResourceKey) -> String {
    let text = resource.as_str();
    if text.contains('.') { text.to_string() } else { format!("{text}.") }
}
