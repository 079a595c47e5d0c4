//! One file holds everything: what was answered is there after the process is gone.

use crate::common::{client, config_map, object};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use landfall_sandbox::Sandbox;
use serde_json::json;

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.db");
    let first = Sandbox::builder().file(&file).start().await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&first));
    let kept = maps.create(&PostParams::default(), &config_map("kept", "a", "1")).await.unwrap();
    maps.create(&PostParams::default(), &config_map("gone", "a", "1")).await.unwrap();
    maps.delete("gone", &DeleteParams::default()).await.unwrap();
    let service: Service =
        object(json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}}));
    Api::<Service>::default_namespaced(client(&first)).create(&PostParams::default(), &service).await.unwrap();
    let definition: CustomResourceDefinition = object(json!({"metadata": {"name": "things.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
            {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}));
    Api::<CustomResourceDefinition>::all(client(&first)).create(&PostParams::default(), &definition).await.unwrap();
    // The process dies without a word: nothing is stopped in order.
    std::mem::forget(first);

    let second = Sandbox::builder().file(&file).start().await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&second));
    let held = maps.get("kept").await.unwrap();
    assert_eq!(held.metadata.uid, kept.metadata.uid);
    assert_eq!(held.metadata.resource_version, kept.metadata.resource_version);
    assert!(maps.get_opt("gone").await.unwrap().is_none());
    let again: Service =
        object(json!({"metadata": {"name": "t"}, "spec": {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}}));
    let services: Api<Service> = Api::default_namespaced(client(&second));
    assert!(services.create(&PostParams::default(), &again).await.is_err(), "the address is still taken");
    let thing = kube::api::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("example.com", "v1", "Thing"));
    let things: Api<kube::api::DynamicObject> = Api::default_namespaced_with(client(&second), &thing);
    assert!(things.list(&ListParams::default()).await.is_ok(), "the kind is still served");
    // History from before cannot be told any more.
    let stale = maps.watch(&Default::default(), "2").await.unwrap();
    futures::pin_mut!(stale);
    let first_event = futures::TryStreamExt::try_next(&mut stale).await.unwrap();
    assert!(matches!(first_event, Some(kube::api::WatchEvent::Error(error)) if error.code == 410));
}
