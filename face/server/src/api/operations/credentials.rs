//! Credentials for every repository below an address. Source: Argo CD 3.5 `server/repocreds/repocreds.go`.

use std::collections::BTreeMap;

use landfall_api::error::ApiError;
use serde_json::{Value, json};

use super::repositories::{shown, texts_of};
use super::stored::{self, Stored};
use crate::api::call::{Call, Outcome, flag, text};
use crate::api::dispatch::unknown;

/// Carries out a method about credentials.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    let (secret_type, prefix, resource) = if name.contains("Write") {
        ("repo-write-creds", "creds-write", "write-repositories")
    } else {
        ("repo-creds", "creds", "repositories")
    };
    let find = |url: &str| stored::all(call, secret_type).into_iter().find(|stored| stored.text("url") == url);
    let not_found = |url: &str| ApiError::not_found(format!("repository credentials '{url}' not found"));
    match name {
        "ListRepositoryCredentials" | "ListWriteRepositoryCredentials" => {
            let mut items: Vec<Value> = stored::all(call, secret_type)
                .iter()
                .filter(|stored| call.permits(resource, "get", stored.text("url")))
                .map(message)
                .collect();
            items.sort_by(|a, b| text(a, "url").cmp(text(b, "url")));
            Ok(json!({"metadata": {}, "items": items}).into())
        }
        "CreateRepositoryCredentials" | "CreateWriteRepositoryCredentials" => {
            let given = request.get("creds").cloned().unwrap_or_default();
            let url = text(&given, "url").to_owned();
            if url.is_empty() {
                return Err(ApiError::invalid("missing payload in request").hint("name the address in url"));
            }
            call.enforce(resource, "create", &url)?;
            let texts = texts_of(&given, "url");
            match find(&url) {
                None => {
                    let name = stored::name_for(prefix, &url, "");
                    let none = BTreeMap::new();
                    stored::create(call, &name, secret_type, &texts, &none, &none).await?;
                }
                Some(existing) => {
                    let differs = texts.iter().any(|(key, text)| existing.text(key) != text);
                    if differs && !flag(&request, "upsert") {
                        return Err(ApiError::invalid(
                            "existing repository credentials spec is different; use upsert flag to force update",
                        ));
                    }
                    call.enforce(resource, "update", &url)?;
                    stored::update(call, &existing.name, &texts, None, None).await?;
                }
            }
            Ok(json!({"url": url}).into())
        }
        "UpdateRepositoryCredentials" | "UpdateWriteRepositoryCredentials" => {
            let given = request.get("creds").cloned().unwrap_or_default();
            let url = text(&given, "url").to_owned();
            call.enforce(resource, "update", &url)?;
            let existing = find(&url).ok_or_else(|| not_found(&url))?;
            stored::update(call, &existing.name, &texts_of(&given, "url"), None, None).await?;
            Ok(json!({"url": url}).into())
        }
        "DeleteRepositoryCredentials" | "DeleteWriteRepositoryCredentials" => {
            let url = text(&request, "url");
            call.enforce(resource, "delete", url)?;
            let existing = find(url).ok_or_else(|| not_found(url))?;
            stored::delete(call, &existing).await?;
            Ok(json!({}).into())
        }
        _ => Err(unknown(name)),
    }
}

fn message(stored: &Stored) -> Value {
    let mut message = shown(stored, "url");
    if !stored.text("username").is_empty() {
        message["username"] = json!(stored.text("username"));
    }
    message
}
