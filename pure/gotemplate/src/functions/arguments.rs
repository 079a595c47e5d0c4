//! Reading checked arguments: the evaluator has verified their types, so each reader has one obvious answer.

use crate::context::Context;
use crate::error::Error;
use crate::text::Str;
use crate::value::{Map, Value};

/// What a function gives.
pub(crate) type Outcome = Result<Value, Error>;

/// Go's words when a nil is used as if it were something.
pub(crate) const NIL_DEREFERENCE: &str = "runtime error: invalid memory address or nil pointer dereference";

/// The string argument at `index`.
pub(crate) fn string(values: &[Value], index: usize) -> Str {
    match values.get(index) {
        Some(Value::Str(text)) => text.clone(),
        _ => Str::empty(),
    }
}

/// The whole number at `index`.
pub(crate) fn int(values: &[Value], index: usize) -> i64 {
    match values.get(index) {
        Some(Value::Int(number, _)) => *number,
        Some(Value::Uint(number, _)) => *number as i64,
        _ => 0,
    }
}

/// The map at `index`.
pub(crate) fn map(values: &[Value], index: usize) -> Map {
    match values.get(index) {
        Some(Value::Map(map)) => map.clone(),
        _ => Map::nil(&crate::types::MAP_ANY),
    }
}

/// Accounts for `bytes` bytes of work before it is done.
pub(crate) fn count(context: &mut Context<'_>, bytes: usize) -> Result<(), Error> {
    context.charge_bytes(bytes)
}

/// Gives a text, accounted for.
pub(crate) fn text(context: &mut Context<'_>, text: impl Into<Str>) -> Outcome {
    let text = text.into();
    context.charge_bytes(text.len())?;
    Ok(Value::Str(text))
}

/// Gives an `[]interface {}`, accounted for.
pub(crate) fn list(context: &mut Context<'_>, items: Vec<Value>) -> Outcome {
    context.charge_bytes(items.len().saturating_mul(16))?;
    Ok(Value::list(items))
}
