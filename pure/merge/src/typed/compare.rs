//! Which fields one object has and another has not, or has with another value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Shape, Trail, TypeProblem, alike, as_list, as_map, identity, is_atomic_list, is_atomic_map, scalar_fault, shape,
};
use crate::fields::Element;
use crate::fields::set::FieldSet;
use crate::schema::Schema;
use crate::value::equal;

/// The fields in which two objects differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Only the first has them.
    pub removed: FieldSet,
    /// Both have them, with different values.
    pub modified: FieldSet,
    /// Only the second has them.
    pub added: FieldSet,
}

impl Comparison {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// The comparison without some fields and everything below them.
    #[must_use]
    pub fn without(&self, fields: &FieldSet) -> Self {
        Self {
            removed: self.removed.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            added: self.added.recursive_difference(fields),
        }
    }
}

/// Compares two objects of one schema.
///
/// # Errors
/// A place where neither object has a value of the type that it must have.
pub fn compare(before: &Value, after: &Value, schema: Schema<'_>) -> Result<Comparison, Vec<TypeProblem>> {
    let mut walk = Walk { path: Trail::default(), result: Comparison::default(), problems: Vec::new() };
    walk.visit(Some(before), Some(after), schema);
    if walk.problems.is_empty() { Ok(walk.result) } else { Err(walk.problems) }
}

struct Walk<'v> {
    path: Trail<'v>,
    result: Comparison,
    problems: Vec<TypeProblem>,
}

/// Whether a place was compared as one, or by what is below it.
#[derive(PartialEq)]
enum Depth {
    Leaf,
    Inner,
}

impl<'v> Walk<'v> {
    fn report(&mut self, reason: impl Into<String>) {
        self.problems.push(self.path.problem(reason));
    }

    fn visit(&mut self, left: Option<&'v Value>, right: Option<&'v Value>, schema: Schema<'_>) {
        let depth = match (left, right) {
            (Some(l), Some(r)) if !alike(schema, l, r) => {
                self.visit_as(shape(schema, left), left, right, schema);
                self.visit_as(shape(schema, right), left, right, schema)
            }
            (_, Some(_)) => self.visit_as(shape(schema, right), left, right, schema),
            _ => self.visit_as(shape(schema, left), left, right, schema),
        };
        if depth == Depth::Inner {
            match (left, right) {
                (None, _) => self.result.added.insert(&self.path.path()),
                (_, None) => self.result.removed.insert(&self.path.path()),
                _ => {}
            }
        }
    }

    fn leaf(&mut self, left: Option<&'v Value>, right: Option<&'v Value>) -> Depth {
        match (left, right) {
            (None, _) => self.result.added.insert(&self.path.path()),
            (_, None) => self.result.removed.insert(&self.path.path()),
            (Some(l), Some(r)) if !equal(l, r) => self.result.modified.insert(&self.path.path()),
            _ => {}
        }
        Depth::Leaf
    }

    fn visit_as(
        &mut self,
        shape: Shape,
        left: Option<&'v Value>,
        right: Option<&'v Value>,
        schema: Schema<'_>,
    ) -> Depth {
        match shape {
            Shape::Scalar(scalar) => {
                let faults = (scalar_fault(scalar, left), scalar_fault(scalar, right));
                if let (Some(l), Some(r)) = faults {
                    self.report(format!("lhs: {l}"));
                    self.report(format!("rhs: {r}"));
                    return Depth::Inner;
                }
                self.leaf(left, right)
            }
            Shape::Map => {
                let (l, r) = (as_map(left), as_map(right));
                let is_empty = l.is_none_or(serde_json::Map::is_empty) && r.is_none_or(serde_json::Map::is_empty);
                if is_empty || is_atomic_map(schema) {
                    return self.leaf(left, right);
                }
                let mut keys: Vec<&String> = l.into_iter().chain(r).flat_map(|m| m.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    let (l, r) = (l.and_then(|m| m.get(key)), r.and_then(|m| m.get(key)));
                    let inside = schema.entry(key);
                    self.path.enter(key);
                    match inside {
                        Some(inside) => self.visit(l, r, inside),
                        None => self.report("field not declared in schema"),
                    }
                    self.path.leave();
                }
                Depth::Inner
            }
            Shape::List => {
                let (l, r) = (as_list(left), as_list(right));
                let is_empty = l.is_none_or(<[Value]>::is_empty) && r.is_none_or(<[Value]>::is_empty);
                if is_empty || is_atomic_list(schema) {
                    return self.leaf(left, right);
                }
                self.visit_lists(l.unwrap_or_default(), r.unwrap_or_default(), schema);
                Depth::Inner
            }
        }
    }

    fn visit_lists(&mut self, left: &'v [Value], right: &'v [Value], schema: Schema<'_>) {
        let mut pairs: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (list, side) in [(left, 0), (right, 1)] {
            for (index, value) in list.iter().enumerate() {
                match identity(schema, value) {
                    Ok(element) => {
                        let pair = pairs.entry(element).or_default();
                        if side == 0 { &mut pair.0 } else { &mut pair.1 }.push(value);
                    }
                    Err(reason) => self.report(format!("element {index}: {reason}")),
                }
            }
        }
        for (element, (l, r)) in pairs {
            self.path.enter_element(element);
            match (l.as_slice(), r.as_slice()) {
                ([] | [_], [] | [_]) => {
                    self.visit(l.first().copied(), r.first().copied(), schema.items());
                }
                // Elements that occur twice are compared as one atom: nobody can tell which of them is meant.
                ([_, _, ..], [_, _, ..]) => {
                    let same = l.len() == r.len() && l.iter().zip(&r).all(|(a, b)| equal(a, b));
                    if !same {
                        self.result.modified.insert(&self.path.path());
                    }
                }
                ([_, _, ..], rest) => {
                    if let Some(only) = rest.first() {
                        self.visit(None, Some(only), schema.items());
                    }
                    self.result.removed.insert(&self.path.path());
                }
                (rest, _) => {
                    if let Some(only) = rest.first() {
                        self.visit(Some(only), None, schema.items());
                    }
                    self.result.added.insert(&self.path.path());
                }
            }
            self.path.leave();
        }
    }
}
