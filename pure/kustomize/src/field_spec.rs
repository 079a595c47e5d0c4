//! Field specs: which fields of which kinds a transformer touches, the built-in tables, and how a spec is applied.
//!
//! A path is `/`-separated (`\/` escapes a slash); a part descends into lists by itself, `[]` after it says that it is one.

use std::sync::{Arc, OnceLock};

use crate::error::{BuildError, ErrorClass, Result};
use crate::ids::GvkPattern;
use crate::node::access::{Access, AccessError};
use crate::node::{Arena, Kind, NodeId, Tag};

/// One field of the kinds that fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: GvkPattern,
    pub(crate) path: String,
    pub(crate) create: bool,
}

/// The fields in which resources refer to one kind by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NameReference {
    pub(crate) target: GvkPattern,
    pub(crate) referrers: Vec<FieldSpec>,
}

/// Every table that transformers read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldTables {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

/// Adds a spec unless one of the same path already covers it.
pub(crate) fn merge_spec(specs: &mut Vec<FieldSpec>, incoming: &FieldSpec) -> Result<()> {
    // The incoming spec must be at least as wide as the one that is there: narrower ones are added.
    let there = specs.iter().find(|spec| spec.path == incoming.path && incoming.gvk.covers(&spec.gvk));
    match there {
        Some(spec) if spec.create != incoming.create => Err(BuildError::new(
            ErrorClass::WrongType,
            format!("two field specs for {} of {} differ in create", incoming.path, incoming.gvk),
        )
        .hint("give both the same value of create, or leave out the one that repeats a built-in spec")),
        Some(_) => Ok(()),
        None => {
            specs.push(incoming.clone());
            Ok(())
        }
    }
}

pub(crate) fn merge_specs(specs: &mut Vec<FieldSpec>, incoming: &[FieldSpec]) -> Result<()> {
    incoming.iter().try_for_each(|spec| merge_spec(specs, spec))
}

impl FieldTables {
    /// The tables that every kustomization starts with, as they are after the reference has merged them into nothing.
    pub(crate) fn defaults() -> Arc<Self> {
        static TABLES: OnceLock<Arc<FieldTables>> = OnceLock::new();
        TABLES
            .get_or_init(|| {
                let mut parsed = Self::parse(include_str!("../data/field_specs.txt"));
                parsed.sort();
                let merged =
                    Self::default().merged(&parsed).expect("the built-in field specs do not contradict each other");
                Arc::new(merged)
            })
            .clone()
    }

    fn parse(text: &str) -> Self {
        let mut tables = Self::default();
        let mut section = "";
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = header;
                if let Some(target) = header.strip_prefix("nameReference ") {
                    let mut parts = target.split('|').map(str::to_owned);
                    let mut next = || parts.next().unwrap_or_default();
                    let target = GvkPattern { group: next(), version: next(), kind: next() };
                    tables.name_reference.push(NameReference { target, referrers: Vec::new() });
                }
                continue;
            }
            let mut parts = line.split('|').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let gvk = GvkPattern { group: next(), version: next(), kind: next() };
            let spec = FieldSpec { gvk, path: next(), create: next() == "create" };
            if let Some(specs) = tables.section_mut(section) {
                specs.push(spec);
            } else if let Some(reference) = tables.name_reference.last_mut() {
                reference.referrers.push(spec);
            }
        }
        tables
    }

    pub(crate) fn section_mut(&mut self, name: &str) -> Option<&mut Vec<FieldSpec>> {
        Some(match name {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "labels" => &mut self.labels,
            "templateLabels" => &mut self.template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "varReference" => &mut self.var_reference,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => return None,
        })
    }

    /// Both tables together, sorted.
    pub(crate) fn merged(&self, incoming: &Self) -> Result<Self> {
        let mut merged = self.clone();
        for (specs, more) in [
            (&mut merged.name_prefix, &incoming.name_prefix),
            (&mut merged.name_suffix, &incoming.name_suffix),
            (&mut merged.namespace, &incoming.namespace),
            (&mut merged.common_annotations, &incoming.common_annotations),
            (&mut merged.common_labels, &incoming.common_labels),
            (&mut merged.labels, &incoming.labels),
            (&mut merged.template_labels, &incoming.template_labels),
            (&mut merged.var_reference, &incoming.var_reference),
            (&mut merged.images, &incoming.images),
            (&mut merged.replicas, &incoming.replicas),
        ] {
            if specs.is_empty() && more.is_empty() {
                continue;
            }
            merge_specs(specs, more)?;
        }
        for reference in &incoming.name_reference {
            merged.merge_reference(reference)?;
        }
        merged.sort();
        Ok(merged)
    }

    pub(crate) fn merge_reference(&mut self, incoming: &NameReference) -> Result<()> {
        match self.name_reference.iter_mut().find(|reference| reference.target == incoming.target) {
            Some(reference) => merge_specs(&mut reference.referrers, &incoming.referrers),
            None => {
                self.name_reference.push(incoming.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn sort(&mut self) {
        for name in [
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "templateLabels",
            "commonAnnotations",
            "varReference",
            "images",
            "replicas",
        ] {
            if let Some(specs) = self.section_mut(name) {
                specs.sort_by_cached_key(|spec| order_of(&spec.gvk));
            }
        }
        self.name_reference.sort_by_cached_key(|reference| order_of(&reference.target));
    }
}

/// Kinds that come first, in this order, wherever kinds are sorted.
pub(crate) const KINDS_FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last, in this order.
pub(crate) const KINDS_LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn order_of(gvk: &GvkPattern) -> (i32, String) {
    let place = |list: &[&str]| list.iter().position(|kind| *kind == gvk.kind).and_then(|at| i32::try_from(at).ok());
    let rank = match (place(&KINDS_FIRST), place(&KINDS_LAST)) {
        (Some(at), _) => at - 22,
        (None, Some(at)) => at + 1,
        (None, None) => 0,
    };
    let or = |text: &str, absent: &str| if text.is_empty() { absent.to_owned() } else { text.to_owned() };
    (rank, format!("{}_{}_{}", or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K")))
}

/// Splits a path at its delimiter; a backslash before the delimiter keeps it.
pub(crate) fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let mut pieces: Vec<&str> = path.split(delimiter).collect();
    if pieces.len() > 1 && pieces[0].is_empty() {
        pieces.remove(0);
    }
    let mut parts: Vec<String> = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        match parts.last_mut() {
            Some(last) if at > 0 && last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(piece);
            }
            _ => parts.push((*piece).to_owned()),
        }
    }
    parts
}

/// Splits a path at dots, keeping `[name=a.b]` selectors and `[a.b/c]` keys whole.
pub(crate) fn split_dotted_path(path: &str) -> Vec<String> {
    let split = split_path(path, '.');
    let mut parts = Vec::with_capacity(split.len());
    let mut at = 0;
    while at < split.len() {
        let part = &split[at];
        if part.starts_with('[') && !part.ends_with(']') {
            let mut bracketed = part.clone();
            while at + 1 < split.len() {
                at += 1;
                bracketed.push('.');
                bracketed.push_str(&split[at]);
                if split[at].ends_with(']') {
                    break;
                }
            }
            if bracketed.contains('=') {
                parts.push(bracketed);
            } else {
                parts.push(bracketed.trim_matches(['[', ']']).to_owned());
            }
        } else {
            parts.push(part.clone());
        }
        at += 1;
    }
    parts
}

/// What a spec with `create` makes at the end of its path.
pub(crate) type Create = Option<(Kind, Tag)>;

/// Applies `set` to every node that the spec's path leads to. The caller has checked the kind.
pub(crate) fn apply(
    arena: &mut Arena,
    spec: &FieldSpec,
    object: NodeId,
    create: &Create,
    set: &mut dyn FnMut(&mut Arena, NodeId) -> Access<()>,
) -> Access<()> {
    // A backslash keeps a slash, which is rare: without one the parts need not be copied.
    if spec.path.contains('\\') {
        let parts = split_path(&spec.path, '/');
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        return walk(arena, spec.create, &parts, object, create, set);
    }
    let mut parts: Vec<&str> = spec.path.split('/').collect();
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    walk(arena, spec.create, &parts, object, create, set)
}

fn walk(
    arena: &mut Arena,
    creates: bool,
    path: &[&str],
    here: NodeId,
    create: &Create,
    set: &mut dyn FnMut(&mut Arena, NodeId) -> Access<()>,
) -> Access<()> {
    let Some((part, rest)) = path.split_first() else { return set(arena, here) };
    if arena.is_null(here) {
        return Ok(());
    }
    match arena.kind(here) {
        Kind::Sequence => {
            for element in arena.get(here).content.clone() {
                walk(arena, creates, path, element, create, set)?;
            }
            Ok(())
        }
        Kind::Scalar => Err(AccessError::Path(format!(
            "the path goes on with {part:?} below the value {:?}, which has no fields",
            arena.value(here)
        ))),
        Kind::Mapping => {
            let name = part.strip_suffix("[]");
            let is_sequence = name.is_some();
            let name = name.unwrap_or(part);
            if name.is_empty() {
                return Err(AccessError::Path("a part of the path is empty".to_owned()));
            }
            let (field, kind) = match create {
                Some((kind, tag)) if creates && !is_sequence => {
                    let (kind, tag) = if rest.is_empty() { (*kind, tag.clone()) } else { (Kind::Mapping, Tag::Map) };
                    (arena.lookup_create(here, kind, &[name])?, Some((kind, tag)))
                }
                _ => (arena.lookup(here, &[name])?, is_sequence.then_some((Kind::Sequence, Tag::Empty))),
            };
            let Some(field) = field else { return Ok(()) };
            if arena.is_null(field)
                && let Some((kind, tag)) = kind
            {
                let node = arena.get_mut(field);
                (node.kind, node.tag) = (kind, tag);
            }
            walk(arena, creates, rest, field, create, set)
        }
    }
}
