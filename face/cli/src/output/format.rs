//! Objects as JSON and YAML.

use serde_json::{Map, Value};

/// Formats for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Indented by two spaces.
    Json,
    /// As `kubectl -o yaml` writes it.
    Yaml,
}

/// Writes a value with sorted keys, with a line's end.
pub(crate) fn text(value: &Value, format: Format) -> String {
    match format {
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&sorted(value)).expect("JSON values serialise");
            text.push('\n');
            text
        }
        Format::Yaml => landfall_yaml::write(value),
    }
}

/// Writes objects as YAML documents.
pub(crate) fn documents(objects: &[Value]) -> String {
    objects.iter().map(landfall_yaml::write).collect::<Vec<_>>().join("---\n")
}

/// Leaves out what only servers read.
pub(crate) fn for_people(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
