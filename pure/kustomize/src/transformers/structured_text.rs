//! Values inside YAML or JSON text that a string field holds: found by a path that goes on behind the field, changed,
//! and the text written anew in the reference's style.

use std::collections::HashMap;

use regex::Regex;

use crate::node::access::{Access, AccessError, is_list_selector, part_kind, split_list_selector};
use crate::node::emit::scalar_text;
use crate::node::read::read_one;
use crate::node::{Arena, Kind, NodeId};

/// Every node that a path leads to. Parts are field names, indexes, `*` and `[field=pattern]`; with `create` what is
/// missing is made, the last part as a node of that kind.
pub(crate) fn match_path(
    arena: &mut Arena,
    here: NodeId,
    path: &[String],
    create: Option<Kind>,
) -> Access<Vec<NodeId>> {
    let Some((part, rest)) = path.split_first() else { return Ok(vec![here]) };
    if let Ok(index) = part.parse::<usize>() {
        return match_index(arena, here, index, rest, create);
    }
    if is_list_selector(part) {
        return match_selector(arena, here, part, rest, create);
    }
    if part == "*" {
        let mut found = Vec::new();
        for element in arena.elements(here)? {
            found.extend(match_path(arena, element, rest, create)?);
        }
        return Ok(found);
    }
    let field = match (arena.get_field(here, part)?, create) {
        (Some(field), _) => field,
        (None, None) => return Ok(Vec::new()),
        (None, Some(_)) if arena.is_null(here) => return Ok(Vec::new()),
        (None, Some(kind)) => {
            let kind = part_kind(rest.first().map_or("", String::as_str), kind);
            let field = arena.bare(kind);
            arena.set_field(here, part, Some(field), false)?;
            field
        }
    };
    if arena.kind(field) == Kind::Scalar && !rest.is_empty() && !arena.is_null(field) {
        // The path goes on inside the text. What it leads to there is a copy: the text itself does not change.
        let text = arena.value(field).to_owned();
        let parsed = read_one(arena, &text)
            .map_err(|error| AccessError::Path(format!("the text is malformed YAML: {}", error.message)))?;
        return match parsed {
            Some(parsed) => match_path(arena, parsed, rest, create),
            None => Err(AccessError::Path("the text holds nothing".to_owned())),
        };
    }
    match_path(arena, field, rest, create)
}

fn match_index(
    arena: &mut Arena,
    here: NodeId,
    index: usize,
    rest: &[String],
    create: Option<Kind>,
) -> Access<Vec<NodeId>> {
    let mut elements = arena.elements(here)?;
    if elements.len() == index
        && let Some(kind) = create
    {
        let element = arena.bare(part_kind(rest.first().map_or("", String::as_str), kind));
        arena.need(here, Kind::Sequence)?;
        arena.get_mut(here).content.push(element);
        elements.push(element);
    }
    match elements.get(index) {
        Some(element) => match_path(arena, *element, rest, create),
        None => {
            Err(AccessError::Path(format!("the list has {} elements, index {index} is behind its end", elements.len())))
        }
    }
}

fn match_selector(
    arena: &mut Arena,
    here: NodeId,
    part: &str,
    rest: &[String],
    create: Option<Kind>,
) -> Access<Vec<NodeId>> {
    let (name, pattern) = split_list_selector(part)?;
    let regex = Regex::new(pattern)
        .map_err(|error| AccessError::Path(format!("{pattern:?} is no regular expression: {error}")))?;
    let select = |arena: &mut Arena| -> Access<Vec<NodeId>> {
        let mut found = Vec::new();
        for element in arena.elements(here)? {
            let compared = if name.is_empty() { Some(element) } else { arena.field(element, name) };
            let Some(compared) = compared.filter(|compared| regex.is_match(&scalar_text(arena, *compared))) else {
                continue;
            };
            if name.is_empty() {
                found.push(compared);
            } else {
                found.extend(match_path(arena, element, rest, create)?);
            }
        }
        Ok(found)
    };
    let found = select(arena)?;
    if !found.is_empty() || create.is_none() || arena.is_null(here) {
        return Ok(found);
    }
    let value = arena.untyped(pattern);
    let element = if name.is_empty() { value } else { arena.single(name, value) };
    arena.need(here, Kind::Sequence)?;
    arena.get_mut(here).content.push(element);
    select(arena)
}

/// Sets a value inside the text that the path meets; `false` if it meets none or cannot go on in it.
pub(crate) fn set_in_text(
    arena: &mut Arena,
    target: NodeId,
    path: &[String],
    value: NodeId,
    create: Option<Kind>,
) -> bool {
    let Some((field, inner)) = (1..path.len()).find_map(|length| {
        let field = arena.lookup(target, &path[..length]).ok().flatten()?;
        (arena.kind(field) == Kind::Scalar && !arena.is_null(field)).then_some((field, &path[length..]))
    }) else {
        return false;
    };
    let text = arena.value(field).to_owned();
    let Ok(Some(parsed)) = read_one(arena, &text) else { return false };
    let comments = Comments::read(arena, &text, parsed);
    let Ok(found) = match_path(arena, parsed, inner, create) else { return false };
    if found.is_empty() {
        return false;
    }
    for node in found {
        put(arena, node, value);
    }
    let Some(written) = write(arena, parsed, &text, &comments) else { return false };
    arena.get_mut(field).value = written.into();
    true
}

/// Puts a value over a node: a scalar keeps its tag and style and only changes its text.
pub(crate) fn put(arena: &mut Arena, node: NodeId, value: NodeId) {
    if arena.kind(node) == Kind::Scalar {
        let text = arena.get(value).value.clone();
        arena.get_mut(node).value = text;
    } else {
        arena.assign(node, value);
    }
}

fn write(arena: &Arena, parsed: NodeId, original: &str, comments: &Comments) -> Option<String> {
    if original.trim_start().starts_with(['{', '[']) {
        let value = arena.to_json(parsed).ok()?;
        let is_pretty = original.contains('\n') && original.contains("  ");
        return Some(if is_pretty {
            landfall_yaml::json::encode_pretty(&value, "  ")
        } else {
            landfall_yaml::json::encode(&value)
        });
    }
    Some(comments.write(arena, parsed).trim().to_owned())
}

/// The comments of a YAML text, each kept with the node it stands before or behind.
#[derive(Debug, Default)]
struct Comments {
    before: HashMap<NodeId, Vec<String>>,
    behind: HashMap<NodeId, String>,
    last: Vec<String>,
}

impl Comments {
    fn read(arena: &Arena, text: &str, root: NodeId) -> Self {
        let mut comments = Self::default();
        if !text.contains('#') {
            return comments;
        }
        let Ok(documents) = landfall_yaml::parse(
            text.as_bytes(),
            landfall_yaml::Resolver::Kustomize,
            &landfall_yaml::Limits::default(),
        ) else {
            return comments;
        };
        let Some(document) = documents.first() else { return comments };
        let mut starts: Vec<(usize, NodeId)> = Vec::new();
        let mut ends: HashMap<usize, NodeId> = HashMap::new();
        let mut block_lines: Vec<(usize, usize)> = Vec::new();
        collect(arena, &document.root, root, &mut starts, &mut ends, &mut block_lines);
        starts.sort_by_key(|(line, _)| *line);
        starts.dedup_by_key(|(line, _)| *line);
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            if block_lines.iter().any(|(first, last)| (*first..=*last).contains(&number)) {
                continue;
            }
            let trimmed = line.trim_start();
            if trimmed.starts_with('#') {
                match starts.iter().find(|(start, _)| *start > number) {
                    Some((_, node)) => comments.before.entry(*node).or_default().push(trimmed.trim_end().to_owned()),
                    None => comments.last.push(trimmed.trim_end().to_owned()),
                }
            } else if let Some(node) = ends.get(&number)
                && let Some(comment) = line_comment(line)
            {
                comments.behind.insert(*node, comment.to_owned());
            }
        }
        comments
    }

    fn write(&self, arena: &Arena, root: NodeId) -> String {
        crate::node::emit::block_text_with(arena, root, &|node| self.before.get(&node).map(Vec::as_slice), &|node| {
            self.behind.get(&node).map(String::as_str)
        }) + &self.last.iter().map(|line| format!("{line}\n")).collect::<String>()
    }
}

/// The comment at the end of a line, outside of quotes.
fn line_comment(line: &str) -> Option<&str> {
    let mut quote: Option<char> = None;
    let mut previous = ' ';
    for (at, character) in line.char_indices() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '#' && previous.is_whitespace() => return Some(line[at..].trim_end()),
            None if matches!(character, '"' | '\'')
                && (previous.is_whitespace() || matches!(previous, '[' | '{' | ',')) =>
            {
                quote = Some(character);
            }
            None => {}
        }
        previous = character;
    }
    None
}

/// Notes on which lines fields and elements start and scalars end, and which lines are block scalars.
fn collect(
    arena: &Arena,
    node: &landfall_yaml::Node,
    id: NodeId,
    starts: &mut Vec<(usize, NodeId)>,
    ends: &mut HashMap<usize, NodeId>,
    block_lines: &mut Vec<(usize, usize)>,
) {
    let content = &arena.get(id).content;
    match node.kind {
        landfall_yaml::Kind::Mapping if content.len() == node.children.len() => {
            for (pair, ids) in node.children.chunks_exact(2).zip(content.chunks_exact(2)) {
                starts.push((pair[0].position.line, ids[0]));
                collect(arena, &pair[1], ids[1], starts, ends, block_lines);
            }
        }
        landfall_yaml::Kind::Sequence if content.len() == node.children.len() => {
            for (item, item_id) in node.children.iter().zip(content) {
                starts.push((item.position.line, *item_id));
                collect(arena, item, *item_id, starts, ends, block_lines);
            }
        }
        landfall_yaml::Kind::Scalar => {
            if matches!(node.style, landfall_yaml::Style::Literal | landfall_yaml::Style::Folded) {
                block_lines
                    .push((node.position.line + 1, node.end.line.saturating_sub(usize::from(node.end.column == 1))));
            } else {
                ends.insert(node.end.line, id);
            }
        }
        _ => {}
    }
}
