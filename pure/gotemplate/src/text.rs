//! Go strings: immutable bytes that are usually, but not always, UTF-8, and how Go walks and classifies their characters.
//!
//! Entry: [`Str`]. Cloning one is a reference count.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use unicode_properties::{GeneralCategory as Category, GeneralCategoryGroup as Group, UnicodeGeneralCategory};

/// An immutable string as Go has it: bytes, by convention UTF-8. Cheap to clone, ordered by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Arc<[u8]>);

impl Str {
    /// Makes the empty string.
    pub fn empty() -> Str {
        Str::from("")
    }

    /// The name of the variable that every template starts with.
    pub(crate) fn dollar() -> Str {
        static DOLLAR: LazyLock<Str> = LazyLock::new(|| Str::from("$"));
        DOLLAR.clone()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, with the replacement character where the bytes are not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        match self.utf8() {
            Some(text) => Cow::Borrowed(text),
            // Go replaces every byte that is no UTF-8, where Rust's own conversion replaces runs of them.
            None => Cow::Owned(characters(&self.0).map(|(_, character, _)| character).collect()),
        }
    }

    /// The text, if the bytes are UTF-8.
    pub fn utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Deref for Str {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::borrow::Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str(Arc::from(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str(Arc::from(text.into_bytes()))
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Str {
        Str(Arc::from(bytes))
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Str {
        Str(Arc::from(bytes))
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), out)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text())
    }
}

/// The character that stands for bytes that are no UTF-8.
pub const REPLACEMENT: char = '\u{FFFD}';

/// Reads the first character of `bytes` and its width in bytes. Bytes that are no UTF-8 read as [`REPLACEMENT`] of width 1,
/// and nothing as [`REPLACEMENT`] of width 0, as Go's `utf8.DecodeRune` answers.
pub fn decode(bytes: &[u8]) -> (char, usize) {
    match bytes.first() {
        None => (REPLACEMENT, 0),
        Some(&first) if first < 0x80 => (first as char, 1),
        Some(&first) => {
            let width = match first {
                0xC2..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF4 => 4,
                _ => return (REPLACEMENT, 1),
            };
            match bytes
                .get(..width)
                .and_then(|head| std::str::from_utf8(head).ok())
                .and_then(|text| text.chars().next())
            {
                Some(character) => (character, width),
                None => (REPLACEMENT, 1),
            }
        }
    }
}

/// Reads the last character of `bytes` and its width, by the rules of [`decode`].
pub fn decode_last(bytes: &[u8]) -> (char, usize) {
    let end = bytes.len();
    for width in 1..=4.min(end) {
        let (character, found) = decode(&bytes[end - width..]);
        if found == width && (character != REPLACEMENT || width == 3) {
            return (character, width);
        }
    }
    (REPLACEMENT, usize::from(end > 0))
}

/// Walks the characters of Go's `for range` over a string: each with its offset and its width.
pub fn characters(bytes: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let (character, width) = decode(bytes.get(offset..)?);
        if width == 0 {
            return None;
        }
        let start = offset;
        offset += width;
        Some((start, character, width))
    })
}

/// Appends a character as UTF-8.
pub fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Says whether Go's `unicode.IsPrint` holds: letters, marks, numbers, punctuation, symbols, and the ASCII space.
pub fn is_print(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    matches!(
        character.general_category_group(),
        Group::Letter | Group::Mark | Group::Number | Group::Punctuation | Group::Symbol
    )
}

/// Says whether Go's `unicode.IsLetter` holds.
pub fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    character.general_category_group() == Group::Letter
}

/// Says whether Go's `unicode.IsDigit` holds (decimal digits of any script).
pub fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    character.general_category() == Category::DecimalNumber
}

/// Says whether Go's `unicode.IsNumber` holds.
pub fn is_number(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    character.general_category_group() == Group::Number
}

/// Says whether Go's `unicode.IsUpper` holds.
pub fn is_upper(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_uppercase();
    }
    character.general_category() == Category::UppercaseLetter
}

/// Says whether Go's `unicode.IsLower` holds.
pub fn is_lower(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_lowercase();
    }
    character.general_category() == Category::LowercaseLetter
}

/// Says whether Go's `unicode.IsTitle` holds.
pub fn is_title(character: char) -> bool {
    !character.is_ascii() && character.general_category() == Category::TitlecaseLetter
}

/// Says whether Go's `unicode.IsSpace` holds.
pub fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\u{0B}' | '\u{0C}' | '\r' | ' ' | '\u{85}' | '\u{A0}')
        || (character > '\u{FF}' && character.is_whitespace())
}

/// Maps one character to upper case as Go does: one character to one, never more.
pub fn to_upper(character: char) -> char {
    single(character.to_uppercase(), character)
}

/// Maps one character to lower case as Go does: one character to one, never more.
pub fn to_lower(character: char) -> char {
    match character {
        'İ' => 'i',
        other => single(other.to_lowercase(), other),
    }
}

/// Maps one character to title case as Go does.
pub fn to_title(character: char) -> char {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        'ა'..='ჺ' | 'ჽ'..='ჿ' => character,
        other => to_upper(other),
    }
}

fn single(mut mapped: impl Iterator<Item = char>, original: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => original,
    }
}

/// Trims Go's white space from both ends.
pub fn trim_space(bytes: &[u8]) -> &[u8] {
    trim_matches(bytes, is_space)
}

/// Trims the characters for which `is_cut` holds from both ends.
pub fn trim_matches(mut bytes: &[u8], is_cut: impl Fn(char) -> bool) -> &[u8] {
    loop {
        let (character, width) = decode(bytes);
        if width == 0 || !is_cut(character) {
            break;
        }
        bytes = &bytes[width..];
    }
    loop {
        let (character, width) = decode_last(bytes);
        if width == 0 || !is_cut(character) {
            break;
        }
        bytes = &bytes[..bytes.len() - width];
    }
    bytes
}

/// Finds `needle` in `hay`, at or after nothing skipped; the empty needle is found at 0.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// Replaces every `from` by `to`, as Go's `strings.ReplaceAll`: an empty `from` matches before every character and at the end.
pub fn replace_all(hay: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(hay.len());
    if from.is_empty() {
        for (offset, _, width) in characters(hay) {
            out.extend_from_slice(to);
            out.extend_from_slice(&hay[offset..offset + width]);
        }
        out.extend_from_slice(to);
        return out;
    }
    let mut last = 0;
    for at in memchr::memmem::find_iter(hay, from) {
        out.extend_from_slice(&hay[last..at]);
        out.extend_from_slice(to);
        last = at + from.len();
    }
    out.extend_from_slice(&hay[last..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_is_no_text_is_replaced() {
        let cut = Str::from(&"日本".as_bytes()[..5]);
        assert_eq!(cut.text(), "日\u{FFFD}\u{FFFD}");
    }
}
