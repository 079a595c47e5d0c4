//! List functions: building, taking apart, searching, joining.
//!
//! Source: Sprig 3.3.0 list.go. The `must` variants differ only in their name: an error is one either way.

use super::arguments::{NIL_DEREFERENCE, Outcome, count, int, list};
use super::convert::to_int;
use super::defaults::is_empty;
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::types::{self, ANY, INT, Kind, LIST_LIST_ANY};
use crate::value::{List, Value};
use std::rc::Rc;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("list", &[&ANY], |context, v| list(context, v.to_vec())).variadic());
    add(Function::fixed("append", &[&ANY, &ANY], |context, v| {
        let mut found = items(&v[0], "push on type")?;
        found.push(v[1].clone());
        list(context, found)
    }));
    add(Function::fixed("prepend", &[&ANY, &ANY], |context, v| {
        let mut found = items(&v[0], "prepend on type")?;
        found.insert(0, v[1].clone());
        list(context, found)
    }));
    add(Function::fixed("first", &[&ANY], |_, v| {
        Ok(items(&v[0], "find first on type")?.into_iter().next().unwrap_or_default())
    })
    .returning_any());
    add(Function::fixed("last", &[&ANY], |_, v| Ok(items(&v[0], "find last on type")?.pop().unwrap_or_default()))
        .returning_any());
    add(Function::fixed("rest", &[&ANY], |context, v| {
        let mut found = items(&v[0], "find rest on type")?;
        if found.is_empty() {
            return Ok(Value::nil_list(&types::LIST_ANY));
        }
        found.remove(0);
        list(context, found)
    }));
    add(Function::fixed("initial", &[&ANY], |context, v| {
        let mut found = items(&v[0], "find initial on type")?;
        match found.pop() {
            None => Ok(Value::nil_list(&types::LIST_ANY)),
            Some(_) => list(context, found),
        }
    }));
    add(Function::fixed("reverse", &[&ANY], |context, v| {
        let mut found = items(&v[0], "find reverse on type")?;
        found.reverse();
        list(context, found)
    }));
    add(Function::fixed("compact", &[&ANY], |context, v| {
        let mut found = items(&v[0], "compact on type")?;
        found.retain(|item| !is_empty(item));
        list(context, found)
    }));
    add(Function::fixed("uniq", &[&ANY], uniq));
    add(Function::fixed("without", &[&ANY, &ANY], without).variadic());
    add(Function::fixed("has", &[&ANY, &ANY], has));
    add(Function::fixed("slice", &[&ANY, &ANY], slice).variadic().returning_any());
    add(Function::fixed("concat", &[&ANY], concat).variadic().returning_any());
    add(Function::fixed("chunk", &[&INT, &ANY], chunk));
    for (alias, name) in [
        ("tuple", "list"),
        ("push", "append"),
        ("mustAppend", "append"),
        ("mustPush", "append"),
        ("mustPrepend", "prepend"),
        ("mustFirst", "first"),
        ("mustLast", "last"),
        ("mustRest", "rest"),
        ("mustInitial", "initial"),
        ("mustReverse", "reverse"),
        ("mustCompact", "compact"),
        ("mustUniq", "uniq"),
        ("mustWithout", "without"),
        ("mustHas", "has"),
        ("mustSlice", "slice"),
        ("mustChunk", "chunk"),
    ] {
        functions.alias(alias, name);
    }
}

/// The items of a slice; refuses anything else as `Cannot DOING KIND`.
fn items(value: &Value, doing: &str) -> Result<Vec<Value>, Error> {
    match value {
        Value::List(found) => Ok(found.items.clone()),
        Value::Bytes(bytes) => Ok(bytes.iter().map(|byte| Value::Uint(u64::from(*byte), &types::UINT8)).collect()),
        Value::Nil => {
            Err(Error::function(NIL_DEREFERENCE)
                .with_hint("the list is not set; give it a default, e.g. `default list`"))
        }
        other => Err(Error::function(format!("Cannot {doing} {}", kind_name(other)))),
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value.kind() {
        Kind::Invalid => "invalid",
        kind => kind.name(),
    }
}

fn charge_pairs(context: &mut Context<'_>, left: usize, right: usize) -> Result<(), Error> {
    context.charge_steps((left as u64).saturating_mul(right as u64) / 8)
}

fn uniq(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let found = items(&v[0], "find uniq on type")?;
    let mut kept: Vec<Value> = Vec::new();
    for item in found {
        charge_pairs(context, 1, kept.len())?;
        if !kept.iter().any(|known| known.deep_equal(&item)) {
            kept.push(item);
        }
    }
    list(context, kept)
}

fn without(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let mut found = items(&v[0], "find without on type")?;
    charge_pairs(context, found.len(), v.len())?;
    found.retain(|item| !v[1..].iter().any(|omitted| omitted.deep_equal(item)));
    list(context, found)
}

fn has(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    if matches!(v[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    if let Value::List(found) = &v[1] {
        context.charge_steps(found.items.len() as u64 / 8)?;
        return Ok(Value::Bool(found.items.iter().any(|item| item.deep_equal(&v[0]))));
    }
    Ok(Value::Bool(items(&v[1], "find has on type")?.iter().any(|item| item.deep_equal(&v[0]))))
}

fn slice(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (info, found) = match &v[0] {
        Value::List(found) => (found.info, found.items.clone()),
        Value::Bytes(_) => (&types::BYTES, items(&v[0], "")?),
        Value::Nil => {
            return Err(Error::function(NIL_DEREFERENCE)
                .with_hint("the list is not set; give it a default, e.g. `default list`"));
        }
        other => {
            return Err(Error::function(format!("list should be type of slice or array but {}", kind_name(other))));
        }
    };
    if found.is_empty() {
        return Ok(Value::Nil);
    }
    let start = v.get(1).map_or(0, to_int);
    let end = v.get(2).map_or(found.len() as i64, to_int);
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match bounds.filter(|(start, end)| start <= end && *end <= found.len()) {
        Some((start, end)) => {
            count(context, (end - start) * 16)?;
            let items = found[start..end].to_vec();
            if std::ptr::eq(info, &types::BYTES) {
                let bytes: Vec<u8> =
                    items.iter().map(|item| if let Value::Uint(byte, _) = item { *byte as u8 } else { 0 }).collect();
                return Ok(Value::Bytes(bytes.into()));
            }
            Ok(Value::List(Rc::new(List { info, items, is_nil: false })))
        }
        None => Err(Error::function("reflect.Value.Slice: slice index out of bounds")),
    }
}

fn concat(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let mut joined = Vec::new();
    for value in v.iter() {
        match value {
            Value::List(found) => joined.extend(found.items.iter().cloned()),
            Value::Bytes(_) => joined.extend(items(value, "")?),
            Value::Nil => {
                return Err(Error::function(NIL_DEREFERENCE)
                    .with_hint("one of the lists is not set; give it a default, e.g. `default list`"));
            }
            other => return Err(Error::function(format!("Cannot concat type {} as list", kind_name(other)))),
        }
        count(context, joined.len() * 16 / v.len().max(1))?;
    }
    if joined.is_empty() {
        return Ok(Value::nil_list(&types::LIST_ANY));
    }
    list(context, joined)
}

fn chunk(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let found = items(&v[1], "chunk type")?;
    let size = int(v, 0);
    if found.is_empty() {
        // floor(-1 / size) + 1 groups: none, but one too few below zero.
        return match size {
            0 => Err(Error::function("runtime error: makeslice: len out of range")),
            negative if negative < 0 => Err(Error::function("runtime error: makeslice: len out of range")),
            _ => Ok(Value::typed_list(&LIST_LIST_ANY, Vec::new())),
        };
    }
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        return Err(Error::function("runtime error: makeslice: len out of range"));
    };
    count(context, found.len() * 32)?;
    Ok(Value::typed_list(&LIST_LIST_ANY, found.chunks(size).map(|group| Value::list(group.to_vec())).collect()))
}
