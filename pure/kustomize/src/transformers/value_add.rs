//! The built-in ValueAddTransformer: one value into fields of chosen resources.

use super::Transformer;
use super::namespace::{Namespace, SubjectMode};
use crate::build::Build;
use crate::decode::{Fields, Strictness};
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::split_path;
use crate::kustomization::Selector;
use crate::node::Kind;
use crate::resource::{Resource, shape_error};

/// A value and where it goes.
pub(crate) struct ValueAdd {
    pub(crate) value: String,
    pub(crate) targets: Vec<ValueTarget>,
}

/// One field of chosen resources.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueTarget {
    selector: Option<Selector>,
    field_path: String,
    /// The place of the value in a `/`-separated path, from 1; 0 replaces the whole.
    file_path_position: i64,
}

impl ValueTarget {
    pub(crate) fn decode(value: &serde_json::Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            selector: fields.object("selector", Selector::decode)?,
            field_path: fields.string("fieldPath")?,
            file_path_position: fields.integer("filePathPosition")?,
        };
        if made.field_path.is_empty() {
            return Err(
                BuildError::new(ErrorClass::WrongType, "a field path is needed").field(format!("{path}.fieldPath"))
            );
        }
        if made.file_path_position < 0 {
            return Err(BuildError::new(ErrorClass::WrongType, "the position cannot be negative")
                .field(format!("{path}.filePathPosition")));
        }
        Ok(made)
    }
}

impl Transformer for ValueAdd {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        for target in &self.targets {
            let chosen = match &target.selector {
                None => (0..resources.len()).collect(),
                Some(selector) => build.select(resources, selector, ErrorClass::NoMatch)?,
            };
            for at in chosen {
                let resource = &resources[at];
                let Some(root) = resource.root else { continue };
                if target.field_path == "metadata/namespace" {
                    let namespace = Namespace {
                        namespace: self.value.clone(),
                        specs: Vec::new(),
                        unset_only: false,
                        subjects: SubjectMode::Default,
                    };
                    namespace.set(build, root).map_err(|error| resource.locate(error))?;
                    continue;
                }
                self.add(build, target, root)
                    .map_err(|error| resource.locate(shape_error(&error).field(target.field_path.as_str())))?;
            }
        }
        Ok(())
    }
}

impl ValueAdd {
    fn add(
        &self,
        build: &mut Build<'_>,
        target: &ValueTarget,
        root: crate::node::NodeId,
    ) -> crate::node::access::Access<()> {
        let arena = &mut build.arena;
        let path = split_path(&target.field_path, '/');
        let Some(node) = arena.lookup_create(root, Kind::Scalar, &path)? else { return Ok(()) };
        arena.need(node, Kind::Scalar)?;
        let value = match usize::try_from(target.file_path_position) {
            Ok(position) if position > 0 => insert_part(arena.value(node), position - 1, &self.value),
            _ => self.value.clone(),
        };
        let value = arena.untyped(value);
        arena.set_scalar(node, value)
    }
}

/// Inserts a part into a `/`-separated path; behind its end it is appended.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    if path.is_empty() {
        return part.to_owned();
    }
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{}{}", if is_absolute { "/" } else { "" }, parts.join("/"))
}
