//! Schemas of custom resources: from a CustomResourceDefinition's `openAPIV3Schema` to the types that merging reads.

use serde_json::Value;

use crate::builtin::kubernetes;
use crate::schema::{Node, Schema, Types};

/// The schema of one version of a custom resource.
#[derive(Debug)]
pub struct CustomSchema {
    types: Types,
}

/// The one name in a custom resource's types.
const ROOT: &str = "root";

impl CustomSchema {
    /// Reads an `openAPIV3Schema`. `None` where the version has none: then nothing is known but that it is an object.
    ///
    /// apiVersion, kind and metadata are declared as for every object; what the schema says of metadata is left to validation.
    #[must_use]
    pub fn new(open_api: Option<&Value>) -> Self {
        let mut node = open_api.map(Node::from_openapi).unwrap_or_default();
        node.declare_type_meta();
        Self { types: Types::from_nodes([(ROOT.to_owned(), node)], kubernetes()) }
    }

    /// The schema of the whole object.
    #[must_use]
    pub fn schema(&self) -> Schema<'_> {
        self.types.named(ROOT).expect("made with this name")
    }
}

/// The schema of a version of a CustomResourceDefinition object; `None` if it has no such version.
#[must_use]
pub fn version_schema(definition: &Value, version: &str) -> Option<CustomSchema> {
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let found = versions.iter().find(|candidate| candidate.get("name").and_then(Value::as_str) == Some(version))?;
    Some(CustomSchema::new(found.pointer("/schema/openAPIV3Schema")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ListKind;

    #[test]
    fn a_custom_schema_keeps_list_kinds_and_declares_metadata() {
        let custom = CustomSchema::new(Some(&json!({
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "rules": {
                            "type": "array",
                            "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["name"],
                            "items": {"type": "object", "properties": {"name": {"type": "string", "default": "main"}}}
                        },
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                                 "properties": {"deep": {"type": "object", "properties": {"x": {"type": "string"}}}}},
                        "size": {"type": "integer", "minimum": 1}
                    }
                }
            }
        })));
        let schema = custom.schema();
        let spec = schema.field("spec").unwrap();
        assert!(spec.entry("other").is_none());
        let rules = spec.field("rules").unwrap();
        assert_eq!(*rules.list_kind(), ListKind::Keyed(vec!["name".to_owned()]));
        assert_eq!(rules.items().default_of("name"), Some(&json!("main")));
        assert_eq!(spec.field("size").unwrap().node().keywords["minimum"], json!(1));
        assert!(spec.field("free").unwrap().field("deep").unwrap().entry("y").is_some());
        let finalizers = schema.field("metadata").unwrap().field("finalizers").unwrap();
        assert_eq!(*finalizers.list_kind(), ListKind::Set);
    }

    #[test]
    fn without_a_schema_anything_goes() {
        let custom = CustomSchema::new(None);
        assert!(custom.schema().entry("spec").is_some());
        let definition = json!({"spec": {"versions": [{"name": "v1"}]}});
        assert!(version_schema(&definition, "v1").is_some());
        assert!(version_schema(&definition, "v2").is_none());
    }
}
