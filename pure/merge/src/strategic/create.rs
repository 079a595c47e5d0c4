//! Making strategic merge patches from two objects, and from three as `kubectl apply` does.

use serde_json::{Map, Value};

use super::apply::{Below, merge_maps};
use super::{
    DELETE_FROM, Elements, Fields, PATCH, RETAIN_KEYS, SET_ORDER, StrategicError, Strategy, elements, key_of,
    sort_by_order, strategy, text_of,
};
use crate::schema::Schema;
use crate::value::{describe, equal};

/// The patch that turns `original` into `modified`; an empty map if they are equal.
///
/// # Errors
/// A merged list is malformed (an element without its key, mixed types).
pub fn two_way(original: &Value, modified: &Value, schema: Schema<'_>) -> Result<Value, StrategicError> {
    let both = What { additions: true, deletions: true, element_order: true, retain_keys: false };
    let patch = diff_maps(map(original)?, map(modified)?, schema, both)?;
    Ok(Value::Object(patch))
}

/// What to do when somebody else changed what the patch changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Take it back to the new configuration.
    Yes,
    /// Refuse.
    No,
}

/// The patch that brings `current` to `modified`, deletes what `original` had and `modified` has not, and leaves alone what others
/// added. `original` is the configuration of the last apply (null or empty if there was none).
///
/// # Errors
/// A merged list is malformed, or, without overwriting, `current` differs from `original` where the patch changes it.
pub fn three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
    schema: Schema<'_>,
    overwrite: Overwrite,
) -> Result<Value, StrategicError> {
    let additions = What { additions: true, deletions: false, element_order: true, retain_keys: false };
    let deletions = What { additions: false, deletions: true, ..additions };
    let delta = diff_maps(map(current)?, map(modified)?, schema, additions)?;
    let gone = diff_maps(map(original)?, map(modified)?, schema, deletions)?;
    let patch = merge_maps("the document", gone, delta, schema, Below::Patch)?;
    if overwrite == Overwrite::No {
        let everything = What { deletions: true, element_order: false, ..additions };
        let changed = diff_maps(map(original)?, map(current)?, schema, everything)?;
        if let Some(field) = conflict_in_maps(&patch, &changed, schema) {
            return Err(StrategicError::Conflict { field });
        }
    }
    Ok(Value::Object(patch))
}

fn map(value: &Value) -> Result<&Fields, StrategicError> {
    static EMPTY: std::sync::OnceLock<Fields> = std::sync::OnceLock::new();
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(EMPTY.get_or_init(Map::new)),
        other => Err(StrategicError::WrongType {
            field: "the document".to_owned(),
            expected: "a map",
            found: describe(other),
        }),
    }
}

/// Which differences a patch shall carry.
#[derive(Clone, Copy)]
struct What {
    additions: bool,
    deletions: bool,
    element_order: bool,
    retain_keys: bool,
}

fn diff_maps(original: &Fields, modified: &Fields, schema: Schema<'_>, what: What) -> Result<Fields, StrategicError> {
    let mut patch = Fields::new();
    for (key, new) in modified {
        match (original.get(key), new) {
            (Some(Value::Object(old)), Value::Object(new)) if key != PATCH => {
                let strategy = strategy(schema, key);
                let nested = if strategy.is_replace {
                    what.additions.then(|| new.clone())
                } else {
                    let what = What { retain_keys: strategy.retain_keys, ..what };
                    let nested = diff_maps(old, new, strategy.schema, what)?;
                    (!nested.is_empty()).then_some(nested)
                };
                patch.extend(nested.map(|nested| (key.clone(), Value::Object(nested))));
            }
            (Some(Value::Array(old)), Value::Array(new)) if strategy(schema, key).is_merge => {
                diff_lists(key, old, new, &strategy(schema, key), what, &mut patch)?;
            }
            (Some(old), new) if equal(old, new) => {}
            _ if what.additions => {
                patch.insert(key.clone(), new.clone());
            }
            _ => {}
        }
    }
    let gone: Vec<&String> = original.keys().filter(|key| !modified.contains_key(*key)).collect();
    if what.deletions {
        patch.extend(gone.iter().map(|key| ((*key).clone(), Value::Null)));
    }
    if what.retain_keys {
        let mut kept: Vec<&String> =
            modified.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect();
        kept.sort_unstable();
        let loses_a_value = gone.iter().any(|key| !original[*key].is_null());
        if !kept.is_empty() && (!patch.is_empty() || loses_a_value) {
            patch.insert(RETAIN_KEYS.to_owned(), kept.into_iter().cloned().map(Value::String).collect());
        }
    }
    Ok(patch)
}

fn diff_lists(
    field: &str,
    original: &[Value],
    modified: &[Value],
    strategy: &Strategy<'_>,
    what: What,
    patch: &mut Fields,
) -> Result<(), StrategicError> {
    if original.is_empty() {
        if what.additions && !modified.is_empty() {
            patch.insert(field.to_owned(), Value::Array(modified.to_vec()));
        }
        return Ok(());
    }
    let mut order = None;
    match elements(field, [original, modified])? {
        Elements::Maps => {
            let key = strategy.merge_key.ok_or_else(|| StrategicError::NoKeyInSchema { field: field.to_owned() })?;
            let what_inside = What { retain_keys: strategy.retain_keys, ..what };
            let (changes, deletions) = diff_lists_of_maps(field, original, modified, strategy, key, what_inside)?;
            let mut list = sort_by_order(changes, modified, Some(key));
            list.extend(deletions);
            let same_order = original.len() == modified.len()
                && original
                    .iter()
                    .zip(modified)
                    .all(|(a, b)| equal(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null)));
            if what.element_order
                && ((what.additions && (!list.is_empty() || !same_order)) || (what.deletions && !list.is_empty()))
            {
                order = Some(modified.iter().map(|element| only(element, key)).collect());
            }
            if !list.is_empty() {
                patch.insert(field.to_owned(), Value::Array(list));
            }
        }
        Elements::Scalars => {
            let (changes, deletions) = diff_lists_of_scalars(original, modified, what);
            // Upstream compares with the sorted original, so that an unsorted list gets its order even if nothing changed.
            let mut sorted = original.to_vec();
            sorted.sort_by_key(text_of);
            if what.element_order
                && ((what.deletions && !deletions.is_empty()) || (what.additions && !lists_equal(&sorted, modified)))
            {
                order = Some(modified.to_vec());
            }
            let changes = sort_by_order(changes, modified, None);
            if !changes.is_empty() {
                patch.insert(field.to_owned(), Value::Array(changes));
            }
            if !deletions.is_empty() {
                patch.insert(format!("{DELETE_FROM}/{field}"), Value::Array(deletions));
            }
        }
    }
    if let Some(order) = order.filter(|order: &Vec<Value>| !order.is_empty()) {
        patch.insert(format!("{SET_ORDER}/{field}"), Value::Array(order));
    }
    Ok(())
}

fn lists_equal(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| equal(a, b))
}

fn only(element: &Value, key: &str) -> Value {
    let mut map = Fields::new();
    map.insert(key.to_owned(), element.get(key).cloned().unwrap_or_default());
    Value::Object(map)
}

/// Pairs the elements of both lists by what they are sorted by; duplicates pair up one by one.
fn paired<'v>(
    original: Vec<(String, &'v Value)>,
    modified: Vec<(String, &'v Value)>,
) -> Vec<(Option<&'v Value>, Option<&'v Value>)> {
    let sorted = |mut list: Vec<(String, &'v Value)>| {
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list.into_iter().peekable()
    };
    let (mut left, mut right) = (sorted(original), sorted(modified));
    let mut pairs = Vec::new();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(l), Some(r)) => l.0.cmp(&r.0),
        };
        let l = order.is_le().then(|| left.next()).flatten();
        let r = order.is_ge().then(|| right.next()).flatten();
        pairs.push((l.map(|(_, value)| value), r.map(|(_, value)| value)));
    }
}

fn diff_lists_of_scalars(original: &[Value], modified: &[Value], what: What) -> (Vec<Value>, Vec<Value>) {
    let texts =
        |list| -> Vec<(String, &Value)> { <[Value]>::iter(list).map(|value| (text_of(value), value)).collect() };
    let (mut additions, mut deletions) = (Vec::new(), Vec::new());
    for pair in paired(texts(original), texts(modified)) {
        match pair {
            (None, Some(new)) if what.additions => additions.push(new.clone()),
            (Some(old), None) if what.deletions && deletions.last() != Some(old) => {
                deletions.push(old.clone());
            }
            _ => {}
        }
    }
    (additions, deletions)
}

fn diff_lists_of_maps(
    field: &str,
    original: &[Value],
    modified: &[Value],
    strategy: &Strategy<'_>,
    key: &str,
    what: What,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let keyed = |list| -> Result<Vec<(String, &Value)>, StrategicError> {
        <[Value]>::iter(list).map(|element| Ok((text_of(key_of(field, element, key)?), element))).collect()
    };
    let (mut changes, mut deletions) = (Vec::new(), Vec::new());
    for pair in paired(keyed(original)?, keyed(modified)?) {
        match pair {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let mut change = diff_maps(old, new, strategy.schema.items(), what)?;
                if !change.is_empty() {
                    change.insert(key.to_owned(), new[key].clone());
                    changes.push(Value::Object(change));
                }
            }
            (None, Some(new)) if what.additions => changes.push(new.clone()),
            (Some(old), None) if what.deletions => {
                let Value::Object(mut deletion) = only(old, key) else {
                    continue;
                };
                deletion.insert(PATCH.to_owned(), Value::String("delete".to_owned()));
                deletions.push(Value::Object(deletion));
            }
            _ => {}
        }
    }
    Ok((changes, deletions))
}

/// The first field that both patches change, differently.
fn conflict_in_maps(left: &Fields, right: &Fields, schema: Schema<'_>) -> Option<String> {
    if left.get(PATCH) != right.get(PATCH) {
        return Some(PATCH.to_owned());
    }
    left.iter().filter(|(key, _)| *key != PATCH && *key != RETAIN_KEYS).find_map(|(key, mine)| {
        let theirs = right.get(key)?;
        let strategy = strategy(schema, key);
        match (mine, theirs) {
            (Value::Object(mine), Value::Object(theirs)) => {
                if strategy.is_replace {
                    return None;
                }
                conflict_in_maps(mine, theirs, strategy.schema).map(|inner| format!("{key}.{inner}"))
            }
            (Value::Array(mine), Value::Array(theirs)) if strategy.is_merge => {
                let merge_key = strategy.merge_key?;
                mine.iter().find_map(|element| {
                    let place = super::index_of(theirs, element, Some(merge_key))?;
                    conflict_in_maps(element.as_object()?, theirs[place].as_object()?, strategy.schema.items())
                        .map(|inner| format!("{key}.{inner}"))
                })
            }
            (mine, theirs) => (!equal(mine, theirs)).then(|| key.clone()),
        }
    })
}
