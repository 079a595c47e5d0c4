//! Go's quoted strings, both ways: `strconv.Quote` and `strconv.Unquote`.

use crate::text::{self, REPLACEMENT};
use std::fmt::Write;

/// Quotes with `"` as Go's `%q`: what cannot be printed is escaped, bytes that are no UTF-8 as `\xNN`.
pub fn quote(bytes: &[u8]) -> String {
    quote_with(bytes, '"', Charset::Unicode)
}

/// Which characters a quoted string may show as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// All that can be printed.
    Unicode,
    /// Printable ASCII only (`%+q`).
    Ascii,
}

/// Quotes with the given quote character.
pub fn quote_with(bytes: &[u8], mark: char, charset: Charset) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(mark);
    for (offset, character, width) in text::characters(bytes) {
        if character == REPLACEMENT && width == 1 {
            let _ = write!(out, "\\x{:02x}", bytes[offset]);
        } else {
            escape(&mut out, character, mark, charset);
        }
    }
    out.push(mark);
    out
}

/// Quotes one character with `'`.
pub fn quote_character(character: char, charset: Charset) -> String {
    let mut out = String::from("'");
    escape(&mut out, character, '\'', charset);
    out.push('\'');
    out
}

fn escape(out: &mut String, character: char, mark: char, charset: Charset) {
    if character == mark || character == '\\' {
        out.push('\\');
        out.push(character);
        return;
    }
    let is_shown = if charset == Charset::Ascii {
        character.is_ascii() && text::is_print(character)
    } else {
        text::is_print(character)
    };
    if is_shown {
        out.push(character);
        return;
    }
    let code = u32::from(character);
    let _ = match character {
        '\u{07}' => write!(out, "\\a"),
        '\u{08}' => write!(out, "\\b"),
        '\u{0C}' => write!(out, "\\f"),
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\u{0B}' => write!(out, "\\v"),
        _ if code < 0x20 || code == 0x7F => write!(out, "\\x{code:02x}"),
        _ if code < 0x10000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Says whether Go can write the text between back quotes unchanged.
pub fn can_backquote(bytes: &[u8]) -> bool {
    text::characters(bytes).all(|(_, character, width)| {
        if character.len_utf8() > 1 || width > 1 {
            return width > 1 && character != '\u{FEFF}';
        }
        !(character < ' ' && character != '\t')
            && character != '`'
            && character != '\u{7F}'
            && (character != REPLACEMENT)
    })
}

/// Reads a Go string literal in `"` or back quotes. `None` if it is not well formed.
pub fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (&mark, rest) = literal.split_first()?;
    let (&end, body) = rest.split_last()?;
    if mark != end {
        return None;
    }
    match mark {
        b'`' => {
            if body.contains(&b'`') {
                return None;
            }
            Some(body.iter().copied().filter(|byte| *byte != b'\r').collect())
        }
        b'"' => {
            let mut out = Vec::with_capacity(body.len());
            let mut rest = body;
            while !rest.is_empty() {
                if rest[0] == b'"' || rest[0] == b'\n' {
                    return None;
                }
                rest = unquote_character(rest, b'"', &mut out)?;
            }
            Some(out)
        }
        _ => None,
    }
}

/// Reads a Go character literal in `'`. `None` if it is not well formed.
pub fn unquote_rune(literal: &[u8]) -> Option<u32> {
    let body = literal.strip_prefix(b"'")?.strip_suffix(b"'")?;
    if body.is_empty() || body[0] == b'\'' || body[0] == b'\n' {
        return None;
    }
    let mut out = Vec::new();
    let rest = unquote_character(body, b'\'', &mut out)?;
    if !rest.is_empty() {
        return None;
    }
    if body[0] == b'\\' && matches!(body.get(1), Some(b'x' | b'0'..=b'7')) {
        return out.first().map(|byte| u32::from(*byte));
    }
    let (character, _) = text::decode(&out);
    Some(u32::from(character))
}

fn unquote_character<'a>(rest: &'a [u8], mark: u8, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    if rest[0] != b'\\' {
        let (_, width) = text::decode(rest);
        let (character, _) = text::decode(rest);
        text::push(out, character);
        return Some(&rest[width..]);
    }
    let &kind = rest.get(1)?;
    let rest = &rest[2..];
    let hex = |count: usize| -> Option<u32> {
        let digits = std::str::from_utf8(rest.get(..count)?).ok()?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    };
    match kind {
        b'a' => out.push(7),
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'v' => out.push(11),
        b'\\' => out.push(b'\\'),
        b'\'' | b'"' if kind == mark => out.push(kind),
        b'x' => {
            out.push(hex(2)? as u8);
            return Some(&rest[2..]);
        }
        b'u' => {
            text::push(out, char::from_u32(hex(4)?)?);
            return Some(&rest[4..]);
        }
        b'U' => {
            text::push(out, char::from_u32(hex(8)?)?);
            return Some(&rest[8..]);
        }
        b'0'..=b'7' => {
            let tail = rest.get(..2)?;
            let mut code = u32::from(kind - b'0');
            for digit in tail {
                if !(b'0'..=b'7').contains(digit) {
                    return None;
                }
                code = code * 8 + u32::from(digit - b'0');
            }
            out.push(u8::try_from(code).ok()?);
            return Some(&rest[2..]);
        }
        _ => return None,
    }
    Some(rest)
}
