//! One pass over one application: observe, render, compare, decide, execute, conclude, commit.
//!
//! ```text
//!  home (what people wrote) ─┐
//!  sources ── render ── targets ─┤
//!  live index ── compare ────────┴─> decide ─> plan ─> execute ─┐ until there is nothing to do now
//!                                                ^──────────────┘
//!                                    conclude ─> one write if anything changed, Events, the next wake-up
//! ```
//!
//! A pass never waits for something to happen in a cluster: it says what it waits for and ends; the watch that sees it
//! happen wakes the application. All progress is in `status.operationState`, so a pass that dies is repeated by the next.

mod clusters;
mod compare;
mod deletion;
mod grounds;
pub mod inspect;
mod measure;
mod operate;
mod pass;
mod quiet;
mod sources;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_model::application::Application;
use landfall_model::tracking;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cluster, ClusterConnector, Discovery};
use landfall_repository::address;
use landfall_sync::targets::Targets;
use tokio::sync::Semaphore;

use crate::charts::Charts;
use crate::destinations::Destinations;
use crate::events::Events;
use crate::home::{AppKey, Home, HomeChange, HomeKind};
use crate::informer::{self, Scope};
use crate::installation::Installed;
use crate::live::Concern;
use crate::metrics::Metrics;
use crate::metrics::git::MeasuredGit;
use crate::queue::Queue;
use crate::remotes::Remotes;
use crate::render::{Rendered, Renderer};
use crate::repositories::Repositories;
use crate::settings::Settings;

/// How often repositories are looked through for one whose poll is due.
const POLL_TICK: Duration = Duration::from_secs(1);
/// The wait after a pass that failed; doubles with each failure in a row up to [`FAILURE_WAIT_MAX`].
const FAILURE_WAIT: Duration = Duration::from_millis(500);
/// The longest wait after passes that failed.
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(60);

/// What the controller remembers of an application between passes. Nothing that could not be computed again.
#[derive(Default)]
struct Memory {
    targets: Option<(TargetsKey, Arc<Targets>)>,
    answers: compare::Answers,
    failures_in_a_row: u32,
    /// Since when sources cannot be had, in elapsed time.
    unavailable_since: Option<Duration>,
    note: String,
    /// What the last pass had read, if it found nothing to do.
    quiet: Option<quiet::Quiet>,
}

/// What targets were made from: the renders by identity, and everything else by digest.
#[derive(Clone)]
struct TargetsKey {
    rendered: Vec<Arc<Rendered>>,
    spec: u64,
    discovery: Arc<Discovery>,
    installed: Arc<Installed>,
}

/// Keeps applications as their sources have them.
pub struct Controller {
    /// What people wrote.
    pub home: Arc<Home>,
    /// Where it is written.
    pub home_cluster: Arc<dyn Cluster>,
    /// Where applications go.
    pub destinations: Arc<Destinations>,
    /// Where sources come from.
    pub repositories: Arc<Repositories>,
    /// Charts of chart repositories.
    pub charts: Charts,
    /// What kustomizations name outside of their repository.
    pub remotes: Remotes,
    /// The renderer and its cache.
    pub renderer: Arc<Renderer>,
    /// Which applications are due.
    pub queue: Arc<Queue<AppKey>>,
    /// Events about applications.
    pub events: Events,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub settings: Settings,
    rendering: Semaphore,
    memories: Mutex<HashMap<AppKey, Arc<tokio::sync::Mutex<Memory>>>>,
    passes: AtomicU64,
    clusters: clusters::Clusters,
}

/// What a controller is made of.
pub struct Parts {
    /// Where Applications stand.
    pub home_cluster: Arc<dyn Cluster>,
    /// How other clusters are reached.
    pub connector: Arc<dyn ClusterConnector>,
    /// Git.
    pub git: Arc<dyn landfall_ports::git::GitRemote>,
    /// Chart repositories.
    pub chart_repositories: Arc<dyn landfall_ports::charts::ChartRepo>,
    /// OCI registries.
    pub registry: Arc<dyn landfall_ports::registry::Registry>,
    /// The renderer.
    pub renderer: Renderer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub settings: Settings,
}

impl Controller {
    /// Makes a controller that knows no cluster yet: add them to [`Controller::destinations`].
    pub fn of(parts: Parts) -> Arc<Self> {
        let Parts { home_cluster, connector, git, chart_repositories, registry, renderer, clock, settings } = parts;
        let metrics = Arc::new(Metrics::default());
        let git = Arc::new(MeasuredGit { git, metrics: metrics.clone(), clock: clock.clone() });
        let repositories = Arc::new(Repositories::of(git, clock.clone(), settings.poll_interval));
        Arc::new(Self {
            metrics,
            home: Arc::new(Home::default()),
            events: Events::start(home_cluster.clone(), clock.clone()),
            home_cluster,
            destinations: Arc::new(Destinations::default()),
            remotes: Remotes::of(repositories.clone(), chart_repositories.clone()),
            repositories,
            renderer: Arc::new(renderer),
            charts: Charts::of(chart_repositories, registry),
            queue: Arc::new(Queue::of(clock.clone())),
            clock,
            rendering: Semaphore::new(settings.renders_at_once_max),
            settings,
            memories: Mutex::default(),
            passes: AtomicU64::new(0),
            clusters: clusters::Clusters::of(connector),
        })
    }

    /// What a live index calls when applications have reason to look again.
    pub fn concern(self: &Arc<Self>) -> Concern {
        let this = Arc::downgrade(self);
        Arc::new(move |instance| {
            if let Some(controller) = this.upgrade() {
                controller.queue.push(controller.key_of(instance));
            }
        })
    }

    /// Runs until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut tasks = tokio::task::JoinSet::new();
        for kind in HomeKind::ALL {
            let this = self.clone();
            tasks.spawn(async move { this.watch_home(kind).await });
        }
        let this = self.clone();
        tasks.spawn(async move { this.keep_clusters().await });
        let this = self.clone();
        tasks.spawn(async move { this.poll().await });
        let this = self.clone();
        tasks.spawn(async move { this.dispatch().await });
        // None of them ends by itself; one that panics takes the process down rather than leaving it half alive.
        if let Some(Err(error)) = tasks.join_next().await {
            tracing::error!(%error, "a part of the controller failed");
        }
    }

    /// Makes every application that reads a repository look again, its references listed anew. Returns how many.
    pub fn repository_changed(&self, url: &str) -> usize {
        self.repositories.expire(url);
        let wanted = address::normalized(url);
        let reads = |application: &Application| {
            application.spec.sources().iter().any(|source| address::normalized(&source.repo_url) == wanted)
        };
        let mut count = 0;
        for (key, known) in self.home.applications() {
            if known.application.as_ref().is_ok_and(reads) {
                self.queue.push(key);
                count += 1;
            }
        }
        count
    }

    /// Takes in what was written or deleted in the home cluster just now, before the watch tells of it.
    pub fn observed(&self, kind: HomeKind, observation: informer::Observation) {
        for change in self.home.observe(kind, observation) {
            self.changed(change);
        }
    }

    async fn watch_home(self: Arc<Self>, kind: HomeKind) {
        let selection = self.settings.selection(kind);
        let scope = Scope { kind: kind.served(), detail: landfall_ports::cluster::Detail::Full, selection };
        let this = self.clone();
        let tell = move |observation| {
            for change in this.home.observe(kind, observation) {
                this.changed(change);
            }
        };
        informer::run(self.home_cluster.clone(), self.clock.clone(), scope, tell).await;
    }

    fn changed(&self, change: HomeChange) {
        match change {
            HomeChange::Application(key) => self.queue.push(key),
            HomeChange::Removed(key) => {
                self.queue.remove(&key);
                self.metrics.forget(&key);
                self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
            HomeChange::Clusters => self.clusters.wake(),
            HomeChange::Project(project) => {
                let is_global = self.home.installed().access.is_global(&project);
                for (key, known) in self.home.applications() {
                    let is_of = |application: &Application| is_global || application.spec.project() == project;
                    if known.application.as_ref().is_ok_and(is_of) {
                        self.queue.push(key);
                    }
                }
            }
            HomeChange::Settings => self.home.applications().into_iter().for_each(|(key, _)| self.queue.push(key)),
            HomeChange::Repositories => {
                let (configured, problems) = self.home.repositories();
                problems.iter().for_each(|problem| tracing::warn!(%problem, "a repository Secret"));
                self.repositories.configure(configured);
                for (key, known) in self.home.applications() {
                    let is_stuck = |application: &Application| {
                        application.status.conditions.iter().any(|c| c.condition_type.is_error())
                    };
                    if known.application.as_ref().is_ok_and(is_stuck) {
                        self.queue.push(key);
                    }
                }
            }
        }
    }

    async fn poll(self: Arc<Self>) {
        loop {
            self.clock.sleep(POLL_TICK).await;
            for url in self.repositories.poll().await {
                let wanted = address::normalized(&url);
                for (key, known) in self.home.applications() {
                    let reads = |application: &Application| {
                        application.spec.sources().iter().any(|source| address::normalized(&source.repo_url) == wanted)
                    };
                    if known.application.as_ref().is_ok_and(reads) {
                        self.queue.push(key);
                    }
                }
            }
        }
    }

    /// Hands out applications that are due, a bounded number at the same time.
    async fn dispatch(self: Arc<Self>) {
        // Before everything that people wrote is known, an application would be told that its project does not exist.
        self.clusters.until_known().await;
        let free = Arc::new(Semaphore::new(self.settings.passes_at_once_max));
        loop {
            let slot = free.clone().acquire_owned().await.expect("the semaphore is never closed");
            let key = self.queue.next().await;
            let this = self.clone();
            tokio::spawn(async move {
                let _slot = slot;
                let of_pass = key.clone();
                let passing = this.clone();
                // A panic in one application's pass must not stop another's: it ends the task and is reported.
                let ended = tokio::spawn(async move { passing.pass(&of_pass).await }).await;
                if let Err(error) = ended {
                    tracing::error!(application = %key, %error, "a pass failed with a fault of ours; please report it");
                    this.again_later(&key, FAILURE_WAIT_MAX);
                }
                this.queue.done(&key);
            });
        }
    }

    fn again_later(&self, key: &AppKey, wait: Duration) {
        self.queue.push_after(key.clone(), wait);
    }

    fn memory(&self, key: &AppKey) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(key.clone()).or_default().clone()
    }

    fn next_pass_id(&self) -> u64 {
        self.passes.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts the passes made.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    fn instance(&self, key: &AppKey) -> String {
        tracking::instance_name(&key.namespace, &key.name, &self.settings.namespace)
    }

    /// Finds the Application by its name for tracking, the reverse of [`tracking::instance_name`].
    fn key_of(&self, instance: &str) -> AppKey {
        let own = AppKey { namespace: self.settings.namespace.clone(), name: instance.to_owned() };
        match instance.split_once('_') {
            Some((namespace, name)) if self.home.application(&own).is_none() => {
                AppKey { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            _ => own,
        }
    }
}
