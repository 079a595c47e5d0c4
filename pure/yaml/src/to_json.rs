//! From events to JSON: tags and plain scalars get their meaning, aliases their value, merge keys their effect.
//!
//! Source: go.yaml.in/yaml v2.4.3 and v3.0.4 `decode`, sigs.k8s.io/yaml 1.6.0 `YAMLToJSON`, and for
//! [`Resolver::Kustomize`] kyaml's habit of writing a resource out and reading it again before it becomes JSON.

use crate::event::{Event, Placed, Properties};
use crate::resolve::{Meaning, resolve};
use crate::scan::Mark;
use crate::{Error, Limits, Resolver, Style, go_number, reserialized};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Counts what a text has cost so far, over all its documents.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    nodes: usize,
    /// The nodes that came from aliases.
    alias_nodes: usize,
    alias_bytes: usize,
}

/// Builds the JSON value of one document from its events.
pub(crate) struct Builder<'a, 'l> {
    resolver: Resolver,
    limits: &'l Limits,
    cost: &'l mut Cost,
    frames: Vec<Frame<'a>>,
    anchors: HashMap<Cow<'a, str>, usize>,
    /// The value of each anchor; `None` while its node is still open.
    anchored: Vec<Option<Built>>,
    root: Option<Value>,
}

/// A finished node.
#[derive(Debug, Clone)]
struct Built {
    value: Value,
    origin: Origin,
    /// What a map calls this node if it is a key; an explanation if it cannot be one.
    key: Result<String, &'static str>,
    /// Is the key a text in YAML's eyes, not a number or the like?
    key_is_text: bool,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// Says how a node was written, which decides whether it can be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Scalar,
    Mapping,
    Sequence,
    /// An alias of something that is no mapping.
    OtherAlias,
}

/// A collection that is still open.
struct Frame<'a> {
    collection: Collection<'a>,
    anchor: Option<usize>,
    style: Style,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

enum Collection<'a> {
    Sequence {
        items: Vec<Value>,
        /// The items are to be merged: each must be a map.
        is_merged: bool,
    },
    Mapping {
        map: Map<String, Value>,
        pending: Pending,
        /// What `<<` asked for, merged at the end (newer reader).
        merged: Vec<Value>,
        /// The keys so far with their lines, where repeating one is an error.
        keys: HashMap<Cow<'a, str>, u32>,
    },
}

enum Pending {
    /// A key comes next.
    Nothing,
    /// The value of this key comes next.
    Key(String),
    /// What `<<` asks for comes next.
    Merge,
}

const MERGE_WANTS_MAPS: &str = "map merge requires map or sequence of maps as the value";

impl<'a, 'l> Builder<'a, 'l> {
    pub(crate) fn new(resolver: Resolver, limits: &'l Limits, cost: &'l mut Cost) -> Self {
        Self { resolver, limits, cost, frames: Vec::new(), anchors: HashMap::new(), anchored: Vec::new(), root: None }
    }

    /// Gives the document's value, once all its events were taken.
    pub(crate) fn finish(self) -> Value {
        self.root.unwrap_or(Value::Null)
    }

    /// Takes an event that lies between the start and the end of a document.
    pub(crate) fn take(&mut self, placed: Placed<'a>) -> Result<(), Error> {
        let mark = placed.start;
        match placed.event {
            Event::Scalar { properties, value, style } => self.scalar(properties, value, style, mark),
            Event::Alias { name } => self.alias(name, mark),
            Event::SequenceStart { properties, style } => {
                let is_merged = matches!(self.top(), Some(Collection::Mapping { pending: Pending::Merge, .. }));
                self.open(Collection::Sequence { items: Vec::new(), is_merged }, properties, style, mark)
            }
            Event::MappingStart { properties, style } => {
                let collection = Collection::Mapping {
                    map: Map::new(),
                    pending: Pending::Nothing,
                    merged: Vec::new(),
                    keys: HashMap::new(),
                };
                self.open(collection, properties, style, mark)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(mark),
            Event::DocumentStart { .. } | Event::DocumentEnd | Event::StreamEnd => Ok(()),
        }
    }

    fn top(&self) -> Option<&Collection<'a>> {
        self.frames.last().map(|frame| &frame.collection)
    }

    /// Says whether the next node is a key.
    fn expects_key(&self) -> bool {
        matches!(self.top(), Some(Collection::Mapping { pending: Pending::Nothing, .. }))
    }

    fn count_node(&mut self, mark: Mark) -> Result<(), Error> {
        self.cost.nodes += 1;
        if self.cost.nodes > self.limits.nodes_max {
            return Err(mark.error(format!("the text has more than {} nodes", self.limits.nodes_max)));
        }
        Ok(())
    }

    fn name_anchor(&mut self, anchor: Option<Cow<'a, str>>) -> Option<usize> {
        anchor.map(|name| {
            self.anchored.push(None);
            self.anchors.insert(name, self.anchored.len() - 1);
            self.anchored.len() - 1
        })
    }

    fn open(
        &mut self,
        collection: Collection<'a>,
        properties: Properties<'a>,
        style: Style,
        mark: Mark,
    ) -> Result<(), Error> {
        self.count_node(mark)?;
        if self.frames.len() >= self.limits.depth_max {
            return Err(mark.error(format!("exceeded max depth of {}", self.limits.depth_max)));
        }
        let anchor = self.name_anchor(properties.anchor);
        self.frames.push(Frame { collection, anchor, style, nodes: 1, bytes: 0, depth: 1 });
        Ok(())
    }

    fn close(&mut self, mark: Mark) -> Result<(), Error> {
        let frame = self.frames.pop().expect("the parser pairs starts and ends");
        let (value, origin, key) = match frame.collection {
            Collection::Sequence { items, .. } => (Value::Array(items), Origin::Sequence, "a list"),
            Collection::Mapping { mut map, merged, .. } => {
                for source in merged {
                    merge_missing(&mut map, source);
                }
                (Value::Object(map), Origin::Mapping, "a map")
            }
        };
        let Frame { nodes, bytes, depth, anchor, .. } = frame;
        self.built(Built { value, origin, key: Err(key), key_is_text: false, nodes, bytes, depth }, anchor, mark)
    }

    fn alias(&mut self, name: &'a str, mark: Mark) -> Result<(), Error> {
        self.count_node(mark)?;
        let Some(&index) = self.anchors.get(name) else {
            return Err(mark.error(format!("unknown anchor '{name}' referenced")));
        };
        let Some(anchored) = &self.anchored[index] else {
            return Err(mark.error(format!("anchor '{name}' value contains itself")));
        };
        if self.frames.len() + anchored.depth > self.limits.depth_max {
            return Err(mark.error(format!("exceeded max depth of {}", self.limits.depth_max)));
        }
        self.cost.nodes += anchored.nodes;
        self.cost.alias_nodes += anchored.nodes;
        self.cost.alias_bytes += anchored.bytes;
        let is_too_much = self.cost.nodes > self.limits.nodes_max
            || self.cost.alias_bytes > self.limits.alias_bytes_max
            || self.limits.alias_share_bounded && is_alias_share_excessive(self.cost);
        if is_too_much {
            return Err(mark.error("document contains excessive aliasing"));
        }
        let mut built = anchored.clone();
        if built.origin != Origin::Mapping {
            built.origin = Origin::OtherAlias;
        }
        self.built(built, None, mark)
    }

    fn scalar(
        &mut self,
        properties: Properties<'a>,
        value: Cow<'a, str>,
        style: Style,
        mark: Mark,
    ) -> Result<(), Error> {
        self.count_node(mark)?;
        let tag = properties.tag.as_deref();
        let anchor = self.name_anchor(properties.anchor);
        if self.expects_key() && value == "<<" && is_merge(self.resolver, tag, style) {
            return self.begin_merge(mark);
        }
        let (value, style) = match self.resolver {
            Resolver::Kustomize => self.reserialized(tag, value, style),
            Resolver::Kubernetes | Resolver::KubernetesStrict => (value, style),
        };
        let may_be_key = self.expects_key() || anchor.is_some();
        let written = (self.resolver == Resolver::Kustomize && may_be_key).then(|| value.clone());
        let meaning = resolve(self.resolver, tag, style, value).map_err(|problem| mark.error(problem))?;
        let key_is_text =
            matches!(meaning, Meaning::Text(_)) && matches!(tag, None | Some("!" | "tag:yaml.org,2002:str"));
        let is_only_key = self.expects_key() && anchor.is_none();
        let (key, value) = match (written, meaning) {
            (_, Meaning::Null) => (Err("null"), Some(Value::Null)),
            (Some(written), meaning) => (Ok(written.into_owned()), json_of(meaning)),
            (None, Meaning::Text(text)) if is_only_key => (Ok(text.into_owned()), None),
            (None, meaning) if may_be_key => (key_text(&meaning), json_of(meaning)),
            (None, meaning) => (Err("unused"), json_of(meaning)),
        };
        let value = match value {
            Some(value) => value,
            // Infinities are only an error as values.
            None if self.expects_key() => Value::Null,
            None => return Err(mark.error("json: unsupported value: infinities and NaN have no JSON form")),
        };
        let bytes = value.as_str().map_or(0, str::len);
        self.built(Built { value, origin: Origin::Scalar, key, key_is_text, nodes: 1, bytes, depth: 0 }, anchor, mark)
    }

    /// Applies what happens to a scalar when kyaml writes it and reads it again.
    fn reserialized(&self, tag: Option<&str>, value: Cow<'a, str>, style: Style) -> (Cow<'a, str>, Style) {
        let in_flow = self.frames.last().is_some_and(|frame| frame.style == Style::Flow);
        match style {
            Style::Plain if value.is_empty() && tag.is_none() && (in_flow || self.expects_key()) => {
                (value, Style::SingleQuoted)
            }
            Style::Folded if !self.expects_key() => (Cow::Owned(reserialized::folded(&value)), style),
            _ => (value, style),
        }
    }

    fn begin_merge(&mut self, mark: Mark) -> Result<(), Error> {
        self.repeated_key(Cow::Borrowed("<<"), mark)?;
        if let Some(Frame { collection: Collection::Mapping { pending, .. }, .. }) = self.frames.last_mut() {
            *pending = Pending::Merge;
        }
        Ok(())
    }

    /// Refuses a key that the newer reader has already seen in this map.
    fn repeated_key(&mut self, key: Cow<'a, str>, mark: Mark) -> Result<(), Error> {
        if self.resolver != Resolver::Kustomize {
            return Ok(());
        }
        if let Some(Frame { collection: Collection::Mapping { keys, .. }, .. }) = self.frames.last_mut() {
            if let Some(line) = keys.get(&key) {
                return Err(mark.error(format!("mapping key {key:?} already defined at line {}", line + 1)));
            }
            keys.insert(key, mark.line);
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn built(&mut self, built: Built, anchor: Option<usize>, mark: Mark) -> Result<(), Error> {
        if let Some(index) = anchor {
            self.anchored[index] = Some(built.clone());
        }
        let is_root_map = self.frames.len() == 1;
        let resolver = self.resolver;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(built.value);
            return Ok(());
        };
        frame.nodes += built.nodes;
        frame.bytes += built.bytes;
        frame.depth = frame.depth.max(built.depth + 1);
        match &mut frame.collection {
            Collection::Sequence { items, is_merged } => {
                if *is_merged && built.origin != Origin::Mapping {
                    return Err(mark.error(MERGE_WANTS_MAPS));
                }
                items.push(built.value);
                Ok(())
            }
            Collection::Mapping { map, pending, merged, .. } => match std::mem::replace(pending, Pending::Nothing) {
                Pending::Nothing => {
                    let key =
                        built.key.map_err(|kind| mark.error(format!("invalid map key: {kind} cannot be a key")))?;
                    if resolver == Resolver::Kustomize && !is_root_map && !built.key_is_text {
                        let problem = format!("json: the map key {key} is no text; put it in quotes");
                        return Err(mark.error(problem));
                    }
                    frame.bytes += key.len();
                    if resolver != Resolver::Kustomize {
                        *pending = Pending::Key(key);
                        return Ok(());
                    }
                    *pending = Pending::Key(key.clone());
                    self.repeated_key(Cow::Owned(key), mark)
                }
                Pending::Key(key) => {
                    if resolver == Resolver::KubernetesStrict && map.contains_key(&key) {
                        return Err(mark.error(format!("key {key:?} already set in map")));
                    }
                    map.insert(key, built.value);
                    Ok(())
                }
                Pending::Merge => {
                    let sources = merge_sources(built).ok_or_else(|| mark.error(MERGE_WANTS_MAPS))?;
                    match resolver {
                        Resolver::Kustomize => merged.extend(sources),
                        Resolver::Kubernetes | Resolver::KubernetesStrict => {
                            // Earlier sources win: they are applied last.
                            for source in sources.into_iter().rev() {
                                overwrite(map, source, resolver).map_err(|problem| mark.error(problem))?;
                            }
                        }
                    }
                    Ok(())
                }
            },
        }
    }
}

/// Says whether a key `<<` is a merge key and not a text.
fn is_merge(resolver: Resolver, tag: Option<&str>, style: Style) -> bool {
    match tag {
        None => style == Style::Plain,
        Some("!") => resolver != Resolver::Kustomize || style == Style::Plain,
        Some(tag) => tag == "tag:yaml.org,2002:merge",
    }
}

/// Lists the maps that `<<` asks to merge; `None` if it asks for something else.
fn merge_sources(built: Built) -> Option<Vec<Value>> {
    match (built.origin, built.value) {
        (Origin::Mapping, map) => Some(vec![map]),
        (Origin::Sequence, Value::Array(maps)) => Some(maps),
        _ => None,
    }
}

fn merge_missing(map: &mut Map<String, Value>, source: Value) {
    if let Value::Object(source) = source {
        for (key, value) in source {
            map.entry(key).or_insert(value);
        }
    }
}

fn overwrite(map: &mut Map<String, Value>, source: Value, resolver: Resolver) -> Result<(), String> {
    if let Value::Object(source) = source {
        for (key, value) in source {
            if resolver == Resolver::KubernetesStrict && map.contains_key(&key) {
                return Err(format!("key {key:?} already set in map"));
            }
            map.insert(key, value);
        }
    }
    Ok(())
}

/// Names a scalar as sigs.k8s.io/yaml names it when it is a key.
fn key_text(meaning: &Meaning<'_>) -> Result<String, &'static str> {
    match meaning {
        Meaning::Text(text) => Ok(text.clone().into_owned()),
        Meaning::Time { written, .. } => Ok(written.clone().into_owned()),
        Meaning::Bool(bool) => Ok(bool.to_string()),
        Meaning::Integer(integer) => Ok(integer.to_string()),
        Meaning::Float(float) => Ok(match go_number::format_g32(*float).as_str() {
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            "NaN" => ".nan".to_owned(),
            text => text.to_owned(),
        }),
        Meaning::Unsigned(_) => Err("an integer above 9223372036854775807"),
        Meaning::Null => Err("null"),
    }
}

/// Gives the JSON form of a scalar; `None` for floats that have none.
fn json_of(meaning: Meaning<'_>) -> Option<Value> {
    Some(match meaning {
        Meaning::Null => Value::Null,
        Meaning::Bool(bool) => Value::Bool(bool),
        Meaning::Integer(integer) => Value::Number(integer.into()),
        Meaning::Unsigned(integer) => Value::Number(integer.into()),
        Meaning::Float(float) => return json_float(float),
        Meaning::Text(text) => Value::String(text.into_owned()),
        Meaning::Time { written, time: None } => Value::String(written.into_owned()),
        Meaning::Time { time: Some(time), .. } => Value::String(time.rfc3339()),
    })
}

/// Gives a float the number that it is after a trip through Go's JSON: an integer if it prints as one.
fn json_float(float: f64) -> Option<Value> {
    let is_negative_zero = float == 0.0 && float.is_sign_negative();
    if float.fract() == 0.0 && float.abs() < 1e21 && !is_negative_zero {
        let text = go_number::format_json(float)?;
        if let Ok(integer) = text.parse::<i64>() {
            return Some(Value::Number(integer.into()));
        }
        if let Ok(integer) = text.parse::<u64>() {
            return Some(Value::Number(integer.into()));
        }
    }
    Number::from_f64(float).map(Value::Number)
}

/// The nodes up to which 99 % may come from aliases, and those from which on only 10 % may. Source: go.yaml.in/yaml v2.4.3.
const ALIAS_SHARE_NODES_LOW: usize = 400_000;
const ALIAS_SHARE_NODES_HIGH: usize = 4_000_000;

#[expect(clippy::cast_precision_loss, reason = "a share needs no exact counts")]
fn is_alias_share_excessive(cost: &Cost) -> bool {
    if cost.alias_nodes <= 100 || cost.nodes <= 1000 {
        return false;
    }
    let share = cost.alias_nodes as f64 / cost.nodes as f64;
    let allowed = if cost.nodes <= ALIAS_SHARE_NODES_LOW {
        0.99
    } else if cost.nodes >= ALIAS_SHARE_NODES_HIGH {
        0.10
    } else {
        let way = (cost.nodes - ALIAS_SHARE_NODES_LOW) as f64 / (ALIAS_SHARE_NODES_HIGH - ALIAS_SHARE_NODES_LOW) as f64;
        0.99 - 0.89 * way
    };
    share > allowed
}
