//! EndpointSlices of Endpoints that people write for Services without a selector.

use serde_json::{Value, json};

use super::context::{Context, fnv};
use crate::json;
use crate::operations::DeleteOptions;
use crate::random::safe_encoded;
use crate::store::ObjectId;

const BY: &str = "endpointslicemirroring-controller.k8s.io";
const SLICES: &str = "endpointslices.discovery.k8s.io";

/// Looks at one Endpoints object.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    // Slices go with their owner.
    let Some(stored) = context.get("endpoints", &id.namespace, &id.name) else { return };
    let endpoints = stored.value.as_ref();
    let is_ours = json::label(endpoints, "endpoints.kubernetes.io/managed-by").is_some()
        || json::label(endpoints, "endpointslice.kubernetes.io/skip-mirror") == Some("true")
        || json::annotation(endpoints, "control-plane.alpha.kubernetes.io/leader").is_some();
    let service = context.get("services", &id.namespace, &id.name);
    let has_selector = service.as_ref().is_some_and(|service| {
        json::object(&service.value, "/spec/selector").is_some_and(|selector| !selector.is_empty())
    });
    let wanted = if is_ours || has_selector || service.is_none() || json::is_terminating(endpoints) {
        Vec::new()
    } else {
        slices(endpoints)
    };
    let held: Vec<_> = context
        .owned(json::uid(endpoints), SLICES)
        .into_iter()
        .filter(|slice| json::label(&slice.value, "endpointslice.kubernetes.io/managed-by") == Some(BY))
        .collect();
    for (index, slice) in wanted.iter().enumerate() {
        match held.get(index) {
            Some(held) => {
                let same = ["endpoints", "ports"].iter().all(|key| held.value.get(*key) == slice.get(*key));
                if !same {
                    let mut next = Value::clone(&held.value);
                    for key in ["endpoints", "ports"] {
                        json::set(&mut next, &[key], slice.get(key).cloned().unwrap_or_default());
                    }
                    context.update(BY, SLICES, next);
                }
            }
            None => {
                let number = (index as u64).to_string();
                let hash = fnv(&[json::uid(endpoints), &number]);
                let suffix: String = safe_encoded(&hash.to_string()).chars().take(5).collect();
                let mut labels = endpoints.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
                json::set(&mut labels, &["kubernetes.io/service-name"], json::name(endpoints));
                json::set(&mut labels, &["endpointslice.kubernetes.io/managed-by"], BY);
                let mut next = slice.clone();
                let name = json::name(endpoints);
                json::set(
                    &mut next,
                    &["metadata"],
                    json!({
                        "name": format!("{name}-{suffix}"), "generateName": format!("{name}-"),
                        "namespace": json::namespace(endpoints), "labels": labels,
                        "ownerReferences": [{"apiVersion": "v1", "kind": "Endpoints", "name": name,
                            "uid": json::uid(endpoints), "controller": true, "blockOwnerDeletion": true}],
                    }),
                );
                // The namespace may be going away.
                let _ = context.create(BY, SLICES, next);
            }
        }
    }
    for extra in held.iter().skip(wanted.len()) {
        context.delete(BY, &ObjectId::of(&SLICES.into(), &extra.value), &DeleteOptions::background());
    }
}

/// A slice per subset and family of addresses.
fn slices(endpoints: &Value) -> Vec<Value> {
    let mut made = Vec::new();
    for subset in json::list(endpoints, "/subsets") {
        let ports: Vec<Value> = json::list(subset, "/ports")
            .iter()
            .cloned()
            .map(|mut port| {
                json::default(json::as_map(&mut port), "name", "");
                port
            })
            .collect();
        for family in ["IPv4", "IPv6"] {
            let mut found = Vec::new();
            for (list, ready) in [("addresses", true), ("notReadyAddresses", false)] {
                for address in json::list(subset, &format!("/{list}")) {
                    let ip = json::text(address, "/ip");
                    if ip.contains(':') != (family == "IPv6") {
                        continue;
                    }
                    let mut endpoint = json!({"addresses": [ip], "conditions": {"ready": ready}});
                    for key in ["hostname", "nodeName", "targetRef"] {
                        if let Some(held) = address.get(key) {
                            json::set(&mut endpoint, &[key], held.clone());
                        }
                    }
                    found.push(endpoint);
                }
            }
            if !found.is_empty() {
                made.push(json!({"addressType": family, "endpoints": found, "ports": ports}));
            }
        }
    }
    made
}
