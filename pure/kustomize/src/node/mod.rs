//! The node tree that a build works on: YAML nodes in an arena, with the tags and styles that show in the output.
//!
//! The reference keeps its resources as linked YAML nodes and lets several places share one node: a label that a
//! transformer adds to metadata, selector and template is one node with three parents, and a later patch of one of them
//! changes all three. [`Arena`] reproduces that: a [`NodeId`] is such a link, [`Arena::assign`] overwrites what all links see.

pub(crate) mod access;
pub(crate) mod emit;
pub(crate) mod json;
pub(crate) mod read;
pub(crate) mod resolve;

use std::sync::Arc;

/// Links to a node of an [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

/// The shape of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Mapping,
    Sequence,
}

impl Kind {
    /// The name that messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "a scalar",
            Self::Mapping => "a mapping",
            Self::Sequence => "a list",
        }
    }
}

/// The tag of a node, given or found by resolving a plain scalar. `Empty` means that the writer decides by the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tag {
    Empty,
    Str,
    Int,
    Float,
    Bool,
    Null,
    Timestamp,
    Binary,
    Merge,
    Map,
    Seq,
    Other(Arc<str>),
}

/// How a scalar was or will be written; for collections only `Plain` and `Flow` occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
    Flow,
}

/// One node. Mappings hold key, value, key, value … in `content`.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) tag: Tag,
    pub(crate) style: Style,
    /// The tag was written in the text and is kept by the writer.
    pub(crate) tagged: bool,
    pub(crate) value: Arc<str>,
    pub(crate) content: Vec<NodeId>,
}

/// Where the nodes of another arena have gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adopted(u32);

impl Adopted {
    /// The copy of a node.
    pub(crate) fn copy_of(self, id: NodeId) -> NodeId {
        NodeId(id.0 + self.0)
    }
}

/// All nodes of one build.
#[derive(Debug, Default, Clone)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
    empty: Option<Arc<str>>,
}

impl Arena {
    /// How many nodes there are, used or not.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn get(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("limits on input keep a build far below 2^32 nodes"));
        self.nodes.push(node);
        id
    }

    fn no_text(&mut self) -> Arc<str> {
        self.empty.get_or_insert_with(|| Arc::from("")).clone()
    }

    pub(crate) fn collection(&mut self, kind: Kind, tag: Tag) -> NodeId {
        let value = self.no_text();
        self.push(Node { kind, tag, style: Style::Plain, tagged: false, value, content: Vec::new() })
    }

    /// A node of `kind` as a path that is created on the way gets it: without tag, style or value.
    pub(crate) fn bare(&mut self, kind: Kind) -> NodeId {
        self.collection(kind, Tag::Empty)
    }

    pub(crate) fn scalar(&mut self, value: impl Into<Arc<str>>, tag: Tag, style: Style) -> NodeId {
        self.push(Node { kind: Kind::Scalar, tag, style, tagged: false, value: value.into(), content: Vec::new() })
    }

    /// A scalar whose type the writer finds by its text, as a key or a path element that is created.
    pub(crate) fn untyped(&mut self, value: impl Into<Arc<str>>) -> NodeId {
        self.scalar(value, Tag::Empty, Style::Plain)
    }

    /// A string node as the reference makes it from a Go string: text over several lines is a literal block.
    pub(crate) fn string(&mut self, value: impl Into<Arc<str>>) -> NodeId {
        let value = value.into();
        let style = if value.contains('\n') { Style::Literal } else { Style::Plain };
        self.scalar(value, Tag::Str, style)
    }

    /// Copies a node with everything below it; links into the copy are its own.
    pub(crate) fn copy(&mut self, id: NodeId) -> NodeId {
        let mut node = self.get(id).clone();
        for child in &mut node.content {
            *child = self.copy(*child);
        }
        self.push(node)
    }

    /// Copies all nodes of another arena. Gives what to add to an id of that arena to find its copy.
    pub(crate) fn adopt(&mut self, other: &Arena) -> Adopted {
        let offset = u32::try_from(self.nodes.len()).expect("a build is far below 2^32 nodes");
        self.nodes.reserve(other.nodes.len());
        self.nodes.extend(other.nodes.iter().map(|node| {
            let mut node = node.clone();
            for child in &mut node.content {
                child.0 += offset;
            }
            node
        }));
        Adopted(offset)
    }

    /// Overwrites `target` with what `source` holds; every link to `target` sees it, children are shared.
    pub(crate) fn assign(&mut self, target: NodeId, source: NodeId) {
        if target != source {
            *self.get_mut(target) = self.get(source).clone();
        }
    }

    pub(crate) fn kind(&self, id: NodeId) -> Kind {
        self.get(id).kind
    }

    pub(crate) fn value(&self, id: NodeId) -> &str {
        &self.get(id).value
    }

    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        self.get(id).tag == Tag::Null
    }

    /// Null or without content; a scalar that is not null never is.
    pub(crate) fn is_null_or_empty(&self, id: NodeId) -> bool {
        let node = self.get(id);
        node.tag == Tag::Null || (node.kind != Kind::Scalar && node.content.is_empty())
    }

    pub(crate) fn is_empty_map(&self, id: NodeId) -> bool {
        let node = self.get(id);
        node.tag == Tag::Null || (node.kind == Kind::Mapping && node.content.is_empty())
    }

    /// A scalar that is a string, or whose tag nobody decided yet.
    pub(crate) fn is_string(&self, id: NodeId) -> bool {
        let node = self.get(id);
        node.kind == Kind::Scalar && matches!(node.tag, Tag::Str | Tag::Empty)
    }
}
