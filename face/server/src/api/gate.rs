//! Who calls, and may they: what the API asks of whoever knows.

use async_trait::async_trait;
use axum::http::HeaderMap;
use landfall_api::error::ApiError;
pub use landfall_identity::caller::Caller;
pub use landfall_identity::enforcer::Part;
use serde_json::{Value, json};

/// Something that was done, or tried, to be remembered.
#[derive(Debug, Clone, Default)]
pub struct Deed {
    /// The method's path.
    pub method: String,
    /// What it was done to.
    pub object: String,
    /// `done`, or the reason for which it was not.
    pub outcome: String,
    /// What was asked for.
    pub request: Value,
    /// How it was.
    pub before: Value,
    /// How it is then.
    pub after: Value,
}

/// What is known about callers.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Finds out who calls. Errors: the request says nobody, or somebody who is not let in.
    async fn identify(&self, headers: &HeaderMap, address: &str) -> Result<Caller, ApiError>;

    /// Says whether a caller may do something to something.
    fn permits(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> bool;

    /// Says whether a caller may do something to everything of a kind, in whatever project; `false` means only that each has
    /// to be asked about.
    fn permits_all(&self, _caller: &Caller, _resource: &str, _action: &str) -> bool {
        false
    }

    /// A number that grows whenever somebody may be permitted something else than before; `None` if that is not known.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Lets `update` or `delete` of one object inside an application through, or refuses it.
    fn enforce_part(&self, caller: &Caller, verb: &str, part: Part<'_>, object: &str) -> Result<(), ApiError>;

    /// Carries out a method about sessions, accounts and tokens; `None` if the method is not about them.
    async fn perform(
        &self,
        caller: &Result<Caller, ApiError>,
        address: &str,
        method: &str,
        request: &Value,
    ) -> Option<Result<Value, ApiError>>;

    /// Remembers what was done, or tried.
    async fn record(&self, caller: &Caller, deed: Deed);
}

/// Everybody is `admin`: for a server that only its owner reaches. Source: Argo CD `server.disable.auth`.
pub struct Open;

#[async_trait]
impl Gate for Open {
    async fn identify(&self, _headers: &HeaderMap, address: &str) -> Result<Caller, ApiError> {
        let (subject, issuer) = ("admin".to_owned(), "landfall".to_owned());
        Ok(Caller { subject, issuer, address: address.to_owned(), ..Caller::anonymous() })
    }

    fn permits(&self, _: &Caller, _: &str, _: &str, _: &str) -> bool {
        true
    }

    fn permits_all(&self, _: &Caller, _: &str, _: &str) -> bool {
        true
    }

    fn version(&self) -> Option<u64> {
        Some(0)
    }

    fn enforce_part(&self, _: &Caller, _: &str, _: Part<'_>, _: &str) -> Result<(), ApiError> {
        Ok(())
    }

    async fn perform(
        &self,
        _caller: &Result<Caller, ApiError>,
        _address: &str,
        method: &str,
        _request: &Value,
    ) -> Option<Result<Value, ApiError>> {
        let (service, name) = method.split_once('/')?;
        match (service, name) {
            // Clients that sign in by habit get a token; nobody looks at it.
            ("session.SessionService", "Create") => Some(Ok(json!({"token": open_token()}))),
            ("session.SessionService", "Delete") => Some(Ok(json!({}))),
            ("session.SessionService", "GetUserInfo") => {
                Some(Ok(json!({"loggedIn": true, "username": "admin", "iss": "landfall"})))
            }
            ("account.AccountService", "CanI") => Some(Ok(json!({"value": "yes"}))),
            ("account.AccountService", _) | ("project.ProjectService", "CreateToken" | "DeleteToken") => {
                let error =
                    ApiError::precondition("authentication is switched off: there are no accounts and no tokens");
                Some(Err(error.hint("start the server without --disable-auth")))
            }
            _ => None,
        }
    }

    async fn record(&self, _caller: &Caller, deed: Deed) {
        tracing::info!(target: "audit", action = deed.method, object = deed.object, outcome = deed.outcome, "audit");
    }
}

/// A token in the shape that clients read the user's name from; its signature is of nothing.
fn open_token() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": "admin:login", "iss": "argocd", "jti": "open"});
    format!("{}.{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims), URL_SAFE_NO_PAD.encode("open"))
}
