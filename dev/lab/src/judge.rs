//! Holds every write of the controller against what Git says and what was there.
//!
//! Invariants, at each write:
//! - what is deleted was the application's by its own tracking annotation, and Git did not hold it at the revision of the
//!   operation that runs, or at one of the newest; or its application is being deleted; or it is a hook
//! - what is applied is what Git holds at the revision of the operation that runs, or at one of the newest
//! - an operation that succeeds names a revision whose every object was applied, or is there
//! - the history is appended to, never rewritten
//! - a hook is made once per attempt of an operation
//!
//! Others are for the end of a history: see `world.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_model::annotations::FINALIZER;
use landfall_model::key::ObjectKey;
use landfall_model::{object, tracking};
use landfall_ports::cluster::Cluster;
use serde_json::Value;

use crate::cluster::served;
use crate::expectation::{self, Wanted};
use crate::git::Server;
use crate::time::Timeline;

/// The mark of an attempt on a hook. Source: `landfall_sync::live::ATTEMPT`.
const ATTEMPT: &str = "landfall.dev/attempt";
/// The namespace of Applications.
pub const CONTROL_NAMESPACE: &str = "argocd";

/// One write that took effect.
#[derive(Debug, Clone)]
pub struct Taken {
    /// When.
    pub at: Duration,
    /// What was done.
    pub verb: &'static str,
    /// To what.
    pub key: ObjectKey,
    /// What was sent.
    pub sent: Value,
    /// The object before.
    pub before: Option<Value>,
    /// The object after; `None` if it was deleted.
    pub after: Option<Value>,
}

/// A sync may be about the newest head that the controller was told of, or, while it works on that, the one before.
const TOLD: usize = 2;

#[derive(Default)]
struct State {
    violations: Vec<String>,
    taken: Vec<Taken>,
    /// When a person last touched an object.
    touched: BTreeMap<ObjectKey, Duration>,
    /// Everything that was ever applied to an object, newest last.
    applied: BTreeMap<ObjectKey, Vec<Value>>,
    hooks_made: BTreeMap<(ObjectKey, String), usize>,
    operations_seen: BTreeSet<String>,
    wanted: BTreeMap<(String, String, String), Option<Arc<Wanted>>>,
}

/// The judge.
pub struct Judge {
    cluster: Arc<dyn Cluster>,
    git: Arc<Server>,
    timeline: Arc<Timeline>,
    state: Mutex<State>,
}

impl Judge {
    /// A judge who looks at a cluster and at Git by ways of its own.
    pub fn of(cluster: Arc<dyn Cluster>, git: Arc<Server>, timeline: Arc<Timeline>) -> Arc<Self> {
        Arc::new(Self { cluster, git, timeline, state: Mutex::default() })
    }

    /// How long the simulation has run.
    pub fn elapsed(&self) -> Duration {
        self.timeline.elapsed()
    }

    /// What was found wrong so far.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Says that something is wrong.
    pub fn object_to(&self, violation: String) {
        let at = self.elapsed();
        self.state().violations.push(format!("at {:.3} s: {violation}", at.as_secs_f64()));
    }

    /// How many writes took effect so far.
    pub fn writes(&self) -> usize {
        self.state().taken.len()
    }

    /// The writes from `first` on, one line each.
    pub fn told(&self, first: usize) -> Vec<String> {
        let line =
            |taken: &Taken| format!("{:.3} s {} {} {}", taken.at.as_secs_f64(), taken.verb, taken.key, taken.sent);
        self.state().taken.iter().skip(first).map(line).collect()
    }

    /// How often each hook was made in each attempt.
    pub fn hooks_made(&self) -> BTreeMap<(ObjectKey, String), usize> {
        self.state().hooks_made.clone()
    }

    /// Names of operations that were seen running or ended ([`crate::world::World::sync_by_hand`]).
    pub fn operations_seen(&self) -> BTreeSet<String> {
        self.state().operations_seen.clone()
    }

    /// Says that a person changed an object: it may differ from Git for a while.
    pub fn touched(&self, key: ObjectKey) {
        let at = self.elapsed();
        self.state().touched.insert(key, at);
    }

    /// What Git holds for an Application at a revision; `None` if that cannot be read.
    pub fn wanted(&self, application: &Value, revision: &str) -> Option<Arc<Wanted>> {
        let source = |name| object::text(application, &["spec", "source", name]);
        let namespace = object::text(application, &["spec", "destination", "namespace"]);
        let key = (source("path").to_owned(), revision.to_owned(), namespace.to_owned());
        if let Some(known) = self.state().wanted.get(&key) {
            return known.clone();
        }
        let files = self.git.files(source("repoURL"), revision);
        let found = files.and_then(|files| expectation::wanted(&files, source("path"), namespace)).map(Arc::new);
        self.state().wanted.insert(key, found.clone());
        found
    }

    /// Takes a write in.
    pub async fn took(&self, taken: Taken) {
        if taken.key.kind == "Application" {
            self.judge_status(&taken).await;
        } else {
            match taken.verb {
                "delete" => self.judge_deletion(&taken).await,
                _ => self.judge_write(&taken).await,
            }
        }
        let mut state = self.state();
        if matches!(taken.verb, "apply" | "create" | "replace") {
            state.applied.entry(taken.key.clone()).or_default().push(taken.sent.clone());
            if let Some(attempt) = object::annotation(&taken.sent, ATTEMPT) {
                *state.hooks_made.entry((taken.key.clone(), attempt.to_owned())).or_default() += 1;
            }
        }
        state.taken.push(taken);
    }

    async fn application(&self, name: &str) -> Option<Value> {
        let kind = served("argoproj.io/v1alpha1", "Application");
        self.cluster.get(&kind, CONTROL_NAMESPACE, name).await.ok().flatten()
    }

    async fn judge_deletion(&self, taken: &Taken) {
        let Some(before) = &taken.before else { return };
        let key = &taken.key;
        let Some(owner) = tracking::owner(before) else {
            self.object_to(format!("{key} was deleted, and does not say that it is anybody's"));
            return;
        };
        let Some(application) = self.application(&owner).await else {
            self.object_to(format!("{key} was deleted, and its application {owner} is not there"));
            return;
        };
        if object::annotation(before, ATTEMPT).is_some() || expectation::is_hook(before) {
            return;
        }
        if object::deletion_time(&application).is_some() {
            if !object::finalizers(&application).iter().any(|name| name.starts_with(FINALIZER)) {
                self.object_to(format!("{key} was deleted with {owner}, which has no finalizer for that"));
            }
            return;
        }
        let revisions = self.revisions(&application);
        let lacks = |wanted: &Arc<Wanted>| !wanted.contains_key(key);
        if !revisions.iter().filter_map(|revision| self.wanted(&application, revision)).any(|wanted| lacks(&wanted)) {
            self.object_to(format!("{key} was deleted, and Git holds it at {}", revisions.join(", ")));
        }
    }

    /// The revisions that a sync may be about: that of the operation that runs, and what the controller was told of last,
    /// because a short sync is told of only when it is over.
    fn revisions(&self, application: &Value) -> Vec<String> {
        let state = &application["status"]["operationState"];
        let url = object::text(application, &["spec", "source", "repoURL"]);
        let mut revisions: Vec<String> = self.git.told(url, TOLD).iter().map(|id| id.as_str().to_owned()).collect();
        if object::text(state, &["phase"]) == "Running" {
            revisions.push(object::text(state, &["syncResult", "revision"]).to_owned());
        }
        revisions
    }

    async fn judge_write(&self, taken: &Taken) {
        let key = &taken.key;
        if taken.verb == "patch" {
            // Finalizers of hooks, and ownership that is taken over: the object has to be ours.
            if taken.before.as_ref().is_some_and(|before| tracking::owner(before).is_none()) {
                self.object_to(format!("{key} was patched, and does not say that it is anybody's"));
            }
            return;
        }
        if key.kind == "Namespace" {
            return;
        }
        let Some(owner) = tracking::owner(&taken.sent) else {
            self.object_to(format!("{key} was written without a tracking annotation of its own"));
            return;
        };
        let Some(application) = self.application(&owner).await else {
            self.object_to(format!("{key} was written, and its application {owner} is not there"));
            return;
        };
        let is_hook = object::annotation(&taken.sent, ATTEMPT).is_some();
        if object::deletion_time(&application).is_some() {
            if !is_hook {
                self.object_to(format!("{key} was written while {owner} is being deleted"));
            }
            return;
        }
        let revisions = self.revisions(&application);
        let is_held = |wanted: &Arc<Wanted>| {
            wanted.get(key).is_some_and(|wanted| is_hook || expectation::difference(wanted, &taken.sent).is_none())
        };
        if !revisions.iter().filter_map(|revision| self.wanted(&application, revision)).any(|wanted| is_held(&wanted)) {
            self.object_to(format!("{key} was written, and Git does not hold it so at {}", revisions.join(", ")));
        }
    }

    async fn judge_status(&self, taken: &Taken) {
        let Some(after) = &taken.after else { return };
        let nothing = Value::Null;
        let before = taken.before.as_ref().unwrap_or(&nothing);
        let (old, new) = (&before["status"]["operationState"], &after["status"]["operationState"]);
        for entry in new.pointer("/operation/info").and_then(Value::as_array).into_iter().flatten() {
            if entry["name"] == "asked" {
                self.state().operations_seen.insert(object::text(entry, &["value"]).to_owned());
            }
        }
        self.judge_history(before, after);
        let has_succeeded =
            new["phase"] == "Succeeded" && (old["phase"] != "Succeeded" || old["startedAt"] != new["startedAt"]);
        let sync = &new["operation"]["sync"];
        let is_whole = sync.get("resources").is_none() && sync.get("dryRun").is_none();
        if !has_succeeded || !is_whole {
            return;
        }
        let name = object::name(after);
        let revision = object::text(new, &["syncResult", "revision"]);
        let Some(wanted) = self.wanted(after, revision) else {
            self.object_to(format!("{name} says that it was synced to {revision}, which cannot be read"));
            return;
        };
        for (key, wanted) in wanted.iter().filter(|(_, wanted)| !expectation::is_hook(wanted)) {
            let was_applied = {
                let state = self.state();
                let applied = state.applied.get(key).into_iter().flatten();
                applied.last().is_some_and(|sent| expectation::difference(wanted, sent).is_none())
            };
            if was_applied {
                continue;
            }
            let kind = served(object::text(wanted, &["apiVersion"]), &key.kind);
            let live = self.cluster.get(&kind, &key.namespace, &key.name).await.ok().flatten();
            let where_ =
                live.as_ref().map_or(Some("it is not there".to_owned()), |live| expectation::difference(wanted, live));
            let was_touched = self.state().touched.contains_key(key);
            if let Some(where_) = where_.filter(|_| !was_touched) {
                self.object_to(format!(
                    "{name} says that it was synced to {revision}, but {key} was not applied: {where_}"
                ));
            }
        }
    }

    fn judge_history(&self, before: &Value, after: &Value) {
        let entries = |value: &Value| -> Vec<Value> {
            value.pointer("/status/history").and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let (old, new) = (entries(before), entries(after));
        let ids: Vec<i64> = new.iter().filter_map(|entry| entry["id"].as_i64().or(Some(0))).collect();
        if !ids.is_sorted_by(|a, b| a < b) {
            self.object_to(format!("the history of {} does not count up: {ids:?}", object::name(after)));
        }
        let limit = after.pointer("/spec/revisionHistoryLimit").and_then(Value::as_u64).unwrap_or(10) as usize;
        let is_kept = |entry: &Value| new.contains(entry);
        let lost = old.iter().filter(|entry| !is_kept(entry)).count();
        if lost > 0 && new.len() < limit {
            self.object_to(format!("{lost} entries of the history of {} were lost", object::name(after)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
