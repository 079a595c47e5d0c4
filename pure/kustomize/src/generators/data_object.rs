//! ConfigMaps and Secrets from env files, literals and files.

use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;

use super::Generator;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::key_values::collect;
use crate::kustomization::GeneratorArgs;
use crate::loader::Loader;
use crate::node::access::Access;
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::resource::{Behavior, GENERATOR_BEHAVIOR, NEEDS_HASH, Resource, Source, shape_error};

/// Base 64 text that the reference breaks into lines of this length.
const BASE64_LINE_CHARS: usize = 70;

/// Which of the two kinds is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataKind {
    ConfigMap,
    Secret,
}

/// One entry of `configMapGenerator` or `secretGenerator`.
#[derive(Debug, Clone)]
pub(crate) struct DataObject {
    pub(crate) kind: DataKind,
    pub(crate) args: GeneratorArgs,
    /// The file that holds the entry, for messages.
    pub(crate) file: String,
}

impl Generator for DataObject {
    fn generate(&self, build: &mut Build<'_>, loader: &Rc<Loader<'_>>) -> Result<Vec<Resource>> {
        if self.args.name.is_empty() {
            return Err(BuildError::new(ErrorClass::BadResource, "a generated object needs a name")
                .file(&self.file)
                .field(format!("{}.name", self.args.field)));
        }
        let data = collect(loader, build.outside.remote, &self.args).map_err(|error| error.file(&self.file))?;
        let root = self.make(&mut build.arena, &data).map_err(|error| shape_error(&error))?;
        let source = Source { file: self.file.clone(), line: 0, field: self.args.field.clone() };
        Ok(vec![Resource::new(root, Arc::new(source))])
    }
}

impl DataObject {
    fn make(&self, arena: &mut Arena, data: &std::collections::BTreeMap<String, Vec<u8>>) -> Access<NodeId> {
        let root = arena.collection(Kind::Mapping, Tag::Map);
        let kind = match self.kind {
            DataKind::ConfigMap => "ConfigMap",
            DataKind::Secret => "Secret",
        };
        for (name, value) in [("apiVersion", "v1"), ("kind", kind)] {
            let value = arena.scalar(value, Tag::Str, Style::Plain);
            arena.set_field(root, name, Some(value), false)?;
        }
        let Some(metadata) = arena.lookup_create(root, Kind::Mapping, &["metadata"])? else { return Ok(root) };
        let name = arena.string(self.args.name.as_str());
        arena.set_field(metadata, "name", Some(name), false)?;
        if !self.args.namespace.is_empty() {
            let namespace = arena.string(self.args.namespace.as_str());
            arena.set_field(metadata, "namespace", Some(namespace), false)?;
        }
        match self.kind {
            DataKind::ConfigMap => {
                for (key, bytes) in data {
                    let (field, text) = match std::str::from_utf8(bytes) {
                        Ok(text) => ("data", text.to_owned()),
                        Err(_) => ("binaryData", base64_lines(bytes)),
                    };
                    set_entry(arena, root, field, key, text)?;
                }
            }
            DataKind::Secret => {
                let secret_type = if self.args.secret_type.is_empty() { "Opaque" } else { &self.args.secret_type };
                let secret_type = arena.string(secret_type);
                arena.set_field(root, "type", Some(secret_type), false)?;
                arena.lookup_create(root, Kind::Mapping, &["data"])?;
                for (key, bytes) in data {
                    set_entry(arena, root, "data", key, base64_lines(bytes))?;
                }
            }
        }
        let options = self.args.options.as_ref();
        if let Some(options) = options {
            for (field, map) in [("labels", &options.labels), ("annotations", &options.annotations)] {
                for (key, value) in map.iter().flatten() {
                    if field == "annotations" {
                        arena.set_annotation(root, key, value)?;
                    } else {
                        arena.set_metadata_entry(root, field, key, value)?;
                    }
                }
            }
            if options.immutable {
                let value = arena.scalar("true", Tag::Bool, Style::Plain);
                arena.set_field(root, "immutable", Some(value), false)?;
            }
        }
        if !options.is_some_and(|options| options.disable_name_suffix_hash) {
            arena.enable(root, NEEDS_HASH)?;
        }
        arena.set_annotation_rewriting(root, GENERATOR_BEHAVIOR, Behavior::parse(&self.args.behavior).name())?;
        Ok(root)
    }
}

fn set_entry(arena: &mut Arena, root: NodeId, field: &str, key: &str, text: String) -> Access<()> {
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    let value = arena.scalar(text, Tag::Str, style);
    match arena.lookup_create(root, Kind::Mapping, &[field])? {
        Some(map) => arena.set_field(map, key, Some(value), false),
        None => Ok(()),
    }
}

/// Base 64 as the reference writes it: in lines, each with an end, as soon as there is more than one.
fn base64_lines(bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    if text.len() < BASE64_LINE_CHARS {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / BASE64_LINE_CHARS + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(BASE64_LINE_CHARS));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines
}
