//! The HTTP server: health, metrics, the webhook and the API. It decides nothing about applications: it asks the controller and
//! wakes it. The entry is [`serve`]; [`router`] is the same without a socket.
//!
//! ```text
//! ANY  /api/v1/...   the API over REST ([`api`]); over gRPC and gRPC-web at the same port
//! GET  /healthz      the process is alive
//! GET  /readyz       Applications and settings have been read once
//! GET  /metrics      OpenMetrics text
//! POST /api/webhook  a Git server tells of a push
//! ```

pub mod api;
mod keys;
pub mod listen;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use landfall_flow::metrics::scrape;
use landfall_flow::reconcile::Controller;
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;

use crate::api::Api;
use crate::keys::KnownKeys;

/// The largest webhook that is read. A push that names 2048 commits with their files stays below; a sender that sends
/// more than this is answered 413. Argo CD takes 50 MB from anybody.
const WEBHOOK_BYTES_MAX: usize = 10 << 20;
/// How long a request may take, its body included: a sender that trickles does not hold a connection for ever.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Server {
    controller: Arc<Controller>,
    keys: Arc<KnownKeys>,
}

/// Serves at an address until dropped.
///
/// Errors: the address is in use or not ours.
pub async fn serve(controller: Arc<Controller>, addr: SocketAddr) -> std::io::Result<()> {
    serve_on(controller, TcpListener::bind(addr).await?).await
}

/// Serves on a socket that listens already, until dropped.
pub async fn serve_on(controller: Arc<Controller>, listener: TcpListener) -> std::io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "health, metrics and webhook are served");
    axum::serve(listener, router(controller)).await
}

/// Answers requests.
pub fn router(controller: Arc<Controller>) -> Router {
    let server = Server { controller, keys: Arc::default() };
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(server.clone());
    health_and_webhook(server).merge(metrics)
}

fn health_and_webhook(server: Server) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/api/webhook", post(webhook::receive).layer(DefaultBodyLimit::max(WEBHOOK_BYTES_MAX)))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_LIMIT))
        .with_state(server)
}

/// Answers requests to the API, and those to health and webhook. Metrics name every application and ask nobody who they
/// are: they are served by [`router`] only.
pub fn router_with_api(api: Arc<Api>) -> Router {
    let answers =
        Router::new().route("/api/badge", get(api::badge::answer)).fallback(api::answer).with_state(api.clone());
    let server = Server { controller: api.controller.clone(), keys: Arc::default() };
    health_and_webhook(server).merge(answers)
}

async fn readiness(State(server): State<Server>) -> Response {
    match server.controller.home.is_ready() {
        Ok(true) => "ok\n".into_response(),
        Ok(false) => {
            let reason =
                "not ready: Applications, AppProjects, Secrets and ConfigMaps are being read for the first time\n";
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn metrics(State(server): State<Server>) -> Response {
    ([(header::CONTENT_TYPE, scrape::CONTENT_TYPE)], scrape::text(&server.controller).await).into_response()
}
