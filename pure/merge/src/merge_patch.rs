//! JSON merge patch (RFC 7386): apply one, make one from two objects, make one from three as kubectl does for custom resources.

use serde_json::{Map, Value};

use crate::value::equal;

/// Applies a merge patch: maps merge, null deletes, anything else replaces.
///
/// Source: RFC 7386 §2. As in kube-apiserver, a patch never leaves nulls behind inside maps that it adds.
#[must_use]
pub fn apply(document: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut merged = document.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        if change.is_null() {
            merged.remove(key);
        } else {
            let before = merged.get(key).unwrap_or(&Value::Null);
            let after = apply(before, change);
            merged.insert(key.clone(), after);
        }
    }
    Value::Object(merged)
}

/// The smallest merge patch that turns `original` into `modified`; an empty map if they are equal.
///
/// A merge patch cannot express a null value: nulls in `modified` come out as deletions.
#[must_use]
pub fn create(original: &Value, modified: &Value) -> Value {
    match (original, modified) {
        (Value::Object(before), Value::Object(after)) => Value::Object(create_map(before, after)),
        _ => modified.clone(),
    }
}

fn create_map(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, new) in after {
        match (before.get(key), new) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let nested = create_map(old, new);
                if !nested.is_empty() {
                    patch.insert(key.clone(), Value::Object(nested));
                }
            }
            (Some(old), new) if equal(old, new) => {}
            _ => {
                patch.insert(key.clone(), new.clone());
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

/// The merge patch that brings `current` to `modified` and deletes what `original` had and `modified` has not, leaving alone what
/// others added to `current`. `original` is what was applied last time.
///
/// Source: apimachinery v0.36, pkg/util/jsonmergepatch (CreateThreeWayJSONMergePatch): null values in `modified` are dropped.
#[must_use]
pub fn create_three_way(original: &Value, modified: &Value, current: &Value) -> Value {
    let additions = keep(&create(current, modified), Keep::Changes).unwrap_or_else(empty);
    let deletions = keep(&create(original, modified), Keep::Deletions).unwrap_or_else(empty);
    merge_patches(&deletions, &additions)
}

fn empty() -> Value {
    Value::Object(Map::new())
}

#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Changes,
    Deletions,
}

/// The part of a patch that deletes, or the part that does not; `None` if nothing of it is left.
fn keep(patch: &Value, what: Keep) -> Option<Value> {
    match patch {
        Value::Object(map) => {
            let kept: Map<String, Value> =
                map.iter().filter_map(|(key, value)| Some((key.clone(), keep(value, what)?))).collect();
            (!kept.is_empty() || (map.is_empty() && what == Keep::Changes)).then_some(Value::Object(kept))
        }
        Value::Null => (what == Keep::Deletions).then_some(Value::Null),
        other => (what == Keep::Changes).then(|| other.clone()),
    }
}

/// Lays one patch over another, keeping deletions as nulls.
fn merge_patches(below: &Value, above: &Value) -> Value {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            let mut merged = below.clone();
            for (key, value) in above {
                let both = merged.get(key).map_or_else(|| value.clone(), |under| merge_patches(under, value));
                merged.insert(key.clone(), both);
            }
            Value::Object(merged)
        }
        (_, above) => above.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn applying_merges_maps_and_deletes_nulls() {
        assert_eq!(
            apply(
                &json!({"a": {"b": 1, "c": 2}, "l": [1]}),
                &json!({"a": {"b": null, "d": {"e": null, "f": 1}}, "l": [2], "x": null})
            ),
            json!({"a": {"c": 2, "d": {"f": 1}}, "l": [2]})
        );
        assert_eq!(apply(&json!([1]), &json!({"a": 1})), json!({"a": 1}));
        assert_eq!(apply(&json!({"a": 1}), &json!([2])), json!([2]));
    }

    #[test]
    fn a_created_patch_leads_from_one_to_the_other() {
        let before = json!({"a": {"b": 1, "c": [1]}, "gone": {"x": 1}, "same": {"y": 1}});
        let after = json!({"a": {"b": 2, "c": [1, 2]}, "same": {"y": 1.0}, "new": {}});
        let patch = create(&before, &after);
        assert_eq!(patch, json!({"a": {"b": 2, "c": [1, 2]}, "gone": null, "new": {}}));
        assert!(equal(&apply(&before, &patch), &after));
        assert_eq!(create(&before, &before), json!({}));
    }

    #[test]
    fn three_ways_delete_only_what_was_ours() {
        let original = json!({"spec": {"mine": 1, "kept": 1, "map": {"x": 1}}});
        let modified = json!({"spec": {"kept": 2}});
        let current = json!({"spec": {"mine": 1, "kept": 1, "map": {"x": 1, "y": 2}, "theirs": 1}});
        let patch = create_three_way(&original, &modified, &current);
        assert_eq!(patch, json!({"spec": {"kept": 2, "mine": null, "map": null}}));
        assert_eq!(apply(&current, &patch), json!({"spec": {"kept": 2, "theirs": 1}}));
    }
}
