//! Values as JSON text, as Go's encoder writes them: structures in the order of their fields, maps by key.

use crate::context::Context;
use crate::error::Error;
use crate::strconv::{FloatBits, float_text};
use crate::types::Kind;
use crate::value::{NESTING_MAX, Struct, Value};
use base64::Engine as _;
use landfall_yaml::go_number::format_json;
use landfall_yaml::json::{Html, encode_string};

/// How JSON is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In one line without spaces.
    Line,
    /// Over lines, two spaces deeper for each level.
    Pretty,
}

/// Writes a value, accounted for.
///
/// # Errors
/// As [`crate::json::encode`].
pub(crate) fn write(context: &mut Context<'_>, value: &Value, shape: Shape, html: Html) -> Result<String, Error> {
    let mut writer = Writer { out: String::new(), shape, html, context };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer<'c, 'host> {
    out: String,
    shape: Shape,
    html: Html,
    context: &'c mut Context<'host>,
}

type Written = Result<(), Error>;

impl Writer<'_, '_> {
    fn line(&mut self, depth: usize) {
        if self.shape == Shape::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
    }

    fn key(&mut self, key: &str, is_first: &mut bool, depth: usize) {
        if !std::mem::take(is_first) {
            self.out.push(',');
        }
        self.line(depth + 1);
        self.out.push_str(&encode_string(key, self.html));
        self.out.push_str(if self.shape == Shape::Pretty { ": " } else { ":" });
    }

    fn value(&mut self, value: &Value, depth: usize) -> Written {
        self.context.charge_steps(1)?;
        if depth > NESTING_MAX {
            return Err(crate::json::cycle());
        }
        if self.out.len() > self.context.options().limits.value_bytes_max {
            self.context.charge_bytes(self.out.len())?;
        }
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Int(number, _) => self.out.push_str(&number.to_string()),
            Value::Uint(number, _) => self.out.push_str(&number.to_string()),
            Value::Float(number, info) => {
                let exact = if info.kind == Kind::Float32 {
                    float_text(*number, FloatBits::Single).parse().unwrap_or(*number)
                } else {
                    *number
                };
                match format_json(exact) {
                    Some(text) => self.out.push_str(&text),
                    None => return Err(crate::json::no_number(*number)),
                }
            }
            Value::Str(text) => self.out.push_str(&encode_string(&text.text(), self.html)),
            Value::Bytes(bytes) => {
                self.out.push('"');
                base64::engine::general_purpose::STANDARD.encode_string(bytes.bytes(), &mut self.out);
                self.out.push('"');
            }
            Value::List(list) if list.is_nil => self.out.push_str("null"),
            Value::List(list) => {
                self.out.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.line(depth + 1);
                    self.value(item, depth + 1)?;
                }
                if !list.items.is_empty() {
                    self.line(depth);
                }
                self.out.push(']');
            }
            Value::Map(map) if map.is_nil() => self.out.push_str("null"),
            Value::Map(map) => {
                self.out.push('{');
                let mut is_first = true;
                for (key, item) in map.borrow().iter() {
                    self.key(&key.text(), &mut is_first, depth);
                    self.value(item, depth + 1)?;
                }
                if !is_first {
                    self.line(depth);
                }
                self.out.push('}');
            }
            Value::Struct(structure) => match structure.info.json {
                Some(json) => self.out.push_str(&landfall_yaml::json::encode_with(&json(value), self.html)),
                None => {
                    self.out.push('{');
                    let mut is_first = true;
                    self.fields(structure, &mut is_first, depth)?;
                    if !is_first {
                        self.line(depth);
                    }
                    self.out.push('}');
                }
            },
            Value::Time(time) => self.out.push_str(&encode_string(&crate::time::json_text(time), self.html)),
            Value::Error(_) => self.out.push_str("{}"),
            Value::Complex(..) | Value::Function(_) => return Err(crate::json::no_type(value)),
        }
        Ok(())
    }

    /// Writes the fields of a structure; those of an embedded one stand among them.
    fn fields(&mut self, structure: &Struct, is_first: &mut bool, depth: usize) -> Written {
        for (field, item) in structure.info.fields.iter().zip(&structure.fields) {
            if let (true, Value::Struct(inner)) = (field.is_embedded, item) {
                self.fields(inner, is_first, depth)?;
            } else if !crate::json::is_left_out(field, item) {
                self.key(field.json, is_first, depth);
                self.value(item, depth + 1)?;
            }
        }
        Ok(())
    }
}
