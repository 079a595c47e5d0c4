//! CustomResourceDefinitions: from the object to served resources, and its status.
//!
//! A definition is followed the moment it is written: its versions are served before the write is answered. Its
//! conditions (NamesAccepted, Established) are a second write, as the real controller makes them. Entry: [`follow`].

mod definition;
mod rules;
pub(crate) mod schema;

pub(crate) use definition::{prepare_create, validate};

use landfall_merge::crd::CustomSchema;
use serde_json::{Map, Value, json};

use crate::clock::rfc3339;
use crate::json;
use crate::operations::Core;
use crate::registry::{Resource, ScalePaths, Scope};
use crate::store::{Expect, ResourceKey};

/// The resource of definitions.
pub(crate) const CRD_RESOURCE: &str = "customresourcedefinitions.apiextensions.k8s.io";
/// The finalizer that keeps a definition until its objects are gone.
pub(crate) const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// A printer column of a custom resource.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub(crate) kind: String,
    /// The format, "" for none.
    pub(crate) format: String,
    /// The sentence for people.
    pub(crate) description: String,
    /// 0 is shown always, higher ones in wide output.
    pub(crate) priority: i64,
    /// Where the value is.
    pub(crate) json_path: String,
}

/// What a version of a custom resource adds to its row in the registry.
#[derive(Debug)]
pub(crate) struct CustomResource {
    /// `openAPIV3Schema`.
    pub(crate) schema: Option<Value>,
    /// The schema as server-side apply reads it.
    pub(crate) merge: CustomSchema,
    /// Printer columns.
    pub(crate) columns: Vec<Column>,
    /// JSON paths by which objects can be selected.
    pub(crate) selectable_fields: Vec<String>,
    /// The webhook by which objects change their form between versions.
    pub(crate) conversion: Option<Conversion>,
    /// Whether the schema has rules.
    pub(crate) has_rules: bool,
    /// The sentence for clients of a deprecated version.
    pub(crate) deprecation_warning: Option<String>,
}

/// How objects of a definition are brought from one version to another.
#[derive(Debug, Clone)]
pub(crate) struct Conversion {
    /// `clientConfig`: `url` or `service`, and `caBundle`.
    pub(crate) client: Value,
    /// The version of ConversionReview that the webhook understands.
    pub(crate) review_version: String,
}

impl Conversion {
    fn of(definition: &Value) -> Option<Self> {
        let conversion =
            definition.pointer("/spec/conversion").filter(|held| json::text(held, "/strategy") == "Webhook")?;
        let understood = json::list(conversion, "/webhook/conversionReviewVersions");
        let known = |version: &&Value| *version == "v1" || *version == "v1beta1";
        Some(Self {
            client: conversion.pointer("/webhook/clientConfig").cloned().unwrap_or_default(),
            review_version: understood.iter().find(known).and_then(Value::as_str).unwrap_or("v1").to_string(),
        })
    }
}

/// The row of the version in which a definition's objects are kept, whether it is served or not.
pub(crate) fn storage_row(core: &Core, key: &ResourceKey) -> Option<Resource> {
    let definition = core.store.get(&ResourceKey::from(CRD_RESOURCE), "", key.as_str())?;
    let version =
        json::list(&definition.value, "/spec/versions").iter().find(|version| json::flag(version, "/storage"))?;
    Some(resource(&definition.value, version, json::text(version, "/name")))
}

/// The store's key of the objects that a definition defines.
pub(crate) fn resource_key(definition: &Value) -> ResourceKey {
    ResourceKey::new(json::text(definition, "/spec/group"), json::text(definition, "/spec/names/plural"))
}

/// Serves what a definition defines, and brings its status up to date.
pub(crate) fn follow(core: &Core, old: Option<&Value>, definition: &Value) {
    let is_same = |old: &Value| {
        old.get("spec") == definition.get("spec")
            && old.get("status") == definition.get("status")
            && json::is_terminating(old) == json::is_terminating(definition)
    };
    if old.is_some_and(is_same) {
        return;
    }
    let key = resource_key(definition);
    let conflict = name_conflict(core, definition);
    if conflict.is_none() {
        core.registry.replace(&key, resources(definition));
        if old.is_some_and(|old| old.pointer("/spec/versions") != definition.pointer("/spec/versions")) {
            complete_kept(core, &key);
        }
    }
    let mut next = definition.clone();
    write_status(core, &mut next, conflict.as_deref());
    if next == *definition {
        return;
    }
    let revision = json::text(definition, "/metadata/resourceVersion").parse().unwrap_or(0);
    // Another writer in between has its own follow-up, which sees the newer state.
    let _ = core.store.put(&ResourceKey::from(CRD_RESOURCE), Expect::Revision(revision), next);
}

/// Serves the definitions that the journal brought back.
pub(crate) fn restore(core: &Core) {
    let key = ResourceKey::from(CRD_RESOURCE);
    for stored in core.store.list(&key, None, None).map(|listing| listing.items).unwrap_or_default() {
        let accepted =
            condition(&stored.value, "NamesAccepted").is_some_and(|held| json::text(held, "/status") == "True");
        if accepted {
            let key = resource_key(&stored.value);
            core.registry.replace(&key, resources(&stored.value));
            complete_kept(core, &key);
        }
    }
}

/// Gives objects that were kept before the defaults that their definition has now: the real server fills them in whenever it reads.
fn complete_kept(core: &Core, key: &ResourceKey) {
    let Some(row) = storage_row(core, key) else { return };
    let Some(custom) = row.custom.filter(|custom| custom.schema.as_ref().is_some_and(has_defaults)) else { return };
    let api_version = crate::registry::api_version(&row.group, &row.version);
    core.store.amend(key, &|value| {
        let mut completed = value.clone();
        if json::text(value, "/apiVersion") == api_version {
            schema::fill_defaults(&custom, &mut completed);
        }
        completed
    });
}

fn has_defaults(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("default") || map.values().any(has_defaults),
        Value::Array(items) => items.iter().any(has_defaults),
        _ => false,
    }
}

/// Stops serving what a definition defined.
pub(crate) fn forget(core: &Core, definition: &Value) {
    core.registry.remove(&resource_key(definition));
}

/// A condition of an object's status by its type.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    json::list(object, "/status/conditions").iter().find(|condition| json::text(condition, "/type") == kind)
}

fn name_conflict(core: &Core, definition: &Value) -> Option<String> {
    let key = resource_key(definition);
    let group = json::text(definition, "/spec/group");
    let kind = json::text(definition, "/spec/names/kind");
    let list_kind = json::text(definition, "/spec/names/listKind");
    core.registry.all_stored().iter().filter(|other| other.group == group && other.key != key).find_map(|other| {
        [&other.kind, &other.list_kind]
            .into_iter()
            .find(|taken| *taken == kind || *taken == list_kind)
            .map(|taken| format!("{taken:?} is already in use"))
    })
}

fn write_status(core: &Core, definition: &mut Value, conflict: Option<&str>) {
    let now = rfc3339(core.clock.now());
    let names = definition.pointer("/spec/names").cloned().unwrap_or_else(|| json!({}));
    let (names_status, names_reason, names_message) = match conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_string()),
        Some(why) => ("False", "KindConflict", why.to_string()),
    };
    set_condition(definition, "NamesAccepted", names_status, names_reason, &names_message, &now);
    if conflict.is_none() {
        set_condition(
            definition,
            "Established",
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted",
            &now,
        );
        json::set(definition, &["status", "acceptedNames"], names);
    } else if condition(definition, "Established").is_none() {
        set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", &now);
        json::set(definition, &["status", "acceptedNames"], json!({"plural": "", "kind": ""}));
    }
    if json::is_terminating(definition) {
        let message = "CustomResource deletion is in progress";
        set_condition(definition, "Terminating", "True", "InstanceDeletionInProgress", message, &now);
    }
    let mut stored: Vec<Value> = json::list(definition, "/status/storedVersions").to_vec();
    for version in json::list(definition, "/spec/versions").iter().filter(|version| json::flag(version, "/storage")) {
        let name = json!(json::text(version, "/name"));
        if !stored.contains(&name) {
            stored.push(name);
        }
    }
    json::set(definition, &["status", "storedVersions"], stored);
}

fn set_condition(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
    let held = condition(object, kind).cloned();
    if held.as_ref().is_some_and(|held| json::text(held, "/status") == status && json::text(held, "/reason") == reason)
    {
        return;
    }
    let mut conditions = json::list(object, "/status/conditions").to_vec();
    conditions.retain(|condition| json::text(condition, "/type") != kind);
    conditions
        .push(json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}));
    json::set(object, &["status", "conditions"], conditions);
}

/// The registry's rows for a definition: one per served version.
fn resources(definition: &Value) -> Vec<Resource> {
    let versions = json::list(definition, "/spec/versions");
    let storage_version = versions
        .iter()
        .find(|version| json::flag(version, "/storage"))
        .map_or("", |version| json::text(version, "/name"))
        .to_string();
    versions
        .iter()
        .filter(|version| json::flag(version, "/served"))
        .map(|version| resource(definition, version, &storage_version))
        .collect()
}

fn resource(definition: &Value, version: &Value, storage_version: &str) -> Resource {
    let names = definition.pointer("/spec/names").unwrap_or(&Value::Null);
    let texts = |pointer: &str| -> Vec<String> {
        json::list(names, pointer).iter().filter_map(Value::as_str).map(str::to_string).collect()
    };
    let group = json::text(definition, "/spec/group").to_string();
    let kind = json::text(names, "/kind").to_string();
    let singular = match json::text(names, "/singular") {
        "" => kind.to_lowercase(),
        given => given.to_string(),
    };
    let list_kind = match json::text(names, "/listKind") {
        "" => format!("{kind}List"),
        given => given.to_string(),
    };
    let scale = version.pointer("/subresources/scale").map(|scale| ScalePaths {
        spec_replicas: pointer_of(json::text(scale, "/specReplicasPath")),
        status_replicas: pointer_of(json::text(scale, "/statusReplicasPath")),
        selector: scale.get("labelSelectorPath").and_then(Value::as_str).map(pointer_of),
    });
    let version_name = json::text(version, "/name").to_string();
    let deprecation_warning =
        json::flag(version, "/deprecated").then(|| match json::text(version, "/deprecationWarning") {
            "" => format!("{group}/{version_name} {kind} is deprecated"),
            given => given.to_string(),
        });
    let schema = version.pointer("/schema/openAPIV3Schema").cloned();
    let custom = CustomResource {
        merge: CustomSchema::new(schema.as_ref()),
        conversion: Conversion::of(definition),
        has_rules: schema.as_ref().is_some_and(rules::has_rules),
        schema,
        columns: json::list(version, "/additionalPrinterColumns").iter().map(column).collect(),
        selectable_fields: json::list(version, "/selectableFields")
            .iter()
            .map(|field| json::text(field, "/jsonPath").to_string())
            .collect(),
        deprecation_warning,
    };
    Resource {
        key: resource_key(definition),
        version: version_name,
        storage_version: storage_version.to_string(),
        list_kind,
        plural: json::text(names, "/plural").to_string(),
        singular,
        short_names: texts("/shortNames"),
        categories: texts("/categories"),
        scope: if json::text(definition, "/spec/scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
        has_status: version.pointer("/subresources/status").is_some(),
        scale,
        is_virtual: false,
        custom: Some(std::sync::Arc::new(custom)),
        group,
        kind,
    }
}

fn column(column: &Value) -> Column {
    let text = |pointer: &str| json::text(column, pointer).to_string();
    Column {
        name: text("/name"),
        kind: text("/type"),
        format: text("/format"),
        description: text("/description"),
        priority: json::integer(column, "/priority").unwrap_or(0),
        json_path: text("/jsonPath"),
    }
}

/// Turns a simple JSON path (`.spec.replicas`) into a pointer.
fn pointer_of(path: &str) -> String {
    path.split('.').filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect()
}

/// An empty map, for schemas without properties.
fn no_fields() -> &'static Map<String, Value> {
    static NONE: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
    NONE.get_or_init(Map::new)
}
