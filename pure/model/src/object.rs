//! Reading a Kubernetes object held as JSON. Absent fields read as `""`, `None` or empty: whether that is allowed is for
//! the caller to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::key::{GroupVersionKind, ObjectKey};
use crate::time::Time;

/// Reads the text at a path of map keys, `""` if it is absent or no text.
pub fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or("")
}

/// Reads the value at a path of map keys.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Reads a whole number at a path of map keys.
pub fn integer(value: &Value, path: &[&str]) -> Option<i64> {
    at(value, path).and_then(|found| found.as_i64().or_else(|| found.as_f64().map(|float| float as i64)))
}

/// Reads `apiVersion` and `kind`.
pub fn gvk(object: &Value) -> GroupVersionKind {
    GroupVersionKind::of(text(object, &["apiVersion"]), text(object, &["kind"]))
}

/// Reads the object's key.
pub fn key(object: &Value) -> ObjectKey {
    let GroupVersionKind { group, kind, .. } = gvk(object);
    ObjectKey { group, kind, namespace: namespace(object).to_owned(), name: name(object).to_owned() }
}

/// Reads `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(object, &["metadata", "name"])
}

/// Reads `metadata.namespace`.
pub fn namespace(object: &Value) -> &str {
    text(object, &["metadata", "namespace"])
}

/// Reads `metadata.uid`.
pub fn uid(object: &Value) -> &str {
    text(object, &["metadata", "uid"])
}

/// Reads `metadata.resourceVersion`.
pub fn resource_version(object: &Value) -> &str {
    text(object, &["metadata", "resourceVersion"])
}

/// Reads `metadata.deletionTimestamp`.
pub fn deletion_time(object: &Value) -> Option<Time> {
    Time::parse(text(object, &["metadata", "deletionTimestamp"]))
}

/// Reads one annotation.
pub fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    at(object, &["metadata", "annotations"])?.get(name)?.as_str()
}

/// Reads one label.
pub fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    at(object, &["metadata", "labels"])?.get(name)?.as_str()
}

/// Reads a map of texts, such as labels, annotations or a Secret's `data`; entries that are no text are left out.
pub fn text_map(object: &Value, path: &[&str]) -> BTreeMap<String, String> {
    let entries = at(object, path).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Reads the finalizers.
pub fn finalizers(object: &Value) -> Vec<&str> {
    let list = at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Reads the uids of the owners.
pub fn owner_uids(object: &Value) -> Vec<&str> {
    let list = at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    list.into_iter().flatten().map(|owner| text(owner, &["uid"])).collect()
}

/// Reaches the map at a path of map keys, making missing maps and replacing what is no map.
pub fn map_mut<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut here = value;
    for part in path {
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        here = here.as_object_mut().expect("made a map above").entry((*part).to_owned()).or_insert(Value::Null);
    }
    if !here.is_object() {
        *here = Value::Object(Map::new());
    }
    here.as_object_mut().expect("made a map above")
}

/// Sets one annotation.
pub fn set_annotation(object: &mut Value, name: &str, value: &str) {
    map_mut(object, &["metadata", "annotations"]).insert(name.to_owned(), Value::String(value.to_owned()));
}
