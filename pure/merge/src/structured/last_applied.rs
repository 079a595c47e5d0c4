//! The annotation of `kubectl apply`, which kubectl's own server-side apply honours and keeps in step.

use serde_json::Value;

use super::{Kind, LAST_APPLIED};
use crate::fields::set::FieldSet;
use crate::typed::compare::compare;
use crate::value::type_of;
use crate::{managed, typed};

fn last_applied(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str().filter(|text| !text.is_empty())
}

/// What `kubectl apply` wrote and nobody changed since: server-side apply by kubectl may take that over without force.
pub(super) fn owned(live: &Value, kind: &Kind<'_>) -> FieldSet {
    let found = || {
        let applied: Value = serde_json::from_str(last_applied(live)?).ok()?;
        (type_of(&applied).0 == kind.api_version).then_some(())?;
        let comparison = compare(&applied, live, kind.schema).ok()?;
        Some(
            typed::fieldset::of(&applied, kind.schema)
                .difference(&comparison.modified)
                .difference(&comparison.added)
                .difference(&comparison.removed),
        )
    };
    found().unwrap_or_default()
}

/// Keeps kubectl's annotation in step where the live object has one, so that client-side apply can be returned to.
pub(super) fn refresh(live: &Value, configuration: &Value, object: &mut Value) {
    if last_applied(live).is_none() {
        return;
    }
    let mut applied = configuration.clone();
    managed::clear(&mut applied);
    if let Some(Value::Object(annotations)) = applied.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.insert(LAST_APPLIED.to_owned(), Value::String(format!("{applied}\n")));
    }
}
