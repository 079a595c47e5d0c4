//! Limit ranges: what pods and claims of a namespace get, and may ask for.
//! Source: the LimitRanger plug-in of Kubernetes 1.36.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::quotas::pod_resources;
use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::quantity::Quantity;
use crate::registry::Resource;

fn limits(core: &Core, namespace: &str) -> Vec<Value> {
    let listing = core.store.list(&"limitranges".into(), Some(namespace), None);
    let items = listing.map(|listing| listing.items).unwrap_or_default();
    items.iter().flat_map(|range| json::list(&range.value, "/spec/limits").to_vec()).collect()
}

/// Gives the containers of a new pod the requests and limits that they do not say.
pub(super) fn complete(core: &Core, pod: &mut Value) {
    let limits = limits(core, json::namespace(pod));
    let mut told = Vec::new();
    for limit in limits.iter().filter(|limit| json::text(limit, "/type") == "Container") {
        for list in ["containers", "initContainers"] {
            let Some(spec) = pod.get_mut("spec") else { continue };
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let kind = if list == "containers" { "container" } else { "init container" };
                let name = json::text(container, "/name").to_string();
                for (kind_of, defaults) in [("requests", "defaultRequest"), ("limits", "default")] {
                    let mut set = Vec::new();
                    for (what, amount) in json::object(limit, &format!("/{defaults}")).into_iter().flatten() {
                        let resources = json::child(container, "resources");
                        let map = json::as_map(resources.entry(kind_of).or_insert_with(|| json!({})));
                        if !map.contains_key(what) {
                            map.insert(what.clone(), amount.clone());
                            set.push(what.as_str());
                        }
                    }
                    if !set.is_empty() {
                        set.sort_unstable();
                        let word = if kind_of == "requests" { "request" } else { "limit" };
                        told.push(format!("{} {word} for {kind} {name}", set.join(", ")));
                    }
                }
            }
        }
    }
    if !told.is_empty() {
        let text = format!("LimitRanger plugin set: {}", told.join("; "));
        json::set(pod, &["metadata", "annotations", "kubernetes.io/limit-ranger"], text);
    }
}

/// Holds a new pod or claim against the limits of its namespace.
pub(super) fn check(core: &Core, resource: &Resource, value: &Value) -> Result<(), ApiError> {
    let mut problems = Vec::new();
    for limit in limits(core, json::namespace(value)) {
        match (json::text(&limit, "/type"), resource.key.as_str()) {
            ("PersistentVolumeClaim", "persistentvolumeclaims") => {
                let asked = amounts(value, "/spec/resources/requests");
                bounds(&limit, "PersistentVolumeClaim", &asked, &BTreeMap::new(), true, &mut problems);
            }
            ("Container", "pods") => {
                let containers = json::list(value, "/spec/containers").iter();
                for container in containers.chain(json::list(value, "/spec/initContainers")) {
                    let (requests, most) =
                        (amounts(container, "/resources/requests"), amounts(container, "/resources/limits"));
                    bounds(&limit, "Container", &requests, &most, false, &mut problems);
                }
            }
            ("Pod", "pods") => {
                let (requests, most) = (pod_resources(value, "requests"), pod_resources(value, "limits"));
                bounds(&limit, "Pod", &requests, &most, false, &mut problems);
            }
            _ => {}
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let why = if problems.len() == 1 { problems.remove(0) } else { format!("[{}]", problems.join(", ")) };
    Err(ApiError::forbidden(resource.qualified(), json::name(value), &why))
}

fn amounts(value: &Value, pointer: &str) -> BTreeMap<String, Quantity> {
    let map = json::object(value, pointer).into_iter().flatten();
    map.filter_map(|(name, amount)| Some((name.clone(), Quantity::of(amount)?))).collect()
}

fn bounds(
    limit: &Value,
    kind: &str,
    requests: &BTreeMap<String, Quantity>,
    limits: &BTreeMap<String, Quantity>,
    only_requests: bool,
    problems: &mut Vec<String>,
) {
    for (what, least) in amounts(limit, "/min") {
        match (requests.get(&what), limits.get(&what)) {
            (None, _) => problems.push(format!("minimum {what} usage per {kind} is {least}.  No request is specified")),
            (Some(asked), _) if *asked < least => {
                problems.push(format!("minimum {what} usage per {kind} is {least}, but request is {asked}"));
            }
            (_, Some(most)) if *most < least => {
                problems.push(format!("minimum {what} usage per {kind} is {least}, but limit is {most}"));
            }
            _ => {}
        }
    }
    for (what, bound) in amounts(limit, "/max") {
        match (limits.get(&what), requests.get(&what)) {
            (None, None) => {
                problems.push(format!("maximum {what} usage per {kind} is {bound}.  No limit is specified"))
            }
            (None, Some(asked)) if only_requests => {
                if *asked > bound {
                    problems.push(format!("maximum {what} usage per {kind} is {bound}, but request is {asked}"));
                }
            }
            (None, _) => problems.push(format!("maximum {what} usage per {kind} is {bound}.  No limit is specified")),
            (Some(most), _) if *most > bound => {
                problems.push(format!("maximum {what} usage per {kind} is {bound}, but limit is {most}"));
            }
            (_, Some(asked)) if *asked > bound => {
                problems.push(format!("maximum {what} usage per {kind} is {bound}, but request is {asked}"));
            }
            _ => {}
        }
    }
    for (what, ratio) in amounts(limit, "/maxLimitRequestRatio") {
        let told = match (requests.get(&what), limits.get(&what)) {
            (Some(asked), Some(most)) if asked.as_f64() > 0.0 => {
                let share = most.as_f64() / asked.as_f64();
                if share <= ratio.as_f64() {
                    continue;
                }
                format!("provided ratio is {share:.6}")
            }
            (None, _) => "no request is specified or request is 0".to_string(),
            _ => "no limit is specified or limit is 0".to_string(),
        };
        problems.push(format!("{what} max limit to request ratio per {kind} is {ratio}, but {told}"));
    }
}
