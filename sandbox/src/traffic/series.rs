//! From a flow to counters and histograms, under the names that meshes, ingress controllers and applications use.
//!
//! Source: the metric and label names of Istio 1.2x, Linkerd 2.1x, ingress-nginx, Traefik, Envoy (Contour, Gloo, Kuma, App
//! Mesh), OSM, APISIX, Skipper, and the `http_request…` convention of Prometheus' client libraries.

use super::{Flow, FlowKey, SCRAPE_MS, State, Via};
use crate::promql::{Labels, Matcher, NAME, Series, stale};

/// Which requests a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Good,
    Bad,
    All,
}

/// What a series counts of them.
#[derive(Debug, Clone, Copy)]
enum Measure {
    /// How many.
    Count,
    /// How many took at most so many seconds.
    Within(f64),
    /// Their answer times, in units of so many seconds.
    Times(f64),
}

/// How fast a series grows, per second.
fn slope(state: &State, share: Share, measure: Measure) -> f64 {
    let part = match share {
        Share::Good => 1.0 - state.errors,
        Share::Bad => state.errors,
        Share::All => 1.0,
    };
    let each = match measure {
        Measure::Count => 1.0,
        Measure::Within(seconds) => state.latency.within(seconds),
        Measure::Times(unit_s) => state.latency.mean_s() / unit_s,
    };
    state.per_second * part * each
}

const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const ISTIO_MS: &[f64] = &[
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];
const LINKERD_MS: &[f64] = &[
    1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 100.0, 200.0, 300.0, 400.0, 500.0, 1000.0, 2000.0, 3000.0,
    4000.0, 5000.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0,
];

/// What is written for one flow: the series go to `all` if the matchers select them.
struct Writer<'a> {
    flow: &'a Flow,
    matchers: &'a [Matcher],
    from: i64,
    to: i64,
    all: &'a mut Vec<Series>,
}

impl Writer<'_> {
    /// True when a series of this name may be asked for; most are not, and cost nothing.
    fn wants(&self, name: &str) -> bool {
        self.matchers.iter().filter(|matcher| matcher.label == NAME).all(|matcher| matcher.admits(name))
    }

    fn write(&mut self, name: &str, labels: &[(&str, &str)], share: Share, measure: Measure) {
        if !self.wants(name) {
            return;
        }
        let mut all: Labels = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| ((*label).to_string(), (*value).to_string()))
            .collect();
        all.insert(NAME.to_string(), name.to_string());
        if !self.matchers.iter().all(|matcher| matcher.selects(&all)) {
            return;
        }
        // What never happens has no series, as with real exporters.
        if !self.flow.changes.iter().any(|(_, state)| slope(state, share, Measure::Count) > 0.0) {
            return;
        }
        let samples = samples(self.flow, self.from, self.to, |state| slope(state, share, measure));
        if !samples.is_empty() {
            self.all.push(Series { labels: all, samples });
        }
    }

    /// A histogram: buckets, sum and count.
    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], share: Share, bounds: &[f64], unit_s: f64) {
        let bucket = format!("{name}_bucket");
        if self.wants(&bucket) {
            for bound in bounds {
                let text = format!("{bound}");
                let labels: Vec<_> = labels.iter().copied().chain([("le", text.as_str())]).collect();
                self.write(&bucket, &labels, share, Measure::Within(bound * unit_s));
            }
            let labels: Vec<_> = labels.iter().copied().chain([("le", "+Inf")]).collect();
            self.write(&bucket, &labels, share, Measure::Count);
        }
        self.write(&format!("{name}_sum"), labels, share, Measure::Times(unit_s));
        self.write(&format!("{name}_count"), labels, share, Measure::Count);
    }
}

/// The values of a counter at every scrape after `from`, up to `to`.
#[expect(clippy::cast_precision_loss, reason = "times are small")]
fn samples(flow: &Flow, from: i64, to: i64, slope: impl Fn(&State) -> f64) -> Vec<(i64, f64)> {
    let Some((begun, _)) = flow.changes.front().copied() else { return Vec::new() };
    let end = flow.ended.unwrap_or(i64::MAX);
    let mut all = Vec::new();
    let first = (from.max(begun - 1)).div_euclid(SCRAPE_MS) * SCRAPE_MS + SCRAPE_MS;
    let (mut total, mut counted_to, mut index) = (0.0, begun, 0);
    let mut at = first;
    while at <= to {
        if at >= end {
            // One mark says that the series ended.
            all.push((at, stale()));
            break;
        }
        while index + 1 < flow.changes.len() && flow.changes[index + 1].0 <= at {
            let (next, _) = flow.changes[index + 1];
            total += slope(&flow.changes[index].1) * (next - counted_to) as f64 / 1000.0;
            counted_to = next;
            index += 1;
        }
        total += slope(&flow.changes[index].1) * (at - counted_to) as f64 / 1000.0;
        counted_to = at;
        all.push((at, total));
        at += SCRAPE_MS;
    }
    all
}

/// Writes all series of a flow that are asked for.
pub(super) fn of_flow(key: &FlowKey, flow: &Flow, matchers: &[Matcher], from: i64, to: i64, all: &mut Vec<Series>) {
    let mut writer = Writer { flow, matchers, from, to, all };
    let facts = &flow.facts;
    let service_host = format!("{}.{}.svc.cluster.local", key.service, key.namespace);
    let port = facts.port.to_string();
    let at_pod = !key.pod.is_empty();
    for (share, code) in [(Share::Good, "200"), (Share::Bad, if at_pod { "500" } else { "503" })] {
        if at_pod {
            application(&mut writer, key, share, code);
            linkerd(&mut writer, key, &service_host, &port, share, code);
            osm(&mut writer, key, share, code);
        }
        istio(&mut writer, key, &service_host, share, code);
        nginx(&mut writer, key, &port, share, code);
        envoy(&mut writer, key, &port, share, code);
        routers(&mut writer, key, &port, share, code);
    }
}

fn application(writer: &mut Writer<'_>, key: &FlowKey, share: Share, code: &str) {
    let facts = &writer.flow.facts;
    let instance = format!("{}:{}", facts.address, facts.port);
    let (namespace, pod) = (key.namespace.as_str(), key.pod.as_str());
    let (app, container, version) = (facts.app.as_str(), facts.container.as_str(), facts.version.as_str());
    let labels = [
        ("namespace", namespace),
        ("pod", pod),
        ("kubernetes_namespace", namespace),
        ("kubernetes_pod_name", pod),
        ("app", app),
        ("container", container),
        ("service", key.service.as_str()),
        ("version", version),
        ("instance", instance.as_str()),
        ("job", key.service.as_str()),
        ("method", "GET"),
        ("path", "/"),
        ("status", code),
        ("code", code),
    ];
    writer.write("http_requests_total", &labels, share, Measure::Count);
    writer.histogram("http_request_duration_seconds", &labels, share, SECONDS, 1.0);
}

fn istio(writer: &mut Writer<'_>, key: &FlowKey, host: &str, share: Share, code: &str) {
    let flow = writer.flow;
    let facts = &flow.facts;
    let at_pod = !key.pod.is_empty();
    let source = match &key.via {
        Via::Service => "load",
        Via::Ingress { .. } => "ingress-nginx-controller",
        Via::Route { .. } => "istio-ingressgateway",
    };
    let source_namespace = if key.via == Via::Service { key.namespace.as_str() } else { "istio-system" };
    for reporter in ["destination", "source"] {
        if reporter == "destination" && !at_pod {
            continue;
        }
        let unknown = |text: &'_ str| if text.is_empty() { "unknown".to_string() } else { text.to_string() };
        let (workload, app, version) = (unknown(&facts.workload), unknown(&facts.app), unknown(&facts.version));
        let labels = [
            ("reporter", reporter),
            ("source_workload", source),
            ("source_workload_namespace", source_namespace),
            ("source_app", source),
            ("destination_workload", workload.as_str()),
            ("destination_workload_namespace", if at_pod { key.namespace.as_str() } else { "unknown" }),
            ("destination_app", app.as_str()),
            ("destination_version", version.as_str()),
            ("destination_service", host),
            ("destination_service_name", key.service.as_str()),
            ("destination_service_namespace", key.namespace.as_str()),
            ("request_protocol", "http"),
            ("response_code", code),
            ("response_flags", if at_pod { "-" } else { "UH" }),
            ("connection_security_policy", if reporter == "destination" { "mutual_tls" } else { "unknown" }),
            ("namespace", key.namespace.as_str()),
            ("pod", key.pod.as_str()),
        ];
        writer.write("istio_requests_total", &labels, share, Measure::Count);
        writer.histogram("istio_request_duration_milliseconds", &labels, share, ISTIO_MS, 0.001);
    }
}

fn linkerd(writer: &mut Writer<'_>, key: &FlowKey, host: &str, port: &str, share: Share, code: &str) {
    let facts = &writer.flow.facts;
    let kind = facts.workload_kind.to_lowercase();
    let authority = format!("{host}:{port}");
    let mut labels = vec![
        ("namespace", key.namespace.as_str()),
        ("pod", key.pod.as_str()),
        ("direction", "inbound"),
        ("authority", authority.as_str()),
        ("target_port", port),
        ("tls", "true"),
        ("app", facts.app.as_str()),
        ("version", facts.version.as_str()),
        (kind.as_str(), facts.workload.as_str()),
    ];
    // Requests and latencies are counted without what came of them.
    if share == Share::Good {
        writer.write("request_total", &labels, Share::All, Measure::Count);
    }
    labels.push(("status_code", code));
    writer.histogram("response_latency_ms", &labels, share, LINKERD_MS, 0.001);
    labels.push(("classification", if share == Share::Good { "success" } else { "failure" }));
    writer.write("response_total", &labels, share, Measure::Count);
}

fn nginx(writer: &mut Writer<'_>, key: &FlowKey, port: &str, share: Share, code: &str) {
    let Via::Ingress { ingress, host, path, canary } = &key.via else { return };
    let canary = if *canary { format!("{}-{}-{port}", key.namespace, key.service) } else { String::new() };
    let labels = [
        ("namespace", key.namespace.as_str()),
        ("exported_namespace", key.namespace.as_str()),
        ("ingress", ingress.as_str()),
        ("exported_service", key.service.as_str()),
        ("service", key.service.as_str()),
        ("canary", canary.as_str()),
        ("host", host.as_str()),
        ("path", path.as_str()),
        ("method", "GET"),
        ("status", code),
        ("controller_class", "k8s.io/ingress-nginx"),
        ("controller_namespace", "ingress-nginx"),
        ("controller_pod", "ingress-nginx-controller"),
        // Real ingress controllers do not tell the pod; without it two pods would be one series twice.
        ("upstream", key.pod.as_str()),
    ];
    writer.write("nginx_ingress_controller_requests", &labels, share, Measure::Count);
    for name in ["request", "response", "header"] {
        writer.histogram(&format!("nginx_ingress_controller_{name}_duration_seconds"), &labels, share, SECONDS, 1.0);
    }
    writer.write("nginx_ingress_controller_ingress_upstream_latency_seconds_sum", &labels, share, Measure::Times(1.0));
    writer.write("nginx_ingress_controller_ingress_upstream_latency_seconds_count", &labels, share, Measure::Count);
}

fn envoy(writer: &mut Writer<'_>, key: &FlowKey, port: &str, share: Share, code: &str) {
    let names = [
        // Contour, and App Mesh, which asks by pod.
        format!("{}_{}_{port}", key.namespace, key.service),
        // Gloo.
        format!("{}-{}upstream-{port}_gloo-system", key.namespace, key.service),
        // Kuma.
        format!("{}_{}_svc_{port}", key.service, key.namespace),
        // Knative.
        format!("{}/{}", key.namespace, key.service),
    ];
    for name in names {
        let labels = [
            ("envoy_cluster_name", name.as_str()),
            ("service", name.as_str()),
            ("kubernetes_namespace", key.namespace.as_str()),
            ("kubernetes_pod_name", key.pod.as_str()),
            ("namespace", key.namespace.as_str()),
            ("pod", key.pod.as_str()),
            ("envoy_response_code", code),
        ];
        writer.write("envoy_cluster_upstream_rq", &labels, share, Measure::Count);
        if share == Share::Good {
            let timed = &labels[..labels.len() - 1];
            writer.histogram("envoy_cluster_upstream_rq_time", timed, Share::All, ISTIO_MS, 0.001);
        }
    }
}

fn osm(writer: &mut Writer<'_>, key: &FlowKey, share: Share, code: &str) {
    let facts = &writer.flow.facts;
    let labels = [
        ("source_namespace", key.namespace.as_str()),
        ("source_kind", "Deployment"),
        ("source_name", "load"),
        ("destination_namespace", key.namespace.as_str()),
        ("destination_kind", facts.workload_kind.as_str()),
        ("destination_name", facts.workload.as_str()),
        ("destination_pod", key.pod.as_str()),
        ("response_code", code),
    ];
    writer.write("osm_request_total", &labels, share, Measure::Count);
    if share == Share::Good {
        writer.histogram("osm_request_duration_ms", &labels[..labels.len() - 1], Share::All, ISTIO_MS, 0.001);
    }
}

/// Traefik, APISIX and Skipper.
fn routers(writer: &mut Writer<'_>, key: &FlowKey, port: &str, share: Share, code: &str) {
    let service = format!("{}-{}-{port}@kubernetescrd", key.namespace, key.service);
    let labels = [
        ("service", service.as_str()),
        ("code", code),
        ("method", "GET"),
        ("protocol", "http"),
        ("pod", key.pod.as_str()),
    ];
    writer.write("traefik_service_requests_total", &labels, share, Measure::Count);
    writer.histogram("traefik_service_request_duration_seconds", &labels, share, SECONDS, 1.0);
    let route_name = match &key.via {
        Via::Route { name, .. } => name.as_str(),
        _ => key.service.as_str(),
    };
    let route = format!("{}_{route_name}-{}_{port}", key.namespace, key.service);
    let labels = [("route", route.as_str()), ("code", code), ("node", key.pod.as_str())];
    writer.write("apisix_http_status", &labels, share, Measure::Count);
    let labels = [("route", route.as_str()), ("type", "request"), ("node", key.pod.as_str())];
    if share == Share::Good {
        writer.histogram("apisix_http_latency", &labels, Share::All, ISTIO_MS, 0.001);
    }
    let route = format!("kube_{}__{route_name}__all____{}", key.namespace, key.service);
    let route = route.replace('-', "_");
    let labels = [("route", route.as_str()), ("code", code), ("method", "GET"), ("backend", key.pod.as_str())];
    writer.histogram("skipper_response_duration_seconds", &labels, share, SECONDS, 1.0);
    writer.histogram("skipper_serve_route_duration_seconds", &labels, share, SECONDS, 1.0);
}
