//! Signing in at an OpenID provider with a browser: `/auth/login`, `/auth/callback`, `/auth/logout`.
//!
//! ```text
//! browser ── /auth/login ──> state, nonce, verifier in a signed cookie ──> provider's page (PKCE, S256)
//! browser <── code, state ── provider;  /auth/callback: state = cookie's, code + verifier -> token, nonce = cookie's
//!         <── cookie argocd.token = the provider's token ── back to the page it came from
//! ```
//!
//! The cookie is good for ten minutes and for one login. The address to go back to is one of ours or a path: never one
//! that somebody put into a link. Source: Argo CD 3.5 `util/oidc/oidc.go`; RFC 7636; RFC 9700 §2.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use landfall_api::error::{ApiError, Code};
use landfall_ports::web::WebRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::access::Snapshot;
use crate::caller::Caller;
use crate::extract;
use crate::layer::{Authenticator, cookie_attributes};
use crate::oidc::OidcSettings;
use crate::tokens::random_bytes;

/// The cookie that remembers a login under way.
pub const STATE_COOKIE: &str = "landfall.login";
/// How long somebody may take at the provider, in seconds.
const LOGIN_SECONDS_MAX: i64 = 600;
/// Who the cookie is for: it is signed with the same key as sessions, and is none.
const STATE_AUDIENCE: &str = "landfall-login";

#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    aud: String,
    exp: i64,
    state: String,
    nonce: String,
    verifier: String,
    back: String,
}

/// Where a browser is sent, and the cookies it gets.
#[derive(Debug)]
pub struct Redirect {
    /// The address.
    pub to: String,
    /// `Set-Cookie` values.
    pub cookies: Vec<String>,
    /// The caller, after a login.
    pub caller: Option<Caller>,
}

/// Sends a browser to the provider. `back` is where it wants to be afterwards.
pub async fn begin(authenticator: &Authenticator, back: &str) -> Result<Redirect, ApiError> {
    let snapshot = authenticator.access().snapshot();
    let settings = provider_settings(&snapshot)?;
    let base = base(&snapshot)?;
    let back = checked_back(&snapshot, back)?;
    let endpoints = authenticator.provider().endpoints(&settings).await?;
    let random = || URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let exp = authenticator.access().now().as_second() + LOGIN_SECONDS_MAX;
    let pending =
        Pending { aud: STATE_AUDIENCE.to_owned(), exp, state: random(), nonce: random(), verifier: random(), back };
    let mut to = Url::parse(&endpoints.authorization_endpoint).map_err(|error| {
        ApiError::precondition(format!("the provider's authorization endpoint is no address: {error}"))
    })?;
    {
        let mut query = to.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &format!("{base}/auth/callback"))
            .append_pair("scope", &settings.scopes.join(" "))
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &challenge(&pending.verifier))
            .append_pair("code_challenge_method", "S256");
        if !settings.domain_hint.is_empty() {
            query.append_pair("domain_hint", &settings.domain_hint);
        }
        if !settings.id_token_claims.is_empty() {
            query.append_pair("claims", &json!({"id_token": settings.id_token_claims}).to_string());
        }
    }
    let key = signing_key(&snapshot)?;
    let text =
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &pending, &EncodingKey::from_secret(key.as_bytes()))
            .map_err(|error| ApiError::of(Code::Internal, format!("the login cannot be remembered: {error}")))?;
    let attributes = format!("{}; Max-Age={LOGIN_SECONDS_MAX}", cookie_attributes(&snapshot));
    Ok(Redirect { to: to.into(), cookies: vec![format!("{STATE_COOKIE}={text}; {attributes}")], caller: None })
}

/// Takes what the provider sends back with a browser, and signs it in.
pub async fn finish(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    query: &[(String, String)],
) -> Result<Redirect, ApiError> {
    let snapshot = authenticator.access().snapshot();
    let settings = provider_settings(&snapshot)?;
    let [state, error, description, code] =
        ["state", "error", "error_description", "code"].map(|name| parameter(query, name));
    let pending = remembered(authenticator, &snapshot, headers)?;
    // The state first: without it nothing of the request is of a login that we began.
    if state != pending.state {
        return Err(ApiError::invalid("this is not the login that was begun here").hint("begin again at /auth/login"));
    }
    if !error.is_empty() {
        let message = format!("the OpenID provider refused the login: {error}");
        let description: String = description.chars().take(300).collect();
        return Err(ApiError::unauthenticated(message).hint(description));
    }
    let endpoints = authenticator.provider().endpoints(&settings).await?;
    let redirect = format!("{}/auth/callback", base(&snapshot)?);
    let form = grant(&code, &pending.verifier, &redirect, &settings);
    let answer = exchange(authenticator, &settings, &endpoints.token_endpoint, form).await?;
    let token = answer["id_token"].as_str().ok_or_else(|| {
        ApiError::unauthenticated("the OpenID provider gave no id token")
            .hint("requestedScopes of oidc.config needs openid")
    })?;
    let caller = authenticator.provider().verify(&settings, token).await?;
    if caller.claims.get("nonce").and_then(Value::as_str) != Some(pending.nonce.as_str()) {
        return Err(ApiError::unauthenticated("the OpenID provider's token is of another login"));
    }
    let access_token = answer["access_token"].as_str().unwrap_or_default();
    authenticator.provider().learn_groups(&settings, &caller, access_token).await?;
    let attributes = cookie_attributes(&snapshot);
    let mut cookies = extract::cookies(extract::COOKIE_NAME, token, &attributes).ok_or_else(|| {
        ApiError::unauthenticated("the OpenID provider's token is too large for cookies")
            .hint("have the provider send fewer groups")
    })?;
    cookies.push(format!("{STATE_COOKIE}=; {attributes}; Max-Age=0"));
    Ok(Redirect { to: pending.back, cookies, caller: Some(caller) })
}

/// Where a browser goes that has signed out: the provider's own page if one is set.
pub fn after_logout(snapshot: &Snapshot, token: &str) -> String {
    let home = if snapshot.settings.url.is_empty() { "/" } else { &snapshot.settings.url };
    match OidcSettings::of(snapshot) {
        Ok(Some(settings)) if !settings.logout_url.is_empty() => {
            let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            settings.logout_url.replace("{{token}}", &encode(token)).replace("{{logoutRedirectURL}}", &encode(home))
        }
        _ => home.to_owned(),
    }
}

/// The challenge of a verifier. Source: RFC 7636 §4.2.
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// The first value of a parameter; `""` if it is not there.
fn parameter(query: &[(String, String)], name: &str) -> String {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// What a code is turned into a token with. A client without a secret names itself here.
fn grant(code: &str, verifier: &str, redirect: &str, settings: &OidcSettings) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect)
        .append_pair("code_verifier", verifier);
    if settings.client_secret.is_empty() {
        form.append_pair("client_id", &settings.client_id);
    }
    form.finish()
}

async fn exchange(
    authenticator: &Authenticator,
    settings: &OidcSettings,
    endpoint: &str,
    form: String,
) -> Result<Value, ApiError> {
    let mut headers = vec![
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("accept".to_owned(), "application/json".to_owned()),
    ];
    if !settings.client_secret.is_empty() {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&settings.client_id), encode(&settings.client_secret));
        let basic = base64::engine::general_purpose::STANDARD.encode(pair);
        headers.push(("authorization".to_owned(), format!("Basic {basic}")));
    }
    let request = WebRequest {
        method: "POST".to_owned(),
        url: endpoint.to_owned(),
        headers,
        body: form.into_bytes(),
        trust: settings.trust.clone(),
    };
    let (status, body) = authenticator.provider().ask(request).await?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status != 200 {
        let reason = answer["error_description"].as_str().or(answer["error"].as_str()).unwrap_or("no reason given");
        let message = format!("the OpenID provider refused the code (status {status}): {reason}");
        return Err(ApiError::unauthenticated(message).hint("are clientID and clientSecret of oidc.config right?"));
    }
    Ok(answer)
}

fn provider_settings(snapshot: &Snapshot) -> Result<OidcSettings, ApiError> {
    OidcSettings::of(snapshot)?.ok_or_else(|| {
        ApiError::precondition("no OpenID provider is set")
            .hint("argocd-cm sets one in oidc.config; see docs/guide/access.md")
    })
}

fn base(snapshot: &Snapshot) -> Result<&str, ApiError> {
    match snapshot.settings.url.as_str() {
        "" => Err(ApiError::precondition("the server does not know its own address")
            .hint("set url in argocd-cm to where people reach it, as https://landfall.example.com")),
        url => Ok(url),
    }
}

fn signing_key(snapshot: &Snapshot) -> Result<&str, ApiError> {
    let key = snapshot.settings.signing_key.as_ref();
    key.map(|key| key.reveal()).ok_or_else(|| ApiError::precondition("the server has no key to sign with yet"))
}

/// An address to go back to: a path of ours, or below one of our addresses.
fn checked_back(snapshot: &Snapshot, back: &str) -> Result<String, ApiError> {
    let settings = &snapshot.settings;
    if back.is_empty() {
        return Ok(settings.url.clone());
    }
    let is_path =
        back.starts_with('/') && !back.starts_with("//") && !back.contains('\\') && !back.contains(['\r', '\n', '\t']);
    if is_path {
        return Ok(format!("{}{back}", settings.url));
    }
    let is_below = |ours: &String| {
        let (Ok(ours), Ok(back)) = (Url::parse(ours), Url::parse(back)) else { return false };
        let same = ours.scheme() == back.scheme() && ours.host() == back.host() && ours.port() == back.port();
        same && back.username().is_empty() && back.path().starts_with(ours.path().trim_end_matches('/'))
    };
    match std::iter::once(&settings.url).chain(&settings.additional_urls).any(is_below) {
        true => Ok(back.to_owned()),
        false => Err(ApiError::invalid(format!("{back:?} is none of this server's addresses"))
            .hint("return_url is a path, or below url or additionalUrls in argocd-cm")),
    }
}

fn remembered(authenticator: &Authenticator, snapshot: &Snapshot, headers: &HeaderMap) -> Result<Pending, ApiError> {
    let lost =
        || ApiError::invalid("no login was begun in this browser, or too long ago").hint("begin again at /auth/login");
    let text = extract::cookie(headers, STATE_COOKIE).ok_or_else(lost)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[STATE_AUDIENCE]);
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(signing_key(snapshot)?.as_bytes());
    let pending = jsonwebtoken::decode::<Pending>(text, &key, &validation).map_err(|_reason| lost())?.claims;
    match pending.exp > authenticator.access().now().as_second() {
        true => Ok(pending),
        false => Err(lost()),
    }
}
