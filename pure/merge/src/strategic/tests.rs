//! What strategic merge patches do, and that made patches lead where they should.

use serde_json::{Value, json};

use super::apply::apply;
use super::create::{Overwrite, three_way, two_way};
use crate::builtin::schema_of;
use crate::schema::Schema;
use crate::value::equal;

fn pod() -> Schema<'static> {
    schema_of("v1", "Pod")
}

fn deployment() -> Schema<'static> {
    schema_of("apps/v1", "Deployment")
}

fn patched(schema: Schema<'_>, original: Value, patch: Value) -> Value {
    apply(&original, &patch, schema).expect("applies")
}

#[test]
fn lists_with_a_merge_key_merge_by_it_and_the_patch_goes_first_where_it_is_new() {
    assert_eq!(
        patched(
            pod(),
            json!({"spec": {"containers": [{"name": "a", "image": "a:1", "args": ["x"]}, {"name": "b", "image": "b:1"}]}}),
            json!({"spec": {"containers": [{"name": "c", "image": "c:1"}, {"name": "a", "image": "a:2", "args": ["y"]}]}}),
        ),
        json!({"spec": {"containers": [
            {"name": "c", "image": "c:1"},
            {"name": "a", "image": "a:2", "args": ["y"]},
            {"name": "b", "image": "b:1"}
        ]}})
    );
}

#[test]
fn null_deletes_and_never_stays_in_what_is_added() {
    assert_eq!(
        patched(
            pod(),
            json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
            json!({"metadata": {"labels": {"a": null}, "annotations": {"x": null, "y": "1"}}}),
        ),
        json!({"metadata": {"labels": {"b": "2"}, "annotations": {"y": "1"}}})
    );
}

#[test]
fn patch_directives_replace_and_delete_maps_and_elements() {
    let original = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "nodeSelector": {"x": "1"}}});
    assert_eq!(
        patched(
            pod(),
            original.clone(),
            json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}], "nodeSelector": {"$patch": "replace", "y": "2"}}}),
        ),
        json!({"spec": {"containers": [{"name": "b"}], "nodeSelector": {"y": "2"}}})
    );
    assert_eq!(
        patched(
            pod(),
            original,
            json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}], "nodeSelector": {"$patch": "delete"}}}),
        ),
        json!({"spec": {"containers": [{"name": "z"}], "nodeSelector": {}}})
    );
}

#[test]
fn a_deletion_of_something_absent_adds_nothing() {
    assert_eq!(
        patched(
            pod(),
            json!({"spec": {}}),
            json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"name": "b"}], "affinity": {"$patch": "delete"}}}),
        ),
        json!({"spec": {"containers": [{"name": "b"}]}})
    );
}

#[test]
fn lists_of_scalars_merge_as_sets_and_lose_what_the_parallel_list_names() {
    assert_eq!(
        patched(
            pod(),
            json!({"metadata": {"finalizers": ["a", "b", "c"]}}),
            json!({"metadata": {"finalizers": ["d"], "$deleteFromPrimitiveList/finalizers": ["b"]}}),
        ),
        json!({"metadata": {"finalizers": ["d", "a", "c"]}})
    );
}

#[test]
fn set_element_order_orders_the_patch_and_weaves_in_the_rest() {
    assert_eq!(
        patched(
            pod(),
            json!({"spec": {"containers": [{"name": "a"}, {"name": "sidecar"}, {"name": "b"}]}}),
            json!({"spec": {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
                "containers": [{"name": "new", "image": "n"}]
            }}),
        ),
        json!({"spec": {"containers": [{"name": "sidecar"}, {"name": "b"}, {"name": "new", "image": "n"}, {"name": "a"}]}})
    );
}

#[test]
fn retain_keys_drops_the_rest() {
    assert_eq!(
        patched(
            deployment(),
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        ),
        json!({"spec": {"strategy": {"type": "Recreate"}}})
    );
}

#[test]
fn malformed_patches_say_what_is_wrong() {
    let refused = |patch: Value| {
        apply(&json!({"spec": {"containers": [{"name": "a"}], "strategy": {"type": "x"}}}), &patch, pod())
            .expect_err("does not apply")
            .to_string()
    };
    assert_eq!(
        refused(json!({"spec": {"containers": [{"image": "x"}]}})),
        "containers: map: {\"image\":\"x\"} does not contain declared merge key: name"
    );
    assert!(refused(json!({"spec": {"$patch": "explode"}})).contains("explode"));
    assert!(refused(json!({"spec": {"containers": [1]}})).contains("same type"));
    assert!(refused(json!([])).contains("expected a map, got a list"));
    assert!(refused(json!({"spec": {"$setElementOrder/containers": [{"name": "z"}], "containers": [{"name": "a", "image": "b"}]}})).contains("order"));
    let strategy = apply(
        &json!({"spec": {"strategy": {}}}),
        &json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}),
        deployment(),
    );
    assert!(strategy.expect_err("not retained").to_string().contains("$retainKeys"));
}

#[test]
fn a_two_way_patch_names_order_deletions_and_only_the_changes() {
    let before = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}, "metadata": {"finalizers": ["x", "y"]}});
    let after = json!({"spec": {"containers": [{"name": "c", "image": "1"}, {"name": "a", "image": "2"}]}, "metadata": {"finalizers": ["y"]}});
    let patch = two_way(&before, &after, pod()).expect("diffs");
    assert_eq!(
        patch,
        json!({
            "metadata": {"$deleteFromPrimitiveList/finalizers": ["x"], "$setElementOrder/finalizers": ["y"]},
            "spec": {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
                "containers": [{"name": "c", "image": "1"}, {"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}]
            }
        })
    );
    assert!(equal(&patched(pod(), before.clone(), patch), &after));
    assert_eq!(two_way(&before, &before, pod()).expect("diffs"), json!({}));
}

#[test]
fn a_three_way_patch_leaves_what_others_added_and_deletes_what_was_ours() {
    let original = json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "env": [{"name": "OLD", "value": "1"}]}]}}}});
    let modified = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "NEW", "value": "2"}]}]}}}});
    let current = json!({"spec": {"replicas": 3, "paused": true, "template": {"spec": {"containers": [
        {"name": "a", "env": [{"name": "OLD", "value": "1"}]}, {"name": "injected"}
    ]}}}});
    let patch = three_way(&original, &modified, &current, deployment(), Overwrite::Yes).expect("diffs");
    let result = patched(deployment(), current, patch);
    assert_eq!(
        result,
        json!({"spec": {"paused": true, "template": {"spec": {"containers": [
            {"name": "a", "env": [{"name": "NEW", "value": "2"}]}, {"name": "injected"}
        ]}}}})
    );
}

#[test]
fn without_overwriting_a_foreign_change_in_the_same_place_is_refused() {
    let original = json!({"spec": {"replicas": 1}});
    let modified = json!({"spec": {"replicas": 2}});
    let current = json!({"spec": {"replicas": 3}});
    let refused = three_way(&original, &modified, &current, deployment(), Overwrite::No);
    assert!(refused.expect_err("conflicts").to_string().starts_with("spec.replicas"));
    assert!(three_way(&original, &modified, &original, deployment(), Overwrite::No).is_ok());
}
