//! The tasks of an operation: every object it applies, prunes or runs as a hook, in order, with what is known of each.
//! They are made anew in every pass from targets, live objects and the results recorded so far.

use std::collections::{BTreeMap, BTreeSet};

use landfall_model::annotations::{HOOK_FINALIZER, TRACKING_ID};
use landfall_model::key::{GroupKind, GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_model::status::{
    OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation, SyncOperationResource, SyncPhase,
};
use landfall_model::sync_options::{Removal, SyncOptions};
use landfall_model::tracking::TrackingId;
use serde_json::{Value, json};

use crate::compare::Difference;
use crate::hooks::{self, DeletePolicy};
use crate::live::{ATTEMPT, Live};
use crate::order;
use crate::plan::{NamespaceState, PlanRequest};
use crate::targets::{Availability, Hook, ManagedNamespace, Problem, Target};

/// How many characters of a revision go into a made-up name.
const NAME_REVISION_LENGTH: usize = 7;

/// One task.
#[derive(Debug, Clone)]
pub(crate) struct Task<'a> {
    pub(crate) key: ObjectKey,
    pub(crate) gvk: GroupVersionKind,
    pub(crate) phase: SyncPhase,
    pub(crate) wave: i64,
    pub(crate) work: Work<'a>,
    /// The application's options with the object's own over them.
    pub(crate) options: SyncOptions,
    pub(crate) live: Option<&'a Live>,
    pub(crate) difference: Difference,
    /// What was recorded so far.
    pub(crate) status: Option<ResultCode>,
    pub(crate) progress: Option<OperationPhase>,
    pub(crate) message: String,
}

/// What a task is about.
#[derive(Debug, Clone)]
pub(crate) enum Work<'a> {
    Namespace(&'a ManagedNamespace),
    Apply(&'a Target),
    Prune,
    /// A hook with its final name and marks.
    Hook {
        hook: &'a Hook,
        object: Value,
        attempt: String,
    },
}

impl Task<'_> {
    pub(crate) fn is_prune(&self) -> bool {
        matches!(self.work, Work::Prune)
    }

    pub(crate) fn is_hook(&self) -> bool {
        matches!(self.work, Work::Hook { .. })
    }

    pub(crate) fn object(&self) -> Option<&Value> {
        match &self.work {
            Work::Apply(target) => Some(&target.object),
            Work::Hook { object, .. } => Some(object),
            Work::Namespace(_) | Work::Prune => None,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.progress.is_none()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.progress == Some(OperationPhase::Running)
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.progress, Some(OperationPhase::Failed | OperationPhase::Error))
    }

    pub(crate) fn delete_policy(&self) -> Option<DeletePolicy> {
        match &self.work {
            Work::Hook { hook, .. } => Some(hook.delete_policy),
            Work::Namespace(_) | Work::Apply(_) | Work::Prune => None,
        }
    }

    /// Says whether the live hook is the one that this very attempt made.
    pub(crate) fn is_own_hook(&self) -> bool {
        match &self.work {
            Work::Hook { attempt, .. } => self.live.is_some_and(|live| live.attempt.as_deref() == Some(attempt)),
            Work::Namespace(_) | Work::Apply(_) | Work::Prune => false,
        }
    }

    pub(crate) fn availability(&self) -> Availability {
        match &self.work {
            Work::Apply(target) => target.availability,
            Work::Hook { hook, .. } => hook.availability,
            Work::Namespace(_) | Work::Prune => Availability::Served,
        }
    }

    /// Says why the task cannot be carried out at all.
    pub(crate) fn invalidity(&self) -> Option<String> {
        let problem = match &self.work {
            Work::Apply(target) => target.problem.as_ref(),
            Work::Hook { hook, .. } => hook.problem.as_ref(),
            Work::Namespace(_) | Work::Prune => None,
        };
        if let Some(Problem::Forbidden(reason)) = problem {
            return Some(reason.clone());
        }
        let may_be_missing = self.options.skip_dry_run_on_missing_resource == Some(true);
        (self.availability() == Availability::Unknown && !may_be_missing).then(|| {
            format!(
                "the cluster does not serve {}; install its definition first, or add it to the application \
                 (sync option SkipDryRunOnMissingResource=true if something else brings it)",
                self.gvk
            )
        })
    }

    /// The entry that is recorded for the task.
    pub(crate) fn result(&self) -> ResourceResult {
        ResourceResult {
            group: self.gvk.group.clone(),
            version: self.gvk.version.clone(),
            kind: self.gvk.kind.clone(),
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            status: self.status,
            message: self.message.clone(),
            hook_type: if self.is_hook() { hooks::phase_name(self.phase).to_owned() } else { String::new() },
            hook_phase: self.progress,
            // Bubbling may move a task between passes no more than within one, as it depends on the targets alone.
            sync_phase: Some(self.phase),
            images: self.object().map(crate::summary::images).unwrap_or_default(),
        }
    }
}

/// The application's options with the operation's over them.
pub(crate) fn base_options(request: &PlanRequest<'_>, sync: &SyncOperation) -> SyncOptions {
    let policy = request.application.spec.sync_policy.iter().flat_map(|policy| policy.sync_options.iter());
    SyncOptions::parse(policy.chain(&sync.sync_options).map(String::as_str))
}

/// Says whether hooks run in this operation: not when only some objects are synced, and not without them by strategy.
pub(crate) fn runs_hooks(sync: &SyncOperation) -> bool {
    let is_apply_only =
        sync.sync_strategy.as_ref().is_some_and(|strategy| strategy.apply.is_some() && strategy.hook.is_none());
    sync.resources.is_empty() && !is_apply_only
}

/// Makes the tasks of an operation, in order, with the results recorded so far.
pub(crate) fn build<'a>(request: &PlanRequest<'a>, sync: &SyncOperation) -> Vec<Task<'a>> {
    let base = base_options(request, sync);
    let mut tasks = Vec::new();
    let selection = Selection::of(&sync.resources);
    for entry in &request.compared.entries {
        if !selection.has(&entry.key) {
            continue;
        }
        let live = request.live.get(&entry.key);
        match (request.targets.find(&entry.key), live, entry.difference) {
            (_, _, Difference::NotCompared) => {}
            (Some(target), _, _) => {
                let options = base.with_object(&target.options);
                let mut task =
                    task(entry.key.clone(), target.gvk.clone(), SyncPhase::Sync, target.wave, Work::Apply(target));
                (task.options, task.live, task.difference) = (options, live, entry.difference);
                tasks.push(task);
            }
            (None, Some(live), Difference::Extra) => {
                let mut task = task(entry.key.clone(), entry.gvk.clone(), SyncPhase::Sync, live.wave, Work::Prune);
                (task.options, task.live, task.difference) =
                    (base.with_object(&live.options), Some(live), Difference::Extra);
                tasks.push(task);
            }
            (None, _, _) => {}
        }
    }
    if runs_hooks(sync) {
        for hook in &request.targets.hooks {
            let in_sync =
                hook.phases.iter().filter(|phase| !matches!(phase, SyncPhase::PreDelete | SyncPhase::PostDelete));
            tasks.extend(in_sync.map(|phase| hook_task(request, hook, *phase, &base)));
        }
    }
    tasks.extend(namespace_task(request, &base));
    mirror_prune_waves(&mut tasks);
    prune_last(&mut tasks);
    order::sort(&mut tasks);
    recall(&mut tasks, request.state);
    tasks
}

fn task<'a>(key: ObjectKey, gvk: GroupVersionKind, phase: SyncPhase, wave: i64, work: Work<'a>) -> Task<'a> {
    Task {
        key,
        gvk,
        phase,
        wave,
        work,
        options: SyncOptions::default(),
        live: None,
        difference: Difference::NotCompared,
        status: None,
        progress: None,
        message: String::new(),
    }
}

/// Names one run of a hook: the operation, the try and the phase. The revision is part of it because two operations may
/// begin in the same second, and times on the wire have no fractions: the second one's hooks are not the first one's.
pub(crate) fn attempt(state: &OperationState, phase: SyncPhase) -> String {
    let (started, tries) = (state.started_at.0.as_second(), state.retry_count.unwrap_or(0));
    format!("{started}-{tries}-{}-{}", hooks::phase_name(phase).to_lowercase(), short_revision(state))
}

/// The first digits of the operation's first revision.
fn short_revision(state: &OperationState) -> String {
    let revision = state.sync_result.as_ref().map_or("", |result| match result.revisions.first() {
        Some(revision) if result.revision.is_empty() => revision,
        _ => &result.revision,
    });
    revision.chars().take(NAME_REVISION_LENGTH).collect()
}

fn hook_task<'a>(request: &PlanRequest<'a>, hook: &'a Hook, phase: SyncPhase, base: &SyncOptions) -> Task<'a> {
    let attempt = attempt(request.state, phase);
    let (object, key) = hook_object(request, hook, phase, &attempt);
    let live = request.live.get(&key);
    let mut task = task(key, hook.gvk.clone(), phase, hook.wave, Work::Hook { hook, object, attempt });
    (task.options, task.live) = (base.with_object(&hook.options), live);
    task
}

/// Gives a hook its final name, the finalizer that keeps it until its end is recorded, and the mark of its attempt.
fn hook_object(request: &PlanRequest<'_>, hook: &Hook, phase: SyncPhase, attempt: &str) -> (Value, ObjectKey) {
    let (mut object, mut key) = (hook.object.clone(), hook.key.clone());
    if key.name.is_empty() {
        let short = short_revision(request.state);
        let started = request.state.started_at.0.as_second();
        let suffix = format!("{short}-{}-{started}", hooks::phase_name(phase)).to_lowercase();
        key.name = format!("{}{suffix}", object::text(&object, &["metadata", "generateName"]));
        let metadata = object::map_mut(&mut object, &["metadata"]);
        metadata.remove("generateName");
        metadata.insert("name".into(), Value::String(key.name.clone()));
        let id = TrackingId { instance: request.instance.to_owned(), key: key.clone() };
        object::set_annotation(&mut object, TRACKING_ID, &id.to_string());
    }
    object::set_annotation(&mut object, ATTEMPT, attempt);
    let mut finalizers: Vec<String> = object::finalizers(&object).into_iter().map(str::to_owned).collect();
    if !finalizers.iter().any(|finalizer| finalizer == HOOK_FINALIZER) {
        finalizers.push(HOOK_FINALIZER.to_owned());
    }
    object::map_mut(&mut object, &["metadata"]).insert("finalizers".into(), json!(finalizers));
    (object, key)
}

/// The namespace is a task only when it is missing, lacks its metadata, or was one already in this operation.
fn namespace_task<'a>(request: &PlanRequest<'a>, base: &SyncOptions) -> Option<Task<'a>> {
    let namespace = request.targets.namespace.as_ref().filter(|_| base.create_namespace == Some(true))?;
    let key = ObjectKey::of("", "Namespace", "", &namespace.name);
    let results = request.state.sync_result.iter().flat_map(|result| &result.resources);
    let was_task = results
        .into_iter()
        .any(|result| result.kind == "Namespace" && result.group.is_empty() && result.name == namespace.name);
    let needs_work = match request.namespace {
        NamespaceState::Unknown | NamespaceState::Missing => true,
        NamespaceState::Present { labels, annotations } => namespace.metadata.as_ref().is_some_and(|metadata| {
            metadata.labels.iter().any(|(name, value)| labels.get(name) != Some(value))
                || metadata.annotations.iter().any(|(name, value)| annotations.get(name) != Some(value))
        }),
    };
    (needs_work || was_task).then(|| {
        let mut made =
            task(key, GroupVersionKind::of("v1", "Namespace"), SyncPhase::PreSync, 0, Work::Namespace(namespace));
        made.options = base.clone();
        made
    })
}

/// The objects an operation is about. No list is all; an excluded one never is.
struct Selection<'a> {
    included: BTreeSet<Named<'a>>,
    excluded: BTreeSet<Named<'a>>,
}

/// Group, kind, name and namespace; the namespace is `""` where any will do.
type Named<'a> = (&'a str, &'a str, &'a str, &'a str);

impl<'a> Selection<'a> {
    fn of(list: &'a [SyncOperationResource]) -> Self {
        let name = |one: &'a SyncOperationResource| {
            (one.group.as_str(), one.kind.as_str(), one.name.as_str(), one.namespace.as_str())
        };
        let (excluded, included): (Vec<_>, Vec<_>) = list.iter().partition(|one| one.exclude);
        Self { included: included.into_iter().map(name).collect(), excluded: excluded.into_iter().map(name).collect() }
    }

    fn has(&self, key: &ObjectKey) -> bool {
        let (group, kind, name) = (key.group.as_str(), key.kind.as_str(), key.name.as_str());
        let is_in = |set: &BTreeSet<Named<'_>>| {
            set.contains(&(group, kind, name, "")) || set.contains(&(group, kind, name, key.namespace.as_str()))
        };
        !is_in(&self.excluded) && (self.included.is_empty() || is_in(&self.included))
    }
}

/// Pruning goes in the reverse order of creation: the lowest wave of what is pruned changes places with the highest.
fn mirror_prune_waves(tasks: &mut [Task<'_>]) {
    let mut waves: Vec<i64> = tasks.iter().filter(|task| task.is_prune()).map(|task| task.wave).collect();
    waves.sort_unstable();
    waves.dedup();
    let mirrored: BTreeMap<i64, i64> = waves.iter().copied().zip(waves.iter().rev().copied()).collect();
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        task.wave = mirrored[&task.wave];
    }
}

fn prune_last(tasks: &mut [Task<'_>]) {
    let in_sync = tasks.iter().filter(|task| task.phase == SyncPhase::Sync).map(|task| task.wave);
    let last = in_sync.max().unwrap_or(0).max(0) + 1;
    for task in tasks.iter_mut().filter(|task| task.is_prune() && task.options.prune_last == Some(true)) {
        task.wave = last;
    }
}

/// Puts what was recorded before on the tasks.
fn recall(tasks: &mut [Task<'_>], state: &OperationState) {
    let results = state.sync_result.iter().flat_map(|result| &result.resources);
    let by_place: BTreeMap<(ObjectKey, Option<SyncPhase>), &ResourceResult> =
        results.map(|result| ((result.key(), result.sync_phase), result)).collect();
    for task in tasks {
        if let Some(result) = by_place.get(&(task.key.clone(), Some(task.phase))) {
            task.status = result.status;
            task.progress = result.hook_phase;
            task.message = result.message.clone();
        }
    }
}

/// What pruning an object comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PruneRule {
    Go,
    /// Somebody has to approve first.
    Confirm,
    /// Left alone; why.
    Skip(&'static str),
}

/// Decides about one prune task.
pub(crate) fn prune_rule(task: &Task<'_>, sync: &SyncOperation) -> PruneRule {
    if !sync.prune {
        return PruneRule::Skip("ignored (requires pruning)");
    }
    match task.options.prune.unwrap_or_default() {
        Removal::Allowed => PruneRule::Go,
        Removal::Never => PruneRule::Skip("ignored (no prune)"),
        Removal::Confirm => PruneRule::Confirm,
    }
}

/// The kind as kubectl prints it: `deployment.apps`.
pub(crate) fn printed(kind: &GroupKind) -> String {
    let lower = kind.kind.to_lowercase();
    if kind.group.is_empty() { lower } else { format!("{lower}.{}", kind.group) }
}

#[cfg(test)]
mod tests {
    use landfall_model::status::{Operation, OperationPhase, SyncResult};
    use landfall_model::time::Time;

    use super::*;

    #[test]
    fn two_operations_that_begin_in_the_same_second_do_not_share_their_hooks() {
        let state = |revision: &str| OperationState {
            operation: Operation::default(),
            phase: OperationPhase::Running,
            message: String::new(),
            sync_result: Some(SyncResult { revision: revision.to_owned(), ..SyncResult::default() }),
            started_at: Time(jiff::Timestamp::UNIX_EPOCH),
            finished_at: None,
            retry_count: None,
        };
        let (first, second) = (state("0123456789"), state("abcdef0123"));
        assert_ne!(attempt(&first, SyncPhase::PreSync), attempt(&second, SyncPhase::PreSync));
        assert_eq!(attempt(&first, SyncPhase::PreSync), "0-0-presync-0123456");
    }
}
