//! Promises of patches over random documents: making one and applying it gets there, undoing gets back, nothing panics.

use landfall_merge::builtin::schema_of;
use landfall_merge::strategic::{apply as strategic, create};
use landfall_merge::{json_patch, merge_patch};
use proptest::prelude::*;
use serde_json::{Value, json};

/// JSON of a few levels, over few keys so that documents have much in common.
fn document(has_nulls: bool) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        if has_nulls { Just(Value::Null).boxed() } else { Just(json!({})).boxed() },
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d~/]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn mapping(has_nulls: bool) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]{1,2}", document(has_nulls), 0..5)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// A Deployment's containers, with and without what makes them hard: ports by number and protocol, lists of plain values.
fn deployment() -> impl Strategy<Value = Value> {
    let port = (1_i64..5, prop_oneof![Just("TCP"), Just("UDP")], "[a-c]?")
        .prop_map(|(number, protocol, name)| json!({"containerPort": number, "protocol": protocol, "name": name}));
    let ports = prop::collection::btree_map(1_i64..5, port, 0..3).prop_map(|ports| {
        let ports: Vec<Value> = ports
            .into_iter()
            .map(|(number, mut port)| {
                port["containerPort"] = number.into();
                port
            })
            .collect();
        Value::from(ports)
    });
    let container = ("[a-c]{1}", ports, prop::collection::vec("[a-c]", 0..3), prop::option::of("[a-b]"));
    let containers = prop::collection::vec(container, 0..4).prop_map(|containers| {
        let mut seen = std::collections::BTreeSet::new();
        let made = containers.into_iter().filter(|(name, ..)| seen.insert(name.clone()));
        made.map(|(name, ports, args, image)| json!({"name": name, "ports": ports, "args": args, "image": image.unwrap_or_default()}))
            .collect::<Vec<_>>()
    });
    let finalizers = prop::collection::btree_set("[a-d]", 0..3).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    (containers, finalizers, mapping(false)).prop_map(|(containers, finalizers, labels)| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x", "finalizers": finalizers, "annotations": labels},
            "spec": {"template": {"spec": {"containers": containers}}}
        })
    })
}

/// Lists of maps in any order, for comparisons in which the order of added elements is free.
fn unordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(unordered).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), unordered(value))).collect()),
        other => other.clone(),
    }
}

/// The pointer of every place in a document but its root.
fn places(value: &Value, prefix: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                found.push(format!("{prefix}/{at}"));
                places(item, &format!("{prefix}/{at}"), found);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let below = format!("{prefix}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(below.clone());
                places(item, &below, found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_merge_patch_that_was_made_gets_there(from in mapping(false), to in mapping(false)) {
        let patch = merge_patch::create(&from, &to);
        prop_assert_eq!(merge_patch::apply(&from, &patch), to.clone());
        prop_assert_eq!(merge_patch::create(&to, &to), json!({}));
    }

    #[test]
    fn a_merge_patch_applied_twice_is_as_applied_once(from in mapping(true), patch in mapping(true)) {
        let once = merge_patch::apply(&from, &patch);
        prop_assert_eq!(merge_patch::apply(&once, &patch), once);
    }

    #[test]
    fn a_strategic_patch_that_was_made_gets_there(from in deployment(), to in deployment()) {
        let schema = schema_of("apps/v1", "Deployment");
        let patch = create::two_way(&from, &to, schema).expect("both are well-formed");
        let reached = strategic::apply(&from, &patch, schema).expect("the patch was made for it");
        prop_assert_eq!(unordered(&reached), unordered(&to), "by {}", patch);
    }

    #[test]
    fn an_operation_and_its_opposite_change_nothing(document in mapping(true), choice in any::<prop::sample::Index>(), value in document(true)) {
        let mut found = Vec::new();
        places(&document, "", &mut found);
        prop_assume!(!found.is_empty());
        let path = choice.get(&found);
        let there = document.pointer(path).expect("it was found").clone();
        // What is taken away and put back is there again.
        let patch = json!([{"op": "test", "path": path, "value": there}, {"op": "remove", "path": path}, {"op": "add", "path": path, "value": there}]);
        prop_assert_eq!(json_patch::apply(&document, &patch).expect("it exists"), document.clone());
        // What is replaced and replaced back, too.
        let patch = json!([{"op": "replace", "path": path, "value": value}, {"op": "replace", "path": path, "value": there}]);
        prop_assert_eq!(json_patch::apply(&document, &patch).expect("it exists"), document.clone());
        // A copy beside it and its removal, too.
        let patch = json!([{"op": "copy", "from": path, "path": "/copied"}, {"op": "test", "path": "/copied", "value": there}, {"op": "remove", "path": "/copied"}]);
        prop_assert_eq!(json_patch::apply(&document, &patch).expect("it exists"), document.clone());
    }

    #[test]
    fn any_patch_is_applied_or_refused(document in document(true), patch in document(true), path in "(/[a-d~0-2-]{0,3}){0,3}", operation in 0_usize..7) {
        let name = ["add", "remove", "replace", "move", "copy", "test", "other"][operation];
        let before = document.clone();
        let operations = json!([{"op": name, "path": path, "from": "/a", "value": patch}]);
        if let Err(error) = json_patch::apply(&document, &operations) {
            prop_assert!(!error.to_string().is_empty());
        }
        let _either = json_patch::apply(&document, &patch);
        let _either = strategic::apply(&document, &patch, schema_of("apps/v1", "Deployment"));
        prop_assert_eq!(document, before);
    }
}
