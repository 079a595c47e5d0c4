//! Documents about the server: discovery, OpenAPI, version, health.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{Response, StatusCode};
use landfall_merge::builtin::KUBERNETES_VERSION;
use serde_json::{Value, json};

use super::body::SandboxBody;
use super::negotiate::{clauses, wants_aggregated_discovery};
use super::path::Route;
use super::{Handler, Request, respond};
use crate::error::ApiError;
use crate::registry::is_builtin_group;
use crate::{discovery, openapi};

/// Documents made from the table of kinds, kept until the table changes.
#[derive(Debug, Default)]
pub(super) struct Documents {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    edition: u64,
    by_name: HashMap<String, Bytes>,
}

impl Documents {
    /// The document of a name, made if the table has changed since.
    fn get(&self, edition: u64, name: &str, make: impl FnOnce() -> Option<Value>) -> Option<Bytes> {
        {
            let mut kept = self.kept.lock().expect("no holder of this lock panics");
            if kept.edition != edition {
                *kept = Kept { edition, by_name: HashMap::new() };
            }
            if let Some(bytes) = kept.by_name.get(name) {
                return Some(bytes.clone());
            }
        }
        let bytes = Bytes::from(make()?.to_string());
        let mut kept = self.kept.lock().expect("no holder of this lock panics");
        if kept.edition == edition {
            kept.by_name.insert(name.to_string(), bytes.clone());
        }
        Some(bytes)
    }
}

/// The content type of aggregated discovery; clients look at it to know what they got.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

impl Handler {
    /// Answers a request for a document.
    pub(super) fn document(&self, request: &Request<'_>, route: &Route) -> Result<Response<SandboxBody>, ApiError> {
        let registry = Arc::clone(&self.core);
        let registry = &registry.registry;
        let edition = registry.edition();
        let accept = request.header(ACCEPT);
        let not_found = || Ok(respond::plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        match route {
            Route::CoreVersions | Route::Groups => {
                let core = *route == Route::CoreVersions;
                if wants_aggregated_discovery(accept).is_some() {
                    let name = if core { "discovery/api" } else { "discovery/apis" };
                    let bytes = self.documents.get(edition, name, || Some(discovery::aggregated(registry, core)));
                    return Ok(self.tagged(request, bytes.unwrap_or_default(), edition, AGGREGATED));
                }
                self.negotiated(request)?;
                let value = if core { discovery::core_versions() } else { discovery::group_list(registry) };
                Ok(respond::json_bytes(StatusCode::OK, value.to_string()))
            }
            Route::Group(name) => match discovery::group(registry, name) {
                Some(value) => Ok(respond::json_bytes(StatusCode::OK, value.to_string())),
                None => not_found(),
            },
            Route::Resources { group, version } => match discovery::resource_list(registry, group, version) {
                Some(value) => {
                    self.negotiated(request)?;
                    Ok(respond::json_bytes(StatusCode::OK, value.to_string()))
                }
                None if is_builtin_group(group) => Err(ApiError::no_such_resource()),
                None => not_found(),
            },
            Route::OpenIdConfiguration => {
                let issuer = crate::tokens::ISSUER;
                let told = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
                    "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"]});
                Ok(respond::json_bytes(StatusCode::OK, told.to_string()))
            }
            Route::OpenIdKeys => {
                let mut answer = respond::json_bytes(StatusCode::OK, self.tokens.key_set().to_string());
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
                Ok(answer)
            }
            Route::Version => Ok(respond::json_bytes(StatusCode::OK, version().to_string())),
            Route::Health => Ok(respond::plain(StatusCode::OK, "ok")),
            Route::OpenApiV3 => {
                let bytes = self.documents.get(edition, "openapi/v3", || Some(openapi::index(registry, edition)));
                Ok(self.tagged(request, bytes.unwrap_or_default(), edition, "application/json"))
            }
            Route::OpenApiV3Of(key) => {
                require_json(accept)?;
                match self.documents.get(edition, key, || openapi::document(registry, key)) {
                    Some(bytes) => Ok(self.tagged(request, bytes, edition, "application/json")),
                    None => not_found(),
                }
            }
            Route::OpenApiV2 => {
                require_json(accept)?;
                let bytes = self.documents.get(edition, "openapi/v2", || Some(openapi::document_v2(registry)));
                Ok(self.tagged(request, bytes.unwrap_or_default(), edition, "application/json"))
            }
            Route::Root => {
                let mut paths = vec!["/api".to_string(), "/api/v1".to_string(), "/apis".to_string()];
                for resource in registry.all().iter().filter(|resource| !resource.group.is_empty()) {
                    for path in [format!("/apis/{}", resource.group), format!("/apis/{}", resource.api_version())] {
                        if !paths.contains(&path) {
                            paths.push(path);
                        }
                    }
                }
                paths.extend(
                    ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_string),
                );
                Ok(respond::json_bytes(StatusCode::OK, json!({"paths": paths}).to_string()))
            }
            Route::Objects(_) | Route::Unknown => not_found(),
        }
    }

    /// Refuses what is not JSON.
    fn negotiated(&self, request: &Request<'_>) -> Result<(), ApiError> {
        request.negotiated().map(|_| ())
    }

    /// A document with an entity tag, or 304 when the client has it.
    fn tagged(
        &self,
        request: &Request<'_>,
        bytes: Bytes,
        edition: u64,
        content_type: &'static str,
    ) -> Response<SandboxBody> {
        let tag = format!("\"{edition:016X}{:08X}\"", bytes.len());
        let mut response = if request.header(IF_NONE_MATCH) == tag {
            respond::json_bytes(StatusCode::NOT_MODIFIED, Bytes::new())
        } else {
            respond::json_bytes(StatusCode::OK, bytes)
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// OpenAPI documents are written as JSON only; clients that insist on protobuf get 406 and go on without them.
fn require_json(accept: &str) -> Result<(), ApiError> {
    let takes_json = accept.is_empty()
        || clauses(accept)
            .iter()
            .any(|(media_type, _)| matches!(media_type.as_str(), "application/json" | "*/*" | "application/*"));
    if takes_json { Ok(()) } else { Err(ApiError::not_acceptable(&["application/json"])) }
}

/// The processor as Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `/version`.
fn version() -> Value {
    let mut parts = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": "35",
        "gitVersion": KUBERNETES_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    })
}
