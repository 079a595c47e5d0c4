//! The fields that an object has: what an applied configuration comes to own.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Shape, identity, is_atomic_list, is_atomic_map, shape};
use crate::fields::set::FieldSet;
use crate::fields::{Element, Path};
use crate::schema::Schema;

/// All fields of an object, leaves and list elements; atomic values count as one.
///
/// Elements without identity are left out, and elements that occur twice are one member without anything below.
#[must_use]
pub fn of(value: &Value, schema: Schema<'_>) -> FieldSet {
    let mut walk = Walk { path: Path::new(), set: FieldSet::default() };
    walk.visit(value, schema);
    walk.set
}

struct Walk {
    path: Path,
    set: FieldSet,
}

impl Walk {
    fn visit(&mut self, value: &Value, schema: Schema<'_>) {
        match (shape(schema, Some(value)), value) {
            (Shape::Scalar(_), _) => self.set.insert(&self.path),
            (Shape::Map, _) if is_atomic_map(schema) => self.set.insert(&self.path),
            (Shape::List, _) if is_atomic_list(schema) => self.set.insert(&self.path),
            (Shape::Map, Value::Object(map)) => self.visit_map(map, schema),
            (Shape::List, Value::Array(list)) => self.visit_list(list, schema),
            _ => {}
        }
    }

    fn visit_map(&mut self, map: &Map<String, Value>, schema: Schema<'_>) {
        for (key, value) in map {
            self.path.push(Element::Field(key.clone()));
            if let Some(inside) = schema.entry(key) {
                self.visit(value, inside);
            }
            let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            if is_empty || schema.field(key).is_none() {
                self.set.insert(&self.path);
            }
            self.path.pop();
        }
    }

    fn visit_list(&mut self, list: &[Value], schema: Schema<'_>) {
        let identities: Vec<Option<Element>> = list.iter().map(|element| identity(schema, element).ok()).collect();
        let mut seen = BTreeSet::new();
        let duplicates: BTreeSet<&Element> =
            identities.iter().flatten().filter(|element| !seen.insert(*element)).collect();
        for (element, value) in identities.iter().zip(list) {
            let Some(element) = element else {
                continue;
            };
            self.path.push(element.clone());
            if !duplicates.contains(element) {
                self.visit(value, schema.items());
            }
            self.set.insert(&self.path);
            self.path.pop();
        }
    }
}
