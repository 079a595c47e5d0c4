//! Resource quotas: what a namespace may hold, what its objects count for, and who is refused.
//!
//! A new object is held against the hard limits in the quota's status, and counted there at once; the controller counts all over again
//! when objects go. Source: the ResourceQuota plug-in and `pkg/quota/v1/evaluator/core` of Kubernetes 1.36.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::quantity::Quantity;
use crate::registry::Resource;
use crate::store::{Expect, ResourceKey};

/// Amounts by the name of what is counted.
pub(crate) type Usage = BTreeMap<String, Quantity>;

fn one() -> Quantity {
    Quantity::whole(1)
}

fn add(usage: &mut Usage, name: String, amount: Quantity) {
    let held = usage.remove(&name).unwrap_or_default();
    usage.insert(name, held.plus(amount));
}

/// What an object counts for.
pub(crate) fn usage(key: &ResourceKey, value: &Value) -> Usage {
    let mut usage = Usage::new();
    let is_pod = key.as_str() == "pods";
    if is_pod && matches!(json::text(value, "/status/phase"), "Succeeded" | "Failed") {
        add(&mut usage, "count/pods".into(), one());
        return usage;
    }
    add(&mut usage, format!("count/{}", key.as_str()), one());
    match key.as_str() {
        "pods" => {
            add(&mut usage, "pods".into(), one());
            for (list, prefix) in [("requests", "requests."), ("limits", "limits.")] {
                for (name, amount) in pod_resources(value, list) {
                    if list == "requests" && matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                        add(&mut usage, name.clone(), amount);
                    }
                    add(&mut usage, format!("{prefix}{name}"), amount);
                }
            }
        }
        "services" => {
            add(&mut usage, "services".into(), one());
            let ports = i64::try_from(json::list(value, "/spec/ports").len()).unwrap_or(0);
            match json::text(value, "/spec/type") {
                "NodePort" => add(&mut usage, "services.nodeports".into(), Quantity::whole(ports)),
                "LoadBalancer" => {
                    add(&mut usage, "services.loadbalancers".into(), one());
                    if value.pointer("/spec/allocateLoadBalancerNodePorts") != Some(&json!(false)) {
                        add(&mut usage, "services.nodeports".into(), Quantity::whole(ports));
                    }
                }
                _ => {}
            }
        }
        "persistentvolumeclaims" => {
            add(&mut usage, "persistentvolumeclaims".into(), one());
            let class = json::text(value, "/spec/storageClassName");
            if !class.is_empty() {
                add(&mut usage, format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), one());
            }
            if let Some(size) = value.pointer("/spec/resources/requests/storage").and_then(Quantity::of) {
                add(&mut usage, "requests.storage".into(), size);
                if !class.is_empty() {
                    add(&mut usage, format!("{class}.storageclass.storage.k8s.io/requests.storage"), size);
                }
            }
        }
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => {
            add(&mut usage, key.as_str().to_string(), one());
        }
        _ => {}
    }
    usage
}

/// The resources of a whole pod: its containers together, or the largest init container if that is more.
pub(crate) fn pod_resources(pod: &Value, list: &str) -> Usage {
    let pointer = format!("/resources/{list}");
    let mut total = Usage::new();
    for container in json::list(pod, "/spec/containers") {
        for (name, amount) in json::object(container, &pointer).into_iter().flatten() {
            add(&mut total, name.clone(), Quantity::of(amount).unwrap_or_default());
        }
    }
    for container in json::list(pod, "/spec/initContainers") {
        let stays = json::text(container, "/restartPolicy") == "Always";
        for (name, amount) in json::object(container, &pointer).into_iter().flatten() {
            let amount = Quantity::of(amount).unwrap_or_default();
            if stays {
                add(&mut total, name.clone(), amount);
            } else if total.get(name).is_none_or(|held| *held < amount) {
                total.insert(name.clone(), amount);
            }
        }
    }
    for (name, amount) in json::object(pod, &format!("/spec{pointer}")).into_iter().flatten() {
        total.insert(name.clone(), Quantity::of(amount).unwrap_or_default());
    }
    for (name, amount) in json::object(pod, "/spec/overhead").into_iter().flatten() {
        add(&mut total, name.clone(), Quantity::of(amount).unwrap_or_default());
    }
    total
}

/// True when a quota is about an object.
pub(crate) fn is_about(quota: &Value, key: &ResourceKey, value: &Value) -> bool {
    let scopes = json::list(quota, "/spec/scopes")
        .iter()
        .filter_map(Value::as_str)
        .map(|scope| json!({"scopeName": scope, "operator": "Exists"}));
    let expressions = json::list(quota, "/spec/scopeSelector/matchExpressions").iter().cloned();
    let all: Vec<Value> = scopes.chain(expressions).collect();
    all.iter().all(|scope| key.as_str() == "pods" && is_in_scope(scope, value))
}

fn is_in_scope(scope: &Value, pod: &Value) -> bool {
    let terminates = json::integer(pod, "/spec/activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0);
    let best_effort = {
        let mut containers = json::list(pod, "/spec/containers").iter().chain(json::list(pod, "/spec/initContainers"));
        containers.all(|container| {
            ["requests", "limits"].iter().all(|list| {
                json::object(container, &format!("/resources/{list}"))
                    .is_none_or(|map| !map.contains_key("cpu") && !map.contains_key("memory"))
            })
        })
    };
    let class = json::text(pod, "/spec/priorityClassName");
    let values: Vec<&str> = json::list(scope, "/values").iter().filter_map(Value::as_str).collect();
    match json::text(scope, "/scopeName") {
        "Terminating" => terminates,
        "NotTerminating" => !terminates,
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "PriorityClass" => match json::text(scope, "/operator") {
            "In" => values.contains(&class),
            "NotIn" => !values.contains(&class),
            "DoesNotExist" => class.is_empty(),
            _ => !class.is_empty(),
        },
        "CrossNamespacePodAffinity" => ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
            json::list(pod, &format!("/spec/affinity/{kind}/requiredDuringSchedulingIgnoredDuringExecution"))
                .iter()
                .any(|term| term.get("namespaces").is_some() || term.get("namespaceSelector").is_some())
        }),
        _ => false,
    }
}

/// Holds a new or changed object against the quotas of its namespace, and counts it.
pub(super) fn admit(
    core: &Core,
    resource: &Resource,
    value: &Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), ApiError> {
    let namespace = json::namespace(value);
    if namespace.is_empty()
        || (old.is_some() && !matches!(resource.key.as_str(), "pods" | "services" | "persistentvolumeclaims"))
    {
        return Ok(());
    }
    let quotas_key = ResourceKey::from("resourcequotas");
    let quotas = core.store.list(&quotas_key, Some(namespace), None).map(|listing| listing.items).unwrap_or_default();
    if quotas.is_empty() {
        return Ok(());
    }
    let after = usage(&resource.key, value);
    let before = old.map(|old| usage(&resource.key, old)).unwrap_or_default();
    let mut counted = Vec::new();
    for quota in quotas {
        if !is_about(&quota.value, &resource.key, value) {
            continue;
        }
        let hard = json::object(&quota.value, "/status/hard").cloned().unwrap_or_default();
        let relevant: Vec<(&String, Quantity)> = hard
            .iter()
            .filter(|(name, _)| {
                after.contains_key(*name) || before.contains_key(*name) || is_pod_amount(resource, name)
            })
            .filter_map(|(name, amount)| Some((name, Quantity::of(amount)?)))
            .collect();
        if relevant.is_empty() {
            continue;
        }
        let name = json::name(&quota.value);
        if resource.key.as_str() == "pods" && old.is_none() {
            require_amounts(resource, value, name, &relevant)?;
        }
        let used_now = json::object(&quota.value, "/status/used").cloned().unwrap_or_default();
        let mut next = used_now.clone();
        let mut exceeded: Vec<(&String, Quantity, Quantity, Quantity)> = Vec::new();
        for (what, limit) in &relevant {
            let delta =
                after.get(*what).copied().unwrap_or_default().minus(before.get(*what).copied().unwrap_or_default());
            let used = used_now.get(*what).and_then(Quantity::of).unwrap_or_default();
            let total = used.plus(delta);
            if delta > Quantity::default() && total > *limit {
                exceeded.push((what, delta, used, *limit));
            }
            if delta != Quantity::default() {
                next.insert((*what).clone(), json!(total.to_string()));
            }
        }
        if !exceeded.is_empty() {
            let list = |pick: &dyn Fn(&(&String, Quantity, Quantity, Quantity)) -> Quantity| -> String {
                exceeded.iter().map(|row| format!("{}={}", row.0, pick(row))).collect::<Vec<_>>().join(",")
            };
            let why = format!(
                "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
                list(&|row| row.1),
                list(&|row| row.2),
                list(&|row| row.3)
            );
            return Err(ApiError::forbidden(resource.qualified(), json::name(value), &why));
        }
        if next != used_now {
            counted.push((quota, next));
        }
    }
    if !dry_run {
        for (quota, used) in counted {
            let mut next = Value::clone(&quota.value);
            json::set(&mut next, &["status", "used"], Value::Object(used));
            // If the controller counted meanwhile, it sees this object next time.
            let _ = core.store.put(&quotas_key, Expect::Revision(quota.revision), next);
        }
    }
    Ok(())
}

fn is_pod_amount(resource: &Resource, name: &str) -> bool {
    let amounts = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
    resource.key.as_str() == "pods" && amounts.contains(&name)
}

/// Where a quota limits an amount, every container must say it.
fn require_amounts(
    resource: &Resource,
    pod: &Value,
    quota: &str,
    relevant: &[(&String, Quantity)],
) -> Result<(), ApiError> {
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (what, _) in relevant {
        let (list, amount) = match what.as_str() {
            "cpu" | "memory" => ("requests", what.as_str()),
            other => match other.split_once('.') {
                Some((list @ ("requests" | "limits"), amount @ ("cpu" | "memory"))) => (list, amount),
                _ => continue,
            },
        };
        if pod.pointer(&format!("/spec/resources/{list}/{amount}")).is_some() {
            continue;
        }
        for container in json::list(pod, "/spec/containers").iter().chain(json::list(pod, "/spec/initContainers")) {
            if container.pointer(&format!("/resources/{list}/{amount}")).is_none() {
                missing.entry((*what).clone()).or_default().push(json::text(container, "/name").to_string());
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let parts: Vec<String> = missing.iter().map(|(what, names)| format!("{what} for: {}", names.join(","))).collect();
    let why = format!("failed quota: {quota}: must specify {}", parts.join("; "));
    Err(ApiError::forbidden(resource.qualified(), json::name(pod), &why))
}

/// Counts everything that a quota is about.
pub(crate) fn count(core: &Core, quota: &Value) -> Map<String, Value> {
    let namespace = json::namespace(quota);
    let hard = json::object(quota, "/spec/hard").cloned().unwrap_or_default();
    let mut total = Usage::new();
    for key in core.store.resources() {
        if key.as_str() == "events" {
            continue;
        }
        let items = core.store.list(&key, Some(namespace), None).map(|listing| listing.items).unwrap_or_default();
        for item in items.iter().filter(|item| is_about(quota, &key, &item.value)) {
            for (name, amount) in usage(&key, &item.value) {
                if hard.contains_key(&name) {
                    add(&mut total, name, amount);
                }
            }
        }
    }
    hard.keys().map(|name| (name.clone(), json!(total.get(name).copied().unwrap_or_default().to_string()))).collect()
}
