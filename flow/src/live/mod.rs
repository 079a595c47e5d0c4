//! What is live in one cluster: one watch per kind, shared by all applications, reduced to records.
//!
//! A kind is watched from the first time an application needs it ([`LiveCluster::ensure`]), and stays watched. Kinds
//! that cannot be listed affect the applications that need them and no others: their failure is part of the answer.
//! What the API answers to a write is put in at once ([`LiveCluster::written`]), so a decision never waits for the echo.
//!
//! Of CustomResourceDefinitions their schemas are kept too ([`LiveCluster::schemas`]), because comparing needs them.
//!
//! ```text
//! discovery -> ensure(kinds) -> informer per kind -> Record -> Index -> "these applications have reason to look again"
//! ```

pub mod hosts;
pub(crate) mod index;
pub mod pod;
pub mod record;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::Either;
use landfall_diff::schemas::{BuiltIn, Schemas as _, WithCustom};
use landfall_health::Rules;
use landfall_model::key::{GroupKind, ObjectKey};
use landfall_model::object;
use landfall_model::time::Time;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cause, Cluster, ClusterError, Detail, Discovery, Selection, ServedKind};
use serde_json::Value;
use tokio::task::AbortHandle;

use self::index::Index;
use self::record::Record;
use crate::informer::{self, Observation, Scope};
use crate::metrics::Metrics;

/// Kinds that stand below what applications manage and say why it does not do well.
const CHILD_KINDS: [(&str, &str, &[&str]); 3] = [
    ("", "Pod", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"]),
    ("apps", "ReplicaSet", &["Deployment"]),
    ("batch", "Job", &["CronJob"]),
];

/// How long a server may take to say what it serves.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(20);
/// How long a server that did not say is left alone.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(5);

/// Told which applications have reason to look again.
pub type Concern = Arc<dyn Fn(&str) + Send + Sync>;

/// Whether the live state of some kinds is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// Kinds whose first list is still under way.
    pub waiting: BTreeSet<GroupKind>,
    /// Kinds that cannot be listed, with the reason.
    pub failed: Vec<(GroupKind, String)>,
    /// Kinds that the server does not serve.
    pub not_served: BTreeSet<GroupKind>,
}

/// What of a cluster is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// The only namespaces; empty is the whole cluster.
    pub namespaces: Vec<String>,
    /// With `namespaces`: whether cluster-scoped objects are looked at too.
    pub cluster_resources: bool,
}

impl Reach {
    /// Says whether an object is looked at; why not, in words.
    pub fn covers(&self, key: &ObjectKey) -> Result<(), String> {
        if self.namespaces.is_empty() {
            return Ok(());
        }
        match key.namespace.is_empty() {
            true if self.cluster_resources => Ok(()),
            true => Err(format!(
                "Cluster level {} {:?} can not be managed when in namespaced mode (the cluster's Secret names namespaces, and clusterResources is not \"true\")",
                key.kind, key.name
            )),
            false if self.namespaces.contains(&key.namespace) => Ok(()),
            false => Err(format!(
                "Namespace {:?} for {} {:?} is not managed (the cluster's Secret names the namespaces {})",
                key.namespace,
                key.kind,
                key.name,
                self.namespaces.join(", ")
            )),
        }
    }
}

/// The watches of one kind: one, or one per namespace.
#[derive(Default)]
struct Watch {
    parts: HashMap<String, Part>,
}

/// One watch.
#[derive(Default)]
struct Part {
    is_synced: bool,
    failure: Option<String>,
    unseen: HashSet<ObjectKey>,
    task: Option<AbortHandle>,
}

impl Watch {
    fn is_synced(&self) -> bool {
        self.parts.values().all(|part| part.is_synced)
    }

    /// Why what there is cannot be told, if it never could.
    fn failure(&self) -> Option<String> {
        self.parts.values().filter(|part| !part.is_synced).find_map(|part| part.failure.clone())
    }
}

#[derive(Default)]
struct State {
    discovery: Option<Arc<Discovery>>,
    /// How often what is served was forgotten: an answer that was asked for before the last time is not kept.
    discoveries_forgotten: u64,
    discovery_failure: Option<(ClusterError, Duration)>,
    watches: HashMap<GroupKind, Watch>,
    index: Index,
    waiters: Vec<Arc<str>>,
    /// Who has objects of kinds that are not served.
    without_kind: BTreeSet<Arc<str>>,
    schemas: Arc<WithCustom>,
    schemas_version: u64,
    /// Grows whenever a kind becomes known, cannot be watched or is listed anew.
    watch_changes: u64,
}

/// The live objects of one cluster.
pub struct LiveCluster {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    state: Mutex<State>,
    discovering: tokio::sync::Mutex<()>,
    hosts: hosts::KnownHosts,
    concern: Concern,
    reach: Reach,
    measured: OnceLock<(Arc<Metrics>, String)>,
}

impl LiveCluster {
    /// Starts with nothing watched.
    pub fn of(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>, rules: Rules, concern: Concern) -> Arc<Self> {
        Self::within(Reach::default(), cluster, clock, rules, concern)
    }

    /// Starts with nothing watched, never to look further than `reach`.
    pub fn within(
        reach: Reach,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
        rules: Rules,
        concern: Concern,
    ) -> Arc<Self> {
        let state = Mutex::new(State::default());
        let (discovering, measured) = (tokio::sync::Mutex::new(()), OnceLock::new());
        let hosts = hosts::KnownHosts::default();
        Arc::new(Self { cluster, clock, rules, state, discovering, hosts, concern, reach, measured })
    }

    /// Counts what the cluster tells of, under its URL, from now on.
    pub fn measure(&self, metrics: Arc<Metrics>, server: &str) {
        // The first to measure it goes on doing so.
        let _already_measured = self.measured.set((metrics, server.to_owned()));
    }

    /// What of the cluster is looked at.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The schemas of the kinds that are served, with a number that changes when they do.
    pub fn schemas(&self) -> (Arc<WithCustom>, u64) {
        let state = self.state();
        (state.schemas.clone(), state.schemas_version)
    }

    /// Lists the Pods on nodes, by node: every one that is watched.
    pub fn pods_on(&self, nodes: &BTreeSet<String>) -> Vec<Arc<Record>> {
        self.state().index.pods_on(nodes)
    }

    /// Lists the objects of a namespace that no other object owns, of the kinds that are watched.
    pub fn top_level_in(&self, namespace: &str) -> Vec<Arc<Record>> {
        self.state().index.top_level_in(namespace)
    }

    /// The API server behind this.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Says what the server serves, asking it the first time only. A server that does not answer is asked again after a
    /// while only, and one caller waits for that: who has an application on a cluster that is down must not hold up others.
    pub async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        if let Some(answer) = self.known_discovery(false) {
            return answer;
        }
        let _one_at_a_time = match self.discovering.try_lock() {
            Ok(lock) => lock,
            Err(_) => {
                if let Some(answer) = self.known_discovery(true) {
                    return answer;
                }
                self.discovering.lock().await
            }
        };
        if let Some(answer) = self.known_discovery(false) {
            return answer;
        }
        let forgotten = self.state().discoveries_forgotten;
        let asking = std::pin::pin!(self.cluster.discovery());
        let patience = std::pin::pin!(self.clock.sleep(DISCOVERY_LIMIT));
        let answer = match futures::future::select(asking, patience).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(ClusterError {
                cause: Cause::Unreachable,
                action: "ask what is served".to_owned(),
                message: format!("no answer within {} s", DISCOVERY_LIMIT.as_secs()),
                retry_after: None,
            }),
        };
        let mut state = self.state();
        match answer {
            Ok(fresh) => {
                let fresh = Arc::new(fresh);
                if state.discoveries_forgotten == forgotten {
                    state.discovery = Some(fresh.clone());
                }
                state.discovery_failure = None;
                Ok(fresh)
            }
            Err(error) => {
                state.discovery_failure = Some((error.clone(), self.clock.elapsed()));
                Err(error)
            }
        }
    }

    /// What is known of what the server serves, or of why it does not say; an old failure only with `or_old`.
    fn known_discovery(&self, or_old: bool) -> Option<Result<Arc<Discovery>, ClusterError>> {
        let state = self.state();
        if let Some(known) = state.discovery.clone() {
            return Some(Ok(known));
        }
        let (error, at) = state.discovery_failure.as_ref()?;
        let age = self.clock.elapsed().saturating_sub(*at);
        (or_old || age < DISCOVERY_PAUSE).then(|| Err(error.clone()))
    }

    /// Forgets what the server serves: it is asked again the next time. Called when a definition was applied or a kind
    /// was not found.
    pub fn forget_discovery(&self) {
        let mut state = self.state();
        state.forget_discovery();
        state.discovery_failure = None;
    }

    /// Makes sure that `kinds` are watched and says how far that is. `instance` is told to look again when a first list
    /// that it waits for ends.
    pub async fn ensure(
        self: &Arc<Self>,
        kinds: &BTreeSet<GroupKind>,
        instance: &str,
    ) -> Result<Readiness, ClusterError> {
        let discovery = self.discovery().await?;
        let mut wanted = kinds.clone();
        for (group, kind, parents) in CHILD_KINDS {
            if kinds.iter().any(|known| parents.contains(&known.kind.as_str())) {
                wanted.insert(GroupKind::of(group, kind));
            }
        }
        let definitions = GroupKind::of("apiextensions.k8s.io", "CustomResourceDefinition");
        let is_custom = |kind: &GroupKind| match discovery.preferred(kind) {
            Some(served) => BuiltIn.schema(&served.gvk.api_version(), &served.gvk.kind).is_none(),
            None => true,
        };
        // For their schemas, and to learn of kinds that are not served yet. Doing without is possible.
        let wants_schemas = !kinds.contains(&definitions) && kinds.iter().any(is_custom);
        if wants_schemas {
            wanted.insert(definitions.clone());
        }
        let mut readiness = Readiness::default();
        let mut state = self.state();
        for kind in wanted {
            let is_optional = wants_schemas && kind == definitions;
            match state.watches.get(&kind) {
                Some(watch) if watch.is_synced() => {}
                Some(watch) => match watch.failure() {
                    Some(_) if is_optional => {}
                    Some(reason) => readiness.failed.push((kind, reason)),
                    None => _ = readiness.waiting.insert(kind),
                },
                None => match discovery.preferred(&kind).filter(|served| served.can("list")) {
                    Some(served) if self.reaches(served) => {
                        self.start(&mut state, served.clone());
                        readiness.waiting.insert(kind);
                    }
                    Some(_) => {}
                    None if is_optional => {}
                    None => _ = readiness.not_served.insert(kind),
                },
            }
        }
        if !readiness.waiting.is_empty() {
            state.waiters.push(instance.into());
        }
        if !readiness.not_served.is_empty() {
            state.without_kind.insert(instance.into());
        }
        Ok(readiness)
    }

    fn reaches(&self, served: &ServedKind) -> bool {
        self.reach.namespaces.is_empty() || served.is_namespaced || self.reach.cluster_resources
    }

    /// Finds an object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Record>> {
        self.state().index.get(key).cloned()
    }

    /// Lists the objects that say they belong to an application.
    pub fn of_instance(&self, instance: &str) -> Vec<Arc<Record>> {
        self.state().index.of_instance(instance)
    }

    /// Grows whenever an application has reason to look again, or a kind becomes known or cannot be watched.
    pub fn changes_of(&self, instance: &str) -> u64 {
        let state = self.state();
        // Neither of them ever falls: the sum is the same only if both are.
        state.index.changes_of(instance) + state.watch_changes
    }

    /// Lists the objects that name `uid` as an owner.
    pub fn children(&self, uid: &str) -> Vec<Arc<Record>> {
        self.state().index.children(uid)
    }

    /// Counts the objects known.
    pub fn len(&self) -> usize {
        self.state().index.len()
    }

    /// Says whether no object is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lists the kinds that are watched, with what is wrong with those that fail.
    pub fn watched(&self) -> Vec<(GroupKind, Option<String>)> {
        let state = self.state();
        let failure = |watch: &Watch| watch.parts.values().find_map(|part| part.failure.clone());
        state.watches.iter().map(|(kind, watch)| (kind.clone(), failure(watch))).collect()
    }

    /// Takes in what the API answered to a write of ours. Its application is not told: the caller
    /// knows. One that it was taken from is.
    pub fn written(&self, live: Value) -> Arc<Record> {
        let is_definition = live["kind"] == "CustomResourceDefinition";
        let schemas = is_definition.then(|| live.clone());
        let record = Record::of(live, &self.rules);
        let key = record.live.key.clone();
        let fallback = Arc::new(record.clone());
        let mut state = self.state();
        state.learn(schemas.as_ref(), &record);
        let concerned = state.index.put(record);
        let known = state.index.get(&key).cloned().unwrap_or(fallback);
        drop(state);
        let is_other = |instance: &&Arc<str>| known.live.owner.as_deref() != Some(&***instance);
        concerned.iter().filter(is_other).for_each(|instance| (self.concern)(instance));
        known
    }

    /// Takes in that an object's deletion was asked for: until the watch says more, it is on its way out.
    pub fn deletion_asked(&self, key: &ObjectKey, uid: &str, at: Time) {
        self.state().index.mark_deleted(key, uid, at);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, state: &mut State, served: ServedKind) {
        let kind = served.gvk.group_kind();
        let everywhere = vec![String::new()];
        let places = match served.is_namespaced && !self.reach.namespaces.is_empty() {
            true => &self.reach.namespaces,
            false => &everywhere,
        };
        let mut watch = Watch::default();
        for namespace in places {
            let this = Arc::downgrade(self);
            let selection = Selection { namespace: namespace.clone(), ..Selection::default() };
            let scope = Scope { kind: served.clone(), detail: Detail::Full, selection };
            let (of_kind, of_namespace) = (kind.clone(), namespace.clone());
            let tell = move |observation| {
                if let Some(live) = this.upgrade() {
                    live.observe(&of_kind, &of_namespace, observation);
                }
            };
            let task = tokio::spawn(informer::run(self.cluster.clone(), self.clock.clone(), scope, tell));
            watch.parts.insert(namespace.clone(), Part { task: Some(task.abort_handle()), ..Part::default() });
        }
        state.watch_changes += 1;
        state.watches.insert(kind, watch);
    }

    fn observe(&self, kind: &GroupKind, namespace: &str, observation: Observation) {
        let began = self.clock.now();
        let of_namespace = match &observation {
            Observation::Applied(live) | Observation::Deleted(live) => Some(object::namespace(live).to_owned()),
            _ => None,
        };
        self.take_in(kind, namespace, observation);
        if let (Some((metrics, server)), Some(of_namespace)) = (self.measured.get(), of_namespace) {
            let took = self.clock.now().duration_since(began).as_secs_f64();
            metrics.cluster_event(server, &of_namespace, &kind.group, &kind.kind, took);
        }
    }

    fn take_in(&self, kind: &GroupKind, namespace: &str, observation: Observation) {
        let is_definition = kind.kind == "CustomResourceDefinition" || kind.kind == "APIService";
        let mut concerned: Vec<Arc<str>> = Vec::new();
        match observation {
            Observation::Began => {
                let mut state = self.state();
                let known = state.index.keys_of(kind, namespace).into_iter().collect();
                if let Some(part) = state.part(kind, namespace) {
                    part.unseen = known;
                }
            }
            Observation::Listed(live) => {
                let schemas = is_definition.then(|| live.clone());
                let record = Record::of(live, &self.rules);
                let mut state = self.state();
                if let Some(part) = state.part(kind, namespace) {
                    part.unseen.remove(&record.live.key);
                }
                state.learn(schemas.as_ref(), &record);
                concerned = state.index.put(record);
            }
            Observation::Ended(version) => {
                let mut state = self.state();
                let Some(part) = state.part(kind, namespace) else { return };
                part.is_synced = true;
                part.failure = None;
                let unseen = std::mem::take(&mut part.unseen);
                state.watch_changes += 1;
                for gone in unseen {
                    // What we wrote after the list was made is not in it.
                    let is_newer = |record: &Arc<Record>| !informer::is_at_most(&record.resource_version, &version);
                    if !state.index.get(&gone).is_some_and(is_newer) {
                        concerned.extend(state.index.remove(&gone, None));
                    }
                }
                concerned.append(&mut state.waiters);
            }
            Observation::Applied(live) => {
                let schemas = is_definition.then(|| live.clone());
                let record = Record::of(live, &self.rules);
                let mut state = self.state();
                state.learn(schemas.as_ref(), &record);
                concerned = state.index.put(record);
                if is_definition {
                    state.forget_discovery();
                    concerned.extend(std::mem::take(&mut state.without_kind));
                }
            }
            Observation::Deleted(live) => {
                let mut state = self.state();
                let version = object::resource_version(&live);
                concerned = state.index.end(&object::key(&live), object::uid(&live), version);
                if is_definition {
                    state.forget_discovery();
                    Arc::make_mut(&mut state.schemas).remove(&live);
                    state.schemas_version += 1;
                }
            }
            Observation::Failed(error) => {
                tracing::warn!(kind = %kind, reason = %error, "a kind cannot be watched");
                let mut state = self.state();
                if let Some(part) = state.part(kind, namespace) {
                    let is_news = part.failure.is_none();
                    part.failure = Some(error.to_string());
                    if is_news {
                        state.watch_changes += 1;
                        concerned.append(&mut state.waiters);
                    }
                }
            }
        }
        concerned.sort();
        concerned.dedup();
        concerned.iter().for_each(|instance| (self.concern)(instance));
    }
}

impl State {
    fn part(&mut self, kind: &GroupKind, namespace: &str) -> Option<&mut Part> {
        self.watches.get_mut(kind)?.parts.get_mut(namespace)
    }

    /// What is served is asked for again the next time, and an answer that is under way is not kept.
    fn forget_discovery(&mut self) {
        self.discovery = None;
        self.discoveries_forgotten += 1;
    }

    /// Takes the schemas out of a definition that is new or changed.
    fn learn(&mut self, definition: Option<&Value>, record: &Record) {
        let Some(definition) = definition else { return };
        let is_known = self.index.get(&record.live.key).is_some_and(|known| known.digest == record.digest);
        if !is_known {
            Arc::make_mut(&mut self.schemas).add(definition);
            self.schemas_version += 1;
        }
    }
}

impl Drop for LiveCluster {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let parts = state.watches.values_mut().flat_map(|watch| watch.parts.values_mut());
        parts.filter_map(|part| part.task.take()).for_each(|task| task.abort());
    }
}
