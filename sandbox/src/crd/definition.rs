//! What a CustomResourceDefinition itself must look like.

use serde_json::{Map, Value, json};

use crate::error::Cause;
use crate::json;

/// Fills what the server decides for a definition: names that follow from others, the conversion strategy.
pub(crate) fn prepare_create(definition: &mut Value) {
    let kind = json::text(definition, "/spec/names/kind").to_string();
    if let Some(names) = definition.pointer_mut("/spec/names").and_then(Value::as_object_mut) {
        json::default(names, "singular", kind.to_lowercase());
        json::default(names, "listKind", format!("{kind}List"));
    }
    if let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) {
        json::default(spec, "conversion", json!({"strategy": "None"}));
    }
}

/// Checks a definition.
pub(crate) fn validate(definition: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let plural = json::text(definition, "/spec/names/plural");
    let group = json::text(definition, "/spec/group");
    let name = json::name(definition);
    for (pointer, field) in [
        ("/spec/group", "spec.group"),
        ("/spec/names/plural", "spec.names.plural"),
        ("/spec/names/kind", "spec.names.kind"),
        ("/spec/scope", "spec.scope"),
    ] {
        if json::text(definition, pointer).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    if !plural.is_empty() && !group.is_empty() && name != format!("{plural}.{group}") {
        causes.push(Cause::invalid("metadata.name", &json!(name), "must be spec.names.plural+\".\"+spec.group"));
    }
    let scope = json::text(definition, "/spec/scope");
    if !matches!(scope, "" | "Cluster" | "Namespaced") {
        causes.push(Cause::not_supported("spec.scope", &json!(scope), &["Cluster", "Namespaced"]));
    }
    let versions = json::list(definition, "/spec/versions");
    let stored = versions.iter().filter(|version| json::flag(version, "/storage")).count();
    if stored != 1 {
        causes.push(Cause::invalid(
            "spec.versions",
            &definition.pointer("/spec/versions").cloned().unwrap_or(Value::Null),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        let field = format!("spec.versions[{index}]");
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(Cause::required(format!("{field}.schema.openAPIV3Schema"), "")),
            Some(schema) => {
                // With one version, the real server speaks of the schema as of the whole definition's.
                let field = if versions.len() == 1 {
                    "spec.validation.openAPIV3Schema".to_string()
                } else {
                    format!("{field}.schema.openAPIV3Schema")
                };
                if json::text(schema, "/type") != "object" {
                    let found = json!(json::text(schema, "/type"));
                    causes.push(if found == "" {
                        Cause::required(format!("{field}.type"), "must not be empty at the root")
                    } else {
                        Cause::invalid(format!("{field}.type"), &found, "must be object at the root")
                    });
                }
                structural(schema, &field, causes);
            }
        }
    }
    if let Some(old) = old {
        for (pointer, field) in [
            ("/spec/group", "spec.group"),
            ("/spec/names/plural", "spec.names.plural"),
            ("/spec/names/kind", "spec.names.kind"),
            ("/spec/scope", "spec.scope"),
        ] {
            if old.pointer(pointer) != definition.pointer(pointer) {
                let value = definition.pointer(pointer).cloned().unwrap_or(Value::Null);
                causes.push(Cause::invalid(field, &value, "field is immutable"));
            }
        }
        for stored in json::list(old, "/status/storedVersions").iter().filter_map(Value::as_str) {
            if !versions.iter().any(|version| json::text(version, "/name") == stored) {
                causes.push(Cause::invalid(
                    "status.storedVersions[0]",
                    &json!(stored),
                    "missing from spec.versions; v1beta1 was previously a storage version, and must remain in \
                     spec.versions until a storage migration ensures no data remains persisted in it and removes it \
                     from status.storedVersions"
                        .replace("v1beta1", stored)
                        .as_str(),
                ));
            }
        }
    }
}

/// Checks that a schema is structural: every place says its type, and nothing is both free and fixed.
fn structural(schema: &Value, field: &str, causes: &mut Vec<Cause>) {
    let Some(map) = schema.as_object() else { return };
    super::rules::check(schema, field, causes);
    let is_free = json::flag(schema, "/x-kubernetes-preserve-unknown-fields");
    let int_or_string = json::flag(schema, "/x-kubernetes-int-or-string");
    if !map.contains_key("type") && !is_free && !int_or_string {
        causes.push(Cause::required(format!("{field}.type"), "must not be empty for specified object fields"));
    }
    if let Some(pattern) = map.get("pattern").and_then(Value::as_str)
        && regex::Regex::new(pattern).is_err()
    {
        let why = "must be a valid regular expression";
        causes.push(Cause::invalid(format!("{field}.pattern"), &json!(pattern), why));
    }
    let empty = Map::new();
    if let Some(properties) = map.get("properties") {
        for (name, inner) in properties.as_object().unwrap_or(&empty) {
            structural(inner, &format!("{field}.properties[{name}]"), causes);
        }
        if map.get("additionalProperties").is_some_and(|additional| additional != &json!(false)) {
            let why = "additionalProperties and properties are mutual exclusive";
            causes.push(Cause::forbidden(format!("{field}.additionalProperties"), why));
        }
    }
    if let Some(items) = map.get("items") {
        structural(items, &format!("{field}.items"), causes);
    } else if json::text(schema, "/type") == "array" {
        causes.push(Cause::required(format!("{field}.items"), "must be specified"));
    }
    if let Some(additional) = map.get("additionalProperties").filter(|additional| additional.is_object()) {
        structural(additional, &format!("{field}.additionalProperties"), causes);
    }
}
