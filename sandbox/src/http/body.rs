//! Bodies: the one that answers have, and how request bodies are read.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::protobuf;
use crate::error::ApiError;
use crate::operations::Decoded;
use crate::serve::Running;

/// The body of an answer: all at once, or lines of a watch as they come.
#[derive(Debug)]
pub struct SandboxBody {
    content: Content,
    /// The request counts as running until its answer was sent.
    running: Option<Running>,
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Lines(mpsc::Receiver<Bytes>),
}

impl SandboxBody {
    /// A body that is known whole.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(Some(bytes.into())), running: None }
    }

    /// A body whose pieces come over a channel.
    pub(crate) fn lines(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self { content: Content::Lines(receiver), running: None }
    }

    /// Keeps the request running until this body was sent or given up.
    pub(crate) fn hold(&mut self, running: Running) {
        self.running = Some(running);
    }
}

impl Body for SandboxBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.content {
            Content::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Content::Lines(receiver) => receiver.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Lines(_) => SizeHint::default(),
        }
    }
}

/// The media types in which objects may come.
pub(crate) const ACCEPTED: &[&str] = &["application/json", "application/yaml", protobuf::MEDIA_TYPE];

/// How deep a body may nest; deeper ones are refused before they are built.
const DEPTH_MAX: usize = 200;

/// Reads a request body that is an object of a kind, by its `Content-Type` (JSON when there is none).
pub(crate) fn decode(content_type: &str, body: &Bytes, kind: &str) -> Result<Decoded, ApiError> {
    let unrecognized = |why: &str| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({})",
            summary(body)
        ))
    };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let decoded = match media_type {
        "" | "application/json" | "*/*" => decode_json(body).map_err(|why| unrecognized(&why))?,
        "application/yaml" | "application/x-yaml" | "text/yaml" => decode_yaml(body)?,
        protobuf::MEDIA_TYPE => protobuf::decode(body)
            .map(Decoded::from)
            .map_err(|why| ApiError::bad_request(format!("the body of the request is not readable protobuf: {why}")))?,
        _ => return Err(ApiError::unsupported_media_type(ACCEPTED)),
    };
    match go_kind(&decoded.value) {
        None => Ok(decoded),
        Some(found) => Err(unrecognized(&format!("json: cannot unmarshal {found} into Go value of type {TYPE_META}"))),
    }
}

/// What every object is read as first, as Go shows it.
const TYPE_META: &str = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
\"json:\\\"kind,omitempty\\\"\" }";

/// What a JSON value that is no object is called by Go, `None` for objects.
pub(crate) fn go_kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Object(_) | Value::Null => None,
        Value::Array(_) => Some("array"),
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
    }
}

/// The beginning of a body, for a refusal. Source: `summarizeData` of `k8s.io/apiserver`.
pub(crate) fn summary(body: &[u8]) -> String {
    use std::fmt::Write as _;
    const SHOWN_BYTES_MAX: usize = 30;
    let shown = &body[..body.len().min(SHOWN_BYTES_MAX)];
    let mut text = match body.first() {
        None => return "<empty>".to_string(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned(),
        Some(_) => shown.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    };
    if body.len() > SHOWN_BYTES_MAX {
        text.push_str(" ...");
    }
    text
}

/// Reads JSON and notices duplicate keys; what is wrong is told in Go's words.
pub(crate) fn decode_json(body: &Bytes) -> Result<Decoded, String> {
    let mut reading = Reading { path: String::new(), duplicates: Vec::new(), depth: 0 };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = (&mut reading)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| go_words(&error, body))?;
    Ok(Decoded { value, duplicates: reading.duplicates })
}

/// What is wrong with YAML, with its place as Go's reader tells it: not at all in the first line.
fn go_yaml_place(told: &str) -> String {
    match told.split_once(": ") {
        Some((place, what)) if place.starts_with("line 1,") => what.to_string(),
        Some((place, what)) => format!("{}: {what}", place.split(',').next().unwrap_or_default()),
        None => told.to_string(),
    }
}

/// A duplicate key of YAML, in the words of Go's reader.
fn go_yaml_words(told: &str) -> String {
    let (place, what) = told.split_once(": ").unwrap_or(("", told));
    let line = place.split(',').next().unwrap_or_default();
    format!("yaml: unmarshal errors:\n  {line}: {what}")
}

/// What is wrong with JSON, in the words of Go's decoder.
fn go_words(error: &serde_json::Error, body: &[u8]) -> String {
    let line_start: usize =
        body.split(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
    let at = line_start + error.column().saturating_sub(1);
    let told = error.to_string();
    if error.is_eof() {
        return "unexpected end of JSON input".to_string();
    }
    let found = body.get(at).map_or(' ', |byte| char::from(*byte));
    let place = if told.starts_with("key must be a string") {
        "looking for beginning of object key string"
    } else if told.starts_with("expected `:`") {
        "after object key"
    } else if told.starts_with("expected `,` or `}`") {
        "after object key:value pair"
    } else if told.starts_with("expected `,` or `]`") {
        "after array element"
    } else if told.starts_with("trailing characters") {
        "after top-level value"
    } else if told.starts_with("expected value") {
        "looking for beginning of value"
    } else {
        return told;
    };
    format!("invalid character '{found}' {place}")
}

/// Reads YAML (of which JSON is a part) as kubectl does.
pub(crate) fn decode_yaml(body: &Bytes) -> Result<Decoded, ApiError> {
    let looks_like_json =
        body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['));
    if looks_like_json && let Ok(decoded) = decode_json(body) {
        return Ok(decoded);
    }
    let value = landfall_yaml::read_one(body, landfall_yaml::Resolver::Kubernetes).map_err(|error| {
        ApiError::bad_request(format!(
            "error decoding YAML: error converting YAML to JSON: yaml: {}",
            go_yaml_place(&error.to_string())
        ))
    })?;
    let duplicates = match landfall_yaml::read_one(body, landfall_yaml::Resolver::KubernetesStrict) {
        Ok(_) => Vec::new(),
        Err(error) => vec![go_yaml_words(&error.to_string())],
    };
    Ok(Decoded { value, duplicates })
}

/// Reads a value and remembers where it is.
struct Reading {
    path: String,
    duplicates: Vec<String>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for &mut Reading {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Reading {
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(E::custom(format!("it nests deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        use std::fmt::Write as _;
        self.enter()?;
        let length = self.path.len();
        let mut items = Vec::new();
        loop {
            let _ = write!(self.path, "[{}]", items.len());
            let item = access.next_element_seed(&mut *self)?;
            self.path.truncate(length);
            match item {
                Some(item) => items.push(item),
                None => break,
            }
        }
        self.depth -= 1;
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.enter()?;
        let length = self.path.len();
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if map.contains_key(&key) {
                self.duplicates.push(self.path.clone());
            }
            let value = access.next_value_seed(&mut *self)?;
            self.path.truncate(length);
            map.insert(key, value);
        }
        self.depth -= 1;
        Ok(Value::Object(map))
    }
}
