//! Values as YAML, JSON and TOML text and back, as Helm's functions do: most swallow errors, or give them as values.
//!
//! Source: Helm 3.21.4 and 4.2.4, pkg/engine/funcs.go.

use super::arguments::{Outcome, count, string, text};
use crate::context::Context;
use crate::error::{Error, ErrorKind};
use crate::function::{Function, Functions};
use crate::json;
use crate::text::Str;
use crate::types::{ANY, LIST_ANY, MAP_ANY, STRING};
use crate::value::{Map, NESTING_MAX, Value};
use landfall_yaml::Resolver;

/// Adds Helm 3's.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("toYaml", &[&ANY], |context, v| yaml(context, &v[0]).or_else(swallowed)));
    add(Function::fixed("toYamlPretty", &[&ANY], |context, v| pretty_yaml(context, &v[0]).or_else(swallowed)));
    add(Function::fixed("fromYaml", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(map_of_yaml(from_yaml(&source)))
    }));
    add(Function::fixed("fromYamlArray", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(list_of_yaml(from_yaml(&source)))
    }));
    add(Function::fixed("fromJson", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(map_of_json(json::decode(&source)))
    }));
    add(Function::fixed("fromJsonArray", &[&STRING], |context, v| {
        let source = string(v, 0);
        count(context, source.len().saturating_mul(4))?;
        Ok(list_of_json(json::decode(&source)))
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
        Err(super::toml_text::Failure::Panic(reason) | super::toml_text::Failure::Error(reason)) => {
            Err(Error::function(reason))
        }
    }));
}

fn swallowed(error: Error) -> Outcome {
    if error.kind() == ErrorKind::Limit { Err(error) } else { Ok(Value::Str(Str::empty())) }
}

fn yaml(context: &mut Context<'_>, value: &Value) -> Outcome {
    let encoded = json::encode(context, value).map_err(|error| {
        if error.kind() == ErrorKind::Limit {
            error
        } else {
            Error::function(format!("error marshaling into JSON: {error}"))
        }
    })?;
    let mut shown = landfall_yaml::marshal(&encoded).map_err(|error| Error::function(error.to_string()))?;
    if shown.ends_with('\n') {
        shown.pop();
    }
    text(context, shown)
}

/// Writes as the reference's newer YAML library, which takes values as they are: times are no texts there.
fn pretty_yaml(context: &mut Context<'_>, value: &Value) -> Outcome {
    let mut times = Vec::new();
    let plain = without_times(value, &mut times, 0);
    let encoded = json::encode(context, &plain)?;
    let mut shown = landfall_yaml::write_pretty(&encoded);
    for (index, time) in times.iter().enumerate() {
        shown = shown.replace(&stand_in(index), time);
    }
    if shown.ends_with('\n') {
        shown.pop();
    }
    text(context, shown)
}

/// A plain word that stands for a time until the text is written.
fn stand_in(index: usize) -> String {
    format!("stand-in-for-time-{index}-8f3a61c5d2")
}

fn without_times(value: &Value, times: &mut Vec<String>, depth: usize) -> Value {
    match value {
        Value::Time(time) => {
            times.push(crate::time::json_text(time));
            Value::str(stand_in(times.len() - 1))
        }
        Value::List(list) if depth < NESTING_MAX => {
            Value::list(list.items.iter().map(|item| without_times(item, times, depth + 1)).collect())
        }
        Value::Map(map) if depth < NESTING_MAX => {
            let entries = map.entries().into_iter().map(|(key, item)| (key, without_times(&item, times, depth + 1)));
            Value::map(entries.collect::<Vec<_>>())
        }
        other => other.clone(),
    }
}

fn from_yaml(source: &[u8]) -> Result<Value, String> {
    match landfall_yaml::read_one(source, Resolver::Kubernetes) {
        Ok(found) => Ok(Value::from_json(&found)),
        Err(error) => Err(super::yaml_words::yaml_error_text(&error, source)),
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

fn map_of_json(found: Result<Value, String>) -> Value {
    match found {
        Ok(map @ Value::Map(_)) => map,
        Ok(Value::Nil) => Value::Map(Map::nil(&MAP_ANY)),
        Ok(other) => error_map(mismatch(&other, "map[string]interface {}")),
        Err(reason) => error_map(reason),
    }
}

fn list_of_json(found: Result<Value, String>) -> Value {
    match found {
        Ok(list @ Value::List(_)) => list,
        Ok(Value::Nil) => Value::nil_list(&LIST_ANY),
        Ok(other) => Value::list(vec![Value::str(mismatch(&other, "[]interface {}"))]),
        Err(reason) => Value::list(vec![Value::str(reason)]),
    }
}

/// What the reference puts before the complaint of its JSON step.
const AFTER_YAML: &str = "error unmarshaling JSON: while decoding JSON: ";

fn map_of_yaml(found: Result<Value, String>) -> Value {
    match found {
        Ok(map @ Value::Map(_)) => map,
        Ok(Value::Nil) => Value::map([]),
        Ok(other) => error_map(format!("{AFTER_YAML}{}", mismatch(&other, "map[string]interface {}"))),
        Err(reason) => error_map(reason),
    }
}

fn list_of_yaml(found: Result<Value, String>) -> Value {
    match found {
        Ok(list @ Value::List(_)) => list,
        Ok(Value::Nil) => Value::list(Vec::new()),
        Ok(other) => Value::list(vec![Value::str(format!("{AFTER_YAML}{}", mismatch(&other, "[]interface {}")))]),
        Err(reason) => Value::list(vec![Value::str(reason)]),
    }
}
