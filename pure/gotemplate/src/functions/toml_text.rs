//! TOML, written as BurntSushi/toml 1.6.0 writes it, and read with the `toml` crate.

use crate::strconv::{FloatBits, float_text};
use crate::text::{Str, characters};
use crate::value::{Map, NESTING_MAX, Value};
use std::fmt::Write as _;

/// Why a value has no TOML form.
pub(crate) enum Failure {
    /// The reference panics: the function fails.
    Panic(String),
    /// The reference gives an error, which becomes the text.
    Error(String),
}

type Written = Result<(), Failure>;

/// Writes a value as a TOML document. A plain value is written alone.
pub(crate) fn encode(value: &Value) -> Result<String, Failure> {
    let mut out = String::new();
    match value {
        Value::Nil => return Err(Failure::Panic("reflect: call of reflect.Value.Type on zero Value".into())),
        Value::Map(map) => table(&mut out, map, &mut Vec::new(), 0)?,
        other => element(&mut out, other, 0)?,
    }
    Ok(out)
}

fn error(text: &str) -> Failure {
    Failure::Error(text.to_string())
}

fn is_table(value: &Value) -> bool {
    matches!(value, Value::Map(_))
}

/// Says whether a list is written as `[[...]]` sections: all its items are tables.
fn is_table_array(value: &Value) -> bool {
    matches!(value, Value::List(list) if !list.items.is_empty() && list.items.iter().all(is_table))
}

fn table(out: &mut String, map: &Map, path: &mut Vec<Str>, depth: usize) -> Written {
    if depth > NESTING_MAX {
        return Err(error("toml: nested too deeply"));
    }
    let entries = map.entries();
    let indent = "  ".repeat(path.len());
    for (key, value) in entries.iter().filter(|(_, value)| !is_table(value) && !is_table_array(value)) {
        if matches!(value, Value::Nil) {
            continue;
        }
        let mut line = String::new();
        element(&mut line, value, depth + 1)?;
        let _ = writeln!(out, "{indent}{} = {line}", key_text(key));
    }
    for (key, value) in &entries {
        path.push(key.clone());
        let shown: Vec<String> = path.iter().map(key_text).collect();
        let inner = "  ".repeat(path.len() - 1);
        match value {
            Value::Map(map) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                let _ = writeln!(out, "{inner}[{}]", shown.join("."));
                table(out, map, path, depth + 1)?;
            }
            Value::List(list) if is_table_array(value) => {
                for item in &list.items {
                    if let Value::Map(map) = item {
                        if !out.is_empty() {
                            out.push('\n');
                        }
                        let _ = writeln!(out, "{inner}[[{}]]", shown.join("."));
                        table(out, map, path, depth + 1)?;
                    }
                }
            }
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

fn key_text(key: &Str) -> String {
    let is_bare = !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { key.to_string() } else { quoted(key) }
}

fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for (_, character, _) in characters(text) {
        match character {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0C}' => out.push_str("\\f"),
            control if control < ' ' || control == '\u{7F}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let shown = float_text(number, FloatBits::Double);
    if shown.contains(['.', 'e']) { shown } else { format!("{shown}.0") }
}

fn element(out: &mut String, value: &Value, depth: usize) -> Written {
    if depth > NESTING_MAX {
        return Err(error("toml: nested too deeply"));
    }
    match value {
        Value::Nil => return Err(error("toml: cannot encode array with nil element")),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number, info) if std::ptr::eq(*info, &crate::types::DURATION) => {
            out.push_str(&quoted(crate::time::duration_text(*number).as_bytes()));
        }
        Value::Int(number, _) => out.push_str(&number.to_string()),
        Value::Uint(number, _) => out.push_str(&number.to_string()),
        Value::Float(number, _) => out.push_str(&float(*number)),
        Value::Str(text) => out.push_str(&quoted(text)),
        Value::Bytes(bytes) => {
            let items: Vec<String> = bytes.iter().map(u8::to_string).collect();
            let _ = write!(out, "[{}]", items.join(", "));
        }
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                element(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            let mut is_first = true;
            for (key, item) in map.entries().iter().filter(|(_, item)| !matches!(item, Value::Nil)) {
                if !std::mem::take(&mut is_first) {
                    out.push_str(", ");
                }
                let _ = write!(out, "{} = ", key_text(key));
                element(out, item, depth + 1)?;
            }
            out.push('}');
        }
        Value::Time(time) => out.push_str(&crate::time::json_text(time)),
        Value::Struct(structure) => {
            let entries = structure.info.fields.iter().zip(&structure.fields);
            let entries = entries.map(|(field, item)| (Str::from(field.name), item.clone()));
            element(out, &Value::map(entries), depth + 1)?;
        }
        Value::Complex(..) | Value::Error(_) | Value::Function(_) => {
            return Err(error(&format!("toml: unsupported type: {}", value.type_name())));
        }
    }
    Ok(())
}

/// Reads a TOML document into a map; integers are int64.
///
/// # Errors
/// What is wrong, with the line.
pub(crate) fn decode(source: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(source).map_err(|_| "toml: invalid UTF-8".to_string())?;
    let parsed: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let message = error.message();
        let key = error.span().and_then(|span| text.get(span)).unwrap_or_default().trim();
        if message.contains("duplicate key") {
            return format!("toml: line {line} (last key {key:?}): Key '{key}' has already been defined.");
        }
        format!("toml: line {line}: {message}")
    })?;
    Ok(from_table(parsed))
}

fn from_table(table: toml::Table) -> Value {
    Value::map(table.into_iter().map(|(key, value)| (Str::from(key), from_toml(value))))
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::str(text),
        toml::Value::Integer(number) => Value::int64(number),
        toml::Value::Float(number) => Value::float(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(moment) => {
            let shown = moment.to_string();
            match crate::time::parse_moment(&shown) {
                Some(time) => Value::Time(std::rc::Rc::new(time)),
                None => Value::str(shown),
            }
        }
        toml::Value::Array(items) => {
            if !items.is_empty() && items.iter().all(toml::Value::is_table) {
                let items = items.into_iter().map(from_toml).collect();
                return Value::typed_list(&crate::types::LIST_MAP_ANY, items);
            }
            Value::list(items.into_iter().map(from_toml).collect())
        }
        toml::Value::Table(table) => from_table(table),
    }
}
