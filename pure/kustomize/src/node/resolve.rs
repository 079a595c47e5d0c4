//! What a plain scalar means to the reference's YAML library, and which texts older readers would not take for strings.
//!
//! Source: go.yaml.in/yaml v3.0.4 (resolution of plain scalars), v2.4.2 (the question of [`is_yaml_1_1_non_string`]).

use super::Tag;

/// A plain scalar with its type decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// A date or time, in RFC 3339 with the shortest fraction.
    Time(String),
    Text,
}

impl Resolved {
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Bool(_) => Tag::Bool,
            Self::Int(_) | Self::Uint(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Time(_) => Tag::Timestamp,
            Self::Text => Tag::Str,
        }
    }
}

/// Decides the type of a plain scalar without a tag.
pub(crate) fn resolve(text: &str) -> Resolved {
    let Some(first) = text.bytes().next() else { return Resolved::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            word(text).unwrap_or(Resolved::Text)
        }
        b'.' => word(text).or_else(|| dotted_float(text)).unwrap_or(Resolved::Text),
        b'+' | b'-' | b'0'..=b'9' => {
            word(text).or_else(|| timestamp(text)).or_else(|| number(text)).unwrap_or(Resolved::Text)
        }
        _ => Resolved::Text,
    }
}

fn word(text: &str) -> Option<Resolved> {
    Some(match text {
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn dotted_float(text: &str) -> Option<Resolved> {
    is_style_float(text).then(|| text.parse().ok().map(Resolved::Float)).flatten()
}

/// Integers of any base that Go accepts, then decimal floats. Underscores are ignored.
pub(crate) fn number(text: &str) -> Option<Resolved> {
    let plain = if text.contains('_') { text.replace('_', "") } else { text.to_owned() };
    if let Some(value) = integer(&plain) {
        return Some(value);
    }
    if is_style_float(&plain)
        && let Ok(value) = plain.parse::<f64>()
        && value.is_finite()
    {
        return Some(Resolved::Float(value));
    }
    None
}

fn integer(plain: &str) -> Option<Resolved> {
    let (negative, signed, digits) = match plain.as_bytes().first()? {
        b'-' => (true, true, &plain[1..]),
        b'+' => (false, true, &plain[1..]),
        _ => (false, false, plain),
    };
    let lower = digits.as_bytes().get(1).map(u8::to_ascii_lowercase);
    let (base, digits) = match (digits.as_bytes().first()?, lower) {
        (b'0', Some(b'x')) => (16, &digits[2..]),
        (b'0', Some(b'b')) => (2, &digits[2..]),
        (b'0', Some(b'o')) => (8, &digits[2..]),
        (b'0', Some(_)) => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Some(Resolved::Int(value)),
        (false, Err(_)) if !signed => Some(Resolved::Uint(magnitude)),
        (false, Err(_)) => None,
        (true, Ok(value)) => Some(Resolved::Int(-value)),
        (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => Some(Resolved::Int(i64::MIN)),
        (true, Err(_)) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_style_float(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if whole == 0 && digits == 0 {
            return false;
        }
        rest = &fraction[digits..];
    } else if whole == 0 {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && exponent.bytes().all(|byte| byte.is_ascii_digit())
}

fn timestamp(text: &str) -> Option<Resolved> {
    let bytes = text.as_bytes();
    if bytes.len() < 6 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    let year: u32 = text[..4].parse().ok()?;
    let mut rest = &text[5..];
    let month = short_number(&mut rest, 12)?;
    rest = rest.strip_prefix('-')?;
    let day = short_number(&mut rest, 31)?;
    if month == 0 || day == 0 || day > days_in(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(Resolved::Time(format!("{date}T00:00:00Z")));
    }
    let spaced = rest.starts_with(' ');
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = short_number(&mut rest, 23)?;
    rest = rest.strip_prefix(':')?;
    let minute = short_number(&mut rest, 59)?;
    rest = rest.strip_prefix(':')?;
    let second = short_number(&mut rest, 59)?;
    let mut fraction = String::new();
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        fraction = after[..digits.min(9)].trim_end_matches('0').to_owned();
        rest = &after[digits..];
    }
    let dot = if fraction.is_empty() { "" } else { "." };
    let time = format!("{date}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}");
    match (spaced, rest) {
        (true, "") | (false, "Z") => Some(Resolved::Time(format!("{time}Z"))),
        (false, zone) => {
            let bytes = zone.as_bytes();
            let well_formed = bytes.len() == 6
                && matches!(bytes[0], b'+' | b'-')
                && bytes[3] == b':'
                && [1, 2, 4, 5].iter().all(|at| bytes[*at].is_ascii_digit());
            if !well_formed || zone[1..3].parse::<u32>().ok()? > 24 || zone[4..6].parse::<u32>().ok()? > 60 {
                return None;
            }
            let zone = if &zone[1..] == "00:00" { "Z" } else { zone };
            Some(Resolved::Time(format!("{time}{zone}")))
        }
        (true, _) => None,
    }
}

/// One or two digits, at most `max`.
fn short_number(rest: &mut &str, max: u32) -> Option<u32> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let value = rest[..digits].parse().ok()?;
    *rest = &rest[digits..];
    (value <= max).then_some(value)
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Whether a YAML 1.1 reader would take `text`, unquoted, for something else than a string.
pub(crate) fn is_yaml_1_1_non_string(text: &str) -> bool {
    if text.is_empty() || text.contains('\n') {
        return false;
    }
    if is_old_bool(text) {
        return true;
    }
    match resolve(text.trim()) {
        Resolved::Text | Resolved::Time(_) => {}
        _ => return true,
    }
    let first = text.as_bytes()[0];
    (first == b'[' && text.trim_end().ends_with(']'))
        || (first == b'{' && text.trim_end().ends_with('}'))
        || first == b'#'
        || (!matches!(first, b'"' | b'\'' | b'[' | b'{' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'|' | b'>')
            && (text.starts_with("- ") || text == "-" || is_single_pair(text)))
}

/// `key: value` or `key:` with nothing that would make it malformed.
fn is_single_pair(text: &str) -> bool {
    let comment_free = text.find(" #").map_or(text, |at| &text[..at]);
    let mut parts = comment_free.splitn(2, ": ");
    match (parts.next(), parts.next()) {
        (Some(_), Some(value)) => !value.contains(": ") && !value.ends_with(':'),
        (Some(key), None) => key.ends_with(':') && key.len() > 1,
        _ => false,
    }
}

/// The booleans of YAML 1.1 that today's readers take for strings.
pub(crate) fn is_old_bool(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF"
    )
}

/// `12:30:45`, a number to base 60 in YAML 1.1; the writer quotes it.
pub(crate) fn is_base_60(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !rest.starts_with(|first: char| first.is_ascii_digit()) || !rest.contains(':') {
        return false;
    }
    let rest = match rest.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') => whole,
        Some(_) => return false,
        None => rest,
    };
    let mut groups = rest.split(':');
    let first_fits = groups.next().is_some_and(|first| first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_'));
    first_fits
        && groups.all(|group| match group.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_get_the_types_of_the_reference() {
        for (text, expected) in [
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("true", Resolved::Bool(true)),
            ("yes", Resolved::Text),
            ("0777", Resolved::Int(511)),
            ("0o17", Resolved::Int(15)),
            ("0b11", Resolved::Int(3)),
            ("0x1F", Resolved::Int(31)),
            ("1_000", Resolved::Int(1000)),
            ("08", Resolved::Float(8.0)),
            ("18446744073709551615", Resolved::Uint(u64::MAX)),
            ("1e3", Resolved::Float(1000.0)),
            (".5", Resolved::Float(0.5)),
            ("1.", Resolved::Float(1.0)),
            ("12:30:45", Resolved::Text),
            ("2020-01-02", Resolved::Time("2020-01-02T00:00:00Z".to_owned())),
            ("2020-1-2T3:4:5.120+02:00", Resolved::Time("2020-01-02T03:04:05.12+02:00".to_owned())),
            ("2020-02-30", Resolved::Text),
            ("-", Resolved::Text),
            ("<<", Resolved::Text),
        ] {
            assert_eq!(resolve(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_that_older_readers_misread_are_known() {
        for text in ["yes", "n", "123", "null", "~", "1.5", "[]", "{a: b}", "a: b", "# x"] {
            assert!(is_yaml_1_1_non_string(text), "{text:?}");
        }
        for text in ["", "abc", "2020-01-02", "a:b", "http://x", "12:30:45", "\"5\""] {
            assert!(!is_yaml_1_1_non_string(text), "{text:?}");
        }
    }
}
