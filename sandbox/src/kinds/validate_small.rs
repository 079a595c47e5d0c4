//! Which objects of the smaller kinds are refused: policies, roles, ranges, quotas, volumes, classes, leases, slices.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::validation::{not_negative, one_of};
use crate::error::Cause;
use crate::json;
use crate::operations::is_qualified_name;
use crate::quantity::Quantity;

const PORT_RULE: &str = "must be between 1 and 65535, inclusive";
const IP_RULE: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const CIDR_RULE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// Checks a network policy.
pub(super) fn network_policy(value: &Value, causes: &mut Vec<Cause>) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in json::list(value, &format!("/spec/{direction}")).iter().enumerate() {
            let field = format!("spec.{direction}[{index}]");
            for (place, port) in json::list(rule, "/ports").iter().enumerate() {
                let field = format!("{field}.ports[{place}]");
                one_of(port, "/protocol", &format!("{field}.protocol"), &["TCP", "UDP", "SCTP"], causes);
                if let Some(number) = json::integer(port, "/port") {
                    if !(1..=65535).contains(&number) {
                        causes.push(Cause::invalid(format!("{field}.port"), &json!(number), PORT_RULE));
                    }
                    if json::integer(port, "/endPort").is_some_and(|end| end < number) {
                        let why = "must be greater than or equal to `port`";
                        causes.push(Cause::invalid(format!("{field}.endPort"), &json!(number), why));
                    }
                }
            }
            for (place, peer) in json::list(rule, &format!("/{peers}")).iter().enumerate() {
                let field = format!("{field}.{peers}[{place}]");
                let selects = peer.get("podSelector").is_some() || peer.get("namespaceSelector").is_some();
                match (peer.get("ipBlock"), selects) {
                    (None, false) => causes.push(Cause::required(field, "must specify a peer")),
                    (Some(_), true) => {
                        causes.push(Cause::forbidden(field, "may not specify both ipBlock and another peer"));
                    }
                    (Some(block), false) => block_of(block, &format!("{field}.ipBlock"), causes),
                    (None, true) => {}
                }
            }
        }
    }
    for (index, kind) in json::list(value, "/spec/policyTypes").iter().enumerate() {
        if !matches!(kind.as_str(), Some("Ingress" | "Egress")) {
            causes.push(Cause::not_supported(format!("spec.policyTypes[{index}]"), kind, &["Ingress", "Egress"]));
        }
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, bits))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn block_of(block: &Value, field: &str, causes: &mut Vec<Cause>) {
    let text = json::text(block, "/cidr");
    let Some((ip, bits)) = network(text) else {
        if text.is_empty() {
            causes.push(Cause::required(format!("{field}.cidr"), ""));
        } else {
            causes.push(Cause::invalid(format!("{field}.cidr"), &json!(text), CIDR_RULE));
        }
        return;
    };
    for (index, except) in json::list(block, "/except").iter().enumerate() {
        let place = format!("{field}.except[{index}]");
        match except.as_str().and_then(network) {
            None => causes.push(Cause::invalid(place, except, CIDR_RULE)),
            Some((inner, more)) => {
                let shift = 128 - u32::from(bits);
                let same = bits == 0 || number(ip) >> shift == number(inner) >> shift;
                if !same || more <= bits || ip.is_ipv4() != inner.is_ipv4() {
                    causes.push(Cause::invalid(place, except, "must be a strict subset of `cidr`"));
                }
            }
        }
    }
}

/// Checks the rules of a role.
pub(super) fn role(value: &Value, is_namespaced: bool, causes: &mut Vec<Cause>) {
    for (index, rule) in json::list(value, "/rules").iter().enumerate() {
        let field = format!("rules[{index}]");
        let has = |key: &str| !json::list(rule, &format!("/{key}")).is_empty();
        if !has("verbs") {
            causes.push(Cause::required(format!("{field}.verbs"), "verbs must contain at least one value"));
        }
        if has("nonResourceURLs") {
            if is_namespaced {
                causes.push(Cause::invalid(
                    format!("{field}.nonResourceURLs"),
                    rule.get("nonResourceURLs").unwrap_or(&Value::Null),
                    "namespaced rules cannot apply to non-resource URLs",
                ));
            } else if has("apiGroups") || has("resources") || has("resourceNames") {
                causes.push(Cause::invalid(
                    format!("{field}.nonResourceURLs"),
                    rule.get("nonResourceURLs").unwrap_or(&Value::Null),
                    "rules cannot apply to both regular resources and non-resource URLs",
                ));
            }
            continue;
        }
        if !has("apiGroups") {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{field}.apiGroups"), why));
        }
        if !has("resources") {
            let why = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("{field}.resources"), why));
        }
    }
}

/// Checks a limit range.
pub(super) fn limit_range(value: &Value, causes: &mut Vec<Cause>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, limit) in json::list(value, "/spec/limits").iter().enumerate() {
        let field = format!("spec.limits[{index}]");
        let kind = json::text(limit, "/type");
        if seen.contains(&kind) {
            causes.push(Cause::duplicate(format!("{field}.type"), &json!(kind)));
        }
        seen.push(kind);
        let amount = |list: &str, name: &str| {
            limit.pointer(&format!("/{list}")).and_then(|map| map.get(name)).and_then(Quantity::of)
        };
        let mut names: Vec<&String> = ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"]
            .iter()
            .filter_map(|list| json::object(limit, &format!("/{list}")))
            .flat_map(serde_json::Map::keys)
            .collect();
        names.sort();
        names.dedup();
        for name in names {
            let (min, max) = (amount("min", name), amount("max", name));
            let (default, request) = (amount("default", name), amount("defaultRequest", name));
            let mut over = |list: &str, shown: Quantity, one: (&str, Quantity), other: (&str, Quantity)| {
                if one.1 > other.1 {
                    let why = format!("{} value {} is greater than {} value {}", one.0, one.1, other.0, other.1);
                    causes.push(Cause::invalid(format!("{field}.{list}[{name}]"), &json!(shown.to_string()), &why));
                }
            };
            if let (Some(min), Some(max)) = (min, max) {
                over("min", min, ("min", min), ("max", max));
            }
            if let (Some(min), Some(request)) = (min, request) {
                over("defaultRequest", request, ("min", min), ("default request", request));
            }
            if let (Some(request), Some(max)) = (request, max) {
                over("defaultRequest", request, ("default request", request), ("max", max));
            }
            if let (Some(request), Some(default)) = (request, default) {
                over("defaultRequest", request, ("default request", request), ("default limit", default));
            }
            if let (Some(min), Some(default)) = (min, default) {
                over("default", min, ("min", min), ("default", default));
            }
            if let (Some(default), Some(max)) = (default, max) {
                over("default", max, ("default", default), ("max", max));
            }
        }
    }
}

/// What a quota can count without a name of its own.
const COUNTED: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
const WHOLE: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

/// Checks a quota.
pub(super) fn quota(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    for (name, amount) in json::object(value, "/spec/hard").into_iter().flatten() {
        let field = format!("spec.hard[{name}]");
        if !name.contains('/') && !COUNTED.contains(&name.as_str()) {
            if !name.starts_with("requests.") && !name.starts_with("limits.") {
                let why = "must be a standard resource type or fully qualified";
                causes.push(Cause::invalid(field.clone(), &json!(name), why));
                causes.push(Cause::invalid(field.clone(), &json!(name), "must be a standard resource for quota"));
            }
        } else if !is_qualified_name(name) {
            causes.push(Cause::invalid(field.clone(), &json!(name), "must be a qualified name"));
        }
        let Some(read) = Quantity::of(amount) else { continue };
        if read.is_negative() {
            causes.push(Cause::invalid(field, &json!(read.to_string()), "must be greater than or equal to 0"));
        } else if (WHOLE.contains(&name.as_str()) || name.starts_with("count/")) && !read.is_whole() {
            causes.push(Cause::invalid(field, &json!(read.to_string()), "must be an integer"));
        }
    }
    let scopes = value.pointer("/spec/scopes").cloned().unwrap_or_default();
    let texts: Vec<&str> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let known =
        ["Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"];
    if texts.iter().any(|scope| !known.contains(scope)) {
        causes.push(Cause::invalid("spec.scopes", &scopes, "unsupported scope"));
    }
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if texts.contains(&one) && texts.contains(&other) {
            causes.push(Cause::invalid("spec.scopes", &scopes, "conflicting scopes"));
        }
    }
    if let Some(old) = old
        && old.pointer("/spec/scopes") != value.pointer("/spec/scopes")
    {
        causes.push(Cause::invalid("spec.scopes", &scopes, "field is immutable"));
    }
}

/// Checks a persistent volume.
pub(super) fn volume(value: &Value, causes: &mut Vec<Cause>) {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    if json::list(spec, "/accessModes").is_empty() {
        causes.push(Cause::required("spec.accessModes", ""));
    }
    match json::object(spec, "/capacity") {
        None => {
            causes.push(Cause::required("spec.capacity", ""));
            causes.push(Cause::not_supported("spec.capacity", &Value::Null, &["storage"]));
        }
        Some(map) if map.get("storage").is_none() || map.len() != 1 => {
            causes.push(Cause::not_supported("spec.capacity", &Value::Object(map.clone()), &["storage"]));
        }
        Some(map) => {
            if let Some(size) = map.get("storage").and_then(Quantity::of).filter(|size| *size <= Quantity::default()) {
                causes.push(Cause::invalid(
                    "spec.capacity[storage]",
                    &json!(size.to_string()),
                    "must be greater than zero",
                ));
            }
        }
    }
    let known = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ];
    let sources = spec.as_object().map_or(0, |map| map.keys().filter(|key| !known.contains(&key.as_str())).count());
    if sources == 0 {
        causes.push(Cause::required("spec", "must specify a volume type"));
    }
    let policies = ["Delete", "Recycle", "Retain"];
    one_of(spec, "/persistentVolumeReclaimPolicy", "spec.persistentVolumeReclaimPolicy", &policies, causes);
    one_of(spec, "/volumeMode", "spec.volumeMode", &["Block", "Filesystem"], causes);
}

/// Checks a priority class.
pub(super) fn priority_class(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let name = json::name(value);
    let system = ["system-cluster-critical", "system-node-critical"];
    if name.starts_with("system-") {
        if !system.contains(&name) {
            let why = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class"
            );
            causes.push(Cause::forbidden("metadata.name", &why));
        }
    } else if json::integer(value, "/value").is_some_and(|number| number > 1_000_000_000) {
        causes.push(Cause::forbidden("value", "maximum allowed value of a user defined priority is 1000000000"));
    }
    if let Some(old) = old {
        if json::integer(old, "/value") != json::integer(value, "/value") {
            causes.push(Cause::forbidden("value", "may not be changed in an update."));
        }
        if json::text(old, "/preemptionPolicy") != json::text(value, "/preemptionPolicy") {
            let held = json!(json::text(value, "/preemptionPolicy"));
            causes.push(Cause::invalid("preemptionPolicy", &held, "field is immutable"));
        }
    }
}

/// Checks a signing request: PEM of the right type around base64.
pub(super) fn signing_request(value: &Value, causes: &mut Vec<Cause>) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let encoded = json::text(value, "/spec/request");
    let text = STANDARD.decode(encoded).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let body = text
        .split_once("-----BEGIN CERTIFICATE REQUEST-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE REQUEST-----"));
    let is_pem = body.is_some_and(|(body, _)| STANDARD.decode(body.replace(['\n', '\r', ' '], "")).is_ok());
    if !is_pem {
        let why = "PEM block type must be CERTIFICATE REQUEST";
        causes.push(Cause::invalid("spec.request", &json!(encoded), why));
    }
    if json::text(value, "/spec/signerName").is_empty() {
        causes.push(Cause::required("spec.signerName", ""));
    }
    if json::list(value, "/spec/usages").is_empty() {
        causes.push(Cause::required("spec.usages", ""));
    }
}

/// Checks a lease.
pub(super) fn lease(value: &Value, causes: &mut Vec<Cause>) {
    if let Some(seconds) = json::integer(value, "/spec/leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", &json!(seconds), "must be greater than 0"));
    }
    not_negative(value, "/spec/leaseTransitions", "spec.leaseTransitions", causes);
}

/// Checks an event.
pub(super) fn event(value: &Value, causes: &mut Vec<Cause>) {
    let involved = json::text(value, "/involvedObject/namespace");
    let own = json::namespace(value);
    if involved.is_empty() {
        if own != "default" && own != "kube-system" {
            causes.push(Cause::invalid("involvedObject.namespace", &json!(""), "does not match event.namespace"));
        }
    } else if involved != own {
        causes.push(Cause::invalid("involvedObject.namespace", &json!(involved), "does not match event.namespace"));
    }
}

/// Checks an endpoint slice.
pub(super) fn slice(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let kind = json::text(value, "/addressType");
    if kind.is_empty() {
        causes.push(Cause::required("addressType", ""));
    } else {
        one_of(value, "/addressType", "addressType", &["FQDN", "IPv4", "IPv6"], causes);
    }
    for (index, endpoint) in json::list(value, "/endpoints").iter().enumerate() {
        let addresses = json::list(endpoint, "/addresses");
        if addresses.is_empty() {
            causes.push(Cause::required(format!("endpoints[{index}].addresses"), "must contain at least 1 address"));
        }
        for (place, address) in addresses.iter().enumerate() {
            let field = format!("endpoints[{index}].addresses[{place}]");
            let text = address.as_str().unwrap_or_default();
            match (kind, text.parse::<IpAddr>()) {
                ("IPv4" | "IPv6", Err(_)) => causes.push(Cause::invalid(field, address, IP_RULE)),
                ("IPv4", Ok(IpAddr::V6(_))) => causes.push(Cause::invalid(field, address, "must be an IPv4 address")),
                ("IPv6", Ok(IpAddr::V4(_))) => causes.push(Cause::invalid(field, address, "must be an IPv6 address")),
                _ => {}
            }
        }
    }
    if let Some(old) = old
        && json::text(old, "/addressType") != kind
    {
        causes.push(Cause::invalid("addressType", &json!(kind), "field is immutable"));
    }
}

/// Checks an admission policy.
pub(super) fn admission_policy(value: &Value, is_mutating: bool, causes: &mut Vec<Cause>) {
    one_of(value, "/spec/failurePolicy", "spec.failurePolicy", &["Fail", "Ignore"], causes);
    let names = ["object", "oldObject", "request", "params", "variables", "namespaceObject", "authorizer"];
    let mut check = |text: &str, field: String, is_condition: bool| {
        let problem = match crate::cel::parse(text) {
            Err(error) => Some(format!("compilation failed: {}", error.shown(text))),
            Ok(expression) if is_condition => crate::cel::check::condition_problem(&expression, &names),
            Ok(_) => None,
        };
        if let Some(problem) = problem {
            causes.push(Cause::invalid(field, &json!(text), &problem));
        }
    };
    for (index, condition) in json::list(value, "/spec/matchConditions").iter().enumerate() {
        check(json::text(condition, "/expression"), format!("spec.matchConditions[{index}].expression"), true);
    }
    for (index, variable) in json::list(value, "/spec/variables").iter().enumerate() {
        check(json::text(variable, "/expression"), format!("spec.variables[{index}].expression"), false);
    }
    for (index, validation) in json::list(value, "/spec/validations").iter().enumerate() {
        check(json::text(validation, "/expression"), format!("spec.validations[{index}].expression"), true);
    }
    for (index, mutation) in json::list(value, "/spec/mutations").iter().enumerate() {
        let key = if json::text(mutation, "/patchType") == "JSONPatch" { "jsonPatch" } else { "applyConfiguration" };
        let text = json::text(mutation, &format!("/{key}/expression"));
        check(text, format!("spec.mutations[{index}].{key}.expression"), false);
    }
    if !is_mutating
        && json::list(value, "/spec/validations").is_empty()
        && json::list(value, "/spec/auditAnnotations").is_empty()
    {
        let why = "validations or auditAnnotations must contain at least one item";
        causes.push(Cause::required("spec.validations", why));
        causes.push(Cause::required("spec.auditAnnotations", why));
    }
    for (index, rule) in json::list(value, "/spec/matchConstraints/resourceRules").iter().enumerate() {
        for (place, operation) in json::list(rule, "/operations").iter().enumerate() {
            let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
            if !operation.as_str().is_some_and(|operation| known.contains(&operation)) {
                let field = format!("spec.matchConstraints.resourceRules[{index}].operations[{place}]");
                causes.push(Cause::not_supported(field, operation, &known));
            }
        }
    }
}
