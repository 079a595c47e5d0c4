//! Quantities and durations that are spelt differently and mean the same.

use serde_json::Value;

/// Whether two values are the same quantity: `1000m` and `1`, `3072Mi` and `3Gi`, 1 and `"1"`.
#[must_use]
pub fn equal_quantities(left: &Value, right: &Value) -> bool {
    match (nanos_of(left), nanos_of(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// Whether two values are the same duration: `8760h` and `8760h0m0s`.
#[must_use]
pub fn equal_durations(left: &Value, right: &Value) -> bool {
    let nanos = |value: &Value| duration_nanos(value.as_str()?);
    match (nanos(left), nanos(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// A quantity in billionths, rounded up as Kubernetes does; `None` if it is none, or too large to tell.
fn nanos_of(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => quantity_nanos(&number.to_string()),
        Value::String(text) => quantity_nanos(text),
        _ => None,
    }
}

/// Source: apimachinery, pkg/api/resource/quantity.go: sign, digits, then a binary suffix, a decimal suffix or an exponent.
fn quantity_nanos(text: &str) -> Option<i128> {
    let digits_end = text
        .char_indices()
        .find(|(index, c)| !(c.is_ascii_digit() || *c == '.' || (*index == 0 && matches!(c, '+' | '-'))))
        .map_or(text.len(), |(index, _)| index);
    let (number, suffix) = text.split_at(digits_end);
    let is_negative = number.starts_with('-');
    let number = number.trim_start_matches(['+', '-']);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (tens, twos) = scale(suffix)?;
    let exponent = tens + 9 - i32::try_from(fraction.len()).ok()?;
    let scaled = mantissa.checked_mul(1_i128.checked_shl(twos)?)?;
    let nanos = if exponent >= 0 {
        scaled.checked_mul(10_i128.checked_pow(exponent.unsigned_abs())?)?
    } else {
        let divisor = 10_i128.checked_pow(exponent.unsigned_abs())?;
        scaled / divisor + i128::from(scaled % divisor != 0)
    };
    Some(if is_negative { -nanos } else { nanos })
}

/// The powers of ten and of two that a suffix stands for.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            (exponent.parse::<i32>().ok().filter(|e| e.abs() <= 30)?, 0)
        }
    })
}

/// A duration as Go's time.ParseDuration reads it, in nanoseconds.
fn duration_nanos(text: &str) -> Option<i128> {
    let is_negative = text.starts_with('-');
    let mut rest = text.trim_start_matches(['+', '-']);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit_nanos: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let parts = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        total = total.checked_add(digits.checked_mul(unit_nanos)? / parts)?;
        rest = tail;
    }
    Some(if is_negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_equal_by_amount() {
        for (a, b) in [
            (json!("1000m"), json!("1")),
            (json!("1000m"), json!(1)),
            (json!("3072Mi"), json!("3Gi")),
            (json!("0.5"), json!("500m")),
            (json!(0.5), json!("500m")),
            (json!("1e3"), json!("1k")),
            (json!("1.5Gi"), json!("1536Mi")),
            (json!("-1"), json!("-1000m")),
            (json!("1Ei"), json!("1024Pi")),
        ] {
            assert!(equal_quantities(&a, &b), "{a} {b}");
        }
        for (a, b) in
            [(json!("1"), json!("1m")), (json!("1G"), json!("1Gi")), (json!("x"), json!("x")), (json!(""), json!("0"))]
        {
            assert!(!equal_quantities(&a, &b), "{a} {b}");
        }
    }

    #[test]
    fn durations_are_equal_by_length() {
        for (a, b) in [("8760h", "8760h0m0s"), ("1h30m", "90m"), ("1.5h", "1h30m0s"), ("0", "0s"), ("1000ms", "1s")] {
            assert!(equal_durations(&json!(a), &json!(b)), "{a} {b}");
        }
        for (a, b) in [("1h", "1m"), ("", ""), ("1", "1s"), ("1d", "24h"), ("h", "h")] {
            assert!(!equal_durations(&json!(a), &json!(b)), "{a} {b}");
        }
    }
}
