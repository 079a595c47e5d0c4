//! Go's time: layouts ([`layout`] reads them, [`parse`] applies them backwards), [`duration`]s, and the methods that templates
//! call on times.
//!
//! A time is a `jiff::Zoned`; Go's zero time is the first of January of year 1, UTC.

pub(crate) mod duration;
mod format;
mod layout;
mod methods;
mod parse;

pub(crate) use duration::{duration_text, duration_value_text, parse_duration};
pub(crate) use format::format;
pub(crate) use methods::{DURATION_METHODS, METHODS, NAME_METHODS};
pub(crate) use parse::parse;

use crate::value::Value;
use jiff::Zoned;
use jiff::tz::TimeZone;

/// The names of the months.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The names of the weekdays, from Sunday.
pub(crate) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Go's zero time.
pub(crate) fn zero() -> Zoned {
    jiff::civil::date(1, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap_or_default()
}

/// The text of a time, as `String` gives it.
pub(crate) fn text(time: &Zoned) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// The text of a time in JSON.
pub(crate) fn json_text(time: &Zoned) -> String {
    format(time, "2006-01-02T15:04:05.999999999Z07:00")
}

/// A time as Go source. Times are local to Go unless their text said otherwise.
pub(crate) fn go_syntax(time: &Zoned) -> String {
    let zone = if time.timestamp() == zero().timestamp() { "UTC" } else { "Local" };
    format!(
        "time.Date({}, time.{}, {}, {}, {}, {}, {}, time.{zone})",
        time.year(),
        MONTHS[usize::from(time.month().unsigned_abs()) - 1],
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond(),
    )
}

/// Reads a date or time as TOML writes it.
pub(crate) fn parse_moment(shown: &str) -> Option<Zoned> {
    let layouts =
        ["2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02", "15:04:05.999999999"];
    layouts.iter().find_map(|layout| parse(layout, shown, &TimeZone::UTC).ok())
}

/// The name of a month value.
pub(crate) fn month_text(value: &Value) -> String {
    name(&MONTHS, value.as_int().unwrap_or(0) - 1, "Month")
}

/// The name of a weekday value.
pub(crate) fn weekday_text(value: &Value) -> String {
    name(&WEEKDAYS, value.as_int().unwrap_or(0), "Weekday")
}

fn name(names: &[&str], index: i64, kind: &str) -> String {
    match usize::try_from(index).ok().and_then(|index| names.get(index)) {
        Some(name) => (*name).to_string(),
        None => format!("%!{kind}({index})"),
    }
}
