//! From OpenAPI JSON to [`Node`].
//!
//! Source: kube-openapi, pkg/schemaconv (what kube-apiserver makes of the same documents for server-side apply).

use serde_json::{Map, Value};

use super::{ListKind, MapKind, Node, Unknown, ValueType};

/// What a place takes over from the places above it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Inherit {
    /// Nothing.
    Prune,
    /// An ancestor preserves unknown fields, and so do all places below.
    Preserve,
}

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/// A named type; two of Kubernetes' own say less in their schema than is true.
pub(super) fn named(name: &str, json: &str) -> Node {
    let mut node = serde_json::from_str(json).map(|value| node(&value, Inherit::Prune)).unwrap_or_default();
    match name {
        QUANTITY => node.value_type = ValueType::AnyScalar,
        RAW_EXTENSION => {
            node = Node { value_type: ValueType::AnyAtomic, ..Node::default() };
        }
        _ => {}
    }
    node
}

/// The kinds that a type's JSON says it is the schema of, without parsing the rest.
pub(super) fn kinds_of(json: &str) -> Vec<(String, String, String)> {
    /// Options types list every group of the API; they are nobody's object.
    const KINDS_MAX: usize = 8;
    let Some((_, tail)) = json.split_once("\"x-kubernetes-group-version-kind\":") else {
        return Vec::new();
    };
    let list = tail.split_inclusive(']').next().unwrap_or_default();
    let Ok(Value::Array(kinds)) = serde_json::from_str(list) else {
        return Vec::new();
    };
    if kinds.len() > KINDS_MAX {
        return Vec::new();
    }
    let text = |kind: &Value, key| kind.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    kinds.iter().map(|kind| (text(kind, "group"), text(kind, "version"), text(kind, "kind"))).collect()
}

pub(super) fn node(schema: &Value, inherit: Inherit) -> Node {
    let Some(map) = schema.as_object() else {
        return Node::default();
    };
    let is = |key: &str| map.get(key).and_then(Value::as_bool) == Some(true);
    let preserve_unknown = is("x-kubernetes-preserve-unknown-fields");
    let inherit = if preserve_unknown { Inherit::Preserve } else { inherit };
    let format = text(map, "format");
    let mut node = Node {
        value_type: value_type(map),
        reference: reference(map),
        items: map.get("items").map(|items| Box::new(self::node(items, inherit))),
        required: strings(map.get("required")),
        default: map.get("default").cloned(),
        list_kind: list_kind(map),
        map_kind: match map.get("x-kubernetes-map-type").and_then(Value::as_str) {
            Some("atomic") => Some(MapKind::Atomic),
            Some("granular") => Some(MapKind::Granular),
            _ => None,
        },
        patch_strategies: text(map, "x-kubernetes-patch-strategy")
            .split(',')
            .filter(|strategy| !strategy.is_empty())
            .map(str::to_owned)
            .collect(),
        patch_merge_key: map.get("x-kubernetes-patch-merge-key").and_then(Value::as_str).map(str::to_owned),
        nullable: is("nullable"),
        preserve_unknown,
        embedded_resource: is("x-kubernetes-embedded-resource"),
        int_or_string: is("x-kubernetes-int-or-string") || format == "int-or-string",
        format,
        ..Node::default()
    };
    node.required.sort_unstable();
    if let Some(Value::Object(properties)) = map.get("properties") {
        node.properties =
            properties.iter().map(|(name, property)| (name.clone(), self::node(property, inherit))).collect();
    }
    if node.embedded_resource {
        add_type_meta(&mut node);
    }
    node.unknown = match map.get("additionalProperties") {
        None if inherit == Inherit::Preserve || node.properties.is_empty() => Unknown::Anything,
        None | Some(Value::Bool(false)) => Unknown::Denied,
        Some(Value::Bool(true)) => Unknown::Anything,
        Some(values) => Unknown::Of(Box::new(self::node(values, inherit))),
    };
    node.keywords = map
        .iter()
        .filter(|(key, _)| !PARSED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    node
}

/// Keywords that have a field of their own in [`Node`].
const PARSED: [&str; 20] = [
    "type",
    "format",
    "$ref",
    "properties",
    "additionalProperties",
    "items",
    "required",
    "default",
    "nullable",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-unions",
    "xml",
];

/// Declares apiVersion, kind and metadata as every object has them, where the schema does not say more.
pub(super) fn add_type_meta(node: &mut Node) {
    let string = || Node { value_type: ValueType::String, ..Node::default() };
    for name in ["apiVersion", "kind"] {
        node.properties.entry(name.to_owned()).or_insert_with(string);
    }
    node.properties.insert(
        "metadata".to_owned(),
        Node { reference: Some("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta".to_owned()), ..Node::default() },
    );
}

fn text(map: &Map<String, Value>, key: &str) -> String {
    map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

fn reference(map: &Map<String, Value>) -> Option<String> {
    let own = map.get("$ref");
    let only =
        map.get("allOf").and_then(Value::as_array).filter(|list| list.len() == 1).and_then(|list| list[0].get("$ref"));
    let path = own.or(only)?.as_str()?;
    Some(path.rsplit('/').next().unwrap_or(path).to_owned())
}

fn value_type(map: &Map<String, Value>) -> ValueType {
    match map.get("type").and_then(Value::as_str) {
        Some("object") => ValueType::Object,
        Some("array") => ValueType::Array,
        Some("string") => ValueType::String,
        Some("integer") => ValueType::Integer,
        Some("number") => ValueType::Number,
        Some("boolean") => ValueType::Boolean,
        _ => ValueType::Any,
    }
}

/// `x-kubernetes-list-type` if there, else what strategic merge's extensions imply.
fn list_kind(map: &Map<String, Value>) -> Option<ListKind> {
    match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Some(ListKind::Set),
        Some("map") => Some(ListKind::Keyed(strings(map.get("x-kubernetes-list-map-keys")))),
        Some(_) => Some(ListKind::Atomic),
        None => match map.get("x-kubernetes-patch-strategy")?.as_str()? {
            "merge" | "merge,retainKeys" => {
                Some(match map.get("x-kubernetes-patch-merge-key").and_then(Value::as_str) {
                    Some(key) => ListKind::Keyed(vec![key.to_owned()]),
                    None => ListKind::Set,
                })
            }
            _ => None,
        },
    }
}
