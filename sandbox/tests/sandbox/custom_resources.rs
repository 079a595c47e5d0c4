//! Custom resources: from definition to discovery, defaults, pruning and validation.

use crate::common::{client, object, sandbox};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Error, discovery};
use serde_json::{Value, json};

fn definition() -> CustomResourceDefinition {
    object(json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["size"], "properties": {
                        "size": {"type": "integer", "minimum": 1, "maximum": 10},
                        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "port": {"x-kubernetes-int-or-string": true}}},
                    "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}},
            }],
        },
    }))
}

fn widget(name: &str, spec: Value) -> DynamicObject {
    object(json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}))
}

#[tokio::test]
async fn a_definition_serves_its_kind_with_defaults_pruning_and_validation() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &definition()).await.unwrap();
    let made = definitions.get("widgets.example.com").await.unwrap();
    let conditions = made.status.unwrap().conditions.unwrap();
    for wanted in ["NamesAccepted", "Established"] {
        assert!(
            conditions.iter().any(|held| held.type_ == wanted && held.status == "True"),
            "{wanted} in {conditions:?}"
        );
    }
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    let held = widgets
        .create(
            &PostParams::default(),
            &widget("one", json!({"size": 2, "unknown": 1, "free": {"any": [1]}, "port": "http"})),
        )
        .await
        .unwrap();
    assert_eq!(held.data["spec"], json!({"size": 2, "color": "red", "free": {"any": [1]}, "port": "http"}));
    assert_eq!(held.metadata.generation, Some(1));
    let error = widgets
        .create(&PostParams::default(), &widget("two", json!({"size": 99, "color": "green"})))
        .await
        .unwrap_err();
    let Error::Api(status) = error else { panic!("{error}") };
    assert_eq!(status.code, 422);
    assert!(status.message.contains("spec.size in body should be less than or equal to 10"), "{}", status.message);
    assert!(status.message.contains("supported values: \"red\", \"blue\""), "{}", status.message);

    // Status is written on its own path, and raises no generation; the spec does.
    let status = Patch::Merge(json!({"status": {"phase": "Fine"}, "spec": {"size": 9}}));
    let after = widgets.patch_status("one", &PatchParams::default(), &status).await.unwrap();
    assert_eq!((after.data["status"]["phase"].as_str(), after.data["spec"]["size"].as_i64()), (Some("Fine"), Some(2)));
    assert_eq!(after.metadata.generation, Some(1));
    let spec = Patch::Merge(json!({"spec": {"size": 3}, "status": {"phase": "Lost"}}));
    let after = widgets.patch("one", &PatchParams::default(), &spec).await.unwrap();
    assert_eq!((after.data["status"]["phase"].as_str(), after.metadata.generation), (Some("Fine"), Some(2)));

    definitions.delete("widgets.example.com", &DeleteParams::default()).await.unwrap();
    sandbox.settle().await;
    assert!(matches!(definitions.get("widgets.example.com").await, Err(Error::Api(status)) if status.code == 404));
    assert!(widgets.list(&ListParams::default()).await.is_err());
}

#[tokio::test]
async fn discovery_shows_built_in_and_custom_kinds_in_both_forms() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &definition()).await.unwrap();
    let old = discovery::Discovery::new(client.clone()).run().await.unwrap();
    let new = discovery::Discovery::new(client).run_aggregated().await.unwrap();
    for found in [&old, &new] {
        for (group, kind) in [("", "Pod"), ("apps", "Deployment"), ("example.com", "Widget")] {
            let gvk = GroupVersionKind::gvk(group, "v1", kind);
            let (resource, capabilities) = found.resolve_gvk(&gvk).unwrap_or_else(|| panic!("{kind} is missing"));
            assert_eq!(resource.kind, kind);
            assert!(capabilities.subresources.iter().any(|(part, _)| part.plural.ends_with("status")), "{kind}");
        }
    }
    let count =
        |found: &discovery::Discovery| found.groups().map(|group| group.resources_by_stability().len()).sum::<usize>();
    assert_eq!(count(&old), count(&new));
    assert!(count(&old) > 60);
}
