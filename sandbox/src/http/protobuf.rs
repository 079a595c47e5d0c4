//! Request bodies in Kubernetes' protobuf form, which typed Go clients (`kubectl create …`) send: read into JSON.
//!
//! Answers are always JSON, which the same clients accept. The field numbers are a table made from the tags of Kubernetes' Go
//! types (`data/protobuf.types`); zero values are left out where Go's JSON would leave them out.

use std::collections::HashMap;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::clock::{rfc3339, rfc3339_micro};
use crate::registry::split_api_version;

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may nest.
const DEPTH_MAX: usize = 60;

struct Field {
    number: u64,
    name: &'static str,
    pointer: bool,
    omit_empty: bool,
    repeated: bool,
    inline: bool,
    map: bool,
    wraps: bool,
    kind: &'static str,
}

fn types() -> &'static HashMap<&'static str, Vec<Field>> {
    static TYPES: OnceLock<HashMap<&'static str, Vec<Field>>> = OnceLock::new();
    TYPES.get_or_init(|| {
        include_str!("../../data/protobuf.types")
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, fields)| (name, fields.split(';').filter_map(field).collect()))
            .collect()
    })
}

fn field(text: &'static str) -> Option<Field> {
    let mut parts = text.split(',');
    let number = parts.next()?.parse().ok()?;
    let (name, flags, kind) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Field {
        number,
        name,
        pointer: flags.contains('p'),
        omit_empty: flags.contains('o'),
        repeated: flags.contains('r'),
        inline: flags.contains('i'),
        map: flags.contains('k'),
        wraps: flags.contains('w'),
        kind,
    })
}

/// Reads a body; the error says what is wrong with it.
pub(super) fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope =
        body.strip_prefix(MAGIC).ok_or("it does not begin with the four bytes of Kubernetes' protobuf form")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &envelope[..0]);
    for part in Parts(envelope) {
        match part? {
            (1, Wire::Bytes(type_meta)) => {
                for part in Parts(type_meta) {
                    match part? {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (group, version) = split_api_version(&api_version);
    let package = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
    let name = if kind == "DeleteOptions" {
        "meta.v1.DeleteOptions".to_string()
    } else {
        format!("{package}.{version}.{kind}")
    };
    if !types().contains_key(name.as_str()) {
        return Err(format!("{kind} in {api_version} is not known in protobuf form here: send it as JSON"));
    }
    let mut value = message(raw, &name, 0)?;
    if let Value::Object(map) = &mut value {
        map.insert("apiVersion".into(), json!(api_version));
        map.insert("kind".into(), json!(kind));
    }
    Ok(value)
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed(u64),
}

/// The fields of a message, in order.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_none() {
            self.0 = &[];
        }
        Some(part.ok_or_else(|| "it breaks off in the middle of a field".to_string()))
    }
}

impl<'a> Parts<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn part(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Fixed(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((key >> 3, wire))
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a text in it is not UTF-8".to_string())
}

#[expect(clippy::cast_possible_wrap, reason = "protobuf writes negative numbers as two's complement")]
fn signed(number: u64) -> i64 {
    number as i64
}

fn message(bytes: &[u8], name: &str, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err("it nests too deep".to_string());
    }
    let fields = types().get(name).map(Vec::as_slice).unwrap_or_default();
    let mut map = Map::new();
    for part in Parts(bytes) {
        let (number, wire) = part?;
        let Some(field) = fields.iter().find(|field| field.number == number) else { continue };
        if field.map {
            let Wire::Bytes(entry) = wire else { continue };
            let (key, value) = map_entry(entry, field, depth)?;
            if let Value::Object(held) = map.entry(field.name).or_insert_with(|| json!({})) {
                held.insert(key, value);
            }
            continue;
        }
        let value = single(&wire, field.kind, depth)?;
        if field.inline {
            if let Value::Object(inner) = value {
                map.extend(inner);
            }
        } else if field.repeated {
            if let Value::Array(held) = map.entry(field.name).or_insert_with(|| json!([])) {
                held.push(value);
            }
        } else if !(value.is_null() || (field.omit_empty && !field.pointer && is_zero(&value))) {
            map.insert(field.name.to_string(), value);
        }
    }
    if fields.first().is_some_and(|field| field.wraps) {
        return Ok(map.remove("").unwrap_or_else(|| json!([])));
    }
    Ok(Value::Object(map))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn map_entry(bytes: &[u8], field: &Field, depth: usize) -> Result<(String, Value), String> {
    let (mut key, mut value) = (String::new(), None);
    for part in Parts(bytes) {
        match part? {
            (1, Wire::Bytes(text)) => key = utf8(text)?,
            (2, wire) => value = Some(single(&wire, field.kind, depth)?),
            _ => {}
        }
    }
    let empty = if matches!(field.kind, "s" | "y") { json!("") } else { Value::Null };
    Ok((key, value.unwrap_or(empty)))
}

fn single(wire: &Wire<'_>, kind: &str, depth: usize) -> Result<Value, String> {
    Ok(match (wire, kind) {
        (Wire::Number(number), "b") => json!(*number != 0),
        (Wire::Number(number), _) => json!(signed(*number)),
        (Wire::Fixed(bits), _) => json!(f64::from_bits(*bits)),
        (Wire::Bytes(bytes), "s") => json!(utf8(bytes)?),
        (Wire::Bytes(bytes), "y") => json!(STANDARD.encode(bytes)),
        (Wire::Bytes(bytes), "Time") => time(bytes)?.map_or(Value::Null, |time| json!(rfc3339(time))),
        (Wire::Bytes(bytes), "MicroTime") => time(bytes)?.map_or(Value::Null, |time| json!(rfc3339_micro(time))),
        (Wire::Bytes(bytes), "Quantity") => json!(first_text(bytes)?),
        (Wire::Bytes(bytes), "IntOrString") => int_or_string(bytes)?,
        (Wire::Bytes(bytes), "Raw" | "Fields") => {
            let inner = Parts(bytes).next().transpose()?;
            match inner {
                Some((1, Wire::Bytes(raw))) => {
                    serde_json::from_slice(raw).map_err(|why| format!("an inner object is not JSON: {why}"))?
                }
                _ => Value::Null,
            }
        }
        (Wire::Bytes(bytes), "Duration") => {
            let nanoseconds = numbers(bytes)?.get(&1).copied().unwrap_or(0);
            json!(format!("{}ms", nanoseconds / 1_000_000))
        }
        (Wire::Bytes(bytes), "SchemaOrArray" | "SchemaOrBool" | "SchemaOrStrings") => {
            schema_or(bytes, kind, depth + 1)?
        }
        (Wire::Bytes(bytes), name) => message(bytes, name, depth + 1)?,
    })
}

/// A schema, or what may stand in its place: several schemas, a boolean, texts.
fn schema_or(bytes: &[u8], kind: &str, depth: usize) -> Result<Value, String> {
    let schema = "apiextensions.v1.JSONSchemaProps";
    let (mut one, mut several, mut allowed) = (None, Vec::new(), false);
    for part in Parts(bytes) {
        match (part?, kind) {
            ((1, Wire::Number(flag)), "SchemaOrBool") => allowed = flag != 0,
            ((2, Wire::Bytes(inner)), "SchemaOrBool") | ((1, Wire::Bytes(inner)), _) => {
                one = Some(message(inner, schema, depth)?);
            }
            ((2, Wire::Bytes(inner)), "SchemaOrArray") => several.push(message(inner, schema, depth)?),
            ((2, Wire::Bytes(text)), _) => several.push(json!(utf8(text)?)),
            _ => {}
        }
    }
    Ok(match one {
        Some(one) => one,
        None if kind == "SchemaOrBool" => json!(allowed),
        None => json!(several),
    })
}

fn numbers(bytes: &[u8]) -> Result<HashMap<u64, i64>, String> {
    let mut all = HashMap::new();
    for part in Parts(bytes) {
        if let (number, Wire::Number(value)) = part? {
            all.insert(number, signed(value));
        }
    }
    Ok(all)
}

fn time(bytes: &[u8]) -> Result<Option<Timestamp>, String> {
    let parts = numbers(bytes)?;
    if parts.is_empty() {
        return Ok(None);
    }
    let seconds = parts.get(&1).copied().unwrap_or(0);
    let nanoseconds = i32::try_from(parts.get(&2).copied().unwrap_or(0)).unwrap_or(0);
    Timestamp::new(seconds, nanoseconds).map(Some).map_err(|why| format!("a time in it is out of range: {why}"))
}

fn first_text(bytes: &[u8]) -> Result<String, String> {
    match Parts(bytes).next().transpose()? {
        Some((1, Wire::Bytes(text))) => utf8(text),
        _ => Ok("0".to_string()),
    }
}

fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (mut is_text, mut number, mut text) = (false, 0, String::new());
    for part in Parts(bytes) {
        match part? {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = signed(value),
            (3, Wire::Bytes(value)) => text = utf8(value)?,
            _ => {}
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a field of bytes.
    fn put(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut all = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        all.extend_from_slice(bytes);
        all
    }

    #[test]
    fn a_config_map_of_a_go_client_is_read() {
        let metadata = [put(1, b"name"), put(2, b""), put(8, b"")].concat();
        let entry = [put(1, b"key"), put(2, b"text")].concat();
        let object = [put(1, &metadata), put(2, &entry)].concat();
        let type_meta = [put(1, b"v1"), put(2, b"ConfigMap")].concat();
        let body = [MAGIC.to_vec(), put(1, &type_meta), put(2, &object)].concat();
        let expected =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "name"}, "data": {"key": "text"}});
        assert_eq!(decode(&body), Ok(expected));
        assert!(decode(&body[..body.len() - 3]).is_err(), "a body that breaks off is refused");
        assert!(decode(b"{}").is_err());
    }

    #[test]
    fn numbers_or_texts_and_pointers_to_zero_are_kept() {
        assert_eq!(int_or_string(&[0x08, 1, 0x1A, 3, b'2', b'5', b'%']), Ok(json!("25%")));
        assert_eq!(int_or_string(&[0x10, 80]), Ok(json!(80)));
        // DeploymentSpec.replicas is a pointer: zero is meant; paused is not: false is not said.
        assert_eq!(message(&[0x08, 0, 0x38, 0], "apps.v1.DeploymentSpec", 0), Ok(json!({"replicas": 0})));
    }
}
