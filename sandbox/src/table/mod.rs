//! Tables: what `kubectl get` shows, computed by the server.
//!
//! Source: the printers of kube-apiserver 1.36 (`pkg/printers/internalversion`) and the table convertor of custom resources.

mod columns;
mod custom;
mod text;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::registry::Resource;

/// How much of the object goes with each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// Reads `?includeObject=`.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "None" => Self::None,
            "Object" => Self::Object,
            _ => Self::Metadata,
        }
    }
}

const NAME_DESCRIPTION: &str = "Name must be unique within a namespace. Is required when creating resources, although \
some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily \
intended for creation idempotence and configuration definition. Cannot be updated. More info: \
https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE_DESCRIPTION: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. \
It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It \
is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// A column: heading, type, format, whether it is shown only in wide output, description.
struct Heading {
    name: String,
    kind: String,
    format: String,
    priority: i64,
    description: String,
}

impl Heading {
    fn to_json(&self) -> Value {
        let description = match (self.name.as_str(), self.description.as_str()) {
            ("Name", "") => NAME_DESCRIPTION,
            ("Age" | "Created At", "") => AGE_DESCRIPTION,
            (_, given) => given,
        };
        json!({"name": self.name, "type": self.kind, "format": self.format, "description": description,
            "priority": self.priority})
    }
}

/// Makes a table of objects (in the resource's version).
pub(crate) fn table<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    include: Include,
    with_columns: bool,
    now: Timestamp,
) -> Value {
    let headings = match &resource.custom {
        Some(custom) => custom::headings(custom),
        None => columns::headings(resource),
    };
    let cells = |object: &Value| match &resource.custom {
        Some(custom) => custom::cells(custom, object, now),
        None => columns::cells(resource, object, now),
    };
    let mut objects: Vec<&Value> = objects.collect();
    if resource.custom.is_none() && resource.key.as_str() == "flowschemas.flowcontrol.apiserver.k8s.io" {
        // Told in the order in which they are tried.
        objects.sort_by_key(|object| crate::json::integer(object, "/spec/matchingPrecedence").unwrap_or(0));
    }
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let shown = match include {
                Include::None => Value::Null,
                Include::Metadata => json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": object.get("metadata").cloned().unwrap_or_default()}),
                Include::Object => object.clone(),
            };
            let mut row = json!({"cells": cells(object)});
            row["object"] = shown;
            row
        })
        .collect();
    let definitions: Vec<Value> =
        if with_columns { headings.iter().map(Heading::to_json).collect() } else { Vec::new() };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": definitions, "rows": rows})
}
