//! Small pieces of Go's standard library whose exact behaviour shows: quoting, path matching, path cleaning, and the
//! decoder's rule that every number is a float.

use serde_json::{Number, Value};

/// Quotes a text as `%q` does.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character, '"');
    }
    quoted.push('"');
    quoted
}

/// Quotes a character as `%q` does.
pub(crate) fn quote_char(character: char) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, character, '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(out: &mut String, character: char, mark: char) {
    use std::fmt::Write;
    match character {
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        other if other == mark => {
            out.push('\\');
            out.push(mark);
        }
        other if is_printable(other) => out.push(other),
        other => {
            let code = u32::from(other);
            let written = match code {
                0..0x80 => write!(out, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            written.expect("writing to a string does not fail");
        }
    }
}

/// Go's `unicode.IsPrint`, as near as the standard library's tables come: letters, marks, numbers, punctuation, symbols
/// and the ASCII space.
pub(crate) fn is_printable(character: char) -> bool {
    let is_special = matches!(character, '\'' | '"' | '\\');
    let is_blank = character.is_whitespace() && character != ' ';
    // Combining marks print, but the standard library escapes them when they stand alone: put a letter in front.
    is_special || (!is_blank && !character.is_control() && !escapes_after_a_letter(character))
}

fn escapes_after_a_letter(character: char) -> bool {
    let mut buffer = [0_u8; 5];
    buffer[0] = b'a';
    let length = character.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..=length]).unwrap_or("a");
    text.escape_debug().nth(1) == Some('\\')
}

/// The words in which Helm reports that a text is no YAML. The line it names is often the one before: say the true one in
/// a hint ([`yaml_hint`]).
pub(crate) fn yaml_error(error: &landfall_yaml::Error, text: &[u8]) -> String {
    landfall_gotemplate::yaml_error_text(error, text)
}

/// Says where a text is no YAML, and what the mistake usually is.
pub(crate) fn yaml_hint(error: &landfall_yaml::Error) -> String {
    match error.hint() {
        Some(reason) => format!("look at line {}, column {}: {reason}", error.line, error.column),
        None => format!("look at line {}, column {}", error.line, error.column),
    }
}

/// The lines around an error, for texts that hold no secrets.
pub(crate) fn excerpt(error: &landfall_yaml::Error, text: &str) -> String {
    let numbered = text.lines().enumerate().skip(error.line.saturating_sub(3)).take(4);
    let shown: Vec<String> = numbered
        .map(|(index, line)| {
            let mark = if index + 1 == error.line { '>' } else { ' ' };
            let line: String = line.chars().take(SHOWN_CHARACTERS_MAX).collect();
            format!("{mark}{:>5} | {line}", index + 1)
        })
        .collect();
    shown.join("\n")
}

/// How much of a line a hint shows.
const SHOWN_CHARACTERS_MAX: usize = 160;

/// Turns every number of a value into a float, as Go's JSON decoder does.
pub(crate) fn numbers_to_floats(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_f64() => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(numbers_to_floats),
        Value::Object(entries) => entries.values_mut().for_each(numbers_to_floats),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Cleans a path as Go's `path.Clean`.
pub(crate) fn clean_path(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&"..") | None if !is_rooted => parts.push(".."),
                _ => {
                    parts.pop();
                }
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The last element of a path, as Go's `path.Base`; `.` for the empty path.
pub(crate) fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, base)) => base,
        None if trimmed.is_empty() => {
            if path.is_empty() {
                "."
            } else {
                "/"
            }
        }
        None => trimmed,
    }
}

/// The extension of a path with its dot, as Go's `path.Ext`; empty if there is none.
pub(crate) fn extension(path: &str) -> &str {
    let base = path.rsplit('/').next().unwrap_or(path);
    base.rfind('.').map_or("", |dot| &base[dot..])
}

/// Says that a pattern of [`path_match`] is malformed; Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct BadPattern;

/// Matches a whole name against a pattern as Go's `filepath.Match` on Unix: `*` and `?` stop at `/`, `[a-z]`, `[^a]`,
/// backslash escapes.
pub(crate) fn path_match(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let tokens = tokens(pattern)?;
    let name: Vec<char> = name.chars().collect();
    // The classic two-pointer walk: on a mismatch, the last star takes one more character.
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let matched = match tokens.get(token) {
            None if at == name.len() => return Ok(true),
            None => false,
            Some(Token::Star) => {
                retry = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(Token::One(accepts)) => name.get(at).is_some_and(|character| accepts.accepts(*character)),
        };
        if matched {
            token += 1;
            at += 1;
            continue;
        }
        match retry {
            Some((after_star, from)) if from < name.len() && name[from] != '/' => {
                retry = Some((after_star, from + 1));
                token = after_star;
                at = from + 1;
            }
            _ => return Ok(false),
        }
    }
}

enum Token {
    Star,
    One(Accepts),
}

enum Accepts {
    AnyButSlash,
    Character(char),
    Ranges { ranges: Vec<(char, char)>, is_negated: bool },
}

impl Accepts {
    fn accepts(&self, character: char) -> bool {
        match self {
            Self::AnyButSlash => character != '/',
            Self::Character(wanted) => character == *wanted,
            Self::Ranges { ranges, is_negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *is_negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, BadPattern> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Star,
            '?' => Token::One(Accepts::AnyButSlash),
            '\\' => Token::One(Accepts::Character(characters.next().ok_or(BadPattern)?)),
            '[' => {
                let is_negated = characters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && characters.next_if_eq(&']').is_some() {
                        break;
                    }
                    let low = class_character(&mut characters)?;
                    let high =
                        if characters.next_if_eq(&'-').is_some() { class_character(&mut characters)? } else { low };
                    ranges.push((low, high));
                }
                Token::One(Accepts::Ranges { ranges, is_negated })
            }
            plain => Token::One(Accepts::Character(plain)),
        });
    }
    Ok(tokens)
}

fn class_character(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
    match characters.next() {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => characters.next().ok_or(BadPattern),
        Some(plain) => Ok(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_as_gos_filepath_does() {
        let yes = [("*.txt", "a.txt"), ("a/*", "a/b"), ("[a-c]?", "b1"), ("[^x]", "y"), ("\\*", "*"), ("*a*b", "xaxb")];
        for (pattern, name) in yes {
            assert_eq!(path_match(pattern, name), Ok(true), "{pattern} {name}");
        }
        let no =
            [("*", "a/b"), ("a?", "a/"), ("[a-c]", "d"), ("templates/.?*", "templates/."), ("", "a"), ("*a", "ab")];
        for (pattern, name) in no {
            assert_eq!(path_match(pattern, name), Ok(false), "{pattern} {name}");
        }
        for pattern in ["[", "[]", "a\\", "[a-]", "[-a]"] {
            assert_eq!(path_match(pattern, "abc"), Err(BadPattern), "{pattern}");
        }
    }

    #[test]
    fn quoting_keeps_what_prints_and_escapes_the_rest() {
        assert_eq!(quote("é☃\t\"\u{7f}\u{200b}'"), "\"é☃\\t\\\"\\x7f\\u200b'\"");
        assert_eq!(quote_char('\''), "'\\''");
        assert_eq!(quote("\u{301}"), "\"\u{301}\"");
    }

    #[test]
    fn paths_are_cleaned_as_gos_path_package_does() {
        let cases = [("a//b/./c/..", "a/b"), ("../../x", "../../x"), ("/../a", "/a"), ("", "."), ("a/../..", "..")];
        for (path, wanted) in cases {
            assert_eq!(clean_path(path), wanted);
        }
        assert_eq!((base_name("a/b/"), base_name(""), base_name("/")), ("b", ".", "/"));
        assert_eq!((extension("a.b/c"), extension("c.tar.gz")), ("", ".gz"));
    }
}
