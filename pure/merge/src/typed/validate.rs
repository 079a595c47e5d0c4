//! Whether an object can be walked by its schema at all.

use serde_json::Value;

use super::{Shape, Trail, TypeProblem, identity, is_atomic_list, scalar_fault, shape};
use crate::fields::Element;
use crate::schema::Schema;
use crate::value::describe;

/// What to say of elements of sets and keyed lists that occur twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Nothing: live objects may have them.
    Allowed,
    /// They are a problem: applied configurations may not have them.
    Refused,
}

/// The places at which an object does not fit its schema: undeclared fields, wrong types, list elements without identity.
#[must_use]
pub fn problems(value: &Value, schema: Schema<'_>, duplicates: Duplicates) -> Vec<TypeProblem> {
    let mut walk = Walk { duplicates, path: Trail::default(), problems: Vec::new() };
    walk.visit(value, schema);
    walk.problems
}

struct Walk<'v> {
    duplicates: Duplicates,
    path: Trail<'v>,
    problems: Vec<TypeProblem>,
}

impl<'v> Walk<'v> {
    fn report(&mut self, reason: impl Into<String>) {
        self.problems.push(self.path.problem(reason));
    }

    fn visit(&mut self, value: &'v Value, schema: Schema<'_>) {
        match (shape(schema, Some(value)), value) {
            (Shape::Scalar(scalar), value) => {
                if let Some(fault) = scalar_fault(scalar, Some(value)) {
                    self.report(fault);
                }
            }
            (_, Value::Null) => {}
            (Shape::Map, Value::Object(map)) => {
                for (key, value) in map {
                    self.path.enter(key);
                    match schema.entry(key) {
                        Some(inside) => self.visit(value, inside),
                        None => self.report("field not declared in schema"),
                    }
                    self.path.leave();
                }
            }
            (Shape::List, Value::Array(list)) => self.visit_list(list, schema),
            (Shape::Map, other) => self.report(format!("expected map, got {}", describe(other))),
            (Shape::List, other) => self.report(format!("expected list, got {}", describe(other))),
        }
    }

    fn visit_list(&mut self, list: &'v [Value], schema: Schema<'_>) {
        let mut seen = std::collections::BTreeSet::new();
        for (index, value) in list.iter().enumerate() {
            let element = if is_atomic_list(schema) {
                Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
            } else {
                match identity(schema, value) {
                    Ok(element) => element,
                    Err(reason) => {
                        self.report(format!("element {index}: {reason}"));
                        return;
                    }
                }
            };
            let is_associative = !matches!(element, Element::Index(_));
            if is_associative && !seen.insert(element.clone()) && self.duplicates == Duplicates::Refused {
                self.report(format!("duplicate entries for key {element}"));
            }
            self.path.enter_element(element);
            self.visit(value, schema.items());
            self.path.leave();
        }
    }
}
