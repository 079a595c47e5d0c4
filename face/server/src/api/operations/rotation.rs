//! New credentials for a cluster that is reached as a service account: a new token is made there, tried, kept, and the old
//! one deleted, in this order, so that whatever fails leaves credentials that work.
//! Source: Argo CD 3.5 `server/cluster/cluster.go` (RotateAuth), `util/clusterauth`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use landfall_api::error::{ApiError, Code};
use landfall_model::annotations::SECRET_TYPE_LABEL;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Cluster, Delete, Patch, ServedKind};
use landfall_repository::cluster;
use serde_json::{Value, json};

use super::stored::{self, Stored};
use crate::api::call::{Call, refused, text, write};

/// How often it is looked whether the cluster has filled the new Secret, and how often at most.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS_MAX: usize = 120;

/// Who a token speaks for.
struct Claims {
    namespace: String,
    secret: String,
    account: String,
}

/// Gives a cluster's Secret a new token. Errors: it is not reached with the token of a service account; the cluster
/// refuses, or does not make a token; the new token is not let in.
pub(super) async fn rotate(call: &Call, existing: &Stored) -> Result<(), ApiError> {
    let server = existing.text("server").trim_end_matches('/').to_owned();
    let mut config: Value = serde_json::from_str(existing.text("config")).unwrap_or_default();
    let token = text(&config, "bearerToken").to_owned();
    if token.is_empty() {
        return Err(ApiError::invalid(format!("Cluster '{server}' does not use bearer token authentication"))
            .hint("only the token of a service account can be made anew from here; argocd cluster add makes one"));
    }
    let claims = claims(&token).ok_or_else(|| {
        ApiError::precondition(format!("the token of {server} is not that of a service account's Secret"))
            .hint("argocd cluster add CONTEXT --upsert puts one in its place")
    })?;
    let known = call.controller().destinations.by_server(&server);
    let known = known
        .ok_or_else(|| ApiError::precondition(format!("{server} is not connected: its connection state says why")))?;
    let client = known.live.cluster().clone();
    let made = new_secret(call, client.as_ref(), &claims).await?;
    let (made_name, new_token) = made;

    config["bearerToken"] = json!(new_token);
    if let Some(tls) = config.get_mut("tlsClientConfig").and_then(Value::as_object_mut) {
        tls.remove("certData");
        tls.remove("keyData");
    }
    let mut wanted = existing.texts.clone();
    wanted.insert("config".to_owned(), config.to_string());
    if let Err(error) = is_let_in(call, existing, &wanted).await {
        // The new one is of no use: the old one stays, and nothing is left behind.
        let _gone = client.delete(&kind("Secret", "secrets"), &claims.namespace, &made_name, &Delete::default()).await;
        return Err(error);
    }
    stored::update(call, &existing.name, &wanted, None, None).await?;
    forget(client.as_ref(), &claims, &made_name).await.map_err(|error| {
        error.hint(format!(
            "{server} has its new token; the old one, Secret {}/{}, still works",
            claims.namespace, claims.secret
        ))
    })
}

/// Reads a token's claims, as they stand in the tokens of Secrets.
fn claims(token: &str) -> Option<Claims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    let claim = |name: &str| {
        let found = text(&payload, &format!("kubernetes.io/serviceaccount/{name}"));
        (!found.is_empty()).then(|| found.to_owned())
    };
    Some(Claims {
        namespace: claim("namespace")?,
        secret: claim("secret.name")?,
        account: claim("service-account.name")?,
    })
}

fn kind(name: &str, plural: &str) -> ServedKind {
    ServedKind {
        gvk: GroupVersionKind::of("v1", name),
        plural: plural.to_owned(),
        is_namespaced: true,
        verbs: ["get", "create", "patch", "delete"].map(str::to_owned).to_vec(),
        is_preferred: true,
    }
}

/// Makes a Secret for a token beside the old one, and waits until the cluster has filled it. Answers its name and the token.
async fn new_secret(call: &Call, client: &dyn Cluster, claims: &Claims) -> Result<(String, String), ApiError> {
    let kind = kind("Secret", "secrets");
    let old = client.get(&kind, &claims.namespace, &claims.secret).await.map_err(|error| refused(&error))?;
    let annotations = old.map(|old| object::text_map(&old, &["metadata", "annotations"])).unwrap_or_default();
    let mut annotations: BTreeMap<String, String> = annotations;
    annotations.insert("kubernetes.io/service-account.name".to_owned(), claims.account.clone());
    annotations.remove("kubernetes.io/service-account.uid");
    annotations.remove(landfall_model::annotations::LAST_APPLIED);
    let stem = claims.secret.rsplit_once('-').map_or(claims.secret.as_str(), |(stem, _)| stem);
    let metadata =
        json!({"generateName": format!("{stem}-"), "namespace": claims.namespace, "annotations": annotations});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token",
    });
    let created = client.create(&kind, &secret, &write()).await.map_err(|error| refused(&error))?;
    let name = object::name(&created).to_owned();
    for _ in 0..LOOKS_MAX {
        let found = client.get(&kind, &claims.namespace, &name).await.map_err(|error| refused(&error))?;
        let token = found.as_ref().and_then(|found| found.pointer("/data/token")).and_then(Value::as_str);
        let token = token.and_then(|token| String::from_utf8(STANDARD.decode(token).ok()?).ok());
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            return Ok((name, token));
        }
        call.controller().clock.sleep(LOOK).await;
    }
    let _gone = client.delete(&kind, &claims.namespace, &name, &Delete::default()).await;
    let waited = (LOOK * u32::try_from(LOOKS_MAX).unwrap_or(u32::MAX)).as_secs();
    Err(ApiError::of(
        Code::DeadlineExceeded,
        format!("the cluster made no token for {} within {waited} s", claims.account),
    )
    .hint("is its controller manager running?"))
}

/// Tries new credentials before they are kept.
async fn is_let_in(call: &Call, existing: &Stored, wanted: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let data = wanted.iter().map(|(key, text)| (key.clone(), text.clone().into_bytes())).collect();
    let labels = BTreeMap::from([(SECRET_TYPE_LABEL.to_owned(), cluster::SECRET_TYPE.to_owned())]);
    let config = cluster::parse(&existing.name, &labels, &BTreeMap::new(), &data).map_err(ApiError::precondition)?;
    let connector = call.controller().connector();
    let client: Arc<dyn Cluster> =
        connector.connect(&config.server, &config.access).await.map_err(ApiError::precondition)?;
    client.discovery().await.map(|_| ()).map_err(|error| refused(&error))
}

/// Takes the old token out of its service account, and deletes it.
async fn forget(client: &dyn Cluster, claims: &Claims, new_secret: &str) -> Result<(), ApiError> {
    let accounts = kind("ServiceAccount", "serviceaccounts");
    let account = client.get(&accounts, &claims.namespace, &claims.account).await.map_err(|error| refused(&error))?;
    if let Some(account) = account {
        let mut secrets = account.get("secrets").and_then(Value::as_array).cloned().unwrap_or_default();
        secrets.retain(|one| text(one, "name") != claims.secret);
        if !secrets.iter().any(|one| text(one, "name") == new_secret) {
            secrets.push(json!({"name": new_secret}));
        }
        let patch = Patch::Merge(json!({"secrets": secrets}));
        let answer = client.patch(&accounts, &claims.namespace, &claims.account, "", &patch, &write()).await;
        answer.map_err(|error| refused(&error))?;
    }
    let gone = client.delete(&kind("Secret", "secrets"), &claims.namespace, &claims.secret, &Delete::default()).await;
    gone.map(|_| ()).map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_secret_names_whom_it_speaks_for_and_another_does_not() {
        let of = |payload: Value| format!("a.{}.c", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let token = of(json!({
            "kubernetes.io/serviceaccount/namespace": "kube-system",
            "kubernetes.io/serviceaccount/secret.name": "argocd-manager-long-lived-token",
            "kubernetes.io/serviceaccount/service-account.name": "argocd-manager",
        }));
        let read = claims(&token).unwrap();
        assert_eq!((read.namespace.as_str(), read.account.as_str()), ("kube-system", "argocd-manager"));
        assert!(
            claims(&of(json!({"sub": "system:serviceaccount:a:b"}))).is_none(),
            "a short-lived token has no Secret"
        );
        assert!(claims("nonsense").is_none());
    }
}
