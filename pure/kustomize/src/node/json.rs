//! Nodes as JSON and back, with what the reference's way through text does to types.
//!
//! The reference writes its nodes as YAML, reads them again into Go values and prints those as JSON. So a scalar without
//! a decided tag gets its type here, a number in quotes is a string, and a key that is not a string cannot be printed.

use base64::Engine as _;
use serde_json::{Map, Number, Value};

use super::resolve::{Resolved, is_base_60, is_old_bool, number, resolve};
use super::{Arena, Kind, NodeId, Style, Tag};
use crate::error::ErrorClass;

/// Says why a tree has no JSON form, and at which field.
#[derive(Debug, Clone)]
pub(crate) struct JsonProblem {
    pub(crate) class: ErrorClass,
    pub(crate) message: String,
    pub(crate) field: String,
}

/// Above this a float prints with an exponent and is kept as a float; below, an integral one becomes an integer.
const INTEGRAL_FLOAT_MAX: f64 = 9_223_372_036_854_775_807.0;

impl Arena {
    /// The JSON value of a tree whose top is a mapping (its keys are taken as text) or anything else.
    pub(crate) fn to_json(&self, id: NodeId) -> Result<Value, JsonProblem> {
        self.json_at(id, true, false).map_err(|mut problem| {
            problem.field = problem.field.trim_start_matches('.').to_owned();
            problem
        })
    }

    fn json_at(&self, id: NodeId, is_top: bool, in_flow: bool) -> Result<Value, JsonProblem> {
        let node = self.get(id);
        let in_flow = in_flow || node.style == Style::Flow;
        match node.kind {
            // An empty place between brackets is written as an empty string.
            Kind::Scalar if in_flow && node.value.is_empty() && !node.tagged => Ok(Value::String(String::new())),
            Kind::Scalar => self.scalar_json(id),
            Kind::Sequence => {
                let mut items = Vec::with_capacity(node.content.len());
                for (at, child) in node.content.iter().enumerate() {
                    items.push(
                        self.json_at(*child, false, in_flow).map_err(|problem| problem.below(&format!("[{at}]")))?,
                    );
                }
                Ok(Value::Array(items))
            }
            Kind::Mapping => {
                let mut map = Map::new();
                for pair in node.content.chunks_exact(2) {
                    let name = self.key_text(pair[0], is_top)?;
                    if map.contains_key(&name) {
                        return Err(JsonProblem {
                            class: ErrorClass::MalformedYaml,
                            message: format!("mapping key {name:?} is defined twice"),
                            field: format!(".{name}"),
                        });
                    }
                    let value =
                        self.json_at(pair[1], false, in_flow).map_err(|problem| problem.below(&format!(".{name}")))?;
                    map.insert(name, value);
                }
                Ok(Value::Object(map))
            }
        }
    }

    fn key_text(&self, id: NodeId, is_top: bool) -> Result<String, JsonProblem> {
        let node = self.get(id);
        let unprintable = |what: String| {
            Err(JsonProblem { class: ErrorClass::UnprintableOutput, message: what, field: format!(".{}", node.value) })
        };
        if node.kind != Kind::Scalar {
            return unprintable("a mapping key is itself a collection, which JSON does not have".to_owned());
        }
        match self.written_scalar(id)? {
            Written::Text(text) => Ok(text),
            Written::Typed(_) if is_top || node.value.is_empty() => Ok(node.value.to_string()),
            Written::Typed(_) => unprintable(format!(
                "the mapping key {} is not a string, which JSON needs; write it in quotes",
                node.value
            )),
        }
    }

    fn scalar_json(&self, id: NodeId) -> Result<Value, JsonProblem> {
        Ok(match self.written_scalar(id)? {
            Written::Text(text) => Value::String(text),
            Written::Typed(resolved) => match resolved {
                Resolved::Null => Value::Null,
                Resolved::Bool(value) => Value::Bool(value),
                Resolved::Int(value) => Value::Number(value.into()),
                Resolved::Uint(value) => Value::Number(value.into()),
                Resolved::Float(value) => float_json(value).ok_or_else(|| JsonProblem {
                    class: ErrorClass::UnprintableOutput,
                    message: format!("{} has no form in JSON", self.value(id)),
                    field: String::new(),
                })?,
                Resolved::Time(text) => Value::String(text),
                Resolved::Text => Value::String(self.value(id).to_owned()),
            },
        })
    }

    /// What a reader finds after the writer has printed this scalar.
    fn written_scalar(&self, id: NodeId) -> Result<Written, JsonProblem> {
        let node = self.get(id);
        let text = || {
            Ok(Written::Text(match node.style {
                Style::Folded => landfall_yaml::refolded(&node.value),
                _ => node.value.to_string(),
            }))
        };
        let is_quoted = matches!(node.style, Style::Single | Style::Double | Style::Literal | Style::Folded);
        if node.tagged {
            return self.tagged_scalar(id, &node.tag, is_quoted);
        }
        match &node.tag {
            Tag::Str | Tag::Merge => text(),
            Tag::Empty | Tag::Null if is_quoted || node.value.contains('\n') => match node.tag {
                Tag::Empty => text(),
                _ if node.value.is_empty() => Ok(Written::Text(String::new())),
                _ => text(),
            },
            Tag::Empty => match resolve(&node.value) {
                Resolved::Text => text(),
                typed => Ok(Written::Typed(typed)),
            },
            tag => {
                let resolved = resolve(&node.value);
                if resolved.tag() == *tag {
                    if is_quoted { text() } else { Ok(Written::Typed(resolved)) }
                } else {
                    self.tagged_scalar(id, tag, is_quoted)
                }
            }
        }
    }

    fn tagged_scalar(&self, id: NodeId, tag: &Tag, is_quoted: bool) -> Result<Written, JsonProblem> {
        let node = self.get(id);
        let impossible = |name: &str| {
            Err(JsonProblem {
                class: ErrorClass::UnprintableOutput,
                message: format!("cannot read {:?} as a {name}, which its tag asks for", node.value),
                field: String::new(),
            })
        };
        let resolved =
            if *tag != Tag::Timestamp && is_quoted && *tag == Tag::Str { Resolved::Text } else { resolve(&node.value) };
        match tag {
            Tag::Str | Tag::Merge | Tag::Other(_) | Tag::Empty | Tag::Map | Tag::Seq => {
                Ok(Written::Text(node.value.to_string()))
            }
            Tag::Binary => {
                let compact: String =
                    node.value.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
                match base64::engine::general_purpose::STANDARD.decode(compact) {
                    Ok(bytes) => Ok(Written::Text(String::from_utf8_lossy(&bytes).into_owned())),
                    Err(_) => impossible("!!binary"),
                }
            }
            Tag::Int => match number(&node.value) {
                Some(found @ (Resolved::Int(_) | Resolved::Uint(_))) => Ok(Written::Typed(found)),
                _ => impossible("!!int"),
            },
            Tag::Float => match resolved {
                Resolved::Float(value) => Ok(Written::Typed(Resolved::Float(value))),
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "the reference converts integers to floats under this tag"
                )]
                Resolved::Int(value) => Ok(Written::Typed(Resolved::Float(value as f64))),
                _ => impossible("!!float"),
            },
            Tag::Bool => match resolved {
                Resolved::Bool(_) => Ok(Written::Typed(resolved)),
                _ => impossible("!!bool"),
            },
            Tag::Null => match resolved {
                Resolved::Null => Ok(Written::Typed(Resolved::Null)),
                _ => impossible("!!null"),
            },
            Tag::Timestamp => match resolved {
                Resolved::Time(_) => Ok(Written::Typed(resolved)),
                _ => impossible("!!timestamp"),
            },
        }
    }

    /// Builds nodes as the reference does from a Go value: through its YAML writer, strings quoted where they must be.
    pub(crate) fn build_json(&mut self, value: &Value, numbers: Numbers) -> NodeId {
        match value {
            Value::Null => self.scalar("null", Tag::Null, Style::Plain),
            Value::Bool(flag) => self.scalar(if *flag { "true" } else { "false" }, Tag::Bool, Style::Plain),
            Value::Number(number) => self.build_number(number, numbers),
            Value::String(text) => self.build_string(text),
            Value::Array(items) => {
                let id = self.collection(Kind::Sequence, Tag::Seq);
                let content = items.iter().map(|item| self.build_json(item, numbers)).collect();
                self.get_mut(id).content = content;
                id
            }
            Value::Object(map) => {
                let id = self.collection(Kind::Mapping, Tag::Map);
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by(|left, right| left.0.cmp(right.0));
                let mut content = Vec::with_capacity(entries.len() * 2);
                for (key, item) in entries {
                    content.push(self.build_string(key));
                    content.push(self.build_json(item, numbers));
                }
                self.get_mut(id).content = content;
                id
            }
        }
    }

    fn build_number(&mut self, number: &Number, numbers: Numbers) -> NodeId {
        let text = match (numbers, number.as_f64()) {
            (Numbers::Floats, Some(float)) => landfall_yaml::go_number::format_g(float),
            (Numbers::Kept, Some(float)) if number.is_f64() => landfall_yaml::go_number::format_g(float),
            _ => number.to_string(),
        };
        let tag = resolve(&text).tag();
        self.scalar(text, tag, Style::Plain)
    }

    fn build_string(&mut self, text: &str) -> NodeId {
        let style = if text.contains('\n') {
            if super::emit::literal_allowed(text) { Style::Literal } else { Style::Double }
        } else if resolve(text) != Resolved::Text || is_base_60(text) || is_old_bool(text) {
            Style::Double
        } else {
            super::emit::plain_or_quoted(text)
        };
        self.scalar(text, Tag::Str, style)
    }

    /// Builds nodes as the reference's reader does from JSON text: strings and keys in double quotes.
    pub(crate) fn build_json_text(&mut self, value: &Value) -> NodeId {
        match value {
            Value::Null => self.scalar("null", Tag::Null, Style::Plain),
            Value::Bool(flag) => self.scalar(if *flag { "true" } else { "false" }, Tag::Bool, Style::Plain),
            Value::Number(number) => {
                let text = landfall_yaml::json::encode(&Value::Number(number.clone()));
                let tag = resolve(&text).tag();
                self.scalar(text, tag, Style::Plain)
            }
            Value::String(text) => self.scalar(text.as_str(), Tag::Str, Style::Double),
            Value::Array(items) => {
                let id = self.collection(Kind::Sequence, Tag::Seq);
                let content = items.iter().map(|item| self.build_json_text(item)).collect();
                let node = self.get_mut(id);
                (node.content, node.style) = (content, Style::Flow);
                id
            }
            Value::Object(map) => {
                let id = self.collection(Kind::Mapping, Tag::Map);
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by(|left, right| left.0.cmp(right.0));
                let mut content = Vec::with_capacity(entries.len() * 2);
                for (key, item) in entries {
                    content.push(self.scalar(key.as_str(), Tag::Str, Style::Double));
                    content.push(self.build_json_text(item));
                }
                let node = self.get_mut(id);
                (node.content, node.style) = (content, Style::Flow);
                id
            }
        }
    }
}

/// What happens to integers on the way from JSON to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Integers stay integers.
    Kept,
    /// Every number becomes a Go float first, as after decoding JSON into a Go map.
    Floats,
}

enum Written {
    Text(String),
    Typed(Resolved),
}

impl JsonProblem {
    fn below(mut self, step: &str) -> Self {
        self.field.insert_str(0, step);
        self
    }
}

fn float_json(value: f64) -> Option<Value> {
    if value.fract() == 0.0 && value.abs() < INTEGRAL_FLOAT_MAX && !(value == 0.0 && value.is_sign_negative()) {
        #[expect(clippy::cast_possible_truncation, reason = "integral and in range")]
        return Some(Value::Number((value as i64).into()));
    }
    Number::from_f64(value).map(Value::Number)
}
