//! The simulated world: a control plane, Git, people, and a controller that may die and start again.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use landfall_flow::destinations::IN_CLUSTER_SERVER;
use landfall_kube::KubeCluster;
use landfall_model::annotations::{FINALIZER, REFRESH};
use landfall_model::key::ObjectKey;
use landfall_model::{crds, object, tracking};
use landfall_ports::cluster::{Cluster, ClusterError, Delete, Detail, ListRequest, Patch, Write};
use landfall_sandbox::{Clock as SandboxClock, Fault, Sandbox};
use serde_json::{Value, json};

use crate::cluster::served;
use crate::expectation::{self, Wanted};
use crate::gate::{Script, Undisturbed};
use crate::git::Server;
use crate::judge::{CONTROL_NAMESPACE, Judge};
use crate::process::{Process, Surroundings};
use crate::time::Timeline;

/// How finely the control plane's time moves.
const TICK: Duration = Duration::from_millis(200);
/// Images whose name has this in it cannot be pulled.
pub const BAD_IMAGE: &str = "broken";
/// The kinds that the applications of the world hold.
pub const KINDS: [(&str, &str); 6] = [
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Secret"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
];

/// The definitions that the controller needs, read once for all worlds.
static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |text: &&str| landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes);
    let all = crds::ALL.iter().flat_map(|text| read(text).expect("our own definitions are YAML"));
    all.filter(|definition| object::name(definition) != "applicationsets.argoproj.io").collect()
});

/// The world.
pub struct World {
    /// What a process finds in it.
    pub around: Surroundings,
    /// The controller, dead or alive.
    pub process: Process,
    sandbox: Sandbox,
    foreign: BTreeMap<ObjectKey, Value>,
    asked: Vec<String>,
}

impl World {
    /// Makes a world without applications, and starts a controller in it.
    pub async fn start(timeline: Arc<Timeline>, seed: u64) -> anyhow::Result<Self> {
        // Several worlds are made in one process: the first one sets the default.
        let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::builder()
            .clock(SandboxClock::driven(timeline.now()))
            .seed(seed)
            .nodes(1)
            .quick_probes()
            .start()
            .await?;
        sandbox.fault_images(&format!("*{BAD_IMAGE}*"), &[Fault::ImagePull]);
        let cluster: Arc<dyn Cluster> =
            Arc::new(KubeCluster::of(kube::Client::new(sandbox.client_service(), "default")));
        let git = Arc::new(Server::default());
        let judge = Judge::of(cluster.clone(), git.clone(), timeline.clone());
        let around = Surroundings { timeline, wrong_by: Arc::default(), cluster, git, judge };
        let process = Process::start(&around, Arc::new(Undisturbed));
        process.kill();
        let world = Self { around, process, sandbox, foreign: BTreeMap::new(), asked: Vec::new() };
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONTROL_NAMESPACE}})).await?;
        for definition in DEFINITIONS.iter() {
            world
                .around
                .cluster
                .create(&served("apiextensions.k8s.io/v1", "CustomResourceDefinition"), definition, &person())
                .await?;
        }
        world.sandbox.settle().await;
        Ok(world)
    }

    /// Starts a controller if there is none that lives.
    pub fn revive(&mut self, script: Arc<dyn Script>) {
        if !self.process.is_alive() {
            self.process.kill();
            self.process = Process::start(&self.around, script);
        }
    }

    /// Lets time pass, for the control plane and everybody else.
    pub async fn run_for(&self, duration: Duration) {
        let until = self.around.timeline.elapsed() + duration;
        loop {
            let left = until.saturating_sub(self.around.timeline.elapsed());
            if left.is_zero() {
                return;
            }
            self.around.timeline.sleep(left.min(TICK)).await;
            self.sandbox.advance_to(self.around.timeline.now()).await;
        }
    }

    /// Moves the controller's clock, which then is wrong by so much.
    pub fn set_clock_wrong_by(&self, seconds: i64) {
        *self.around.wrong_by.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::from_secs(seconds);
    }

    /// Makes the control plane forget its history, so that watches have to list again.
    pub fn compact(&self) {
        self.sandbox.compact();
    }

    /// Writes an object as a person would.
    pub async fn apply(&self, value: &Value) -> Result<Value, ClusterError> {
        self.around.judge.touched(object::key(value));
        let gvk = object::gvk(value);
        self.around.cluster.apply(&served(&gvk.api_version(), &gvk.kind), value, &person()).await
    }

    /// Writes an object that no application knows, and that has to stay as it is.
    pub async fn apply_foreign(&mut self, value: &Value) -> Result<(), ClusterError> {
        let answer = self.apply(value).await?;
        self.foreign.insert(object::key(value), answer);
        Ok(())
    }

    /// Changes an object as a person would; nothing happens if it is not there.
    pub async fn edit(&self, api_version: &str, key: &ObjectKey, patch: Value) -> Result<(), ClusterError> {
        self.around.judge.touched(key.clone());
        let kind = served(api_version, &key.kind);
        let patch = Patch::Merge(patch);
        match self.around.cluster.patch(&kind, &key.namespace, &key.name, "", &patch, &person()).await {
            Err(error) if error.cause != landfall_ports::cluster::Cause::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes an object as a person would.
    pub async fn delete(&self, api_version: &str, key: &ObjectKey) -> Result<(), ClusterError> {
        self.around.judge.touched(key.clone());
        let kind = served(api_version, &key.kind);
        self.around.cluster.delete(&kind, &key.namespace, &key.name, &Delete::default()).await.map(|_| ())
    }

    /// Reads an object; `None` if it is not there.
    pub async fn get(&self, api_version: &str, key: &ObjectKey) -> Result<Option<Value>, ClusterError> {
        self.around.cluster.get(&served(api_version, &key.kind), &key.namespace, &key.name).await
    }

    /// Reads an Application; null if it is not there.
    pub async fn application(&self, name: &str) -> Value {
        self.get("argoproj.io/v1alpha1", &application_key(name)).await.ok().flatten().unwrap_or_default()
    }

    /// Asks for a comparison, as `kubectl annotate` does.
    pub async fn refresh(&self, name: &str, how: &str) -> Result<(), ClusterError> {
        let patch = json!({"metadata": {"annotations": {REFRESH: how}}});
        self.edit("argoproj.io/v1alpha1", &application_key(name), patch).await
    }

    /// Asks for a sync of everything, and remembers that it was asked for. Returns whether that was possible: an
    /// operation that somebody asked for already is not overwritten.
    pub async fn sync_by_hand(&mut self, name: &str) -> Result<bool, ClusterError> {
        let application = self.application(name).await;
        if application.is_null() || application.get("operation").is_some() {
            return Ok(false);
        }
        let asked = format!("{name}-{}", self.asked.len());
        let operation = json!({
            "initiatedBy": {"username": "somebody"},
            "info": [{"name": "asked", "value": asked}],
            "sync": {"prune": true},
            "retry": {"limit": 2},
        });
        let version = object::resource_version(&application);
        let patch = json!({"operation": operation, "metadata": {"resourceVersion": version}});
        self.edit("argoproj.io/v1alpha1", &application_key(name), patch).await?;
        self.asked.push(asked);
        Ok(true)
    }

    /// Asks for the end of the operation that runs.
    pub async fn terminate(&self, name: &str) -> Result<(), ClusterError> {
        let application = self.application(name).await;
        if application.pointer("/status/operationState/phase") != Some(&json!("Running")) {
            return Ok(());
        }
        let patch = json!({
            "metadata": {"resourceVersion": object::resource_version(&application)},
            "status": {"operationState": {"phase": "Terminating"}},
        });
        self.edit("argoproj.io/v1alpha1", &application_key(name), patch).await
    }

    /// Operations that were asked for and never seen running or ended.
    pub fn forgotten_operations(&self) -> Vec<String> {
        let seen = self.around.judge.operations_seen();
        self.asked.iter().filter(|asked| !seen.contains(*asked)).cloned().collect()
    }

    /// Lists the objects that say they are an application's, by key.
    pub async fn objects_of(&self, name: &str) -> anyhow::Result<Wanted> {
        let mut found = Wanted::new();
        for (api_version, kind) in KINDS {
            let page = self
                .around
                .cluster
                .list(&served(api_version, kind), Detail::Full, &ListRequest::default())
                .await
                .with_context(|| format!("cannot list {kind}"))?;
            let own = page.objects.into_iter().filter(|value| tracking::owner(value).as_deref() == Some(name));
            found.extend(own.map(|value| (object::key(&value), value)));
        }
        Ok(found)
    }

    /// Says why an application is not as Git has it and at rest; `None` if it is.
    pub async fn unsettled(&self, name: &str) -> anyhow::Result<Option<String>> {
        let application = self.application(name).await;
        if application.is_null() {
            return Ok(Some(format!("{name} is not there")));
        }
        let status = &application["status"];
        let url = object::text(&application, &["spec", "source", "repoURL"]);
        let Some(head) = self.around.git.head(url) else { return Ok(Some(format!("{url} is empty"))) };
        let Some(wanted) = self.around.judge.wanted(&application, head.as_str()) else {
            return Ok(Some(format!("{name}: Git cannot be read at {head}")));
        };
        let told = object::text(status, &["sync", "revision"]);
        let is_told = self.around.judge.wanted(&application, told).is_some_and(|told| told == wanted);
        let say = |what: String| Ok(Some(format!("{name}: {what}; its status is {status}")));
        if !is_told {
            return say(format!("status names {told:?}, Git is at {head}"));
        }
        if status.pointer("/sync/status") != Some(&json!("Synced")) {
            return say("it is not Synced".to_owned());
        }
        if status.pointer("/operationState/phase") == Some(&json!("Running")) || application.get("operation").is_some()
        {
            return say("an operation runs".to_owned());
        }
        let has_bad_image = wanted.values().any(|value| value.to_string().contains(BAD_IMAGE));
        if !has_bad_image && status.pointer("/health/status") != Some(&json!("Healthy")) {
            return say("it is not Healthy".to_owned());
        }
        let errors = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        if let Some(error) = errors.into_iter().find(|condition| object::text(condition, &["type"]).ends_with("Error"))
        {
            return say(format!("it has the condition {error}"));
        }
        let live = self.objects_of(name).await?;
        for (key, wanted) in wanted.iter().filter(|(_, wanted)| !expectation::is_hook(wanted)) {
            match live.get(key) {
                None => return say(format!("{key} is not there, or not marked as its own")),
                Some(live) => {
                    if let Some(where_) = expectation::difference(wanted, live) {
                        return say(format!("{key} differs from Git: {where_}"));
                    }
                }
            }
        }
        let extra = live.iter().find(|(key, value)| !wanted.contains_key(*key) && !expectation::is_hook(value));
        match extra {
            Some((key, _)) => say(format!("{key} is there, and Git does not hold it")),
            None => Ok(None),
        }
    }

    /// Lets time pass until all these applications are settled. Errors: what is not, after so long.
    pub async fn settle(&self, names: &[String], longest: Duration) -> anyhow::Result<()> {
        let until = self.around.timeline.elapsed() + longest;
        loop {
            let mut why = None;
            for name in names {
                why = self.unsettled(name).await?;
                if why.is_some() {
                    break;
                }
            }
            let Some(why) = why else { return Ok(()) };
            if !self.around.judge.violations().is_empty() {
                return Ok(());
            }
            anyhow::ensure!(self.around.timeline.elapsed() < until, "after {} quiet s: {why}", longest.as_secs());
            self.run_for(Duration::from_secs(2)).await;
        }
    }

    /// Objects that no application knows and that are not as they were made.
    pub async fn disturbed_foreign_objects(&self) -> anyhow::Result<Vec<String>> {
        let mut disturbed = Vec::new();
        for (key, made) in &self.foreign {
            let found = self.get(object::text(made, &["apiVersion"]), key).await?;
            let content = |value: &Value| {
                let fields = ["data", "spec"].map(|name| value.get(name).cloned());
                (object::uid(value).to_owned(), fields, value.pointer("/metadata/annotations").cloned())
            };
            if found.as_ref().map(content) != Some(content(made)) {
                disturbed.push(format!("{key} was not the controller's, and is now {found:?}"));
            }
        }
        Ok(disturbed)
    }

    /// Checks that another look, and a new start, write nothing. Errors: what was written.
    pub async fn check_that_nothing_is_left_to_do(&mut self, names: &[String]) -> anyhow::Result<()> {
        self.revive(Arc::new(Undisturbed));
        self.run_for(Duration::from_secs(30)).await;
        let before = self.around.judge.writes();
        for name in names {
            self.refresh(name, "normal").await?;
        }
        self.run_for(Duration::from_secs(30)).await;
        let clears = |line: &String| line.contains("Application") && line.contains(REFRESH);
        let written: Vec<String> = self.around.judge.told(before).into_iter().filter(|line| !clears(line)).collect();
        anyhow::ensure!(written.is_empty(), "a second pass wrote {}", written.join("\n"));
        let before = self.around.judge.writes();
        self.process.kill();
        self.revive(Arc::new(Undisturbed));
        self.run_for(Duration::from_secs(90)).await;
        let written = self.around.judge.told(before);
        anyhow::ensure!(written.is_empty(), "a new start wrote {}", written.join("\n"));
        Ok(())
    }
}

/// The key of an Application.
pub fn application_key(name: &str) -> ObjectKey {
    ObjectKey::of("argoproj.io", "Application", CONTROL_NAMESPACE, name)
}

/// An Application that synchronises by itself, tries again without end, and goes with what it has.
pub fn application(name: &str, url: &str, path: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": CONTROL_NAMESPACE, "finalizers": [FINALIZER]},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": path, "targetRevision": "HEAD"},
            "destination": {"server": IN_CLUSTER_SERVER, "namespace": name},
            "syncPolicy": {
                "automated": {"prune": true, "selfHeal": true},
                "syncOptions": ["CreateNamespace=true", "PruneLast=true"],
                "retry": {"limit": -1, "backoff": {"duration": "2s", "factor": 2, "maxDuration": "30s"}},
            },
        },
    })
}

fn person() -> Write {
    Write { manager: "kubectl-edit".to_owned(), force: true, dry_run: false, strict: false }
}

/// Runs a simulation to its end on a runtime of its own.
pub fn simulate<T>(make: impl AsyncFnOnce(Arc<Timeline>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let timeline = Timeline::start();
    let runtime = timeline.runtime()?;
    let result = runtime.block_on(make(timeline.clone()));
    runtime.shutdown_background();
    result
}

/// What several parts of a simulation share.
pub type Shared<T> = Arc<Mutex<T>>;
