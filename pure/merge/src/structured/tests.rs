//! What server-side apply promises, on built-in and custom kinds.

use serde_json::{Value, json};

use super::*;
use crate::builtin::schema_of;
use crate::crd::CustomSchema;

fn deployment_kind() -> Kind<'static> {
    Kind {
        api_version: "apps/v1",
        schema: schema_of("apps/v1", "Deployment"),
        reset: FieldSet::of([path(&["status"])]),
        served_versions: Vec::new(),
        storage: Storage::Struct,
    }
}

fn by(manager: &str) -> Writer<'_> {
    Writer { manager, subresource: "", now: "2026-01-01T00:00:00Z" }
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn applied(live: Option<&Value>, spec: Value, manager: &str) -> Value {
    apply(live, &deployment(spec), &deployment_kind(), by(manager), Force::No).expect("applies")
}

fn fields_of(object: &Value, manager: &str) -> Value {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| entry["manager"] == manager)
        .map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

fn written(live: &Value, change: impl Fn(&mut Value), manager: &str) -> Value {
    let mut new = live.clone();
    new["metadata"]["uid"] = json!("1");
    change(&mut new);
    let mut live = live.clone();
    live["metadata"]["uid"] = json!("1");
    update(Some(&live), new, &deployment_kind(), by(manager))
}

#[test]
fn a_first_apply_owns_exactly_what_it_says() {
    let object = applied(
        None,
        json!({"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [
            {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
        ]}}}),
        "us",
    );
    assert_eq!(
        fields_of(&object, "us"),
        json!({"f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}
            }}}}
        }})
    );
    assert_eq!(object["metadata"]["managedFields"][0]["time"], "2026-01-01T00:00:00Z");
}

#[test]
fn what_is_no_longer_applied_is_removed_unless_somebody_else_owns_it() {
    let first = applied(None, json!({"replicas": 1, "paused": true, "minReadySeconds": 3}), "us");
    let second = applied(Some(&first), json!({"paused": true}), "them");
    let third = applied(Some(&second), json!({"replicas": 1}), "us");
    assert_eq!(third["spec"], json!({"replicas": 1, "paused": true}));
    assert_eq!(fields_of(&third, "them"), json!({"f:spec": {"f:paused": {}}}));
}

#[test]
fn a_keyed_element_that_we_drop_stays_with_what_others_own_in_it() {
    let ours = json!({"template": {"spec": {"containers": [{"name": "web", "image": "web:1", "tty": true}, {"name": "old", "image": "x"}]}}});
    let theirs = json!({"template": {"spec": {"containers": [{"name": "web", "workingDir": "/w"}]}}});
    let first = applied(None, ours, "us");
    let second = applied(Some(&first), theirs, "them");
    let third = applied(Some(&second), json!({"replicas": 2}), "us");
    assert_eq!(
        third["spec"],
        json!({"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "workingDir": "/w"}]}}})
    );
}

#[test]
fn changing_what_another_owns_is_a_conflict_that_names_both() {
    let first = applied(None, json!({"replicas": 1}), "us");
    let error = apply(Some(&first), &deployment(json!({"replicas": 2})), &deployment_kind(), by("them"), Force::No)
        .expect_err("conflicts");
    assert_eq!(error.to_string(), "Apply failed with 1 conflict: conflict with \"us\": .spec.replicas");
    let scaled = written(&first, |new| new["spec"]["replicas"] = json!(5), "hpa");
    assert_eq!(fields_of(&scaled, "us"), Value::Null);
    let error = apply(Some(&scaled), &deployment(json!({"replicas": 2})), &deployment_kind(), by("us"), Force::No)
        .expect_err("conflicts");
    assert_eq!(error.to_string(), "Apply failed with 1 conflict: conflict with \"hpa\" using apps/v1: .spec.replicas");
    let ApplyError::Conflicts(conflicts) = error else {
        panic!("conflicts");
    };
    assert_eq!(conflicts[0].message(), "conflict with \"hpa\" using apps/v1");
    assert_eq!(conflicts[0].field(), ".spec.replicas");
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let first = applied(None, json!({"replicas": 1, "paused": true}), "us");
    let second = applied(Some(&first), json!({"minReadySeconds": 1}), "b");
    let error = apply(
        Some(&second),
        &deployment(json!({"replicas": 2, "paused": false, "minReadySeconds": 2})),
        &deployment_kind(),
        by("them"),
        Force::No,
    )
    .expect_err("conflicts");
    assert_eq!(
        error.to_string(),
        "Apply failed with 3 conflicts: conflicts with \"b\":\n- .spec.minReadySeconds\nconflicts with \"us\":\n- .spec.paused\n- .spec.replicas"
    );
}

#[test]
fn force_takes_the_field_over() {
    let first = applied(None, json!({"replicas": 1}), "us");
    let second = apply(Some(&first), &deployment(json!({"replicas": 2})), &deployment_kind(), by("them"), Force::Yes)
        .expect("forced");
    assert_eq!(second["spec"]["replicas"], 2);
    assert_eq!(fields_of(&second, "us"), Value::Null);
    assert_eq!(fields_of(&second, "them"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn applying_the_same_value_shares_the_field_and_records_no_change() {
    let first = applied(None, json!({"replicas": 1}), "us");
    let second = applied(Some(&first), json!({"replicas": 1}), "them");
    assert_eq!(fields_of(&second, "us"), fields_of(&second, "them"));
    let again = applied(Some(&second), json!({"replicas": 1}), "us");
    assert_eq!(again, second);
}

#[test]
fn duplicates_and_undeclared_fields_in_a_configuration_are_refused() {
    let refused = |spec: Value| {
        apply(None, &deployment(spec), &deployment_kind(), by("us"), Force::No).expect_err("refused").to_string()
    };
    assert_eq!(
        refused(json!({"replica": 1})),
        "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"
    );
    let message = refused(json!({"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}));
    assert!(message.contains(".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"), "{message}");
    assert!(refused(json!({"replicas": "three"})).contains(".spec.replicas: expected numeric"));
}

#[test]
fn a_wrong_version_and_managed_fields_in_a_configuration_are_refused() {
    let mut configuration = deployment(json!({}));
    configuration["apiVersion"] = json!("apps/v1beta1");
    let error = apply(None, &configuration, &deployment_kind(), by("us"), Force::No).expect_err("refused");
    assert!(matches!(error, ApplyError::BadRequest(ref text) if text.contains("expected: apps/v1")), "{error}");
    let mut configuration = deployment(json!({}));
    configuration["metadata"]["managedFields"] = json!([]);
    assert!(apply(None, &configuration, &deployment_kind(), by("us"), Force::No).is_err());
}

#[test]
fn fields_that_the_endpoint_ignores_are_never_owned() {
    let mut configuration = deployment(json!({"replicas": 1}));
    configuration["status"] = json!({"replicas": 3});
    let object = apply(None, &configuration, &deployment_kind(), by("us"), Force::No).expect("applies");
    assert_eq!(fields_of(&object, "us"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn creating_and_updating_give_the_writer_what_changed() {
    let created = update(
        None,
        deployment(json!({
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]}]}}
        })),
        &deployment_kind(),
        by("kubectl-create"),
    );
    // As a real API server records it: nested structs are nobody's, optional lists and new elements are.
    assert_eq!(
        fields_of(&created, "kubectl-create"),
        json!({"f:spec": {
            "f:selector": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {}, "f:resources": {},
                "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}
            }}}}
        }})
    );
    let updated = written(&created, |new| new["spec"]["paused"] = json!(true), "editor");
    assert_eq!(fields_of(&updated, "editor"), json!({"f:spec": {"f:paused": {}}}));
    let removed = written(
        &updated,
        |new| {
            new["spec"].as_object_mut().expect("map").remove("paused");
        },
        "other",
    );
    assert_eq!(fields_of(&removed, "editor"), Value::Null);
    assert_eq!(fields_of(&removed, "other"), Value::Null);
}

#[test]
fn an_object_that_nobody_tracks_stays_so_until_it_is_applied() {
    let untracked = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "1"}, "spec": {"replicas": 1}});
    let written = update(Some(&untracked), untracked.clone(), &deployment_kind(), by("editor"));
    assert_eq!(written, untracked);
    let error = apply(Some(&untracked), &deployment(json!({"replicas": 2})), &deployment_kind(), by("us"), Force::No);
    assert!(error.expect_err("conflicts").to_string().contains("\"before-first-apply\" using apps/v1: .spec.replicas"));
}

#[test]
fn an_empty_list_of_entries_ends_tracking() {
    let first = applied(None, json!({"replicas": 1}), "us");
    let reset = written(&first, |new| new["metadata"]["managedFields"] = json!([]), "editor");
    assert_eq!(reset.pointer("/metadata/managedFields"), None);
}

#[test]
fn the_oldest_writers_are_merged_beyond_ten() {
    let mut live = applied(None, json!({"replicas": 0}), "us");
    for index in 0..12 {
        let mut new = live.clone();
        new["metadata"]["uid"] = json!("1");
        live["metadata"]["uid"] = json!("1");
        new["metadata"]["annotations"][format!("a{index}")] = json!("x");
        let now = format!("2026-01-01T00:00:{index:02}Z");
        let writer = Writer { manager: &format!("w{index}"), subresource: "", now: &now };
        live = update(Some(&live), new, &deployment_kind(), writer);
    }
    let managed = ManagedFields::of(&live).expect("reads");
    let updaters = managed.owned.keys().filter(|m| m.operation == Operation::Update).count();
    assert_eq!(updaters, UPDATERS_MAX);
    let ancient = fields_of(&live, "ancient-changes");
    assert_eq!(ancient, json!({"f:metadata": {"f:annotations": {".": {}, "f:a0": {}, "f:a1": {}, "f:a2": {}}}}));
}

#[test]
fn subresources_have_entries_of_their_own() {
    let first = applied(None, json!({"replicas": 1}), "us");
    let mut new = first.clone();
    new["status"] = json!({"replicas": 1});
    let status = Kind { reset: FieldSet::of([path(&["spec"]), path(&["metadata"])]), ..deployment_kind() };
    let writer = Writer { subresource: "status", ..by("controller") };
    let object = update(Some(&first), new, &status, writer);
    let entry = &object["metadata"]["managedFields"][1];
    assert_eq!(entry["subresource"], "status");
    assert_eq!(entry["fieldsV1"], json!({"f:status": {"f:replicas": {}}}));
    assert_eq!(fields_of(&object, "us"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn entries_of_versions_that_are_gone_are_dropped() {
    let mut first = applied(None, json!({"replicas": 1}), "us");
    first["metadata"]["managedFields"][0]["apiVersion"] = json!("apps/v1beta1");
    let kind = Kind { served_versions: vec!["apps/v1".to_owned()], ..deployment_kind() };
    let second =
        apply(Some(&first), &deployment(json!({"replicas": 2})), &kind, by("them"), Force::No).expect("no conflict");
    assert_eq!(fields_of(&second, "us"), Value::Null);
}

#[test]
fn kubectl_takes_over_from_its_own_client_side_apply_without_force() {
    let annotated = |replicas: i64| {
        let mut object = deployment(json!({"replicas": replicas}));
        let text = deployment(json!({"replicas": 1})).to_string();
        object["metadata"]["annotations"] = json!({LAST_APPLIED: text});
        object["metadata"]["uid"] = json!("1");
        object
    };
    let live = |replicas| {
        let object = annotated(replicas);
        let mut entry = json!({"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1"});
        entry["fieldsV1"] = json!({"f:spec": {"f:replicas": {}}});
        let mut object = object;
        object["metadata"]["managedFields"] = json!([entry]);
        object
    };
    let configuration = deployment(json!({"replicas": 2}));
    let taken =
        apply(Some(&live(1)), &configuration, &deployment_kind(), by("kubectl"), Force::No).expect("takes over");
    assert_eq!(taken["spec"]["replicas"], 2);
    assert!(taken["metadata"]["annotations"][LAST_APPLIED].as_str().expect("kept").contains("\"replicas\":2"));
    // Somebody changed it since: that is a conflict after all.
    assert!(apply(Some(&live(7)), &configuration, &deployment_kind(), by("kubectl"), Force::No).is_err());
    assert!(apply(Some(&live(1)), &configuration, &deployment_kind(), by("us"), Force::No).is_err());
}

#[test]
fn custom_resources_without_a_schema_merge_maps_and_replace_lists() {
    let custom = CustomSchema::new(None);
    let kind = Kind {
        api_version: "example.com/v1",
        schema: custom.schema(),
        reset: FieldSet::default(),
        served_versions: Vec::new(),
        storage: Storage::Json,
    };
    let object =
        |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec});
    let first = apply(None, &object(json!({"a": 1, "list": [1, 2]})), &kind, by("us"), Force::No).expect("applies");
    let second = apply(Some(&first), &object(json!({"b": {"c": 1}})), &kind, by("them"), Force::No).expect("applies");
    assert_eq!(second["spec"], json!({"a": 1, "b": {"c": 1}, "list": [1, 2]}));
    let error =
        apply(Some(&second), &object(json!({"list": [1]})), &kind, by("them"), Force::No).expect_err("conflicts");
    assert!(error.to_string().ends_with("\"us\": .spec.list"), "{error}");
    let created = update(None, object(json!({"a": 1})), &kind, by("creator"));
    assert_eq!(fields_of(&created, "creator"), json!({"f:spec": {".": {}, "f:a": {}}}));
}

#[test]
fn a_list_that_became_atomic_is_owned_as_a_whole() {
    let mut first = applied(None, json!({"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}), "us");
    first["metadata"]["managedFields"][0]["fieldsV1"] =
        json!({"f:spec": {"f:replicas": {}, "f:selector": {"f:matchLabels": {"f:a": {}}}}});
    let second = applied(Some(&first), json!({"paused": true}), "them");
    assert_eq!(fields_of(&second, "us"), json!({"f:spec": {"f:replicas": {}, "f:selector": {}}}));
}
