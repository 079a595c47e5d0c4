//! The tree of a parsed file: nodes in one arena, so that a hostile depth costs no stack when it is dropped.
//!
//! [`print`] writes an expression as Go does in messages.

use super::number::Number;
use crate::function::Function;
use crate::template::File;
use crate::text::Str;
use std::sync::Arc;

/// Names a node of a [`File`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// A node: where it stands (bytes from the start) and what it is.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: u32,
    pub(crate) kind: NodeKind,
}

/// Which block a [`NodeKind::Branch`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    With,
    Range,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum NodeKind {
    List(Vec<NodeId>),
    Text(Str),
    Action(NodeId),
    Branch {
        kind: BranchKind,
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
    },
    Template {
        name: Str,
        pipe: Option<NodeId>,
    },
    Break,
    Continue,
    Pipe {
        is_assign: bool,
        declarations: Vec<Str>,
        commands: Vec<NodeId>,
    },
    Command(Vec<NodeId>),
    Identifier(Arc<Function>),
    /// `$x.Field...`: the variable's name, then fields.
    Variable(Vec<Str>),
    Field(Vec<Str>),
    Chain {
        node: NodeId,
        fields: Vec<Str>,
    },
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    String {
        quoted: Str,
        text: Str,
    },
}

/// Says whether a template's body holds nothing but white space and comments.
pub(crate) fn is_empty(file: &File, id: NodeId) -> bool {
    let mut waiting = vec![id];
    while let Some(id) = waiting.pop() {
        match &file.node(id).kind {
            NodeKind::List(nodes) => waiting.extend(nodes),
            NodeKind::Text(text) if crate::text::trim_space(text).is_empty() => {}
            _ => return false,
        }
    }
    true
}

/// Bounds a printed expression: it is shown to people.
const PRINTED_BYTES_MAX: usize = 1 << 16;

/// Writes a node as Go prints it in messages: normalised spaces, parentheses kept, bodies of blocks included.
pub(crate) fn print(file: &File, id: NodeId) -> Vec<u8> {
    enum Part<'a> {
        Node(NodeId),
        Text(&'a [u8]),
    }
    let mut out = Vec::new();
    let mut waiting = vec![Part::Node(id)];
    while let Some(part) = waiting.pop() {
        if out.len() > PRINTED_BYTES_MAX {
            break;
        }
        let id = match part {
            Part::Text(text) => {
                out.extend_from_slice(text);
                continue;
            }
            Part::Node(id) => id,
        };
        let is_pipe = |id: &NodeId| matches!(file.node(*id).kind, NodeKind::Pipe { .. });
        let mut parts: Vec<Part<'_>> = Vec::new();
        match &file.node(id).kind {
            NodeKind::List(nodes) => parts.extend(nodes.iter().map(|node| Part::Node(*node))),
            NodeKind::Text(text) => out.extend_from_slice(text),
            NodeKind::Action(pipe) => parts.extend([Part::Text(b"{{"), Part::Node(*pipe), Part::Text(b"}}")]),
            NodeKind::Branch { kind, pipe, list, otherwise } => {
                let name: &[u8] = match kind {
                    BranchKind::If => b"{{if ",
                    BranchKind::With => b"{{with ",
                    BranchKind::Range => b"{{range ",
                };
                parts.extend([Part::Text(name), Part::Node(*pipe), Part::Text(b"}}"), Part::Node(*list)]);
                if let Some(otherwise) = otherwise {
                    parts.extend([Part::Text(b"{{else}}"), Part::Node(*otherwise)]);
                }
                parts.push(Part::Text(b"{{end}}"));
            }
            NodeKind::Template { name, pipe } => {
                out.extend_from_slice(b"{{template ");
                out.extend_from_slice(crate::quote::quote(name).as_bytes());
                if let Some(pipe) = pipe {
                    parts.extend([Part::Text(b" "), Part::Node(*pipe)]);
                }
                parts.push(Part::Text(b"}}"));
            }
            NodeKind::Break => out.extend_from_slice(b"{{break}}"),
            NodeKind::Continue => out.extend_from_slice(b"{{continue}}"),
            NodeKind::Pipe { is_assign, declarations, commands } => {
                for (index, name) in declarations.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    out.extend_from_slice(name);
                }
                if !declarations.is_empty() {
                    out.extend_from_slice(if *is_assign { b" = " } else { b" := " });
                }
                for (index, command) in commands.iter().enumerate() {
                    if index > 0 {
                        parts.push(Part::Text(b" | "));
                    }
                    parts.push(Part::Node(*command));
                }
            }
            NodeKind::Command(arguments) => {
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        parts.push(Part::Text(b" "));
                    }
                    if is_pipe(argument) {
                        parts.extend([Part::Text(b"("), Part::Node(*argument), Part::Text(b")")]);
                    } else {
                        parts.push(Part::Node(*argument));
                    }
                }
            }
            NodeKind::Identifier(function) => out.extend_from_slice(function.name.as_bytes()),
            NodeKind::Variable(names) => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.push(b'.');
                    }
                    out.extend_from_slice(name);
                }
            }
            NodeKind::Field(names) => print_fields(&mut out, names),
            NodeKind::Chain { node, fields } => {
                if is_pipe(node) {
                    parts.extend([Part::Text(b"("), Part::Node(*node), Part::Text(b")")]);
                } else {
                    parts.push(Part::Node(*node));
                }
                for field in fields {
                    parts.extend([Part::Text(b"."), Part::Text(field)]);
                }
            }
            NodeKind::Dot => out.push(b'.'),
            NodeKind::Nil => out.extend_from_slice(b"nil"),
            NodeKind::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            NodeKind::Number(number) => out.extend_from_slice(&number.text),
            NodeKind::String { quoted, .. } => out.extend_from_slice(quoted),
        }
        waiting.extend(parts.into_iter().rev());
    }
    out
}

/// Writes `.a.b.c`.
pub(crate) fn print_fields(out: &mut Vec<u8>, names: &[Str]) {
    for name in names {
        out.push(b'.');
        out.extend_from_slice(name);
    }
}
