//! What the installation is set to, as far as it may be known, and the version.

use landfall_api::error::ApiError;
use serde_json::{Map, Value, json};

use crate::api::call::{Call, Outcome, lean};
use crate::api::dispatch::unknown;

/// Settings.
pub(crate) fn perform(call: &Call, name: &str) -> Outcome {
    match name {
        "Get" => Ok(get(call).into()),
        "GetPlugins" if call.caller.subject.is_empty() => Err(ApiError::unauthenticated("no session information")),
        "GetPlugins" => Ok(json!({}).into()),
        _ => Err(unknown(name)),
    }
}

/// What anybody may know, and for callers who are known the rest.
/// Source: Argo CD 3.5 `server/settings/settings.go`.
fn get(call: &Call) -> Value {
    let controller = call.controller();
    let config = controller.home.config_map("argocd-cm").unwrap_or_default();
    let text = |key: &str| config.get(key).map_or("", String::as_str).to_owned();
    let is_on = |key: &str| config.get(key).is_some_and(|text| text == "true");
    let tracking = match text("application.resourceTrackingMethod").as_str() {
        "" => "annotation".to_owned(),
        other => other.to_owned(),
    };
    let label = match text("application.instanceLabelKey").as_str() {
        "" => landfall_model::annotations::INSTANCE_LABEL.to_owned(),
        other => other.to_owned(),
    };
    let mut settings = json!({
        "url": text("url"),
        "appLabelKey": label,
        "trackingMethod": tracking,
        "statusBadgeEnabled": is_on("statusbadge.enabled"),
        "statusBadgeRootUrl": text("statusbadge.url"),
        "help": lean(json!({"chatUrl": text("help.chatUrl"), "chatText": text("help.chatText")})),
        "uiCssURL": text("ui.cssurl"),
        "uiBannerContent": text("ui.bannercontent"),
        "uiBannerURL": text("ui.bannerurl"),
        "uiBannerPermanent": is_on("ui.bannerpermanent"),
        "uiBannerPosition": text("ui.bannerposition"),
        "userLoginsDisabled": config.get("admin.enabled").is_some_and(|text| text == "false")
            && !config.iter().any(|(key, value)| key.starts_with("accounts.") && value.contains("login")),
        "passwordPattern": text("passwordPattern"),
        "execEnabled": is_on("exec.enabled"),
        "controllerNamespace": call.namespace(),
        "appsInAnyNamespaceEnabled": controller.settings.all_namespaces,
        "installationID": text("installationID"),
        "syncWithReplaceAllowed": true,
        "googleAnalytics": lean(json!({"trackingID": text("ga.trackingid"), "anonymizeUsers": config.contains_key("ga.trackingid") && text("ga.anonymizeusers") != "false"})),
        "kustomizeOptions": lean(json!({"buildOptions": text("kustomize.buildOptions")})),
    });
    if settings["passwordPattern"] == "" {
        settings["passwordPattern"] = json!("^.{8,32}$");
    }
    if let Some(oidc) = oidc(&config) {
        settings["oidcConfig"] = oidc;
    }
    if let Some(dex) = dex(&config) {
        settings["dexConfig"] = dex;
    }
    if !call.caller.subject.is_empty() {
        settings["resourceOverrides"] = Value::Object(overrides(&config));
    }
    lean(settings)
}

fn yaml(text: &str) -> Option<Value> {
    landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes).ok()?.into_iter().next()
}

/// What a client needs to sign in at the provider; never the secret.
fn oidc(config: &std::collections::BTreeMap<String, String>) -> Option<Value> {
    let read = yaml(config.get("oidc.config")?)?;
    let picked = |field: &str| read.get(field).cloned().unwrap_or_default();
    let scopes = match picked("requestedScopes") {
        Value::Null => json!(["openid", "profile", "email", "groups"]),
        given => given,
    };
    Some(lean(json!({
        "name": picked("name"), "issuer": picked("issuer"), "clientID": picked("clientID"), "cliClientID": picked("cliClientID"),
        "scopes": scopes, "idTokenClaims": picked("requestedIDTokenClaims"),
        "enablePKCEAuthentication": picked("enablePKCEAuthentication"),
    })))
}

fn dex(config: &std::collections::BTreeMap<String, String>) -> Option<Value> {
    let read = yaml(config.get("dex.config")?)?;
    let connectors = read.get("connectors")?.as_array()?;
    let shown: Vec<Value> =
        connectors.iter().map(|connector| json!({"name": connector["name"], "type": connector["type"]})).collect();
    Some(json!({"connectors": shown}))
}

/// How kinds are assessed, compared and acted on, by `resource.customizations`.
fn overrides(config: &std::collections::BTreeMap<String, String>) -> Map<String, Value> {
    let mut found = Map::new();
    if let Some(Value::Object(whole)) = config.get("resource.customizations").and_then(|text| yaml(text)) {
        for (kind, rules) in whole {
            found.insert(kind, override_of(&rules));
        }
    }
    for (key, text) in config {
        let Some(rest) = key.strip_prefix("resource.customizations.") else { continue };
        let Some((what, kind)) = rest.split_once('.') else { continue };
        let kind = kind.replacen('_', "/", 1);
        let entry = found.entry(kind).or_insert_with(|| json!({}));
        match what {
            "health" => entry["healthLua"] = json!(text),
            "actions" => entry["actions"] = json!(text),
            "useOpenLibs" => entry["useOpenLibs"] = json!(text == "true"),
            "ignoreDifferences" => entry["ignoreDifferences"] = ignore(yaml(text).unwrap_or_default()),
            "ignoreResourceUpdates" => entry["ignoreResourceUpdates"] = ignore(yaml(text).unwrap_or_default()),
            "knownTypeFields" => entry["knownTypeFields"] = yaml(text).unwrap_or_default(),
            _ => {}
        }
    }
    found
}

fn override_of(rules: &Value) -> Value {
    let mut found = json!({});
    for (from, to) in [("health.lua", "healthLua"), ("actions", "actions")] {
        if let Some(text) = rules.get(from).and_then(Value::as_str) {
            found[to] = json!(text);
        }
    }
    for field in ["ignoreDifferences", "ignoreResourceUpdates"] {
        if let Some(text) = rules.get(field).and_then(Value::as_str) {
            found[field] = ignore(yaml(text).unwrap_or_default());
        }
    }
    found
}

fn ignore(read: Value) -> Value {
    let list = |field: &str| read.get(field).cloned().unwrap_or_else(|| json!([]));
    lean(json!({
        "jsonPointers": list("jsonPointers"), "jqPathExpressions": list("jqPathExpressions"),
        "managedFieldsManagers": list("managedFieldsManagers"),
    }))
}

/// The version. It begins with the version of Argo CD whose API this is, because clients compare it.
pub(crate) fn version(call: &Call) -> Value {
    json!({
        "Version": format!("v3.5.1+landfall.{}", call.api.version),
        "GoVersion": "none", "Compiler": "rustc",
        "Platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        "KustomizeVersion": "built in", "HelmVersion": "built in", "KubectlVersion": "built in", "JsonnetVersion": "built in",
        "ExtraBuildInfo": format!("Landfall {}", call.api.version),
    })
}
