//! Field tables from files: `configurations`, and `crds` whose OpenAPI definitions mark references.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_yaml::Resolver;
use serde_json::Value;

use crate::build::Build;
use crate::decode::{Fields, Strictness};
use crate::error::{ErrorClass, Result};
use crate::field_spec::{FieldSpec, FieldTables, NameReference, merge_spec};
use crate::ids::GvkPattern;
use crate::target::Target;

impl Build<'_> {
    /// The default tables with those of the kustomization's `configurations` merged in.
    pub(crate) fn configured_tables(&self, target: &Target<'_>) -> Result<Arc<FieldTables>> {
        let defaults = FieldTables::defaults();
        let paths = &target.kustomization.configurations;
        if paths.is_empty() {
            return Ok(defaults);
        }
        let mut tables = FieldTables::default();
        for (at, path) in paths.iter().enumerate() {
            let field = format!("configurations[{at}]");
            let file = target
                .loader
                .load(self.outside.remote, path)
                .map_err(|error| error.field(field).file(&target.file()))?;
            let value = self.value_of(&file, Resolver::KubernetesStrict, ErrorClass::MalformedYaml)?;
            let mut read = decode(&value).map_err(|error| error.file(&file.path))?;
            read.sort();
            tables = tables.merged(&read)?;
        }
        Ok(Arc::new(defaults.merged(&tables)?))
    }

    /// The tables that the kustomization's `crds` imply; `None` without any.
    pub(crate) fn tables_of_crds(&self, target: &Target<'_>) -> Result<Option<FieldTables>> {
        let mut tables = FieldTables::default();
        for (at, path) in target.kustomization.crds.iter().enumerate() {
            let field = format!("crds[{at}]");
            let file = target
                .loader
                .load(self.outside.remote, path)
                .map_err(|error| error.field(field).file(&target.file()))?;
            let definitions = self.value_of(&file, Resolver::Kubernetes, ErrorClass::MalformedYaml)?;
            tables = tables.merged(&of_definitions(&definitions)?)?;
        }
        Ok((tables != FieldTables::default()).then_some(tables))
    }
}

fn decode(value: &Value) -> Result<FieldTables> {
    let mut tables = FieldTables::default();
    let mut fields = Fields::new(value, "", Strictness::KnownFields)?;
    for name in [
        "namePrefix",
        "nameSuffix",
        "namespace",
        "commonLabels",
        "labels",
        "templateLabels",
        "commonAnnotations",
        "varReference",
        "images",
        "replicas",
    ] {
        let specs = fields.list(name, FieldSpec::decode)?;
        if let Some(section) = tables.section_mut(name) {
            *section = specs;
        }
    }
    tables.name_reference = fields.list("nameReference", |value, path, strictness| {
        let mut fields = Fields::new(value, path, strictness)?;
        let target = GvkPattern {
            group: fields.string("group")?,
            version: fields.string("version")?,
            kind: fields.string("kind")?,
        };
        let referrers = fields.list("fieldSpecs", FieldSpec::decode)?;
        fields.finish()?;
        Ok(NameReference { target, referrers })
    })?;
    fields.finish()?;
    Ok(tables)
}

/// How deep definitions may refer to each other before the reader gives up.
const REFERENCE_DEPTH_MAX: usize = 64;

fn of_definitions(definitions: &Value) -> Result<FieldTables> {
    let mut tables = FieldTables::default();
    let Some(map) = definitions.as_object() else { return Ok(tables) };
    let sorted: BTreeMap<&String, &Value> = map.iter().collect();
    for (name, definition) in sorted {
        let properties = definition.pointer("/Schema/properties").and_then(Value::as_object);
        let is_object = properties.is_some_and(|properties| {
            ["kind", "apiVersion", "metadata"].iter().all(|name| properties.contains_key(*name))
        });
        if !is_object {
            continue;
        }
        let kind = name.rsplit('.').next().unwrap_or(name);
        let gvk = GvkPattern { kind: kind.to_owned(), ..GvkPattern::default() };
        let mut found = FieldTables::default();
        walk(&mut found, &gvk, definitions, name, &mut Vec::new())?;
        tables = tables.merged(&found)?;
    }
    Ok(tables)
}

fn walk(
    tables: &mut FieldTables,
    gvk: &GvkPattern,
    definitions: &Value,
    name: &str,
    path: &mut Vec<String>,
) -> Result<()> {
    if path.len() > REFERENCE_DEPTH_MAX {
        return Ok(());
    }
    let Some(properties) = definitions
        .get(name)
        .and_then(|definition| definition.pointer("/Schema/properties"))
        .and_then(Value::as_object)
    else {
        return Ok(());
    };
    let sorted: BTreeMap<&String, &Value> = properties.iter().collect();
    for (field, property) in sorted {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        path.push(field.clone());
        let spec = |path: &[String]| FieldSpec { gvk: gvk.clone(), path: path.join("/"), create: false };
        if text("x-kubernetes-annotation").is_some() {
            merge_spec(&mut tables.common_annotations, &spec(path))?;
        }
        if text("x-kubernetes-label-selector").is_some() {
            merge_spec(&mut tables.common_labels, &spec(path))?;
        }
        if text("x-kubernetes-identity").is_some() {
            merge_spec(&mut tables.name_prefix, &spec(path))?;
        }
        if let (Some(version), Some(kind)) =
            (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"))
        {
            path.push(text("x-kubernetes-object-ref-name-key").unwrap_or("name").to_owned());
            let target = GvkPattern { group: String::new(), version: version.to_owned(), kind: kind.to_owned() };
            tables.merge_reference(&NameReference { target, referrers: vec![spec(path)] })?;
            path.pop();
        }
        if let Some(reference) = text("$ref") {
            walk(tables, gvk, definitions, reference, path)?;
        }
        path.pop();
    }
    Ok(())
}
