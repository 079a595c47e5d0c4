//! The characters of scalars, and of everything else.

use super::{Emitter, Generation, INDENT, WIDTH_OLD, is_printable};
use std::fmt::Write as _;

impl Emitter {
    /// Appends text that has no line breaks.
    pub(super) fn put(&mut self, text: &str) {
        self.column += text.chars().count();
        self.text.push_str(text);
    }

    fn put_char(&mut self, character: char) {
        self.column += 1;
        self.text.push(character);
    }

    fn put_break(&mut self, character: char) {
        self.text.push(character);
        self.column = 0;
        self.in_indentation = true;
    }

    /// Starts a line at a column, unless the line has nothing but indentation up to there.
    pub(super) fn line(&mut self, indent: usize) {
        let is_fresh = self.in_indentation && (self.column < indent || self.column == indent && self.after_space);
        if !is_fresh {
            self.put_break('\n');
        }
        while self.column < indent {
            self.put_char(' ');
        }
        self.after_space = true;
        self.in_indentation = true;
    }

    /// Prints an indicator with a space before it, if there is none. `continues_indentation`: more may follow in the same
    /// line, as after `- `.
    pub(super) fn indicator(&mut self, indicator: &str, continues_indentation: bool) {
        self.space();
        self.put(indicator);
        self.after_space = false;
        self.in_indentation &= continues_indentation;
    }

    fn space(&mut self) {
        if !self.after_space {
            self.put_char(' ');
        }
    }

    fn word_done(&mut self) {
        self.after_space = false;
        self.in_indentation = false;
    }

    /// Prints a word that is never folded or quoted.
    pub(super) fn plain(&mut self, word: &str) {
        self.space();
        self.put(word);
        self.word_done();
    }

    /// Says whether a line may be broken at a space here.
    fn may_fold(&self, allows_breaks: bool, after_space: bool) -> bool {
        allows_breaks && !after_space && self.generation == Generation::Old && self.column > WIDTH_OLD
    }

    pub(super) fn plain_folded(&mut self, text: &str, indent: usize, allows_breaks: bool) {
        if text.is_empty() && self.generation == Generation::New {
            return;
        }
        self.space();
        self.folded_words(text, indent, allows_breaks, Quotes::None);
        self.word_done();
    }

    pub(super) fn single_quoted(&mut self, text: &str, indent: usize, allows_breaks: bool) {
        self.indicator("'", false);
        self.folded_words(text, indent, allows_breaks, Quotes::Single);
        self.put_char('\'');
        self.word_done();
    }

    fn folded_words(&mut self, text: &str, indent: usize, allows_breaks: bool, quotes: Quotes) {
        let never_folds = self.generation == Generation::New || self.column + text.len() <= WIDTH_OLD;
        if never_folds && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\'' || byte == b' ') {
            return self.put(text);
        }
        let mut after_space = false;
        let mut after_break = false;
        let last = text.len().saturating_sub(1);
        for (index, character) in text.char_indices() {
            if character == ' ' {
                let is_inside = quotes == Quotes::None || index > 0 && index < last;
                let before_space = text.as_bytes().get(index + 1) == Some(&b' ');
                if is_inside && !before_space && self.may_fold(allows_breaks, after_space) {
                    self.line(indent);
                } else {
                    self.put_char(' ');
                }
                after_space = true;
            } else if is_break(character) {
                if !after_break && character == '\n' {
                    self.put_break('\n');
                }
                self.put_break(character);
                after_break = true;
            } else {
                if after_break {
                    self.line(indent);
                }
                if character == '\'' && quotes == Quotes::Single {
                    self.put_char('\'');
                }
                self.put_char(character);
                self.in_indentation = false;
                after_space = false;
                after_break = false;
            }
        }
    }

    pub(super) fn double_quoted(&mut self, text: &str, indent: usize, allows_breaks: bool) {
        self.indicator("\"", false);
        // The reference looks at the first character of the text instead of the current one.
        let escapes_everything = text.starts_with('\u{feff}');
        let last = text.len().saturating_sub(1);
        let mut after_space = false;
        for (index, character) in text.char_indices() {
            let is_escaped = escapes_everything
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\');
            if is_escaped {
                self.escape(character);
                after_space = false;
            } else if character == ' ' {
                if index > 0 && index < last && self.may_fold(allows_breaks, after_space) {
                    self.line(indent);
                    if text.as_bytes().get(index + 1) == Some(&b' ') {
                        self.put_char('\\');
                    }
                } else {
                    self.put_char(' ');
                }
                after_space = true;
            } else {
                self.put_char(character);
                after_space = false;
            }
        }
        self.put_char('"');
        self.word_done();
    }

    fn escape(&mut self, character: char) {
        let letter = match character {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(character);
                let before = self.text.len();
                let _ = match code {
                    0..=0xff => write!(self.text, "\\x{code:02X}"),
                    0x100..=0xffff => write!(self.text, "\\u{code:04X}"),
                    _ => write!(self.text, "\\U{code:08X}"),
                };
                self.column += self.text.len() - before;
                return;
            }
        };
        self.put_char('\\');
        self.put_char(letter);
    }

    pub(super) fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", false);
        self.put(&block_hints(text));
        self.put_break('\n');
        self.after_space = true;
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(is_break).unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            if !line.is_empty() {
                self.line(indent);
                self.put(line);
                self.in_indentation = false;
            }
            let mut characters = after.chars();
            if let Some(line_break) = characters.next() {
                self.put_break(line_break);
            }
            rest = characters.as_str();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
}

/// Gives what follows `|` or `>`: the indentation if the text starts with a space or break, and how its end is treated.
pub(crate) fn block_hints(text: &str) -> String {
    let mut hints = String::new();
    if text.starts_with(|first: char| first == ' ' || is_break(first)) {
        let _ = write!(hints, "{INDENT}");
    }
    let mut from_end = text.chars().rev();
    match (from_end.next(), from_end.next()) {
        (Some(last), None) if is_break(last) => hints.push('+'),
        (Some(last), Some(before)) if is_break(last) => {
            if is_break(before) {
                hints.push('+');
            }
        }
        _ => hints.push('-'),
    }
    hints
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
