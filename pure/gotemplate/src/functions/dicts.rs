//! Map functions: reading, writing in place, merging, copying.
//!
//! Source: Sprig 3.3.0 dict.go over dario.cat/mergo 1.0.1 and mitchellh/copystructure 1.2.0.

use super::arguments::{NIL_DEREFERENCE, Outcome, count, list, map, string};
use crate::context::Context;
use crate::error::Error;
use crate::format::strval;
use crate::function::{Function, Functions};
use crate::text::Str;
use crate::types::{ANY, MAP_ANY, STRING};
use crate::value::{Map, NESTING_MAX, Struct, Value};
use std::rc::Rc;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("dict", &[&ANY], dict).variadic());
    add(Function::fixed("get", &[&MAP_ANY, &STRING], |_, v| {
        Ok(map(v, 0).get(&string(v, 1)).unwrap_or_else(|| Value::Str(Str::empty())))
    })
    .returning_any());
    add(Function::fixed("set", &[&MAP_ANY, &STRING, &ANY], |context, v| {
        let target = map(v, 0);
        context.set_entry(&target, string(v, 1), v[2].clone())?;
        Ok(Value::Map(target))
    }));
    add(Function::fixed("unset", &[&MAP_ANY, &STRING], |_, v| {
        let target = map(v, 0);
        target.remove(&string(v, 1));
        Ok(Value::Map(target))
    }));
    add(Function::fixed("hasKey", &[&MAP_ANY, &STRING], |_, v| Ok(Value::Bool(map(v, 0).has(&string(v, 1))))));
    add(Function::fixed("pluck", &[&STRING, &MAP_ANY], |context, v| {
        let key = string(v, 0);
        let found = (1..v.len()).filter_map(|index| map(v, index).get(&key)).collect();
        list(context, found)
    })
    .variadic());
    add(Function::fixed("keys", &[&MAP_ANY], |context, v| {
        // Go gives them in random order; sorted is one of the orders it may give.
        let found: Vec<Str> =
            (0..v.len()).flat_map(|index| map(v, index).borrow().keys().cloned().collect::<Vec<_>>()).collect();
        count(context, found.len() * 16)?;
        Ok(Value::strings(found))
    })
    .variadic());
    add(Function::fixed("values", &[&MAP_ANY], |context, v| {
        let found = map(v, 0).borrow().values().cloned().collect();
        list(context, found)
    }));
    add(Function::fixed("pick", &[&MAP_ANY, &STRING], |context, v| {
        let source = map(v, 0);
        count(context, v.len() * 32)?;
        let keys = (1..v.len()).map(|index| string(v, index));
        Ok(Value::map(keys.filter_map(|key| source.get(&key).map(|value| (key, value)))))
    })
    .variadic());
    add(Function::fixed("omit", &[&MAP_ANY, &STRING], |context, v| {
        let mut kept = map(v, 0).entries();
        count(context, kept.len() * 32)?;
        let omitted: Vec<Str> = (1..v.len()).map(|index| string(v, index)).collect();
        kept.retain(|(key, _)| !omitted.contains(key));
        Ok(Value::map(kept))
    })
    .variadic());
    for name in ["merge", "mustMerge"] {
        add(Function::fixed(name, &[&MAP_ANY, &MAP_ANY], |context, v| merge(context, v, Priority::Destination))
            .variadic()
            .returning_any());
    }
    for name in ["mergeOverwrite", "mustMergeOverwrite"] {
        add(Function::fixed(name, &[&MAP_ANY, &MAP_ANY], |context, v| merge(context, v, Priority::Source))
            .variadic()
            .returning_any());
    }
    for name in ["deepCopy", "mustDeepCopy"] {
        add(Function::fixed(name, &[&ANY], |context, v| {
            if matches!(v[0], Value::Nil) {
                return Err(Error::function("reflect: call of reflect.Value.Type on zero Value")
                    .with_hint("there is nothing to copy: the value is not set"));
            }
            deep_copy(context, &v[0], 0)
        })
        .returning_any());
    }
    add(Function::fixed("dig", &[&ANY], dig).variadic().returning_any());
}

fn dict(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    count(context, v.len() * 32)?;
    let made = Map::new(&MAP_ANY, Default::default());
    for pair in v.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::Str(Str::empty()));
        made.set(strval(&pair[0]), value).map_err(Error::function)?;
    }
    Ok(Value::Map(made))
}

/// Who wins where both maps have something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Priority {
    Destination,
    Source,
}

fn merge(context: &mut Context<'_>, v: &mut [Value], priority: Priority) -> Outcome {
    let mut target = map(v, 0);
    for index in 1..v.len() {
        let source = map(v, index);
        if target.is_nil() && !source.is_nil() {
            target = Map::new(&MAP_ANY, Default::default());
        }
        merge_into(context, &target, &source, priority, 0)?;
    }
    Ok(Value::Map(target))
}

/// Fills the empty places of `target` from `source`, or overwrites them; nested maps are merged in place and, where the target
/// has none, shared with the source.
fn merge_into(
    context: &mut Context<'_>,
    target: &Map,
    source: &Map,
    priority: Priority,
    depth: usize,
) -> Result<(), Error> {
    if depth > NESTING_MAX {
        return Err(Error::limit(format!("maps nested deeper than {NESTING_MAX} cannot be merged")));
    }
    context.charge_steps(source.len() as u64)?;
    let overwrites = priority == Priority::Source;
    let was_empty = target.is_empty();
    for (key, value) in source.entries() {
        let present = target.get(&key);
        match &value {
            Value::Nil => {
                if overwrites {
                    context.set_entry(target, key, value)?;
                }
                continue;
            }
            Value::Map(inner) => {
                if let Some(Value::Map(held)) = &present
                    && !held.is_same(inner)
                    && !held.is_nil()
                {
                    merge_into(context, held, inner, priority, depth + 1)?;
                }
            }
            Value::List(_) | Value::Bytes(_) if overwrites || was_empty => {
                context.set_entry(target, key.clone(), value.clone())?;
            }
            _ => {}
        }
        if let Some(held) = &present
            && !is_unset(held)
        {
            let is_list = matches!(value, Value::List(_) | Value::Bytes(_));
            let are_maps = matches!((&value, held), (Value::Map(_), Value::Map(_)));
            if is_list || are_maps {
                continue;
            }
        }
        if overwrites || present.as_ref().is_none_or(is_unset) {
            context.set_entry(target, key, value)?;
        }
    }
    Ok(())
}

/// What the merging library calls empty; structures never are.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Struct(_) | Value::Time(_) | Value::Complex(..) => false,
        other => !other.truth(),
    }
}

fn deep_copy(context: &mut Context<'_>, value: &Value, depth: usize) -> Outcome {
    if depth > NESTING_MAX {
        return Err(Error::limit(format!("values nested deeper than {NESTING_MAX} cannot be copied")));
    }
    Ok(match value {
        Value::List(items) => {
            count(context, items.items.len() * 16)?;
            let copied =
                items.items.iter().map(|item| deep_copy(context, item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
            if items.is_nil { Value::nil_list(items.info) } else { Value::typed_list(items.info, copied) }
        }
        Value::Map(source) => {
            count(context, source.len() * 32)?;
            let mut copied = Vec::new();
            for (key, item) in source.entries() {
                copied.push((key, deep_copy(context, &item, depth + 1)?));
            }
            if source.is_nil() { Value::Map(Map::nil(source.info)) } else { Value::typed_map(source.info, copied) }
        }
        Value::Struct(structure) => {
            let fields = structure
                .fields
                .iter()
                .map(|item| deep_copy(context, item, depth + 1))
                .collect::<Result<Vec<_>, _>>()?;
            Value::Struct(Rc::new(Struct { fields, ..(**structure).clone() }))
        }
        other => other.clone(),
    })
}

fn dig(_: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let [keys @ .., default, last] = v else {
        return Err(Error::function("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Error::function("dig needs at least three arguments"));
    }
    let as_map = |value: &Value| {
        match value {
        Value::Map(found) if std::ptr::eq(found.info, &MAP_ANY) => Ok(found.clone()),
        other => Err(Error::function(conversion(other, "map[string]interface {}"))
            .with_hint("dig walks maps only; a step on the way is something else (for `.Values` itself use `.Values.AsMap` or start one key deeper)")),
    }
    };
    let mut found = as_map(last)?;
    let mut names = Vec::new();
    for key in keys.iter() {
        match key {
            Value::Str(name) => names.push(name.clone()),
            other => return Err(Error::function(conversion(other, "string"))),
        }
    }
    let end = names.len() - 1;
    for (index, name) in names.iter().enumerate() {
        let Some(step) = found.get(name) else {
            return Ok(default.clone());
        };
        if index == end {
            return Ok(step);
        }
        found = as_map(&step)?;
    }
    Err(Error::function(NIL_DEREFERENCE))
}

/// Go's words when a value is not of the type that is asserted.
fn conversion(value: &Value, wanted: &str) -> String {
    let got = if matches!(value, Value::Nil) { "nil".to_string() } else { value.type_name() };
    format!("interface conversion: interface {{}} is {got}, not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_is_never_unset() {
        assert!(is_unset(&Value::Bool(false)));
        assert!(is_unset(&Value::map([])));
    }
}
