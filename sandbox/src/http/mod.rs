//! HTTP over the verbs: paths, parameters, media types, watches.
//!
//! ```text
//!  request -> who asks -> path -> resource -> verb -> operations -> representation (object, list, table, metadata)
//! ```
//!
//! Entry: [`Handler::handle`]. Nothing here knows a kind by name except where the API has a special path for it.

pub(crate) mod body;
mod control;
mod document;
mod faulty;
mod negotiate;
mod objects;
pub(crate) mod params;
pub(crate) mod path;
mod protobuf;
mod respond;
mod reviews;
mod special;
mod watch;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use body::SandboxBody;

use crate::error::ApiError;
use crate::operations::{Caller, Core};
use crate::tokens::Tokens;
use params::Params;
use path::Route;

/// The largest body that a request may have. Source: kube-apiserver's limit for writes, 3 MiB.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Answers requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct Handler {
    /// The verbs.
    pub(crate) core: Arc<Core>,
    /// Documents that are made from the table of kinds.
    documents: Arc<document::Documents>,
    /// Bearer tokens.
    pub(crate) tokens: Arc<Tokens>,
    /// Ends the watches when the sandbox stops.
    pub(crate) stop: tokio_util::sync::CancellationToken,
}

/// A request after its body was read.
pub(crate) struct Request<'a> {
    /// Method, headers, URI.
    pub(crate) parts: &'a Parts,
    /// Query parameters.
    pub(crate) params: Params,
    /// The body, whole.
    pub(crate) body: Bytes,
    /// Who asks.
    pub(crate) caller: Caller,
    /// When, by the sandbox' clock.
    pub(crate) now: jiff::Timestamp,
}

impl Handler {
    /// A handler over a core.
    pub(crate) fn new(core: Arc<Core>, stop: tokio_util::sync::CancellationToken) -> Self {
        Self { core, documents: Arc::default(), tokens: Arc::default(), stop }
    }

    /// Answers one request, in any case: refusals are answers.
    pub(crate) async fn handle(&self, parts: &Parts, body: Bytes, caller: Caller) -> Response<SandboxBody> {
        let params = Params::parse(parts.uri.query().unwrap_or_default());
        let request = Request { parts, params, body, caller, now: self.core.clock.now() };
        if request.parts.uri.path().starts_with(control::PREFIX) {
            return match self.control(&request).await {
                Ok(response) => response,
                Err(error) => respond::refusal(&request, &error),
            };
        }
        if let Some(held_up) = self.hold_up(&request).await {
            return held_up;
        }
        match self.route(&request).await {
            Ok(response) => response,
            Err(error) => respond::refusal(&request, &error),
        }
    }

    /// Answers a request whose body could not be read.
    pub(crate) fn refuse(&self, parts: &Parts, caller: Caller, error: &ApiError) -> Response<SandboxBody> {
        let now = self.core.clock.now();
        let request = Request { parts, params: Params::default(), body: Bytes::new(), caller, now };
        respond::refusal(&request, error)
    }

    async fn route(&self, request: &Request<'_>) -> Result<Response<SandboxBody>, ApiError> {
        let route = path::route(request.parts.uri.path());
        if let Route::Objects(path) = &route {
            return self.objects(request, path).await;
        }
        if route == Route::Unknown {
            return Ok(respond::plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        }
        if !matches!(request.parts.method, Method::GET | Method::HEAD) {
            return Err(ApiError::method_not_allowed());
        }
        self.document(request, &route)
    }
}
