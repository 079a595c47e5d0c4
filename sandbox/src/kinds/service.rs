//! Services: defaults, cluster IPs and node ports; endpoints.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::addresses::Addresses;
use crate::error::{ApiError, Cause};
use crate::json::{self, default};
use crate::operations::Core;
use crate::registry::Resource;

/// Fills a Service.
pub(super) fn fill_service(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    let map = json::as_map(spec);
    default(map, "type", "ClusterIP");
    default(map, "sessionAffinity", "None");
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
    if map.get("sessionAffinity").is_some_and(|affinity| affinity == "ClientIP") {
        default(map, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    }
    for port in map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let number = port.get("port").cloned();
        let port = json::as_map(port);
        default(port, "protocol", "TCP");
        if let Some(number) = number {
            default(port, "targetPort", number);
        }
        if port.get("targetPort").is_some_and(|target| target == 0 || target == "") {
            let number = port.get("port").cloned().unwrap_or(Value::Null);
            port.insert("targetPort".into(), number);
        }
    }
    if kind == "ExternalName" {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            map.remove(key);
        }
        return;
    }
    if map.get("ports").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        map.remove("ports");
    }
    default(map, "internalTrafficPolicy", "Cluster");
    let external = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    if external {
        default(map, "externalTrafficPolicy", "Cluster");
    } else {
        map.remove("healthCheckNodePort");
    }
    if kind == "LoadBalancer" {
        default(map, "allocateLoadBalancerNodePorts", true);
    } else {
        map.remove("allocateLoadBalancerNodePorts");
    }
}

/// Puts back what the server had assigned, where the writer did not say anything.
pub(super) fn keep_assigned(old: &Value, new: &mut Value) {
    if json::text(new, "/spec/type") == "ExternalName" {
        return;
    }
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
        let absent = match new.get("spec").and_then(|spec| spec.get(key)) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        };
        if absent && let Some(held) = old.get("spec").and_then(|spec| spec.get(key)) {
            json::set(new, &["spec", key], held.clone());
        }
    }
    if !matches!(json::text(new, "/spec/type"), "NodePort" | "LoadBalancer") {
        drop_external(old, new);
        return;
    }
    let old_ports = json::list(old, "/spec/ports").to_vec();
    for port in new.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if json::integer(port, "/nodePort").unwrap_or(0) != 0 {
            continue;
        }
        let same = old_ports.iter().find(|held| {
            held.get("port") == port.get("port")
                && json::text(held, "/protocol").replace("TCP", "") == json::text(port, "/protocol").replace("TCP", "")
        });
        if let Some(held) = same.and_then(|held| held.get("nodePort")).cloned() {
            json::as_map(port).insert("nodePort".into(), held);
        }
    }
}

/// What only a Service of the old type could have goes with the type, unless the writer changed it too.
fn drop_external(old: &Value, new: &mut Value) {
    if !matches!(json::text(old, "/spec/type"), "NodePort" | "LoadBalancer") {
        return;
    }
    let held = node_ports(old);
    let Some(spec) = new.get_mut("spec") else { return };
    let spec = json::as_map(spec);
    if spec.get("externalTrafficPolicy") == old.pointer("/spec/externalTrafficPolicy") {
        spec.remove("externalTrafficPolicy");
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if json::integer(port, "/nodePort").is_some_and(|number| held.contains(&number)) {
            json::as_map(port).remove("nodePort");
        }
    }
}

/// Gives a Service its cluster IP and node ports.
pub(super) fn allocate(
    core: &Core,
    resource: &Resource,
    value: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), ApiError> {
    let name = json::name(value).to_string();
    let refuse = |cause: Cause| ApiError::invalid(&resource.group, &resource.kind, &name, vec![cause]);
    let kind = json::text(value, "/spec/type").to_string();
    let held = old.map_or("", |old| json::text(old, "/spec/clusterIP")).to_string();
    let given = json::text(value, "/spec/clusterIP").to_string();
    if kind == "ExternalName" {
        if !held.is_empty() && !dry_run {
            core.addresses.give_address(&held);
        }
    } else {
        let address = if given == "None" {
            given.clone()
        } else if given.is_empty() {
            match core.addresses.take_any_address(core.random.next()) {
                Some(address) => {
                    if dry_run {
                        core.addresses.give_address(&address);
                    }
                    address
                }
                None => return Err(ApiError::internal("failed to allocate a serviceIP: range is full")),
            }
        } else {
            if given != held {
                take_given(core, &given, dry_run)
                    .map_err(|why| refuse(Cause::invalid("spec.clusterIPs", &json!([given]), &why)))?;
            }
            given.clone()
        };
        let spec = json::child(value, "spec");
        spec.insert("clusterIP".into(), json!(address));
        spec.insert("clusterIPs".into(), json!([address]));
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack");
    }
    let wants_ports =
        kind == "NodePort" || (kind == "LoadBalancer" && json::flag(value, "/spec/allocateLoadBalancerNodePorts"));
    let before: Vec<i64> = old.map(node_ports).unwrap_or_default();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        for (index, port) in
            value.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
        {
            let given = json::integer(port, "/nodePort").unwrap_or(0);
            if given == 0 && wants_ports {
                let taken = core.addresses.take_any_port(core.random.next());
                let number = taken.ok_or_else(|| ApiError::internal("failed to allocate a nodePort: range is full"))?;
                if dry_run {
                    core.addresses.give_port(i64::from(number));
                }
                json::as_map(port).insert("nodePort".into(), json!(number));
            } else if given != 0 && !before.contains(&given) {
                let field = format!("spec.ports[{index}].nodePort");
                if dry_run && !Addresses::is_node_port(given) {
                    // Nothing is allocated, so nothing is found out of range.
                    continue;
                }
                if !Addresses::is_node_port(given) {
                    let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                    return Err(refuse(Cause::invalid(field, &json!(given), why)));
                }
                let number = u16::try_from(given).unwrap_or_default();
                if !core.addresses.take_port(number) {
                    return Err(refuse(Cause::invalid(field, &json!(given), "provided port is already allocated")));
                }
                if dry_run {
                    core.addresses.give_port(given);
                }
            }
        }
    }
    let checks_health = kind == "LoadBalancer" && json::text(value, "/spec/externalTrafficPolicy") == "Local";
    if checks_health && json::integer(value, "/spec/healthCheckNodePort").unwrap_or(0) == 0 {
        let taken = core.addresses.take_any_port(core.random.next());
        let number = taken.ok_or_else(|| ApiError::internal("failed to allocate a nodePort: range is full"))?;
        if dry_run {
            core.addresses.give_port(i64::from(number));
        }
        json::set(value, &["spec", "healthCheckNodePort"], number);
    }
    if !dry_run {
        let after = node_ports(value);
        for port in before.into_iter().filter(|port| !after.contains(port)) {
            core.addresses.give_port(port);
        }
    }
    Ok(())
}

fn take_given(core: &Core, given: &str, dry_run: bool) -> Result<(), String> {
    let address: Ipv4Addr = given
        .parse()
        .map_err(|_| format!("failed to allocate IP {given}: the provided value is not a valid IPv4 address"))?;
    if !Addresses::is_service_address(address) {
        return Err(format!(
            "failed to allocate IP {given}: the provided IP ({given}) is not in the valid range. The range of valid IPs is 10.96.0.0/12"
        ));
    }
    if !core.addresses.take_address(address) {
        return Err(format!("failed to allocate IP {given}: provided IP is already allocated"));
    }
    if dry_run {
        core.addresses.give_address(given);
    }
    Ok(())
}

fn node_ports(value: &Value) -> Vec<i64> {
    json::list(value, "/spec/ports")
        .iter()
        .filter_map(|port| json::integer(port, "/nodePort"))
        .chain(json::integer(value, "/spec/healthCheckNodePort"))
        .filter(|port| *port != 0)
        .collect()
}

/// Gives a deleted Service's addresses back.
pub(super) fn release(core: &Core, value: &Value) {
    core.addresses.give_address(json::text(value, "/spec/clusterIP"));
    for port in node_ports(value) {
        core.addresses.give_port(port);
    }
}

/// Marks a restored Service's addresses as taken.
pub(super) fn restore(core: &Core, value: &Value) {
    if let Ok(address) = json::text(value, "/spec/clusterIP").parse() {
        core.addresses.take_address(address);
    }
    for port in node_ports(value) {
        core.addresses.take_port(u16::try_from(port).unwrap_or_default());
    }
}

/// Fills Endpoints and EndpointSlices.
pub(super) fn fill_endpoints(value: &mut Value) {
    for subset in value.get_mut("subsets").and_then(Value::as_array_mut).into_iter().flatten() {
        for port in subset.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            default(json::as_map(port), "protocol", "TCP");
        }
    }
    for endpoint in value.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
        default(json::as_map(endpoint), "conditions", json!({}));
    }
    for port in value.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let port = json::as_map(port);
        default(port, "protocol", "TCP");
        default(port, "name", "");
    }
}
