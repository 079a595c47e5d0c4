//! The gate of an installation: accounts, tokens and policies as `landfall-identity` knows them.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use landfall_api::error::ApiError;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::audit::{Audit, Entry};
use landfall_identity::caller::Caller;
use landfall_identity::enforcer::{Enforcer, Part};
use landfall_identity::layer::Authenticator;
use landfall_identity::project_tokens::ProjectTokens;
use landfall_identity::sessions::Sessions;
use serde_json::{Value, json};

use super::gate::{Deed, Gate};

/// Lets callers in by their tokens, and through by policy.
pub struct Installation {
    authenticator: Arc<Authenticator>,
    enforcer: Enforcer,
    sessions: Arc<Sessions>,
    accounts: Arc<Accounts>,
    project_tokens: Arc<ProjectTokens>,
    audit: Arc<Audit>,
}

impl Installation {
    /// Puts the gate together.
    pub fn of(
        authenticator: Arc<Authenticator>,
        sessions: Arc<Sessions>,
        accounts: Arc<Accounts>,
        audit: Arc<Audit>,
    ) -> Self {
        let access = authenticator.access().clone();
        Self {
            enforcer: Enforcer::of(access.clone()),
            project_tokens: ProjectTokens::of(access),
            authenticator,
            sessions,
            accounts,
            audit,
        }
    }
}

#[async_trait]
impl Gate for Installation {
    async fn identify(&self, headers: &HeaderMap, address: &str) -> Result<Caller, ApiError> {
        self.authenticator.authenticate(headers, address).await
    }

    fn permits(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> bool {
        self.enforcer.permits(caller, resource, action, object)
    }

    fn permits_all(&self, caller: &Caller, resource: &str, action: &str) -> bool {
        self.enforcer.permits_all(caller, resource, action)
    }

    fn version(&self) -> Option<u64> {
        Some(self.authenticator.access().version())
    }

    fn enforce_part(&self, caller: &Caller, verb: &str, part: Part<'_>, object: &str) -> Result<(), ApiError> {
        self.enforcer.enforce_part(caller, verb, part, object)
    }

    async fn perform(
        &self,
        caller: &Result<Caller, ApiError>,
        address: &str,
        method: &str,
        request: &Value,
    ) -> Option<Result<Value, ApiError>> {
        let known = || caller.as_ref().map_err(Clone::clone);
        let answer = match method {
            "session.SessionService/Create" => self.sessions.create(request, address).await,
            "session.SessionService/GetUserInfo" => Ok(self.sessions.user_info(caller.as_ref().ok())),
            "session.SessionService/Delete" => match known() {
                Ok(caller) => self.sessions.delete(caller).await,
                // Who is nobody is signed out already.
                Err(_) => Ok(json!({})),
            },
            "account.AccountService/CanI" => known().and_then(|caller| self.accounts.can_i(caller, request)),
            "account.AccountService/ListAccounts" => known().map(|caller| self.accounts.list(caller)),
            "account.AccountService/GetAccount" => known().and_then(|caller| self.accounts.get(caller, request)),
            "account.AccountService/UpdatePassword" => match known() {
                Ok(caller) => self.accounts.update_password(caller, request).await,
                Err(error) => Err(error),
            },
            "account.AccountService/CreateToken" => match known() {
                Ok(caller) => self.accounts.create_token(caller, request).await,
                Err(error) => Err(error),
            },
            "account.AccountService/DeleteToken" => match known() {
                Ok(caller) => self.accounts.delete_token(caller, request).await,
                Err(error) => Err(error),
            },
            "project.ProjectService/CreateToken" => match known() {
                Ok(caller) => self.project_tokens.create(caller, request).await,
                Err(error) => Err(error),
            },
            "project.ProjectService/DeleteToken" => match known() {
                Ok(caller) => self.project_tokens.delete(caller, request).await,
                Err(error) => Err(error),
            },
            _ => return None,
        };
        Some(answer)
    }

    async fn record(&self, caller: &Caller, deed: Deed) {
        let entry = Entry::by(caller, deed.method, deed.object);
        let entry =
            Entry { outcome: deed.outcome, request: deed.request, before: deed.before, after: deed.after, ..entry };
        self.audit.write(entry).await;
    }
}
