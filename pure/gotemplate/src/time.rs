//! Go's time: layouts, durations, methods of `time.Time`.

use crate::types::Method;
use crate::value::Value;

/// Methods of `time.Time`.
pub(crate) const METHODS: &[Method] = &[];
/// Methods of `time.Duration`.
pub(crate) const DURATION_METHODS: &[Method] = &[];
/// Methods of months and weekdays.
pub(crate) const NAME_METHODS: &[Method] = &[];

pub(crate) fn duration_value_text(value: &Value) -> String {
    format!("{}", value.as_int().unwrap_or(0))
}

pub(crate) fn month_text(value: &Value) -> String {
    format!("{}", value.as_int().unwrap_or(0))
}

pub(crate) fn weekday_text(value: &Value) -> String {
    format!("{}", value.as_int().unwrap_or(0))
}

pub(crate) fn text(time: &jiff::Zoned) -> String {
    time.to_string()
}

pub(crate) fn go_syntax(time: &jiff::Zoned) -> String {
    time.to_string()
}

pub(crate) fn json_text(time: &jiff::Zoned) -> String {
    time.to_string()
}
