//! Runs a template: walks the tree, evaluates pipelines, writes the output.
//!
//! [`walk`] does statements, [`evaluate`] expressions, [`call`] arguments and calls. A [`Held`] is a value together with
//! whether Go would hold it in an `interface {}`: messages and nil rules depend on that.

mod call;
mod evaluate;
mod hints;
mod walk;

use crate::context::Context;
use crate::error::{Error, Position};
use crate::parse::ast::{self, NodeId};
use crate::template::{File, Template};
use crate::text::Str;
use crate::value::Value;

/// A value and how it is held.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) value: Value,
    /// Whether Go's static type is `interface {}`. A nil that is not in an interface is no value at all.
    pub(crate) is_interface: bool,
}

impl Held {
    pub(crate) fn plain(value: Value) -> Held {
        Held { value, is_interface: false }
    }

    pub(crate) fn interface(value: Value) -> Held {
        Held { value, is_interface: true }
    }

    fn nothing() -> Held {
        Held::plain(Value::Nil)
    }

    fn is_nothing(&self) -> bool {
        !self.is_interface && matches!(self.value, Value::Nil)
    }

    /// The name of the static type.
    fn type_name(&self) -> String {
        if self.is_interface { "interface {}".into() } else { self.value.type_name() }
    }
}

/// Nested `include` and `tpl` altogether; each name alone is bounded by its function.
const EXECUTIONS_MAX: usize = 10_000;

/// Runs a template on a value and gives its output.
pub(crate) fn execute(context: &mut Context<'_>, template: &Template, dot: &Value) -> Result<Vec<u8>, Error> {
    if context.nesting >= EXECUTIONS_MAX {
        return Err(Error::limit(format!("templates run inside each other deeper than {EXECUTIONS_MAX}")));
    }
    context.nesting += 1;
    let dot = Held::plain(dot.clone());
    let mut out = Vec::new();
    let result = stacker::maybe_grow(256 << 10, 4 << 20, || {
        let mut frame = Frame {
            file: &template.file,
            template: &template.name,
            variables: vec![(Str::dollar(), dot.clone())],
            at: template.root,
            depth: 0,
            out: &mut out,
            context,
        };
        frame.walk(&dot, template.root).map(drop)
    });
    context.nesting -= 1;
    result.map(|()| out)
}

/// The state of one running template.
struct Frame<'f, 'host> {
    context: &'f mut Context<'host>,
    file: &'f File,
    template: &'f Str,
    variables: Vec<(Str, Held)>,
    /// The node that an error names.
    at: NodeId,
    depth: usize,
    out: &'f mut Vec<u8>,
}

/// The result of an evaluation step.
type Evaluated<T> = Result<T, Error>;

impl Frame<'_, '_> {
    fn position(&self) -> Position {
        let offset = self.file.node(self.at).position as usize;
        let before = &self.file.text[..offset.min(self.file.text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Position {
            file: self.file.name.clone(),
            line: 1 + memchr::memchr_iter(b'\n', before).count(),
            column: Some(offset - line_start),
            template: self.template.to_string(),
            expression: String::from_utf8_lossy(&ast::print(self.file, self.at)).into_owned(),
        }
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Evaluated<T> {
        Err(self.failure(reason))
    }

    fn failure(&self, reason: impl Into<String>) -> Error {
        Error::execution(self.position(), &reason.into(), None)
    }

    /// Gives an error without a place the current one.
    fn located(&self, error: Error) -> Error {
        Error::execution(self.position(), "", Some(error))
    }

    fn charge(&mut self) -> Evaluated<()> {
        match self.context.charge_steps(1) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.located(error)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Evaluated<()> {
        let limit = self.context.options.limits.output_bytes_max;
        if self.out.len() + bytes.len() > limit {
            return Err(self.located(Error::limit(format!("the output is larger than {limit} bytes"))));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}
