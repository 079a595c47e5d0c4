//! JSON that people send, brought into the shape of its message: what the message does not know is left out, what has
//! another type is refused with its path.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::schema::{Field, Form, Kind, Message, Schema, schema};

/// Checks a message. `at` is its place in the schema. Errors: InvalidArgument, with the path of what is wrong.
pub fn conform(at: usize, value: Value) -> Result<Value, ApiError> {
    let schema = schema();
    let mut path = Vec::new();
    conform_message(schema, &schema.messages[at], value, &mut path)
}

fn conform_message(
    schema: &Schema,
    message: &Message,
    value: Value,
    path: &mut Vec<String>,
) -> Result<Value, ApiError> {
    match message.form {
        Form::Any => Ok(value),
        Form::Time | Form::MicroTime => match value {
            Value::Null => Ok(Value::Null),
            Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => Ok(Value::String(text)),
            other => Err(wrong(path, "a time as RFC 3339 text, for example 2026-01-31T12:00:00Z", &other)),
        },
        Form::IntOrString => match value {
            Value::Null | Value::String(_) | Value::Number(_) => Ok(value),
            other => Err(wrong(path, "a number or a text", &other)),
        },
        Form::Only => Ok(value),
        Form::Object => {
            let Value::Object(map) = value else {
                return if value.is_null() { Ok(Value::Null) } else { Err(wrong(path, "an object", &value)) };
            };
            let mut kept = Map::new();
            for (name, value) in map {
                if value.is_null() {
                    continue;
                }
                if let Some(field) = find(schema, message, &name) {
                    path.push(name);
                    let value = conform_field(schema, field, value, path)?;
                    path.pop();
                    kept.insert(field.name.clone(), value);
                } else if (name == "apiVersion" || name == "kind") && message.field("metadata").is_some() {
                    kept.insert(name, value);
                }
            }
            Ok(Value::Object(kept))
        }
    }
}

/// Finds a field, also one that stands inline, also in another case (as Go's JSON reads it).
fn find<'a>(schema: &'a Schema, message: &'a Message, name: &str) -> Option<&'a Field> {
    let own = message.field(name).filter(|field| !field.is_inline);
    let inline = || {
        message.inlines().find_map(|field| match field.kind {
            Kind::Message(at) => find(schema, &schema.messages[at], name),
            _ => None,
        })
    };
    own.or_else(inline)
        .or_else(|| message.fields.iter().find(|field| !field.is_inline && field.name.eq_ignore_ascii_case(name)))
}

fn conform_field(schema: &Schema, field: &Field, value: Value, path: &mut Vec<String>) -> Result<Value, ApiError> {
    if field.is_map {
        let Value::Object(map) = value else { return Err(wrong(path, "an object", &value)) };
        let mut kept = Map::new();
        for (name, value) in map {
            path.push(name.clone());
            kept.insert(name, conform_one(schema, field, value, path)?);
            path.pop();
        }
        return Ok(Value::Object(kept));
    }
    if field.is_repeated {
        let Value::Array(list) = value else { return Err(wrong(path, "a list", &value)) };
        let mut kept = Vec::with_capacity(list.len());
        for (at, value) in list.into_iter().enumerate() {
            path.push(at.to_string());
            kept.push(conform_one(schema, field, value, path)?);
            path.pop();
        }
        return Ok(Value::Array(kept));
    }
    conform_one(schema, field, value, path)
}

fn conform_one(schema: &Schema, field: &Field, value: Value, path: &mut Vec<String>) -> Result<Value, ApiError> {
    match (field.kind, value) {
        (Kind::Message(at), value) => conform_message(schema, &schema.messages[at], value, path),
        (Kind::String | Kind::Bytes, value @ Value::String(_)) | (Kind::Bool, value @ Value::Bool(_)) => Ok(value),
        (Kind::Int32 | Kind::Int64, Value::Number(number)) if number.is_i64() => Ok(Value::Number(number)),
        // protobuf's own JSON writes 64 bits as text.
        (Kind::Int64 | Kind::Int32, Value::String(text)) => match text.parse::<i64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(wrong(path, "a number", &Value::String(text))),
        },
        (Kind::String, value) => Err(wrong(path, "a text", &value)),
        (Kind::Bytes, value) => Err(wrong(path, "base64 text", &value)),
        (Kind::Bool, value) => Err(wrong(path, "true or false", &value)),
        (Kind::Int32 | Kind::Int64, value) => Err(wrong(path, "a number", &value)),
    }
}

fn wrong(path: &[String], wanted: &str, found: &Value) -> ApiError {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let place = if path.is_empty() { "the request".to_owned() } else { path.join(".") };
    ApiError::invalid(format!("{place} must be {wanted}, but is {found}"))
}

/// Puts one parameter of a query, as `resource.group=apps`, into a request. What the message does not know is left out.
pub fn put_parameter(at: usize, request: &mut Value, name: &str, text: &str) -> Result<(), ApiError> {
    let schema = schema();
    let parts: Vec<&str> = name.split('.').collect();
    put_part(schema, &schema.messages[at], request, &parts, text, name)
}

fn put_part(
    schema: &Schema,
    message: &Message,
    into: &mut Value,
    parts: &[&str],
    text: &str,
    whole: &str,
) -> Result<(), ApiError> {
    let [first, rest @ ..] = parts else { return Ok(()) };
    let Some(field) = message.field(first) else { return Ok(()) };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let map = into.as_object_mut().expect("made one above");
    let invalid = |wanted: &str| ApiError::invalid(format!("the parameter {whole} must be {wanted}, but is {text:?}"));
    let value = match field.kind {
        Kind::Message(at) if !rest.is_empty() && !field.is_repeated => {
            let inner = map.entry(field.name.as_str()).or_insert_with(|| Value::Object(Map::new()));
            return put_part(schema, &schema.messages[at], inner, rest, text, whole);
        }
        Kind::Message(at) => match schema.messages[at].form {
            Form::Time | Form::MicroTime if text.parse::<jiff::Timestamp>().is_ok() => Value::String(text.to_owned()),
            Form::Time | Form::MicroTime => return Err(invalid("a time as RFC 3339 text")),
            // Lists of objects are given as JSON text.
            _ => {
                let read = serde_json::from_str(text).map_err(|_| invalid("JSON"))?;
                conform_message(schema, &schema.messages[at], read, &mut vec![whole.to_owned()])?
            }
        },
        Kind::String | Kind::Bytes => Value::String(text.to_owned()),
        Kind::Bool => match text {
            "true" | "1" | "t" | "T" | "TRUE" | "True" => Value::Bool(true),
            "false" | "0" | "f" | "F" | "FALSE" | "False" => Value::Bool(false),
            _ => return Err(invalid("true or false")),
        },
        Kind::Int32 => Value::from(text.parse::<i32>().map_err(|_| invalid("a number of 32 bits"))?),
        Kind::Int64 => Value::from(text.parse::<i64>().map_err(|_| invalid("a number"))?),
    };
    if field.is_repeated {
        let list = map.entry(field.name.as_str()).or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(value);
        }
    } else {
        map.insert(field.name.clone(), value);
    }
    Ok(())
}
