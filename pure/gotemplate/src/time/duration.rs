//! Go's durations: nanoseconds in 64 bits, written as `1h2m3.5s`.

use crate::quote::quote;
use crate::value::Value;

const SECOND: u64 = 1_000_000_000;

/// The text of a duration value.
pub(crate) fn duration_value_text(value: &Value) -> String {
    duration_text(value.as_int().unwrap_or(0))
}

/// Writes a duration. Source: Go's `Duration.String`.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let decimal = |unit: u64| {
        let width = unit.ilog10() as usize;
        let fraction = format!("{:0width$}", magnitude % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() || unit == 1 { String::new() } else { format!(".{fraction}") };
        (magnitude / unit, point)
    };
    if magnitude == 0 {
        return "0s".into();
    }
    if magnitude < SECOND {
        let (unit, name) = match magnitude {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        let (whole, fraction) = decimal(unit);
        return format!("{sign}{whole}{fraction}{name}");
    }
    let (seconds, fraction) = decimal(SECOND);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{fraction}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// Reads a duration. Source: Go's `ParseDuration`.
///
/// # Errors
/// Go's words.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text.as_bytes()));
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(length);
        let mut fraction = "";
        let mut after = after;
        if let Some(tail) = after.strip_prefix('.') {
            let length = tail.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, after) = tail.split_at(length);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let length = after.bytes().take_while(|byte| *byte != b'.' && !byte.is_ascii_digit()).count();
        if length == 0 {
            return Err(format!("time: missing unit in duration {}", quote(text.as_bytes())));
        }
        let (name, next) = after.split_at(length);
        let unit: u64 = match name {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    quote(name.as_bytes()),
                    quote(text.as_bytes())
                ));
            }
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let mut value = whole.checked_mul(unit).filter(|value| *value <= 1 << 63).ok_or_else(invalid)?;
        if !fraction.is_empty() {
            let kept = &fraction[..fraction.len().min(18)];
            let numerator: f64 = kept.parse().unwrap_or(0.0);
            let scale = 10f64.powi(kept.len() as i32);
            value += (numerator * (unit as f64 / scale)) as u64;
        }
        total = total.checked_add(value).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
        rest = next;
    }
    if is_negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// Rounds to a multiple of `unit`, halves away from zero.
pub(crate) fn round(nanoseconds: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanoseconds;
    }
    let rest = nanoseconds % unit;
    if rest.unsigned_abs() * 2 < unit.unsigned_abs() {
        nanoseconds - rest
    } else {
        nanoseconds.saturating_sub(rest).saturating_add(if nanoseconds < 0 { -unit } else { unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_they_are_written() {
        for text in ["0s", "1ns", "1.5µs", "2ms", "1m0s", "26h3m4.005s", "-1.5s"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("3").unwrap_err(), "time: missing unit in duration \"3\"");
        assert_eq!(parse_duration("3x").unwrap_err(), "time: unknown unit \"x\" in duration \"3x\"");
    }
}
