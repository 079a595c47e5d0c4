//! The methods of `time.Time`, `time.Duration`, months and weekdays that templates can call.

use super::{duration, format, zero};
use crate::context::Context;
use crate::error::Error;
use crate::types::{self, Method, MethodBody, Signature, TypeInfo};
use crate::value::Value;
use jiff::{SignedDuration, Span, Zoned};
use std::rc::Rc;

const fn method(name: &'static str, parameters: &'static [&'static TypeInfo], body: MethodBody) -> Method {
    Method {
        name,
        signature: Signature { parameters, is_variadic: false, returns_any: false },
        needs_pointer: false,
        body,
    }
}

static NONE: [&TypeInfo; 0] = [];
static TEXT: [&TypeInfo; 1] = [&types::STRING];
static THREE_INTS: [&TypeInfo; 3] = [&types::INT, &types::INT, &types::INT];
static ONE_DURATION: [&TypeInfo; 1] = [&types::DURATION];
static ONE_TIME: [&TypeInfo; 1] = [&types::TIME];

type Outcome = Result<Value, Error>;

fn time(value: &Value) -> Zoned {
    if let Value::Time(time) = value { (**time).clone() } else { zero() }
}

fn int(value: &Value) -> i64 {
    value.as_int().unwrap_or(0)
}

fn wrapped(time: Zoned) -> Outcome {
    Ok(Value::Time(Rc::new(time)))
}

fn added(base: &Zoned, nanoseconds: i64) -> Outcome {
    wrapped(base.checked_add(SignedDuration::from_nanos(nanoseconds)).unwrap_or_else(|_| base.clone()))
}

fn add_date(_: &mut Context<'_>, receiver: &Value, arguments: &[Value]) -> Outcome {
    let base = time(receiver);
    // Go adds each part and normalises: the 31st of a short month flows into the next one.
    let (years, months, days) = (int(&arguments[0]), int(&arguments[1]), int(&arguments[2]));
    let month_count =
        i64::from(base.year()) * 12 + i64::from(base.month()) - 1 + years.saturating_mul(12).saturating_add(months);
    let (year, month) = (month_count.div_euclid(12), month_count.rem_euclid(12) + 1);
    let first = i16::try_from(year).ok().and_then(|year| jiff::civil::Date::new(year, month as i8, 1).ok());
    let offset = i64::from(base.day()) - 1 + days;
    let moved = first
        .and_then(|first| Span::new().try_days(offset).ok().and_then(|span| first.checked_add(span).ok()))
        .and_then(|date| date.to_datetime(base.time()).to_zoned(base.time_zone().clone()).ok());
    wrapped(moved.unwrap_or(base))
}

fn difference(left: &Zoned, right: &Zoned) -> i64 {
    let nanoseconds = left.timestamp().as_nanosecond() - right.timestamp().as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

/// Nanoseconds since Go's zero time, which truncation counts from.
fn since_zero(time: &Zoned) -> i128 {
    time.timestamp().as_nanosecond() - zero().timestamp().as_nanosecond()
}

fn rounded(receiver: &Value, arguments: &[Value], is_up: bool) -> Outcome {
    let base = time(receiver);
    let unit = i128::from(int(&arguments[0]));
    if unit <= 0 {
        return wrapped(base);
    }
    let rest = since_zero(&base).rem_euclid(unit);
    let move_by = if is_up && rest * 2 >= unit { unit - rest } else { -rest };
    added(&base, move_by as i64)
}

/// The methods of `time.Time`.
pub(crate) static TIME_METHODS: [Method; 30] = [
    method("Year", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).year())))),
    method("Month", &NONE, |_, r, _| Ok(Value::Int(i64::from(time(r).month()), &types::MONTH))),
    method("Day", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).day())))),
    method("Hour", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).hour())))),
    method("Minute", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).minute())))),
    method("Second", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).second())))),
    method("Nanosecond", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).subsec_nanosecond())))),
    method("YearDay", &NONE, |_, r, _| Ok(Value::int(i64::from(time(r).day_of_year())))),
    method("Weekday", &NONE, |_, r, _| {
        Ok(Value::Int(i64::from(time(r).weekday().to_sunday_zero_offset()), &types::WEEKDAY))
    }),
    method("Unix", &NONE, |_, r, _| Ok(Value::int64(time(r).timestamp().as_second()))),
    method("UnixMilli", &NONE, |_, r, _| Ok(Value::int64(time(r).timestamp().as_millisecond()))),
    method("UnixMicro", &NONE, |_, r, _| Ok(Value::int64(time(r).timestamp().as_microsecond()))),
    method("UnixNano", &NONE, |_, r, _| Ok(Value::int64(time(r).timestamp().as_nanosecond() as i64))),
    method("Format", &TEXT, |_, r, a| {
        let layout = a[0].as_str().map(|layout| layout.text().into_owned()).unwrap_or_default();
        Ok(Value::str(format(&time(r), &layout)))
    }),
    method("String", &NONE, |_, r, _| Ok(Value::str(super::text(&time(r))))),
    method("GoString", &NONE, |_, r, _| Ok(Value::str(super::go_syntax(&time(r))))),
    method("UTC", &NONE, |_, r, _| wrapped(time(r).with_time_zone(jiff::tz::TimeZone::UTC))),
    method("Local", &NONE, |context, r, _| {
        let zone = context.local_zone();
        wrapped(time(r).with_time_zone(zone))
    }),
    method("IsZero", &NONE, |_, r, _| Ok(Value::Bool(time(r).timestamp() == zero().timestamp()))),
    method("IsDST", &NONE, |_, r, _| {
        let base = time(r);
        Ok(Value::Bool(base.time_zone().to_offset_info(base.timestamp()).dst().is_dst()))
    }),
    method("AddDate", &THREE_INTS, add_date),
    method("Add", &ONE_DURATION, |_, r, a| added(&time(r), int(&a[0]))),
    method("Sub", &ONE_TIME, |_, r, a| Ok(Value::Int(difference(&time(r), &time(&a[0])), &types::DURATION))),
    method("Before", &ONE_TIME, |_, r, a| Ok(Value::Bool(time(r).timestamp() < time(&a[0]).timestamp()))),
    method("After", &ONE_TIME, |_, r, a| Ok(Value::Bool(time(r).timestamp() > time(&a[0]).timestamp()))),
    method("Equal", &ONE_TIME, |_, r, a| Ok(Value::Bool(time(r).timestamp() == time(&a[0]).timestamp()))),
    method("Compare", &ONE_TIME, |_, r, a| Ok(Value::int(time(r).timestamp().cmp(&time(&a[0]).timestamp()) as i64))),
    method("Truncate", &ONE_DURATION, |_, r, a| rounded(r, a, false)),
    method("Round", &ONE_DURATION, |_, r, a| rounded(r, a, true)),
    method("Location", &NONE, |_, r, _| {
        let base = time(r);
        Ok(Value::str(base.time_zone().iana_name().unwrap_or("").to_string()))
    }),
];

/// The methods of `time.Time`.
pub(crate) static METHODS: &[Method] = &TIME_METHODS;

fn fractional(value: &Value, unit: i64) -> f64 {
    let whole = int(value) / unit;
    let rest = int(value) % unit;
    whole as f64 + rest as f64 / unit as f64
}

/// The methods of `time.Duration`.
pub(crate) static DURATION_METHODS: &[Method] = &[
    method("Hours", &NONE, |_, r, _| Ok(Value::float(fractional(r, 3_600_000_000_000)))),
    method("Minutes", &NONE, |_, r, _| Ok(Value::float(fractional(r, 60_000_000_000)))),
    method("Seconds", &NONE, |_, r, _| Ok(Value::float(fractional(r, 1_000_000_000)))),
    method("Milliseconds", &NONE, |_, r, _| Ok(Value::int64(int(r) / 1_000_000))),
    method("Microseconds", &NONE, |_, r, _| Ok(Value::int64(int(r) / 1_000))),
    method("Nanoseconds", &NONE, |_, r, _| Ok(Value::int64(int(r)))),
    method("String", &NONE, |_, r, _| Ok(Value::str(duration::duration_text(int(r))))),
    method("Abs", &NONE, |_, r, _| Ok(Value::Int(int(r).saturating_abs(), &types::DURATION))),
    method("Round", &ONE_DURATION, |_, r, a| Ok(Value::Int(duration::round(int(r), int(&a[0])), &types::DURATION))),
    method("Truncate", &ONE_DURATION, |_, r, a| {
        let unit = int(&a[0]);
        let base = int(r);
        Ok(Value::Int(if unit <= 0 { base } else { base - base % unit }, &types::DURATION))
    }),
];

/// The methods of months and weekdays.
pub(crate) static NAME_METHODS: &[Method] = &[method("String", &NONE, |_, r, _| {
    let text = r.info().and_then(|info| info.string).map_or_else(String::new, |string| string(r));
    Ok(Value::str(text))
})];
