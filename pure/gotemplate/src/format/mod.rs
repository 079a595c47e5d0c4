//! Go's `fmt`: printing values with verbs, flags and its error texts, in full.
//!
//! [`sprintf`] interprets formats ([`directive`] reads them), [`sprint`] joins values as `print` does. [`value`] prints
//! composite values, [`scalar`] numbers, strings and booleans.

mod directive;
mod scalar;
mod value;

use crate::error::Error;
use crate::text::Str;
use crate::value::Value;

/// The flags, width and precision of one directive.
#[derive(Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`.
    plus_v: bool,
    /// `%#v`.
    sharp_v: bool,
}

/// Writes formatted values; stops growing at a limit.
struct Printer {
    out: Vec<u8>,
    flags: Flags,
    /// Whether a wrong verb is being reported, when methods are not called.
    is_erroring: bool,
    bytes_max: usize,
    is_over: bool,
}

/// Bounds texts made without a context at hand, such as values in messages.
const DEFAULT_BYTES_MAX: usize = 64 << 20;

impl Printer {
    fn new(bytes_max: usize) -> Printer {
        Printer { out: Vec::new(), flags: Flags::default(), is_erroring: false, bytes_max, is_over: false }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > self.bytes_max {
            self.is_over = true;
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn text(&mut self, text: &str) {
        self.write(text.as_bytes());
    }

    fn repeat(&mut self, byte: u8, count: usize) {
        if self.out.len() + count > self.bytes_max {
            self.is_over = true;
        } else {
            self.out.resize(self.out.len() + count, byte);
        }
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        if self.is_over {
            return Err(Error::limit(format!("a formatted text is larger than {} bytes", self.bytes_max)));
        }
        Ok(self.out)
    }
}

/// Formats values by a format, as `printf` does.
///
/// # Errors
/// Only a result larger than `bytes_max`; wrong verbs and counts are reported inside the text, as Go does.
pub fn sprintf(format: &[u8], arguments: &[Value], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut printer = Printer::new(bytes_max);
    printer.format(format, arguments);
    printer.finish()
}

/// Formats values as `print` does: a space between two values of which neither is a string.
pub fn sprint(arguments: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(DEFAULT_BYTES_MAX);
    let mut was_string = false;
    for (index, argument) in arguments.iter().enumerate() {
        let is_string = matches!(argument, Value::Str(_));
        if index > 0 && !is_string && !was_string {
            printer.write(b" ");
        }
        printer.argument(argument, 'v');
        was_string = is_string;
    }
    printer.out
}

/// Formats values as `println` does: spaces between all, a newline at the end.
pub fn sprintln(arguments: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(DEFAULT_BYTES_MAX);
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            printer.write(b" ");
        }
        printer.argument(argument, 'v');
    }
    printer.write(b"\n");
    printer.out
}

/// Formats one value with `%v`.
pub fn sprint_value(value: &Value) -> Vec<u8> {
    sprint(std::slice::from_ref(value))
}

/// Formats the value of an action for the output: pointers are followed, and what is reached through one may use the pointer's
/// `String` method.
pub fn print_value(value: &Value) -> Vec<u8> {
    if let Value::Struct(structure) = value
        && (structure.is_pointer || structure.is_addressable)
    {
        if let Some(text) = structure.info.pointer_string.or(structure.info.string) {
            return text(value).into_bytes();
        }
        let plain = crate::value::Struct { is_pointer: false, is_addressable: false, ..(**structure).clone() };
        return sprint_value(&Value::Struct(std::rc::Rc::new(plain)));
    }
    sprint_value(value)
}

/// The text of a value as Sprig's `toString`, `quote`, `join` see it: strings and bytes as they are, errors' and stringers'
/// own text, everything else by `%v`.
pub fn strval(value: &Value) -> Str {
    match value {
        Value::Str(text) | Value::Bytes(text) | Value::Error(text) => text.clone(),
        other => Str::from(sprint_value(other)),
    }
}
