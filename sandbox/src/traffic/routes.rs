//! From routes, Services and pods to flows: where requests come in and among whom they are shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Facts, FlowKey, Latency, State, Via, Wanted};
use crate::faults::{self, Fault};
use crate::json;
use crate::operations::Core;
use crate::store::{ResourceKey, Stored};

/// How often something is asked when nothing is said.
pub(crate) const DEFAULT_PER_SECOND: f64 = 10.0;
/// On a Service or a route: how many requests it gets in a second.
const PER_SECOND: &str = "sandbox.landfall.io/requests-per-second";
/// On a route: how many in a hundred of its requests carry the headers or cookies that a rule asks for.
const MATCHED_PERCENT: &str = "sandbox.landfall.io/matched-percent";
const DEFAULT_MATCHED_PERCENT: f64 = 10.0;

/// Requests that come in by one way, and the Services among which they are shared by weight.
struct Entry {
    via: Via,
    per_second: f64,
    backends: Vec<(Backend, f64)>,
}

/// A Service by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Backend {
    namespace: String,
    service: String,
}

/// The number in an annotation.
pub(crate) fn annotation_number(object: &Value, key: &str) -> Option<f64> {
    json::annotation(object, key)?.trim().parse().ok().filter(|number: &f64| *number >= 0.0 && number.is_finite())
}

fn objects(core: &Core, resource: &str, namespace: Option<&str>) -> Vec<Arc<Stored>> {
    core.store.list(&ResourceKey::from(resource), namespace, None).map(|listing| listing.items).unwrap_or_default()
}

/// The flows to the pods of a namespace.
pub(super) fn flows_of(core: &Core, namespace: &str) -> Wanted {
    let services = objects(core, "services", Some(namespace));
    let mut wanted = Wanted::new();
    if services.is_empty() {
        return wanted;
    }
    let (entries, routed) = entries(core, namespace);
    let pods = objects(core, "pods", Some(namespace));
    let mut entries: Vec<Entry> = entries;
    for service in &services {
        let name = json::name(&service.value);
        let is_routed = routed.contains(name);
        let per_second = match annotation_number(&service.value, PER_SECOND) {
            Some(number) if !is_routed => number,
            // What a route's Service says is the route's; see `entries`.
            _ if is_routed => continue,
            _ => DEFAULT_PER_SECOND,
        };
        let backend = Backend { namespace: namespace.to_string(), service: name.to_string() };
        entries.push(Entry { via: Via::Service, per_second, backends: vec![(backend, 1.0)] });
    }
    for entry in entries {
        let total: f64 = entry.backends.iter().map(|(_, weight)| weight).sum();
        for (backend, weight) in entry.backends.into_iter().filter(|(backend, _)| backend.namespace == namespace) {
            let Some(service) = services.iter().find(|service| json::name(&service.value) == backend.service) else {
                continue;
            };
            let share = if total > 0.0 { weight / total } else { 0.0 };
            share_among_pods(core, &service.value, &pods, &entry.via, entry.per_second * share, &mut wanted);
        }
    }
    wanted
}

/// The pods behind a Service that are ready.
pub(crate) fn ready_pods<'a>(service: &Value, pods: &'a [Arc<Stored>]) -> Vec<&'a Value> {
    let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object).filter(|all| !all.is_empty())
    else {
        return Vec::new();
    };
    pods.iter()
        .map(|pod| pod.value.as_ref())
        .filter(|pod| selector.iter().all(|(key, value)| json::label(pod, key) == value.as_str()))
        .filter(|pod| {
            let is_ready = json::list(pod, "/status/conditions")
                .iter()
                .any(|held| json::text(held, "/type") == "Ready" && json::text(held, "/status") == "True");
            is_ready && !json::is_terminating(pod)
        })
        .collect()
}

fn share_among_pods(
    core: &Core,
    service: &Value,
    pods: &[Arc<Stored>],
    via: &Via,
    per_second: f64,
    wanted: &mut Wanted,
) {
    let has_selector = json::object(service, "/spec/selector").is_some_and(|selector| !selector.is_empty());
    if !has_selector {
        return;
    }
    let port = json::integer(service, "/spec/ports/0/port").unwrap_or(80);
    let (namespace, name) = (json::namespace(service).to_string(), json::name(service).to_string());
    let ready = ready_pods(service, pods);
    if ready.is_empty() && *via == Via::Service {
        return;
    }
    let key = |pod: &str| FlowKey {
        namespace: namespace.clone(),
        service: name.clone(),
        pod: pod.to_string(),
        via: via.clone(),
    };
    if ready.is_empty() {
        // The gateway answers in the place of the pods.
        let facts = Facts { port, ..Facts::default() };
        let state = State { per_second, errors: 1.0, latency: Latency::default() };
        wanted.insert(key(""), (facts, state));
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
    let each = per_second / ready.len() as f64;
    for pod in ready {
        let (errors, latency) = behaviour_of(core, pod);
        let mut facts = facts_of(core, pod);
        facts.port = port;
        let slot = wanted.entry(key(json::name(pod))).or_insert((facts, State { per_second: 0.0, errors, latency }));
        slot.1.per_second += each;
    }
}

/// How a pod's containers answer: the share of errors, and the latency; the worst container counts.
pub(crate) fn behaviour_of(core: &Core, pod: &Value) -> (f64, Latency) {
    let rules = core.faults.rules(&core.store);
    let mut owners = Vec::new();
    let mut uid = json::controller_uid(pod).to_string();
    while let Some(owner) = (owners.len() < 2)
        .then(|| core.store.by_uid(&uid))
        .flatten()
        .and_then(|id| core.store.get(&id.resource, &id.namespace, &id.name))
    {
        uid = json::controller_uid(&owner.value).to_string();
        owners.push(owner);
    }
    let (mut errors, mut latency) = (0.0_f64, None::<Latency>);
    for container in json::list(pod, "/spec/containers") {
        let above = owners.iter().map(|owner| owner.value.as_ref());
        for fault in faults::of(pod, above, container, &rules) {
            match fault {
                Fault::Errors { per_million } => errors = errors.max(f64::from(per_million) / 1_000_000.0),
                Fault::Latency { median, p99 } => {
                    let given = Latency::of(median, p99);
                    latency = Some(match latency {
                        Some(held) if held.p99_s >= given.p99_s => held,
                        _ => given,
                    });
                }
                _ => {}
            }
        }
    }
    (errors, latency.unwrap_or_default())
}

fn facts_of(core: &Core, pod: &Value) -> Facts {
    let mut facts =
        Facts { workload_kind: "Pod".to_string(), workload: json::name(pod).to_string(), ..Facts::default() };
    let mut owner = json::controller(pod).cloned();
    while let Some(reference) = owner {
        facts.workload_kind = json::text(&reference, "/kind").to_string();
        facts.workload = json::text(&reference, "/name").to_string();
        owner = core
            .store
            .by_uid(json::text(&reference, "/uid"))
            .and_then(|id| core.store.get(&id.resource, &id.namespace, &id.name))
            .and_then(|held| json::controller(&held.value).cloned());
    }
    facts.app = json::label(pod, "app")
        .or_else(|| json::label(pod, "app.kubernetes.io/name"))
        .unwrap_or(&facts.workload)
        .to_string();
    let image = json::text(pod, "/spec/containers/0/image");
    facts.version = json::label(pod, "version").map_or_else(|| tag_of(image).to_string(), str::to_string);
    facts.container = json::text(pod, "/spec/containers/0/name").to_string();
    facts.address = json::text(pod, "/status/podIP").to_string();
    facts
}

/// The tag of an image, `latest` when it has none.
pub(crate) fn tag_of(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => "latest",
    }
}

/// Where requests come into a namespace by routes, and the names that routes have taken over.
fn entries(core: &Core, namespace: &str) -> (Vec<Entry>, BTreeSet<String>) {
    let mut all = Vec::new();
    let mut routed = BTreeSet::new();
    let per_second = |object: &Value, service: &str| {
        annotation_number(object, PER_SECOND).or_else(|| {
            let held = core.store.get(&"services".into(), namespace, service)?;
            annotation_number(&held.value, PER_SECOND)
        })
    };
    ingresses(core, namespace, &per_second, &mut all, &mut routed);
    for route in ROUTES {
        for object in objects(core, route.resource, Some(namespace)) {
            let object = &object.value;
            let via = Via::Route { kind: route.kind.to_string(), name: json::name(object).to_string() };
            let hosts = (route.hosts)(object);
            let mut backends: BTreeMap<Backend, f64> = BTreeMap::new();
            let rules = (route.rules)(object);
            let matched =
                annotation_number(object, MATCHED_PERCENT).unwrap_or(DEFAULT_MATCHED_PERCENT).min(100.0) / 100.0;
            let mut left = 1.0;
            for rule in &rules {
                let part = if rule.only_some { left * matched } else { left };
                let total: f64 = rule.backends.iter().map(|(_, weight)| weight).sum();
                for (host, weight) in &rule.backends {
                    let backend = backend_of(host, namespace);
                    if backend.namespace == namespace {
                        routed.insert(backend.service.clone());
                    }
                    let share = if total > 0.0 { part * weight / total } else { 0.0 };
                    *backends.entry(backend).or_default() += share;
                }
                left -= part;
                if left <= 0.0 {
                    break;
                }
            }
            let mut rate = None;
            for host in &hosts {
                let named = backend_of(host, namespace);
                rate = rate.or_else(|| per_second(object, &named.service));
                if named.namespace == namespace {
                    routed.insert(named.service);
                }
            }
            let rate = rate
                .or_else(|| annotation_number(object, PER_SECOND))
                .or_else(|| backends.keys().find_map(|backend| per_second(object, &backend.service)))
                .unwrap_or(DEFAULT_PER_SECOND);
            all.push(Entry { via, per_second: rate, backends: backends.into_iter().collect() });
        }
    }
    (all, routed)
}

/// `web`, `web.shop`, `web.shop.svc.cluster.local`.
fn backend_of(host: &str, namespace: &str) -> Backend {
    let mut parts = host.split('.');
    let service = parts.next().unwrap_or_default().to_string();
    Backend { service, namespace: parts.next().unwrap_or(namespace).to_string() }
}

/// One rule of a route.
struct RouteRule {
    /// It asks for headers or cookies that only some requests have.
    only_some: bool,
    backends: Vec<(String, f64)>,
}

/// How a kind of route is read.
struct RouteKind {
    resource: &'static str,
    kind: &'static str,
    hosts: fn(&Value) -> Vec<String>,
    rules: fn(&Value) -> Vec<RouteRule>,
}

const ROUTES: &[RouteKind] = &[
    RouteKind {
        resource: "virtualservices.networking.istio.io",
        kind: "VirtualService",
        hosts: |object| strings(object, "/spec/hosts"),
        rules: |object| {
            rules(object, "/spec/http", "/route", "/destination/host", |rule| {
                json::list(rule, "/match").iter().any(|condition| {
                    condition.get("headers").is_some()
                        && !json::list(rule, "/match").iter().any(|other| other.get("headers").is_none())
                })
            })
        },
    },
    RouteKind {
        resource: "httproutes.gateway.networking.k8s.io",
        kind: "HTTPRoute",
        hosts: |object| {
            // Routes that hang on a Service are what the mesh sends that Service's requests by.
            json::list(object, "/spec/parentRefs")
                .iter()
                .filter(|parent| json::text(parent, "/kind") == "Service")
                .map(|parent| json::text(parent, "/name").to_string())
                .collect()
        },
        rules: |object| {
            rules(object, "/spec/rules", "/backendRefs", "/name", |rule| {
                let conditions = json::list(rule, "/matches");
                !conditions.is_empty()
                    && conditions.iter().all(|condition| !json::list(condition, "/headers").is_empty())
            })
        },
    },
    RouteKind {
        resource: "trafficsplits.split.smi-spec.io",
        kind: "TrafficSplit",
        hosts: |object| vec![json::text(object, "/spec/service").to_string()],
        rules: |object| one_rule(object, "/spec/backends", "/service"),
    },
    RouteKind {
        resource: "traefikservices.traefik.io",
        kind: "TraefikService",
        hosts: |_| Vec::new(),
        rules: |object| one_rule(object, "/spec/weighted/services", "/name"),
    },
    RouteKind {
        resource: "httpproxies.projectcontour.io",
        kind: "HTTPProxy",
        hosts: |_| Vec::new(),
        rules: |object| {
            rules(object, "/spec/routes", "/services", "/name", |rule| {
                json::list(rule, "/conditions").iter().any(|condition| condition.get("header").is_some())
            })
        },
    },
    RouteKind {
        resource: "apisixroutes.apisix.apache.org",
        kind: "ApisixRoute",
        hosts: |_| Vec::new(),
        rules: |object| rules(object, "/spec/http", "/backends", "/serviceName", |_| false),
    },
];

fn strings(object: &Value, pointer: &str) -> Vec<String> {
    json::list(object, pointer).iter().filter_map(Value::as_str).map(str::to_string).collect()
}

fn weighted(list: &[Value], name: &str) -> Vec<(String, f64)> {
    list.iter()
        .map(|backend| {
            let weight = backend.get("weight").and_then(|weight| {
                weight.as_f64().or_else(|| weight.as_str().and_then(|text| text.trim_end_matches('m').parse().ok()))
            });
            (json::text(backend, name).to_string(), weight.unwrap_or(if list.len() == 1 { 100.0 } else { 1.0 }))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

fn one_rule(object: &Value, list: &str, name: &str) -> Vec<RouteRule> {
    vec![RouteRule { only_some: false, backends: weighted(json::list(object, list), name) }]
}

fn rules(object: &Value, list: &str, backends: &str, name: &str, only_some: fn(&Value) -> bool) -> Vec<RouteRule> {
    json::list(object, list)
        .iter()
        .map(|rule| RouteRule { only_some: only_some(rule), backends: weighted(json::list(rule, backends), name) })
        .filter(|rule| !rule.backends.is_empty())
        .collect()
}

/// Ingresses, with the canaries of ingress-nginx.
fn ingresses(
    core: &Core,
    namespace: &str,
    per_second: &dyn Fn(&Value, &str) -> Option<f64>,
    all: &mut Vec<Entry>,
    routed: &mut BTreeSet<String>,
) {
    const CANARY: &str = "nginx.ingress.kubernetes.io/canary";
    let held = objects(core, "ingresses.networking.k8s.io", Some(namespace));
    let is_canary = |ingress: &Value| json::annotation(ingress, CANARY) == Some("true");
    let paths = |ingress: &Value| -> Vec<(String, String, String)> {
        json::list(ingress, "/spec/rules")
            .iter()
            .flat_map(|rule| {
                let host = json::text(rule, "/host").to_string();
                json::list(rule, "/http/paths").iter().map(move |path| {
                    let service = json::text(path, "/backend/service/name").to_string();
                    (host.clone(), json::text(path, "/path").to_string(), service)
                })
            })
            .filter(|(_, _, service)| !service.is_empty())
            .collect()
    };
    for ingress in held.iter().map(|held| held.value.as_ref()).filter(|ingress| !is_canary(ingress)) {
        let own = paths(ingress);
        #[expect(clippy::cast_precision_loss, reason = "counts of paths are small")]
        let count = own.len().max(1) as f64;
        for (host, path, service) in own {
            let rate = per_second(ingress, &service).unwrap_or(DEFAULT_PER_SECOND) / count;
            routed.insert(service.clone());
            let canary =
                held.iter().map(|held| held.value.as_ref()).filter(|other| is_canary(other)).find_map(|other| {
                    let (_, _, service) = paths(other).into_iter().find(|(h, p, _)| *h == host && *p == path)?;
                    Some((other, service))
                });
            let mut canary_share = 0.0;
            if let Some((other, canary_service)) = canary {
                routed.insert(canary_service.clone());
                let by_header = ["canary-by-header", "canary-by-cookie"]
                    .iter()
                    .any(|key| json::annotation(other, &format!("nginx.ingress.kubernetes.io/{key}")).is_some());
                canary_share =
                    annotation_number(other, "nginx.ingress.kubernetes.io/canary-weight").unwrap_or(0.0) / 100.0;
                if by_header && canary_share == 0.0 {
                    canary_share = annotation_number(other, MATCHED_PERCENT).unwrap_or(DEFAULT_MATCHED_PERCENT) / 100.0;
                }
                let canary_share = canary_share.min(1.0);
                let via = Via::Ingress {
                    ingress: json::name(ingress).to_string(),
                    host: host.clone(),
                    path: path.clone(),
                    canary: true,
                };
                let backend = Backend { namespace: namespace.to_string(), service: canary_service };
                all.push(Entry { via, per_second: rate * canary_share, backends: vec![(backend, 1.0)] });
            }
            let via = Via::Ingress { ingress: json::name(ingress).to_string(), host, path, canary: false };
            let backend = Backend { namespace: namespace.to_string(), service };
            all.push(Entry { via, per_second: rate * (1.0 - canary_share.min(1.0)), backends: vec![(backend, 1.0)] });
        }
    }
}
