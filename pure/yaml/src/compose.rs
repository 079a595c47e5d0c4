//! From events to the tree of a document, and back.

use crate::event::{Event, Parser, Placed, Properties};
use crate::node::{Document, Kind, Node, Position};
use crate::scan::Mark;
use crate::to_json::{Builder, Cost};
use crate::{Error, Limits, Resolver, Style};
use std::borrow::Cow;

/// Parses every document into a tree.
pub(crate) fn documents(text: &str, resolver: Resolver, limits: &Limits) -> Result<Vec<Document>, Error> {
    let mut parser = Parser::new(text, resolver, limits.depth_max);
    let mut documents = Vec::new();
    let mut is_explicit = false;
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    let mut nodes = 0;
    loop {
        let Placed { event, start, content, end } = parser.next()?;
        nodes += 1;
        if nodes > limits.nodes_max {
            return Err(start.error(format!("the text has more than {} nodes", limits.nodes_max)));
        }
        let finished = match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart { is_explicit: explicit } => {
                is_explicit = explicit;
                continue;
            }
            Event::DocumentEnd => {
                if documents.len() >= limits.documents_max {
                    return Err(start.error(format!("the text has more than {} documents", limits.documents_max)));
                }
                let root = root.take().expect("the parser gives every document a node");
                documents.push(Document { root, resolver, is_explicit });
                continue;
            }
            Event::SequenceStart { properties, style } => {
                open.push(node(Kind::Sequence, properties, style, String::new(), [start, content, end]));
                check_depth(&open, limits, start)?;
                continue;
            }
            Event::MappingStart { properties, style } => {
                open.push(node(Kind::Mapping, properties, style, String::new(), [start, content, end]));
                check_depth(&open, limits, start)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let mut closed = open.pop().expect("the parser pairs starts and ends");
                // A block collection ends where its last child does, not where the next token was found.
                closed.end = match (closed.style, closed.children.last()) {
                    (Style::Block, Some(last)) => last.end,
                    _ => position(end),
                };
                closed
            }
            Event::Alias { name } => {
                node(Kind::Alias, Properties::default(), Style::Plain, name.to_owned(), [start, content, end])
            }
            Event::Scalar { properties, value, style } => {
                node(Kind::Scalar, properties, style, value.into_owned(), [start, content, end])
            }
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(finished),
            None => root = Some(finished),
        }
    }
}

fn check_depth(open: &[Node], limits: &Limits, start: Mark) -> Result<(), Error> {
    if open.len() > limits.depth_max {
        return Err(start.error(format!("exceeded max depth of {}", limits.depth_max)));
    }
    Ok(())
}

fn node(kind: Kind, properties: Properties<'_>, style: Style, value: String, marks: [Mark; 3]) -> Node {
    let [start, content, end] = marks;
    Node {
        kind,
        tag: properties.tag.unwrap_or_default(),
        style,
        value,
        anchor: properties.anchor.map(Cow::into_owned),
        position: position(start),
        content: position(content),
        end: position(end),
        children: Vec::new(),
    }
}

fn position(mark: Mark) -> Position {
    Position { line: mark.line as usize + 1, column: mark.column as usize + 1, byte: mark.byte as usize }
}

fn mark(position: Position) -> Mark {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Mark {
        byte: narrow(position.byte),
        line: narrow(position.line.saturating_sub(1)),
        column: narrow(position.column.saturating_sub(1)),
    }
}

/// Converts a tree to JSON by feeding its events to the builder that texts are read with.
pub(crate) fn to_json(root: &Node, resolver: Resolver, limits: &Limits) -> Result<serde_json::Value, Error> {
    let mut cost = Cost::default();
    let mut builder = Builder::new(resolver, limits, &mut cost);
    let mut todo = vec![Step::Enter(root)];
    while let Some(step) = todo.pop() {
        let (event, node) = match step {
            Step::Leave(node) if node.kind == Kind::Sequence => (Event::SequenceEnd, node),
            Step::Leave(node) => (Event::MappingEnd, node),
            Step::Enter(node) => {
                let properties = Properties {
                    anchor: node.anchor.as_deref().map(Cow::Borrowed),
                    tag: (!node.tag.is_empty()).then(|| node.tag.clone()),
                };
                let event = match node.kind {
                    Kind::Alias => Event::Alias { name: &node.value },
                    Kind::Scalar => Event::Scalar { properties, value: Cow::Borrowed(&node.value), style: node.style },
                    Kind::Sequence => Event::SequenceStart { properties, style: node.style },
                    Kind::Mapping => Event::MappingStart { properties, style: node.style },
                };
                if matches!(node.kind, Kind::Sequence | Kind::Mapping) {
                    todo.push(Step::Leave(node));
                    todo.extend(node.children.iter().rev().map(Step::Enter));
                }
                (event, node)
            }
        };
        let start = mark(node.position);
        builder.take(Placed::new(event, start, start))?;
    }
    Ok(builder.finish())
}

enum Step<'a> {
    Enter(&'a Node),
    Leave(&'a Node),
}
