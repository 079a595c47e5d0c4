//! Who owns which field: `metadata.managedFields`, and server-side apply on top of it.

use landfall_merge::builtin;
use landfall_merge::fields::path;
use landfall_merge::fields::set::FieldSet;
use landfall_merge::structured::{self, ApplyError, Force, Kind, Storage, Writer};
use serde_json::{Value, json};

use super::{Core, Part, WriteOptions};
use crate::clock::rfc3339;
use crate::convert;
use crate::error::ApiError;
use crate::json;
use crate::registry::Resource;

pub(super) use landfall_merge::managed::same_but_for_times;

/// What structured merge must know of a resource, and of the part that is written.
fn kind<'a>(resource: &'a Resource, api_version: &'a str, part: Part) -> Kind<'a> {
    let (schema, storage) = match &resource.custom {
        Some(custom) => (custom.merge.schema(), Storage::Json),
        None => (builtin::schema_of(api_version, &resource.kind), Storage::Struct),
    };
    let reset = match part {
        Part::Main if resource.has_status => FieldSet::of([path(&["status"])]),
        Part::Status if resource.custom.is_some() => FieldSet::of([path(&["spec"]), path(&["metadata"])]),
        Part::Status => FieldSet::of([path(&["spec"])]),
        _ => FieldSet::default(),
    };
    Kind { api_version, schema, reset, served_versions: Vec::new(), storage }
}

/// Records a create or update: what changed becomes the manager's. Both states are in the storage version.
pub(super) fn record_update(
    core: &Core,
    resource: &Resource,
    old: Option<&Value>,
    new: &mut Value,
    options: &WriteOptions,
    part: Part,
) {
    let api_version = resource.api_version();
    let kind = kind(resource, &api_version, part);
    let now = rfc3339(core.clock.now());
    let writer = Writer { manager: &options.manager, subresource: part.subresource(), now: &now };
    if convert::is_same_shape(resource) {
        let taken = std::mem::take(new);
        *new = structured::update(old, taken, &kind, writer);
        if part == Part::Scale && resource.custom.is_some() {
            forget_time(new, &options.manager);
        }
        return;
    }
    // Ownership is told in the fields of the version that was written.
    let shown_old = old.map(|old| convert::shown(resource, old));
    let shown_new = convert::shown(resource, new).into_owned();
    let recorded = structured::update(shown_old.as_deref(), shown_new, &kind, writer);
    let entries = recorded.pointer("/metadata/managedFields").cloned();
    match entries {
        Some(entries) => json::set(new, &["metadata", "managedFields"], entries),
        None => {
            json::take(new, &["metadata", "managedFields"]);
        }
    }
}

/// The real server keeps no time for what was written to a custom resource by way of its scale.
fn forget_time(value: &mut Value, manager: &str) {
    let entries = value.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if json::text(entry, "/subresource") == "scale" && json::text(entry, "/manager") == manager {
            json::take(entry, &["time"]);
        }
    }
}

impl Core {
    /// Records who made a review; what it answers is nobody's.
    pub(crate) fn record_review(&self, resource: &Resource, review: &mut Value, options: &WriteOptions) {
        let status = json::take(review, &["status"]);
        let created = review.pointer("/metadata/creationTimestamp").cloned();
        json::take(review, &["metadata", "creationTimestamp"]);
        record_update(self, resource, None, review, options, Part::Main);
        if let Some(created) = created {
            json::set(review, &["metadata", "creationTimestamp"], created);
        }
        if let Some(status) = status {
            json::set(review, &["status"], status);
        }
    }
}

/// Merges an applied configuration (in the request's version) into an object or into nothing; the result is in the
/// storage version and holds the right managedFields.
pub(super) fn apply(
    core: &Core,
    resource: &Resource,
    current: Option<&Value>,
    config: &Value,
    part: Part,
    force: bool,
    options: &WriteOptions,
) -> Result<Value, ApiError> {
    let api_version = resource.api_version();
    let kind = kind(resource, &api_version, part);
    let now = rfc3339(core.clock.now());
    let writer = Writer { manager: &options.manager, subresource: part.subresource(), now: &now };
    let force = if force { Force::Yes } else { Force::No };
    let live = current.map(|current| convert::shown(resource, current));
    let mut applied =
        structured::apply(live.as_deref(), config, &kind, writer, force).map_err(|error| match error {
            ApplyError::Conflicts(ref conflicts) => {
                let causes = conflicts
                .iter()
                .map(|conflict| {
                    json!({"reason": "FieldManagerConflict", "message": conflict.message(), "field": conflict.field()})
                })
                .collect();
                ApiError::apply_conflict(error.to_string(), causes)
            }
            ApplyError::BadRequest(message) => ApiError::bad_request(message),
            mistyped @ ApplyError::Mistyped { .. } => {
                // Go names types without an article.
                ApiError::unexplained(mistyped.to_string().replace(", got a ", ", got ").replace(", got an ", ", got "))
            }
            unreadable @ ApplyError::BadManagedFields(_) => ApiError::internal(unreadable),
        })?;
    convert::to_storage(resource, &mut applied);
    Ok(applied)
}

/// Merges a configuration into an object as apply does, without a trace of who did it; both in the resource's version.
pub(crate) fn merged_configuration(
    core: &Core,
    resource: &Resource,
    current: &Value,
    mut config: Value,
) -> Result<Value, ApiError> {
    json::set(&mut config, &["apiVersion"], resource.api_version());
    json::set(&mut config, &["kind"], resource.kind.as_str());
    for key in ["name", "namespace"] {
        if let Some(held) = current.pointer(&format!("/metadata/{key}")) {
            json::set(&mut config, &["metadata", key], held.clone());
        }
    }
    let records = current.pointer("/metadata/managedFields").cloned();
    let api_version = resource.api_version();
    let kind = kind(resource, &api_version, Part::Binding);
    let now = rfc3339(core.clock.now());
    let writer = Writer { manager: "admission", subresource: "", now: &now };
    let mut merged = structured::apply(Some(current), &config, &kind, writer, Force::Yes)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    match records {
        Some(records) => json::set(&mut merged, &["metadata", "managedFields"], records),
        None => {
            json::take(&mut merged, &["metadata", "managedFields"]);
        }
    }
    Ok(merged)
}
