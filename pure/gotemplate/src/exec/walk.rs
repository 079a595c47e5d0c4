//! Statements: text, actions, if, with, range, template, break, continue.

use super::{Evaluated, Frame, Held};
use crate::format;
use crate::parse::ast::{BranchKind, NodeId, NodeKind};
use crate::quote;
use crate::text::Str;
use crate::value::{Body, Value};

/// How a statement ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

impl<'f> Frame<'f, '_> {
    pub(super) fn walk(&mut self, dot: &Held, id: NodeId) -> Evaluated<Flow> {
        self.at = id;
        self.charge()?;
        let file = self.file;
        match &file.node(id).kind {
            NodeKind::Action(pipe) => {
                let value = self.pipeline(dot, *pipe)?;
                let declares =
                    matches!(&file.node(*pipe).kind, NodeKind::Pipe { declarations, .. } if !declarations.is_empty());
                if !declares {
                    self.print(id, &value)?;
                }
            }
            NodeKind::Text(text) => self.write(text)?,
            NodeKind::List(nodes) => {
                for node in nodes {
                    let flow = self.walk(dot, *node)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
            }
            NodeKind::Branch { kind: BranchKind::Range, pipe, list, otherwise } => {
                return stacker::maybe_grow(128 << 10, 2 << 20, || self.range(dot, *pipe, *list, *otherwise));
            }
            NodeKind::Branch { kind, pipe, list, otherwise } => {
                return stacker::maybe_grow(128 << 10, 2 << 20, || {
                    self.condition(*kind, dot, *pipe, *list, *otherwise)
                });
            }
            NodeKind::Template { name, pipe } => self.template_action(dot, id, name, *pipe)?,
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
            _ => return self.fail("unknown node"),
        }
        Ok(Flow::Next)
    }

    fn condition(
        &mut self,
        kind: BranchKind,
        dot: &Held,
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
    ) -> Evaluated<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, pipe)?;
        let flow = if value.value.truth() {
            let dot = if kind == BranchKind::With { &value } else { dot };
            self.walk(dot, list)
        } else if let Some(otherwise) = otherwise {
            self.walk(dot, otherwise)
        } else {
            Ok(Flow::Next)
        };
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Held, pipe: NodeId, list: NodeId, otherwise: Option<NodeId>) -> Evaluated<Flow> {
        let outer = self.variables.len();
        let value = self.pipeline(dot, pipe)?.value;
        let NodeKind::Pipe { is_assign, declarations, .. } = &self.file.node(pipe).kind else {
            return self.fail("range without a pipeline");
        };
        let mut walker =
            Loop { names: declarations, is_assign: *is_assign, mark: self.variables.len(), list, has_run: false };
        let done = match &value {
            Value::Int(count, _) if declarations.len() > 1 => {
                return self.fail(format!("can't use {count} to iterate over more than one variable"));
            }
            Value::Uint(count, _) if declarations.len() > 1 => {
                return self.fail(format!("can't use {count} to iterate over more than one variable"));
            }
            Value::Int(count, info) => {
                let mut items = (0..*count).map(|number| (Held::nothing(), Held::plain(Value::Int(number, info))));
                self.iterate(&mut walker, &mut items)
            }
            Value::Uint(count, info) => {
                let mut items = (0..*count).map(|number| (Held::nothing(), Held::plain(Value::Uint(number, info))));
                self.iterate(&mut walker, &mut items)
            }
            Value::List(items) => {
                let is_interface = items.info.element.is_some_and(|element| element.is_any());
                let mut numbered = items.items.iter().enumerate().map(|(index, item)| {
                    (Held::plain(Value::int(index as i64)), Held { value: item.clone(), is_interface })
                });
                self.iterate(&mut walker, &mut numbered)
            }
            Value::Bytes(bytes) => {
                let mut numbered = bytes.bytes().iter().enumerate().map(|(index, byte)| {
                    let byte = Value::Uint(u64::from(*byte), &crate::types::UINT8);
                    (Held::plain(Value::int(index as i64)), Held::plain(byte))
                });
                self.iterate(&mut walker, &mut numbered)
            }
            Value::Map(map) => {
                let is_interface = map.info.element.is_some_and(|element| element.is_any());
                let mut entries = map
                    .entries()
                    .into_iter()
                    .map(|(key, value)| (Held::plain(Value::Str(key)), Held { value, is_interface }));
                self.iterate(&mut walker, &mut entries)
            }
            Value::Function(closure) => match &closure.body {
                Body::Iterate(_) if declarations.len() > 1 => {
                    return self.fail(format!("can't use {} iterate over more than one variable", closure.type_name));
                }
                Body::Iterate(start) => {
                    let mut items = start().map(|item| (Held::nothing(), Held::plain(item)));
                    self.iterate(&mut walker, &mut items)
                }
                Body::IteratePairs(start) => {
                    let takes_both = declarations.len() > 1;
                    let mut items = start().map(|(key, item)| {
                        if takes_both {
                            (Held::plain(key), Held::plain(item))
                        } else {
                            (Held::nothing(), Held::plain(key))
                        }
                    });
                    self.iterate(&mut walker, &mut items)
                }
                Body::Call(_) => return self.fail(format!("range can't iterate over {}", closure.type_name)),
            },
            Value::Nil => Ok(Flow::Next),
            other => {
                let shown = format::sprint_value(other);
                let error = self.failure(format!("range can't iterate over {}", String::from_utf8_lossy(&shown)));
                return Err(error.with_hint(super::hints::not_iterable(other)));
            }
        };
        let mut flow = done?;
        if !walker.has_run
            && let Some(otherwise) = otherwise
        {
            flow = self.walk(dot, otherwise)?;
        }
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn iterate(&mut self, walker: &mut Loop<'_>, items: &mut dyn Iterator<Item = (Held, Held)>) -> Evaluated<Flow> {
        for (index, item) in items {
            self.charge()?;
            walker.has_run = true;
            match (walker.names, walker.is_assign) {
                ([], _) => {}
                ([one], true) => self.assign(one, item.clone())?,
                ([first, second, ..], true) => {
                    self.assign(first, index)?;
                    self.assign(second, item.clone())?;
                }
                ([_], false) => self.variables[walker.mark - 1].1 = item.clone(),
                ([_, _, ..], false) => {
                    self.variables[walker.mark - 1].1 = item.clone();
                    self.variables[walker.mark - 2].1 = index;
                }
            }
            let flow = self.walk(&item, walker.list)?;
            self.variables.truncate(walker.mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    pub(super) fn assign(&mut self, name: &Str, value: Held) -> Evaluated<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn template_action(&mut self, dot: &Held, id: NodeId, name: &Str, pipe: Option<NodeId>) -> Evaluated<()> {
        self.at = id;
        let Some(template) = self.context.template(name) else {
            return self.fail(format!("template {} not defined", quote::quote(name)));
        };
        let depth_max = self.context.options.limits.depth_max;
        if self.depth >= depth_max {
            return self.fail(format!("exceeded maximum template depth ({depth_max})"));
        }
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Held::nothing(),
        };
        stacker::maybe_grow(128 << 10, 4 << 20, || {
            let mut frame = Frame {
                context: self.context,
                file: &template.file,
                template: &template.name,
                variables: vec![(Str::dollar(), dot.clone())],
                at: template.root,
                depth: self.depth + 1,
                out: self.out,
            };
            frame.walk(&dot, template.root).map(drop)
        })
    }

    fn print(&mut self, id: NodeId, held: &Held) -> Evaluated<()> {
        self.at = id;
        match &held.value {
            Value::Str(text) => self.write(text),
            Value::Nil if !held.is_interface => self.write(b"<no value>"),
            Value::Function(closure) => {
                let shown = crate::parse::ast::print(self.file, id);
                self.fail(format!("can't print {} of type {}", String::from_utf8_lossy(&shown), closure.type_name))
            }
            value => {
                let text = format::print_value(value);
                self.write(&text)
            }
        }
    }
}

/// What a `range` needs to know in each turn.
struct Loop<'n> {
    names: &'n [Str],
    is_assign: bool,
    /// The number of variables when the body starts; the loop's own stand just below.
    mark: usize,
    list: NodeId,
    has_run: bool,
}
