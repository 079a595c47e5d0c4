//! Numbers as text and back, by the rules of Go's `strconv`.

use std::fmt::Write;

/// Why a number could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// The text is no number.
    Syntax,
    /// The number does not fit.
    Range,
}

impl NumberError {
    /// Go's words for it.
    pub fn text(self) -> &'static str {
        match self {
            NumberError::Syntax => "invalid syntax",
            NumberError::Range => "value out of range",
        }
    }
}

/// Reads an unsigned number. Base 0 takes the base from the prefix (`0x`, `0o`, `0b`, `0`) and allows `_` between digits.
pub fn parse_uint(text: &[u8], base: u32) -> Result<u64, NumberError> {
    if text.is_empty() {
        return Err(NumberError::Syntax);
    }
    let base_is_free = base == 0;
    let (base, digits) = match base {
        0 => match text {
            [b'0', b'x' | b'X', rest @ ..] if !rest.is_empty() => (16, rest),
            [b'0', b'b' | b'B', rest @ ..] if !rest.is_empty() => (2, rest),
            [b'0', b'o' | b'O', rest @ ..] if !rest.is_empty() => (8, rest),
            [b'0', rest @ ..] => (8, if rest.is_empty() { text } else { rest }),
            _ => (10, text),
        },
        given => (given, text),
    };
    let mut total: u64 = 0;
    let mut is_over = false;
    let mut has_underscore = false;
    for &byte in digits {
        if byte == b'_' && base_is_free {
            has_underscore = true;
            continue;
        }
        let digit = char::from(byte).to_digit(36).filter(|digit| *digit < base).ok_or(NumberError::Syntax)?;
        match total.checked_mul(u64::from(base)).and_then(|product| product.checked_add(u64::from(digit))) {
            Some(sum) => total = sum,
            None => is_over = true,
        }
    }
    if has_underscore && !is_underscore_placed(text) {
        return Err(NumberError::Syntax);
    }
    if is_over { Err(NumberError::Range) } else { Ok(total) }
}

/// Reads a signed number; see [`parse_uint`].
pub fn parse_int(text: &[u8], base: u32) -> Result<i64, NumberError> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits, base)?;
    if is_negative {
        if magnitude > 1 << 63 {
            return Err(NumberError::Range);
        }
        return Ok((magnitude as i64).wrapping_neg());
    }
    i64::try_from(magnitude).map_err(|_| NumberError::Range)
}

/// Reads a decimal `int` as Go's `Atoi`.
pub fn atoi(text: &[u8]) -> Result<i64, NumberError> {
    parse_int(text, 10)
}

fn is_underscore_placed(text: &[u8]) -> bool {
    let mut rest = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let mut last = b'^';
    let mut is_hex = false;
    if let [b'0', kind @ (b'b' | b'B' | b'o' | b'O' | b'x' | b'X'), tail @ ..] = rest {
        is_hex = kind.eq_ignore_ascii_case(&b'x');
        last = b'0';
        rest = tail;
    }
    for &byte in rest {
        if byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit() {
            last = b'0';
        } else if byte == b'_' {
            if last != b'0' {
                return false;
            }
            last = b'_';
        } else {
            if last == b'_' {
                return false;
            }
            last = b'!';
        }
    }
    last != b'_'
}

/// Reads a float64 in Go's syntax: decimal or hexadecimal, `inf`, `nan`, `_` between digits.
pub fn parse_float(text: &[u8]) -> Result<f64, NumberError> {
    let (is_negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let sign = |number: f64| if is_negative { -number } else { number };
    if body.eq_ignore_ascii_case(b"inf") || body.eq_ignore_ascii_case(b"infinity") {
        return Ok(sign(f64::INFINITY));
    }
    if body.eq_ignore_ascii_case(b"nan") {
        return if body.len() == text.len() { Ok(f64::NAN) } else { Err(NumberError::Syntax) };
    }
    let has_underscore = body.contains(&b'_');
    if has_underscore && !is_underscore_placed(text) {
        return Err(NumberError::Syntax);
    }
    let digits: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'_').collect();
    if let [b'0', b'x' | b'X', rest @ ..] = &digits[..] {
        return parse_hex_float(rest)
            .and_then(|number| if number.is_infinite() { Err(NumberError::Range) } else { Ok(sign(number)) });
    }
    if has_underscore && !matches!(body.first(), Some(b'0'..=b'9' | b'.')) {
        return Err(NumberError::Syntax);
    }
    let is_decimal = digits.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
        && digits.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let parsed = std::str::from_utf8(&digits).ok().filter(|_| is_decimal).and_then(|plain| plain.parse::<f64>().ok());
    match parsed {
        None => Err(NumberError::Syntax),
        Some(number) if number.is_infinite() => Err(NumberError::Range),
        Some(number) => Ok(sign(number)),
    }
}

fn parse_hex_float(body: &[u8]) -> Result<f64, NumberError> {
    let split = body.iter().position(|byte| matches!(byte, b'p' | b'P')).ok_or(NumberError::Syntax)?;
    let exponent = atoi(&body[split + 1..])?;
    let mut mantissa: u64 = 0;
    let mut shift: i64 = 0;
    let mut has_digit = false;
    let mut has_point = false;
    let mut is_inexact = false;
    for &byte in &body[..split] {
        if byte == b'.' && !has_point {
            has_point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or(NumberError::Syntax)?;
        has_digit = true;
        if mantissa >> 58 == 0 {
            mantissa = mantissa * 16 + u64::from(digit);
            shift -= if has_point { 4 } else { 0 };
        } else {
            is_inexact |= digit != 0;
            shift += if has_point { 0 } else { 4 };
        }
    }
    if !has_digit {
        return Err(NumberError::Syntax);
    }
    let power = exponent.saturating_add(shift).clamp(-5000, 5000) as i32;
    let whole = (mantissa | u64::from(is_inexact)) as f64;
    Ok(whole * 2f64.powi(power / 2) * 2f64.powi(power - power / 2))
}

/// How a float is written: `e` with exponent, `f` without, `g` the shorter of the two by Go's rule; upper case likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatStyle {
    /// `d.dddde±dd`.
    Exponent,
    /// `ddd.ddd`.
    Plain,
    /// Exponent form if the exponent is below -4 or not below the precision (6 when shortest).
    General,
}

/// The size of the float that is written: its shortest digits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatBits {
    /// `float32`.
    Single,
    /// `float64`.
    Double,
}

/// No float64 has a non-zero digit further behind the point; more places are zeros.
const EXACT_PLACES_MAX: usize = 1100;

/// Decimal digits and where the point stands: `0.DIGITS * 10^point`.
struct Digits {
    digits: String,
    point: i32,
}

fn digits_of(scientific: &str) -> Digits {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let trimmed = digits.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if trimmed.is_empty() {
        return Digits { digits: String::new(), point: 0 };
    }
    Digits { digits: trimmed.to_string(), point: exponent + 1 }
}

/// Writes a float as Go's `FormatFloat`. `precision` of `None` is the shortest text that reads back the same.
pub fn format_float(number: f64, style: FloatStyle, precision: Option<usize>, bits: FloatBits) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let magnitude = number.abs();
    let shortest = || match bits {
        FloatBits::Single => digits_of(&format!("{:e}", magnitude as f32)),
        FloatBits::Double => digits_of(&format!("{magnitude:e}")),
    };
    let text = match (style, precision) {
        (FloatStyle::Exponent, Some(places)) => {
            let exact = places.min(EXACT_PLACES_MAX);
            with_exponent(&digits_of(&format!("{magnitude:.exact$e}")), places)
        }
        (FloatStyle::Exponent, None) => {
            let digits = shortest();
            let places = digits.digits.len().saturating_sub(1);
            with_exponent(&digits, places)
        }
        (FloatStyle::Plain, Some(places)) => {
            let exact = places.min(EXACT_PLACES_MAX);
            let zeros = places - exact;
            let text = format!("{magnitude:.exact$}");
            format!("{text}{}", "0".repeat(zeros))
        }
        (FloatStyle::Plain, None) => {
            let digits = shortest();
            let places = (digits.digits.len() as i32 - digits.point).max(0) as usize;
            plain(&digits, places)
        }
        (FloatStyle::General, precision) => {
            let digits = match precision {
                None => shortest(),
                Some(count) => {
                    let places = (count.max(1) - 1).min(EXACT_PLACES_MAX);
                    digits_of(&format!("{magnitude:.places$e}"))
                }
            };
            let count = digits.digits.len() as i32;
            let mut threshold = match precision {
                None => 6,
                Some(given) => given.clamp(1, 1 << 20) as i32,
            };
            if precision.is_some() && threshold > count && count >= digits.point {
                threshold = count;
            }
            let exponent = digits.point - 1;
            if exponent < -4 || exponent >= threshold {
                with_exponent(&digits, (count - 1).max(0) as usize)
            } else {
                plain(&digits, (count - digits.point).max(0) as usize)
            }
        }
    };
    format!("{sign}{text}")
}

fn with_exponent(digits: &Digits, places: usize) -> String {
    let mut out = String::new();
    let first = digits.digits.chars().next().unwrap_or('0');
    out.push(first);
    if places > 0 {
        let tail = digits.digits.get(1..).unwrap_or("");
        let _ = write!(out, ".{tail}{}", "0".repeat(places.saturating_sub(tail.len())));
    }
    let exponent = if digits.digits.is_empty() { 0 } else { digits.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "e{sign}{:02}", exponent.abs());
    out
}

fn plain(digits: &Digits, places: usize) -> String {
    let mut out = String::new();
    let digit = |at: i32| {
        usize::try_from(at).ok().and_then(|at| digits.digits.as_bytes().get(at)).map_or('0', |byte| char::from(*byte))
    };
    if digits.point > 0 {
        out.extend((0..digits.point).map(digit));
    } else {
        out.push('0');
    }
    if places > 0 {
        out.push('.');
        out.extend((0..places as i32).map(|at| digit(digits.point + at)));
    }
    out
}

/// Writes a float as `%v` does.
pub fn float_text(number: f64, bits: FloatBits) -> String {
    format_float(number, FloatStyle::General, None, bits)
}
