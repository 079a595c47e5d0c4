//! A plain HTTP port beside the API server: what pods answer, and Prometheus' query API over what they would be asked.
//!
//! ```text
//!  http://127.0.0.1:PORT/api/v1/query?query=…        Prometheus (query, query_range, series, labels, label/NAME/values)
//!  http://127.0.0.1:PORT/NAMESPACE/SERVICE/health     a ready pod of the Service answers
//!  Host: SERVICE.NAMESPACE[.svc.cluster.local]        the same, by name
//!  Host: of an Ingress                                the Service that the Ingress and its canary choose, by weight
//! ```
//!
//! One port serves all Services; the API server's own `…/services/NAME/proxy/…` leads here too. Entry: [`Front`].

mod pods;
mod prometheus;
mod server;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};

pub(crate) use pods::{Answer, ask_pod, ask_service};
pub(crate) use prometheus::query_now;
pub use server::HttpServing;
pub(crate) use server::serve;

use crate::http::SandboxBody;
use crate::http::params::Params;
use crate::http::path::percent_decoded;
use crate::operations::Core;

/// The largest body that is read: queries may be posted.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Answers plain HTTP requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    core: Arc<Core>,
}

impl Front {
    /// The front of a sandbox.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, parts: &Parts, body: Bytes) -> Response<SandboxBody> {
        let path = parts.uri.path();
        let host = parts
            .headers
            .get(http::header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| parts.uri.host())
            .unwrap_or_default();
        if let Some(answer) = pods::ask_host(&self.core, host, path) {
            return answer.send(&self.core).await;
        }
        if path.starts_with("/api/v1/") || path.starts_with("/-/") {
            let mut params = Params::parse(parts.uri.query().unwrap_or_default());
            if parts.method == http::Method::POST
                && let Ok(text) = std::str::from_utf8(&body)
            {
                params = Params::parse(&format!("{}&{text}", parts.uri.query().unwrap_or_default()));
            }
            let repeated: Vec<(String, String)> = parts
                .uri
                .query()
                .unwrap_or_default()
                .split('&')
                .chain(std::str::from_utf8(&body).unwrap_or_default().split('&'))
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (percent_decoded(key), percent_decoded(&value.replace('+', " "))))
                .collect();
            return prometheus::answer(&self.core, path, &params, &repeated);
        }
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [] => Answer::text(StatusCode::OK, HELP).into_response(),
            [namespace, service, rest @ ..] => {
                ask_service(&self.core, namespace, service, &format!("/{}", rest.join("/"))).send(&self.core).await
            }
            _ => Answer::text(StatusCode::NOT_FOUND, HELP).into_response(),
        }
    }
}

const HELP: &str = "This is the sandbox' plain HTTP port.
  /NAMESPACE/SERVICE/...         a ready pod of the Service answers: /health /healthz /ready /metrics /version
  Host: SERVICE.NAMESPACE        the same by name; the host of an Ingress works too
  /api/v1/query?query=PROMQL     Prometheus' query API: query, query_range, series, labels, label/NAME/values
";
