//! Secrets leave masked: equal values as equal signs, so that a difference shows without showing what.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_model::annotations::LAST_APPLIED;
use landfall_model::object;
use serde_json::{Value, json};

/// What stands for a value.
const MASK: &str = "++++++++";

/// An object as it may be shown.
pub(crate) fn masked(value: &Value) -> Value {
    masked_together(Some(value), None).0.unwrap_or_default()
}

/// Puts `stringData` into `data`, as the cluster does: the same secret has the same text then.
fn plain(mut value: Value) -> Value {
    let Some(map) = value.as_object_mut() else { return value };
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = map.entry("data").or_insert_with(|| json!({}));
        if let Some(data) = data.as_object_mut() {
            for (name, text) in texts {
                data.insert(name, json!(STANDARD.encode(text.as_str().unwrap_or_default())));
            }
        }
    }
    value
}

/// Two states of one object as they may be shown: where both have the same value, both have the same mask; where the
/// values differ, so do the masks. Source: Argo CD `gitops-engine/pkg/diff` (HideSecretData).
pub(crate) fn masked_together(wanted: Option<&Value>, live: Option<&Value>) -> (Option<Value>, Option<Value>) {
    let is_secret = |value: &Value| {
        let gvk = object::gvk(value);
        gvk.kind == "Secret" && gvk.group.is_empty()
    };
    if !wanted.or(live).is_some_and(is_secret) {
        return (wanted.cloned(), live.cloned());
    }
    let mut masks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut mask = |value: &Value| {
        let mut value = plain(value.clone());
        if let Some(data) = value.get_mut("data").and_then(Value::as_object_mut) {
            for (name, content) in data.iter_mut() {
                let known = masks.entry(name.clone()).or_default();
                let text = content.as_str().unwrap_or_default().to_owned();
                let at = known.iter().position(|old| *old == text).unwrap_or_else(|| {
                    known.push(text);
                    known.len() - 1
                });
                *content = json!(format!("{MASK}{}", "+".repeat(at)));
            }
        }
        if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
            && annotations.contains_key(LAST_APPLIED)
        {
            annotations.insert(LAST_APPLIED.to_owned(), json!(MASK));
        }
        value
    };
    (wanted.map(&mut mask), live.map(&mut mask))
}
