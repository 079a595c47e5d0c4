//! Services: their Endpoints and EndpointSlices, and addresses from outside; Ingresses: their addresses.

use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{Context, fnv};
use super::pod_set::is_ready;
use crate::json;
use crate::operations::DeleteOptions;
use crate::random::safe_encoded;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, Stored};

const BY: &str = "endpoints-controller";
/// Source: `--max-endpoints-per-slice`.
const ENDPOINTS_PER_SLICE_MAX: usize = 100;
/// Room for the numbers of the slices of one group of pods, which their names are made from.
const SLICES_PER_GROUP: usize = 10_000;
/// When what an Endpoints or EndpointSlice tells came about.
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const SLICES_BY: &str = "endpointslice-controller.k8s.io";
/// The address of the simulated ingress controller.
const INGRESS_ADDRESS: &str = "172.18.255.200";

/// Looks at one Service.
pub(super) fn reconcile_service(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("services", &id.namespace, &id.name) else {
        // Its Endpoints go by name, its slices by owner.
        let endpoints =
            ObjectId { resource: "endpoints".into(), namespace: Arc::clone(&id.namespace), name: Arc::clone(&id.name) };
        context.delete(BY, &endpoints, &DeleteOptions::background());
        return;
    };
    let service = stored.value.as_ref();
    if json::is_terminating(service) {
        return;
    }
    give_address(context, service);
    let has_selector = json::object(service, "/spec/selector").is_some_and(|selector| !selector.is_empty());
    if !has_selector || json::text(service, "/spec/type") == "ExternalName" {
        return;
    }
    let selector = LabelSelector::of_map(service.pointer("/spec/selector"));
    let pods: Vec<Arc<Stored>> = context
        .list("pods", Some(&id.namespace))
        .into_iter()
        .filter(|pod| {
            selector.matches(&pod.value)
                && !json::text(&pod.value, "/status/podIP").is_empty()
                && !super::schedule::is_finished(&pod.value)
        })
        .collect();
    // Pods on which a named port has different numbers are told of apart.
    let mut groups: Vec<(Vec<Value>, Vec<Arc<Stored>>)> = Vec::new();
    for pod in &pods {
        let ports = ports_of(service, std::slice::from_ref(pod));
        match groups.iter_mut().find(|(held, _)| *held == ports) {
            Some((_, members)) => members.push(Arc::clone(pod)),
            None => groups.push((ports, vec![Arc::clone(pod)])),
        }
    }
    if groups.is_empty() {
        groups.push((ports_of(service, &[]), Vec::new()));
    }
    write_endpoints(context, service, &groups);
    let all: Vec<Vec<Value>> = groups.iter().map(|(ports, _)| named(ports)).collect();
    for (index, (_, members)) in groups.iter().enumerate() {
        write_slice(context, service, members, &all, index);
    }
}

/// Ports as slices have them: each with a name, if only an empty one.
fn named(ports: &[Value]) -> Vec<Value> {
    ports
        .iter()
        .cloned()
        .map(|mut port| {
            json::default(json::as_map(&mut port), "name", "");
            port
        })
        .collect()
}

/// A LoadBalancer gets an address that depends on nothing but its uid.
fn give_address(context: &Context<'_>, service: &Value) {
    let is_balancer = json::text(service, "/spec/type") == "LoadBalancer";
    let has_address = !json::list(service, "/status/loadBalancer/ingress").is_empty();
    if is_balancer == has_address {
        return;
    }
    let mut next = service.clone();
    if is_balancer {
        let wanted = json::text(service, "/spec/loadBalancerIP");
        let hash = fnv(&[json::uid(service)]);
        let address = if wanted.is_empty() {
            format!("172.19.{}.{}", (hash >> 8) % 256, hash % 254 + 1)
        } else {
            wanted.to_string()
        };
        json::set(&mut next, &["status", "loadBalancer"], json!({"ingress": [{"ip": address, "ipMode": "VIP"}]}));
        context.event("service-controller", service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer");
    } else {
        json::set(&mut next, &["status", "loadBalancer"], json!({}));
    }
    context.update_status("service-controller", "services", next);
}

/// The number behind a service port on a pod.
fn target_port(port: &Value, pod: &Value) -> Option<i64> {
    match port.get("targetPort") {
        Some(Value::String(name)) => json::list(pod, "/spec/containers")
            .iter()
            .flat_map(|container| json::list(container, "/ports"))
            .find(|held| json::text(held, "/name") == name.as_str())
            .and_then(|held| json::integer(held, "/containerPort")),
        Some(Value::Number(number)) => number.as_i64(),
        _ => json::integer(port, "/port"),
    }
}

/// The ports of the service as they are on its pods (named ports follow the first pod that has them).
fn ports_of(service: &Value, pods: &[Arc<Stored>]) -> Vec<Value> {
    json::list(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = match pods.iter().find_map(|pod| target_port(port, &pod.value)) {
                Some(number) => number,
                None => target_port(port, &Value::Null)?,
            };
            let mut entry = json!({"port": number, "protocol": json::text(port, "/protocol")});
            let name = json::text(port, "/name");
            if !name.is_empty() {
                entry["name"] = json!(name);
            }
            if let Some(protocol) = port.get("appProtocol") {
                entry["appProtocol"] = protocol.clone();
            }
            Some(entry)
        })
        .collect()
}

fn target_ref(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": json::namespace(pod), "name": json::name(pod), "uid": json::uid(pod)})
}

fn write_endpoints(context: &Context<'_>, service: &Value, groups: &[(Vec<Value>, Vec<Arc<Stored>>)]) {
    let publishes_all = json::flag(service, "/spec/publishNotReadyAddresses");
    let mut subsets = Vec::new();
    for (ports, pods) in groups {
        let (mut ready, mut unready) = (Vec::new(), Vec::new());
        for pod in pods.iter().map(|pod| &pod.value).filter(|pod| !json::is_terminating(pod)) {
            let address = json!({"ip": json::text(pod, "/status/podIP"), "nodeName": json::text(pod, "/spec/nodeName"),
                "targetRef": target_ref(pod)});
            if publishes_all || is_ready(pod) { ready.push(address) } else { unready.push(address) }
        }
        let mut subset = json!({"ports": ports});
        if !ready.is_empty() {
            subset["addresses"] = json!(ready);
        }
        if !unready.is_empty() {
            subset["notReadyAddresses"] = json!(unready);
        }
        if !(ready.is_empty() && unready.is_empty()) {
            subsets.push(subset);
        }
    }
    let (namespace, name) = (json::namespace(service), json::name(service));
    let mut labels = service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    json::set(&mut labels, &["endpoints.kubernetes.io/managed-by"], "endpoint-controller");
    match context.get("endpoints", namespace, name) {
        None => {
            let mut value = json!({"metadata": {"name": name, "namespace": namespace, "labels": labels,
                "annotations": {TRIGGER_TIME: context.stamp()}}});
            if !subsets.is_empty() {
                value["subsets"] = json!(subsets);
            }
            // The namespace may be going away.
            let _ = context.create(BY, "endpoints", value);
        }
        Some(held) if json::list(&held.value, "/subsets") != subsets.as_slice() => {
            let mut next = Value::clone(&held.value);
            if subsets.is_empty() {
                json::take(&mut next, &["subsets"]);
            } else {
                json::set(&mut next, &["subsets"], subsets);
            }
            json::set(&mut next, &["metadata", "annotations", TRIGGER_TIME], context.stamp());
            context.update(BY, "endpoints", next);
        }
        Some(_) => {}
    }
}

/// Writes the slices of one group of pods; `all` are the ports of every group, and this one is at `index`.
fn write_slice(context: &Context<'_>, service: &Value, pods: &[Arc<Stored>], all: &[Vec<Value>], index: usize) {
    let publishes_all = json::flag(service, "/spec/publishNotReadyAddresses");
    let nodes = context.list("nodes", None);
    let zone = |node: &str| {
        nodes
            .iter()
            .find(|held| json::name(&held.value) == node)
            .and_then(|held| json::label(&held.value, "topology.kubernetes.io/zone"))
            .map(str::to_string)
    };
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let pod = &pod.value;
            let terminating = json::is_terminating(pod);
            let serving = is_ready(pod);
            let node = json::text(pod, "/spec/nodeName");
            let mut endpoint = json!({
                "addresses": [json::text(pod, "/status/podIP")],
                "conditions": {"ready": publishes_all || (serving && !terminating), "serving": serving, "terminating": terminating},
                "nodeName": node, "targetRef": target_ref(pod),
            });
            if let Some(zone) = zone(node) {
                endpoint["zone"] = json!(zone);
            }
            endpoint
        })
        .collect();
    let ports = &all[index];
    let uid = json::uid(service);
    let mut left: std::collections::BTreeMap<String, Value> =
        endpoints.into_iter().map(|endpoint| (json::text(&endpoint, "/targetRef/uid").to_string(), endpoint)).collect();
    let mut held: Vec<(Arc<Stored>, Vec<Value>)> = context
        .owned(uid, "endpointslices.discovery.k8s.io")
        .into_iter()
        .filter(|slice| json::label(&slice.value, "endpointslice.kubernetes.io/managed-by") == Some(SLICES_BY))
        .filter(|slice| {
            let held = json::list(&slice.value, "/ports");
            // What belongs to no group any more is the first one's to use or to delete.
            held == ports.as_slice() || (index == 0 && !all.iter().any(|ports| held == ports.as_slice()))
        })
        .map(|slice| {
            // An endpoint stays in its slice for as long as it is there.
            let kept = json::list(&slice.value, "/endpoints")
                .iter()
                .filter_map(|endpoint| left.remove(json::text(endpoint, "/targetRef/uid")))
                .collect();
            (slice, kept)
        })
        .collect();
    for (_, kept) in &mut held {
        while kept.len() < ENDPOINTS_PER_SLICE_MAX
            && let Some((_, endpoint)) = left.pop_first()
        {
            kept.push(endpoint);
        }
    }
    let mut full = held.iter().filter(|(_, kept)| !kept.is_empty()).count();
    for (slice, kept) in &held {
        if kept.is_empty() && full > 0 {
            let id = ObjectId::of(&"endpointslices.discovery.k8s.io".into(), &slice.value);
            context.delete(SLICES_BY, &id, &DeleteOptions::background());
            continue;
        }
        full += usize::from(kept.is_empty());
        let same = json::list(&slice.value, "/endpoints") == kept.as_slice()
            && json::list(&slice.value, "/ports") == ports.as_slice();
        if !same {
            let mut next = Value::clone(&slice.value);
            json::set(&mut next, &["endpoints"], kept.clone());
            json::set(&mut next, &["ports"], ports.clone());
            json::set(&mut next, &["metadata", "annotations", TRIGGER_TIME], context.stamp());
            context.update(SLICES_BY, "endpointslices.discovery.k8s.io", next);
        }
    }
    let mut number = held.len();
    while !left.is_empty() || number == 0 {
        let mut endpoints = Vec::new();
        while endpoints.len() < ENDPOINTS_PER_SLICE_MAX
            && let Some((_, endpoint)) = left.pop_first()
        {
            endpoints.push(endpoint);
        }
        create_slice(context, service, number + index * SLICES_PER_GROUP, &endpoints, ports);
        number += 1;
    }
}

fn create_slice(context: &Context<'_>, service: &Value, number: usize, endpoints: &[Value], ports: &[Value]) {
    let uid = json::uid(service);
    let (namespace, name) = (json::namespace(service), json::name(service));
    // The first slice of a Service has the same name in every run; others get what is free.
    let mut attempt = number;
    loop {
        let hash = if attempt == 0 { fnv(&[uid]) } else { fnv(&[uid, &attempt.to_string()]) };
        let suffix: String = safe_encoded(&(hash as u32).to_string()).chars().take(5).collect();
        let mut labels = service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        json::set(&mut labels, &["kubernetes.io/service-name"], name);
        json::set(&mut labels, &["endpointslice.kubernetes.io/managed-by"], SLICES_BY);
        let owner = json!({"apiVersion": "v1", "kind": "Service", "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true});
        let slice = json!({
            "metadata": {"name": format!("{name}-{suffix}"), "generateName": format!("{name}-"), "namespace": namespace,
                "labels": labels, "annotations": {TRIGGER_TIME: context.stamp()}, "ownerReferences": [owner]},
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        match context.create(SLICES_BY, "endpointslices.discovery.k8s.io", slice) {
            Err(error) if error.reason == "AlreadyExists" && attempt < number + 100 => attempt += 1,
            // The namespace may be going away.
            _ => return,
        }
    }
}

/// Looks at one Ingress: the simulated ingress controller takes every class.
pub(super) fn reconcile_ingress(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("ingresses.networking.k8s.io", &id.namespace, &id.name) else { return };
    let ingress = stored.value.as_ref();
    if json::is_terminating(ingress) || !json::list(ingress, "/status/loadBalancer/ingress").is_empty() {
        return;
    }
    let mut next = ingress.clone();
    json::set(&mut next, &["status", "loadBalancer"], json!({"ingress": [{"ip": INGRESS_ADDRESS}]}));
    context.update_status("ingress-controller", "ingresses.networking.k8s.io", next);
    context.event("ingress-controller", ingress, "Normal", "Sync", "Scheduled for sync");
}
