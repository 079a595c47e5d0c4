//! The kustomization file: its fields, typed, with deprecated ones moved to their successors.
//! size: one struct per section of the file format, each with its reader beside it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::decode::{Fields, Strictness};
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::FieldSpec;
use crate::ids::GvkPattern;

/// The names that a kustomization file may have, in the order in which they are looked for.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const KUSTOMIZATION_KIND: &str = "Kustomization";
const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
pub(crate) const COMPONENT_KIND: &str = "Component";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// A kustomization or component, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) openapi: BTreeMap<String, String>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: BTreeMap<String, String>,
    pub(crate) labels: Vec<LabelSet>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    pub(crate) patches_strategic_merge: Vec<String>,
    pub(crate) patches_json_6902: Vec<PatchEntry>,
    pub(crate) patches: Vec<PatchEntry>,
    pub(crate) images: Vec<ImageChange>,
    pub(crate) replacements: Vec<ReplacementEntry>,
    pub(crate) replicas: Vec<ReplicaCount>,
    pub(crate) vars: Vec<Variable>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) config_map_generators: Vec<GeneratorArgs>,
    pub(crate) secret_generators: Vec<GeneratorArgs>,
    pub(crate) helm_globals: HelmGlobals,
    pub(crate) helm_charts: Vec<HelmChart>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
    /// Deprecated fields that are used, as the warnings that the reference prints.
    pub(crate) warnings: Vec<String>,
}

impl Kustomization {
    /// Decodes a kustomization file that was read as JSON.
    ///
    /// Errors: unknown fields, values of another type, an empty file, another kind or apiVersion.
    pub(crate) fn decode(value: &Value) -> Result<Self> {
        let mut fields = Fields::new(value, "", Strictness::Strict)?;
        let mut made =
            Self { api_version: fields.string("apiVersion")?, kind: fields.string("kind")?, ..Self::default() };
        let uses = |fields: &Fields<'_>, name: &str| fields_has(value, name) && fields.path().is_empty();
        let mut deprecated = Vec::new();
        for (name, instead, how) in DEPRECATED {
            if uses(&fields, name) {
                deprecated.push(format!("# Warning: '{name}' is deprecated. Please use '{instead}' instead. {how}"));
            }
        }
        made.warnings = deprecated;
        fields.object("metadata", |value, path, strictness| {
            let mut fields = Fields::new(value, path, strictness)?;
            for name in ["name", "namespace"] {
                fields.string(name)?;
            }
            for name in ["labels", "annotations"] {
                fields.string_map(name)?;
            }
            fields.finish()
        })?;
        made.openapi = fields.string_map("openapi")?.unwrap_or_default();
        made.name_prefix = fields.string("namePrefix")?;
        made.name_suffix = fields.string("nameSuffix")?;
        made.namespace = fields.string("namespace")?;
        made.common_labels = fields.string_map("commonLabels")?.unwrap_or_default();
        made.labels = fields.list("labels", LabelSet::decode)?;
        made.common_annotations = fields.string_map("commonAnnotations")?.unwrap_or_default();
        made.patches_strategic_merge = fields.strings("patchesStrategicMerge")?;
        made.patches_json_6902 = fields.list("patchesJson6902", PatchEntry::decode)?;
        made.patches = fields.list("patches", PatchEntry::decode)?;
        made.images = fields.list("images", ImageChange::decode)?;
        made.images.extend(fields.list("imageTags", ImageChange::decode)?);
        made.replacements = fields.list("replacements", ReplacementEntry::decode)?;
        made.replicas = fields.list("replicas", ReplicaCount::decode)?;
        made.vars = fields.list("vars", Variable::decode)?;
        made.sort_options = fields.object("sortOptions", SortOptions::decode)?;
        made.resources = fields.strings("resources")?;
        made.components = fields.strings("components")?;
        made.crds = fields.strings("crds")?;
        made.resources.extend(fields.strings("bases")?);
        made.config_map_generators = fields.list("configMapGenerator", GeneratorArgs::decode_config_map)?;
        made.secret_generators = fields.list("secretGenerator", GeneratorArgs::decode_secret)?;
        let globals = fields.object("helmGlobals", HelmGlobals::decode)?;
        made.helm_charts = fields.list("helmCharts", HelmChart::decode)?;
        let old_charts = fields.list("helmChartInflationGenerator", HelmChart::decode_old)?;
        made.generator_options = fields.object("generatorOptions", GeneratorOptions::decode)?;
        made.configurations = fields.strings("configurations")?;
        made.generators = fields.strings("generators")?;
        made.transformers = fields.strings("transformers")?;
        made.validators = fields.strings("validators")?;
        made.build_metadata = fields.strings("buildMetadata")?;
        fields.finish()?;
        let mut old_globals = HelmGlobals::default();
        for (chart, globals) in old_charts {
            made.helm_charts.push(chart);
            if !globals.chart_home.is_empty() {
                old_globals.chart_home = globals.chart_home;
            }
            if !globals.config_home.is_empty() {
                old_globals.config_home = globals.config_home;
            }
        }
        made.helm_globals = globals.unwrap_or(old_globals);
        made.complete(value)
    }

    fn complete(mut self, value: &Value) -> Result<Self> {
        if self.kind.is_empty() {
            self.kind = KUSTOMIZATION_KIND.to_owned();
        }
        let wanted = if self.kind == COMPONENT_KIND { COMPONENT_VERSION } else { KUSTOMIZATION_VERSION };
        if self.api_version.is_empty() {
            self.api_version = wanted.to_owned();
        }
        if is_empty(value) {
            return Err(BuildError::new(ErrorClass::NoKustomizationFile, "the kustomization file is empty")
                .hint("list at least one entry under resources"));
        }
        if self.kind != KUSTOMIZATION_KIND && self.kind != COMPONENT_KIND {
            return Err(BuildError::new(ErrorClass::WrongKind, format!("kind is {:?}", self.kind))
                .field("kind")
                .hint("write Kustomization or Component, or leave the field out"));
        }
        if self.api_version != wanted {
            return Err(BuildError::new(
                ErrorClass::WrongKind,
                format!("apiVersion is {:?}, but that of a {} is {wanted}", self.api_version, self.kind),
            )
            .field("apiVersion")
            .hint(format!("write apiVersion: {wanted}, or leave the field out")));
        }
        Ok(self)
    }
}

const EDIT_FIX: &str = "Run 'kustomize edit fix' to update your Kustomization automatically.";
const EDIT_FIX_EXPERIMENTAL: &str =
    "[EXPERIMENTAL] Run 'kustomize edit fix' to update your Kustomization automatically.";

const DEPRECATED: [(&str, &str, &str); 6] = [
    ("bases", "resources", EDIT_FIX),
    ("commonLabels", "labels", EDIT_FIX),
    ("imageTags", "images", EDIT_FIX),
    ("patchesJson6902", "patches", EDIT_FIX),
    ("patchesStrategicMerge", "patches", EDIT_FIX),
    ("vars", "replacements", EDIT_FIX_EXPERIMENTAL),
];

fn fields_has(value: &Value, name: &str) -> bool {
    value
        .as_object()
        .is_some_and(|map| map.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null()))
}

/// Whether nothing is said besides apiVersion and kind. An empty list or mapping says something, to the reference.
fn is_empty(value: &Value) -> bool {
    let Some(map) = value.as_object() else { return true };
    map.iter().all(|(key, value)| {
        if key.eq_ignore_ascii_case("apiVersion") || key.eq_ignore_ascii_case("kind") {
            return true;
        }
        let moves =
            ["bases", "imageTags", "helmChartInflationGenerator"].iter().any(|name| key.eq_ignore_ascii_case(name));
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => moves && items.is_empty(),
            _ => false,
        }
    })
}

fn gvk_pattern(fields: &mut Fields<'_>) -> Result<GvkPattern> {
    Ok(GvkPattern { group: fields.string("group")?, version: fields.string("version")?, kind: fields.string("kind")? })
}

impl FieldSpec {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let spec =
            Self { gvk: gvk_pattern(&mut fields)?, path: fields.string("path")?, create: fields.bool("create")? };
        fields.finish()?;
        Ok(spec)
    }
}

/// One entry of `labels`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelSet {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

impl LabelSet {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            pairs: fields.string_map("pairs")?.unwrap_or_default(),
            include_selectors: fields.bool("includeSelectors")?,
            include_templates: fields.bool("includeTemplates")?,
            fields: fields.list("fields", FieldSpec::decode)?,
        };
        fields.finish()?;
        Ok(made)
    }
}

/// Chooses resources by patterns: regular expressions over id parts, label and annotation selectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) gvk: GvkPattern,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) annotation_selector: String,
    pub(crate) label_selector: String,
}

impl Selector {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            gvk: gvk_pattern(&mut fields)?,
            name: fields.string("name")?,
            namespace: fields.string("namespace")?,
            annotation_selector: fields.string("annotationSelector")?,
            label_selector: fields.string("labelSelector")?,
        };
        fields.finish()?;
        Ok(made)
    }

    /// Nothing is said about the id.
    pub(crate) fn has_empty_id(&self) -> bool {
        self.gvk.is_empty() && self.name.is_empty() && self.namespace.is_empty()
    }
}

/// One entry of `patches` or `patchesJson6902`.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatchEntry {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    /// The place of the entry, for messages.
    pub(crate) field: String,
}

impl PatchEntry {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let options = fields.object("options", |value, path, strictness| {
            let mut fields = Fields::new(value, path, strictness)?;
            let made = (fields.bool("allowNameChange")?, fields.bool("allowKindChange")?);
            fields.finish()?;
            Ok(made)
        })?;
        let (allow_name_change, allow_kind_change) = options.unwrap_or_default();
        let made = Self {
            path: fields.string("path")?,
            patch: fields.string("patch")?,
            target: fields.object("target", Selector::decode)?,
            allow_name_change,
            allow_kind_change,
            field: path.to_owned(),
        };
        fields.finish()?;
        Ok(made)
    }
}

/// One entry of `images`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageChange {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

impl ImageChange {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            name: fields.string("name")?,
            new_name: fields.string("newName")?,
            tag_suffix: fields.string("tagSuffix")?,
            new_tag: fields.string("newTag")?,
            digest: fields.string("digest")?,
        };
        fields.finish()?;
        Ok(made)
    }
}

/// One entry of `replicas`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplicaCount {
    pub(crate) name: String,
    pub(crate) count: i64,
}

impl ReplicaCount {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self { name: fields.string("name")?, count: fields.integer("count")? };
        fields.finish()?;
        Ok(made)
    }
}

/// How a replacement takes a scalar apart or puts it in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

impl FieldOptions {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            delimiter: fields.string("delimiter")?,
            index: fields.integer("index")?,
            create: fields.bool("create")?,
        };
        fields.string("encoding")?;
        fields.finish()?;
        Ok(made)
    }
}

/// Where a replacement takes its value from.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplacementSource {
    pub(crate) gvk: GvkPattern,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

impl ReplacementSource {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            gvk: gvk_pattern(&mut fields)?,
            name: fields.string("name")?,
            namespace: fields.string("namespace")?,
            field_path: fields.string("fieldPath")?,
            options: fields.object("options", FieldOptions::decode)?,
        };
        fields.finish()?;
        Ok(made)
    }
}

/// Where a replacement puts its value.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

impl ReplacementTarget {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            select: fields.object("select", Selector::decode)?,
            reject: fields.list("reject", Selector::decode)?,
            field_paths: fields.strings("fieldPaths")?,
            options: fields.object("options", FieldOptions::decode)?,
        };
        fields.finish()?;
        Ok(made)
    }
}

/// One entry of `replacements`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplacementEntry {
    pub(crate) path: String,
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) source_value: Option<String>,
    /// `None`: the field is absent.
    pub(crate) targets: Option<Vec<ReplacementTarget>>,
    /// The place of the entry, for messages.
    pub(crate) field: String,
}

impl ReplacementEntry {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let has_targets = fields_has(value, "targets");
        let targets = fields.list("targets", ReplacementTarget::decode)?;
        let made = Self {
            path: fields.string("path")?,
            source: fields.object("source", ReplacementSource::decode)?,
            source_value: fields.optional_string("sourceValue")?,
            targets: has_targets.then_some(targets),
            field: path.to_owned(),
        };
        fields.finish()?;
        Ok(made)
    }
}

/// One entry of `vars`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) target: GvkPattern,
    pub(crate) target_name: String,
    pub(crate) target_namespace: String,
    pub(crate) field_path: String,
    /// The place of the entry, for messages.
    pub(crate) field: String,
    /// The kustomization file that holds it, for messages; set when it is taken in.
    pub(crate) file: String,
}

impl Variable {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let name = fields.string("name")?;
        let object = fields.object("objref", |value, path, strictness| {
            let mut fields = Fields::new(value, path, strictness)?;
            let api_version = fields.string("apiVersion")?;
            let mut gvk = gvk_pattern(&mut fields)?;
            let parts: Vec<&str> = api_version.split('/').collect();
            match parts.as_slice() {
                [""] => {}
                [version] => gvk.version = (*version).to_owned(),
                [group, version] => (gvk.group, gvk.version) = ((*group).to_owned(), (*version).to_owned()),
                _ => {}
            }
            let made = (gvk, fields.string("name")?, fields.string("namespace")?);
            fields.finish()?;
            Ok(made)
        })?;
        let field_path = fields.object("fieldref", |value, path, strictness| {
            let mut fields = Fields::new(value, path, strictness)?;
            let made = fields.string("fieldPath")?;
            fields.finish()?;
            Ok(made)
        })?;
        fields.finish()?;
        let (target, target_name, target_namespace) = object.unwrap_or_default();
        let field_path = field_path.filter(|path| !path.is_empty()).unwrap_or_else(|| "metadata.name".to_owned());
        let (field, file) = (path.to_owned(), String::new());
        Ok(Self { name, target, target_name, target_namespace, field_path, field, file })
    }
}

/// How the resources of a build are ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy: Option<LegacyOrder>,
}

/// Kinds that come first and last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LegacyOrder {
    pub(crate) first: Vec<String>,
    pub(crate) last: Vec<String>,
}

impl SortOptions {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            order: fields.string("order")?,
            legacy: fields.object("legacySortOptions", |value, path, strictness| {
                let mut fields = Fields::new(value, path, strictness)?;
                let made = LegacyOrder { first: fields.strings("orderFirst")?, last: fields.strings("orderLast")? };
                fields.finish()?;
                Ok(made)
            })?,
        };
        fields.finish()?;
        Ok(made)
    }
}

/// One entry of `configMapGenerator` or `secretGenerator`.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) options: Option<GeneratorOptions>,
    /// The type of a Secret.
    pub(crate) secret_type: String,
    /// The place of the entry, for messages.
    pub(crate) field: String,
}

impl GeneratorArgs {
    fn decode_config_map(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self::decode_common(&mut fields)?;
        fields.finish()?;
        Ok(made)
    }

    fn decode_secret(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let mut made = Self::decode_common(&mut fields)?;
        made.secret_type = fields.string("type")?;
        fields.finish()?;
        Ok(made)
    }

    pub(crate) fn decode_common(fields: &mut Fields<'_>) -> Result<Self> {
        let mut made = Self {
            namespace: fields.string("namespace")?,
            name: fields.string("name")?,
            behavior: fields.string("behavior")?,
            literals: fields.strings("literals")?,
            files: fields.strings("files")?,
            envs: fields.strings("envs")?,
            options: fields.object("options", GeneratorOptions::decode)?,
            secret_type: String::new(),
            field: fields.path().to_owned(),
        };
        let env = fields.string("env")?;
        if !env.is_empty() {
            made.envs.push(env);
        }
        Ok(made)
    }
}

/// Options of generators, of one or of all in a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

impl GeneratorOptions {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            labels: fields.string_map("labels")?,
            annotations: fields.string_map("annotations")?,
            disable_name_suffix_hash: fields.bool("disableNameSuffixHash")?,
            immutable: fields.bool("immutable")?,
        };
        fields.finish()?;
        Ok(made)
    }

    /// A generator's own options with those of the file below them.
    pub(crate) fn merged(own: Option<&Self>, file: Option<&Self>) -> Option<Self> {
        let Some(file) = file else { return own.cloned() };
        let mut merged = own.cloned().unwrap_or_default();
        for (own, file) in [(&mut merged.labels, &file.labels), (&mut merged.annotations, &file.annotations)] {
            match (own, file) {
                (Some(own), Some(file)) => {
                    for (key, value) in file {
                        own.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                }
                (own @ None, Some(file)) => *own = Some(file.clone()),
                _ => {}
            }
        }
        merged.disable_name_suffix_hash |= file.disable_name_suffix_hash;
        merged.immutable |= file.immutable;
        Some(merged)
    }
}

/// `helmGlobals`.
#[derive(Debug, Clone, Default)]
pub(crate) struct HelmGlobals {
    pub(crate) chart_home: String,
    pub(crate) config_home: String,
}

impl HelmGlobals {
    fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self { chart_home: fields.string("chartHome")?, config_home: fields.string("configHome")? };
        fields.finish()?;
        Ok(made)
    }
}

/// One entry of `helmCharts`.
#[derive(Debug, Clone, Default)]
pub(crate) struct HelmChart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_file: String,
    pub(crate) values_inline: Option<Map<String, Value>>,
    pub(crate) values_merge: String,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    pub(crate) name_template: String,
    pub(crate) skip_tests: bool,
    pub(crate) devel: bool,
    /// The place of the entry, for messages.
    pub(crate) field: String,
}

impl HelmChart {
    pub(crate) fn decode(value: &Value, path: &str, strictness: Strictness) -> Result<Self> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self::decode_fields(&mut fields)?;
        fields.finish()?;
        Ok(made)
    }

    pub(crate) fn decode_fields(fields: &mut Fields<'_>) -> Result<Self> {
        let made = Self {
            name: fields.string("name")?,
            version: fields.string("version")?,
            repo: fields.string("repo")?,
            release_name: fields.string("releaseName")?,
            namespace: fields.string("namespace")?,
            additional_values_files: fields.strings("additionalValuesFiles")?,
            values_file: fields.string("valuesFile")?,
            values_inline: fields.object("valuesInline", values_map)?,
            values_merge: fields.string("valuesMerge")?,
            include_crds: fields.bool("includeCRDs")?,
            skip_hooks: fields.bool("skipHooks")?,
            api_versions: fields.strings("apiVersions")?,
            kube_version: fields.string("kubeVersion")?,
            name_template: fields.string("nameTemplate")?,
            skip_tests: fields.bool("skipTests")?,
            devel: fields.bool("devel")?,
            field: fields.path().to_owned(),
        };
        fields.bool("debug")?;
        Ok(made)
    }

    fn decode_old(value: &Value, path: &str, strictness: Strictness) -> Result<(Self, HelmGlobals)> {
        let mut fields = Fields::new(value, path, strictness)?;
        let made = Self {
            name: fields.string("chartName")?,
            version: fields.string("chartVersion")?,
            repo: fields.string("chartRepoUrl")?,
            values_file: fields.string("values")?,
            values_inline: fields.object("valuesLocal", values_map)?,
            values_merge: fields.string("valuesMerge")?,
            release_name: fields.string("releaseName")?,
            field: path.to_owned(),
            ..Self::default()
        };
        let globals = HelmGlobals { chart_home: fields.string("chartHome")?, config_home: fields.string("helmHome")? };
        for name in ["chartRepoName", "helmBin", "releaseNamespace"] {
            fields.string(name)?;
        }
        fields.strings("extraArgs")?;
        fields.finish()?;
        Ok((made, globals))
    }
}

fn values_map(value: &Value, path: &str, _strictness: Strictness) -> Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map.clone()),
        _ => Err(BuildError::new(ErrorClass::WrongType, "a mapping is needed").field(path)),
    }
}
