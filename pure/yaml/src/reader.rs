//! Whole texts to JSON values.

use crate::event::{Event, Parser};
use crate::to_json::{Builder, Cost};
use crate::{Error, Limits, Resolver};
use serde_json::Value;

/// Says how much of a text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The first document; what follows is not even scanned.
    FirstDocument,
    /// All of them.
    AllDocuments,
}

/// Reads documents as JSON, null ones among them.
pub(crate) fn documents(text: &str, resolver: Resolver, limits: &Limits, extent: Extent) -> Result<Vec<Value>, Error> {
    if resolver != Resolver::Kustomize {
        let mut cost = Cost::default();
        return of_stream(text, resolver, limits, extent, &mut cost);
    }
    let mut values = Vec::new();
    let mut cost = Cost::default();
    for part in split(text)? {
        let found = of_stream(part.text, resolver, limits, Extent::FirstDocument, &mut cost)
            .map_err(|error| Error { line: error.line + part.lines_before, ..error })?;
        if values.len() + found.len() > limits.documents_max {
            let problem = format!("the text has more than {} documents", limits.documents_max);
            return Err(Error::new(part.lines_before + 1, 1, problem));
        }
        values.extend(found);
        if extent == Extent::FirstDocument && !values.is_empty() {
            break;
        }
    }
    Ok(values)
}

fn of_stream(
    text: &str,
    resolver: Resolver,
    limits: &Limits,
    extent: Extent,
    cost: &mut Cost,
) -> Result<Vec<Value>, Error> {
    let mut parser = Parser::new(text, resolver, limits.depth_max);
    let mut values = Vec::new();
    let mut builder = Builder::new(resolver, limits, cost);
    loop {
        let placed = parser.next()?;
        match placed.event {
            Event::StreamEnd => return Ok(values),
            Event::DocumentStart { .. } => {}
            Event::DocumentEnd => {
                if values.len() >= limits.documents_max {
                    let problem = format!("the text has more than {} documents", limits.documents_max);
                    return Err(placed.start.error(problem));
                }
                values.push(builder.finish());
                if extent == Extent::FirstDocument {
                    return Ok(values);
                }
                builder = Builder::new(resolver, limits, cost);
            }
            _ => builder.take(placed)?,
        }
    }
}

/// A part of a text between separator lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    pub(crate) lines_before: usize,
}

/// Splits a text at the lines that start with `---`, as kyaml does before it parses: even inside block scalars, and only
/// the first document of each part counts.
///
/// Errors: something other than a comment behind `---`. Source: kyaml 0.21.1 `kio.ByteReader`.
pub(crate) fn split(text: &str) -> Result<Vec<Part<'_>>, Error> {
    let mut parts = Vec::new();
    let (mut part_from, mut part_line) = (0, 0);
    let mut search_from = 0;
    while let Some(found) = text[search_from..].find("\n---") {
        let break_at = search_from + found;
        let line_from = break_at + 1;
        let Some(length) = text[line_from..].find('\n') else { break };
        let line_to = line_from + length;
        let behind = text[line_from + 3..line_to].trim();
        if !behind.is_empty() && !behind.starts_with('#') {
            let line = part_line + lines(&text[part_from..line_from]) + 1;
            let separator = text[line_from..line_to].trim();
            return Err(Error::new(line, 1, format!("invalid document separator: {separator}")));
        }
        // A carriage return before the separator's own break belongs to the line before.
        parts.push(Part { text: &text[part_from..break_at], lines_before: part_line });
        part_line += lines(&text[part_from..=line_to]);
        part_from = line_to + 1;
        search_from = part_from;
    }
    parts.push(Part { text: &text[part_from..], lines_before: part_line });
    Ok(parts)
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}
