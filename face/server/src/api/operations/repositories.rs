//! Repositories. Source: Argo CD 3.5 `server/repository/repository.go`, `util/db/repository_secrets.go`.

use std::collections::BTreeMap;

use landfall_api::error::ApiError;
use landfall_repository::address;
use landfall_repository::config::{self, SecretRole};
use landfall_repository::lookup::Access;
use landfall_repository::repository::{Repository, RepositoryKind};
use serde_json::{Value, json};

use super::stored::{self, Stored};
use crate::api::call::{Call, Outcome, flag, lean, text};
use crate::api::dispatch::unknown;

/// The keys of a Secret and the fields of the message that they are. What is secret is never shown.
const FIELDS: [(&str, &str, bool); 29] = [
    ("url", "repo", false),
    ("name", "name", false),
    ("type", "type", false),
    ("project", "project", false),
    ("username", "username", true),
    ("password", "password", true),
    ("bearerToken", "bearerToken", true),
    ("sshPrivateKey", "sshPrivateKey", true),
    ("insecure", "insecure", false),
    ("insecureIgnoreHostKey", "insecureIgnoreHostKey", false),
    ("enableLfs", "enableLfs", false),
    ("tlsClientCertData", "tlsClientCertData", true),
    ("tlsClientCertKey", "tlsClientCertKey", true),
    ("enableOCI", "enableOCI", false),
    ("insecureOCIForceHttp", "insecureOCIForceHttp", false),
    ("githubAppID", "githubAppID", false),
    ("githubAppInstallationID", "githubAppInstallationID", false),
    ("githubAppEnterpriseBaseUrl", "githubAppEnterpriseBaseUrl", false),
    ("githubAppPrivateKey", "githubAppPrivateKey", true),
    ("proxy", "proxy", false),
    ("noProxy", "noProxy", false),
    ("gcpServiceAccountKey", "gcpServiceAccountKey", true),
    ("forceHttpBasicAuth", "forceHttpBasicAuth", false),
    ("useAzureWorkloadIdentity", "useAzureWorkloadIdentity", false),
    ("depth", "depth", false),
    ("azureServicePrincipalClientId", "azureServicePrincipalClientId", false),
    ("azureServicePrincipalClientSecret", "azureServicePrincipalClientSecret", true),
    ("azureServicePrincipalTenantId", "azureServicePrincipalTenantId", false),
    ("azureActiveDirectoryEndpoint", "azureActiveDirectoryEndpoint", false),
];
/// Fields that are switches.
const SWITCHES: [&str; 7] = [
    "insecure",
    "insecureIgnoreHostKey",
    "enableLfs",
    "enableOCI",
    "insecureOCIForceHttp",
    "forceHttpBasicAuth",
    "useAzureWorkloadIdentity",
];
/// Fields that are numbers.
const NUMBERS: [&str; 3] = ["githubAppID", "githubAppInstallationID", "depth"];

/// Which repositories: for reading, or for pushing what was rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Family {
    secret_type: &'static str,
    prefix: &'static str,
    resource: &'static str,
    role: SecretRole,
}

const READ: Family =
    Family { secret_type: "repository", prefix: "repo", resource: "repositories", role: SecretRole::Repository };
const WRITE: Family = Family {
    secret_type: "repository-write",
    prefix: "repo-write",
    resource: "write-repositories",
    role: SecretRole::RepositoryWrite,
};

/// Carries out a method about repositories.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "List" | "ListRepositories" => list(call, READ, &request).await,
        "ListWriteRepositories" => list(call, WRITE, &request).await,
        "Get" => get(call, READ, &request).await,
        "GetWrite" => get(call, WRITE, &request).await,
        "Create" | "CreateRepository" => create(call, READ, &request).await,
        "CreateWriteRepository" => create(call, WRITE, &request).await,
        "Update" | "UpdateRepository" => update(call, READ, &request).await,
        "UpdateWriteRepository" => update(call, WRITE, &request).await,
        "Delete" | "DeleteRepository" => delete(call, READ, &request).await,
        "DeleteWriteRepository" => delete(call, WRITE, &request).await,
        "ValidateAccess" => validate(call, READ, &request).await,
        "ValidateWriteAccess" => validate(call, WRITE, &request).await,
        "ListRefs" => references(call, &request).await,
        "ListOCITags" => tags(call, &request).await,
        "GetHelmCharts" => charts(call, &request).await,
        "ListApps" => super::sources::list(call, &request).await,
        "GetAppDetails" => super::sources::details(call, &request).await,
        _ => Err(unknown(name)),
    }
}

/// The name that policies call a repository by.
fn object_of(url: &str, project: &str) -> String {
    if project.is_empty() { url.to_owned() } else { format!("{project}/{url}") }
}

/// A message as texts for a Secret.
pub(crate) fn texts_of(message: &Value, url_field: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (key, field, _) in FIELDS {
        let field = if key == "url" { url_field } else { field };
        let text = match message.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(true)) => "true".to_owned(),
            Some(Value::Number(number)) if number.as_i64() != Some(0) => number.to_string(),
            _ => String::new(),
        };
        texts.insert(key.to_owned(), text);
    }
    texts
}

/// A Secret as a message. Nothing secret is in it.
pub(crate) fn shown(stored: &Stored, url_field: &str) -> Value {
    let mut message = json!({});
    for (key, field, is_secret) in FIELDS {
        let text = stored.text(key);
        if text.is_empty() || is_secret {
            continue;
        }
        let field = if key == "url" { url_field } else { field };
        message[field] = if SWITCHES.contains(&field) {
            json!(text == "true")
        } else if NUMBERS.contains(&field) {
            json!(text.parse::<i64>().unwrap_or(0))
        } else {
            json!(text)
        };
    }
    // The name of a user is no secret, and the list shows whether there are credentials.
    lean(message)
}

/// All repositories, as they are shown.
pub(crate) fn all(call: &Call) -> Vec<Value> {
    stored::all(call, READ.secret_type).iter().map(|stored| shown_repository(call, stored)).collect()
}

fn shown_repository(call: &Call, stored: &Stored) -> Value {
    let mut message = shown(stored, "repo");
    if text(&message, "type").is_empty() {
        message["type"] = json!("git");
    }
    if !stored.text("username").is_empty() {
        message["username"] = json!(stored.text("username"));
    }
    let has_own = ["username", "password", "sshPrivateKey", "bearerToken", "githubAppPrivateKey", "tlsClientCertData"]
        .iter()
        .any(|key| !stored.text(key).is_empty());
    let configured = call.controller().repositories.configured();
    if !has_own && configured.template(stored.text("url"), Access::Read).is_some() {
        message["inheritedCreds"] = json!(true);
    }
    message
}

fn find(call: &Call, family: Family, url: &str, project: Option<&str>) -> Option<Stored> {
    let wanted = address::normalized(url);
    let of_url = stored::all(call, family.secret_type)
        .into_iter()
        .filter(|stored| address::normalized(stored.text("url")) == wanted);
    let mut of_url: Vec<Stored> = of_url.collect();
    match project {
        Some(project) => of_url.into_iter().find(|stored| stored.text("project") == project),
        None => {
            of_url.sort_by_key(|stored| !stored.text("project").is_empty());
            of_url.into_iter().next()
        }
    }
}

/// The repository that a Secret describes, ready to be asked.
fn repository_of(call: &Call, family: Family, stored: &Stored) -> Result<(Repository, RepositoryKind), ApiError> {
    let data = stored.texts.iter().map(|(key, text)| (key.clone(), text.clone().into_bytes())).collect();
    let (found, problems) = config::parse(&stored.name, family.role, &data);
    let found = found.ok_or_else(|| ApiError::invalid(problems.join("; ")))?;
    let mut repository = found.repository(&found.url);
    // Credentials may come from a template, and certificates from ConfigMaps: the look-up puts them together.
    let known = call.controller().repositories.repository(&found.url, found.project.as_deref().unwrap_or(""));
    if repository.credentials.is_empty() {
        repository.credentials = known.credentials.clone();
    }
    if repository.connection.tls_authorities.is_none() {
        repository.connection.tls_authorities = known.connection.tls_authorities.clone();
    }
    if repository.connection.known_hosts.is_none() {
        repository.connection.known_hosts = known.connection.known_hosts.clone();
    }
    Ok((repository, found.kind))
}

/// Asks a repository, and says how that went.
async fn connection(call: &Call, family: Family, stored: &Stored) -> Result<(), ApiError> {
    let (repository, kind) = repository_of(call, family, stored)?;
    let controller = call.controller();
    let is_oci = kind == RepositoryKind::Oci || repository.url.starts_with("oci://");
    let answer = match kind {
        _ if is_oci => controller.charts.tags(&repository).await.map(|_| ()),
        // A registry has no list of its charts: the chart is named by whoever uses it.
        RepositoryKind::Helm if repository.connection.oci_enabled => Ok(()),
        RepositoryKind::Helm => controller.charts.index(&repository).await.map(|_| ()),
        RepositoryKind::Git | RepositoryKind::Oci => controller.repositories.list(&repository).await.map(|_| ()),
    };
    answer.map_err(|error| super::manifests::source_error(&error))
}

async fn with_connection(call: &Call, family: Family, stored: &Stored) -> Value {
    let mut message = shown_repository(call, stored);
    let now = format!("{:.0}", call.controller().clock.now());
    message["connectionState"] = match connection(call, family, stored).await {
        Ok(()) => json!({"status": "Successful", "message": "", "attemptedAt": now}),
        Err(error) => json!({
            "status": "Failed", "message": format!("Unable to connect to repository: {}", error.text()), "attemptedAt": now,
        }),
    };
    message
}

async fn list(call: &Call, family: Family, request: &Value) -> Outcome {
    let mut visible: Vec<Stored> = stored::all(call, family.secret_type)
        .into_iter()
        .filter(|stored| call.permits(family.resource, "get", &object_of(stored.text("url"), stored.text("project"))))
        .filter(|stored| {
            text(request, "appProject").is_empty()
                || stored.text("project").is_empty()
                || stored.text("project") == text(request, "appProject")
        })
        .collect();
    visible.sort_by(|a, b| a.text("url").cmp(b.text("url")).then_with(|| a.text("project").cmp(b.text("project"))));
    // All are asked at the same time, a bounded number of them.
    use futures::StreamExt as _;
    let mut asked = Vec::with_capacity(visible.len());
    for stored in &visible {
        asked.push(with_connection(call, family, stored));
    }
    let items: Vec<Value> = futures::stream::iter(asked).buffered(16).collect().await;
    Ok(json!({"metadata": {}, "items": items}).into())
}

/// The stored repository that a request names, if the caller may do `action`.
fn named(call: &Call, family: Family, request: &Value, action: &str) -> Result<Stored, ApiError> {
    let url = text(request, "repo");
    let project = Some(text(request, "appProject")).filter(|project| !project.is_empty());
    let stored = find(call, family, url, project);
    let Some(stored) = stored else {
        call.enforce(family.resource, action, &object_of(url, project.unwrap_or("")))?;
        return Err(ApiError::not_found(format!("repo '{url}' not found")));
    };
    call.enforce(family.resource, action, &object_of(stored.text("url"), stored.text("project")))?;
    Ok(stored)
}

async fn get(call: &Call, family: Family, request: &Value) -> Outcome {
    let stored = named(call, family, request, "get")?;
    Ok(with_connection(call, family, &stored).await.into())
}

async fn create(call: &Call, family: Family, request: &Value) -> Outcome {
    let message = request.get("repo").cloned().unwrap_or_default();
    let url = text(&message, "repo").trim().to_owned();
    if url.is_empty() {
        return Err(ApiError::invalid("missing payload in request").hint("name the repository's address in repo"));
    }
    let project = text(&message, "project").to_owned();
    call.enforce(family.resource, "create", &object_of(&url, &project))?;
    let mut texts = texts_of(&message, "repo");
    texts.insert("url".to_owned(), url.clone());
    let name = stored::name_for(family.prefix, &url, &project);
    let candidate = Stored { name: name.clone(), texts, labels: BTreeMap::new(), annotations: BTreeMap::new() };
    if !flag(request, "credsOnly") {
        connection(call, family, &candidate).await?;
    }
    match find(call, family, &url, Some(&project)) {
        None => {
            let none = BTreeMap::new();
            stored::create(call, &name, family.secret_type, &candidate.texts, &none, &none).await?;
        }
        Some(existing) => {
            let differs = candidate.texts.iter().any(|(key, text)| existing.text(key) != text);
            if differs && !flag(request, "upsert") {
                return Err(ApiError::invalid(format!(
                    "existing repository spec is different; use upsert flag to force update; repository {url:?}"
                )));
            }
            call.enforce(family.resource, "update", &object_of(&url, &project))?;
            stored::update(call, &existing.name, &candidate.texts, None, None).await?;
        }
    }
    Ok(answer(call, &candidate).into())
}

/// What a write answers: the repository without its secrets, reached just now.
fn answer(call: &Call, stored: &Stored) -> Value {
    let mut message = shown_repository(call, stored);
    let now = format!("{:.0}", call.controller().clock.now());
    message["connectionState"] = json!({"status": "Successful", "message": "", "attemptedAt": now});
    message
}

async fn update(call: &Call, family: Family, request: &Value) -> Outcome {
    let message = request.get("repo").cloned().unwrap_or_default();
    let (url, project) = (text(&message, "repo").to_owned(), text(&message, "project").to_owned());
    let existing = find(call, family, &url, Some(&project)).or_else(|| find(call, family, &url, None));
    let Some(existing) = existing else {
        call.enforce(family.resource, "update", &object_of(&url, &project))?;
        return Err(ApiError::not_found(format!("repo '{url}' not found")));
    };
    call.enforce(family.resource, "update", &object_of(existing.text("url"), existing.text("project")))?;
    call.enforce(family.resource, "update", &object_of(&url, &project))?;
    let texts = texts_of(&message, "repo");
    stored::update(call, &existing.name, &texts, None, None).await?;
    Ok(answer(call, &Stored { texts, ..existing }).into())
}

async fn delete(call: &Call, family: Family, request: &Value) -> Outcome {
    let stored = named(call, family, request, "delete")?;
    stored::delete(call, &stored).await?;
    Ok(json!({}).into())
}

async fn validate(call: &Call, family: Family, request: &Value) -> Outcome {
    let url = text(request, "repo").to_owned();
    call.enforce(family.resource, "create", &object_of(&url, text(request, "project")))?;
    let mut texts = texts_of(request, "repo");
    texts.insert("url".to_owned(), url);
    if flag(request, "enableOci") {
        texts.insert("enableOCI".to_owned(), "true".to_owned());
    }
    if flag(request, "insecureOciForceHttp") {
        texts.insert("insecureOCIForceHttp".to_owned(), "true".to_owned());
    }
    let candidate = Stored { name: "request".to_owned(), texts, labels: BTreeMap::new(), annotations: BTreeMap::new() };
    connection(call, family, &candidate).await?;
    Ok(json!({}).into())
}

/// How a repository is reached that may not be stored; the caller may see it.
pub(crate) fn reachable(call: &Call, request: &Value) -> Result<Repository, ApiError> {
    let (url, project) = (text(request, "repo"), text(request, "appProject"));
    let stored = find(call, READ, url, Some(project)).or_else(|| find(call, READ, url, None));
    let own = stored.as_ref().map_or("", |stored| stored.text("project"));
    call.enforce(READ.resource, "get", &object_of(url, own))?;
    Ok(call.controller().repositories.repository(url, project))
}

async fn references(call: &Call, request: &Value) -> Outcome {
    let repository = reachable(call, request)?;
    let found = call.controller().repositories.list(&repository).await;
    let found = found.map_err(|error| super::manifests::source_error(&error))?;
    let branches: Vec<&str> = found.branches().map(|(name, _)| name).collect();
    let tags: Vec<&str> = found.tags().map(|(name, _)| name).collect();
    Ok(lean(json!({"branches": branches, "tags": tags})).into())
}

async fn tags(call: &Call, request: &Value) -> Outcome {
    let repository = reachable(call, request)?;
    let found = call.controller().charts.tags(&repository).await;
    Ok(lean(json!({"tags": found.map_err(|error| super::manifests::source_error(&error))?})).into())
}

async fn charts(call: &Call, request: &Value) -> Outcome {
    let repository = reachable(call, request)?;
    let index = call.controller().charts.index(&repository).await;
    let index = index.map_err(|error| super::manifests::source_error(&error))?;
    let items: Vec<Value> = index
        .versions_by_chart
        .iter()
        .map(|(name, versions)| {
            json!({"name": name, "versions": versions.iter().map(|version| &version.version).collect::<Vec<_>>()})
        })
        .collect();
    Ok(lean(json!({"items": items})).into())
}
