//! What Git says, read without the controller's own crates for it: plain YAML files of a folder.

use std::collections::BTreeMap;

use landfall_model::annotations::HOOK;
use landfall_model::key::ObjectKey;
use landfall_model::object;
use serde_json::{Value, json};

use crate::git::Files;

/// Objects by key.
pub type Wanted = BTreeMap<ObjectKey, Value>;

/// Reads the objects below a folder, hooks included; `None` if a file cannot be read.
pub fn wanted(files: &Files, path: &str, namespace: &str) -> Option<Wanted> {
    let prefix = format!("{path}/");
    let mut found = Wanted::new();
    for (_, text) in files.iter().filter(|(name, _)| name.starts_with(&prefix)) {
        for mut value in landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes).ok()? {
            let kind = object::text(&value, &["kind"]).to_owned();
            if kind.is_empty() || object::name(&value).is_empty() {
                return None;
            }
            let is_namespaced = !matches!(kind.as_str(), "Namespace" | "CustomResourceDefinition");
            if is_namespaced && object::namespace(&value).is_empty() {
                object::map_mut(&mut value, &["metadata"]).insert("namespace".to_owned(), json!(namespace));
            }
            found.insert(object::key(&value), value);
        }
    }
    Some(found)
}

/// Says whether an object is a hook by its annotation.
pub fn is_hook(value: &Value) -> bool {
    object::annotation(value, HOOK).is_some()
}

/// Says where `live` does not hold what is wanted; `None` if it does. Fields that are not wanted do not count.
pub fn difference(wanted: &Value, live: &Value) -> Option<String> {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().find_map(|(name, value)| {
            let found = live.get(name).unwrap_or(&Value::Null);
            difference(value, found).map(|rest| format!("{name}.{rest}"))
        }),
        (Value::Array(wanted), Value::Array(live)) if wanted.len() == live.len() => {
            let pairs = wanted.iter().zip(live).enumerate();
            pairs
                .into_iter()
                .find_map(|(at, (wanted, live))| difference(wanted, live).map(|rest| format!("{at}.{rest}")))
        }
        (wanted, live) => (wanted != live).then(|| format!(" is {live}, wanted {wanted}")),
    }
}
