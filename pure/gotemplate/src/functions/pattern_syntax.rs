//! RE2 syntax, checked with Go's error texts and rewritten for the `regex` crate.
//!
//! What differs: Perl classes and `\b` are ASCII, group names may repeat, `{` may be literal, repeat counts stop at 1000,
//! classes have no set operations, octal escapes and `\Q...\E` exist.

use crate::text::REPLACEMENT;
use regex::bytes::Regex;

/// Repeat counts that Go allows.
const REPEAT_MAX: u32 = 1000;
/// Nesting that Go allows.
pub(crate) const NESTING_MAX: usize = 1000;

/// An expression in the other crate's syntax, and the names of its groups by index.
pub(crate) struct Translated {
    pub(crate) text: String,
    pub(crate) names: Vec<Option<String>>,
}

/// Checks and rewrites an expression.
///
/// # Errors
/// Go's words, without `error parsing regexp: `.
pub(crate) fn translate(source: &str) -> Result<Translated, String> {
    let mut translation = Translation { source, at: 0, out: String::new(), names: vec![None], depth: 0 };
    translation.run()?;
    Ok(Translated { text: translation.out, names: translation.names })
}

/// What stands before the place that is read, for repetition operators.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that can be repeated.
    Nothing,
    /// Something that can.
    Operand,
    /// A repetition, which starts at this offset.
    Repetition(usize),
}

struct Translation<'s> {
    source: &'s str,
    at: usize,
    out: String,
    names: Vec<Option<String>>,
    depth: usize,
}

const DIGIT: &str = "0-9";
const SPACE: &str = "\\t\\n\\x0C\\r ";
const WORD: &str = "0-9A-Za-z_";

impl<'s> Translation<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn run(&mut self) -> Result<(), String> {
        let mut before = Before::Nothing;
        let mut outer = Vec::new();
        while let Some(character) = self.peek() {
            let start = self.at;
            match character {
                '(' => {
                    self.depth += 1;
                    if self.depth > NESTING_MAX {
                        return Err(format!("expression nests too deeply: `{}`", self.source));
                    }
                    if self.rest().starts_with("(?") {
                        let is_group = self.special_group()?;
                        if is_group {
                            outer.push(before);
                            before = Before::Nothing;
                        } else {
                            self.depth -= 1;
                        }
                        continue;
                    }
                    self.at += 1;
                    self.names.push(None);
                    self.out.push('(');
                    outer.push(before);
                    before = Before::Nothing;
                }
                ')' => {
                    if outer.pop().is_none() {
                        return Err(format!("unexpected ): `{}`", self.source));
                    }
                    self.depth -= 1;
                    self.at += 1;
                    self.out.push(')');
                    before = Before::Operand;
                }
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                    before = Before::Nothing;
                }
                '[' => {
                    self.class()?;
                    before = Before::Operand;
                }
                '*' | '+' | '?' => {
                    self.at += 1;
                    before = self.repetition(start, before, &character.to_string())?;
                }
                '{' => match self.counts() {
                    None => {
                        self.at = start + 1;
                        self.literal('{');
                        before = Before::Operand;
                    }
                    Some((low, high)) => {
                        let shown = &self.source[start..self.at];
                        let is_valid = low <= REPEAT_MAX && high.is_none_or(|high| high <= REPEAT_MAX && high >= low);
                        if !is_valid {
                            return Err(format!("invalid repeat count: `{shown}`"));
                        }
                        let operator = match high {
                            Some(high) if high == low => format!("{{{low}}}"),
                            Some(high) => format!("{{{low},{high}}}"),
                            None => format!("{{{low},}}"),
                        };
                        before = self.repetition(start, before, &operator)?;
                    }
                },
                '\\' => {
                    before = self.escape_sequence(before)?;
                }
                '^' | '$' | '.' => {
                    self.at += 1;
                    self.out.push(character);
                    before = Before::Operand;
                }
                other => {
                    self.at += other.len_utf8();
                    self.literal(other);
                    before = Before::Operand;
                }
            }
        }
        if outer.is_empty() { Ok(()) } else { Err(format!("missing closing ): `{}`", self.source)) }
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii_alphanumeric()
            || matches!(
                character,
                ' ' | '_' | '/' | ':' | ',' | '=' | '<' | '>' | '"' | '\'' | '@' | '!' | '%' | ';' | '`'
            )
        {
            self.out.push(character);
        } else {
            self.out.push_str(&format!("\\x{{{:X}}}", u32::from(character)));
        }
    }

    fn repetition(&mut self, start: usize, before: Before, operator: &str) -> Result<Before, String> {
        let is_lazy = self.rest().starts_with('?');
        if is_lazy {
            self.at += 1;
        }
        match before {
            Before::Nothing => {
                let end = start + operator.len().min(self.at - start);
                let shown = if operator.starts_with('{') || is_lazy {
                    &self.source[start..self.at]
                } else {
                    &self.source[start..end]
                };
                Err(format!("missing argument to repetition operator: `{shown}`"))
            }
            Before::Repetition(first) => {
                Err(format!("invalid nested repetition operator: `{}`", &self.source[first..self.at]))
            }
            Before::Operand => {
                self.out.push_str(operator);
                if is_lazy {
                    self.out.push('?');
                }
                Ok(Before::Repetition(start))
            }
        }
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; nothing if it is none, with the place anywhere.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        self.at += 1;
        let low = self.count()?;
        let high = if self.peek() == Some(',') {
            self.at += 1;
            if self.peek() == Some('}') { None } else { Some(self.count()?) }
        } else {
            Some(low)
        };
        if self.next() != Some('}') {
            return None;
        }
        Some((low, high))
    }

    fn count(&mut self) -> Option<u32> {
        let digits: &str = &self.rest()[..self.rest().bytes().take_while(u8::is_ascii_digit).count()];
        if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.at += digits.len();
        Some(digits.parse().unwrap_or(u32::MAX))
    }

    /// Reads `(?...`. Says whether it opened a group (flags alone do not).
    fn special_group(&mut self) -> Result<bool, String> {
        let rest = self.rest();
        let name_start = if rest.starts_with("(?P<") {
            Some(4)
        } else if rest.starts_with("(?<") {
            Some(3)
        } else {
            None
        };
        if let Some(offset) = name_start {
            let Some(length) = rest[offset..].find('>') else {
                return Err(format!("invalid named capture: `{rest}`"));
            };
            let name = &rest[offset..offset + length];
            let whole = &rest[..offset + length + 1];
            let is_word =
                !name.is_empty() && name.chars().all(|character| character == '_' || character.is_ascii_alphanumeric());
            if !is_word {
                return Err(format!("invalid named capture: `{whole}`"));
            }
            self.names.push(Some(name.to_string()));
            self.at += whole.len();
            self.out.push('(');
            return Ok(true);
        }
        let start = self.at;
        self.at += 2;
        let mut is_negative = false;
        let mut has_flag = false;
        loop {
            let read = self.next();
            match read {
                Some('i' | 'm' | 's' | 'U') => has_flag = true,
                Some('-') if !is_negative => {
                    is_negative = true;
                    has_flag = false;
                }
                Some(end @ (':' | ')')) if !is_negative || has_flag => {
                    let flags = &self.source[start + 2..self.at - 1];
                    if end == ':' {
                        self.out.push_str(&format!("(?{flags}:"));
                        return Ok(true);
                    }
                    if !flags.is_empty() {
                        self.out.push_str(&format!("(?{flags})"));
                    }
                    return Ok(false);
                }
                None if self.source.len() == start + 2 => {
                    return Err(format!("invalid or unsupported Perl syntax: `{}`", &self.source[start..]));
                }
                None => return Err(format!("missing closing ): `{}`", self.source)),
                Some(_) => {
                    return Err(format!("invalid or unsupported Perl syntax: `{}`", &self.source[start..self.at]));
                }
            }
        }
    }

    fn escape_sequence(&mut self, before: Before) -> Result<Before, String> {
        let rest = self.rest();
        let perl = |set: &str, is_negated: bool| format!("(?-i:[{}{set}])", if is_negated { "^" } else { "" });
        let replaced = match rest.as_bytes().get(1) {
            Some(b'A') => "\\A".to_string(),
            Some(b'z') => "\\z".to_string(),
            Some(b'b') => "(?-u:\\b)".to_string(),
            Some(b'B') => "(?-u:\\B)".to_string(),
            Some(b'd') => perl(DIGIT, false),
            Some(b'D') => perl(DIGIT, true),
            Some(b's') => perl(SPACE, false),
            Some(b'S') => perl(SPACE, true),
            Some(b'w') => perl(WORD, false),
            Some(b'W') => perl(WORD, true),
            Some(b'Q') => {
                let body = &rest[2..];
                let length = body.find("\\E").unwrap_or(body.len());
                let literal = &body[..length];
                self.at += 2 + length + if length < body.len() { 2 } else { 0 };
                for character in literal.chars() {
                    self.literal(character);
                }
                return Ok(if literal.is_empty() { before } else { Before::Operand });
            }
            Some(b'p' | b'P') => {
                let class = self.unicode_class()?;
                self.out.push_str(&class);
                return Ok(Before::Operand);
            }
            _ => {
                let character = self.escaped()?;
                self.literal_code(character);
                return Ok(Before::Operand);
            }
        };
        self.at += 2;
        self.out.push_str(&replaced);
        Ok(Before::Operand)
    }

    fn literal_code(&mut self, character: char) {
        self.out.push_str(&format!("\\x{{{:X}}}", u32::from(character)));
    }

    /// Reads an escape that stands for one character.
    fn escaped(&mut self) -> Result<char, String> {
        let start = self.at;
        self.at += 1;
        let Some(kind) = self.next() else {
            return Err("trailing backslash at end of expression: ``".into());
        };
        let invalid = |end: usize| Err(format!("invalid escape sequence: `{}`", &self.source[start..end]));
        let rest = self.rest();
        Ok(match kind {
            '0'..='7' => {
                if kind != '0' && !rest.starts_with(|next: char| ('0'..='7').contains(&next)) {
                    return invalid(self.at);
                }
                let digits = rest.bytes().take(2).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                let code = u32::from_str_radix(&self.source[start + 1..self.at + digits], 8).unwrap_or(0);
                self.at += digits;
                char::from_u32(code).unwrap_or(REPLACEMENT)
            }
            'x' => {
                let (code, length) = if let Some(body) = rest.strip_prefix('{') {
                    match body.find('}') {
                        Some(end) if end > 0 => (u32::from_str_radix(&body[..end], 16).ok(), end + 2),
                        _ => (None, rest.chars().next().map_or(0, char::len_utf8)),
                    }
                } else {
                    (rest.get(..2).and_then(|digits| u32::from_str_radix(digits, 16).ok()), 2)
                };
                match code.and_then(char::from_u32) {
                    Some(character) => {
                        self.at += length;
                        character
                    }
                    None => {
                        let end = (self.at + length).min(self.source.len());
                        let end = (end..=self.source.len())
                            .find(|end| self.source.is_char_boundary(*end))
                            .unwrap_or(self.source.len());
                        return invalid(end);
                    }
                }
            }
            'a' => '\u{07}',
            'f' => '\u{0C}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{0B}',
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
            _ => return invalid(self.at),
        })
    }

    /// Reads `\pL` or `\p{Greek}` and gives it in the other crate's syntax.
    fn unicode_class(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let mut is_negated = rest.as_bytes()[1] == b'P';
        let (name, length) = if rest[2..].starts_with('{') {
            match rest.find('}') {
                Some(end) => (&rest[3..end], end + 1),
                None => return Err(format!("invalid character class range: `{rest}`")),
            }
        } else {
            match rest[2..].chars().next() {
                Some(letter) => (&rest[2..2 + letter.len_utf8()], 2 + letter.len_utf8()),
                None => return Err(format!("invalid character class range: `{rest}`")),
            }
        };
        let plain = match name.strip_prefix('^') {
            Some(inner) => {
                is_negated = !is_negated;
                inner
            }
            None => name,
        };
        let class = format!("\\{}{{{plain}}}", if is_negated { 'P' } else { 'p' });
        let is_word =
            !plain.is_empty() && plain.chars().all(|character| character == '_' || character.is_ascii_alphabetic());
        if !is_word || Regex::new(&class).is_err() {
            return Err(format!("invalid character class range: `{}`", &rest[..length]));
        }
        self.at += length;
        Ok(class)
    }

    fn class(&mut self) -> Result<(), String> {
        let start = self.at;
        self.at += 1;
        let mut items = String::new();
        if self.peek() == Some('^') {
            self.at += 1;
            items.push('^');
        }
        let mut is_first = true;
        loop {
            let rest = self.rest();
            match self.peek() {
                None => return Err(format!("missing closing ]: `{}`", &self.source[start..])),
                Some(']') if !is_first => break,
                _ => {}
            }
            is_first = false;
            if rest.starts_with("[:")
                && let Some(length) = rest[2..].find(":]")
            {
                let end = length + 2;
                let name = &rest[2..end];
                let plain = name.strip_prefix('^').unwrap_or(name);
                const NAMES: [&str; 14] = [
                    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
                    "upper", "word", "xdigit",
                ];
                if !NAMES.contains(&plain) {
                    return Err(format!("invalid character class range: `{}`", &rest[..end + 2]));
                }
                items.push_str(&format!("[:{name}:]"));
                self.at += end + 2;
                continue;
            }
            if let Some(set) = perl_in_class(rest) {
                items.push_str(&set);
                self.at += 2;
                continue;
            }
            if rest.starts_with("\\p") || rest.starts_with("\\P") {
                items.push_str(&self.unicode_class()?);
                continue;
            }
            let range_start = self.at;
            let low = self.class_character(start)?;
            let mut high = low;
            if self.rest().starts_with('-') && self.rest().len() >= 2 && !self.rest().starts_with("-]") {
                self.at += 1;
                high = self.class_character(start)?;
                if high < low {
                    return Err(format!("invalid character class range: `{}`", &self.source[range_start..self.at]));
                }
            }
            items.push_str(&format!("\\x{{{:X}}}", u32::from(low)));
            if high != low {
                items.push_str(&format!("-\\x{{{:X}}}", u32::from(high)));
            }
        }
        self.at += 1;
        self.out.push_str(&format!("[{items}]"));
        Ok(())
    }

    fn class_character(&mut self, class_start: usize) -> Result<char, String> {
        match self.peek() {
            None => Err(format!("missing closing ]: `{}`", &self.source[class_start..])),
            Some('\\') => self.escaped(),
            Some(character) => {
                self.at += character.len_utf8();
                Ok(character)
            }
        }
    }
}

fn perl_in_class(rest: &str) -> Option<String> {
    let set = match rest.as_bytes().get(..2)? {
        b"\\d" => DIGIT.to_string(),
        b"\\s" => SPACE.to_string(),
        b"\\w" => WORD.to_string(),
        b"\\D" => format!("[^{DIGIT}]"),
        b"\\S" => format!("[^{SPACE}]"),
        b"\\W" => format!("[^{WORD}]"),
        _ => return None,
    };
    Some(set)
}
