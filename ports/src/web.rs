//! HTTP to servers that a setting or a person names: OpenID providers, and Landfall's own API for its command line.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

/// Whose certificates are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// Certificates in PEM form, besides those that the machine trusts.
    pub certificates_pem: String,
    /// Whether any certificate will do; only for a person who asked for it.
    pub is_anyone_believed: bool,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct WebRequest {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The address.
    pub url: String,
    /// Headers; names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whose certificates are believed.
    pub trust: Trust,
}

/// An answer whose body still comes.
pub struct WebAnswer {
    /// The status.
    pub status: u16,
    /// Headers; names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, as it comes.
    pub body: BoxStream<'static, Result<Bytes, WebError>>,
}

/// A request that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} cannot be reached: {reason}")]
pub struct WebError {
    /// The address, without its query.
    pub url: String,
    /// The reason.
    pub reason: String,
}

/// Sends requests. Redirects are not followed: whoever asks decides whether to go elsewhere.
#[async_trait]
pub trait Web: Send + Sync {
    /// Sends a request and returns when the answer's head is there.
    async fn send(&self, request: WebRequest) -> Result<WebAnswer, WebError>;
}

impl WebAnswer {
    /// Finds a header; `name` is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads the whole body. Errors: it breaks off, or is larger than `bytes_max`.
    pub async fn read(mut self, url: &str, bytes_max: usize) -> Result<Vec<u8>, WebError> {
        let mut content = Vec::new();
        while let Some(chunk) = self.body.next().await {
            content.extend_from_slice(&chunk?);
            if content.len() > bytes_max {
                let reason = format!("the answer is larger than {bytes_max} bytes");
                return Err(WebError { url: url.to_owned(), reason });
            }
        }
        Ok(content)
    }
}
