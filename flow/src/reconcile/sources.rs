//! Observing the sources of an application: revisions resolved, files opened, objects rendered.

use std::sync::Arc;
use std::time::Duration;

use landfall_access::project::Permissions;
use landfall_helm::Profile;
use landfall_kustomize::{AllowList, BuildFlags, ROUNDS_MAX};
use landfall_model::annotations::HELM_PROFILE;
use landfall_model::application::{Application, Source};
use landfall_model::project::Project;
use landfall_model::status::{Condition, ConditionType, SyncStatus};
use landfall_ports::cluster::Discovery;
use landfall_repository::problem::{Fault, SourceError};
use landfall_repository::refs::CommitId;
use landfall_source::detect::SourceType;
use landfall_tree::Supplied;

use super::Controller;
use crate::remotes::{Asker, Policy};
use crate::render::{Attempt, Checkout, Input, KustomizeFlags, RenderError, Rendered};
use crate::repositories::Freshness;
use crate::settings::Rendering;

/// What the sources of an application rendered to, in their order.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    /// One per source; sources that are only referred to (`ref` without `path`) have no objects.
    pub(super) rendered: Vec<Arc<Rendered>>,
    /// The revision of each source, as the status reports it.
    pub(super) revisions: Vec<String>,
}

/// Why the sources cannot be had.
#[derive(Debug, Clone)]
pub(super) struct Unavailable {
    /// The condition to show.
    pub(super) condition: Condition,
    /// Whether it may pass by itself: then the last good state stays for a while.
    pub(super) is_transient: bool,
}

impl Unavailable {
    fn of(message: String, is_transient: bool) -> Self {
        let condition_type = ConditionType::ComparisonError;
        Self { condition: Condition { condition_type, message, last_transition_time: None }, is_transient }
    }
}

impl Observed {
    /// What somebody handed in in place of the sources (`operation.sync.manifests`), reported under the revisions that were
    /// named, or else those that are known.
    pub(super) fn of_manifests(
        manifests: &[String],
        revisions: &[Option<String>],
        known: &SyncStatus,
    ) -> Result<Self, Unavailable> {
        let mut objects = Vec::new();
        for (index, text) in manifests.iter().enumerate() {
            let read = landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes);
            objects.extend(read.map_err(|error| {
                Unavailable::of(
                    format!("Failed to load target state: operation.sync.manifests[{index}]: {error}"),
                    false,
                )
            })?);
        }
        let known = if known.revisions.is_empty() { std::slice::from_ref(&known.revision) } else { &known.revisions };
        let revision = |(index, named): (usize, &Option<String>)| {
            named.clone().or_else(|| known.get(index).cloned()).unwrap_or_default()
        };
        let revisions: Vec<String> = revisions.iter().enumerate().map(revision).collect();
        let rendered = Rendered {
            objects,
            source_type: SourceType::Directory,
            warnings: Vec::new(),
            is_deterministic: true,
            pins: Default::default(),
            revision: revisions.first().cloned().unwrap_or_default(),
        };
        Ok(Self { rendered: vec![Arc::new(rendered)], revisions })
    }
}

/// What is known of a destination, as far as rendering depends on it.
#[derive(Debug, Clone)]
pub(super) struct Capabilities {
    pub(super) kube_version: String,
    pub(super) api_versions: Arc<Vec<String>>,
}

/// How fresh sources have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    /// As polled.
    Polled,
    /// Asked for at this moment of elapsed time.
    Normal(Duration),
    /// Asked for at this moment of elapsed time, and rendered anew.
    Hard(Duration),
}

impl Refresh {
    fn freshness(self) -> Freshness {
        match self {
            Self::Polled => Freshness::Polled,
            Self::Normal(at) | Self::Hard(at) => Freshness::Since(at),
        }
    }
}

impl Controller {
    /// Renders `sources` at `revisions` (`None`: what the target revision resolves to).
    pub(super) async fn observe_sources(
        &self,
        application: &Application,
        sources: &[Source],
        revisions: &[Option<String>],
        capabilities: &Capabilities,
        refresh: Refresh,
    ) -> Result<Observed, Unavailable> {
        let mut checkouts = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let wanted = revisions.get(index).and_then(Option::as_deref);
            let checkout = self.checkout(application, source, wanted, refresh).await;
            checkouts.push(checkout.map_err(|error| self.unavailable(source, index, sources.len(), &error))?);
        }
        let references: Vec<(String, Checkout)> = sources
            .iter()
            .zip(&checkouts)
            .filter(|(source, _)| !source.reference.is_empty())
            .map(|(source, checkout)| (source.reference.clone(), checkout.clone()))
            .collect();
        let mut observed = Observed { rendered: Vec::new(), revisions: Vec::new() };
        for (index, (source, checkout)) in sources.iter().zip(checkouts).enumerate() {
            let input = Input {
                application: application.metadata.name.clone(),
                namespace: application.spec.destination.namespace.clone(),
                project: application.spec.project().to_owned(),
                source: if source.chart.is_empty() {
                    source.clone()
                } else {
                    Source { path: source.chart.clone(), ..source.clone() }
                },
                checkout,
                is_chart: !source.chart.is_empty() || source.repo_url.starts_with("oci://"),
                now: self.clock.now(),
                references: references.clone(),
                kube_version: capabilities.kube_version.clone(),
                api_versions: capabilities.api_versions.clone(),
                profile: self.profile(application)?,
                disabled: self.disabled_tools(),
                kustomize: self.kustomize_flags(source),
                fetched: Vec::new(),
                pins: Vec::new(),
            };
            let rendered = self.render(input, refresh).await.map_err(|error| {
                let place = if sources.len() > 1 {
                    format!(" (source {} of {})", index + 1, sources.len())
                } else {
                    String::new()
                };
                Unavailable::of(format!("Failed to load target state{place}: {error}"), false)
            })?;
            for (address, pin) in &rendered.pins {
                tracing::debug!(application = %application.metadata.name, %address, %pin, "fetched for a kustomization");
            }
            observed.revisions.push(rendered.revision.clone());
            observed.rendered.push(rendered);
        }
        Ok(observed)
    }

    /// Renders one source from files that are there already.
    pub(super) async fn render_checkout(
        &self,
        application: &Application,
        source: &Source,
        checkout: Checkout,
        discovery: &Discovery,
    ) -> Result<Arc<Rendered>, Vec<Condition>> {
        let capabilities = super::pass::capabilities(discovery);
        let input = Input {
            application: application.metadata.name.clone(),
            namespace: application.spec.destination.namespace.clone(),
            project: application.spec.project().to_owned(),
            source: source.clone(),
            checkout,
            is_chart: false,
            now: self.clock.now(),
            references: Vec::new(),
            kube_version: capabilities.kube_version,
            api_versions: capabilities.api_versions,
            profile: self.profile(application).map_err(|unavailable| vec![unavailable.condition])?,
            disabled: self.disabled_tools(),
            kustomize: self.kustomize_flags(source),
            fetched: Vec::new(),
            pins: Vec::new(),
        };
        // What somebody sends is rendered once: nothing of it is looked for in the cache.
        let rendered = self.render(input, Refresh::Hard(self.clock.elapsed())).await;
        rendered.map_err(|error| {
            vec![Unavailable::of(format!("Failed to load target state from the files sent: {error}"), false).condition]
        })
    }

    async fn checkout(
        &self,
        application: &Application,
        source: &Source,
        revision: Option<&str>,
        refresh: Refresh,
    ) -> Result<Checkout, SourceError> {
        let project = application.spec.project();
        if !source.chart.is_empty() || source.repo_url.starts_with("oci://") {
            return self.charts.checkout(&self.repositories, source, project, revision).await;
        }
        let freshness = refresh.freshness();
        let wanted = revision.unwrap_or(&source.target_revision);
        let commit: CommitId =
            self.repositories.resolve(&source.repo_url, project, wanted, &source.tag_prefix, freshness).await?;
        let tree = self.repositories.tree(&source.repo_url, project, &commit).await?;
        Ok(Checkout { repo_url: source.repo_url.clone(), revision: commit.as_str().to_owned(), tree, digest: None })
    }

    /// Renders where blocking is allowed, no more at a time than there are cores.
    async fn render(&self, mut input: Input, refresh: Refresh) -> Result<Arc<Rendered>, RenderError> {
        if !input.source.reference.is_empty() && input.source.path.is_empty() && input.source.chart.is_empty() {
            return Ok(Arc::new(Rendered {
                objects: Vec::new(),
                source_type: SourceType::Directory,
                warnings: Vec::new(),
                is_deterministic: true,
                revision: input.checkout.revision,
                pins: Vec::new(),
            }));
        }
        if matches!(refresh, Refresh::Hard(_)) {
            self.renderer.forget(&input);
        } else if let Some(found) = self.renderer.at_hand(&input) {
            return found;
        }
        let mut questions = self.renderer.questions(&input);
        let policy = self.policy_of_remotes(&input.project);
        let asker = Asker { project: &input.project.clone(), policy: &policy, freshness: refresh.freshness() };
        for _ in 0..ROUNDS_MAX {
            for question in std::mem::take(&mut questions) {
                let fetched = self.remotes.answer(&self.charts, &asker, question, self.clock.elapsed()).await;
                input.fetched.push(fetched);
            }
            let renderer = self.renderer.clone();
            let one_of_few = self.rendering.acquire().await.expect("the semaphore is never closed");
            let render = move || (renderer.attempt(&input), input);
            let attempt = match self.settings.rendering {
                Rendering::OnThreads => tokio::task::spawn_blocking(render).await,
                Rendering::OnTheSpot => Ok(render()),
            };
            let attempted = attempt.map_err(|panic| {
                RenderError(format!(
                    "rendering failed with a fault of ours ({panic}); please report it with the source"
                ))
            })?;
            drop(one_of_few);
            input = attempted.1;
            match attempted.0 {
                Attempt::Done(result) => return result,
                Attempt::Open(open) => questions = open,
                Attempt::Missing(missing) => {
                    let schemes = self.values_file_schemes();
                    let supplied = self.charts.supply(&self.repositories, &missing, &input.project, &schemes).await;
                    let supply = supplied.map_err(|error| RenderError(error.to_string()))?;
                    input.pins.extend(supply.pins);
                    input.checkout.tree = Arc::new(Supplied::of(input.checkout.tree.clone(), supply.files));
                }
            }
        }
        Err(RenderError(format!("the kustomization names remote resources that name others, {ROUNDS_MAX} deep")))
    }

    /// Which Helm renders an application's charts: its annotation, or the controller's setting.
    fn profile(&self, application: &Application) -> Result<Profile, Unavailable> {
        let Some(name) = application.annotation(HELM_PROFILE) else { return Ok(self.settings.helm_profile) };
        Profile::parse(name).ok_or_else(|| {
            let message = format!("the annotation {HELM_PROFILE} is {name:?}; write helm3 or helm4");
            Unavailable::of(message, false)
        })
    }

    /// Over which schemes values files may be fetched. Source: Argo CD `util/settings`, `helm.valuesFileSchemes`.
    fn values_file_schemes(&self) -> Vec<String> {
        let settings = self.home.config_map("argocd-cm").unwrap_or_default();
        let written = settings.get("helm.valuesFileSchemes").map_or("https,http", String::as_str);
        written.split(',').map(|scheme| scheme.trim().to_owned()).filter(|scheme| !scheme.is_empty()).collect()
    }

    /// What kustomizations of a project may name outside of their repository: what `kustomize.remotes` in `argocd-cm`
    /// lists, else what the project permits as sources.
    fn policy_of_remotes(&self, project: &str) -> Policy {
        let settings = self.home.config_map("argocd-cm").unwrap_or_default();
        match settings.get("kustomize.remotes") {
            Some(list) => Policy::List(AllowList::of([list])),
            None => {
                let permissive = || Arc::new(Project::permissive_default(&self.settings.namespace));
                Policy::Project(Permissions::of(&self.home.project(project).unwrap_or_else(permissive)))
            }
        }
    }

    /// The tools that `kustomize.enable` and `helm.enable` in `argocd-cm` switch off.
    fn disabled_tools(&self) -> Vec<SourceType> {
        let settings = self.home.config_map("argocd-cm").unwrap_or_default();
        let is_off = |key: &str| settings.get(key).is_some_and(|value| value.trim() == "false");
        let tools = [("kustomize.enable", SourceType::Kustomize), ("helm.enable", SourceType::Helm)];
        tools.into_iter().filter(|(key, _)| is_off(key)).map(|(_, tool)| tool).collect()
    }

    /// The flags that `kustomize.buildOptions` in `argocd-cm` gives; those of a version, if the source names one.
    fn kustomize_flags(&self, source: &Source) -> KustomizeFlags {
        let settings = self.home.config_map("argocd-cm").unwrap_or_default();
        let of = |key: &str| settings.get(key).map(String::as_str);
        let version = source.kustomize.as_ref().and_then(|block| block["version"].as_str()).unwrap_or_default();
        let own = (!version.is_empty()).then(|| format!("kustomize.buildOptions.{version}"));
        let (key, text) = match own.as_deref().and_then(|key| Some((key, of(key)?))) {
            Some((key, text)) => (key, text),
            None => ("kustomize.buildOptions", of("kustomize.buildOptions").unwrap_or_default()),
        };
        BuildFlags::parse(text.split_whitespace()).map_err(|reason| format!("argocd-cm: {key}: {reason}"))
    }

    fn unavailable(&self, source: &Source, index: usize, count: usize, error: &SourceError) -> Unavailable {
        let place = if count > 1 { format!("source {} of {count}: ", index + 1) } else { String::new() };
        let revision = if source.target_revision.is_empty() { "HEAD" } else { &source.target_revision };
        let message = format!("Failed to load target state: {place}{error} (revision {revision})");
        Unavailable::of(message, error.problem.fault() == Fault::Wait)
    }
}
