//! The roles and bindings that every cluster begins with (`data/roles.json`), and its flow schemas and API services
//! (`data/first.json`): told by kube-apiserver itself.

use serde_json::Value;

use crate::json;
use crate::operations::{Core, Decoded, WriteOptions};
use crate::store::ResourceKey;

/// Makes what is missing; what exists is left alone.
pub(crate) fn bootstrap(core: &Core) {
    let roles: Vec<Value> = serde_json::from_str(include_str!("../../data/roles.json")).unwrap_or_default();
    let others: Vec<Value> = serde_json::from_str(include_str!("../../data/first.json")).unwrap_or_default();
    for object in roles.into_iter().chain(others) {
        let Some(resource) = core.registry.of_kind(json::text(&object, "/apiVersion"), json::text(&object, "/kind"))
        else {
            continue;
        };
        let namespace = json::namespace(&object).to_string();
        let key: &ResourceKey = &resource.key;
        if core.store.get(key, &namespace, json::name(&object)).is_some() {
            continue;
        }
        let options = WriteOptions::component("kube-apiserver");
        if let Err(error) = core.create(&resource, &namespace, Decoded::from(object), &options) {
            tracing::error!(%error, "the sandbox could not make one of its first roles");
        }
    }
}
