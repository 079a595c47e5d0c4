//! Reading resources out of files and texts, and putting them into a list in which no two have one id.

use std::collections::HashSet;
use std::sync::Arc;

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::ids::IdKey;
use crate::loader::{LoadedFile, Loader};
use crate::node::{Kind, NodeId};
use crate::resource::{Behavior, NEEDS_HASH, ORIGIN, Resource, Source, shape_error};

impl Build<'_> {
    /// Reads the resources of a file.
    pub(crate) fn load_resources(&mut self, loader: &Loader<'_>, path: &str) -> Result<Vec<Resource>> {
        let file = loader.load(self.outside.remote, path)?;
        self.resources_of_file(&file)
    }

    pub(crate) fn resources_of_file(&mut self, file: &LoadedFile) -> Result<Vec<Resource>> {
        let text = file.text()?;
        self.resources_of_text(&text, &file.path, file.identity.as_deref(), 0)
    }

    /// Reads the resources of a text. `first_line` is where the text starts in its file, from 0; `identity` finds it again.
    ///
    /// Errors: malformed YAML, an object without kind or name, a list whose items are no list.
    pub(crate) fn resources_of_text(
        &mut self,
        text: &str,
        file: &str,
        identity: Option<&str>,
        first_line: usize,
    ) -> Result<Vec<Resource>> {
        let parsed = self.parsed(text, identity).map_err(|error| {
            BuildError::new(ErrorClass::MalformedYaml, format!("malformed YAML: {}", error.message))
                .file(file)
                .line(Some(first_line + error.line))
        })?;
        self.check_size(parsed.arena.len()).map_err(|error| error.file(file))?;
        let mut waiting = std::collections::VecDeque::new();
        let adopted = self.arena.adopt(&parsed.arena);
        for document in &parsed.documents {
            let root = adopted.copy_of(document.root);
            let line = first_line + document.line;
            let source = Arc::new(Source { file: file.to_owned(), line, field: String::new() });
            waiting.push_back((root, source));
        }
        if let [(root, source)] = waiting.make_contiguous()
            && matches!(&*self.arena.object_kind(*root), "List" | "ResourceList")
            && (self.arena.field(*root, "items").is_some() || self.arena.field(*root, "functionConfig").is_some())
        {
            let (root, source) = (*root, source.clone());
            let items =
                self.arena.field(root, "items").map(|items| self.arena.get(items).content.clone()).unwrap_or_default();
            waiting = items.into_iter().map(|item| (item, source.clone())).collect();
        }
        let mut checked = std::collections::VecDeque::new();
        for (root, source) in waiting {
            if self.arena.is_null_or_empty(root) {
                continue;
            }
            self.check_identity(root).map_err(|error| error.file(&source.file).line(Some(source.line)))?;
            checked.push_back((root, source));
        }
        let mut resources = Vec::new();
        while let Some((root, source)) = checked.pop_front() {
            let kind = self.arena.object_kind(root);
            let Some(items) = kind.ends_with("List").then(|| self.arena.field(root, "items")).flatten() else {
                resources.push(Resource::new(root, source));
                continue;
            };
            if self.arena.is_null(items) {
                continue;
            }
            if self.arena.kind(items) != Kind::Sequence {
                return Err(BuildError::new(ErrorClass::BadResource, format!("items of a {kind} must be a list"))
                    .file(&source.file)
                    .line(Some(source.line))
                    .field("items"));
            }
            for item in self.arena.get(items).content.clone() {
                let value = self.arena.to_json(item).map_err(|problem| {
                    self.json_error(&problem, &format!("an item of a {kind}"))
                        .file(&source.file)
                        .line(Some(source.line))
                })?;
                let item = self.arena.build_json_text(&value);
                if self.arena.is_null_or_empty(item) {
                    continue;
                }
                self.check_identity(item).map_err(|error| error.file(&source.file).line(Some(source.line)))?;
                checked.push_back((item, source.clone()));
            }
        }
        Ok(resources)
    }

    /// Every object needs a kind, and a name unless it is a list.
    pub(crate) fn check_identity(&self, root: NodeId) -> Result<()> {
        let text = |id: Option<NodeId>| {
            id.filter(|id| !self.arena.is_null_or_empty(*id))
                .map(|id| self.arena.value(id).to_owned())
                .unwrap_or_default()
        };
        let bad = |what: &str, field: &str| {
            Err(BuildError::new(ErrorClass::BadResource, format!("an object has no {what}")).field(field).hint(
                "a file under resources must hold Kubernetes objects, each with apiVersion, kind and metadata.name",
            ))
        };
        if self.arena.kind(root) != Kind::Mapping {
            return Err(BuildError::new(ErrorClass::BadResource, "a Kubernetes object must be a mapping")
                .hint("check the indentation; a file under resources must hold Kubernetes objects"));
        }
        let kind = text(self.arena.field(root, "kind"));
        if kind.is_empty() {
            return bad("kind", "kind");
        }
        if kind.ends_with("List") {
            return Ok(());
        }
        let name = self.arena.metadata(root).and_then(|metadata| self.arena.field(metadata, "name"));
        if text(name).is_empty() {
            return bad("name", "metadata.name");
        }
        Ok(())
    }

    /// Appends resources; none may have the id of another one.
    pub(crate) fn append(&self, list: &mut Vec<Resource>, incoming: Vec<Resource>) -> Result<()> {
        let mut seen: HashSet<IdKey<'_>> = HashSet::with_capacity(list.len() + incoming.len());
        seen.extend(list.iter().filter_map(|resource| resource.root).map(|root| self.id_key(root)));
        for resource in incoming {
            let Some(root) = resource.root else { continue };
            if !seen.insert(self.id_key(root)) {
                return Err(self.conflict(list, &resource, root));
            }
            list.push(resource);
        }
        Ok(())
    }

    fn conflict(&self, list: &[Resource], resource: &Resource, root: NodeId) -> Box<BuildError> {
        let id = self.current_id(root);
        let other = list.iter().find(|other| other.root.is_some_and(|other| self.current_id(other).same(&id)));
        let place = other.map(|other| format!(", first in {}", place_of(&other.source))).unwrap_or_default();
        resource.locate(
            BuildError::new(ErrorClass::ConflictingIds, format!("{id} is there twice{place}"))
                .field("metadata.name")
                .hint("list it once, or give one of them another name or namespace"),
        )
    }

    /// Checks that no two resources of a list have one id.
    pub(crate) fn check_conflicts(&self, list: &[Resource]) -> Result<()> {
        let mut seen: HashSet<IdKey<'_>> = HashSet::with_capacity(list.len());
        for (at, resource) in list.iter().enumerate() {
            let Some(root) = resource.root else { continue };
            if !seen.insert(self.id_key(root)) {
                return Err(self.conflict(&list[..at], resource, root));
            }
        }
        Ok(())
    }

    /// Adds generated resources, each as its behaviour says.
    pub(crate) fn absorb(&mut self, list: &mut Vec<Resource>, incoming: Vec<Resource>) -> Result<()> {
        for resource in incoming {
            let place = resource.clone();
            self.absorb_one(list, resource).map_err(|error| place.locate(error))?;
        }
        Ok(())
    }

    fn absorb_one(&mut self, list: &mut Vec<Resource>, mut resource: Resource) -> Result<()> {
        let Some(root) = resource.root else { return Ok(()) };
        let id = self.current_id(root);
        let behavior = self.behavior(root);
        let matches: Vec<usize> = (0..list.len())
            .filter(|at| {
                list[*at].root.filter(|root| !self.arena.is_null_or_empty(*root)).is_some_and(|root| {
                    self.current_id(root).same(&id) || self.previous_ids(root).iter().any(|previous| previous.same(&id))
                })
            })
            .collect();
        match (matches.as_slice(), behavior) {
            ([], Behavior::Merge | Behavior::Replace) => Err(BuildError::new(
                ErrorClass::GeneratorBehavior,
                format!("behavior is {}, but there is no {id} to {}", behavior.name(), behavior.name()),
            )
            .field("behavior")
            .hint("check name and namespace, or leave behavior out to create the object")),
            ([], _) => self.append(list, vec![resource]),
            ([at], Behavior::Merge | Behavior::Replace) => {
                let old = list[*at].clone();
                let Some(old_root) = old.root else { return Ok(()) };
                self.take_over(root, old_root, behavior).map_err(|error| shape_error(&error))?;
                resource.variables.clone_from(&old.variables);
                list[*at] = resource;
                Ok(())
            }
            ([_], _) => Err(BuildError::new(
                ErrorClass::GeneratorBehavior,
                format!("{id} exists already, and behavior is {}", behavior.name()),
            )
            .field("behavior")
            .hint("write behavior: merge or behavior: replace, or give the generated object another name")),
            (several, _) => Err(BuildError::new(
                ErrorClass::AmbiguousMatch,
                format!("{} objects are or were called {id}; behavior {} needs one", several.len(), behavior.name()),
            )
            .hint("give the objects different names or namespaces")),
        }
    }

    /// Gives a generated resource the metadata of the one it replaces, and its data below its own if it merges.
    fn take_over(&mut self, root: NodeId, old: NodeId, behavior: Behavior) -> crate::node::access::Access<()> {
        let origin = self.arena.annotation(old, ORIGIN).cloned();
        self.copy_metadata(root, old)?;
        if behavior != Behavior::Merge {
            return Ok(());
        }
        for field in ["data", "binaryData"] {
            let mut merged = self.data_map(old, field)?;
            merged.extend(self.data_map(root, field)?);
            self.arena.clear_field(root, field)?;
            for (key, value) in merged {
                let style = if value.contains('\n') { crate::node::Style::Literal } else { crate::node::Style::Plain };
                let value = self.arena.scalar(value, crate::node::Tag::Str, style);
                if let Some(map) = self.arena.lookup_create(root, Kind::Mapping, &[field])? {
                    self.arena.set_field(map, &key, Some(value), false)?;
                }
            }
        }
        if let Some(origin) = origin {
            self.arena.set_annotation_rewriting(root, ORIGIN, &origin)?;
        }
        Ok(())
    }

    fn data_map(
        &self,
        root: NodeId,
        field: &str,
    ) -> crate::node::access::Access<std::collections::BTreeMap<Arc<str>, Arc<str>>> {
        let Some(map) = self.arena.lookup(root, &[field])? else { return Ok(std::collections::BTreeMap::new()) };
        let text = |id: NodeId| if self.arena.is_null(id) { Arc::from("") } else { self.arena.get(id).value.clone() };
        Ok(self.arena.pairs(map).into_iter().map(|(key, value)| (text(key), text(value))).collect())
    }

    /// Copies labels, annotations, name, namespace and history of `other` to `root`; what `root` has itself wins.
    pub(crate) fn copy_metadata(&mut self, root: NodeId, other: NodeId) -> crate::node::access::Access<()> {
        let mut labels = self.arena.metadata_map(other, "labels");
        labels.extend(self.arena.metadata_map(root, "labels"));
        self.arena.set_metadata_map(root, "labels", &labels)?;
        let own = self.arena.annotations(root);
        let others = self.arena.annotations(other);
        let mut merged = others.clone();
        merged.extend(own.clone());
        for name in crate::resource::BUILD_ANNOTATIONS {
            match others.get(name) {
                Some(value) => {
                    merged.insert(name.into(), value.clone());
                }
                None => {
                    merged.remove(name);
                }
            }
        }
        if !own.contains_key(NEEDS_HASH) {
            merged.remove(NEEDS_HASH);
        }
        self.arena.set_annotations(root, &merged)?;
        let (name, namespace) = (self.arena.object_name(other), self.arena.object_namespace(other));
        self.arena.set_object_name(root, &name)?;
        self.arena.set_object_namespace(root, &namespace)
    }
}

/// A place for a message.
pub(crate) fn place_of(source: &Source) -> String {
    if source.line > 0 { format!("{}:{}", source.file, source.line) } else { source.file.clone() }
}
