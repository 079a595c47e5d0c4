//! `namePrefix` and `nameSuffix`: text before or after names; definitions, APIServices and Namespaces keep theirs.

use super::Transformer;
use crate::build::Build;
use crate::error::Result;
use crate::field_spec::{FieldSpec, apply};
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::resource::{PREFIXES, Resource, SUFFIXES, shape_error};

/// On which side of the name the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Prefix,
    Suffix,
}

/// A prefix or suffix and the fields that get it.
pub(crate) struct Affix {
    pub(crate) text: String,
    pub(crate) side: Side,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Transformer for Affix {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        for resource in resources.iter() {
            let Some(root) = resource.root else { continue };
            let id = build.original_id(root);
            let keeps_name = matches!(&*id.gvk.kind, "CustomResourceDefinition" | "Namespace")
                || (&*id.gvk.kind == "APIService" && id.gvk.group() == "apiregistration.k8s.io");
            if keeps_name {
                continue;
            }
            for spec in self.specs.iter().filter(|spec| spec.gvk.fits(&id.gvk)) {
                let located = |error: &crate::node::access::AccessError| {
                    resource.locate(shape_error(error).field(spec.path.as_str()))
                };
                if spec.path == "metadata/name" && !self.text.is_empty() {
                    let list = if self.side == Side::Prefix { PREFIXES } else { SUFFIXES };
                    build.arena.append_to_list_annotation(root, list, &self.text).map_err(|error| located(&error))?;
                    build.note_current_id(root).map_err(|error| resource.locate(error))?;
                }
                if !spec.gvk.fits(&build.gvk(root)) {
                    continue;
                }
                apply(
                    &mut build.arena,
                    spec,
                    root,
                    &Some((Kind::Scalar, Tag::Str)),
                    &mut |arena: &mut Arena, node: NodeId| {
                        let old = arena.value(node);
                        let new = match self.side {
                            Side::Prefix => format!("{}{old}", self.text),
                            Side::Suffix => format!("{old}{}", self.text),
                        };
                        let new = arena.scalar(new, Tag::Empty, Style::Plain);
                        arena.set_scalar(node, new)
                    },
                )
                .map_err(|error| located(&error))?;
            }
        }
        Ok(())
    }
}
