//! Columns of the built-in kinds: one line of headings and one function of cells each.
//!
//! size: one short function per kind, and kinds are many.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Heading;
use super::text::{age, human_duration, or_none, pairs, since};
use crate::clock::parse_time;
use crate::json;
use crate::registry::Resource;
use crate::selector::LabelSelector;

/// Headings by resource; `*` marks columns of wide output, `#` integers.
const HEADINGS: &[(&str, &str)] = &[
    ("pods", "Name,Ready,Status,Restarts,Age,IP*,Node*,Nominated Node*,Readiness Gates*"),
    ("deployments.apps", "Name,Ready,Up-to-date#,Available#,Age,Containers*,Images*,Selector*"),
    ("replicasets.apps", "Name,Desired#,Current#,Ready#,Age,Containers*,Images*,Selector*"),
    ("replicationcontrollers", "Name,Desired#,Current#,Ready#,Age,Containers*,Images*,Selector*"),
    ("statefulsets.apps", "Name,Ready,Age,Containers*,Images*"),
    (
        "daemonsets.apps",
        "Name,Desired#,Current#,Ready#,Up-to-date#,Available#,Node Selector,Age,Containers*,Images*,Selector*",
    ),
    ("jobs.batch", "Name,Status,Completions,Duration,Age,Containers*,Images*,Selector*"),
    ("cronjobs.batch", "Name,Schedule,Timezone,Suspend,Active#,Last Schedule,Age,Containers*,Images*,Selector*"),
    ("services", "Name,Type,Cluster-IP,External-IP,Port(s),Age,Selector*"),
    ("ingresses.networking.k8s.io", "Name,Class,Hosts,Address,Ports,Age"),
    ("ingressclasses.networking.k8s.io", "Name,Controller,Parameters,Age"),
    ("networkpolicies.networking.k8s.io", "Name,Pod-Selector,Age"),
    ("endpoints", "Name,Endpoints,Age"),
    ("endpointslices.discovery.k8s.io", "Name,AddressType,Ports,Endpoints,Age"),
    ("configmaps", "Name,Data#,Age"),
    ("secrets", "Name,Type,Data#,Age"),
    ("serviceaccounts", "Name,Age"),
    (
        "flowschemas.flowcontrol.apiserver.k8s.io",
        "Name,PriorityLevel,MatchingPrecedence#,DistinguisherMethod,Age,MissingPL",
    ),
    (
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "Name,Type,NominalConcurrencyShares,Queues,HandSize,QueueLengthLimit,Age",
    ),
    ("namespaces", "Name,Status,Age"),
    ("nodes", "Name,Status,Roles,Age,Version,Internal-IP*,External-IP*,OS-Image*,Kernel-Version*,Container-Runtime*"),
    ("events", "Last Seen,Type,Reason,Object,Subobject*,Source*,Message,First Seen*,Count#*,Name*"),
    (
        "persistentvolumes",
        "Name,Capacity,Access Modes,Reclaim Policy,Status,Claim,StorageClass,VolumeAttributesClass,Reason,Age,VolumeMode*",
    ),
    (
        "persistentvolumeclaims",
        "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age,VolumeMode*",
    ),
    ("storageclasses.storage.k8s.io", "Name,Provisioner,ReclaimPolicy,VolumeBindingMode,AllowVolumeExpansion,Age"),
    ("horizontalpodautoscalers.autoscaling", "Name,Reference,Targets,MinPods,MaxPods,Replicas#,Age"),
    ("poddisruptionbudgets.policy", "Name,Min Available,Max Unavailable,Allowed Disruptions#,Age"),
    ("roles.rbac.authorization.k8s.io", "Name,Created At"),
    ("clusterroles.rbac.authorization.k8s.io", "Name,Created At"),
    ("rolebindings.rbac.authorization.k8s.io", "Name,Role,Age,Users*,Groups*,ServiceAccounts*"),
    ("clusterrolebindings.rbac.authorization.k8s.io", "Name,Role,Age,Users*,Groups*,ServiceAccounts*"),
    ("customresourcedefinitions.apiextensions.k8s.io", "Name,Created At"),
    ("apiservices.apiregistration.k8s.io", "Name,Service,Available,Age"),
    ("leases.coordination.k8s.io", "Name,Holder,Age"),
    ("priorityclasses.scheduling.k8s.io", "Name,Value#,Global-Default,Age,PreemptionPolicy"),
    ("controllerrevisions.apps", "Name,Controller,Revision#,Age"),
    ("resourcequotas", "Name,Request,Limit,Age"),
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", "Name,Webhooks#,Age"),
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", "Name,Webhooks#,Age"),
    ("certificatesigningrequests.certificates.k8s.io", "Name,Age,SignerName,Requestor,RequestedDuration,Condition"),
    ("podtemplates", "Name,Containers,Images,Pod Labels"),
];

/// The headings of a built-in kind.
pub(super) fn headings(resource: &Resource) -> Vec<Heading> {
    let line = HEADINGS.iter().find(|(key, _)| *key == resource.key.as_str()).map_or("Name,Age", |(_, line)| *line);
    line.split(',')
        .map(|text| {
            let name = text.trim_end_matches(['*', '#']).to_string();
            let is_name = name == "Name" && !text.ends_with('*');
            let (description, is_text) = described(resource.key.as_str(), &name);
            Heading {
                kind: if text.contains('#') && !is_text { "integer" } else { "string" }.to_string(),
                format: if is_name { "name" } else { "" }.to_string(),
                priority: i64::from(text.contains('*')),
                description,
                name,
            }
        })
        .collect()
}

/// Columns of which people read what they mean: resource, column, and the type and field whose description it is.
const DESCRIBED: &[(&str, &str, &str, &str)] = &[
    ("configmaps", "Data", "ConfigMap", "data"),
    ("pods", "IP", "PodStatus", "podIP"),
    ("pods", "Node", "PodSpec", "nodeName"),
    ("pods", "Nominated Node", "PodStatus", "nominatedNodeName"),
    ("pods", "Readiness Gates", "PodSpec", "readinessGates"),
];
/// Columns that are described for themselves.
const EXPLAINED: &[(&str, &str, &str)] = &[
    ("pods", "Ready", "The aggregate readiness state of this pod for accepting traffic."),
    ("pods", "Status", "The aggregate status of the containers in this pod."),
    (
        "pods",
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
    ),
];

/// A column's description, and whether it is told as text although it counts.
fn described(resource: &str, column: &str) -> (String, bool) {
    static TEXTS: std::sync::OnceLock<std::collections::HashMap<(&str, &str), String>> = std::sync::OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let of_fields = DESCRIBED.iter().map(|(resource, column, kind, field)| {
            let all = landfall_merge::builtin::descriptions(&format!("io.k8s.api.core.v1.{kind}")).unwrap_or_default();
            ((*resource, *column), all.get(*field).and_then(Value::as_str).unwrap_or_default().to_string())
        });
        let own = EXPLAINED.iter().map(|(resource, column, text)| ((*resource, *column), (*text).to_string()));
        of_fields.chain(own).collect()
    });
    match texts.get(&(resource, column)) {
        Some(text) => (text.clone(), column == "Data"),
        None => (String::new(), false),
    }
}

/// The cells of an object of a built-in kind.
pub(super) fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    match resource.key.as_str() {
        "pods" => pod(object, now),
        "deployments.apps" => deployment(object, now),
        "replicasets.apps" | "replicationcontrollers" => replica_set(resource.key.as_str(), object, now),
        "statefulsets.apps" => stateful_set(object, now),
        "daemonsets.apps" => daemon_set(object, now),
        "jobs.batch" => job(object, now),
        "cronjobs.batch" => cron_job(object, now),
        "services" => service(object, now),
        "ingresses.networking.k8s.io" => ingress(object, now),
        "nodes" => node(object, now),
        "events" => event(object, now),
        "horizontalpodautoscalers.autoscaling" => autoscaler(object, now),
        "persistentvolumes" => volume(object, now),
        "persistentvolumeclaims" => claim(object, now),
        "endpoints" | "endpointslices.discovery.k8s.io" => endpoints(resource.key.as_str(), object, now),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            binding(object, now)
        }
        other => small(other, object, now),
    }
}

fn name(object: &Value) -> Value {
    json!(json::name(object))
}

fn number(object: &Value, pointer: &str) -> i64 {
    json::integer(object, pointer).unwrap_or(0)
}

fn size(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    }
}

/// Names and images of the containers of a template.
fn containers(object: &Value, spec: &str) -> (String, String) {
    let list = json::list(object, &format!("{spec}/containers"));
    let texts = |pointer: &'static str| list.iter().map(move |container| json::text(container, pointer));
    let names: Vec<&str> = texts("/name").collect();
    let images: Vec<&str> = texts("/image").collect();
    (names.join(","), images.join(","))
}

fn selector(object: &Value) -> String {
    or_none(&LabelSelector::of_spec(object.pointer("/spec/selector")).to_string())
}

fn small(resource: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    let age = || json!(age(object, now));
    let text = |pointer: &str| json!(json::text(object, pointer));
    match resource {
        "configmaps" => vec![name(object), json!(size(object, "/data") + size(object, "/binaryData")), age()],
        "secrets" => vec![name(object), text("/type"), json!(size(object, "/data")), age()],
        "serviceaccounts" => vec![name(object), age()],
        "flowschemas.flowcontrol.apiserver.k8s.io" => {
            let dangling = json::list(object, "/status/conditions")
                .iter()
                .find(|condition| json::text(condition, "/type") == "Dangling")
                .map_or("False", |condition| json::text(condition, "/status"));
            vec![
                name(object),
                text("/spec/priorityLevelConfiguration/name"),
                json!(number(object, "/spec/matchingPrecedence")),
                json!(or_none(json::text(object, "/spec/distinguisherMethod/type"))),
                age(),
                json!(dangling),
            ]
        }
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => {
            let count = |pointer: &str| json!(object.pointer(pointer).map_or("<none>".to_string(), Value::to_string));
            let shares = if json::text(object, "/spec/type") == "Exempt" { "exempt" } else { "limited" };
            vec![
                name(object),
                text("/spec/type"),
                count(&format!("/spec/{shares}/nominalConcurrencyShares")),
                count("/spec/limited/limitResponse/queuing/queues"),
                count("/spec/limited/limitResponse/queuing/handSize"),
                count("/spec/limited/limitResponse/queuing/queueLengthLimit"),
                age(),
            ]
        }
        "namespaces" => vec![name(object), text("/status/phase"), age()],
        "networkpolicies.networking.k8s.io" => {
            let pods = LabelSelector::of_spec(object.pointer("/spec/podSelector")).to_string();
            vec![name(object), json!(or_none(&pods)), age()]
        }
        "ingressclasses.networking.k8s.io" => {
            let parameters = match json::text(object, "/spec/parameters/kind") {
                "" => "<none>".to_string(),
                kind => format!("{kind}/{}", json::text(object, "/spec/parameters/name")),
            };
            vec![name(object), text("/spec/controller"), json!(parameters), age()]
        }
        "storageclasses.storage.k8s.io" => {
            let is_default = json::annotation(object, "storageclass.kubernetes.io/is-default-class") == Some("true");
            let shown = format!("{}{}", json::name(object), if is_default { " (default)" } else { "" });
            vec![
                json!(shown),
                text("/provisioner"),
                text("/reclaimPolicy"),
                text("/volumeBindingMode"),
                json!(json::flag(object, "/allowVolumeExpansion").to_string()),
                age(),
            ]
        }
        "poddisruptionbudgets.policy" => {
            let bound = |pointer: &str| match object.pointer(pointer) {
                Some(Value::String(text)) => json!(text),
                Some(other) => json!(other.to_string()),
                None => json!("N/A"),
            };
            vec![
                name(object),
                bound("/spec/minAvailable"),
                bound("/spec/maxUnavailable"),
                json!(number(object, "/status/disruptionsAllowed")),
                age(),
            ]
        }
        "roles.rbac.authorization.k8s.io"
        | "clusterroles.rbac.authorization.k8s.io"
        | "customresourcedefinitions.apiextensions.k8s.io" => vec![name(object), text("/metadata/creationTimestamp")],
        "apiservices.apiregistration.k8s.io" => {
            let service = match json::text(object, "/spec/service/name") {
                "" => "Local".to_string(),
                service => format!("{}/{service}", json::text(object, "/spec/service/namespace")),
            };
            let available = json::list(object, "/status/conditions")
                .iter()
                .find(|condition| json::text(condition, "/type") == "Available");
            let available = available.map_or("Unknown", |condition| json::text(condition, "/status"));
            vec![name(object), json!(service), json!(available), age()]
        }
        "leases.coordination.k8s.io" => vec![name(object), text("/spec/holderIdentity"), age()],
        "priorityclasses.scheduling.k8s.io" => vec![
            name(object),
            json!(number(object, "/value")),
            json!(json::flag(object, "/globalDefault").to_string()),
            age(),
            text("/preemptionPolicy"),
        ],
        "controllerrevisions.apps" => {
            let owner = json::controller(object).map_or("<none>".to_string(), |owner| {
                format!("{}/{}", json::text(owner, "/kind").to_lowercase(), json::text(owner, "/name"))
            });
            vec![name(object), json!(owner), json!(number(object, "/revision")), age()]
        }
        "resourcequotas" => {
            let (mut requests, mut limits) = (Vec::new(), Vec::new());
            for (key, hard) in json::object(object, "/status/hard").into_iter().flatten() {
                let used = object.pointer("/status/used").and_then(|used| used.get(key));
                let shown = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("0").to_string();
                let entry = format!("{key}: {}/{}", shown(used), shown(Some(hard)));
                if key.starts_with("limits") { limits.push(entry) } else { requests.push(entry) }
            }
            vec![name(object), json!(requests.join(", ")), json!(limits.join(", ")), age()]
        }
        "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        | "validatingwebhookconfigurations.admissionregistration.k8s.io" => {
            vec![name(object), json!(size(object, "/webhooks")), age()]
        }
        "certificatesigningrequests.certificates.k8s.io" => {
            let types: Vec<&str> = json::list(object, "/status/conditions")
                .iter()
                .map(|condition| json::text(condition, "/type"))
                .collect();
            let mut condition = if types.is_empty() { "Pending".to_string() } else { types.join(",") };
            if !json::text(object, "/status/certificate").is_empty() {
                condition.push_str(",Issued");
            }
            let lasts = json::integer(object, "/spec/expirationSeconds").map_or("<none>".to_string(), human_duration);
            vec![name(object), age(), text("/spec/signerName"), text("/spec/username"), json!(lasts), json!(condition)]
        }
        "podtemplates" => {
            let (names, images) = containers(object, "/template/spec");
            let labels = pairs(json::object(object, "/template/metadata/labels"));
            vec![name(object), json!(names), json!(images), json!(labels)]
        }
        _ => vec![name(object), age()],
    }
}

/// Source: `printPod`: the phase, replaced by what the containers say.
fn pod_status(pod: &Value) -> (String, usize, i64, Option<Timestamp>) {
    let mut reason = match json::text(pod, "/status/reason") {
        "" => json::text(pod, "/status/phase").to_string(),
        reason => reason.to_string(),
    };
    if json::list(pod, "/status/conditions").iter().any(|condition| {
        json::text(condition, "/type") == "PodScheduled" && json::text(condition, "/reason") == "SchedulingGated"
    }) {
        reason = "SchedulingGated".to_string();
    }
    let (mut restarts, mut ready) = (0, 0);
    let mut last_restart: Option<Timestamp> = None;
    let inits = json::list(pod, "/status/initContainerStatuses");
    let total_inits = json::list(pod, "/spec/initContainers").len();
    let mut initializing = false;
    for (index, status) in inits.iter().enumerate() {
        restarts += number(status, "/restartCount");
        if let Some(finished) = parse_time(json::text(status, "/lastState/terminated/finishedAt")) {
            last_restart = last_restart.max(Some(finished));
        }
        let exit = json::integer(status, "/state/terminated/exitCode");
        if exit == Some(0) {
            continue;
        }
        let terminated = json::text(status, "/state/terminated/reason");
        let waiting = json::text(status, "/state/waiting/reason");
        reason = if let Some(exit) = exit {
            if terminated.is_empty() { format!("Init:ExitCode:{exit}") } else { format!("Init:{terminated}") }
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{total_inits}")
        };
        initializing = true;
        break;
    }
    if !initializing {
        restarts = 0;
        let mut has_running = false;
        for status in json::list(pod, "/status/containerStatuses").iter().rev() {
            restarts += number(status, "/restartCount");
            if let Some(finished) = parse_time(json::text(status, "/lastState/terminated/finishedAt")) {
                last_restart = last_restart.max(Some(finished));
            }
            let waiting = json::text(status, "/state/waiting/reason");
            let terminated = json::text(status, "/state/terminated/reason");
            if !waiting.is_empty() {
                reason = waiting.to_string();
            } else if !terminated.is_empty() {
                reason = terminated.to_string();
            } else if let Some(exit) = json::integer(status, "/state/terminated/exitCode") {
                reason = format!("ExitCode:{exit}");
            } else if json::flag(status, "/ready") && status.pointer("/state/running").is_some() {
                has_running = true;
                ready += 1;
            }
        }
        if reason == "Completed" && has_running {
            let is_ready = json::list(pod, "/status/conditions").iter().any(|condition| {
                json::text(condition, "/type") == "Ready" && json::text(condition, "/status") == "True"
            });
            reason = if is_ready { "Running" } else { "NotReady" }.to_string();
        }
    }
    if json::is_terminating(pod) {
        reason = if json::text(pod, "/status/reason") == "NodeLost" { "Unknown" } else { "Terminating" }.to_string();
    }
    (reason, ready, restarts, last_restart)
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let (status, ready, restarts, last_restart) = pod_status(object);
    let restarts = match last_restart {
        Some(last) if restarts > 0 => {
            format!("{restarts} ({} ago)", human_duration(now.duration_since(last).as_secs()))
        }
        _ => restarts.to_string(),
    };
    let gates = json::list(object, "/spec/readinessGates");
    let gates = if gates.is_empty() {
        "<none>".to_string()
    } else {
        let met = gates
            .iter()
            .filter(|gate| {
                json::list(object, "/status/conditions").iter().any(|condition| {
                    condition.get("type") == gate.get("conditionType") && json::text(condition, "/status") == "True"
                })
            })
            .count();
        format!("{met}/{}", gates.len())
    };
    vec![
        name(object),
        json!(format!("{ready}/{}", json::list(object, "/spec/containers").len())),
        json!(status),
        json!(restarts),
        json!(age(object, now)),
        json!(or_none(json::text(object, "/status/podIP"))),
        json!(or_none(json::text(object, "/spec/nodeName"))),
        json!(or_none(json::text(object, "/status/nominatedNodeName"))),
        json!(gates),
    ]
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/template/spec");
    vec![
        name(object),
        json!(format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas"))),
        json!(number(object, "/status/updatedReplicas")),
        json!(number(object, "/status/availableReplicas")),
        json!(age(object, now)),
        json!(names),
        json!(images),
        json!(selector(object)),
    ]
}

fn replica_set(resource: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/template/spec");
    let selector = if resource == "replicationcontrollers" {
        pairs(json::object(object, "/spec/selector"))
    } else {
        selector(object)
    };
    vec![
        name(object),
        json!(number(object, "/spec/replicas")),
        json!(number(object, "/status/replicas")),
        json!(number(object, "/status/readyReplicas")),
        json!(age(object, now)),
        json!(names),
        json!(images),
        json!(selector),
    ]
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/template/spec");
    vec![
        name(object),
        json!(format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas"))),
        json!(age(object, now)),
        json!(names),
        json!(images),
    ]
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/template/spec");
    vec![
        name(object),
        json!(number(object, "/status/desiredNumberScheduled")),
        json!(number(object, "/status/currentNumberScheduled")),
        json!(number(object, "/status/numberReady")),
        json!(number(object, "/status/updatedNumberScheduled")),
        json!(number(object, "/status/numberAvailable")),
        json!(pairs(json::object(object, "/spec/template/spec/nodeSelector"))),
        json!(age(object, now)),
        json!(names),
        json!(images),
        json!(selector(object)),
    ]
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/template/spec");
    let succeeded = number(object, "/status/succeeded");
    let parallelism = number(object, "/spec/parallelism");
    let completions = match json::integer(object, "/spec/completions") {
        Some(completions) => format!("{succeeded}/{completions}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    };
    let duration = match parse_time(json::text(object, "/status/startTime")) {
        None => String::new(),
        Some(start) => {
            let end = parse_time(json::text(object, "/status/completionTime")).unwrap_or(now);
            human_duration(end.duration_since(start).as_secs())
        }
    };
    let has = |kind: &str| {
        json::list(object, "/status/conditions")
            .iter()
            .any(|condition| json::text(condition, "/type") == kind && json::text(condition, "/status") == "True")
    };
    let status = if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if json::is_terminating(object) {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    vec![
        name(object),
        json!(status),
        json!(completions),
        json!(duration),
        json!(age(object, now)),
        json!(names),
        json!(images),
        json!(selector(object)),
    ]
}

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/jobTemplate/spec/template/spec");
    let last = match json::text(object, "/status/lastScheduleTime") {
        "" => "<none>".to_string(),
        _ => since(object, "/status/lastScheduleTime", now),
    };
    let selector = LabelSelector::of_spec(object.pointer("/spec/jobTemplate/spec/selector")).to_string();
    vec![
        name(object),
        json!(json::text(object, "/spec/schedule")),
        json!(or_none(json::text(object, "/spec/timeZone"))),
        json!(if json::flag(object, "/spec/suspend") { "True" } else { "False" }),
        json!(json::list(object, "/status/active").len()),
        json!(last),
        json!(age(object, now)),
        json!(names),
        json!(images),
        json!(or_none(&selector)),
    ]
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let kind = json::text(object, "/spec/type");
    let given = || {
        json::list(object, "/spec/externalIPs").iter().filter_map(Value::as_str).map(str::to_string).collect::<Vec<_>>()
    };
    let external = match kind {
        "ExternalName" => json::text(object, "/spec/externalName").to_string(),
        "LoadBalancer" => {
            let mut all: Vec<String> = json::list(object, "/status/loadBalancer/ingress")
                .iter()
                .map(|ingress| match json::text(ingress, "/ip") {
                    "" => json::text(ingress, "/hostname").to_string(),
                    ip => ip.to_string(),
                })
                .collect();
            all.extend(given());
            if all.is_empty() { "<pending>".to_string() } else { all.join(",") }
        }
        _ => or_none(&given().join(",")),
    };
    let ports: Vec<String> = json::list(object, "/spec/ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (number(port, "/port"), json::text(port, "/protocol"));
            match json::integer(port, "/nodePort").filter(|port| *port != 0) {
                Some(node) => format!("{number}:{node}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    vec![
        name(object),
        json!(kind),
        json!(or_none(json::text(object, "/spec/clusterIP"))),
        json!(external),
        json!(or_none(&ports.join(","))),
        json!(age(object, now)),
        json!(pairs(json::object(object, "/spec/selector"))),
    ]
}

fn ingress(object: &Value, now: Timestamp) -> Vec<Value> {
    let hosts: Vec<&str> = json::list(object, "/spec/rules")
        .iter()
        .map(|rule| json::text(rule, "/host"))
        .filter(|host| !host.is_empty())
        .collect();
    let hosts = match hosts.as_slice() {
        [] => "*".to_string(),
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first},{second},{third} + {} more...", rest.len())
        }
        all => all.join(","),
    };
    let addresses: Vec<&str> = json::list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|ingress| match json::text(ingress, "/ip") {
            "" => json::text(ingress, "/hostname"),
            ip => ip,
        })
        .collect();
    let ports = if json::list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        name(object),
        json!(or_none(json::text(object, "/spec/ingressClassName"))),
        json!(hosts),
        json!(addresses.join(",")),
        json!(ports),
        json!(age(object, now)),
    ]
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready =
        json::list(object, "/status/conditions").iter().find(|condition| json::text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| json::text(condition, "/status")) {
        Some("True") => "Ready".to_string(),
        Some(_) => "NotReady".to_string(),
        None => "Unknown".to_string(),
    };
    if json::flag(object, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<String> = json::object(object, "/metadata/labels")
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/").map(str::to_string))
        .collect();
    roles.sort();
    let address = |kind: &str| {
        json::list(object, "/status/addresses")
            .iter()
            .find(|address| json::text(address, "/type") == kind)
            .map_or("<none>", |address| json::text(address, "/address"))
            .to_string()
    };
    let info = |key: &str| match json::text(object, &format!("/status/nodeInfo/{key}")) {
        "" => "<unknown>".to_string(),
        text => text.to_string(),
    };
    vec![
        name(object),
        json!(status),
        json!(or_none(&roles.join(","))),
        json!(age(object, now)),
        json!(json::text(object, "/status/nodeInfo/kubeletVersion")),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        json!(info("osImage")),
        json!(info("kernelVersion")),
        json!(info("containerRuntimeVersion")),
    ]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    // The object is in one of two forms; the pointers of both are tried.
    let first_of = |pointers: &[&str]| {
        pointers
            .iter()
            .map(|pointer| json::text(object, pointer))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .to_string()
    };
    let ago = |pointers: &[&str]| match parse_time(&first_of(pointers)) {
        Some(then) => human_duration(now.duration_since(then).as_secs()),
        None => "<unknown>".to_string(),
    };
    let first = ago(&["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"]);
    let count = json::integer(object, "/series/count")
        .or_else(|| json::integer(object, "/count"))
        .or_else(|| json::integer(object, "/deprecatedCount"))
        .unwrap_or(1);
    let mut last = ago(&[
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/firstTimestamp",
    ]);
    if count > 1 {
        last = format!("{last} (x{count} over {first})");
    }
    let kind = first_of(&["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
    let target = first_of(&["/involvedObject/name", "/regarding/name"]);
    let source =
        first_of(&["/source/component", "/deprecatedSource/component", "/reportingComponent", "/reportingController"]);
    vec![
        json!(last),
        json!(json::text(object, "/type")),
        json!(json::text(object, "/reason")),
        json!(if target.is_empty() { kind } else { format!("{kind}/{target}") }),
        json!(first_of(&["/involvedObject/fieldPath", "/regarding/fieldPath"])),
        json!(source),
        json!(first_of(&["/message", "/note"]).trim().to_string()),
        json!(first),
        json!(count),
        name(object),
    ]
}

fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let reference = format!(
        "{}/{}",
        json::text(object, "/spec/scaleTargetRef/kind"),
        json::text(object, "/spec/scaleTargetRef/name")
    );
    let current = json::list(object, "/status/currentMetrics");
    let targets: Vec<String> = json::list(object, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, metric)| {
            let resource = json::text(metric, "/resource/name");
            let now = current.get(index);
            if let Some(target) = json::integer(metric, "/resource/target/averageUtilization") {
                let now = now.and_then(|now| json::integer(now, "/resource/current/averageUtilization"));
                let now = now.map_or("<unknown>".to_string(), |now| format!("{now}%"));
                format!("{resource}: {now}/{target}%")
            } else {
                let target = json::text(metric, "/resource/target/averageValue");
                let now = now.map_or("", |now| json::text(now, "/resource/current/averageValue"));
                format!("{resource}: {}/{target}", if now.is_empty() { "<unknown>" } else { now })
            }
        })
        .collect();
    vec![
        name(object),
        json!(reference),
        json!(or_none(&targets.join(", "))),
        json!(json::integer(object, "/spec/minReplicas").map_or("<unset>".to_string(), |least| least.to_string())),
        json!(number(object, "/spec/maxReplicas").to_string()),
        json!(number(object, "/status/currentReplicas")),
        json!(age(object, now)),
    ]
}

fn access_modes(object: &Value, pointer: &str) -> String {
    let modes: Vec<&str> = json::list(object, pointer)
        .iter()
        .filter_map(Value::as_str)
        .map(|mode| match mode {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            other => other,
        })
        .collect();
    modes.join(",")
}

fn volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let claim = match json::text(object, "/spec/claimRef/name") {
        "" => String::new(),
        claim => format!("{}/{claim}", json::text(object, "/spec/claimRef/namespace")),
    };
    let phase = if json::is_terminating(object) { "Terminating" } else { json::text(object, "/status/phase") };
    vec![
        name(object),
        json!(json::text(object, "/spec/capacity/storage")),
        json!(access_modes(object, "/spec/accessModes")),
        json!(json::text(object, "/spec/persistentVolumeReclaimPolicy")),
        json!(phase),
        json!(claim),
        json!(json::text(object, "/spec/storageClassName")),
        json!("<unset>"),
        json!(json::text(object, "/status/reason")),
        json!(age(object, now)),
        json!(json::text(object, "/spec/volumeMode")),
    ]
}

fn claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let phase = if json::is_terminating(object) { "Terminating" } else { json::text(object, "/status/phase") };
    let bound = !json::text(object, "/spec/volumeName").is_empty();
    vec![
        name(object),
        json!(phase),
        json!(json::text(object, "/spec/volumeName")),
        json!(if bound { json::text(object, "/status/capacity/storage") } else { "" }),
        json!(if bound { access_modes(object, "/status/accessModes") } else { String::new() }),
        json!(json::text(object, "/spec/storageClassName")),
        json!("<unset>"),
        json!(age(object, now)),
        json!(json::text(object, "/spec/volumeMode")),
    ]
}

fn endpoints(resource: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    if resource == "endpoints" {
        let mut all = Vec::new();
        for subset in json::list(object, "/subsets") {
            for port in json::list(subset, "/ports") {
                for address in json::list(subset, "/addresses") {
                    all.push(format!("{}:{}", json::text(address, "/ip"), number(port, "/port")));
                }
            }
        }
        let shown = match all.as_slice() {
            [first, second, third, rest @ ..] if !rest.is_empty() => {
                format!("{first},{second},{third} + {} more...", rest.len())
            }
            all => or_none(&all.join(",")),
        };
        return vec![name(object), json!(shown), json!(age(object, now))];
    }
    let ports: Vec<String> =
        json::list(object, "/ports").iter().map(|port| number(port, "/port").to_string()).collect();
    let addresses: Vec<&str> = json::list(object, "/endpoints")
        .iter()
        .flat_map(|endpoint| json::list(endpoint, "/addresses"))
        .filter_map(Value::as_str)
        .collect();
    let shown = match addresses.as_slice() {
        [] => "<unset>".to_string(),
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first},{second},{third} + {} more...", rest.len())
        }
        all => all.join(","),
    };
    vec![
        name(object),
        json!(json::text(object, "/addressType")),
        json!(if ports.is_empty() { "<unset>".to_string() } else { ports.join(",") }),
        json!(shown),
        json!(age(object, now)),
    ]
}

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let role = format!("{}/{}", json::text(object, "/roleRef/kind"), json::text(object, "/roleRef/name"));
    let subjects = |kind: &str| {
        json::list(object, "/subjects")
            .iter()
            .filter(move |subject| json::text(subject, "/kind") == kind)
            .cloned()
            .collect::<Vec<_>>()
    };
    let names = |kind: &str| {
        let subjects = subjects(kind);
        let texts: Vec<String> = subjects
            .iter()
            .map(|subject| match json::text(subject, "/namespace") {
                "" => json::text(subject, "/name").to_string(),
                namespace => format!("{namespace}/{}", json::text(subject, "/name")),
            })
            .collect();
        texts.join(", ")
    };
    vec![
        name(object),
        json!(role),
        json!(age(object, now)),
        json!(names("User")),
        json!(names("Group")),
        json!(names("ServiceAccount")),
    ]
}
