//! Cuts a text into tokens, as Go's text/template does, white-space trimming included.
//!
//! The whole text is cut at once; an error is the last token.

use crate::quote;
use crate::text::{self, Str};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Error,
    Bool,
    /// A printable ASCII character with no meaning of its own, such as `,`.
    Character,
    CharacterConstant,
    Complex,
    Assign,
    Declare,
    End,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParenthesis,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParenthesis,
    Space,
    String,
    Text,
    Variable,
    KeywordBlock,
    KeywordBreak,
    KeywordContinue,
    KeywordDot,
    KeywordDefine,
    KeywordElse,
    KeywordEnd,
    KeywordIf,
    KeywordNil,
    KeywordRange,
    KeywordTemplate,
    KeywordWith,
}

impl TokenKind {
    /// Says whether it is one of the language's words.
    pub(crate) fn is_keyword(self) -> bool {
        use TokenKind as K;
        matches!(
            self,
            K::KeywordBlock
                | K::KeywordBreak
                | K::KeywordContinue
                | K::KeywordDot
                | K::KeywordDefine
                | K::KeywordElse
                | K::KeywordEnd
                | K::KeywordIf
                | K::KeywordNil
                | K::KeywordRange
                | K::KeywordTemplate
                | K::KeywordWith
        )
    }
}

/// A token: its kind, where it starts, its line, its bytes (an error's message).
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) line: usize,
    pub(crate) message: Option<Str>,
}

/// Cuts `input`. `is_known` says whether `break` and `continue` are functions, which makes them ordinary words.
pub(crate) fn lex(input: &[u8], is_known: impl Fn(&str) -> bool) -> Vec<Token> {
    let mut lexer = Lexer {
        input,
        position: 0,
        start: 0,
        line: 1,
        counted: 0,
        parentheses: 0,
        tokens: Vec::new(),
        is_break_word: is_known("break"),
        is_continue_word: is_known("continue"),
    };
    while lexer.text() && lexer.action() {}
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a [u8],
    position: usize,
    start: usize,
    line: usize,
    /// Newlines before this offset are in `line`.
    counted: usize,
    parentheses: usize,
    tokens: Vec<Token>,
    is_break_word: bool,
    is_continue_word: bool,
}

const LEFT: &[u8] = b"{{";
const RIGHT: &[u8] = b"}}";

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || text::is_letter(character) || text::is_digit(character)
}

fn has_left_trim(rest: &[u8]) -> bool {
    matches!(rest, [b'-', space, ..] if is_space(*space))
}

fn has_right_trim(rest: &[u8]) -> bool {
    matches!(rest, [space, b'-', ..] if is_space(*space))
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        self.input.get(self.position..).unwrap_or(b"")
    }

    fn line_at(&mut self, offset: usize) -> usize {
        if offset > self.counted {
            self.line += memchr::memchr_iter(b'\n', &self.input[self.counted..offset]).count();
            self.counted = offset;
        }
        self.line
    }

    fn emit(&mut self, kind: TokenKind) {
        let line = self.line_at(self.start);
        self.tokens.push(Token { kind, start: self.start, end: self.position, line, message: None });
        self.start = self.position;
    }

    fn fail(&mut self, message: impl Into<Str>) -> bool {
        let line = self.line_at(self.start);
        let message = Some(message.into());
        self.tokens.push(Token { kind: TokenKind::Error, start: self.start, end: self.start, line, message });
        false
    }

    /// Reads text and comments up to the next action. False at the end.
    fn text(&mut self) -> bool {
        loop {
            let Some(offset) = memchr::memmem::find(self.rest(), LEFT) else {
                self.position = self.input.len();
                if self.position > self.start {
                    self.emit(TokenKind::Text);
                }
                self.emit(TokenKind::End);
                return false;
            };
            let delimiter = self.position + offset;
            let has_trim = has_left_trim(&self.input[delimiter + 2..]);
            let mut end = delimiter;
            while has_trim && end > self.start && is_space(self.input[end - 1]) {
                end -= 1;
            }
            self.position = end;
            if end > self.start {
                self.emit(TokenKind::Text);
            }
            self.start = delimiter;
            self.position = delimiter + 2;
            let after = self.position + if has_trim { 2 } else { 0 };
            if !self.input[after..].starts_with(b"/*") {
                self.emit(TokenKind::LeftDelimiter);
                self.position = after;
                self.start = after;
                self.parentheses = 0;
                return true;
            }
            self.start = after;
            self.position = after + 2;
            let Some(length) = memchr::memmem::find(self.rest(), b"*/") else {
                return self.fail("unclosed comment");
            };
            self.position += length + 2;
            match self.right_delimiter() {
                None => return self.fail("comment ends before closing delimiter"),
                Some(has_trim) => self.skip_right_delimiter(has_trim),
            }
        }
    }

    /// Says whether a right delimiter stands here, and if so whether it trims.
    fn right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest) && rest[2..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_right_delimiter(&mut self, has_trim: bool) {
        self.position += if has_trim { 4 } else { 2 };
        while has_trim && self.rest().first().is_some_and(|byte| is_space(*byte)) {
            self.position += 1;
        }
        self.start = self.position;
    }

    fn peek(&self) -> Option<char> {
        let (character, width) = text::decode(self.rest());
        (width > 0).then_some(character)
    }

    fn next(&mut self) -> Option<char> {
        let (character, width) = text::decode(self.rest());
        self.position += width;
        (width > 0).then_some(character)
    }

    /// Reads an action's tokens up to and including its right delimiter. False after an error.
    fn action(&mut self) -> bool {
        loop {
            if let Some(has_trim) = self.right_delimiter() {
                if self.parentheses > 0 {
                    return self.fail("unclosed left paren");
                }
                if has_trim {
                    self.position += 2;
                    self.start = self.position;
                }
                self.position += 2;
                self.emit(TokenKind::RightDelimiter);
                while has_trim && self.rest().first().is_some_and(|byte| is_space(*byte)) {
                    self.position += 1;
                }
                self.start = self.position;
                return true;
            }
            let Some(first) = self.next() else {
                return self.fail("unclosed action");
            };
            let is_ok = match first {
                ' ' | '\t' | '\r' | '\n' => self.spaces(),
                '=' => self.done(TokenKind::Assign),
                ':' => {
                    if self.next() != Some('=') {
                        return self.fail("expected :=");
                    }
                    self.done(TokenKind::Declare)
                }
                '|' => self.done(TokenKind::Pipe),
                '"' => self.quoted('"', "unterminated quoted string", TokenKind::String),
                '\'' => self.quoted('\'', "unterminated character constant", TokenKind::CharacterConstant),
                '`' => self.raw_string(),
                '$' => self.field_or_variable(TokenKind::Variable),
                '.' if self.rest().first().is_some_and(|byte| !byte.is_ascii_digit()) => {
                    self.field_or_variable(TokenKind::Field)
                }
                '.' | '+' | '-' | '0'..='9' => {
                    self.position = self.start;
                    self.number()
                }
                '(' => {
                    self.parentheses += 1;
                    self.done(TokenKind::LeftParenthesis)
                }
                ')' => {
                    if self.parentheses == 0 {
                        return self.fail("unexpected right paren");
                    }
                    self.parentheses -= 1;
                    self.done(TokenKind::RightParenthesis)
                }
                word if is_alphanumeric(word) => self.identifier(),
                other if other.is_ascii() && text::is_print(other) => self.done(TokenKind::Character),
                other => {
                    let shown = unicode_name(other);
                    return self.fail(format!("unrecognized character in action: {shown}"));
                }
            };
            if !is_ok {
                return false;
            }
        }
    }

    fn done(&mut self, kind: TokenKind) -> bool {
        self.emit(kind);
        true
    }

    fn spaces(&mut self) -> bool {
        while self.rest().first().is_some_and(|byte| is_space(*byte)) {
            self.position += 1;
        }
        // The last space may belong to a trimming delimiter.
        let last = self.position - 1;
        if has_right_trim(&self.input[last..]) && self.input[last + 2..].starts_with(RIGHT) {
            self.position = last;
            if self.position == self.start {
                return true;
            }
        }
        self.done(TokenKind::Space)
    }

    fn quoted(&mut self, mark: char, message: &str, kind: TokenKind) -> bool {
        loop {
            match self.next() {
                Some('\\') if !matches!(self.next(), None | Some('\n')) => {}
                None | Some('\n' | '\\') => return self.fail(message),
                Some(character) if character == mark => return self.done(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> bool {
        match memchr::memchr(b'`', self.rest()) {
            None => self.fail("unterminated raw quoted string"),
            Some(length) => {
                self.position += length + 1;
                self.done(TokenKind::RawString)
            }
        }
    }

    fn is_at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    fn skip_word(&mut self) -> bool {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if self.is_at_terminator() {
            return true;
        }
        let shown = unicode_name(self.peek().unwrap_or(text::REPLACEMENT));
        self.fail(format!("bad character {shown}"))
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> bool {
        if self.is_at_terminator() {
            return self.done(if kind == TokenKind::Field { TokenKind::KeywordDot } else { kind });
        }
        self.skip_word() && self.done(kind)
    }

    fn identifier(&mut self) -> bool {
        if !self.skip_word() {
            return false;
        }
        let kind = match &self.input[self.start..self.position] {
            b"block" => TokenKind::KeywordBlock,
            b"break" if !self.is_break_word => TokenKind::KeywordBreak,
            b"continue" if !self.is_continue_word => TokenKind::KeywordContinue,
            b"define" => TokenKind::KeywordDefine,
            b"else" => TokenKind::KeywordElse,
            b"end" => TokenKind::KeywordEnd,
            b"if" => TokenKind::KeywordIf,
            b"nil" => TokenKind::KeywordNil,
            b"range" => TokenKind::KeywordRange,
            b"template" => TokenKind::KeywordTemplate,
            b"with" => TokenKind::KeywordWith,
            b"true" | b"false" => TokenKind::Bool,
            _ => TokenKind::Identifier,
        };
        self.done(kind)
    }

    fn number(&mut self) -> bool {
        let is_complex = if !self.scan_number() {
            false
        } else if matches!(self.peek(), Some('+' | '-')) {
            if self.scan_number() && self.input[self.position - 1] == b'i' {
                return self.done(TokenKind::Complex);
            }
            false
        } else {
            return self.done(TokenKind::Number);
        };
        debug_assert!(!is_complex);
        let shown = quote::quote(&self.input[self.start..self.position]);
        self.fail(format!("bad number syntax: {shown}"))
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let is_valid = self.rest().first().is_some_and(|byte| valid.contains(byte));
        self.position += usize::from(is_valid);
        is_valid
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    fn scan_number(&mut self) -> bool {
        self.accept(b"+-");
        let mut digits: &[u8] = b"0123456789_";
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = b"0123456789abcdefABCDEF_";
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent: &[u8] = match digits.len() {
            11 => b"eE",
            23 => b"pP",
            _ => b"",
        };
        if self.accept(exponent) {
            self.accept(b"+-");
            self.accept_run(b"0123456789_");
        }
        self.accept(b"i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Writes a character as Go's `%#U`.
pub(crate) fn unicode_name(character: char) -> String {
    let code = u32::from(character);
    if text::is_print(character) { format!("U+{code:04X} '{character}'") } else { format!("U+{code:04X}") }
}
