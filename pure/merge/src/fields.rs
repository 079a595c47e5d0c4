//! Paths into objects and sets of them, as `metadata.managedFields` records who owns what.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use crate::value::{compare, number_text};

pub mod set;
pub mod v1;

/// One step of a path.
///
/// Elements are ordered as Kubernetes writes them: fields, then keys, then values, then indices.
#[derive(Debug, Clone)]
pub enum Element {
    /// A field of a map.
    Field(String),
    /// The element of a list of maps that has these fields; sorted by name.
    Key(Vec<(String, Value)>),
    /// The element of a set that is this scalar.
    Value(Value),
    /// The element of an atomic list at this place.
    Index(i64),
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => a
                .iter()
                .zip(b)
                .map(|((name, value), (other_name, other))| name.cmp(other_name).then_with(|| compare(value, other)))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| a.len().cmp(&b.len())),
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Element {
    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

impl fmt::Display for Element {
    /// As conflict messages show it: `.field`, `[name="a"]`, `[="value"]`, `[3]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(formatter, ".{name}"),
            Self::Key(fields) => {
                formatter.write_str("[")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(formatter, "{comma}{name}={}", shown(value))?;
                }
                formatter.write_str("]")
            }
            Self::Value(value) => write!(formatter, "[={}]", shown(value)),
            Self::Index(index) => write!(formatter, "[{index}]"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number_text(number),
        other => other.to_string(),
    }
}

/// A path from the object's root.
pub type Path = Vec<Element>;

/// A path as messages show it, for example `.spec.containers[name="app"].image`.
#[must_use]
pub fn path_text(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}

/// A path of plain fields.
#[must_use]
pub fn path(fields: &[&str]) -> Path {
    fields.iter().map(|field| Element::Field((*field).to_owned())).collect()
}
