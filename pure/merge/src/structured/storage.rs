//! How a server that holds objects as structs sees them: what is always there belongs to nobody.

use serde_json::{Map, Value};

use crate::schema::{Schema, ValueType};

/// Required fields that the types of Kubernetes 1.36 leave out all the same when they are empty: the end of the type's name, and the field.
const LEFT_OUT: &[(&str, &str)] =
    &[("ValidatingAdmissionPolicyBindingSpec", "validationActions"), ("IPAddressSpec", "parentRef")];

fn is_left_out(schema: Schema<'_>, field: &str) -> bool {
    schema.type_name().is_some_and(|name| {
        LEFT_OUT.iter().any(|(kind, held)| *held == field && name.rsplit('.').next() == Some(*kind))
    })
}

/// The object as a struct in Go would hold it: nested structs are never absent, and required fields at least null.
pub(super) fn as_struct(value: &Value, schema: Schema<'_>) -> Value {
    match value {
        Value::Object(map) => {
            let mut filled: Map<String, Value> = map
                .iter()
                .map(|(key, value)| {
                    let inside = schema.entry(key).unwrap_or_else(Schema::deduced);
                    (key.clone(), as_struct(value, inside))
                })
                .collect();
            for (name, node) in &schema.node().properties {
                if filled.contains_key(name) {
                    continue;
                }
                let is_struct =
                    node.default.as_ref().is_some_and(|default| default.as_object().is_some_and(Map::is_empty));
                let inside = schema.field(name).unwrap_or_else(Schema::deduced);
                if is_struct && inside.node().value_type == ValueType::Object {
                    filled.insert(name.clone(), as_struct(&Value::Object(Map::new()), inside));
                } else if schema.node().required.binary_search(name).is_ok() && !is_left_out(schema, name) {
                    filled.insert(name.clone(), Value::Null);
                }
            }
            Value::Object(filled)
        }
        Value::Array(list) => list.iter().map(|element| as_struct(element, schema.items())).collect(),
        other => other.clone(),
    }
}
