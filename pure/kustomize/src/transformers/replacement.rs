//! `replacements`: a value from one field put into fields of other resources.

use std::rc::Rc;

use landfall_yaml::Resolver;
use serde_json::Value;

use super::Transformer;
use super::structured_text::{match_path, put, set_in_text};
use crate::build::Build;
use crate::decode::Strictness;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::split_dotted_path;
use crate::ids::ResId;
use crate::kustomization::{FieldOptions, ReplacementEntry, ReplacementSource, ReplacementTarget};
use crate::loader::Loader;
use crate::node::{Kind, NodeId};
use crate::resource::Resource;
use crate::selector::CompiledSelector;

const DEFAULT_FIELD: &str = "metadata.name";

/// Replacements in order.
pub(crate) struct Replacements {
    entries: Vec<(ReplacementEntry, Option<String>)>,
}

fn bad(message: impl Into<String>) -> Box<BuildError> {
    BuildError::new(ErrorClass::BadReplacement, message)
}

impl Replacements {
    /// Reads the entries; those with a path hold one replacement or a list of them.
    pub(crate) fn read(build: &mut Build<'_>, loader: &Rc<Loader<'_>>, entries: &[ReplacementEntry]) -> Result<Self> {
        let mut read = Vec::new();
        for entry in entries {
            if entry.path.is_empty() {
                read.push((entry.clone(), None));
                continue;
            }
            if entry.source.is_some() || entry.targets.as_ref().is_some_and(|targets| !targets.is_empty()) {
                return Err(bad("path and an inline replacement cannot both be set").field(entry.field.as_str()));
            }
            let file = loader
                .load(build.outside.remote, &entry.path)
                .map_err(|error| error.field(format!("{}.path", entry.field)))?;
            let value = build.value_of(&file, Resolver::Kubernetes, ErrorClass::MalformedYaml)?;
            let decode = |value: &Value, path: &str| {
                ReplacementEntry::decode(value, path, Strictness::Lenient).map_err(|error| error.file(&file.path))
            };
            match &*value {
                Value::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        read.push((decode(item, &format!("[{at}]"))?, Some(file.path.clone())));
                    }
                }
                Value::Object(_) => read.push((decode(&value, "")?, Some(file.path.clone()))),
                _ => return Err(bad("the file must hold a replacement or a list of replacements").file(&file.path)),
            }
        }
        Ok(Self { entries: read })
    }
}

impl Transformer for Replacements {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        for (entry, file) in &self.entries {
            let place = |error: Box<BuildError>| {
                let error = if error.field.is_none() { error.field(entry.field.as_str()) } else { error };
                match file {
                    Some(file) => error.file(file),
                    None => error,
                }
            };
            let targets = match &entry.targets {
                Some(targets) if entry.source.is_some() || entry.source_value.is_some() => targets,
                _ => {
                    return Err(place(
                        bad("a replacement needs a source and at least one target")
                            .hint("add source (or sourceValue) and targets"),
                    ));
                }
            };
            let value = build.replacement_value(resources, entry).map_err(place)?;
            for (at, target) in targets.iter().enumerate() {
                let field = if entry.field.is_empty() {
                    format!("targets[{at}]")
                } else {
                    format!("{}.targets[{at}]", entry.field)
                };
                build
                    .replace_in(resources, value, target)
                    .map_err(|error| place(if error.field.is_none() { error.field(field) } else { error }))?;
            }
        }
        Ok(())
    }
}

impl Build<'_> {
    fn replacement_value(&mut self, resources: &[Resource], entry: &ReplacementEntry) -> Result<NodeId> {
        let source = match (&entry.source, &entry.source_value) {
            (Some(_), Some(_)) => return Err(bad("source and sourceValue cannot both be set")),
            (None, Some(text)) => return Ok(self.arena.untyped(text.as_str())),
            (Some(source), None) => source,
            (None, None) => return Err(bad("a source is needed")),
        };
        let mut matches = Vec::new();
        for resource in resources {
            let Some(root) = resource.root else { continue };
            if self.written_ids(root).iter().any(|id| selects(source, id)) {
                matches.push((root, resource));
            }
        }
        let described = || {
            let name = if source.name.is_empty() { String::new() } else { format!(" named {}", source.name) };
            format!("{}{name}", source.gvk)
        };
        let (root, resource) = match matches.as_slice() {
            [one] => *one,
            [] => {
                return Err(bad(format!("nothing is selected by the source ({})", described()))
                    .hint("check kind, name and namespace of the source"));
            }
            several => {
                return Err(bad(format!("{} resources are selected by the source ({})", several.len(), described()))
                    .hint("say more about the source: kind, name, namespace"));
            }
        };
        let path = if source.field_path.is_empty() { DEFAULT_FIELD } else { &source.field_path };
        let parts = split_dotted_path(path);
        let node = self.arena.lookup(root, &parts).map_err(|error| {
            bad(format!("the source field {path} cannot be read in {}: {error}", self.current_id(root)))
        })?;
        let Some(node) = node.filter(|node| !self.arena.is_null_or_empty(*node)) else {
            return Err(resource
                .locate(bad(format!("the source field {path} is missing or empty in {}", self.current_id(root)))));
        };
        let Some(FieldOptions { delimiter, index, .. }) =
            source.options.as_ref().filter(|options| !options.delimiter.is_empty())
        else {
            return Ok(node);
        };
        if self.arena.kind(node) != Kind::Scalar {
            return Err(bad("the delimiter option needs a source field that holds text"));
        }
        let text = self.arena.value(node).to_owned();
        let pieces: Vec<&str> = split_text(&text, delimiter);
        let piece = usize::try_from(*index).ok().and_then(|index| pieces.get(index)).ok_or_else(|| {
            bad(format!(
                "options.index {index} is out of range: {text:?} has {} pieces between {delimiter:?}",
                pieces.len()
            ))
        })?;
        let copy = self.arena.copy(node);
        self.arena.get_mut(copy).value = (*piece).into();
        Ok(copy)
    }

    /// Current and previous ids as selectors compare them: by the text, without knowledge of scopes.
    fn written_ids(&self, root: NodeId) -> Vec<ResId> {
        let mut ids = vec![self.current_id(root)];
        ids[0].gvk.is_cluster_scoped = false;
        ids.extend(self.previous_ids(root));
        ids
    }

    fn replace_in(&mut self, resources: &[Resource], value: NodeId, target: &ReplacementTarget) -> Result<()> {
        let Some(select) = &target.select else {
            return Err(bad("a target must say which resources it selects").hint("add select with kind and name"));
        };
        let selector = CompiledSelector::new(select, ErrorClass::BadReplacement)?;
        let mut rejections = Vec::new();
        for reject in &target.reject {
            rejections.push((reject, CompiledSelector::new(reject, ErrorClass::BadReplacement)?));
        }
        let default_paths = [DEFAULT_FIELD.to_owned()];
        let paths = if target.field_paths.is_empty() { &default_paths } else { target.field_paths.as_slice() };
        for resource in resources {
            let Some(root) = resource.root else { continue };
            let ids = self.written_ids(root);
            if !self.fits_labels(&selector, root) {
                continue;
            }
            let is_rejected = rejections.iter().any(|(reject, compiled)| {
                let by_labels = !(reject.annotation_selector.is_empty() && reject.label_selector.is_empty())
                    && self.fits_labels(compiled, root);
                by_labels || (!reject.has_empty_id() && ids.iter().any(|id| compiled.fits_written_id(id)))
            });
            if is_rejected || !ids.iter().any(|id| selector.fits_written_id(id)) {
                continue;
            }
            for path in paths {
                self.put_value(root, value, path, target.options.as_ref())
                    .map_err(|error| resource.locate(error.field(path.as_str())))?;
            }
        }
        Ok(())
    }

    fn put_value(&mut self, root: NodeId, value: NodeId, path: &str, options: Option<&FieldOptions>) -> Result<()> {
        let create = options.filter(|options| options.create).map(|_| self.arena.kind(value));
        let parts = split_dotted_path(path);
        if set_in_text(&mut self.arena, root, &parts, value, create) {
            return Ok(());
        }
        let how = if create.is_some() { "find or create" } else { "find" };
        let id = self.current_id(root);
        let found = match_path(&mut self.arena, root, &parts, create)
            .map_err(|error| bad(format!("cannot {how} the field {path} in {id}: {error}")))?;
        if found.is_empty() {
            return Err(bad(format!("cannot {how} the field {path} in {id}"))
                .hint("check the path, or write options: {create: true} under the target to make the field"));
        }
        for node in found {
            let copy = self.arena.copy(value);
            if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
                if self.arena.kind(node) != Kind::Scalar {
                    return Err(bad(format!("the delimiter option needs {path} to hold text")));
                }
                let text = self.arena.value(node).to_owned();
                let piece = if self.arena.is_null(value) { String::new() } else { self.arena.value(value).to_owned() };
                let mut pieces: Vec<String> =
                    split_text(&text, &options.delimiter).into_iter().map(str::to_owned).collect();
                match usize::try_from(options.index) {
                    Err(_) => pieces.insert(0, piece),
                    Ok(index) if index >= pieces.len() => pieces.push(piece),
                    Ok(index) => pieces[index] = piece,
                }
                self.arena.get_mut(copy).value = pieces.join(&options.delimiter).into();
            }
            put(&mut self.arena, node, copy);
        }
        Ok(())
    }
}

fn split_text<'t>(text: &'t str, delimiter: &str) -> Vec<&'t str> {
    text.split(delimiter).collect()
}

fn selects(source: &ReplacementSource, id: &ResId) -> bool {
    let namespace =
        |text: &str| if text.is_empty() { crate::ids::DEFAULT_NAMESPACE.to_owned() } else { text.to_owned() };
    (source.name.is_empty() || source.name == *id.name)
        && (source.namespace.is_empty() || namespace(&source.namespace) == id.effective_namespace())
        && source.gvk.fits(&id.gvk)
}
