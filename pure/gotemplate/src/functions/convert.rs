//! Loose conversion to numbers, as spf13/cast 1.7.0 does for Sprig: what cannot be read is zero.

use crate::strconv::{parse_float, parse_int};
use crate::types;
use crate::value::Value;

/// Converts to an integer. Floats are cut, texts may have a base prefix and a `.000` tail.
pub(crate) fn to_int(value: &Value) -> i64 {
    match value {
        // Named integers such as durations are unknown to the reference; months and weekdays it knows.
        Value::Int(_, info) if std::ptr::eq(*info, &types::DURATION) => 0,
        Value::Int(number, _) => *number,
        Value::Uint(number, _) => *number as i64,
        Value::Float(number, _) => truncated(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::Str(text) => parse_int(without_zero_decimals(text), 0).unwrap_or(0),
        _ => 0,
    }
}

/// Cuts a float as amd64 does: what does not fit is the smallest integer.
pub(crate) fn truncated(number: f64) -> i64 {
    let fits = -(2f64.powi(63))..2f64.powi(63);
    if !fits.contains(&number) {
        return i64::MIN;
    }
    number as i64
}

fn without_zero_decimals(text: &[u8]) -> &[u8] {
    match text.iter().rposition(|byte| *byte != b'0') {
        Some(point) if text[point] == b'.' && point + 1 < text.len() => &text[..point],
        _ => text,
    }
}

/// Converts to a float.
pub(crate) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(number, _) => *number,
        Value::Str(text) => parse_float(text).unwrap_or(0.0),
        Value::Int(number, _) => {
            if std::ptr::eq(value.info().unwrap_or(&types::ANY), &types::DURATION) {
                0.0
            } else {
                *number as f64
            }
        }
        Value::Uint(number, _) => *number as f64,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        _ => 0.0,
    }
}
