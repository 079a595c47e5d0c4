//! JSON to protobuf and back, by the tables of [`crate::schema`].
//!
//! Encoding leaves out what the message does not know and what has another type than it should, because the JSON is our
//! own; decoding refuses what is no message, because the bytes are anybody's.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::error::ApiError;
use crate::schema::{Field, Form, Kind, Message, Schema, schema};

/// How deep messages may stand in each other. Ours do not reach twenty.
const DEPTH_MAX: u32 = 64;

/// Writes a message. `at` is its place in [`Schema::messages`].
pub fn encode(at: usize, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(at, value, &mut out);
    out
}

/// Writes a message behind what is in `out` already.
pub fn encode_into(at: usize, value: &Value, out: &mut Vec<u8>) {
    let schema = schema();
    write_message(schema, &schema.messages[at], value, out);
}

/// Writes a message as a field of another, with its length before it. `at` is the place of the inner message.
pub fn encode_field(number: u32, at: usize, value: &Value, out: &mut Vec<u8>) {
    let schema = schema();
    nested(number, out, |out| write_message(schema, &schema.messages[at], value, out));
}

/// Reads a message. Errors: the bytes are none, or are nested too deeply.
pub fn decode(at: usize, bytes: &[u8]) -> Result<Value, ApiError> {
    let schema = schema();
    let message = &schema.messages[at];
    read_message(schema, message, bytes, DEPTH_MAX)
        .map_err(|reason| ApiError::invalid(format!("the request is no {}: {reason}", message.name)))
}

fn write_message(schema: &Schema, message: &Message, value: &Value, out: &mut Vec<u8>) {
    match message.form {
        Form::Object => {
            let Some(map) = value.as_object() else { return write_required(schema, message, None, out) };
            // Inline messages read the same object; the fields that are none of theirs they leave out.
            for field in message.inlines() {
                write_field(schema, field, value, out);
            }
            for (name, value) in map {
                if let Some(field) = message.field(name).filter(|field| !field.is_inline) {
                    write_field(schema, field, value, out);
                }
            }
            write_required(schema, message, Some(map), out);
        }
        Form::Time | Form::MicroTime => {
            let Some(moment) = value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else { return };
            write_number(1, moment.as_second().cast_unsigned(), out);
            if moment.subsec_nanosecond() != 0 {
                write_number(2, i64::from(moment.subsec_nanosecond()).cast_unsigned(), out);
            }
        }
        Form::Any => {
            if !value.is_null() {
                write_bytes(1, &serde_json::to_vec(value).expect("JSON values serialise"), out);
            }
        }
        Form::IntOrString => match value {
            Value::String(text) => {
                write_number(1, 1, out);
                write_bytes(3, text.as_bytes(), out);
            }
            other => {
                write_number(1, 0, out);
                write_number(2, other.as_i64().unwrap_or(0).cast_unsigned(), out);
            }
        },
        Form::Only => message.fields.iter().for_each(|field| write_field(schema, field, value, out)),
    }
}

/// Readers refuse a message that lacks a required field: what the JSON left out is written as nothing.
fn write_required(schema: &Schema, message: &Message, map: Option<&Map<String, Value>>, out: &mut Vec<u8>) {
    for field in message.fields.iter().filter(|field| field.is_required) {
        let is_missing = map.is_none_or(|map| match (map.get(&field.name), field.kind) {
            (None | Some(Value::Null), _) => true,
            (Some(value), Kind::String) => !value.is_string(),
            (Some(value), Kind::Bool) => !value.is_boolean(),
            (Some(value), Kind::Int32 | Kind::Int64) => !value.is_i64(),
            (Some(_), Kind::Bytes | Kind::Message(_)) => false,
        });
        if is_missing {
            let nothing = match field.kind {
                Kind::String | Kind::Bytes => Value::String(String::new()),
                Kind::Bool => Value::Bool(false),
                Kind::Int32 | Kind::Int64 => Value::Number(Number::from(0)),
                Kind::Message(_) => Value::Null,
            };
            if let Kind::Message(at) = field.kind {
                let mut inner = Vec::new();
                write_message(schema, &schema.messages[at], &nothing, &mut inner);
                write_bytes(field.number, &inner, out);
            } else {
                write_one(schema, field, &nothing, out);
            }
        }
    }
}

fn write_field(schema: &Schema, field: &Field, value: &Value, out: &mut Vec<u8>) {
    if field.is_map {
        for (name, value) in value.as_object().into_iter().flatten() {
            nested(field.number, out, |out| {
                write_bytes(1, name.as_bytes(), out);
                write_one(schema, &Field { number: 2, ..field.clone() }, value, out);
            });
        }
    } else if field.is_repeated {
        value.as_array().into_iter().flatten().for_each(|value| write_one(schema, field, value, out));
    } else if !value.is_null() {
        write_one(schema, field, value, out);
    }
}

fn write_one(schema: &Schema, field: &Field, value: &Value, out: &mut Vec<u8>) {
    match field.kind {
        Kind::String => {
            if let Some(text) = value.as_str() {
                write_bytes(field.number, text.as_bytes(), out);
            }
        }
        Kind::Bytes => {
            if let Some(bytes) = value.as_str().and_then(|text| from_base64(text)) {
                write_bytes(field.number, &bytes, out);
            }
        }
        Kind::Bool => {
            if let Some(value) = value.as_bool() {
                write_number(field.number, u64::from(value), out);
            }
        }
        Kind::Int32 | Kind::Int64 => {
            if let Some(number) = value.as_i64() {
                write_number(field.number, number.cast_unsigned(), out);
            }
        }
        Kind::Message(at) => nested(field.number, out, |out| write_message(schema, &schema.messages[at], value, out)),
    }
}

/// Writes a length before what `write` writes.
fn nested(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    write_varint(u64::from(number) << 3 | 2, out);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    let mut prefix = Vec::with_capacity(5);
    write_varint(length as u64, &mut prefix);
    out.splice(start..start, prefix);
}

fn write_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3 | 2, out);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn write_number(number: u32, value: u64, out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3, out);
    write_varint(value, out);
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

/// One field as it stands on the wire.
enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a width that none of our fields has.
    Other,
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.rest.split_first().ok_or("it ends within a number")?;
            self.rest = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits".to_owned())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len());
        let length = length.ok_or("a field is longer than what it is in")?;
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u32, Raw<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number != 0).ok_or("a field has no valid number")?;
        let raw = match key & 7 {
            0 => Raw::Number(self.varint()?),
            1 => self.take(8).map(|_| Raw::Other)?,
            2 => {
                let length = self.varint()?;
                Raw::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Raw::Other)?,
            other => return Err(format!("wire type {other} is not in use")),
        };
        Ok(Some((number, raw)))
    }
}

fn read_message(schema: &Schema, message: &Message, bytes: &[u8], depth: u32) -> Result<Value, String> {
    let depth = depth.checked_sub(1).ok_or("messages are nested too deeply")?;
    match message.form {
        Form::Object | Form::Only => {
            let mut map = Map::new();
            let mut reader = Reader { rest: bytes };
            while let Some((number, raw)) = reader.next()? {
                if let Some(field) = message.numbered(number) {
                    read_field(schema, field, raw, &mut map, depth)?;
                }
            }
            if message.form == Form::Only {
                return Ok(map.into_iter().next().map_or(Value::Null, |(_, value)| value));
            }
            Ok(Value::Object(map))
        }
        Form::Time | Form::MicroTime => {
            let (mut seconds, mut nanoseconds) = (None, 0_i32);
            let mut reader = Reader { rest: bytes };
            while let Some((number, raw)) = reader.next()? {
                match (number, raw) {
                    (1, Raw::Number(value)) => seconds = Some(value.cast_signed()),
                    (2, Raw::Number(value)) => nanoseconds = value as i32,
                    _ => {}
                }
            }
            let Some(seconds) = seconds else { return Ok(Value::Null) };
            let moment =
                Timestamp::new(seconds, nanoseconds).map_err(|error| format!("a time is out of range: {error}"))?;
            let is_micro = message.form == Form::MicroTime;
            Ok(Value::String(if is_micro { format!("{moment:.6}") } else { format!("{moment:.0}") }))
        }
        Form::Any => {
            let mut found = Value::Null;
            let mut reader = Reader { rest: bytes };
            while let Some((number, raw)) = reader.next()? {
                if let (1, Raw::Bytes(text)) = (number, raw)
                    && !text.is_empty()
                {
                    found = serde_json::from_slice(text).map_err(|error| format!("raw JSON: {error}"))?;
                }
            }
            Ok(found)
        }
        Form::IntOrString => {
            let (mut is_text, mut number_value, mut text) = (false, 0_i64, String::new());
            let mut reader = Reader { rest: bytes };
            while let Some((number, raw)) = reader.next()? {
                match (number, raw) {
                    (1, Raw::Number(value)) => is_text = value == 1,
                    (2, Raw::Number(value)) => number_value = i64::from(value as i32),
                    (3, Raw::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
                    _ => {}
                }
            }
            Ok(if is_text { Value::String(text) } else { Value::from(number_value) })
        }
    }
}

fn read_field(
    schema: &Schema,
    field: &Field,
    raw: Raw<'_>,
    map: &mut Map<String, Value>,
    depth: u32,
) -> Result<(), String> {
    if field.is_map {
        let Raw::Bytes(bytes) = raw else { return Err(wrong(field)) };
        let (mut name, mut value) = (String::new(), None);
        let mut reader = Reader { rest: bytes };
        while let Some((number, raw)) = reader.next()? {
            match (number, raw) {
                (1, Raw::Bytes(bytes)) => name = utf8(field, bytes)?,
                (2, raw) => value = Some(read_one(schema, field, raw, depth)?),
                _ => {}
            }
        }
        let value = value.unwrap_or_else(|| nothing(field));
        let entries = map.entry(field.name.as_str()).or_insert_with(|| Value::Object(Map::new()));
        if let Some(entries) = entries.as_object_mut() {
            entries.insert(name, value);
        }
    } else if field.is_repeated {
        let entries = map.entry(field.name.as_str()).or_insert_with(|| Value::Array(Vec::new()));
        let Some(entries) = entries.as_array_mut() else { return Ok(()) };
        match (field.kind, raw) {
            (Kind::Bool | Kind::Int32 | Kind::Int64, Raw::Bytes(packed)) => {
                let mut reader = Reader { rest: packed };
                while !reader.rest.is_empty() {
                    let number = reader.varint()?;
                    entries.push(read_one(schema, field, Raw::Number(number), depth)?);
                }
            }
            (_, raw) => entries.push(read_one(schema, field, raw, depth)?),
        }
    } else {
        let value = read_one(schema, field, raw, depth)?;
        if field.is_inline {
            if let Value::Object(inner) = value {
                map.extend(inner);
            }
        } else if value.is_null() || (!field.keeps_zero && is_zero(&value)) {
            map.remove(&field.name);
        } else {
            map.insert(field.name.clone(), value);
        }
    }
    Ok(())
}

fn read_one(schema: &Schema, field: &Field, raw: Raw<'_>, depth: u32) -> Result<Value, String> {
    Ok(match (field.kind, raw) {
        (Kind::String, Raw::Bytes(bytes)) => Value::String(utf8(field, bytes)?),
        (Kind::Bytes, Raw::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (Kind::Bool, Raw::Number(number)) => Value::Bool(number != 0),
        (Kind::Int32, Raw::Number(number)) => Value::from(number as i32),
        (Kind::Int64, Raw::Number(number)) => Value::from(number.cast_signed()),
        (Kind::Message(at), Raw::Bytes(bytes)) => read_message(schema, &schema.messages[at], bytes, depth)?,
        _ => return Err(wrong(field)),
    })
}

fn nothing(field: &Field) -> Value {
    match field.kind {
        Kind::String | Kind::Bytes => Value::String(String::new()),
        Kind::Bool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 => Value::from(0),
        Kind::Message(_) => Value::Null,
    }
}

fn wrong(field: &Field) -> String {
    format!("field {} ({}) has another type than it should", field.name, field.number)
}

fn utf8(field: &Field, bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("field {} is no UTF-8", field.name))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}
