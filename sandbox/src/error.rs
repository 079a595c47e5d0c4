//! What the API server answers when it refuses: one error value that becomes a Kubernetes `Status` object.
//!
//! The reasons, codes, message wording and `details` follow what kube-apiserver 1.36 sends, because clients
//! (kubectl, client-go, kube-rs) branch on them. Entry: [`ApiError`] and its constructors.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::outside::Call;

/// One offending field of an invalid object, a `details.causes` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The machine-readable kind, e.g. `FieldValueRequired`.
    pub(crate) reason: &'static str,
    /// The sentence without the field path, e.g. `Required value`.
    pub(crate) message: String,
    /// The path of the field, e.g. `spec.template.spec.containers[0].image`.
    pub(crate) field: String,
}

impl Cause {
    /// A mandatory field is absent.
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message =
            if detail.is_empty() { "Required value".to_string() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// A field has a value that is not allowed there.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {detail}", shown(value)),
            field: field.into(),
        }
    }

    /// A field has the wrong JSON type.
    pub(crate) fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: {}: {detail}", shown_type(value)),
            field: field.into(),
        }
    }

    /// A field has a value outside of its closed set.
    pub(crate) fn not_supported(field: impl Into<String>, value: &Value, allowed: &[&str]) -> Self {
        let list: Vec<String> = allowed.iter().map(|item| format!("{item:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {}: supported values: {}", shown(value), list.join(", ")),
            field: field.into(),
        }
    }

    /// Two list items or map entries that must differ are equal.
    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            message: format!("Duplicate value: {}", shown(value)),
            field: field.into(),
        }
    }

    /// A field may not be set in this situation.
    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {detail}"), field: field.into() }
    }

    /// A struct whose fields are told in a certain order is not allowed.
    pub(crate) fn ordered(field: &str, names: &[&str], values: &Map<String, Value>, detail: &str) -> Self {
        let parts: Vec<String> =
            names.iter().map(|name| format!("{name:?}:{}", values.get(*name).unwrap_or(&Value::Null))).collect();
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {{{}}}: {detail}", parts.join(",")),
            field: field.to_string(),
        }
    }

    /// A string is longer than allowed.
    pub(crate) fn too_long(field: impl Into<String>, max_bytes: usize) -> Self {
        Self {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {max_bytes} bytes"),
            field: field.into(),
        }
    }
}

/// Writes a value as Go's `field.Error` does: strings quoted, the rest as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "null".to_string(),
        other => other.to_string(),
    }
}

fn shown_type(value: &Value) -> String {
    match value {
        Value::Null => "\"null\"".to_string(),
        Value::Bool(_) => "\"boolean\"".to_string(),
        Value::Number(number) if number.is_f64() => "\"number\"".to_string(),
        Value::Number(_) => "\"integer\"".to_string(),
        Value::String(_) => "\"string\"".to_string(),
        Value::Array(_) => "\"array\"".to_string(),
        Value::Object(_) => "\"object\"".to_string(),
    }
}

/// A refusal, in Kubernetes' terms; turns into a `Status` object with [`ApiError::to_status`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    /// The HTTP status code.
    pub(crate) code: u16,
    /// Kubernetes' machine-readable reason, e.g. `NotFound`; empty when unknown.
    pub(crate) reason: &'static str,
    /// The sentence for people.
    pub(crate) message: String,
    /// `Status.details`, an object, or null when there is none.
    pub(crate) details: Value,
    /// What must be asked before the request can be answered; then this is no refusal.
    pub(crate) pending: Option<Arc<Call>>,
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self { code, reason, message: message.into(), details, pending: None }
    }

    /// Another server must be asked first.
    pub(crate) fn pending(call: Arc<Call>) -> Self {
        let mut error = Self::internal("another server must be asked first");
        error.pending = Some(call);
        error
    }

    /// The object does not exist. `resource` is `plural` or `plural.group`.
    pub(crate) fn not_found(resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} {name:?} not found"), resource_details(resource, name))
    }

    /// The path names no resource that is served.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource", json!({}))
    }

    /// An object of that name exists already.
    pub(crate) fn already_exists(resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} {name:?} already exists"), resource_details(resource, name))
    }

    /// The object changed since it was read, or a precondition does not hold.
    pub(crate) fn conflict(resource: &str, name: &str, why: &str) -> Self {
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"),
            resource_details(resource, name),
        )
    }

    /// The usual conflict of optimistic locking.
    pub(crate) fn modified(resource: &str, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// The object breaks validation rules; `kind` and `group` name its type.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let qualified = if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") };
        let mut sentences: Vec<String> = Vec::with_capacity(causes.len());
        for cause in &causes {
            let sentence = if cause.field.is_empty() {
                format!("<nil>: {}", cause.message)
            } else {
                format!("{}: {}", cause.field, cause.message)
            };
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        let summary = match sentences.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let list: Vec<Value> = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
            .collect();
        let mut details = Map::new();
        if !name.is_empty() {
            details.insert("name".into(), json!(name));
        }
        if !group.is_empty() {
            details.insert("group".into(), json!(group));
        }
        details.insert("kind".into(), json!(kind));
        details.insert("causes".into(), Value::Array(list));
        Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {summary}"), Value::Object(details))
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, Value::Null)
    }

    /// The body of a request did not come in time.
    pub(crate) fn body_too_slow() -> Self {
        Self::new(408, "Timeout", "the body of the request did not come in time", Value::Null)
    }

    /// The verb is not served at this path.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", json!({}))
    }

    /// The body's media type is not understood.
    pub(crate) fn unsupported_media_type(accepted: &[&str]) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                accepted.join(", ")
            ),
            Value::Null,
        )
    }

    /// None of the media types that the client accepts can be written.
    pub(crate) fn not_acceptable(accepted: &[&str]) -> Self {
        Self::new(
            406,
            "NotAcceptable",
            format!("only the following media types are accepted: {}", accepted.join(", ")),
            Value::Null,
        )
    }

    /// The asked history was compacted away.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message, Value::Null)
    }

    /// The asked revision lies in the future.
    pub(crate) fn revision_too_large(asked: u64, current: u64) -> Self {
        Self::new(
            504,
            "Timeout",
            format!("Too large resource version: {asked}, current: {current}"),
            json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                   "retryAfterSeconds": 1}),
        )
    }

    /// Something is wrong with the options of a request: `CreateOptions`, `ListOptions` and so on.
    pub(crate) fn bad_options(kind: &str, causes: Vec<Cause>) -> Self {
        Self::invalid("meta.k8s.io", kind, "", causes)
    }

    /// A refusal with the code 500 and no reason, as the real server gives where it forgot to say more.
    pub(crate) fn unexplained(message: impl Into<String>) -> Self {
        Self::new(500, "", message, Value::Null)
    }

    /// The write is not allowed.
    pub(crate) fn forbidden(resource: &str, name: &str, why: &str) -> Self {
        Self::new(
            403,
            "Forbidden",
            format!("{resource} {name:?} is forbidden: {why}"),
            resource_details(resource, name),
        )
    }

    /// The caller gave no valid credentials.
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized", Value::Null)
    }

    /// The namespace is being deleted: nothing new may be created in it.
    pub(crate) fn namespace_terminating(resource: &str, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut error = Self::forbidden(resource, name, &why);
        if let Value::Object(details) = &mut error.details {
            details.insert(
                "causes".into(),
                json!([{"reason": "NamespaceTerminating",
                        "message": format!("namespace {namespace} is being terminated"),
                        "field": "metadata.namespace"}]),
            );
        }
        error
    }

    /// The body is larger than the server takes.
    pub(crate) fn body_too_large(limit_bytes: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit_bytes}"), json!({}))
    }

    /// Server-side apply met fields that other managers own.
    pub(crate) fn apply_conflict(message: impl Into<String>, causes: Vec<Value>) -> Self {
        Self::new(409, "Conflict", message, json!({"causes": causes}))
    }

    /// The request would take the object past a disruption budget or another temporary limit.
    pub(crate) fn too_many_requests(message: impl Into<String>, causes: Value) -> Self {
        Self::new(429, "TooManyRequests", message, causes)
    }

    /// The server failed in a way that is its own fault.
    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {message}"),
            json!({"causes": [{"message": message.to_string()}]}),
        )
    }

    /// Too many bodies are being read at once.
    pub(crate) fn too_many_bodies() -> Self {
        Self::new(
            429,
            "TooManyRequests",
            "too many large requests at once, please try again later",
            json!({"retryAfterSeconds": 1}),
        )
    }

    /// What stands behind the server cannot be asked.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message, Value::Null)
    }

    /// The `Status` object as it goes over the wire.
    pub(crate) fn to_status(&self) -> Value {
        let mut status = Map::new();
        status.insert("kind".into(), json!("Status"));
        status.insert("apiVersion".into(), json!("v1"));
        status.insert("metadata".into(), json!({}));
        status.insert("status".into(), json!("Failure"));
        status.insert("message".into(), json!(self.message));
        if !self.reason.is_empty() {
            status.insert("reason".into(), json!(self.reason));
        }
        if !self.details.is_null() {
            status.insert("details".into(), self.details.clone());
        }
        status.insert("code".into(), json!(self.code));
        Value::Object(status)
    }
}

fn resource_details(resource: &str, name: &str) -> Value {
    let mut details = Map::new();
    if !name.is_empty() {
        details.insert("name".into(), json!(name));
    }
    match resource.split_once('.') {
        Some((plural, group)) => {
            details.insert("group".into(), json!(group));
            details.insert("kind".into(), json!(plural));
        }
        None => {
            details.insert("kind".into(), json!(resource));
        }
    }
    Value::Object(details)
}
