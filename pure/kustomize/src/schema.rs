//! What the build knows about kinds: merge keys and scope, built in (Kubernetes v1.21.2) or replaced by an `openapi` field.
//!
//! The state of one build follows the reference's: the first `openapi` that is met wins (the root's comes first), and
//! what was loaded before it stays known.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use landfall_merge::schema::{ListKind, Node, Schema, Types, Unknown, ValueType};
use serde_json::Value;

use crate::error::{BuildError, ErrorClass, Result};
use crate::ids::split_api_version;

/// The version of the built-in schema that an `openapi` field may name.
const BUILT_IN_VERSION: &str = "v1.21.2";

/// Kinds that the built-in schema has outside any namespace.
fn cluster_scoped() -> &'static HashSet<(&'static str, &'static str)> {
    static KINDS: OnceLock<HashSet<(&str, &str)>> = OnceLock::new();
    KINDS.get_or_init(|| {
        include_str!("../data/cluster_scoped.txt").lines().filter_map(|line| line.split_once(' ')).collect()
    })
}

/// Kinds that the built-in schema has inside namespaces.
fn namespaced() -> &'static HashSet<(&'static str, &'static str)> {
    static KINDS: OnceLock<HashSet<(&str, &str)>> = OnceLock::new();
    KINDS.get_or_init(|| {
        include_str!("../data/namespaced.txt").lines().filter_map(|line| line.split_once(' ')).collect()
    })
}

/// A schema of one's own, from an `openapi.path` file.
#[derive(Debug)]
pub(crate) struct CustomSchema {
    /// What the file says, and nothing else.
    alone: Types,
    /// The same, with references that it leaves open followed into the built-in schema.
    joined: Types,
    is_namespaced_by_kind: HashMap<(String, String), bool>,
}

impl CustomSchema {
    /// Reads an OpenAPI v2 document as JSON value.
    pub(crate) fn from_document(document: &Value) -> Self {
        let mut lines = String::new();
        let mut nodes = Vec::new();
        if let Some(definitions) = document.get("definitions").and_then(Value::as_object) {
            let mut names: Vec<_> = definitions.keys().collect();
            names.sort();
            for name in names {
                let mut definition = definitions[name].clone();
                shorten_references(&mut definition);
                nodes.push((name.clone(), Node::from_openapi(&definition)));
                lines.push_str(&name.replace(['\t', '\n'], " "));
                lines.push('\t');
                lines.push_str(&definition.to_string());
                lines.push('\n');
            }
        }
        let mut is_namespaced_by_kind = HashMap::new();
        if let Some(paths) = document.get("paths").and_then(Value::as_object) {
            for (path, item) in paths {
                let Some(gvk) = item.get("get").and_then(|get| get.get("x-kubernetes-group-version-kind")) else {
                    continue;
                };
                let text = |name: &str| gvk.get(name).and_then(Value::as_str).unwrap_or("");
                let api_version = match text("group") {
                    "" => text("version").to_owned(),
                    group => format!("{group}/{}", text("version")),
                };
                let entry = is_namespaced_by_kind.entry((api_version, text("kind").to_owned())).or_insert(false);
                *entry |= path.contains("namespaces/{namespace}");
            }
        }
        let joined = Types::from_nodes(nodes, landfall_merge::builtin::kustomize());
        Self { alone: Types::from_lines(lines), joined, is_namespaced_by_kind }
    }

    fn place(&self, joins_built_in: bool, name: &str) -> Option<Schema<'_>> {
        if joins_built_in { self.joined.named(name) } else { self.alone.named(name) }
    }
}

fn shorten_references(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                if key == "$ref"
                    && let Value::String(text) = item
                {
                    if let Some(short) = text.strip_prefix("#/definitions/") {
                        *text = short.to_owned();
                    }
                } else {
                    shorten_references(item);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_references),
        _ => {}
    }
}

/// The schemas of one build.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    is_chosen: bool,
    custom: Option<Arc<CustomSchema>>,
    /// The built-in schema was used before a custom one was set; both then count.
    built_in_was_used: bool,
    /// The scope of a kind that is not known by heart was asked for before a custom schema was set; both then count too.
    built_in_was_asked: Cell<bool>,
}

impl Schemas {
    /// Takes an `openapi` field. The root's is always taken, another one only while none was chosen.
    pub(crate) fn choose(
        &mut self,
        version: Option<&str>,
        custom: Option<Arc<CustomSchema>>,
        is_root: bool,
    ) -> Result<()> {
        if self.is_chosen && !is_root {
            return Ok(());
        }
        if let Some(custom) = custom {
            if version.is_some() {
                return Err(BuildError::new(
                    ErrorClass::BadOpenapi,
                    "openapi names both a built-in version and the path of a schema of its own",
                )
                .hint("keep one of openapi.version and openapi.path"));
            }
            self.custom = Some(custom);
            self.is_chosen = true;
            return Ok(());
        }
        match version {
            None | Some("") => Ok(()),
            Some(BUILT_IN_VERSION) => {
                self.is_chosen = true;
                Ok(())
            }
            Some(other) => Err(BuildError::new(
                ErrorClass::BadOpenapi,
                format!("the OpenAPI version {other:?} is not built in"),
            )
            .hint(format!(
                "write {BUILT_IN_VERSION}, the only one built in, or give the schema as a file with openapi.path"
            ))),
        }
    }

    /// Whether a kind is certainly cluster-scoped.
    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        if cluster_scoped().contains(&(api_version, kind)) {
            return true;
        }
        if namespaced().contains(&(api_version, kind)) {
            return false;
        }
        match &self.custom {
            None => {
                self.built_in_was_asked.set(true);
                false
            }
            Some(custom) => {
                custom.is_namespaced_by_kind.get(&(api_version.to_owned(), kind.to_owned())) == Some(&false)
            }
        }
    }

    /// The schema of a kind for merging; `None` if it is not known, and lists of it are replaced.
    pub(crate) fn of_kind(&mut self, api_version: &str, kind: &str) -> Option<SchemaRef> {
        let built_in = || landfall_merge::builtin::kustomize().api_kind(api_version, kind).map(SchemaRef::BuiltIn);
        let Some(custom) = &self.custom else {
            self.built_in_was_used = true;
            return built_in();
        };
        let joins_built_in = self.built_in_was_used || self.built_in_was_asked.get();
        let (group, version) = split_api_version(api_version);
        let own = custom.alone.kind_name(group, version, kind).map(|name| SchemaRef::Custom {
            schema: custom.clone(),
            joins_built_in,
            name: name.into(),
            steps: Vec::new(),
        });
        match (self.built_in_was_used, joins_built_in) {
            (true, _) => own.or_else(built_in),
            (false, true) => built_in().or(own),
            (false, false) => own,
        }
    }
}

/// A place in a schema.
#[derive(Debug, Clone)]
pub(crate) enum SchemaRef {
    /// In the built-in one.
    BuiltIn(Schema<'static>),
    /// In a custom one.
    Custom {
        /// The schema.
        schema: Arc<CustomSchema>,
        /// Whether open references lead into the built-in schema.
        joins_built_in: bool,
        /// The name of the kind's type.
        name: Arc<str>,
        /// The steps down from it; `None` is one into list elements.
        steps: Vec<Option<Arc<str>>>,
    },
}

/// How a list is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListMerge {
    /// The fields that identify an element; empty for lists of scalars.
    pub(crate) keys: Vec<String>,
}

impl SchemaRef {
    fn with<R>(&self, use_schema: impl for<'a> FnOnce(Schema<'a>) -> R) -> Option<R> {
        match self {
            Self::BuiltIn(schema) => Some(use_schema(*schema)),
            Self::Custom { schema, joins_built_in, name, steps } => {
                let mut place = schema.place(*joins_built_in, name)?;
                for step in steps {
                    place = match step {
                        Some(name) => step_field(place, name)?,
                        None => step_items(place)?,
                    };
                }
                Some(use_schema(place))
            }
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::BuiltIn(schema) => step_field(*schema, name).map(Self::BuiltIn),
            Self::Custom { .. } => {
                self.with(|schema| step_field(schema, name).is_some()).filter(|found| *found)?;
                Some(self.below(Some(name.into())))
            }
        }
    }

    pub(crate) fn elements(&self) -> Option<Self> {
        match self {
            Self::BuiltIn(schema) => step_items(*schema).map(Self::BuiltIn),
            Self::Custom { .. } => {
                self.with(|schema| step_items(schema).is_some()).filter(|found| *found)?;
                Some(self.below(None))
            }
        }
    }

    fn below(&self, step: Option<Arc<str>>) -> Self {
        let mut place = self.clone();
        if let Self::Custom { steps, .. } = &mut place {
            steps.push(step);
        }
        place
    }

    /// How the list here is merged; `None`: it is replaced.
    pub(crate) fn list_merge(&self) -> Option<ListMerge> {
        self.with(|schema| {
            let node = schema.node();
            if !node.patch_strategies.iter().any(|strategy| strategy == "merge") {
                return None;
            }
            let keys = match (&node.list_kind, &node.patch_merge_key) {
                (Some(ListKind::Keyed(keys)), _) => keys.clone(),
                (_, Some(key)) => vec![key.clone()],
                _ => Vec::new(),
            };
            Some(ListMerge { keys })
        })
        .flatten()
    }
}

fn step_field<'a>(schema: Schema<'a>, name: &str) -> Option<Schema<'a>> {
    schema.field(name).or_else(|| matches!(schema.node().unknown, Unknown::Of(_)).then(|| schema.unknown()).flatten())
}

fn step_items(schema: Schema<'_>) -> Option<Schema<'_>> {
    (schema.node().value_type == ValueType::Array && schema.node().items.is_some()).then(|| schema.items())
}
