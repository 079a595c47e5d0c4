//! A server's API as JSON over HTTP. A token that has run out is replaced once with the refresh token.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use landfall_ports::web::{Web, WebAnswer, WebError, WebRequest};
use serde_json::Value;

use super::Target;

/// The largest answer that is read: some tens of thousands of applications.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A server.
pub(crate) struct Client {
    web: Arc<dyn Web>,
    target: Target,
    tokens: Mutex<Tokens>,
}

#[derive(Debug, Clone, Default)]
struct Tokens {
    access: String,
    refresh: String,
    is_new: bool,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The status of the answer; 0 if there was none.
    pub(crate) status: u16,
    /// The code of gRPC that the answer names.
    pub(crate) code: u64,
    /// The message.
    pub(crate) message: String,
}

impl Failure {
    /// Says whether the server tells no more than that something is not permitted: it does so of what is not there, too.
    pub(crate) fn is_denied_plainly(&self) -> bool {
        self.code == 7 && self.message.lines().next() == Some("permission denied")
    }
}

/// The codes of gRPC by number, as scripts know them from `argocd`. Source: gRPC `doc/statuscodes.md`.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// A message with the name of its code behind the first line.
pub(super) fn named(failure: &Failure) -> String {
    let code = usize::try_from(failure.code).ok().and_then(|code| CODES.get(code)).filter(|_| failure.status != 0);
    let Some(code) = code else { return failure.message.clone() };
    match failure.message.split_once('\n') {
        Some((first, rest)) => format!("{first} ({code})\n{rest}"),
        None => format!("{} ({code})", failure.message),
    }
}

impl From<WebError> for Failure {
    fn from(error: WebError) -> Self {
        let mut message = error.to_string();
        if error.reason.contains("certificate") {
            message.push_str("\nhint: --insecure believes any certificate, --server-crt FILE names one; --plaintext speaks without TLS");
        }
        Self { status: 0, code: 14, message }
    }
}

impl From<Failure> for anyhow::Error {
    fn from(failure: Failure) -> Self {
        let message = named(&failure);
        match failure.status {
            401 => anyhow!("{message}\nhint: sign in with `landfall login SERVER`, or again with `landfall relogin`"),
            _ => anyhow!(message),
        }
    }
}

impl Client {
    /// Speaks to a server.
    pub(crate) fn of(web: Arc<dyn Web>, target: Target) -> Self {
        let tokens = Tokens { access: target.token.clone(), refresh: target.refresh_token.clone(), is_new: false };
        Self { web, target, tokens: Mutex::new(tokens) }
    }

    /// The server.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The token that is used now.
    pub(crate) fn token(&self) -> String {
        self.tokens().access
    }

    /// Tokens that came in the place of those that were there: access and refresh.
    pub(crate) fn new_tokens(&self) -> Option<(String, String)> {
        let tokens = self.tokens();
        tokens.is_new.then_some((tokens.access, tokens.refresh))
    }

    fn tokens(&self) -> Tokens {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.call("GET", path, query, None).await
    }

    /// Sends a body and reads the answer.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.call("POST", path, &[], Some(body)).await
    }

    /// Sends several messages, one after the other, and reads the answer.
    pub(crate) async fn post_all(&self, path: &str, messages: &[Value]) -> Result<Value, Failure> {
        let body: String = messages.iter().map(|message| format!("{message}\n")).collect();
        let answer = self.open_with("POST", path, &[], body.into_bytes()).await?;
        self.answer(answer).await
    }

    /// Makes a request and reads the answer.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let answer = self.open(method, path, query, body).await?;
        self.answer(answer).await
    }

    async fn answer(&self, answer: WebAnswer) -> Result<Value, Failure> {
        let content = answer.read(&self.target.base, ANSWER_BYTES_MAX).await?;
        if content.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&content).map_err(|error| Failure {
            status: 200,
            code: 13,
            message: format!(
                "{} does not answer as an API of Argo CD: {error}\nhint: is the address right?",
                self.target.base
            ),
        })
    }

    /// Makes a request and hands over the answer while it comes.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<WebAnswer, Failure> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.open_with(method, path, query, body).await
    }

    async fn open_with(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<WebAnswer, Failure> {
        let url = format!("{}{path}{}", self.target.base, query_text(query));
        let tokens = self.tokens();
        let answer = self.send(method, &url, body.clone(), &tokens.access).await?;
        let answer = match answer.status == 401 && self.refresh().await? {
            true => self.send(method, &url, body, &self.tokens().access).await?,
            false => answer,
        };
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(failure(&self.target.base, answer).await)
    }

    async fn send(&self, method: &str, url: &str, body: Vec<u8>, token: &str) -> Result<WebAnswer, Failure> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        headers.extend(self.target.headers.iter().cloned());
        if !token.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        if method != "GET" {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let request = WebRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body,
            trust: self.target.trust.clone(),
        };
        Ok(self.web.send(request).await?)
    }

    /// Replaces the token with the refresh token; `false` if that cannot be done.
    async fn refresh(&self) -> Result<bool, Failure> {
        let tokens = self.tokens();
        if !tokens.refresh.starts_with("lfr_") {
            return Ok(false);
        }
        let url = format!("{}/api/v1/landfall/session/refresh", self.target.base);
        let body = serde_json::json!({"refreshToken": tokens.refresh});
        let answer = self.send("POST", &url, body.to_string().into_bytes(), "").await?;
        if answer.status != 200 {
            return Ok(false);
        }
        let content = answer.read(&self.target.base, ANSWER_BYTES_MAX).await?;
        let pair: Value = serde_json::from_slice(&content).unwrap_or_default();
        let text = |name: &str| pair[name].as_str().unwrap_or_default().to_owned();
        let next = Tokens { access: text("accessToken"), refresh: text("refreshToken"), is_new: true };
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }
}

async fn failure(base: &str, answer: WebAnswer) -> Failure {
    let status = answer.status;
    let content = answer.read(base, 1 << 20).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&content).unwrap_or_default();
    let code = body["code"].as_u64().unwrap_or(2);
    let text = body["message"].as_str().or(body["error"].as_str());
    let mut message = match text {
        Some(text) => text.to_owned(),
        None => format!("{base} answers with status {status}"),
    };
    if let Some(hint) = body["hint"].as_str().filter(|hint| !hint.is_empty()) {
        message.push_str(&format!("\nhint: {hint}"));
    }
    Failure { status, code, message }
}

fn query_text(query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// A text as one part of a path or one value of a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
