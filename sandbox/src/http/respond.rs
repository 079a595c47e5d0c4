//! Writing answers: objects, lists, tables, refusals.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Request;
use super::body::SandboxBody;
use super::negotiate::{Encoding, Form, Negotiated};
use crate::convert;
use crate::error::ApiError;
use crate::json;
use crate::operations::Outcome;
use crate::registry::Resource;
use crate::store::Stored;
use crate::table;

/// Text that is no API object.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<SandboxBody> {
    let mut response = Response::new(SandboxBody::whole(text.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// JSON bytes as they are.
pub(crate) fn json_bytes(status: StatusCode, bytes: impl Into<Bytes>) -> Response<SandboxBody> {
    let mut response = Response::new(SandboxBody::whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A value in the negotiated encoding.
pub(crate) fn value(status: StatusCode, value: &Value, encoding: Encoding) -> Response<SandboxBody> {
    match encoding {
        Encoding::Json => json_bytes(status, value.to_string()),
        Encoding::Yaml => yaml(status, value),
    }
}

fn yaml(status: StatusCode, value: &Value) -> Response<SandboxBody> {
    let mut response = Response::new(SandboxBody::whole(landfall_yaml::write(value)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    response
}

/// A refusal as a Status object.
pub(crate) fn refusal(request: &Request<'_>, error: &ApiError) -> Response<SandboxBody> {
    let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let accept = request.parts.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let encoding =
        super::negotiate::objects(accept.unwrap_or_default()).map_or(Encoding::Json, |wanted| wanted.encoding);
    let mut response = value(status, &error.to_status(), encoding);
    if matches!(error.code, 429 | 503 | 504) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if request.parts.method == Method::HEAD {
        *response.body_mut() = SandboxBody::whole(Bytes::new());
    }
    response
}

/// Adds `Warning` headers.
pub(crate) fn with_warnings(mut response: Response<SandboxBody>, warnings: &[String]) -> Response<SandboxBody> {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, header);
        }
    }
    response
}

/// JSON of a stored object in the resource's version.
pub(crate) fn object_json(resource: &Resource, stored: &Stored) -> Bytes {
    if !convert::is_same_shape(resource) {
        return convert::shown(resource, &stored.value).to_string().into();
    }
    let body = stored.body();
    let mut bytes = Vec::with_capacity(body.len() + 64);
    append_object(&mut bytes, resource, body);
    bytes.into()
}

/// Writes the head of an object and its body without the head.
fn append_object(bytes: &mut Vec<u8>, resource: &Resource, body: &[u8]) {
    bytes.extend_from_slice(b"{\"kind\":\"");
    bytes.extend_from_slice(resource.kind.as_bytes());
    bytes.extend_from_slice(b"\",\"apiVersion\":\"");
    bytes.extend_from_slice(resource.api_version().as_bytes());
    bytes.push(b'"');
    if body.len() > 2 {
        bytes.push(b',');
    }
    bytes.extend_from_slice(&body[1..]);
}

/// One object, in the negotiated representation.
pub(crate) fn object(
    status: StatusCode,
    resource: &Resource,
    stored: &Stored,
    negotiated: Negotiated,
    request: &Request<'_>,
) -> Response<SandboxBody> {
    let response = match (negotiated.form, negotiated.encoding) {
        (Form::Whole, Encoding::Json) => json_bytes(status, object_json(resource, stored)),
        (Form::Whole, Encoding::Yaml) => yaml(status, &convert::shown(resource, &stored.value)),
        (Form::Metadata, encoding) => value(status, &partial(&stored.value), encoding),
        (Form::Table, encoding) => {
            let include = table::Include::parse(request.params.text("includeObject"));
            let rows = [convert::shown(resource, &stored.value)];
            let whole = table::table(resource, rows.iter().map(AsRef::as_ref), include, true, request.now);
            let mut whole = whole;
            json::set(&mut whole, &["metadata", "resourceVersion"], stored.revision.to_string());
            value(status, &whole, encoding)
        }
    };
    let deprecation = deprecation(resource);
    with_warnings(response, deprecation.as_slice())
}

/// The sentence for clients of a version or kind that is not to be used any more.
pub(crate) fn deprecation(resource: &Resource) -> Option<String> {
    match &resource.custom {
        Some(custom) => custom.deprecation_warning.clone(),
        None if resource.key.as_str() == "endpoints" => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_string())
        }
        None => None,
    }
}

/// The outcome of a write.
pub(crate) fn outcome(
    resource: &Resource,
    outcome: &Outcome,
    negotiated: Negotiated,
    request: &Request<'_>,
) -> Response<SandboxBody> {
    let status = if outcome.created { StatusCode::CREATED } else { StatusCode::OK };
    with_warnings(object(status, resource, &outcome.object, negotiated, request), &outcome.warnings)
}

/// The metadata of an object as `PartialObjectMetadata`.
pub(crate) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// The metadata of a list.
pub(crate) fn list_metadata(revision: u64, continue_token: &str, remaining: Option<usize>) -> Value {
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    let map = json::as_map(&mut metadata);
    if !continue_token.is_empty() {
        map.insert("continue".into(), json!(continue_token));
    }
    if let Some(remaining) = remaining {
        map.insert("remainingItemCount".into(), json!(remaining));
    }
    metadata
}

/// A list of whole objects, joined from their stored bytes.
pub(crate) fn list_json(resource: &Resource, items: &[std::sync::Arc<Stored>], metadata: &Value) -> Bytes {
    let size: usize = items.iter().map(|stored| stored.body().len() + 80).sum();
    let mut bytes = Vec::with_capacity(size + 256);
    bytes.extend_from_slice(
        format!(
            "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[",
            resource.list_kind,
            resource.api_version()
        )
        .as_bytes(),
    );
    for (index, stored) in items.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        if !convert::is_same_shape(resource) {
            let mut shown = convert::shown(resource, &stored.value).into_owned();
            let map = json::as_map(&mut shown);
            map.remove("kind");
            map.remove("apiVersion");
            bytes.extend_from_slice(shown.to_string().as_bytes());
        } else if resource.custom.is_some() {
            append_object(&mut bytes, resource, stored.body());
        } else {
            // Items of built-in kinds carry no kind of their own.
            bytes.extend_from_slice(stored.body());
        }
    }
    bytes.extend_from_slice(b"]}\n");
    bytes.into()
}
