//! What is taken out of objects, or spelt in one way, before they are compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_merge::schema::{Schema, Unknown, ValueType};
use landfall_merge::structured::LAST_APPLIED;
use serde_json::{Map, Value};

use crate::rules::{IgnoreStatus, Options, group_of};
use crate::schemas::{Schemas, is_built_in};

/// Metadata that the API server keeps by itself, or that says how the object is stored.
const SERVER_METADATA: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
    "clusterName",
];

/// The desired object as it would be sent: without nulls, status and what the server keeps by itself. `notes` gets a sentence for
/// each field that the server would not store.
pub(crate) fn desired(object: &Value, schema: Schema<'_>, options: &Options, notes: &mut Vec<String>) -> Value {
    let mut object = without_nulls(object);
    string_data(&mut object);
    for field in SERVER_METADATA.iter().filter(|field| **field != "namespace") {
        take(&mut object, &["metadata", field]);
    }
    take(&mut object, &["metadata", "annotations", LAST_APPLIED]);
    drop_status(&mut object, options);
    let mut undeclared = Vec::new();
    let mut path = String::new();
    drop_undeclared(&mut object, schema, &mut path, &mut undeclared);
    notes.extend(undeclared.into_iter().map(|field| {
        format!("{field} is not a field of this kind and will not be stored: check the spelling and the apiVersion")
    }));
    object
}

/// An object without the fields that its kind does not have. Server-side apply refuses those also where validation is off
/// (`Validate=false`); client-side apply and updates leave them out in silence.
#[must_use]
pub fn declared(object: &Value, schemas: &impl Schemas) -> Value {
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut declared = object.clone();
    if let Some(schema) = schemas.schema(text("apiVersion"), text("kind")) {
        drop_undeclared(&mut declared, schema, &mut String::new(), &mut Vec::new());
    }
    declared
}

/// Either object in the form in which both are compared.
pub(crate) fn compared(object: &Value, schema: Schema<'_>, options: &Options) -> Value {
    let mut object = without_nulls(object);
    string_data(&mut object);
    for field in SERVER_METADATA {
        take(&mut object, &["metadata", field]);
    }
    take(&mut object, &["metadata", "annotations", LAST_APPLIED]);
    drop_status(&mut object, options);
    by_kind(&mut object, options);
    if is_built_in(schema) {
        spell(&mut object, schema);
    }
    object
}

/// Removes the value at a path of fields.
pub(crate) fn take(object: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, above) = path.split_last()?;
    let parent = above.iter().try_fold(object, |value, field| value.get_mut(field))?;
    parent.as_object_mut()?.remove(*last)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn is_kind(object: &Value, group: &str, kind: &str) -> bool {
    group_of(object) == group && object.get("kind").and_then(Value::as_str) == Some(kind)
}

fn drop_status(object: &mut Value, options: &Options) {
    let is_definition = is_kind(object, "apiextensions.k8s.io", "CustomResourceDefinition");
    let is_dropped = match options.ignore_status {
        IgnoreStatus::All => true,
        IgnoreStatus::Definitions => is_definition,
        IgnoreStatus::None => false,
    };
    if is_dropped {
        take(object, &["status"]);
    }
}

/// A Secret's `stringData` becomes `data`, as the API server stores it.
fn string_data(object: &mut Value) {
    if !is_kind(object, "", "Secret") {
        return;
    }
    let Some(Value::Object(texts)) = take(object, &["stringData"]) else {
        return;
    };
    let Some(map) = object.as_object_mut() else {
        return;
    };
    if let Value::Object(data) = map.entry("data").or_insert_with(|| Value::Object(Map::new())) {
        for (key, text) in texts {
            if let Value::String(text) = text {
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
}

/// What single kinds need.
fn by_kind(object: &mut Value, options: &Options) {
    if is_kind(object, "rbac.authorization.k8s.io", "ClusterRole")
        && options.ignore_aggregated_roles
        && object.get("aggregationRule").is_some()
    {
        take(object, &["rules"]);
    }
    if is_kind(object, "apiextensions.k8s.io", "CustomResourceDefinition") {
        // An injected conversion certificate is looked after by whoever injects it; false is what the server drops.
        if object.pointer("/spec/preserveUnknownFields") == Some(&Value::Bool(false)) {
            take(object, &["spec", "preserveUnknownFields"]);
        }
    }
    if is_kind(object, "autoscaling", "HorizontalPodAutoscaler")
        && let Some(Value::Array(metrics)) = object.pointer_mut("/spec/metrics")
    {
        // Stored as v1 and converted, metrics come back in another order.
        metrics.sort_by(landfall_merge::value::compare);
    }
    if is_kind(object, "", "Endpoints")
        && let Some(Value::Array(subsets)) = object.get_mut("subsets")
    {
        for subset in subsets.iter_mut() {
            for field in ["addresses", "notReadyAddresses", "ports"] {
                if let Some(Value::Array(list)) = subset.get_mut(field) {
                    list.sort_by(landfall_merge::value::compare);
                }
            }
        }
        subsets.sort_by(landfall_merge::value::compare);
    }
    if is_kind(object, "argoproj.io", "Application") || is_kind(object, "argoproj.io", "ApplicationSet") {
        // Their controller writes them back without false, empty text and empty lists.
        drop_zero(object.get_mut("spec"));
        take(object, &["operation"]);
    }
}

/// Removes false, empty text, empty lists and maps from maps, as a Go struct with `omitempty` does.
fn drop_zero(value: Option<&mut Value>) {
    match value {
        Some(Value::Object(map)) => {
            map.values_mut().for_each(|value| drop_zero(Some(value)));
            map.retain(|_, value| match value {
                Value::Bool(flag) => *flag,
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                _ => true,
            });
        }
        Some(Value::Array(list)) => list.iter_mut().for_each(|value| drop_zero(Some(value))),
        _ => {}
    }
}

/// Takes out fields that the schema does not declare and the server would not store.
fn drop_undeclared(value: &mut Value, schema: Schema<'_>, path: &mut String, undeclared: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Object(map) => {
            if schema.node().unknown == Unknown::Denied {
                let names: Vec<String> = map.keys().filter(|name| schema.field(name).is_none()).cloned().collect();
                for name in names {
                    map.remove(&name);
                    undeclared.push(format!("{path}.{name}"));
                }
            }
            for (name, inside) in map.iter_mut() {
                path.push('.');
                path.push_str(name);
                drop_undeclared(inside, schema.entry(name).unwrap_or_else(Schema::deduced), path, undeclared);
                path.truncate(length);
            }
        }
        Value::Array(list) => {
            for (index, inside) in list.iter_mut().enumerate() {
                path.push_str(&format!("[{index}]"));
                drop_undeclared(inside, schema.items(), path, undeclared);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Built-in kinds: base64 without line breaks, as the server writes it.
fn spell(value: &mut Value, schema: Schema<'_>) {
    match value {
        Value::Object(map) => {
            for (name, inside) in map.iter_mut() {
                if let Some(schema) = schema.entry(name) {
                    spell(inside, schema);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inside| spell(inside, schema.items())),
        Value::String(text) if schema.node().value_type == ValueType::String && schema.node().format == "byte" => {
            text.retain(|c| !c.is_ascii_whitespace());
        }
        _ => {}
    }
}
