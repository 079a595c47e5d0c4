//! Objects that a pod needs before it can start: ConfigMaps, Secrets, claims.

use serde_json::Value;

use super::context::Context;
use crate::json;

/// Says which object a volume of the pod waits for.
pub(super) fn missing_for_volumes(context: &Context<'_>, pod: &Value) -> Option<String> {
    let namespace = json::namespace(pod);
    for volume in json::list(pod, "/spec/volumes") {
        let name = json::text(volume, "/name");
        let found = [
            ("/configMap/name", "/configMap/optional", "configmaps", "configmap"),
            ("/secret/secretName", "/secret/optional", "secrets", "secret"),
        ]
        .into_iter()
        .find_map(|(pointer, optional, resource, word)| {
            let object = json::text(volume, pointer);
            (!object.is_empty() && !json::flag(volume, optional) && context.get(resource, namespace, object).is_none())
                .then(|| format!("MountVolume.SetUp failed for volume {name:?} : {word} {object:?} not found"))
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Says which object the environment of a container waits for.
pub(super) fn missing_for_container(context: &Context<'_>, pod: &Value, container: &Value) -> Option<String> {
    let namespace = json::namespace(pod);
    let missing = |reference: &Value, resource: &str, word: &str| -> Option<String> {
        let name = json::text(reference, "/name");
        if name.is_empty() || json::flag(reference, "/optional") {
            return None;
        }
        let Some(held) = context.get(resource, namespace, name) else {
            return Some(format!("{word} {name:?} not found"));
        };
        let key = json::text(reference, "/key");
        let has_key = |map: &str| held.value.get(map).is_some_and(|map| map.get(key).is_some());
        (!key.is_empty() && !has_key("data") && !has_key("binaryData")).then(|| {
            let kind = if word == "secret" { "Secret" } else { "ConfigMap" };
            format!("couldn't find key {key} in {kind} {namespace}/{name}")
        })
    };
    for source in json::list(container, "/envFrom") {
        for (pointer, resource, word) in
            [("configMapRef", "configmaps", "configmap"), ("secretRef", "secrets", "secret")]
        {
            if let Some(found) = source.get(pointer).and_then(|reference| missing(reference, resource, word)) {
                return Some(found);
            }
        }
    }
    for variable in json::list(container, "/env") {
        for (pointer, resource, word) in [
            ("/valueFrom/configMapKeyRef", "configmaps", "configmap"),
            ("/valueFrom/secretKeyRef", "secrets", "secret"),
        ] {
            if let Some(found) = variable.pointer(pointer).and_then(|reference| missing(reference, resource, word)) {
                return Some(found);
            }
        }
    }
    None
}
