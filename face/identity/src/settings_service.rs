//! What anybody may know of the installation, and what those know who are signed in: `cluster.SettingsService/Get`.
//! Source: Argo CD 3.5 `server/settings/settings.go`.

use serde_json::{Map, Value, json};

use crate::access::Snapshot;
use crate::caller::{Caller, Via};
use crate::oidc::OidcSettings;

/// The settings for a caller. Without one, or for an anonymous one, it is the part that signing in needs.
pub fn get(snapshot: &Snapshot, namespace: &str, caller: Option<&Caller>) -> Value {
    let settings = &snapshot.settings;
    let text = |key: &str| settings.texts.get(key).map_or("", |value| value.trim());
    let is_on = |key: &str| text(key) == "true";
    let is_login_off = !settings
        .accounts
        .values()
        .any(|account| account.is_enabled && account.can(crate::accounts::Capability::Login));
    let mut answer = json!({
        "url": settings.url,
        "additionalUrls": settings.additional_urls,
        "statusBadgeEnabled": is_on("statusbadge.enabled"),
        "statusBadgeRootUrl": text("statusbadge.url"),
        "googleAnalytics": {"trackingID": text("ga.trackingid"), "anonymizeUsers": text("ga.anonymizeusers") != "false"},
        "help": {"chatUrl": text("help.chatUrl"), "chatText": chat_text(text("help.chatUrl"), text("help.chatText"))},
        "userLoginsDisabled": is_login_off,
        "uiCssURL": text("ui.cssurl"),
        "uiBannerContent": text("ui.bannercontent"),
        "uiBannerURL": text("ui.bannerurl"),
        "uiBannerPermanent": is_on("ui.bannerpermanent"),
        "uiBannerPosition": text("ui.bannerposition"),
        "appLabelKey": if text("application.instanceLabelKey").is_empty() { "app.kubernetes.io/instance" } else { text("application.instanceLabelKey") },
        "trackingMethod": if text("application.resourceTrackingMethod").is_empty() { "annotation" } else { text("application.resourceTrackingMethod") },
        "installationID": text("installationID"),
        "controllerNamespace": namespace,
        "impersonationEnabled": is_on("application.sync.impersonation.enabled"),
    });
    let fields = answer.as_object_mut().expect("it was made as an object");
    if let Ok(Some(oidc)) = OidcSettings::of(snapshot) {
        let mut described = json!({
            "name": oidc.name,
            "issuer": oidc.issuer,
            "clientID": oidc.client_id,
            "cliClientID": oidc.cli_client_id,
            "scopes": oidc.scopes,
            "enablePKCEAuthentication": oidc.enable_pkce,
        });
        if !oidc.id_token_claims.is_empty() {
            described["idTokenClaims"] = json!(oidc.id_token_claims);
        }
        fields.insert("oidcConfig".to_owned(), described);
    }
    if caller.is_some_and(|caller| caller.via != Via::Anonymous) {
        fields.insert("passwordPattern".to_owned(), json!(settings.password_pattern));
        fields.insert("execEnabled".to_owned(), json!(is_on("exec.enabled")));
        fields.insert("kustomizeOptions".to_owned(), json!({"buildOptions": text("kustomize.buildOptions")}));
        fields.insert("resourceOverrides".to_owned(), resource_overrides(snapshot));
    }
    answer
}

fn chat_text<'a>(url: &str, text: &'a str) -> &'a str {
    match (url.is_empty(), text.is_empty()) {
        (false, true) => "Chat now!",
        _ => text,
    }
}

/// `resource.customizations.<what>.<group_kind>`, by `group/kind`.
fn resource_overrides(snapshot: &Snapshot) -> Value {
    let mut overrides: Map<String, Value> = Map::new();
    for (key, text) in &snapshot.settings.texts {
        let Some(rest) = key.strip_prefix("resource.customizations.") else { continue };
        let Some((what, kind)) = rest.split_once('.') else { continue };
        let kind = kind.replacen('_', "/", 1);
        let entry = overrides.entry(kind).or_insert_with(|| json!({}));
        let field = match what {
            "health" => "healthLua",
            "actions" => "actions",
            "useOpenLibs" => {
                entry["useOpenLibs"] = json!(text.trim() == "true");
                continue;
            }
            _ => continue,
        };
        entry[field] = json!(text);
    }
    Value::Object(overrides)
}
