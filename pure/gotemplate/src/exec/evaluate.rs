//! Expressions: pipelines, commands, constants, variables, chains of fields.

use super::call::Callee;
use super::hints;
use super::{Evaluated, Frame, Held};
use crate::context::MissingKey;
use crate::parse::ast::{self, NodeId, NodeKind};
use crate::parse::number::Number;
use crate::quote;
use crate::text::Str;
use crate::types::{self, TypeInfo};
use crate::value::{Struct, Value};
use std::rc::Rc;

impl<'f> Frame<'f, '_> {
    /// Evaluates a pipeline; declared variables stay on the stack.
    pub(super) fn pipeline(&mut self, dot: &Held, id: NodeId) -> Evaluated<Held> {
        self.at = id;
        let file = self.file;
        let NodeKind::Pipe { is_assign, declarations, commands } = &file.node(id).kind else {
            return self.fail("not a pipeline");
        };
        let mut last: Option<Held> = None;
        for command in commands {
            let mut value = self.command(dot, *command, last.take())?;
            value.is_interface = false;
            last = Some(value);
        }
        let value = last.unwrap_or_else(Held::nothing);
        for name in declarations {
            if *is_assign {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Held, id: NodeId, last: Option<Held>) -> Evaluated<Held> {
        self.charge()?;
        let file = self.file;
        let NodeKind::Command(arguments) = &file.node(id).kind else {
            return self.fail("not a command");
        };
        let (first, rest) = (arguments[0], &arguments[1..]);
        match &file.node(first).kind {
            NodeKind::Field(names) => return self.field_node(dot, first, names, rest, last),
            NodeKind::Chain { .. } => return self.chain_node(dot, first, rest, last),
            NodeKind::Identifier(function) => {
                self.at = first;
                return self.call(dot, Callee::Function(function), id, function.name, rest, last);
            }
            NodeKind::Pipe { .. } => {
                self.refuse_arguments(first, rest, last.is_some())?;
                return stacker::maybe_grow(128 << 10, 2 << 20, || self.pipeline(dot, first));
            }
            NodeKind::Variable(names) => return self.variable_node(dot, first, names, rest, last),
            _ => {}
        }
        self.at = first;
        self.refuse_arguments(first, rest, last.is_some())?;
        match &file.node(first).kind {
            NodeKind::Bool(truth) => Ok(Held::plain(Value::Bool(*truth))),
            NodeKind::Dot => Ok(dot.clone()),
            NodeKind::Nil => self.fail("nil is not a command"),
            NodeKind::Number(number) => self.constant(first, number),
            NodeKind::String { text, .. } => Ok(Held::plain(Value::Str(text.clone()))),
            _ => self.fail(format!("can't evaluate command {}", quote::quote(&ast::print(file, first)))),
        }
    }

    fn refuse_arguments(&mut self, first: NodeId, rest: &[NodeId], has_last: bool) -> Evaluated<()> {
        if rest.is_empty() && !has_last {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&ast::print(self.file, first)).into_owned();
        self.fail(format!("can't give argument to non-function {shown}"))
    }

    /// The value of a constant where nothing says which type is wanted.
    pub(super) fn constant(&mut self, id: NodeId, number: &Number) -> Evaluated<Held> {
        self.at = id;
        let text = number.text.bytes();
        let is_rune = text.first() == Some(&b'\'');
        let has_exponent_p = text.iter().any(|byte| matches!(byte, b'p' | b'P'));
        let is_hex = text.len() > 2 && text[0] == b'0' && matches!(text[1], b'x' | b'X') && !has_exponent_p;
        let looks_float = text.iter().any(|byte| b".eEpP".contains(byte));
        let value = match number {
            Number { complex: Some((real, imaginary)), .. } => Value::Complex(*real, *imaginary),
            Number { float: Some(float), .. } if !is_hex && !is_rune && looks_float => Value::float(*float),
            Number { int: Some(int), .. } => Value::int(*int),
            Number { uint: Some(_), .. } => return self.fail(format!("{} overflows int", number.text)),
            _ => Value::Nil,
        };
        Ok(Held::plain(value))
    }

    pub(super) fn field_node(
        &mut self,
        dot: &Held,
        id: NodeId,
        names: &[Str],
        rest: &[NodeId],
        last: Option<Held>,
    ) -> Evaluated<Held> {
        self.at = id;
        self.fields(dot, dot.clone(), id, names, rest, last)
    }

    pub(super) fn chain_node(
        &mut self,
        dot: &Held,
        id: NodeId,
        rest: &[NodeId],
        last: Option<Held>,
    ) -> Evaluated<Held> {
        self.at = id;
        let file = self.file;
        let NodeKind::Chain { node, fields } = &file.node(id).kind else {
            return self.fail("not a chain");
        };
        let receiver = self.argument(dot, None, *node)?;
        self.fields(dot, receiver, id, fields, rest, last)
    }

    pub(super) fn variable_node(
        &mut self,
        dot: &Held,
        id: NodeId,
        names: &[Str],
        rest: &[NodeId],
        last: Option<Held>,
    ) -> Evaluated<Held> {
        self.at = id;
        let found = self.variables.iter().rev().find(|(name, _)| *name == names[0]).map(|(_, value)| value.clone());
        let Some(value) = found else {
            return self.fail(format!("undefined variable: {}", names[0]));
        };
        if names.len() == 1 {
            self.refuse_arguments(id, rest, last.is_some())?;
            return Ok(value);
        }
        self.fields(dot, value, id, &names[1..], rest, last)
    }

    /// Walks `.a.b.c` from a receiver; arguments go to the last one.
    fn fields(
        &mut self,
        dot: &Held,
        receiver: Held,
        id: NodeId,
        names: &[Str],
        rest: &[NodeId],
        last: Option<Held>,
    ) -> Evaluated<Held> {
        let mut receiver = receiver;
        let end = names.len() - 1;
        for (index, name) in names[..end].iter().enumerate() {
            receiver = self
                .field(dot, name, id, &[], None, receiver)
                .map_err(|error| self.explain(error, id, names, index))?;
        }
        self.field(dot, &names[end], id, rest, last, receiver).map_err(|error| self.explain(error, id, names, end))
    }

    /// Adds to an error which part of the chain was missing.
    fn explain(&self, error: crate::error::Error, id: NodeId, names: &[Str], index: usize) -> crate::error::Error {
        if error.source().is_some() || error.hint().is_some() {
            return error;
        }
        match hints::field(self.file, id, names, index, &error.reason()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn field(
        &mut self,
        dot: &Held,
        name: &Str,
        id: NodeId,
        rest: &[NodeId],
        last: Option<Held>,
        receiver: Held,
    ) -> Evaluated<Held> {
        if receiver.is_nothing() {
            if self.context.options.missing_key == MissingKey::Error {
                return self.fail(format!("nil data; no entry for key {}", quote::quote(name)));
            }
            return Ok(Held::nothing());
        }
        if receiver.is_interface && matches!(receiver.value, Value::Nil) {
            return self.fail(format!("nil pointer evaluating interface {{}}.{name}"));
        }
        let methods = receiver.value.info().map_or(&[][..], |info| info.methods);
        if let Some(method) = methods.iter().find(|method| method.name.as_bytes() == name.bytes())
            && (!method.needs_pointer || has_address(&receiver.value))
        {
            let callee = Callee::Method(method, &receiver.value);
            return self.call(dot, callee, id, method.name, rest, last);
        }
        let has_arguments = !rest.is_empty() || last.is_some();
        match &receiver.value {
            Value::Struct(structure) => {
                if let Some(value) = structure.field(name) {
                    if has_arguments {
                        return self.fail(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Held::plain(value));
                }
            }
            Value::Map(map) => {
                if has_arguments {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                let element: &'static TypeInfo = map.info.element.unwrap_or(&types::ANY);
                if let Some(value) = map.get(name) {
                    return Ok(Held { value, is_interface: element.is_any() });
                }
                return match self.context.options.missing_key {
                    MissingKey::Invalid => Ok(Held::nothing()),
                    MissingKey::Zero => Ok(Held { value: types::zero(element), is_interface: element.is_any() }),
                    MissingKey::Error => self.fail(format!("map has no entry for key {}", quote::quote(name))),
                };
            }
            _ => {}
        }
        self.fail(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }
}

fn has_address(value: &Value) -> bool {
    !matches!(value, Value::Struct(structure) if !structure.is_pointer && !structure.is_addressable)
}

/// What a pointer points to, reached through it.
pub(super) fn dereferenced(structure: &Rc<Struct>) -> Value {
    Value::Struct(Rc::new(Struct { is_pointer: false, is_addressable: true, ..(**structure).clone() }))
}
