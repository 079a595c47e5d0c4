//! The tree of a document: kinds, tags, styles, anchors, positions.

use crate::{Error, Limits, Resolver, compose};

/// Holds one YAML document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The root; an empty document has a null scalar.
    pub root: Node,
    /// Which resolver gives its plain scalars their meaning.
    pub resolver: crate::Resolver,
    /// Whether the document was started with `---`.
    pub is_explicit: bool,
}

/// Says what a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A text, number, boolean or null.
    Scalar,
    /// A list; `children` are its items.
    Sequence,
    /// A map; `children` are keys and values in turn.
    Mapping,
    /// `*name`; `value` is the anchor's name, `children` are empty.
    Alias,
}

/// Says how a node was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// A scalar without quotes.
    Plain,
    /// `'text'`.
    SingleQuoted,
    /// `"text"`.
    DoubleQuoted,
    /// `|` block scalar.
    Literal,
    /// `>` block scalar.
    Folded,
    /// A collection by indentation.
    Block,
    /// A collection in brackets or braces.
    Flow,
}

/// A place in the text. Lines and columns count from 1; columns count characters; bytes count from 0 in the text after
/// its conversion to UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The offset in bytes, from 0.
    pub byte: usize,
}

/// Holds one node with everything that was written about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The tag as written and resolved (`tag:yaml.org,2002:str`, `!custom`), empty if none was written.
    pub tag: String,
    /// How it was written.
    pub style: Style,
    /// The text of a scalar after unquoting and folding, or the name an alias refers to; empty for collections.
    pub value: String,
    /// The name after `&`, if any.
    pub anchor: Option<String>,
    /// Where it starts, its tag and anchor included.
    pub position: Position,
    /// Where it begins behind its tag and anchor; the same as `position` if it has none.
    pub content: Position,
    /// Where it ends: the first place that does not belong to it.
    pub end: Position,
    /// Items, or keys and values in turn.
    pub children: Vec<Node>,
}

impl Document {
    /// Converts to JSON by the rules of the resolver that the document was parsed with.
    ///
    /// Errors: values that JSON cannot hold (infinities, keys that are maps or null), bad merges and tags.
    pub fn to_json(&self) -> Result<serde_json::Value, Error> {
        self.root.to_json(self.resolver)
    }
}

impl Node {
    /// Converts to JSON by the rules of a resolver. Aliases find their anchors only inside this node: for the whole
    /// document use [`Document::to_json`].
    ///
    /// Errors: as [`Document::to_json`].
    pub fn to_json(&self, resolver: Resolver) -> Result<serde_json::Value, Error> {
        compose::to_json(self, resolver, &Limits::default())
    }

    /// Looks a key of a map up: the last entry with that key, as written. `None` also if this is no map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().filter(|(name, _)| name.kind == Kind::Scalar && name.value == key).last().map(|(_, value)| value)
    }

    /// Goes over the keys and values of a map; over nothing if this is no map.
    pub fn entries(&self) -> impl Iterator<Item = (&Node, &Node)> {
        let children: &[Node] = if self.kind == Kind::Mapping { &self.children } else { &[] };
        children.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }
}
