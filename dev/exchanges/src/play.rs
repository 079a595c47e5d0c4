//! Plays a chapter against a server and collects the answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::table::{Chapter, Exchange};

/// How long an answer is waited for that must have something.
const UNTIL_MAX: Duration = Duration::from_secs(15);

/// A server to play against.
#[derive(Clone)]
pub struct Server {
    /// With the administrator's credentials.
    pub admin: Client,
    /// Without any.
    pub anonymous: Client,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The media type.
    pub media_type: String,
    /// The `Warning` headers.
    pub warnings: Vec<String>,
    /// The body: JSON, several JSON lines, or text.
    pub body: Value,
}

impl Answer {
    /// The form in which answers are stored.
    pub fn to_json(&self) -> Value {
        json!({"status": self.status, "type": self.media_type, "warnings": self.warnings, "body": self.body})
    }
}

/// Plays a chapter in a namespace of its own; the answers are in the order of the exchanges.
pub async fn play(server: &Server, chapter: &Chapter) -> anyhow::Result<Vec<Answer>> {
    let namespace = format!("x-{}", chapter.name);
    let mut kept = BTreeMap::from([("ns".to_string(), namespace.clone())]);
    // Namespaces and the service account that pods need; a real cluster's controllers would make the account.
    for (path, body) in [
        (
            "/api/v1/namespaces".to_string(),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        ),
        (
            format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}),
        ),
    ] {
        let request =
            Request::post(path).header("content-type", "application/json").header("user-agent", "exchanges/1.0");
        send(&server.admin, request.body(Body::from(body.to_string().into_bytes()))?).await?;
    }
    let mut answers = Vec::new();
    for exchange in &chapter.exchanges {
        let answer = one(server, exchange, &kept).await.with_context(|| exchange.promise.clone())?;
        for (name, pointer) in &exchange.keep {
            let value = answer.body.pointer(pointer).cloned().unwrap_or(Value::Null);
            kept.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_string));
        }
        answers.push(answer);
    }
    Ok(answers)
}

async fn one(server: &Server, exchange: &Exchange, kept: &BTreeMap<String, String>) -> anyhow::Result<Answer> {
    let deadline = Instant::now() + UNTIL_MAX;
    loop {
        let client = if exchange.is_anonymous { &server.anonymous } else { &server.admin };
        let answer = send(client, request(exchange, kept)?).await?;
        let fits = exchange.until.iter().all(|(pointer, wanted)| match pointer.as_str() {
            "status" => wanted.as_u64() == Some(u64::from(answer.status)),
            pointer => answer.body.pointer(pointer) == Some(wanted),
        });
        if fits || Instant::now() > deadline {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    // Longer names first, so that `$rv2` is not read as `$rv`.
    let mut names: Vec<&String> = kept.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.iter().fold(text.to_string(), |text, name| text.replace(&format!("${name}"), &kept[*name]))
}

fn request(exchange: &Exchange, kept: &BTreeMap<String, String>) -> anyhow::Result<Request<Body>> {
    let mut builder = Request::builder().method(exchange.method.as_str()).uri(filled(&exchange.path, kept));
    let body = match &exchange.body {
        Value::Null => Vec::new(),
        Value::String(text) => filled(text, kept).into_bytes(),
        other => filled(&other.to_string(), kept).into_bytes(),
    };
    let named = |name: &str| exchange.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    if !named("content-type") && !body.is_empty() {
        let default = if exchange.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        builder = builder.header("content-type", default);
    }
    if !named("accept") {
        builder = builder.header("accept", "application/json");
    }
    if !named("user-agent") {
        builder = builder.header("user-agent", "exchanges/1.0");
    }
    for (name, value) in &exchange.headers {
        builder = builder.header(name.as_str(), filled(value, kept));
    }
    Ok(builder.body(Body::from(body))?)
}

async fn send(client: &Client, request: Request<Body>) -> anyhow::Result<Answer> {
    let sent = tokio::time::timeout(Duration::from_secs(40), async {
        let response = client.send(request).await?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        anyhow::Ok((head, bytes))
    });
    let (head, bytes) = sent.await.context("no answer within 40 s")??;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = if text.is_empty() {
        Value::Null
    } else if let Ok(value) = serde_json::from_str::<Value>(&text) {
        // A stream of one line is a stream all the same.
        if value.get("type").is_some() && value.get("object").is_some() { json!({"lines": [value]}) } else { value }
    } else {
        let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str::<Value>).collect();
        match lines {
            Ok(lines) => json!({"lines": lines}),
            Err(_) => Value::String(text),
        }
    };
    let warnings =
        head.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok()).map(str::to_string).collect();
    Ok(Answer { status: head.status.as_u16(), media_type: header("content-type").to_string(), warnings, body })
}
