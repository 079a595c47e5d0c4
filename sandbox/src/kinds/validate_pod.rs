//! Which pods and pod templates are refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::validate_pod_more as more;

use crate::error::Cause;
use crate::json;
use crate::operations::is_dns_label;
use crate::quantity::Quantity;

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUANTITY_RULE: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Checks a pod; `old` is what it replaces.
pub(super) fn pod(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    spec(value.get("spec").unwrap_or(&Value::Null), "spec", causes);
    if old.is_none() && !json::list(value, "/spec/ephemeralContainers").is_empty() {
        causes.push(Cause::forbidden("spec.ephemeralContainers", "cannot be set on create"));
    }
    if let Some(old) = old {
        changes(value, old, causes);
    }
}

/// Whether a pod has more or fewer containers than before.
fn count_changed(value: &Value, old: &Value) -> Option<&'static str> {
    ["containers", "initContainers"].into_iter().find(|list| {
        json::list(value, &format!("/spec/{list}")).len() != json::list(old, &format!("/spec/{list}")).len()
    })
}

/// Of a pod's spec only images, deadlines, tolerations and gates change.
fn changes(value: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                json::take(container, &["image"]);
                json::take(container, &["resources"]);
            }
        }
        for key in [
            "activeDeadlineSeconds",
            "tolerations",
            "schedulingGates",
            "ephemeralContainers",
            "terminationGracePeriodSeconds",
        ] {
            json::take(&mut spec, &[key]);
        }
        if json::text(old, "/spec/nodeName").is_empty() {
            json::take(&mut spec, &["nodeName"]);
        }
        spec
    };
    if let Some(list) = count_changed(value, old) {
        let why = format!(
            "pod updates may not add or remove {}",
            if list == "containers" { "containers" } else { "init containers" }
        );
        causes.push(Cause::forbidden(format!("spec.{list}"), &why));
        return;
    }
    let before = causes.len();
    for (index, container) in json::list(value, "/spec/containers").iter().enumerate() {
        if json::text(container, "/image").is_empty() {
            causes.push(Cause::required(format!("spec.containers[{index}].image"), ""));
        }
    }
    if causes.len() > before || fixed(value) != fixed(old) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@ -1 +1 @@",
        ));
    }
}

/// Checks the spec of a pod or a template.
pub(super) fn spec(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    let containers = json::list(spec, "/containers");
    if containers.is_empty() {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    let volumes = volumes(spec, field, causes);
    let mut names = BTreeSet::new();
    for list in ["initContainers", "containers"] {
        for (index, item) in json::list(spec, &format!("/{list}")).iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            let name = json::text(item, "/name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{field}.name"), ""));
            } else if !is_dns_label(name) {
                causes.push(Cause::invalid(format!("{field}.name"), &json!(name), LABEL_RULE));
            } else if !names.insert(name.to_string()) {
                causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
            }
            container(item, &field, &volumes, causes);
        }
    }
    for (key, allowed) in [
        ("restartPolicy", &["Always", "OnFailure", "Never"][..]),
        ("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"][..]),
    ] {
        let text = json::text(spec, &format!("/{key}"));
        if !text.is_empty() && !allowed.contains(&text) {
            causes.push(Cause::not_supported(format!("{field}.{key}"), &json!(text), allowed));
        }
    }
    more::spec(spec, field, causes);
}

fn volumes(spec: &Value, field: &str, causes: &mut Vec<Cause>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (index, volume) in json::list(spec, "/volumes").iter().enumerate() {
        let field = format!("{field}.volumes[{index}]");
        let name = json::text(volume, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if !is_dns_label(name) {
            causes.push(Cause::invalid(format!("{field}.name"), &json!(name), LABEL_RULE));
        } else if !names.insert(name.to_string()) {
            causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
        }
        more::volume(volume, &field, causes);
        if let Some(disk) = volume.get("azureDisk") {
            let is_managed = json::text(disk, "/kind") == "Managed";
            let (prefix, form) = if is_managed {
                (
                    "/subscriptions/",
                    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
                )
            } else {
                ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
            };
            let place = json::text(disk, "/diskURI");
            if !place.is_empty() && !place.starts_with(prefix) {
                causes.push(Cause::not_supported(format!("{field}.azureDisk.diskURI"), &json!(place), &[form]));
            }
        }
    }
    names
}

fn container(item: &Value, field: &str, volumes: &BTreeSet<String>, causes: &mut Vec<Cause>) {
    let image = json::text(item, "/image");
    if image.is_empty() {
        causes.push(Cause::required(format!("{field}.image"), ""));
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        causes.push(Cause::invalid(format!("{field}.image"), &json!(image), why));
    }
    let policy = json::text(item, "/imagePullPolicy");
    if !matches!(policy, "" | "Always" | "IfNotPresent" | "Never") {
        let field = format!("{field}.imagePullPolicy");
        causes.push(Cause::not_supported(field, &json!(policy), &["Always", "IfNotPresent", "Never"]));
    }
    let mut port_names = BTreeSet::new();
    for (index, port) in json::list(item, "/ports").iter().enumerate() {
        let field = format!("{field}.ports[{index}]");
        let number = json::integer(port, "/containerPort").unwrap_or(0);
        if number == 0 {
            causes.push(Cause::required(format!("{field}.containerPort"), ""));
        } else if !(1..=65535).contains(&number) {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("{field}.containerPort"), &json!(number), why));
        }
        let protocol = json::text(port, "/protocol");
        if !matches!(protocol, "" | "TCP" | "UDP" | "SCTP") {
            causes.push(Cause::not_supported(format!("{field}.protocol"), &json!(protocol), &["SCTP", "TCP", "UDP"]));
        }
        let name = json::text(port, "/name");
        if name.len() > 15 {
            causes.push(Cause::invalid(format!("{field}.name"), &json!(name), "must be no more than 15 characters"));
        } else if name.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
            let why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
            causes.push(Cause::invalid(format!("{field}.name"), &json!(name), why));
        }
        if !name.is_empty() && !port_names.insert(name.to_string()) {
            causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
        }
    }
    for (index, variable) in json::list(item, "/env").iter().enumerate() {
        if json::text(variable, "/name").is_empty() {
            causes.push(Cause::required(format!("{field}.env[{index}].name"), ""));
        }
        let has_value = !json::text(variable, "/value").is_empty();
        if has_value && variable.get("valueFrom").is_some() {
            let why = "may not be specified when `value` is not empty";
            causes.push(Cause::invalid(format!("{field}.env[{index}].valueFrom"), &json!(""), why));
        }
        more::variable(variable, &format!("{field}.env[{index}]"), causes);
    }
    let mut paths = BTreeSet::new();
    for (index, mount) in json::list(item, "/volumeMounts").iter().enumerate() {
        if !paths.insert(json::text(mount, "/mountPath")) {
            let field = format!("{field}.volumeMounts[{index}].mountPath");
            causes.push(Cause::invalid(field, &json!(json::text(mount, "/mountPath")), "must be unique"));
        }
        let field = format!("{field}.volumeMounts[{index}]");
        let name = json::text(mount, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if !volumes.contains(name) {
            causes.push(Cause {
                reason: "FieldValueNotFound",
                message: format!("Not found: {name:?}"),
                field: format!("{field}.name"),
            });
        }
        if json::text(mount, "/mountPath").is_empty() {
            causes.push(Cause::required(format!("{field}.mountPath"), ""));
        }
    }
    resources(item, field, causes);
    more::container(item, field, causes);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(held) = item.get(probe) {
            let handlers =
                ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(|kind| held.get(**kind).is_some()).count();
            match handlers {
                0 => causes.push(Cause::required(format!("{field}.{probe}"), "must specify a handler type")),
                1 => {}
                _ => {
                    let second = ["exec", "httpGet", "tcpSocket", "grpc"]
                        .iter()
                        .filter(|kind| held.get(**kind).is_some())
                        .nth(1);
                    let field = format!("{field}.{probe}.{}", second.unwrap_or(&""));
                    causes.push(Cause::forbidden(field, "may not specify more than 1 handler type"));
                }
            }
            more::probe(held, probe, &format!("{field}.{probe}"), causes);
            for key in
                ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
            {
                if let Some(number) = json::integer(held, &format!("/{key}")).filter(|number| *number < 0) {
                    let why = "must be greater than or equal to 0";
                    causes.push(Cause::invalid(format!("{field}.{probe}.{key}"), &json!(number), why));
                }
            }
        }
    }
}

fn resources(item: &Value, field: &str, causes: &mut Vec<Cause>) {
    for list in ["limits", "requests"] {
        more::resource_names(item, list, field, causes);
        for (name, amount) in json::object(item, &format!("/resources/{list}")).into_iter().flatten() {
            let field = format!("{field}.resources.{list}[{name}]");
            match Quantity::of(amount) {
                None => causes.push(Cause::invalid(field, amount, QUANTITY_RULE)),
                Some(read) if read.is_negative() => {
                    causes.push(Cause::invalid(field, amount, "must be greater than or equal to 0"));
                }
                Some(_) => {}
            }
        }
    }
    for (name, request) in json::object(item, "/resources/requests").into_iter().flatten() {
        let limit = item.pointer("/resources/limits").and_then(|limits| limits.get(name));
        if let (Some(wanted), Some(most)) = (Quantity::of(request), limit.and_then(Quantity::of))
            && wanted > most
        {
            let shown = limit
                .map_or_else(String::new, |limit| limit.as_str().map_or_else(|| limit.to_string(), str::to_string));
            let why = format!("must be less than or equal to {name} limit of {shown}");
            causes.push(Cause::invalid(format!("{field}.resources.requests"), request, &why));
        }
    }
}
