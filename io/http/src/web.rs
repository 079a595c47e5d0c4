//! HTTP to servers that a setting or a person names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use landfall_ports::web::{Trust, Web, WebAnswer, WebError, WebRequest};
use reqwest::{Certificate, Client, Method, redirect};

use crate::{USER_AGENT, innermost};

/// How long look-up, connection and TLS may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the first and every further byte. Streams of events say something at least this often.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Counts the clients that are kept, one per set of certificates.
const CLIENTS_MAX: usize = 16;

/// Sends requests; one client with its open connections per set of certificates.
#[derive(Debug, Default)]
pub struct WebClient {
    by_trust: Mutex<HashMap<Trust, Client>>,
}

impl WebClient {
    fn client(&self, trust: &Trust) -> Result<Client, String> {
        let mut clients = self.by_trust.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(trust) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .tls_danger_accept_invalid_certs(trust.is_anyone_believed);
        if !trust.certificates_pem.trim().is_empty() {
            let certificates = Certificate::from_pem_bundle(trust.certificates_pem.as_bytes())
                .map_err(|error| format!("the certificates to trust cannot be read: {error}"))?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| innermost(&error))?;
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(trust.clone(), client.clone());
        Ok(client)
    }
}

#[async_trait]
impl Web for WebClient {
    async fn send(&self, request: WebRequest) -> Result<WebAnswer, WebError> {
        // Queries may hold codes and tokens: messages name the address without.
        let url = request.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let failed = |reason: String| WebError { url: url.clone(), reason };
        let client = self.client(&request.trust).map_err(failed)?;
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| failed(error.to_string()))?;
        let mut builder = client.request(method, &request.url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let answer = builder.body(request.body).send().await.map_err(|error| failed(innermost(&error)))?;
        let status = answer.status().as_u16();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let place = url.clone();
        let broken = move |error: reqwest::Error| WebError { url: place.clone(), reason: innermost(&error) };
        let body = answer.bytes_stream().map(move |chunk| chunk.map_err(&broken)).boxed();
        Ok(WebAnswer { status, headers, body })
    }
}
