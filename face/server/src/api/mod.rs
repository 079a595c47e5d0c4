//! The API: one implementation of each operation, reached over gRPC, gRPC-web and REST.
//!
//! ```text
//! grpc.rs ─┐                                     ┌─ operations/applications.rs, change.rs, operate.rs, ...
//!          ├─> JSON ─> dispatch.rs (the table) ──┤
//! rest.rs ─┘              ^ gate.rs: who, may they └─ JSON, or a stream of it
//! ```

pub(crate) mod badge;
pub(crate) mod call;
mod dispatch;
pub mod gate;
mod grpc;
pub mod known;
pub mod limits;
pub mod openapi;
mod operations;
mod own;
pub mod pages;
mod rest;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use landfall_flow::reconcile::Controller;

use self::gate::Gate;
use self::limits::Limits;
use self::pages::Pages;

/// What the API is made of.
pub struct Api {
    /// The controller whose applications it shows and changes.
    pub controller: Arc<Controller>,
    /// Who may.
    pub gate: Arc<dyn Gate>,
    /// The version of this program.
    pub version: &'static str,
    /// Tells this process from those before it: who was following one of them begins anew.
    pub epoch: String,
    /// How much any one caller may ask for.
    pub limits: Arc<Limits>,
    /// Pages that were made a moment ago.
    pub pages: Pages,
}

/// Answers whatever is neither health, metrics nor webhook.
pub(crate) async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    match grpc::Tongue::of(content_type) {
        Some(tongue) => grpc::answer(api, tongue, request).await,
        None => match own::answer(&api, request).await {
            Ok(response) => response,
            Err(request) => rest::answer(api, request).await,
        },
    }
}

/// Where a request came from.
pub(crate) fn address(extensions: &axum::http::Extensions) -> String {
    let info = extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>();
    info.map(|info| info.0.ip().to_string()).unwrap_or_default()
}
