//! Custom resources against their schema: dropping what it does not know, filling defaults, checking values.
//!
//! Everything walks the `openAPIV3Schema` as written. Source: structural schemas and the validation messages of
//! apiextensions-apiserver 1.36.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use landfall_merge::builtin;
use regex::Regex;
use serde_json::{Map, Value};

use super::{CustomResource, no_fields};
use crate::error::Cause;
use crate::json;
use crate::registry::ScalePaths;

fn fields_of(schema: &Value) -> &Map<String, Value> {
    schema.get("properties").and_then(Value::as_object).unwrap_or(no_fields())
}

fn is_type_meta(key: &str) -> bool {
    matches!(key, "apiVersion" | "kind" | "metadata")
}

/// Drops fields that the schema does not know; `unknown` gets their paths.
pub(crate) fn prune(custom: &CustomResource, value: &mut Value, unknown: &mut Vec<String>) {
    if let Some(metadata) = value.get_mut("metadata") {
        prune_metadata(metadata, "metadata", unknown);
    }
    let Some(schema) = &custom.schema else { return };
    prune_object(schema, value, "", true, unknown);
}

/// Drops what ObjectMeta does not have.
fn prune_metadata(metadata: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let Some(known) = builtin::kubernetes().named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") else { return };
    if let Some(map) = metadata.as_object_mut() {
        map.retain(|key, value| {
            let is_known = known.field(key).is_some();
            if !is_known {
                unknown.push(format!("{path}.{key}"));
            }
            is_known && !value.is_null()
        });
    }
}

fn prune_object(schema: &Value, value: &mut Value, path: &str, is_object: bool, unknown: &mut Vec<String>) {
    let joined = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => {
            let fields = fields_of(schema);
            let additional = schema.get("additionalProperties");
            let is_free = json::flag(schema, "/x-kubernetes-preserve-unknown-fields");
            let is_embedded = !is_object && json::flag(schema, "/x-kubernetes-embedded-resource");
            if is_embedded && let Some(metadata) = map.get_mut("metadata") {
                prune_metadata(metadata, &joined("metadata"), unknown);
            }
            let mut dropped = Vec::new();
            for (key, inner) in map.iter_mut() {
                if (is_object || is_embedded) && is_type_meta(key) {
                    continue;
                }
                match (fields.get(key), additional) {
                    (Some(field), _) => prune_object(field, inner, &joined(key), false, unknown),
                    (None, Some(Value::Bool(true))) => {}
                    (None, Some(additional)) if additional.is_object() => {
                        prune_object(additional, inner, &joined(key), false, unknown);
                    }
                    (None, _) if is_free => {}
                    (None, _) => dropped.push(key.clone()),
                }
            }
            for key in dropped {
                map.remove(&key);
                unknown.push(joined(&key));
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    prune_object(schema, item, &format!("{path}[{index}]"), false, unknown);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fills the defaults of absent fields, and drops nulls where null is not allowed and a default exists.
pub(crate) fn fill_defaults(custom: &CustomResource, value: &mut Value) {
    if let Some(schema) = &custom.schema {
        fill(schema, value);
    }
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, field) in fields_of(schema) {
                if let Some(default) = field.get("default") {
                    let absent = match map.get(key) {
                        None => true,
                        Some(held) => held.is_null() && !json::flag(field, "/nullable"),
                    };
                    if absent {
                        map.insert(key.clone(), default.clone());
                    }
                }
                // A null that is not allowed is as good as absent.
                if map.get(key).is_some_and(Value::is_null)
                    && !json::flag(field, "/nullable")
                    && field.get("type").is_some()
                {
                    map.remove(key);
                }
                if let Some(inner) = map.get_mut(key) {
                    fill(field, inner);
                }
            }
            if let Some(additional) = schema.get("additionalProperties").filter(|additional| additional.is_object()) {
                let fields = fields_of(schema);
                for (_, inner) in map.iter_mut().filter(|(key, _)| !fields.contains_key(*key)) {
                    fill(additional, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    fill(schema, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks an object; `old` is what it replaces.
pub(crate) fn validate(
    custom: &CustomResource,
    scale: Option<&ScalePaths>,
    value: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let Some(schema) = &custom.schema else { return };
    let before = causes.len();
    check(schema, value, &Place { path: "", is_root: true }, causes);
    if let Some(paths) = scale {
        for pointer in [&paths.spec_replicas, &paths.status_replicas] {
            check_replicas(value, pointer, causes);
        }
    }
    if !custom.has_rules {
        return;
    }
    let blocking = [
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    ];
    if causes[before..].iter().any(|cause| blocking.contains(&cause.reason)) {
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: null: some validation rules were not checked because the object was invalid; \
                      correct the existing errors to complete validation"
                .to_string(),
            field: "<nil>".to_string(),
        });
        return;
    }
    super::rules::evaluate(schema, value, old, causes);
}

/// Checks that what the scale subresource takes for a number of replicas is one.
fn check_replicas(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let field = pointer.replace('/', ".");
    match value.pointer(pointer) {
        None | Some(Value::Null) => {}
        Some(Value::Number(number)) => {
            let held = Value::Number(number.clone());
            match number.as_i64() {
                Some(replicas) if replicas < 0 => {
                    causes.push(Cause::invalid(field, &held, "should be a non-negative integer"));
                }
                Some(replicas) if replicas > i64::from(i32::MAX) => {
                    let why = format!("should be less than or equal to {}", i32::MAX);
                    causes.push(Cause::invalid(field, &held, &why));
                }
                _ => {}
            }
        }
        Some(other) => {
            let (shown, kind) = match other {
                Value::String(text) => (text.clone(), "string"),
                Value::Bool(held) => (held.to_string(), "bool"),
                other => {
                    (other.to_string(), if other.is_array() { "[]interface {}" } else { "map[string]interface {}" })
                }
            };
            let why = format!("{field} accessor error: {shown} is of the type {kind}, expected int64");
            causes.push(Cause::invalid(field, &Value::from(0), &why));
        }
    }
}

/// Checks a value that is a part of an object, without the rules of its schema.
pub(super) fn check_part(schema: &Value, value: &Value, causes: &mut Vec<Cause>) {
    check(schema, value, &Place { path: "", is_root: false }, causes);
}

/// Where a value stands.
struct Place<'a> {
    path: &'a str,
    is_root: bool,
}

impl Place<'_> {
    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }
}

fn check(schema: &Value, value: &Value, place: &Place<'_>, causes: &mut Vec<Cause>) {
    let path = place.path;
    if value.is_null() {
        if !json::flag(schema, "/nullable") && !json::text(schema, "/type").is_empty() {
            causes.push(wrong_type(path, value, json::text(schema, "/type")));
        }
        return;
    }
    if let Some(wanted) = mistyped(schema, value) {
        causes.push(wrong_type(path, value, wanted));
        return;
    }
    check_value(schema, value, path, causes);
    match value {
        Value::Object(map) => check_map(schema, map, place, causes),
        Value::Array(items) => check_list(schema, items, path, causes),
        Value::String(text) => check_text(schema, text, path, causes),
        Value::Number(_) => check_number(schema, value, path, causes),
        Value::Bool(_) | Value::Null => {}
    }
    check_junctions(schema, value, place, causes);
}

fn wrong_type(path: &str, value: &Value, wanted: &str) -> Cause {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Cause::type_invalid(path, value, &format!("{path} in body must be of type {wanted}: {found:?}"))
}

/// The type that the schema wants, when the value has another.
fn mistyped<'a>(schema: &'a Value, value: &Value) -> Option<&'a str> {
    if json::flag(schema, "/x-kubernetes-int-or-string") {
        let fits = value.is_string() || value.is_i64() || value.is_u64();
        return (!fits).then_some("integer,string");
    }
    let wanted = json::text(schema, "/type");
    let fits = match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        _ => true,
    };
    (!fits).then_some(wanted)
}

fn check_value(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(allowed) = schema.get("enum").and_then(Value::as_array) else { return };
    if !allowed.contains(value) {
        let shown: Vec<String> =
            allowed.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_string)).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        causes.push(Cause::not_supported(path, value, &shown));
    }
}

fn check_map(schema: &Value, map: &Map<String, Value>, place: &Place<'_>, causes: &mut Vec<Cause>) {
    let fields = fields_of(schema);
    for name in json::list(schema, "/required").iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            causes.push(Cause::required(place.key(name), ""));
        }
    }
    if json::flag(schema, "/x-kubernetes-embedded-resource") {
        for name in ["apiVersion", "kind"] {
            if map.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                causes.push(Cause::required(place.key(name), ""));
            }
        }
    }
    let count = map.len() as u64;
    if let Some(least) = schema.get("minProperties").and_then(Value::as_u64).filter(|least| count < *least) {
        let why = format!("{} in body should have at least {least} properties", place.path);
        causes.push(Cause::invalid(place.path, &Value::from(count), &why));
    }
    if let Some(most) = schema.get("maxProperties").and_then(Value::as_u64).filter(|most| count > *most) {
        causes.push(too_many(place.path, count, most));
    }
    let additional = schema.get("additionalProperties").filter(|additional| additional.is_object());
    for (key, inner) in map {
        if place.is_root && is_type_meta(key) {
            continue;
        }
        if let Some(field) = fields.get(key).or(additional) {
            check(field, inner, &Place { path: &place.key(key), is_root: false }, causes);
        }
    }
}

fn too_many(path: &str, count: u64, most: u64) -> Cause {
    Cause {
        reason: "FieldValueTooMany",
        message: format!("Too many: {count}: must have at most {most} items"),
        field: path.to_string(),
    }
}

fn check_list(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let count = items.len() as u64;
    if let Some(least) = schema.get("minItems").and_then(Value::as_u64).filter(|least| count < *least) {
        let why = format!("{path} in body should have at least {least} items");
        causes.push(Cause::invalid(path, &Value::from(count), &why));
    }
    if let Some(most) = schema.get("maxItems").and_then(Value::as_u64).filter(|most| count > *most) {
        causes.push(too_many(path, count, most));
        return;
    }
    let keys: Vec<&str> = json::list(schema, "/x-kubernetes-list-map-keys").iter().filter_map(Value::as_str).collect();
    let list_type = json::text(schema, "/x-kubernetes-list-type");
    if list_type == "set" || list_type == "map" || json::flag(schema, "/uniqueItems") {
        let mut seen: std::collections::HashSet<String> = std::collections::HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let identity = if list_type == "map" {
                let key: Map<String, Value> =
                    keys.iter().filter_map(|key| Some(((*key).to_string(), item.get(*key)?.clone()))).collect();
                Value::Object(key)
            } else {
                item.clone()
            };
            if !seen.insert(identity.to_string()) {
                causes.push(Cause::duplicate(format!("{path}[{index}]"), &identity));
            }
        }
    }
    if let Some(schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            check(schema, item, &Place { path: &format!("{path}[{index}]"), is_root: false }, causes);
        }
    }
}

fn check_text(schema: &Value, text: &str, path: &str, causes: &mut Vec<Cause>) {
    let value = || Value::from(text);
    let length = text.chars().count() as u64;
    if let Some(least) = schema.get("minLength").and_then(Value::as_u64).filter(|least| length < *least) {
        causes.push(Cause::invalid(path, &value(), &format!("{path} in body should be at least {least} chars long")));
    }
    if let Some(most) = schema.get("maxLength").and_then(Value::as_u64).filter(|most| length > *most) {
        causes.push(Cause::too_long(path, usize::try_from(most).unwrap_or(usize::MAX)));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !matches_pattern(pattern, text)
    {
        causes.push(Cause::invalid(path, &value(), &format!("{path} in body should match '{pattern}'")));
    }
    let format = json::text(schema, "/format");
    if !has_format(format, text) {
        let mut cause = Cause::invalid(path, &value(), &format!("{path} in body must be of type {format}: {text:?}"));
        cause.reason = "FieldValueTypeInvalid";
        causes.push(cause);
    }
}

/// Compiled patterns of all schemas; a pattern that this engine cannot compile matches everything.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    static COMPILED: OnceLock<Mutex<HashMap<String, Option<Regex>>>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| Mutex::new(HashMap::new()));
    let regex = {
        let mut compiled = compiled.lock().expect("no holder of this lock panics");
        compiled.entry(pattern.to_string()).or_insert_with(|| Regex::new(pattern).ok()).clone()
    };
    regex.is_none_or(|regex| regex.is_match(text))
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "ip" => text.parse::<std::net::IpAddr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let most = match address.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(_)) => 32,
                Ok(std::net::IpAddr::V6(_)) => 128,
                Err(_) => return false,
            };
            bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => {
            let digits = text.replace('-', "");
            digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit())
        }
        "uri" => text.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty()) || text.starts_with('/'),
        "byte" => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text.replace(['\n', '\r'], "")).is_ok()
        }
        "email" => text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "hostname" => !text.is_empty() && text.len() <= 253 && text.split('.').all(|part| !part.is_empty()),
        "duration" => is_duration(text),
        // Other formats are only documentation, as in the real server.
        _ => true,
    }
}

/// Go durations (`1h30m`) as the real server's format check takes them.
fn is_duration(text: &str) -> bool {
    static FORM: OnceLock<Option<Regex>> = OnceLock::new();
    let form = FORM.get_or_init(|| Regex::new(r"^[-+]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)\s*)+$").ok());
    form.as_ref().is_none_or(|form| form.is_match(text))
}

fn check_number(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let mut refuse = |why: String| causes.push(Cause::invalid(path, value, &format!("{path} in body should be {why}")));
    if let Some(least) = bound("minimum") {
        if json::flag(schema, "/exclusiveMinimum") {
            if number <= least {
                refuse(format!("greater than {least}"));
            }
        } else if number < least {
            refuse(format!("greater than or equal to {least}"));
        }
    }
    if let Some(most) = bound("maximum") {
        if json::flag(schema, "/exclusiveMaximum") {
            if number >= most {
                refuse(format!("less than {most}"));
            }
        } else if number > most {
            refuse(format!("less than or equal to {most}"));
        }
    }
    if let Some(unit) = bound("multipleOf").filter(|unit| *unit != 0.0) {
        let times = number / unit;
        if (times - times.round()).abs() > 1e-9 {
            refuse(format!("a multiple of {unit}"));
        }
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn check_junctions(schema: &Value, value: &Value, place: &Place<'_>, causes: &mut Vec<Cause>) {
    let path = place.path;
    let problems = |schema: &Value| {
        let mut found = Vec::new();
        check(schema, value, &Place { path, is_root: place.is_root }, &mut found);
        found
    };
    let fits = |schema: &Value| problems(schema).is_empty();
    // Of several choices that do not fit, what is wrong with the one that fits best is told too.
    let nearest = |schemas: &[Value]| schemas.iter().map(problems).min_by_key(Vec::len).unwrap_or_default();
    let mut refuse = |why: String, also: Vec<Cause>| {
        causes.push(Cause::invalid("<nil>", &Value::from(""), &format!("{path:?} must validate {why}")));
        causes.extend(also);
    };
    let any_of = json::list(schema, "/anyOf");
    if !any_of.is_empty() && !json::flag(schema, "/x-kubernetes-int-or-string") && !any_of.iter().any(fits) {
        refuse("at least one schema (anyOf)".to_string(), nearest(any_of));
    }
    let one_of = json::list(schema, "/oneOf");
    if !one_of.is_empty() {
        match one_of.iter().filter(|schema| fits(schema)).count() {
            1 => {}
            0 => refuse("one and only one schema (oneOf). Found none valid".to_string(), nearest(one_of)),
            several => {
                let why = format!("one and only one schema (oneOf). Found {several} valid alternatives");
                refuse(why, Vec::new());
            }
        }
    }
    if schema.get("not").is_some_and(&fits) {
        refuse("the negation of a schema (not)".to_string(), Vec::new());
    }
    for inner in json::list(schema, "/allOf") {
        check(inner, value, &Place { path, is_root: place.is_root }, causes);
    }
}
