//! What admission adds to a new pod: service account and its token volume, tolerations, priority.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::json::{self, default};
use crate::operations::Core;
use crate::registry::Resource;
use crate::store::ResourceKey;

/// Where the token of the service account is mounted.
const TOKEN_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Completes a new pod, or refuses it.
pub(super) fn admit_create(core: &Core, resource: &Resource, pod: &mut Value) -> Result<(), ApiError> {
    if pod.get("spec").is_none_or(|spec| !spec.is_object()) {
        return Ok(());
    }
    set_priority(core, resource, pod)?;
    set_service_account(core, resource, pod)?;
    tolerate_short_outages(pod);
    Ok(())
}

fn set_priority(core: &Core, resource: &Resource, pod: &mut Value) -> Result<(), ApiError> {
    let name = json::text(pod, "/spec/priorityClassName").to_string();
    let classes = ResourceKey::from("priorityclasses.scheduling.k8s.io");
    let class = if name.is_empty() {
        let listing = core.store.list(&classes, None, None).map(|listing| listing.items).unwrap_or_default();
        listing.into_iter().find(|class| json::flag(&class.value, "/globalDefault"))
    } else {
        match core.store.get(&classes, "", &name) {
            Some(class) => Some(class),
            None => {
                let why = format!("no PriorityClass with name {name} was found");
                return Err(ApiError::forbidden(resource.qualified(), json::name(pod), &why));
            }
        }
    };
    let spec = json::child(pod, "spec");
    match class {
        Some(class) => {
            spec.insert("priority".into(), class.value.get("value").cloned().unwrap_or(json!(0)));
            spec.insert("priorityClassName".into(), json!(json::name(&class.value)));
            let policy = json::text(&class.value, "/preemptionPolicy");
            default(spec, "preemptionPolicy", if policy.is_empty() { "PreemptLowerPriority" } else { policy });
        }
        None => {
            spec.insert("priority".into(), json!(0));
            default(spec, "preemptionPolicy", "PreemptLowerPriority");
        }
    }
    Ok(())
}

fn set_service_account(core: &Core, resource: &Resource, pod: &mut Value) -> Result<(), ApiError> {
    let namespace = json::namespace(pod).to_string();
    let is_mirror = json::annotation(pod, "kubernetes.io/config.mirror").is_some();
    if is_mirror {
        return Ok(());
    }
    let spec = json::child(pod, "spec");
    default(spec, "serviceAccountName", "default");
    let account_name = spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or("default").to_string();
    spec.insert("serviceAccount".into(), json!(account_name));
    let account = core.store.get(&ResourceKey::from("serviceaccounts"), &namespace, &account_name);
    let Some(account) = account else {
        if account_name == "default" {
            // The controller makes it a moment after the namespace; the real server makes the caller try again.
            return Ok(());
        }
        let why = format!(
            "error looking up service account {namespace}/{account_name}: serviceaccount \"{account_name}\" not found"
        );
        return Err(ApiError::forbidden(resource.qualified(), json::name(pod), &why));
    };
    if !json::list(&account.value, "/imagePullSecrets").is_empty() {
        let secrets = account.value.get("imagePullSecrets").cloned().unwrap_or_default();
        default(json::child(pod, "spec"), "imagePullSecrets", secrets);
    }
    let wants_token = pod
        .pointer("/spec/automountServiceAccountToken")
        .or_else(|| account.value.get("automountServiceAccountToken"))
        .and_then(Value::as_bool)
        .unwrap_or(true);
    if wants_token {
        mount_token(core, pod);
    }
    Ok(())
}

fn mount_token(core: &Core, pod: &mut Value) {
    let is_mounted = |container: &Value| {
        json::list(container, "/volumeMounts").iter().any(|mount| json::text(mount, "/mountPath") == TOKEN_MOUNT)
    };
    let mut containers = json::list(pod, "/spec/containers").iter().chain(json::list(pod, "/spec/initContainers"));
    if containers.all(is_mounted) {
        return;
    }
    let volume_name = format!("kube-api-access-{}", core.random.name_suffix());
    let spec = json::child(pod, "spec");
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if is_mounted(container) {
                continue;
            }
            let mounts = json::as_map(container).entry("volumeMounts").or_insert_with(|| json!([]));
            if let Value::Array(mounts) = mounts {
                mounts.push(json!({"name": volume_name, "readOnly": true, "mountPath": TOKEN_MOUNT}));
            }
        }
    }
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if let Value::Array(volumes) = volumes {
        volumes.push(json!({
            "name": volume_name,
            "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ]},
        }));
    }
}

/// Five minutes on a node that is not ready or unreachable. Source: the DefaultTolerationSeconds plug-in.
fn tolerate_short_outages(pod: &mut Value) {
    let spec = json::child(pod, "spec");
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Value::Array(tolerations) = tolerations else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = tolerations.iter().any(|toleration| {
            let effect = json::text(toleration, "/effect");
            let held = json::text(toleration, "/key");
            (held == key || (held.is_empty() && json::text(toleration, "/operator") == "Exists"))
                && (effect.is_empty() || effect == "NoExecute")
        });
        if !tolerated {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}
