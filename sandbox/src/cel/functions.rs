//! The standard functions and operators.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::evaluate::Authorize;
use super::libraries;
use super::value::{Key, Question, Value};

type Outcome = Result<Value, String>;

/// What a call costs because of the size of its arguments.
pub(super) fn cost(values: &[Value]) -> u64 {
    values.iter().map(size_cost).sum::<u64>() + 1
}

/// What walking a value costs.
pub(super) fn size_cost(value: &Value) -> u64 {
    match value {
        Value::Text(text) => text.len() as u64 / 10,
        Value::List(items) => items.len() as u64,
        Value::Map(map) => map.len() as u64,
        _ => 0,
    }
}

fn none() -> Outcome {
    Err("no such overload".into())
}

/// Calls a function, with a receiver or without.
pub(super) fn call(name: &str, held: Option<&Value>, arguments: &[Value]) -> Outcome {
    match (name, held, arguments) {
        ("==", None, [one, other]) => Ok(Value::Bool(one == other)),
        ("!=", None, [one, other]) => Ok(Value::Bool(one != other)),
        ("<" | "<=" | ">" | ">=", None, [one, other]) => {
            let order = compare(one, other)?;
            Ok(Value::Bool(match name {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        ("in", None, [item, Value::List(items)]) => Ok(Value::Bool(items.contains(item))),
        ("in", None, [item, Value::Map(map)]) => Ok(Value::Bool(item.key().is_some_and(|key| map.contains_key(&key)))),
        ("!", None, [Value::Bool(flag)]) => Ok(Value::Bool(!flag)),
        ("neg", None, [Value::Int(number)]) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
        ("neg", None, [Value::Double(number)]) => Ok(Value::Double(-number)),
        ("+" | "-" | "*" | "/" | "%", None, [one, other]) => arithmetic(name, one, other),
        ("size", None, [value]) | ("size", Some(value), []) => size(value),
        ("type", None, [value]) => Ok(Value::Type(value.type_name().into())),
        ("dyn", None, [value]) => Ok(value.clone()),
        ("string" | "int" | "uint" | "double" | "bool" | "bytes" | "duration" | "timestamp", None, [value]) => {
            convert(name, value)
        }
        _ => libraries::call(name, held, arguments),
    }
}

fn overflow() -> String {
    "integer overflow".to_string()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of different types are compared as CEL does")]
fn compare(one: &Value, other: &Value) -> Result<Ordering, String> {
    let order = match (one, other) {
        (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
        (Value::Uint(one), Value::Uint(other)) => Some(one.cmp(other)),
        (Value::Int(one), Value::Uint(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Value::Uint(one), Value::Int(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::Double(one), Value::Int(other)) => one.partial_cmp(&(*other as f64)),
        (Value::Int(one), Value::Double(other)) => (*one as f64).partial_cmp(other),
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        (Value::Bytes(one), Value::Bytes(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::Duration(one), Value::Duration(other)) => Some(one.cmp(other)),
        (Value::Timestamp(one), Value::Timestamp(other)) => Some(one.cmp(other)),
        _ => None,
    };
    order.ok_or_else(|| "no such overload".to_string())
}

/// The order of two values, for the functions that need it.
pub(super) fn order(one: &Value, other: &Value) -> Result<Ordering, String> {
    compare(one, other)
}

fn arithmetic(name: &str, one: &Value, other: &Value) -> Outcome {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => {
            let made = match name {
                "+" => one.checked_add(*other),
                "-" => one.checked_sub(*other),
                "*" => one.checked_mul(*other),
                "/" if *other == 0 => return Err("division by zero".into()),
                "/" => one.checked_div(*other),
                _ if *other == 0 => return Err("modulus by zero".into()),
                _ => one.checked_rem(*other),
            };
            made.map(Value::Int).ok_or_else(overflow)
        }
        (Value::Uint(one), Value::Uint(other)) => {
            let made = match name {
                "+" => one.checked_add(*other),
                "-" => one.checked_sub(*other),
                "*" => one.checked_mul(*other),
                "/" if *other == 0 => return Err("division by zero".into()),
                "/" => one.checked_div(*other),
                _ if *other == 0 => return Err("modulus by zero".into()),
                _ => one.checked_rem(*other),
            };
            made.map(Value::Uint).ok_or_else(overflow)
        }
        (Value::Double(one), Value::Double(other)) => Ok(Value::Double(match name {
            "+" => one + other,
            "-" => one - other,
            "*" => one * other,
            "/" => one / other,
            _ => return none(),
        })),
        (Value::Text(one), Value::Text(other)) if name == "+" => Ok(Value::Text(format!("{one}{other}").into())),
        (Value::Bytes(one), Value::Bytes(other)) if name == "+" => Ok(Value::Bytes([&**one, &**other].concat().into())),
        (Value::List(one), Value::List(other)) if name == "+" => {
            Ok(Value::list(one.iter().chain(other.iter()).cloned().collect()))
        }
        (Value::Duration(one), Value::Duration(other)) => match name {
            "+" => one.checked_add(*other),
            "-" => one.checked_sub(*other),
            _ => return none(),
        }
        .map(Value::Duration)
        .ok_or_else(overflow),
        (Value::Timestamp(time), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(time))
            if name == "+" || matches!(one, Value::Timestamp(_)) =>
        {
            match name {
                "+" => time.checked_add(*by),
                "-" => time.checked_sub(*by),
                _ => return none(),
            }
            .map(Value::Timestamp)
            .map_err(|_| "timestamp overflow".to_string())
        }
        (Value::Timestamp(one), Value::Timestamp(other)) if name == "-" => {
            Ok(Value::Duration(one.duration_since(*other)))
        }
        _ => none(),
    }
}

fn size(value: &Value) -> Outcome {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        _ => return none(),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "conversions between numbers, checked for their range"
)]
fn convert(name: &str, value: &Value) -> Outcome {
    let range = || Err(format!("{name} range error"));
    match (name, value) {
        ("string", Value::Text(_))
        | ("int", Value::Int(_))
        | ("uint", Value::Uint(_))
        | ("double", Value::Double(_)) => Ok(value.clone()),
        ("bool", Value::Bool(_)) | ("bytes", Value::Bytes(_)) | ("duration", Value::Duration(_)) => Ok(value.clone()),
        ("timestamp", Value::Timestamp(_)) => Ok(value.clone()),
        ("string", Value::Int(number)) => Ok(Value::text(&number.to_string())),
        ("string", Value::Uint(number)) => Ok(Value::text(&number.to_string())),
        ("string", Value::Double(number)) => Ok(Value::text(&number.to_string())),
        ("string", Value::Bool(flag)) => Ok(Value::text(&flag.to_string())),
        ("string", Value::Bytes(bytes)) => std::str::from_utf8(bytes)
            .map(Value::text)
            .map_err(|_| "invalid UTF-8 in bytes, cannot convert to string".to_string()),
        ("string", Value::Timestamp(time)) => Ok(Value::text(&time.to_string())),
        ("string", Value::Duration(duration)) => Ok(Value::text(&format!("{}s", duration.as_secs_f64()))),
        ("string", Value::Ip(_) | Value::Cidr(..) | Value::Quantity(_) | Value::Semver(..) | Value::Url(_)) => {
            Ok(Value::text(value.to_json().as_str().unwrap_or_default()))
        }
        ("int", Value::Uint(number)) => i64::try_from(*number).map_or_else(|_| range(), |n| Ok(Value::Int(n))),
        ("int", Value::Double(number)) if number.abs() < 9.2e18 => Ok(Value::Int(number.trunc() as i64)),
        ("int", Value::Double(_)) => range(),
        ("int", Value::Text(text)) => {
            text.parse().map(Value::Int).map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
        }
        ("int", Value::Timestamp(time)) => Ok(Value::Int(time.as_second())),
        ("int", Value::Duration(duration)) => {
            i64::try_from(duration.as_nanos()).map_or_else(|_| range(), |n| Ok(Value::Int(n)))
        }
        ("uint", Value::Int(number)) => u64::try_from(*number).map_or_else(|_| range(), |n| Ok(Value::Uint(n))),
        ("uint", Value::Double(number)) if *number >= 0.0 && *number < 1.8e19 => Ok(Value::Uint(*number as u64)),
        ("uint", Value::Text(text)) => {
            text.parse().map(Value::Uint).map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
        }
        ("double", Value::Int(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::Uint(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::Text(text)) => {
            text.parse().map(Value::Double).map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))
        }
        ("bool", Value::Text(text)) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
            _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
        },
        ("bytes", Value::Text(text)) => Ok(Value::Bytes(text.as_bytes().into())),
        ("duration", Value::Text(text)) => {
            duration(text).map(Value::Duration).ok_or_else(|| format!("time: invalid duration {text:?}"))
        }
        ("timestamp", Value::Text(text)) => text
            .parse::<Timestamp>()
            .map(Value::Timestamp)
            .map_err(|_| format!("parsing time {text:?}: it is not an RFC 3339 time")),
        ("timestamp", Value::Int(seconds)) => {
            Timestamp::from_second(*seconds).map_or_else(|_| range(), |t| Ok(Value::Timestamp(t)))
        }
        _ => none(),
    }
}

/// Reads a duration as Go writes it: `1h30m`.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut total = 0_f64;
    let mut any = false;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, scale) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total += number * scale;
        any = true;
    }
    any.then(|| SignedDuration::try_from_secs_f64(if negative { -total } else { total }).ok()).flatten()
}

/// Parts of times and durations: `getHours()` and the like.
pub(super) fn part_of_time(name: &str, held: &Value, arguments: &[Value]) -> Option<Outcome> {
    if let (Value::Duration(duration), []) = (held, arguments) {
        let seconds = duration.as_secs();
        return Some(Ok(Value::Int(match name {
            "getHours" => seconds / 3600,
            "getMinutes" => seconds / 60,
            "getSeconds" => seconds,
            "getMilliseconds" => i64::from(duration.subsec_millis()),
            _ => return None,
        })));
    }
    let Value::Timestamp(time) = held else { return None };
    let zone = match arguments {
        [] => TimeZone::UTC,
        [Value::Text(name)] => match TimeZone::get(name) {
            Ok(zone) => zone,
            Err(_) => return Some(Err(format!("unknown time zone {name}"))),
        },
        _ => return None,
    };
    let zoned = time.to_zoned(zone);
    Some(Ok(Value::Int(match name {
        "getFullYear" => i64::from(zoned.year()),
        "getMonth" => i64::from(zoned.month()) - 1,
        "getDate" => i64::from(zoned.day()),
        "getDayOfMonth" => i64::from(zoned.day()) - 1,
        "getDayOfYear" => i64::from(zoned.day_of_year()) - 1,
        "getDayOfWeek" => i64::from(zoned.weekday().to_sunday_zero_offset()),
        "getHours" => i64::from(zoned.hour()),
        "getMinutes" => i64::from(zoned.minute()),
        "getSeconds" => i64::from(zoned.second()),
        "getMilliseconds" => i64::from(zoned.millisecond()),
        _ => return None,
    })))
}

/// Calls on the authorizer: setting what is asked, asking, reading the answer.
pub(super) fn authorizer(
    question: &Arc<Question>,
    name: &str,
    arguments: &[Value],
    authorize: Option<Authorize<'_>>,
) -> Outcome {
    let texts: Vec<&str> = arguments
        .iter()
        .map(|argument| match argument {
            Value::Text(text) => Ok(&**text),
            _ => Err("no such overload".to_string()),
        })
        .collect::<Result<_, _>>()?;
    let mut next = Question::clone(question);
    match (name, texts.as_slice()) {
        ("group" | "resource" | "namespace" | "name" | "subresource" | "path", [text]) => {
            next.set.insert(name.to_string(), (*text).to_string());
        }
        ("fieldSelector" | "labelSelector", [_]) => {}
        ("serviceAccount", [namespace, name]) => {
            next.set.insert("account".into(), format!("{namespace}/{name}"));
        }
        ("check", [verb]) => {
            let authorize = authorize.ok_or("there is no authorizer here")?;
            next.answer = Some(authorize(&next.set, verb));
        }
        ("allowed", []) => return Ok(Value::Bool(question.answer.as_ref().is_some_and(|(allowed, _)| *allowed))),
        ("reason", []) => {
            return Ok(Value::text(question.answer.as_ref().map_or("", |(_, reason)| reason.as_str())));
        }
        ("errored", []) => return Ok(Value::Bool(false)),
        ("error", []) => return Ok(Value::text("")),
        _ => return none(),
    }
    Ok(Value::Authorizer(Arc::new(next)))
}

/// The text of a key.
pub(super) fn key_text(key: &Key) -> String {
    match key {
        Key::Bool(flag) => flag.to_string(),
        Key::Int(number) => number.to_string(),
        Key::Text(text) => text.to_string(),
    }
}
