//! Prints booleans, numbers and strings with Go's verbs.

use super::Printer;
use crate::quote::{self, Charset};
use crate::strconv::{FloatBits, FloatStyle, format_float};
use crate::text;

/// An integer's sign and magnitude.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    pub(super) magnitude: u64,
    pub(super) is_negative: bool,
    pub(super) is_signed: bool,
}

impl Integer {
    pub(super) fn signed(number: i64) -> Integer {
        Integer { magnitude: number.unsigned_abs(), is_negative: number < 0, is_signed: true }
    }

    pub(super) fn unsigned(number: u64) -> Integer {
        Integer { magnitude: number, is_negative: false, is_signed: false }
    }

    /// The bits as Go would pass them to a verb for characters.
    fn bits(self) -> u64 {
        if self.is_negative { self.magnitude.wrapping_neg() } else { self.magnitude }
    }
}

impl Printer {
    /// Writes padded to the width, counted in characters.
    pub(super) fn pad(&mut self, bytes: &[u8]) {
        let missing = match self.flags.width {
            Some(width) if width > 0 => width.saturating_sub(text::characters(bytes).count()),
            _ => 0,
        };
        if !self.flags.minus {
            self.padding(missing);
            self.write(bytes);
        } else {
            self.write(bytes);
            self.padding(missing);
        }
    }

    fn padding(&mut self, count: usize) {
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.repeat(byte, count);
    }

    fn pad_with_spaces(&mut self, bytes: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(bytes);
        self.flags.zero = zero;
    }

    /// Prints a boolean; false if the verb does not fit.
    pub(super) fn boolean(&mut self, truth: bool, verb: char) -> bool {
        if !matches!(verb, 't' | 'v') {
            return false;
        }
        self.pad(if truth { b"true" } else { b"false" });
        true
    }

    /// Prints an integer; false if the verb does not fit.
    pub(super) fn integer(&mut self, number: Integer, verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v && !number.is_signed => self.hexadecimal(number.magnitude, true),
            'v' | 'd' => self.in_base(number, 10, verb),
            'b' => self.in_base(number, 2, verb),
            'o' | 'O' => self.in_base(number, 8, verb),
            'x' | 'X' => self.in_base(number, 16, verb),
            'c' => {
                let mut encoded = [0; 4];
                let shown = rune(number.bits()).encode_utf8(&mut encoded).to_string();
                self.pad(shown.as_bytes());
            }
            'q' => {
                let charset = if self.flags.plus { Charset::Ascii } else { Charset::Unicode };
                let shown = quote::quote_character(rune(number.bits()), charset);
                self.pad(shown.as_bytes());
            }
            'U' => self.code_point(number.bits()),
            _ => return false,
        }
        true
    }

    pub(super) fn hexadecimal(&mut self, number: u64, has_prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, has_prefix);
        self.in_base(Integer::unsigned(number), 16, 'v');
        self.flags.sharp = sharp;
    }

    fn in_base(&mut self, number: Integer, base: u64, verb: char) {
        let has_sign = number.is_negative || self.flags.plus || self.flags.space;
        let mut places = 0;
        if let Some(precision) = self.flags.precision {
            places = precision;
            if precision == 0 && number.magnitude == 0 {
                let zero = std::mem::take(&mut self.flags.zero);
                self.padding(self.flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
        } else if self.flags.zero
            && !self.flags.minus
            && let Some(width) = self.flags.width
        {
            places = width.saturating_sub(usize::from(has_sign));
        }
        let digits = match (base, verb) {
            (2, _) => format!("{:b}", number.magnitude),
            (8, _) => format!("{:o}", number.magnitude),
            (16, 'X') => format!("{:X}", number.magnitude),
            (16, _) => format!("{:x}", number.magnitude),
            _ => number.magnitude.to_string(),
        };
        let mut shown = String::new();
        if number.is_negative {
            shown.push('-');
        } else if self.flags.plus {
            shown.push('+');
        } else if self.flags.space {
            shown.push(' ');
        }
        let zeros = places.saturating_sub(digits.len());
        if self.flags.sharp {
            match base {
                2 => shown.push_str("0b"),
                8 if zeros == 0 && !digits.starts_with('0') => shown.push('0'),
                16 => shown.push_str(if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            shown.push_str("0o");
        }
        if zeros > self.bytes_max {
            self.is_over = true;
            return;
        }
        shown.extend(std::iter::repeat_n('0', zeros));
        shown.push_str(&digits);
        self.pad_with_spaces(shown.as_bytes());
    }

    fn code_point(&mut self, number: u64) {
        let places = self.flags.precision.unwrap_or(4).max(4);
        let digits = format!("{number:X}");
        let zeros = "0".repeat(places.saturating_sub(digits.len()));
        let mut shown = format!("U+{zeros}{digits}");
        if self.flags.sharp
            && let Some(character) = u32::try_from(number).ok().and_then(char::from_u32)
            && text::is_print(character)
        {
            shown.push_str(&format!(" '{character}'"));
        }
        self.pad_with_spaces(shown.as_bytes());
    }

    /// Prints a float; false if the verb does not fit.
    pub(super) fn float(&mut self, number: f64, bits: FloatBits, verb: char) -> bool {
        let precision = self.flags.precision;
        let text = match verb {
            'v' | 'g' | 'G' => format_float(number, FloatStyle::General, precision, bits),
            'e' | 'E' => format_float(number, FloatStyle::Exponent, Some(precision.unwrap_or(6)), bits),
            'f' | 'F' => format_float(number, FloatStyle::Plain, Some(precision.unwrap_or(6)), bits),
            'x' | 'X' => hexadecimal_float(number, precision, bits),
            'b' => binary_float(number, bits),
            _ => return false,
        };
        let text = if matches!(verb, 'E' | 'G' | 'X') { upper_exponent(&text) } else { text };
        let (mut sign, mut body) = match text.as_bytes()[0] {
            sign @ (b'-' | b'+') => (sign, text[1..].to_string()),
            _ => (b'+', text),
        };
        if self.flags.space && sign == b'+' && !self.flags.plus {
            sign = b' ';
        }
        if body.starts_with('I') || body.starts_with('N') {
            let hides_sign = body.starts_with('N') && !self.flags.space && !self.flags.plus;
            let shows_sign = !hides_sign && (self.flags.plus || sign != b'+' || body.starts_with('N'));
            let shown = if shows_sign || body.starts_with('I') { format!("{}{body}", char::from(sign)) } else { body };
            self.pad_with_spaces(shown.as_bytes());
            return true;
        }
        if self.flags.sharp && verb != 'b' {
            body = with_point(&body, verb, precision);
        }
        if self.flags.plus || sign != b'+' {
            let width = self.flags.width.unwrap_or(0);
            if self.flags.zero && !self.flags.minus && width > body.len() + 1 {
                self.write(&[sign]);
                self.repeat(b'0', width - body.len() - 1);
                self.text(&body);
                return true;
            }
            self.pad(format!("{}{body}", char::from(sign)).as_bytes());
            return true;
        }
        self.pad(body.as_bytes());
        true
    }

    /// Prints a complex number; false if the verb does not fit.
    pub(super) fn complex(&mut self, real: f64, imaginary: f64, verb: char) -> bool {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return false;
        }
        self.write(b"(");
        self.float(real, FloatBits::Double, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(imaginary, FloatBits::Double, verb);
        self.flags.plus = plus;
        self.text("i)");
        true
    }

    /// Prints a string; false if the verb does not fit.
    pub(super) fn string(&mut self, bytes: &[u8], verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(bytes),
            'v' | 's' => {
                let shown = self.truncated(bytes);
                self.pad(shown);
            }
            'x' => self.hexadecimal_bytes(bytes, "0123456789abcdef", b'x'),
            'X' => self.hexadecimal_bytes(bytes, "0123456789ABCDEF", b'X'),
            'q' => self.quoted(bytes),
            _ => return false,
        }
        true
    }

    fn truncated<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        match self.flags.precision {
            Some(count) => {
                let end = text::characters(bytes).nth(count).map_or(bytes.len(), |(offset, _, _)| offset);
                &bytes[..end]
            }
            None => bytes,
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        let bytes = self.truncated(bytes).to_vec();
        if self.flags.sharp && quote::can_backquote(&bytes) {
            let shown = [b"`", &bytes[..], b"`"].concat();
            self.pad(&shown);
            return;
        }
        let charset = if self.flags.plus { Charset::Ascii } else { Charset::Unicode };
        let shown = quote::quote_with(&bytes, '"', charset);
        self.pad(shown.as_bytes());
    }

    pub(super) fn hexadecimal_bytes(&mut self, bytes: &[u8], digits: &str, mark: u8) {
        let length = bytes.len().min(self.flags.precision.unwrap_or(usize::MAX));
        if length == 0 {
            self.padding(self.flags.width.unwrap_or(0));
            return;
        }
        let digits = digits.as_bytes();
        let mut shown = Vec::with_capacity(length * 2);
        for (index, byte) in bytes[..length].iter().enumerate() {
            if index > 0 && self.flags.space {
                shown.push(b' ');
            }
            if self.flags.sharp && (index == 0 || self.flags.space) {
                shown.extend([b'0', mark]);
            }
            shown.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        self.pad(&shown);
    }
}

fn rune(number: u64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(text::REPLACEMENT)
}

fn upper_exponent(text: &str) -> String {
    if text.contains("Inf") || text.contains("NaN") { text.to_string() } else { text.to_uppercase() }
}

/// Restores the decimal point and trailing zeros that `#` asks for.
fn with_point(body: &str, verb: char, precision: Option<usize>) -> String {
    let mut wanted: i64 = match verb {
        'v' | 'g' | 'G' | 'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let is_hex = matches!(verb, 'x' | 'X');
    let split = body
        .find(|mark: char| matches!(mark, 'p' | 'P') || (!is_hex && matches!(mark, 'e' | 'E')))
        .unwrap_or(body.len());
    let (head, tail) = body.split_at(split);
    let mut has_significant = false;
    for digit in head.chars().filter(|digit| *digit != '.') {
        has_significant |= digit != '0';
        wanted -= i64::from(has_significant);
    }
    let mut shown = head.to_string();
    if !head.contains('.') {
        if head == "0" {
            wanted -= 1;
        }
        shown.push('.');
    }
    shown.extend(std::iter::repeat_n('0', usize::try_from(wanted).unwrap_or(0).min(1_000_000)));
    shown + tail
}

/// `%b`: mantissa and power of two.
fn binary_float(number: f64, bits: FloatBits) -> String {
    if !number.is_finite() {
        return format_float(number, FloatStyle::General, None, bits);
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let (mantissa, exponent) = match bits {
        FloatBits::Double => {
            let raw = number.to_bits();
            let (fraction, power) = (raw & ((1 << 52) - 1), (raw >> 52 & 0x7FF) as i64);
            if power == 0 { (fraction, -1074) } else { (fraction | 1 << 52, power - 1075) }
        }
        FloatBits::Single => {
            let raw = (number as f32).to_bits();
            let (fraction, power) = (raw & ((1 << 23) - 1), i64::from(raw >> 23 & 0xFF));
            if power == 0 { (u64::from(fraction), -149) } else { (u64::from(fraction | 1 << 23), power - 150) }
        }
    };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// `%x`: hexadecimal mantissa and power of two.
fn hexadecimal_float(number: f64, precision: Option<usize>, bits: FloatBits) -> String {
    if !number.is_finite() {
        return format_float(number, FloatStyle::General, None, bits);
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number == 0.0 {
        let zeros = "0".repeat(precision.unwrap_or(0));
        let point = if zeros.is_empty() { "" } else { "." };
        return format!("{sign}0x0{point}{zeros}p+00");
    }
    let raw = number.abs().to_bits();
    let (mut mantissa, mut power) = (raw & ((1 << 52) - 1), (raw >> 52) as i64 - 1023);
    if power == -1023 {
        let shift = mantissa.leading_zeros() - 11;
        mantissa <<= shift;
        power = -1022 - i64::from(shift);
    } else {
        mantissa |= 1 << 52;
    }
    if let Some(places) = precision.filter(|places| *places < 13) {
        let drop = 52 - 4 * places as u32;
        let (kept, rest, half) = (mantissa >> drop, mantissa & ((1 << drop) - 1), 1u64 << (drop - 1));
        let rounded = kept + u64::from(rest > half || (rest == half && kept & 1 == 1));
        mantissa = rounded << drop;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            power += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let shown = match precision {
        None => digits.trim_end_matches('0').to_string(),
        Some(places) if places <= 13 => digits[..places].to_string(),
        Some(places) => format!("{digits}{}", "0".repeat(places - 13)),
    };
    let point = if shown.is_empty() { "" } else { "." };
    let power_sign = if power < 0 { '-' } else { '+' };
    format!("{sign}0x1{point}{shown}p{power_sign}{:02}", power.abs())
}
