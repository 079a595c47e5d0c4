//! Fields that a kind does not have: dropped, warned about or refused; and values of the wrong JSON type: refused.

use landfall_merge::builtin;
use landfall_merge::schema::{Schema, ValueType};
use serde_json::Value;

use super::{Core, Decoded, WriteOptions, metadata};
use crate::crd;
use crate::error::ApiError;
use crate::http::params::FieldValidation;
use crate::quantity::Quantity;
use crate::registry::Resource;

/// More findings than this are not listed one by one.
const FINDINGS_MAX: usize = 100;

impl Core {
    /// Reads a body as an object of a version that is not the one that is kept: its type, its fields, and their defaults if wanted.
    pub(crate) fn read_as(
        &self,
        resource: &Resource,
        body: Decoded,
        fills_defaults: bool,
        options: &WriteOptions,
    ) -> Result<(Value, Vec<String>), ApiError> {
        metadata::check_type(resource, &body.value)?;
        let (mut value, warnings) = self.without_unknown_fields(resource, body, options.validation)?;
        if fills_defaults && let Some(custom) = &resource.custom {
            crd::schema::fill_defaults(custom, &mut value);
        }
        crate::json::set(&mut value, &["apiVersion"], resource.api_version());
        crate::json::set(&mut value, &["kind"], resource.kind.as_str());
        Ok((value, warnings))
    }

    /// Drops unknown fields; returns the object and the warnings, or refuses it.
    pub(super) fn without_unknown_fields(
        &self,
        resource: &Resource,
        body: Decoded,
        validation: FieldValidation,
    ) -> Result<(Value, Vec<String>), ApiError> {
        let Decoded { mut value, duplicates } = body;
        let mut findings = Findings::default();
        match &resource.custom {
            Some(custom) => crd::schema::prune(custom, &mut value, &mut findings.unknown),
            None => {
                if let Some(schema) = builtin::kubernetes().kind(&resource.group, &resource.version, &resource.kind) {
                    findings.walk(&mut value, schema, &mut String::new());
                }
            }
        }
        let version = &resource.version;
        let cannot = |why: String| {
            ApiError::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: {why}",
                kind = resource.kind
            ))
        };
        if let Some(mistyped) = findings.mistyped {
            return Err(cannot(mistyped));
        }
        if resource.custom.is_some() {
            findings.unknown.sort();
        }
        let mut sentences: Vec<String> =
            findings.unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        sentences.extend(
            duplicates.iter().map(|path| {
                if path.starts_with("yaml: ") { path.clone() } else { format!("duplicate field {path:?}") }
            }),
        );
        sentences.truncate(FINDINGS_MAX);
        match validation {
            FieldValidation::Ignore => Ok((value, Vec::new())),
            FieldValidation::Warn => Ok((value, sentences)),
            FieldValidation::Strict if sentences.is_empty() => Ok((value, Vec::new())),
            FieldValidation::Strict => Err(cannot(format!("strict decoding error: {}", sentences.join(", ")))),
        }
    }
}

/// The paths of fields that a kind does not have.
pub(super) fn unknown_fields(resource: &Resource, value: &Value) -> Vec<String> {
    let mut value = value.clone();
    let mut findings = Findings::default();
    match &resource.custom {
        Some(custom) => crd::schema::prune(custom, &mut value, &mut findings.unknown),
        None => {
            if let Some(schema) = builtin::kubernetes().kind(&resource.group, &resource.version, &resource.kind) {
                findings.walk(&mut value, schema, &mut String::new());
            }
        }
    }
    findings.unknown
}

/// What of an object has another type than its schema says, in Go's words.
pub(super) fn mistyped(value: &Value, schema: Schema<'_>) -> Option<String> {
    let mut findings = Findings::default();
    findings.walk(&mut value.clone(), schema, &mut String::new());
    findings.mistyped
}

/// Source: `ErrFormatWrong` of `k8s.io/apimachinery/pkg/api/resource`.
const QUANTITY_RULE: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

#[derive(Default)]
struct Findings {
    unknown: Vec<String>,
    mistyped: Option<String>,
    /// The Go structs on the way, innermost last.
    holders: Vec<String>,
    /// The fields of structs on the way; keys of maps and places in lists are not among them.
    fields: Vec<String>,
}

impl Findings {
    fn walk(&mut self, value: &mut Value, schema: Schema<'_>, path: &mut String) {
        let node = schema.node();
        if node.int_or_string {
            if !(value.is_string() || value.is_i64() || value.is_u64()) {
                self.refuse(value, "intstr.IntOrString");
            }
            return;
        }
        match node.value_type {
            ValueType::Any | ValueType::AnyAtomic => {}
            ValueType::AnyScalar => match Quantity::of(value) {
                Some(quantity) => *value = Value::from(quantity.to_string()),
                None => self.refuse_as(QUANTITY_RULE.to_string()),
            },
            ValueType::String => {
                let Some(text) = value.as_str() else {
                    self.refuse(value, "string");
                    return;
                };
                match node.format.as_str() {
                    "byte" => {
                        if let Some(at) = illegal_base64(text) {
                            self.refuse_as(format!("illegal base64 data at input byte {at}"));
                        }
                    }
                    "date-time" if text.parse::<jiff::Timestamp>().is_err() => self.refuse_as(format!(
                        "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
                    )),
                    _ => {}
                }
            }
            ValueType::Boolean => {
                if !value.is_boolean() {
                    self.refuse(value, "bool");
                }
            }
            ValueType::Integer => self.whole(value, if node.format == "int32" { "int32" } else { "int64" }),
            ValueType::Number => {
                if !value.is_number() {
                    self.refuse(value, "float64");
                }
            }
            ValueType::Array => match value {
                Value::Array(items) => {
                    let length = path.len();
                    for (index, item) in items.iter_mut().enumerate() {
                        use std::fmt::Write as _;
                        let _ = write!(path, "[{index}]");
                        self.walk(item, schema.items(), path);
                        path.truncate(length);
                    }
                }
                _ => self.refuse(value, &format!("[]{}", go_type(schema.items()))),
            },
            ValueType::Object => match value {
                Value::Object(map) => {
                    let is_struct = schema.type_name().is_some();
                    if let Some(name) = schema.type_name() {
                        self.holders.push(short(name).to_string());
                    }
                    let length = path.len();
                    let mut dropped = Vec::new();
                    for (key, inner) in map.iter_mut() {
                        if length > 0 {
                            path.push('.');
                        }
                        path.push_str(key);
                        if is_struct {
                            self.fields.push(key.clone());
                        }
                        match schema.entry(key) {
                            None => {
                                self.unknown.push(path.clone());
                                dropped.push(key.clone());
                            }
                            Some(entry) if inner.is_null() => {
                                // Go reads null as "not given", except where anything may stand.
                                if !matches!(entry.node().value_type, ValueType::Any | ValueType::AnyAtomic) {
                                    dropped.push(key.clone());
                                }
                            }
                            Some(entry) => self.walk(inner, entry, path),
                        }
                        if is_struct {
                            self.fields.pop();
                        }
                        path.truncate(length);
                    }
                    if is_struct {
                        self.holders.pop();
                    }
                    for key in dropped {
                        map.remove(&key);
                    }
                }
                _ => self.refuse(value, &go_type(schema)),
            },
        }
    }

    fn whole(&mut self, value: &mut Value, go_type: &str) {
        let in_range = value.as_i64().is_some_and(|number| go_type != "int32" || i32::try_from(number).is_ok());
        if in_range {
            return;
        }
        // 3.0 is an integer in JSON, 3.5 is not.
        match value.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
            Some(number) if number.fract() == 0.0 && number.abs() < 2_147_483_648.0 => {
                *value = Value::from(number as i64)
            }
            _ => self.refuse(value, go_type),
        }
    }

    fn refuse_as(&mut self, why: String) {
        if self.mistyped.is_none() {
            self.mistyped = Some(why);
        }
    }

    fn refuse(&mut self, value: &Value, go_type: &str) {
        if self.mistyped.is_some() {
            return;
        }
        let found = match value {
            Value::Null => "null".to_string(),
            Value::Bool(_) => "bool".to_string(),
            Value::Number(number) if go_type.starts_with("int") => format!("number {number}"),
            Value::Number(_) => "number".to_string(),
            Value::String(_) => "string".to_string(),
            Value::Array(_) => "array".to_string(),
            Value::Object(_) => "object".to_string(),
        };
        let holder = self.holders.last().map_or("", String::as_str);
        let place = self.fields.join(".");
        self.mistyped =
            Some(format!("json: cannot unmarshal {found} into Go struct field {holder}.{place} of type {go_type}"));
    }
}

/// The last part of a type's name.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// A type as Go writes it.
fn go_type(schema: Schema<'_>) -> String {
    if let Some(name) = schema.type_name() {
        let parts: Vec<&str> = name.rsplit('.').take(2).collect();
        return parts.into_iter().rev().collect::<Vec<_>>().join(".");
    }
    match schema.node().value_type {
        ValueType::Object => match schema.unknown() {
            Some(inner) => format!("map[string]{}", go_type(inner)),
            None => "map[string]interface {}".to_string(),
        },
        ValueType::Array => format!("[]{}", go_type(schema.items())),
        ValueType::String => "string".to_string(),
        ValueType::Boolean => "bool".to_string(),
        ValueType::Integer => if schema.node().format == "int32" { "int32" } else { "int64" }.to_string(),
        ValueType::Number => "float64".to_string(),
        ValueType::Any | ValueType::AnyAtomic | ValueType::AnyScalar => "interface {}".to_string(),
    }
}

/// Where base64 breaks off, as Go's decoder says it.
fn illegal_base64(text: &str) -> Option<usize> {
    use base64::Engine as _;
    let clean: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    if base64::engine::general_purpose::STANDARD.decode(&clean).is_ok() {
        return None;
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let bad = clean.chars().position(|c| !is_letter(c));
    Some(bad.unwrap_or(clean.len() / 4 * 4))
}
