//! From text to tokens.

use super::QueryError;

/// A token with the byte where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it begins.
    pub(super) at: usize,
}

/// The kinds of tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word(String),
    /// A number.
    Number(f64),
    /// A duration in milliseconds, e.g. `5m`.
    Duration(i64),
    /// A quoted text.
    Text(String),
    /// An operator or bracket.
    Sign(&'static str),
    /// The end.
    End,
}

const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "=~", "!~", "(", ")", "{", "}", "[", "]", ",", ":", "+", "-", "*", "/", "%", "^", "<", ">",
    "=", "@",
];

/// Where a byte is, as Prometheus tells it.
pub(super) fn place(text: &str, at: usize) -> String {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}")
}

/// Splits a query.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut all = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if byte == b'#' {
            at = text[at..].find('\n').map_or(bytes.len(), |end| at + end);
            continue;
        }
        let begun = at;
        let kind = match byte {
            b'"' | b'\'' | b'`' => quoted(text, &mut at)?,
            b'0'..=b'9' | b'.' => number(text, &mut at)?,
            _ if byte.is_ascii_alphabetic() || byte == b'_' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'_' | b':');
                while at < bytes.len() && is_part(&bytes[at]) {
                    at += 1;
                }
                let word = &text[begun..at];
                match word.to_ascii_lowercase().as_str() {
                    "inf" => Kind::Number(f64::INFINITY),
                    "nan" => Kind::Number(f64::NAN),
                    _ => Kind::Word(word.to_string()),
                }
            }
            _ => match SIGNS.iter().find(|sign| text[at..].starts_with(**sign)) {
                Some(sign) => {
                    at += sign.len();
                    Kind::Sign(sign)
                }
                None => {
                    let unexpected = text[at..].chars().next().unwrap_or(' ');
                    return Err(QueryError::new(format!(
                        "{}: parse error: unexpected character: {unexpected:?}",
                        place(text, at)
                    )));
                }
            },
        };
        all.push(Token { kind, at: begun });
    }
    all.push(Token { kind: Kind::End, at: bytes.len() });
    Ok(all)
}

fn quoted(text: &str, at: &mut usize) -> Result<Kind, QueryError> {
    let begun = *at;
    let mut characters = text[begun..].char_indices();
    let Some((_, quote)) = characters.next() else { return Ok(Kind::End) };
    let mut value = String::new();
    while let Some((offset, character)) = characters.next() {
        if character == quote {
            *at = begun + offset + 1;
            return Ok(Kind::Text(value));
        }
        if character != '\\' || quote == '`' {
            value.push(character);
            continue;
        }
        match characters.next().map(|(_, escaped)| escaped) {
            Some('n') => value.push('\n'),
            Some('t') => value.push('\t'),
            Some('r') => value.push('\r'),
            Some(same @ ('\\' | '"' | '\'')) => value.push(same),
            other => {
                return Err(QueryError::new(format!(
                    "{}: parse error: unknown escape sequence {:?}",
                    place(text, begun + offset),
                    other.unwrap_or(' ')
                )));
            }
        }
    }
    Err(QueryError::new(format!("{}: parse error: unterminated quoted string", place(text, begun))))
}

fn number(text: &str, at: &mut usize) -> Result<Kind, QueryError> {
    let begun = *at;
    let rest = &text[begun..];
    let bad = |shown: &str| {
        QueryError::new(format!("{}: parse error: bad number or duration syntax: {shown:?}", place(text, begun)))
    };
    if let Some(hexadecimal) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let digits: String = hexadecimal.chars().take_while(char::is_ascii_hexdigit).collect();
        *at = begun + 2 + digits.len();
        #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
        return u64::from_str_radix(&digits, 16).map(|number| Kind::Number(number as f64)).map_err(|_| bad(rest));
    }
    let mut end = 0;
    let bytes = rest.as_bytes();
    while end < bytes.len() {
        let is_sign_of_exponent = matches!(bytes[end], b'+' | b'-') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        if !(bytes[end].is_ascii_alphanumeric() || bytes[end] == b'.' || is_sign_of_exponent) {
            break;
        }
        end += 1;
    }
    let word = &rest[..end];
    *at = begun + end;
    if let Ok(number) = word.parse::<f64>() {
        return Ok(Kind::Number(number));
    }
    duration_ms(word).map(Kind::Duration).ok_or_else(|| bad(word))
}

/// Reads `1h30m`, `5m`, `100ms`: units from large to small.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    const UNITS: &[(&str, i64)] = &[
        ("ms", 1),
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, factor) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total = total.checked_add(count.checked_mul(*factor)?)?;
    }
    (!text.is_empty()).then_some(total)
}
