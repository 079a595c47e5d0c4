//! The bytes of a text made ready for the scanner: one encoding, no byte order mark, no forbidden characters.

use crate::Error;
use std::borrow::Cow;

/// Decodes UTF-8 (with or without a byte order mark) or UTF-16 with a byte order mark, and refuses what the reference
/// reader refuses: malformed encodings, control characters other than tab and line breaks, U+FFFE and U+FFFF.
///
/// Errors: the first offence, with its place.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(utf8(rest)?),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        _ => Cow::Borrowed(utf8(bytes)?),
    };
    match forbidden(text.as_bytes()) {
        None => Ok(text),
        Some(offset) => Err(error_at(&text[..offset], "control characters are not allowed")),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let lead = bytes[error.valid_up_to()];
        let message = match (error.error_len(), lead) {
            (None, _) => "incomplete UTF-8 octet sequence",
            (Some(_), 0x80..=0xc1 | 0xf5..=0xff) => "invalid leading UTF-8 octet",
            (Some(_), _) => "invalid trailing UTF-8 octet",
        };
        error_at(&good, message)
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len() / 2);
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(error_at(&text, "unexpected low or missing high surrogate in UTF-16 text")),
        }
    }
    if bytes.len() % 2 == 1 {
        return Err(error_at(&text, "incomplete UTF-16 character"));
    }
    Ok(text)
}

/// Finds the first byte of a character that YAML forbids.
fn forbidden(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(offset) = bytes[from..].iter().position(|&byte| is_suspect(byte)) {
        let at = from + offset;
        let rest = &bytes[at..];
        let is_forbidden = match rest {
            [b'\t' | b'\n' | b'\r', ..] => false,
            [0xc2, next, ..] => (0x80..0xa0).contains(next) && *next != 0x85,
            [0xef, 0xbf, last, ..] => *last >= 0xbe,
            [0xef, ..] => false,
            _ => true,
        };
        if is_forbidden {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Says whether a byte may begin a forbidden character.
fn is_suspect(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f || byte == 0xc2 || byte == 0xef
}

/// Makes an error for the place right after `before`.
fn error_at(before: &str, message: &str) -> Error {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    Error::new(line, column, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "a: é😀\n";
        let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        let marked: Vec<u8> = [0xef, 0xbb, 0xbf].into_iter().chain(text.bytes()).collect();
        for bytes in [text.as_bytes(), &little, &big, &marked] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
    }

    #[test]
    fn forbidden_characters_are_named_with_their_place() {
        for text in ["a\nb\x01", "a\nb\x7f", "a\nb\u{9f}", "a\nb\u{ffff}", "a\nb\0"] {
            assert_eq!(decode(text.as_bytes()), Err(Error::new(2, 2, "control characters are not allowed")));
        }
        assert!(decode("\t\r\n\u{85}\u{a0}\u{feff}\u{fffd}".as_bytes()).is_ok());
        assert_eq!(decode(b"v: \xff").unwrap_err().message, "invalid leading UTF-8 octet");
        assert_eq!(decode(b"v: \xc3 ").unwrap_err().message, "invalid trailing UTF-8 octet");
    }
}
