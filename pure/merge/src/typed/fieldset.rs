//! The fields that an object has: what an applied configuration comes to own.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Shape, identity, is_atomic_list, is_atomic_map, shape};
use crate::fields::Element;
use crate::fields::set::FieldSet;
use crate::schema::Schema;

/// All fields of an object, leaves and list elements; atomic values count as one.
///
/// Elements without identity are left out, and elements that occur twice are one member without anything below.
#[must_use]
pub fn of(value: &Value, schema: Schema<'_>) -> FieldSet {
    match below(value, schema) {
        Below::Leaf => FieldSet::default(),
        Below::Inside(set) => set,
    }
}

/// What a value adds to the set.
enum Below {
    /// The place itself.
    Leaf,
    /// What is inside, and not the place itself.
    Inside(FieldSet),
}

fn below(value: &Value, schema: Schema<'_>) -> Below {
    match (shape(schema, Some(value)), value) {
        (Shape::Scalar(_), _) => Below::Leaf,
        (Shape::Map, _) if is_atomic_map(schema) => Below::Leaf,
        (Shape::List, _) if is_atomic_list(schema) => Below::Leaf,
        (Shape::Map, Value::Object(map)) => Below::Inside(of_map(map, schema)),
        (Shape::List, Value::Array(list)) => Below::Inside(of_list(list, schema)),
        _ => Below::Inside(FieldSet::default()),
    }
}

fn of_map(map: &Map<String, Value>, schema: Schema<'_>) -> FieldSet {
    let mut set = FieldSet::default();
    for (key, value) in map {
        let element = || Element::Field(key.clone());
        let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        let mut is_member = is_empty || schema.field(key).is_none();
        if let Some(inside) = schema.entry(key) {
            match below(value, inside) {
                Below::Leaf => is_member = true,
                Below::Inside(inner) if !inner.is_empty() => {
                    set.children.insert(element(), inner);
                }
                Below::Inside(_) => {}
            }
        }
        if is_member {
            set.members.insert(element());
        }
    }
    set
}

fn of_list(list: &[Value], schema: Schema<'_>) -> FieldSet {
    let identities: Vec<Option<Element>> = list.iter().map(|element| identity(schema, element).ok()).collect();
    let mut seen = BTreeSet::new();
    let duplicates: BTreeSet<&Element> = identities.iter().flatten().filter(|element| !seen.insert(*element)).collect();
    let mut set = FieldSet::default();
    for (element, value) in identities.iter().zip(list) {
        let Some(element) = element else {
            continue;
        };
        if !duplicates.contains(element)
            && let Below::Inside(inner) = below(value, schema.items())
            && !inner.is_empty()
        {
            set.children.insert(element.clone(), inner);
        }
        set.members.insert(element.clone());
    }
    set
}
