//! Tokens of projects' roles: `project.ProjectService/CreateToken` and `DeleteToken`, JSON in and out. They are listed in
//! the AppProject twice, as Argo CD does it: in `spec.roles[].jwtTokens`, and in `status.jwtTokensByRole`, where applying
//! the project from Git does not take them away. Source: Argo CD 3.5 `server/project/project.go`.

use std::sync::Arc;

use landfall_api::error::{ApiError, Code};
use landfall_model::object;
use serde_json::{Value, json};

use crate::access::Access;
use crate::accounts::TokenRecord;
use crate::accounts_service::{lifetime, text};
use crate::caller::Caller;
use crate::enforcer::Enforcer;
use crate::tokens::{self, NewToken, random_id};

/// How many tokens a role has at most: they all stand in one object.
const TOKENS_MAX: usize = 500;

/// Makes and deletes tokens of roles.
pub struct ProjectTokens {
    access: Arc<Access>,
    enforcer: Enforcer,
    writing: tokio::sync::Mutex<()>,
}

impl ProjectTokens {
    /// Works by what `access` knows.
    pub fn of(access: Arc<Access>) -> Arc<Self> {
        let enforcer = Enforcer::of(access.clone());
        Arc::new(Self { access, enforcer, writing: tokio::sync::Mutex::default() })
    }

    /// `{project, role, id, expiresIn}` gives `{token}`. Needs `projects, update`.
    pub async fn create(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let (name, role) = (text(request, "project"), text(request, "role"));
        self.enforcer.enforce(caller, "projects", "update", name)?;
        let lasts_seconds = lifetime(request)?;
        let _one_at_a_time = self.writing.lock().await;
        let project = self.access.project(name).await?;
        let mut kept = listed(&project, role)?;
        let asked_id = text(request, "id");
        let id = if asked_id.is_empty() { random_id() } else { asked_id.to_owned() };
        if tokens::record(&kept, &id).is_some() {
            return Err(ApiError::invalid(format!("Token id '{id}' has been used. ")));
        }
        if kept.len() >= TOKENS_MAX {
            let error = ApiError::of(Code::ResourceExhausted, format!("the role {role} has {TOKENS_MAX} tokens"));
            return Err(error.hint("delete those that are not used: proj role delete-token"));
        }
        let now = self.access.now();
        let new =
            NewToken { subject: format!("proj:{name}:{role}"), id: id.clone(), lasts_seconds, scopes: Vec::new() };
        let token = tokens::sign(&self.access.snapshot().settings, &new, now)?;
        let expires_at = if lasts_seconds > 0 { now.as_second() + lasts_seconds } else { 0 };
        kept.insert(0, TokenRecord { id, issued_at: now.as_second(), expires_at });
        self.keep(&project, role, &kept).await?;
        Ok(json!({"token": token}))
    }

    /// `{project, role, iat, id}`. Needs `projects, update`.
    pub async fn delete(&self, caller: &Caller, request: &Value) -> Result<Value, ApiError> {
        let (name, role, id) = (text(request, "project"), text(request, "role"), text(request, "id"));
        self.enforcer.enforce(caller, "projects", "update", name)?;
        let issued_at = match &request["iat"] {
            Value::String(text) => text.parse().unwrap_or(0),
            number => number.as_i64().unwrap_or(0),
        };
        let _one_at_a_time = self.writing.lock().await;
        let project = self.access.project(name).await?;
        let mut kept = listed(&project, role)?;
        let before = kept.len();
        kept.retain(|token| match id.is_empty() {
            true => token.issued_at != issued_at,
            false => token.id != id,
        });
        // Deleting what is not there is no fault, as in Argo CD.
        if kept.len() < before {
            self.keep(&project, role, &kept).await?;
        }
        Ok(json!({}))
    }

    async fn keep(&self, project: &Value, role: &str, kept: &[TokenRecord]) -> Result<(), ApiError> {
        let mut roles = project["spec"]["roles"].clone();
        for found in roles.as_array_mut().into_iter().flatten().filter(|found| found["name"] == role) {
            found["jwtTokens"] = json!(kept);
        }
        let patch = json!({
            "metadata": {"resourceVersion": object::resource_version(project)},
            "spec": {"roles": roles},
            "status": {"jwtTokensByRole": {role: {"items": kept}}},
        });
        self.access.patch_project(object::name(project), patch).await.map(drop)
    }
}

/// The tokens of a role, the newest first. Errors: there is no such role.
fn listed(project: &Value, role: &str) -> Result<Vec<TokenRecord>, ApiError> {
    let roles = project["spec"]["roles"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(found) = roles.iter().find(|found| found["name"] == role) else {
        let name = object::name(project);
        let error = ApiError::not_found(format!("role '{role}' does not exist in project '{name}'"));
        return Err(error.hint(format!("proj role list {name} shows those that are there")));
    };
    let in_status = project["status"]["jwtTokensByRole"][role]["items"].as_array();
    let in_spec = found["jwtTokens"].as_array();
    let mut kept: Vec<TokenRecord> = Vec::new();
    for value in in_status.into_iter().flatten().chain(in_spec.into_iter().flatten()) {
        let Ok(record) = serde_json::from_value::<TokenRecord>(value.clone()) else { continue };
        if !kept.iter().any(|known| known.id == record.id && known.issued_at == record.issued_at) {
            kept.push(record);
        }
    }
    kept.sort_by_key(|token| std::cmp::Reverse(token.issued_at));
    Ok(kept)
}
