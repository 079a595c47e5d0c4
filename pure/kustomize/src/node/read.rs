//! From text to nodes: documents split as the reference splits them, anchors and merge keys resolved.

use std::collections::HashMap;

use landfall_yaml::{Limits, Resolver};

use super::{Arena, Kind, Node, NodeId, Style, Tag};

/// Says why a text is no YAML for resources.
#[derive(Debug, Clone)]
pub(crate) struct ReadError {
    pub(crate) message: String,
    pub(crate) line: usize,
}

/// One document with the line it starts at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadDocument {
    pub(crate) root: NodeId,
    pub(crate) line: usize,
}

/// The nodes that one document may have, aliases followed. The largest definitions that people write have some 100,000.
const NODES_MAX: usize = 4_000_000;
/// The bytes that aliases may repeat in one document.
const ALIAS_BYTES_MAX: usize = 64 << 20;

/// Reads the documents of a resource file; those without content are left out.
///
/// Documents end at a line that starts with `---`; what a document holds after `...` is not looked at.
pub(crate) fn read_documents(arena: &mut Arena, text: &str) -> Result<Vec<ReadDocument>, ReadError> {
    let normalized = if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text.to_owned() };
    let mut documents = Vec::new();
    for (piece, first_line) in split_documents(&normalized)? {
        if let Some(document) = read_first(arena, piece, first_line)? {
            documents.push(document);
        }
    }
    Ok(documents)
}

/// Reads one text as the reference's parser does for embedded data: its first document; `None` without content.
pub(crate) fn read_one(arena: &mut Arena, text: &str) -> Result<Option<NodeId>, ReadError> {
    Ok(read_first(arena, text, 1)?.map(|document| document.root))
}

fn read_first(arena: &mut Arena, piece: &str, first_line: usize) -> Result<Option<ReadDocument>, ReadError> {
    let limits = Limits { nodes_max: NODES_MAX, alias_bytes_max: ALIAS_BYTES_MAX, ..Limits::default() };
    let documents = landfall_yaml::parse(piece.as_bytes(), Resolver::Kustomize, &limits)
        .map_err(|error| ReadError { message: error.message, line: error.line + first_line - 1 })?;
    let Some(document) = documents.first() else { return Ok(None) };
    let line = document.root.position.line + first_line - 1;
    let mut reader = Reader { arena, anchors: HashMap::new(), first_line };
    let root = reader.node(&document.root)?;
    if arena.is_null(root) {
        return Ok(None);
    }
    Ok(Some(ReadDocument { root, line }))
}

fn split_documents(text: &str) -> Result<Vec<(&str, usize)>, ReadError> {
    let mut pieces = Vec::new();
    let (mut piece_start, mut piece_line, mut search_from, mut line) = (0, 1, 0, 1);
    while let Some(found) = text[search_from..].find("\n---") {
        let separator_start = search_from + found;
        let after = separator_start + "\n---".len();
        let Some(length) = text[after..].find('\n') else { break };
        line += text[search_from..=separator_start].matches('\n').count();
        let rest = text[after..after + length].trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err(ReadError {
                message: format!("invalid document separator: ---{}", &text[after..after + length]),
                line,
            });
        }
        pieces.push((&text[piece_start..=separator_start], piece_line));
        line += 1;
        piece_start = after + length + 1;
        piece_line = line;
        search_from = piece_start;
        // The reference's pattern consumes the line break, so a separator right after another one is content.
    }
    if !text.is_empty() {
        pieces.push((&text[piece_start..], piece_line));
    }
    Ok(pieces)
}

struct Reader<'a> {
    arena: &'a mut Arena,
    anchors: HashMap<String, NodeId>,
    first_line: usize,
}

impl Reader<'_> {
    fn error<T>(&self, node: &landfall_yaml::Node, message: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError { message: message.into(), line: node.position.line + self.first_line - 1 })
    }

    fn node(&mut self, node: &landfall_yaml::Node) -> Result<NodeId, ReadError> {
        let (tag, tagged) = match node.tag.as_str() {
            "" | "!" => (Tag::Empty, false),
            written => (short_tag(written), true),
        };
        let id = match node.kind {
            landfall_yaml::Kind::Alias => {
                let Some(target) = self.anchors.get(&node.value).copied() else {
                    return self.error(node, format!("unknown anchor '{}' referenced", node.value));
                };
                return Ok(self.arena.copy(target));
            }
            landfall_yaml::Kind::Scalar => {
                let style = match node.style {
                    landfall_yaml::Style::SingleQuoted => Style::Single,
                    landfall_yaml::Style::DoubleQuoted => Style::Double,
                    landfall_yaml::Style::Literal => Style::Literal,
                    landfall_yaml::Style::Folded => Style::Folded,
                    _ => Style::Plain,
                };
                let tag = if tagged {
                    tag
                } else if style != Style::Plain || node.tag == "!" {
                    Tag::Str
                } else if node.value == "<<" {
                    Tag::Merge
                } else {
                    super::resolve::resolve(&node.value).tag()
                };
                self.arena.push(Node {
                    kind: Kind::Scalar,
                    tag,
                    style,
                    tagged,
                    value: node.value.as_str().into(),
                    content: Vec::new(),
                })
            }
            landfall_yaml::Kind::Sequence => {
                let content = node.children.iter().map(|child| self.node(child)).collect::<Result<Vec<_>, _>>()?;
                self.collection(node, Kind::Sequence, if tagged { tag } else { Tag::Seq }, tagged, content)
            }
            landfall_yaml::Kind::Mapping => {
                let content = node.children.iter().map(|child| self.node(child)).collect::<Result<Vec<_>, _>>()?;
                let id = self.collection(node, Kind::Mapping, if tagged { tag } else { Tag::Map }, tagged, content);
                self.merge(node, id)?;
                id
            }
        };
        if let Some(anchor) = &node.anchor {
            self.anchors.insert(anchor.clone(), id);
        }
        Ok(id)
    }

    fn collection(
        &mut self,
        node: &landfall_yaml::Node,
        kind: Kind,
        tag: Tag,
        tagged: bool,
        content: Vec<NodeId>,
    ) -> NodeId {
        let style = if node.style == landfall_yaml::Style::Flow { Style::Flow } else { Style::Plain };
        self.arena.push(Node { kind, tag, style, tagged, value: "".into(), content })
    }

    /// Resolves `<<`: fields of the merged mappings are appended unless the mapping has them; of several the first wins.
    fn merge(&mut self, node: &landfall_yaml::Node, id: NodeId) -> Result<(), ReadError> {
        let merges: Vec<NodeId> = self
            .arena
            .pairs(id)
            .iter()
            .filter(|(key, _)| self.arena.get(*key).tag == Tag::Merge)
            .map(|(_, value)| *value)
            .collect();
        let source = match merges.as_slice() {
            [] => return Ok(()),
            [source] => *source,
            _ => return self.error(node, "duplicate merge key"),
        };
        let mut mappings = Vec::new();
        match self.arena.kind(source) {
            Kind::Mapping => mappings.push(source),
            Kind::Sequence => {
                for element in self.arena.get(source).content.clone() {
                    if self.arena.kind(element) != Kind::Mapping {
                        return self.error(node, "a merge key << takes a mapping or a list of mappings");
                    }
                    mappings.push(element);
                }
            }
            Kind::Scalar => return self.error(node, "a merge key << takes a mapping or a list of mappings"),
        }
        let at = self.arena.get(id).content.chunks_exact(2).position(|pair| self.arena.value(pair[0]) == "<<");
        if let Some(at) = at {
            self.arena.get_mut(id).content.drain(at * 2..at * 2 + 2);
        }
        for mapping in mappings {
            for (key, value) in self.arena.pairs(mapping) {
                let name = self.arena.get(key).value.clone();
                if self.arena.field(id, &name).is_none() {
                    let (key, value) = (self.arena.copy(key), self.arena.copy(value));
                    self.arena.get_mut(id).content.extend([key, value]);
                }
            }
        }
        Ok(())
    }
}

fn short_tag(written: &str) -> Tag {
    let short = written.strip_prefix("tag:yaml.org,2002:").or_else(|| written.strip_prefix("!!"));
    match short {
        Some("str") => Tag::Str,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("bool") => Tag::Bool,
        Some("null") => Tag::Null,
        Some("timestamp") => Tag::Timestamp,
        Some("binary") => Tag::Binary,
        Some("merge") => Tag::Merge,
        Some("map") => Tag::Map,
        Some("seq") => Tag::Seq,
        _ => Tag::Other(written.into()),
    }
}
