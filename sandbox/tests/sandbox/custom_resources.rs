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

/// Widgets of which version v1 calls a field `size` that v2 keeps as `volume.litres`.
fn definition_with_conversion(url: &str) -> CustomResourceDefinition {
    let version = |name: &str, storage: bool, fields: Value| {
        json!({"name": name, "served": true, "storage": storage, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": fields}, "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}}})
    };
    object(json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": url}}},
            "versions": [
                version("v1", false, json!({"size": {"type": "integer"}, "color": {"type": "string", "default": "red"}})),
                version("v2", true, json!({"color": {"type": "string"},
                    "volume": {"type": "object", "properties": {"litres": {"type": "integer"}}}})),
            ],
        },
    }))
}

#[tokio::test]
async fn a_webhook_converts_what_is_written_read_listed_and_watched_in_another_version() {
    use futures::TryStreamExt as _;
    use kube::api::{WatchEvent, WatchParams};
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let url = "https://move.sandbox.landfall.io/v1/spec.size/v2/spec.volume.litres";
    definitions.create(&PostParams::default(), &definition_with_conversion(url)).await.unwrap();
    let of = |version: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", version, "Widget"));
        Api::<DynamicObject>::default_namespaced_with(client.clone(), &resource)
    };
    let (old, new) = (of("v1"), of("v2"));
    let made = old.create(&PostParams::default(), &widget("one", json!({"size": 2}))).await.unwrap();
    assert_eq!(made.data["spec"], json!({"size": 2, "color": "red"}), "answered in the version that was asked for");
    assert_eq!(made.types.unwrap().api_version, "example.com/v1");
    let kept = new.get("one").await.unwrap();
    assert_eq!(kept.data["spec"], json!({"volume": {"litres": 2}, "color": "red"}));

    let merge = Patch::Merge(json!({"spec": {"size": 3}}));
    let patched = old.patch("one", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(patched.data["spec"]["size"], 3);
    let apply = Patch::Apply(json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"size": 4}}));
    old.patch("one", &PatchParams::apply("me").force(), &apply).await.unwrap();
    let status = Patch::Merge(json!({"status": {"phase": "Fine"}, "spec": {"size": 9}}));
    let after = old.patch_status("one", &PatchParams::default(), &status).await.unwrap();
    assert_eq!((&after.data["spec"]["size"], &after.data["status"]["phase"]), (&json!(4), &json!("Fine")));
    assert_eq!(new.get("one").await.unwrap().data["spec"]["volume"]["litres"], 4);

    let listed = old.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items[0].data["spec"]["size"], 4);
    let events = old.watch(&WatchParams::default().timeout(1), "0").await.unwrap();
    let events: Vec<WatchEvent<DynamicObject>> = events.try_collect().await.unwrap();
    let WatchEvent::Added(told) = &events[0] else { panic!("{events:?}") };
    assert_eq!(told.data["spec"]["size"], 4);
    old.delete("one", &DeleteParams::default()).await.unwrap();
    assert!(new.get("one").await.is_err());
}

#[tokio::test]
async fn a_conversion_webhook_that_is_down_breaks_only_the_other_version() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let down = "https://down.sandbox.landfall.io/";
    definitions.create(&PostParams::default(), &definition_with_conversion(down)).await.unwrap();
    let of = |version: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", version, "Widget"));
        Api::<DynamicObject>::default_namespaced_with(client.clone(), &resource)
    };
    let whole: DynamicObject =
        object(json!({"apiVersion": "example.com/v2", "kind": "Widget", "metadata": {"name": "one"}, "spec": {}}));
    of("v2").create(&PostParams::default(), &whole).await.unwrap();
    assert!(of("v2").get("one").await.is_ok());
    let told = [
        of("v1").get("one").await.map(|_| ()),
        of("v1").list(&ListParams::default()).await.map(|_| ()),
        of("v1").create(&PostParams::default(), &widget("two", json!({"size": 2}))).await.map(|_| ()),
    ];
    for answer in told {
        let Err(Error::Api(status)) = answer else { panic!("{answer:?}") };
        assert_eq!(status.code, 500);
        assert!(status.message.starts_with("conversion webhook for example.com/v"), "{}", status.message);
        assert!(
            status.message.contains("failed: Post \"https://down.sandbox.landfall.io/?timeout=30s\""),
            "{}",
            status.message
        );
    }
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

#[tokio::test]
async fn objects_have_the_defaults_that_their_definition_was_given_later() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &definition()).await.unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    let made = widgets.create(&PostParams::default(), &widget("one", json!({"size": 2}))).await.unwrap();
    let mut versions = serde_json::to_value(definition()).unwrap()["spec"]["versions"].clone();
    versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["port"]["default"] = json!(8080);
    let patch = Patch::Merge(json!({"spec": {"versions": versions}}));
    definitions.patch("widgets.example.com", &PatchParams::default(), &patch).await.unwrap();
    let read = widgets.get("one").await.unwrap();
    assert_eq!(read.data["spec"]["port"], 8080);
    assert_eq!(read.metadata.resource_version, made.metadata.resource_version, "nobody wrote it");
}
