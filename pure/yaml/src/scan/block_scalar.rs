//! Literal (`|`) and folded (`>`) scalars.

use super::{Mark, Scanner, Token};
use crate::{Error, Style};
use std::borrow::Cow;

/// Says what happens to the line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    /// `-`: all are dropped.
    Strip,
    /// One is kept.
    Clip,
    /// `+`: all are kept.
    Keep,
}

impl Scanner<'_> {
    pub(super) fn scan_block_scalar(&mut self, style: Style) -> Result<(), Error> {
        let start = self.cursor.mark();
        self.cursor.advance_ascii(1);
        let (chomping, increment) = self.scan_block_header()?;
        self.finish_line()?;

        let parent = usize::try_from(self.indent.max(0)).unwrap_or(0);
        let mut indent = increment.map(|increment| parent + increment);
        let mut end = self.cursor.mark();
        let mut value = String::new();
        let mut line_break = "";
        let mut empty_lines = String::new();
        self.skip_empty_lines(&mut indent, &mut empty_lines, &mut end)?;
        let indent = indent.unwrap_or(1);
        let mut starts_blank_before = false;
        while self.cursor.column() == indent && !self.cursor.is_end() {
            let starts_blank = self.cursor.is_blank(0);
            let is_folded = style == Style::Folded && !starts_blank_before && !starts_blank && line_break == "\n";
            if !is_folded {
                value.push_str(line_break);
            } else if empty_lines.is_empty() {
                value.push(' ');
            }
            value.push_str(&empty_lines);
            empty_lines.clear();
            starts_blank_before = starts_blank;

            let from = self.cursor.byte;
            self.cursor.skip_line_content();
            value.push_str(&self.cursor.text[from..self.cursor.byte]);
            line_break = self.cursor.take_break();
            self.skip_empty_lines(&mut Some(indent), &mut empty_lines, &mut end)?;
        }
        if chomping != Chomping::Strip {
            value.push_str(line_break);
        }
        if chomping == Chomping::Keep {
            value.push_str(&empty_lines);
        }
        self.queue.push_back(super::Spanned { token: Token::Scalar { value: Cow::Owned(value), style }, start, end });
        Ok(())
    }

    /// Reads the chomping and indentation indicators, in either order.
    fn scan_block_header(&mut self) -> Result<(Chomping, Option<usize>), Error> {
        let mut chomping = None;
        let mut increment = None;
        for _ in 0..2 {
            match self.cursor.peek(0) {
                b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                b'0' if increment.is_none() => {
                    return Err(self.error("found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(digit - b'0')),
                _ => break,
            }
            self.cursor.advance_ascii(1);
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    /// Moves over indentation and empty lines, and settles the indentation if it is not known yet: the deepest of the
    /// empty lines and the first other one, and at least one deeper than the parent.
    fn skip_empty_lines(
        &mut self,
        indent: &mut Option<usize>,
        breaks: &mut String,
        end: &mut Mark,
    ) -> Result<(), Error> {
        *end = self.cursor.mark();
        let mut deepest = 0;
        loop {
            while indent.is_none_or(|indent| self.cursor.column() < indent) && self.cursor.peek(0) == b' ' {
                self.cursor.advance_ascii(1);
            }
            deepest = deepest.max(self.cursor.column());
            if indent.is_none_or(|indent| self.cursor.column() < indent) && self.cursor.peek(0) == b'\t' {
                return Err(self.error("found a tab character where an indentation space is expected"));
            }
            match self.cursor.take_break() {
                "" => break,
                line_break => breaks.push_str(line_break),
            }
            *end = self.cursor.mark();
        }
        if indent.is_none() {
            let least = usize::try_from(self.indent + 1).unwrap_or(0).max(1);
            *indent = Some(deepest.max(least));
        }
        Ok(())
    }
}
