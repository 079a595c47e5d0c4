//! Transformers: resources in, changed resources out. One file each.

pub(crate) mod affix;
pub(crate) mod annotations;
pub(crate) mod images;
pub(crate) mod json_patch;
pub(crate) mod labels;
pub(crate) mod namespace;
pub(crate) mod patch;
pub(crate) mod replacement;
pub(crate) mod replicas;
pub(crate) mod several;
pub(crate) mod strategic_patch;
pub(crate) mod structured_text;
pub(crate) mod value_add;

use std::collections::BTreeMap;

use crate::build::Build;
use crate::error::Result;
use crate::field_spec::{FieldSpec, FieldTables, apply, merge_spec, merge_specs};
use crate::node::{Arena, Kind, NodeId, Tag};
use crate::origin::Origin;
use crate::resource::{Resource, shape_error};
use crate::target::Target;

/// Changes resources.
pub(crate) trait Transformer {
    /// Applies the change to every resource that it concerns.
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()>;
}

/// A transformer with what `buildMetadata` notes about it.
pub(crate) struct PlannedTransformer {
    pub(crate) transformer: Box<dyn Transformer>,
    pub(crate) origin: Option<Origin>,
}

/// The transformers that the fields of a kustomization ask for, in the order in which they run.
// long: one block per field.
pub(crate) fn built_in_transformers(
    build: &mut Build<'_>,
    target: &Target<'_>,
    tables: &FieldTables,
) -> Result<Vec<PlannedTransformer>> {
    let kustomization = &target.kustomization;
    let loader = &target.loader;
    let mut planned = Vec::new();
    let mut plan = |kind: &str, transformer: Box<dyn Transformer>| {
        planned.push(PlannedTransformer { transformer, origin: target.transformer_origin(kind) });
    };
    if !kustomization.patches_strategic_merge.is_empty() {
        let patches =
            strategic_patch::StrategicPatches::read(build, loader, &kustomization.patches_strategic_merge, "")?;
        plan("PatchStrategicMergeTransformer", Box::new(patches));
    }
    for entry in &kustomization.patches {
        plan("PatchTransformer", Box::new(patch::Patch::read(build, loader, entry)?));
    }
    if !kustomization.namespace.is_empty() {
        plan(
            "NamespaceTransformer",
            Box::new(namespace::Namespace {
                namespace: kustomization.namespace.clone(),
                specs: tables.namespace.clone(),
                unset_only: false,
                subjects: namespace::SubjectMode::Default,
            }),
        );
    }
    for (kind, text, side, specs) in [
        ("PrefixTransformer", &kustomization.name_prefix, affix::Side::Prefix, &tables.name_prefix),
        ("SuffixTransformer", &kustomization.name_suffix, affix::Side::Suffix, &tables.name_suffix),
    ] {
        if !text.is_empty() {
            plan(kind, Box::new(affix::Affix { text: text.clone(), side, specs: specs.clone() }));
        }
    }
    if !kustomization.labels.is_empty() || !kustomization.common_labels.is_empty() {
        for set in &kustomization.labels {
            let mut specs = set.fields.clone();
            merge_specs(&mut specs, &tables.labels)?;
            if set.include_selectors {
                merge_specs(&mut specs, &tables.common_labels)?;
            } else {
                if set.include_templates {
                    merge_specs(&mut specs, &tables.template_labels)?;
                }
                merge_spec(
                    &mut specs,
                    &FieldSpec { path: "metadata/labels".to_owned(), create: true, ..FieldSpec::default() },
                )?;
            }
            plan("LabelTransformer", Box::new(labels::Labels { labels: set.pairs.clone(), specs }));
        }
        let common =
            labels::Labels { labels: kustomization.common_labels.clone(), specs: tables.common_labels.clone() };
        plan("LabelTransformer", Box::new(common));
    }
    if !kustomization.common_annotations.is_empty() {
        let annotations = kustomization.common_annotations.clone();
        plan(
            "AnnotationsTransformer",
            Box::new(annotations::Annotations { annotations, specs: tables.common_annotations.clone() }),
        );
    }
    for entry in &kustomization.patches_json_6902 {
        plan("PatchJson6902Transformer", Box::new(json_patch::JsonPatch::read(build, loader, entry)?));
    }
    for (at, replica) in kustomization.replicas.iter().enumerate() {
        let field = format!("replicas[{at}]");
        let transformer = replicas::Replicas { replica: replica.clone(), specs: tables.replicas.clone(), field };
        plan("ReplicaCountTransformer", Box::new(transformer));
    }
    for change in &kustomization.images {
        plan("ImageTagTransformer", Box::new(images::Images { change: change.clone(), specs: tables.images.clone() }));
    }
    if !kustomization.replacements.is_empty() {
        let replacements = replacement::Replacements::read(build, loader, &kustomization.replacements)?;
        plan("ReplacementTransformer", Box::new(replacements));
    }
    Ok(planned)
}

/// Sets the same entries in the maps that field specs lead to; one node per entry and resource, shared by its places.
pub(crate) fn set_entries(
    build: &mut Build<'_>,
    resources: &[Resource],
    entries: &BTreeMap<String, String>,
    specs: &[FieldSpec],
) -> Result<()> {
    for resource in resources {
        let Some(root) = resource.root else { continue };
        let gvk = build.gvk(root);
        let fitting: Vec<&FieldSpec> = specs.iter().filter(|spec| spec.gvk.fits(&gvk)).collect();
        for (key, value) in entries {
            let node = build.arena.scalar(value.as_str(), Tag::Str, crate::node::Style::Plain);
            for spec in &fitting {
                apply(
                    &mut build.arena,
                    spec,
                    root,
                    &Some((Kind::Mapping, Tag::Map)),
                    &mut |arena: &mut Arena, map: NodeId| arena.set_field(map, key, Some(node), false),
                )
                .map_err(|error| resource.locate(shape_error(&error).field(spec.path.as_str())))?;
            }
        }
    }
    Ok(())
}
