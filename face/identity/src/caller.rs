//! Who calls: what a verified token says.

use landfall_access::pattern::Pattern;
use landfall_api::error::ApiError;
use serde_json::{Map, Value};

use crate::accounts::Capability;

/// The issuer of our own tokens, which is Argo CD's.
pub const ISSUER: &str = "argocd";
/// The claim that narrows a token to some requests. Argo CD does not know it.
pub const SCOPES_CLAIM: &str = "landfall.scopes";

/// How a caller became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Not at all: there is no token, and the installation lets such callers in.
    Anonymous,
    /// A local account, by login or by one of its tokens.
    Account(Capability),
    /// A token of a project's role.
    ProjectRole,
    /// An OpenID provider.
    Provider,
}

/// How a token came with a request: a browser sends cookies whoever made the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A header, which only somebody who has the token can send.
    Header,
    /// A cookie, which a browser adds by itself.
    Cookie,
}

/// Somebody who calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The account, `proj:<project>:<role>`, or the provider's name of the user; `""` for an anonymous caller.
    pub subject: String,
    /// Who vouches for it: [`ISSUER`] or the provider's URL.
    pub issuer: String,
    /// How it became known.
    pub via: Via,
    /// How the token came.
    pub carrier: Carrier,
    /// The token's id (`jti`); `""` if it has none.
    pub token_id: String,
    /// When the token ends, in seconds; `None` is never.
    pub expires_at: Option<i64>,
    /// All claims of the token.
    pub claims: Map<String, Value>,
    /// Where the request came from, for the audit; `""` if unknown.
    pub address: String,
}

impl Default for Caller {
    fn default() -> Self {
        Self::anonymous()
    }
}

impl Caller {
    /// Somebody without a token.
    pub fn anonymous() -> Self {
        Self {
            subject: String::new(),
            issuer: String::new(),
            via: Via::Anonymous,
            carrier: Carrier::Header,
            token_id: String::new(),
            expires_at: None,
            claims: Map::new(),
            address: String::new(),
        }
    }

    /// The name to show and to write into records: the mail address or name that the provider gave, else the subject.
    /// Source: Argo CD `util/session/sessionmanager.go` (Username).
    pub fn name(&self) -> &str {
        if self.via != Via::Provider {
            return &self.subject;
        }
        let claim = |name: &str| self.claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        claim("email").or_else(|| claim("name")).unwrap_or(&self.subject)
    }

    /// The groups: the values of these claims. Source: Argo CD `util/jwt/jwt.go` (GetScopeValues).
    pub fn groups(&self, scopes: &[String]) -> Vec<String> {
        let mut groups = Vec::new();
        for scope in scopes {
            match self.claims.get(scope) {
                Some(Value::String(one)) => groups.push(one.clone()),
                Some(Value::Array(several)) => {
                    groups.extend(several.iter().filter_map(Value::as_str).map(str::to_owned))
                }
                _ => {}
            }
        }
        groups
    }

    /// Says whether the token was made for such a request. A token without scopes was made for all.
    pub fn is_narrowed(&self) -> bool {
        self.claims.contains_key(SCOPES_CLAIM)
    }

    /// Says whether what a token was narrowed to, if it was, takes a request in.
    pub fn is_in_scope(&self, resource: &str, action: &str, object: &str) -> bool {
        match self.claims.get(SCOPES_CLAIM) {
            None => true,
            Some(Value::Array(scopes)) => {
                scopes.iter().filter_map(Value::as_str).any(|scope| scope_matches(scope, resource, action, object))
            }
            // A claim of ours that is no list is none of ours: nothing is permitted.
            Some(_) => false,
        }
    }
}

/// A scope is `resource:action` or `resource:action:object`, each a glob.
fn scope_matches(scope: &str, resource: &str, action: &str, object: &str) -> bool {
    let mut parts = scope.splitn(3, ':');
    let mut matches = |text: &str| parts.next().is_none_or(|glob| Pattern::read(glob, None).matches(text));
    matches(resource) && matches(action) && matches(object)
}

/// Checks a scope that somebody asks for.
pub fn check_scope(scope: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = scope.splitn(3, ':').collect();
    let is_filled = parts.iter().all(|part| !part.trim().is_empty());
    if parts.len() >= 2 && is_filled {
        return Ok(());
    }
    let message = format!("the scope {scope:?} is none");
    Err(ApiError::invalid(message)
        .hint("a scope is RESOURCE:ACTION or RESOURCE:ACTION:OBJECT, as applications:sync:team/*"))
}

/// What authentication found out about a request; in its extensions.
#[derive(Debug, Clone)]
pub struct Identified(pub Result<Caller, ApiError>);

impl Identified {
    /// The caller of a request; the reason why there is none.
    pub fn caller(extensions: &http::Extensions) -> Result<Caller, ApiError> {
        match extensions.get::<Self>() {
            Some(Self(found)) => found.clone(),
            // No layer looked at the request: nobody is let in by forgetting it.
            None => Err(ApiError::unauthenticated("no session information")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_claims(claims: Value) -> Caller {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        Caller { claims, via: Via::Provider, subject: "sub".into(), ..Caller::anonymous() }
    }

    #[test]
    fn groups_come_from_the_claims_that_the_scopes_name() {
        let caller = with_claims(json!({"groups": ["a", 3, "b"], "email": "ann@example.com"}));
        assert_eq!(caller.groups(&["groups".into(), "email".into(), "nothing".into()]), ["a", "b", "ann@example.com"]);
        assert_eq!(caller.name(), "ann@example.com");
        assert_eq!(with_claims(json!({})).name(), "sub");
    }

    #[test]
    fn scopes_narrow_a_token_and_a_broken_claim_permits_nothing() {
        let caller = with_claims(json!({"landfall.scopes": ["applications:get", "applications:sync:team/*"]}));
        assert!(caller.is_in_scope("applications", "get", "other/x"));
        assert!(caller.is_in_scope("applications", "sync", "team/x"));
        assert!(!caller.is_in_scope("applications", "sync", "other/x"));
        assert!(!caller.is_in_scope("projects", "get", "team"));
        assert!(!with_claims(json!({"landfall.scopes": "*"})).is_in_scope("projects", "get", "team"));
        assert!(with_claims(json!({})).is_in_scope("projects", "get", "team"));
        assert!(check_scope("applications:get").is_ok() && check_scope("applications").is_err());
        assert!(check_scope("applications:").is_err());
    }

    #[test]
    fn a_request_that_nobody_looked_at_has_no_caller() {
        assert!(Identified::caller(&http::Extensions::new()).is_err());
    }
}
