//! JSON patch (RFC 6902) with the habits of the library that kube-apiserver, kubectl and kustomize use, which differ from the RFC:
//!
//! - `replace` of a missing map key adds it (the parent must exist); of the whole document it takes a map or a list only
//! - list indices may be negative: -1 is the last element, for `add` the place behind it
//! - an `add` or `test` without `value` means null; `test` of a missing map key against null holds, `copy` of one copies null
//! - a path without a leading slash is looked up from its first slash on
//!
//! Nothing is changed when any operation fails. Source: evanphx/json-patch v4.13, patch.go; RFC 6901 for pointers.

use serde_json::{Map, Value};

use crate::value::{describe, equal};

/// Why a JSON patch cannot be applied. `index` is the operation's place in the patch, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not a list of maps.
    #[error(
        "a JSON patch is a list of operations such as {{\"op\": \"replace\", \"path\": \"/a\", \"value\": 1}}, not {found}"
    )]
    NotAList {
        /// What it is instead.
        found: &'static str,
    },
    /// `op` is missing or not one of the six.
    #[error("operation {index}: \"{op}\" is none of add, remove, replace, move, copy, test")]
    UnknownOperation {
        /// Place in the patch.
        index: usize,
        /// What `op` says.
        op: String,
    },
    /// `path` or `from` is missing or not a string.
    #[error("operation {index} ({op}): the field \"{field}\" is missing or not a string")]
    MissingField {
        /// Place in the patch.
        index: usize,
        /// The operation.
        op: String,
        /// Which field.
        field: &'static str,
    },
    /// The place that the path names does not exist.
    #[error("operation {index} ({op}): {path} does not exist: {reason}")]
    MissingPath {
        /// Place in the patch.
        index: usize,
        /// The operation.
        op: String,
        /// The pointer as written.
        path: String,
        /// What was found on the way.
        reason: String,
    },
    /// A `test` found another value.
    #[error("operation {index} (test): the value at {path} is not the expected one")]
    TestFailed {
        /// Place in the patch.
        index: usize,
        /// The pointer as written.
        path: String,
    },
    /// The whole document may only be replaced by a map or a list.
    #[error("operation {index} ({op}): the whole document can only be replaced by a map or a list, not by {found}")]
    BadDocument {
        /// Place in the patch.
        index: usize,
        /// The operation.
        op: String,
        /// What it is instead.
        found: &'static str,
    },
}

impl PatchError {
    /// The place in the patch of the operation that fails, from 0; `None` if the patch is no list.
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::NotAList { .. } => None,
            Self::UnknownOperation { index, .. }
            | Self::MissingField { index, .. }
            | Self::MissingPath { index, .. }
            | Self::TestFailed { index, .. }
            | Self::BadDocument { index, .. } => Some(*index),
        }
    }
}

/// Applies the operations in order to a copy of the document.
///
/// # Errors
/// The first operation that does not apply, and why.
pub fn apply(document: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations = patch.as_array().ok_or(PatchError::NotAList { found: describe(patch) })?;
    let mut document = document.clone();
    for (index, operation) in operations.iter().enumerate() {
        let operation = operation.as_object().ok_or(PatchError::NotAList { found: describe(operation) })?;
        Step { index, op: operation.get("op").and_then(Value::as_str).unwrap_or("unknown"), operation }
            .run(&mut document)?;
    }
    Ok(document)
}

struct Step<'a> {
    index: usize,
    op: &'a str,
    operation: &'a Map<String, Value>,
}

impl Step<'_> {
    fn run(&self, document: &mut Value) -> Result<(), PatchError> {
        match self.op {
            "add" => {
                let path = self.text("path")?;
                self.add(document, path, self.value())
            }
            "remove" => self.remove(document, self.text("path")?).map(drop),
            "replace" => self.replace(document, self.text("path")?),
            "move" => {
                let moved = self.remove(document, self.text("from")?)?;
                self.add(document, self.text("path")?, moved)
            }
            "copy" => {
                let copied = self.get(document, self.text("from")?)?.unwrap_or_default();
                self.add(document, self.text("path")?, copied)
            }
            "test" => self.test(document, self.text("path")?),
            _ => Err(PatchError::UnknownOperation { index: self.index, op: self.op.to_owned() }),
        }
    }

    fn text(&self, field: &'static str) -> Result<&str, PatchError> {
        self.operation.get(field).and_then(Value::as_str).ok_or_else(|| PatchError::MissingField {
            index: self.index,
            op: self.op.to_owned(),
            field,
        })
    }

    fn value(&self) -> Value {
        self.operation.get("value").cloned().unwrap_or_default()
    }

    fn missing(&self, path: &str, reason: impl Into<String>) -> PatchError {
        PatchError::MissingPath {
            index: self.index,
            op: self.op.to_owned(),
            path: if path.is_empty() { "the whole document" } else { path }.to_owned(),
            reason: reason.into(),
        }
    }

    /// The container that holds the last part of the path, and that part.
    fn parent<'d>(&self, document: &'d mut Value, path: &str) -> Result<(&'d mut Value, String), PatchError> {
        let parts: Vec<String> = path.split('/').skip(1).map(unescape).collect();
        let Some((last, above)) = parts.split_last() else {
            return Err(self.missing(path, "a path starts with a slash"));
        };
        let mut place = document;
        for (depth, part) in above.iter().enumerate() {
            let so_far = || format!("/{}", parts[..=depth].join("/"));
            let next = match place {
                Value::Object(map) => map.get_mut(part),
                Value::Array(list) => {
                    let index = position(part, list.len(), 0).map_err(|reason| self.missing(path, reason))?;
                    list.get_mut(index)
                }
                _ => None,
            };
            place = next.ok_or_else(|| self.missing(path, format!("there is no {}", so_far())))?;
            if !(place.is_object() || place.is_array()) {
                return Err(self.missing(path, format!("{} is {}", so_far(), describe(place))));
            }
        }
        Ok((place, last.clone()))
    }

    fn get(&self, document: &mut Value, path: &str) -> Result<Option<Value>, PatchError> {
        let (parent, key) = self.parent(document, path)?;
        match parent {
            Value::Object(map) => Ok(map.get(&key).cloned()),
            Value::Array(list) => {
                let index = position(&key, list.len(), 0).map_err(|r| self.missing(path, r))?;
                Ok(list.get(index).cloned())
            }
            other => Err(self.missing(path, format!("its parent is {}", describe(other)))),
        }
    }

    fn add(&self, document: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
        let (parent, key) = self.parent(document, path)?;
        match parent {
            Value::Object(map) => {
                map.insert(key, value);
            }
            Value::Array(list) if key == "-" => list.push(value),
            Value::Array(list) => {
                let index = position(&key, list.len(), 1).map_err(|r| self.missing(path, r))?;
                list.insert(index, value);
            }
            other => {
                return Err(self.missing(path, format!("its parent is {}", describe(other))));
            }
        }
        Ok(())
    }

    fn remove(&self, document: &mut Value, path: &str) -> Result<Value, PatchError> {
        let (parent, key) = self.parent(document, path)?;
        match parent {
            Value::Object(map) => {
                map.remove(&key).ok_or_else(|| self.missing(path, format!("there is no key \"{key}\"")))
            }
            Value::Array(list) => {
                let index = position(&key, list.len(), 0).map_err(|r| self.missing(path, r))?;
                Ok(list.remove(index))
            }
            other => Err(self.missing(path, format!("its parent is {}", describe(other)))),
        }
    }

    fn replace(&self, document: &mut Value, path: &str) -> Result<(), PatchError> {
        let value = self.value();
        if path.is_empty() {
            if !(value.is_object() || value.is_array()) {
                return Err(PatchError::BadDocument {
                    index: self.index,
                    op: self.op.to_owned(),
                    found: describe(&value),
                });
            }
            *document = value;
            return Ok(());
        }
        let (parent, key) = self.parent(document, path)?;
        match parent {
            Value::Object(map) => {
                map.insert(key, value);
            }
            Value::Array(list) => {
                let index = position(&key, list.len(), 0).map_err(|r| self.missing(path, r))?;
                list[index] = value;
            }
            other => {
                return Err(self.missing(path, format!("its parent is {}", describe(other))));
            }
        }
        Ok(())
    }

    fn test(&self, document: &mut Value, path: &str) -> Result<(), PatchError> {
        let found = if path.is_empty() { document.clone() } else { self.get(document, path)?.unwrap_or_default() };
        if equal(&found, &self.value()) {
            Ok(())
        } else {
            Err(PatchError::TestFailed { index: self.index, path: path.to_owned() })
        }
    }
}

/// `~1` is a slash and `~0` a tilde.
fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// An index into a list of `length` elements; `behind` is 1 where the place behind the last element counts too.
fn position(text: &str, length: usize, behind: usize) -> Result<usize, String> {
    let index: i64 = text.parse().map_err(|_| format!("\"{text}\" is not an index into a list"))?;
    let places = i64::try_from(length + behind).unwrap_or(i64::MAX);
    let index = if index < 0 { index + places } else { index };
    if (0..places).contains(&index) {
        Ok(usize::try_from(index).expect("checked to be at least 0"))
    } else {
        Err(format!("the list has {length} elements, so there is no index {text}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(document: Value, patch: Value) -> Value {
        apply(&document, &patch).expect("applies")
    }

    fn refused(document: Value, patch: Value) -> String {
        apply(&document, &patch).expect_err("does not apply").to_string()
    }

    #[test]
    fn the_six_operations_work() {
        assert_eq!(
            patched(
                json!({"a": {"b": 1}, "l": [1, 2, 3]}),
                json!([
                    {"op": "test", "path": "/a/b", "value": 1.0},
                    {"op": "add", "path": "/l/-", "value": 4},
                    {"op": "add", "path": "/l/0", "value": 0},
                    {"op": "remove", "path": "/l/1"},
                    {"op": "replace", "path": "/a/b", "value": 2},
                    {"op": "copy", "from": "/a", "path": "/c"},
                    {"op": "move", "from": "/a/b", "path": "/a/x~1y~0z"},
                ])
            ),
            json!({"a": {"x/y~z": 2}, "c": {"b": 2}, "l": [0, 2, 3, 4]})
        );
    }

    #[test]
    fn replace_of_a_missing_key_adds_it() {
        assert_eq!(patched(json!({}), json!([{"op": "replace", "path": "/a", "value": 1}])), json!({"a": 1}));
    }

    #[test]
    fn negative_indices_count_from_the_end() {
        assert_eq!(
            patched(
                json!([1, 2, 3]),
                json!([
                    {"op": "replace", "path": "/-1", "value": 9},
                    {"op": "add", "path": "/-1", "value": 10},
                    {"op": "remove", "path": "/-4"},
                ])
            ),
            json!([2, 9, 10])
        );
    }

    #[test]
    fn missing_things_count_as_null_in_test_and_copy() {
        assert_eq!(
            patched(
                json!({}),
                json!([{"op": "test", "path": "/a"}, {"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/c"}])
            ),
            json!({"b": null, "c": null})
        );
    }

    #[test]
    fn a_failing_operation_says_which_and_why() {
        let message = refused(json!({"a": 1}), json!([{"op": "remove", "path": "/b"}]));
        assert_eq!(message, "operation 0 (remove): /b does not exist: there is no key \"b\"");
        let message = refused(json!({"a": 1}), json!([{"op": "add", "path": "/a/b/c", "value": 1}]));
        assert_eq!(message, "operation 0 (add): /a/b/c does not exist: /a is a number");
        let message = refused(json!({"l": [1]}), json!([{"op": "add", "path": "/l/3", "value": 1}]));
        assert_eq!(message, "operation 0 (add): /l/3 does not exist: the list has 1 elements, so there is no index 3");
        assert!(refused(json!({}), json!([{"op": "swap", "path": "/a"}])).contains("\"swap\""));
        assert!(refused(json!({}), json!([{"op": "add"}])).contains("\"path\""));
        assert!(refused(json!({}), json!({"op": "add"})).contains("list of operations"));
        assert!(refused(json!({"a": 1}), json!([{"op": "test", "path": "/a", "value": 2}])).contains("/a"));
    }

    #[test]
    fn the_whole_document_is_replaced_by_a_map_or_a_list_only() {
        assert_eq!(patched(json!({}), json!([{"op": "replace", "path": "", "value": []}])), json!([]));
        assert!(refused(json!({}), json!([{"op": "replace", "path": "", "value": 1}])).contains("a number"));
        assert!(refused(json!({}), json!([{"op": "add", "path": "", "value": {}}])).contains("the whole document"));
    }
}
