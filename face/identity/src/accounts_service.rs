//! What a person asks about accounts: `account.AccountService`, JSON in and out.
//! Source: Argo CD 3.5 `server/account/account.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use landfall_api::error::{ApiError, Code};
use serde_json::{Value, json};

use crate::access::{Access, Snapshot};
use crate::accounts::{Account, Capability, TokenRecord, secret_key};
use crate::caller::{Caller, ISSUER, check_scope};
use crate::enforcer::Enforcer;
use crate::passwords;
use crate::sessions::Sessions;
use crate::settings::HashForm;
use crate::tokens::{self, NewToken, project_role, random_id};

/// What policies are about. Source: Argo CD `util/rbac/rbac.go`.
pub const RESOURCES: [&str; 12] = [
    "clusters",
    "projects",
    "applications",
    "applicationsets",
    "repositories",
    "write-repositories",
    "certificates",
    "accounts",
    "gpgkeys",
    "logs",
    "exec",
    "extensions",
];
/// What policies permit.
pub const ACTIONS: [&str; 9] =
    ["get", "create", "update", "delete", "sync", "override", "action", "invoke", "rollback"];
/// How old a provider's token may be for changing a password.
const PROVIDER_TOKEN_SECONDS_MAX: i64 = 5 * 60;
/// How many tokens an account has at most: they all stand in one Secret.
const TOKENS_MAX: usize = 500;

/// Answers questions about accounts.
pub struct Accounts {
    access: Arc<Access>,
    sessions: Arc<Sessions>,
    enforcer: Enforcer,
    writing: tokio::sync::Mutex<()>,
}

impl Accounts {
    /// Answers by what `sessions` knows.
    pub fn of(sessions: Arc<Sessions>) -> Arc<Self> {
        let access = sessions.access().clone();
        let enforcer = Enforcer::of(access.clone());
        Arc::new(Self { access, sessions, enforcer, writing: tokio::sync::Mutex::default() })
    }

    /// `CanI`: `{resource, action, subresource}` gives `{value: yes|no}`.
    pub fn can_i(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let (resource, action) = (text(request, "resource"), text(request, "action"));
        if !RESOURCES.contains(&resource) {
            return Err(ApiError::invalid(format!("{resource:?} is no resource"))
                .hint(format!("resources are {}", RESOURCES.join(", "))));
        }
        let verb = action.split('/').next().unwrap_or_default();
        if !ACTIONS.contains(&verb) {
            return Err(ApiError::invalid(format!("{action:?} is no action"))
                .hint(format!("actions are {}", ACTIONS.join(", "))));
        }
        let answer = self.enforcer.permits(caller, resource, action, text(request, "subresource"));
        Ok(json!({"value": if answer { "yes" } else { "no" }}))
    }

    /// `ListAccounts`: those that the caller may see.
    pub fn list(&self, caller: &Caller) -> Value {
        let snapshot = self.access.snapshot();
        let visible = |name: &str| may_touch(&snapshot, caller, "get", name);
        let accounts = snapshot.settings.accounts.iter().filter(|(name, _)| visible(name));
        let items: Vec<Value> = accounts.map(|(name, account)| described(name, account)).collect();
        json!({"items": items})
    }

    /// `GetAccount`: `{name}`.
    pub fn get(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let name = text(request, "name");
        let snapshot = self.access.snapshot();
        self.ensure(&snapshot, caller, "get", name)?;
        Ok(described(name, account(&snapshot, name)?))
    }

    /// `UpdatePassword`: `{name, currentPassword, newPassword}`. Without a name it is the caller's own. The current
    /// password is the caller's, whoever's password is changed.
    pub async fn update_password(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let named = text(request, "name");
        let name = if named.is_empty() { caller.subject.as_str() } else { named };
        let is_local = caller.issuer == ISSUER;
        if name != caller.subject || !is_local {
            self.enforcer.enforce(caller, "accounts", "update", name)?;
        }
        if is_local {
            if project_role(&caller.subject).is_some() {
                let message = format!("password can only be changed for local users, not user {:?}", caller.subject);
                return Err(ApiError::invalid(message));
            }
            let current = text(request, "currentPassword");
            self.sessions.check(&caller.subject, current, &caller.address).await.map_err(|error| match error.code {
                Code::ResourceExhausted => error,
                _ => ApiError::of(Code::PermissionDenied, "current password does not match"),
            })?;
        } else {
            let issued_at = tokens::seconds(&caller.claims, "iat").unwrap_or(0);
            if self.access.now().as_second() - issued_at > PROVIDER_TOKEN_SECONDS_MAX {
                let message = "SSO token is too old. Please use 'argocd relogin' to get a new token.";
                return Err(ApiError::of(Code::PermissionDenied, message));
            }
        }
        let snapshot = self.access.snapshot();
        account(&snapshot, name)?;
        let password = text(request, "newPassword").to_owned();
        passwords::check_new(&password, &snapshot.settings.password_pattern)?;
        let form = snapshot.settings.hash_form;
        let hash = hashed(password, form).await?;
        let changes = BTreeMap::from([
            (secret_key(name, "password"), Some(hash)),
            (secret_key(name, "passwordMtime"), Some(whole_second(self.access.now()))),
        ]);
        self.access.write_secret(crate::settings::SECRET, &changes).await?;
        Ok(json!({}))
    }

    /// `CreateToken`: `{name, id, expiresIn}` gives `{token}`; our own `scopes` narrow it.
    pub async fn create_token(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let name = text(request, "name").to_owned();
        let _one_at_a_time = self.writing.lock().await;
        let snapshot = self.access.snapshot();
        self.ensure(&snapshot, caller, "update", &name)?;
        let scopes = wanted_scopes(caller, request)?;
        let account = account(&snapshot, &name)?;
        if !account.can(Capability::ApiKey) {
            let message = format!("account '{name}' does not have apiKey capability");
            let hint = format!("argocd-cm permits it with accounts.{name}: apiKey");
            return Err(ApiError::precondition(message).hint(hint));
        }
        let asked_id = text(request, "id");
        let id = if asked_id.is_empty() { random_id() } else { asked_id.to_owned() };
        if tokens::record(&account.tokens, &id).is_some() {
            return Err(ApiError::exists(format!("account already has token with id '{id}'")));
        }
        if account.tokens.len() >= TOKENS_MAX {
            let error = ApiError::of(Code::ResourceExhausted, format!("account '{name}' has {TOKENS_MAX} tokens"));
            return Err(error.hint("delete those that are not used: account delete-token"));
        }
        let lasts_seconds = lifetime(request)?;
        let now = self.access.now();
        let subject = format!("{name}:{}", Capability::ApiKey.name());
        let token =
            tokens::sign(&snapshot.settings, &NewToken { subject, id: id.clone(), lasts_seconds, scopes }, now)?;
        let mut kept = account.tokens.clone();
        let expires_at = if lasts_seconds > 0 { now.as_second() + lasts_seconds } else { 0 };
        kept.push(TokenRecord { id, issued_at: now.as_second(), expires_at });
        self.keep_tokens(&name, &kept).await?;
        Ok(json!({"token": token}))
    }

    /// `DeleteToken`: `{name, id}`.
    pub async fn delete_token(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let (name, id) = (text(request, "name"), text(request, "id"));
        let _one_at_a_time = self.writing.lock().await;
        let snapshot = self.access.snapshot();
        self.ensure(&snapshot, caller, "update", name)?;
        let mut kept = account(&snapshot, name)?.tokens.clone();
        if tokens::record(&kept, id).is_none() {
            return Err(ApiError::not_found(format!("account '{name}' does not have token with id '{id}'")));
        }
        kept.retain(|token| token.id != id);
        self.keep_tokens(name, &kept).await?;
        Ok(json!({}))
    }

    async fn keep_tokens(&self, name: &str, kept: &[TokenRecord]) -> Result<(), ApiError> {
        let text = json!(kept).to_string();
        let changes = BTreeMap::from([(secret_key(name, "tokens"), Some(text))]);
        self.access.write_secret(crate::settings::SECRET, &changes).await
    }

    fn ensure(&self, snapshot: &Snapshot, caller: &Caller, action: &str, name: &str) -> Result<(), ApiError> {
        match may_touch(snapshot, caller, action, name) {
            true => Ok(()),
            false => Err(ApiError::denied("accounts", action, name, caller.name())),
        }
    }
}

/// An account has access to itself; a token that is narrowed has not, unless it was made for it.
fn may_touch(snapshot: &Snapshot, caller: &Caller, action: &str, name: &str) -> bool {
    let is_itself = caller.subject == name && caller.issuer == ISSUER && caller.is_in_scope("accounts", action, name);
    is_itself || snapshot.permits(caller, "accounts", action, name)
}

/// The scopes of a new token: those asked for. Whoever has a narrowed token cannot make a wider one with it.
fn wanted_scopes(caller: &Caller, request: &Value) -> Result<Vec<String>, ApiError> {
    let asked: Vec<String> = match &request["scopes"] {
        Value::Null => Vec::new(),
        list => {
            serde_json::from_value(list.clone()).map_err(|_| ApiError::invalid("scopes must be a list of texts"))?
        }
    };
    asked.iter().try_for_each(|scope| check_scope(scope))?;
    match caller.claims.get(crate::caller::SCOPES_CLAIM) {
        None => Ok(asked),
        Some(own) => {
            let own: Vec<String> = serde_json::from_value(own.clone()).unwrap_or_default();
            let is_narrower = !asked.is_empty() && asked.iter().all(|scope| own.contains(scope));
            match (asked.is_empty(), is_narrower) {
                (true, _) => Ok(own),
                (false, true) => Ok(asked),
                (false, false) => Err(ApiError::of(
                    Code::PermissionDenied,
                    "a token that is narrowed to some requests makes tokens with the same scopes only",
                )),
            }
        }
    }
}

/// Reads `expiresIn`, in seconds; 0 is for ever.
pub(crate) fn lifetime(request: &Value) -> Result<i64, ApiError> {
    let seconds = match &request["expiresIn"] {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    };
    seconds
        .filter(|seconds| (0..=i64::from(u32::MAX)).contains(seconds))
        .ok_or_else(|| ApiError::invalid("expiresIn must be a number of seconds, 0 for ever"))
}

/// Hashes a password beside the threads that serve.
pub(crate) async fn hashed(password: String, form: HashForm) -> Result<String, ApiError> {
    let made = tokio::task::spawn_blocking(move || passwords::hash(&password, form));
    made.await.map_err(|error| ApiError::of(Code::Internal, format!("the password cannot be hashed: {error}")))?
}

/// A time as Argo CD writes it.
pub(crate) fn whole_second(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn account<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Account, ApiError> {
    let missing = || ApiError::not_found(format!("account '{name}' does not exist"));
    snapshot.settings.account(name).ok_or_else(missing)
}

fn described(name: &str, account: &Account) -> Value {
    let capabilities: Vec<&str> = account.capabilities.iter().map(|capability| capability.name()).collect();
    let token = |token: &TokenRecord| match token.expires_at {
        0 => json!({"id": token.id, "issuedAt": token.issued_at}),
        end => json!({"id": token.id, "issuedAt": token.issued_at, "expiresAt": end}),
    };
    let mut described = json!({"name": name, "enabled": account.is_enabled, "capabilities": capabilities});
    if !account.tokens.is_empty() {
        described["tokens"] = account.tokens.iter().map(token).collect();
    }
    described
}

pub(crate) fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}
