//! Plain, single-quoted and double-quoted scalars, which may run over several lines.

use super::{Scanner, Spanned, Token};
use crate::{Error, Style};
use std::borrow::Cow;

/// Collects the value of a scalar: a slice of the text as long as nothing had to be changed, a copy after that.
struct Collector<'a> {
    text: &'a str,
    /// The slice so far, if no copy was needed.
    from: usize,
    to: usize,
    copy: Option<String>,
}

impl<'a> Collector<'a> {
    fn new(text: &'a str, from: usize) -> Self {
        Self { text, from, to: from, copy: None }
    }

    /// Adds a stretch of the text as it is. It follows the last one directly unless something changed in between.
    fn keep(&mut self, from: usize, to: usize) {
        match &mut self.copy {
            None => {
                debug_assert!(from == self.to, "a stretch was left out without replacement");
                self.to = to;
            }
            Some(copy) => copy.push_str(&self.text[from..to]),
        }
    }

    /// Gives access to the copy, made on first use.
    fn changed(&mut self) -> &mut String {
        self.copy.get_or_insert_with(|| self.text[self.from..self.to].to_owned())
    }

    fn finish(self) -> Cow<'a, str> {
        match self.copy {
            Some(copy) => Cow::Owned(copy),
            None => Cow::Borrowed(&self.text[self.from..self.to]),
        }
    }
}

/// The line breaks between two lines of a scalar.
#[derive(Default)]
struct Folding {
    first: &'static str,
    rest: String,
}

impl Folding {
    fn add(&mut self, line_break: &'static str) {
        if self.first.is_empty() {
            self.first = line_break;
        } else {
            self.rest.push_str(line_break);
        }
    }

    /// Appends what the breaks mean: one is a space, of several the first is dropped.
    fn apply(&mut self, value: &mut String) {
        match self.first {
            "\n" if self.rest.is_empty() => value.push(' '),
            "\n" => value.push_str(&self.rest),
            other => {
                value.push_str(other);
                value.push_str(&self.rest);
            }
        }
        self.first = "";
        self.rest.clear();
    }
}

impl Scanner<'_> {
    pub(super) fn scan_single_quoted(&mut self) -> Result<(), Error> {
        self.scan_quoted(b'\'', Style::SingleQuoted)
    }

    pub(super) fn scan_double_quoted(&mut self) -> Result<(), Error> {
        self.scan_quoted(b'"', Style::DoubleQuoted)
    }

    fn scan_quoted(&mut self, quote: u8, style: Style) -> Result<(), Error> {
        let start = self.cursor.mark();
        self.cursor.advance_ascii(1);
        let mut value = Collector::new(self.cursor.text, self.cursor.byte);
        loop {
            if self.cursor.column() == 0 && self.document_indicator().is_some() {
                return Err(start.error("found unexpected document indicator"));
            }
            if self.cursor.is_end() {
                return Err(start.error("found unexpected end of stream"));
            }
            let is_line_continued = self.scan_quoted_word(quote, &mut value)?;
            if self.cursor.peek(0) == quote {
                break;
            }
            self.scan_quoted_gap(is_line_continued, &mut value);
        }
        self.cursor.advance_ascii(1);
        self.push(Token::Scalar { value: value.finish(), style }, start);
        Ok(())
    }

    /// Reads up to a blank, a line break or the closing quote. Returns whether an escaped line break ended it.
    fn scan_quoted_word(&mut self, quote: u8, value: &mut Collector<'_>) -> Result<bool, Error> {
        loop {
            let from = self.cursor.byte;
            let bytes = self.cursor.text.as_bytes();
            let mut at = from;
            while at < bytes.len()
                && !matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n' | b'\'' | b'"' | b'\\' | 0xc2 | 0xe2)
            {
                at += 1;
            }
            self.cursor.advance_to(at);
            value.keep(from, at);
            if self.cursor.is_blank_or_end(0) {
                return Ok(false);
            }
            match self.cursor.peek(0) {
                b'\'' if quote == b'\'' && self.cursor.peek(1) == b'\'' => {
                    value.changed().push('\'');
                    self.cursor.advance_ascii(2);
                }
                byte if byte == quote => return Ok(false),
                b'\\' if quote == b'"' && self.cursor.is_break(1) => {
                    value.changed();
                    self.cursor.advance_ascii(1);
                    self.cursor.take_break();
                    return Ok(true);
                }
                b'\\' if quote == b'"' => {
                    let character = self.scan_escape()?;
                    value.changed().push(character);
                }
                _ => {
                    let from = self.cursor.byte;
                    self.cursor.advance();
                    value.keep(from, self.cursor.byte);
                }
            }
        }
    }

    /// Reads blanks and line breaks inside a quoted scalar.
    fn scan_quoted_gap(&mut self, is_line_continued: bool, value: &mut Collector<'_>) {
        let from = self.cursor.byte;
        let mut has_break = is_line_continued;
        let mut folding = Folding::default();
        loop {
            if self.cursor.is_blank(0) {
                self.cursor.advance_ascii(1);
                continue;
            }
            let to = self.cursor.byte;
            let line_break = self.cursor.take_break();
            if line_break.is_empty() {
                if has_break {
                    folding.apply(value.changed());
                } else {
                    value.keep(from, to);
                }
                return;
            }
            // After an escaped line break every further one is kept.
            if is_line_continued {
                folding.rest.push_str(line_break);
            } else {
                folding.add(line_break);
            }
            has_break = true;
        }
    }

    fn scan_escape(&mut self) -> Result<char, Error> {
        let at = self.cursor.mark();
        let digits = match self.cursor.peek(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            letter => {
                let character = simple_escape(letter).ok_or_else(|| self.error("found unknown escape character"))?;
                self.cursor.advance_ascii(2);
                return Ok(character);
            }
        };
        let mut code: u32 = 0;
        for index in 0..digits {
            let digit = char::from(self.cursor.peek(2 + index)).to_digit(16);
            let digit = digit.ok_or_else(|| self.error("did not find expected hexdecimal number"))?;
            code = code.wrapping_shl(4) | digit;
        }
        self.cursor.advance_ascii(2 + digits);
        char::from_u32(code).ok_or_else(|| at.error("found invalid Unicode character escape code"))
    }

    pub(super) fn scan_plain(&mut self) -> Result<(), Error> {
        let start = self.cursor.mark();
        let mut end = start;
        let mut value = Collector::new(self.cursor.text, self.cursor.byte);
        let mut folding = Folding::default();
        let mut has_break = false;
        let mut gap_from = self.cursor.byte;
        loop {
            if self.cursor.column() == 0 && self.document_indicator().is_some() || self.cursor.peek(0) == b'#' {
                break;
            }
            let word_from = self.cursor.byte;
            self.skip_plain_word();
            let word_to = self.cursor.byte;
            if word_to > word_from {
                if has_break {
                    folding.apply(value.changed());
                    has_break = false;
                } else {
                    value.keep(gap_from, word_from);
                }
                value.keep(word_from, word_to);
                end = self.cursor.mark();
            }
            if !(self.cursor.is_blank(0) || self.cursor.is_break(0)) {
                break;
            }
            gap_from = self.cursor.byte;
            loop {
                if self.cursor.is_blank(0) {
                    if has_break && self.column() <= self.indent && self.cursor.peek(0) == b'\t' {
                        return Err(self.error("found a tab character that violates indentation"));
                    }
                    self.cursor.advance_ascii(1);
                } else {
                    match self.cursor.take_break() {
                        "" => break,
                        line_break => folding.add(line_break),
                    }
                    has_break = true;
                }
            }
            if self.flow_level() == 0 && self.column() <= self.indent {
                break;
            }
        }
        if has_break {
            self.simple_key_allowed = true;
        }
        self.queue.push_back(Spanned {
            token: Token::Scalar { value: value.finish(), style: Style::Plain },
            start,
            end,
        });
        Ok(())
    }

    /// Moves over the characters of a plain scalar up to a blank, a line break or an indicator that ends it.
    fn skip_plain_word(&mut self) {
        let in_flow = self.flow_level() > 0;
        let bytes = self.cursor.text.as_bytes();
        let mut at = self.cursor.byte;
        while let Some(&byte) = bytes.get(at) {
            let ahead = at - self.cursor.byte;
            let ends = match byte {
                b' ' | b'\t' | b'\n' | b'\r' => true,
                b':' => self.cursor.is_blank_or_end(ahead + 1),
                b',' | b'?' | b'[' | b']' | b'{' | b'}' => in_flow,
                0xc2 | 0xe2 => self.cursor.is_break(ahead),
                _ => false,
            };
            if ends {
                break;
            }
            at += 1;
        }
        self.cursor.advance_to(at);
    }
}

fn simple_escape(letter: u8) -> Option<char> {
    Some(match letter {
        b'0' => '\0',
        b'a' => '\u{7}',
        b'b' => '\u{8}',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\u{b}',
        b'f' => '\u{c}',
        b'r' => '\r',
        b'e' => '\u{1b}',
        b' ' => ' ',
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'N' => '\u{85}',
        b'_' => '\u{a0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}
