//! What is known about the shape of a kind: the type that built-in kinds, custom resources and deduced objects are all read into.
//!
//! [`Node`] is one place of a structural OpenAPI schema, parsed once. [`Types`] holds named nodes. [`Schema`] is the cursor that
//! merging, validating, pruning and defaulting walk with: copying it costs nothing, and references are already followed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value;

mod parse;

/// One place of a structural schema.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// What values may be here.
    pub value_type: ValueType,
    /// OpenAPI's `format`, for example `int32`, `date-time`, `int-or-string`; empty if none.
    pub format: String,
    /// The named type that says the rest; own fields except `default`, `map_kind` and `list_kind` are then empty.
    pub reference: Option<String>,
    /// Declared fields of a map.
    pub properties: BTreeMap<String, Node>,
    /// What a map may hold besides the declared fields.
    pub unknown: Unknown,
    /// The elements of a list.
    pub items: Option<Box<Node>>,
    /// Names of fields that must be there, sorted.
    pub required: Vec<String>,
    /// The value that the field gets when it is absent.
    pub default: Option<Value>,
    /// How structured merge takes a list apart. `None`: not said, which means atomic.
    pub list_kind: Option<ListKind>,
    /// How structured merge takes a map apart. `None`: not said, which means granular.
    pub map_kind: Option<MapKind>,
    /// Strategic merge's strategies: any of `merge`, `replace`, `retainKeys`.
    pub patch_strategies: Vec<String>,
    /// Strategic merge's merge key of a list of maps.
    pub patch_merge_key: Option<String>,
    /// Whether null is a value here.
    pub nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`: pruning keeps what is not declared.
    pub preserve_unknown: bool,
    /// `x-kubernetes-embedded-resource`: a whole Kubernetes object with its own apiVersion, kind and metadata.
    pub embedded_resource: bool,
    /// `x-kubernetes-int-or-string`, or the format of that name.
    pub int_or_string: bool,
    /// Every other keyword as written: enum, minimum, pattern, oneOf, x-kubernetes-validations...
    pub keywords: BTreeMap<String, Value>,
}

/// What values a place may hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValueType {
    /// Anything; maps are merged, lists are replaced.
    #[default]
    Any,
    /// Anything, replaced as a whole (`RawExtension`).
    AnyAtomic,
    /// Any scalar (`Quantity`: a number or a string).
    AnyScalar,
    /// A map.
    Object,
    /// A list.
    Array,
    /// A string.
    String,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
}

/// What a map may hold besides its declared fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Unknown {
    /// Nothing.
    Denied,
    /// Anything.
    #[default]
    Anything,
    /// Values of this schema.
    Of(Box<Node>),
}

/// How a list is owned and merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// As a whole.
    Atomic,
    /// Element by element; elements are scalars and occur once.
    Set,
    /// Element by element; elements are maps that these fields identify.
    Keyed(Vec<String>),
}

/// How a map is owned and merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// As a whole.
    Atomic,
    /// Field by field.
    Granular,
}

/// Named types. Built-in ones are parsed when first asked for.
#[derive(Debug)]
pub struct Types {
    /// One line per type: name, tab, JSON. Empty for types made in memory.
    text: String,
    entries: BTreeMap<String, Entry>,
    /// (group, version, kind) to the type's name.
    kinds: BTreeMap<(String, String, String), String>,
    /// Where names that are not here are looked up.
    base: Option<&'static Types>,
}

#[derive(Debug)]
struct Entry {
    json: Range<usize>,
    node: OnceLock<Node>,
}

impl Types {
    /// Reads lines of name, tab, JSON schema. Lines that are not of that form are skipped.
    #[must_use]
    pub fn from_lines(text: String) -> Self {
        let mut entries = BTreeMap::new();
        let mut kinds = BTreeMap::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some((name, json)) = line.split_once('\t') {
                let from = start + name.len() + 1;
                entries.insert(
                    name.to_owned(),
                    Entry { json: from..start + line.trim_end().len(), node: OnceLock::new() },
                );
                for kind in parse::kinds_of(json) {
                    kinds.entry(kind).or_insert_with(|| name.to_owned());
                }
            }
            start += line.len();
        }
        Self { text, entries, kinds, base: None }
    }

    /// Types made at run time from nodes, with the built-in ones behind them for references such as `ObjectMeta`.
    #[must_use]
    pub fn from_nodes(nodes: impl IntoIterator<Item = (String, Node)>, base: &'static Types) -> Self {
        Self {
            text: String::new(),
            entries: nodes
                .into_iter()
                .map(|(name, node)| (name, Entry { json: 0..0, node: OnceLock::from(node) }))
                .collect(),
            kinds: BTreeMap::new(),
            base: Some(base),
        }
    }

    /// The schema of a kind, if known. `group` is empty for the core group.
    #[must_use]
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<Schema<'_>> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        self.named(self.kinds.get(&key)?)
    }

    /// The schema of a kind by its `apiVersion`, for example `apps/v1`.
    #[must_use]
    pub fn api_kind(&self, api_version: &str, kind: &str) -> Option<Schema<'_>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.kind(group, version, kind)
    }

    /// The name of a kind's type, for example `io.k8s.api.apps.v1.Deployment`.
    #[must_use]
    pub fn kind_name(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        self.kinds.get(&key).map(String::as_str)
    }

    /// All kinds as (group, version, kind), sorted.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.kinds.keys().map(|(group, version, kind)| (group.as_str(), version.as_str(), kind.as_str()))
    }

    /// The names of all types, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// A type by name, for example `io.k8s.api.core.v1.Container`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Schema<'_>> {
        let (types, node) = self.node(name)?;
        let mut place = Schema::at(types, node);
        if place.type_name.is_none() {
            place.type_name = types.entries.get_key_value(name).map(|(name, _)| name.as_str());
        }
        Some(place)
    }

    /// A type's schema as written: the JSON of its line, references being plain type names. `None` for types made in memory.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<&str> {
        let entry = self.entries.get(name)?;
        (!entry.json.is_empty()).then(|| &self.text[entry.json.clone()])
    }

    fn node(&self, name: &str) -> Option<(&Types, &Node)> {
        match self.entries.get(name) {
            Some(entry) => Some((self, entry.node.get_or_init(|| parse::named(name, &self.text[entry.json.clone()])))),
            None => self.base?.node(name),
        }
    }
}

static ANYTHING: Node = node_of(ValueType::Any);
static ANYTHING_ATOMIC: Node = node_of(ValueType::AnyAtomic);

const fn node_of(value_type: ValueType) -> Node {
    Node {
        value_type,
        format: String::new(),
        reference: None,
        properties: BTreeMap::new(),
        unknown: Unknown::Anything,
        items: None,
        required: Vec::new(),
        default: None,
        list_kind: None,
        map_kind: None,
        patch_strategies: Vec::new(),
        patch_merge_key: None,
        nullable: false,
        preserve_unknown: false,
        embedded_resource: false,
        int_or_string: false,
        keywords: BTreeMap::new(),
    }
}

/// A place in a schema, references followed.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    types: Option<&'a Types>,
    node: &'a Node,
    map_kind: Option<MapKind>,
    type_name: Option<&'a str>,
}

impl<'a> Schema<'a> {
    /// The schema of objects about which nothing is known: maps field by field, lists as a whole.
    #[must_use]
    pub fn deduced() -> Self {
        Schema { types: None, node: &ANYTHING, map_kind: None, type_name: None }
    }

    /// A value about which nothing is known and which is replaced as a whole.
    #[must_use]
    pub fn atomic() -> Self {
        Schema { types: None, node: &ANYTHING_ATOMIC, map_kind: None, type_name: None }
    }

    /// The cursor at a node; a reference to an unknown type is anything.
    #[must_use]
    pub fn at(types: &'a Types, node: &'a Node) -> Self {
        let mut place = Schema { types: Some(types), node, map_kind: None, type_name: None };
        while let Some(name) = &place.node.reference {
            place.map_kind = place.map_kind.or(place.node.map_kind);
            let Some((types, node)) = place.types.and_then(|types| types.node(name)) else {
                return Schema::deduced();
            };
            place.types = Some(types);
            place.type_name = Some(name);
            place.node = node;
        }
        place
    }

    /// The node, references followed.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The name of the type here, for example `io.k8s.api.core.v1.Container`; `None` where the schema is written in place.
    #[must_use]
    pub fn type_name(&self) -> Option<&'a str> {
        self.type_name
    }

    /// A declared field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Schema<'a>> {
        self.node.properties.get(name).map(|node| self.enter(node))
    }

    /// A declared field's node as written at the field, references not followed: its default, patch strategy and merge key.
    #[must_use]
    pub fn field_node(&self, name: &str) -> Option<&'a Node> {
        self.node.properties.get(name)
    }

    /// What a map's entry of this name may hold; `None` if the map may not have it.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Schema<'a>> {
        self.field(name).or_else(|| self.unknown())
    }

    /// What entries that are not declared may hold; `None` if there may be none.
    #[must_use]
    pub fn unknown(&self) -> Option<Schema<'a>> {
        match (&self.node.unknown, self.node.value_type) {
            (Unknown::Of(node), _) => Some(self.enter(node)),
            (Unknown::Denied, _) => None,
            (Unknown::Anything, ValueType::AnyAtomic) => Some(Schema::atomic()),
            (Unknown::Anything, _) => Some(Schema::deduced()),
        }
    }

    /// The elements of a list.
    #[must_use]
    pub fn items(&self) -> Schema<'a> {
        match &self.node.items {
            Some(node) => self.enter(node),
            None => Schema::atomic(),
        }
    }

    /// The default of a declared field.
    #[must_use]
    pub fn default_of(&self, name: &str) -> Option<&'a Value> {
        self.node.properties.get(name)?.default.as_ref()
    }

    /// How a list here is owned and merged.
    #[must_use]
    pub fn list_kind(&self) -> &'a ListKind {
        self.node.list_kind.as_ref().unwrap_or(&ListKind::Atomic)
    }

    /// How a map here is owned and merged.
    #[must_use]
    pub fn map_kind(&self) -> MapKind {
        let own = match self.node.value_type {
            ValueType::AnyAtomic => MapKind::Atomic,
            _ => self.node.map_kind.unwrap_or(MapKind::Granular),
        };
        self.map_kind.unwrap_or(own)
    }

    /// Whether nothing is known of the map here (no declared field, anything allowed).
    #[must_use]
    pub fn is_untyped_map(&self) -> bool {
        self.node.properties.is_empty() && self.node.unknown == Unknown::Anything
    }

    fn enter(&self, node: &'a Node) -> Schema<'a> {
        match self.types {
            Some(types) => Schema::at(types, node),
            None => Schema { types: None, node, map_kind: None, type_name: None },
        }
    }
}

impl Node {
    /// Parses a structural schema. References are plain type names, `#/components/schemas/NAME` or `#/definitions/NAME`.
    ///
    /// What is malformed is left out: what a schema must look like is for whoever admits it to check.
    #[must_use]
    pub fn from_openapi(schema: &Value) -> Self {
        parse::node(schema, parse::Inherit::Prune)
    }

    /// Declares apiVersion, kind and metadata as every Kubernetes object has them.
    pub fn declare_type_meta(&mut self) {
        parse::add_type_meta(self);
    }
}
