//! One pass over one application.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use landfall_access::orphans::OrphanSettings;
use landfall_model::annotations::REFRESH;
use landfall_model::application::Application;
use landfall_model::key::{GroupKind, GroupVersionKind, ObjectKey};
use landfall_model::outcome::{Event, EventReason};
use landfall_model::status::{Condition, ConditionType, OperationState, SyncStatusCode};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;
use landfall_ports::cluster::{ClusterError, Discovery};
use landfall_sync::compare::{self as comparison, CompareRequest, Compared};
use landfall_sync::conclude::{ConcludeRequest, HealthPlace, conclude};
use landfall_sync::decide::{self, Decision, Snapshot, decide};
use landfall_sync::plan::NamespaceState;
use landfall_sync::shorten::shorten;
use landfall_sync::start;
use landfall_sync::targets::{self, Targets, TargetsRequest};

use super::compare::{Answers, Present, kinds, modified, present};
use super::grounds::Grounds;
use super::quiet::{Found, Seen};
use super::sources::{Capabilities, Observed, Refresh, Unavailable};
use super::{Controller, FAILURE_WAIT, FAILURE_WAIT_MAX, Memory, TargetsKey};
use crate::commit::{self, Request, Writing};
use crate::destinations::KnownCluster;
use crate::home::{AppKey, Known};
use crate::metrics::OfApplication;

/// Everything a pass found about what it compares.
pub(super) struct View {
    pub(super) grounds: Grounds,
    pub(super) discovery: Arc<Discovery>,
    pub(super) observed: Observed,
    pub(super) targets: Arc<Targets>,
    pub(super) compared: Compared,
    pub(super) unreadable: BTreeMap<GroupKind, String>,
}

/// Why there is no view.
pub(super) enum NoView {
    /// Something is wrong; the conditions say what.
    Errors(Vec<Condition>),
    /// The live state of some kind is still being read: the application is woken when it is known.
    NotYet,
    /// Something is wrong that may pass by itself, and an earlier state is known: say nothing for a while.
    Patience,
}

/// What is rendered and compared.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// The sources.
    pub(super) sources: &'a [landfall_model::application::Source],
    /// The revision of each; `None`: what its target revision resolves to.
    pub(super) revisions: &'a [Option<String>],
    /// Manifests in place of what the sources hold, each a YAML or JSON document; mostly none.
    pub(super) manifests: &'a [String],
}

/// What the pass is about.
pub(super) struct Pass<'a> {
    pub(super) key: &'a AppKey,
    pub(super) instance: String,
    pub(super) now: Time,
    pub(super) refresh: Refresh,
    /// What had changed when the pass began; `None` if the destination is not known.
    pub(super) seen: Option<Seen>,
}

/// Says whether somebody asks for an operation that has not begun.
fn is_asked_for(application: &Application) -> bool {
    let runs = application.status.operation_state.as_ref().is_some_and(|state| !state.phase.is_completed());
    application.operation.is_some() && !runs
}

impl Controller {
    /// Makes one pass, whatever the application's state; errors are told on the application and tried again later.
    #[tracing::instrument(
        skip_all,
        fields(application = %key, reconcile = self.next_pass_id(), revision = tracing::field::Empty)
    )]
    pub(super) async fn pass(&self, key: &AppKey) {
        let Some(known) = self.home.application(key) else { return };
        let began = self.clock.now();
        let memory = self.memory(key);
        let mut memory = memory.lock().await;
        let result = match &known.application {
            Ok(application) => self.pass_over(key, &known, application, &mut memory).await,
            Err(invalid) => self.report_unreadable(key, &known, &invalid.to_string()).await,
        };
        self.measure_pass(&known, began);
        match result {
            Ok(()) => memory.failures_in_a_row = 0,
            Err(error) => {
                memory.failures_in_a_row += 1;
                let wait = FAILURE_WAIT * 2_u32.saturating_pow(memory.failures_in_a_row.min(10) - 1);
                tracing::warn!(application = %key, %error, "a pass could not be completed, it is repeated");
                self.again_later(key, wait.min(FAILURE_WAIT_MAX));
            }
        }
    }

    async fn pass_over(
        &self,
        key: &AppKey,
        known: &Known,
        application: &Application,
        memory: &mut Memory,
    ) -> Result<(), ClusterError> {
        let moment = self.clock.now();
        let refresh = match application.annotation(REFRESH) {
            Some("hard") => Refresh::Hard(self.clock.elapsed()),
            Some(_) => Refresh::Normal(self.clock.elapsed()),
            // Who pushes and then asks for a sync means what was pushed, not what was polled before that.
            None if is_asked_for(application) => Refresh::Normal(self.clock.elapsed()),
            None => Refresh::Polled,
        };
        let instance = self.instance(key);
        let seen = self.seen(application, &instance);
        let pass = Pass { key, instance, now: Time::of(moment), refresh, seen };
        if application.metadata.deletion_timestamp.is_some() {
            return self.delete(&pass, known, application, memory).await;
        }
        if let Some(seen) = seen.filter(|_| refresh == Refresh::Polled)
            && self.is_quiet(seen, known, application, memory).await
        {
            return Ok(());
        }
        memory.quiet = None;
        let wanted = decide::wanted(application);
        let newest_sources = application.spec.sources();
        let unnamed = vec![None; newest_sources.len()];
        let given = Given { sources: newest_sources, revisions: &unnamed, manifests: &[] };
        let newest = self.view(&pass, application, &given, memory).await;
        let asked = match wanted.is_newest {
            true => None,
            false => {
                let given =
                    Given { sources: wanted.sources, revisions: &wanted.revisions, manifests: wanted.manifests };
                Some(self.view(&pass, application, &given, &mut Memory::default()).await)
            }
        };
        if matches!(newest, Err(NoView::NotYet)) || matches!(asked, Some(Err(NoView::NotYet))) {
            return Ok(());
        }
        if matches!(newest, Err(NoView::Patience)) {
            self.again_later(key, self.settings.source_grace / 10);
            return Ok(());
        }
        self.carry_on(&pass, known, application, memory, newest, asked).await
    }

    async fn carry_on(
        &self,
        pass: &Pass<'_>,
        known: &Known,
        application: &Application,
        memory: &mut Memory,
        newest: Result<View, NoView>,
        asked: Option<Result<View, NoView>>,
    ) -> Result<(), ClusterError> {
        let (mut newest, mut errors) = split(newest);
        let mut asked = asked;
        for view in [newest.as_mut(), asked.as_mut().and_then(|view| view.as_mut().ok())].into_iter().flatten() {
            heed_namespace(&mut view.compared, application, application.status.operation_state.as_ref());
        }
        let (asked, asked_errors, has_own_view) = match asked {
            Some(view) => {
                let (view, errors) = split(view);
                (view, errors, true)
            }
            None => (None, Vec::new(), false),
        };
        let revisions = newest.as_ref().map(|view| view.observed.revisions.clone()).unwrap_or_default();
        let source_types: Vec<String> = newest
            .iter()
            .flat_map(|view| view.observed.rendered.iter().map(|rendered| rendered.source_type.as_str().to_owned()))
            .collect();
        let view = if has_own_view { asked.as_ref() } else { newest.as_ref() };
        let decision_errors = if has_own_view { &asked_errors } else { &errors };
        let windows = view.map_or_else(WindowVerdict::open, |view| view.grounds.windows(application, pass.now));
        let mut decision = decide(&Snapshot {
            application,
            now: pass.now,
            revisions: &revisions,
            compared: view.map(|view| &view.compared),
            errors: decision_errors,
            windows: &windows,
            inputs_unchanged: newest
                .as_ref()
                .zip(asked.as_ref())
                .map(|(newest, asked)| newest.targets.digest == asked.targets.digest),
        });
        let operation_revisions = view.map(|view| view.observed.revisions.clone()).unwrap_or_default();
        let mut state = match &decision {
            Decision::Sync(begin) | Decision::Heal(begin) | Decision::RollBack(begin) => {
                let pins = view.iter().flat_map(|view| &view.observed.rendered).flat_map(|rendered| &rendered.pins);
                Some(start::with_fetched(start::begin(begin, application, &operation_revisions, pass.now), pins))
            }
            Decision::Retry { .. } => application
                .status
                .operation_state
                .as_ref()
                .map(|state| start::retry(state, application, &operation_revisions)),
            _ => application.status.operation_state.clone(),
        };
        let works = matches!(
            decision,
            Decision::Sync(_) | Decision::Heal(_) | Decision::RollBack(_) | Decision::Retry { .. } | Decision::Continue
        );
        let mut after = None;
        if works && let (Some(current), Some(view)) = (state.take(), view) {
            let begins = !matches!(decision, Decision::Continue);
            // Answers are kept between passes for the application's own targets only.
            let mut others = Answers::default();
            let answers = if has_own_view { &mut others } else { &mut memory.answers };
            let operated = self.operate(pass, known, application, view, (current, begins), answers).await?;
            after = operated.compared;
            state = Some(operated.state);
            if let Some(then) = operated.then {
                decision = then;
            }
        }
        // What was applied is in the live index: the status tells what is there now, not what was there before.
        let mut compared = match (after, &newest) {
            (Some(compared), _) if !has_own_view => Some(compared),
            (Some(_), Some(newest)) => Some(self.compare_again(pass, application, newest, &mut memory.answers).1),
            (_, newest) => newest.as_ref().map(|view| view.compared.clone()),
        };
        if let Some(compared) = &mut compared {
            heed_namespace(compared, application, state.as_ref().or(application.status.operation_state.as_ref()));
        }
        if let Some(view) = &newest {
            errors.extend(view.targets.conditions.iter().cloned());
            errors.extend(view.grounds.comparison.condition());
        }
        let current = self.home.application(pass.key).unwrap_or_else(|| Arc::new(known.clone()));
        let mut verdict = conclude(&ConcludeRequest {
            application,
            now: Time::of(self.clock.now()),
            decision: &decision,
            compared: compared.as_ref(),
            revisions: &revisions,
            source_types: &source_types,
            errors: &errors,
            state: state.as_ref(),
            controller_namespace: &self.settings.namespace,
            health_place: HealthPlace::Status,
        });
        if verdict.note != memory.note {
            tracing::info!(decision = %verdict.note, sync = verdict.status.sync.status.as_str(), health = %verdict.status.health.status, "passed over");
            if let Decision::Wait { why, .. } | Decision::Hold { why, .. } = &decision {
                let event = Event {
                    reason: EventReason::StatusRefreshed,
                    is_warning: matches!(decision, Decision::Hold { .. }),
                    message: why.clone(),
                };
                self.events.tell(pass.key, &application.metadata.uid, event);
            }
            memory.note.clone_from(&verdict.note);
        }
        if let Some(told) = shorten(&mut verdict.status, &application.status, Time::of(self.clock.now())) {
            let (reason, is_warning) = (EventReason::StatusRefreshed, true);
            verdict.events.push(Event { reason, is_warning, message: told.message });
        }
        let writing = Writing {
            read: Some(application),
            status: &verdict.status,
            operation: verdict.operation.as_ref(),
            refresh: Request::Clear,
        };
        commit::write(&*self.home_cluster, &self.home, pass.key, &current, &writing).await?;
        self.measure_operation(application, &verdict.status).await;
        let is_done = matches!(decision, Decision::Nothing { .. })
            && errors.is_empty()
            && !has_own_view
            && verdict.wake_at.is_none()
            && verdict.operation.is_none();
        for event in verdict.events {
            self.events.tell(pass.key, &application.metadata.uid, event);
        }
        // What could not be had may be there later, and chart repositories tell nobody about new versions.
        let reads_charts = application
            .spec
            .sources()
            .iter()
            .any(|source| !source.chart.is_empty() || source.repo_url.starts_with("oci://"));
        let watches_orphans = newest.as_ref().is_some_and(|view| matches!(view.grounds.orphans(), Ok(Some(_))));
        if newest.is_none() || reads_charts || watches_orphans {
            self.again_later(pass.key, self.settings.poll_interval);
        }
        if let Some(at) = verdict.wake_at {
            self.queue.push_at(pass.key.clone(), at.0);
        }
        if let Some(view) = &newest {
            self.add_finalizers(pass, application, &view.targets).await?;
        }
        if let (true, Some(view), Some(seen)) = (is_done && !reads_charts && !watches_orphans, newest, pass.seen) {
            let View { discovery, observed, .. } = view;
            let found = Found {
                application,
                status: &verdict.status,
                rendered: observed.rendered,
                capabilities: capabilities(&discovery),
                discovery,
            };
            memory.quiet = self.rest(pass.key, seen, found);
        }
        Ok(())
    }

    /// Renders, looks and compares. `manifests` take the place of what the sources render to, unless there are none.
    pub(super) async fn view(
        &self,
        pass: &Pass<'_>,
        application: &Application,
        given: &Given<'_>,
        memory: &mut Memory,
    ) -> Result<View, NoView> {
        let Given { sources, revisions, manifests } = *given;
        let invalid = |message: String| {
            NoView::Errors(vec![Condition {
                condition_type: ConditionType::InvalidSpecError,
                message,
                last_transition_time: None,
            }])
        };
        if sources.is_empty() {
            return Err(invalid(
                "spec.source or spec.sources is required: say where the manifests come from".to_owned(),
            ));
        }
        let grounds = self.grounds(application).map_err(NoView::Errors)?;
        let cluster = &grounds.cluster;
        let discovery = cluster.live.discovery().await.map_err(|error| unreachable(cluster, &error))?;
        let capabilities = capabilities(&discovery);
        let observing = async {
            match manifests.is_empty() {
                true => self.observe_sources(application, sources, revisions, &capabilities, pass.refresh).await,
                false => Observed::of_manifests(manifests, revisions, &application.status.sync),
            }
        };
        let observed = match observing.await {
            Ok(observed) => observed,
            Err(unavailable) => return Err(self.tolerate(unavailable, application, memory)),
        };
        tracing::Span::current().record("revision", observed.revisions.join(","));
        memory.unavailable_since = None;
        let targets = self.targets(pass, application, &grounds, &observed, &discovery, memory);
        if !targets.is_usable() {
            return Err(NoView::Errors(targets.conditions.clone()));
        }
        let earlier = application.status.resources.iter().map(|resource| resource.key().group_kind());
        let mut wanted_kinds = kinds(&targets, earlier.filter(|kind| !grounds.excludes(kind)));
        let orphans = grounds.orphans().map_err(invalid)?;
        if orphans.is_some() {
            wanted_kinds.extend(kinds_of_orphans(&discovery, &grounds));
        }
        let readiness = cluster.live.ensure(&wanted_kinds, &pass.instance).await;
        let readiness = readiness.map_err(|error| unreachable(cluster, &error))?;
        if !readiness.waiting.is_empty() {
            return Err(NoView::NotYet);
        }
        let unreadable: BTreeMap<GroupKind, String> = readiness.failed.into_iter().collect();
        let present = present(&cluster.live, &targets, &pass.instance);
        let (schemas, version) = cluster.live.schemas();
        let modified = modified(&mut memory.answers, &targets, &present, &grounds.comparison, (&schemas, version));
        let mut compared = self.compare(pass, application, &grounds, &targets, &present, &modified, &unreadable);
        if let Some(settings) = orphans {
            compared.conditions.extend(self.orphans(application, &grounds, &settings));
        }
        Ok(View { grounds, discovery, observed, targets, compared, unreadable })
    }

    /// Looks at the live index again, after something was applied. `answers` are those for the view's targets, or none.
    pub(super) fn compare_again(
        &self,
        pass: &Pass<'_>,
        application: &Application,
        view: &View,
        answers: &mut Answers,
    ) -> (Present, Compared) {
        let present = present(&view.grounds.cluster.live, &view.targets, &pass.instance);
        let (schemas, version) = view.grounds.cluster.live.schemas();
        let modified = modified(answers, &view.targets, &present, &view.grounds.comparison, (&schemas, version));
        let compared =
            self.compare(pass, application, &view.grounds, &view.targets, &present, &modified, &view.unreadable);
        (present, compared)
    }

    /// The objects of the application's namespace that no application has, as a warning and in the metrics.
    fn orphans(&self, application: &Application, grounds: &Grounds, settings: &OrphanSettings) -> Option<Condition> {
        let namespace = &application.spec.destination.namespace;
        let is_anybodys = |instance: &str| self.home.application(&self.key_of(instance)).is_some();
        let mut found: Vec<ObjectKey> = Vec::new();
        for record in grounds.cluster.live.top_level_in(namespace) {
            let key = &record.live.key;
            let is_owned = record.live.owner.as_deref().is_some_and(is_anybodys);
            if !is_owned && !settings.ignores(key) && grounds.may_be_orphan(key) {
                found.push(key.clone());
            }
        }
        self.metrics.orphans(&OfApplication::of(application), found.len());
        if found.is_empty() || !settings.warns {
            return None;
        }
        found.sort();
        let message = format!(
            "Application has {} orphaned resources: {}; add them to an application, delete them, or name them in orphanedResources.ignore of project {}",
            found.len(),
            landfall_sync::explain::names(found.iter()),
            application.spec.project()
        );
        Some(Condition { condition_type: ConditionType::OrphanedResourceWarning, message, last_transition_time: None })
    }

    fn compare(
        &self,
        pass: &Pass<'_>,
        application: &Application,
        grounds: &Grounds,
        targets: &Targets,
        present: &Present,
        modified: &BTreeSet<ObjectKey>,
        unreadable: &BTreeMap<GroupKind, String>,
    ) -> Compared {
        comparison::compare(&CompareRequest {
            targets,
            live: &present.live,
            modified,
            unreadable,
            instance: &pass.instance,
            own_key: &own_key(pass.key),
            permit: &|key| grounds.permit(key),
            options: &application.spec.sync_options(),
        })
    }

    pub(super) fn targets(
        &self,
        pass: &Pass<'_>,
        application: &Application,
        grounds: &Grounds,
        observed: &Observed,
        discovery: &Arc<Discovery>,
        memory: &mut Memory,
    ) -> Arc<Targets> {
        let key = TargetsKey {
            rendered: observed.rendered.clone(),
            spec: digest_of(&(&application.spec.destination, &application.spec.sync_policy, grounds.rules())),
            discovery: discovery.clone(),
            installed: grounds.installed.clone(),
        };
        if let Some((known, targets)) = &memory.targets
            && known.is_same(&key)
        {
            return targets.clone();
        }
        let is_namespaced = |gvk: &GroupVersionKind| discovery.find(gvk).map(|kind| kind.is_namespaced);
        let targets = Arc::new(targets::prepare(TargetsRequest {
            application,
            instance: &pass.instance,
            installation: &self.settings.installation,
            rendered: observed.rendered.iter().map(|rendered| rendered.objects.clone()).collect(),
            is_namespaced: &is_namespaced,
            permit: &|key| grounds.permit(key),
            is_excluded: &|kind| grounds.excludes(kind),
        }));
        memory.targets = Some((key, targets.clone()));
        targets
    }

    /// A source that cannot be had for a moment is no news while an earlier state is known.
    fn tolerate(&self, unavailable: Unavailable, application: &Application, memory: &mut Memory) -> NoView {
        let now = self.clock.elapsed();
        let since = *memory.unavailable_since.get_or_insert(now);
        let has_earlier = application.status.reconciled_at.is_some()
            && !application.status.conditions.iter().any(|c| c.condition_type.is_error());
        let was_asked = application.annotation(REFRESH).is_some() || application.operation.is_some();
        if unavailable.is_transient
            && has_earlier
            && !was_asked
            && now.saturating_sub(since) < self.settings.source_grace
        {
            tracing::info!(reason = %unavailable.condition.message, "a source cannot be had; waiting before it is reported");
            return NoView::Patience;
        }
        NoView::Errors(vec![unavailable.condition])
    }

    /// An Application that cannot be read gets a condition; nothing else of it is touched.
    async fn report_unreadable(&self, key: &AppKey, known: &Known, reason: &str) -> Result<(), ClusterError> {
        tracing::warn!(application = %key, %reason, "an Application cannot be read");
        let mut status: landfall_model::status::ApplicationStatus =
            serde_json::from_value(known.status.clone()).unwrap_or_default();
        let is_told = status.conditions.iter().any(|condition| condition.message == reason);
        if is_told {
            return Ok(());
        }
        let now = Time::of(self.clock.now());
        status.conditions = vec![Condition {
            condition_type: ConditionType::InvalidSpecError,
            message: reason.to_owned(),
            last_transition_time: Some(now),
        }];
        status.sync.status = landfall_model::status::SyncStatusCode::Unknown;
        let writing = Writing { read: None, status: &status, operation: None, refresh: Request::Keep };
        commit::write(&*self.home_cluster, &self.home, key, known, &writing).await.map(|_| ())
    }
}

impl TargetsKey {
    fn is_same(&self, other: &Self) -> bool {
        self.spec == other.spec
            && Arc::ptr_eq(&self.discovery, &other.discovery)
            && Arc::ptr_eq(&self.installed, &other.installed)
            && self.rendered.len() == other.rendered.len()
            && self.rendered.iter().zip(&other.rendered).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

fn unreachable(cluster: &KnownCluster, error: &ClusterError) -> NoView {
    let message = format!("cluster {} ({}) cannot be asked: {}", cluster.name, cluster.server, error.message);
    NoView::Errors(vec![Condition {
        condition_type: ConditionType::ComparisonError,
        message,
        last_transition_time: None,
    }])
}

/// The kinds that orphans may be of: everything that stands in namespaces and that the project permits.
fn kinds_of_orphans(discovery: &Discovery, grounds: &Grounds) -> BTreeSet<GroupKind> {
    let is_meant = |kind: &&landfall_ports::cluster::ServedKind| {
        kind.is_namespaced
            && kind.can("list")
            && kind.can("watch")
            && grounds.may_be_orphan(&ObjectKey::of(&kind.gvk.group, &kind.gvk.kind, "", ""))
    };
    discovery.kinds.iter().filter(is_meant).map(|kind| kind.gvk.group_kind()).collect()
}

/// Metadata of the namespace that was changed in the spec makes the application OutOfSync, and a sync of it Synced again.
fn heed_namespace(compared: &mut Compared, application: &Application, last: Option<&OperationState>) {
    let differs = compared.entries.iter().any(|entry| entry.counts);
    let is_news = comparison::namespace_metadata_is_news(application, last);
    match compared.status {
        SyncStatusCode::Synced if is_news => compared.status = SyncStatusCode::OutOfSync,
        SyncStatusCode::OutOfSync if !is_news && !differs => compared.status = SyncStatusCode::Synced,
        _ => {}
    }
}

fn split(view: Result<View, NoView>) -> (Option<View>, Vec<Condition>) {
    match view {
        Ok(view) => (Some(view), Vec::new()),
        Err(NoView::Errors(errors)) => (None, errors),
        Err(NoView::NotYet | NoView::Patience) => (None, Vec::new()),
    }
}

/// The key of the Application itself, so that it neither prunes itself nor counts in its own health.
pub(super) fn own_key(key: &AppKey) -> ObjectKey {
    ObjectKey::of("argoproj.io", "Application", &key.namespace, &key.name)
}

pub(super) fn namespace_state(view: &View, namespace: &str) -> NamespaceState {
    let key = ObjectKey::of("", "Namespace", "", namespace);
    match view.grounds.cluster.live.get(&key) {
        None => NamespaceState::Missing,
        Some(record) => {
            let body = record.body().unwrap_or_default();
            NamespaceState::Present {
                labels: landfall_model::object::text_map(&body, &["metadata", "labels"]),
                annotations: landfall_model::object::text_map(&body, &["metadata", "annotations"]),
            }
        }
    }
}

pub(super) fn capabilities(discovery: &Discovery) -> Capabilities {
    let mut api_versions = BTreeSet::new();
    for kind in &discovery.kinds {
        api_versions.insert(kind.gvk.api_version());
        api_versions.insert(format!("{}/{}", kind.gvk.api_version(), kind.gvk.kind));
    }
    Capabilities {
        kube_version: discovery.server_version.clone(),
        api_versions: Arc::new(api_versions.into_iter().collect()),
    }
}

fn digest_of(value: &impl serde::Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(value).expect("parts of a spec serialise").hash(&mut hasher);
    hasher.finish()
}

/// How long a pass that was cut short waits before it is repeated.
pub(super) const SHORT_WAIT: Duration = Duration::from_millis(200);
