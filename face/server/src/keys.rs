//! The keys that webhooks prove themselves with, from the Secret `argocd-secret`.
//!
//! It carries no label that informers select by, so it is read when somebody knocks, and kept for a moment: a flood of
//! requests is no flood on the API server.

use std::collections::BTreeMap;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use landfall_flow::home::HomeKind;
use landfall_flow::reconcile::Controller;
use landfall_model::object;
use landfall_webhook::keys::Keys;
use serde_json::Value;
use tokio::sync::Mutex;

/// The Secret that holds them. Source: Argo CD.
const SECRET_NAME: &str = "argocd-secret";
/// How old an answer may be: a changed key counts after this.
const AGE_MAX: SignedDuration = SignedDuration::from_secs(5);

/// What is known of the keys.
#[derive(Default)]
pub(crate) struct KnownKeys {
    /// Held while the API server is asked: one question at a time.
    last: Mutex<Option<(Timestamp, Result<Keys, String>)>>,
}

impl KnownKeys {
    /// Says what the keys are; none if there is no such Secret. Errors: it cannot be read, so nobody can be believed.
    pub(crate) async fn now(&self, controller: &Controller) -> Result<Keys, String> {
        let mut last = self.last.lock().await;
        let now = controller.clock.now();
        if let Some((at, known)) = &*last
            && now.duration_since(*at) < AGE_MAX
        {
            return known.clone();
        }
        let namespace = &controller.settings.namespace;
        let read = controller.home_cluster.get(&HomeKind::Secret.served(), namespace, SECRET_NAME).await;
        let known = read
            .map(|secret| secret.map_or_else(Keys::default, |secret| Keys::of_data(&data(&secret))))
            .map_err(|error| format!("the Secret {namespace}/{SECRET_NAME} with the webhooks' keys: {error}"));
        *last = Some((now, known.clone()));
        known
    }
}

/// Decodes a Secret's data. An entry that is no base64 cannot come from an API server.
fn data(secret: &Value) -> BTreeMap<String, Vec<u8>> {
    let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).ok();
    object::text_map(secret, &["data"]).iter().filter_map(|(name, text)| Some((name.clone(), decode(text)?))).collect()
}
