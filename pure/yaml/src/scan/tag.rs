//! Directives, anchors, aliases and tags.

use super::{Mark, Scanner, Token};
use crate::Error;

impl<'a> Scanner<'a> {
    pub(super) fn scan_alias(&mut self) -> Result<(), Error> {
        let start = self.cursor.mark();
        let name = self.scan_anchor_name(start)?;
        self.push(Token::Alias(name), start);
        Ok(())
    }

    pub(super) fn scan_anchor(&mut self) -> Result<(), Error> {
        let start = self.cursor.mark();
        let name = self.scan_anchor_name(start)?;
        self.push(Token::Anchor(name), start);
        Ok(())
    }

    fn scan_anchor_name(&mut self, start: Mark) -> Result<&'a str, Error> {
        self.cursor.advance_ascii(1);
        let name = self.take_while(is_word);
        let is_terminated = self.cursor.is_blank_or_end(0)
            || matches!(self.cursor.peek(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !is_terminated {
            return Err(start.error("did not find expected alphabetic or numeric character"));
        }
        Ok(name)
    }

    fn take_while(&mut self, accepts: fn(u8) -> bool) -> &'a str {
        let from = self.cursor.byte;
        let rest = &self.cursor.text.as_bytes()[from..];
        let length = rest.iter().position(|&byte| !accepts(byte)).unwrap_or(rest.len());
        self.cursor.advance_ascii(length);
        &self.cursor.text[from..from + length]
    }

    fn skip_blanks(&mut self) {
        while self.cursor.is_blank(0) {
            self.cursor.advance_ascii(1);
        }
    }

    /// Moves over blanks, a comment and the line break; something else there is an error.
    pub(super) fn finish_line(&mut self) -> Result<(), Error> {
        self.skip_blanks();
        if self.cursor.peek(0) == b'#' {
            self.cursor.skip_line_content();
        }
        if !self.cursor.is_end() && self.cursor.take_break().is_empty() {
            return Err(self.error("did not find expected comment or line break"));
        }
        Ok(())
    }

    pub(super) fn scan_directive(&mut self) -> Result<(), Error> {
        let start = self.cursor.mark();
        self.cursor.advance_ascii(1);
        let name = self.take_while(is_word);
        if name.is_empty() {
            return Err(start.error("could not find expected directive name"));
        }
        if !self.cursor.is_blank_or_end(0) {
            return Err(start.error("found unexpected non-alphabetical character"));
        }
        self.skip_blanks();
        let token = match name {
            "YAML" => {
                let major = self.scan_version_number(start)?;
                if self.cursor.peek(0) != b'.' {
                    return Err(start.error("did not find expected digit or '.' character"));
                }
                self.cursor.advance_ascii(1);
                Token::VersionDirective { major, minor: self.scan_version_number(start)? }
            }
            "TAG" => {
                let handle = self.scan_tag_handle(start)?.to_owned();
                if handle != "!" && !handle.ends_with('!') {
                    return Err(start.error("did not find expected '!'"));
                }
                if !self.cursor.is_blank(0) {
                    return Err(start.error("did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri("", false, start)?;
                if !self.cursor.is_blank_or_end(0) {
                    return Err(start.error("did not find expected whitespace or line break"));
                }
                Token::TagDirective { handle, prefix }
            }
            _ => return Err(start.error("found unknown directive name")),
        };
        self.push(token, start);
        self.finish_line()
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u8, Error> {
        match self.take_while(|byte| byte.is_ascii_digit()) {
            "" => Err(start.error("did not find expected version number")),
            digits if digits.len() > 2 => Err(start.error("found extremely long version number")),
            digits => Ok(digits.parse().expect("two decimal digits fit")),
        }
    }

    pub(super) fn scan_tag(&mut self) -> Result<(), Error> {
        let start = self.cursor.mark();
        let (handle, suffix) = if self.cursor.peek(1) == b'<' {
            self.cursor.advance_ascii(2);
            let suffix = self.scan_tag_uri("", false, start)?;
            if self.cursor.peek(0) != b'>' {
                return Err(start.error("did not find the expected '>'"));
            }
            self.cursor.advance_ascii(1);
            (String::new(), suffix)
        } else {
            let head = self.scan_tag_handle(start)?;
            if head.len() > 1 && head.ends_with('!') {
                (head.to_owned(), self.scan_tag_uri("", false, start)?)
            } else {
                // No handle after all: what was read belongs to the suffix, and `!` alone stands for itself.
                match self.scan_tag_uri(&head[1..], true, start)? {
                    suffix if suffix.is_empty() => (suffix, "!".to_owned()),
                    suffix => ("!".to_owned(), suffix),
                }
            }
        };
        if !self.cursor.is_blank_or_end(0) {
            return Err(start.error("did not find expected whitespace or line break"));
        }
        self.push(Token::Tag { handle, suffix }, start);
        Ok(())
    }

    /// Reads `!`, `!word` or `!word!`.
    fn scan_tag_handle(&mut self, start: Mark) -> Result<&'a str, Error> {
        if self.cursor.peek(0) != b'!' {
            return Err(start.error("did not find expected '!'"));
        }
        let from = self.cursor.byte;
        self.cursor.advance_ascii(1);
        self.take_while(is_word);
        if self.cursor.peek(0) == b'!' {
            self.cursor.advance_ascii(1);
        }
        Ok(&self.cursor.text[from..self.cursor.byte])
    }

    fn scan_tag_uri(&mut self, head: &str, is_empty_allowed: bool, start: Mark) -> Result<String, Error> {
        let from = self.cursor.byte;
        let mut uri = head.to_owned();
        loop {
            uri.push_str(self.take_while(is_uri));
            if self.cursor.peek(0) != b'%' {
                break;
            }
            uri.push(self.scan_uri_escape(start)?);
        }
        if self.cursor.byte == from && !is_empty_allowed {
            return Err(start.error("did not find expected tag URI"));
        }
        Ok(uri)
    }

    /// Reads the `%xx` octets of one character.
    fn scan_uri_escape(&mut self, start: Mark) -> Result<char, Error> {
        let mut octets = Vec::new();
        let mut missing = 1;
        while missing > 0 {
            let digits = [self.cursor.peek(1), self.cursor.peek(2)].map(|digit| char::from(digit).to_digit(16));
            let (b'%', [Some(high), Some(low)]) = (self.cursor.peek(0), digits) else {
                return Err(start.error("did not find URI escaped octet"));
            };
            let octet = u8::try_from(high * 16 + low).expect("two hexadecimal digits fit");
            self.cursor.advance_ascii(3);
            if octets.is_empty() {
                missing = match octet {
                    0..0x80 => 1,
                    0xc0..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    0xf0..0xf8 => 4,
                    _ => return Err(start.error("found an incorrect leading UTF-8 octet")),
                };
            }
            octets.push(octet);
            missing -= 1;
        }
        let character = std::str::from_utf8(&octets).ok().and_then(|text| text.chars().next());
        character.ok_or_else(|| start.error("found an incorrect trailing UTF-8 octet"))
    }
}

/// Says whether a byte may be part of an anchor, a tag handle or a directive's name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn is_uri(byte: u8) -> bool {
    is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte)
}
