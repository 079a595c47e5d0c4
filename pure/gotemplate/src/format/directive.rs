//! Reads a format: flags, argument indexes, widths and precisions, verbs, and Go's complaints about them.

use super::{Flags, Printer};
use crate::text;
use crate::value::Value;

/// Widths and precisions beyond this are refused, as in Go.
const NUMBER_MAX: i64 = 1_000_000;

/// Where the reading of the arguments stands.
struct Arguments<'a> {
    values: &'a [Value],
    next: usize,
    /// Whether an index like `[3]` was used, so that left-over arguments are not reported.
    is_reordered: bool,
    is_good: bool,
}

impl Printer {
    pub(super) fn format(&mut self, format: &[u8], values: &[Value]) {
        let mut arguments = Arguments { values, next: 0, is_reordered: false, is_good: true };
        let mut at = 0;
        while at < format.len() && !self.is_over {
            let literal = memchr::memchr(b'%', &format[at..]).unwrap_or(format.len() - at);
            self.write(&format[at..at + literal]);
            at += literal;
            if at >= format.len() {
                break;
            }
            at += 1;
            arguments.is_good = true;
            match self.directive(format, at, &mut arguments) {
                Some(after) => at = after,
                None => break,
            }
        }
        self.extra(&arguments);
    }

    /// Handles one directive from after its `%`; gives where it ends, or nothing if the format ends inside.
    fn directive(&mut self, format: &[u8], start: usize, arguments: &mut Arguments<'_>) -> Option<usize> {
        let mut at = start;
        self.flags = Flags::default();
        while let Some(byte) = format.get(at) {
            match byte {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            at += 1;
        }
        let mut is_after_index = index(format, &mut at, arguments);
        if format.get(at) == Some(&b'*') {
            at += 1;
            let width = from_argument(arguments);
            if width.is_none() {
                self.text("%!(BADWIDTH)");
            }
            if width.is_some_and(|width| width < 0) {
                self.flags.minus = true;
                self.flags.zero = false;
            }
            self.flags.width = width.map(|width| width.unsigned_abs() as usize);
            is_after_index = false;
        } else {
            self.flags.width = number(format, &mut at);
            if is_after_index && self.flags.width.is_some() {
                arguments.is_good = false;
            }
        }
        if at + 1 < format.len() && format[at] == b'.' {
            at += 1;
            if is_after_index {
                arguments.is_good = false;
            }
            is_after_index = index(format, &mut at, arguments);
            if format.get(at) == Some(&b'*') {
                at += 1;
                self.flags.precision = from_argument(arguments).and_then(|precision| usize::try_from(precision).ok());
                if self.flags.precision.is_none() {
                    self.text("%!(BADPREC)");
                }
                is_after_index = false;
            } else {
                self.flags.precision = Some(number(format, &mut at).unwrap_or(0));
            }
        }
        if !is_after_index {
            index(format, &mut at, arguments);
        }
        if at >= format.len() {
            self.text("%!(NOVERB)");
            return None;
        }
        let (verb, width) = text::decode(&format[at..]);
        at += width;
        match arguments.values.get(arguments.next) {
            _ if verb == '%' => self.write(b"%"),
            _ if !arguments.is_good => self.text(&format!("%!{verb}(BADINDEX)")),
            None => self.text(&format!("%!{verb}(MISSING)")),
            Some(value) => {
                if matches!(verb, 'v' | 'w') {
                    self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                    self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                }
                self.argument(value, verb);
                arguments.next += 1;
            }
        }
        Some(at)
    }

    fn extra(&mut self, arguments: &Arguments<'_>) {
        if arguments.is_reordered || arguments.next >= arguments.values.len() {
            return;
        }
        self.flags = Flags::default();
        self.text("%!(EXTRA ");
        for (position, value) in arguments.values[arguments.next..].iter().enumerate() {
            if position > 0 {
                self.text(", ");
            }
            if matches!(value, Value::Nil) {
                self.text("<nil>");
            } else {
                self.text(&value.type_name());
                self.write(b"=");
                self.argument(value, 'v');
            }
        }
        self.write(b")");
    }
}

/// Reads an argument index such as `[3]`; says whether there was one.
fn index(format: &[u8], at: &mut usize, arguments: &mut Arguments<'_>) -> bool {
    if format.get(*at) != Some(&b'[') {
        return false;
    }
    arguments.is_reordered = true;
    let rest = &format[*at..];
    let Some(close) = memchr::memchr(b']', rest).filter(|_| rest.len() >= 3) else {
        arguments.is_good = false;
        *at += 1;
        return false;
    };
    let mut inside = 1;
    let parsed = number(&rest[..close], &mut inside).filter(|_| inside == close);
    *at += close + 1;
    match parsed {
        Some(position) if position >= 1 && position <= arguments.values.len() => {
            arguments.next = position - 1;
            true
        }
        Some(_) => {
            arguments.is_good = false;
            true
        }
        None => {
            arguments.is_good = false;
            false
        }
    }
}

fn number(format: &[u8], at: &mut usize) -> Option<usize> {
    let start = *at;
    let mut total: i64 = 0;
    while let Some(digit) = format.get(*at).filter(|byte| byte.is_ascii_digit()) {
        if total > NUMBER_MAX {
            // Go gives up on the number and reads on from the end of the format.
            *at = format.len();
            return None;
        }
        total = total * 10 + i64::from(digit - b'0');
        *at += 1;
    }
    (*at > start).then_some(total as usize)
}

/// Takes a width or precision from the arguments.
fn from_argument(arguments: &mut Arguments<'_>) -> Option<i64> {
    let value = arguments.values.get(arguments.next)?;
    arguments.next += 1;
    let number = match value {
        Value::Int(number, _) => *number,
        Value::Uint(number, _) => i64::try_from(*number).ok()?,
        _ => return None,
    };
    (-NUMBER_MAX..=NUMBER_MAX).contains(&number).then_some(number)
}
