//! Generators and transformers that are configured by objects of their own (`apiVersion: builtin`).
//! size: one reader per built-in kind; they are short and look alike.

use std::rc::Rc;

use serde_json::Value;

use crate::build::Build;
use crate::decode::{Fields, Strictness};
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::FieldSpec;
use crate::generators::Generator;
use crate::generators::data_object::{DataKind, DataObject};
use crate::generators::helm::HelmInflation;
use crate::generators::iam::IamPolicy;
use crate::kustomization::{
    GeneratorArgs, HelmChart, HelmGlobals, ImageChange, PatchEntry, ReplacementEntry, ReplicaCount, Selector,
};
use crate::loader::Loader;
use crate::origin::{ConfiguredBy, Origin};
use crate::resource::{ORIGIN, Resource};
use crate::transformers::affix::{Affix, Side};
use crate::transformers::annotations::Annotations;
use crate::transformers::images::Images;
use crate::transformers::json_patch::JsonPatch;
use crate::transformers::labels::Labels;
use crate::transformers::namespace::{Namespace, SubjectMode};
use crate::transformers::patch::Patch;
use crate::transformers::replacement::Replacements;
use crate::transformers::replicas::Replicas;
use crate::transformers::several::Several;
use crate::transformers::strategic_patch::StrategicPatches;
use crate::transformers::value_add::{ValueAdd, ValueTarget};
use crate::transformers::{PlannedTransformer, Transformer};

const GENERATORS: [&str; 4] =
    ["ConfigMapGenerator", "SecretGenerator", "HelmChartInflationGenerator", "IAMPolicyGenerator"];

const TRANSFORMERS: [&str; 14] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "SuffixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "ValueAddTransformer",
];

fn refused(config: &Resource, kind: &str, what: &str, known: &[&str]) -> Box<BuildError> {
    config.locate(
        BuildError::new(
            ErrorClass::ExternalPlugin,
            format!("{kind} is no built-in {what}, and external plugins are not run"),
        )
        .field("kind")
        .hint(format!(
            "use a built-in one with apiVersion: builtin ({}), or do its work in another way",
            known.join(", ")
        )),
    )
}

impl Build<'_> {
    fn plugin_config(&self, config: &Resource, what: &str, known: &[&str]) -> Result<(String, Value)> {
        let Some(root) = config.root else { return Err(refused(config, "an empty object", what, known)) };
        let kind = self.arena.object_kind(root).to_string();
        if *self.arena.object_api_version(root) != *"builtin" || !known.contains(&kind.as_str()) {
            return Err(refused(config, &kind, what, known));
        }
        Ok((kind, self.json(config)?))
    }

    /// Who configured a plugin, for `buildMetadata`.
    fn plugin_origin(&self, config: &Resource) -> Option<Origin> {
        let root = config.root?;
        let origin = Origin::parse(self.arena.annotation(root, ORIGIN)?);
        Some(Origin {
            path: String::new(),
            configured_in: origin.path,
            configured_by: Some(ConfiguredBy {
                api_version: self.arena.object_api_version(root).to_string(),
                kind: self.arena.object_kind(root).to_string(),
                name: self.arena.object_name(root).to_string(),
                namespace: self.arena.object_namespace(root).to_string(),
            }),
            repository: origin.repository,
            reference: origin.reference,
        })
    }

    /// The generator that an object configures.
    pub(crate) fn generator_of(&mut self, config: &Resource) -> Result<(Box<dyn Generator>, Option<Origin>)> {
        let (kind, value) = self.plugin_config(config, "generator", &GENERATORS)?;
        let file = config.source.file.clone();
        let origin = self.plugin_origin(config);
        let made = (|| -> Result<Box<dyn Generator>> {
            let mut fields = Fields::new(&value, "", Strictness::Lenient)?;
            Ok(match kind.as_str() {
                "ConfigMapGenerator" | "SecretGenerator" => {
                    let mut args = GeneratorArgs::decode_common(&mut fields)?;
                    args.secret_type = fields.string("type")?;
                    let (name, namespace) = metadata_name(&mut fields)?;
                    if args.name.is_empty() {
                        args.name = name;
                    }
                    if args.namespace.is_empty() {
                        args.namespace = namespace;
                    }
                    let kind = if kind == "SecretGenerator" { DataKind::Secret } else { DataKind::ConfigMap };
                    Box::new(DataObject { kind, args, file })
                }
                "HelmChartInflationGenerator" => {
                    let globals = HelmGlobals {
                        chart_home: fields.string("chartHome")?,
                        config_home: fields.string("configHome")?,
                    };
                    let chart = HelmChart::decode_fields(&mut fields)?;
                    Box::new(HelmInflation { globals, chart, file })
                }
                _ => Box::new(IamPolicy { config: value.clone(), source: config.source.clone() }),
            })
        })();
        made.map(|generator| (generator, origin)).map_err(|error| config.locate(error))
    }

    /// The transformer that an object configures.
    pub(crate) fn transformer_of(&mut self, loader: &Rc<Loader<'_>>, config: &Resource) -> Result<PlannedTransformer> {
        let (kind, value) = self.plugin_config(config, "transformer", &TRANSFORMERS)?;
        let origin = self.plugin_origin(config);
        let transformer = self.read_transformer(loader, &kind, &value).map_err(|error| config.locate(error))?;
        Ok(PlannedTransformer { transformer, origin })
    }

    // long: one arm per built-in transformer.
    fn read_transformer(&mut self, loader: &Rc<Loader<'_>>, kind: &str, value: &Value) -> Result<Box<dyn Transformer>> {
        let mut fields = Fields::new(value, "", Strictness::Lenient)?;
        Ok(match kind {
            "AnnotationsTransformer" => Box::new(Annotations {
                annotations: fields.string_map("annotations")?.unwrap_or_default(),
                specs: fields.list("fieldSpecs", FieldSpec::decode)?,
            }),
            "LabelTransformer" => Box::new(Labels {
                labels: fields.string_map("labels")?.unwrap_or_default(),
                specs: fields.list("fieldSpecs", FieldSpec::decode)?,
            }),
            "HashTransformer" => Box::new(crate::hash::Hashes),
            "ImageTagTransformer" => Box::new(Images {
                change: fields.object("imageTag", ImageChange::decode)?.unwrap_or_default(),
                specs: fields.list("fieldSpecs", FieldSpec::decode)?,
            }),
            "NamespaceTransformer" => {
                let (_, namespace) = metadata_name(&mut fields)?;
                let mode = fields.string("setRoleBindingSubjects")?;
                Box::new(Namespace {
                    namespace,
                    specs: fields.list("fieldSpecs", FieldSpec::decode)?,
                    unset_only: fields.bool("unsetOnly")?,
                    subjects: SubjectMode::parse(&mode).map_err(|error| error.field("setRoleBindingSubjects"))?,
                })
            }
            "PatchJson6902Transformer" => {
                let entry = PatchEntry {
                    path: fields.string("path")?,
                    patch: fields.string("jsonOp")?,
                    target: fields.object("target", Selector::decode)?,
                    ..PatchEntry::default()
                };
                Box::new(JsonPatch::read(self, loader, &entry)?)
            }
            "PatchStrategicMergeTransformer" => {
                let paths = fields.strings("paths")?;
                let patches = fields.string("patches")?;
                Box::new(StrategicPatches::read(self, loader, &paths, &patches)?)
            }
            "PatchTransformer" => {
                let entry = PatchEntry::decode(value, "", Strictness::Lenient)?;
                Box::new(Patch::read(self, loader, &entry)?)
            }
            "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
                let specs = fields.list("fieldSpecs", FieldSpec::decode)?;
                if !value.as_object().is_some_and(|map| map.contains_key("fieldSpecs")) {
                    return Err(BuildError::new(ErrorClass::ExternalPlugin, format!("a {kind} needs fieldSpecs"))
                        .field("fieldSpecs")
                        .hint("write fieldSpecs: [{path: metadata/name}]"));
                }
                let prefix = Affix { text: fields.string("prefix")?, side: Side::Prefix, specs: specs.clone() };
                let suffix = Affix { text: fields.string("suffix")?, side: Side::Suffix, specs };
                match kind {
                    "PrefixTransformer" => Box::new(prefix),
                    "SuffixTransformer" => Box::new(suffix),
                    _ => Box::new(Several { transformers: vec![Box::new(prefix), Box::new(suffix)] }),
                }
            }
            "ReplacementTransformer" => {
                let entries = fields.list("replacements", ReplacementEntry::decode)?;
                Box::new(Replacements::read(self, loader, &entries)?)
            }
            "ReplicaCountTransformer" => Box::new(Replicas {
                replica: fields.object("replica", ReplicaCount::decode)?.unwrap_or_default(),
                specs: fields.list("fieldSpecs", FieldSpec::decode)?,
                field: "replica".to_owned(),
            }),
            _ => Box::new(self.value_add(loader, &mut fields)?),
        })
    }

    fn value_add(&self, loader: &Rc<Loader<'_>>, fields: &mut Fields<'_>) -> Result<ValueAdd> {
        let mut value = fields.string("value")?.trim().to_owned();
        if value.is_empty() {
            value = loader.root.rsplit('/').next().unwrap_or_default().to_owned();
        }
        let mut targets = fields.list("targets", ValueTarget::decode)?;
        let path = fields.string("targetFilePath")?;
        if !path.is_empty() {
            let file = loader.load(self.outside.remote, &path).map_err(|error| error.field("targetFilePath"))?;
            let more = self.value_of(&file, landfall_yaml::Resolver::Kubernetes, ErrorClass::MalformedYaml)?;
            let mut fields = Fields::new(&more, "", Strictness::Lenient)?;
            targets.extend(fields.list("targets", ValueTarget::decode).map_err(|error| error.file(&file.path))?);
        }
        if targets.is_empty() {
            return Err(BuildError::new(ErrorClass::NoMatch, "at least one target is needed").field("targets"));
        }
        Ok(ValueAdd { value, targets })
    }
}

fn metadata_name(fields: &mut Fields<'_>) -> Result<(String, String)> {
    Ok(fields
        .object("metadata", |value, path, strictness| {
            let mut fields = Fields::new(value, path, strictness)?;
            Ok((fields.string("name")?, fields.string("namespace")?))
        })?
        .unwrap_or_default())
}
