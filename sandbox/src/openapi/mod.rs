//! OpenAPI documents of what is served: version 3 per group and version, version 2 as one document.
//!
//! Made from the table of kinds and their schemas; enough for `kubectl explain`, for kubectl's check of field validation
//! and patch types, and for clients that look up schemas. Descriptions come with the schemas.

use std::collections::{BTreeMap, BTreeSet};

use landfall_merge::builtin;
use serde_json::{Map, Value, json};

use crate::json;
use crate::registry::{Registry, Resource, api_version};

/// Where names of types begin in a document of version 3.
const SCHEMAS_V3: &str = "#/components/schemas/";
/// Where names of types begin in a document of version 2.
const SCHEMAS_V2: &str = "#/definitions/";

/// The key of a group and version in the index: `api/v1`, `apis/apps/v1`.
fn document_key(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v3`: where the documents are. `edition` changes when they do.
pub(crate) fn index(registry: &Registry, edition: u64) -> Value {
    let mut paths = Map::new();
    for resource in registry.all() {
        let key = document_key(&resource.group, &resource.version);
        let address = format!("/openapi/v3/{key}?hash={edition:016X}");
        paths.insert(key, json!({"serverRelativeURL": address}));
    }
    json!({"paths": paths})
}

/// One document of version 3, by its key.
pub(crate) fn document(registry: &Registry, key: &str) -> Option<Value> {
    let resources: Vec<_> =
        registry.all().into_iter().filter(|resource| document_key(&resource.group, &resource.version) == key).collect();
    if resources.is_empty() {
        return None;
    }
    let mut paths = Map::new();
    let mut schemas = Schemas::new(SCHEMAS_V3);
    for resource in &resources {
        let name = schemas.add_kind(resource);
        add_paths(&mut paths, resource, &name, Version::Three);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": builtin::KUBERNETES_VERSION},
        "paths": paths,
        "components": {"schemas": schemas.finished()},
    }))
}

/// `/openapi/v2`: everything in one document.
pub(crate) fn document_v2(registry: &Registry) -> Value {
    let mut paths = Map::new();
    let mut schemas = Schemas::new(SCHEMAS_V2);
    for resource in registry.all() {
        let name = schemas.add_kind(&resource);
        add_paths(&mut paths, &resource, &name, Version::Two);
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": builtin::KUBERNETES_VERSION},
        "paths": paths,
        "definitions": schemas.finished(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Two,
    Three,
}

/// The types of a document, gathered with everything that they refer to.
struct Schemas {
    prefix: &'static str,
    done: BTreeMap<String, Value>,
    waiting: BTreeSet<String>,
}

impl Schemas {
    fn new(prefix: &'static str) -> Self {
        Self { prefix, done: BTreeMap::new(), waiting: BTreeSet::new() }
    }

    /// Adds the type of a kind and of its list; returns the type's name.
    fn add_kind(&mut self, resource: &Resource) -> String {
        match (&resource.custom, builtin::kubernetes().kind_name(&resource.group, &resource.version, &resource.kind)) {
            (None, Some(name)) => {
                self.waiting.insert(name.to_string());
                let list = format!("{name}List");
                if builtin::kubernetes().json(&list).is_some() {
                    self.waiting.insert(list);
                }
                name.to_string()
            }
            (custom, _) => {
                let schema = custom.as_ref().and_then(|custom| custom.schema.clone());
                self.add_custom(resource, schema.unwrap_or_else(|| json!({"type": "object"})))
            }
        }
    }

    fn add_custom(&mut self, resource: &Resource, mut schema: Value) -> String {
        let reversed: Vec<&str> = resource.group.split('.').rev().collect();
        let base = format!("{}.{}", reversed.join("."), resource.version);
        let name = format!("{base}.{}", resource.kind);
        let kind = json!([{"group": resource.group, "version": resource.version, "kind": resource.kind}]);
        let list_kind = json!([{"group": resource.group, "version": resource.version, "kind": resource.list_kind}]);
        let meta = "io.k8s.apimachinery.pkg.apis.meta.v1";
        let object_meta = format!("{meta}.ObjectMeta");
        let list_meta = format!("{meta}.ListMeta");
        let free = json::flag(&schema, "/x-kubernetes-preserve-unknown-fields");
        if free && self.prefix == SCHEMAS_V2 {
            // Clients of version 2 take every field that is named for the only ones that there are.
            schema = json!({"type": "object"});
        }
        let has_fields = json::object(&schema, "/properties").is_some_and(|fields| !fields.is_empty());
        if (has_fields && self.prefix != SCHEMAS_V2) || !free {
            let properties = json::child(&mut schema, "properties");
            for (field, text) in [("apiVersion", API_VERSION_TEXT), ("kind", KIND_TEXT)] {
                properties.insert(field.into(), json!({"type": "string", "description": text}));
            }
            properties.insert("metadata".into(), self.reference(&object_meta, "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"));
            self.waiting.insert(object_meta);
        }
        json::as_map(&mut schema).insert("x-kubernetes-group-version-kind".into(), kind);
        let list_name = format!("{base}.{}", resource.list_kind);
        let list = json!({
            "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string", "description": API_VERSION_TEXT},
                "kind": {"type": "string", "description": KIND_TEXT},
                "metadata": self.reference(&list_meta, "Standard list metadata."),
                "items": {"type": "array", "items": {"$ref": format!("{}{name}", self.prefix)},
                    "description": format!("List of {}.", resource.plural)},
            },
            "x-kubernetes-group-version-kind": list_kind,
        });
        self.waiting.insert(list_meta);
        self.done.insert(name.clone(), schema);
        self.done.insert(list_name, list);
        name
    }

    /// A reference; version 3 cannot put other keywords beside one, so it wraps it.
    fn reference(&self, name: &str, description: &str) -> Value {
        let target = json!({"$ref": format!("{}{name}", self.prefix)});
        if self.prefix == SCHEMAS_V2 {
            let mut target = target;
            target["description"] = json!(description);
            return target;
        }
        json!({"allOf": [target], "description": description, "default": {}})
    }

    /// All types, with what they refer to.
    fn finished(mut self) -> Map<String, Value> {
        while let Some(name) = self.waiting.pop_first() {
            if self.done.contains_key(&name) {
                continue;
            }
            let Some(mut schema) = builtin::kubernetes().json(&name).and_then(|text| serde_json::from_str(text).ok())
            else {
                self.done.insert(name, json!({"type": "object"}));
                continue;
            };
            let descriptions = builtin::descriptions(&name).unwrap_or(Value::Null);
            describe(&mut schema, &descriptions);
            if self.prefix == SCHEMAS_V3 {
                list_values(&name, &mut schema);
            }
            self.resolve(&mut schema);
            self.done.insert(name, schema);
        }
        self.done.into_iter().collect()
    }

    /// Turns plain type names into references of this document.
    fn resolve(&mut self, schema: &mut Value) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::String(name)) = map.get("$ref").cloned() {
                    self.waiting.insert(name.clone());
                    let target = json!(format!("{}{name}", self.prefix));
                    if map.len() > 1 && self.prefix == SCHEMAS_V3 {
                        map.remove("$ref");
                        map.insert("allOf".into(), json!([{"$ref": target}]));
                    } else {
                        map.insert("$ref".into(), target);
                    }
                }
                for (key, inner) in map.iter_mut() {
                    match key.as_str() {
                        // Fields may be called like keywords; their schemas are schemas all the same.
                        "properties" => {
                            for field in inner.as_object_mut().into_iter().flat_map(Map::values_mut) {
                                self.resolve(field);
                            }
                        }
                        "default" | "$ref" | "allOf" => {}
                        _ => self.resolve(inner),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.resolve(item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

const API_VERSION_TEXT: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND_TEXT: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// Tells the values that fields of closed sets may have. Source: the documents of kube-apiserver 1.36.3 (`data/generate_enums.py`).
fn list_values(name: &str, schema: &mut Value) {
    static ENUMS: std::sync::LazyLock<Value> =
        std::sync::LazyLock::new(|| serde_json::from_str(include_str!("../../data/enums.json")).unwrap_or_default());
    for (field, told) in ENUMS.get(name).and_then(Value::as_object).into_iter().flatten() {
        let Some(place) = schema.get_mut("properties").and_then(|fields| fields.get_mut(field)) else { continue };
        let text = format!("{}{}", json::text(place, "/description"), json::text(told, "/text"));
        json::set(place, &["description"], text);
        let values = told.get("enum").cloned().unwrap_or_default();
        if json::flag(told, "/items") {
            json::set(place, &["items", "enum"], values);
        } else {
            json::set(place, &["enum"], values);
        }
    }
}

/// Puts the descriptions of a type and of its fields in place.
fn describe(schema: &mut Value, descriptions: &Value) {
    let Some(texts) = descriptions.as_object() else { return };
    for (field, text) in texts {
        let place = if field.is_empty() {
            Some(&mut *schema)
        } else {
            schema.get_mut("properties").and_then(|properties| properties.get_mut(field))
        };
        if let Some(Value::Object(place)) = place {
            place.insert("description".into(), text.clone());
        }
    }
}

/// The operations of a resource: what kubectl looks up are their kind and the parameters of PATCH.
fn add_paths(paths: &mut Map<String, Value>, resource: &Resource, type_name: &str, version: Version) {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    let collection = if resource.is_namespaced() {
        format!("{root}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("{root}/{}", resource.plural)
    };
    let single = format!("{collection}/{{name}}");
    let operation = |verb: &str, action: &str, parameters: &[&str]| {
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|name| match version {
                Version::Three => {
                    json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}})
                }
                Version::Two => json!({"name": name, "in": "query", "type": "string", "uniqueItems": true}),
            })
            .collect();
        let answer = match version {
            Version::Three => {
                json!({"description": "OK", "content": {"application/json": {"schema": {"$ref": format!("{SCHEMAS_V3}{type_name}")}}}})
            }
            Version::Two => json!({"description": "OK", "schema": {"$ref": format!("{SCHEMAS_V2}{type_name}")}}),
        };
        let namespaced = if resource.is_namespaced() { "Namespaced" } else { "" };
        json!({
            "operationId": format!("{verb}{}{namespaced}{}", api_version(&resource.group, &resource.version).replace(['/', '.'], ""), resource.kind),
            "tags": [api_version(&resource.group, &resource.version).replace(['/', '.'], "_")],
            "parameters": parameters,
            "responses": {"200": answer},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind":
                {"group": resource.group, "version": resource.version, "kind": resource.kind},
        })
    };
    let write = ["dryRun", "fieldManager", "fieldValidation", "pretty"];
    let list = [
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
        "pretty",
    ];
    let delete = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy", "pretty"];
    if resource.is_virtual {
        paths.insert(collection, json!({"post": operation("create", "post", &write)}));
        return;
    }
    paths.insert(
        collection,
        json!({"get": operation("list", "list", &list), "post": operation("create", "post", &write),
            "delete": operation("deleteCollection", "deletecollection", &list)}),
    );
    let patch = ["dryRun", "fieldManager", "fieldValidation", "force", "pretty"];
    paths.insert(
        single.clone(),
        json!({"get": operation("read", "get", &["pretty"]), "put": operation("replace", "put", &write),
            "patch": operation("patch", "patch", &patch), "delete": operation("delete", "delete", &delete)}),
    );
    if resource.has_status {
        paths.insert(
            format!("{single}/status"),
            json!({"get": operation("readStatus", "get", &["pretty"]), "put": operation("replaceStatus", "put", &write),
                "patch": operation("patchStatus", "patch", &patch)}),
        );
    }
}
