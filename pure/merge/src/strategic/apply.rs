//! Applying a strategic merge patch to an object.

use serde_json::Value;

use super::{
    DELETE_FROM, Elements, Fields, PATCH, RETAIN_KEYS, SET_ORDER, StrategicError, elements, index_of, is_delete,
    key_of, strategy, weave,
};
use crate::schema::Schema;
use crate::value::{describe, equal};

/// Applies a patch to an object of this schema, as kube-apiserver does.
///
/// # Errors
/// The patch is malformed, or says something that the schema does not allow.
pub fn apply(original: &Value, patch: &Value, schema: Schema<'_>) -> Result<Value, StrategicError> {
    let map = |value: &Value| match value {
        Value::Object(map) => Ok(map.clone()),
        other => Err(StrategicError::WrongType {
            field: "the document".to_owned(),
            expected: "a map",
            found: describe(other),
        }),
    };
    let merged = merge_maps("the document", map(original)?, map(patch)?, schema, Below::Object)?;
    Ok(Value::Object(merged))
}

/// What a patch is laid over.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Below {
    /// An object: directives are carried out, and nulls delete.
    Object,
    /// Another patch: directives and nulls stay for whoever applies the result.
    Patch,
}

pub(super) fn merge_maps(
    field: &str,
    mut original: Fields,
    mut patch: Fields,
    schema: Schema<'_>,
    below: Below,
) -> Result<Fields, StrategicError> {
    if let Some(directive) = patch.remove(PATCH) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Fields::new()),
            _ => Err(StrategicError::UnknownDirective { field: field.to_owned(), directive: directive.to_string() }),
        };
    }
    retain_keys(field, &mut original, &mut patch, below)?;
    ordered_lists(&mut original, &mut patch, schema, below)?;

    for (key, change) in patch {
        let (key, deletes_elements) = match key.strip_prefix(DELETE_FROM) {
            Some(_) if below == Below::Patch => {
                original.insert(key, change);
                continue;
            }
            Some(rest) => (rest.trim_start_matches('/').to_owned(), true),
            None => (key, false),
        };
        if change.is_null() {
            let was_there = original.remove(&key).is_some();
            if below == Below::Patch || (was_there && deletes_elements) {
                original.insert(key, Value::Null);
            }
            continue;
        }
        let merged = match (original.remove(&key), change) {
            (before, _) if before.is_none() && deletes_elements => continue,
            (Some(Value::Object(before)), Value::Object(change)) => {
                let strategy = strategy(schema, &key);
                Some(Value::Object(if strategy.is_replace {
                    change
                } else {
                    merge_maps(&key, before, change, strategy.schema, below)?
                }))
            }
            (Some(Value::Array(before)), Value::Array(change)) => {
                let strategy = strategy(schema, &key);
                Some(Value::Array(if deletes_elements || strategy.is_merge {
                    let merge =
                        ListMerge { field: &key, key: strategy.merge_key, schema: strategy.schema.items(), below };
                    merge.run(before, change, deletes_elements)?
                } else {
                    change
                }))
            }
            (Some(before), _) if deletes_elements => Some(before),
            (_, change) => without_directives(match below {
                Below::Object => without_nulls(change),
                Below::Patch => change,
            }),
        };
        if let Some(value) = merged {
            original.insert(key, value);
        }
    }
    Ok(original)
}

/// `$retainKeys` names the only fields that may remain.
fn retain_keys(field: &str, original: &mut Fields, patch: &mut Fields, below: Below) -> Result<(), StrategicError> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    if below == Below::Patch {
        return match original.get(RETAIN_KEYS) {
            Some(other) if !equal(other, &retained) => Err(StrategicError::Contradiction { field: field.to_owned() }),
            _ => {
                original.insert(RETAIN_KEYS.to_owned(), retained);
                Ok(())
            }
        };
    }
    let bad = || StrategicError::BadRetainKeys { field: field.to_owned() };
    let names: Vec<&str> = retained.as_array().ok_or_else(bad)?.iter().filter_map(Value::as_str).collect();
    let covered = patch.iter().all(|(key, value)| {
        value.is_null() || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER) || names.contains(&key.as_str())
    });
    if !covered {
        return Err(bad());
    }
    original.retain(|key, _| names.contains(&key.as_str()));
    Ok(())
}

/// Carries out `$setElementOrder` together with the list that it is about.
fn ordered_lists(
    original: &mut Fields,
    patch: &mut Fields,
    schema: Schema<'_>,
    below: Below,
) -> Result<(), StrategicError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else {
            continue;
        };
        let field = directive[SET_ORDER.len()..].trim_start_matches('/').to_owned();
        if below == Below::Patch {
            if original.get(&directive).is_some_and(|other| !equal(other, &order)) {
                return Err(StrategicError::Contradiction { field });
            }
            original.insert(directive, order.clone());
        }
        let order = list(&field, order)?;
        let strategy = strategy(schema, &field);
        let before = original.remove(&field).map(|value| list(&field, value)).transpose()?;
        let change = patch.remove(&field).map(|value| list(&field, value)).transpose()?;
        check_order(&field, change.as_deref().unwrap_or_default(), &order, strategy.merge_key)?;
        let server_order = before.clone().unwrap_or_default();
        let is_empty = server_order.is_empty() && change.as_ref().is_none_or(Vec::is_empty);
        let is_about_something = before.is_some() || change.is_some();
        let merged = match (before, change) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(change)) => match without_directives(Value::Array(change)) {
                Some(value) => list(&field, value)?,
                None => continue,
            },
            (Some(before), Some(change)) if strategy.is_merge => {
                ListMerge { field: &field, key: strategy.merge_key, schema: strategy.schema.items(), below }
                    .run(before, change, false)?
            }
            (Some(_), Some(change)) => change,
        };
        if is_empty && is_about_something {
            return Err(StrategicError::NoElements { field });
        }
        elements(&field, [&merged, &server_order])?;
        if let Some(key) = strategy.merge_key {
            for element in merged.iter().chain(&order) {
                key_of(&field, element, key)?;
            }
        }
        let (ours, others) =
            merged.into_iter().partition(|element| index_of(&order, element, strategy.merge_key).is_some());
        let woven = weave(ours, others, &order, &server_order, strategy.merge_key);
        original.insert(field, Value::Array(woven));
    }
    Ok(())
}

fn list(field: &str, value: Value) -> Result<Vec<Value>, StrategicError> {
    match value {
        Value::Array(list) => Ok(list),
        other => {
            Err(StrategicError::WrongType { field: field.to_owned(), expected: "a list", found: describe(&other) })
        }
    }
}

/// The patch's elements must occur in the order list, in the same order.
fn check_order(field: &str, patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), StrategicError> {
    if order.is_empty() || patch.is_empty() {
        return Ok(());
    }
    let bad = || StrategicError::BadElementOrder { field: field.to_owned() };
    let mut places = order.iter();
    for element in patch.iter().filter(|element| key.is_none() || !is_delete(element)) {
        if places.as_slice().is_empty() {
            return Err(bad());
        }
        if key.is_some() && element.get(PATCH).is_some() {
            continue;
        }
        let wanted = match key {
            Some(key) => key_of(field, element, key)?,
            None => element,
        };
        let found = places.any(|place| {
            let place = key.map_or(Some(place), |key| place.get(key));
            place.is_some_and(|place| equal(place, wanted))
        });
        if !found {
            return Err(bad());
        }
    }
    Ok(())
}

struct ListMerge<'a> {
    field: &'a str,
    key: Option<&'a str>,
    schema: Schema<'a>,
    below: Below,
}

impl ListMerge<'_> {
    fn run(
        &self,
        original: Vec<Value>,
        patch: Vec<Value>,
        deletes_elements: bool,
    ) -> Result<Vec<Value>, StrategicError> {
        if original.is_empty() && patch.is_empty() {
            return Ok(original);
        }
        if elements(self.field, [&original, &patch])? == Elements::Scalars {
            return Ok(if deletes_elements {
                original.into_iter().filter(|value| index_of(&patch, value, None).is_none()).collect()
            } else {
                merge_scalars(original, patch)
            });
        }
        let Some(key) = self.key else {
            return Err(StrategicError::NoKeyInSchema { field: self.field.to_owned() });
        };
        let (server, patch) = self.directives(original, patch, key)?;
        let server_order = server.clone();
        let mut merged = server;
        for element in &patch {
            key_of(self.field, element, key)?;
            match index_of(&merged, element, Some(key)) {
                Some(place) => {
                    let both = match (merged[place].take(), element.clone()) {
                        (Value::Object(before), Value::Object(change)) => {
                            Value::Object(merge_maps(self.field, before, change, self.schema, self.below)?)
                        }
                        (_, change) => change,
                    };
                    merged[place] = both;
                }
                None => merged.push(element.clone()),
            }
        }
        for element in &merged {
            key_of(self.field, element, key)?;
        }
        let (ours, others) = merged.into_iter().partition(|element| index_of(&patch, element, Some(key)).is_some());
        Ok(weave(ours, others, &patch, &server_order, Some(key)))
    }

    /// Carries out `$patch` elements: deletions leave the server's list, a replacement takes its place.
    fn directives(
        &self,
        mut server: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
    ) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
        let mut plain = Vec::new();
        let mut replaces = false;
        for element in patch {
            match element.get(PATCH).map(|directive| directive.as_str()) {
                None => plain.push(element),
                Some(Some("replace")) => replaces = true,
                Some(Some("delete")) => {
                    let deleted = key_of(self.field, &element, key)?;
                    server.retain(|other| !other.get(key).is_some_and(|k| equal(k, deleted)));
                }
                Some(directive) => {
                    return Err(StrategicError::UnknownDirective {
                        field: self.field.to_owned(),
                        directive: directive.unwrap_or("(not a string)").to_owned(),
                    });
                }
            }
        }
        Ok(if replaces { (plain, Vec::new()) } else { (server, plain) })
    }
}

/// The union, each value once: the patch's values in its order, woven with the server's.
fn merge_scalars(original: Vec<Value>, patch: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for value in original.iter().chain(&patch) {
        if index_of(&all, value, None).is_none() {
            all.push(value.clone());
        }
    }
    let (ours, others) = all.into_iter().partition(|value| index_of(&patch, value, None).is_some());
    weave(ours, others, &patch, &original, None)
}

/// What remains of a value that is added as it is: maps with a directive vanish. `None` if the value itself has one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(PATCH) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?))).collect(),
        )),
        Value::Array(list) => Some(Value::Array(list.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
