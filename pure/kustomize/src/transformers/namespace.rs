//! `namespace`: the namespace of every resource that is not certainly cluster-scoped, and of what points into it.

use std::collections::HashMap;

use super::Transformer;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{Create, FieldSpec, apply};
use crate::ids::ResId;
use crate::node::access::Access;
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::resource::{HELM_GENERATED, Resource, shape_error};

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubjectMode {
    /// Those named `default`.
    Default,
    /// Every ServiceAccount.
    AllServiceAccounts,
    /// None.
    Nobody,
}

impl SubjectMode {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "" | "defaultOnly" => Ok(Self::Default),
            "allServiceAccounts" => Ok(Self::AllServiceAccounts),
            "none" => Ok(Self::Nobody),
            other => Err(BuildError::new(ErrorClass::WrongType, format!("setRoleBindingSubjects is {other:?}"))
                .hint("write defaultOnly, allServiceAccounts or none")),
        }
    }
}

/// A namespace and the fields that get it.
pub(crate) struct Namespace {
    pub(crate) namespace: String,
    pub(crate) specs: Vec<FieldSpec>,
    /// Fields that have a value keep it.
    pub(crate) unset_only: bool,
    pub(crate) subjects: SubjectMode,
}

impl Transformer for Namespace {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let mut count_by_id: HashMap<ResId, usize> = HashMap::new();
        for root in resources.iter().filter_map(|resource| resource.root) {
            *count_by_id.entry(build.current_id(root).comparable()).or_default() += 1;
        }
        for resource in resources.iter() {
            let Some(root) = resource.root else { continue };
            if build.arena.annotation(root, HELM_GENERATED).is_some_and(|value| **value == *"true") {
                continue;
            }
            let before = build.current_id(root).comparable();
            build.note_current_id(root).map_err(|error| resource.locate(error))?;
            self.set(build, root).map_err(|error| resource.locate(error))?;
            let id = build.current_id(root);
            let after = id.clone().comparable();
            if before != after {
                *count_by_id.entry(before).or_default() -= 1;
                *count_by_id.entry(after.clone()).or_default() += 1;
            }
            if count_by_id.get(&after).copied().unwrap_or_default() > 1 {
                return Err(resource.locate(
                    BuildError::new(
                        ErrorClass::ConflictingIds,
                        format!("with the namespace {} there are two {id}", self.namespace),
                    )
                    .field("metadata.name")
                    .hint("give one of them another name"),
                ));
            }
        }
        Ok(())
    }
}

impl Namespace {
    /// Sets the namespace in one object.
    pub(crate) fn set(&self, build: &mut Build<'_>, root: NodeId) -> Result<()> {
        let gvk = build.gvk(root);
        let arena = &mut build.arena;
        if !gvk.is_cluster_scoped {
            let spec = FieldSpec { path: "metadata/namespace".to_owned(), create: true, ..FieldSpec::default() };
            self.apply(arena, &spec, root, &Some((Kind::Scalar, Tag::Empty)))
                .map_err(|error| shape_error(&error).field("metadata.namespace"))?;
        }
        let binds_roles = matches!(&*gvk.kind, "RoleBinding" | "ClusterRoleBinding");
        if binds_roles {
            self.set_subjects(arena, root).map_err(|error| shape_error(&error).field("subjects"))?;
        }
        for spec in &self.specs {
            let is_unneeded = spec.path == "metadata/namespace"
                || (spec.path == "metadata/name" && &*gvk.api_version != "v1")
                || (binds_roles
                    && spec.path == "subjects/namespace"
                    && matches!(&*spec.gvk.kind, "RoleBinding" | "ClusterRoleBinding"));
            if is_unneeded || !spec.gvk.fits(&gvk) {
                continue;
            }
            self.apply(arena, spec, root, &Some((Kind::Scalar, Tag::Str)))
                .map_err(|error| shape_error(&error).field(spec.path.as_str()))?;
        }
        Ok(())
    }

    fn apply(&self, arena: &mut Arena, spec: &FieldSpec, root: NodeId, create: &Create) -> Access<()> {
        apply(arena, spec, root, create, &mut |arena: &mut Arena, node: NodeId| self.set_value(arena, node))
    }

    fn set_value(&self, arena: &mut Arena, node: NodeId) -> Access<()> {
        if self.unset_only && arena.kind(node) == Kind::Scalar && !arena.is_null(node) && !arena.value(node).is_empty()
        {
            return Ok(());
        }
        let value = arena.scalar(self.namespace.as_str(), Tag::Str, Style::Plain);
        arena.set_scalar(node, value)
    }

    fn set_subjects(&self, arena: &mut Arena, root: NodeId) -> Access<()> {
        let (field, wanted) = match self.subjects {
            SubjectMode::Nobody => return Ok(()),
            SubjectMode::Default => ("name", "default"),
            SubjectMode::AllServiceAccounts => ("kind", "ServiceAccount"),
        };
        let Some(subjects) = arena.lookup(root, &["subjects"])?.filter(|subjects| !arena.is_null(*subjects)) else {
            return Ok(());
        };
        for subject in arena.elements(subjects)? {
            let Some(value) = arena.get_field(subject, field)?.filter(|value| !arena.is_null(*value)) else { continue };
            arena.need(value, Kind::Scalar)?;
            if arena.value(value) != wanted {
                continue;
            }
            if let Some(namespace) = arena.lookup_create(subject, Kind::Scalar, &["namespace"])? {
                self.set_value(arena, namespace)?;
            }
        }
        Ok(())
    }
}
