//! `patchesStrategicMerge`: partial objects merged into the resource that has their id.

use std::collections::HashSet;
use std::rc::Rc;

use super::Transformer;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::ids::ResId;
use crate::loader::Loader;
use crate::merge::ListOrder;
use crate::resource::{ALLOW_KIND_CHANGE, ALLOW_NAME_CHANGE, Resource, shape_error};

/// Patches in order.
pub(crate) struct StrategicPatches {
    patches: Vec<Resource>,
}

impl StrategicPatches {
    /// Reads patches: each entry is a text or else a file; `inline` holds more.
    pub(crate) fn read(
        build: &mut Build<'_>,
        loader: &Rc<Loader<'_>>,
        entries: &[String],
        inline: &str,
    ) -> Result<Self> {
        if entries.is_empty() && inline.is_empty() {
            return Err(BuildError::new(ErrorClass::BadPatch, "there is neither a path nor a patch"));
        }
        let mut patches = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match build.resources_of_text(entry, "", None, 0) {
                Ok(found) => patches.extend(found),
                Err(_) => {
                    let field = format!("patchesStrategicMerge[{at}]");
                    let loaded =
                        loader.load(build.outside.remote, entry).map_err(|error| error.field(field.as_str()))?;
                    patches.extend(build.resources_of_file(&loaded)?);
                }
            }
        }
        if !inline.is_empty() {
            patches.extend(build.resources_of_text(inline, "", None, 0).map_err(|mut error| {
                error.file = None;
                error.field("patches")
            })?);
        }
        if patches.is_empty() {
            return Err(
                BuildError::new(ErrorClass::BadPatch, "the patches hold no object").field("patchesStrategicMerge")
            );
        }
        Ok(Self { patches })
    }
}

impl Transformer for StrategicPatches {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        for patch in &self.patches {
            let place = |mut error: Box<BuildError>| {
                if error.file.is_none() {
                    error.field = Some("patchesStrategicMerge".to_owned());
                }
                error
            };
            let at = build.patched_by_id(resources, patch).map_err(place)?;
            build.patch_chosen(resources, &[at], patch).map_err(place)?;
        }
        Ok(())
    }
}

impl Build<'_> {
    /// The place of the one resource that a patch names.
    pub(crate) fn patched_by_id(&self, resources: &[Resource], patch: &Resource) -> Result<usize> {
        let Some(root) = patch.root else { return Err(BuildError::new(ErrorClass::BadPatch, "the patch is empty")) };
        let id = self.original_id(root);
        let matches = self.with_any_id(resources, |other: &ResId| other.same(&id));
        match matches.as_slice() {
            [at] => Ok(*at),
            [] => Err(patch.locate(
                BuildError::new(ErrorClass::NoMatch, format!("no resource matches the strategic merge patch for {id}"))
                    .field("metadata.name")
                    .hint("check apiVersion, kind, name and namespace, or choose resources with target"),
            )),
            several => Err(patch.locate(
                BuildError::new(
                    ErrorClass::AmbiguousMatch,
                    format!("{} resources are or were called {id}, as the patch says", several.len()),
                )
                .hint("use the current name of the one that is meant, or choose it with target"),
            )),
        }
    }

    /// Merges a patch into chosen resources, a copy for each. Deleted ones leave the list.
    pub(crate) fn patch_chosen(
        &mut self,
        resources: &mut Vec<Resource>,
        chosen: &[usize],
        patch: &Resource,
    ) -> Result<()> {
        let Some(patch_root) = patch.root else { return Ok(()) };
        let ids: HashSet<ResId> =
            chosen.iter().filter_map(|at| resources[*at].root).map(|root| self.current_id(root)).collect();
        for resource in resources.iter_mut() {
            let Some(root) = resource.root else { continue };
            if !ids.contains(&self.current_id(root)) {
                continue;
            }
            self.check_size(0)?;
            let copy = self.arena.copy(patch_root);
            let patch_kind = self.arena.object_kind(patch_root);
            let api_version = self.arena.object_api_version(root);
            let prepared = (|| {
                self.copy_metadata(copy, patch_root)?;
                self.arena.set_top(copy, &["apiVersion"], &api_version)?;
                self.arena.set_top(copy, &["kind"], &patch_kind)
            })();
            prepared.map_err(|error| patch.locate(shape_error(&error)))?;
            self.patch_one(resource, copy, patch)?;
        }
        resources.retain(|resource| !resource.is_gone(&self.arena));
        self.check_conflicts(resources)
    }

    /// Merges a patch into one resource. Name and kind stay unless the patch may change them, the namespace always.
    pub(crate) fn patch_one(
        &mut self,
        resource: &mut Resource,
        patch_root: crate::node::NodeId,
        patch: &Resource,
    ) -> Result<()> {
        let Some(root) = resource.root else { return Ok(()) };
        let (name, namespace, kind) =
            (self.arena.object_name(root), self.arena.object_namespace(root), self.arena.object_kind(root));
        let may_change_name = self.arena.is_enabled(patch_root, ALLOW_NAME_CHANGE);
        let may_change_kind = self.arena.is_enabled(patch_root, ALLOW_KIND_CHANGE);
        if may_change_name || may_change_kind {
            self.note_current_id(root).map_err(|error| resource.locate(error))?;
        }
        let merged = self.merge(patch_root, root, ListOrder::Prepend).map_err(|error| patch.locate(error))?;
        if merged.is_none() {
            resource.root = None;
            return Ok(());
        }
        if self.arena.is_null_or_empty(root) {
            return Ok(());
        }
        let restored = (|| {
            if !may_change_kind {
                self.arena.set_top(root, &["kind"], &kind)?;
            }
            if !may_change_name {
                self.arena.set_object_name(root, &name)?;
            }
            self.arena.set_object_namespace(root, &namespace)
        })();
        restored.map_err(|error| patch.locate(shape_error(&error)))
    }
}
