//! Requests and their errors: paths, queries, sending, and what a failed answer means.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use landfall_ports::cluster::{Cause, ClusterError, ServedKind, Write};
use serde_json::Value;

use crate::Forced;

/// How long one request may take, but for a watch; API servers cut requests off at 60 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(65);

/// One request, ready to be sent.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) action: String,
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
}

impl Call {
    pub(crate) fn get(path: String, action: String) -> Self {
        Self { method: "GET", path, query: Vec::new(), action, body: Vec::new(), content_type: "", accept: "" }
    }
}

pub(crate) struct Requester {
    pub(crate) client: Client,
}

impl Requester {
    /// Sends a request and parses the answer.
    pub(crate) async fn json(&self, call: Call) -> Result<Value, ClusterError> {
        let action = call.action.clone();
        let bytes = self.bytes(call).await?;
        serde_json::from_slice(&bytes).map_err(|error| ClusterError {
            cause: Cause::Internal,
            action,
            message: format!("the server's answer is no JSON: {error}"),
            retry_after: None,
        })
    }

    /// Sends a request and reads the answer whole.
    pub(crate) async fn bytes(&self, call: Call) -> Result<Bytes, ClusterError> {
        let action = call.action.clone();
        let collected = tokio::time::timeout(REQUEST_TIMEOUT, async {
            let body = self.stream(call).await?;
            body.collect_bytes().await.map_err(|error| unreachable_server(&action, &error))
        });
        match collected.await {
            Ok(result) => result,
            Err(_) => Err(ClusterError {
                cause: Cause::Unreachable,
                action,
                message: format!("the server did not answer within {} s", REQUEST_TIMEOUT.as_secs()),
                retry_after: None,
            }),
        }
    }

    /// Sends a request and returns the answer's body as it comes, if the server accepted the request.
    pub(crate) async fn stream(&self, call: Call) -> Result<Body, ClusterError> {
        let action = call.action.clone();
        let request = build(call).map_err(|error| ClusterError {
            cause: Cause::Invalid,
            action: action.clone(),
            message: format!("the request cannot be written: {error}"),
            retry_after: None,
        })?;
        let response = self.client.send(request).await.map_err(|error| unreachable_server(&action, &error))?;
        if response.status().is_success() { Ok(response.into_body()) } else { Err(failure(response, action).await) }
    }
}

fn build(call: Call) -> Result<Request<Body>, http::Error> {
    let mut uri = call.path;
    for (index, (name, value)) in call.query.iter().enumerate() {
        uri.push(if index == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.push_str(&escaped(value));
    }
    let mut request = Request::builder().method(call.method).uri(uri);
    let accept = if call.accept.is_empty() { "application/json" } else { call.accept };
    request = request.header(http::header::ACCEPT, accept);
    if !call.content_type.is_empty() {
        request = request.header(http::header::CONTENT_TYPE, call.content_type);
    }
    request.body(Body::from(call.body))
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte as char),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Writes an object as the body of a request.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON values serialise")
}

pub(crate) fn write_query(write: &Write, forced: Forced) -> Vec<(&'static str, String)> {
    let mut query = vec![("fieldManager", write.manager.clone())];
    if write.force && forced == Forced::AsWritten {
        query.push(("force", "true".to_owned()));
    }
    if write.dry_run {
        query.push(("dryRun", "All".to_owned()));
    }
    query.push(("fieldValidation", if write.strict { "Strict" } else { "Ignore" }.to_owned()));
    query
}

/// The path of all objects of a kind, in one namespace or (`""`) in all.
pub(crate) fn collection_path(kind: &ServedKind, namespace: &str) -> String {
    let gvk = &kind.gvk;
    let root = if gvk.group.is_empty() {
        format!("/api/{}", gvk.version)
    } else {
        format!("/apis/{}/{}", gvk.group, gvk.version)
    };
    if kind.is_namespaced && !namespace.is_empty() {
        format!("{root}/namespaces/{}/{}", escaped(namespace), kind.plural)
    } else {
        format!("{root}/{}", kind.plural)
    }
}

/// The path of one object.
pub(crate) fn object_path(kind: &ServedKind, namespace: &str, name: &str, subresource: &str) -> String {
    let mut path = format!("{}/{}", collection_path(kind, namespace), escaped(name));
    if !subresource.is_empty() {
        path.push('/');
        path.push_str(subresource);
    }
    path
}

fn unreachable_server(action: &str, error: &dyn std::error::Error) -> ClusterError {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = inner.source();
    }
    ClusterError { cause: Cause::Unreachable, action: action.to_owned(), message, retry_after: None }
}

async fn failure(response: Response<Body>, action: String) -> ClusterError {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let bytes = response.into_body().collect_bytes().await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let mut message = text("message");
    if message.is_empty() {
        message = format!("{status}: {}", String::from_utf8_lossy(&bytes).trim());
    }
    ClusterError { cause: cause(status, &text("reason"), &body), action, message, retry_after }
}

/// Reads an answer's cause. A 404 without the name of an object means that the kind itself is not served.
pub(crate) fn cause(status: StatusCode, reason: &str, body: &Value) -> Cause {
    match status.as_u16() {
        401 => Cause::Unauthorized,
        403 => Cause::Forbidden,
        404 if body.pointer("/details/name").is_none() => Cause::NotServed,
        404 => Cause::NotFound,
        409 if reason == "AlreadyExists" => Cause::AlreadyExists,
        409 => Cause::Conflict,
        410 => Cause::Gone,
        413 => Cause::TooLarge,
        429 => Cause::TooManyRequests,
        400..=499 => Cause::Invalid,
        _ => Cause::Internal,
    }
}
