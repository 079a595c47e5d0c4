//! REST: JSON over HTTP, as Argo CD's gateway gives it. Source: Argo CD 3.5 `server/server.go`, grpc-gateway 1.16.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use http_body_util::{BodyExt, Limited};
use landfall_api::error::{ApiError, Code};
use landfall_api::rest::{self, pairs};
use serde_json::{Value, json};

use super::call::{Answer, value_of};
use super::limits::TOO_MANY;
use super::{Api, address, dispatch};

/// The largest body.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Answers a request.
pub(super) async fn answer(api: Arc<Api>, request: Request) -> Response {
    let wants_events = accepts_events(&request);
    let (verb, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Some(Err(verbs)) = rest::find(verb.as_str(), &path) {
        return refuse_verb(&verb, &path, &verbs);
    }
    let query = request.uri().query().unwrap_or("").to_owned();
    match perform(api, request).await {
        Ok(answer) => send(answer, &query, wants_events),
        Err(error) => refuse(&error),
    }
}

fn accepts_events(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

async fn perform(api: Arc<Api>, request: Request) -> Result<Answer, ApiError> {
    let path = request.uri().path();
    let verb = request.method().clone();
    let found = match rest::find(verb.as_str(), path) {
        Some(Ok(found)) => found,
        Some(Err(_)) | None => {
            return Err(ApiError::not_found(format!("nothing is served at {path}"))
                .hint("/api/v1/applications is the beginning; the API is described at /api/v1/openapi.json"));
        }
    };
    if !matches!(verb, Verb::GET | Verb::HEAD | Verb::OPTIONS) {
        require_json(request.headers())?;
    }
    let address = address(request.extensions());
    let query = request.uri().query().unwrap_or("").to_owned();
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            ApiError::of(Code::ResourceExhausted, format!("the body is larger than {BODY_BYTES_MAX} bytes"))
        } else {
            ApiError::of(Code::Canceled, format!("the body ended early: {error}"))
        }
    })?;
    let messages = match found.method.takes_stream {
        // Several messages are several objects, one after the other.
        true => found.messages(&body.to_bytes())?,
        false => vec![found.request(&query, &body.to_bytes())?],
    };
    dispatch::call(&api, found.method, messages, &parts.headers, &address).await
}

/// Refuses a body of another type: a page of another site can make a browser send forms and text, but not this.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type
        .is_some_and(|text| text.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json"));
    if is_json {
        return Ok(());
    }
    Err(ApiError::invalid("Invalid content type").hint("send Content-Type: application/json"))
}

fn send(answer: Answer, query: &str, wants_events: bool) -> Response {
    let fields = pairs(query).find(|(name, _)| name == "fields").map(|(_, text)| text).filter(|text| !text.is_empty());
    match answer {
        Answer::One(mut value) => {
            if let Some(fields) = &fields {
                value = Fields::read(fields).of(value);
            }
            json_response(StatusCode::OK, serde_json::to_vec(&value).expect("JSON values serialise"))
        }
        Answer::Applications(items) => json_response(StatusCode::OK, list(&items, fields.as_deref())),
        Answer::Many(stream) => {
            let fields = fields.map(|fields| Fields::read(&fields));
            let lines = stream.map(move |item| {
                let value = match item {
                    Ok(value) => json!({"result": value}),
                    Err(error) => json!({"error": error_body(&error)}),
                };
                let value = match &fields {
                    Some(fields) => fields.of(value),
                    None => value,
                };
                let line = if wants_events { format!("data: {value}\n\n") } else { format!("{value}\n") };
                Ok::<_, std::convert::Infallible>(Bytes::from(line))
            });
            let mut response = Response::new(Body::from_stream(lines));
            let kind = if wants_events { "text/event-stream" } else { "application/json" };
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
    }
}

/// A list of Applications: their texts, one after the other.
fn list(items: &[Arc<landfall_flow::home::Known>], fields: Option<&str>) -> Vec<u8> {
    let version = items.iter().map(|known| known.resource_version.as_str()).max_by_key(|text| text.parse::<u64>().ok());
    let metadata = json!({"resourceVersion": version.unwrap_or("")});
    if let Some(fields) = fields {
        let fields = Fields::read(fields);
        let whole = json!({"metadata": metadata, "items": []});
        let mut out = fields.of(whole);
        let of_items = fields.below("items");
        if let Some(of_items) = of_items {
            out["items"] = items.iter().map(|known| of_items.of(value_of(known))).collect();
        }
        return serde_json::to_vec(&out).expect("JSON values serialise");
    }
    let length: usize = items.iter().map(|known| known.raw.len() + 1).sum();
    let mut out = Vec::with_capacity(length + 80);
    out.extend_from_slice(b"{\"metadata\":");
    out.extend_from_slice(metadata.to_string().as_bytes());
    out.extend_from_slice(b",\"items\":[");
    for (at, known) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&known.raw);
    }
    out.extend_from_slice(b"]}");
    out
}

/// Which fields of an answer are wanted: `items.metadata.name,metadata`, or with `-` before them, which are not.
/// Source: Argo CD `util/http` and `fields` of the UI.
struct Fields {
    paths: Vec<Vec<String>>,
    is_without: bool,
}

impl Fields {
    fn read(text: &str) -> Self {
        let (text, is_without) = text.strip_prefix('-').map_or((text, false), |text| (text, true));
        let path = |text: &str| text.trim().split('.').map(str::to_owned).collect();
        Self { paths: text.split(',').filter(|text| !text.trim().is_empty()).map(path).collect(), is_without }
    }

    /// The part of the fields below a field; `None` if that is left out altogether.
    fn below(&self, name: &str) -> Option<Self> {
        let of = |path: &Vec<String>| (path.first().map(String::as_str) == Some(name)).then(|| path[1..].to_vec());
        let paths: Vec<Vec<String>> = self.paths.iter().filter_map(of).collect();
        let is_whole = paths.iter().any(Vec::is_empty);
        match (self.is_without, paths.is_empty()) {
            (true, true) => Some(Self { paths, is_without: true }),
            (true, false) if is_whole => None,
            (true, false) => Some(Self { paths, is_without: true }),
            (false, true) => None,
            (false, false) if is_whole => Some(Self { paths: Vec::new(), is_without: true }),
            (false, false) => Some(Self { paths, is_without: false }),
        }
    }

    fn of(&self, value: Value) -> Value {
        match value {
            Value::Object(map) => {
                map.into_iter().filter_map(|(name, value)| Some((name.clone(), self.below(&name)?.of(value)))).collect()
            }
            Value::Array(list) => list.into_iter().map(|value| self.of(value)).collect(),
            other => other,
        }
    }
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error_body(error: &ApiError) -> Value {
    let mut body = json!({"error": error.text(), "code": error.code as u8, "message": error.message});
    if !error.hint.is_empty() {
        body["hint"] = json!(error.hint);
    }
    body
}

/// Refuses a verb that a path is not served with, and says which ones it is.
pub(crate) fn refuse_verb(verb: &Verb, path: &str, served: &[&str]) -> Response {
    let error = ApiError::unimplemented(format!("{verb} is not served at {path}"))
        .hint(format!("served there: {}", served.join(", ")));
    let mut response = refuse(&error);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    if let Ok(allowed) = HeaderValue::from_str(&served.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// A refusal as JSON.
pub(crate) fn refuse(error: &ApiError) -> Response {
    let is_content_type = error.message == "Invalid content type";
    let status = if is_content_type { 415 } else { error.code.http_status() };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, serde_json::to_vec(&error_body(error)).expect("JSON values serialise"));
    if error.message.starts_with(TOO_MANY) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
