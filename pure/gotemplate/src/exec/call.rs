//! Calls: counting, evaluating and checking arguments against the parameters' Go types.

use super::evaluate::dereferenced;
use super::hints;
use super::{Evaluated, Frame, Held};
use crate::function::{Action, Function};
use crate::parse::ast::{self, NodeId, NodeKind};
use crate::types::{self, Kind, Method, Signature, TypeInfo};
use crate::value::Value;
use std::sync::Arc;

/// What is called.
pub(super) enum Callee<'c> {
    Function(&'c Arc<Function>),
    Method(&'c Method, &'c Value),
}

impl<'f> Frame<'f, '_> {
    /// Calls with the arguments `rest` and, if it ends a pipeline, the value `last`.
    pub(super) fn call(
        &mut self,
        dot: &Held,
        callee: Callee<'_>,
        id: NodeId,
        name: &str,
        rest: &[NodeId],
        last: Option<Held>,
    ) -> Evaluated<Held> {
        let signature = match &callee {
            Callee::Function(function) => function.signature(),
            Callee::Method(method, _) => method.signature,
        };
        self.check_count(&signature, name, rest.len(), last.is_some())?;
        if let Callee::Function(function) = &callee
            && matches!(function.action, Action::And | Action::Or)
        {
            return self.short_circuit(dot, matches!(function.action, Action::Or), rest, last);
        }
        let is_index = matches!(&callee, Callee::Function(function) if matches!(function.action, Action::Index));
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        let mut is_interface_first = false;
        let parameter = |index: usize| -> &'static TypeInfo {
            let end = signature.parameters.len() - 1;
            signature.parameters[index.min(end)]
        };
        for (index, argument) in rest.iter().enumerate() {
            let wanted = parameter(index);
            let held = self
                .argument(dot, Some(wanted), *argument)
                .map_err(|error| hints::argument(error, name, index, wanted))?;
            is_interface_first |= index == 0 && held.is_interface;
            arguments.push(held.value.passed());
        }
        if let Some(last) = last {
            let wanted = parameter(rest.len());
            let held =
                self.validate(last, Some(wanted)).map_err(|error| hints::argument(error, name, rest.len(), wanted))?;
            is_interface_first |= rest.is_empty() && held.is_interface;
            arguments.push(held.value.passed());
        }
        if is_index {
            let first = Held { value: arguments[0].clone(), is_interface: is_interface_first };
            return crate::functions::language::index(first, &arguments[1..])
                .map_err(|error| self.call_failure(error, id, name));
        }
        if let Callee::Function(function) = &callee
            && matches!(function.action, Action::Length)
        {
            let held = Held { value: arguments[0].clone(), is_interface: is_interface_first };
            let result = crate::functions::language::length(&held).map(Held::plain);
            return result.map_err(|error| self.call_failure(error, id, name));
        }
        let result = match &callee {
            Callee::Method(method, receiver) => (method.body)(self.context, receiver, &arguments),
            Callee::Function(function) => match &function.action {
                Action::Static(body) => body(self.context, &mut arguments),
                Action::Plain(body) => body(self.context, &mut arguments),
                Action::Call => {
                    let shown = rest.first().map(|first| ast::print(self.file, *first)).unwrap_or_default();
                    crate::functions::language::call(&String::from_utf8_lossy(&shown), &arguments)
                }
                Action::And | Action::Or | Action::Index | Action::Length => Ok(Value::Nil),
            },
        };
        match result {
            Ok(value) => Ok(Held { value, is_interface: signature.returns_any }),
            Err(error) => Err(self.call_failure(error, id, name)),
        }
    }

    fn call_failure(&mut self, error: crate::error::Error, id: NodeId, name: &str) -> crate::error::Error {
        self.at = id;
        let reason = format!("error calling {name}: ");
        crate::error::Error::execution(self.position(), &reason, Some(error))
    }

    fn check_count(&mut self, signature: &Signature<'_>, name: &str, given: usize, has_last: bool) -> Evaluated<()> {
        let total = given + usize::from(has_last);
        let parameters = signature.parameters.len();
        if signature.is_variadic {
            if total < parameters - 1 {
                return self
                    .fail(format!("wrong number of args for {name}: want at least {} got {given}", parameters - 1));
            }
        } else if total != parameters {
            return self.fail(format!("wrong number of args for {name}: want {parameters} got {total}"));
        }
        Ok(())
    }

    fn short_circuit(&mut self, dot: &Held, is_or: bool, rest: &[NodeId], last: Option<Held>) -> Evaluated<Held> {
        let mut value = Held::nothing();
        for argument in rest {
            value = self.argument(dot, Some(&types::REFLECT), *argument)?;
            if value.value.truth() == is_or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Evaluates an argument for a parameter of type `wanted`.
    pub(super) fn argument(&mut self, dot: &Held, wanted: Option<&'static TypeInfo>, id: NodeId) -> Evaluated<Held> {
        self.at = id;
        let file = self.file;
        let held = match &file.node(id).kind {
            NodeKind::Dot => dot.clone(),
            NodeKind::Nil => {
                let wanted = wanted.unwrap_or(&types::ANY);
                if !wanted.can_be_nil() {
                    return self.fail(format!("cannot assign nil to {}", wanted.name));
                }
                return Ok(nil_of(wanted));
            }
            NodeKind::Field(names) => self.field_node(dot, id, names, &[], None)?,
            NodeKind::Variable(names) => self.variable_node(dot, id, names, &[], None)?,
            NodeKind::Pipe { .. } => stacker::maybe_grow(128 << 10, 2 << 20, || self.pipeline(dot, id))?,
            NodeKind::Identifier(function) => {
                self.call(dot, Callee::Function(function), id, function.name, &[], None)?
            }
            NodeKind::Chain { .. } => self.chain_node(dot, id, &[], None)?,
            literal => return self.literal(literal, wanted, id),
        };
        self.validate(held, wanted)
    }

    /// A literal takes the type that is wanted, if its value fits.
    fn literal(&mut self, literal: &NodeKind, wanted: Option<&'static TypeInfo>, id: NodeId) -> Evaluated<Held> {
        let wanted = wanted.unwrap_or(&types::ANY);
        let value = match (wanted.kind, literal) {
            (Kind::Interface, NodeKind::Bool(truth)) | (Kind::Bool, NodeKind::Bool(truth)) => Value::Bool(*truth),
            (Kind::Interface | Kind::String, NodeKind::String { text, .. }) => Value::Str(text.clone()),
            (Kind::Interface, NodeKind::Number(number)) => return self.constant(id, number),
            (Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, NodeKind::Number(number)) => {
                match number.int {
                    Some(int) => Value::Int(int, wanted),
                    None => return self.wrong_literal("integer", id),
                }
            }
            (Kind::Uint | Kind::Uint8 | Kind::Uint16 | Kind::Uint32 | Kind::Uint64, NodeKind::Number(number)) => {
                match number.uint {
                    Some(uint) if wanted.kind == Kind::Uint32 => Value::Uint(uint & 0xFFFF_FFFF, wanted),
                    Some(uint) => Value::Uint(uint, wanted),
                    None => return self.wrong_literal("unsigned integer", id),
                }
            }
            (Kind::Float32 | Kind::Float64, NodeKind::Number(number)) => match number.float {
                Some(float) => Value::Float(float, wanted),
                None => return self.wrong_literal("float", id),
            },
            (Kind::Complex128, NodeKind::Number(number)) => match number.complex {
                Some((real, imaginary)) => Value::Complex(real, imaginary),
                None => return self.wrong_literal("complex", id),
            },
            (Kind::Bool, _) => return self.wrong_literal("bool", id),
            (Kind::String, _) => return self.wrong_literal("string", id),
            (Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, _) => {
                return self.wrong_literal("integer", id);
            }
            (Kind::Uint | Kind::Uint8 | Kind::Uint16 | Kind::Uint32 | Kind::Uint64, _) => {
                return self.wrong_literal("unsigned integer", id);
            }
            (Kind::Float32 | Kind::Float64, _) => return self.wrong_literal("float", id),
            _ => {
                let shown = ast::print(self.file, id);
                return self.fail(format!(
                    "can't handle {} for arg of type {}",
                    String::from_utf8_lossy(&shown),
                    wanted.name
                ));
            }
        };
        Ok(Held::plain(value))
    }

    fn wrong_literal<T>(&mut self, wanted: &str, id: NodeId) -> Evaluated<T> {
        self.at = id;
        let shown = ast::print(self.file, id);
        self.fail(format!("expected {wanted}; found {}", String::from_utf8_lossy(&shown)))
    }

    /// Checks that a value can be passed where `wanted` is declared, converting what Go converts silently.
    pub(super) fn validate(&mut self, held: Held, wanted: Option<&'static TypeInfo>) -> Evaluated<Held> {
        let Some(wanted) = wanted else {
            return Ok(held);
        };
        if held.is_nothing() {
            if wanted.can_be_nil() {
                return Ok(nil_of(wanted));
            }
            return self.fail(format!("invalid value; expected {}", wanted.name));
        }
        if wanted.is_any() {
            return Ok(held);
        }
        match assigned(&held.value, wanted) {
            Some(value) => Ok(Held::plain(value)),
            None => {
                let got =
                    if matches!(held.value, Value::Nil) { "interface {}".to_string() } else { held.value.type_name() };
                self.fail(format!("wrong type for value; expected {}; got {got}", wanted.name))
            }
        }
    }
}

/// The typed nil that an untyped nil becomes.
fn nil_of(wanted: &'static TypeInfo) -> Held {
    if std::ptr::eq(wanted, &types::REFLECT) {
        return Held::nothing();
    }
    if wanted.is_any() {
        return Held::interface(Value::Nil);
    }
    Held::plain(types::zero(wanted))
}

/// The value as one of type `wanted`, if Go lets it be assigned (or dereferenced once).
pub(crate) fn assigned(value: &Value, wanted: &'static TypeInfo) -> Option<Value> {
    let info = value.info()?;
    let is_pointer = matches!(value, Value::Struct(structure) if structure.is_pointer);
    if wanted.kind == Kind::Pointer {
        let points_there = wanted.element.is_some_and(|element| std::ptr::eq(element, info));
        return (points_there && (is_pointer || is_addressable(value))).then(|| value.clone());
    }
    if std::ptr::eq(info, wanted) {
        return Some(match value {
            Value::Struct(structure) if is_pointer && wanted.kind == Kind::Struct => dereferenced(structure),
            other => other.clone(),
        });
    }
    let has_same_shape = info.kind == wanted.kind
        && matches!(wanted.kind, Kind::Map | Kind::Slice)
        && info.element.is_some_and(|element| wanted.element.is_some_and(|other| std::ptr::eq(element, other)));
    let has_unnamed = |info: &TypeInfo| info.name.starts_with("map[") || info.name.starts_with('[');
    if !has_same_shape || !(has_unnamed(info) || has_unnamed(wanted)) {
        return None;
    }
    Some(match value {
        Value::Map(map) => Value::Map(map.seen_as(wanted)),
        other => other.clone(),
    })
}

fn is_addressable(value: &Value) -> bool {
    matches!(value, Value::Struct(structure) if structure.is_addressable)
}
