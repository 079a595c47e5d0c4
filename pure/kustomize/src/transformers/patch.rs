//! `patches`: a strategic merge or JSON patch, inline or in a file, for the object it names or for chosen ones.

use std::rc::Rc;

use serde_json::Value;

use super::Transformer;
use super::json_patch::parse_operations;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::kustomization::{PatchEntry, Selector};
use crate::loader::Loader;
use crate::resource::{ALLOW_KIND_CHANGE, ALLOW_NAME_CHANGE, Resource, shape_error};

/// A patch with what it is for.
pub(crate) struct Patch {
    content: Content,
    target: Option<Selector>,
    file: Option<String>,
    field: String,
}

enum Content {
    Strategic(Vec<Resource>),
    Operations(Value),
    /// A file with nothing but comments.
    Nothing,
}

impl Patch {
    /// Reads an entry of `patches`.
    pub(crate) fn read(build: &mut Build<'_>, loader: &Rc<Loader<'_>>, entry: &PatchEntry) -> Result<Self> {
        let field =
            |name: &str| if entry.field.is_empty() { name.to_owned() } else { format!("{}.{name}", entry.field) };
        let bad = |message: String, name: &str| BuildError::new(ErrorClass::BadPatch, message).field(field(name));
        let inline = entry.patch.trim();
        let (text, file, identity) = match (entry.path.as_str(), inline) {
            ("", "") => {
                return Err(bad("one of path and patch is needed".to_owned(), "path")
                    .hint("name a file with path, or write the patch itself"));
            }
            ("", inline) => (inline.to_owned(), None, None),
            (path, "") => {
                let loaded = loader.load(build.outside.remote, path).map_err(|error| error.field(field("path")))?;
                (loaded.text()?.into_owned(), Some(loaded.path.clone()), loaded.identity)
            }
            _ => return Err(bad("path and patch cannot both be set".to_owned(), "path").hint("keep one of them")),
        };
        let source = file.as_deref().unwrap_or_default();
        let strategic = build.resources_of_text(&text, source, identity.as_deref(), 0);
        let operations = parse_operations(&text);
        let content = match (strategic, operations) {
            (Ok(patches), Ok(Value::Array(items))) if !patches.is_empty() && !items.is_empty() => {
                return Err(bad("the patch is both a strategic merge patch and a JSON patch".to_owned(), "patch"));
            }
            (Ok(patches), _) if patches.is_empty() => Content::Nothing,
            (Ok(patches), _) => Content::Strategic(patches),
            (Err(_), Ok(operations)) => Content::Operations(operations),
            (Err(strategic), Err(operations)) => {
                let mut error = BuildError::new(
                    ErrorClass::BadPatch,
                    format!(
                        "this is neither a strategic merge patch ({}) nor a JSON patch ({operations})",
                        strategic.message
                    ),
                );
                error = match &file {
                    Some(file) => error.file(file).line(strategic.line),
                    None => error.field(field("patch")),
                };
                return Err(error.hint("a strategic merge patch names apiVersion, kind and metadata.name; a JSON patch is a list of operations"));
            }
        };
        if let Content::Strategic(patches) = &content {
            for root in patches.iter().filter_map(|patch| patch.root) {
                for (wanted, name) in
                    [(entry.allow_name_change, ALLOW_NAME_CHANGE), (entry.allow_kind_change, ALLOW_KIND_CHANGE)]
                {
                    if wanted {
                        build.arena.enable(root, name).map_err(|error| shape_error(&error))?;
                    }
                }
            }
        }
        Ok(Self { content, target: entry.target.clone(), file, field: entry.field.clone() })
    }

    /// Puts the place of the patch on an error that has none: its file, or its entry in the kustomization file.
    fn place(&self, mut error: Box<BuildError>) -> Box<BuildError> {
        if error.file.is_some() {
            return error;
        }
        if let Some(file) = &self.file {
            return error.file(file);
        }
        if let Some(field) = error.field.take().filter(|field| !field.starts_with(self.field.as_str())) {
            error.message = format!("{field}: {}", error.message);
        }
        error.field(if self.field.is_empty() { "patch".to_owned() } else { format!("{}.patch", self.field) })
    }
}

impl Transformer for Patch {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        match (&self.content, &self.target) {
            (Content::Nothing, _) => Ok(()),
            (Content::Strategic(patches), Some(target)) => {
                let [patch] = patches.as_slice() else {
                    let place = self.file.as_deref().map_or(String::new(), |file| format!(" ({file})"));
                    let error = BuildError::new(
                        ErrorClass::BadPatch,
                        format!("{} strategic merge patches in one entry{place} cannot share a target", patches.len()),
                    );
                    let part = if self.file.is_some() { "path" } else { "patch" };
                    return Err(error.field(format!("{}.{part}", self.field)).hint(
                        "write one entry for each, or leave target out so that each patch is for the object it names",
                    ));
                };
                let chosen =
                    build.select(resources, target, ErrorClass::BadPatch).map_err(|error| self.place(error))?;
                build.patch_chosen(resources, &chosen, patch).map_err(|error| self.place(error))
            }
            (Content::Strategic(patches), None) => {
                for patch in patches {
                    let at = build.patched_by_id(resources, patch).map_err(|error| self.place(error))?;
                    let Some(root) = patch.root else { continue };
                    let root = build.arena.copy(root);
                    let mut resource = resources[at].clone();
                    build.patch_one(&mut resource, root, patch).map_err(|error| self.place(error))?;
                    resources[at] = resource;
                }
                Ok(())
            }
            (Content::Operations(_), None) => Err(self.place(
                BuildError::new(ErrorClass::BadPatch, "a JSON patch needs a target")
                    .hint("name kind and name of the object under target"),
            )),
            (Content::Operations(operations), Some(target)) => {
                for at in build.select(resources, target, ErrorClass::BadPatch).map_err(|error| self.place(error))? {
                    if let Some(root) = resources[at].root {
                        build.note_current_id(root)?;
                    }
                    build.apply_operations(&mut resources[at], operations).map_err(|error| self.place(error))?;
                }
                Ok(())
            }
        }
    }
}
