//! Where in the text a change goes, and what is put there.

use super::{EditError, Path, Step, render};
use crate::node::{Kind, Node};
use crate::{Limits, Resolver, Style, parse};
use serde_json::{Map, Value};
use std::ops::Range;

/// The mark that some editors put before a text. Positions count without it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Changes the text. The result still has to be checked.
pub(super) fn change(text: &str, document: usize, path: &Path, value: Option<&Value>) -> Result<String, EditError> {
    let (mark, body) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => (BYTE_ORDER_MARK, body),
        None => ("", text),
    };
    let documents = parse(body.as_bytes(), Resolver::Kubernetes, &Limits::default())?;
    let mut splicer = Splicer { text: body, line_end: if body.contains("\r\n") { "\r\n" } else { "\n" }, path };
    let (range, replacement) = match (documents.get(document), value) {
        (Some(document), Some(value)) => splicer.set(&document.root, &path.0, value, Surroundings::ROOT)?,
        (Some(document), None) => splicer.remove(&document.root)?,
        (None, Some(value)) if document == 0 => {
            let line_end = splicer.line_end;
            let gap = if body.is_empty() || body.ends_with('\n') { "" } else { line_end };
            let new = render::block(&nested(&path.0, value), 0, line_end);
            (body.len()..body.len(), format!("{gap}{new}"))
        }
        (None, _) => return Err(EditError::NoDocument { number: document }),
    };
    Ok(format!("{mark}{}{replacement}{}", &body[..range.start], &body[range.end..]))
}

/// Makes a value with what is missing on the way to it.
fn nested(steps: &[Step], value: &Value) -> Value {
    steps.iter().rev().fold(value.clone(), |inner, step| match step {
        Step::Key(key) => Value::Object(std::iter::once((key.clone(), inner)).collect::<Map<_, _>>()),
        Step::Index(_) => Value::Array(vec![inner]),
    })
}

/// What a node stands in.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    in_flow: bool,
    parent: Parent,
}

/// What a node belongs to in block style, with the column, from 0, of the key or the dash.
#[derive(Debug, Clone, Copy)]
enum Parent {
    Nothing,
    Entry(usize),
    Item(usize),
}

impl Surroundings {
    const ROOT: Self = Self { in_flow: false, parent: Parent::Nothing };
}

type Splice = (Range<usize>, String);

struct Splicer<'a> {
    text: &'a str,
    line_end: &'static str,
    path: &'a Path,
}

impl Splicer<'_> {
    fn impossible(&self, node: &Node, reason: &'static str) -> EditError {
        EditError::Impossible { path: self.path.clone(), line: node.position.line, reason }
    }

    fn set(&mut self, node: &Node, steps: &[Step], value: &Value, around: Surroundings) -> Result<Splice, EditError> {
        let Some((step, rest)) = steps.split_first() else { return self.replace(node, value, around) };
        let in_flow = around.in_flow || node.style == Style::Flow;
        match (node.kind, step) {
            (Kind::Mapping, Step::Key(key)) => match entry(node, key) {
                Some((name, child)) => {
                    let parent = Parent::Entry(name.position.column - 1);
                    self.set(child, rest, value, Surroundings { in_flow, parent })
                }
                None => Ok(self.insert_entry(node, key, &nested(rest, value), in_flow)),
            },
            (Kind::Sequence, Step::Index(index)) => match node.children.get(*index) {
                Some(child) => {
                    let parent = Parent::Item(node.content.column - 1);
                    self.set(child, rest, value, Surroundings { in_flow, parent })
                }
                None if *index == node.children.len() => Ok(self.insert_item(node, &nested(rest, value), in_flow)),
                None => Err(self.impossible(node, "the list is shorter than the index")),
            },
            (Kind::Scalar, _) => self.replace(node, &nested(steps, value), around),
            (Kind::Alias, _) => Err(self.impossible(node, "it lies behind an alias; change it where its anchor is")),
            (Kind::Mapping, Step::Index(_)) => Err(self.impossible(node, "there is a map where a list is expected")),
            (Kind::Sequence, Step::Key(_)) => Err(self.impossible(node, "there is a list where a map is expected")),
        }
    }

    /// Replaces a node, its anchor and tag left in place.
    fn replace(&self, node: &Node, value: &Value, around: Surroundings) -> Result<Splice, EditError> {
        let range = node.content.byte..node.end.byte;
        let is_block = matches!(node.style, Style::Literal | Style::Folded);
        if node.style == Style::Block {
            return Err(self.impossible(node, "a collection over several lines is there; change its entries instead"));
        }
        if let Some(new) = render::scalar(value, node.style, around.in_flow) {
            // After a colon at the end of a line there is no space yet.
            let end = if is_block { self.line_end } else { "" };
            return Ok((range.clone(), format!("{}{new}{end}", self.gap(&range))));
        }
        if around.in_flow {
            return Ok((range, render::flow(value)));
        }
        if !matches!(node.kind, Kind::Scalar | Kind::Alias) && node.style != Style::Flow || is_block {
            return Err(
                self.impossible(node, "only scalars and collections in one line can be replaced by a collection")
            );
        }
        let is_empty = matches!(value, Value::Array(items) if items.is_empty())
            || matches!(value, Value::Object(map) if map.is_empty());
        if is_empty {
            return Ok((range.clone(), format!("{}{}", self.gap(&range), render::flow(value))));
        }
        // What stood there goes, a comment behind it stays.
        let line_to = self.end_of_line(range.end);
        let comment = self.text[range.end..line_to].trim_end();
        let break_to = self.after_break(line_to);
        let column = match (around.parent, value) {
            (Parent::Nothing, _) => 0,
            (Parent::Entry(column), Value::Array(_)) => column,
            (Parent::Entry(column) | Parent::Item(column), _) => column + 2,
        };
        let lines = render::block(value, column, self.line_end);
        let has_anchor = node.position.byte < node.content.byte;
        if has_anchor || !matches!(around.parent, Parent::Item(_)) {
            let before = self.text[..range.start].trim_end_matches(' ').len();
            let first_break = if before == 0 { "" } else { self.line_end };
            return Ok((before..break_to, format!("{comment}{first_break}{lines}")));
        }
        // The first line goes behind the dash.
        let (first, rest) = lines.split_once(self.line_end).unwrap_or((&lines, ""));
        let gap = self.gap(&range);
        Ok((range.start..break_to, format!("{gap}{}{comment}{}{rest}", first.trim_start(), self.line_end)))
    }

    /// Gives the space that is missing between a colon or dash at the end of a line and what is put there.
    fn gap(&self, range: &Range<usize>) -> &'static str {
        if range.is_empty() && self.text[..range.start].ends_with([':', '-']) { " " } else { "" }
    }

    fn insert_entry(&self, node: &Node, key: &str, value: &Value, in_flow: bool) -> Splice {
        if in_flow {
            let new = render::flow_entry(key, value);
            return self.insert_in_flow(node, &new);
        }
        let column = node.children.first().map_or(0, |first| first.position.column - 1);
        let at = self.behind(node);
        (at..at, self.on_own_line(at, render::block_entry(key, value, column, self.line_end)))
    }

    fn insert_item(&self, node: &Node, value: &Value, in_flow: bool) -> Splice {
        if in_flow {
            let new = render::flow(value);
            return self.insert_in_flow(node, &new);
        }
        let at = self.behind(node);
        let column = node.content.column - 1;
        (at..at, self.on_own_line(at, render::block_item(value, column, self.line_end)))
    }

    fn insert_in_flow(&self, node: &Node, new: &str) -> Splice {
        match node.children.last() {
            Some(last) => (last.end.byte..last.end.byte, format!(", {new}")),
            None => {
                let inside = node.content.byte + 1;
                (inside..inside, new.to_owned())
            }
        }
    }

    /// Puts a line break before lines that come after a line without one, and takes theirs away in return.
    fn on_own_line(&self, at: usize, lines: String) -> String {
        if at == 0 || self.text[..at].ends_with('\n') {
            return lines;
        }
        format!("{}{}", self.line_end, lines.trim_end_matches(['\r', '\n']))
    }

    /// Finds the place behind the last line of a block collection, a comment in that line included.
    fn behind(&self, node: &Node) -> usize {
        let end = node.end.byte;
        if end > 0 && self.text[..end].ends_with('\n') {
            return end;
        }
        self.after_break(self.end_of_line(end))
    }

    fn end_of_line(&self, from: usize) -> usize {
        self.text[from..].find(['\r', '\n']).map_or(self.text.len(), |length| from + length)
    }

    fn after_break(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        at + if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with(['\r', '\n'])) }
    }

    fn remove(&self, root: &Node) -> Result<Splice, EditError> {
        let Some((Step::Key(key), parents)) = self.path.0.split_last() else {
            return Err(self.impossible(root, "only entries of maps can be taken away"));
        };
        let mut map = root;
        for step in parents {
            let next = match step {
                Step::Key(key) => entry(map, key).map(|(_, child)| child),
                Step::Index(index) => map.children.get(*index).filter(|_| map.kind == Kind::Sequence),
            };
            map = next.ok_or_else(|| self.impossible(map, "it lies behind an alias or a merge"))?;
        }
        let Some((name, child)) = entry(map, key) else {
            return Err(self.impossible(map, "it comes from an alias or a merge"));
        };
        let number = map.children.iter().position(|node| std::ptr::eq(node, name)).unwrap_or(0);
        let next = map.children.get(number + 2);
        let before = number.checked_sub(1).and_then(|previous| map.children.get(previous));
        if map.style == Style::Flow {
            return Ok(match (before, next) {
                (_, Some(next)) => (name.position.byte..next.position.byte, String::new()),
                (Some(before), None) => (before.end.byte..child.end.byte, String::new()),
                (None, None) => (name.position.byte..child.end.byte, String::new()),
            });
        }
        let line_from = self.text[..name.position.byte].rfind('\n').map_or(0, |at| at + 1);
        let is_first_in_line = self.text[line_from..name.position.byte].trim().is_empty();
        match (before, next) {
            (None, None) => {
                // The last entry: an empty map stays.
                Ok((name.position.byte..child.end.byte, "{}".to_owned()))
            }
            _ if is_first_in_line => {
                let end = child.end.byte;
                let to = if self.text[..end].ends_with('\n') { end } else { self.after_break(self.end_of_line(end)) };
                Ok((line_from..to, String::new()))
            }
            // The first entry of a list's item shares its line with the dash: the next one moves up.
            (_, Some(next)) => Ok((name.position.byte..next.position.byte, String::new())),
            (_, None) => Err(self.impossible(name, "it shares its line with something else")),
        }
    }
}

/// Finds the entry of a map that counts: the last with this key.
fn entry<'a>(node: &'a Node, key: &str) -> Option<(&'a Node, &'a Node)> {
    let is_key = |name: &Node| name.kind == Kind::Scalar && name.value == key;
    node.entries().filter(|(name, _)| is_key(name)).last()
}
