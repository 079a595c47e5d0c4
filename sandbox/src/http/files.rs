//! The files that a pod's volumes would hold: of ConfigMaps, Secrets, its own metadata and its account's token.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::Value;

use super::Handler;
use crate::json;
use crate::operations::Core;
use crate::tokens::{ISSUER, Identity, Issued};

/// Contents by the name of the file, relative to where the volume is mounted.
type Files = BTreeMap<String, String>;

/// The files of all volumes that a container mounts, by their whole path.
pub(super) fn of(handler: &Handler, pod: &Value, container: &str) -> Files {
    let mut all = Files::new();
    let found = json::list(pod, "/spec/containers").iter().find(|held| json::text(held, "/name") == container);
    let Some(found) = found else { return all };
    for mount in json::list(found, "/volumeMounts") {
        let name = json::text(mount, "/name");
        let Some(volume) = json::list(pod, "/spec/volumes").iter().find(|held| json::text(held, "/name") == name)
        else {
            continue;
        };
        let place = json::text(mount, "/mountPath").trim_end_matches('/');
        let part = json::text(mount, "/subPath").trim_matches('/');
        for (file, content) in volume_files(handler, pod, volume) {
            if part.is_empty() {
                all.insert(format!("{place}/{file}"), content);
            } else if file == part {
                all.insert(place.to_string(), content);
            }
        }
    }
    all
}

fn volume_files(handler: &Handler, pod: &Value, volume: &Value) -> Files {
    match volume.get("projected") {
        Some(projected) => json::list(projected, "/sources")
            .iter()
            .flat_map(|source| source_files(handler, pod, source, "name"))
            .collect(),
        None => source_files(handler, pod, volume, "secretName"),
    }
}

/// The files of one source; `secret_key` is what it calls the name of a Secret.
fn source_files(handler: &Handler, pod: &Value, source: &Value, secret_key: &str) -> Files {
    let core = &handler.core;
    let namespace = json::namespace(pod);
    if let Some(map) = source.get("configMap") {
        let held = core.store.get(&"configmaps".into(), namespace, json::text(map, "/name"));
        let texts = held.as_ref().and_then(|held| json::object(&held.value, "/data"));
        let texts: Files = texts
            .into_iter()
            .flatten()
            .map(|(key, text)| (key.clone(), text.as_str().unwrap_or_default().to_string()))
            .collect();
        return chosen(map, texts);
    }
    if let Some(secret) = source.get("secret") {
        let held = core.store.get(&"secrets".into(), namespace, json::text(secret, &format!("/{secret_key}")));
        let texts = held.as_ref().and_then(|held| json::object(&held.value, "/data"));
        let texts: Files = texts
            .into_iter()
            .flatten()
            .map(|(key, encoded)| {
                let bytes = STANDARD.decode(encoded.as_str().unwrap_or_default()).unwrap_or_default();
                (key.clone(), String::from_utf8_lossy(&bytes).into_owned())
            })
            .collect();
        return chosen(secret, texts);
    }
    if let Some(own) = source.get("downwardAPI") {
        return json::list(own, "/items")
            .iter()
            .map(|item| (json::text(item, "/path").to_string(), field(pod, json::text(item, "/fieldRef/fieldPath"))))
            .collect();
    }
    if let Some(token) = source.get("serviceAccountToken") {
        let path = json::text(token, "/path").to_string();
        return account_token(handler, pod, token).map(|text| Files::from([(path, text)])).unwrap_or_default();
    }
    Files::new()
}

/// What `items` choose, under the names that they give; everything without them.
fn chosen(source: &Value, mut texts: Files) -> Files {
    let items = json::list(source, "/items");
    if items.is_empty() {
        return texts;
    }
    items
        .iter()
        .filter_map(|item| Some((json::text(item, "/path").to_string(), texts.remove(json::text(item, "/key"))?)))
        .collect()
}

/// A field of the pod as the downward API writes it.
fn field(pod: &Value, path: &str) -> String {
    let pairs = |key: &str| {
        let map = json::object(pod, &format!("/metadata/{key}")).into_iter().flatten();
        let lines: Vec<String> =
            map.map(|(key, text)| format!("{key}={:?}", text.as_str().unwrap_or_default())).collect();
        lines.join("\n")
    };
    match path {
        "metadata.labels" => pairs("labels"),
        "metadata.annotations" => pairs("annotations"),
        other => json::text(pod, &format!("/{}", other.replace('.', "/"))).to_string(),
    }
}

/// A token of the pod's account, bound to the pod.
fn account_token(handler: &Handler, pod: &Value, source: &Value) -> Option<String> {
    let core: &Core = &handler.core;
    let (namespace, name) = (json::namespace(pod), json::text(pod, "/spec/serviceAccountName"));
    let account = core.store.get(&"serviceaccounts".into(), namespace, name)?;
    let mut user = Identity::service_account(namespace, name, json::uid(&account.value));
    let node = core.store.get(&"nodes".into(), "", json::text(pod, "/spec/nodeName"));
    user.bind_to_pod(pod, node.as_ref().map(|node| &*node.value));
    let audience = match json::text(source, "/audience") {
        "" => ISSUER,
        given => given,
    };
    let now = core.clock.now();
    let lasts_s = json::integer(source, "/expirationSeconds").unwrap_or(3600);
    let issued = Issued {
        user,
        account: (namespace.into(), name.into()),
        audiences: vec![audience.to_string()],
        expires: now + SignedDuration::from_secs(lasts_s),
        bound: Some(("Pod".to_string(), json::name(pod).to_string(), json::uid(pod).to_string())),
    };
    handler.tokens.issue(issued, now).ok()
}
