//! What a scalar means: text, number, boolean, null, time.
//!
//! Source: go.yaml.in/yaml v2.4.3 and v3.0.4 `resolve`; numbers as Go's `strconv` parses them with base 0.

use crate::timestamp::Timestamp;
use crate::{Resolver, Style};
use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// The meaning of a scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// An integer above the range of `i64`.
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// A date or time as it was written; the newer reader also understands it.
    Time {
        written: Cow<'a, str>,
        time: Option<Timestamp>,
    },
}

impl Meaning<'_> {
    fn tag(&self) -> &'static str {
        match self {
            Meaning::Null => "!!null",
            Meaning::Bool(_) => "!!bool",
            Meaning::Integer(_) | Meaning::Unsigned(_) => "!!int",
            Meaning::Float(_) => "!!float",
            Meaning::Text(_) => "!!str",
            Meaning::Time { .. } => "!!timestamp",
        }
    }
}

/// The prefix that `!!` stands for.
const STANDARD_TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// Brings a tag into its short form: `tag:yaml.org,2002:str` is `!!str`.
pub(crate) fn short_tag(tag: &str) -> Cow<'_, str> {
    match tag.strip_prefix(STANDARD_TAG_PREFIX) {
        Some(name) => Cow::Owned(format!("!!{name}")),
        None => Cow::Borrowed(tag),
    }
}

/// Decides what a scalar means.
///
/// Errors: a text that the written tag does not allow, in the reference's words.
pub(crate) fn resolve<'a>(
    resolver: Resolver,
    tag: Option<&str>,
    style: Style,
    value: Cow<'a, str>,
) -> Result<Meaning<'a>, String> {
    let tag = match resolver {
        // The newer reader takes `!` for no tag at all, the older one for an unknown tag.
        Resolver::Kustomize => tag.filter(|tag| *tag != "!"),
        Resolver::Kubernetes | Resolver::KubernetesStrict => tag,
    };
    let Some(tag) = tag else {
        return Ok(if style == Style::Plain { plain(resolver, Wanted::Anything, value) } else { Meaning::Text(value) });
    };
    let tag = short_tag(tag);
    let wanted = match &*tag {
        "!!bool" | "!!int" | "!!float" | "!!null" => Wanted::NoTime,
        "!!timestamp" => Wanted::Anything,
        "!!binary" => return decode_binary(&value).map(|text| Meaning::Text(Cow::Owned(text))),
        _ => return Ok(Meaning::Text(value)),
    };
    let meaning = plain(resolver, wanted, value.clone());
    match (&*tag, &meaning) {
        ("!!float", Meaning::Integer(integer)) => {
            #[expect(clippy::cast_precision_loss, reason = "the reference converts the same way")]
            let float = *integer as f64;
            Ok(Meaning::Float(float))
        }
        (tag, meaning) if meaning.tag() == tag => Ok(meaning.clone()),
        (tag, meaning) => Err(format!("cannot decode {} `{value}` as a {tag}", meaning.tag())),
    }
}

/// Says whether an untagged plain scalar with this value would be read as a text.
pub(crate) fn is_text_when_plain(resolver: Resolver, value: &str) -> bool {
    matches!(plain(resolver, Wanted::Anything, Cow::Borrowed(value)), Meaning::Text(_))
}

/// Says whether times are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Anything,
    NoTime,
}

fn plain<'a>(resolver: Resolver, wanted: Wanted, value: Cow<'a, str>) -> Meaning<'a> {
    let bytes = value.as_bytes();
    let found = match bytes.first() {
        None => Some(Meaning::Null),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            if let (Wanted::Anything, Some(time)) = (wanted, Timestamp::parse(&value)) {
                let time = (resolver == Resolver::Kustomize).then_some(time);
                return Meaning::Time { written: value, time };
            }
            number(resolver, &value)
        }
        Some(b'.') => match &*value {
            ".nan" | ".NaN" | ".NAN" => Some(Meaning::Float(f64::NAN)),
            ".inf" | ".Inf" | ".INF" => Some(Meaning::Float(f64::INFINITY)),
            text => parse_fraction(text).map(Meaning::Float),
        },
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(resolver, &value),
        Some(_) => None,
    };
    found.unwrap_or(Meaning::Text(value))
}

fn word(resolver: Resolver, value: &str) -> Option<Meaning<'static>> {
    match value {
        "~" | "null" | "Null" | "NULL" => Some(Meaning::Null),
        "true" | "True" | "TRUE" => Some(Meaning::Bool(true)),
        "false" | "False" | "FALSE" => Some(Meaning::Bool(false)),
        _ if resolver == Resolver::Kustomize => None,
        _ => old_bool(value).map(Meaning::Bool),
    }
}

/// Recognises the booleans of YAML 1.1 that YAML 1.2 dropped.
pub(crate) fn old_bool(value: &str) -> Option<bool> {
    match value {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn number(resolver: Resolver, value: &str) -> Option<Meaning<'static>> {
    match value {
        "+.inf" | "+.Inf" | "+.INF" => return Some(Meaning::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Meaning::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    let digits: Cow<'_, str> =
        if value.contains('_') { Cow::Owned(value.replace('_', "")) } else { Cow::Borrowed(value) };
    if let Some(integer) = parse_integer(&digits, 0) {
        return Some(integer);
    }
    if let Some(float) = parse_float(&digits) {
        return Some(Meaning::Float(float));
    }
    // Left over from before Go read these prefixes itself; it lets a sign follow them.
    let (rest, base) = match digits.get(..2) {
        Some("0b") => (&digits[2..], 2),
        Some("0o") if resolver == Resolver::Kustomize => (&digits[2..], 8),
        _ => return None,
    };
    parse_integer(rest, base)
}

/// Parses as Go's `ParseInt` and, for what is too large, `ParseUint`. Base 0 means that a prefix decides.
fn parse_integer(text: &str, base: u32) -> Option<Meaning<'static>> {
    let (sign, magnitude) = match text.as_bytes().first()? {
        b'-' => (Some(true), &text[1..]),
        b'+' => (Some(false), &text[1..]),
        _ => (None, text),
    };
    let (digits, base) = if base == 0 { prefixed(magnitude)? } else { (magnitude, base) };
    if digits.is_empty() && magnitude != "0" || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let number = if digits.is_empty() { 0 } else { u64::from_str_radix(digits, base).ok()? };
    match (sign, i64::try_from(number)) {
        (Some(true), Ok(integer)) => Some(Meaning::Integer(-integer)),
        (Some(true), Err(_)) if number == i64::MIN.unsigned_abs() => Some(Meaning::Integer(i64::MIN)),
        (Some(true), Err(_)) => None,
        (_, Ok(integer)) => Some(Meaning::Integer(integer)),
        (None, Err(_)) => Some(Meaning::Unsigned(number)),
        (Some(false), Err(_)) => None,
    }
}

/// Splits a base prefix off: `0x1f`, `0o17`, `0b11`, and `017`, which is octal as well.
fn prefixed(magnitude: &str) -> Option<(&str, u32)> {
    let bytes = magnitude.as_bytes();
    if *bytes.first()? != b'0' {
        return Some((magnitude, 10));
    }
    let base = match bytes.get(1).map(u8::to_ascii_lowercase) {
        Some(b'b') if bytes.len() >= 3 => 2,
        Some(b'o') if bytes.len() >= 3 => 8,
        Some(b'x') if bytes.len() >= 3 => 16,
        _ => return Some((&magnitude[1..], 8)),
    };
    Some((&magnitude[2..], base))
}

/// Parses a decimal float; `None` if the text has another form or the number is out of range.
fn parse_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole + fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    if at != bytes.len() {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite())
}

/// Parses a float that starts with its point. Go lets underscores separate its digits.
fn parse_fraction(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return parse_float(text);
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let separates = |at: usize| at > 0 && is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1));
    let is_separated = text.match_indices('_').all(|(at, _)| separates(at));
    is_separated.then(|| parse_float(&text.replace('_', ""))).flatten()
}

/// Decodes base 64 as Go's `StdEncoding` does (line breaks are ignored), then bytes to text: what is no UTF-8 becomes
/// U+FFFD byte by byte.
fn decode_binary(value: &str) -> Result<String, String> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let encoded: Vec<u8> = value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let bytes = engine.decode(encoded).map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_separate_the_digits_of_a_fraction_only_between_digits() {
        let meaning = |text| plain(Resolver::Kubernetes, Wanted::Anything, Cow::Borrowed(text));
        assert_eq!(meaning(".51_0"), Meaning::Float(0.51));
        assert_eq!(meaning(".5e1_0"), Meaning::Float(5e9));
        for text in ["._5", ".5_", ".5__1", ".5_e3", "."] {
            assert_eq!(meaning(text), Meaning::Text(Cow::Borrowed(text)));
        }
    }
}
