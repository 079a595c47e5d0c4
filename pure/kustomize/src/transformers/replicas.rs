//! `replicas`: the replica count of a workload, found by any name that it has or had.

use super::Transformer;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{FieldSpec, apply};
use crate::kustomization::ReplicaCount;
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::resource::{Resource, shape_error};

/// A count and the fields that hold counts.
pub(crate) struct Replicas {
    pub(crate) replica: ReplicaCount,
    pub(crate) specs: Vec<FieldSpec>,
    /// The place of the entry, for messages.
    pub(crate) field: String,
}

impl Transformer for Replicas {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        let mut found = false;
        for spec in &self.specs {
            let matches = build.with_any_id(resources, |id| *id.name == *self.replica.name && spec.gvk.fits(&id.gvk));
            for at in matches {
                found = true;
                let resource = &resources[at];
                let Some(root) = resource.root else { continue };
                if !spec.gvk.fits(&build.gvk(root)) {
                    continue;
                }
                apply(
                    &mut build.arena,
                    spec,
                    root,
                    &Some((Kind::Scalar, Tag::Int)),
                    &mut |arena: &mut Arena, node: NodeId| {
                        let count = arena.scalar(self.replica.count.to_string(), Tag::Int, Style::Plain);
                        arena.set_scalar(node, count)
                    },
                )
                .map_err(|error| resource.locate(shape_error(&error).field(spec.path.as_str())))?;
            }
        }
        if found {
            return Ok(());
        }
        let kinds: Vec<&str> =
            self.specs.iter().map(|spec| spec.gvk.kind.as_str()).filter(|kind| !kind.is_empty()).collect();
        Err(BuildError::new(
            ErrorClass::NoMatch,
            format!("there is no {} named {:?}", kinds.join(", "), self.replica.name),
        )
        .field(format!("{}.name", self.field))
        .hint("write the name as it is in the base, before prefixes and suffixes, or as it is now"))
    }
}
