//! What the tests share: a sandbox, a client for it, and small objects.

use k8s_openapi::api::core::v1::ConfigMap;
use landfall_sandbox::{Clock, Sandbox};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A sandbox whose clock only the test moves, with repeatable names.
pub(crate) async fn sandbox() -> Sandbox {
    let start = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
    Sandbox::builder().clock(Clock::driven(start)).seed(7).start().await.expect("a sandbox in memory starts")
}

/// A `kube` client without a socket.
pub(crate) fn client(sandbox: &Sandbox) -> kube::Client {
    kube::Client::new(sandbox.client_service(), "default")
}

/// An object of a typed kind from JSON.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("the test's object has its kind's shape")
}

/// A ConfigMap with one key.
pub(crate) fn config_map(name: &str, key: &str, text: &str) -> ConfigMap {
    object(json!({"metadata": {"name": name}, "data": {key: text}}))
}

/// A Deployment of one container.
pub(crate) fn deployment(name: &str, replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    })
}
