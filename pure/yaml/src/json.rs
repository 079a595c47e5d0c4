//! JSON as Go's `encoding/json` writes it: keys sorted by bytes, HTML characters escaped, floats without `.0`.
//!
//! Helm's `toJson`, kustomize's name hashes and the JSON step inside every YAML output are written this way.
//! Source: Go 1.27 encoding/json `Marshal`, `MarshalIndent`, `Encoder.SetEscapeHTML`.

use crate::go_number::format_json;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Says what happens to `<`, `>` and `&` inside strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Html {
    /// They become `\u003c`, `\u003e` and `\u0026`, Go's default.
    Escaped,
    /// They stay, as with `SetEscapeHTML(false)` (Helm's `toRawJson`).
    Raw,
}

/// Encodes as `json.Marshal`: one line, keys in byte order, HTML characters escaped.
///
/// Integral floats print without a point (`5.0` is `5`), from 1e21 on with an exponent.
pub fn encode(value: &Value) -> String {
    encode_with(value, Html::Escaped)
}

/// Encodes as [`encode`], with a choice for HTML characters.
pub fn encode_with(value: &Value, html: Html) -> String {
    let mut writer = Writer { text: String::new(), html, indent: None };
    writer.value(value, 0);
    writer.text
}

/// Encodes as `json.MarshalIndent(value, "", indent)`, HTML characters escaped; Helm's `toPrettyJson` with two spaces.
pub fn encode_pretty(value: &Value, indent: &str) -> String {
    encode_pretty_with(value, indent, Html::Escaped)
}

/// Encodes as [`encode_pretty`], with a choice for HTML characters.
pub fn encode_pretty_with(value: &Value, indent: &str, html: Html) -> String {
    let mut writer = Writer { text: String::new(), html, indent: Some(indent) };
    writer.value(value, 0);
    writer.text
}

/// Encodes one string with its quotes.
pub fn encode_string(text: &str, html: Html) -> String {
    let mut writer = Writer { text: String::new(), html, indent: None };
    writer.string(text);
    writer.text
}

/// Lists a map's entries in byte order of their keys, whatever order the map itself keeps.
pub(crate) fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|left, right| left.0.cmp(right.0));
    entries
}

struct Writer<'a> {
    text: String,
    html: Html,
    indent: Option<&'a str>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(true) => self.text.push_str("true"),
            Value::Bool(false) => self.text.push_str("false"),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.string(text),
            Value::Array(items) if items.is_empty() => self.text.push_str("[]"),
            Value::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.line(depth + 1);
                    self.value(item, depth + 1);
                }
                self.line(depth);
                self.text.push(']');
            }
            Value::Object(map) if map.is_empty() => self.text.push_str("{}"),
            Value::Object(map) => {
                self.text.push('{');
                for (index, (key, item)) in sorted(map).into_iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.line(depth + 1);
                    self.string(key);
                    self.text.push_str(if self.indent.is_some() { ": " } else { ":" });
                    self.value(item, depth + 1);
                }
                self.line(depth);
                self.text.push('}');
            }
        }
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            for _ in 0..depth {
                self.text.push_str(indent);
            }
        }
    }

    fn number(&mut self, number: &serde_json::Number) {
        if number.is_i64() || number.is_u64() {
            let _ = write!(self.text, "{number}");
        } else {
            let float = number.as_f64().and_then(format_json);
            self.text.push_str(float.as_deref().unwrap_or("null"));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut plain_from = 0;
        for (index, character) in text.char_indices() {
            let escape = match character {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\u{8}' => "\\b",
                '\u{c}' => "\\f",
                '<' if self.html == Html::Escaped => "\\u003c",
                '>' if self.html == Html::Escaped => "\\u003e",
                '&' if self.html == Html::Escaped => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                '\0'..='\u{1f}' => "",
                _ => continue,
            };
            self.text.push_str(&text[plain_from..index]);
            if escape.is_empty() {
                let _ = write!(self.text, "\\u{:04x}", u32::from(character));
            } else {
                self.text.push_str(escape);
            }
            plain_from = index + character.len_utf8();
        }
        self.text.push_str(&text[plain_from..]);
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_line_has_sorted_keys_escaped_html_and_go_floats() {
        let value = json!({"b": [1, 2.0, 1.5, 1e21], "a": "<a>&\u{2028}\u{1}\u{7f}é", "c": {}, "d": []});
        assert_eq!(
            encode(&value),
            "{\"a\":\"\\u003ca\\u003e\\u0026\\u2028\\u0001\u{7f}é\",\"b\":[1,2,1.5,1e+21],\"c\":{},\"d\":[]}"
        );
        assert_eq!(encode_with(&json!("<&>"), Html::Raw), "\"<&>\"");
    }

    #[test]
    fn pretty_form_keeps_empty_collections_on_one_line() {
        let value = json!({"b": [1, {"x": null}], "a": {}, "c": []});
        let expected = "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"x\": null\n    }\n  ],\n  \"c\": []\n}";
        assert_eq!(encode_pretty(&value, "  "), expected);
    }
}
