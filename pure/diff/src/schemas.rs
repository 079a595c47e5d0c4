//! Where the comparison finds what is known of a kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_merge::builtin::kubernetes;
use landfall_merge::crd::CustomSchema;
use landfall_merge::schema::Schema;

/// Answers with the schema of a kind.
pub trait Schemas {
    /// The schema of a kind of an `apiVersion`; `None` if nothing is known of it.
    fn schema(&self, api_version: &str, kind: &str) -> Option<Schema<'_>>;
}

/// Kubernetes' own kinds, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltIn;

impl Schemas for BuiltIn {
    fn schema(&self, api_version: &str, kind: &str) -> Option<Schema<'_>> {
        kubernetes().api_kind(api_version, kind)
    }
}

/// Kubernetes' own kinds and those of CustomResourceDefinitions.
#[derive(Debug, Default, Clone)]
pub struct WithCustom {
    /// By apiVersion and kind.
    pub custom: BTreeMap<(String, String), Arc<CustomSchema>>,
}

impl WithCustom {
    /// Adds all versions of a CustomResourceDefinition object; what is malformed in it is left out.
    pub fn add(&mut self, definition: &serde_json::Value) {
        let text = |pointer| definition.pointer(pointer).and_then(serde_json::Value::as_str);
        let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind")) else {
            return;
        };
        let versions = definition.pointer("/spec/versions").and_then(serde_json::Value::as_array);
        for name in versions.into_iter().flatten().filter_map(|version| version.get("name")?.as_str()) {
            if let Some(schema) = landfall_merge::crd::version_schema(definition, name) {
                self.custom.insert((format!("{group}/{name}"), kind.to_owned()), Arc::new(schema));
            }
        }
    }

    /// Forgets all versions of the kind that a CustomResourceDefinition object defines.
    pub fn remove(&mut self, definition: &serde_json::Value) {
        let text = |pointer| definition.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
        self.custom.retain(|(api_version, of), _| {
            of != kind || api_version.split_once('/').is_none_or(|(known, _)| known != group)
        });
    }
}

impl Schemas for WithCustom {
    fn schema(&self, api_version: &str, kind: &str) -> Option<Schema<'_>> {
        BuiltIn.schema(api_version, kind).or_else(|| {
            let key = (api_version.to_owned(), kind.to_owned());
            self.custom.get(&key).map(|known| known.schema())
        })
    }
}

/// Whether the API server holds objects of this schema as structs of its own.
pub(crate) fn is_built_in(schema: Schema<'_>) -> bool {
    schema.type_name().is_some_and(|name| name.starts_with("io.k8s."))
}
