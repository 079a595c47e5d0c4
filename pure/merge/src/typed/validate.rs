//! Whether an object can be walked by its schema at all.

use serde_json::Value;

use super::{Shape, TypeProblem, identity, is_atomic_list, scalar_fault, shape};
use crate::fields::{Element, Path};
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
    let mut walk = Walk { duplicates, path: Path::new(), problems: Vec::new() };
    walk.visit(value, schema);
    walk.problems
}

struct Walk {
    duplicates: Duplicates,
    path: Path,
    problems: Vec<TypeProblem>,
}

impl Walk {
    fn report(&mut self, reason: impl Into<String>) {
        self.problems.push(TypeProblem::at(&self.path, reason));
    }

    fn enter(&mut self, element: Element, value: &Value, schema: Schema<'_>) {
        self.path.push(element);
        self.visit(value, schema);
        self.path.pop();
    }

    fn visit(&mut self, value: &Value, schema: Schema<'_>) {
        match (shape(schema, Some(value)), value) {
            (Shape::Scalar(scalar), value) => {
                if let Some(fault) = scalar_fault(scalar, Some(value)) {
                    self.report(fault);
                }
            }
            (_, Value::Null) => {}
            (Shape::Map, Value::Object(map)) => {
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort_unstable();
                for key in keys {
                    match schema.entry(key) {
                        Some(inside) => self.enter(Element::Field(key.clone()), &map[key], inside),
                        None => {
                            self.path.push(Element::Field(key.clone()));
                            self.report("field not declared in schema");
                            self.path.pop();
                        }
                    }
                }
            }
            (Shape::List, Value::Array(list)) => self.visit_list(list, schema),
            (Shape::Map, other) => self.report(format!("expected map, got {}", describe(other))),
            (Shape::List, other) => self.report(format!("expected list, got {}", describe(other))),
        }
    }

    fn visit_list(&mut self, list: &[Value], schema: Schema<'_>) {
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
            if !seen.insert(element.clone()) && self.duplicates == Duplicates::Refused {
                self.report(format!("duplicate entries for key {element}"));
            }
            self.enter(element, value, schema.items());
        }
    }
}
