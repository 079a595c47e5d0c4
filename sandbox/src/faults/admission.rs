//! Simulated admission webhooks, and namespaces that are full.

use serde_json::{Value, json};

use super::glob;
use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::registry::Resource;

/// What a webhook does.
#[derive(Debug, Clone)]
enum Deed {
    Reject(String),
    Down,
    Label(String, String),
    Annotate(String, String),
}

/// A webhook that nobody has to run.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    name: String,
    resource: String,
    namespace: String,
    deed: Deed,
}

impl Webhook {
    /// Reads the scope (`RESOURCE/NAMESPACE`) and the deed.
    pub(super) fn parse(name: &str, scope: &[&str], deed: &str) -> Result<Self, String> {
        let part = |index: usize| scope.get(index).map_or("*", |text| *text).to_string();
        let pair = |text: &str| {
            text.split_once(':')
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .ok_or_else(|| format!("{text:?} is not KEY:VALUE"))
        };
        let deed = match deed.split_once('=') {
            Some(("reject", message)) => Deed::Reject(message.trim().to_string()),
            Some(("label", text)) => pair(text).map(|(key, value)| Deed::Label(key, value))?,
            Some(("annotation", text)) => pair(text).map(|(key, value)| Deed::Annotate(key, value))?,
            None if deed == "reject" => Deed::Reject(String::new()),
            None if deed == "down" => Deed::Down,
            _ => return Err(format!("{deed:?} is nothing that a webhook does")),
        };
        Ok(Self { name: name.to_string(), resource: part(0), namespace: part(1), deed })
    }

    fn applies(&self, resource: &str, namespace: &str) -> bool {
        glob(&self.resource, resource) && glob(&self.namespace, namespace)
    }
}

/// Puts a write before the simulated webhooks: mutating ones first, then those that refuse.
///
/// What the control plane's own namespaces hold is not put before them, so that rules can be taken back.
pub(crate) fn admit(core: &Core, resource: &Resource, value: &mut Value) -> Result<(), ApiError> {
    let rules = core.faults.rules(&core.store);
    let namespace = json::namespace(value).to_string();
    if rules.webhooks.is_empty() || namespace == "kube-system" || resource.key.as_str().starts_with("events") {
        return Ok(());
    }
    let own: Vec<&Webhook> =
        rules.webhooks.iter().filter(|webhook| webhook.applies(resource.key.as_str(), &namespace)).collect();
    for webhook in &own {
        match &webhook.deed {
            Deed::Label(key, label) => json::set(value, &["metadata", "labels", key], label.as_str()),
            Deed::Annotate(key, text) => json::set(value, &["metadata", "annotations", key], text.as_str()),
            Deed::Reject(_) | Deed::Down => {}
        }
    }
    for webhook in own {
        let name = &webhook.name;
        match &webhook.deed {
            // Source: the words and codes of the API server's `webhook/errors` package.
            Deed::Reject(message) => {
                let why = if message.is_empty() { " without explanation".to_string() } else { format!(": {message}") };
                let mut error = ApiError::bad_request(format!("admission webhook {name:?} denied the request{why}"));
                error.reason = "";
                return Err(error);
            }
            Deed::Down => {
                return Err(ApiError::internal(format!(
                    "failed calling webhook {name:?}: failed to call webhook: Post \"https://{name}.svc:443/?timeout=10s\": \
                     dial tcp 10.96.255.1:443: connect: connection refused"
                )));
            }
            Deed::Label(..) | Deed::Annotate(..) => {}
        }
    }
    Ok(())
}

/// Refuses a new pod in a namespace that shall be full. Source: the words of the ResourceQuota admission plug-in.
pub(crate) fn admit_pod(core: &Core, pod: &Value) -> Result<(), ApiError> {
    let namespace = json::namespace(pod);
    if !core.faults.rules(&core.store).is_full(namespace) {
        return Ok(());
    }
    let used = core.store.list(&"pods".into(), Some(namespace), None).map_or(0, |listing| listing.items.len());
    let why = format!("exceeded quota: sandbox, requested: pods=1, used: pods={used}, limited: pods={used}");
    let mut error = ApiError::forbidden("pods", json::name(pod), &why);
    error.details = json!({"name": json::name(pod), "kind": "pods"});
    Err(error)
}
