//! One kustomization being built: its resources and components collected, generated, transformed and validated.
//!
//! Order, as the reference has it: resources; field tables; generators; components (they work on what is there so far);
//! transformers; validators; variables. Name references and hashes wait until the root is done.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use landfall_tree::EntryKind;
use landfall_yaml::Resolver;
use serde_json::Value;

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::FieldTables;
use crate::generators::Generator;
use crate::generators::data_object::{DataKind, DataObject};
use crate::generators::helm::HelmInflation;
use crate::kustomization::{COMPONENT_KIND, FILE_NAMES, GeneratorOptions, Kustomization, Variable};
use crate::loader::{Loader, is_http, parse_remote};
use crate::origin::Origin;
use crate::resource::{ORIGIN, Resource, shape_error};
use crate::transformers::{PlannedTransformer, built_in_transformers};

/// What has been collected so far.
#[derive(Debug, Default)]
pub(crate) struct Accumulator {
    pub(crate) resources: Vec<Resource>,
    tables: Option<Arc<FieldTables>>,
    pub(crate) variables: BTreeMap<String, Variable>,
}

impl Accumulator {
    pub(crate) fn tables(&self) -> Arc<FieldTables> {
        self.tables.clone().unwrap_or_default()
    }

    fn merge_tables(&mut self, incoming: &Arc<FieldTables>) -> Result<()> {
        self.tables = Some(match &self.tables {
            None => Arc::new(FieldTables::default().merged(incoming)?),
            // Merging a table into itself changes nothing.
            Some(own) if Arc::ptr_eq(own, incoming) || **own == **incoming => return Ok(()),
            Some(own) => Arc::new(own.merged(incoming)?),
        });
        Ok(())
    }

    /// Merging the defaults into nothing gives the defaults, which all targets share.
    fn merge_configured(&mut self, configured: Arc<FieldTables>) -> Result<()> {
        if self.tables.is_none() && Arc::ptr_eq(&configured, &FieldTables::defaults()) {
            self.tables = Some(configured);
            return Ok(());
        }
        self.merge_tables(&configured)
    }
}

/// A kustomization with the directory it was read from.
pub(crate) struct Target<'l> {
    pub(crate) loader: Rc<Loader<'l>>,
    pub(crate) kustomization: Arc<Kustomization>,
    pub(crate) file_name: &'static str,
    /// The root's `buildMetadata`, which counts for all below.
    build_metadata: Vec<String>,
    origin: Option<Origin>,
    /// The namespace of the nearest including kustomization that has one; charts are rendered into it.
    helm_namespace: String,
}

impl<'l> Target<'l> {
    /// Reads the kustomization file of a directory.
    pub(crate) fn load(build: &mut Build<'_>, loader: Rc<Loader<'l>>) -> Result<Self> {
        let mut found = Vec::new();
        for name in FILE_NAMES {
            if loader.kind(name) == Some(EntryKind::File)
                && let Ok(file) = loader.load(build.outside.remote, name)
            {
                found.push((name, file));
            }
        }
        let directory = if loader.root.is_empty() { "the root of the repository" } else { &loader.root };
        let (file_name, file) = match found.len() {
            0 => {
                return Err(BuildError::new(
                    ErrorClass::NoKustomizationFile,
                    format!("there is no kustomization file in {directory}"),
                )
                .file(&loader.root)
                .hint(format!(
                    "create {}, or list single files instead of the directory",
                    loader.path_of("kustomization.yaml")
                )));
            }
            1 => found.remove(0),
            _ => {
                let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
                return Err(BuildError::new(
                    ErrorClass::SeveralKustomizationFiles,
                    format!("there are several kustomization files in {directory}: {}", names.join(", ")),
                )
                .file(&found[0].1.path)
                .hint("keep one of them"));
            }
        };
        let known = file.identity.as_deref().and_then(|identity| build.session.kustomization(identity));
        let kustomization = match known {
            Some(known) => known,
            None => {
                let value = build.value_of(&file, Resolver::Kubernetes, ErrorClass::MalformedYaml)?;
                let decoded = Kustomization::decode(&value).map_err(|error| {
                    let line = error.field.as_deref().and_then(|field| line_of(&file.bytes, field));
                    error.file(&file.path).line(line)
                })?;
                let decoded = Arc::new(decoded);
                if let Some(identity) = &file.identity {
                    build.session.keep_kustomization(identity.clone(), decoded.clone());
                }
                decoded
            }
        };
        build.warnings.extend(kustomization.warnings.iter().cloned());
        let build_metadata = kustomization.build_metadata.clone();
        let origin = (!build_metadata.is_empty()).then(Origin::default);
        Ok(Self { loader, kustomization, file_name, build_metadata, origin, helm_namespace: String::new() })
    }

    /// The path of the kustomization file.
    pub(crate) fn file(&self) -> String {
        self.loader.path_of(self.file_name)
    }

    /// Puts the file and the line of a field on an error.
    pub(crate) fn locate(&self, build: &Build<'_>, error: Box<BuildError>) -> Box<BuildError> {
        if error.line.is_some() || error.file.as_ref().is_some_and(|file| *file != self.file()) {
            return error;
        }
        let file = self.loader.load(build.outside.remote, self.file_name).ok();
        let line = error.field.as_deref().zip(file).and_then(|(field, file)| line_of(&file.bytes, field));
        error.file(&self.file()).line(line)
    }

    /// Builds this kustomization onto what is there (a component's parent) or onto nothing.
    pub(crate) fn accumulate(&mut self, build: &mut Build<'_>, mut onto: Accumulator) -> Result<Accumulator> {
        let kustomization = self.kustomization.clone();
        self.collect(build, &mut onto, &kustomization.resources, "resources")
            .map_err(|error| self.locate(build, error))?;
        let configured = build.configured_tables(self)?;
        onto.merge_configured(configured).map_err(|error| self.locate(build, error.field("configurations")))?;
        if let Some(tables) = build.tables_of_crds(self)? {
            onto.merge_tables(&Arc::new(tables)).map_err(|error| self.locate(build, error.field("crds")))?;
        }
        self.generate(build, &mut onto).map_err(|error| self.locate(build, error))?;
        onto = self.collect_components(build, onto)?;
        self.transform(build, &mut onto).map_err(|error| self.locate(build, error))?;
        self.validate(build, &mut onto).map_err(|error| self.locate(build, error))?;
        build
            .merge_variables(&mut onto, &kustomization.vars, &self.file())
            .map_err(|error| self.locate(build, error))?;
        Ok(onto)
    }

    /// Collects the entries of `resources` (or of a list of generator, transformer or validator files).
    fn collect(&mut self, build: &mut Build<'_>, onto: &mut Accumulator, paths: &[String], field: &str) -> Result<()> {
        for (at, path) in paths.iter().enumerate() {
            let field = format!("{field}[{at}]");
            let is_remote = is_http(path) || parse_remote(path).repository.is_some();
            let result = match self.loader.kind(path) {
                Some(EntryKind::Directory) if !is_remote => self.collect_directory(build, onto, path),
                Some(EntryKind::File) => self.collect_file(build, onto, path),
                _ if is_http(path) => match self.collect_file(build, onto, path) {
                    Ok(()) => Ok(()),
                    Err(file_error) if parse_remote(path).repository.is_some() => {
                        self.collect_directory(build, onto, path).map_err(|error| {
                            if error.class == ErrorClass::Remote && file_error.class != ErrorClass::Remote {
                                file_error
                            } else {
                                error
                            }
                        })
                    }
                    Err(file_error) => Err(file_error),
                },
                _ if is_remote => self.collect_directory(build, onto, path),
                // Absent, or above the tree: the loader says which.
                _ => match self.loader.load(build.outside.remote, path) {
                    Err(error) if error.class == ErrorClass::OutsideRoot => Err(error),
                    _ => self.loader.enter(build.outside.remote, path).map(drop),
                },
            };
            result
                .map_err(|error| if error.file.is_none() { self.locate(build, error.field(field)) } else { error })?;
        }
        Ok(())
    }

    fn collect_file(&mut self, build: &mut Build<'_>, onto: &mut Accumulator, path: &str) -> Result<()> {
        let resources = build.load_resources(&self.loader, path)?;
        build.check_conflicts(&resources)?;
        if let Some(origin) = &self.origin {
            let text = origin.below(path).text();
            for root in resources.iter().filter_map(|resource| resource.root) {
                let value = build.arena.scalar(text.as_str(), crate::node::Tag::Str, crate::node::Style::Plain);
                let map = build
                    .arena
                    .lookup_create(root, crate::node::Kind::Mapping, &["metadata", "annotations"])
                    .map_err(|error| shape_error(&error))?;
                if let Some(map) = map {
                    if build.arena.is_null(map) {
                        let node = build.arena.get_mut(map);
                        (node.kind, node.tag) = (crate::node::Kind::Mapping, crate::node::Tag::Map);
                    }
                    build.arena.set_field(map, ORIGIN, Some(value), false).map_err(|error| shape_error(&error))?;
                }
            }
        }
        build.append(&mut onto.resources, resources)
    }

    fn collect_directory(&mut self, build: &mut Build<'_>, onto: &mut Accumulator, path: &str) -> Result<()> {
        let loader = self.loader.enter(build.outside.remote, path)?;
        let origin = self.origin.as_ref().map(|origin| origin.below(path));
        let mut sub = self.sub_target(build, loader, origin, Include::Base)?;
        let root = sub.loader.root.clone();
        let made = sub.accumulate(build, Accumulator::default()).map_err(|error| error.within(&root))?;
        build.merge_accumulators(onto, made)
    }

    fn collect_components(&mut self, build: &mut Build<'_>, mut onto: Accumulator) -> Result<Accumulator> {
        let kustomization = self.kustomization.clone();
        for (at, path) in kustomization.components.iter().enumerate() {
            let field = format!("components[{at}]");
            let located = |target: &Self, build: &Build<'_>, error: Box<BuildError>| {
                if error.file.is_none() { target.locate(build, error.field(field.as_str())) } else { error }
            };
            let loader = self.loader.enter(build.outside.remote, path).map_err(|error| located(self, build, error))?;
            let origin = self.origin.as_ref().map(|origin| origin.below(path));
            let mut sub = self
                .sub_target(build, loader, origin, Include::Component)
                .map_err(|error| located(self, build, error))?;
            let root = sub.loader.root.clone();
            let made = sub.accumulate(build, onto).map_err(|error| error.within(&root))?;
            onto = Accumulator::default();
            build.merge_accumulators(&mut onto, made).map_err(|error| located(self, build, error))?;
        }
        Ok(onto)
    }

    fn sub_target(
        &self,
        build: &mut Build<'_>,
        loader: Rc<Loader<'l>>,
        origin: Option<Origin>,
        include: Include,
    ) -> Result<Self> {
        build.directories += 1;
        build.check_size(0)?;
        let root = loader.root.clone();
        let mut sub = Target::load(build, loader).map_err(|error| error.within(&root))?;
        sub.build_metadata.clone_from(&self.build_metadata);
        sub.origin = origin;
        let own = &self.kustomization.namespace;
        sub.helm_namespace = if own.is_empty() { self.helm_namespace.clone() } else { own.clone() };
        build.choose_schema(&sub, false).map_err(|error| sub.locate(build, error))?;
        let is_component = sub.kustomization.kind == COMPONENT_KIND;
        match include {
            Include::Component if !is_component => Err(BuildError::new(
                ErrorClass::WrongKind,
                format!("{} holds a {}, a Component is needed here", shown(&root), sub.kustomization.kind),
            )
            .file(&sub.file())
            .field("kind")
            .hint("list it under resources, or write kind: Component in it")),
            Include::Base if is_component => Err(BuildError::new(
                ErrorClass::WrongKind,
                format!("{} holds a Component, which cannot stand under resources", shown(&root)),
            )
            .file(&sub.file())
            .field("kind")
            .hint("list it under components")),
            Include::Component | Include::Base => Ok(sub),
        }
    }

    fn generate(&mut self, build: &mut Build<'_>, onto: &mut Accumulator) -> Result<()> {
        let kustomization = self.kustomization.clone();
        let mut planned: Vec<(Box<dyn Generator>, Option<Origin>)> = Vec::new();
        let by = |kind: &str| self.origin.as_ref().map(|origin| origin.of_builtin(self.file_name, kind));
        for (kind, name, entries) in [
            (DataKind::ConfigMap, "ConfigMapGenerator", &kustomization.config_map_generators),
            (DataKind::Secret, "SecretGenerator", &kustomization.secret_generators),
        ] {
            for args in entries {
                let mut args = args.clone();
                args.options =
                    GeneratorOptions::merged(args.options.as_ref(), kustomization.generator_options.as_ref());
                planned.push((Box::new(DataObject { kind, args, file: self.file() }), by(name)));
            }
        }
        for chart in &kustomization.helm_charts {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                chart.namespace = if kustomization.namespace.is_empty() {
                    self.helm_namespace.clone()
                } else {
                    kustomization.namespace.clone()
                };
            }
            let inflation = HelmInflation { globals: kustomization.helm_globals.clone(), chart, file: self.file() };
            planned.push((Box::new(inflation), by("HelmChartInflationGenerator")));
        }
        let configs = self.plugin_configs(build, &kustomization.generators, "generators")?;
        for config in configs {
            planned.push(build.generator_of(&config)?);
        }
        let loader = self.loader.clone();
        for (generator, origin) in planned {
            let made = generator.generate(build, &loader)?;
            if let Some(origin) = origin {
                build.note_origin(&made, &origin)?;
            }
            build.absorb(&mut onto.resources, made)?;
        }
        Ok(())
    }

    /// Reads the configurations of generators, transformers or validators: inline texts first, then files and directories.
    pub(crate) fn plugin_configs(
        &mut self,
        build: &mut Build<'_>,
        entries: &[String],
        field: &str,
    ) -> Result<Vec<Resource>> {
        let mut configs = Accumulator::default();
        let mut paths = Vec::new();
        for entry in entries {
            match build.resources_of_text(entry, &self.file(), None, 0) {
                Ok(inline) => {
                    if let Some(origin) = &self.origin {
                        let text = origin.below(self.file_name).text();
                        for root in inline.iter().filter_map(|resource| resource.root) {
                            build
                                .arena
                                .set_annotation_rewriting(root, ORIGIN, &text)
                                .map_err(|error| shape_error(&error))?;
                        }
                    }
                    build.append(&mut configs.resources, inline)?;
                }
                Err(_) => paths.push(entry.clone()),
            }
        }
        self.collect(build, &mut configs, &paths, field)?;
        Ok(configs.resources)
    }

    fn transform(&mut self, build: &mut Build<'_>, onto: &mut Accumulator) -> Result<()> {
        let kustomization = self.kustomization.clone();
        let mut planned = built_in_transformers(build, self, &onto.tables())?;
        let configs = self.plugin_configs(build, &kustomization.transformers, "transformers")?;
        for config in configs {
            planned.push(build.transformer_of(&self.loader, &config)?);
        }
        for PlannedTransformer { transformer, origin } in planned {
            transformer.transform(build, &mut onto.resources)?;
            if let Some(origin) = origin {
                build.note_transformation(&onto.resources, &origin)?;
            }
            onto.resources.retain(|resource| !resource.is_gone(&build.arena));
        }
        Ok(())
    }

    /// The origin that a transformer which a field of this file makes is noted with.
    pub(crate) fn transformer_origin(&self, kind: &str) -> Option<Origin> {
        self.origin.as_ref().map(|origin| origin.of_builtin(self.file_name, kind))
    }

    fn validate(&mut self, build: &mut Build<'_>, onto: &mut Accumulator) -> Result<()> {
        let kustomization = self.kustomization.clone();
        let configs = self.plugin_configs(build, &kustomization.validators, "validators")?;
        for config in configs {
            let planned = build.transformer_of(&self.loader, &config)?;
            let before = onto
                .resources
                .iter()
                .map(|resource| build.without_validation_label(resource))
                .collect::<Result<Vec<Value>>>()?;
            planned.transformer.transform(build, &mut onto.resources)?;
            let after = onto
                .resources
                .iter()
                .map(|resource| build.without_validation_label(resource))
                .collect::<Result<Vec<Value>>>()?;
            if before != after {
                return Err(config.locate(
                    BuildError::new(
                        ErrorClass::ExternalPlugin,
                        "a validator must not change resources, but this one does",
                    )
                    .hint("list it under transformers"),
                ));
            }
        }
        Ok(())
    }
}

/// How a directory is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    Base,
    Component,
}

fn shown(directory: &str) -> &str {
    if directory.is_empty() { "the root of the repository" } else { directory }
}

impl Build<'_> {
    /// Adds what an included kustomization made.
    fn merge_accumulators(&mut self, onto: &mut Accumulator, made: Accumulator) -> Result<()> {
        self.append(&mut onto.resources, made.resources)?;
        if let Some(tables) = &made.tables {
            if onto.tables.is_none() && Arc::ptr_eq(tables, &FieldTables::defaults()) {
                onto.tables = Some(tables.clone());
            } else {
                onto.merge_tables(tables)?;
            }
        }
        for (name, variable) in made.variables {
            if onto.variables.insert(name.clone(), variable).is_some() {
                return Err(crate::variables::conflict(&name));
            }
        }
        Ok(())
    }

    fn without_validation_label(&self, resource: &Resource) -> Result<Value> {
        let mut value = self.json(resource)?;
        if let Some(labels) = value.pointer_mut("/metadata/labels").and_then(Value::as_object_mut)
            && labels.remove("validated-by").is_some()
            && labels.is_empty()
            && let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("labels");
        }
        Ok(value)
    }
}

/// The line of a field such as `patches[1].path` in a kustomization file; of its nearest ancestor if it is absent.
pub(crate) fn line_of(bytes: &[u8], field: &str) -> Option<usize> {
    let documents = landfall_yaml::parse(bytes, Resolver::Kubernetes, &landfall_yaml::Limits::default()).ok()?;
    let mut node = &documents.first()?.root;
    let mut line = Some(node.position.line);
    for part in field.split(['.', '[']).filter(|part| !part.is_empty()) {
        let next = match part.strip_suffix(']') {
            Some(index) => index
                .parse::<usize>()
                .ok()
                .and_then(|index| node.children.get(index))
                .map(|item| (item.position.line, item)),
            None => node
                .children
                .chunks_exact(2)
                .find(|pair| pair[0].value.eq_ignore_ascii_case(part))
                .map(|pair| (pair[0].position.line, &pair[1])),
        };
        let Some((found, below)) = next else { break };
        line = Some(found);
        node = below;
    }
    line
}
