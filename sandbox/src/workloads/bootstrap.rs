//! What a fresh cluster holds: namespaces, nodes, the API server's own service, default classes and roles.

use serde_json::{Value, json};

use crate::clock::{rfc3339, rfc3339_micro};
use crate::faults;
use crate::json;
use crate::operations::{Core, Decoded, Part, WriteOptions};
use crate::store::ResourceKey;

/// Makes what is missing; what exists is left alone.
pub(crate) fn bootstrap(core: &Core, nodes: usize) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        ensure(core, "namespaces", json!({"metadata": {"name": name}}));
    }
    for index in 0..nodes {
        ensure(core, "nodes", node(core, index));
        let name = node_name(index);
        let lease = json!({
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": rfc3339_micro(core.clock.now())},
        });
        ensure(core, "leases.coordination.k8s.io", lease);
    }
    for (name, value, description) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        ensure(core, "priorityclasses.scheduling.k8s.io", class);
    }
    ensure(
        core,
        "storageclasses.storage.k8s.io",
        json!({"metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "sandbox.landfall.io/simulated", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true}),
    );
    let network = json!({"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/12"]}});
    ensure(core, "servicecidrs.networking.k8s.io", network);
    ensure(
        core,
        "services",
        json!({"metadata": {"name": "kubernetes", "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]}}),
    );
    // Where the API server would be in the network of the nodes.
    let ports = json!([{"name": "https", "port": 6443, "protocol": "TCP"}]);
    let labels = json!({"endpointslice.kubernetes.io/skip-mirror": "true"});
    let endpoints = json!({"metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "subsets": [{"addresses": [{"ip": "172.18.0.1"}], "ports": ports}]});
    ensure(core, "endpoints", endpoints);
    let labels = json!({"kubernetes.io/service-name": "kubernetes"});
    let slice = json!({"metadata": {"name": "kubernetes", "namespace": "default", "labels": labels}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["172.18.0.1"], "conditions": {"ready": true}}], "ports": ports});
    ensure(core, "endpointslices.discovery.k8s.io", slice);
}

/// Makes what the API server itself keeps for others: who vouches for clients, and since when old tokens are watched.
pub(crate) fn bootstrap_own_maps(core: &Core) {
    let authentication = json!({"metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": {"client-ca-file": core.root_certificate_pem.get().cloned().unwrap_or_default()}});
    ensure(core, "configmaps", authentication);
    let since = rfc3339(core.clock.now())[..10].to_string();
    let tokens = json!({"metadata": {"name": "kube-apiserver-legacy-service-account-token-tracking", "namespace": "kube-system"},
        "data": {"since": since}});
    ensure(core, "configmaps", tokens);
}

fn node_name(index: usize) -> String {
    format!("node-{}", index + 1)
}

fn node(core: &Core, index: usize) -> Value {
    let now = rfc3339(core.clock.now());
    let name = node_name(index);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now})
    };
    let amounts = json!({"cpu": "32", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti", "hugepages-1Gi": "0", "hugepages-2Mi": "0"});
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": format!("zone-{}", index % 3 + 1),
                "topology.kubernetes.io/region": "sandbox",
            },
            "annotations": {"sandbox.landfall.io/simulated": "true"},
        },
        "spec": {"podCIDR": format!("10.244.{}.0/24", index % 256), "podCIDRs": [format!("10.244.{}.0/24", index % 256)]},
        "status": {
            "capacity": amounts, "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": format!("172.18.{}.{}", index / 250, index % 250 + 2)},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": format!("{index:032x}"), "systemUUID": format!("{index:032x}"), "bootID": format!("{index:032x}"),
                "kernelVersion": "6.12.0", "osImage": "Landfall Sandbox", "containerRuntimeVersion": "sandbox://1.0",
                "kubeletVersion": landfall_merge::builtin::KUBERNETES_VERSION,
                "kubeProxyVersion": landfall_merge::builtin::KUBERNETES_VERSION,
                "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    })
}

fn ensure(core: &Core, resource: &str, mut value: Value) {
    let key = ResourceKey::from(resource);
    let Ok(resource) = core.resource(&key) else { return };
    let namespace = json::namespace(&value).to_string();
    if core.store.get(&key, &namespace, json::name(&value)).is_some() {
        return;
    }
    json::set(&mut value, &["apiVersion"], resource.api_version());
    json::set(&mut value, &["kind"], resource.kind.as_str());
    if let Err(error) = core.create(&resource, &namespace, Decoded::from(value), &WriteOptions::component("sandbox")) {
        tracing::error!(resource = resource.qualified(), %error, "the sandbox could not make one of its first objects");
    }
}

/// Keeps the certificate authority as a Secret.
pub(crate) fn keep_authority(core: &Core, name: &str, certificate_pem: &str, key_pem: &str) {
    let secret = json!({"metadata": {"name": name, "namespace": "kube-system"}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate_pem, "tls.key": key_pem}});
    ensure(core, "secrets", secret);
}

/// Writes the rule of a subject (an image pattern, `@node/…`, …); without faults it is taken away.
pub(crate) fn set_rule(core: &Core, subject: &str, faults: Option<&str>) {
    let namespace = "kube-system";
    ensure(core, "configmaps", json!({"metadata": {"name": faults::RULES, "namespace": namespace}}));
    let key = ResourceKey::from("configmaps");
    let (Ok(resource), Some(held)) = (core.resource(&key), core.store.get(&key, namespace, faults::RULES)) else {
        return;
    };
    let others = json::text(&held.value, "/data/rules")
        .lines()
        .filter(|line| line.split_whitespace().next() != Some(subject))
        .map(str::to_string);
    let own = faults.map(|faults| format!("{subject} {faults}"));
    let lines: Vec<String> = others.chain(own).collect();
    let mut next = Value::clone(&held.value);
    json::take(&mut next, &["metadata", "resourceVersion"]);
    json::set(&mut next, &["data", "rules"], lines.join("\n"));
    let options = WriteOptions::component("sandbox");
    if let Err(error) = core.update(&resource, namespace, faults::RULES, Part::Main, Decoded::from(next), &options) {
        tracing::error!(%error, "the rule could not be written");
    }
}

/// Begins a scenario, in the place of an earlier one; without steps there is none.
pub(crate) fn set_scenario(core: &Core, steps: &str) -> Result<(), String> {
    super::scenario::parse(steps)?;
    let (namespace, name) = ("kube-system", super::scenario::NAME);
    let key = ResourceKey::from("configmaps");
    let Ok(resource) = core.resource(&key) else { return Ok(()) };
    let options = crate::operations::DeleteOptions::background();
    // There may be none yet.
    let _ = core.delete(&resource, namespace, name, &options, &WriteOptions::component("sandbox"));
    if !steps.trim().is_empty() {
        ensure(
            core,
            "configmaps",
            json!({"metadata": {"name": name, "namespace": namespace}, "data": {"steps": steps}}),
        );
    }
    Ok(())
}
