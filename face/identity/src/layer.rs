//! The layer in front of every route: it finds out who calls and puts [`Identified`] into the request's extensions. It
//! refuses nobody for that; routes do, because some of them answer anybody. What it does refuse is a page of another site
//! that has a browser change something (`guard`).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method};
use landfall_api::error::{ApiError, Code};
use landfall_ports::web::Web;

use crate::access::{Access, Snapshot};
use crate::accounts::Capability;
use crate::caller::{Caller, Carrier, ISSUER, Identified, Via};
use crate::guard;
use crate::oidc::{OidcSettings, Provider};
use crate::tokens::{self, NewToken, RENEW_SECONDS};
use crate::{extract, oidc};

/// The header in which a client gets a new token shortly before its own ends. Source: Argo CD `server/server.go`
/// (renewTokenKey).
const RENEW_HEADER: &str = "renew-token";

/// Where REST signs in and out.
const SESSION_PATH: &str = "/api/v1/session";
/// The largest answer to that.
const SESSION_BYTES_MAX: usize = 256 * 1024;

/// Finds out who calls.
pub struct Authenticator {
    access: Arc<Access>,
    provider: Provider,
}

impl Authenticator {
    /// Finds out by what `access` knows; `web` reaches the OpenID provider.
    pub fn of(access: Arc<Access>, web: Arc<dyn Web>) -> Arc<Self> {
        Arc::new(Self { provider: Provider::of(access.clone(), web), access })
    }

    /// What is known about access.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// The OpenID provider.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Who calls, by the token in the headers.
    pub async fn authenticate(&self, headers: &HeaderMap, address: &str) -> Result<Caller, ApiError> {
        let Some((token, carrier)) = extract::token(headers) else {
            return authenticate(&self.access, headers, address);
        };
        if token.len() > tokens::TOKEN_BYTES_MAX {
            return Err(ApiError::unauthenticated("invalid session: the token is too large"));
        }
        let issuer = tokens::unverified_claims(&token)
            .and_then(|claims| claims.get("iss").and_then(serde_json::Value::as_str).map(str::to_owned));
        let snapshot = self.access.snapshot();
        match issuer.as_deref() {
            None | Some(ISSUER) => authenticate(&self.access, headers, address),
            Some(issuer) => match OidcSettings::of(&snapshot)? {
                // Only a token that claims to be the provider's makes us ask the provider.
                Some(settings) if settings.issuer.trim_end_matches('/') == issuer.trim_end_matches('/') => {
                    let caller = self.provider.verify(&settings, &token).await?;
                    Ok(Caller { carrier, address: address.to_owned(), ..caller })
                }
                _ => Err(ApiError::unauthenticated("invalid session: the token is of another issuer")),
            },
        }
    }
}

/// Finds out who calls, and guards what browsers send and get. To be used with `axum::middleware::from_fn_with_state`.
pub async fn identify(State(authenticator): State<Arc<Authenticator>>, mut request: Request, next: Next) -> Response {
    let access = &authenticator.access;
    let address = address(&request);
    let found = authenticator.authenticate(request.headers(), &address).await;
    if let Err(error) = guard::check(request.method(), request.headers(), &access.snapshot()) {
        return refusal(&error).into_response();
    }
    let renewed = found.as_ref().ok().and_then(|caller| Some((caller.carrier, renewed(access, caller)?)));
    request.extensions_mut().insert(Identified(found));
    let session = (request.uri().path() == SESSION_PATH).then(|| request.method().clone());
    let mut response = next.run(request).await;
    if let Some(method) = session.filter(|_| response.status().is_success()) {
        response = with_session_cookies(response, &method, &access.snapshot()).await;
    }
    guard::add_headers(response.headers_mut(), &access.snapshot());
    if let Some((carrier, token)) = renewed {
        hand_over(&access.snapshot(), carrier, &token, response.headers_mut());
    }
    response
}

/// Gives a browser that signs in or out its cookies: the API's answer is the same for everybody.
/// Source: Argo CD 3.5 `server/server.go` (translateGrpcCookieHeader).
async fn with_session_cookies(response: Response, method: &Method, snapshot: &Snapshot) -> Response {
    let (mut parts, body) = response.into_parts();
    if method == Method::DELETE {
        set_token_cookies(&mut parts.headers, snapshot, "");
        return Response::from_parts(parts, body);
    }
    let Ok(content) = axum::body::to_bytes(body, SESSION_BYTES_MAX).await else {
        let error = ApiError::of(Code::Internal, "the answer to signing in cannot be read");
        return refusal(&error).into_response();
    };
    let answer: serde_json::Value = serde_json::from_slice(&content).unwrap_or_default();
    if let (&Method::POST, Some(token)) = (method, answer["token"].as_str().filter(|token| !token.is_empty())) {
        set_token_cookies(&mut parts.headers, snapshot, token);
        parts.headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Response::from_parts(parts, Body::from(content))
}

/// An error as REST answers it.
pub(crate) fn refusal(error: &ApiError) -> impl axum::response::IntoResponse {
    let status =
        http::StatusCode::from_u16(error.code.http_status()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let message =
        if error.hint.is_empty() { error.message.clone() } else { format!("{}: {}", error.message, error.hint) };
    let body = serde_json::json!({"error": message, "message": message, "code": error.code as u8});
    (status, axum::Json(body))
}

/// Who calls, by a token of our own or by none.
pub fn authenticate(access: &Access, headers: &HeaderMap, address: &str) -> Result<Caller, ApiError> {
    let snapshot = access.snapshot();
    let Some((token, carrier)) = extract::token(headers) else {
        return match snapshot.settings.anonymous_enabled {
            true => Ok(Caller { address: address.to_owned(), ..Caller::anonymous() }),
            false => {
                Err(ApiError::unauthenticated("no session information").hint("sign in first: landfall login SERVER"))
            }
        };
    };
    let caller = of_token(access, &snapshot, &token)?;
    Ok(Caller { carrier, address: address.to_owned(), ..caller })
}

/// Who a token of our own stands for.
fn of_token(access: &Access, snapshot: &Snapshot, token: &str) -> Result<Caller, ApiError> {
    if token.len() > tokens::TOKEN_BYTES_MAX {
        return Err(ApiError::unauthenticated("invalid session: the token is too large"));
    }
    let claims = tokens::unverified_claims(token)
        .ok_or_else(|| ApiError::unauthenticated("invalid session: that is no token"))?;
    match claims.get("iss").and_then(serde_json::Value::as_str) {
        Some(ISSUER) => tokens::verify(snapshot, token, access.now()),
        _ => Err(ApiError::unauthenticated("invalid session: the token is of another issuer")),
    }
}

/// A new token for a login that is about to end.
fn renewed(access: &Access, caller: &Caller) -> Option<String> {
    let (Via::Account(Capability::Login), Some(end)) = (caller.via, caller.expires_at) else { return None };
    let now = access.now();
    if end - now.as_second() >= RENEW_SECONDS {
        return None;
    }
    // A token of a pair is not renewed: it has a refresh token for that.
    if caller.token_id.contains('.') {
        return None;
    }
    let lasts_seconds = end - tokens::seconds(&caller.claims, "iat")?;
    let subject = format!("{}:{}", caller.subject, Capability::Login.name());
    let token = NewToken { subject, id: tokens::random_id(), lasts_seconds, scopes: Vec::new() };
    tokens::sign(&access.snapshot().settings, &token, now).ok()
}

fn hand_over(snapshot: &Snapshot, carrier: Carrier, token: &str, headers: &mut HeaderMap) {
    match carrier {
        Carrier::Header => {
            if let Ok(value) = HeaderValue::from_str(token) {
                headers.insert(RENEW_HEADER, value);
            }
        }
        Carrier::Cookie => set_token_cookies(headers, snapshot, token),
    }
}

/// Sets the cookies that carry a token; an empty one takes them away.
pub fn set_token_cookies(headers: &mut HeaderMap, snapshot: &Snapshot, token: &str) {
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    let attributes = format!("{}{age}", cookie_attributes(snapshot));
    for cookie in extract::cookies(extract::COOKIE_NAME, token, &attributes).unwrap_or_default() {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.append(http::header::SET_COOKIE, value);
        }
    }
}

/// How cookies with tokens are set. They are sent over TLS only, unless the server's address says that it has none.
pub fn cookie_attributes(snapshot: &Snapshot) -> String {
    let secure = if snapshot.settings.url.starts_with("http://") { "" } else { "; Secure" };
    format!("Path=/; SameSite=Lax; HttpOnly{secure}")
}

/// The id under which a token is revoked that the provider gave.
pub fn provider_token_id(token: &str) -> String {
    oidc::signature_id(token)
}

fn address(request: &Request) -> String {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string()).unwrap_or_default()
}
