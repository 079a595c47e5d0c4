//! Who owns which field: `metadata.managedFields`, and server-side apply on top of it.

use serde_json::Value;

use super::{Core, Part, WriteOptions};
use crate::convert;
use crate::error::ApiError;
use crate::json;
use crate::registry::Resource;

/// Records a create or update: what changed becomes the manager's.
pub(super) fn record_update(
    _core: &Core,
    _resource: &Resource,
    _old: Option<&Value>,
    _new: &mut Value,
    _options: &WriteOptions,
    _subresource: &str,
) {
}

/// Merges an applied configuration into an object (or into nothing).
pub(super) fn apply(
    _core: &Core,
    resource: &Resource,
    current: Option<&Value>,
    config: &Value,
    _part: Part,
    _force: bool,
    _options: &WriteOptions,
) -> Result<Value, ApiError> {
    let mut stored = config.clone();
    convert::to_storage(resource, &mut stored);
    let Some(current) = current else { return Ok(stored) };
    if resource.custom.is_some() {
        return Ok(landfall_merge::merge_patch::apply(current, &stored));
    }
    let schema = landfall_merge::builtin::schema_of(&resource.api_version(), &resource.kind);
    landfall_merge::strategic::apply::apply(current, &stored, schema)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

/// True when two states differ at most in the times of their managers' records.
pub(super) fn same_but_for_times(old: &Value, new: &Value) -> bool {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else { return old == new };
    if before.len() != after.len() {
        return false;
    }
    before.iter().all(|(key, value)| match after.get(key) {
        None => false,
        Some(other) if key == "metadata" => same_metadata(value, other),
        Some(other) => value == other,
    })
}

fn same_metadata(old: &Value, new: &Value) -> bool {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else { return old == new };
    before.len() == after.len()
        && before.iter().all(|(key, value)| match after.get(key) {
            None => false,
            Some(other) if key == "managedFields" => same_managers(value, other),
            Some(other) => value == other,
        })
}

fn same_managers(old: &Value, new: &Value) -> bool {
    let (before, after) = (json::list(old, ""), json::list(new, ""));
    before.len() == after.len()
        && before.iter().zip(after).all(|(one, other)| {
            ["manager", "operation", "apiVersion", "subresource", "fieldsType", "fieldsV1"]
                .iter()
                .all(|key| one.get(*key) == other.get(*key))
        })
}
