//! What is counted and timed while the controller works, under Argo CD's names, so that its users' dashboards and alerts
//! go on; what Argo CD does not have is named `landfall_`.
//!
//! Counters and histograms stand here and are told; gauges are taken from the controller when somebody asks
//! ([`scrape`]). The encoder adds `_total` to the names of counters, so they are registered without it.
//! Source: Argo CD 3.5 `controller/metrics`, `reposerver/metrics`.

pub mod cluster;
pub mod git;
pub mod scrape;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use landfall_model::application::Application;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::home::AppKey;

/// Names and values of labels, in the order they are written.
pub(crate) type Labels = Vec<(&'static str, String)>;
type Count = Family<Labels, Counter>;
type Seconds = Family<Labels, Counter<f64, AtomicU64>>;
type Times = Family<Labels, Histogram, fn() -> Histogram>;

/// Seconds. Source: Argo CD `argocd_app_reconcile`, with finer ones below: a pass is mostly far shorter here.
const RECONCILE_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// Seconds. From what a webhook makes possible to what a stuck repository looks like.
const LATENCY_BUCKETS: [f64; 15] =
    [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1800.0, 3600.0];
/// Seconds. Source: Argo CD `argocd_resource_events_processing`.
const EVENT_BUCKETS: [f64; 7] = [0.0001, 0.001, 0.01, 0.25, 0.5, 1.0, 2.0];
/// Seconds. Source: Argo CD `argocd_git_request_duration_seconds`.
const GIT_BUCKETS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0];

/// The labels that every metric of an application begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfApplication {
    key: AppKey,
    project: String,
}

impl OfApplication {
    /// Takes them from an application.
    pub fn of(application: &Application) -> Self {
        let metadata = &application.metadata;
        let key = AppKey { namespace: metadata.namespace.clone(), name: metadata.name.clone() };
        Self { key, project: application.spec.project().to_owned() }
    }

    pub(crate) fn labels(&self) -> Labels {
        vec![
            ("namespace", self.key.namespace.clone()),
            ("name", self.key.name.clone()),
            ("project", self.project.clone()),
        ]
    }
}

/// Which series an application has made, to take them away with it.
#[derive(Default)]
struct Series {
    syncs: HashSet<Labels>,
    sync_seconds: HashSet<Labels>,
    latencies: HashSet<Labels>,
    orphans: HashSet<Labels>,
    requests: HashSet<Labels>,
}

/// The counters and histograms.
pub struct Metrics {
    registry: Registry,
    reconciles: Times,
    syncs: Count,
    sync_seconds: Seconds,
    latencies: Times,
    git_requests: Count,
    git_times: Times,
    git_fetch_failures: Count,
    git_listing_failures: Count,
    webhooks: Count,
    orphans: Family<Labels, Gauge>,
    requests: Count,
    writes: Count,
    writes_pending: Gauge,
    cluster_events: Count,
    event_times: Times,
    series: Mutex<HashMap<AppKey, Series>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let reconciles = Times::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS));
        let latencies = Times::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS));
        let git_times = Times::new_with_constructor(|| Histogram::new(GIT_BUCKETS));
        let (syncs, sync_seconds) = (Count::default(), Seconds::default());
        let (git_requests, git_fetch_failures, git_listing_failures) =
            (Count::default(), Count::default(), Count::default());
        let webhooks = Count::default();
        let orphans = Family::<Labels, Gauge>::default();
        let (requests, writes, cluster_events) = (Count::default(), Count::default(), Count::default());
        let writes_pending = Gauge::default();
        let event_times = Times::new_with_constructor(|| Histogram::new(EVENT_BUCKETS));
        registry.register(
            "argocd_app_k8s_request",
            "Requests to clusters made for an application's syncs, by answer",
            requests.clone(),
        );
        registry.register("argocd_kubectl_exec", "Writes to clusters, by what was asked for", writes.clone());
        registry.register("argocd_kubectl_exec_pending", "Writes to clusters under way", writes_pending.clone());
        registry.register("argocd_cluster_events", "Changes of objects that clusters told of", cluster_events.clone());
        registry.register(
            "argocd_resource_events_processing",
            "How long a change that a cluster told of took to be taken in, in seconds",
            event_times.clone(),
        );
        registry.register(
            "argocd_app_orphaned_resources_count",
            "Objects in an application's namespace that no application has, where its project asks for them",
            orphans.clone(),
        );
        registry.register(
            "argocd_app_reconcile",
            "How long a pass over an application took, in seconds",
            reconciles.clone(),
        );
        registry.register("argocd_app_sync", "Sync operations that ended, by phase", syncs.clone());
        registry.register(
            "argocd_app_sync_duration_seconds",
            "How long sync operations took altogether, in seconds",
            sync_seconds.clone(),
        );
        registry.register(
            "landfall_commit_to_applied_seconds",
            "From a commit's time to the end of the sync that applied it, in seconds",
            latencies.clone(),
        );
        registry.register("argocd_git_request", "Requests to Git repositories", git_requests.clone());
        registry.register(
            "argocd_git_request_duration_seconds",
            "How long requests to Git repositories took, in seconds",
            git_times.clone(),
        );
        registry.register(
            "argocd_git_fetch_fail",
            "Fetches from Git repositories that failed",
            git_fetch_failures.clone(),
        );
        registry.register(
            "argocd_git_lsremote_fail",
            "Listings of the references of Git repositories that failed",
            git_listing_failures.clone(),
        );
        registry.register("argocd_webhook_requests", "Webhook requests, by sender and answer", webhooks.clone());
        Self {
            registry,
            reconciles,
            syncs,
            sync_seconds,
            latencies,
            git_requests,
            git_times,
            git_fetch_failures,
            git_listing_failures,
            webhooks,
            orphans,
            requests,
            writes,
            writes_pending,
            cluster_events,
            event_times,
            series: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Times a pass over an application of a namespace.
    pub fn reconciled(&self, namespace: &str, dest_server: &str, seconds: f64) {
        let labels = vec![("namespace", namespace.to_owned()), ("dest_server", dest_server.to_owned())];
        self.reconciles.get_or_create(&labels).observe(seconds);
    }

    /// Counts a sync operation that ended.
    pub fn synced(&self, of: &OfApplication, dest_server: &str, phase: &str, dry_run: bool, seconds: f64) {
        let mut labels = of.labels();
        labels.push(("dest_server", dest_server.to_owned()));
        self.with_series(&of.key, |series| series.sync_seconds.insert(labels.clone()));
        self.sync_seconds.get_or_create(&labels).inc_by(seconds.max(0.0));
        labels.extend([("phase", phase.to_owned()), ("dry_run", dry_run.to_string())]);
        self.with_series(&of.key, |series| series.syncs.insert(labels.clone()));
        self.syncs.get_or_create(&labels).inc();
    }

    /// Times how long a commit took to be applied.
    pub fn commit_applied(&self, of: &OfApplication, seconds: f64) {
        let labels = of.labels();
        self.with_series(&of.key, |series| series.latencies.insert(labels.clone()));
        self.latencies.get_or_create(&labels).observe(seconds);
    }

    /// Counts a webhook request. `sender` and `answer` come from small closed sets, never from the request as it is.
    pub fn webhook(&self, sender: &str, answer: &'static str) {
        self.webhooks.get_or_create(&vec![("sender", sender.to_owned()), ("answer", answer.to_owned())]).inc();
    }

    /// Takes note of a change that a cluster told of, and how long it took to take it in.
    pub fn cluster_event(&self, server: &str, namespace: &str, group: &str, kind: &str, seconds: f64) {
        let mut labels = vec![("server", server.to_owned())];
        self.event_times.get_or_create(&labels).observe(seconds);
        labels.extend([("namespace", namespace.to_owned()), ("group", group.to_owned()), ("kind", kind.to_owned())]);
        self.cluster_events.get_or_create(&labels).inc();
    }

    /// Takes note of how many objects of an application's namespace no application has.
    pub fn orphans(&self, of: &OfApplication, count: usize) {
        let labels = of.labels();
        self.with_series(&of.key, |series| series.orphans.insert(labels.clone()));
        self.orphans.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Takes away what was counted of an application that is gone.
    pub fn forget(&self, key: &AppKey) {
        let gone = self.series.lock().unwrap_or_else(PoisonError::into_inner).remove(key).unwrap_or_default();
        gone.syncs.iter().for_each(|labels| _ = self.syncs.remove(labels));
        gone.sync_seconds.iter().for_each(|labels| _ = self.sync_seconds.remove(labels));
        gone.latencies.iter().for_each(|labels| _ = self.latencies.remove(labels));
        gone.requests.iter().for_each(|labels| _ = self.requests.remove(labels));
        gone.orphans.iter().for_each(|labels| _ = self.orphans.remove(labels));
    }

    fn with_series<T>(&self, key: &AppKey, act: impl FnOnce(&mut Series) -> T) -> T {
        act(self.series.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default())
    }
}
