//! Values as JSON and back, by the rules of Go's encoding/json.

use crate::context::Context;
use crate::error::Error;
use crate::strconv::{FloatBits, float_text};
use crate::types::{Field, Kind};
use crate::value::{NESTING_MAX, Value};
use base64::Engine as _;
use serde_json::{Map as JsonMap, Number, Value as Json};

/// Converts a value to JSON, accounted for.
///
/// Shape: bytes become base64, structures objects by their JSON keys, times RFC 3339; text that is no UTF-8 gets the
/// replacement character.
///
/// # Errors
/// NaN, infinities, complex numbers and functions, in Go's words; a map that holds itself.
pub(crate) fn encode(context: &mut Context<'_>, value: &Value) -> Result<Json, Error> {
    context.charge_steps(1)?;
    encode_at(context, value, 0)
}

fn encode_at(context: &mut Context<'_>, value: &Value, depth: usize) -> Result<Json, Error> {
    if depth > NESTING_MAX {
        return Err(cycle());
    }
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number, _) => Json::from(*number),
        Value::Uint(number, _) => Json::from(*number),
        Value::Float(number, info) => {
            let exact = if info.kind == Kind::Float32 {
                float_text(*number, FloatBits::Single).parse().unwrap_or(*number)
            } else {
                *number
            };
            match Number::from_f64(exact) {
                Some(number) => Json::Number(number),
                None => return Err(no_number(*number)),
            }
        }
        Value::Str(text) => Json::String(text.text().into_owned()),
        Value::Bytes(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes.bytes())),
        Value::List(list) if list.is_nil => Json::Null,
        Value::List(list) => {
            context.charge_steps(list.items.len() as u64 / 8)?;
            let items = list.items.iter().map(|item| encode_at(context, item, depth + 1)).collect::<Result<_, _>>()?;
            Json::Array(items)
        }
        Value::Map(map) if map.is_nil() => Json::Null,
        Value::Map(map) => {
            context.charge_steps(map.len() as u64 / 8)?;
            let mut object = JsonMap::new();
            for (key, item) in map.borrow().iter() {
                object.insert(key.text().into_owned(), encode_at(context, item, depth + 1)?);
            }
            Json::Object(object)
        }
        Value::Struct(structure) => {
            if let Some(json) = structure.info.json {
                return Ok(json(value));
            }
            let mut object = JsonMap::new();
            for (field, item) in structure.info.fields.iter().zip(&structure.fields) {
                if !field.is_embedded && is_left_out(field, item) {
                    continue;
                }
                match encode_at(context, item, depth + 1)? {
                    Json::Object(inner) if field.is_embedded => object.extend(inner),
                    json => {
                        object.insert(field.json.to_string(), json);
                    }
                }
            }
            Json::Object(object)
        }
        Value::Time(time) => Json::String(crate::time::json_text(time)),
        Value::Error(_) => Json::Object(JsonMap::new()),
        Value::Complex(..) | Value::Function(_) => return Err(no_type(value)),
    })
}

/// Says that a value holds itself.
pub(crate) fn cycle() -> Error {
    Error::function("json: unsupported value: encountered a cycle")
        .with_hint("the value holds itself (set on a map of itself), or is nested too deeply")
}

/// Says that a number has no JSON form.
pub(crate) fn no_number(number: f64) -> Error {
    Error::function(format!("json: unsupported value: {}", float_text(number, FloatBits::Double)))
}

/// Says that a type has no JSON form.
pub(crate) fn no_type(value: &Value) -> Error {
    Error::function(format!("json: unsupported type: {}", value.type_name()))
}

/// Says whether JSON leaves a field out: it has no key there, or it is empty and may be left out.
pub(crate) fn is_left_out(field: &Field, item: &Value) -> bool {
    matches!(field.json, "" | "-") || field.omit_empty && is_empty(item)
}

/// What `omitempty` leaves out: false, 0, nil, and empty texts, lists and maps.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Struct(_) | Value::Time(_) | Value::Error(_) | Value::Function(_) => false,
        other => !other.truth(),
    }
}

/// Reads JSON as Go does into an `interface {}`: numbers are float64.
///
/// # Errors
/// Go's words for a syntax error.
pub(crate) fn decode(source: &[u8]) -> Result<Value, String> {
    crate::json_syntax::read(source)
}
