//! Clusters that applications go to. Source: Argo CD 3.5 `server/cluster/cluster.go`, `util/db/cluster.go`.

use std::collections::BTreeMap;

use landfall_api::error::ApiError;
use landfall_flow::destinations::{IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
use landfall_model::object;
use serde_json::{Map, Value, json};

use super::rotation;
use super::stored::{self, Stored};
use crate::api::call::{Call, Outcome, flag, lean, text, texts};
use crate::api::dispatch::unknown;

/// The type of the Secrets.
const SECRET_TYPE: &str = "cluster";

/// Carries out a method about clusters.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "List" => list(call, &request).await,
        "Get" => Ok(with_info(call, named(call, &request, "get")?).await.into()),
        "Create" => create(call, &request).await,
        "Update" => update(call, &request).await,
        "Delete" => delete(call, &request).await,
        "InvalidateCache" => invalidate(call, &request).await,
        "RotateAuth" => {
            let cluster = named(call, &request, "update")?;
            let server = text(&cluster, "server");
            let existing = stored_of(call, server).ok_or_else(|| {
                ApiError::invalid(format!("Cluster '{server}' does not use bearer token authentication")).hint(
                    "the cluster that this runs in is reached as its own service account, which Kubernetes renews",
                )
            })?;
            rotation::rotate(call, &existing).await?;
            Ok(json!({}).into())
        }
        _ => Err(unknown(name)),
    }
}

/// The name that policies call a cluster by: its address, not its name.
fn object_of(cluster: &Value) -> String {
    let (server, project) = (text(cluster, "server"), text(cluster, "project"));
    if project.is_empty() { server.to_owned() } else { format!("{project}/{server}") }
}

/// All clusters as messages, the one that this runs in among them. Nothing secret is in them.
pub(crate) fn all(call: &Call) -> Vec<Value> {
    let mut found: Vec<Value> = stored::all(call, SECRET_TYPE).iter().map(message).collect();
    let config = call.controller().home.config_map("argocd-cm").unwrap_or_default();
    let is_enabled = config.get("cluster.inClusterEnabled").is_none_or(|text| text != "false");
    if is_enabled && !found.iter().any(|cluster| text(cluster, "server") == IN_CLUSTER_SERVER) {
        found.push(json!({
            "server": IN_CLUSTER_SERVER, "name": IN_CLUSTER_NAME, "config": {"tlsClientConfig": {"insecure": false}},
        }));
    }
    found.sort_by(|a, b| text(a, "server").cmp(text(b, "server")));
    found
}

fn message(stored: &Stored) -> Value {
    let config: Value = serde_json::from_str(stored.text("config")).unwrap_or_default();
    let tls = &config["tlsClientConfig"];
    let mut shown = json!({
        "server": stored.text("server").trim_end_matches('/'),
        "name": if stored.text("name").is_empty() { stored.text("server") } else { stored.text("name") },
        "config": {"tlsClientConfig": {"insecure": tls["insecure"].as_bool().unwrap_or(false)}},
    });
    if let Some(server_name) = tls["serverName"].as_str().filter(|name| !name.is_empty()) {
        shown["config"]["tlsClientConfig"]["serverName"] = json!(server_name);
    }
    if let Some(aws) = config.get("awsAuthConfig").filter(|aws| aws.is_object()) {
        shown["config"]["awsAuthConfig"] = aws.clone();
    }
    if let Some(exec) = config.get("execProviderConfig").filter(|exec| exec.is_object()) {
        // Its variables may be secret.
        shown["config"]["execProviderConfig"] =
            lean(json!({"command": exec["command"], "apiVersion": exec["apiVersion"]}));
    }
    let namespaces: Vec<&str> =
        stored.text("namespaces").split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if !namespaces.is_empty() {
        shown["namespaces"] = json!(namespaces);
    }
    if stored.text("clusterResources") == "true" {
        shown["clusterResources"] = json!(true);
    }
    if !stored.text("project").is_empty() {
        shown["project"] = json!(stored.text("project"));
    }
    if let Ok(shard) = stored.text("shard").parse::<i64>() {
        shown["shard"] = json!(shard);
    }
    let own = |map: &BTreeMap<String, String>| {
        let kept = map.iter().filter(|(key, _)| {
            *key != landfall_model::annotations::SECRET_TYPE_LABEL
                && *key != "managed-by"
                && *key != landfall_model::annotations::LAST_APPLIED
        });
        kept.map(|(key, value)| (key.clone(), json!(value))).collect::<Map<String, Value>>()
    };
    for (field, map) in [("labels", own(&stored.labels)), ("annotations", own(&stored.annotations))] {
        if !map.is_empty() {
            shown[field] = Value::Object(map);
        }
    }
    shown
}

/// Adds what is known about a cluster at this moment.
async fn with_info(call: &Call, mut cluster: Value) -> Value {
    let server = text(&cluster, "server").to_owned();
    let controller = call.controller();
    let known = controller.destinations.all().into_iter().find(|known| known.server.trim_end_matches('/') == server);
    let all = controller.home.applications();
    let count = all
        .iter()
        .filter_map(|(_, known)| known.application.as_ref().ok())
        .filter(|application| {
            controller
                .destinations
                .find(&application.spec.destination)
                .is_ok_and(|c| c.server.trim_end_matches('/') == server)
        })
        .count();
    let now = format!("{:.0}", controller.clock.now());
    let mut info = json!({"applicationsCount": count});
    let state = match known {
        None => json!({"status": "Unknown", "message": "Cluster has no applications and is not being monitored."}),
        Some(known) => match known.live.discovery().await {
            Ok(discovery) => {
                let version = discovery.server_version.trim_start_matches('v').to_owned();
                let short = version.split('.').take(2).collect::<Vec<_>>().join(".");
                cluster["serverVersion"] = json!(short);
                info["serverVersion"] = json!(short);
                let mut versions: Vec<String> = discovery
                    .kinds
                    .iter()
                    .flat_map(|kind| {
                        let version = kind.gvk.api_version();
                        [format!("{version}/{}", kind.gvk.kind), version]
                    })
                    .collect();
                versions.sort();
                versions.dedup();
                info["apiVersions"] = json!(versions);
                info["cacheInfo"] = json!({
                    "resourcesCount": known.live.len(), "apisCount": known.live.watched().len(), "lastCacheSyncTime": now,
                });
                json!({"status": "Successful", "message": "", "attemptedAt": now})
            }
            Err(error) => json!({"status": "Failed", "message": error.to_string(), "attemptedAt": now}),
        },
    };
    info["connectionState"] = state.clone();
    cluster["connectionState"] = state;
    cluster["info"] = info;
    cluster
}

async fn list(call: &Call, request: &Value) -> Outcome {
    let (server, name) = (text(request, "server"), text(request, "name"));
    let id = request.get("id").cloned().unwrap_or_default();
    let matches = |cluster: &Value| {
        let (own_server, own_name) = (text(cluster, "server"), text(cluster, "name"));
        let by_id = match (text(&id, "type"), text(&id, "value")) {
            (_, "") => true,
            ("name", value) => own_name == value,
            (_, value) => own_server == value,
        };
        by_id
            && (server.is_empty() || own_server == server.trim_end_matches('/'))
            && (name.is_empty() || own_name == name)
    };
    let visible = all(call).into_iter().filter(matches);
    let visible = visible.filter(|cluster| call.permits("clusters", "get", &object_of(cluster)));
    let mut items = Vec::new();
    for cluster in visible {
        let mut cluster = with_info(call, cluster).await;
        // A long list of what each serves would be most of the answer. Source: Argo CD leaves it out of lists too.
        if let Some(info) = cluster["info"].as_object_mut() {
            info.remove("apiVersions");
        }
        items.push(cluster);
    }
    Ok(json!({"metadata": {}, "items": items}).into())
}

/// The cluster that a request names, if the caller may do `action`. Who may not learns nothing about what there is.
fn named(call: &Call, request: &Value, action: &str) -> Result<Value, ApiError> {
    let id = request.get("id").cloned().unwrap_or_default();
    let (mut server, mut name) = (text(request, "server").to_owned(), text(request, "name").to_owned());
    match text(&id, "type") {
        "name" | "name_escaped" => name = decoded(&id),
        "" | "server" | "url" | "url_escaped" => {
            if !text(&id, "value").is_empty() {
                server = decoded(&id);
            }
        }
        other => {
            return Err(ApiError::invalid(format!("the type of id {other:?} is not known")).hint("use name or url"));
        }
    }
    let server = server.trim_end_matches('/').to_owned();
    let found = all(call).into_iter().find(|cluster| {
        if name.is_empty() { text(cluster, "server") == server } else { text(cluster, "name") == name }
    });
    let Some(cluster) = found else { return Err(ApiError::denied_plainly()) };
    match call.permits("clusters", action, &object_of(&cluster)) {
        true => Ok(cluster),
        false => Err(ApiError::denied_plainly()),
    }
}

fn decoded(id: &Value) -> String {
    let value = text(id, "value");
    if text(id, "type").ends_with("_escaped") {
        percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
    } else {
        value.to_owned()
    }
}

fn stored_of(call: &Call, server: &str) -> Option<Stored> {
    stored::all(call, SECRET_TYPE).into_iter().find(|stored| stored.text("server").trim_end_matches('/') == server)
}

fn secret_texts(cluster: &Value) -> BTreeMap<String, String> {
    let mut config = cluster.get("config").cloned().unwrap_or_else(|| json!({}));
    if config.get("tlsClientConfig").is_none() {
        config["tlsClientConfig"] = json!({"insecure": false});
    }
    let shard = cluster.get("shard").and_then(Value::as_i64).map(|shard| shard.to_string()).unwrap_or_default();
    BTreeMap::from([
        ("server".to_owned(), text(cluster, "server").trim_end_matches('/').to_owned()),
        ("name".to_owned(), text(cluster, "name").to_owned()),
        ("namespaces".to_owned(), texts(cluster, "namespaces").join(",")),
        (
            "clusterResources".to_owned(),
            if flag(cluster, "clusterResources") { "true".to_owned() } else { String::new() },
        ),
        ("project".to_owned(), text(cluster, "project").to_owned()),
        ("shard".to_owned(), shard),
        ("config".to_owned(), config.to_string()),
    ])
}

/// Source: Argo CD `util/db/cluster.go` (URIToSecretName): the host and a hash of the whole address.
fn secret_name(server: &str) -> String {
    let host = server.split("://").nth(1).unwrap_or(server);
    let host = host.split(['/', ':']).next().unwrap_or("").to_lowercase();
    let host: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' }).collect();
    stored::name_for(&format!("cluster-{}", host.trim_matches(['.', '-'])), server, "")
}

async fn create(call: &Call, request: &Value) -> Outcome {
    let mut cluster = request.get("cluster").cloned().unwrap_or_default();
    let server = text(&cluster, "server").trim_end_matches('/').to_owned();
    if server.is_empty() {
        return Err(ApiError::invalid("the cluster has no address").hint("set server"));
    }
    cluster["server"] = json!(server);
    call.enforce("clusters", "create", &object_of(&cluster))?;
    let wanted = secret_texts(&cluster);
    let (labels, annotations) = (object::text_map(&cluster, &["labels"]), object::text_map(&cluster, &["annotations"]));
    match stored_of(call, &server) {
        None => {
            stored::create(call, &secret_name(&server), SECRET_TYPE, &wanted, &labels, &annotations).await?;
        }
        Some(existing) => {
            let differs = wanted.iter().any(|(key, text)| existing.text(key) != text);
            if differs && !flag(request, "upsert") {
                return Err(ApiError::invalid("existing cluster spec is different; use upsert flag to force update"));
            }
            call.enforce("clusters", "update", &object_of(&cluster))?;
            stored::update(call, &existing.name, &wanted, Some(&labels), Some(&annotations)).await?;
        }
    }
    shown_after(call, &server).await
}

async fn shown_after(call: &Call, server: &str) -> Outcome {
    let found = all(call).into_iter().find(|cluster| text(cluster, "server") == server);
    let found = found.ok_or_else(|| ApiError::internal("the cluster was written and is not there"))?;
    Ok(with_info(call, found).await.into())
}

async fn update(call: &Call, request: &Value) -> Outcome {
    let given = request.get("cluster").cloned().unwrap_or_default();
    let id = request.get("id").cloned();
    let asked = json!({"server": text(&given, "server"), "name": text(&given, "name"), "id": id});
    let asked =
        if text(&given, "server").is_empty() { asked } else { json!({"server": text(&given, "server"), "id": id}) };
    let current = named(call, &asked, "update")?;
    let server = text(&current, "server").to_owned();
    let existing = stored_of(call, &server);
    let fields = texts(request, "updatedFields");
    let mut wanted = match &existing {
        Some(existing) => existing.texts.clone(),
        None => secret_texts(&current),
    };
    let new = secret_texts(&json!({"server": server, "name": given["name"], "namespaces": given["namespaces"],
        "clusterResources": given["clusterResources"], "project": given["project"], "shard": given["shard"], "config": given["config"]}));
    let takes = |field: &str| fields.is_empty() || fields.iter().any(|known| known == field);
    for field in ["name", "namespaces", "clusterResources", "project", "shard", "config"] {
        // Without a list of fields a config that is left out stays: nobody can read it back to send it again.
        let is_given = given.get(field).is_some() || !fields.is_empty();
        if takes(field) && is_given {
            wanted.insert(field.to_owned(), new[field].clone());
        }
    }
    let moved = json!({"server": server, "project": wanted.get("project")});
    call.enforce("clusters", "update", &object_of(&moved))?;
    let map = |field: &str| (takes(field) && given.get(field).is_some()).then(|| object::text_map(&given, &[field]));
    let (labels, annotations) = (map("labels"), map("annotations"));
    match existing {
        Some(existing) => {
            stored::update(call, &existing.name, &wanted, labels.as_ref(), annotations.as_ref()).await?;
        }
        // The cluster that this runs in has no Secret until something about it is set.
        None => {
            let (labels, annotations) = (labels.unwrap_or_default(), annotations.unwrap_or_default());
            stored::create(call, &secret_name(&server), SECRET_TYPE, &wanted, &labels, &annotations).await?;
        }
    }
    shown_after(call, &server).await
}

async fn delete(call: &Call, request: &Value) -> Outcome {
    let cluster = named(call, request, "delete")?;
    match stored_of(call, text(&cluster, "server")) {
        Some(existing) => {
            stored::delete(call, &existing).await?;
            Ok(json!({}).into())
        }
        None => Err(ApiError::precondition("the cluster that this runs in has no Secret to delete")
            .hint("set cluster.inClusterEnabled: \"false\" in argocd-cm to switch it off")),
    }
}

async fn invalidate(call: &Call, request: &Value) -> Outcome {
    let cluster = named(call, request, "update")?;
    let server = text(&cluster, "server").to_owned();
    let known = call.controller().destinations.all();
    if let Some(known) = known.into_iter().find(|known| known.server.trim_end_matches('/') == server) {
        known.live.forget_discovery();
    }
    Ok(with_info(call, cluster).await.into())
}
