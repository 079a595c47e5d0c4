//! From text to tokens, with the rules of libyaml's scanner.
//!
//! Indentation becomes tokens here: [`Token::BlockMappingStart`] and [`Token::BlockSequenceStart`] open a level,
//! [`Token::BlockEnd`] closes it. A key is only known when its `:` is met, so a token that may start a simple key is held
//! back in the queue until that is decided; a `Key` token is then inserted before it.
//!
//! Source: YAML 1.1 as go.yaml.in/yaml v2.4.3 and v3.0.4 scan it, which differs from the specification in many small ways.

mod block_scalar;
mod cursor;
mod flow_scalar;
mod tag;

use crate::{Error, Style};
use cursor::Cursor;
use std::borrow::Cow;
use std::collections::VecDeque;

/// A place: byte from 0, line and column from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) byte: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Mark {
    /// Makes an error for this place.
    pub(crate) fn error(self, message: impl Into<String>) -> Error {
        Error::new(self.line as usize + 1, self.column as usize + 1, message)
    }

    /// Makes an error of the parser for this place. The reference counts its lines from 0.
    pub(crate) fn syntax_error(self, message: impl Into<String>) -> Error {
        self.error(message).named_in_line(self.line as usize)
    }
}

/// The pieces that the parser builds events from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag { handle: String, suffix: String },
    Scalar { value: Cow<'a, str>, style: Style },
}

/// A token with where it starts and ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spanned<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// The characters that may lie between the start of a simple key and its `:`. Source: YAML 1.1 §9.2.
const SIMPLE_KEY_CHARACTERS_MAX: usize = 1024;

/// A place where a simple key may have started, one per flow level.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    is_possible: bool,
    /// The block context demands that what starts here is a key.
    is_required: bool,
    /// The number of the token that starts it, counted from the beginning of the text.
    token_number: usize,
    mark: Mark,
    /// The characters of the text before it.
    character: usize,
}

/// Says how far the scanner is ahead of the parser, which decides whether an error behind a document is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookahead {
    /// No further than needed, as go-yaml v2.
    None,
    /// By two tokens, as go-yaml v3 to find the comments.
    TwoTokens,
}

/// Turns a text into tokens, one at a time.
pub(crate) struct Scanner<'a> {
    cursor: Cursor<'a>,
    queue: VecDeque<Spanned<'a>>,
    tokens_queued_min: usize,
    /// Is it decided that no key token goes before the head of the queue?
    is_head_settled: bool,
    /// Counts the tokens already handed out.
    tokens_taken: usize,
    is_finished: bool,
    /// The columns of the enclosing block levels; -1 outside of all.
    indents: Vec<isize>,
    indent: isize,
    depth_max: usize,
    /// May a simple key start here?
    simple_key_allowed: bool,
    /// One entry per flow level, the block level first; token numbers never fall from one level to the next.
    simple_keys: Vec<SimpleKey>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, lookahead: Lookahead, depth_max: usize) -> Self {
        let tokens_queued_min = match lookahead {
            Lookahead::None => 1,
            Lookahead::TwoTokens => 3,
        };
        Self {
            tokens_queued_min,
            is_head_settled: false,
            cursor: Cursor::new(text),
            queue: VecDeque::new(),
            tokens_taken: 0,
            is_finished: false,
            indents: Vec::new(),
            indent: -1,
            depth_max,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
        }
    }

    /// Looks at the next token. After the stream's end it is the stream's end for ever.
    pub(crate) fn peek(&mut self) -> Result<&Spanned<'a>, Error> {
        if !self.is_head_settled {
            if let Err(error) = self.fill_queue() {
                // The reference names the line it has read up to, unless that is the first.
                let line = self.cursor.line() as usize;
                return Err(error.named_in_line(if line == 0 { 0 } else { line + 1 }));
            }
            self.is_head_settled = true;
        }
        Ok(self.queue.front().expect("the loop above leaves the queue filled"))
    }

    fn fill_queue(&mut self) -> Result<(), Error> {
        while self.queue.len() < self.tokens_queued_min || self.head_may_become_key()? {
            self.fetch()?;
        }
        Ok(())
    }

    /// Takes the token that [`Scanner::peek`] showed.
    pub(crate) fn take(&mut self) -> Spanned<'a> {
        self.tokens_taken += 1;
        self.is_head_settled = false;
        self.queue.pop_front().expect("a token is taken only after it was peeked at")
    }

    fn flow_level(&self) -> usize {
        self.simple_keys.len() - 1
    }

    fn error(&self, message: &str) -> Error {
        self.cursor.mark().error(message)
    }

    /// Says whether the token at the head of the queue may still turn out to start a simple key.
    fn head_may_become_key(&mut self) -> Result<bool, Error> {
        let head = self.tokens_taken;
        let first = self.simple_keys.partition_point(|key| key.token_number < head);
        for level in first..self.simple_keys.len() {
            if self.simple_keys[level].token_number != head {
                break;
            }
            if self.simple_keys[level].is_possible && self.check_simple_key(level)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a possible key up if it is too long or spans lines. Fails if the context demanded a key.
    fn check_simple_key(&mut self, level: usize) -> Result<bool, Error> {
        let key = self.simple_keys[level];
        if !key.is_possible {
            return Ok(false);
        }
        let is_stale =
            key.mark.line < self.cursor.line() || key.character + SIMPLE_KEY_CHARACTERS_MAX < self.cursor.character();
        if is_stale {
            self.drop_simple_key(level)?;
        }
        Ok(!is_stale)
    }

    fn drop_simple_key(&mut self, level: usize) -> Result<(), Error> {
        let key = &mut self.simple_keys[level];
        if key.is_possible && key.is_required {
            return Err(self.cursor.mark().error("could not find expected ':'"));
        }
        key.is_possible = false;
        Ok(())
    }

    /// Forgets a possible key of the current flow level.
    fn remove_simple_key(&mut self) -> Result<(), Error> {
        self.drop_simple_key(self.simple_keys.len() - 1)
    }

    /// Notes that the token about to be queued may start a simple key.
    fn save_simple_key(&mut self) -> Result<(), Error> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let is_required = self.flow_level() == 0 && self.indent == self.column();
        self.remove_simple_key()?;
        let level = self.simple_keys.len() - 1;
        self.simple_keys[level] = SimpleKey {
            is_possible: true,
            is_required,
            token_number: self.next_token_number(),
            mark: self.cursor.mark(),
            character: self.cursor.character(),
        };
        Ok(())
    }

    fn next_token_number(&self) -> usize {
        self.tokens_taken + self.queue.len()
    }

    fn column(&self) -> isize {
        isize::try_from(self.cursor.column()).unwrap_or(isize::MAX)
    }

    fn push(&mut self, token: Token<'a>, start: Mark) {
        let end = self.cursor.mark();
        self.queue.push_back(Spanned { token, start, end });
    }

    /// Queues a token of `width` ASCII characters.
    fn push_indicator(&mut self, token: Token<'a>, width: usize) {
        let start = self.cursor.mark();
        self.cursor.advance_ascii(width);
        self.push(token, start);
    }

    /// Opens a block level if the column is deeper than the current one. `number` is where in the token order it goes.
    fn roll_indent(&mut self, column: isize, number: usize, token: Token<'a>, mark: Mark) -> Result<(), Error> {
        if self.flow_level() > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > self.depth_max {
            return Err(mark.error(format!("exceeded max depth of {}", self.depth_max)));
        }
        self.queue.insert(number - self.tokens_taken, Spanned { token, start: mark, end: mark });
        Ok(())
    }

    /// Closes the block levels that are deeper than the column.
    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level() > 0 {
            return;
        }
        while self.indent > column {
            let mark = self.cursor.mark();
            self.push(Token::BlockEnd, mark);
            self.indent = self.indents.pop().expect("every level deeper than -1 was pushed");
        }
    }

    /// Queues at least one more token.
    fn fetch(&mut self) -> Result<(), Error> {
        if self.is_finished {
            let mark = self.cursor.mark();
            self.push(Token::StreamEnd, mark);
            return Ok(());
        }
        self.skip_to_token();
        self.unroll_indent(self.column());
        if self.cursor.is_end() {
            return self.fetch_stream_end();
        }
        if self.cursor.column() == 0 {
            if self.cursor.peek(0) == b'%' {
                return self.fetch_directive();
            }
            if let Some(token) = self.document_indicator() {
                self.leave_blocks()?;
                self.push_indicator(token, 3);
                return Ok(());
            }
        }
        let in_flow = self.flow_level() > 0;
        match self.cursor.peek(0) {
            b'[' => self.fetch_flow_start(Token::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Token::FlowMappingStart),
            b']' => self.fetch_flow_end(Token::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Token::FlowMappingEnd),
            b',' => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                self.push_indicator(Token::FlowEntry, 1);
                Ok(())
            }
            b'-' if self.cursor.is_blank_or_end(1) => self.fetch_block_entry(),
            b'?' if in_flow || self.cursor.is_blank_or_end(1) => self.fetch_key(),
            b':' if in_flow || self.cursor.is_blank_or_end(1) => self.fetch_value(),
            b'*' => self.fetch_word(Self::scan_alias),
            b'&' => self.fetch_word(Self::scan_anchor),
            b'!' => self.fetch_word(Self::scan_tag),
            indicator @ (b'|' | b'>') if !in_flow => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                self.scan_block_scalar(if indicator == b'|' { Style::Literal } else { Style::Folded })
            }
            b'\'' => self.fetch_word(Self::scan_single_quoted),
            b'"' => self.fetch_word(Self::scan_double_quoted),
            // A tab can only stand here where a key could start: indentation by tabs.
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(self.error("found character that cannot start any token"))
            }
            _ => self.fetch_word(Self::scan_plain),
        }
    }

    /// Queues a token that may be a simple key and that no simple key may follow.
    fn fetch_word(&mut self, scan: fn(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        scan(self)
    }

    fn skip_to_token(&mut self) {
        loop {
            let in_line = self.flow_level() > 0 || !self.simple_key_allowed;
            while self.cursor.peek(0) == b' ' || (in_line && self.cursor.peek(0) == b'\t') {
                self.cursor.advance_ascii(1);
            }
            if self.cursor.peek(0) == b'#' {
                self.cursor.skip_line_content();
            }
            if self.cursor.take_break().is_empty() {
                return;
            }
            if self.flow_level() == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Recognises `---` and `...` at the start of a line.
    fn document_indicator(&self) -> Option<Token<'a>> {
        let word = [self.cursor.peek(0), self.cursor.peek(1), self.cursor.peek(2)];
        match &word {
            b"---" if self.cursor.is_blank_or_end(3) => Some(Token::DocumentStart),
            b"..." if self.cursor.is_blank_or_end(3) => Some(Token::DocumentEnd),
            _ => None,
        }
    }

    fn leave_blocks(&mut self) -> Result<(), Error> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    fn fetch_stream_end(&mut self) -> Result<(), Error> {
        // Makes every key that is still possible stale, so that a collection that is never closed ends the scan.
        self.cursor.end_last_line();
        self.leave_blocks()?;
        self.is_finished = true;
        let mark = self.cursor.mark();
        self.push(Token::StreamEnd, mark);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), Error> {
        self.leave_blocks()?;
        self.scan_directive()
    }

    fn fetch_flow_start(&mut self, token: Token<'a>) -> Result<(), Error> {
        self.save_simple_key()?;
        if self.simple_keys.len() > self.depth_max {
            return Err(self.error(&format!("exceeded max depth of {}", self.depth_max)));
        }
        let token_number = self.next_token_number();
        self.simple_keys.push(SimpleKey { token_number, ..SimpleKey::default() });
        self.simple_key_allowed = true;
        self.push_indicator(token, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, token: Token<'a>) -> Result<(), Error> {
        self.remove_simple_key()?;
        if self.simple_keys.len() > 1 {
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.push_indicator(token, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Error> {
        if self.flow_level() == 0 {
            if !self.simple_key_allowed {
                return Err(self.error("block sequence entries are not allowed in this context"));
            }
            self.roll_indent(self.column(), self.next_token_number(), Token::BlockSequenceStart, self.cursor.mark())?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Token::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        if self.flow_level() == 0 {
            if !self.simple_key_allowed {
                return Err(self.error("mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.column(), self.next_token_number(), Token::BlockMappingStart, self.cursor.mark())?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level() == 0;
        self.push_indicator(Token::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        let level = self.simple_keys.len() - 1;
        if self.check_simple_key(level)? {
            let key = self.simple_keys[level];
            let place = key.token_number - self.tokens_taken;
            self.queue.insert(place, Spanned { token: Token::Key, start: key.mark, end: key.mark });
            let column = isize::try_from(key.mark.column).unwrap_or(isize::MAX);
            self.roll_indent(column, key.token_number, Token::BlockMappingStart, key.mark)?;
            self.simple_keys[level].is_possible = false;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level() == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error("mapping values are not allowed in this context"));
                }
                self.roll_indent(
                    self.column(),
                    self.next_token_number(),
                    Token::BlockMappingStart,
                    self.cursor.mark(),
                )?;
            }
            self.simple_key_allowed = self.flow_level() == 0;
        }
        self.push_indicator(Token::Value, 1);
        Ok(())
    }
}
