//! Requests that are made to wait or are refused on demand.

use http::request::Parts;
use http::{HeaderValue, Method, Response};

use super::body::SandboxBody;
use super::path::{self, ObjectPath, Route};
use super::{Handler, Request, respond};
use crate::store::ResourceKey;

/// The verb of a request for objects, as access rules name it.
fn verb(method: &Method, path: &ObjectPath, query: &str) -> &'static str {
    let watches = path.is_watch || query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
    match (method.as_str(), path.name.is_some()) {
        ("GET" | "HEAD", _) if watches => "watch",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        _ => "deletecollection",
    }
}

impl Handler {
    /// Lets a request wait, and refuses it, as the rules about `@api` say. `None` lets it go on.
    pub(super) async fn hold_up(&self, request: &Request<'_>) -> Option<Response<SandboxBody>> {
        let rules = self.core.faults.rules(&self.core.store);
        if rules.api_is_well() {
            return None;
        }
        let parts: &Parts = request.parts;
        let (verb, resource) = match path::route(parts.uri.path()) {
            Route::Objects(path) => {
                let key = ResourceKey::new(&path.group, &path.plural);
                (verb(&parts.method, &path, parts.uri.query().unwrap_or_default()), key.as_str().to_string())
            }
            _ => ("get", "-".to_string()),
        };
        let verdict = rules.judge(verb, &resource, &self.core.random);
        if !verdict.wait.is_zero() {
            tokio::time::sleep(verdict.wait).await;
        }
        let (error, retry_after_s) = verdict.refusal?;
        let mut response = respond::refusal(request, &error);
        if error.code == 429 {
            response.headers_mut().insert("retry-after", HeaderValue::from(retry_after_s));
        }
        Some(response)
    }
}
