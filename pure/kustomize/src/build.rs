//! One build from beginning to end: the state it works on, and the steps that happen once, for the root only.

use std::rc::Rc;
use std::sync::Arc;

use landfall_tree::Tree;
use landfall_yaml::Resolver;
use serde_json::Value;

use crate::error::{BuildError, ErrorClass, Result};
use crate::loader::{LoadedFile, Loader};
use crate::node::Arena;
use crate::node::json::JsonProblem;
use crate::order::order;
use crate::outside::Outside;
use crate::resource::{BUILD_ANNOTATIONS, LOCAL_CONFIG, ORIGIN, Resource, TRANSFORMATIONS, shape_error};
use crate::schema::Schemas;
use crate::session::{ParsedDocuments, Session};
use crate::target::{Accumulator, Target};
use crate::transformers::Transformer;
use crate::transformers::labels::Labels;
use crate::{Built, KUSTOMIZE_VERSION, LoadRestrictor, Options};

/// The state of one build.
pub(crate) struct Build<'a> {
    pub(crate) arena: Arena,
    pub(crate) schemas: Schemas,
    pub(crate) options: &'a Options,
    pub(crate) outside: &'a Outside<'a>,
    pub(crate) session: &'a Session,
    pub(crate) warnings: Vec<String>,
    /// How many kustomizations were entered.
    pub(crate) directories: usize,
}

/// The kustomizations that one build may enter, each counted as often as it is listed. Bases that list each other twice on
/// every level would otherwise keep a builder busy for ever.
const DIRECTORIES_MAX: usize = 50_000;
/// The nodes that one build may have: some two gigabytes.
const NODES_MAX: usize = 20_000_000;

/// Runs a build.
pub(crate) fn run(
    tree: &dyn Tree,
    directory: &str,
    options: &Options,
    outside: &Outside<'_>,
    session: &Session,
) -> Result<Built> {
    completed(tree, build_at(tree, directory, options, outside, session))
}

/// Puts the line on an error that names a file and a field in it.
fn completed(tree: &dyn Tree, result: Result<Built>) -> Result<Built> {
    result.map_err(|error| match (&error.file, error.line, &error.field) {
        (Some(file), None, Some(field)) => {
            let content = landfall_tree::read(tree, file).ok().flatten();
            let line = content.and_then(|content| crate::target::line_of(&content, field));
            error.line(line)
        }
        _ => error,
    })
}

fn build_at(
    tree: &dyn Tree,
    directory: &str,
    options: &Options,
    outside: &Outside<'_>,
    session: &Session,
) -> Result<Built> {
    let mut build = Build {
        arena: Arena::default(),
        schemas: Schemas::default(),
        options,
        outside,
        session,
        warnings: Vec::new(),
        directories: 0,
    };
    let loader = Loader::at(tree, directory, options.load_restrictor == LoadRestrictor::RootOnly)?;
    build.run_at(loader)
}

impl Build<'_> {
    fn run_at(&mut self, loader: Rc<Loader<'_>>) -> Result<Built> {
        let root = loader.root.clone();
        let mut target = Target::load(self, loader).map_err(|error| error.within(&root))?;
        self.choose_schema(&target, true).map_err(|error| target.locate(self, error))?;
        let accumulated = target.accumulate(self, Accumulator::default()).map_err(|error| error.within(&root))?;
        let tables = accumulated.tables();
        let (mut resources, variables) = (accumulated.resources, accumulated.variables);
        self.add_hashes(&mut resources)?;
        self.fix_name_references(&tables, &mut resources)?;
        self.resolve_variables(&tables, &variables, &mut resources)?;
        self.drop_local_config(&mut resources)?;
        if target.kustomization.sort_options.is_some() && self.options.reorder != crate::Reorder::Unspecified {
            self.warnings.push(
                "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag ('--reorder'). Using the kustomization file over the CLI flag.".to_owned(),
            );
        }
        order(self, &mut resources, target.kustomization.sort_options.as_ref(), self.options.reorder)
            .map_err(|error| target.locate(self, error))?;
        let metadata = &target.kustomization.build_metadata;
        let wants = |name: &str| metadata.iter().any(|entry| entry == name);
        if self.options.managed_by_label || wants("managedByLabel") {
            Labels::managed_by(&format!("kustomize-{KUSTOMIZE_VERSION}")).transform(self, &mut resources)?;
        }
        for resource in &resources {
            self.remove_build_annotations(resource, wants("originAnnotations"), wants("transformerAnnotations"))
                .map_err(|error| resource.locate(error))?;
        }
        let is_cluster_scoped = resources
            .iter()
            .map(|resource| resource.root.is_some_and(|root| self.gvk(root).is_cluster_scoped))
            .collect();
        let objects = resources.iter().map(|resource| self.object(resource)).collect::<Result<Vec<_>>>()?;
        Ok(Built { objects, is_cluster_scoped, warnings: std::mem::take(&mut self.warnings) })
    }

    /// Refuses a build that grows beyond all reason.
    pub(crate) fn check_size(&self, more_nodes: usize) -> Result<()> {
        let refused = |what: &str, most: usize| {
            Err(BuildError::new(ErrorClass::TooLarge, format!("the build has more than {most} {what}"))
                .hint("split the kustomization, or look for bases that are listed over and over"))
        };
        if self.directories > DIRECTORIES_MAX {
            return refused("kustomizations", DIRECTORIES_MAX);
        }
        if self.arena.len().saturating_add(more_nodes) > NODES_MAX {
            return refused("nodes", NODES_MAX);
        }
        Ok(())
    }

    fn remove_build_annotations(
        &mut self,
        resource: &Resource,
        keep_origin: bool,
        keep_transformations: bool,
    ) -> Result<()> {
        let Some(root) = resource.root else { return Ok(()) };
        let mut annotations = self.arena.annotations(root);
        let had_any = !annotations.is_empty();
        annotations.retain(|name, _| !BUILD_ANNOTATIONS.contains(&&**name));
        if !keep_origin {
            annotations.remove(ORIGIN);
        }
        if !keep_transformations {
            annotations.remove(TRANSFORMATIONS);
        }
        // The reference writes all annotations anew for each of these removals, which drops the quotes of their keys.
        if had_any || !keep_origin || !keep_transformations {
            self.arena.set_annotations(root, &annotations).map_err(|error| shape_error(&error))?;
        }
        Ok(())
    }

    fn drop_local_config(&self, resources: &mut Vec<Resource>) -> Result<()> {
        let mut kept = Vec::with_capacity(resources.len());
        for resource in resources.drain(..) {
            let Some(root) = resource.root.filter(|root| !self.arena.is_null_or_empty(*root)) else { continue };
            self.check_identity(root).map_err(|error| resource.locate(error))?;
            if self.arena.annotation(root, LOCAL_CONFIG).is_none_or(|value| **value == *"false") {
                kept.push(resource);
            }
        }
        *resources = kept;
        Ok(())
    }

    /// The final JSON of a resource.
    fn object(&self, resource: &Resource) -> Result<Value> {
        let Some(root) = resource.root else { return Ok(Value::Null) };
        self.json(resource)
            .and_then(|value| {
                if value.is_object() {
                    landfall_yaml::check(&value).map_err(|error| {
                        BuildError::new(
                            ErrorClass::UnprintableOutput,
                            format!("{} cannot be written: {error}", self.current_id(root)),
                        )
                    })?;
                    Ok(value)
                } else {
                    Err(BuildError::new(ErrorClass::UnprintableOutput, "the resource is not a mapping"))
                }
            })
            .map_err(|error| resource.locate(error))
    }

    /// A resource as JSON; an error names the field that has no JSON form.
    pub(crate) fn json(&self, resource: &Resource) -> Result<Value> {
        let Some(root) = resource.root else { return Ok(Value::Null) };
        self.arena
            .to_json(root)
            .map_err(|problem| resource.locate(self.json_error(&problem, &self.current_id(root).to_string())))
    }

    pub(crate) fn json_error(&self, problem: &JsonProblem, what: &str) -> Box<BuildError> {
        let error = BuildError::new(problem.class, format!("{what} has no form in JSON: {}", problem.message));
        if problem.field.is_empty() { error } else { error.field(problem.field.clone()) }
    }

    /// Takes the `openapi` field of a kustomization.
    pub(crate) fn choose_schema(&mut self, target: &Target<'_>, is_root: bool) -> Result<()> {
        let openapi = &target.kustomization.openapi;
        let custom = match openapi.get("path") {
            None => None,
            Some(path) => {
                let file =
                    target.loader.load(self.outside.remote, path).map_err(|error| error.field("openapi.path"))?;
                let document = self.value_of(&file, Resolver::Kubernetes, ErrorClass::BadOpenapi)?;
                Some(Arc::new(crate::schema::CustomSchema::from_document(&document)))
            }
        };
        self.schemas
            .choose(openapi.get("version").map(String::as_str), custom, is_root)
            .map_err(|error| error.field("openapi"))
    }

    /// A whole file as one JSON value, through the session.
    pub(crate) fn value_of(&self, file: &LoadedFile, resolver: Resolver, class: ErrorClass) -> Result<Arc<Value>> {
        let key = file.identity.as_ref().map(|identity| format!("{resolver:?} {identity}"));
        if let Some(value) = key.as_ref().and_then(|key| self.session.value(key)) {
            return Ok(value);
        }
        let value = if file.bytes.first() == Some(&b'{')
            && let Ok(value) = serde_json::from_slice(&file.bytes)
        {
            value
        } else {
            landfall_yaml::read_one(&file.bytes, resolver)
                .map_err(|error| BuildError::new(class, error.message).file(&file.path).line(Some(error.line)))?
        };
        let value = Arc::new(value);
        if let Some(key) = key {
            self.session.keep_value(key, value.clone());
        }
        Ok(value)
    }

    /// The documents of a resource file, parsed once per session.
    pub(crate) fn parsed(
        &self,
        text: &str,
        identity: Option<&str>,
    ) -> std::result::Result<Arc<ParsedDocuments>, crate::node::read::ReadError> {
        if let Some(parsed) = identity.and_then(|identity| self.session.documents(identity)) {
            return Ok(parsed);
        }
        let mut arena = Arena::default();
        let documents = crate::node::read::read_documents(&mut arena, text)?;
        let parsed = Arc::new(ParsedDocuments { arena, documents });
        if let Some(identity) = identity {
            self.session.keep_documents(identity.to_owned(), parsed.clone());
        }
        Ok(parsed)
    }
}
