//! What an installation needs before anybody can sign in: the key that signs sessions and the first password of `admin`.
//! Made as Argo CD makes them, and only where they are missing. Source: Argo CD 3.5 `util/settings` (InitializeSettings).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_api::error::ApiError;
use landfall_flow::home::HomeKind;
use landfall_ports::cluster::Cause;
use serde_json::json;

use crate::access::{Access, refused, secret_texts, write};
use crate::accounts::secret_key;
use crate::accounts_service::{hashed, whole_second};
use crate::passwords;
use crate::settings::{ADMIN, CONFIG_MAP, POLICY_CONFIG_MAP, SECRET, Settings, Sources, Texts};
use crate::tokens::random_bytes;

/// The Secret with the first password of `admin`, to be deleted by whoever has changed it.
pub const INITIAL_PASSWORD_SECRET: &str = "argocd-initial-admin-secret";

/// What was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Whether a signing key was made.
    pub has_new_key: bool,
    /// The first password of `admin`, if it was made.
    pub initial_password: Option<String>,
}

/// Makes what is missing. Errors: the cluster refuses.
pub async fn prepare(access: &Access) -> Result<Prepared, ApiError> {
    let secret = texts(access, HomeKind::Secret, SECRET).await?;
    let config = texts(access, HomeKind::ConfigMap, CONFIG_MAP).await?;
    let policy = texts(access, HomeKind::ConfigMap, POLICY_CONFIG_MAP).await?;
    let settings = Settings::read(&Sources { config, policy, secret: secret.clone() });
    let mut changes = BTreeMap::new();
    let mut prepared = Prepared::default();
    if settings.signing_key.is_none() {
        changes.insert("server.secretkey".to_owned(), Some(STANDARD.encode(random_bytes::<32>())));
        prepared.has_new_key = true;
    }
    let admin = settings.account(ADMIN);
    if admin.is_some_and(|admin| admin.is_enabled && admin.password_hash.reveal().is_empty()) {
        let password = passwords::made();
        // First where a person finds it, then where it counts: a crash between the two leaves a password that is
        // replaced at the next start, never one that nobody knows.
        keep_initial(access, &password).await?;
        changes.insert(secret_key(ADMIN, "password"), Some(hashed(password.clone(), settings.hash_form).await?));
        changes.insert(secret_key(ADMIN, "passwordMtime"), Some(whole_second(access.now())));
        prepared.initial_password = Some(password);
    }
    if !changes.is_empty() {
        access.write_secret(SECRET, &changes).await?;
    }
    Ok(prepared)
}

async fn texts(access: &Access, kind: HomeKind, name: &str) -> Result<Texts, ApiError> {
    let found =
        access.cluster().get(&kind.served(), access.namespace(), name).await.map_err(|error| refused(&error))?;
    let Some(value) = found else { return Ok(Texts::new()) };
    access.take(kind, &value);
    Ok(match kind {
        HomeKind::Secret => secret_texts(&value),
        HomeKind::ConfigMap | HomeKind::Project | HomeKind::Application => {
            landfall_model::object::text_map(&value, &["data"])
        }
    })
}

async fn keep_initial(access: &Access, password: &str) -> Result<(), ApiError> {
    let metadata = json!({"name": INITIAL_PASSWORD_SECRET, "namespace": access.namespace()});
    let data = json!({"password": STANDARD.encode(password)});
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data});
    match access.cluster().create(&HomeKind::Secret.served(), &object, &write()).await {
        Ok(_made) => Ok(()),
        Err(error) if error.cause == Cause::AlreadyExists => {
            let changes = BTreeMap::from([("password".to_owned(), Some(password.to_owned()))]);
            access.write_secret(INITIAL_PASSWORD_SECRET, &changes).await
        }
        Err(error) => Err(refused(&error)),
    }
}
