//! What the live object would be after our apply.

use landfall_merge::fields::set::FieldSet;
use landfall_merge::managed::{ManagedFields, Manager, Operation};
use landfall_merge::schema::Schema;
use landfall_merge::strategic::create::{Overwrite, three_way};
use landfall_merge::structured::{self, ApplyError, Force, Kind, LAST_APPLIED, Storage, Writer};
use landfall_merge::upgrade::{Former, taken_over};
use landfall_merge::{merge_patch, strategic};
use serde_json::Value;

use crate::normalise;
use crate::rules::Options;
use crate::schemas::is_built_in;

/// The live object with the desired one applied. `notes` gets a sentence if the API server would refuse the apply.
pub(crate) fn predict(
    desired: &Value,
    live: &Value,
    schema: Schema<'_>,
    options: &Options,
    notes: &mut Vec<String>,
) -> Value {
    // Another version of the same kind is compared as if it were the same.
    let mut desired = desired.clone();
    if let (Some(version), Some(map)) = (live.get("apiVersion"), desired.as_object_mut()) {
        map.insert("apiVersion".to_owned(), version.clone());
    }
    let mut live = live.clone();
    normalise::take(&mut live, &["status"]);
    let is_ours = owned_by_us(&mut live, options);
    if !is_ours && let Some(last) = last_applied(&live, schema, options) {
        match three_ways(&last, &desired, &live, schema) {
            Ok(predicted) => return predicted,
            Err(problem) => notes.push(format!("the last applied configuration cannot be merged: {problem}")),
        }
    }
    match merged(&desired, &live, schema, options) {
        Ok(predicted) => predicted,
        Err(problem) => {
            notes.push(format!("the API server would refuse this object: {problem}"));
            laid_over(&desired, &live, schema)
        }
    }
}

/// Whether we applied the object before; the entries of those that we take over from become ours.
fn owned_by_us(live: &mut Value, options: &Options) -> bool {
    // The entries' fields are only looked at where something is taken over.
    let names = |name: &str| {
        live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten().any(|entry| {
            entry.get("manager").and_then(Value::as_str) == Some(name)
                && entry.get("operation").and_then(Value::as_str) == Some("Apply")
                && entry.get("subresource").is_none()
        })
    };
    if !options.former_managers.iter().any(|former| names(former)) {
        return names(&options.manager);
    }
    let formers: Vec<Former<'_>> =
        options.former_managers.iter().map(|manager| Former { manager, operation: Operation::Apply }).collect();
    if let Ok(Some(managed)) = taken_over(live, &formers, &options.manager) {
        managed.store(live);
    }
    ManagedFields::of(live).is_ok_and(|managed| managed.owned.contains_key(&Manager::applier(&options.manager)))
}

fn last_applied(live: &Value, schema: Schema<'_>, options: &Options) -> Option<Value> {
    let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    let object: Value = serde_json::from_str(text).ok()?;
    Some(normalise::desired(&object, schema, options, &mut Vec::new()))
}

fn merged(desired: &Value, live: &Value, schema: Schema<'_>, options: &Options) -> Result<Value, ApplyError> {
    let api_version = desired.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let kind = Kind {
        api_version,
        schema,
        reset: FieldSet::default(),
        served_versions: Vec::new(),
        storage: if is_built_in(schema) { Storage::Struct } else { Storage::Json },
    };
    // The time goes into managedFields, which are not compared.
    let writer = Writer { manager: &options.manager, subresource: "", now: "1970-01-01T00:00:00Z" };
    structured::apply_apart(Some(live), desired, &kind, writer, Force::Yes).map(|(object, _)| object)
}

fn three_ways(last: &Value, desired: &Value, live: &Value, schema: Schema<'_>) -> Result<Value, String> {
    if is_built_in(schema) {
        let patch = three_way(last, desired, live, schema, Overwrite::Yes).map_err(|error| error.to_string())?;
        return strategic::apply::apply(live, &patch, schema).map_err(|error| error.to_string());
    }
    Ok(merge_patch::apply(live, &merge_patch::create_three_way(last, desired, live)))
}

/// The desired object over the live one, for objects that cannot be merged properly.
fn laid_over(desired: &Value, live: &Value, schema: Schema<'_>) -> Value {
    if is_built_in(schema)
        && let Ok(merged) = strategic::apply::apply(live, desired, schema)
    {
        return merged;
    }
    merge_patch::apply(live, desired)
}
