//! A small world to try the whole path in: commits, a cluster whose workloads get healthy when told to, one application,
//! and the loop that the crate's documentation describes. Every effect is counted, and any of them can be the last one
//! before a crash.

use std::collections::{BTreeMap, BTreeSet};

use landfall_health::Rules;
use landfall_model::application::Application;
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_model::outcome::{Event, Outcome, StepResult};
use landfall_model::plan::{PlannedStep, Step};
use landfall_model::status::{OperationPhase, OperationState, SyncStatusCode};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;
use landfall_sync::compare::{self, CompareRequest, Compared, LiveByKey};
use landfall_sync::conclude::{self, ConcludeRequest, HealthPlace, Verdict};
use landfall_sync::decide::{self, Decision, Snapshot};
use landfall_sync::live::Live;
use landfall_sync::plan::{self, NamespaceState, PlanRequest};
use landfall_sync::targets::{self, Targets, TargetsRequest};
use landfall_sync::{deletion, start};
use serde_json::{Value, json};

/// The process died at an effect.
#[derive(Debug)]
pub(crate) struct Crash;

pub(crate) struct World {
    pub(crate) application: Application,
    pub(crate) commits: BTreeMap<String, Vec<Value>>,
    pub(crate) head: String,
    pub(crate) cluster: BTreeMap<ObjectKey, Value>,
    pub(crate) now: i64,
    /// Objects whose apply the server refuses, by name.
    pub(crate) refused: BTreeMap<String, String>,
    pub(crate) windows: WindowVerdict,
    pub(crate) inputs_unchanged: Option<bool>,
    pub(crate) events: Vec<Event>,
    /// What was done, in order: `apply Deployment.apps shop/web`.
    pub(crate) journal: Vec<String>,
    pub(crate) status_writes: usize,
    pub(crate) forbidden_kinds: BTreeSet<String>,
    /// Effects left until the process dies; `None`: it does not.
    pub(crate) effects_left: Option<usize>,
    /// The revision the running sync is about.
    syncing: String,
    uid: u64,
}

pub(crate) fn object(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}})
}

pub(crate) fn config(name: &str, value: &str) -> Value {
    let mut object = object("v1", "ConfigMap", name);
    object["data"] = json!({"value": value});
    object
}

pub(crate) fn deployment(name: &str, image: &str) -> Value {
    let mut object = object("apps/v1", "Deployment", name);
    object["spec"] = json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "main", "image": image}]}}});
    object
}

pub(crate) fn job(name: &str) -> Value {
    let mut object = object("batch/v1", "Job", name);
    object["spec"] = json!({"template": {"spec": {"containers": [{"name": "main", "image": "job:1"}]}}});
    object
}

pub(crate) fn annotated(mut object: Value, annotations: &[(&str, &str)]) -> Value {
    for (name, value) in annotations {
        object::set_annotation(&mut object, name, value);
    }
    object
}

pub(crate) fn in_wave(object: Value, wave: i64) -> Value {
    annotated(object, &[("argocd.argoproj.io/sync-wave", &wave.to_string())])
}

pub(crate) fn hook(object: Value, phases: &str) -> Value {
    annotated(object, &[("argocd.argoproj.io/hook", phases)])
}

pub(crate) fn automated() -> Value {
    json!({"automated": {"prune": true, "selfHeal": true}})
}

pub(crate) fn manual_sync(prune: bool) -> Value {
    json!({"sync": {"prune": prune}, "initiatedBy": {"username": "ann"}})
}

/// The objects applied or run, in order, by name.
pub(crate) fn applied(world: &World) -> Vec<&str> {
    let is_change = |line: &&String| {
        line.starts_with("apply") || line.starts_with("run hook") || line.starts_with("create namespace")
    };
    world.journal.iter().filter(is_change).map(|line| line.rsplit(['/', ' ']).next().expect("a name")).collect()
}

impl World {
    /// Makes a world with one commit `r1` and an application `shop` of `spec`'s sync policy.
    pub(crate) fn new(sync_policy: Value, objects: Vec<Value>) -> Self {
        let application = Application::read(&json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "landfall", "uid": "app"},
            "spec": {"project": "default", "source": {"repoURL": "https://example.com/shop", "path": "."},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}, "syncPolicy": sync_policy},
        }))
        .expect("a valid application");
        let mut world = Self {
            application,
            commits: BTreeMap::new(),
            head: String::new(),
            cluster: BTreeMap::new(),
            now: 1_000_000,
            refused: BTreeMap::new(),
            windows: WindowVerdict::open(),
            inputs_unchanged: None,
            events: Vec::new(),
            journal: Vec::new(),
            status_writes: 0,
            forbidden_kinds: BTreeSet::new(),
            effects_left: None,
            syncing: String::new(),
            uid: 0,
        };
        world.commit("r1", objects);
        world
    }

    pub(crate) fn commit(&mut self, revision: &str, objects: Vec<Value>) {
        self.commits.insert(revision.to_owned(), objects);
        self.head = revision.to_owned();
    }

    pub(crate) fn time(&self) -> Time {
        Time::of(jiff::Timestamp::from_second(self.now).expect("in range"))
    }

    pub(crate) fn state(&self) -> &OperationState {
        self.application.status.operation_state.as_ref().expect("an operation began")
    }

    pub(crate) fn phase(&self) -> OperationPhase {
        self.state().phase
    }

    pub(crate) fn sync_status(&self) -> SyncStatusCode {
        self.application.status.sync.status
    }

    pub(crate) fn health(&self) -> &str {
        self.application.status.health.status.as_str()
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.cluster.iter().find(|(key, _)| key.kind == kind && key.name == name).map(|(_, object)| object)
    }

    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.find(kind, name).is_some()
    }

    pub(crate) fn conditions(&self) -> Vec<String> {
        let conditions = &self.application.status.conditions;
        conditions.iter().map(|condition| format!("{:?}: {}", condition.condition_type, condition.message)).collect()
    }

    /// Asks for a sync as a person does.
    pub(crate) fn ask(&mut self, operation: Value) {
        self.application.operation = Some(serde_json::from_value(operation).expect("a valid operation"));
    }

    /// Lets the cluster's controllers work: rollouts end, jobs end, definitions are served, what lingered goes. `bad` in a
    /// name makes it fail, `slow` keeps it where it is.
    pub(crate) fn settle(&mut self) {
        self.now += 1;
        let mut gone = Vec::new();
        for (key, object) in &mut self.cluster {
            let is_deleted = !object::text(object, &["metadata", "deletionTimestamp"]).is_empty();
            if is_deleted && object::finalizers(object).is_empty() && !key.name.contains("slow") {
                gone.push(key.clone());
                continue;
            }
            if key.name.contains("slow") {
                continue;
            }
            let is_bad = key.name.contains("bad") || object.to_string().contains("image:bad");
            let generation = object::integer(object, &["metadata", "generation"]).unwrap_or(1);
            match key.kind.as_str() {
                "Deployment" if is_bad => {
                    object["status"] = json!({"observedGeneration": generation, "conditions": [
                        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no progress"}]});
                }
                "Deployment" => {
                    object["status"] = json!({"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
                }
                "Job" => {
                    let kind = if is_bad { "Failed" } else { "Complete" };
                    object["status"] = json!({"conditions": [{"type": kind, "status": "True", "message": "it ended"}]});
                }
                "CustomResourceDefinition" => {
                    object["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
                }
                _ => {}
            }
        }
        for key in gone {
            self.cluster.remove(&key);
        }
    }

    fn is_namespaced(&self, gvk: &GroupVersionKind) -> Option<bool> {
        match gvk.kind.as_str() {
            "ConfigMap" | "Secret" | "Deployment" | "Job" | "Service" | "ServiceAccount" | "Pod" => Some(true),
            "Namespace" | "ClusterRole" | "CustomResourceDefinition" => Some(false),
            _ => {
                let definition = self.cluster.values().find(|object| {
                    object::text(object, &["kind"]) == "CustomResourceDefinition"
                        && object::text(object, &["spec", "group"]) == gvk.group
                        && object::text(object, &["spec", "names", "kind"]) == gvk.kind
                })?;
                object::at(definition, &["status", "conditions"])?;
                Some(object::text(definition, &["spec", "scope"]) != "Cluster")
            }
        }
    }

    pub(crate) fn targets(&self, revision: &str) -> Targets {
        let forbidden = self.forbidden_kinds.clone();
        targets::prepare(TargetsRequest {
            application: &self.application,
            instance: "shop",
            installation: "",
            rendered: vec![self.commits[revision].clone()],
            is_namespaced: &|gvk| self.is_namespaced(gvk),
            permit: &|key| {
                if forbidden.contains(&key.kind) { Err(format!("{} is not permitted", key.kind)) } else { Ok(()) }
            },
            is_excluded: &|_| false,
        })
    }

    pub(crate) fn live(&self) -> LiveByKey {
        let rules = Rules::built_in();
        self.cluster.iter().map(|(key, object)| (key.clone(), Live::read(object, &rules))).collect()
    }

    pub(crate) fn compared(&self, targets: &Targets) -> Compared {
        let live = self.live();
        let modified = targets
            .objects
            .iter()
            .filter(|target| self.cluster.get(&target.key).is_some_and(|found| !holds(found, &target.object)))
            .map(|target| target.key.clone())
            .collect();
        let own_key = ObjectKey::of("argoproj.io", "Application", "landfall", "shop");
        compare::compare(&CompareRequest {
            targets,
            live: &live,
            modified: &modified,
            unreadable: &BTreeMap::new(),
            instance: "shop",
            own_key: &own_key,
            permit: &|_| Ok(()),
            options: &self.application.spec.sync_options(),
        })
    }

    fn effect(&mut self) -> Result<(), Crash> {
        match &mut self.effects_left {
            Some(0) => Err(Crash),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// One pass of the loop.
    pub(crate) fn pass(&mut self) -> Result<Verdict, Crash> {
        let application = self.application.clone();
        let newest = vec![self.head.clone()];
        let revision = decide::wanted(&application).revisions[0].clone().unwrap_or_else(|| self.head.clone());
        let targets = self.targets(&revision);
        let mut compared = targets.is_usable().then(|| self.compared(&targets));
        let errors: Vec<_> =
            targets.conditions.iter().filter(|condition| condition.condition_type.is_error()).cloned().collect();
        let windows = self.windows.clone();
        let decision = decide::decide(&Snapshot {
            application: &application,
            now: self.time(),
            revisions: &newest,
            compared: compared.as_ref(),
            errors: &errors,
            windows: &windows,
            inputs_unchanged: self.inputs_unchanged,
        });
        let before = application.status.operation_state.clone();
        let mut last = before.clone();
        let mut running = match &decision {
            Decision::Sync(begun) | Decision::Heal(begun) | Decision::RollBack(begun) => {
                Some(start::begin(begun, &application, std::slice::from_ref(&revision), self.time()))
            }
            Decision::Retry { .. } => {
                before.as_ref().map(|state| start::retry(state, &application, std::slice::from_ref(&revision)))
            }
            Decision::Continue => before.clone(),
            Decision::Finish { phase, message } => {
                last = Some(start::finish(&application, *phase, message, self.time()));
                None
            }
            _ => None,
        };
        let mut rounds = 0;
        while let Some(state) = running.take() {
            rounds += 1;
            assert!(rounds < 500, "the plan never ends: {state:?}");
            let compared = self.compared(&targets);
            let live = self.live();
            let namespace = match self.find("Namespace", "shop") {
                Some(found) => NamespaceState::Present {
                    labels: object::text_map(found, &["metadata", "labels"]),
                    annotations: object::text_map(found, &["metadata", "annotations"]),
                },
                None => NamespaceState::Missing,
            };
            let plan = plan::advance(&PlanRequest {
                application: &application,
                instance: "shop",
                targets: &targets,
                compared: &compared,
                live: &live,
                namespace: &namespace,
                is_served: &|gvk| self.is_namespaced(gvk).is_some(),
                state: &state,
                now: self.time(),
            });
            if plan.groups.is_empty() || plan.state.phase.is_completed() {
                last = Some(plan.state);
                break;
            }
            if plan.record_first {
                self.write(Some(plan.state.operation.clone()), |status| {
                    status.operation_state = Some(plan.state.clone())
                })?;
            }
            let mut outcomes = Vec::new();
            self.syncing = state.sync_result.as_ref().map(|result| result.revision.clone()).unwrap_or_default();
            for step in plan.groups.iter().flatten() {
                self.effect()?;
                outcomes.push(self.carry_out(step));
            }
            let recorded = plan::record(&plan, &outcomes, self.time());
            if recorded.phase.is_completed() {
                last = Some(recorded);
                break;
            }
            running = Some(recorded);
        }
        if compared.is_none() || rounds > 0 || revision != self.head {
            let newest = self.targets(&self.head);
            compared = newest.is_usable().then(|| self.compared(&newest));
        }
        let verdict = conclude::conclude(&ConcludeRequest {
            application: &application,
            now: self.time(),
            decision: &decision,
            compared: compared.as_ref(),
            revisions: &newest,
            source_types: &["Directory".to_owned()],
            errors: &errors,
            state: last.as_ref(),
            controller_namespace: "landfall",
            health_place: HealthPlace::Status,
        });
        if verdict.is_changed {
            let status = verdict.status.clone();
            self.write(verdict.operation.clone(), |place| *place = status)?;
        }
        self.events.extend(verdict.events.iter().cloned());
        Ok(verdict)
    }

    /// Passes and settles until nothing changes any more, without letting waiting times pass.
    pub(crate) fn run(&mut self) {
        for _ in 0..200 {
            let before = (self.application.clone(), self.cluster.clone());
            self.pass().expect("nothing crashes here");
            self.settle();
            if before == (self.application.clone(), self.cluster.clone()) {
                return;
            }
        }
        panic!("the world never comes to rest: {:?}", self.application.status.operation_state);
    }

    fn write(
        &mut self,
        operation: Option<landfall_model::status::Operation>,
        change: impl FnOnce(&mut landfall_model::status::ApplicationStatus),
    ) -> Result<(), Crash> {
        self.effect()?;
        self.status_writes += 1;
        let mut status = self.application.status.clone();
        change(&mut status);
        // What is written is what the API server gives back: nothing may live between the lines.
        let wire = serde_json::to_value(&status).expect("status is written");
        self.application.status = serde_json::from_value(wire).expect("status is read");
        assert_eq!(self.application.status, status, "a status survives the wire");
        self.application.operation = operation;
        Ok(())
    }

    pub(crate) fn carry_out(&mut self, step: &PlannedStep) -> Outcome {
        self.journal.push(step.describe());
        Outcome { key: step.key.clone(), gvk: step.gvk.clone(), result: self.result(step) }
    }

    fn result(&mut self, step: &PlannedStep) -> StepResult {
        match &step.action {
            Step::CreateNamespace { object, options }
            | Step::Apply { object, options }
            | Step::CreateHook { object, options } => self.apply(step, object, options.dry_run),
            Step::Replace { object, options } => {
                let had = self.cluster.contains_key(&step.key);
                let result = self.apply(step, object, options.dry_run);
                if had && result == StepResult::Unchanged { StepResult::Changed } else { result }
            }
            Step::DeleteAndRecreate { object, options, .. } => {
                self.cluster.remove(&step.key);
                self.apply(step, object, options.dry_run)
            }
            Step::Prune { uid, owner, dry_run, .. } => {
                assert!(!dry_run, "a dry run never prunes");
                if let Some(found) = self.cluster.get(&step.key) {
                    let tracked = landfall_model::tracking::owner(found);
                    assert_eq!(tracked.as_deref(), Some(owner.as_str()), "only what is ours is pruned: {}", step.key);
                }
                let wanted = self.targets(&self.syncing.clone());
                assert!(wanted.find(&step.key).is_none(), "what the source holds is never pruned: {}", step.key);
                self.delete(&step.key, uid)
            }
            Step::DeleteHook { uid, .. } => self.delete(&step.key, uid),
            Step::RemoveFinalizer { finalizer } => {
                let Some(found) = self.cluster.get_mut(&step.key) else { return StepResult::AlreadyGone };
                let rest: Vec<String> =
                    object::finalizers(found).into_iter().filter(|name| name != finalizer).map(str::to_owned).collect();
                let is_deleted = !object::text(found, &["metadata", "deletionTimestamp"]).is_empty();
                if rest.is_empty() && is_deleted {
                    self.cluster.remove(&step.key);
                } else {
                    found["metadata"]["finalizers"] = json!(rest);
                }
                StepResult::Changed
            }
        }
    }

    fn apply(&mut self, step: &PlannedStep, wanted: &Value, dry_run: bool) -> StepResult {
        let refusal = self.refused.get(&step.key.name).cloned();
        let is_served = self.is_namespaced(&step.gvk).is_some();
        if let Some(message) =
            refusal.or_else(|| (!is_served).then(|| format!("no matches for kind {}", step.gvk.kind)))
        {
            return StepResult::Failed { message, is_transient: false };
        }
        assert_eq!(object::key(wanted), step.key, "a step sends the object it names");
        let known = self.cluster.get(&step.key);
        let result = match known {
            None => StepResult::Created,
            Some(known) if holds(known, wanted) => StepResult::Unchanged,
            Some(_) => StepResult::Changed,
        };
        if dry_run || result == StepResult::Unchanged {
            return result;
        }
        self.uid += 1;
        let uid = format!("uid-{}", self.uid);
        let place =
            self.cluster.entry(step.key.clone()).or_insert_with(|| json!({"metadata": {"uid": uid, "generation": 0}}));
        merge(place, wanted);
        let generation = object::integer(place, &["metadata", "generation"]).unwrap_or(0) + 1;
        place["metadata"]["generation"] = json!(generation);
        result
    }

    fn delete(&mut self, key: &ObjectKey, uid: &str) -> StepResult {
        let now = self.time();
        let Some(found) = self.cluster.get_mut(key) else { return StepResult::AlreadyGone };
        if object::uid(found) != uid {
            return StepResult::LeftAlone("it was made anew in the meantime".into());
        }
        if object::finalizers(found).is_empty() && !key.name.contains("lingering") {
            self.cluster.remove(key);
        } else {
            found["metadata"]["deletionTimestamp"] = json!(now.to_string());
        }
        StepResult::Deleted
    }

    /// Carries out a deletion until it is finished or stuck; returns the last plan.
    pub(crate) fn delete_application(&mut self) -> deletion::DeletionPlan {
        self.application
            .metadata
            .deletion_timestamp
            .get_or_insert(Time::of(jiff::Timestamp::from_second(self.now).expect("in range")));
        let own_key = ObjectKey::of("argoproj.io", "Application", "landfall", "shop");
        for _ in 0..100 {
            let (live, targets) = (self.live(), self.targets(&self.head.clone()));
            let plan = deletion::plan(&deletion::DeletionRequest {
                application: &self.application,
                instance: "shop",
                own_key: &own_key,
                live: &live,
                targets: Some(&targets),
                permit: &|_| Ok(()),
                is_destination_gone: false,
            });
            let before = self.cluster.clone();
            self.commits.entry("nothing".into()).or_default();
            self.syncing = "nothing".to_owned();
            for step in plan.groups.iter().flatten() {
                self.carry_out(step);
            }
            self.application.metadata.finalizers.retain(|name| !plan.drop_finalizers.contains(name));
            self.settle();
            if plan.is_finished()
                || (before == self.cluster && plan.drop_finalizers.is_empty() && plan.groups.is_empty())
            {
                return plan;
            }
        }
        panic!("the deletion never ends");
    }
}

/// Says whether everything wanted is in what was found; lists have to be equal.
pub(crate) fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| found.get(name).is_some_and(|inner| holds(inner, value)))
        }
        _ => found == wanted,
    }
}

fn merge(place: &mut Value, wanted: &Value) {
    match (place, wanted) {
        (Value::Object(place), Value::Object(wanted)) => {
            for (name, value) in wanted {
                merge(place.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (place, wanted) => *place = wanted.clone(),
    }
}
