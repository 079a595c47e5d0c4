//! What a value is: type and kind names, deep equality.
//!
//! Source: Sprig 3.3.0 reflect.go.

use super::arguments::{string, text};
use crate::function::{Function, Functions};
use crate::types::{ANY, STRING};
use crate::value::Value;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("typeOf", &[&ANY], |context, v| text(context, v[0].type_name())));
    add(Function::fixed("typeIs", &[&STRING, &ANY], |_, v| {
        Ok(Value::Bool(string(v, 0).bytes() == v[1].type_name().as_bytes()))
    }));
    add(Function::fixed("typeIsLike", &[&STRING, &ANY], |_, v| {
        let (wanted, found) = (string(v, 0), v[1].type_name());
        Ok(Value::Bool(
            wanted.bytes() == found.as_bytes()
                || found.strip_prefix('*').is_some_and(|target| target.as_bytes() == wanted.bytes()),
        ))
    }));
    add(Function::fixed("kindOf", &[&ANY], |_, v| Ok(Value::str(v[0].kind().name()))));
    add(Function::fixed("kindIs", &[&STRING, &ANY], |_, v| {
        Ok(Value::Bool(string(v, 0).bytes() == v[1].kind().name().as_bytes()))
    }));
    add(Function::fixed("deepEqual", &[&ANY, &ANY], |_, v| Ok(Value::Bool(v[0].deep_equal(&v[1])))));
}
