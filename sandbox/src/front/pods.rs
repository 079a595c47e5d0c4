//! What simulated pods answer over HTTP.
//!
//! `/health`, `/healthz` and `/livez` say whether it runs, `/ready` and `/readyz` whether it is ready, `/metrics` what its
//! application has counted; `/version` and everything else is the application, with the share of errors and the answer
//! times that its faults give it. On a driven clock nobody is kept waiting.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::faults::{Fault, of};
use crate::http::SandboxBody;
use crate::json;
use crate::operations::Core;
use crate::promql::{Series, Source, parse};
use crate::traffic::{Metrics, Via, behaviour_of, ready_pods, tag_of};

/// The longest that a client is kept waiting.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What is answered, and when.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    wait: Duration,
    pod: String,
}

impl Answer {
    /// Plain text at once.
    pub(crate) fn text(status: StatusCode, body: &str) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { status, content_type, body: body.to_string(), wait: Duration::ZERO, pod: String::new() }
    }

    /// JSON at once.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self { content_type: "application/json", ..Self::text(status, &body.to_string()) }
    }

    /// The answer without waiting.
    pub(crate) fn into_response(self) -> Response<SandboxBody> {
        let mut response = Response::new(SandboxBody::whole(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Ok(pod) = HeaderValue::from_str(&self.pod)
            && !self.pod.is_empty()
        {
            response.headers_mut().insert(HeaderName::from_static("x-sandbox-pod"), pod);
        }
        response
    }

    /// The answer after its time, on the machine's clock.
    pub(crate) async fn send(self, core: &Core) -> Response<SandboxBody> {
        if !core.clock.is_driven() && !self.wait.is_zero() {
            tokio::time::sleep(self.wait.min(WAIT_MAX)).await;
        }
        self.into_response()
    }
}

/// Asks whoever a host name stands for; `None` when it stands for nobody.
pub(super) fn ask_host(core: &Core, host: &str, path: &str) -> Option<Answer> {
    let host = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let mut parts = host.splitn(3, '.');
    let (service, namespace, rest) = (parts.next()?, parts.next()?, parts.next().unwrap_or(""));
    if (rest.is_empty() || rest == "svc" || rest == "svc.cluster.local")
        && core.store.get(&"services".into(), namespace, service).is_some()
    {
        return Some(ask_service(core, namespace, service, path));
    }
    let ingresses = core.store.list(&"ingresses.networking.k8s.io".into(), None, None).ok()?.items;
    let ingress = ingresses.iter().find(|ingress| {
        json::list(&ingress.value, "/spec/rules").iter().any(|rule| json::text(rule, "/host") == host)
    })?;
    Some(ask_ingress(core, json::namespace(&ingress.value), host, path))
}

/// Asks the Service that an Ingress chooses: by the longest path, and among its canaries by weight.
fn ask_ingress(core: &Core, namespace: &str, host: &str, path: &str) -> Answer {
    let flows = core.traffic.ways_in(namespace);
    let fitting = |prefix: &str| prefix.is_empty() || path.starts_with(prefix);
    let of_host = flows.iter().filter_map(|(key, state)| match &key.via {
        Via::Ingress { host: held, path: prefix, .. } if held == host && fitting(prefix) => {
            Some((prefix.len(), key.service.as_str(), key.pod.as_str(), state.per_second))
        }
        _ => None,
    });
    let of_host: Vec<_> = of_host.collect();
    let longest = of_host.iter().map(|(length, ..)| *length).max().unwrap_or(0);
    let choices: Vec<_> = of_host.into_iter().filter(|(length, ..)| *length == longest).collect();
    let total: f64 = choices.iter().map(|(_, _, _, rate)| rate).sum();
    #[expect(clippy::cast_precision_loss, reason = "a share of a million")]
    let mut left = core.random.below(1_000_000) as f64 / 1_000_000.0 * total;
    for (_, service, pod, rate) in &choices {
        left -= rate;
        if left < 0.0 {
            return match core.store.get(&"pods".into(), namespace, pod) {
                Some(held) => answer_of(core, &held.value, path),
                None => unavailable(service),
            };
        }
    }
    Answer::text(StatusCode::SERVICE_UNAVAILABLE, "no endpoints available behind this host\n")
}

fn unavailable(service: &str) -> Answer {
    Answer::text(StatusCode::SERVICE_UNAVAILABLE, &format!("no endpoints available for service {service:?}\n"))
}

/// Asks one of the ready pods of a Service (`NAME` or `NAME:PORT`).
pub(crate) fn ask_service(core: &Core, namespace: &str, service: &str, path: &str) -> Answer {
    let name = service.split(':').next().unwrap_or(service);
    // `https:NAME:PORT` is how the API server's proxy names a scheme.
    let name = if matches!(name, "http" | "https") { service.split(':').nth(1).unwrap_or(name) } else { name };
    let Some(held) = core.store.get(&"services".into(), namespace, name) else {
        let why = format!("there is no Service {name:?} in namespace {namespace:?}\n");
        return Answer::text(StatusCode::NOT_FOUND, &why);
    };
    let pods = core.store.list(&"pods".into(), Some(namespace), None).map(|listing| listing.items).unwrap_or_default();
    let ready = ready_pods(&held.value, &pods);
    if ready.is_empty() {
        return unavailable(name);
    }
    let index = usize::try_from(core.random.below(ready.len() as u64)).unwrap_or(0);
    answer_of(core, ready[index], path)
}

/// Asks a pod itself (`NAME` or `NAME:PORT`), ready or not.
pub(crate) fn ask_pod(core: &Core, namespace: &str, pod: &str, path: &str) -> Answer {
    let name = pod.split(':').next().unwrap_or(pod);
    match core.store.get(&"pods".into(), namespace, name) {
        Some(held) => answer_of(core, &held.value, path),
        None => Answer::text(StatusCode::NOT_FOUND, &format!("there is no pod {name:?} in namespace {namespace:?}\n")),
    }
}

fn answer_of(core: &Core, pod: &Value, path: &str) -> Answer {
    let runs = json::list(pod, "/status/containerStatuses").iter().any(|held| held.pointer("/state/running").is_some());
    let mut answer = if runs {
        answer_running(core, pod, path)
    } else {
        Answer::text(StatusCode::BAD_GATEWAY, "connection refused: no container of the pod runs\n")
    };
    answer.pod = json::name(pod).to_string();
    answer
}

fn answer_running(core: &Core, pod: &Value, path: &str) -> Answer {
    let is_ready = json::list(pod, "/status/conditions")
        .iter()
        .any(|held| json::text(held, "/type") == "Ready" && json::text(held, "/status") == "True");
    match path.split('?').next().unwrap_or(path).trim_end_matches('/') {
        "/health" | "/healthz" | "/livez" | "/live" => {
            if fails_liveness(core, pod) {
                return Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "unhealthy\n");
            }
            Answer::text(StatusCode::OK, "ok\n")
        }
        "/ready" | "/readyz" if is_ready => Answer::text(StatusCode::OK, "ok\n"),
        "/ready" | "/readyz" => Answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => {
            let content_type = "text/plain; version=0.0.4; charset=utf-8";
            Answer { content_type, ..Answer::text(StatusCode::OK, &exposition(core, pod)) }
        }
        _ => application(core, pod),
    }
}

/// The application's own answer: its version, or an error as often as its faults say.
fn application(core: &Core, pod: &Value) -> Answer {
    let (errors, latency) = behaviour_of(core, pod);
    let image = json::text(pod, "/spec/containers/0/image");
    let version = json::label(pod, "version").unwrap_or_else(|| tag_of(image));
    #[expect(clippy::cast_precision_loss, reason = "a share of a million")]
    let fails = (core.random.below(1_000_000) as f64) < errors * 1_000_000.0;
    let told = json!({
        "version": version, "image": image, "pod": json::name(pod), "namespace": json::namespace(pod),
        "message": if fails { "a fault on demand" } else { "ok" },
    });
    let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let wait = crate::faults::drawn(
        Duration::from_secs_f64(latency.median_s),
        Duration::from_secs_f64(latency.p99_s),
        &core.random,
    );
    Answer { wait, ..Answer::json(status, &told) }
}

/// True when the fault `unhealthy` has begun.
fn fails_liveness(core: &Core, pod: &Value) -> bool {
    let rules = core.faults.rules(&core.store);
    json::list(pod, "/spec/containers").iter().any(|container| {
        let name = json::text(container, "/name");
        let started = json::list(pod, "/status/containerStatuses")
            .iter()
            .find(|held| json::text(held, "/name") == name)
            .and_then(|held| crate::clock::parse_time(json::text(held, "/state/running/startedAt")));
        let Some(started) = started else { return false };
        of(pod, [], container, &rules).into_iter().any(|fault| match fault {
            Fault::FailsLiveness { after } => core.clock.now().duration_since(started).unsigned_abs() >= after,
            _ => false,
        })
    })
}

/// The application's metrics in Prometheus' text format.
fn exposition(core: &Core, pod: &Value) -> String {
    let (namespace, name) = (json::namespace(pod), json::name(pod));
    let now = core.clock.now().as_millisecond();
    let mut text = String::new();
    for (family, kind) in [("http_requests_total", "counter"), ("http_request_duration_seconds", "histogram")] {
        text.push_str(&format!("# HELP {family} Simulated requests.\n# TYPE {family} {kind}\n"));
        let query = format!("{{__name__=~\"{family}.*\", namespace={namespace:?}, pod={name:?}}}");
        let Ok(crate::promql::Expr::Select(selector)) = parse(&query) else { continue };
        for series in Metrics::of(core).select(&selector.matchers, now - 10_000, now) {
            text.push_str(&line(&series, family));
        }
    }
    text
}

fn line(series: &Series, family: &str) -> String {
    let Some((_, value)) = series.samples.iter().rev().find(|(_, value)| !crate::promql::is_stale(*value)) else {
        return String::new();
    };
    let name = series.labels.get(crate::promql::NAME).map_or(family, String::as_str);
    let labels: Vec<String> = series
        .labels
        .iter()
        .filter(|(label, _)| matches!(label.as_str(), "le" | "method" | "path" | "status" | "code"))
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect();
    format!("{name}{{{}}} {value}\n", labels.join(","))
}
