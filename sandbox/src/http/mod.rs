//! HTTP over the verbs: paths, parameters, media types, watches.
//!
//! ```text
//!  request -> who asks -> path -> resource -> verb -> operations -> representation (object, list, table, metadata)
//! ```
//!
//! Entry: [`Handler::handle`]. Nothing here knows a kind by name except where the API has a special path for it.

mod audit;
pub(crate) mod body;
mod control;
mod conversion;
mod document;
mod faulty;
mod files;
mod identity;
mod measures;
mod negotiate;
mod objects;
pub(crate) mod params;
pub(crate) mod path;
mod protobuf;
mod respond;
mod reviews;
mod special;
mod streams;
mod watch;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use body::SandboxBody;

use crate::error::ApiError;
use crate::operations::{Caller, Core, Memory};
use crate::tokens::{Identity, Tokens};
use crate::{access, outside};
pub(crate) use audit::AuditLog;
use params::Params;
use path::Route;

/// The largest body that a request may have. Source: kube-apiserver's limit for writes, 3 MiB.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What the bodies of all requests may take together while they are read and answered, in KiB.
const BODIES_KIBIBYTES_MAX: usize = 256 * 1024;

/// How many other servers are asked for one request at most.
const QUESTIONS_MAX: usize = 100;

/// Answers requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct Handler {
    /// The verbs.
    pub(crate) core: Arc<Core>,
    /// Documents that are made from the table of kinds.
    documents: Arc<document::Documents>,
    /// Bearer tokens.
    pub(crate) tokens: Arc<Tokens>,
    /// Where requests are written down, if anywhere.
    pub(crate) audit: Option<Arc<AuditLog>>,
    /// Room for the bodies of requests that are being read, in KiB.
    pub(crate) room: Arc<tokio::sync::Semaphore>,
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
    /// What the request remembers while it is tried again.
    pub(crate) memory: Arc<Memory>,
}

impl Handler {
    /// A handler over a core.
    pub(crate) fn new(core: Arc<Core>, stop: tokio_util::sync::CancellationToken) -> Self {
        let room = Arc::new(tokio::sync::Semaphore::new(BODIES_KIBIBYTES_MAX));
        Self { core, documents: Arc::default(), tokens: Arc::default(), audit: None, room, stop }
    }

    /// Answers one request, in any case: refusals are answers. `proved` is what the connection itself proved.
    pub(crate) async fn handle(&self, parts: &Parts, body: Bytes, proved: Option<Identity>) -> Response<SandboxBody> {
        let mut request = self.request(parts, body);
        let route = path::route(parts.uri.path());
        let wanted = identity::attributes(&parts.method, parts.uri.path(), &route, &request.params);
        match self.authenticate(parts, proved, &wanted) {
            Ok(identity) => request.caller.identity = Arc::new(identity),
            Err(error) => return respond::refusal(&request, &error),
        }
        if parts.uri.path().starts_with(control::PREFIX) {
            let allowed = access::require(&self.core, &request.caller.identity, &wanted);
            let answered = match allowed {
                Ok(()) => self.control(&request).await,
                Err(error) => Err(error),
            };
            return answered.unwrap_or_else(|error| respond::refusal(&request, &error));
        }
        if let Some(held_up) = self.hold_up(&request).await {
            return held_up;
        }
        let answered = match access::require(&self.core, &request.caller.identity, &wanted) {
            Ok(()) => self.answered(&request, &route).await,
            Err(error) => Err(error),
        };
        let response = match answered {
            Ok(response) => response,
            Err(error) => respond::refusal(&request, &error),
        };
        if let Some(audit) = &self.audit {
            audit.record(&self.core, &request, &wanted, response.status().as_u16());
        }
        response
    }

    fn request<'a>(&self, parts: &'a Parts, body: Bytes) -> Request<'a> {
        let agent = parts.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let caller =
            Caller { identity: Arc::new(Identity::anonymous()), user_agent: agent.unwrap_or_default().to_string() };
        let params = Params::parse(parts.uri.query().unwrap_or_default());
        Request { parts, params, body, caller, now: self.core.clock.now(), memory: Arc::default() }
    }

    /// Answers a request whose body could not be read.
    pub(crate) fn refuse(&self, parts: &Parts, error: &ApiError) -> Response<SandboxBody> {
        respond::refusal(&self.request(parts, Bytes::new()), error)
    }

    /// Answers; when another server must be asked first, asks it and begins again.
    async fn answered(&self, request: &Request<'_>, route: &Route) -> Result<Response<SandboxBody>, ApiError> {
        for _ in 0..QUESTIONS_MAX {
            match self.route(request, route).await {
                Err(ApiError { pending: Some(call), .. }) => {
                    let answer = outside::ask(&self.core, &call).await;
                    request.memory.keep(call.question.clone(), answer);
                }
                other => return other,
            }
        }
        Err(ApiError::internal("too many other servers must be asked"))
    }

    async fn route(&self, request: &Request<'_>, route: &Route) -> Result<Response<SandboxBody>, ApiError> {
        if let Route::Objects(path) = route {
            return self.objects(request, path).await;
        }
        if *route == Route::Unknown {
            return Ok(respond::plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        }
        if !matches!(request.parts.method, Method::GET | Method::HEAD) {
            return Err(ApiError::method_not_allowed());
        }
        self.document(request, route)
    }
}
