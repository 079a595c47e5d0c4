//! Looking up, setting and removing fields and list elements, with the reference's habits.
//!
//! The habits that show: a value that is set over an existing one takes over the old quoting style, so a number patched
//! over a quoted string stays a string; setting null removes the field; list elements are found by the text of their key.
//! size: one family of small functions that are read together.

use std::sync::Arc;

use super::resolve::is_yaml_1_1_non_string;
use super::{Arena, Kind, NodeId, Style, Tag};

/// Says that a path met a node of another shape than it needs.
#[derive(Debug, Clone)]
pub(crate) enum AccessError {
    /// Another kind of node was needed.
    Kind { wanted: Kind, found: Kind, excerpt: String },
    /// The path itself cannot be used.
    Path(String),
}

impl std::fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind { wanted, found, excerpt } => {
                write!(formatter, "{} is needed here, but there is {}: {excerpt}", wanted.name(), found.name())
            }
            Self::Path(reason) => formatter.write_str(reason),
        }
    }
}

pub(crate) type Access<T> = Result<T, AccessError>;

/// Longest piece of a value that a message quotes, in characters.
const EXCERPT_CHARS_MAX: usize = 60;

impl Arena {
    pub(crate) fn need(&self, id: NodeId, wanted: Kind) -> Access<()> {
        let node = self.get(id);
        if node.tag == Tag::Null || node.kind == wanted {
            return Ok(());
        }
        let text = if node.kind == Kind::Scalar { node.value.to_string() } else { super::emit::flow_text(self, id) };
        let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
        if excerpt.len() < text.len() {
            excerpt.push('…');
        }
        Err(AccessError::Kind { wanted, found: node.kind, excerpt })
    }

    /// The key and value nodes of a field; `None` if absent or if the node is no mapping.
    pub(crate) fn field_pair(&self, id: NodeId, name: &str) -> Option<(NodeId, NodeId)> {
        let node = self.get(id);
        if node.kind != Kind::Mapping {
            return None;
        }
        node.content.chunks_exact(2).find(|pair| self.value(pair[0]) == name).map(|pair| (pair[0], pair[1]))
    }

    pub(crate) fn field(&self, id: NodeId, name: &str) -> Option<NodeId> {
        self.field_pair(id, name).map(|(_, value)| value)
    }

    /// Every key and value of a mapping, in order; nothing for other nodes.
    pub(crate) fn pairs(&self, id: NodeId) -> Vec<(NodeId, NodeId)> {
        let node = self.get(id);
        if node.kind != Kind::Mapping {
            return Vec::new();
        }
        node.content.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    }

    pub(crate) fn elements(&self, id: NodeId) -> Access<Vec<NodeId>> {
        self.need(id, Kind::Sequence)?;
        Ok(self.get(id).content.clone())
    }

    /// The field `name` of a mapping; `None` for null and for absent fields.
    pub(crate) fn get_field(&self, id: NodeId, name: &str) -> Access<Option<NodeId>> {
        if self.is_null(id) {
            return Ok(None);
        }
        self.need(id, Kind::Mapping)?;
        Ok(self.field(id, name))
    }

    /// The text of a field that is a scalar, as written; `None` if absent.
    pub(crate) fn text_field(&self, id: NodeId, name: &str) -> Option<&str> {
        self.field(id, name).map(|value| self.value(value))
    }

    pub(crate) fn clear_field(&mut self, id: NodeId, name: &str) -> Access<()> {
        self.need(id, Kind::Mapping)?;
        let at = self.get(id).content.chunks_exact(2).position(|pair| self.value(pair[0]) == name);
        if let Some(at) = at {
            self.get_mut(id).content.drain(at * 2..at * 2 + 2);
        }
        Ok(())
    }

    pub(crate) fn clear_field_if_empty(&mut self, id: NodeId, name: &str) -> Access<()> {
        match self.get_field(id, name)? {
            Some(value) if self.get(value).content.is_empty() => self.clear_field(id, name),
            _ => Ok(()),
        }
    }

    fn quote_if_ambiguous(&mut self, value: NodeId) {
        let node = self.get(value);
        if matches!(node.tag, Tag::Str | Tag::Empty)
            && node.kind == Kind::Scalar
            && node.style == Style::Plain
            && is_yaml_1_1_non_string(&node.value)
        {
            self.get_mut(value).style = Style::Double;
        }
    }

    /// Sets a field: over an existing value it takes that one's style, otherwise it is appended. Null removes the field
    /// unless `keep_null`.
    pub(crate) fn set_field(&mut self, id: NodeId, name: &str, value: Option<NodeId>, keep_null: bool) -> Access<()> {
        self.set_field_styled(id, name, value, keep_null, Style::Plain)
    }

    /// [`Arena::set_field`] with a style for the key if it has to be appended.
    pub(crate) fn set_field_styled(
        &mut self,
        id: NodeId,
        name: &str,
        value: Option<NodeId>,
        keep_null: bool,
        key_style: Style,
    ) -> Access<()> {
        let Some(value) = value else { return self.clear_field(id, name) };
        self.quote_if_ambiguous(value);
        if self.is_null(value) && !keep_null {
            return self.clear_field(id, name);
        }
        match self.get_field(id, name)? {
            Some(old) => {
                let style = self.get(old).style;
                self.get_mut(value).style = style;
                self.assign(old, value);
            }
            None => {
                let key = self.scalar(name, Tag::Empty, key_style);
                self.get_mut(id).content.extend([key, value]);
            }
        }
        Ok(())
    }

    /// Overwrites a scalar with another one, keeping the style of the place.
    pub(crate) fn set_scalar(&mut self, id: NodeId, value: NodeId) -> Access<()> {
        self.quote_if_ambiguous(value);
        self.need(id, Kind::Scalar)?;
        if self.is_null(value) {
            return Ok(());
        }
        let style = self.get(id).style;
        self.get_mut(value).style = style;
        self.assign(id, value);
        Ok(())
    }

    /// Follows a path of field names, list indexes, `-` and `[name=value]` selectors; `None` if it ends early.
    pub(crate) fn lookup<S: AsRef<str>>(&self, id: NodeId, path: &[S]) -> Access<Option<NodeId>> {
        let mut here = id;
        for part in path.iter().map(|part| part.as_ref().trim()).filter(|part| !part.is_empty()) {
            let next = if let Ok(index) = part.parse::<i64>() {
                if index < 0 {
                    return Err(AccessError::Path(format!("the list index {index} is negative")));
                }
                let elements = self.elements(here)?;
                usize::try_from(index).ok().and_then(|index| elements.get(index).copied())
            } else if part == "-" {
                self.elements(here)?.last().copied()
            } else if part == "*" {
                return Err(AccessError::Path("a wildcard * cannot be used in this path".to_owned()));
            } else if is_list_selector(part) {
                let (name, value) = split_list_selector(part)?;
                self.match_element(here, &[name], &[value])?
            } else {
                self.get_field(here, part)?
            };
            match next {
                Some(next) => here = next,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    /// Follows a path and creates what is missing; the last part becomes a node of `kind`.
    pub(crate) fn lookup_create<S: AsRef<str>>(
        &mut self,
        id: NodeId,
        kind: Kind,
        path: &[S],
    ) -> Access<Option<NodeId>> {
        let parts: Vec<&str> = path.iter().map(|part| part.as_ref().trim()).filter(|part| !part.is_empty()).collect();
        let mut here = id;
        for (at, part) in parts.iter().enumerate() {
            let next = if let Ok(index) = part.parse::<usize>() {
                self.elements(here)?.get(index).copied()
            } else if *part == "-" {
                self.elements(here)?.last().copied()
            } else if is_list_selector(part) {
                let (name, value) = split_list_selector(part)?;
                match self.match_element(here, &[name], &[value])? {
                    Some(found) => Some(found),
                    None => {
                        self.need(here, Kind::Sequence)?;
                        let scalar = self.untyped(value);
                        let element = if name.is_empty() { scalar } else { self.single(name, scalar) };
                        self.get_mut(here).content.push(element);
                        Some(element)
                    }
                }
            } else {
                if self.is_null(here) {
                    return Ok(None);
                }
                match self.get_field(here, part)? {
                    Some(found) => Some(found),
                    None => {
                        let value = self.bare(part_kind(parts.get(at + 1).copied().unwrap_or(""), kind));
                        let key = self.untyped(*part);
                        self.get_mut(here).content.extend([key, value]);
                        Some(value)
                    }
                }
            };
            match next {
                Some(next) => here = next,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    /// A mapping with one field.
    pub(crate) fn single(&mut self, name: &str, value: NodeId) -> NodeId {
        let key = self.untyped(name);
        let map = self.bare(Kind::Mapping);
        self.get_mut(map).content.extend([key, value]);
        map
    }

    /// The first element whose fields `keys` have the texts `values`; with the key `""` the first scalar of that text.
    pub(crate) fn match_element(&self, id: NodeId, keys: &[&str], values: &[&str]) -> Access<Option<NodeId>> {
        self.need(id, Kind::Sequence)?;
        let elements = &self.get(id).content;
        if keys.first().is_none_or(|key| key.is_empty()) {
            let wanted = values.first().copied().unwrap_or("");
            return Ok(elements.iter().copied().find(|element| self.value(*element) == wanted));
        }
        Ok(elements.iter().copied().find(|element| {
            let node = self.get(*element);
            (node.kind == Kind::Mapping || node.tag == Tag::Null)
                && keys.iter().zip(values).all(|(key, value)| {
                    node.tag != Tag::Null && self.field(*element, key).is_some_and(|field| self.value(field) == *value)
                })
        }))
    }

    /// Replaces, removes (`element` is `None`) or appends the element that `keys` and `values` describe.
    ///
    /// Elements that are null or an empty mapping vanish on the way, as they do in the reference.
    pub(crate) fn set_element(
        &mut self,
        id: NodeId,
        element: Option<NodeId>,
        keys: &[String],
        values: &[String],
    ) -> Access<()> {
        self.need(id, Kind::Sequence)?;
        let only_empty_key = [String::new()];
        let keys = if keys.is_empty() { &only_empty_key } else { keys };
        let sets_mappings = !keys[0].is_empty() && values.first().is_some_and(|value| !value.is_empty());
        let mut found_one = false;
        let mut content = Vec::with_capacity(self.get(id).content.len());
        for old in self.get(id).content.clone() {
            if self.is_null(old) || self.is_empty_map(old) {
                continue;
            }
            if self.kind(old) != Kind::Mapping && sets_mappings {
                content.push(old);
                continue;
            }
            let mut found = true;
            let mut last_match: Option<NodeId> = None;
            for (at, key) in keys.iter().enumerate() {
                if let Some(value) = values.get(at) {
                    last_match = self.match_scalar_or_field(old, key, value)?;
                }
                if last_match.is_none() {
                    found = false;
                    break;
                }
            }
            if !found {
                if !values.is_empty() {
                    content.push(old);
                }
                continue;
            }
            found_one = true;
            if let Some(element) = element {
                content.push(element);
            }
        }
        self.get_mut(id).content = content;
        if let Some(element) = element
            && !self.is_null(element)
            && !found_one
        {
            self.get_mut(id).content.push(element);
        }
        Ok(())
    }

    fn match_scalar_or_field(&self, id: NodeId, name: &str, value: &str) -> Access<Option<NodeId>> {
        if self.is_null(id) {
            return Ok(None);
        }
        if name.is_empty() {
            self.need(id, Kind::Scalar)?;
            return Ok((self.value(id) == value).then_some(id));
        }
        self.need(id, Kind::Mapping)?;
        // An empty wanted value asks only whether the field is there.
        Ok(self.field(id, name).filter(|field| value.is_empty() || self.value(*field) == value))
    }

    /// Field names of a mapping in order; an error for scalars and lists.
    pub(crate) fn field_names(&self, id: NodeId) -> Access<Vec<Arc<str>>> {
        self.need(id, Kind::Mapping)?;
        let node = self.get(id);
        Ok(node.content.chunks_exact(2).map(|pair| self.get(pair[0]).value.clone()).collect())
    }
}

/// `[name=value]`, as one part of a path.
pub(crate) fn is_list_selector(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

pub(crate) fn split_list_selector(part: &str) -> Access<(&str, &str)> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        AccessError::Path(format!("{part} does not select a list element; write [field=value] or [=value]"))
    })
}

/// The kind that a node needs so that `next` can be looked up in it; `last` at the end of the path.
pub(crate) fn part_kind(next: &str, last: Kind) -> Kind {
    if is_list_selector(next) || next.parse::<usize>().is_ok() {
        Kind::Sequence
    } else if next.is_empty() {
        last
    } else {
        Kind::Mapping
    }
}
