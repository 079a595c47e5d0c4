//! An object without some fields, or with nothing but them.
//!
//! Source: structured-merge-diff v6.3.3, typed/remove.go. Versions 6.3.1 and 6.3.2 left emptied containers behind; Kubernetes 1.36.3 does not.

use serde_json::{Map, Value};

use super::{Shape, identity, is_atomic_list, is_atomic_map, shape};
use crate::fields::Element;
use crate::fields::set::FieldSet;
use crate::schema::Schema;

/// The object without these fields. What loses everything inside becomes null.
#[must_use]
pub fn remove(value: &Value, fields: &FieldSet, schema: Schema<'_>) -> Value {
    Walk::Remove.visit(value, fields, schema)
}

/// The part of the object that these fields make up.
#[must_use]
pub fn extract(value: &Value, fields: &FieldSet, schema: Schema<'_>) -> Value {
    Walk::Extract.visit(value, fields, schema)
}

#[derive(Clone, Copy, PartialEq)]
enum Walk {
    Remove,
    Extract,
}

impl Walk {
    fn visit(self, value: &Value, fields: &FieldSet, schema: Schema<'_>) -> Value {
        let whole = || match self {
            Self::Extract => value.clone(),
            Self::Remove => Value::Null,
        };
        match (shape(schema, Some(value)), value) {
            (Shape::Scalar(_), value) => value.clone(),
            (Shape::Map, Value::Object(map)) if map.is_empty() || is_atomic_map(schema) => whole(),
            (Shape::Map, Value::Object(map)) => self.visit_map(map, fields, schema),
            (Shape::List, Value::Array(list)) if list.is_empty() || is_atomic_list(schema) => whole(),
            (Shape::List, Value::Array(list)) => self.visit_list(list, fields, schema),
            _ => Value::Null,
        }
    }

    fn visit_map(self, map: &Map<String, Value>, fields: &FieldSet, schema: Schema<'_>) -> Value {
        let mut kept = Map::new();
        for (key, value) in map {
            let element = Element::Field(key.clone());
            let inside = schema.entry(key);
            let is_named = fields.members.contains(&element);
            let below = fields.children.get(&element).filter(|below| !below.is_empty());
            match (self, is_named, below) {
                (Self::Remove, true, _) => {}
                (Self::Remove, false, None) => {
                    kept.insert(key.clone(), value.clone());
                }
                (Self::Remove, false, Some(below)) => {
                    kept.insert(key.clone(), self.inside(value, below, inside));
                }
                // The set of the map itself, not of the field, decides what is kept inside a named field.
                (Self::Extract, true, _) => {
                    kept.insert(key.clone(), self.inside(value, fields, inside));
                }
                (Self::Extract, false, Some(below)) => {
                    kept.insert(key.clone(), self.inside(value, below, inside));
                }
                (Self::Extract, false, None) => {}
            }
        }
        if kept.is_empty() { Value::Null } else { Value::Object(kept) }
    }

    fn visit_list(self, list: &[Value], fields: &FieldSet, schema: Schema<'_>) -> Value {
        let mut kept = Vec::new();
        for value in list {
            let element = identity(schema, value).ok();
            let is_named = element.as_ref().is_some_and(|e| fields.members.contains(e));
            let below =
                element.as_ref().and_then(|element| fields.children.get(element)).filter(|below| !below.is_empty());
            match (self, is_named, below) {
                (Self::Remove, true, _) | (Self::Extract, false, None) => {}
                (Self::Remove, false, None) | (Self::Extract, true, None) => kept.push(value.clone()),
                (_, _, Some(below)) => {
                    kept.push(self.inside(value, below, Some(schema.items())));
                }
            }
        }
        if kept.is_empty() { Value::Null } else { Value::Array(kept) }
    }

    fn inside(self, value: &Value, fields: &FieldSet, schema: Option<Schema<'_>>) -> Value {
        schema.map_or(Value::Null, |schema| self.visit(value, fields, schema))
    }
}

/// The object's fields among these, with the key fields of every keyed element on the way, so that the part can be merged by itself.
#[must_use]
pub fn extract_with_keys(value: &Value, fields: &FieldSet, schema: Schema<'_>) -> Value {
    let present = super::fieldset::of(value, schema);
    let mut wanted = fields.clone();
    for path in fields.paths().iter().filter(|path| present.has(path)) {
        for (depth, element) in path.iter().enumerate() {
            let Element::Key(keys) = element else {
                continue;
            };
            for (name, _) in keys {
                let mut key_path = path[..=depth].to_vec();
                key_path.push(Element::Field(name.clone()));
                wanted.insert(&key_path);
            }
        }
    }
    extract(value, &wanted, schema)
}
