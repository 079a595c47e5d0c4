//! gRPC over HTTP/2, and gRPC-web (binary and text) over whatever carries it: frames, trailers, and nothing more.
//! Source: the gRPC protocol over HTTP/2 and its gRPC-web variation.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{Stream, StreamExt};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Frame;
use landfall_api::error::{ApiError, Code};
use landfall_api::schema::{Method, schema};
use landfall_api::wire;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::call::{Answer, value_of};
use super::{Api, address, dispatch};

/// The largest request; files that are rendered elsewhere come in pieces, which count together.
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// What stands before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Marks the frame of gRPC-web that holds the trailers.
const TRAILERS_MARK: u8 = 0x80;

/// How messages are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// gRPC.
    Grpc,
    /// gRPC-web.
    Web,
    /// gRPC-web in base64.
    WebText,
}

impl Tongue {
    /// Recognises a content type.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let plain = content_type.split(['+', ';']).next().unwrap_or("").trim();
        match plain {
            "application/grpc" => Some(Self::Grpc),
            "application/grpc-web" => Some(Self::Web),
            "application/grpc-web-text" => Some(Self::WebText),
            _ => None,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text+proto",
        }
    }

    /// A piece of the body as it is sent.
    fn wrap(self, bytes: Vec<u8>) -> Bytes {
        match self {
            Self::Grpc | Self::Web => bytes.into(),
            Self::WebText => STANDARD.encode(bytes).into(),
        }
    }
}

/// Answers a call.
pub(super) async fn answer(api: Arc<Api>, tongue: Tongue, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let Some(method) = schema().method(&path) else {
        let error = ApiError::unimplemented(format!("there is no method /{path}"));
        return refuse(tongue, &error);
    };
    let address = address(request.extensions());
    let limit = timeout(request.headers());
    let (parts, body) = request.into_parts();
    let work = async {
        let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                ApiError::of(Code::ResourceExhausted, format!("the request is larger than {REQUEST_BYTES_MAX} bytes"))
            } else {
                ApiError::of(Code::Canceled, format!("the request ended early: {error}"))
            }
        })?;
        let messages = messages(tongue, method, &body.to_bytes())?;
        dispatch::call(&api, method, messages, &parts.headers, &address).await
    };
    let outcome = match limit {
        Some(limit) => tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(ApiError::of(Code::DeadlineExceeded, "the caller's deadline has passed"))),
        None => work.await,
    };
    match outcome {
        Ok(answer) => send(tongue, method, answer, limit),
        Err(error) => refuse(tongue, &error),
    }
}

/// The deadline that a client asks for. Source: `Timeout` of the protocol.
fn timeout(headers: &HeaderMap) -> Option<std::time::Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let nanoseconds_each: u64 = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    Some(std::time::Duration::from_nanos(number.saturating_mul(nanoseconds_each)))
}

/// Takes the messages out of a body.
fn messages(tongue: Tongue, method: &Method, body: &Bytes) -> Result<Vec<Value>, ApiError> {
    let decoded;
    let mut rest: &[u8] = match tongue {
        Tongue::WebText => {
            decoded = STANDARD.decode(body).map_err(|_| ApiError::invalid("the body is no base64"))?;
            &decoded
        }
        Tongue::Grpc | Tongue::Web => body,
    };
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (prefix, after) = rest
            .split_at_checked(PREFIX_BYTES)
            .ok_or_else(|| ApiError::invalid("the body ends within a message's length"))?;
        if prefix[0] & TRAILERS_MARK != 0 {
            break;
        }
        if prefix[0] != 0 {
            return Err(
                ApiError::unimplemented("compressed requests are not understood").hint("send grpc-encoding: identity")
            );
        }
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let (message, after) =
            after.split_at_checked(length).ok_or_else(|| ApiError::invalid("the body ends within a message"))?;
        found.push(wire::decode(method.takes, message)?);
        if !method.takes_stream && found.len() > 1 {
            return Err(ApiError::invalid("there is more than one message"));
        }
        rest = after;
    }
    if found.is_empty() && !method.takes_stream {
        return Err(ApiError::invalid("there is no message"));
    }
    Ok(found)
}

fn framed(method: &Method, value: &Value) -> Vec<u8> {
    let mut out = vec![0; PREFIX_BYTES];
    wire::encode_into(method.gives, value, &mut out);
    finish(&mut out);
    out
}

/// Fills the length in.
fn finish(out: &mut [u8]) {
    let length = u32::try_from(out.len() - PREFIX_BYTES).unwrap_or(u32::MAX);
    out[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
}

fn send(tongue: Tongue, method: &'static Method, answer: Answer, limit: Option<std::time::Duration>) -> Response {
    match answer {
        Answer::One(value) => {
            let first = futures::stream::once(async move { Ok(framed(method, &value)) });
            respond(tongue, first)
        }
        Answer::Applications(items) => {
            let first = futures::stream::once(async move { Ok(framed_list(method, &items)) });
            respond(tongue, first)
        }
        Answer::Many(stream) => {
            let stream = stream.map(move |item| item.map(|value| framed(method, &value)));
            match limit {
                None => respond(tongue, stream),
                Some(limit) => {
                    let end = Box::pin(tokio::time::sleep(limit));
                    let late = futures::stream::once(async {
                        Err(ApiError::of(Code::DeadlineExceeded, "the caller's deadline has passed"))
                    });
                    respond(tongue, stream.take_until(end).chain(late))
                }
            }
        }
    }
}

/// A list of Applications: each is read from its text, written, and let go of.
fn framed_list(method: &Method, items: &[Arc<landfall_flow::home::Known>]) -> Vec<u8> {
    let schema = schema();
    let mut out = vec![0; PREFIX_BYTES];
    let list = &schema.messages[method.gives];
    let version = items.iter().map(|known| known.resource_version.as_str()).max_by_key(|text| text.parse::<u64>().ok());
    let head = serde_json::json!({"metadata": {"resourceVersion": version.unwrap_or("")}});
    wire::encode_into(method.gives, &head, &mut out);
    let field = list.field("items").expect("a list has items");
    if let landfall_api::schema::Kind::Message(item) = field.kind {
        for known in items {
            wire::encode_field(field.number, item, &value_of(known), &mut out);
        }
    }
    finish(&mut out);
    out
}

/// Sends messages as they come, and the status behind them.
fn respond(tongue: Tongue, messages: impl Stream<Item = Result<Vec<u8>, ApiError>> + Send + 'static) -> Response {
    let mut has_ended = false;
    let ends = messages.map(Some).chain(futures::stream::once(async { None })).filter_map(move |item| {
        let frame = match item {
            _ if has_ended => None,
            Some(Ok(bytes)) => Some(Frame::data(tongue.wrap(bytes))),
            Some(Err(error)) => {
                has_ended = true;
                Some(trailers(tongue, Some(&error)))
            }
            None => Some(trailers(tongue, None)),
        };
        futures::future::ready(frame.map(Ok::<_, std::convert::Infallible>))
    });
    let mut response = Response::new(Body::new(StreamBody::new(ends)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(tongue.content_type()));
    response
}

fn trailers(tongue: Tongue, error: Option<&ApiError>) -> Frame<Bytes> {
    let headers = status(error);
    if tongue == Tongue::Grpc {
        return Frame::trailers(headers);
    }
    let mut text = Vec::new();
    for (name, value) in &headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    let mut out = vec![0; PREFIX_BYTES];
    out[0] = TRAILERS_MARK;
    out.extend_from_slice(&text);
    finish(&mut out);
    Frame::data(tongue.wrap(out))
}

/// What a message in a header must not hold as it is.
const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b'%');

fn status(error: Option<&ApiError>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let code = error.map_or(0, |error| error.code as u8);
    headers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    if let Some(error) = error {
        let message = utf8_percent_encode(&error.text(), NOT_PLAIN).to_string();
        if let Ok(value) = HeaderValue::from_str(&message) {
            headers.insert("grpc-message", value);
        }
    }
    headers
}

/// A refusal before anything was sent: the status stands in the headers.
pub(super) fn refuse(tongue: Tongue, error: &ApiError) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = status(Some(error));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(tongue.content_type()));
    response
}
