//! Pods and pod templates: defaults, and what the server sets on a new pod.

use serde_json::{Map, Value, json};

use crate::json::{self, default};

/// Sets a new pod's status.
pub(super) fn prepare_create(pod: &mut Value, now: &str) {
    let qos = quality_of_service(pod);
    json::set(pod, &["status"], json!({"phase": "Pending", "qosClass": qos}));
    let gates = !json::list(pod, "/spec/schedulingGates").is_empty();
    if gates {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "lastProbeTime": null, "lastTransitionTime": now, "message": "Scheduling is blocked due to non-empty scheduling gates"});
        json::set(pod, &["status", "conditions"], json!([condition]));
    }
}

/// The quality of service class that follows from requests and limits of CPU and memory.
pub(super) fn quality_of_service(pod: &Value) -> &'static str {
    // What a pod says of itself as a whole counts alone.
    let whole = pod.get("spec").filter(|spec| spec.get("resources").is_some());
    let containers: Vec<&Value> = match whole {
        Some(spec) => vec![spec],
        None => json::list(pod, "/spec/containers").iter().chain(json::list(pod, "/spec/initContainers")).collect(),
    };
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        for resource in ["cpu", "memory"] {
            let limit = container.pointer(&format!("/resources/limits/{resource}"));
            let request = container.pointer(&format!("/resources/requests/{resource}"));
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Labels of nodes that have newer names.
const OLD_NODE_LABELS: &[(&str, &str, &str)] = &[
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// Says what of a pod's spec is allowed but most likely a mistake. Source: `k8s.io/kubernetes/pkg/api/pod/warnings.go` 1.36.
pub(super) fn warn(spec: &Value, field: &str, warnings: &mut Vec<String>) {
    for key in json::object(spec, "/nodeSelector").into_iter().flat_map(Map::keys) {
        if let Some((_, since, new)) = OLD_NODE_LABELS.iter().find(|(old, _, _)| old == key) {
            warnings.push(format!("{field}.nodeSelector[{key}]: deprecated since {since}; use {new:?} instead"));
        }
    }
    for (index, secret) in json::list(spec, "/imagePullSecrets").iter().enumerate() {
        if json::text(secret, "/name").is_empty() {
            warnings.push(format!("{field}.imagePullSecrets[{index}].name: invalid empty name \"\""));
        }
    }
    for list in ["initContainers", "containers"] {
        for (index, container) in json::list(spec, &format!("/{list}")).iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            let mut names: Vec<&str> = Vec::new();
            for (place, variable) in json::list(container, "/env").iter().enumerate() {
                let name = json::text(variable, "/name");
                if names.contains(&name) {
                    warnings.push(format!(
                        "{field}.env[{place}]: hides previous definition of {name:?}, which may be dropped when using apply"
                    ));
                }
                names.push(name);
            }
            let mut ports: Vec<(i64, &str)> = Vec::new();
            for (place, port) in json::list(container, "/ports").iter().enumerate() {
                let key = (json::integer(port, "/containerPort").unwrap_or(0), json::text(port, "/protocol"));
                if let Some(first) = ports.iter().position(|held| *held == key) {
                    warnings
                        .push(format!("{field}.ports[{place}]: duplicate port definition with {field}.ports[{first}]"));
                }
                ports.push(key);
            }
        }
    }
}

/// Fills the defaults of a pod.
pub(super) fn fill_pod(pod: &mut Value) {
    for condition in pod.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in ["lastProbeTime", "lastTransitionTime"] {
            json::as_map(condition).entry(key).or_insert(Value::Null);
        }
    }
    let Some(spec) = pod.get_mut("spec") else { return };
    fill_spec(spec);
    default(json::as_map(spec), "enableServiceLinks", true);
    // Requests follow limits where they are not given; only in pods, not in templates.
    if let Some(limits) = json::object(spec, "/resources/limits").cloned() {
        let requests = json::child(spec, "resources").entry("requests").or_insert_with(|| json!({}));
        for (name, limit) in limits {
            default(json::as_map(requests), &name, limit);
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(limits) = json::object(container, "/resources/limits").cloned() else { continue };
            let resources = json::child(container, "resources");
            let requests = resources.entry("requests").or_insert_with(|| json!({}));
            for (name, limit) in limits {
                default(json::as_map(requests), &name, limit);
            }
        }
    }
    if json::flag(spec, "/hostNetwork") {
        for container in spec.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(number) = port.get("containerPort").cloned() {
                    default(json::as_map(port), "hostPort", number);
                }
            }
        }
    }
}

/// Fills the defaults of a pod template (`metadata` and `spec`).
pub(super) fn fill_template(template: &mut Value) {
    if template.get("metadata").is_none_or(Value::is_null) {
        json::set(template, &["metadata"], json!({}));
    }
    if let Some(spec) = template.get_mut("spec") {
        fill_spec(spec);
    }
}

fn fill_spec(spec: &mut Value) {
    let map = json::as_map(spec);
    default(map, "restartPolicy", "Always");
    default(map, "dnsPolicy", "ClusterFirst");
    default(map, "schedulerName", "default-scheduler");
    default(map, "terminationGracePeriodSeconds", 30);
    // Less than nothing is the shortest time that is still graceful.
    if map.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
        map.insert("terminationGracePeriodSeconds".into(), json!(1));
    }
    default(map, "securityContext", json!({}));
    // The old name of the service account field mirrors the new one.
    match (map.get("serviceAccountName").cloned(), map.get("serviceAccount").cloned()) {
        (Some(name), None) => {
            map.insert("serviceAccount".into(), name);
        }
        (None, Some(name)) => {
            map.insert("serviceAccountName".into(), name);
        }
        (Some(name), Some(old)) if name != old => {
            map.insert("serviceAccount".into(), name);
        }
        _ => {}
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fill_container(container);
        }
    }
    for volume in map.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        fill_volume(volume);
    }
}

fn fill_container(container: &mut Value) {
    let policy = default_pull_policy(json::text(container, "/image"));
    let map = json::as_map(container);
    default(map, "terminationMessagePath", "/dev/termination-log");
    default(map, "terminationMessagePolicy", "File");
    default(map, "imagePullPolicy", policy);
    default(map, "resources", json!({}));
    for port in map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        default(json::as_map(port), "protocol", "TCP");
    }
    for variable in map.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            default(json::as_map(field), "apiVersion", "v1");
        }
        if let Some(field) = variable.pointer_mut("/valueFrom/resourceFieldRef") {
            default(json::as_map(field), "divisor", "0");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = map.get_mut(probe) {
            fill_probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(get) = map.get_mut("lifecycle").and_then(|l| l.get_mut(hook)).and_then(|h| h.get_mut("httpGet")) {
            fill_http_get(get);
        }
    }
}

/// `Always` for `latest` and for images without a tag, `IfNotPresent` otherwise.
fn default_pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    match tag {
        None | Some("latest" | "") => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn fill_http_get(get: &mut Value) {
    let map = json::as_map(get);
    default(map, "scheme", "HTTP");
    if map.get("path").and_then(Value::as_str).is_none_or(str::is_empty) {
        map.insert("path".into(), json!("/"));
    }
}

fn fill_probe(probe: &mut Value) {
    let map = json::as_map(probe);
    fill_positive(map, "timeoutSeconds", 1);
    fill_positive(map, "periodSeconds", 10);
    fill_positive(map, "successThreshold", 1);
    fill_positive(map, "failureThreshold", 3);
    if let Some(get) = map.get_mut("httpGet") {
        fill_http_get(get);
    }
    if let Some(grpc) = map.get_mut("grpc") {
        default(json::as_map(grpc), "service", "");
    }
}

/// Zero means "not given" for these.
fn fill_positive(map: &mut Map<String, Value>, key: &str, value: i64) {
    if map.get(key).and_then(Value::as_i64).unwrap_or(0) == 0 {
        map.insert(key.to_string(), json!(value));
    }
}

fn fill_volume(volume: &mut Value) {
    let map = json::as_map(volume);
    if map.len() == 1 && map.contains_key("name") {
        map.insert("emptyDir".into(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = map.get_mut(source) {
            default(json::as_map(source), "defaultMode", 420);
        }
    }
    if let Some(host) = map.get_mut("hostPath") {
        default(json::as_map(host), "type", "");
    }
    let items = map.get_mut("downwardAPI").and_then(|source| source.get_mut("items")).and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        if let Some(field) = item.get_mut("fieldRef") {
            default(json::as_map(field), "apiVersion", "v1");
        }
    }
    let sources = map.get_mut("projected").and_then(|source| source.get_mut("sources")).and_then(Value::as_array_mut);
    for source in sources.into_iter().flatten() {
        if let Some(token) = source.get_mut("serviceAccountToken") {
            default(json::as_map(token), "expirationSeconds", 3600);
        }
        let items =
            source.get_mut("downwardAPI").and_then(|source| source.get_mut("items")).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            if let Some(field) = item.get_mut("fieldRef") {
                default(json::as_map(field), "apiVersion", "v1");
            }
        }
    }
    if let Some(template) = map.get_mut("ephemeral").and_then(|source| source.get_mut("volumeClaimTemplate"))
        && let Some(spec) = template.get_mut("spec")
    {
        default(json::as_map(spec), "volumeMode", "Filesystem");
    }
}
