//! The catalogue of notifications: what argocd-notifications-cm defines.

use serde_json::{Value, json};

use crate::api::call::{Call, Outcome};
use crate::api::dispatch::unknown;

/// Lists triggers, services or templates.
pub(crate) async fn perform(call: &Call, name: &str) -> Outcome {
    let prefix = match name {
        "ListTriggers" => "trigger.",
        "ListServices" => "service.",
        "ListTemplates" => "template.",
        _ => return Err(unknown(name)),
    };
    let config = call.config_map("argocd-notifications-cm").await?;
    let mut items: Vec<Value> = Vec::new();
    for key in config.keys() {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        // A service may have a name of its own behind its type: service.webhook.<name>.
        let shown = if prefix == "service." { rest.split_once('.').map_or(rest, |(_, own)| own) } else { rest };
        items.push(json!({"name": shown}));
    }
    Ok(json!({"items": items}).into())
}
