//! What a CustomResourceDefinition itself must look like.

use serde_json::{Map, Value, json};

use crate::error::Cause;
use crate::json;
use crate::operations::{SUBDOMAIN_RULE, is_dns_label, is_subdomain};

/// Fills what the server decides for a definition: names that follow from others, the conversion strategy.
pub(crate) fn prepare_create(definition: &mut Value) {
    let kind = json::text(definition, "/spec/names/kind").to_string();
    if let Some(names) = definition.pointer_mut("/spec/names").and_then(Value::as_object_mut)
        && !kind.is_empty()
    {
        json::default(names, "singular", kind.to_lowercase());
        json::default(names, "listKind", format!("{kind}List"));
    }
    if let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) {
        json::default(spec, "conversion", json!({"strategy": "None"}));
    }
}

/// Where the real server speaks of a part that versions have: of the whole definition's when all versions agree on it.
struct Places<'a> {
    versions: &'a [Value],
}

impl Places<'_> {
    fn agree(&self, key: &str) -> bool {
        self.versions.iter().all(|version| version.get(key) == self.versions[0].get(key))
    }

    /// The field of a version's schema.
    fn schema(&self, index: usize) -> String {
        if self.agree("schema") {
            "spec.validation.openAPIV3Schema".to_string()
        } else {
            format!("spec.versions[{index}].schema.openAPIV3Schema")
        }
    }

    /// The field of a version's printer columns.
    fn columns(&self, index: usize) -> String {
        if self.agree("additionalPrinterColumns") {
            "spec.additionalPrinterColumns".to_string()
        } else {
            format!("spec.versions[{index}].additionalPrinterColumns")
        }
    }

    /// The versions as the real server's own structs are shown; what all agree on stands elsewhere there.
    fn refuse(&self, why: &str) -> Cause {
        let shown: Vec<String> = self
            .versions
            .iter()
            .map(|version| {
                let held = |key: &str| version.get(key).cloned().unwrap_or(Value::Null).to_string();
                let own = |key: &str| if self.agree(key) { "null".to_string() } else { held(key) };
                format!(
                    "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{},\
                     \"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
                    held("name"),
                    json::flag(version, "/served"),
                    json::flag(version, "/storage"),
                    json::flag(version, "/deprecated"),
                    held("deprecationWarning"),
                    own("schema"),
                    own("subresources"),
                    own("additionalPrinterColumns"),
                    own("selectableFields"),
                )
            })
            .collect();
        Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: [{}]: {why}", shown.join(",")),
            field: "spec.versions".to_string(),
        }
    }
}

/// Checks a definition.
pub(crate) fn validate(definition: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let plural = json::text(definition, "/spec/names/plural");
    let group = json::text(definition, "/spec/group");
    let name = json::name(definition);
    if name != format!("{plural}.{group}") && old.is_none() {
        causes.push(Cause::invalid("metadata.name", &json!(name), "must be spec.names.plural+\".\"+spec.group"));
    }
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !is_subdomain(group) {
        causes.push(Cause::invalid("spec.group", &json!(group), SUBDOMAIN_RULE));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &json!(group), "should be a domain with at least one dot"));
    }
    let scope = json::text(definition, "/spec/scope");
    if scope.is_empty() {
        causes.push(Cause::required("spec.scope", ""));
    } else if !matches!(scope, "Cluster" | "Namespaced") {
        causes.push(Cause::not_supported("spec.scope", &json!(scope), &["Cluster", "Namespaced"]));
    }
    let versions = json::list(definition, "/spec/versions");
    let places = Places { versions };
    for (index, version) in versions.iter().enumerate() {
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
            causes.push(Cause::required(field, ""));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let name = json::text(version, "/name");
        if !is_label_1035(name) {
            causes.push(Cause::invalid(format!("spec.versions[{index}].name"), &json!(name), LABEL_1035_RULE));
        }
        names.push(name);
        if !places.agree("schema")
            && let Some(schema) = version.pointer("/schema/openAPIV3Schema")
        {
            check_schema(schema, &places.schema(index), causes);
        }
        if !places.agree("additionalPrinterColumns") {
            columns(version, &places.columns(index), causes);
        }
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        causes.push(places.refuse("must contain unique version names"));
    }
    let stored = versions.iter().filter(|version| json::flag(version, "/storage")).count();
    if stored != 1 {
        causes.push(places.refuse("must have exactly one version marked as storage version"));
    }
    check_names(definition, causes);
    if let Some(first) = versions.first() {
        if places.agree("schema")
            && let Some(schema) = first.pointer("/schema/openAPIV3Schema")
        {
            check_schema(schema, &places.schema(0), causes);
        }
        if places.agree("additionalPrinterColumns") {
            columns(first, &places.columns(0), causes);
        }
    }
    conversion(definition, causes);
    if stored == 0 && old.is_none() {
        causes.push(Cause::invalid("status.storedVersions", &Value::Null, "must have at least one stored version"));
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

/// Checks the names of a definition.
fn check_names(definition: &Value, causes: &mut Vec<Cause>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        if json::text(definition, &format!("/spec/names/{key}")).is_empty() {
            causes.push(Cause::required(format!("spec.names.{key}"), ""));
        }
    }
    for key in ["plural", "singular"] {
        let name = json::text(definition, &format!("/spec/names/{key}"));
        if !name.is_empty() && !is_label_1035(name) {
            causes.push(Cause::invalid(format!("spec.names.{key}"), &json!(name), LABEL_1035_RULE));
        }
    }
    for key in ["kind", "listKind"] {
        let name = json::text(definition, &format!("/spec/names/{key}"));
        if !name.is_empty() && !is_label_1035(&name.to_lowercase()) {
            let why = format!("may have mixed case, but should otherwise match: {LABEL_1035_RULE}");
            causes.push(Cause::invalid(format!("spec.names.{key}"), &json!(name), &why));
        }
    }
    for (list, key) in [("shortNames", "shortNames"), ("categories", "categories")] {
        for (index, name) in json::list(definition, &format!("/spec/names/{list}")).iter().enumerate() {
            if !name.as_str().is_some_and(is_label_1035) {
                causes.push(Cause::invalid(format!("spec.names.{key}[{index}]"), name, LABEL_1035_RULE));
            }
        }
    }
    let (kind, list_kind) =
        (json::text(definition, "/spec/names/kind"), json::text(definition, "/spec/names/listKind"));
    if !kind.is_empty() && kind == list_kind {
        let why = "kind and listKind may not be the same";
        causes.push(Cause::invalid("spec.names.listKind", &json!(list_kind), why));
    }
}

/// Checks the root of a schema and everything below it.
fn check_schema(schema: &Value, field: &str, causes: &mut Vec<Cause>) {
    if json::text(schema, "/type") != "object" {
        let found = json!(json::text(schema, "/type"));
        causes.push(if found == "" {
            Cause::required(format!("{field}.type"), "must not be empty at the root")
        } else {
            Cause::invalid(format!("{field}.type"), &found, "must be object at the root")
        });
    }
    structural(schema, field, causes);
}

/// Checks the printer columns of a version.
fn columns(version: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (index, column) in json::list(version, "/additionalPrinterColumns").iter().enumerate() {
        let field = format!("{field}[{index}]");
        if json::text(column, "/name").is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        }
        let kind = json::text(column, "/type");
        if kind.is_empty() {
            let why = "must be one of boolean,date,integer,number,string";
            causes.push(Cause::required(format!("{field}.type"), why));
        } else if !matches!(kind, "boolean" | "date" | "integer" | "number" | "string") {
            let why = "must be one of boolean,date,integer,number,string";
            causes.push(Cause::invalid(format!("{field}.type"), &json!(kind), why));
        }
        let path = json::text(column, "/jsonPath");
        if path.is_empty() {
            causes.push(Cause::required(format!("{field}.JSONPath"), ""));
        } else if !path.starts_with('.') {
            let why = "must be a simple json path starting with .";
            causes.push(Cause::invalid(format!("{field}.JSONPath"), &json!(path), why));
        }
    }
}

/// Checks how objects change between versions.
fn conversion(definition: &Value, causes: &mut Vec<Cause>) {
    let Some(conversion) = definition.pointer("/spec/conversion") else { return };
    let strategy = json::text(conversion, "/strategy");
    if strategy.is_empty() {
        causes.push(Cause::required("spec.conversion.strategy", ""));
    } else if !matches!(strategy, "None" | "Webhook") {
        causes.push(Cause::not_supported("spec.conversion.strategy", &json!(strategy), &["None", "Webhook"]));
    }
    if strategy != "Webhook" {
        if conversion.pointer("/webhook/clientConfig").is_some() {
            let why = "should not be set when strategy is not set to Webhook";
            causes.push(Cause::forbidden("spec.conversion.webhookClientConfig", why));
        }
        return;
    }
    let field = "spec.conversion.webhookClientConfig";
    match conversion.pointer("/webhook/clientConfig") {
        None => causes.push(Cause::required(field, "required when strategy is set to Webhook")),
        Some(client) => match (client.get("url"), client.get("service")) {
            (Some(_), Some(_)) | (None, None) => {
                causes.push(Cause::required(field, "exactly one of url or service is required"));
            }
            (Some(url), None) => {
                if !url.as_str().is_some_and(|url| url.starts_with("https://")) {
                    let why = "'https' is the only allowed URL scheme";
                    causes.push(Cause::invalid(format!("{field}.url"), url, why));
                }
            }
            (None, Some(service)) => {
                for key in ["name", "namespace"] {
                    if json::text(service, &format!("/{key}")).is_empty() {
                        causes.push(Cause::required(
                            format!("{field}.service.{key}"),
                            &format!("service {key} is required"),
                        ));
                    }
                }
            }
        },
    }
    let reviews = json::list(conversion, "/webhook/conversionReviewVersions");
    let field = "spec.conversion.conversionReviewVersions";
    if reviews.is_empty() {
        causes.push(Cause::required(field, ""));
    } else if !reviews.iter().any(|version| version == "v1" || version == "v1beta1") {
        let shown = Value::Array(reviews.to_vec());
        causes.push(Cause::invalid(field, &shown, "must include at least one of v1, v1beta1"));
    }
}

const LABEL_1035_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
'[a-z]([-a-z0-9]*[a-z0-9])?')";

/// True for labels that begin with a letter.
fn is_label_1035(text: &str) -> bool {
    is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Checks that a default is what its schema takes.
fn check_default(schema: &Value, field: &str, causes: &mut Vec<Cause>) {
    let Some(default) = schema.get("default") else { return };
    let mut found = Vec::new();
    super::schema::check_part(schema, default, &mut found);
    causes.extend(found.into_iter().map(|mut cause| {
        cause.field = if cause.field.is_empty() {
            format!("{field}.default")
        } else {
            format!("{field}.default.{}", cause.field)
        };
        cause
    }));
}

/// Checks what a schema says of lists.
fn check_list_type(schema: &Value, field: &str, causes: &mut Vec<Cause>) {
    let kind = json::text(schema, "/x-kubernetes-list-type");
    if !matches!(kind, "" | "atomic" | "set" | "map") {
        let field = format!("{field}.x-kubernetes-list-type");
        causes.push(Cause::not_supported(field, &json!(kind), &["atomic", "set", "map"]));
    }
    let keys = json::list(schema, "/x-kubernetes-list-map-keys");
    if kind == "map" && keys.is_empty() {
        let field = format!("{field}.x-kubernetes-list-map-keys");
        causes.push(Cause::required(field, "must not be empty if x-kubernetes-list-type is map"));
    }
    if kind != "map" && !keys.is_empty() {
        let held = Value::Array(keys.to_vec());
        let found = if kind.is_empty() { "unset" } else { kind };
        let why = format!("must not be set if x-kubernetes-list-type is {found}");
        causes.push(Cause::invalid(format!("{field}.x-kubernetes-list-map-keys"), &held, &why));
    }
    if !kind.is_empty() && json::text(schema, "/type") != "array" {
        let held = json!(json::text(schema, "/type"));
        let why = "must be array if x-kubernetes-list-type is specified";
        causes.push(Cause::invalid(format!("{field}.type"), &held, why));
    }
    if kind == "map" {
        for (index, key) in keys.iter().filter_map(Value::as_str).enumerate() {
            if schema.pointer("/items/properties").and_then(|fields| fields.get(key)).is_none() {
                let why = "entries in x-kubernetes-list-map-keys must all be names of item properties";
                let field = format!("{field}.x-kubernetes-list-map-keys[{index}]");
                causes.push(Cause::invalid(field, &json!(key), why));
            }
        }
    }
}

/// Checks that a schema is structural: every place says its type, and nothing is both free and fixed.
fn structural(schema: &Value, field: &str, causes: &mut Vec<Cause>) {
    let Some(map) = schema.as_object() else { return };
    super::rules::check(schema, field, causes);
    check_list_type(schema, field, causes);
    check_default(schema, field, causes);
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
