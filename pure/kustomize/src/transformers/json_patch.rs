//! `patchesJson6902`: operations on chosen resources.

use std::rc::Rc;

use landfall_yaml::Resolver;
use serde_json::Value;

use super::Transformer;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::kustomization::{PatchEntry, Selector};
use crate::loader::Loader;
use crate::node::json::Numbers;
use crate::resource::{Resource, shape_error};

/// Operations with the resources that they are for.
pub(crate) struct JsonPatch {
    operations: Value,
    target: Selector,
    file: Option<String>,
    field: String,
}

impl JsonPatch {
    /// Reads an entry of `patchesJson6902`.
    pub(crate) fn read(build: &mut Build<'_>, loader: &Rc<Loader<'_>>, entry: &PatchEntry) -> Result<Self> {
        let bad = |message: &str, field: &str| {
            let field = if entry.field.is_empty() { field.to_owned() } else { format!("{}.{field}", entry.field) };
            BuildError::new(ErrorClass::BadPatch, message).field(field)
        };
        let Some(target) = entry.target.clone().filter(|target| !target.name.is_empty()) else {
            return Err(bad("the name of the target is needed", "target.name"));
        };
        let (text, file) = match (entry.path.as_str(), entry.patch.as_str()) {
            ("", "") => return Err(bad("one of path and patch is needed", "path")),
            ("", patch) => (patch.to_owned(), None),
            (path, "") => {
                let loaded = loader
                    .load(build.outside.remote, path)
                    .map_err(|error| error.field(format!("{}.path", entry.field)))?;
                (loaded.text()?.into_owned(), Some(loaded.path))
            }
            _ => return Err(bad("path and patch cannot both be set", "path")),
        };
        let place = |error: Box<BuildError>| match &file {
            Some(file) => error.file(file),
            None => error.field(format!("{}.patch", entry.field)),
        };
        let operations =
            parse_operations(&text).map_err(|reason| place(BuildError::new(ErrorClass::BadPatch, reason)))?;
        if operations.as_array().is_none_or(Vec::is_empty) {
            return Err(place(BuildError::new(ErrorClass::BadPatch, "the patch holds no operation")));
        }
        Ok(Self { operations, target, file, field: entry.field.clone() })
    }
}

impl Transformer for JsonPatch {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        for at in build.select(resources, &self.target, ErrorClass::BadPatch)? {
            build.apply_operations(&mut resources[at], &self.operations).map_err(|mut error| match &self.file {
                Some(file) if error.file.is_none() => error.file(file),
                None if error.file.is_none() => {
                    error.field = Some(format!("{}.patch", self.field));
                    error
                }
                _ => error,
            })?;
        }
        Ok(())
    }
}

/// Reads JSON patch operations out of JSON or YAML.
pub(crate) fn parse_operations(text: &str) -> std::result::Result<Value, String> {
    if text.is_empty() {
        return Err("the patch is empty".to_owned());
    }
    let value = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| format!("the patch is malformed JSON: {error}"))?
    } else {
        landfall_yaml::read_one(text.as_bytes(), Resolver::Kubernetes)
            .map_err(|error| format!("the patch is malformed YAML: {error}"))?
    };
    match &value {
        Value::Null => Ok(Value::Array(Vec::new())),
        Value::Array(items) if items.iter().all(|item| item.is_object() || item.is_null()) => Ok(value),
        _ => Err("a JSON patch is a list of operations, each with op and path".to_owned()),
    }
}

impl Build<'_> {
    /// Applies JSON patch operations. The resource passes through JSON, which makes every number a float and back.
    pub(crate) fn apply_operations(&mut self, resource: &mut Resource, operations: &Value) -> Result<()> {
        let Some(root) = resource.root else { return Ok(()) };
        let id = self.current_id(root);
        let kept: Vec<_> = self.arena.annotations(root).into_iter().filter(|(name, _)| is_internal(name)).collect();
        let before = self.json(resource)?;
        let after = landfall_merge::json_patch::apply(&before, operations).map_err(|error| {
            let refused = BuildError::new(ErrorClass::JsonPatch, format!("the patch does not apply to {id}: {error}"))
                .hint("check the path; ~1 stands for / and ~0 for ~ in a name");
            match error.index() {
                Some(index) => refused.field(format!("[{index}].path")),
                None => refused,
            }
        })?;
        if !after.is_object() {
            return Err(BuildError::new(
                ErrorClass::JsonPatch,
                format!("the patch makes {id} something that is no object"),
            ));
        }
        let root = self.arena.build_json(&after, Numbers::Floats);
        resource.root = Some(root);
        let mut annotations = self.arena.annotations(root);
        annotations.extend(kept);
        self.arena.set_annotations(root, &annotations).map_err(|error| shape_error(&error))
    }
}

fn is_internal(name: &str) -> bool {
    name.starts_with("internal.config.kubernetes.io/")
        || matches!(name, "config.kubernetes.io/path" | "config.kubernetes.io/index" | "config.k8s.io/id")
}
