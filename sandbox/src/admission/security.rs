//! Pod Security: the standards that a namespace's labels ask for.
//! Source: the checks of `k8s.io/pod-security-admission/policy` 1.36 at their latest version.

use serde_json::Value;

use crate::error::{ApiError, Cause};
use crate::json;
use crate::operations::Core;
use crate::registry::Resource;

const PREFIX: &str = "pod-security.kubernetes.io/";

/// Checks the labels of a namespace.
pub(super) fn check_namespace(value: &Value, causes: &mut Vec<Cause>) {
    for mode in ["enforce", "audit", "warn"] {
        if let Some(level) = json::label(value, &format!("{PREFIX}{mode}"))
            && !matches!(level, "privileged" | "baseline" | "restricted")
        {
            causes.push(Cause::invalid(
                format!("metadata.labels[{PREFIX}{mode}]"),
                &Value::from(level),
                "must be one of privileged, baseline, restricted",
            ));
        }
        if let Some(version) = json::label(value, &format!("{PREFIX}{mode}-version"))
            && version != "latest"
            && !version.strip_prefix("v1.").is_some_and(|minor| minor.parse::<u32>().is_ok())
        {
            causes.push(Cause::invalid(
                format!("metadata.labels[{PREFIX}{mode}-version]"),
                &Value::from(version),
                "must be \"latest\" or \"v1.x\"",
            ));
        }
    }
}

/// Holds a new pod, or the pods that a workload would make, against the standards of the namespace.
pub(super) fn check(
    core: &Core,
    resource: &Resource,
    value: &Value,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let template = match resource.key.as_str() {
        "pods" => "",
        "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch"
        | "replicationcontrollers" => "/spec/template",
        "cronjobs.batch" => "/spec/jobTemplate/spec/template",
        "podtemplates" => "/template",
        _ => return Ok(()),
    };
    let namespace = json::namespace(value);
    let Some(held) = core.store.get(&"namespaces".into(), "", namespace) else { return Ok(()) };
    let level = |mode: &str| {
        let level = json::label(&held.value, &format!("{PREFIX}{mode}")).unwrap_or("privileged");
        let version = json::label(&held.value, &format!("{PREFIX}{mode}-version")).unwrap_or("latest");
        (level, version)
    };
    let Some(pod) = value.pointer(template) else { return Ok(()) };
    let (enforced, version) = level("enforce");
    let is_pod = template.is_empty();
    if is_pod && enforced != "privileged" {
        let problems = problems(pod, enforced == "restricted");
        if !problems.is_empty() {
            let why = format!("violates PodSecurity \"{enforced}:{version}\": {}", problems.join(", "));
            return Err(ApiError::forbidden(resource.qualified(), json::name(value), &why));
        }
    }
    // Without a word of its own, a workload is warned of what would be enforced upon its pods.
    let says_nothing = json::label(&held.value, &format!("{PREFIX}warn")).is_none();
    let (warned, version) = if says_nothing && !is_pod { (enforced, version) } else { level("warn") };
    if warned != "privileged" {
        let problems = problems(pod, warned == "restricted");
        if !problems.is_empty() {
            warnings.push(format!("would violate PodSecurity \"{warned}:{version}\": {}", problems.join(", ")));
        }
    }
    Ok(())
}

/// The kinds of volumes that the restricted standard allows.
const FREE_VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "image",
];
/// The capabilities that a runtime gives anyway.
const USUAL_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Kernel settings that stay inside a pod.
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|list| json::list(pod, &format!("/spec/{list}")).iter())
}

fn quoted(items: &[&str]) -> String {
    items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ")
}

/// `container "a"` or `containers "a", "b"`.
fn named(names: &[&str]) -> String {
    format!("container{} {}", if names.len() == 1 { "" } else { "s" }, quoted(names))
}

fn selected<'a>(pod: &'a Value, bad: impl Fn(&Value) -> bool) -> Vec<&'a str> {
    containers(pod).filter(|container| bad(container)).map(|container| json::text(container, "/name")).collect()
}

fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    json::list(value, pointer).iter().filter_map(Value::as_str).collect()
}

/// What a pod does that its standard forbids, in the order in which the real server tells it.
fn problems(pod: &Value, restricted: bool) -> Vec<String> {
    let mut found = Vec::new();
    let context = |key: &str| format!("/spec/securityContext/{key}");
    // allowPrivilegeEscalation
    if restricted {
        let names =
            selected(pod, |c| c.pointer("/securityContext/allowPrivilegeEscalation") != Some(&Value::Bool(false)));
        if !names.is_empty() {
            found.push(format!(
                "allowPrivilegeEscalation != false ({} must set securityContext.allowPrivilegeEscalation=false)",
                named(&names)
            ));
        }
    }
    // capabilities
    if restricted {
        let missing = selected(pod, |c| !texts(c, "/securityContext/capabilities/drop").contains(&"ALL"));
        let adding = selected(pod, |c| {
            texts(c, "/securityContext/capabilities/add").iter().any(|added| *added != "NET_BIND_SERVICE")
        });
        let mut details = Vec::new();
        if !missing.is_empty() {
            details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named(&missing)));
        }
        if !adding.is_empty() {
            let mut all: Vec<&str> = containers(pod)
                .flat_map(|c| texts(c, "/securityContext/capabilities/add"))
                .filter(|added| *added != "NET_BIND_SERVICE")
                .collect();
            all.sort_unstable();
            all.dedup();
            details.push(format!(
                "{} must not include {} in securityContext.capabilities.add",
                named(&adding),
                quoted(&all)
            ));
        }
        if !details.is_empty() {
            found.push(format!("unrestricted capabilities ({})", details.join("; ")));
        }
    } else {
        let adding = selected(pod, |c| {
            texts(c, "/securityContext/capabilities/add").iter().any(|added| !USUAL_CAPABILITIES.contains(added))
        });
        if !adding.is_empty() {
            let mut all: Vec<&str> = containers(pod)
                .flat_map(|c| texts(c, "/securityContext/capabilities/add"))
                .filter(|added| !USUAL_CAPABILITIES.contains(added))
                .collect();
            all.sort_unstable();
            all.dedup();
            found.push(format!(
                "non-default capabilities ({} must not include {} in securityContext.capabilities.add)",
                named(&adding),
                quoted(&all)
            ));
        }
    }
    let host: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|key| json::flag(pod, &format!("/spec/{key}")))
        .map(|key| format!("{key}=true"))
        .collect();
    if !host.is_empty() {
        found.push(format!("host namespaces ({})", host.join(", ")));
    }
    if !restricted || json::list(pod, "/spec/volumes").iter().any(|volume| volume.get("hostPath").is_some()) {
        let volumes: Vec<&str> = json::list(pod, "/spec/volumes")
            .iter()
            .filter(|volume| volume.get("hostPath").is_some())
            .map(|volume| json::text(volume, "/name"))
            .collect();
        if !volumes.is_empty() && !restricted {
            found.push(format!(
                "hostPath volumes (volume{} {})",
                if volumes.len() == 1 { "" } else { "s" },
                quoted(&volumes)
            ));
        }
    }
    let uses_port =
        |c: &Value| json::list(c, "/ports").iter().any(|port| json::integer(port, "/hostPort").unwrap_or(0) != 0);
    let names = selected(pod, uses_port);
    if !names.is_empty() {
        let mut ports: Vec<String> = containers(pod)
            .flat_map(|c| json::list(c, "/ports"))
            .filter_map(|port| json::integer(port, "/hostPort").filter(|port| *port != 0))
            .map(|port| port.to_string())
            .collect();
        ports.sort();
        ports.dedup();
        let uses = if names.len() == 1 { "uses" } else { "use" };
        found.push(format!(
            "hostPort ({} {uses} hostPort{} {})",
            named(&names),
            if ports.len() == 1 { "" } else { "s" },
            ports.join(", ")
        ));
    }
    let names = selected(pod, |c| json::flag(c, "/securityContext/privileged"));
    if !names.is_empty() {
        found.push(format!("privileged ({} must not set securityContext.privileged=true)", named(&names)));
    }
    let names = selected(pod, |c| !matches!(json::text(c, "/securityContext/procMount"), "" | "Default"));
    if !names.is_empty() {
        found.push(format!("procMount ({} must not set securityContext.procMount)", named(&names)));
    }
    if restricted {
        let volumes: Vec<&Value> = json::list(pod, "/spec/volumes")
            .iter()
            .filter(|volume| {
                volume
                    .as_object()
                    .is_some_and(|map| map.keys().any(|key| key != "name" && !FREE_VOLUMES.contains(&key.as_str())))
            })
            .collect();
        if !volumes.is_empty() {
            let mut kinds: Vec<&str> = volumes
                .iter()
                .filter_map(|volume| volume.as_object()?.keys().find(|key| *key != "name").map(String::as_str))
                .collect();
            kinds.sort_unstable();
            kinds.dedup();
            let names: Vec<&str> = volumes.iter().map(|volume| json::text(volume, "/name")).collect();
            let (plural, uses) = if names.len() == 1 { ("", "uses") } else { ("s", "use") };
            found.push(format!(
                "restricted volume types (volume{plural} {} {uses} restricted volume type{} {})",
                quoted(&names),
                if kinds.len() == 1 { "" } else { "s" },
                quoted(&kinds)
            ));
        }
        not_root(pod, &mut found);
    }
    seccomp(pod, restricted, &mut found);
    let sysctls: Vec<&str> = json::list(pod, &context("sysctls"))
        .iter()
        .map(|sysctl| json::text(sysctl, "/name"))
        .filter(|name| !SAFE_SYSCTLS.contains(name))
        .collect();
    if !sysctls.is_empty() {
        found.push(format!("forbidden sysctls ({})", sysctls.join(", ")));
    }
    found
}

fn not_root(pod: &Value, found: &mut Vec<String>) {
    let whole = pod.pointer("/spec/securityContext/runAsNonRoot").and_then(Value::as_bool);
    let own = |c: &Value| c.pointer("/securityContext/runAsNonRoot").and_then(Value::as_bool);
    let explicit = selected(pod, |c| own(c) == Some(false));
    let implicit = selected(pod, |c| own(c).is_none());
    let mut details = Vec::new();
    if whole == Some(false) {
        details.push("pod must not set securityContext.runAsNonRoot=false".to_string());
    }
    if !explicit.is_empty() {
        details.push(format!("{} must not set securityContext.runAsNonRoot=false", named(&explicit)));
    }
    if whole != Some(true) && !implicit.is_empty() && details.is_empty() {
        details.push(format!("pod or {} must set securityContext.runAsNonRoot=true", named(&implicit)));
    }
    if !details.is_empty() {
        found.push(format!("runAsNonRoot != true ({})", details.join("; ")));
    }
    let mut root = Vec::new();
    if json::integer(pod, "/spec/securityContext/runAsUser") == Some(0) {
        root.push("pod must not set runAsUser=0".to_string());
    }
    let names = selected(pod, |c| json::integer(c, "/securityContext/runAsUser") == Some(0));
    if !names.is_empty() {
        root.push(format!("{} must not set runAsUser=0", named(&names)));
    }
    if !root.is_empty() {
        found.push(format!("runAsUser=0 ({})", root.join("; ")));
    }
}

fn seccomp(pod: &Value, restricted: bool, found: &mut Vec<String>) {
    let kind = |value: &Value, pointer: &str| json::text(value, pointer).to_string();
    let whole = kind(pod, "/spec/securityContext/seccompProfile/type");
    let own = |c: &Value| kind(c, "/securityContext/seccompProfile/type");
    let allowed = |kind: &str| matches!(kind, "RuntimeDefault" | "Localhost");
    let mut details = Vec::new();
    if !whole.is_empty() && !allowed(&whole) {
        details.push(format!("pod must not set securityContext.seccompProfile.type to {whole:?}"));
    }
    let explicit = selected(pod, |c| !own(c).is_empty() && !allowed(&own(c)));
    if !explicit.is_empty() {
        details
            .push(format!("{} must not set securityContext.seccompProfile.type to \"Unconfined\"", named(&explicit)));
    }
    if restricted && whole.is_empty() && details.is_empty() {
        let implicit = selected(pod, |c| own(c).is_empty());
        if !implicit.is_empty() {
            details.push(format!(
                "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
                named(&implicit)
            ));
        }
    }
    if !details.is_empty() {
        found.push(format!("seccompProfile ({})", details.join("; ")));
    }
}
