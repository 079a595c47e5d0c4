//! Our own tokens: JSON web tokens signed with `server.secretkey`, as Argo CD signs them, so that either program accepts
//! the other's. Source: Argo CD 3.5 `util/session/sessionmanager.go` (Create, Parse).
//!
//! Only HS256 is accepted: a token names its own algorithm, and believing it is how tokens are forged.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use landfall_api::error::ApiError;
use serde_json::{Map, Value, json};

use crate::access::Snapshot;
use crate::accounts::{Account, Capability, TokenRecord};
use crate::caller::{Caller, Carrier, ISSUER, SCOPES_CLAIM, Via};
use crate::settings::Settings;

/// How long before its end a login is renewed. Source: Argo CD `autoRegenerateTokenDuration`.
pub const RENEW_SECONDS: i64 = 5 * 60;
/// How far clocks may be apart, in seconds, for tokens that begin in the future.
const SKEW_SECONDS: i64 = 30;
/// The longest token that is read: larger ones are no tokens of anybody's.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// What a new token says.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// `<account>:login`, `<account>:apiKey` or `proj:<project>:<role>`.
    pub subject: String,
    /// The id; one that nobody can guess for logins.
    pub id: String,
    /// How long it lasts, in seconds; 0 is for ever.
    pub lasts_seconds: i64,
    /// What it is narrowed to; empty is nothing.
    pub scopes: Vec<String>,
}

/// Signs a token. Errors: the signing key was not made yet.
pub fn sign(settings: &Settings, token: &NewToken, now: Timestamp) -> Result<String, ApiError> {
    let Some(key) = &settings.signing_key else {
        let error = ApiError::precondition("the server has no key to sign sessions with yet");
        return Err(error.hint("argocd-secret gets server.secretkey when the server starts; look into its log"));
    };
    let now = now.as_second();
    let mut claims = json!({"iss": ISSUER, "sub": token.subject, "nbf": now, "iat": now, "jti": token.id});
    if token.lasts_seconds > 0 {
        claims["exp"] = json!(now + token.lasts_seconds);
    }
    if !token.scopes.is_empty() {
        claims[SCOPES_CLAIM] = json!(token.scopes);
    }
    let key = EncodingKey::from_secret(key.reveal().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|error| {
        ApiError::of(landfall_api::error::Code::Internal, format!("the token cannot be signed: {error}"))
    })
}

/// Reads the claims of a token without believing them: to see who issued it.
pub fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}

/// Verifies a token of our own.
///
/// Errors: `Unauthenticated` with the reason. The reasons for a token that is not signed by us are all the same.
pub fn verify(snapshot: &Snapshot, token: &str, now: Timestamp) -> Result<Caller, ApiError> {
    let refused = |reason: &str| ApiError::unauthenticated(format!("invalid session: {reason}"));
    let unknown = || refused("the token is not signed by this installation");
    let key = snapshot.settings.signing_key.as_ref().ok_or_else(unknown)?;
    let mut validation = Validation::new(Algorithm::HS256);
    // Times are compared below with the caller's clock; the audience is the provider's business.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(key.reveal().as_bytes());
    let read = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).map_err(|_reason| unknown())?;
    let claims = read.claims;
    if claims.get("iss").and_then(Value::as_str) != Some(ISSUER) {
        return Err(refused("the token is of another issuer"));
    }
    let expires_at = within_its_time(&claims, now)?;
    let issued_at = seconds(&claims, "iat").ok_or_else(|| refused("the token does not say when it was made"))?;
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned();
    let caller = |subject: &str, via: Via| Caller {
        subject: subject.to_owned(),
        issuer: ISSUER.to_owned(),
        via,
        carrier: Carrier::Header,
        token_id: id.clone(),
        expires_at,
        claims: claims.clone(),
        address: String::new(),
    };
    if let Some((project, role)) = project_role(&subject) {
        let tokens = snapshot.project_tokens(project, role);
        let is_known = tokens.iter().any(|known| match id.is_empty() || known.id.is_empty() {
            true => known.issued_at == issued_at,
            false => known.id == id,
        });
        return match is_known {
            true => Ok(caller(&subject, Via::ProjectRole)),
            false => Err(refused("the project's role does not have this token any more")),
        };
    }
    let (name, capability) = account_and_capability(&subject);
    let Some(account) = snapshot.settings.account(name) else { return Err(refused("there is no such account")) };
    check_account(account, name, capability)?;
    if id.is_empty() {
        return Err(refused("the token has no id"));
    }
    if snapshot.is_revoked(&id) {
        return Err(refused("the token is revoked, please sign in again"));
    }
    if capability == Capability::ApiKey && !account.tokens.iter().any(|known| known.id == id) {
        return Err(refused("the account does not have this token any more"));
    }
    if account.password_changed_at.is_some_and(|changed| issued_at < changed.as_second()) {
        return Err(refused("the account's password has changed since the token was made"));
    }
    Ok(caller(name, Via::Account(capability)))
}

/// Refuses an account that is off or not meant for this.
pub(crate) fn check_account(account: &Account, name: &str, capability: Capability) -> Result<(), ApiError> {
    if !account.is_enabled {
        return Err(ApiError::unauthenticated(format!("account {name} is disabled")));
    }
    if !account.can(capability) {
        let message = format!("account {name} does not have {} capability", capability.name());
        return Err(ApiError::unauthenticated(message));
    }
    Ok(())
}

/// Checks `exp` and `nbf` and returns the end.
pub(crate) fn within_its_time(claims: &Map<String, Value>, now: Timestamp) -> Result<Option<i64>, ApiError> {
    let now = now.as_second();
    let refused = |reason: &str| Err(ApiError::unauthenticated(format!("invalid session: {reason}")));
    let expires_at = match claims.get("exp") {
        None => None,
        Some(_) => match seconds(claims, "exp") {
            Some(end) => Some(end),
            None => return refused("the token's end cannot be read"),
        },
    };
    if expires_at.is_some_and(|end| end <= now) {
        return refused("the token has expired, please sign in again");
    }
    if claims.contains_key("nbf") && seconds(claims, "nbf").is_none_or(|begin| begin > now + SKEW_SECONDS) {
        return refused("the token is not valid yet; is a clock wrong?");
    }
    Ok(expires_at)
}

/// A claim that counts seconds.
pub(crate) fn seconds(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let number = claims.get(name)?;
    #[expect(clippy::cast_possible_truncation, reason = "seconds with fractions, as some issuers write them")]
    let whole = |number: f64| (number.is_finite() && number.abs() < 1e15).then_some(number as i64);
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

/// Takes `proj:<project>:<role>` apart.
pub fn project_role(subject: &str) -> Option<(&str, &str)> {
    let mut parts = subject.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("proj"), Some(project), Some(role), None) => Some((project, role)),
        _ => None,
    }
}

/// Takes `<account>:<capability>` apart; without one it is an API key, as Argo CD's oldest tokens are.
pub fn account_and_capability(subject: &str) -> (&str, Capability) {
    let mut parts = subject.split(':');
    let name = parts.next().unwrap_or_default();
    (name, parts.next().and_then(Capability::of).unwrap_or(Capability::ApiKey))
}

/// Makes an id that nobody can guess, as a version 4 UUID.
pub fn random_id() -> String {
    let mut bytes = random_bytes::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Draws randomness from the machine.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("a machine without randomness cannot serve sessions");
    bytes
}

/// Finds the record of a token among those of a role or account.
pub fn record<'a>(tokens: &'a [TokenRecord], id: &str) -> Option<&'a TokenRecord> {
    tokens.iter().find(|known| known.id == id)
}
