//! OpenID providers: what `oidc.config` in argocd-cm says, where the provider's endpoints and keys are, and whether a
//! token is the provider's. Source: Argo CD 3.5 `util/settings` (OIDCConfig), `util/oidc`; OpenID Connect Core 1.0 §3.1.3.7.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use landfall_api::error::{ApiError, Code};
use landfall_ports::web::{Trust, Web, WebRequest};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::access::{Access, Snapshot};
use crate::caller::{Caller, Carrier, Via};
use crate::tokens::within_its_time;

/// How much of an answer of a provider is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long a provider's endpoints and keys are believed, in seconds.
const KNOWN_SECONDS: i64 = 60 * 60;
/// Of how many users groups are remembered.
const USERS_MAX: usize = 100_000;
/// How long to wait before asking again for a key that the provider did not have, in seconds: whoever sends tokens with
/// made-up keys is not to make us ask for each.
const ASK_AGAIN_SECONDS: i64 = 30;

/// What is set about the provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OidcSettings {
    /// For people.
    pub name: String,
    /// The provider's URL, which its tokens name.
    pub issuer: String,
    /// Who we are to the provider.
    pub client_id: String,
    /// Our secret; `""` for a public client.
    pub client_secret: String,
    /// Who the command line is to the provider; `""` if the same.
    pub cli_client_id: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Claims that are asked for by name.
    pub id_token_claims: BTreeMap<String, Value>,
    /// Whether programs in the browser use PKCE. We always do.
    pub enable_pkce: bool,
    /// Where to go after signing out; `""` for nowhere else.
    pub logout_url: String,
    /// Audiences that are accepted; empty for the two client ids.
    pub allowed_audiences: Vec<String>,
    /// Whether a token without an audience is accepted.
    pub skip_audience_check: bool,
    /// A hint about the user's domain; `""` for none.
    pub domain_hint: String,
    /// Where groups are asked for that do not stand in tokens; `""` if they do, or if they are not asked for at all.
    pub groups_from: GroupsFrom,
    /// Whose certificates are believed.
    pub trust: Trust,
}

/// Where a user's groups stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GroupsFrom {
    /// In the token.
    #[default]
    Token,
    /// At the provider's UserInfo endpoint, too: at this path below the issuer, or where the provider says if it is `""`.
    /// Source: Argo CD `enableUserInfoGroups`, `userInfoPath`.
    UserInfo(String),
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    name: String,
    issuer: String,
    #[serde(rename = "clientID")]
    client_id: String,
    client_secret: String,
    #[serde(rename = "cliClientID")]
    cli_client_id: String,
    requested_scopes: Vec<String>,
    #[serde(rename = "requestedIDTokenClaims")]
    requested_id_token_claims: BTreeMap<String, Value>,
    #[serde(rename = "enablePKCEAuthentication")]
    enable_pkce_authentication: bool,
    #[serde(rename = "logoutURL")]
    logout_url: String,
    allowed_audiences: Vec<String>,
    skip_audience_check_when_token_has_no_audience: bool,
    domain_hint: String,
    enable_user_info_groups: bool,
    user_info_path: String,
    #[serde(rename = "rootCA")]
    root_ca: String,
}

impl OidcSettings {
    /// Reads `oidc.config`; `None` if there is none. Errors: what is wrong with it.
    pub fn of(snapshot: &Snapshot) -> Result<Option<Self>, ApiError> {
        let text = &snapshot.settings.oidc;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let wrong = |reason: String| {
            ApiError::precondition(format!("oidc.config in argocd-cm cannot be used: {reason}"))
                .hint("it needs name, issuer, clientID and, for confidential clients, clientSecret")
        };
        let value = landfall_yaml::read_one(text.as_bytes(), landfall_yaml::Resolver::Kubernetes)
            .map_err(|error| wrong(error.to_string()))?;
        let wire: Wire = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        if wire.issuer.is_empty() || wire.client_id.is_empty() {
            return Err(wrong("issuer or clientID is missing".to_owned()));
        }
        let defaults = ["openid", "profile", "email", "groups"].map(str::to_owned).to_vec();
        let is_verified_off =
            snapshot.settings.texts.get("oidc.tls.insecure.skip.verify").is_some_and(|text| text == "true");
        Ok(Some(Self {
            name: wire.name,
            issuer: wire.issuer,
            client_id: snapshot.resolve(&wire.client_id),
            client_secret: snapshot.resolve(&wire.client_secret),
            cli_client_id: snapshot.resolve(&wire.cli_client_id),
            scopes: if wire.requested_scopes.is_empty() { defaults } else { wire.requested_scopes },
            id_token_claims: wire.requested_id_token_claims,
            enable_pkce: wire.enable_pkce_authentication,
            logout_url: wire.logout_url,
            allowed_audiences: wire.allowed_audiences,
            skip_audience_check: wire.skip_audience_check_when_token_has_no_audience,
            domain_hint: wire.domain_hint,
            groups_from: match wire.enable_user_info_groups {
                true => GroupsFrom::UserInfo(wire.user_info_path),
                false => GroupsFrom::Token,
            },
            trust: Trust { certificates_pem: snapshot.resolve(&wire.root_ca), is_anyone_believed: is_verified_off },
        }))
    }

    fn audiences(&self) -> Vec<&str> {
        match self.allowed_audiences.is_empty() {
            true => vec![self.client_id.as_str(), self.cli_client_id.as_str()],
            false => self.allowed_audiences.iter().map(String::as_str).collect(),
        }
    }
}

/// Where a provider's endpoints are. Source: OpenID Connect Discovery 1.0 §3.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct Endpoints {
    /// The issuer as the provider names itself.
    pub issuer: String,
    /// Where people sign in.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where people sign out; `""` if it has none.
    pub end_session_endpoint: String,
    /// Where it tells of its users; `""` if it does not.
    pub userinfo_endpoint: String,
}

#[derive(Debug, Clone)]
struct Known {
    issuer: String,
    endpoints: Endpoints,
    keys: Arc<Vec<Jwk>>,
    asked_at: i64,
}

/// The provider of an installation.
pub struct Provider {
    access: Arc<Access>,
    web: Arc<dyn Web>,
    known: RwLock<Option<Known>>,
    asking: tokio::sync::Mutex<()>,
    /// Groups by user, with the second until which the login lasts that they were asked with.
    groups: RwLock<HashMap<String, (i64, Vec<Value>)>>,
}

impl Provider {
    /// Knows nothing yet; asks when somebody comes.
    pub fn of(access: Arc<Access>, web: Arc<dyn Web>) -> Self {
        let (known, asking, groups) = (RwLock::default(), tokio::sync::Mutex::default(), RwLock::default());
        Self { access, web, known, asking, groups }
    }

    /// The endpoints of the provider.
    pub async fn endpoints(&self, settings: &OidcSettings) -> Result<Endpoints, ApiError> {
        self.known(settings, KNOWN_SECONDS).await.map(|known| known.endpoints)
    }

    /// Sends a request to the provider and returns status and answer.
    pub async fn ask(&self, request: WebRequest) -> Result<(u16, Vec<u8>), ApiError> {
        let url = request.url.clone();
        let unreachable = |error: landfall_ports::web::WebError| {
            ApiError::of(Code::Unavailable, format!("the OpenID provider does not answer: {error}"))
                .hint("check issuer and rootCA of oidc.config in argocd-cm, and the way there")
        };
        let answer = self.web.send(request).await.map_err(unreachable)?;
        let status = answer.status;
        Ok((status, answer.read(&url, ANSWER_BYTES_MAX).await.map_err(unreachable)?))
    }

    /// Asks the provider for the groups of somebody who signs in just now, if the settings say so; they count for as long
    /// as the token lasts, or until this process ends. Errors: the provider does not tell.
    pub async fn learn_groups(
        &self,
        settings: &OidcSettings,
        caller: &Caller,
        access_token: &str,
    ) -> Result<(), ApiError> {
        let GroupsFrom::UserInfo(path) = &settings.groups_from else { return Ok(()) };
        let url = match path.is_empty() {
            true => self.endpoints(settings).await?.userinfo_endpoint,
            false => format!("{}/{}", settings.issuer.trim_end_matches('/'), path.trim_start_matches('/')),
        };
        let odd = |reason: String| {
            ApiError::unauthenticated(format!("the OpenID provider does not tell your groups at {url}: {reason}"))
                .hint("enableUserInfoGroups of oidc.config asks for them there; userInfoPath says where")
        };
        let request = WebRequest {
            method: "GET".to_owned(),
            url: url.clone(),
            headers: vec![
                ("accept".to_owned(), "application/json".to_owned()),
                ("authorization".to_owned(), format!("Bearer {access_token}")),
            ],
            body: Vec::new(),
            trust: settings.trust.clone(),
        };
        let (status, body) = self.ask(request).await?;
        if status != 200 {
            return Err(odd(format!("status {status}")));
        }
        let told: Value = serde_json::from_slice(&body).map_err(|error| odd(error.to_string()))?;
        // What it says of somebody else is not about who signs in. Source: OpenID Connect Core 1.0 §5.3.2.
        if told["sub"].as_str().is_some_and(|subject| caller.claims.get("sub").and_then(Value::as_str) != Some(subject))
        {
            return Err(odd("it answers for another user".to_owned()));
        }
        let groups = told["groups"].as_array().cloned().unwrap_or_default();
        let now = self.access.now().as_second();
        let mut known = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (until, _)| *until > now);
        if known.len() < USERS_MAX {
            known.insert(caller.subject.clone(), (caller.expires_at.unwrap_or(now), groups));
        }
        Ok(())
    }

    /// Adds the groups that the provider told of.
    fn with_groups(
        &self,
        settings: &OidcSettings,
        subject: &str,
        mut claims: Map<String, Value>,
    ) -> Map<String, Value> {
        if settings.groups_from == GroupsFrom::Token {
            return claims;
        }
        let known = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let Some((until, groups)) = known.get(subject) else { return claims };
        if *until > self.access.now().as_second() {
            let list = claims.entry("groups").or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = list.as_array_mut() {
                list.extend(groups.iter().cloned());
            }
        }
        claims
    }

    /// Verifies a token of the provider: its signature by one of the provider's keys, issuer, audience and time.
    pub async fn verify(&self, settings: &OidcSettings, token: &str) -> Result<Caller, ApiError> {
        let refused = |reason: &str| ApiError::unauthenticated(format!("invalid session: {reason}"));
        let header = jsonwebtoken::decode_header(token).map_err(|_reason| refused("that is no token"))?;
        let known = self.known(settings, KNOWN_SECONDS).await?;
        let mut keys = fitting(&known.keys, header.kid.as_deref(), header.alg);
        if keys.is_empty() {
            // The provider may have a new key.
            let known = self.known(settings, ASK_AGAIN_SECONDS).await?;
            keys = fitting(&known.keys, header.kid.as_deref(), header.alg);
        }
        let claims = keys.iter().find_map(|key| signed_by(key, header.alg, token));
        let claims = claims.ok_or_else(|| refused("the token is not signed by the OpenID provider"))?;
        if claims.get("iss").and_then(Value::as_str) != Some(known.endpoints.issuer.as_str()) {
            return Err(refused("the token is of another issuer"));
        }
        check_audience(settings, &claims)?;
        let expires_at = within_its_time(&claims, self.access.now())?;
        if expires_at.is_none() {
            return Err(refused("the token has no end"));
        }
        // Dex' users have an id of the provider behind it. Source: Argo CD 3.0, GetUserIdentifier.
        let federated = claims.get("federated_claims").and_then(|inner| inner["user_id"].as_str());
        let subject = federated.or_else(|| claims.get("sub").and_then(Value::as_str)).unwrap_or_default().to_owned();
        // A provider that calls somebody "proj:..." does not make a project's role of them, nor an account of ours.
        if subject.is_empty() || crate::tokens::project_role(&subject).is_some() {
            return Err(refused("the token names no user"));
        }
        let token_id = claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned();
        let snapshot = self.access.snapshot();
        if snapshot.is_revoked(&token_id) || snapshot.is_revoked(&signature_id(token)) {
            return Err(refused("the token is revoked, please sign in again"));
        }
        let claims = self.with_groups(settings, &subject, claims);
        Ok(Caller {
            subject,
            issuer: known.endpoints.issuer.clone(),
            via: Via::Provider,
            carrier: Carrier::Header,
            token_id: if token_id.is_empty() { signature_id(token) } else { token_id },
            expires_at,
            claims,
            address: String::new(),
        })
    }

    async fn known(&self, settings: &OidcSettings, age_max: i64) -> Result<Known, ApiError> {
        let fresh = || {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
            known.filter(|known| {
                known.issuer == settings.issuer && self.access.now().as_second() - known.asked_at < age_max
            })
        };
        if let Some(known) = fresh() {
            return Ok(known);
        }
        let _one_asks = self.asking.lock().await;
        if let Some(known) = fresh() {
            return Ok(known);
        }
        let url = format!("{}/.well-known/openid-configuration", settings.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = self.read(settings, &url).await?;
        if endpoints.issuer.trim_end_matches('/') != settings.issuer.trim_end_matches('/') {
            let message = format!("the provider at {} calls itself {:?}", settings.issuer, endpoints.issuer);
            return Err(ApiError::precondition(message).hint("write issuer in oidc.config as the provider does"));
        }
        let keys: JwkSet = self.read(settings, &endpoints.jwks_uri).await?;
        let asked_at = self.access.now().as_second();
        let known = Known { issuer: settings.issuer.clone(), endpoints, keys: Arc::new(keys.keys), asked_at };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, settings: &OidcSettings, url: &str) -> Result<T, ApiError> {
        let request = WebRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: Vec::new(),
            trust: settings.trust.clone(),
        };
        let (status, body) = self.ask(request).await?;
        let odd = |reason: String| {
            ApiError::of(Code::Unavailable, format!("the OpenID provider answers oddly at {url}: {reason}"))
        };
        if status != 200 {
            return Err(odd(format!("status {status}")).hint("is issuer in oidc.config right?"));
        }
        serde_json::from_slice(&body).map_err(|error| odd(error.to_string()))
    }
}

/// The keys that may have signed: by their id if the token names one, and of the token's kind.
fn fitting(keys: &[Jwk], id: Option<&str>, algorithm: Algorithm) -> Vec<Jwk> {
    let is_named = |key: &&Jwk| id.is_none() || key.common.key_id.is_none() || key.common.key_id.as_deref() == id;
    keys.iter().filter(is_named).filter(|key| is_of_kind(key, algorithm)).cloned().collect()
}

/// A public key verifies its own kind of signatures only: a shared secret is never one of them.
fn is_of_kind(key: &Jwk, algorithm: Algorithm) -> bool {
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => matches!(
            algorithm,
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        ),
        AlgorithmParameters::EllipticCurve(_) => matches!(algorithm, Algorithm::ES256 | Algorithm::ES384),
        AlgorithmParameters::OctetKeyPair(_) => matches!(algorithm, Algorithm::EdDSA),
        _ => false,
    }
}

fn signed_by(key: &Jwk, algorithm: Algorithm, token: &str) -> Option<Map<String, Value>> {
    let key = DecodingKey::from_jwk(key).ok()?;
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).ok().map(|read| read.claims)
}

fn check_audience(settings: &OidcSettings, claims: &Map<String, Value>) -> Result<(), ApiError> {
    let found: Vec<&str> = match claims.get("aud") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(_) => vec![],
    };
    let accepted = settings.audiences();
    let is_meant = found.iter().any(|audience| !audience.is_empty() && accepted.contains(audience));
    match is_meant || (found.is_empty() && settings.skip_audience_check) {
        true => Ok(()),
        false => Err(ApiError::unauthenticated("invalid session: the token is for another audience")
            .hint("allowedAudiences of oidc.config lists those that are accepted")),
    }
}

/// A name for a token that has none: what makes it different from others.
pub(crate) fn signature_id(token: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(token.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
