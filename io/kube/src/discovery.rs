//! Discovery: aggregated (two requests) where the server knows it, group by group where it does not.
//! Source: KEP-3352; `apidiscovery.k8s.io/v2`.

use landfall_model::key::GroupVersionKind;
use landfall_model::object::text;
use landfall_ports::cluster::{ClusterError, Discovery, ServedKind};
use serde_json::Value;

use crate::request::{Call, Requester};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Asks a server what it serves. Errors: the server cannot be reached at all; a single group that fails is in
/// [`Discovery::failures`].
pub(crate) async fn ask(requester: &Requester) -> Result<Discovery, ClusterError> {
    let version = requester.json(Call::get("/version".to_owned(), "read the server's version".to_owned())).await?;
    let mut found = Discovery { server_version: text(&version, &["gitVersion"]).to_owned(), ..Discovery::default() };
    for root in ["/api", "/apis"] {
        let mut call = Call::get(root.to_owned(), format!("discover {root}"));
        call.accept = AGGREGATED;
        let answer = requester.json(call).await?;
        if text(&answer, &["kind"]) == "APIGroupDiscoveryList" {
            for group in list(&answer, "items") {
                read_aggregated(group, &mut found);
            }
        } else if root == "/api" {
            for version in list(&answer, "versions").iter().filter_map(Value::as_str) {
                read_resources(requester, "", version, Preferred::Yes, &mut found).await;
            }
        } else {
            for group in list(&answer, "groups") {
                let name = text(group, &["name"]);
                let preferred = text(group, &["preferredVersion", "version"]);
                for version in list(group, "versions") {
                    let version = text(version, &["version"]);
                    let is_preferred = if version == preferred { Preferred::Yes } else { Preferred::No };
                    read_resources(requester, name, version, is_preferred, &mut found).await;
                }
            }
        }
    }
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Preferred {
    Yes,
    No,
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn words(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Versions stand in the order of preference: the first is the preferred one.
fn read_aggregated(group: &Value, found: &mut Discovery) {
    let name = text(group, &["metadata", "name"]);
    for (index, version) in list(group, "versions").iter().enumerate() {
        let version_name = text(version, &["version"]);
        if text(version, &["freshness"]) == "Stale" {
            found.failures.push((format!("{name}/{version_name}"), "its API service does not answer".to_owned()));
        }
        for resource in list(version, "resources") {
            let kind = &resource["responseKind"];
            let group_of_kind = if text(kind, &["kind"]).is_empty() { continue } else { name };
            found.kinds.push(ServedKind {
                gvk: GroupVersionKind {
                    group: group_of_kind.to_owned(),
                    version: version_name.to_owned(),
                    kind: text(kind, &["kind"]).to_owned(),
                },
                plural: text(resource, &["resource"]).to_owned(),
                is_namespaced: text(resource, &["scope"]) == "Namespaced",
                verbs: words(resource, "verbs"),
                is_preferred: index == 0,
            });
        }
    }
}

async fn read_resources(
    requester: &Requester,
    group: &str,
    version: &str,
    preferred: Preferred,
    found: &mut Discovery,
) {
    let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let answer = match requester.json(Call::get(path.clone(), format!("discover {path}"))).await {
        Ok(answer) => answer,
        Err(error) => {
            found.failures.push((format!("{group}/{version}"), error.message));
            return;
        }
    };
    for resource in list(&answer, "resources") {
        let plural = text(resource, &["name"]);
        if plural.contains('/') {
            continue;
        }
        found.kinds.push(ServedKind {
            gvk: GroupVersionKind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: text(resource, &["kind"]).to_owned(),
            },
            plural: plural.to_owned(),
            is_namespaced: resource["namespaced"].as_bool().unwrap_or(false),
            verbs: words(resource, "verbs"),
            is_preferred: preferred == Preferred::Yes,
        });
    }
}
