//! What is known of objects: whether pods are up, how many replicas there are, what containers use.
//!
//! These are told as they are now, for all of the time since the object was made: their past is not kept.
//! Source: the names of kube-state-metrics and of the kubelet's cAdvisor.

use serde_json::Value;

use super::SCRAPE_MS;
use super::routes::annotation_number;
use crate::clock::parse_time;
use crate::json;
use crate::operations::Core;
use crate::promql::{Labels, Matcher, NAME, Series};
use crate::quantity::Quantity;
use crate::store::ResourceKey;

/// How busy a pod is, in percent of what it requests.
const UTILIZATION: &str = "sandbox.landfall.io/utilization";

struct Writer<'a> {
    matchers: &'a [Matcher],
    from: i64,
    to: i64,
    begun: i64,
    all: &'a mut Vec<Series>,
}

impl Writer<'_> {
    fn wants(&self, names: &[&str]) -> bool {
        names.iter().any(|name| {
            self.matchers.iter().filter(|matcher| matcher.label == NAME).all(|matcher| matcher.admits(name))
        })
    }

    fn write(&mut self, name: &str, labels: &[(&str, &str)], value: impl Fn(i64) -> f64) {
        let mut all: Labels = labels.iter().map(|(label, text)| ((*label).to_string(), (*text).to_string())).collect();
        all.insert(NAME.to_string(), name.to_string());
        if !self.matchers.iter().all(|matcher| matcher.selects(&all)) {
            return;
        }
        let first = self.from.max(self.begun - 1).div_euclid(SCRAPE_MS) * SCRAPE_MS + SCRAPE_MS;
        let samples: Vec<(i64, f64)> = (0..)
            .map(|step| first + step * SCRAPE_MS)
            .take_while(|at| *at <= self.to)
            .map(|at| (at, value(at)))
            .collect();
        if !samples.is_empty() {
            self.all.push(Series { labels: all, samples });
        }
    }

    fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.write(name, labels, |_| value);
    }
}

/// Writes the series of pods and workloads that are asked for.
pub(super) fn of_objects(core: &Core, matchers: &[Matcher], from: i64, to: i64, all: &mut Vec<Series>) {
    let mut writer = Writer { matchers, from, to, begun: i64::MIN, all };
    let of_pods = [
        "up",
        "kube_pod_info",
        "kube_pod_status_phase",
        "kube_pod_status_ready",
        "kube_pod_container_status_restarts_total",
        "kube_pod_container_status_ready",
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
    ];
    let list =
        |resource: &str| core.store.list(&ResourceKey::from(resource), None, None).map(|l| l.items).unwrap_or_default();
    if writer.wants(&of_pods) {
        for stored in list("pods") {
            begin(&mut writer, &stored.value);
            pod(&mut writer, &stored.value);
        }
    }
    for (resource, kind, fields) in WORKLOADS {
        let names: Vec<String> = fields.iter().map(|(name, _)| format!("kube_{kind}_{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !writer.wants(&names) {
            continue;
        }
        for stored in list(resource) {
            let object = &stored.value;
            begin(&mut writer, object);
            let labels = [("namespace", json::namespace(object)), (*kind, json::name(object))];
            for ((_, pointer), name) in fields.iter().zip(&names) {
                #[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
                writer.gauge(name, &labels, json::integer(object, pointer).unwrap_or(0) as f64);
            }
        }
    }
}

type Fields = &'static [(&'static str, &'static str)];

const WORKLOADS: &[(&str, &str, Fields)] = &[
    (
        "deployments.apps",
        "deployment",
        &[
            ("spec_replicas", "/spec/replicas"),
            ("status_replicas", "/status/replicas"),
            ("status_replicas_available", "/status/availableReplicas"),
            ("status_replicas_unavailable", "/status/unavailableReplicas"),
            ("status_replicas_updated", "/status/updatedReplicas"),
            ("status_observed_generation", "/status/observedGeneration"),
            ("metadata_generation", "/metadata/generation"),
        ],
    ),
    (
        "statefulsets.apps",
        "statefulset",
        &[
            ("replicas", "/spec/replicas"),
            ("status_replicas", "/status/replicas"),
            ("status_replicas_ready", "/status/readyReplicas"),
            ("status_replicas_updated", "/status/updatedReplicas"),
        ],
    ),
    (
        "daemonsets.apps",
        "daemonset",
        &[
            ("status_desired_number_scheduled", "/status/desiredNumberScheduled"),
            ("status_number_ready", "/status/numberReady"),
        ],
    ),
    (
        "jobs.batch",
        "job_name",
        &[
            ("status_succeeded", "/status/succeeded"),
            ("status_failed", "/status/failed"),
            ("status_active", "/status/active"),
        ],
    ),
    (
        "horizontalpodautoscalers.autoscaling",
        "horizontalpodautoscaler",
        &[
            ("spec_max_replicas", "/spec/maxReplicas"),
            ("status_current_replicas", "/status/currentReplicas"),
            ("status_desired_replicas", "/status/desiredReplicas"),
        ],
    ),
];

fn begin(writer: &mut Writer<'_>, object: &Value) {
    writer.begun =
        parse_time(json::text(object, "/metadata/creationTimestamp")).map_or(i64::MIN, |time| time.as_millisecond());
}

#[expect(clippy::cast_precision_loss, reason = "times and counts are small")]
fn pod(writer: &mut Writer<'_>, pod: &Value) {
    let (namespace, name) = (json::namespace(pod), json::name(pod));
    let own = [("namespace", namespace), ("pod", name)];
    let phase = json::text(pod, "/status/phase");
    let ready = json::list(pod, "/status/conditions")
        .iter()
        .any(|held| json::text(held, "/type") == "Ready" && json::text(held, "/status") == "True");
    let truth = |holds: bool| f64::from(u8::from(holds));
    let job = json::label(pod, "app").unwrap_or(name);
    let instance = json::text(pod, "/status/podIP");
    writer.gauge("up", &[("namespace", namespace), ("pod", name), ("job", job), ("instance", instance)], truth(ready));
    let info =
        [("namespace", namespace), ("pod", name), ("node", json::text(pod, "/spec/nodeName")), ("pod_ip", instance)];
    writer.gauge("kube_pod_info", &info, 1.0);
    for other in ["Pending", "Running", "Succeeded", "Failed", "Unknown"] {
        let labels = [own[0], own[1], ("phase", other)];
        writer.gauge("kube_pod_status_phase", &labels, truth(other == phase));
    }
    for (word, holds) in [("true", ready), ("false", !ready), ("unknown", false)] {
        let labels = [own[0], own[1], ("condition", word)];
        writer.gauge("kube_pod_status_ready", &labels, truth(holds));
    }
    for status in json::list(pod, "/status/containerStatuses") {
        let labels = [own[0], own[1], ("container", json::text(status, "/name"))];
        let restarts = json::integer(status, "/restartCount").unwrap_or(0) as f64;
        writer.gauge("kube_pod_container_status_restarts_total", &labels, restarts);
        writer.gauge("kube_pod_container_status_ready", &labels, truth(json::flag(status, "/ready")));
    }
    for container in json::list(pod, "/spec/containers") {
        if phase != "Running" {
            break;
        }
        let labels = [own[0], own[1], ("container", json::text(container, "/name"))];
        let used = usage(pod, container);
        let begun = writer.begun;
        writer.write("container_cpu_usage_seconds_total", &labels, move |at| {
            (at - begun).max(0) as f64 / 1000.0 * used.cpu_cores
        });
        writer.gauge("container_memory_working_set_bytes", &labels, used.memory_bytes);
    }
}

/// What something uses at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Cores.
    pub(crate) cpu_cores: f64,
    /// Bytes.
    pub(crate) memory_bytes: f64,
}

impl Usage {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { cpu_cores: self.cpu_cores + other.cpu_cores, memory_bytes: self.memory_bytes + other.memory_bytes }
    }
}

/// What a container uses: of what it requests (or of a tenth of a core and 64 MiB) as much as its pod's annotation says.
pub(crate) fn usage(pod: &Value, container: &Value) -> Usage {
    let busy = annotation_number(pod, UTILIZATION).unwrap_or(10.0) / 100.0;
    let request = |resource: &str, default: f64| {
        container
            .pointer(&format!("/resources/requests/{resource}"))
            .and_then(Quantity::of)
            .map_or(default, |amount| amount.as_f64())
    };
    Usage {
        cpu_cores: request("cpu", 0.1) * busy,
        memory_bytes: request("memory", 64.0 * 1024.0 * 1024.0) * busy.max(0.3),
    }
}
