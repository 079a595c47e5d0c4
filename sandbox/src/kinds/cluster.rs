//! Defaults of the small kinds: namespaces, secrets, storage, access, policies, admission.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::json::{self, default};

/// Sets what a new namespace begins with.
pub(super) fn prepare_namespace(value: &mut Value) {
    let name = json::name(value).to_string();
    json::set(value, &["status"], json!({"phase": "Active"}));
    json::set(value, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
    let mut finalizers = json::list(value, "/spec/finalizers").to_vec();
    if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
        finalizers.push(json!("kubernetes"));
    }
    json::set(value, &["spec", "finalizers"], finalizers);
}

/// Moves a Secret's `stringData` into `data`.
pub(super) fn fold_string_data(value: &mut Value) {
    let Some(Value::Object(texts)) = json::take(value, &["stringData"]) else { return };
    for (key, text) in texts {
        let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
        json::set(value, &["data", &key], encoded);
    }
}

/// Fills what Go's type of events always writes; nobody owns that.
pub(super) fn fill_event(value: &mut Value) {
    let map = json::as_map(value);
    for (key, empty) in [
        ("eventTime", Value::Null),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
        ("source", json!({})),
    ] {
        map.entry(key).or_insert(empty);
    }
}

/// A claim's source was told under two names; they hold the same.
pub(super) fn mirror_source(value: &mut Value) {
    if let Some(source) = value.pointer("/spec/dataSource").cloned() {
        default(json::child(value, "spec"), "dataSourceRef", source);
    }
}

/// Fills the kinds that need a few fields only.
pub(super) fn fill(resource: &str, value: &mut Value) {
    match resource {
        "namespaces" => {
            let name = json::name(value).to_string();
            if !name.is_empty() {
                json::set(value, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
            }
        }
        "secrets" => default(json::as_map(value), "type", "Opaque"),
        "persistentvolumeclaims" => {
            if let Some(spec) = value.get_mut("spec") {
                default(json::as_map(spec), "volumeMode", "Filesystem");
            }
            default(json::child(value, "status"), "phase", "Pending");
        }
        "persistentvolumes" => {
            if let Some(host) = value.pointer_mut("/spec/hostPath").filter(|host| host.is_object()) {
                default(json::as_map(host), "type", "");
            }
            if let Some(spec) = value.get_mut("spec") {
                let spec = json::as_map(spec);
                default(spec, "volumeMode", "Filesystem");
                default(spec, "persistentVolumeReclaimPolicy", "Retain");
            }
            default(json::child(value, "status"), "phase", "Pending");
        }
        "storageclasses.storage.k8s.io" => {
            let map = json::as_map(value);
            default(map, "reclaimPolicy", "Delete");
            default(map, "volumeBindingMode", "Immediate");
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            for subject in value.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
                if matches!(json::text(subject, "/kind"), "User" | "Group") {
                    default(json::as_map(subject), "apiGroup", "rbac.authorization.k8s.io");
                }
            }
            if let Some(role) = value.get_mut("roleRef") {
                default(json::as_map(role), "apiGroup", "rbac.authorization.k8s.io");
            }
        }
        "networkpolicies.networking.k8s.io" => fill_network_policy(value),
        "priorityclasses.scheduling.k8s.io" => default(json::as_map(value), "preemptionPolicy", "PreemptLowerPriority"),
        "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        | "validatingwebhookconfigurations.admissionregistration.k8s.io" => fill_webhooks(resource, value),
        "validatingadmissionpolicies.admissionregistration.k8s.io" => {
            if let Some(spec) = value.get_mut("spec") {
                default(json::as_map(spec), "failurePolicy", "Fail");
                if let Some(constraints) = spec.get_mut("matchConstraints") {
                    fill_match(constraints);
                }
            }
        }
        "apiservices.apiregistration.k8s.io" => {
            if let Some(service) = value.pointer_mut("/spec/service").filter(|service| service.is_object()) {
                default(json::as_map(service), "port", 443);
            }
        }
        "validatingadmissionpolicybindings.admissionregistration.k8s.io"
        | "mutatingadmissionpolicybindings.admissionregistration.k8s.io" => {
            if let Some(target) = value.pointer_mut("/spec/matchResources").filter(|target| target.is_object()) {
                fill_match(target);
            }
        }
        "mutatingadmissionpolicies.admissionregistration.k8s.io" => {
            if let Some(spec) = value.get_mut("spec") {
                default(json::as_map(spec), "failurePolicy", "Fail");
                if let Some(constraints) = spec.get_mut("matchConstraints") {
                    fill_match(constraints);
                }
            }
        }
        "ingressclasses.networking.k8s.io" => {
            if let Some(parameters) = value.pointer_mut("/spec/parameters").filter(|held| held.is_object()) {
                default(json::as_map(parameters), "scope", "Cluster");
            }
        }
        "csidrivers.storage.k8s.io" => {
            let spec = json::child(value, "spec");
            for key in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
                default(spec, key, false);
            }
            default(spec, "attachRequired", true);
            default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
            default(spec, "volumeLifecycleModes", json!(["Persistent"]));
        }
        "flowschemas.flowcontrol.apiserver.k8s.io" => default(json::child(value, "spec"), "matchingPrecedence", 1000),
        "resourceclaims.resource.k8s.io" => fill_device_requests(value.pointer_mut("/spec/devices")),
        "resourceclaimtemplates.resource.k8s.io" => {
            if let Some(spec) = value.get_mut("spec") {
                default(json::as_map(spec), "metadata", json!({}));
            }
            fill_device_requests(value.pointer_mut("/spec/spec/devices"));
        }
        "limitranges" => fill_limit_range(value),
        "customresourcedefinitions.apiextensions.k8s.io" => {
            if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
                default(spec, "conversion", json!({"strategy": "None"}));
            }
        }
        _ => {}
    }
}

fn fill_device_requests(devices: Option<&mut Value>) {
    let requests = devices.and_then(|devices| devices.get_mut("requests")).and_then(Value::as_array_mut);
    for request in requests.into_iter().flatten() {
        if let Some(exactly) = request.get_mut("exactly") {
            let map = json::as_map(exactly);
            default(map, "allocationMode", "ExactCount");
            if map.get("allocationMode").is_some_and(|mode| mode == "ExactCount") {
                default(map, "count", 1);
            }
        }
    }
}

fn fill_network_policy(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    let map = json::as_map(spec);
    if !map.contains_key("policyTypes") {
        let mut types = vec!["Ingress"];
        if map.get("egress").and_then(Value::as_array).is_some_and(|egress| !egress.is_empty()) {
            types.push("Egress");
        }
        map.insert("policyTypes".into(), json!(types));
    }
    for direction in ["ingress", "egress"] {
        for rule in map.get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten() {
            for port in rule.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                default(json::as_map(port), "protocol", "TCP");
            }
        }
    }
}

fn fill_match(target: &mut Value) {
    let map = json::as_map(target);
    default(map, "matchPolicy", "Equivalent");
    default(map, "namespaceSelector", json!({}));
    default(map, "objectSelector", json!({}));
    for list in ["rules", "resourceRules", "excludeResourceRules"] {
        for rule in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            default(json::as_map(rule), "scope", "*");
        }
    }
}

fn fill_webhooks(resource: &str, value: &mut Value) {
    for webhook in value.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        fill_match(webhook);
        let map = json::as_map(webhook);
        default(map, "failurePolicy", "Fail");
        default(map, "timeoutSeconds", 10);
        if resource.starts_with("mutating") {
            default(map, "reinvocationPolicy", "Never");
        }
        if let Some(service) = map.get_mut("clientConfig").and_then(|config| config.get_mut("service")) {
            default(json::as_map(service), "port", 443);
        }
    }
}

/// A container's default limit follows its maximum, and its default request follows its limit.
fn fill_limit_range(value: &mut Value) {
    for item in value.pointer_mut("/spec/limits").and_then(Value::as_array_mut).into_iter().flatten() {
        if json::text(item, "/type") != "Container" {
            continue;
        }
        for (source, target) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(source) = item.get(source).and_then(Value::as_object).cloned() else { continue };
            let target = json::child(item, target);
            for (name, amount) in source {
                default(target, &name, amount);
            }
        }
    }
}
