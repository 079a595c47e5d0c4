//! Admission webhooks: other servers that are asked about a write.
//!
//! The verbs do not wait: what must be asked is handed to the HTTP layer as a [`Call`], which asks it and begins again with the answer
//! (see `operations/memory.rs`). Parts of the simulated control plane have nobody to begin again for them; they wait.
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook` 1.36.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::matching::{Act, rule_matches, selectors_match};
use super::policies;
use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::outside::{self, Call};

/// A webhook of a configuration, with the name under which its answers are remembered.
struct Hook {
    question: String,
    webhook: Value,
}

fn hooks(core: &Core, act: &Act<'_>, plural: &str) -> Result<Vec<Hook>, ApiError> {
    let key = format!("{plural}webhookconfigurations.admissionregistration.k8s.io");
    let listing = core.store.list(&key.as_str().into(), None, None);
    let mut found = Vec::new();
    if act.resource.group == "admissionregistration.k8s.io" {
        return Ok(found);
    }
    for configuration in listing.map(|listing| listing.items).unwrap_or_default() {
        for webhook in json::list(&configuration.value, "/webhooks") {
            if !json::list(webhook, "/rules").iter().any(|rule| rule_matches(rule, act))
                || !selectors_match(core, webhook, act)
            {
                continue;
            }
            let name = json::text(webhook, "/name");
            match policies::webhook_matches(core, act, webhook) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) if json::text(webhook, "/failurePolicy") == "Ignore" => continue,
                Err(why) => return Err(ApiError::forbidden(act.resource.qualified(), json::name(act.subject()), &why)),
            }
            let question = format!(
                "{plural}/{}/{name}/{}",
                json::name(&configuration.value),
                json::text(&act.old, "/metadata/resourceVersion")
            );
            found.push(Hook { question, webhook: webhook.clone() });
        }
    }
    Ok(found)
}

/// Asks a webhook; `None` when its failure is to be ignored.
fn ask(core: &Core, act: &Act<'_>, hook: &Hook, warnings: &mut Vec<String>) -> Result<Option<Value>, ApiError> {
    let name = json::text(&hook.webhook, "/name").to_string();
    if act.dry_run && !matches!(json::text(&hook.webhook, "/sideEffects"), "None" | "NoneOnDryRun") {
        return Err(ApiError::bad_request(format!("admission webhook {name:?} does not support dry run")));
    }
    let answer = match act.options.memory.answer(&hook.question) {
        Some(answer) => answer,
        None => {
            let uid = core.random.uid();
            let mut request = act.request(&uid);
            request["object"] = act.shown(&act.object);
            request["oldObject"] = act.shown(&act.old);
            let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request});
            let seconds = json::integer(&hook.webhook, "/timeoutSeconds").unwrap_or(10);
            let call = Call {
                question: hook.question.clone(),
                client: hook.webhook.get("clientConfig").cloned().unwrap_or_default(),
                body: review,
                timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(10)),
            };
            if !act.options.memory.waits() {
                return Err(ApiError::pending(Arc::new(call)));
            }
            let answer = outside::ask_now(core, &call);
            act.options.memory.keep(hook.question.clone(), answer.clone());
            answer
        }
    };
    let response = match answer {
        Ok(review) if review.get("response").is_some_and(Value::is_object) => review["response"].clone(),
        other => {
            let why = match other {
                Ok(_) => "webhook response was absent".to_string(),
                Err(why) => why,
            };
            if json::text(&hook.webhook, "/failurePolicy") == "Ignore" {
                return Ok(None);
            }
            return Err(ApiError::internal(format!("failed calling webhook {name:?}: {why}")));
        }
    };
    for warning in json::list(&response, "/warnings").iter().filter_map(Value::as_str) {
        warnings.push(warning.to_string());
    }
    if json::flag(&response, "/allowed") {
        return Ok(Some(response));
    }
    let status = response.get("status").cloned().unwrap_or_default();
    let (message, reason) = (json::text(&status, "/message"), json::text(&status, "/reason"));
    let denied = format!("admission webhook {name:?} denied the request");
    let sentence = match (message, reason) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let mut error = ApiError::bad_request(sentence);
    error.code = json::integer(&status, "/code")
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| *code >= 400)
        .unwrap_or(400);
    error.reason = known_reason(reason);
    Err(error)
}

/// The reasons that the protocol knows; others are left out.
fn known_reason(reason: &str) -> &'static str {
    let known = [
        "Forbidden",
        "Invalid",
        "BadRequest",
        "Conflict",
        "NotFound",
        "AlreadyExists",
        "Unauthorized",
        "TooManyRequests",
        "InternalError",
    ];
    known.into_iter().find(|known| *known == reason).unwrap_or("")
}

/// Lets webhooks change what is written.
pub(super) fn mutate(core: &Core, act: &mut Act<'_>, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    for hook in hooks(core, act, "mutating")? {
        let Some(response) = ask(core, act, &hook, warnings)? else { continue };
        let encoded = json::text(&response, "/patch");
        if encoded.is_empty() || act.object.is_null() {
            continue;
        }
        let name = json::text(&hook.webhook, "/name");
        let patch =
            STANDARD.decode(encoded).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).ok_or_else(
                || ApiError::internal(format!("admission webhook {name:?} returned a patch that is not readable")),
            )?;
        let current = act.shown(&act.object);
        let mut next = landfall_merge::json_patch::apply(&current, &patch).map_err(|error| {
            ApiError::internal(format!("admission webhook {name:?} returned a patch that cannot be applied: {error}"))
        })?;
        crate::convert::to_storage(act.resource, &mut next);
        act.object = next;
    }
    Ok(())
}

/// Lets webhooks refuse what is written.
pub(super) fn validate(core: &Core, act: &Act<'_>, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    for hook in hooks(core, act, "validating")? {
        ask(core, act, &hook, warnings)?;
    }
    Ok(())
}
