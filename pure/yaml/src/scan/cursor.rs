//! A place in the text that moves forward and knows its line and column.

use super::Mark;

/// Reads a text from front to back.
///
/// Invariant: `byte` is a character boundary of `text`. Columns count characters: `line_byte` is where the line starts and
/// `wide` counts the continuation bytes between there and `byte`.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) byte: usize,
    line: u32,
    line_byte: usize,
    wide: usize,
    /// Counts the characters before the current line.
    characters_before_line: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, byte: 0, line: 0, line_byte: 0, wide: 0, characters_before_line: 0 }
    }

    /// Looks at the byte `ahead` bytes from here; 0 past the end (the text itself holds no zero).
    #[inline]
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.byte + ahead).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn is_end(&self) -> bool {
        self.byte >= self.text.len()
    }

    #[inline]
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    #[inline]
    pub(super) fn column(&self) -> usize {
        self.byte - self.line_byte - self.wide
    }

    /// Counts the characters before this place, a line break counted as one per character.
    #[inline]
    pub(super) fn character(&self) -> usize {
        self.characters_before_line + self.column()
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { byte: narrow(self.byte), line: self.line, column: narrow(self.column()) }
    }

    /// Moves over `count` bytes that are ASCII and no line breaks.
    #[inline]
    pub(super) fn advance_ascii(&mut self, count: usize) {
        self.byte += count;
    }

    /// Moves to a later byte of the same line.
    #[inline]
    pub(super) fn advance_to(&mut self, byte: usize) {
        self.wide += self.text.as_bytes()[self.byte..byte].iter().filter(|&&byte| is_continuation(byte)).count();
        self.byte = byte;
    }

    /// Moves over one character that is no line break.
    #[inline]
    pub(super) fn advance(&mut self) {
        let width = width(self.peek(0)).min(self.text.len() - self.byte);
        self.byte += width;
        self.wide += width.saturating_sub(1);
    }

    /// Measures the line break that starts `ahead` bytes from here in bytes; 0 if there is none.
    #[inline]
    pub(super) fn break_width(&self, ahead: usize) -> usize {
        match self.peek(ahead) {
            b'\n' => 1,
            b'\r' => 1 + usize::from(self.peek(ahead + 1) == b'\n'),
            0xc2 if self.peek(ahead + 1) == 0x85 => 2,
            0xe2 if self.peek(ahead + 1) == 0x80 && matches!(self.peek(ahead + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    #[inline]
    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_width(ahead) > 0
    }

    #[inline]
    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), b' ' | b'\t')
    }

    /// Says whether a blank, a line break or the end of the text is `ahead` bytes from here.
    #[inline]
    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break(ahead) || self.byte + ahead >= self.text.len()
    }

    /// Moves over a line break, if one is here, and returns what it means: `\n`, or itself for U+2028 and U+2029.
    pub(super) fn take_break(&mut self) -> &'static str {
        let width = self.break_width(0);
        let meaning = match (width, self.peek(2)) {
            (0, _) => return "",
            (3, 0xa8) => "\u{2028}",
            (3, _) => "\u{2029}",
            _ => "\n",
        };
        let characters = if self.peek(0) == b'\r' { width } else { 1 };
        self.characters_before_line += self.column() + characters;
        self.byte += width;
        self.line += 1;
        self.line_byte = self.byte;
        self.wide = 0;
        meaning
    }

    /// Finds the end of the current line: the byte of the next line break, or the end of the text.
    pub(super) fn line_end(&self) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = self.byte;
        while let Some(found) = bytes[at..].iter().position(|&byte| matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2)) {
            at += found;
            if self.break_width(at - self.byte) > 0 {
                return at;
            }
            at += 1;
        }
        bytes.len()
    }

    /// Ends the last line of the text as if a line break followed, so that nothing before counts as the same line.
    pub(super) fn end_last_line(&mut self) {
        if self.column() > 0 {
            self.characters_before_line += self.column();
            self.line += 1;
            self.line_byte = self.byte;
            self.wide = 0;
        }
    }

    /// Moves to the end of the current line, before its break.
    pub(super) fn skip_line_content(&mut self) {
        self.advance_to(self.line_end());
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn width(lead: u8) -> usize {
    match lead {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

/// Stores an offset in four bytes. Texts of more than four gigabytes are refused before the scanner sees them.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
