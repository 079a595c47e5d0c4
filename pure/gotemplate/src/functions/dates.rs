//! Dates: formatting in zones, reading, shifting, distances.
//!
//! Source: Sprig 3.3.0 date.go. What the reference takes for "not a time" reads as the current time, floats too.

use super::arguments::{Outcome, string, text};
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::strconv::parse_int;
use crate::time::{self, duration_text, parse_duration};
use crate::types::{self, ANY, STRING, TIME};
use crate::value::Value;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use std::rc::Rc;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("now", &[], |context, _| Ok(Value::Time(Rc::new(context.now())))));
    add(Function::fixed("date", &[&STRING, &ANY], |context, v| {
        let zone = context.local_zone();
        formatted(context, &string(v, 0).text(), &v[1], zone)
    }));
    add(Function::fixed("htmlDate", &[&ANY], |context, v| {
        let zone = context.local_zone();
        formatted(context, "2006-01-02", &v[0], zone)
    }));
    add(Function::fixed("htmlDateInZone", &[&ANY, &STRING], |context, v| {
        let zone = zone(context, &string(v, 1).text());
        formatted(context, "2006-01-02", &v[0], zone)
    }));
    for name in ["dateInZone", "date_in_zone"] {
        add(Function::fixed(name, &[&STRING, &ANY, &STRING], |context, v| {
            let zone = zone(context, &string(v, 2).text());
            formatted(context, &string(v, 0).text(), &v[1], zone)
        }));
    }
    for name in ["dateModify", "date_modify"] {
        add(Function::fixed(name, &[&STRING, &TIME], |_, v| shifted(v).or_else(|_| Ok(v[1].clone()))));
    }
    for name in ["mustDateModify", "must_date_modify"] {
        add(Function::fixed(name, &[&STRING, &TIME], |_, v| shifted(v)));
    }
    add(Function::fixed("ago", &[&ANY], |context, v| {
        let then = match &v[0] {
            Value::Int(_, info) if !std::ptr::eq(*info, &types::INT) && !std::ptr::eq(*info, &types::INT64) => {
                context.now()
            }
            other => moment(context, other),
        };
        let distance = nanoseconds_between(&context.now(), &then);
        text(context, duration_text(time::duration::round(distance, 1_000_000_000)))
    }));
    add(Function::fixed("duration", &[&ANY], |context, v| {
        let seconds = match &v[0] {
            Value::Str(text) => lenient_int(text),
            Value::Int(number, info) if std::ptr::eq(*info, &types::INT64) => *number,
            _ => 0,
        };
        text(context, duration_text(seconds.wrapping_mul(1_000_000_000)))
    }));
    add(Function::fixed("durationRound", &[&ANY], |context, v| {
        let nanoseconds = match &v[0] {
            Value::Str(text) => parse_duration(&text.text()).unwrap_or(0),
            Value::Int(number, info) if std::ptr::eq(*info, &types::INT64) => *number,
            Value::Time(then) => nanoseconds_between(&context.now(), then),
            _ => 0,
        };
        text(context, coarse(nanoseconds))
    }));
    add(Function::fixed("toDate", &[&STRING, &STRING], |context, v| {
        let zone = context.local_zone();
        let read = time::parse(&string(v, 0).text(), &string(v, 1).text(), &zone);
        Ok(Value::Time(Rc::new(read.unwrap_or_else(|_| time::zero()))))
    }));
    add(Function::fixed("mustToDate", &[&STRING, &STRING], |context, v| {
        let zone = context.local_zone();
        let read = time::parse(&string(v, 0).text(), &string(v, 1).text(), &zone).map_err(Error::function)?;
        Ok(Value::Time(Rc::new(read)))
    }));
    add(Function::fixed("unixEpoch", &[&TIME], |context, v| match &v[0] {
        Value::Time(time) => text(context, time.timestamp().as_second().to_string()),
        _ => text(context, "0"),
    }));
}

/// Reads a number as Go does when the error is dropped: the nearest one if it does not fit.
fn lenient_int(text: &[u8]) -> i64 {
    match parse_int(text, 10) {
        Ok(number) => number,
        Err(crate::strconv::NumberError::Syntax) => 0,
        Err(crate::strconv::NumberError::Range) if text.first() == Some(&b'-') => i64::MIN,
        Err(crate::strconv::NumberError::Range) => i64::MAX,
    }
}

fn zone(context: &Context<'_>, name: &str) -> TimeZone {
    match name {
        "Local" => context.local_zone(),
        "" | "UTC" => TimeZone::UTC,
        other => TimeZone::get(other).unwrap_or(TimeZone::UTC),
    }
}

fn moment(context: &mut Context<'_>, value: &Value) -> Zoned {
    match value {
        Value::Time(time) => (**time).clone(),
        Value::Int(seconds, info)
            if std::ptr::eq(*info, &types::INT)
                || std::ptr::eq(*info, &types::INT64)
                || std::ptr::eq(*info, &types::INT32) =>
        {
            let bounded = (*seconds).clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
            Timestamp::from_second(bounded).unwrap_or_default().to_zoned(context.local_zone())
        }
        _ => context.now(),
    }
}

fn formatted(context: &mut Context<'_>, layout: &str, value: &Value, zone: TimeZone) -> Outcome {
    let moment = moment(context, value).with_time_zone(zone);
    context.charge_bytes(layout.len() * 4)?;
    text(context, time::format(&moment, layout))
}

fn shifted(v: &[Value]) -> Outcome {
    let distance = parse_duration(&string(v, 0).text()).map_err(Error::function)?;
    let Value::Time(base) = &v[1] else {
        return Ok(v[1].clone());
    };
    let moved = base.checked_add(SignedDuration::from_nanos(distance)).unwrap_or_else(|_| (**base).clone());
    Ok(Value::Time(Rc::new(moved)))
}

fn nanoseconds_between(late: &Zoned, early: &Zoned) -> i64 {
    let distance = late.timestamp().as_nanosecond() - early.timestamp().as_nanosecond();
    i64::try_from(distance).unwrap_or(if distance < 0 { i64::MIN } else { i64::MAX })
}

/// Writes the largest unit that fits more than once.
fn coarse(nanoseconds: i64) -> String {
    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * SECOND;
    let magnitude = nanoseconds.unsigned_abs();
    let units = [
        (24 * 365 * HOUR, "y"),
        (24 * 30 * HOUR, "mo"),
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    let found = units.iter().find(|(unit, _)| magnitude > *unit);
    found.map_or_else(|| "0s".into(), |(unit, name)| format!("{}{name}", magnitude / unit))
}
