//! The functions that text/template has itself: logic, comparison, indexing, printing, escaping.
//!
//! Source: text/template, Go 1.27.

use super::arguments::count;
use crate::context::Context;
use crate::error::Error;
use crate::exec::Held;
use crate::format;
use crate::function::{Action, Function, Functions};
use crate::text::{self, Str};
use crate::types::{self, REFLECT, STRING};
use crate::value::{Body, List, Value};
use std::rc::Rc;

type Outcome = Result<Value, Error>;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    functions.add(Function::special("and", &[&REFLECT, &REFLECT], Action::And).variadic());
    functions.add(Function::special("or", &[&REFLECT, &REFLECT], Action::Or).variadic());
    functions.add(Function::special("call", &[&REFLECT, &REFLECT], Action::Call).variadic());
    functions.add(Function::special("index", &[&REFLECT, &REFLECT], Action::Index).variadic());
    functions.add(Function::fixed("not", &[&REFLECT], |_, values| Ok(Value::Bool(!values[0].truth()))));
    functions.add(Function::special("len", &[&REFLECT], Action::Length));
    functions.add(Function::fixed("slice", &[&REFLECT, &REFLECT], slice).variadic());
    functions.add(Function::fixed("eq", &[&REFLECT, &REFLECT], |_, values| equal(values).map(Value::Bool)).variadic());
    functions
        .add(Function::fixed("ne", &[&REFLECT, &REFLECT], |_, values| equal(values).map(|same| Value::Bool(!same))));
    functions
        .add(Function::fixed("lt", &[&REFLECT, &REFLECT], |_, values| less(&values[0], &values[1]).map(Value::Bool)));
    functions.add(Function::fixed("le", &[&REFLECT, &REFLECT], |_, values| less_or_equal(values).map(Value::Bool)));
    functions.add(Function::fixed("gt", &[&REFLECT, &REFLECT], |_, values| {
        less_or_equal(values).map(|is| Value::Bool(!is))
    }));
    functions.add(Function::fixed("ge", &[&REFLECT, &REFLECT], |_, values| {
        less(&values[0], &values[1]).map(|is| Value::Bool(!is))
    }));
    functions.add(
        Function::fixed("print", &[&types::ANY], |context, values| finish(context, format::sprint(values))).variadic(),
    );
    functions.add(
        Function::fixed("println", &[&types::ANY], |context, values| finish(context, format::sprintln(values)))
            .variadic(),
    );
    functions.add(Function::fixed("printf", &[&STRING, &types::ANY], printf).variadic());
    functions.add(Function::fixed("html", &[&types::ANY], |context, values| escaped(context, values, html)).variadic());
    functions
        .add(Function::fixed("js", &[&types::ANY], |context, values| escaped(context, values, javascript)).variadic());
    functions
        .add(Function::fixed("urlquery", &[&types::ANY], |context, values| escaped(context, values, query)).variadic());
}

fn finish(context: &mut Context<'_>, text: Vec<u8>) -> Outcome {
    context.charge_bytes(text.len())?;
    Ok(Value::str(text))
}

fn printf(context: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    let Some(format) = values[0].as_str().cloned() else {
        return Err(Error::function("printf needs a format"));
    };
    let text = format::sprintf(&format, &values[1..], context.options().limits.value_bytes_max)?;
    finish(context, text)
}

/// `len`: the number of bytes, items or entries.
pub(crate) fn length(held: &Held) -> Outcome {
    let length = match &held.value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.len(),
        Value::Nil => {
            let reason = if held.is_interface {
                "len of nil pointer"
            } else {
                "reflect: call of reflect.Value.Type on zero Value"
            };
            return Err(Error::function(reason).with_hint("the value is not set; give it a default list, map or text"));
        }
        other => return Err(Error::function(format!("len of type {}", target_name(other)))),
    };
    Ok(Value::int(length as i64))
}

/// The type's name after pointers are followed.
fn target_name(value: &Value) -> String {
    value.type_name().trim_start_matches('*').to_string()
}

fn position(index: &Value, capacity: usize) -> Result<usize, Error> {
    let position = match index {
        Value::Int(number, _) => *number,
        Value::Uint(number, _) => *number as i64,
        Value::Nil => return Err(Error::function("cannot index slice/array with nil")),
        other => return Err(Error::function(format!("cannot index slice/array with type {}", other.type_name()))),
    };
    usize::try_from(position)
        .ok()
        .filter(|position| *position <= capacity)
        .ok_or_else(|| Error::function(format!("index out of range: {position}")))
}

/// `index`: the item under each index in turn. Keeps how the container holds its items.
pub(crate) fn index(first: Held, indexes: &[Value]) -> Result<Held, Error> {
    let mut item = first;
    if matches!(item.value, Value::Nil) {
        return Err(Error::function("index of untyped nil").with_hint("the list or map that is indexed is not set"));
    }
    if indexes.is_empty() {
        item.is_interface = false;
    }
    for index in indexes {
        item = match &item.value {
            Value::Nil => {
                return Err(Error::function("index of nil pointer")
                    .with_hint("an earlier index found nothing; guard it with `hasKey` or use `dig`"));
            }
            Value::Str(text) | Value::Bytes(text) => {
                let at = position(index, text.len())?;
                match text.get(at) {
                    Some(byte) => Held::plain(Value::Uint(u64::from(*byte), &types::UINT8)),
                    None => return Err(Error::function(out_of_range(&item.value))),
                }
            }
            Value::List(list) => {
                let at = position(index, list.items.len())?;
                let is_interface = list.info.element.is_some_and(|element| element.is_any());
                match list.items.get(at) {
                    Some(value) => Held { value: value.clone(), is_interface },
                    None => return Err(Error::function(out_of_range(&item.value))),
                }
            }
            Value::Map(map) => {
                let element = map.info.element.unwrap_or(&types::ANY);
                let key = match index {
                    Value::Str(key) => key,
                    Value::Nil => return Err(Error::function("value is nil; should be of type string")),
                    other => {
                        return Err(Error::function(format!("value has type {}; should be string", other.type_name())));
                    }
                };
                let value = map.get(key).unwrap_or_else(|| types::zero(element));
                Held { value, is_interface: element.is_any() }
            }
            other => return Err(Error::function(format!("can't index item of type {}", target_name(other)))),
        };
    }
    Ok(item)
}

fn out_of_range(value: &Value) -> &'static str {
    if matches!(value, Value::Str(_)) {
        "reflect: string index out of range"
    } else {
        "reflect: slice index out of range"
    }
}

fn slice(_: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    let (item, indexes) = (&values[0], &values[1..]);
    if indexes.len() > 3 {
        return Err(Error::function(format!("too many slice indexes: {}", indexes.len())));
    }
    let length = match item {
        Value::Nil => return Err(Error::function("slice of untyped nil")),
        Value::Str(_) if indexes.len() == 3 => return Err(Error::function("cannot 3-index slice a string")),
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.items.len(),
        other => return Err(Error::function(format!("can't slice item of type {}", target_name(other)))),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [start, end, capacity] = bounds;
    if start > end {
        return Err(Error::function(format!("invalid slice index: {start} > {end}")));
    }
    if indexes.len() == 3 && end > capacity {
        return Err(Error::function(format!("invalid slice index: {end} > {capacity}")));
    }
    Ok(match item {
        Value::Str(text) => Value::str(&text[start..end]),
        Value::Bytes(text) => Value::Bytes(Str::from(&text[start..end])),
        Value::List(list) => {
            Value::List(Rc::new(List { info: list.info, items: list.items[start..end].to_vec(), is_nil: list.is_nil }))
        }
        _ => Value::Nil,
    })
}

/// `call`: applies a function value.
pub(crate) fn call(name: &str, values: &[Value]) -> Outcome {
    match &values[0] {
        Value::Nil => Err(Error::function("call of nil")),
        Value::Function(closure) => match &closure.body {
            Body::Call(body) => body(&values[1..]).map_err(Error::function),
            Body::Iterate(_) | Body::IteratePairs(_) => {
                Err(Error::function(format!("wrong number of args for {name}: got {} want 1", values.len() - 1)))
            }
        },
        other => Err(Error::function(format!("non-function {name} of type {}", other.type_name()))),
    }
}

/// The groups in which values can be compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Bool,
    Complex,
    Int,
    Float,
    Text,
    Uint,
}

fn basic(value: &Value) -> Option<Basic> {
    Some(match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(..) => Basic::Int,
        Value::Uint(..) => Basic::Uint,
        Value::Float(..) => Basic::Float,
        Value::Complex(..) => Basic::Complex,
        Value::Str(_) => Basic::Text,
        _ => return None,
    })
}

fn incompatible(left: &Value, right: &Value) -> Error {
    let error =
        Error::function(format!("incompatible types for comparison: {} and {}", left.type_name(), right.type_name()));
    let has = |wanted: Basic| basic(left) == Some(wanted) || basic(right) == Some(wanted);
    if has(Basic::Float) && (has(Basic::Int) || has(Basic::Uint)) {
        return error.with_hint("numbers from values are floats: compare with `5.0`, or convert with `int`");
    }
    error.with_hint("the two sides have different types; convert one, e.g. with `toString`")
}

fn equal(values: &[Value]) -> Result<bool, Error> {
    let (left, others) = (&values[0], &values[1..]);
    if others.is_empty() {
        return Err(Error::function("missing argument for comparison"));
    }
    for right in others {
        let is_same = match (left, right) {
            (Value::Int(a, _), Value::Uint(b, _)) | (Value::Uint(b, _), Value::Int(a, _)) => {
                u64::try_from(*a) == Ok(*b)
            }
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a, _), Value::Int(b, _)) => a == b,
            (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
            (Value::Float(a, _), Value::Float(b, _)) => a == b,
            (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Nil, other) | (other, Value::Nil) => basic(other).is_none() && is_nil(left) && is_nil(right),
            _ if basic(left) != basic(right) => return Err(incompatible(left, right)),
            _ => equal_composite(left, right)?,
        };
        if is_same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil,
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

fn equal_composite(left: &Value, right: &Value) -> Result<bool, Error> {
    if left.kind() != right.kind() {
        let (a, b) = (shown(left, "%s"), shown(right, "%v"));
        return Err(Error::function(format!(
            "non-comparable types {a}: {}, {}: {b}",
            left.type_name(),
            right.type_name()
        )));
    }
    if is_nil(left) || is_nil(right) {
        return Ok(is_nil(left) == is_nil(right));
    }
    match (left, right) {
        (_, Value::List(_) | Value::Map(_) | Value::Bytes(_) | Value::Function(_)) => {
            Err(Error::function(format!("non-comparable type {}: {}", shown(right, "%s"), right.type_name()))
                .with_hint("lists and maps cannot be compared with eq; use `deepEqual`"))
        }
        (Value::Struct(a), Value::Struct(b)) if a.is_pointer => Ok(Rc::ptr_eq(a, b)),
        _ => Ok(left.deep_equal(right)),
    }
}

fn shown(value: &Value, verb: &str) -> String {
    let text = format::sprintf(verb.as_bytes(), std::slice::from_ref(value), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

fn less(left: &Value, right: &Value) -> Result<bool, Error> {
    if basic(left).is_none() || basic(right).is_none() {
        let error = Error::function("invalid type for comparison");
        let is_missing = matches!(left, Value::Nil) || matches!(right, Value::Nil);
        return Err(if is_missing { error.with_hint("one side of the comparison is not set") } else { error });
    }
    Ok(match (left, right) {
        (Value::Int(a, _), Value::Uint(b, _)) => *a < 0 || (*a as u64) < *b,
        (Value::Uint(a, _), Value::Int(b, _)) => *b >= 0 && *a < (*b as u64),
        (Value::Int(a, _), Value::Int(b, _)) => a < b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a < b,
        (Value::Float(a, _), Value::Float(b, _)) => a < b,
        (Value::Str(a), Value::Str(b)) => a < b,
        _ if basic(left) != basic(right) => return Err(incompatible(left, right)),
        _ => return Err(Error::function("invalid type for comparison")),
    })
}

fn less_or_equal(values: &[Value]) -> Result<bool, Error> {
    if less(&values[0], &values[1])? { Ok(true) } else { equal(values) }
}

fn escaped(context: &mut Context<'_>, values: &[Value], escape: fn(&[u8]) -> Vec<u8>) -> Outcome {
    let text = match values {
        [Value::Str(text)] => text.bytes().to_vec(),
        _ => {
            let printable: Vec<Value> = values
                .iter()
                .map(|value| match value {
                    Value::Nil => Value::str("<no value>"),
                    other => other.clone(),
                })
                .collect();
            format::sprint(&printable)
        }
    };
    count(context, text.len())?;
    finish(context, escape(&text))
}

/// Escapes for HTML.
pub(crate) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(*other),
        }
    }
    out
}

fn javascript(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    for (offset, character, width) in text::characters(input) {
        match character {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' => out.extend_from_slice(b"\\u003C"),
            '>' => out.extend_from_slice(b"\\u003E"),
            '&' => out.extend_from_slice(b"\\u0026"),
            '=' => out.extend_from_slice(b"\\u003D"),
            control if control < ' ' => out.extend_from_slice(format!("\\u00{:02X}", u32::from(control)).as_bytes()),
            plain if plain.is_ascii() || text::is_print(plain) => out.extend_from_slice(&input[offset..offset + width]),
            other => out.extend_from_slice(format!("\\u{:04X}", u32::from(other)).as_bytes()),
        }
    }
    out
}

/// Escapes for a URL's query, spaces as `+`.
pub(crate) fn query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    out
}
