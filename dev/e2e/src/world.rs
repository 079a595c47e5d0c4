//! A control plane, a controller on it, and ways to look at what they do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use landfall_flow::destinations::{IN_CLUSTER_SERVER, KnownCluster};
use landfall_flow::live::LiveCluster;
use landfall_flow::reconcile::{Controller, Parts};
use landfall_flow::render::Renderer;
use landfall_flow::settings::Settings;
use landfall_host::clock::SystemClock;
use landfall_kube::KubeCluster;
use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::key::GroupVersionKind;
use landfall_model::status::{ConditionType, OperationState, SyncStatusCode};
use landfall_model::{crds, object};
use landfall_ports::cluster::{Cluster, Delete, Detail, ListRequest, Patch, Selection, ServedKind, Write};
use serde_json::{Value, json};

use crate::plane::{Kind, Plane};
use crate::repository::Repository;

/// How long anything may take before a scenario fails.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a scenario looks.
const LOOK: Duration = Duration::from_millis(20);

/// Everything a scenario uses.
pub struct World {
    /// The API.
    pub cluster: Arc<dyn Cluster>,
    /// The folder for repositories and caches.
    pub directory: tempfile::TempDir,
    /// How often the next controller looks at repositories.
    pub poll_interval: Duration,
    /// How long anything may take before the scenario fails.
    pub wait_max: Duration,
    /// The controller that runs.
    pub controller: Option<Arc<Controller>>,
    running: Option<tokio::task::JoinHandle<()>>,
    /// The control plane.
    pub plane: Plane,
}

impl World {
    /// Starts a control plane with the definitions and the namespace, and a controller.
    pub async fn start(kind: Kind) -> anyhow::Result<Self> {
        // Several scenarios run in one process: the first one sets the default.
        let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir()?;
        let plane = Plane::start(kind, &directory.path().join("plane")).await?;
        let cluster: Arc<dyn Cluster> = Arc::new(KubeCluster::of(plane.client().await?));
        let mut world = Self {
            cluster,
            directory,
            poll_interval: Duration::from_secs(1),
            wait_max: WAIT_MAX,
            controller: None,
            running: None,
            plane,
        };
        world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})).await?;
        for text in crds::ALL {
            for object in landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes)? {
                world.apply(object).await?;
            }
        }
        world.start_controller().await?;
        Ok(world)
    }

    /// Starts a controller as a new process would: it remembers nothing.
    pub async fn start_controller(&mut self) -> anyhow::Result<()> {
        let clock = Arc::new(SystemClock);
        let cache = self.directory.path().join("cache");
        let cluster: Arc<dyn Cluster> = Arc::new(KubeCluster::of(self.plane.client().await?));
        let watch = Arc::new(|| {
            let start = Instant::now();
            Box::new(move || start.elapsed()) as Box<dyn Fn() -> Duration + Send>
        });
        let controller = Controller::of(Parts {
            home_cluster: cluster.clone(),
            connector: Arc::new(landfall_kube::connect::Connector),
            git: Arc::new(landfall_git::client::GitClient::with_settings(
                landfall_git::settings::Settings::in_directory(cache.join("git")),
            )),
            chart_repositories: Arc::new(landfall_charts::client::ChartClient::with_settings(
                landfall_charts::settings::Settings::in_directory(cache.join("charts")),
            )),
            registry: Arc::new(landfall_registry::client::RegistryClient::with_settings(
                landfall_registry::client::Settings::default(),
            )),
            renderer: Renderer::of([7; 32], watch),
            clock: clock.clone(),
            settings: Settings { poll_interval: self.poll_interval, ..Settings::default() },
        });
        let live = LiveCluster::of(cluster, clock, landfall_health::Rules::built_in(), controller.concern());
        controller.destinations.add(KnownCluster::home(live));
        self.controller = Some(controller.clone());
        self.running = Some(tokio::spawn(controller.run()));
        Ok(())
    }

    /// Ends the controller as a kill would.
    pub async fn stop_controller(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _aborted = running.await;
        }
    }

    /// Ends the controller, and forgets what it kept on disk to save time.
    pub async fn lose_controller(&mut self) -> anyhow::Result<()> {
        self.stop_controller().await;
        let cache = self.directory.path().join("cache");
        if cache.exists() {
            std::fs::remove_dir_all(cache)?;
        }
        Ok(())
    }

    /// Waits until a condition of a type says some words. Then an Event of the Application has to say them too.
    pub async fn until_told(&self, name: &str, of: ConditionType, words: &str) -> anyhow::Result<Application> {
        let application = self
            .until(name, words, |application| {
                let mut conditions = application.status.conditions.iter();
                conditions.any(|condition| condition.condition_type == of && condition.message.contains(words))
            })
            .await?;
        self.until_event(name, words).await?;
        Ok(application)
    }

    /// Waits until an Event of an Application says some words.
    pub async fn until_event(&self, name: &str, words: &str) -> anyhow::Result<Value> {
        let kind = self.kind("v1", "Event").await?;
        let selection = Selection { namespace: "argocd".to_owned(), ..Selection::default() };
        let request = ListRequest { selection, ..ListRequest::default() };
        let started = Instant::now();
        loop {
            let events = self.cluster.list(&kind, Detail::Full, &request).await?.objects;
            let told = |event: &&Value| {
                event["involvedObject"]["name"] == name
                    && event["message"].as_str().is_some_and(|message| message.contains(words))
            };
            if let Some(event) = events.iter().find(told) {
                return Ok(event.clone());
            }
            if started.elapsed() > WAIT_MAX {
                let messages: Vec<_> = events.iter().map(|event| event["message"].clone()).collect();
                bail!("no Event of {name} says {words:?}: {messages:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the operation of an Application, finished or not, says some words in its message or of an object.
    pub async fn until_operation_says(&self, name: &str, words: &str) -> anyhow::Result<Application> {
        self.until(name, words, |application| operation_text(application).contains(words)).await
    }

    /// Sets `operation`, as a person or a program does to start a sync.
    pub async fn operate(&self, name: &str, sync: Value) -> anyhow::Result<()> {
        let operation = json!({"operation": {"initiatedBy": {"username": "somebody"}, "sync": sync}});
        self.patch("argoproj.io/v1alpha1", "Application", "argocd", name, operation).await
    }

    /// Approves the deletions that wait for a word. Returns when.
    pub async fn approve(&self, name: &str) -> anyhow::Result<String> {
        use landfall_ports::clock::Clock as _;
        // Times in Kubernetes have whole seconds: the next one is surely later than what is waited for.
        let now = landfall_model::time::Time::of(SystemClock.now() + jiff::SignedDuration::from_secs(1)).to_string();
        let annotations = json!({"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": now}}});
        self.patch("argoproj.io/v1alpha1", "Application", "argocd", name, annotations).await?;
        Ok(now)
    }

    /// Waits until the operation that somebody asked for has ended.
    pub async fn operated(&self, name: &str) -> anyhow::Result<Application> {
        self.until(name, "through with its operation", |application| {
            let state = application.status.operation_state.as_ref();
            let is_theirs = |state: &OperationState| state.operation.initiated_by.username == "somebody";
            application.operation.is_none() && state.is_some_and(|state| is_theirs(state) && state.phase.is_completed())
        })
        .await
    }

    /// Makes a repository.
    pub fn repository(&self, name: &str) -> anyhow::Result<Repository> {
        Repository::make(self.directory.path().join(name))
    }

    /// Finds how a kind is served, waiting for one that was defined just now.
    pub async fn kind(&self, api_version: &str, kind: &str) -> anyhow::Result<ServedKind> {
        let gvk = GroupVersionKind::of(api_version, kind);
        let started = Instant::now();
        loop {
            if let Some(found) = self.cluster.discovery().await?.find(&gvk) {
                return Ok(found.clone());
            }
            if started.elapsed() > WAIT_MAX {
                bail!("{gvk} is not served");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Applies an object as a person would.
    pub async fn apply(&self, object: Value) -> anyhow::Result<Value> {
        let gvk = object::gvk(&object);
        let kind = self.kind(&gvk.api_version(), &gvk.kind).await?;
        Ok(self.cluster.apply(&kind, &object, &person()).await?)
    }

    /// Patches an object as a person would.
    pub async fn patch(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> anyhow::Result<()> {
        let kind = self.kind(api_version, kind).await?;
        self.cluster.patch(&kind, namespace, name, "", &Patch::Merge(patch), &person()).await?;
        Ok(())
    }

    /// Deletes an object as a person would.
    pub async fn delete(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> anyhow::Result<()> {
        let kind = self.kind(api_version, kind).await?;
        self.cluster.delete(&kind, namespace, name, &Delete::default()).await?;
        Ok(())
    }

    /// Reads an object.
    pub async fn get(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<Option<Value>> {
        let kind = self.kind(api_version, kind).await?;
        Ok(self.cluster.get(&kind, namespace, name).await?)
    }

    /// Reads an Application.
    pub async fn application(&self, name: &str) -> anyhow::Result<Application> {
        let value = self.get("argoproj.io/v1alpha1", "Application", "argocd", name).await?;
        Ok(Application::read(&value.with_context(|| format!("there is no Application {name}"))?)?)
    }

    /// Waits until something holds of an Application.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Application) -> bool,
    ) -> anyhow::Result<Application> {
        let started = Instant::now();
        loop {
            let application = self.application(name).await?;
            if holds(&application) {
                return Ok(application);
            }
            if started.elapsed() > self.wait_max {
                bail!(
                    "{name} did not become {what}; its status is {}, its operation {}",
                    serde_json::to_string_pretty(&application.status)?,
                    serde_json::to_string_pretty(&application.operation)?
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until an Application is Synced at a revision, and Healthy.
    pub async fn settled(&self, name: &str, revision: &str) -> anyhow::Result<Application> {
        self.until(name, &format!("Synced and Healthy at {revision}"), |application| {
            application.status.sync.status == SyncStatusCode::Synced
                && application.status.health.status == HealthStatus::Healthy
                && application.status.sync.revision == revision
                && application.operation.is_none()
        })
        .await
    }

    /// Waits until an object is as it should be (`None`: gone).
    pub async fn until_object(
        &self,
        (api_version, kind, namespace, name): (&str, &str, &str, &str),
        what: &str,
        holds: impl Fn(Option<&Value>) -> bool,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let found = self.get(api_version, kind, namespace, name).await?;
            if holds(found.as_ref()) {
                return Ok(());
            }
            if started.elapsed() > self.wait_max {
                bail!("{kind} {namespace}/{name} did not become {what}: {found:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

/// Encodes a Secret's value.
pub fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The message of an operation and those of its objects.
pub fn operation_text(application: &Application) -> String {
    let Some(state) = &application.status.operation_state else { return String::new() };
    let results = state.sync_result.iter().flat_map(|result| &result.resources);
    let messages = results.map(|result| format!("{} {}: {}", result.kind, result.name, result.message));
    std::iter::once(state.message.clone()).chain(messages).collect::<Vec<_>>().join("\n")
}

fn person() -> Write {
    Write { manager: "kubectl-edit".to_owned(), force: true, dry_run: false, strict: false }
}

/// An Application with automatic sync, prune and self-heal.
pub fn automated(name: &str, repository: &Repository, path: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository.url(), "path": path, "targetRevision": "HEAD"},
            "destination": {"server": IN_CLUSTER_SERVER, "namespace": name},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"]},
        },
    })
}
