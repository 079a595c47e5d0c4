//! Values walked by their schema: validating, listing fields, comparing, merging, removing and extracting.
//!
//! The behaviour to reproduce is that of structured-merge-diff v6, package typed: what is a leaf, how list elements are identified,
//! what happens to duplicates, nulls and values of the wrong type. `dev/smd-oracle` compares the two on random input.

use serde_json::{Map, Value};

use crate::fields::{Element, Path, path_text};
use crate::schema::{ListKind, MapKind, Schema, ValueType};
use crate::value::describe;

pub mod compare;
pub mod fieldset;
pub mod merge;
pub mod remove;
pub mod validate;

/// A value that does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct TypeProblem {
    /// Where, as messages show paths; empty for the root.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// The way to the place that is being walked, kept without copying names: only problems and differences need it as a path.
#[derive(Debug, Default)]
pub(crate) struct Trail<'v> {
    steps: Vec<TrailStep<'v>>,
}

#[derive(Debug)]
enum TrailStep<'v> {
    Field(&'v str),
    Element(Element),
}

impl<'v> Trail<'v> {
    pub(crate) fn enter(&mut self, field: &'v str) {
        self.steps.push(TrailStep::Field(field));
    }

    pub(crate) fn enter_element(&mut self, element: Element) {
        self.steps.push(TrailStep::Element(element));
    }

    pub(crate) fn leave(&mut self) {
        self.steps.pop();
    }

    pub(crate) fn path(&self) -> Path {
        self.steps
            .iter()
            .map(|step| match step {
                TrailStep::Field(name) => Element::Field((*name).to_owned()),
                TrailStep::Element(element) => element.clone(),
            })
            .collect()
    }

    pub(crate) fn problem(&self, reason: impl Into<String>) -> TypeProblem {
        TypeProblem { path: path_text(&self.path()), reason: reason.into() }
    }
}

/// All problems of an object, joined for a message.
#[must_use]
pub fn problems_text(problems: &[TypeProblem]) -> String {
    match problems {
        [only] => only.to_string(),
        many => {
            let lines: Vec<String> = many.iter().map(|problem| format!("  {problem}")).collect();
            format!("errors:\n{}", lines.join("\n"))
        }
    }
}

/// As what a value is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Map,
    List,
    Scalar(Scalar),
}

/// Which scalars a place takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Number,
    String,
    Boolean,
    Any,
}

/// The shape that a value has at a place: its own where the place takes anything, else the place's.
pub(crate) fn shape(schema: Schema<'_>, value: Option<&Value>) -> Shape {
    match schema.node().value_type {
        ValueType::Object => Shape::Map,
        ValueType::Array => Shape::List,
        ValueType::AnyScalar => Shape::Scalar(Scalar::Any),
        ValueType::Integer | ValueType::Number => Shape::Scalar(Scalar::Number),
        ValueType::Boolean => Shape::Scalar(Scalar::Boolean),
        ValueType::String => match schema.node().format.as_str() {
            "" | "byte" => Shape::Scalar(Scalar::String),
            _ => Shape::Scalar(Scalar::Any),
        },
        // What is null or absent could be anything, and is taken for a map.
        ValueType::Any | ValueType::AnyAtomic => match value {
            None | Some(Value::Null | Value::Object(_)) => Shape::Map,
            Some(Value::Array(_)) => Shape::List,
            Some(_) => Shape::Scalar(Scalar::Any),
        },
    }
}

/// Whether two present values are walked in the same way. A null where anything may be is like nothing else.
pub(crate) fn alike(schema: Schema<'_>, left: &Value, right: &Value) -> bool {
    match schema.node().value_type {
        ValueType::Any | ValueType::AnyAtomic => {
            left.is_null() == right.is_null() && shape(schema, Some(left)) == shape(schema, Some(right))
        }
        _ => true,
    }
}

/// What is wrong with a scalar; nothing about an absent or null one.
pub(crate) fn scalar_fault(scalar: Scalar, value: Option<&Value>) -> Option<String> {
    let value = value.filter(|value| !value.is_null())?;
    let (fits, expected) = match scalar {
        Scalar::Number => (value.is_number(), "numeric (int or float)"),
        Scalar::String => (value.is_string(), "string"),
        Scalar::Boolean => (value.is_boolean(), "boolean"),
        Scalar::Any => (!value.is_object() && !value.is_array(), "any scalar"),
    };
    (!fits).then(|| format!("expected {expected}, got {}", describe(value)))
}

/// The map in a value; `None` for anything else.
pub(crate) fn as_map(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

/// The list in a value; `None` for anything else.
pub(crate) fn as_list(value: Option<&Value>) -> Option<&[Value]> {
    value.and_then(Value::as_array).map(Vec::as_slice)
}

pub(crate) fn is_atomic_list(schema: Schema<'_>) -> bool {
    *schema.list_kind() == ListKind::Atomic
}

pub(crate) fn is_atomic_map(schema: Schema<'_>) -> bool {
    schema.map_kind() == MapKind::Atomic
}

/// How an element of a set or keyed list is identified; absent keys with a default count as that default.
///
/// # Errors
/// The list is atomic, or the element has nothing to identify it by.
pub fn identity(schema: Schema<'_>, element: &Value) -> Result<Element, String> {
    match schema.list_kind() {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => match element {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(Element::Value(scalar.clone())),
        },
        ListKind::Keyed(keys) => {
            let Value::Object(map) = element else {
                return Err(format!(
                    "associative list with keys may not have {}",
                    if element.is_null() { "a null element" } else { "non-map elements" }
                ));
            };
            let items = schema.items();
            let mut fields: Vec<(String, Value)> = keys
                .iter()
                .filter_map(|key| {
                    let value = map.get(key).or_else(|| items.default_of(key))?;
                    Some((key.clone(), value.clone()))
                })
                .collect();
            if fields.is_empty() && !keys.is_empty() {
                return Err(format!(
                    "associative list with keys has an element that omits all key fields {} (and doesn't have default values for any key fields)",
                    go_strings(keys)
                ));
            }
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(Element::Key(fields))
        }
    }
}

/// A list of strings as Go's `%q` prints it.
fn go_strings(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| Value::String(text.clone()).to_string()).collect();
    format!("[{}]", quoted.join(" "))
}
