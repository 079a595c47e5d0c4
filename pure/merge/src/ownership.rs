//! What an object says about our ownership of it, small enough to keep for every object: a digest of our managedFields entry and
//! one of the values that it covers.
//!
//! Any other writer that changes or removes a field of ours takes it out of our entry, so an unchanged entry digest means that
//! nobody changed what we applied, but for mutating webhooks in others' requests and writers that use our name: for these there is
//! the digest of the values. Taken from the answer to our own apply, both already contain defaulting and the server's spelling.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::fields::Element;
use crate::fields::set::FieldSet;
use crate::fields::v1::encode_text;
use crate::managed::{ManagedFields, Manager};
use crate::value::equal;

/// Digests of what one manager owns of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ownership {
    /// Of the entry: version and set of fields.
    pub entry: u128,
    /// Of the values at these fields.
    pub values: u128,
}

/// The digests of what the applier of this name owns; `None` if it owns nothing or managedFields cannot be read.
#[must_use]
pub fn digest(live: &Value, manager: &str) -> Option<Ownership> {
    let managed = ManagedFields::of(live).ok()?;
    let owned = managed.owned.get(&Manager::applier(manager))?;
    let mut entry = Sha256::new();
    entry.update(owned.api_version.as_bytes());
    entry.update([0]);
    entry.update(encode_text(&owned.fields).as_bytes());
    let mut values = Sha256::new();
    hash_owned(Some(live), &owned.fields, &mut values);
    Some(Ownership { entry: first_half(entry), values: first_half(values) })
}

fn first_half(hash: Sha256) -> u128 {
    let bytes = hash.finalize();
    bytes[..16].iter().fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

fn hash_owned(value: Option<&Value>, fields: &FieldSet, hash: &mut Sha256) {
    for member in &fields.members {
        if fields.children.contains_key(member) {
            continue;
        }
        hash_element(member, hash);
        match find(value, member) {
            Some(found) => hash_value(found, hash),
            None => hash.update(b"absent"),
        }
    }
    for (element, below) in &fields.children {
        hash_element(element, hash);
        let found = find(value, element);
        hash.update(if found.is_some() { b"(" } else { b"-" });
        hash_owned(found, below, hash);
        hash.update(b")");
    }
}

fn hash_element(element: &Element, hash: &mut Sha256) {
    hash.update(crate::fields::v1::key_text(element).as_bytes());
    hash.update([0]);
}

/// The value at one step of a path. Keyed elements are found by all fields of the key.
#[must_use]
pub fn find<'v>(value: Option<&'v Value>, element: &Element) -> Option<&'v Value> {
    match (value?, element) {
        (Value::Object(map), Element::Field(name)) => map.get(name),
        (Value::Array(list), Element::Key(keys)) => list.iter().find(|candidate| {
            keys.iter().all(|(name, wanted)| candidate.get(name).is_some_and(|key| equal(key, wanted)))
        }),
        (Value::Array(list), Element::Value(wanted)) => list.iter().find(|candidate| equal(candidate, wanted)),
        (Value::Array(list), Element::Index(index)) => list.get(usize::try_from(*index).ok()?),
        _ => None,
    }
}

/// Feeds a value in a form that does not depend on the order of maps or on how a number is spelt.
fn hash_value(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Null => hash.update(b"null;"),
        Value::Bool(flag) => hash.update(if *flag { b"true;" } else { b"fals;" }),
        Value::Number(number) => {
            hash.update(crate::value::number_text(number).as_bytes());
            hash.update(b";");
        }
        Value::String(text) => {
            hash.update(b"\"");
            hash.update(text.len().to_le_bytes());
            hash.update(text.as_bytes());
        }
        Value::Array(list) => {
            hash.update(b"[");
            list.iter().for_each(|element| hash_value(element, hash));
            hash.update(b"]");
        }
        Value::Object(map) => {
            hash.update(b"{");
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            for key in keys {
                hash.update(key.len().to_le_bytes());
                hash.update(key.as_bytes());
                hash_value(&map[key], hash);
            }
            hash.update(b"}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Value {
        json!({
            "metadata": {"name": "a", "resourceVersion": "1", "managedFields": [
                {"manager": "us", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:image": {}}}}
                }},
                {"manager": "hpa", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
            ]},
            "spec": {"replicas": 1, "paused": false, "containers": [{"name": "x", "image": "x:1", "tty": true}]}
        })
    }

    #[test]
    fn what_others_change_beside_our_fields_leaves_both_digests() {
        let mut other = live();
        other["metadata"]["resourceVersion"] = json!("2");
        other["metadata"]["managedFields"][1]["fieldsV1"] = json!({"f:spec": {"f:paused": {}}});
        other["spec"]["paused"] = json!(true);
        other["spec"]["containers"][0]["tty"] = json!(false);
        other["spec"]["replicas"] = json!(1.0);
        assert_eq!(digest(&live(), "us"), digest(&other, "us"));
        assert!(digest(&live(), "us").is_some());
    }

    #[test]
    fn a_taken_field_changes_the_entry_and_a_silent_change_the_values() {
        let before = digest(&live(), "us").expect("owned");
        let mut taken = live();
        taken["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].as_object_mut().expect("map").remove("f:replicas");
        assert_ne!(digest(&taken, "us").expect("owned").entry, before.entry);
        let mut silent = live();
        silent["spec"]["containers"][0]["image"] = json!("x:2");
        let after = digest(&silent, "us").expect("owned");
        assert_eq!(after.entry, before.entry);
        assert_ne!(after.values, before.values);
        let mut gone = live();
        gone["spec"]["containers"] = json!([]);
        assert_ne!(digest(&gone, "us").expect("owned").values, before.values);
    }

    #[test]
    fn a_stranger_owns_nothing() {
        assert_eq!(digest(&live(), "nobody"), None);
        assert_eq!(digest(&json!({}), "us"), None);
    }
}
