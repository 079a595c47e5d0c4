//! Prints any value: which methods apply, maps, slices, structures, and wrong verbs.

use super::Printer;
use super::scalar::Integer;
use crate::strconv::FloatBits;
use crate::types::{self, Kind};
use crate::value::{NESTING_MAX, Value};

impl Printer {
    /// Prints an argument of `printf`.
    pub(super) fn argument(&mut self, value: &Value, verb: char) {
        if matches!(value, Value::Nil) {
            match verb {
                'T' | 'v' => self.pad(b"<nil>"),
                _ => self.wrong_verb(value, verb),
            }
            return;
        }
        match verb {
            'T' => {
                let flags = self.flags;
                self.string(value.type_name().as_bytes(), 's');
                self.flags = flags;
                return;
            }
            'p' => {
                self.pointer(value, verb);
                return;
            }
            _ => {}
        }
        self.value(value, verb, 0);
    }

    fn wrong_verb(&mut self, value: &Value, verb: char) {
        let was_erroring = std::mem::replace(&mut self.is_erroring, true);
        self.text(&format!("%!{verb}("));
        if matches!(value, Value::Nil) {
            self.text("<nil>");
        } else {
            self.text(&value.type_name());
            self.write(b"=");
            if was_erroring { self.text("...") } else { self.argument(value, 'v') }
        }
        self.write(b")");
        self.is_erroring = false;
    }

    /// Prints through `Error()` or `String()` if the value has one and the verb allows it.
    fn method(&mut self, value: &Value, verb: char) -> bool {
        if self.is_erroring || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        if self.flags.sharp_v {
            let text = match value {
                Value::Time(time) => crate::time::go_syntax(time),
                _ => return false,
            };
            self.pad(text.as_bytes());
            return true;
        }
        let text = match value {
            Value::Error(text) => text.to_string(),
            Value::Time(time) => crate::time::text(time),
            other => {
                let Some(info) = other.info() else { return false };
                let through_pointer =
                    info.pointer_string.filter(|_| matches!(other, Value::Struct(inner) if inner.is_pointer));
                match info.string.or(through_pointer) {
                    Some(string) => string(other),
                    None => return false,
                }
            }
        };
        self.string(text.as_bytes(), verb);
        true
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if depth > NESTING_MAX || self.is_over {
            self.text("...");
            return;
        }
        if self.method(value, verb) {
            return;
        }
        let fits = match value {
            Value::Nil => {
                self.text(if self.flags.sharp_v { "interface {}(nil)" } else { "<nil>" });
                true
            }
            Value::Bool(truth) => self.boolean(*truth, verb),
            Value::Int(number, _) => self.integer(Integer::signed(*number), verb),
            Value::Uint(number, _) => self.integer(Integer::unsigned(*number), verb),
            Value::Float(number, info) => {
                let bits = if info.kind == Kind::Float32 { FloatBits::Single } else { FloatBits::Double };
                self.float(*number, bits, verb)
            }
            Value::Complex(real, imaginary) => self.complex(*real, *imaginary, verb),
            Value::Str(text) => self.string(text, verb),
            Value::Bytes(bytes) => {
                self.bytes(bytes, verb, depth);
                true
            }
            Value::List(list) if list.is_nil && std::ptr::eq(list.info, &types::BYTES) => {
                self.bytes(b"", verb, depth);
                true
            }
            Value::List(list) => {
                if self.flags.sharp_v {
                    self.text(list.info.name);
                    if list.is_nil {
                        self.text("(nil)");
                        return;
                    }
                }
                self.sequence(list.items.iter(), verb, depth);
                true
            }
            Value::Map(map) => {
                self.map(map, verb, depth);
                true
            }
            Value::Struct(structure) if structure.is_pointer && depth > 0 => {
                self.pointer(value, verb);
                true
            }
            Value::Struct(structure) => {
                if structure.is_pointer {
                    self.write(b"&");
                }
                self.structure(structure, verb, depth);
                true
            }
            Value::Time(_) => {
                self.text("{...}");
                true
            }
            Value::Error(text) => {
                self.text("&{");
                self.string(text, verb);
                self.write(b"}");
                true
            }
            Value::Function(_) => {
                self.pointer(value, verb);
                true
            }
        };
        if !fits {
            self.wrong_verb(value, verb);
        }
    }

    fn separator(&self) -> &'static str {
        if self.flags.sharp_v { ", " } else { " " }
    }

    fn sequence<'v>(&mut self, items: impl Iterator<Item = &'v Value>, verb: char, depth: usize) {
        self.write(if self.flags.sharp_v { b"{" } else { b"[" });
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.text(self.separator());
            }
            self.value(item, verb, depth + 1);
        }
        self.write(if self.flags.sharp_v { b"}" } else { b"]" });
    }

    fn map(&mut self, map: &crate::value::Map, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.text(map.info.name);
            if map.is_nil() {
                self.text("(nil)");
                return;
            }
            self.write(b"{");
        } else {
            self.text("map[");
        }
        for (index, (key, item)) in map.borrow().iter().enumerate() {
            if index > 0 {
                self.text(self.separator());
            }
            if !self.string(key, verb) {
                self.wrong_verb(&Value::Str(key.clone()), verb);
            }
            self.write(b":");
            self.value(item, verb, depth + 1);
        }
        self.write(if self.flags.sharp_v { b"}" } else { b"]" });
    }

    fn structure(&mut self, structure: &crate::value::Struct, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.text(structure.info.name);
        }
        self.write(b"{");
        for (index, (field, value)) in structure.info.fields.iter().zip(&structure.fields).enumerate() {
            if index > 0 {
                self.text(self.separator());
            }
            if self.flags.plus_v || self.flags.sharp_v {
                self.text(field.name);
                self.write(b":");
            }
            self.value(value, verb, depth + 1);
        }
        self.write(b"}");
    }

    fn bytes(&mut self, bytes: &[u8], verb: char, _depth: usize) {
        match verb {
            'v' | 'd' if self.flags.sharp_v => {
                self.text("[]byte{");
                for (index, byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        self.text(", ");
                    }
                    self.hexadecimal(u64::from(*byte), true);
                }
                self.write(b"}");
            }
            's' | 'x' | 'X' | 'q' => {
                self.string(bytes, verb);
            }
            _ => {
                self.write(b"[");
                for (index, byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        self.write(b" ");
                    }
                    let number = Integer::unsigned(u64::from(*byte));
                    if !self.integer(number, if verb == 'v' { 'd' } else { verb }) {
                        self.wrong_verb(&Value::Uint(u64::from(*byte), &types::UINT8), verb);
                    }
                }
                self.write(b"]");
            }
        }
    }

    /// Prints an address: only its place in memory, so nothing that a stable output could hold.
    fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::Struct(structure) if structure.is_pointer => std::rc::Rc::as_ptr(structure).addr(),
            Value::List(list) => std::rc::Rc::as_ptr(list).addr(),
            Value::Map(map) => map.address(),
            Value::Function(closure) => std::rc::Rc::as_ptr(closure).addr(),
            Value::Error(text) => text.bytes().as_ptr().addr(),
            other => return self.wrong_verb(other, verb),
        };
        match verb {
            'v' | 'p' => self.hexadecimal(address as u64, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => {
                self.integer(Integer::unsigned(address as u64), verb);
            }
            _ => self.wrong_verb(value, verb),
        }
    }
}
