//! Argo CD's `kustomize` block of an Application, as changes of the kustomization file it is applied to.
//!
//! Argo CD runs `kustomize edit` in a checkout; here the file is changed in memory and laid over the tree. Order and
//! rules are those of the commands: prefix, suffix, images, replicas, labels, annotations, namespace, patches, components.
//! Source: Argo CD 3.4 `util/kustomize`, kustomize 5.8.1 `edit`.

use std::collections::BTreeMap;

use bytes::Bytes;
use landfall_helm::argocd::{Environment, substitute};
use landfall_tree::{Entry, EntryKind, Tree, TreeError};
use landfall_yaml::Resolver;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::decode::{Fields, Strictness};
use crate::error::{BuildError, ErrorClass, Result as BuildResult};
use crate::kustomization::FILE_NAMES;
use crate::transformers::images::split_image;

/// The `kustomize` block of an Application's source. Empty fields change nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Replaces `namePrefix`.
    pub name_prefix: String,
    /// Replaces `nameSuffix`.
    pub name_suffix: String,
    /// Replaces `namespace`.
    pub namespace: String,
    /// `[old=]new[:tag|@digest]`, added to `images`; variables are substituted.
    pub images: Vec<String>,
    /// Replica counts by name, added to `replicas`.
    pub replicas: Vec<(String, i64)>,
    /// Labels for every resource; variables in values are substituted.
    pub common_labels: BTreeMap<String, String>,
    /// Whether the labels stay out of selectors.
    pub label_without_selector: bool,
    /// Whether the labels go into templates; needs `label_without_selector`.
    pub label_include_templates: bool,
    /// Whether labels that the kustomization has are overwritten instead of refused.
    pub force_common_labels: bool,
    /// Annotations for every resource.
    pub common_annotations: BTreeMap<String, String>,
    /// Whether variables in annotation values are substituted.
    pub common_annotations_envsubst: bool,
    /// Whether annotations that the kustomization has are overwritten instead of refused.
    pub force_common_annotations: bool,
    /// Patches in the form of the kustomization file, appended to `patches`.
    pub patches: Vec<Value>,
    /// Components, appended to `components`.
    pub components: Vec<String>,
    /// Whether components that do not exist are left out.
    pub ignore_missing_components: bool,
    /// The Kubernetes version for charts.
    pub kube_version: String,
    /// API versions for charts.
    pub api_versions: Vec<String>,
}

impl Settings {
    /// Reads the block as it stands in the Application.
    ///
    /// Errors: a field of another type; fields that Argo CD does not know are left out.
    #[expect(clippy::result_large_err, reason = "errors are rare and callers want them unboxed")]
    pub fn decode(block: &Value) -> Result<Self, BuildError> {
        Self::read(block).map_err(|error| *error)
    }

    fn read(block: &Value) -> BuildResult<Self> {
        let mut fields = Fields::new(block, "kustomize", Strictness::Lenient)?;
        Ok(Self {
            name_prefix: fields.string("namePrefix")?,
            name_suffix: fields.string("nameSuffix")?,
            namespace: fields.string("namespace")?,
            images: fields.strings("images")?,
            replicas: fields.list("replicas", |value, path, strictness| {
                let mut fields = Fields::new(value, path, strictness)?;
                let name = fields.string("name")?;
                // The count is an integer or a text that holds one.
                let count = match fields.raw("count") {
                    Some(Value::String(text)) => text.parse().ok(),
                    Some(value) => value.as_i64(),
                    None => Some(0),
                };
                let count = count.ok_or_else(|| {
                    BuildError::new(ErrorClass::WrongType, "an integer is needed").field(format!("{path}.count"))
                })?;
                Ok((name, count))
            })?,
            common_labels: fields.string_map("commonLabels")?.unwrap_or_default(),
            label_without_selector: fields.bool("labelWithoutSelector")?,
            label_include_templates: fields.bool("labelIncludeTemplates")?,
            force_common_labels: fields.bool("forceCommonLabels")?,
            common_annotations: fields.string_map("commonAnnotations")?.unwrap_or_default(),
            common_annotations_envsubst: fields.bool("commonAnnotationsEnvsubst")?,
            force_common_annotations: fields.bool("forceCommonAnnotations")?,
            patches: fields.list("patches", |value, _, _| Ok(value.clone()))?,
            components: fields.strings("components")?,
            ignore_missing_components: fields.bool("ignoreMissingComponents")?,
            kube_version: fields.string("kubeVersion")?,
            api_versions: fields.strings("apiVersions")?,
        })
    }

    /// Whether the kustomization file stays as it is.
    pub fn changes_nothing(&self) -> bool {
        let plain = Self {
            kube_version: self.kube_version.clone(),
            api_versions: self.api_versions.clone(),
            ..Self::default()
        };
        *self == plain
    }

    /// The flags that the block adds to a build.
    pub fn options(&self, mut options: crate::Options) -> crate::Options {
        if !self.kube_version.is_empty() {
            options.helm_kube_version.clone_from(&self.kube_version);
        }
        if !self.api_versions.is_empty() {
            options.helm_api_versions.clone_from(&self.api_versions);
        }
        options
    }

    /// Lays the changed kustomization file of `directory` over a tree.
    ///
    /// Errors: no kustomization file, malformed YAML in it, a change that `kustomize edit` refuses.
    #[expect(clippy::result_large_err, reason = "errors are rare and callers want them unboxed")]
    pub fn apply<'t>(
        &self,
        tree: &'t dyn Tree,
        directory: &str,
        environment: &Environment,
    ) -> Result<OverlaidTree<'t>, BuildError> {
        self.overlay(tree, directory, environment).map_err(|error| *error)
    }

    fn overlay<'t>(
        &self,
        tree: &'t dyn Tree,
        directory: &str,
        environment: &Environment,
    ) -> BuildResult<OverlaidTree<'t>> {
        let tree_error = |error: landfall_tree::ResolveError| BuildError::new(ErrorClass::Tree, error.to_string());
        let directory = match landfall_tree::resolve(tree, directory).map_err(tree_error)? {
            Some((directory, EntryKind::Directory)) => directory,
            _ => return Err(BuildError::new(ErrorClass::MissingFile, format!("there is no directory {directory}"))),
        };
        let mut found = None;
        for name in FILE_NAMES {
            let path = landfall_tree::join(&directory, name);
            if let Some(bytes) = landfall_tree::read(tree, &path).map_err(tree_error)? {
                found = Some((path, bytes));
                break;
            }
        }
        let Some((path, bytes)) = found else {
            return Err(
                BuildError::new(ErrorClass::NoKustomizationFile, "there is no kustomization file").file(&directory)
            );
        };
        if self.changes_nothing() {
            return Ok(OverlaidTree { tree, path: None, content: Bytes::new(), identity: String::new() });
        }
        let value = landfall_yaml::read_one(&bytes, Resolver::Kubernetes).map_err(|error| {
            BuildError::new(ErrorClass::MalformedYaml, error.message.clone()).file(&path).line(Some(error.line))
        })?;
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => {
                return Err(
                    BuildError::new(ErrorClass::WrongType, "a kustomization file must be a mapping").file(&path)
                );
            }
        };
        let map = self.edit(map, environment, tree, &directory).map_err(|error| error.file(&path))?;
        let content = landfall_yaml::write(&Value::Object(map));
        let identity = Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(OverlaidTree { tree, path: Some(path), content: content.into(), identity })
    }

    fn edit(
        &self,
        map: Map<String, Value>,
        environment: &Environment,
        tree: &dyn Tree,
        directory: &str,
    ) -> BuildResult<Map<String, Value>> {
        let mut file = EditedFile { map };
        for (name, text) in [("namePrefix", &self.name_prefix), ("nameSuffix", &self.name_suffix)] {
            if !text.is_empty() {
                file.set(name, json!(text));
            }
        }
        if !self.images.is_empty() {
            file.set_images(&self.images, environment)?;
        }
        if !self.replicas.is_empty() {
            let mut by_name: BTreeMap<String, Value> = BTreeMap::new();
            for entry in file.list("replicas")? {
                by_name.insert(name_of(&entry), entry);
            }
            for (name, count) in &self.replicas {
                by_name.insert(name.clone(), json!({"name": name, "count": count}));
            }
            file.set("replicas", by_name.into_values().collect());
        }
        if !self.common_labels.is_empty() {
            let labels =
                self.common_labels.iter().map(|(key, value)| (key.clone(), substitute(value, environment))).collect();
            self.add_labels(&mut file, labels)?;
        }
        if !self.common_annotations.is_empty() {
            let mut annotations = self.common_annotations.clone();
            if self.common_annotations_envsubst {
                annotations.values_mut().for_each(|value| *value = substitute(value, environment));
            }
            file.add_to_map("commonAnnotations", annotations, self.force_common_annotations, "forceCommonAnnotations")?;
        }
        if !self.namespace.is_empty() {
            file.set("namespace", json!(self.namespace));
        }
        if !self.patches.is_empty() {
            let mut patches = file.list("patches")?;
            patches.extend(self.patches.iter().cloned());
            file.set("patches", Value::Array(patches));
        }
        let mut components = file.list("components")?;
        let before = components.len();
        for component in &self.components {
            if self.ignore_missing_components && !exists(tree, directory, component) {
                continue;
            }
            if !components.iter().any(|known| known.as_str() == Some(component)) {
                components.push(json!(component));
            }
        }
        if components.len() > before {
            file.set("components", Value::Array(components));
        }
        Ok(file.map)
    }

    fn add_labels(&self, file: &mut EditedFile, labels: BTreeMap<String, String>) -> BuildResult<()> {
        if !self.label_without_selector {
            if self.label_include_templates {
                return Err(BuildError::new(ErrorClass::WrongType, "labelIncludeTemplates needs labelWithoutSelector")
                    .field("kustomize.labelIncludeTemplates")
                    .hint("set labelWithoutSelector too; labels in selectors are in templates anyway"));
            }
            return file.add_to_map("commonLabels", labels, self.force_common_labels, "forceCommonLabels");
        }
        let mut sets = file.list("labels")?;
        let flag = |set: &Value, name: &str| set.get(name).and_then(Value::as_bool).unwrap_or(false);
        for (key, value) in labels {
            let fits = |set: &&mut Value| {
                !flag(set, "includeSelectors") && flag(set, "includeTemplates") == self.label_include_templates
            };
            match sets.iter_mut().find(fits) {
                Some(set) => {
                    if set.pointer("/pairs").and_then(|pairs| pairs.get(&key)).is_some() && !self.force_common_labels {
                        return Err(already_there("label", &key, "forceCommonLabels"));
                    }
                    if let Some(map) = set.as_object_mut() {
                        let pairs = map.entry("pairs").or_insert_with(|| json!({}));
                        if let Some(pairs) = pairs.as_object_mut() {
                            pairs.insert(key, json!(value));
                        }
                    }
                }
                None => {
                    let mut set = json!({"pairs": {key: value}});
                    if self.label_include_templates {
                        set["includeTemplates"] = json!(true);
                    }
                    sets.push(set);
                }
            }
        }
        file.set("labels", Value::Array(sets));
        Ok(())
    }
}

fn exists(tree: &dyn Tree, directory: &str, component: &str) -> bool {
    crate::loader::parse_remote(component).repository.is_some()
        || landfall_tree::resolve(tree, &landfall_tree::join(directory, component)).is_ok_and(|found| found.is_some())
}

fn already_there(what: &str, key: &str, flag: &str) -> Box<BuildError> {
    BuildError::new(ErrorClass::ConflictingIds, format!("the {what} {key} is in the kustomization already"))
        .hint(format!("set {flag} to overwrite it, or remove it from the Application"))
}

fn name_of(entry: &Value) -> String {
    entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A kustomization file as JSON, with the deprecated spellings that an edit moves.
struct EditedFile {
    map: Map<String, Value>,
}

impl EditedFile {
    /// The key of a field as the file spells it.
    fn key(&self, name: &str) -> String {
        self.map.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn set(&mut self, name: &str, value: Value) {
        let key = self.key(name);
        self.map.insert(key, value);
    }

    fn list(&self, name: &str) -> BuildResult<Vec<Value>> {
        match self.map.get(&self.key(name)) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items.clone()),
            Some(_) => Err(BuildError::new(ErrorClass::WrongType, "a list is needed").field(name)),
        }
    }

    fn add_to_map(
        &mut self,
        name: &str,
        entries: BTreeMap<String, String>,
        force: bool,
        flag: &str,
    ) -> BuildResult<()> {
        let key = self.key(name);
        let mut map = match self.map.get(&key) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(_) => return Err(BuildError::new(ErrorClass::WrongType, "a mapping is needed").field(name)),
        };
        for (entry, value) in entries {
            if map.contains_key(&entry) && !force {
                return Err(already_there(name, &entry, flag));
            }
            map.insert(entry, json!(value));
        }
        self.map.insert(key, Value::Object(map));
        Ok(())
    }

    /// `kustomize edit set image`: entries of the same name are replaced, `*` keeps a part of them, all are sorted by name.
    fn set_images(&mut self, arguments: &[String], environment: &Environment) -> BuildResult<()> {
        let mut by_name: BTreeMap<String, [String; 3]> = BTreeMap::new();
        for argument in arguments {
            let argument = substitute(argument, environment);
            let (old, new) = argument.split_once('=').map_or((None, argument.as_str()), |(old, new)| (Some(old), new));
            let (name, tag, digest) = split_image(new);
            if name == argument {
                return Err(BuildError::new(ErrorClass::WrongType, format!("the image {argument:?} changes nothing"))
                    .field("kustomize.images")
                    .hint("write name:tag, name@digest, or old=new with an optional tag or digest"));
            }
            match old.filter(|old| !old.is_empty()) {
                Some(old) => by_name.insert(old.to_owned(), [name, tag, digest]),
                None => by_name.insert(name, [String::new(), tag, digest]),
            };
        }
        const PARTS: [&str; 3] = ["newName", "newTag", "digest"];
        let mut entries: BTreeMap<String, Value> = BTreeMap::new();
        let mut known = self.list("images")?;
        known.extend(self.list("imageTags")?);
        for entry in known {
            let name = name_of(&entry);
            if let Some(parts) = by_name.get_mut(&name) {
                for (part, field) in parts.iter_mut().zip(PARTS) {
                    if part == "*" {
                        *part = entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                    }
                }
            } else {
                entries.insert(name, entry);
            }
        }
        for (name, parts) in by_name {
            let mut entry = Map::from_iter([("name".to_owned(), json!(name))]);
            for (part, field) in parts.iter().zip(PARTS) {
                if !part.is_empty() && part != "*" {
                    entry.insert(field.to_owned(), json!(part));
                }
            }
            entries.insert(name, Value::Object(entry));
        }
        let old = self.key("imageTags");
        self.map.remove(&old);
        self.set("images", entries.into_values().collect());
        Ok(())
    }
}

/// A tree in which one file has other content.
pub struct OverlaidTree<'t> {
    tree: &'t dyn Tree,
    path: Option<String>,
    content: Bytes,
    identity: String,
}

impl std::fmt::Debug for OverlaidTree<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OverlaidTree").field("path", &self.path).finish_non_exhaustive()
    }
}

impl OverlaidTree<'_> {
    /// The changed kustomization file; `None` if nothing was changed.
    pub fn changed_file(&self) -> Option<(&str, &[u8])> {
        self.path.as_deref().map(|path| (path, &*self.content))
    }

    fn is_changed(&self, path: &str) -> bool {
        self.path.as_deref() == Some(path)
    }
}

impl Tree for OverlaidTree<'_> {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        if self.is_changed(path) { Ok(Some(EntryKind::File)) } else { self.tree.kind(path) }
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        if self.is_changed(path) { Ok(Some(self.content.clone())) } else { self.tree.file(path) }
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        self.tree.directory(path)
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        if self.is_changed(path) { Ok(None) } else { self.tree.link(path) }
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        if self.is_changed(path) { Ok(Some(format!("overlay {}", self.identity))) } else { self.tree.identity(path) }
    }
}
