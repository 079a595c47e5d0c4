//! The API through `kube::Client`, in process: what a controller's author relies on.

use std::collections::BTreeMap;

use crate::common::{client, config_map, object, sandbox};
use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use kube::Error;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;

fn code(error: &Error) -> u16 {
    match error {
        Error::Api(status) => status.code,
        other => panic!("not an answer of the API: {other}"),
    }
}

#[tokio::test]
async fn what_is_created_can_be_read_listed_replaced_and_deleted() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let made = maps.create(&PostParams::default(), &config_map("one", "key", "first")).await.unwrap();
    assert!(made.metadata.uid.is_some());
    assert_eq!(made.metadata.creation_timestamp.as_ref().unwrap().0.to_string(), "2026-01-02T03:04:05Z");
    let mut read = maps.get("one").await.unwrap();
    assert_eq!(read.metadata.resource_version, made.metadata.resource_version);
    read.data.as_mut().unwrap().insert("key".into(), "second".into());
    let replaced = maps.replace("one", &PostParams::default(), &read).await.unwrap();
    assert_ne!(replaced.metadata.resource_version, made.metadata.resource_version);
    assert_eq!(code(&maps.replace("one", &PostParams::default(), &read).await.unwrap_err()), 409);
    let names: Vec<_> =
        maps.list(&ListParams::default()).await.unwrap().items.into_iter().map(|m| m.metadata.name.unwrap()).collect();
    assert!(names.contains(&"one".to_string()), "{names:?}");
    assert!(maps.delete("one", &DeleteParams::default()).await.unwrap().is_right());
    assert_eq!(code(&maps.get("one").await.unwrap_err()), 404);
    assert_eq!(code(&maps.create(&PostParams::default(), &config_map("Not_A_Name", "k", "v")).await.unwrap_err()), 422);
}

#[tokio::test]
async fn a_second_object_of_the_same_name_is_refused_with_the_real_message() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    maps.create(&PostParams::default(), &config_map("one", "key", "first")).await.unwrap();
    let error = maps.create(&PostParams::default(), &config_map("one", "key", "first")).await.unwrap_err();
    let Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "configmaps \"one\" already exists");
}

#[tokio::test]
async fn patches_of_every_type_change_what_they_say() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    maps.create(&PostParams::default(), &config_map("one", "a", "1")).await.unwrap();
    let merge = Patch::Merge(json!({"data": {"b": "2"}}));
    maps.patch("one", &PatchParams::default(), &merge).await.unwrap();
    let strategic = Patch::Strategic(json!({"data": {"c": "3", "a": null}}));
    maps.patch("one", &PatchParams::default(), &strategic).await.unwrap();
    let apply = Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"d": "4"}}));
    let last = maps.patch("one", &PatchParams::apply("tests"), &apply).await.unwrap();
    let expected: BTreeMap<String, String> =
        [("b", "2"), ("c", "3"), ("d", "4")].map(|(k, v)| (k.to_string(), v.to_string())).into();
    assert_eq!(last.data.unwrap(), expected);
}

#[tokio::test]
async fn apply_creates_what_does_not_exist() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let apply = Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"d": "4"}}));
    let made = maps.patch("fresh", &PatchParams::apply("tests"), &apply).await.unwrap();
    assert_eq!(made.data.unwrap()["d"], "4");
    assert!(made.metadata.uid.is_some());
}

#[tokio::test]
async fn a_watch_tells_additions_changes_and_deletions_in_order() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let made = maps.create(&PostParams::default(), &config_map("one", "a", "1")).await.unwrap();
    let params = WatchParams::default().fields("metadata.name=one");
    let events = maps.watch(&params, made.metadata.resource_version.as_deref().unwrap()).await.unwrap();
    pin_mut!(events);
    let patch = Patch::Merge(json!({"data": {"a": "2"}}));
    maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    maps.create(&PostParams::default(), &config_map("two", "a", "1")).await.unwrap();
    maps.delete("one", &DeleteParams::default()).await.unwrap();
    let Some(WatchEvent::Modified(changed)) = events.try_next().await.unwrap() else { panic!("a change first") };
    assert_eq!(changed.data.unwrap()["a"], "2");
    let Some(WatchEvent::Deleted(gone)) = events.try_next().await.unwrap() else { panic!("then the deletion") };
    assert_eq!(gone.metadata.name.as_deref(), Some("one"));
}

#[tokio::test]
async fn an_object_that_stops_being_selected_is_told_as_deleted() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let mut map = config_map("one", "a", "1");
    map.metadata.labels = Some([("show".to_string(), "yes".to_string())].into());
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    let params = WatchParams::default().labels("show=yes");
    let events = maps.watch(&params, made.metadata.resource_version.as_deref().unwrap()).await.unwrap();
    pin_mut!(events);
    for value in ["no", "yes"] {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"show": value}}}));
        maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    }
    assert!(matches!(events.next().await.unwrap().unwrap(), WatchEvent::Deleted(_)));
    assert!(matches!(events.next().await.unwrap().unwrap(), WatchEvent::Added(_)));
}

#[tokio::test]
async fn history_that_was_compacted_is_answered_with_gone() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let made = maps.create(&PostParams::default(), &config_map("one", "a", "1")).await.unwrap();
    maps.create(&PostParams::default(), &config_map("two", "a", "1")).await.unwrap();
    sandbox.compact();
    let old = made.metadata.resource_version.unwrap();
    let events = maps.watch(&WatchParams::default(), &old).await.unwrap();
    pin_mut!(events);
    let Some(WatchEvent::Error(error)) = events.try_next().await.unwrap() else { panic!("an error event") };
    assert_eq!((error.code, error.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn pages_of_a_list_show_one_moment_whatever_is_written_meanwhile() {
    let sandbox = sandbox().await;
    let secrets: Api<Secret> = Api::default_namespaced(client(&sandbox));
    for index in 0..5 {
        let secret = object(json!({"metadata": {"name": format!("s{index}")}, "stringData": {"k": "v"}}));
        secrets.create(&PostParams::default(), &secret).await.unwrap();
    }
    let first = secrets.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    secrets.delete("s3", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = secrets.list(&ListParams::default().limit(10).continue_token(&token)).await.unwrap();
    let names: Vec<_> = rest.items.iter().map(|secret| secret.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["s2", "s3", "s4"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(rest.items[0].data.as_ref().unwrap()["k"].0, b"v");
    assert_eq!(rest.items[0].type_.as_deref(), Some("Opaque"));
}

#[tokio::test]
async fn a_namespace_brings_its_service_account_and_takes_everything_with_it() {
    let sandbox = sandbox().await;
    let namespaces: Api<Namespace> = Api::all(client(&sandbox));
    let outside: Api<ConfigMap> = Api::namespaced(client(&sandbox), "team");
    assert_eq!(code(&outside.create(&PostParams::default(), &config_map("x", "a", "1")).await.unwrap_err()), 404);
    namespaces.create(&PostParams::default(), &object(json!({"metadata": {"name": "team"}}))).await.unwrap();
    sandbox.settle().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client(&sandbox), "team");
    assert!(accounts.get("default").await.is_ok());
    assert!(outside.get("kube-root-ca.crt").await.is_ok());
    outside.create(&PostParams::default(), &config_map("x", "a", "1")).await.unwrap();
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    sandbox.settle().await;
    assert_eq!(code(&namespaces.get("team").await.unwrap_err()), 404);
    assert_eq!(code(&outside.get("x").await.unwrap_err()), 404);
}

#[tokio::test]
async fn finalizers_hold_an_object_until_they_are_removed() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let mut map = config_map("held", "a", "1");
    map.metadata.finalizers = Some(vec!["example.com/wait".to_string()]);
    maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(maps.delete("held", &DeleteParams::default()).await.unwrap().is_left());
    assert!(maps.get("held").await.unwrap().metadata.deletion_timestamp.is_some());
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(code(&maps.get("held").await.unwrap_err()), 404);
}

#[tokio::test]
async fn dependents_follow_their_owner_unless_they_are_orphaned() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    for (policy, survives) in [
        (DeleteParams::background(), false),
        (DeleteParams::foreground(), false),
        (
            DeleteParams { propagation_policy: Some(kube::api::PropagationPolicy::Orphan), ..DeleteParams::default() },
            true,
        ),
    ] {
        let owner = maps.create(&PostParams::default(), &config_map("owner", "a", "1")).await.unwrap();
        let mut child = config_map("child", "a", "1");
        child.metadata.owner_references = Some(vec![object(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "name": "owner", "uid": owner.metadata.uid, "blockOwnerDeletion": true}))]);
        maps.create(&PostParams::default(), &child).await.unwrap();
        maps.delete("owner", &policy).await.unwrap();
        sandbox.settle().await;
        assert_eq!(code(&maps.get("owner").await.unwrap_err()), 404);
        assert_eq!(maps.get("child").await.is_ok(), survives, "{policy:?}");
        if survives {
            assert_eq!(maps.get("child").await.unwrap().metadata.owner_references, None);
        }
    }
}

#[tokio::test]
async fn services_get_addresses_of_their_own() {
    let sandbox = sandbox().await;
    let services: Api<Service> = Api::default_namespaced(client(&sandbox));
    let make = |name: &str, kind: &str| {
        object::<Service>(
            json!({"metadata": {"name": name}, "spec": {"type": kind, "selector": {"app": "x"}, "ports": [{"port": 80}]}}),
        )
    };
    let one = services.create(&PostParams::default(), &make("one", "ClusterIP")).await.unwrap().spec.unwrap();
    let two = services.create(&PostParams::default(), &make("two", "NodePort")).await.unwrap().spec.unwrap();
    assert_ne!(one.cluster_ip, two.cluster_ip);
    assert!(one.cluster_ip.unwrap().starts_with("10."));
    let port = two.ports.unwrap()[0].node_port.unwrap();
    assert!((30000..=32767).contains(&port));
    // An update that does not speak of the address keeps it.
    let mut again = make("two", "NodePort");
    again.spec.as_mut().unwrap().session_affinity = Some("ClientIP".to_string());
    let after = services.replace("two", &PostParams::default(), &again).await.unwrap().spec.unwrap();
    assert_eq!(after.cluster_ip, two.cluster_ip);
    assert_eq!(after.ports.unwrap()[0].node_port, Some(port));
}

#[tokio::test]
async fn a_dry_run_answers_and_changes_nothing() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert!(maps.create(&dry, &config_map("one", "a", "1")).await.unwrap().metadata.uid.is_some());
    assert_eq!(code(&maps.get("one").await.unwrap_err()), 404);
}

#[tokio::test]
async fn a_circle_of_owners_goes_with_any_of_its_members() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    let names = ["one", "two", "three"];
    let mut uids = Vec::new();
    for name in names {
        let made = maps.create(&PostParams::default(), &config_map(name, "a", "b")).await.unwrap();
        uids.push(made.metadata.uid.unwrap());
    }
    for (index, name) in names.iter().enumerate() {
        // Each is owned by the one before it, the first by the last.
        let owner = (index + names.len() - 1) % names.len();
        let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": names[owner], "uid": uids[owner],
            "controller": true, "blockOwnerDeletion": true});
        let patch = Patch::Merge(json!({"metadata": {"ownerReferences": [reference]}}));
        maps.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
    maps.delete("one", &DeleteParams::foreground()).await.unwrap();
    sandbox.settle().await;
    for name in names {
        assert!(maps.get_opt(name).await.unwrap().is_none(), "{name} is still there");
    }
}
