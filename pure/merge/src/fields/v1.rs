//! `fieldsV1`: the JSON in which managedFields writes a set of paths.
//!
//! A field is `f:NAME`, a keyed element `k:{"name":"a"}`, an element of a set `v:"x"`, an index `i:3`; `{}` is a member, and a member
//! with something below it has the key `.`.
//!
//! Source: structured-merge-diff v6, fieldpath/serialize.go and serialize-pe.go.

use serde_json::{Map, Value, json};

use super::Element;
use super::set::FieldSet;
use crate::value::{describe, number_text};

/// Why fieldsV1 cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fieldsV1: {place}: {reason}")]
pub struct DecodeError {
    /// The key at fault, or where it is.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Writes a set as the JSON value of `fieldsV1`.
#[must_use]
pub fn encode(set: &FieldSet) -> Value {
    let mut map = Map::new();
    for member in &set.members {
        map.insert(key_text(member), json!({}));
    }
    for (element, below) in &set.children {
        if below.is_empty() {
            continue;
        }
        let mut inner = encode(below);
        if let (true, Value::Object(inner)) = (set.members.contains(element), &mut inner) {
            inner.insert(".".to_owned(), json!({}));
        }
        map.insert(key_text(element), inner);
    }
    Value::Object(map)
}

/// Writes a set as JSON text in the order in which kube-apiserver sends it.
#[must_use]
pub fn encode_text(set: &FieldSet) -> String {
    let mut text = String::from("{");
    write_contents(set, false, &mut text);
    text.push('}');
    text
}

fn write_contents(set: &FieldSet, is_member: bool, text: &mut String) {
    let begin = text.len();
    let mut write = |element: Option<&Element>, below: Option<&FieldSet>, member: bool| {
        if text.len() > begin {
            text.push(',');
        }
        let key = element.map_or_else(|| ".".to_owned(), key_text);
        text.push_str(&Value::String(key).to_string());
        text.push_str(":{");
        if let Some(below) = below {
            write_contents(below, member, text);
        }
        text.push('}');
    };
    if is_member {
        write(None, None, false);
    }
    let mut elements: Vec<&Element> = set.members.iter().chain(set.children.keys()).collect();
    elements.sort_unstable();
    elements.dedup();
    for element in elements {
        let below = set.children.get(element);
        write(Some(element), below, set.members.contains(element));
    }
}

/// Reads the JSON value of `fieldsV1`. Elements of kinds that do not exist yet are skipped, as Kubernetes does.
///
/// # Errors
/// A key without a colon, or with a value that is not JSON.
pub fn decode(fields: &Value) -> Result<FieldSet, DecodeError> {
    Ok(read(fields)?.0.unwrap_or_default())
}

/// What is below, if anything, and whether the place itself is a member.
fn read(fields: &Value) -> Result<(Option<FieldSet>, bool), DecodeError> {
    let Value::Object(map) = fields else {
        return Err(DecodeError {
            place: "value".to_owned(),
            reason: format!("expected a map, got {}", describe(fields)),
        });
    };
    let (mut set, mut is_member) = (None, false);
    for (key, value) in map {
        if key == "." {
            is_member = true;
            continue;
        }
        let Some(element) = element_of(key)? else {
            continue;
        };
        let (below, is_child_member) = read(value)?;
        let set: &mut FieldSet = set.get_or_insert_default();
        if is_child_member {
            set.members.insert(element.clone());
        }
        if let Some(below) = below {
            set.children.insert(element, below);
        }
    }
    let is_member = is_member || set.is_none();
    Ok((set, is_member))
}

fn element_of(key: &str) -> Result<Option<Element>, DecodeError> {
    let error = |reason: String| DecodeError { place: key.to_owned(), reason };
    let Some((kind, rest)) = key.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
        return Err(error("a key looks like f:NAME, k:{...}, v:VALUE or i:INDEX".to_owned()));
    };
    let value = || serde_json::from_str::<Value>(rest).map_err(|e| error(e.to_string()));
    Ok(match kind {
        "f" => Some(Element::Field(rest.to_owned())),
        "v" => Some(Element::Value(value()?)),
        "k" => match value()? {
            Value::Object(map) => {
                let mut fields: Vec<(String, Value)> = map.into_iter().collect();
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                Some(Element::Key(fields))
            }
            other => return Err(error(format!("expected a map, got {}", describe(&other)))),
        },
        "i" => Some(Element::Index(rest.parse().map_err(|_| error(format!("\"{rest}\" is not an index")))?)),
        _ => None,
    })
}

/// One element as a key of fieldsV1.
#[must_use]
pub fn key_text(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Value(value) => format!("v:{}", go_json(value)),
        Element::Index(index) => format!("i:{index}"),
        Element::Key(fields) => {
            let pairs: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::String(name.clone()), go_json(value)))
                .collect();
            format!("k:{{{}}}", pairs.join(","))
        }
    }
}

/// Scalars as Go's encoding/json writes them: `<`, `>` and `&` escaped, integral numbers without a fraction.
fn go_json(value: &Value) -> String {
    match value {
        Value::Number(number) => number_text(number),
        Value::String(_) => value
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::path_text;

    #[test]
    fn what_kubernetes_writes_is_read_and_written_back() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {".": {}, "v:\"x\"": {}}},
            "f:spec": {
                "f:containers": {
                    "k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:ports": {
                        ".": {},
                        "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}
                    }}
                },
                "f:list": {"i:3": {}}
            }
        });
        let set = decode(&fields).expect("reads");
        assert_eq!(encode(&set), fields);
        let texts: Vec<String> = set.paths().iter().map(|path| path_text(path)).collect();
        assert!(texts.contains(&".metadata.finalizers[=\"x\"]".to_owned()), "{texts:?}");
        assert!(texts.contains(
            &".spec.containers[name=\"app\"].ports[containerPort=80,protocol=\"TCP\"].containerPort".to_owned()
        ));
        let text = encode_text(&set);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), fields);
        assert!(text.starts_with("{\"f:metadata\":{\"f:finalizers\":{\".\":{},\"v:\\\"x\\\"\":{}}"), "{text}");
    }

    #[test]
    fn numbers_in_keys_are_equal_whatever_their_type() {
        let float = decode(&json!({"f:p": {"k:{\"port\":80.0}": {}}})).expect("reads");
        let integer = decode(&json!({"f:p": {"k:{\"port\":80}": {}}})).expect("reads");
        assert_eq!(float, integer);
        assert_eq!(encode(&float), encode(&integer));
    }

    #[test]
    fn unknown_kinds_are_skipped_and_malformed_keys_are_named() {
        assert_eq!(decode(&json!({"f:a": {}, "z:b": {}})).expect("reads").size(), 1);
        assert!(decode(&json!({"a": {}})).expect_err("no colon").to_string().contains("a key looks like"));
        assert!(decode(&json!({"k:[": {}})).is_err());
        assert!(decode(&json!([])).is_err());
        assert!(decode(&json!({})).expect("reads").is_empty());
    }
}
