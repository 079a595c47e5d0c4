//! Requests that nobody makes: who would be asked how often, how he would answer, and what would be measured.
//!
//! ```text
//!  Services, pods, routes (Ingress, HTTPRoute, VirtualService, TrafficSplit, …)     routes.rs
//!    -> for each pod of each Service: requests per second, share of errors, latency  flows.rs
//!    -> remembered whenever they change                                              this file
//!    -> counters and histograms under the names of meshes, ingresses and applications series.rs
//!    -> PromQL                                                                        promql/
//! ```
//!
//! Every Service with ready pods is asked [`routes::DEFAULT_PER_SECOND`] times a second, or as its annotation
//! `sandbox.landfall.io/requests-per-second` says; what stands behind a route gets its share of the route's requests
//! instead. Nothing is stored per scrape: a flow is a list of changes, and counters are computed exactly from it for
//! whatever times are asked for, as if they were scraped every 5 s.

mod latency;
mod routes;
mod series;
mod shapes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use jiff::Timestamp;

use crate::operations::Core;
use crate::promql::{Matcher, Series, Source};

pub(crate) use latency::Latency;
pub(crate) use routes::{behaviour_of, ready_pods, tag_of};
pub(crate) use shapes::{Usage, usage};

/// How often everything is scraped, in milliseconds.
const SCRAPE_MS: i64 = 5000;
/// How many changes of one flow are kept.
const CHANGES_MAX: usize = 10_000;
/// How long a flow that ended is remembered.
const REMEMBERED_MS: i64 = 24 * 3_600_000;

/// Who asks whom: one pod behind one Service, by one way in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowKey {
    /// The namespace of Service and pod.
    pub(crate) namespace: String,
    /// The Service.
    pub(crate) service: String,
    /// The pod; "" when no pod could be asked.
    pub(crate) pod: String,
    /// The way in.
    pub(crate) via: Via,
}

/// How requests come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Via {
    /// From other pods, by the Service's name.
    Service,
    /// Through ingress-nginx.
    Ingress {
        /// The Ingress that has the host.
        ingress: String,
        /// The host.
        host: String,
        /// The path.
        path: String,
        /// The canary Ingress sent it here.
        canary: bool,
    },
    /// Through another kind of route.
    Route {
        /// The kind, e.g. `HTTPRoute`.
        kind: String,
        /// The route's name.
        name: String,
    },
}

/// What else is known of a flow's ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// The workload that owns the pod: its kind, `Deployment` for example.
    pub(crate) workload_kind: String,
    /// Its name.
    pub(crate) workload: String,
    /// The label `app` (or `app.kubernetes.io/name`) of the pod.
    pub(crate) app: String,
    /// The label `version`, or the image's tag.
    pub(crate) version: String,
    /// The first container's name.
    pub(crate) container: String,
    /// The pod's address.
    pub(crate) address: String,
    /// The Service's first port.
    pub(crate) port: i64,
}

/// How a flow is from some time on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct State {
    /// Requests per second.
    pub(crate) per_second: f64,
    /// The share of them that fail, 0 to 1.
    pub(crate) errors: f64,
    /// How long answers take.
    pub(crate) latency: Latency,
}

/// A flow and how it changed.
#[derive(Debug)]
struct Flow {
    facts: Facts,
    changes: VecDeque<(i64, State)>,
    ended: Option<i64>,
}

/// What is known of a flow at present: as the routes give it.
pub(crate) type Wanted = BTreeMap<FlowKey, (Facts, State)>;

/// All flows there are and were.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    flows: Mutex<BTreeMap<FlowKey, Flow>>,
}

impl Traffic {
    fn flows(&self) -> std::sync::MutexGuard<'_, BTreeMap<FlowKey, Flow>> {
        self.flows.lock().expect("no holder of this lock panics")
    }

    /// Looks at a namespace: from `now` on its flows are as its routes, Services and pods make them.
    pub(crate) fn look(&self, core: &Core, namespace: &str, now: Timestamp) {
        let wanted = routes::flows_of(core, namespace);
        self.change(namespace, wanted, now.as_millisecond());
    }

    fn change(&self, namespace: &str, wanted: Wanted, now: i64) {
        let mut flows = self.flows();
        let first =
            FlowKey { namespace: namespace.to_string(), service: String::new(), pod: String::new(), via: Via::Service };
        for (key, flow) in flows.range_mut(first..).take_while(|(key, _)| key.namespace == namespace) {
            if flow.ended.is_none() && !wanted.contains_key(key) {
                flow.ended = Some(now);
            }
        }
        flows.retain(|key, flow| {
            key.namespace != namespace || flow.ended.is_none_or(|ended| now - ended < REMEMBERED_MS)
        });
        for (key, (facts, state)) in wanted {
            let flow = flows.entry(key).or_insert_with(|| Flow {
                facts: facts.clone(),
                changes: VecDeque::new(),
                ended: None,
            });
            flow.facts = facts;
            if flow.ended.take().is_some() {
                // It counts from nothing again, as a program that was started again does.
                flow.changes.clear();
            }
            if flow.changes.back().is_none_or(|(_, held)| *held != state) {
                if flow.changes.len() >= CHANGES_MAX {
                    flow.changes.pop_front();
                }
                flow.changes.push_back((now, state));
            }
        }
    }

    /// The present flows of a namespace.
    pub(crate) fn ways_in(&self, namespace: &str) -> Vec<(FlowKey, State)> {
        self.flows()
            .iter()
            .filter(|(key, flow)| key.namespace == namespace && flow.ended.is_none())
            .filter_map(|(key, flow)| Some((key.clone(), flow.changes.back()?.1)))
            .collect()
    }
}

/// Series for PromQL: those of the flows, and what is known of objects.
pub(crate) struct Metrics<'a> {
    core: &'a Core,
}

impl<'a> Metrics<'a> {
    /// The metrics of a sandbox.
    pub(crate) fn of(core: &'a Core) -> Self {
        Self { core }
    }
}

impl Source for Metrics<'_> {
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        // Nothing is known of the future.
        let to = to.min(self.core.clock.now().as_millisecond());
        let mut all = Vec::new();
        for (key, flow) in self.core.traffic.flows().iter() {
            let begun = flow.changes.front().map_or(i64::MAX, |(at, _)| *at);
            if begun <= to && flow.ended.is_none_or(|ended| ended + SCRAPE_MS > from) {
                series::of_flow(key, flow, matchers, from, to, &mut all);
            }
        }
        shapes::of_objects(self.core, matchers, from, to, &mut all);
        all
    }
}
