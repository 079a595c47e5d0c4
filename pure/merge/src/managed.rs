//! `metadata.managedFields`: who owns which fields of an object, and by which operation.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::fields::set::FieldSet;
use crate::fields::v1;

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    /// As managedFields writes it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells one entry of managedFields from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// How it writes.
    pub operation: Operation,
    /// The version it writes by; empty for an applier, which has one entry whatever the version.
    pub api_version: String,
    /// The subresource that it writes; empty for the object itself.
    pub subresource: String,
}

impl Manager {
    /// An applier of the object itself.
    #[must_use]
    pub fn applier(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            operation: Operation::Apply,
            api_version: String::new(),
            subresource: String::new(),
        }
    }
}

impl fmt::Display for Manager {
    /// As conflict messages name a manager: `"kubectl" with subresource "scale" using apps/v1`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(formatter, " with subresource {:?}", self.subresource)?;
        }
        if self.operation == Operation::Update {
            write!(formatter, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

/// What one manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The version whose paths the fields are.
    pub api_version: String,
    /// When this last changed, in RFC 3339 with seconds; `None` where not recorded.
    pub time: Option<String>,
    /// The fields.
    pub fields: FieldSet,
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedFields {
    /// By manager. Managers that own nothing are not kept.
    pub owned: BTreeMap<Manager, Owned>,
}

/// Why managedFields cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("managedFields entry {index}: {reason}")]
pub struct ReadError {
    /// The entry's place, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl ManagedFields {
    /// Reads the entries of an object; an object without any has none.
    ///
    /// # Errors
    /// An entry whose operation, version, type or fields Kubernetes would refuse.
    pub fn of(object: &Value) -> Result<Self, ReadError> {
        match object.pointer("/metadata/managedFields") {
            Some(Value::Array(entries)) => Self::read(entries),
            _ => Ok(Self::default()),
        }
    }

    /// Reads a list of entries. Of two entries of the same manager the later one counts.
    ///
    /// # Errors
    /// As [`ManagedFields::of`].
    pub fn read(entries: &[Value]) -> Result<Self, ReadError> {
        let mut owned = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let error = |reason: String| ReadError { index, reason };
            let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err(error("operation must be `Apply` or `Update`".to_owned())),
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() {
                return Err(error("apiVersion must not be empty".to_owned()));
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(error("missing fieldsType".to_owned())),
                other => return Err(error(format!("invalid fieldsType {other:?}"))),
            }
            let fields = match entry.get("fieldsV1") {
                None | Some(Value::Null) => FieldSet::default(),
                Some(fields) => v1::decode(fields).map_err(|e| error(e.to_string()))?,
            };
            let manager = Manager {
                name: text("manager").to_owned(),
                operation,
                api_version: match operation {
                    Operation::Apply => String::new(),
                    Operation::Update => api_version.to_owned(),
                },
                subresource: text("subresource").to_owned(),
            };
            owned.insert(
                manager,
                Owned {
                    api_version: api_version.to_owned(),
                    time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
                    fields,
                },
            );
        }
        Ok(Self { owned })
    }

    /// Writes the entries in the order in which kube-apiserver keeps them: appliers first, then by time, manager, version.
    #[must_use]
    pub fn write(&self) -> Vec<Value> {
        let mut entries: Vec<(&Manager, &Owned)> = self.owned.iter().collect();
        entries.sort_by_key(|(manager, owned)| {
            (
                manager.operation.text(),
                owned.time.as_deref().unwrap_or_default(),
                manager.name.as_str(),
                owned.api_version.as_str(),
                manager.subresource.as_str(),
            )
        });
        entries
            .into_iter()
            .map(|(manager, owned)| {
                let mut entry = Map::new();
                let mut put = |key: &str, value: &str| {
                    if !value.is_empty() {
                        entry.insert(key.to_owned(), Value::String(value.to_owned()));
                    }
                };
                put("manager", &manager.name);
                put("operation", manager.operation.text());
                put("apiVersion", &owned.api_version);
                put("time", owned.time.as_deref().unwrap_or_default());
                put("fieldsType", "FieldsV1");
                put("subresource", &manager.subresource);
                entry.insert("fieldsV1".to_owned(), v1::encode(&owned.fields));
                Value::Object(entry)
            })
            .collect()
    }

    /// Puts the entries into an object, in place of those it has.
    pub fn store(&self, object: &mut Value) {
        clear(object);
        if self.owned.is_empty() {
            return;
        }
        if let Value::Object(map) = object
            && let Value::Object(metadata) = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()))
        {
            metadata.insert("managedFields".to_owned(), Value::Array(self.write()));
        }
    }

    pub(crate) fn drop_empty(&mut self) {
        self.owned.retain(|_, owned| !owned.fields.is_empty());
    }
}

/// Takes the entries out of an object.
pub fn clear(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Whether two objects are the same but for the times in managedFields: then nothing is written and the older one stays.
///
/// Source: kube-apiserver, endpoints/handlers/fieldmanager/equality.go.
#[must_use]
pub fn same_but_for_times(left: &Value, right: &Value) -> bool {
    let without_times = |object: &Value| {
        let mut object = object.clone();
        if let Some(Value::Array(entries)) = object.pointer_mut("/metadata/managedFields") {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                entry.remove("time");
            }
            entries.sort_by(crate::value::compare);
        }
        object
    };
    crate::value::equal(&without_times(left), &without_times(right))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, time: &str) -> Value {
        json!({
            "manager": manager, "operation": operation, "apiVersion": "v1", "time": time,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}
        })
    }

    #[test]
    fn entries_are_kept_in_the_order_of_the_api_server() {
        let entries = [
            entry("b", "Update", "2026-01-01T00:00:00Z"),
            entry("z", "Apply", "2026-01-03T00:00:00Z"),
            entry("a", "Update", "2026-01-01T00:00:00Z"),
            entry("c", "Update", "2025-01-01T00:00:00Z"),
        ];
        let managed = ManagedFields::read(&entries).expect("reads");
        let names: Vec<Value> = managed.write().iter().map(|entry| entry["manager"].clone()).collect();
        assert_eq!(names, ["z", "c", "a", "b"]);
        assert_eq!(managed.write()[0], entries[1]);
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for (key, value) in [("operation", "Own"), ("apiVersion", ""), ("fieldsType", "FieldsV2")] {
            let mut bad = entry("a", "Apply", "");
            bad[key] = json!(value);
            assert!(ManagedFields::read(&[bad]).is_err(), "{key}");
        }
    }

    #[test]
    fn only_times_may_differ_for_objects_to_be_the_same() {
        let object = |time: &str| json!({"metadata": {"managedFields": [entry("a", "Apply", time)]}, "data": {}});
        assert!(same_but_for_times(&object("2026-01-01T00:00:00Z"), &object("2026-01-02T00:00:00Z")));
        let mut other = object("2026-01-01T00:00:00Z");
        other["data"] = json!({"a": "b"});
        assert!(!same_but_for_times(&object("2026-01-01T00:00:00Z"), &other));
    }
}
