//! Carries out the groups of a plan: one idempotent step at a time per object, many objects at the same time.
//!
//! Every step ends in an [`Outcome`]; an error of one step never stops another. What the API answers goes into the live
//! index at once. Nothing here decides: what follows from a failure is for the planner.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures::StreamExt as _;
use landfall_diff::declared;
use landfall_merge::managed::Operation;
use landfall_merge::upgrade::{self, Former};
use landfall_model::annotations::FIELD_MANAGER;
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_model::outcome::{Outcome, StepResult};
use landfall_model::plan::{ApplyOptions, PlannedStep, Step};
use landfall_model::sync_options::Propagation;
use landfall_model::time::Time;
use landfall_model::tracking;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cause, Cluster, ClusterError, Delete, Patch, ServedKind, Write};
use serde_json::{Value, json};

use crate::live::LiveCluster;

/// How many requests of one application are under way at the same time. API servers share their seats fairly between
/// clients; more than this of one application only makes others wait.
const IN_FLIGHT_MAX: usize = 16;
/// How often a request is sent again when the server asks for patience (429).
const PATIENCE_TRIES_MAX: u32 = 5;
/// The longest wait that a server may ask for; beyond it the step fails and the sync is retried by its own rules.
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// How often an object that must go before it is made again is looked at, and how long.
const GONE_POLL: Duration = Duration::from_millis(100);
const GONE_POLLS_MAX: u32 = 300;

/// Gives fields that `ignoreDifferences` names the value they have in the cluster: (object to send, live object).
pub type CarryIgnored = Arc<dyn Fn(&Value, &Value) -> Value + Send + Sync>;

/// Carries steps out against one cluster.
#[derive(Clone)]
pub struct Executor {
    /// The live objects of the cluster.
    pub live: Arc<LiveCluster>,
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The time, to wait with.
    pub clock: Arc<dyn Clock>,
    /// For `RespectIgnoreDifferences`.
    pub carry_ignored: CarryIgnored,
}

impl Executor {
    /// Carries out groups one after the other, the steps of a group at the same time. The outcomes stand in the order
    /// of the steps.
    pub async fn run(&self, groups: &[Vec<PlannedStep>]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for group in groups {
            let steps: Vec<_> = group.iter().map(|step| self.clone().step(step.clone())).collect();
            outcomes.extend(futures::stream::iter(steps).buffered(IN_FLIGHT_MAX).collect::<Vec<_>>().await);
        }
        outcomes
    }

    async fn step(self, step: PlannedStep) -> Outcome {
        let result = match self.carry_out(&step).await {
            Ok(result) => result,
            Err(error) => StepResult::Failed { is_transient: error.cause.is_transient(), message: error.message },
        };
        if let StepResult::Failed { message, .. } = &result {
            tracing::info!(step = %step.describe(), %message, "a step failed");
        }
        Outcome { key: step.key.clone(), gvk: step.gvk.clone(), result }
    }

    async fn carry_out(&self, step: &PlannedStep) -> Result<StepResult, ClusterError> {
        let kind = self.kind(&step.gvk).await?;
        match &step.action {
            Step::CreateNamespace { object, options } | Step::Apply { object, options } => {
                self.apply(&kind, &step.key, object, options).await
            }
            Step::Replace { object, options } => self.replace(&kind, &step.key, object, options).await,
            Step::DeleteAndRecreate { object, propagation, options } => {
                self.recreate(&kind, &step.key, object, *propagation, options).await
            }
            Step::CreateHook { object, options } => match self.create(&kind, object, options).await {
                Err(error) if error.cause == Cause::AlreadyExists => Ok(StepResult::Unchanged),
                other => other,
            },
            Step::Prune { uid, owner, propagation, dry_run } => {
                self.prune(&kind, &step.key, uid, owner, *propagation, *dry_run).await
            }
            Step::DeleteHook { uid, propagation } => self.delete(&kind, &step.key, uid, *propagation, false).await,
            Step::RemoveFinalizer { finalizer } => self.remove_finalizer(&kind, &step.key, finalizer).await,
        }
    }

    /// Finds how a kind is served; a kind that is not known is asked for once more, since it may be new.
    async fn kind(&self, gvk: &GroupVersionKind) -> Result<ServedKind, ClusterError> {
        if let Some(kind) = self.live.discovery().await?.find(gvk) {
            return Ok(kind.clone());
        }
        self.live.forget_discovery();
        let discovery = self.live.discovery().await?;
        discovery.find(gvk).cloned().ok_or_else(|| ClusterError {
            cause: Cause::NotServed,
            action: format!("find the kind {gvk}"),
            message: format!(
                "the cluster does not serve {} ({}); install its definition first, or correct apiVersion and kind",
                gvk.kind,
                gvk.api_version()
            ),
            retry_after: None,
        })
    }

    async fn apply(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        wanted: &Value,
        options: &ApplyOptions,
    ) -> Result<StepResult, ClusterError> {
        let before = self.live.get(key);
        let mut wanted = with_decoded_strings(wanted);
        if let Some(live) = before.as_ref().and_then(|record| record.body()) {
            if options.respect_ignore_differences {
                wanted = (self.carry_ignored)(&wanted, &live);
            }
            if let Some(manager) = options.migrate_from.as_deref().filter(|_| !options.dry_run) {
                self.migrate(kind, key, &live, manager).await?;
            }
        }
        if !options.validate {
            wanted = declared(&wanted, &*self.live.schemas().0);
        }
        let write = write(options, Take::FromOthers);
        let applied = self.patiently(|| self.cluster.apply(kind, &wanted, &write)).await;
        match applied {
            Ok(answer) => {
                if kind.gvk.kind == "CustomResourceDefinition" && !options.dry_run {
                    self.live.forget_discovery();
                }
                let version = object::resource_version(&answer).to_owned();
                let result = match before {
                    None => StepResult::Created,
                    Some(before) if before.resource_version == version => StepResult::Unchanged,
                    Some(_) => StepResult::Changed,
                };
                self.take_in(answer, options);
                Ok(result)
            }
            Err(error) if error.cause == Cause::Invalid && options.recreate_if_refused && before.is_some() => {
                self.recreate(kind, key, &wanted, Propagation::default(), options).await
            }
            Err(error) => Err(error),
        }
    }

    /// Folds what `manager`, and Argo CD's controller, own by client-side apply into ours, so that a field that the
    /// source drops goes away.
    async fn migrate(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        live: &Value,
        manager: &str,
    ) -> Result<(), ClusterError> {
        let formers = [manager, FIELD_MANAGER].map(|manager| Former { manager, operation: Operation::Update });
        // managedFields that cannot be read are the API server's to mend: then nothing is taken over.
        let Ok(Some(patch)) = upgrade::patch(live, &formers, FIELD_MANAGER) else { return Ok(()) };
        let write = Write { manager: FIELD_MANAGER.to_owned(), force: false, dry_run: false, strict: false };
        let patch = Patch::Json(patch);
        let patched = self.patiently(|| self.cluster.patch(kind, &key.namespace, &key.name, "", &patch, &write)).await;
        match patched {
            Ok(answer) => {
                self.live.written(answer);
                Ok(())
            }
            // Somebody changed it meanwhile: the next sync folds it in.
            Err(error) if error.cause == Cause::Conflict || error.cause == Cause::Invalid => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn replace(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        wanted: &Value,
        options: &ApplyOptions,
    ) -> Result<StepResult, ClusterError> {
        let current = self.cluster.get(kind, &key.namespace, &key.name).await?;
        let Some(current) = current else { return self.create(kind, wanted, options).await };
        let mut wanted = with_decoded_strings(wanted);
        let version = json!(object::resource_version(&current));
        object::map_mut(&mut wanted, &["metadata"]).insert("resourceVersion".to_owned(), version);
        let write = write(options, Take::OwnOnly);
        let replaced = self.patiently(|| self.cluster.replace(kind, &wanted, &write)).await;
        match replaced {
            Ok(answer) => {
                let is_same = object::resource_version(&answer) == object::resource_version(&current);
                self.take_in(answer, options);
                Ok(if is_same { StepResult::Unchanged } else { StepResult::Changed })
            }
            Err(error) if error.cause == Cause::Invalid && options.recreate_if_refused => {
                self.recreate(kind, key, &wanted, Propagation::default(), options).await
            }
            Err(error) => Err(error),
        }
    }

    async fn create(
        &self,
        kind: &ServedKind,
        wanted: &Value,
        options: &ApplyOptions,
    ) -> Result<StepResult, ClusterError> {
        let mut wanted = with_decoded_strings(wanted);
        object::map_mut(&mut wanted, &["metadata"]).remove("resourceVersion");
        let write = write(options, Take::OwnOnly);
        let answer = self.patiently(|| self.cluster.create(kind, &wanted, &write)).await?;
        self.take_in(answer, options);
        Ok(StepResult::Created)
    }

    async fn recreate(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        wanted: &Value,
        propagation: Propagation,
        options: &ApplyOptions,
    ) -> Result<StepResult, ClusterError> {
        let current = self.cluster.get(kind, &key.namespace, &key.name).await?;
        if let Some(current) = current {
            if options.dry_run {
                return Ok(StepResult::Changed);
            }
            self.delete(kind, key, object::uid(&current), propagation, false).await?;
            self.wait_until_gone(kind, key).await?;
        }
        self.create(kind, wanted, options).await.map(|_| StepResult::Changed)
    }

    async fn wait_until_gone(&self, kind: &ServedKind, key: &ObjectKey) -> Result<(), ClusterError> {
        for _ in 0..GONE_POLLS_MAX {
            if self.cluster.get(kind, &key.namespace, &key.name).await?.is_none() {
                return Ok(());
            }
            self.clock.sleep(GONE_POLL).await;
        }
        Err(ClusterError {
            cause: Cause::Conflict,
            action: format!("make {key} again"),
            message: format!("{key} was deleted to be made again, but is still there: a finalizer holds it"),
            retry_after: None,
        })
    }

    /// Deletes what the source no longer holds, after reading anew that it is the same object and still ours.
    async fn prune(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        uid: &str,
        owner: &str,
        propagation: Propagation,
        dry_run: bool,
    ) -> Result<StepResult, ClusterError> {
        let current = self.cluster.get(kind, &key.namespace, &key.name).await?;
        let Some(current) = current else { return Ok(StepResult::AlreadyGone) };
        if object::uid(&current) != uid {
            return Ok(StepResult::LeftAlone("it was made anew since the decision to prune it".to_owned()));
        }
        if tracking::owner(&current).as_deref() != Some(owner) {
            return Ok(StepResult::LeftAlone(format!("its tracking annotation no longer names {owner}")));
        }
        self.delete(kind, key, uid, propagation, dry_run).await
    }

    async fn delete(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        uid: &str,
        propagation: Propagation,
        dry_run: bool,
    ) -> Result<StepResult, ClusterError> {
        let how = Delete { propagation: propagation.as_str().to_owned(), uid: uid.to_owned(), dry_run };
        let deleted = self.patiently(|| self.cluster.delete(kind, &key.namespace, &key.name, &how)).await?;
        if !dry_run {
            self.live.deletion_asked(key, uid, Time::of(self.clock.now()));
        }
        Ok(if deleted { StepResult::Deleted } else { StepResult::AlreadyGone })
    }

    async fn remove_finalizer(
        &self,
        kind: &ServedKind,
        key: &ObjectKey,
        finalizer: &str,
    ) -> Result<StepResult, ClusterError> {
        let current = self.cluster.get(kind, &key.namespace, &key.name).await?;
        let Some(current) = current else { return Ok(StepResult::Unchanged) };
        let kept: Vec<_> = object::finalizers(&current).into_iter().filter(|name| *name != finalizer).collect();
        if kept.len() == object::finalizers(&current).len() {
            return Ok(StepResult::Unchanged);
        }
        let version = object::resource_version(&current);
        let patch = Patch::Merge(json!({"metadata": {"finalizers": kept, "resourceVersion": version}}));
        let write = Write { manager: FIELD_MANAGER.to_owned(), force: false, dry_run: false, strict: false };
        match self.cluster.patch(kind, &key.namespace, &key.name, "", &patch, &write).await {
            Ok(answer) => {
                self.live.written(answer);
                Ok(StepResult::Changed)
            }
            Err(error) if error.cause == Cause::NotFound => Ok(StepResult::Unchanged),
            Err(error) => Err(error),
        }
    }

    /// Sends a request, again if the server asks for patience.
    async fn patiently<T, F>(&self, send: impl Fn() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        let mut tries = 0;
        loop {
            match send().await {
                Err(error) if error.cause == Cause::TooManyRequests && tries < PATIENCE_TRIES_MAX => {
                    tries += 1;
                    let wait = error.retry_after.unwrap_or(Duration::from_millis(100 << tries));
                    self.clock.sleep(wait.min(PATIENCE_MAX)).await;
                }
                other => return other,
            }
        }
    }

    fn take_in(&self, answer: Value, options: &ApplyOptions) {
        if !options.dry_run {
            self.live.written(answer);
        }
    }
}

/// Whether fields that others manage are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    FromOthers,
    OwnOnly,
}

fn write(options: &ApplyOptions, take: Take) -> Write {
    Write {
        manager: FIELD_MANAGER.to_owned(),
        force: take == Take::FromOthers,
        dry_run: options.dry_run,
        strict: options.validate,
    }
}

/// Writes a Secret's `stringData` as `data`: the API server would do it too, but then `stringData` is what we own and a
/// key that the source drops would stay. Source: reference Kubernetes issue 70281.
fn with_decoded_strings(wanted: &Value) -> Value {
    let mut wanted = wanted.clone();
    if wanted["kind"] != "Secret" || wanted["apiVersion"] != "v1" {
        return wanted;
    }
    let strings = object::text_map(&wanted, &["stringData"]);
    if let Some(fields) = wanted.as_object_mut() {
        fields.remove("stringData");
    }
    if !strings.is_empty() {
        let data = object::map_mut(&mut wanted, &["data"]);
        let encode = |text: String| json!(base64::engine::general_purpose::STANDARD.encode(text));
        data.extend(strings.into_iter().map(|(name, text)| (name, encode(text))));
    }
    wanted
}
