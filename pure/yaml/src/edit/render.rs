//! The text of values that are put into a YAML text.

use crate::emit::scalar_with_style;
use crate::{Style, write};
use serde_json::Value;

/// Prints a scalar in a style if the style can carry it, else in one that can. `None` for collections.
pub(super) fn scalar(value: &Value, style: Style, in_flow: bool) -> Option<String> {
    match value {
        Value::String(text) => Some(scalar_with_style(text, style, in_flow)),
        Value::Null => Some("null".to_owned()),
        Value::Bool(_) | Value::Number(_) => Some(write(value).trim_end().to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Prints any value in one line, in brackets and braces.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries = crate::json::sorted(map);
            let entries = entries.into_iter().map(|(key, value)| flow_entry(key, value));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => scalar(other, Style::Plain, true).unwrap_or_default(),
    }
}

/// Prints `key: value` in one line.
pub(super) fn flow_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", scalar_with_style(key, Style::Plain, true), flow(value))
}

/// Prints an entry of a map, every line indented by `column` spaces and ended by `line_end`.
pub(super) fn block_entry(key: &str, value: &Value, column: usize, line_end: &str) -> String {
    let map: serde_json::Map<String, Value> = std::iter::once((key.to_owned(), value.clone())).collect();
    indented(&write(&Value::Object(map)), column, line_end)
}

/// Prints an item of a list, every line indented by `column` spaces and ended by `line_end`.
pub(super) fn block_item(value: &Value, column: usize, line_end: &str) -> String {
    indented(&write(&Value::Array(vec![value.clone()])), column, line_end)
}

/// Prints a collection, every line indented by `column` spaces and ended by `line_end`.
pub(super) fn block(value: &Value, column: usize, line_end: &str) -> String {
    indented(&write(value), column, line_end)
}

fn indented(text: &str, column: usize, line_end: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        if !line.is_empty() {
            result.extend(std::iter::repeat_n(' ', column));
            result.push_str(line);
        }
        result.push_str(line_end);
    }
    result
}
