//! Emptiness, defaults, choices, and JSON.
//!
//! Source: Sprig 3.3.0 defaults.go.

use super::arguments::{Outcome, count, string, text};
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::json;
use crate::json_text::Shape;
use crate::types::{ANY, BOOL, STRING};
use crate::value::Value;
use landfall_yaml::json::Html;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("default", &[&ANY, &ANY], |_, v| {
        let given = v.get(1).filter(|given| !is_empty(given));
        Ok(given.unwrap_or(&v[0]).clone())
    })
    .variadic()
    .returning_any());
    add(Function::fixed("empty", &[&ANY], |_, v| Ok(Value::Bool(is_empty(&v[0])))));
    add(Function::fixed("coalesce", &[&ANY], |_, v| {
        Ok(v.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())
    })
    .variadic()
    .returning_any());
    add(Function::fixed("all", &[&ANY], |_, v| Ok(Value::Bool(!v.iter().any(is_empty)))).variadic());
    add(Function::fixed("any", &[&ANY], |_, v| Ok(Value::Bool(!v.iter().all(is_empty)))).variadic());
    add(Function::fixed("ternary", &[&ANY, &ANY, &BOOL], |_, v| Ok(v[usize::from(!v[2].truth())].clone()))
        .returning_any());
    add(Function::fixed("toJson", &[&ANY], |context, v| {
        encoded(context, &v[0], Shape::Line, Html::Escaped).or_else(swallowed)
    }));
    add(Function::fixed("mustToJson", &[&ANY], |context, v| encoded(context, &v[0], Shape::Line, Html::Escaped)));
    add(Function::fixed("toPrettyJson", &[&ANY], |context, v| {
        encoded(context, &v[0], Shape::Pretty, Html::Escaped).or_else(swallowed)
    }));
    add(Function::fixed("mustToPrettyJson", &[&ANY], |context, v| {
        encoded(context, &v[0], Shape::Pretty, Html::Escaped)
    }));
    for name in ["toRawJson", "mustToRawJson"] {
        add(Function::fixed(name, &[&ANY], |context, v| encoded(context, &v[0], Shape::Line, Html::Raw)));
    }
    add(Function::fixed("fromJson", &[&STRING], |context, v| Ok(decoded(context, v).unwrap_or_default()))
        .returning_any());
    add(Function::fixed("mustFromJson", &[&STRING], decoded).returning_any());
}

/// Sprig's emptiness: the zero of the type; structures never are.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Struct(_) | Value::Time(_) => false,
        other => !other.truth(),
    }
}

fn swallowed(error: Error) -> Outcome {
    if error.kind() == crate::error::ErrorKind::Limit { Err(error) } else { Ok(Value::str("")) }
}

fn encoded(context: &mut Context<'_>, value: &Value, shape: Shape, html: Html) -> Outcome {
    let shown = crate::json_text::write(context, value, shape, html)?;
    text(context, shown)
}

fn decoded(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let source = string(v, 0);
    count(context, source.len())?;
    json::decode(&source).map_err(Error::function)
}
