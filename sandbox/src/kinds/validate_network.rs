//! Which Services and Ingresses are refused for their names, hosts, addresses and selectors.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::error::Cause;
use crate::json;
use crate::operations::{SUBDOMAIN_RULE, check_labels, is_dns_label, is_subdomain};

const IP_RULE: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const CIDR_RULE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD_RULE: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which \
must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. \
'*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Checks a Service beyond its ports.
pub(super) fn service(value: &Value, causes: &mut Vec<Cause>) {
    let kind = json::text(value, "/spec/type");
    let address = json::text(value, "/spec/clusterIP");
    if address == "None" && matches!(kind, "NodePort" | "LoadBalancer") {
        let why = format!("may not be set to 'None' for {kind} services");
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!("None"), &why));
    } else if !matches!(address, "" | "None") && kind != "ExternalName" && address.parse::<IpAddr>().is_err() {
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!(address), IP_RULE));
    }
    let external = matches!(kind, "NodePort" | "LoadBalancer");
    for (index, port) in json::list(value, "/spec/ports").iter().enumerate() {
        if !external && json::integer(port, "/nodePort").is_some_and(|number| number != 0) {
            let why = format!("may not be used when `type` is '{kind}'");
            causes.push(Cause::forbidden(format!("spec.ports[{index}].nodePort"), &why));
        }
    }
    let policy = json::text(value, "/spec/externalTrafficPolicy");
    if !policy.is_empty() && !external && json::list(value, "/spec/externalIPs").is_empty() {
        let why = "may only be set for externally-accessible services";
        causes.push(Cause::invalid("spec.externalTrafficPolicy", &json!(policy), why));
    }
    let name = json::text(value, "/spec/externalName");
    if kind == "ExternalName" && !name.is_empty() && !is_subdomain(name.trim_end_matches('.')) {
        causes.push(Cause::invalid("spec.externalName", &json!(name), SUBDOMAIN_RULE));
    }
    if let Some(labels) = json::object(value, "/spec/selector") {
        check_labels(labels, "spec.selector", causes);
    }
    for (index, port) in json::list(value, "/spec/ports").iter().enumerate() {
        if let Some(target) = port.get("targetPort").and_then(Value::as_str)
            && target.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
        {
            let why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
            causes.push(Cause::invalid(format!("spec.ports[{index}].targetPort"), &json!(target), why));
        }
    }
    for (index, source) in json::list(value, "/spec/loadBalancerSourceRanges").iter().enumerate() {
        if !source.as_str().is_some_and(is_network) {
            causes.push(Cause::invalid(format!("spec.LoadBalancerSourceRanges[{index}]"), source, CIDR_RULE));
        }
    }
    for (index, address) in json::list(value, "/spec/externalIPs").iter().enumerate() {
        if address.as_str().is_none_or(|text| text.parse::<IpAddr>().is_err()) {
            causes.push(Cause::invalid(format!("spec.externalIPs[{index}]"), address, IP_RULE));
        }
    }
}

fn is_network(text: &str) -> bool {
    text.split_once('/').is_some_and(|(ip, bits)| {
        let most = match ip.trim().parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

fn host_problem(host: &str) -> Option<&'static str> {
    if host.is_empty() {
        return None;
    }
    if host.parse::<IpAddr>().is_ok() {
        return Some("must be a DNS name, not an IP address");
    }
    match host.strip_prefix("*.") {
        Some(rest) => (!is_subdomain(rest)).then_some(WILDCARD_RULE),
        None if host.contains('*') => Some(WILDCARD_RULE),
        None => (!is_subdomain(host)).then_some(SUBDOMAIN_RULE),
    }
}

/// Checks an Ingress beyond its path types.
pub(super) fn ingress(value: &Value, causes: &mut Vec<Cause>) {
    let class = json::text(value, "/spec/ingressClassName");
    if !class.is_empty() && !is_subdomain(class) {
        causes.push(Cause::invalid("spec.ingressClassName", &json!(class), SUBDOMAIN_RULE));
    }
    for (index, rule) in json::list(value, "/spec/rules").iter().enumerate() {
        let host = json::text(rule, "/host");
        if let Some(why) = host_problem(host) {
            causes.push(Cause::invalid(format!("spec.rules[{index}].host"), &json!(host), why));
        }
        if rule.get("http").is_some() && json::list(rule, "/http/paths").is_empty() {
            causes.push(Cause::required(format!("spec.rules[{index}].http.paths"), ""));
        }
        for (place, path) in json::list(rule, "/http/paths").iter().enumerate() {
            let field = format!("spec.rules[{index}].http.paths[{place}]");
            let text = json::text(path, "/path");
            if matches!(json::text(path, "/pathType"), "Exact" | "Prefix") {
                for bad in ["//", "/./", "/../", "%2f", "%2F"] {
                    if text.contains(bad) {
                        let why = format!("must not contain '{bad}'");
                        causes.push(Cause::invalid(format!("{field}.path"), &json!(text), &why));
                    }
                }
            }
            let Some(service) = path.pointer("/backend/service") else { continue };
            let name = json::text(service, "/name");
            if !name.is_empty() && !is_dns_label(name) {
                causes.push(Cause::invalid(format!("{field}.backend.service.name"), &json!(name), LABEL_RULE));
            }
            let has_number = json::integer(service, "/port/number").is_some_and(|number| number != 0);
            if has_number && !json::text(service, "/port/name").is_empty() {
                let why = "cannot set both port name & port number";
                causes.push(Cause::invalid(format!("{field}.backend"), &json!(""), why));
            }
        }
    }
    for (index, tls) in json::list(value, "/spec/tls").iter().enumerate() {
        for (place, host) in json::list(tls, "/hosts").iter().enumerate() {
            if let Some(why) = host_problem(host.as_str().unwrap_or_default()) {
                causes.push(Cause::invalid(format!("spec.tls[{index}].hosts[{place}]"), host, why));
            }
        }
    }
}
