//! Values as YAML, JSON and TOML text and back, as Helm's functions do: most swallow errors, or give them as values.
//!
//! Source: Helm 3.21.4 and 4.2.4, pkg/engine/funcs.go.

use super::arguments::{Outcome, count, string, text};
use crate::context::Context;
use crate::error::{Error, ErrorKind};
use crate::function::{Function, Functions};
use crate::json;
use crate::text::Str;
use crate::types::{ANY, STRING};
use crate::value::Value;
use landfall_yaml::Resolver;

/// Adds Helm 3's.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("toYaml", &[&ANY], |context, v| yaml(context, &v[0]).or_else(swallowed)));
    add(Function::fixed("toYamlPretty", &[&ANY], |context, v| {
        let encoded = match json::encode(context, &v[0]) {
            Ok(encoded) => encoded,
            Err(error) => return swallowed(error),
        };
        let mut shown = landfall_yaml::write_pretty(&encoded);
        if shown.ends_with('\n') {
            shown.pop();
        }
        text(context, shown)
    }));
    add(Function::fixed("fromYaml", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(as_map(from_yaml(&source)))
    }));
    add(Function::fixed("fromYamlArray", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(as_list(from_yaml(&source)))
    }));
    add(Function::fixed("fromJson", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(as_map(json::decode(&source).map_err(Failure::Syntax)))
    }));
    add(Function::fixed("fromJsonArray", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(as_list(json::decode(&source).map_err(Failure::Syntax)))
    }));
    add(Function::fixed("toToml", &[&ANY], |context, v| match super::toml_text::encode(&v[0]) {
        Ok(shown) => text(context, shown),
        Err(super::toml_text::Failure::Panic(reason)) => Err(Error::function(reason)),
        Err(super::toml_text::Failure::Error(reason)) => text(context, reason),
    }));
    add(Function::fixed("fromToml", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(super::toml_text::decode(&source).unwrap_or_else(error_map))
    }));
}

/// Adds what Helm 4 has on top.
pub(crate) fn register_helm4(functions: &mut Functions) {
    functions.add(Function::fixed("mustToYaml", &[&ANY], |context, v| yaml(context, &v[0])));
    functions.add(Function::fixed("mustToToml", &[&ANY], |context, v| match super::toml_text::encode(&v[0]) {
        Ok(shown) => text(context, shown),
        Err(super::toml_text::Failure::Panic(reason) | super::toml_text::Failure::Error(reason)) => Err(Error::function(reason)),
    }));
}

fn swallowed(error: Error) -> Outcome {
    if error.kind() == ErrorKind::Limit { Err(error) } else { Ok(Value::Str(Str::empty())) }
}

fn yaml(context: &mut Context<'_>, value: &Value) -> Outcome {
    let encoded = json::encode(context, value).map_err(|error| {
        if error.kind() == ErrorKind::Limit { error } else { Error::function(format!("error marshaling into JSON: {error}")) }
    })?;
    let mut shown = landfall_yaml::marshal(&encoded).map_err(|error| Error::function(error.to_string()))?;
    if shown.ends_with('\n') {
        shown.pop();
    }
    text(context, shown)
}

/// Why a text gave no value.
enum Failure {
    /// It is no JSON.
    Syntax(String),
    /// It is no YAML, in full words.
    Yaml(String),
}

fn from_yaml(source: &[u8]) -> Result<Value, Failure> {
    match landfall_yaml::read_one(source, Resolver::Kubernetes) {
        Ok(found) => Ok(Value::from_json(&found)),
        Err(error) => Err(Failure::Yaml(error.to_string())),
    }
}

fn error_map(reason: String) -> Value {
    Value::map([(Str::from("Error"), Value::str(reason))])
}

/// Names what JSON has where something else was wanted.
fn mismatch(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}

fn as_map(found: Result<Value, Failure>) -> Value {
    match found {
        Ok(map @ Value::Map(_)) => map,
        Ok(Value::Nil) => Value::map([]),
        Ok(other) => error_map(mismatch(&other, "map[string]interface {}")),
        Err(Failure::Syntax(reason) | Failure::Yaml(reason)) => error_map(reason),
    }
}

fn as_list(found: Result<Value, Failure>) -> Value {
    match found {
        Ok(list @ Value::List(_)) => list,
        Ok(Value::Nil) => Value::list(Vec::new()),
        Ok(other) => Value::list(vec![Value::str(mismatch(&other, "[]interface {}"))]),
        Err(Failure::Syntax(reason) | Failure::Yaml(reason)) => Value::list(vec![Value::str(reason)]),
    }
}
