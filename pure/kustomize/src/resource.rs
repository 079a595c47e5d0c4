//! One resource of a build: its tree, where it came from, and the history that the build notes in its annotations.
//!
//! As in the reference the history (previous names, prefixes, generator behaviour …) lives in annotations under
//! `internal.config.kubernetes.io/`, so that patches which replace or remove annotations have the same effect; the
//! annotations are removed at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::ids::{Gvk, IdKey, ResId, effective_namespace};
use crate::node::access::{Access, AccessError};
use crate::node::{Arena, Kind, NodeId, Style, Tag};

pub(crate) const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
pub(crate) const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
pub(crate) const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
pub(crate) const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
pub(crate) const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
pub(crate) const ALLOW_NAME_CHANGE: &str = "internal.config.kubernetes.io/allowNameChange";
pub(crate) const ALLOW_KIND_CHANGE: &str = "internal.config.kubernetes.io/allowKindChange";
pub(crate) const REFERRED_BY: &str = "internal.config.kubernetes.io/refBy";
pub(crate) const GENERATOR_BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
pub(crate) const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
pub(crate) const HELM_GENERATED: &str = "internal.config.kubernetes.io/helm-generated";
pub(crate) const ENABLED: &str = "enabled";
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
pub(crate) const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

/// Annotations that a build uses for itself and removes at its end.
pub(crate) const BUILD_ANNOTATIONS: [&str; 19] = [
    PREVIOUS_KINDS,
    PREVIOUS_NAMES,
    PREFIXES,
    SUFFIXES,
    PREVIOUS_NAMESPACES,
    ALLOW_NAME_CHANGE,
    ALLOW_KIND_CHANGE,
    REFERRED_BY,
    GENERATOR_BEHAVIOR,
    NEEDS_HASH,
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    HELM_GENERATED,
];

/// Where a resource was read or generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: String,
    /// Where its document starts, from 1; 0 if it was generated.
    pub(crate) line: usize,
    /// The entry of the kustomization file that generates it; empty if it was read.
    pub(crate) field: String,
}

/// One resource.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// The top mapping; `None` once a patch has deleted the resource.
    pub(crate) root: Option<NodeId>,
    /// The variables that read from this resource.
    pub(crate) variables: Vec<String>,
    pub(crate) source: Arc<Source>,
}

impl Resource {
    pub(crate) fn new(root: NodeId, source: Arc<Source>) -> Self {
        Self { root: Some(root), variables: Vec::new(), source }
    }

    /// Deleted, null or without any field.
    pub(crate) fn is_gone(&self, arena: &Arena) -> bool {
        self.root.is_none_or(|root| arena.is_null_or_empty(root))
    }

    /// Puts the place of this resource on an error.
    pub(crate) fn locate(&self, error: Box<BuildError>) -> Box<BuildError> {
        // A patch in the kustomization file has no file of its own: whoever holds the patch knows the place.
        if error.file.is_some() || self.source.file.is_empty() {
            return error;
        }
        let own = self.source.field.as_str();
        let field = match error.field.as_deref() {
            _ if own.is_empty() => None,
            None => Some(own.to_owned()),
            Some(field) if field.starts_with(own) => None,
            Some(field) => Some(format!("{own}.{field}")),
        };
        let mut error = error.file(&self.source.file).line((self.source.line > 0).then_some(self.source.line));
        if field.is_some() {
            error.field = field;
        }
        error
    }
}

/// How a generated resource relates to what exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// An access error outside of any patch: the object has another shape than the transformer needs.
pub(crate) fn shape_error(error: &AccessError) -> Box<BuildError> {
    BuildError::new(ErrorClass::MergeType, error.to_string())
        .hint("make the field the kind of value that its Kubernetes type asks for")
}

/// The empty text, shared.
fn no_text() -> Arc<str> {
    static EMPTY: OnceLock<Arc<str>> = OnceLock::new();
    EMPTY.get_or_init(|| Arc::from("")).clone()
}

impl Arena {
    pub(crate) fn metadata(&self, root: NodeId) -> Option<NodeId> {
        self.field(root, "metadata").filter(|metadata| !self.is_null_or_empty(*metadata))
    }

    fn metadata_node(&self, root: NodeId, name: &str) -> Option<NodeId> {
        self.metadata(root)
            .and_then(|metadata| self.field(metadata, name))
            .filter(|value| !self.is_null_or_empty(*value))
    }

    fn text_or_none(&self, node: Option<NodeId>) -> Arc<str> {
        node.map_or_else(no_text, |node| self.get(node).value.clone())
    }

    fn metadata_text(&self, root: NodeId, name: &str) -> Arc<str> {
        self.text_or_none(self.metadata_node(root, name))
    }

    pub(crate) fn object_kind(&self, root: NodeId) -> Arc<str> {
        self.text_or_none(self.field(root, "kind"))
    }

    pub(crate) fn object_api_version(&self, root: NodeId) -> Arc<str> {
        self.text_or_none(self.field(root, "apiVersion"))
    }

    pub(crate) fn object_name(&self, root: NodeId) -> Arc<str> {
        self.metadata_text(root, "name")
    }

    pub(crate) fn object_namespace(&self, root: NodeId) -> Arc<str> {
        self.metadata_text(root, "namespace")
    }

    /// The texts of `metadata.annotations` or `metadata.labels`.
    pub(crate) fn metadata_map(&self, root: NodeId, name: &str) -> BTreeMap<Arc<str>, Arc<str>> {
        let Some(map) = self.metadata(root).and_then(|metadata| self.field(metadata, name)) else {
            return BTreeMap::new();
        };
        self.get(map)
            .content
            .chunks_exact(2)
            .map(|pair| (self.get(pair[0]).value.clone(), self.get(pair[1]).value.clone()))
            .collect()
    }

    pub(crate) fn annotations(&self, root: NodeId) -> BTreeMap<Arc<str>, Arc<str>> {
        self.metadata_map(root, "annotations")
    }

    pub(crate) fn annotation(&self, root: NodeId, name: &str) -> Option<&Arc<str>> {
        let map = self.metadata(root).and_then(|metadata| self.field(metadata, "annotations"))?;
        let content = &self.get(map).content;
        content.chunks_exact(2).find(|pair| self.value(pair[0]) == name).map(|pair| &self.get(pair[1]).value)
    }

    /// Sets one annotation, as the reference's setter does: an empty annotations or metadata field is removed first.
    pub(crate) fn set_annotation(&mut self, root: NodeId, name: &str, value: &str) -> Access<()> {
        if let Some(metadata) = self.lookup(root, &["metadata"])? {
            self.clear_field_if_empty(metadata, "annotations")?;
        }
        self.clear_field_if_empty(root, "metadata")?;
        self.set_metadata_entry(root, "annotations", name, value)
    }

    pub(crate) fn set_metadata_entry(&mut self, root: NodeId, field: &str, name: &str, value: &str) -> Access<()> {
        let value = self.scalar(value, Tag::Str, Style::Single);
        match self.lookup_create(root, Kind::Mapping, &["metadata", field])? {
            Some(map) => self.set_field(map, name, Some(value), false),
            None => Ok(()),
        }
    }

    /// Writes a whole map of `metadata` anew, sorted; an empty one removes the field.
    pub(crate) fn set_metadata_map(
        &mut self,
        root: NodeId,
        name: &str,
        map: &BTreeMap<Arc<str>, Arc<str>>,
    ) -> Access<()> {
        let Some(metadata) = self.lookup_create(root, Kind::Mapping, &["metadata"])? else { return Ok(()) };
        self.clear_field(metadata, name)?;
        if map.is_empty() {
            return Ok(());
        }
        let Some(field) = self.lookup_create(metadata, Kind::Mapping, &[name])? else { return Ok(()) };
        for (key, value) in map {
            let value = self.string(value.clone());
            self.set_field(field, key, Some(value), false)?;
        }
        Ok(())
    }

    pub(crate) fn set_annotations(&mut self, root: NodeId, map: &BTreeMap<Arc<str>, Arc<str>>) -> Access<()> {
        self.set_metadata_map(root, "annotations", map)
    }

    pub(crate) fn enable(&mut self, root: NodeId, name: &str) -> Access<()> {
        self.set_annotation_rewriting(root, name, ENABLED)
    }

    /// Sets one annotation and writes all others anew, which is what the reference does for its switches.
    pub(crate) fn set_annotation_rewriting(&mut self, root: NodeId, name: &str, value: &str) -> Access<()> {
        let mut map = self.annotations(root);
        map.insert(name.into(), value.into());
        self.set_annotations(root, &map)
    }

    pub(crate) fn is_enabled(&self, root: NodeId, name: &str) -> bool {
        self.annotation(root, name).is_some_and(|value| **value == *ENABLED)
    }

    pub(crate) fn list_annotation(&self, root: NodeId, name: &str) -> Vec<Arc<str>> {
        self.annotation(root, name).map(|text| text.split(',').map(Arc::from).collect()).unwrap_or_default()
    }

    /// Appends to an annotation that holds a comma-separated list. An empty text appends nothing.
    pub(crate) fn append_to_list_annotation(&mut self, root: NodeId, name: &str, value: &str) -> Access<()> {
        if value.is_empty() {
            return Ok(());
        }
        let text = match self.annotation(root, name) {
            Some(old) => format!("{old},{value}"),
            None => value.to_owned(),
        };
        self.set_annotation(root, name, &text)
    }

    pub(crate) fn set_top(&mut self, root: NodeId, path: &[&str], value: &str) -> Access<()> {
        let (last, before) = path.split_last().expect("paths set here are literals with at least one part");
        let value = self.untyped(value);
        match self.lookup_create(root, Kind::Mapping, before)? {
            Some(map) => self.set_field(map, last, Some(value), false),
            None => Ok(()),
        }
    }

    pub(crate) fn set_object_name(&mut self, root: NodeId, name: &str) -> Access<()> {
        self.set_top(root, &["metadata", "name"], name)
    }

    pub(crate) fn set_object_namespace(&mut self, root: NodeId, namespace: &str) -> Access<()> {
        if !namespace.is_empty() {
            return self.set_top(root, &["metadata", "namespace"], namespace);
        }
        match self.lookup(root, &["metadata"])? {
            Some(metadata) => self.clear_field(metadata, "namespace"),
            None => Ok(()),
        }
    }
}

impl Build<'_> {
    pub(crate) fn gvk(&self, root: NodeId) -> Gvk {
        let (api_version, kind) = (self.arena.object_api_version(root), self.arena.object_kind(root));
        let is_cluster_scoped = self.schemas.is_cluster_scoped(&api_version, &kind);
        Gvk { api_version, kind, is_cluster_scoped }
    }

    /// The parts of [`Build::current_id`] that are compared, without owning them.
    pub(crate) fn id_key(&self, root: NodeId) -> IdKey<'_> {
        let text = |node: Option<NodeId>| node.map_or("", |node| self.arena.value(node));
        let (api_version, kind) = (text(self.arena.field(root, "apiVersion")), text(self.arena.field(root, "kind")));
        let namespace = text(self.arena.metadata_node(root, "namespace"));
        let is_cluster_scoped = self.schemas.is_cluster_scoped(api_version, kind);
        IdKey {
            api_version,
            kind,
            name: text(self.arena.metadata_node(root, "name")),
            namespace: effective_namespace(namespace, is_cluster_scoped),
        }
    }

    /// The id that a resource has now.
    pub(crate) fn current_id(&self, root: NodeId) -> ResId {
        ResId { gvk: self.gvk(root), name: self.arena.object_name(root), namespace: self.arena.object_namespace(root) }
    }

    /// The ids that a resource had, oldest first. Group and version are those of today.
    pub(crate) fn previous_ids(&self, root: NodeId) -> Vec<ResId> {
        let names = self.arena.list_annotation(root, PREVIOUS_NAMES);
        if names.is_empty() {
            return Vec::new();
        }
        let namespaces = self.arena.list_annotation(root, PREVIOUS_NAMESPACES);
        let kinds = self.arena.list_annotation(root, PREVIOUS_KINDS);
        let api_version = self.arena.object_api_version(root);
        names
            .into_iter()
            .zip(namespaces)
            .zip(kinds)
            .map(|((name, namespace), kind)| {
                let is_cluster_scoped = self.schemas.is_cluster_scoped(&api_version, &kind);
                ResId { gvk: Gvk { api_version: api_version.clone(), kind, is_cluster_scoped }, name, namespace }
            })
            .collect()
    }

    /// The first id that a resource had.
    pub(crate) fn original_id(&self, root: NodeId) -> ResId {
        self.previous_ids(root).into_iter().next().unwrap_or_else(|| self.current_id(root))
    }

    /// Notes the current id as a previous one, before a change of name, namespace or kind.
    pub(crate) fn note_current_id(&mut self, root: NodeId) -> Result<()> {
        let id = self.current_id(root);
        let namespace = id.effective_namespace().to_owned();
        let note = |arena: &mut Arena| -> Access<()> {
            arena.append_to_list_annotation(root, PREVIOUS_NAMES, &id.name)?;
            arena.append_to_list_annotation(root, PREVIOUS_NAMESPACES, &namespace)?;
            arena.append_to_list_annotation(root, PREVIOUS_KINDS, &id.gvk.kind)
        };
        note(&mut self.arena).map_err(|error| shape_error(&error))
    }

    pub(crate) fn behavior(&self, root: NodeId) -> Behavior {
        self.arena.annotation(root, GENERATOR_BEHAVIOR).map_or(Behavior::Unspecified, |text| Behavior::parse(text))
    }
}
