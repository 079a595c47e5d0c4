//! Strategic merge patch: Kubernetes' own merge, which knows by the kind's schema which lists are merged and by which key.
//!
//! [`apply::apply`] is what kube-apiserver does with `application/strategic-merge-patch+json`; [`create::two_way`] and
//! [`create::three_way`] make such patches, the latter as `kubectl apply` does. kustomize merges differently and has its own.
//!
//! Directives in a patch: `$patch: replace|delete|merge` in a map or as an element of a merged list, `$retainKeys`,
//! `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`.
//!
//! Source: apimachinery v0.36, pkg/util/strategicpatch.

use serde_json::{Map, Value};

use crate::schema::{Node, Schema};
use crate::value::equal;

pub mod apply;
pub mod create;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Why a strategic merge patch cannot be applied or made. `field` is the name of the nearest field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategicError {
    /// A place that must be a map or a list is something else.
    #[error("{field}: expected {expected}, got {found}")]
    WrongType {
        /// The field.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An element of a merged list lacks its merge key.
    #[error("{field}: map: {element} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The list.
        field: String,
        /// The element.
        element: String,
        /// The key that it must have.
        key: String,
    },
    /// A list of maps is to be merged, but the schema names no key.
    #[error("{field}: cannot merge lists without merge key")]
    NoKeyInSchema {
        /// The list.
        field: String,
    },
    /// `$patch` says something unknown.
    #[error("{field}: unknown $patch directive {directive}: use replace, delete or merge")]
    UnknownDirective {
        /// The field.
        field: String,
        /// What it says.
        directive: String,
    },
    /// A list mixes types or holds lists.
    #[error("{field}: the elements of a merged list must all be of the same type, and not lists")]
    MixedList {
        /// The list.
        field: String,
    },
    /// `$retainKeys` misses a key that the patch sets, or is not a list.
    #[error("{field}: $retainKeys must be a list that names every field of the patch beside it")]
    BadRetainKeys {
        /// The field.
        field: String,
    },
    /// `$setElementOrder` does not list the patch's elements in their order.
    #[error("{field}: the order in the patch list does not match $setElementOrder/{field}")]
    BadElementOrder {
        /// The list.
        field: String,
    },
    /// `$setElementOrder` is about a list that is empty on both sides.
    #[error("{field}: no elements in any of the given lists: leave $setElementOrder/{field} out")]
    NoElements {
        /// The list.
        field: String,
    },
    /// The patches that a three-way merge combines disagree.
    #[error("{field}: the deletions and the additions of the three-way merge contradict each other")]
    Contradiction {
        /// The field.
        field: String,
    },
    /// Somebody else changed what the three-way patch changes, and overwriting was not asked for.
    #[error("{field}: the live object was changed in the same place as the new configuration")]
    Conflict {
        /// The field.
        field: String,
    },
}

type Fields = Map<String, Value>;

/// What the schema says about merging a field.
struct Strategy<'a> {
    schema: Schema<'a>,
    merge_key: Option<&'a str>,
    is_merge: bool,
    is_replace: bool,
    retain_keys: bool,
}

/// The strategy of a field of a map of this schema; of an unknown field: maps merge, lists replace.
fn strategy<'a>(schema: Schema<'a>, field: &str) -> Strategy<'a> {
    static NOTHING: std::sync::OnceLock<Node> = std::sync::OnceLock::new();
    let node = schema.field_node(field).unwrap_or_else(|| NOTHING.get_or_init(Node::default));
    let has = |name: &str| node.patch_strategies.iter().any(|strategy| strategy == name);
    Strategy {
        schema: schema.entry(field).unwrap_or_else(Schema::deduced),
        merge_key: node.patch_merge_key.as_deref(),
        is_merge: has("merge"),
        is_replace: has("replace"),
        retain_keys: has("retainKeys"),
    }
}

/// What the elements of the lists are.
#[derive(PartialEq, Clone, Copy)]
enum Elements {
    Maps,
    Scalars,
}

/// All elements are maps, or all are scalars of one type.
fn elements(field: &str, lists: [&[Value]; 2]) -> Result<Elements, StrategicError> {
    let mut first: Option<&Value> = None;
    for value in lists.into_iter().flatten() {
        let known = *first.get_or_insert(value);
        let same = std::mem::discriminant(known) == std::mem::discriminant(value);
        if !same || value.is_array() {
            return Err(StrategicError::MixedList { field: field.to_owned() });
        }
    }
    Ok(match first {
        Some(Value::Object(_)) => Elements::Maps,
        _ => Elements::Scalars,
    })
}

fn key_of<'v>(field: &str, element: &'v Value, key: &str) -> Result<&'v Value, StrategicError> {
    let map = element.as_object().ok_or_else(|| StrategicError::WrongType {
        field: field.to_owned(),
        expected: "a map",
        found: crate::value::describe(element),
    })?;
    map.get(key).ok_or_else(|| StrategicError::NoMergeKey {
        field: field.to_owned(),
        element: element.to_string(),
        key: key.to_owned(),
    })
}

/// Where an element of the same identity (merge key, or the value itself) is in a list.
fn index_of(list: &[Value], element: &Value, key: Option<&str>) -> Option<usize> {
    let identity = |value: &'_ Value| match key {
        Some(key) => value.get(key).cloned().unwrap_or_default(),
        None => value.clone(),
    };
    let wanted = identity(element);
    list.iter().position(|other| equal(&identity(other), &wanted))
}

fn is_delete(element: &Value) -> bool {
    element.get(PATCH).and_then(Value::as_str) == Some("delete")
}

/// Sorts by the place in `order`; deletions go last.
fn sort_by_order(mut list: Vec<Value>, order: &[Value], key: Option<&str>) -> Vec<Value> {
    list.sort_by_key(|element| {
        let place = index_of(order, element, key).unwrap_or(usize::MAX);
        (key.is_some() && is_delete(element), place)
    });
    list
}

/// The patch's elements in the patch's order, woven with the server's own in the server's order.
fn weave(
    from_patch: Vec<Value>,
    server_only: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Vec<Value> {
    let mut right = sort_by_order(from_patch, patch_order, key).into_iter().peekable();
    let mut left = sort_by_order(server_only, server_order, key).into_iter().peekable();
    let mut woven = Vec::new();
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let server_first = match (index_of(server_order, l, key), index_of(server_order, r, key)) {
            (Some(l), Some(r)) => l < r,
            _ => false,
        };
        woven.extend(if server_first { left.next() } else { right.next() });
    }
    woven.extend(left);
    woven.extend(right);
    woven
}

/// How Go prints a scalar with `%v`: what lists of scalars and of maps are sorted by.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => crate::value::number_text(number),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
