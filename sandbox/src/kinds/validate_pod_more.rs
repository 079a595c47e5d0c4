//! Which pods are refused, beyond names and containers: scheduling, security, probes, volumes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::error::Cause;
use crate::json;
use crate::operations::{check_labels, is_dns_label, is_qualified_name};
use crate::quantity::Quantity;

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const PORT_RULE: &str = "must be between 1 and 65535, inclusive";
const SYSCTL_RULE: &str = "must have at most 253 characters and match regex \
^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// Checks the parts of a spec that concern the whole pod.
pub(super) fn spec(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    if let Some(seconds) = json::integer(spec, "/activeDeadlineSeconds").filter(|seconds| *seconds < 1) {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(Cause::invalid(format!("{field}.activeDeadlineSeconds"), &json!(seconds), why));
    }
    for key in ["runAsUser", "runAsGroup", "fsGroup"] {
        if let Some(id) = json::integer(spec, &format!("/securityContext/{key}")).filter(|id| *id < 0) {
            let why = "must be between 0 and 2147483647, inclusive";
            causes.push(Cause::invalid(format!("{field}.securityContext.{key}"), &json!(id), why));
        }
    }
    for (index, sysctl) in json::list(spec, "/securityContext/sysctls").iter().enumerate() {
        let name = json::text(sysctl, "/name");
        let fits = name.split(['.', '/']).all(|part| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        });
        if !fits {
            causes.push(Cause::invalid(
                format!("{field}.securityContext.sysctls[{index}].name"),
                &json!(name),
                SYSCTL_RULE,
            ));
        }
    }
    if let Some(labels) = json::object(spec, "/nodeSelector") {
        check_labels(labels, &format!("{field}.nodeSelector"), causes);
    }
    let host = json::text(spec, "/hostname");
    if !host.is_empty() && !is_dns_label(host) {
        causes.push(Cause::invalid(format!("{field}.hostname"), &json!(host), LABEL_RULE));
    }
    for (index, alias) in json::list(spec, "/hostAliases").iter().enumerate() {
        let ip = json::text(alias, "/ip");
        if ip.parse::<IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            causes.push(Cause::invalid(format!("{field}.hostAliases[{index}].ip"), &json!(ip), why));
        }
    }
    tolerations(spec, field, causes);
    affinity(spec, field, causes);
    for (index, constraint) in json::list(spec, "/topologySpreadConstraints").iter().enumerate() {
        let field = format!("{field}.topologySpreadConstraints[{index}]");
        let skew = json::integer(constraint, "/maxSkew").unwrap_or(0);
        if skew < 1 {
            causes.push(Cause::invalid(format!("{field}.maxSkew"), &json!(skew), "must be greater than zero"));
        }
        if json::text(constraint, "/topologyKey").is_empty() {
            causes.push(Cause::required(format!("{field}.topologyKey"), "can not be empty"));
        }
        let when = json::text(constraint, "/whenUnsatisfiable");
        if !matches!(when, "DoNotSchedule" | "ScheduleAnyway") {
            let allowed = ["DoNotSchedule", "ScheduleAnyway"];
            causes.push(Cause::not_supported(format!("{field}.whenUnsatisfiable"), &json!(when), &allowed));
        }
    }
    let mut taken = BTreeSet::new();
    for (index, container) in json::list(spec, "/containers").iter().enumerate() {
        for (place, port) in json::list(container, "/ports").iter().enumerate() {
            let number = json::integer(port, "/hostPort").unwrap_or(0);
            let protocol = json::text(port, "/protocol");
            let identity = format!("{protocol}/{}/{number}", json::text(port, "/hostIP"));
            if number != 0 && !taken.insert(identity.clone()) {
                let field = format!("{field}.containers[{index}].ports[{place}].hostPort");
                causes.push(Cause::duplicate(field, &json!(identity)));
            }
        }
    }
    for (index, container) in json::list(spec, "/initContainers").iter().enumerate() {
        if json::text(container, "/restartPolicy") == "Always" {
            continue;
        }
        for probe in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if container.get(probe).is_some() {
                let why = "may not be set for init containers without restartPolicy=Always";
                causes.push(Cause::forbidden(format!("{field}.initContainers[{index}].{probe}"), why));
            }
        }
    }
}

fn tolerations(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (index, toleration) in json::list(spec, "/tolerations").iter().enumerate() {
        let field = format!("{field}.tolerations[{index}]");
        let (key, value) = (json::text(toleration, "/key"), json::text(toleration, "/value"));
        match json::text(toleration, "/operator") {
            "" | "Equal" => {
                if key.is_empty() {
                    let why =
                        "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
                    let held = json!(json::text(toleration, "/operator"));
                    causes.push(Cause::invalid(format!("{field}.operator"), &held, why));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let why = "value must be empty when `operator` is 'Exists'";
                    causes.push(Cause::invalid(format!("{field}.operator"), &json!(value), why));
                }
            }
            other => {
                causes.push(Cause::not_supported(format!("{field}.operator"), &json!(other), &["Equal", "Exists"]));
            }
        }
        let effect = json::text(toleration, "/effect");
        let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if !effect.is_empty() && !known.contains(&effect) {
            causes.push(Cause::not_supported(format!("{field}.effect"), &json!(effect), &known));
        }
    }
}

fn affinity(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    let node = format!("{field}.affinity.nodeAffinity");
    if let Some(required) = spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution")
        && json::list(required, "/nodeSelectorTerms").is_empty()
    {
        let field = format!("{node}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
        causes.push(Cause::required(field, "must have at least one node selector term"));
    }
    for (kind, place) in
        [("nodeAffinity", "nodeAffinity"), ("podAffinity", "podAffinity"), ("podAntiAffinity", "podAntiAffinity")]
    {
        let pointer = format!("/affinity/{kind}/preferredDuringSchedulingIgnoredDuringExecution");
        for (index, term) in json::list(spec, &pointer).iter().enumerate() {
            let weight = json::integer(term, "/weight").unwrap_or(0);
            if !(1..=100).contains(&weight) {
                let field =
                    format!("{field}.affinity.{place}.preferredDuringSchedulingIgnoredDuringExecution[{index}].weight");
                causes.push(Cause::invalid(field, &json!(weight), "must be in the range 1-100"));
            }
        }
        if kind == "nodeAffinity" {
            continue;
        }
        let pointer = format!("/affinity/{kind}/requiredDuringSchedulingIgnoredDuringExecution");
        for (index, term) in json::list(spec, &pointer).iter().enumerate() {
            if json::text(term, "/topologyKey").is_empty() {
                let field = format!(
                    "{field}.affinity.{place}.requiredDuringSchedulingIgnoredDuringExecution[{index}].topologyKey"
                );
                causes.push(Cause::required(field.clone(), "can not be empty"));
                causes.push(Cause::invalid(field.clone(), &json!(""), "name part must be non-empty"));
                causes.push(Cause::invalid(field, &json!(""), crate::operations::QUALIFIED_NAME_RULE));
            }
        }
    }
}

/// Checks a volume's source.
pub(super) fn volume(volume: &Value, field: &str, causes: &mut Vec<Cause>) {
    // The order in which the real server looks at sources: the first one counts, every other is too much.
    let order = [
        "emptyDir",
        "hostPath",
        "gitRepo",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "secret",
        "nfs",
        "iscsi",
        "persistentVolumeClaim",
        "rbd",
        "configMap",
        "downwardAPI",
        "projected",
        "csi",
        "ephemeral",
        "image",
    ];
    let present: Vec<&str> = order.into_iter().filter(|kind| volume.get(*kind).is_some()).collect();
    for kind in present.iter().skip(1) {
        causes.push(Cause::forbidden(format!("{field}.{kind}"), "may not specify more than 1 volume type"));
    }
    let mut named = |kind: &str, key: &str| {
        if let Some(source) = volume.get(kind)
            && json::text(source, &format!("/{key}")).is_empty()
        {
            causes.push(Cause::required(format!("{field}.{kind}.{key}"), ""));
        }
    };
    named("configMap", "name");
    named("secret", "secretName");
    named("persistentVolumeClaim", "claimName");
    named("hostPath", "path");
    named("nfs", "server");
    named("nfs", "path");
    let path = json::text(volume, "/hostPath/path");
    if path.split('/').any(|part| part == "..") {
        causes.push(Cause::invalid(format!("{field}.hostPath.path"), &json!(path), "must not contain '..'"));
    }
    for kind in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(mode) =
            json::integer(volume, &format!("/{kind}/defaultMode")).filter(|mode| !(0..=0o777).contains(mode))
        {
            let why = "must be a number between 0 and 0777 (octal), both inclusive";
            causes.push(Cause::invalid(format!("{field}.{kind}.defaultMode"), &json!(mode), why));
        }
    }
}

/// The fields of a pod that its containers may refer to.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.annotations",
    "metadata.labels",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Checks where an environment variable comes from.
pub(super) fn variable(variable: &Value, field: &str, causes: &mut Vec<Cause>) {
    let Some(source) = variable.get("valueFrom").and_then(Value::as_object) else { return };
    if source.is_empty() {
        let why =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        causes.push(Cause::invalid(format!("{field}.valueFrom"), &json!(""), why));
    }
    if source.len() > 1 {
        let why = "may not have more than one field specified at a time";
        causes.push(Cause::invalid(format!("{field}.valueFrom"), &json!(""), why));
    }
    let path = variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str);
    if let Some(path) = path {
        let plain = path.split('[').next().unwrap_or_default();
        if !FIELDS.contains(&plain) {
            let why = format!("error converting fieldPath: field label not supported: {path}");
            causes.push(Cause::invalid(format!("{field}.valueFrom.fieldRef.fieldPath"), &json!(path), &why));
        }
    }
}

/// Checks a probe beyond its numbers.
pub(super) fn probe(probe: &Value, kind: &str, field: &str, causes: &mut Vec<Cause>) {
    let successes = json::integer(probe, "/successThreshold").unwrap_or(1);
    if kind != "readinessProbe" && successes > 1 {
        causes.push(Cause::invalid(format!("{field}.successThreshold"), &json!(successes), "must be 1"));
    }
    for action in ["httpGet", "tcpSocket"] {
        let Some(held) = probe.get(action) else { continue };
        if let Some(port) = json::integer(held, "/port").filter(|port| !(1..=65535).contains(port)) {
            causes.push(Cause::invalid(format!("{field}.{action}.port"), &json!(port), PORT_RULE));
        }
        let scheme = json::text(held, "/scheme");
        if action == "httpGet" && !matches!(scheme, "" | "HTTP" | "HTTPS") {
            causes.push(Cause::not_supported(format!("{field}.httpGet.scheme"), &json!(scheme), &["HTTP", "HTTPS"]));
        }
    }
}

/// Checks a container's security context.
pub(super) fn container(item: &Value, field: &str, causes: &mut Vec<Cause>) {
    let Some(context) = item.get("securityContext") else { return };
    let field = format!("{field}.securityContext");
    for key in ["runAsUser", "runAsGroup"] {
        if let Some(id) = json::integer(context, &format!("/{key}")).filter(|id| *id < 0) {
            let why = "must be between 0 and 2147483647, inclusive";
            causes.push(Cause::invalid(format!("{field}.{key}"), &json!(id), why));
        }
    }
    if context.get("allowPrivilegeEscalation") == Some(&json!(false)) {
        let names = [
            "Capabilities",
            "Privileged",
            "SELinuxOptions",
            "WindowsOptions",
            "RunAsUser",
            "RunAsGroup",
            "RunAsNonRoot",
            "ReadOnlyRootFilesystem",
            "AllowPrivilegeEscalation",
            "ProcMount",
            "SeccompProfile",
            "AppArmorProfile",
        ];
        let mut shown = serde_json::Map::new();
        for name in names {
            let key = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            let key = if name == "SELinuxOptions" { "seLinuxOptions".to_string() } else { key };
            shown.insert(name.to_string(), context.get(&key).cloned().unwrap_or_default());
        }
        if json::flag(context, "/privileged") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            causes.push(Cause::ordered(&field, &names, &shown, why));
        }
    }
}

/// Checks the names of requests or limits, and devices that come in whole.
pub(super) fn resource_names(item: &Value, list: &str, field: &str, causes: &mut Vec<Cause>) {
    for (name, amount) in json::object(item, &format!("/resources/{list}")).into_iter().flatten() {
        let field = format!("{field}.resources.{list}[{name}]");
        let standard =
            matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if standard {
            continue;
        }
        if !name.contains('/') {
            let why = "must be a standard resource type or fully qualified";
            causes.push(Cause::invalid(field.clone(), &json!(name), why));
            causes.push(Cause::invalid(field, &json!(name), "must be a standard resource for containers"));
        } else if !is_qualified_name(name) {
            causes.push(Cause::invalid(field, &json!(name), "must be a qualified name"));
        } else if let Some(read) = Quantity::of(amount).filter(|read| !read.is_whole()) {
            causes.push(Cause::invalid(field, &json!(read.to_string()), "must be an integer"));
        }
    }
    if list == "requests" {
        for name in json::object(item, "/resources/requests").into_iter().flatten().map(|(name, _)| name) {
            let is_device = name.contains('/') && !name.contains("kubernetes.io/");
            if is_device && item.pointer("/resources/limits").is_none_or(|limits| limits.get(name).is_none()) {
                let why = "Limit must be set for non overcommitable resources";
                causes.push(Cause::required(format!("{field}.resources.limits"), why));
            }
        }
    }
}
