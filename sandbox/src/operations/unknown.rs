//! Fields that a kind does not have: dropped, warned about or refused; and values of the wrong JSON type: refused.

use landfall_merge::builtin;
use landfall_merge::schema::{Schema, ValueType};
use serde_json::Value;

use super::{Core, Decoded};
use crate::crd;
use crate::error::ApiError;
use crate::http::params::FieldValidation;
use crate::registry::Resource;

/// More findings than this are not listed one by one.
const FINDINGS_MAX: usize = 100;

impl Core {
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
        let (_, version) = crate::registry::split_api_version(&resource.version);
        let cannot = |why: String| {
            ApiError::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: {why}",
                kind = resource.kind
            ))
        };
        if let Some(mistyped) = findings.mistyped {
            return Err(cannot(mistyped));
        }
        let mut sentences: Vec<String> =
            findings.unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        sentences.extend(duplicates.iter().map(|path| format!("duplicate field {path:?}")));
        sentences.truncate(FINDINGS_MAX);
        match validation {
            FieldValidation::Ignore => Ok((value, Vec::new())),
            FieldValidation::Warn => Ok((value, sentences)),
            FieldValidation::Strict if sentences.is_empty() => Ok((value, Vec::new())),
            FieldValidation::Strict => Err(match &resource.custom {
                Some(_) => ApiError::bad_request(format!("strict decoding error: {}", sentences.join(", "))),
                None => cannot(format!("strict decoding error: {}", sentences.join(", "))),
            }),
        }
    }
}

#[derive(Default)]
struct Findings {
    unknown: Vec<String>,
    mistyped: Option<String>,
}

impl Findings {
    fn walk(&mut self, value: &mut Value, schema: Schema<'_>, path: &mut String) {
        let node = schema.node();
        if node.int_or_string {
            if !(value.is_string() || value.is_i64() || value.is_u64()) {
                self.refuse(value, path, "intstr.IntOrString");
            }
            return;
        }
        match node.value_type {
            ValueType::Any | ValueType::AnyAtomic => {}
            ValueType::AnyScalar => {
                if !(value.is_string() || value.is_number()) {
                    self.refuse(value, path, "resource.Quantity");
                }
            }
            ValueType::String => {
                if !value.is_string() {
                    self.refuse(value, path, "string");
                }
            }
            ValueType::Boolean => {
                if !value.is_boolean() {
                    self.refuse(value, path, "bool");
                }
            }
            ValueType::Integer => self.whole(value, path, if node.format == "int32" { "int32" } else { "int64" }),
            ValueType::Number => {
                if !value.is_number() {
                    self.refuse(value, path, "float64");
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
                _ => self.refuse(value, path, "[]interface {}"),
            },
            ValueType::Object => match value {
                Value::Object(map) => {
                    let length = path.len();
                    let mut dropped = Vec::new();
                    for (key, inner) in map.iter_mut() {
                        if length > 0 {
                            path.push('.');
                        }
                        path.push_str(key);
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
                        path.truncate(length);
                    }
                    for key in dropped {
                        map.remove(&key);
                    }
                }
                _ => self.refuse(value, path, "map[string]interface {}"),
            },
        }
    }

    fn whole(&mut self, value: &mut Value, path: &str, go_type: &str) {
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
            _ => self.refuse(value, path, go_type),
        }
    }

    fn refuse(&mut self, value: &Value, path: &str, go_type: &str) {
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
        self.mistyped = Some(format!("json: cannot unmarshal {found} into Go struct field .{path} of type {go_type}"));
    }
}
