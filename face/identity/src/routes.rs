//! Routes of ours besides the API's services: signing in with a browser, pairs of tokens, tokens with scopes, the audit.
//!
//! ```text
//! GET  /auth/login /auth/callback /auth/logout   a browser signs in and out at the OpenID provider
//! ANY  /api/dex/...                              what Argo CD's bundled Dex would answer
//! POST /api/v1/landfall/session                  {username, password} -> {accessToken, refreshToken, expiresIn}
//! POST /api/v1/landfall/session/refresh          {refreshToken} -> the same, once
//! POST /api/v1/landfall/session/end              {refreshToken}
//! POST /api/v1/landfall/account/{name}/token     {id, expiresIn, scopes} -> {token}
//! GET  /api/v1/landfall/audit?limit=             the last entries; needs the role of an administrator
//! ```
//!
//! To be put behind [`crate::layer::identify`].

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use landfall_api::error::{ApiError, Code};
use serde_json::{Value, json};

use crate::accounts_service::Accounts;
use crate::audit::{Audit, Entry};
use crate::caller::{Caller, Identified, Via};
use crate::enforcer::Enforcer;
use crate::layer::{Authenticator, refusal, set_token_cookies};
use crate::sessions::Sessions;
use crate::{extract, sign_on};

/// The largest body of these routes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How many entries of the audit are given at most.
const ENTRIES_MAX: usize = 1_000;

/// What these routes work with.
#[derive(Clone)]
pub struct Identity {
    /// Who calls.
    pub authenticator: Arc<Authenticator>,
    /// Signing in and out.
    pub sessions: Arc<Sessions>,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// The audit.
    pub audit: Arc<Audit>,
}

/// Paths of these routes that answer anybody: they are how one signs in.
pub const PUBLIC: [&str; 7] = [
    "/auth/login",
    "/auth/callback",
    "/auth/logout",
    "/api/dex/{*rest}",
    "/api/v1/landfall/session",
    "/api/v1/landfall/session/refresh",
    "/api/v1/landfall/session/end",
];

/// Answers.
pub fn router(identity: Identity) -> Router {
    Router::new()
        .route("/auth/login", get(login))
        .route("/auth/callback", get(callback))
        .route("/auth/logout", get(logout).post(end_for_program))
        .route("/api/dex/{*rest}", any(dex))
        .route("/api/v1/landfall/session", post(begin))
        .route("/api/v1/landfall/session/refresh", post(refresh))
        .route("/api/v1/landfall/session/end", post(end))
        .route("/api/v1/landfall/account/{name}/token", post(token))
        .route("/api/v1/landfall/audit", get(audit))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(identity)
}

type Origin = Option<Extension<ConnectInfo<SocketAddr>>>;

fn address(origin: Origin) -> String {
    origin.map(|Extension(info)| info.0.ip().to_string()).unwrap_or_default()
}

fn refused(error: &ApiError) -> Response {
    refusal(error).into_response()
}

fn read(body: &Bytes) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::invalid(format!("the body is no JSON: {error}")))
}

async fn login(State(identity): State<Identity>, Query(query): Query<Vec<(String, String)>>) -> Response {
    let back = query.iter().find(|(name, _)| name == "return_url").map_or("", |(_, value)| value.as_str());
    redirect(sign_on::begin(&identity.authenticator, back).await)
}

async fn callback(
    State(identity): State<Identity>,
    headers: HeaderMap,
    origin: Origin,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let done = sign_on::finish(&identity.authenticator, &headers, &query).await;
    if let Ok(sign_on::Redirect { caller: Some(caller), .. }) = &done {
        let caller = Caller { address: address(origin), ..caller.clone() };
        identity.audit.write(Entry::by(&caller, "auth/callback", "session")).await;
    }
    redirect(done)
}

/// Signs a program out: `argocd logout` asks so, with its token in a cookie, and goes nowhere afterwards.
async fn end_for_program(identity: State<Identity>, found: Extension<Identified>, headers: HeaderMap) -> Response {
    let mut response = logout(identity, found, headers).await;
    if response.status().is_redirection() {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(http::header::LOCATION);
    }
    response
}

async fn logout(
    State(identity): State<Identity>,
    Extension(found): Extension<Identified>,
    headers: HeaderMap,
) -> Response {
    let snapshot = identity.authenticator.access().snapshot();
    let token = extract::token(&headers).map(|(token, _)| token).unwrap_or_default();
    if let Identified(Ok(caller)) = &found {
        // What the provider gave cannot be taken back there; here it is of no use any more.
        if let Err(error) = identity.sessions.revoke(caller).await {
            return refused(&error);
        }
        if caller.via != Via::Anonymous {
            identity.audit.write(Entry::by(caller, "auth/logout", "session")).await;
        }
    }
    let mut response = redirect(Ok(sign_on::Redirect {
        to: sign_on::after_logout(&snapshot, &token),
        cookies: Vec::new(),
        caller: None,
    }));
    set_token_cookies(response.headers_mut(), &snapshot, "");
    response
}

fn redirect(to: Result<sign_on::Redirect, ApiError>) -> Response {
    let to = match to {
        Ok(to) => to,
        Err(error) => return refused(&error),
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    match HeaderValue::from_str(&to.to) {
        Ok(location) => headers.insert(header::LOCATION, location),
        Err(error) => return refused(&ApiError::invalid(format!("the address to go to is none: {error}"))),
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in to.cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

async fn dex(OriginalUri(uri): OriginalUri) -> Response {
    let message = format!("{} is a path of the Dex that Argo CD brings along, and Landfall brings none", uri.path());
    let hint = "run Dex by itself and name it as issuer in oidc.config of argocd-cm; see docs/guide/access.md";
    refused(&ApiError::of(Code::Unimplemented, message).hint(hint))
}

async fn begin(State(identity): State<Identity>, origin: Origin, body: Bytes) -> Response {
    let address = address(origin);
    let answer = async {
        let request = read(&body)?;
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let (user, password) = (text("username"), text("password"));
        let pair = identity.sessions.begin(&user, &password, &address).await;
        let outcome = pair.as_ref().err().map_or("done".to_owned(), |error| error.message.clone());
        let caller =
            Caller { subject: user.chars().take(64).collect(), address: address.clone(), ..Caller::anonymous() };
        identity.audit.write(Entry { outcome, ..Entry::by(&caller, "landfall/session", "session") }).await;
        Ok(json!(pair?))
    };
    json_or_refusal(answer.await)
}

async fn refresh(State(identity): State<Identity>, body: Bytes) -> Response {
    let answer = async {
        let request = read(&body)?;
        Ok(json!(identity.sessions.refresh(request["refreshToken"].as_str().unwrap_or_default()).await?))
    };
    json_or_refusal(answer.await)
}

async fn end(State(identity): State<Identity>, body: Bytes) -> Response {
    let answer = async {
        let request = read(&body)?;
        identity.sessions.end(request["refreshToken"].as_str().unwrap_or_default()).await?;
        Ok(json!({}))
    };
    json_or_refusal(answer.await)
}

async fn token(
    State(identity): State<Identity>,
    Extension(found): Extension<Identified>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        let caller = found.0?;
        let mut request = read(&body)?;
        if !request.is_object() {
            return Err(ApiError::invalid("the body must be an object"));
        }
        request["name"] = json!(name);
        let answer = identity.accounts.create_token(&caller, &request).await;
        let outcome = answer.as_ref().err().map_or("done".to_owned(), |error| error.message.clone());
        let entry = Entry::by(&caller, "landfall/account/token", format!("accounts/{name}"));
        identity.audit.write(Entry { outcome, request, ..entry }).await;
        answer
    };
    json_or_refusal(answer.await)
}

async fn audit(
    State(identity): State<Identity>,
    Extension(found): Extension<Identified>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let answer = async {
        let caller = found.0?;
        // There is no resource of that name in policies that people have: whoever may change any account may read it.
        Enforcer::of(identity.authenticator.access().clone()).enforce(&caller, "accounts", "update", "*")?;
        let limit = query.iter().find(|(name, _)| name == "limit").map_or(Ok(100), |(_, value)| value.parse::<usize>());
        let limit = limit.map_err(|_| ApiError::invalid("limit must be a number"))?.min(ENTRIES_MAX);
        let entries = identity.audit.last(limit).await;
        let entries =
            entries.map_err(|error| ApiError::of(Code::Internal, format!("the journal cannot be read: {error}")))?;
        Ok(json!({"items": entries}))
    };
    json_or_refusal(answer.await)
}

fn json_or_refusal(answer: Result<Value, ApiError>) -> Response {
    match answer {
        Ok(value) => ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response(),
        Err(error) => refused(&error),
    }
}
