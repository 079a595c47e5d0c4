//! Floating point numbers as Go's `strconv` and `encoding/json` print them.

/// Formats as Go's `strconv.FormatFloat(value, 'g', -1, 64)`: the shortest digits that read back as the same number, with
/// an exponent if the decimal exponent is below -4 or at least 6.
///
/// `1000000.0` is `1e+06`, `100000.5` stays; infinities are `+Inf` and `-Inf`, the other is `NaN`.
pub fn format_g(value: f64) -> String {
    match special(value) {
        Some(text) => text.to_owned(),
        None => general(&format!("{value:e}")),
    }
}

/// Formats as Go's `strconv.FormatFloat(value, 'g', -1, 32)`: like [`format_g`] after rounding to 32 bits.
pub fn format_g32(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to 32 bits is the behaviour to reproduce")]
    let rounded = value as f32;
    match special(f64::from(rounded)) {
        Some(text) => text.to_owned(),
        None => general(&format!("{rounded:e}")),
    }
}

/// Formats as Go's `encoding/json`: no exponent from 1e-6 up to 1e21, and exponents without leading zeros.
///
/// Infinities and not-a-number have no JSON form: `None`.
pub fn format_json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let (sign, digits, exponent) = shortest(&format!("{value:e}"));
        return Some(exponential(sign, digits.as_bytes(), exponent, 1));
    }
    Some(format!("{value}"))
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// Takes Rust's shortest scientific form apart: sign, digits without a point, decimal exponent of the first digit.
fn shortest(scientific: &str) -> (&'static str, String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').expect("the {:e} format always has an exponent");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (sign, digits, exponent.parse().expect("the {:e} format has a small decimal exponent"))
}

fn general(scientific: &str) -> String {
    let (sign, digits, exponent) = shortest(scientific);
    if !(GENERAL_EXPONENT_MIN..GENERAL_EXPONENT_END).contains(&exponent) {
        return exponential(sign, digits.as_bytes(), exponent, 2);
    }
    positional(sign, &digits, exponent)
}

/// The smallest decimal exponent that `'g'` with the shortest precision prints without an exponent, and the first that it
/// prints with one again. Source: Go 1.27 strconv, `FormatFloat`.
const GENERAL_EXPONENT_MIN: i32 = -4;
const GENERAL_EXPONENT_END: i32 = 6;

fn exponential(sign: &str, digits: &[u8], exponent: i32, exponent_digits_min: usize) -> String {
    let mut text = String::with_capacity(digits.len() + 8);
    text.push_str(sign);
    text.push(char::from(digits[0]));
    if digits.len() > 1 {
        text.push('.');
        text.extend(digits[1..].iter().map(|&digit| char::from(digit)));
    }
    text.push('e');
    text.push(if exponent < 0 { '-' } else { '+' });
    let magnitude = exponent.unsigned_abs().to_string();
    for _ in magnitude.len()..exponent_digits_min {
        text.push('0');
    }
    text.push_str(&magnitude);
    text
}

fn positional(sign: &str, digits: &str, exponent: i32) -> String {
    let mut text = sign.to_owned();
    if exponent < 0 {
        text.push_str("0.");
        text.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        text.push_str(digits);
        return text;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        text.push_str(digits);
        text.extend(std::iter::repeat_n('0', whole - digits.len()));
    } else {
        text.push_str(&digits[..whole]);
        text.push('.');
        text.push_str(&digits[whole..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_form_switches_to_an_exponent_where_go_does() {
        let pairs = [
            (1e6, "1e+06"),
            (999_999.0, "999999"),
            (1e21, "1e+21"),
            (123_456.789, "123456.789"),
            (1_000_000.5, "1.0000005e+06"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (5e-324, "5e-324"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, text) in pairs {
            assert_eq!(format_g(value), text);
        }
        assert_eq!(format_g32(1.20), "1.2");
    }

    #[test]
    fn json_form_switches_to_an_exponent_where_go_does() {
        let pairs = [
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-1.5e-10, "-1.5e-10"),
            (5e-324, "5e-324"),
            (0.1, "0.1"),
            (-0.0, "-0"),
        ];
        for (value, text) in pairs {
            assert_eq!(format_json(value).as_deref(), Some(text));
        }
        assert_eq!(format_json(f64::NAN), None);
    }
}
