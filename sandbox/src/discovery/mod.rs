//! What is served, told in the three forms that clients ask for: groups, resources of a version, and all at once.
//!
//! Source: the legacy discovery types of `meta.k8s.io/v1` and `apidiscovery.k8s.io/v2`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::registry::{METRICS_GROUP, Registry, Resource, api_version, group_rank};

/// A subresource as discovery shows it: name, kind with its group and version, verbs.
struct Subresource {
    name: &'static str,
    group: &'static str,
    version: &'static str,
    kind: String,
    verbs: &'static [&'static str],
}

const READ_WRITE: &[&str] = &["get", "patch", "update"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

fn subresources(resource: &Resource) -> Vec<Subresource> {
    let own = |name, verbs| Subresource { name, group: "", version: "", kind: resource.kind.clone(), verbs };
    let of =
        |name, group, version, kind: &str, verbs| Subresource { name, group, version, kind: kind.to_string(), verbs };
    let mut all = Vec::new();
    match resource.key.as_str() {
        "pods" => {
            all.push(of("attach", "", "", "PodAttachOptions", &["create", "get"]));
            all.push(of("binding", "", "", "Binding", &["create"]));
            all.push(own("ephemeralcontainers", READ_WRITE));
            all.push(of("eviction", "policy", "v1", "Eviction", &["create"]));
            all.push(of("exec", "", "", "PodExecOptions", &["create", "get"]));
            all.push(own("log", &["get"]));
            all.push(of("portforward", "", "", "PodPortForwardOptions", &["create", "get"]));
            all.push(of("proxy", "", "", "PodProxyOptions", PROXY));
            all.push(own("resize", READ_WRITE));
        }
        "nodes" => all.push(of("proxy", "", "", "NodeProxyOptions", PROXY)),
        "services" => all.push(of("proxy", "", "", "ServiceProxyOptions", PROXY)),
        "namespaces" => all.push(own("finalize", &["update"])),
        "serviceaccounts" => {
            all.push(of("token", "authentication.k8s.io", "v1", "TokenRequest", &["create"]));
        }
        "certificatesigningrequests.certificates.k8s.io" => all.push(own("approval", READ_WRITE)),
        _ => {}
    }
    if resource.scale.is_some() {
        all.push(of("scale", "autoscaling", "v1", "Scale", READ_WRITE));
    }
    if resource.has_status {
        all.push(own("status", READ_WRITE));
    }
    if resource.custom.is_some() {
        // Another part of the real server tells the status first.
        all.reverse();
    }
    all
}

/// What tells clients that objects of two resources may be stored in the same form: a hash of the stored kind, "" for what is not stored.
/// Source: `StorageVersionHash` of `k8s.io/apiserver/pkg/endpoints/discovery`.
fn storage_version_hash(resource: &Resource) -> String {
    if resource.is_virtual || resource.plural == "componentstatuses" || resource.group == METRICS_GROUP {
        return String::new();
    }
    let (group, version) = match (resource.custom.is_some(), resource.key.as_str()) {
        (false, "events") => ("", "v1"),
        (
            false,
            "customresourcedefinitions.apiextensions.k8s.io"
            | "mutatingadmissionpolicies.admissionregistration.k8s.io"
            | "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        ) => (resource.group.as_str(), "v1beta1"),
        _ => (resource.group.as_str(), resource.storage_version.as_str()),
    };
    let hash = Sha256::digest(format!("{group}/{version}/{}", resource.kind));
    base64::engine::general_purpose::STANDARD.encode(&hash[..8])
}

/// The order of a version among others: stable before beta before alpha, newer before older.
/// Source: `k8s.io/apimachinery/pkg/version` CompareKubeAwareVersionStrings.
pub(crate) fn version_rank(version: &str) -> (u8, i64, i64, String) {
    let parse = || -> Option<(u8, i64, i64)> {
        let rest = version.strip_prefix('v')?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let major: i64 = digits.parse().ok()?;
        let rest = &rest[digits.len()..];
        if rest.is_empty() {
            return Some((0, -major, 0));
        }
        let (stage, minor) = match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
            (Some(minor), _) => (1, minor),
            (None, Some(minor)) => (2, minor),
            (None, None) => return None,
        };
        Some((stage, -major, -minor.parse::<i64>().ok()?))
    };
    match parse() {
        Some((stage, major, minor)) => (stage, major, minor, String::new()),
        None => (3, 0, 0, version.to_string()),
    }
}

/// The versions of a group, best first, with their resources.
type Versions = Vec<(String, Vec<Arc<Resource>>)>;

/// Groups in discovery's order, each with its versions, best first, and their resources.
fn groups(registry: &Registry) -> Vec<(String, Versions)> {
    let mut by_group: BTreeMap<String, BTreeMap<String, Vec<Arc<Resource>>>> = BTreeMap::new();
    for resource in registry.all() {
        by_group.entry(resource.group.clone()).or_default().entry(resource.version.clone()).or_default().push(resource);
    }
    let mut groups: Vec<_> = by_group
        .into_iter()
        .map(|(group, versions)| {
            let mut versions: Vec<_> = versions.into_iter().collect();
            versions.sort_by_key(|(version, _)| version_rank(version));
            (group, versions)
        })
        .collect();
    groups.sort_by_key(|(group, _)| (group_rank(group), group.clone()));
    groups
}

fn legacy_group(group: &str, versions: &[(String, Vec<Arc<Resource>>)]) -> Value {
    let list: Vec<Value> = versions
        .iter()
        .map(|(version, _)| json!({"groupVersion": api_version(group, version), "version": version}))
        .collect();
    let preferred = list.first().cloned().unwrap_or_default();
    json!({"name": group, "versions": list, "preferredVersion": preferred})
}

/// `/apis` in the legacy form.
pub(crate) fn group_list(registry: &Registry) -> Value {
    let list: Vec<Value> = groups(registry)
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| legacy_group(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
}

/// `/apis/GROUP`.
pub(crate) fn group(registry: &Registry, name: &str) -> Option<Value> {
    let groups = groups(registry);
    let (group, versions) = groups.iter().find(|(group, _)| group == name && !name.is_empty())?;
    let mut value = legacy_group(group, versions);
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    Some(value)
}

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]})
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub(crate) fn resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    if !registry.serves(group, version) {
        return None;
    }
    let mut list = Vec::new();
    for resource in registry.of_version(group, version) {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.is_namespaced(),
            "kind": resource.kind,
            "verbs": resource.verbs(),
        });
        add_names(&mut entry, &resource);
        let hash = storage_version_hash(&resource);
        if !hash.is_empty() {
            entry["storageVersionHash"] = json!(hash);
        }
        list.push(entry);
        for subresource in subresources(&resource) {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, subresource.name),
                "singularName": "",
                "namespaced": resource.is_namespaced(),
                "kind": subresource.kind,
                "verbs": subresource.verbs,
            });
            if !subresource.version.is_empty() {
                entry["group"] = json!(subresource.group);
                entry["version"] = json!(subresource.version);
            }
            list.push(entry);
        }
    }
    let mut told = json!({"kind": "APIResourceList", "groupVersion": api_version(group, version), "resources": list});
    if !group.is_empty() {
        // The core group's list comes without, since ever.
        told["apiVersion"] = json!("v1");
    }
    Some(told)
}

fn add_names(entry: &mut Value, resource: &Resource) {
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
}

/// The aggregated form: of the core group (`/api`) or of all others (`/apis`).
pub(crate) fn aggregated(registry: &Registry, core: bool) -> Value {
    let items: Vec<Value> = groups(registry)
        .iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|(version, resources)| {
                    let resources: Vec<Value> =
                        resources.iter().map(|resource| aggregated_resource(resource)).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let mut metadata = Map::new();
            if !group.is_empty() {
                metadata.insert("name".into(), json!(group));
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let custom = resource.custom.is_some();
    let (group, version) = if custom { (resource.group.as_str(), resource.version.as_str()) } else { ("", "") };
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": {"group": group, "version": version, "kind": resource.kind},
        "scope": if resource.is_namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs(),
    });
    add_names(&mut entry, resource);
    let parts: Vec<Value> = subresources(resource)
        .into_iter()
        .map(|part| {
            let kind_group = if part.version.is_empty() { group } else { part.group };
            let kind_version = if part.version.is_empty() { version } else { part.version };
            json!({"subresource": part.name, "verbs": part.verbs,
                "responseKind": {"group": kind_group, "version": kind_version, "kind": part.kind}})
        })
        .collect();
    if !parts.is_empty() {
        entry["subresources"] = Value::Array(parts);
    }
    entry
}
