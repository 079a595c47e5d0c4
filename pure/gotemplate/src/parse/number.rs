//! Constants in templates: one text, all the types that can hold its value, as Go's ideal constants.

use crate::quote;
use crate::strconv::{parse_float, parse_int, parse_uint};
use crate::text::Str;

/// A numeric constant.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) text: Str,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

/// What the lexer saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberToken {
    Character,
    Complex,
    Number,
}

/// Reads a constant.
///
/// # Errors
/// Go's words for a malformed or too large one.
pub(crate) fn read(text: &[u8], token: NumberToken) -> Result<Number, String> {
    let mut number = Number { text: Str::from(text), int: None, uint: None, float: None, complex: None };
    match token {
        NumberToken::Character => {
            let Some(code) = quote::unquote_rune(text) else {
                let is_long = text.len() > 2 && text[1] != b'\'' && !text[1..].starts_with(b"\\");
                let shown = String::from_utf8_lossy(text);
                return Err(if is_long {
                    format!("malformed character constant: {shown}")
                } else {
                    "invalid syntax".into()
                });
            };
            number.int = Some(i64::from(code));
            number.uint = Some(u64::from(code));
            number.float = Some(f64::from(code));
            return Ok(number);
        }
        NumberToken::Complex => {
            let split = text.iter().rposition(|byte| matches!(byte, b'+' | b'-')).unwrap_or(0);
            // An exponent's sign is not the one between the parts.
            let split = if split > 0 && matches!(text[split - 1], b'e' | b'E' | b'p' | b'P') {
                text[..split].iter().rposition(|byte| matches!(byte, b'+' | b'-')).unwrap_or(0)
            } else {
                split
            };
            let imaginary = text[split..].strip_suffix(b"i").unwrap_or(b"");
            let (Ok(real), Ok(imaginary)) = (parse_float(&text[..split]), parse_float(imaginary)) else {
                return Err("syntax error scanning complex number".into());
            };
            set_complex(&mut number, real, imaginary);
            return Ok(number);
        }
        NumberToken::Number => {}
    }
    if let Some(body) = text.strip_suffix(b"i")
        && let Ok(imaginary) = parse_float(body)
    {
        set_complex(&mut number, 0.0, imaginary);
        return Ok(number);
    }
    number.uint = parse_uint(text, 0).ok();
    number.int = parse_int(text, 0).ok();
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(whole) = number.int {
        number.float = Some(whole as f64);
    } else if let Some(whole) = number.uint {
        number.float = Some(whole as f64);
    } else if let Ok(float) = parse_float(text) {
        if !text.iter().any(|byte| b".eEpP".contains(byte)) {
            return Err(format!("integer overflow: {}", quote::quote(text)));
        }
        number.float = Some(float);
        number.int = exact_int(float);
        number.uint = exact_uint(float);
    }
    if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
        return Err(format!("illegal number syntax: {}", quote::quote(text)));
    }
    Ok(number)
}

fn set_complex(number: &mut Number, real: f64, imaginary: f64) {
    number.complex = Some((real, imaginary));
    if imaginary == 0.0 {
        number.float = Some(real);
        number.int = exact_int(real);
        number.uint = exact_uint(real);
    }
}

fn exact_int(float: f64) -> Option<i64> {
    let whole = float as i64;
    (float.abs() < 9.3e18 && whole as f64 == float && whole != i64::MAX).then_some(whole)
}

fn exact_uint(float: f64) -> Option<u64> {
    let whole = float as u64;
    (float > -1.0 && float < 1.9e19 && whole as f64 == float && whole != u64::MAX).then_some(whole)
}
