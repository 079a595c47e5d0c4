//! What is live in one cluster: one watch per kind, shared by all applications, reduced to records.
//!
//! A kind is watched from the first time an application needs it ([`LiveCluster::ensure`]), and stays watched. Kinds
//! that cannot be listed affect the applications that need them and no others: their failure is part of the answer.
//! What the API answers to a write is put in at once ([`LiveCluster::written`]), so a decision never waits for the echo.
//!
//! ```text
//! discovery -> ensure(kinds) -> informer per kind -> Record -> Index -> "these applications have reason to look again"
//! ```

pub(crate) mod index;
pub mod record;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_health::Rules;
use landfall_model::key::{GroupKind, ObjectKey};
use landfall_model::object;
use landfall_model::time::Time;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cluster, ClusterError, Detail, Discovery, Selection, ServedKind};
use serde_json::Value;
use tokio::task::AbortHandle;

use self::index::Index;
use self::record::Record;
use crate::informer::{self, Observation, Scope};

/// Kinds that stand below what applications manage and say why it does not do well.
const CHILD_KINDS: [(&str, &str, &[&str]); 3] = [
    ("", "Pod", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"]),
    ("apps", "ReplicaSet", &["Deployment"]),
    ("batch", "Job", &["CronJob"]),
];

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

struct Watch {
    is_synced: bool,
    failure: Option<String>,
    unseen: HashSet<ObjectKey>,
    task: Option<AbortHandle>,
}

#[derive(Default)]
struct State {
    discovery: Option<Arc<Discovery>>,
    watches: HashMap<GroupKind, Watch>,
    index: Index,
    waiters: Vec<Arc<str>>,
}

/// The live objects of one cluster.
pub struct LiveCluster {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    state: Mutex<State>,
    discovering: tokio::sync::Mutex<()>,
    concern: Concern,
}

impl LiveCluster {
    /// Starts with nothing watched.
    pub fn of(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>, rules: Rules, concern: Concern) -> Arc<Self> {
        let state = Mutex::new(State::default());
        Arc::new(Self { cluster, clock, rules, state, discovering: tokio::sync::Mutex::new(()), concern })
    }

    /// The API server behind this.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Says what the server serves, asking it the first time only.
    pub async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        if let Some(known) = self.state().discovery.clone() {
            return Ok(known);
        }
        let _one_at_a_time = self.discovering.lock().await;
        if let Some(known) = self.state().discovery.clone() {
            return Ok(known);
        }
        let fresh = Arc::new(self.cluster.discovery().await?);
        self.state().discovery = Some(fresh.clone());
        Ok(fresh)
    }

    /// Forgets what the server serves: it is asked again the next time. Called when a definition was applied or a kind
    /// was not found.
    pub fn forget_discovery(&self) {
        self.state().discovery = None;
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
        let mut readiness = Readiness::default();
        let mut state = self.state();
        for kind in wanted {
            match state.watches.get(&kind) {
                Some(Watch { failure: Some(reason), is_synced: false, .. }) => {
                    readiness.failed.push((kind, reason.clone()));
                }
                Some(Watch { is_synced: true, .. }) => {}
                Some(_) => {
                    readiness.waiting.insert(kind);
                }
                None => match discovery.preferred(&kind).filter(|served| served.can("list")) {
                    Some(served) => {
                        self.start(&mut state, served.clone());
                        readiness.waiting.insert(kind);
                    }
                    None => {
                        readiness.not_served.insert(kind);
                    }
                },
            }
        }
        if !readiness.waiting.is_empty() {
            state.waiters.push(instance.into());
        }
        Ok(readiness)
    }

    /// Finds an object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Record>> {
        self.state().index.get(key).cloned()
    }

    /// Lists the objects that say they belong to an application.
    pub fn of_instance(&self, instance: &str) -> Vec<Arc<Record>> {
        self.state().index.of_instance(instance)
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
        self.state().watches.iter().map(|(kind, watch)| (kind.clone(), watch.failure.clone())).collect()
    }

    /// Takes in what the API answered to a write of ours. Nobody is told: the caller knows.
    pub fn written(&self, live: Value) -> Arc<Record> {
        let record = Record::of(live, &self.rules);
        let key = record.live.key.clone();
        let fallback = Arc::new(record.clone());
        let mut state = self.state();
        state.index.put(record);
        state.index.get(&key).cloned().unwrap_or(fallback)
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
        let this = Arc::downgrade(self);
        let scope = Scope { kind: served, detail: Detail::Full, selection: Selection::default() };
        let of_kind = kind.clone();
        let tell = move |observation| {
            if let Some(live) = this.upgrade() {
                live.observe(&of_kind, observation);
            }
        };
        let task = tokio::spawn(informer::run(self.cluster.clone(), self.clock.clone(), scope, tell));
        let watch = Watch { is_synced: false, failure: None, unseen: HashSet::new(), task: Some(task.abort_handle()) };
        state.watches.insert(kind, watch);
    }

    fn observe(&self, kind: &GroupKind, observation: Observation) {
        let mut concerned: Vec<Arc<str>> = Vec::new();
        match observation {
            Observation::Began => {
                let mut state = self.state();
                let known = state.index.keys_of(kind).into_iter().collect();
                if let Some(watch) = state.watches.get_mut(kind) {
                    watch.unseen = known;
                }
            }
            Observation::Listed(live) => {
                let record = Record::of(live, &self.rules);
                let mut state = self.state();
                if let Some(watch) = state.watches.get_mut(kind) {
                    watch.unseen.remove(&record.live.key);
                }
                concerned = state.index.put(record);
            }
            Observation::Ended => {
                let mut state = self.state();
                let Some(watch) = state.watches.get_mut(kind) else { return };
                watch.is_synced = true;
                watch.failure = None;
                for gone in std::mem::take(&mut watch.unseen) {
                    concerned.extend(state.index.remove(&gone, None));
                }
                concerned.append(&mut state.waiters);
            }
            Observation::Applied(live) => {
                let is_definition = kind.kind == "CustomResourceDefinition" || kind.kind == "APIService";
                let record = Record::of(live, &self.rules);
                let mut state = self.state();
                concerned = state.index.put(record);
                if is_definition {
                    state.discovery = None;
                }
            }
            Observation::Deleted(live) => {
                let mut state = self.state();
                concerned = state.index.remove(&object::key(&live), Some(object::uid(&live)));
            }
            Observation::Failed(error) => {
                tracing::warn!(kind = %kind, reason = %error, "a kind cannot be watched");
                let mut state = self.state();
                if let Some(watch) = state.watches.get_mut(kind) {
                    let is_news = watch.failure.is_none();
                    watch.failure = Some(error.to_string());
                    if is_news {
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

impl Drop for LiveCluster {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.watches.values_mut().filter_map(|watch| watch.task.take()).for_each(|task| task.abort());
    }
}
