//! From tasks to the next groups of steps.

use landfall_model::annotations::DELETION_APPROVED;
use landfall_model::health::HealthStatus;
use landfall_model::plan::{PlannedStep, WaitUntil, Waiting};
use landfall_model::status::{OperationPhase, OperationState, ResultCode, SyncOperation, SyncPhase};
use landfall_model::time::Time;

use super::record::places_of;
use super::{Place, Plan, PlanRequest, Then, ending, touches_hooks};
use crate::compare::Difference;
use crate::targets::{self, Availability};
use crate::tasks::{self, PruneRule, Task, Work};
use crate::{explain, order};

pub(super) fn advance(request: &PlanRequest<'_>) -> Plan {
    let state = request.state.clone();
    let Some(sync) = state.operation.sync.clone() else {
        return ended(state, OperationPhase::Error, "the operation says nothing to do: operation.sync is missing");
    };
    let mut machine = Machine {
        request,
        sync: &sync,
        tasks: tasks::build(request, &sync),
        state,
        groups: Vec::new(),
        places: Vec::new(),
    };
    if machine.state.phase == OperationPhase::Terminating {
        return ending::terminate(machine);
    }
    if let Some(message) = machine.shared() {
        return machine.end(OperationPhase::Failed, &message);
    }
    if let Some(message) = machine.refuse_invalid() {
        return machine.end(OperationPhase::Failed, &message);
    }
    if sync.dry_run {
        return machine.dry_run();
    }
    machine.observe();
    let running = machine.running();
    let hooks_run = running.iter().any(|wait| wait.until == WaitUntil::HookEnds);
    machine.release_finished_hooks();
    if machine.tasks.iter().any(|task| task.phase != SyncPhase::SyncFail && task.is_failed()) && !hooks_run {
        return ending::fail(machine);
    }
    if !running.is_empty() {
        return machine.wait(running);
    }
    let going = machine.going();
    if !going.is_empty() {
        return machine.wait(going);
    }
    machine.next_wave()
}

/// A pass over the tasks of an operation.
pub(super) struct Machine<'r, 'a> {
    pub(super) request: &'r PlanRequest<'a>,
    pub(super) sync: &'r SyncOperation,
    pub(super) tasks: Vec<Task<'a>>,
    pub(super) state: OperationState,
    pub(super) groups: Vec<Vec<PlannedStep>>,
    pub(super) places: Vec<Place>,
}

fn ended(mut state: OperationState, phase: OperationPhase, message: &str) -> Plan {
    (state.phase, state.message) = (phase, message.to_owned());
    Plan { groups: Vec::new(), waits: Vec::new(), state, record_first: false, then: Then::PlanOn, places: Vec::new() }
}

impl Machine<'_, '_> {
    /// `FailOnSharedResource=true`: nothing is touched while another application has one of the objects.
    fn shared(&self) -> Option<String> {
        let is_on = tasks::base_options(self.request, self.sync).fail_on_shared_resource == Some(true);
        let (key, other) = self.request.compared.shared.first().filter(|_| is_on)?;
        let more = match self.request.compared.shared.len() - 1 {
            0 => String::new(),
            count => format!(", and {count} more objects are shared"),
        };
        Some(format!(
            "Shared resource found: {key} is part of application {other} too{more} (FailOnSharedResource=true)"
        ))
    }

    /// Records what cannot be carried out at all, and says so; nothing is applied then.
    fn refuse_invalid(&mut self) -> Option<String> {
        let mut reasons: Vec<String> = Vec::new();
        for task in self.tasks.iter_mut().filter(|task| task.progress != Some(OperationPhase::Succeeded)) {
            if let Some(reason) = task.invalidity() {
                (task.status, task.progress) = (Some(ResultCode::SyncFailed), Some(OperationPhase::Failed));
                task.message.clone_from(&reason);
                let reason = format!("{}: {reason}", task.key);
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        let first = reasons.first()?;
        let more = if reasons.len() > 1 { format!(" and {} more", reasons.len() - 1) } else { String::new() };
        Some(format!("one or more synchronization tasks are not valid ({first}{more})"))
    }

    /// Sends everything as a dry run, at once: nothing of it builds on the rest.
    fn dry_run(mut self) -> Plan {
        if self.tasks.iter().any(Task::is_failed) {
            let reason = failures(&self.tasks);
            return self.end(OperationPhase::Failed, &format!("one or more objects failed to apply (dry run){reason}"));
        }
        let makes_namespace =
            self.tasks.iter().any(|task| matches!(task.work, Work::Namespace(_)) && task.live.is_none());
        let destination = &self.request.application.spec.destination.namespace;
        let mut steps = Vec::new();
        for index in 0..self.tasks.len() {
            let task = &self.tasks[index];
            if !task.is_pending() {
                continue;
            }
            let comes_later = task.availability() != Availability::Served
                || (makes_namespace && task.key.namespace == *destination && !destination.is_empty());
            let settled = match (&task.work, task.is_prune()) {
                (_, true) => Some(match tasks::prune_rule(task, self.sync) {
                    PruneRule::Skip(why) => (ResultCode::PruneSkipped, why.to_owned()),
                    PruneRule::Go | PruneRule::Confirm => (ResultCode::Pruned, "pruned (dry run)".to_owned()),
                }),
                _ if task.difference == Difference::InSync => {
                    Some((ResultCode::Synced, self.printed(task, "unchanged (dry run)")))
                }
                _ if comes_later => Some((ResultCode::Synced, self.printed(task, "created (dry run)"))),
                _ => None,
            };
            match settled {
                Some((code, message)) => self.settle(index, code, message),
                None => steps.push(index),
            }
        }
        let group = steps.iter().map(|index| self.apply_step(*index)).collect();
        self.push_group(group, &steps, true);
        self.finish_with(Then::EndIfDone(OperationPhase::Succeeded, "successfully synced (dry run)".to_owned()), false)
    }

    /// Updates tasks under way from what is there.
    fn observe(&mut self) {
        for task in &mut self.tasks {
            // A hook that is there with the mark of this attempt was made by it, even if that was not recorded.
            if task.is_pending() && task.is_own_hook() {
                (task.status, task.progress) = (Some(ResultCode::Synced), Some(OperationPhase::Running));
            }
            if !task.is_running() {
                continue;
            }
            let (progress, message) = match (task.is_hook(), task.live) {
                (_, None) if task.difference == Difference::Unknown || matches!(task.work, Work::Namespace(_)) => {
                    (OperationPhase::Succeeded, None)
                }
                (true, None) => (OperationPhase::Failed, Some("the hook was deleted before it ended".to_owned())),
                (false, None) => {
                    (OperationPhase::Failed, Some("the object was deleted while the sync waited for it".to_owned()))
                }
                (true, Some(live)) => match &live.health {
                    None => (OperationPhase::Succeeded, None),
                    Some(health) => match health.status {
                        HealthStatus::Healthy => (OperationPhase::Succeeded, Some(health.message.clone())),
                        HealthStatus::Degraded | HealthStatus::Unknown | HealthStatus::Missing => {
                            (OperationPhase::Failed, Some(health.message.clone()))
                        }
                        HealthStatus::Progressing | HealthStatus::Suspended if live.deletion_time.is_some() => {
                            (OperationPhase::Failed, Some("the hook was deleted before it ended".to_owned()))
                        }
                        HealthStatus::Progressing | HealthStatus::Suspended => {
                            (OperationPhase::Running, Some(health.message.clone()))
                        }
                    },
                },
                (false, Some(live)) => match &live.health {
                    None => (OperationPhase::Succeeded, None),
                    Some(health) => match health.status {
                        HealthStatus::Healthy => (OperationPhase::Succeeded, Some(health.message.clone())),
                        HealthStatus::Degraded => (OperationPhase::Failed, Some(health.message.clone())),
                        HealthStatus::Progressing
                        | HealthStatus::Suspended
                        | HealthStatus::Missing
                        | HealthStatus::Unknown => (OperationPhase::Running, None),
                    },
                },
            };
            task.progress = Some(progress);
            if let Some(message) = message.filter(|message| !message.is_empty()) {
                task.message = message;
            }
        }
    }

    /// Lists what is under way and has to end before anything else begins: hooks always, objects if there is more than
    /// one wave.
    fn running(&self) -> Vec<Waiting> {
        let ordinary = || self.tasks.iter().filter(|task| task.phase != SyncPhase::SyncFail);
        let mut places = ordinary().map(|task| (task.phase, task.wave));
        let first = places.next();
        let has_several_waves = places.any(|place| Some(place) != first);
        let under_way = self.tasks.iter().filter(|task| task.is_running() && (has_several_waves || task.is_hook()));
        under_way
            .map(|task| Waiting {
                key: task.key.clone(),
                until: if task.is_hook() { WaitUntil::HookEnds } else { WaitUntil::Healthy },
                detail: task
                    .live
                    .and_then(|live| live.health.as_ref())
                    .map(|health| health.message.clone())
                    .unwrap_or_default(),
            })
            .collect()
    }

    /// Lists what was pruned and is not gone yet.
    fn going(&self) -> Vec<Waiting> {
        let pruned = self.tasks.iter().filter(|task| task.is_prune() && task.status == Some(ResultCode::Pruned));
        let going = pruned.filter_map(|task| task.live.filter(|live| live.deletion_time.is_some()));
        let wait = |live: &crate::live::Live| Waiting {
            key: live.key.clone(),
            until: WaitUntil::Gone,
            detail: live.health.as_ref().map(|health| health.message.clone()).unwrap_or_default(),
        };
        going.map(wait).collect()
    }

    /// Lets go of hooks whose end is recorded.
    pub(super) fn release_finished_hooks(&mut self) {
        let finished: Vec<usize> = self.indexes(|task| {
            let is_held = task.live.is_some_and(|live| live.has_hook_finalizer);
            // One whose finalizer could not be removed is in Error: it is not tried again without end.
            let has_ended = matches!(task.progress, Some(OperationPhase::Succeeded | OperationPhase::Failed));
            task.is_hook() && is_held && task.is_own_hook() && has_ended
        });
        let group = finished.iter().map(|index| self.release_step(*index)).collect();
        self.push_group(group, &finished, false);
    }

    fn next_wave(mut self) -> Plan {
        let skips_in_sync = tasks::base_options(self.request, self.sync).apply_out_of_sync_only == Some(true);
        let is_left_out = |task: &Task<'_>| {
            skips_in_sync && matches!(task.work, Work::Apply(_)) && task.difference == Difference::InSync
        };
        let pending = self.indexes(|task| task.is_pending() && task.phase != SyncPhase::SyncFail && !is_left_out(task));
        let Some(&first) = pending.first() else {
            return ending::succeed(self, "successfully synced (no more tasks)");
        };
        let place = (self.tasks[first].phase, self.tasks[first].wave);
        let (now, later): (Vec<usize>, Vec<usize>) =
            pending.into_iter().partition(|index| (self.tasks[*index].phase, self.tasks[*index].wave) == place);
        let unconfirmed = self.unconfirmed(&now);
        if !unconfirmed.is_empty() {
            return self.wait(unconfirmed);
        }
        let (held, ready) = self.held_by_definitions(&now);
        if ready.is_empty() {
            return self.wait_for_definitions(&held);
        }
        let replaced = self.replace_old_hooks(&ready);
        let is_last = later.is_empty()
            && held.is_empty()
            && replaced.is_empty()
            && !now.iter().any(|index| self.tasks[*index].is_hook());
        self.prune(&ready);
        if replaced.is_empty() {
            self.apply(&ready);
        }
        if self.groups.is_empty() && !replaced.is_empty() {
            return self.wait(replaced);
        }
        if !is_last {
            let message = "one or more tasks are running";
            self.state.message = message.to_owned();
            return self.finish_with(Then::PlanOn, true);
        }
        if self.groups.is_empty() {
            return ending::succeed(self, "successfully synced (all tasks run)");
        }
        // What is left of hooks that succeeded goes in the next pass, so that it is recorded first.
        if ending::has_hooks_to_delete(&self) {
            return self.finish_with(Then::PlanOn, true);
        }
        self.finish_with(
            Then::EndIfDone(OperationPhase::Succeeded, "successfully synced (all tasks run)".to_owned()),
            false,
        )
    }

    /// Lists what somebody has to approve before it is pruned.
    fn unconfirmed(&self, now: &[usize]) -> Vec<Waiting> {
        let approved = self.request.application.annotation(DELETION_APPROVED).and_then(Time::parse);
        if approved.is_some_and(|at| at >= self.state.started_at) {
            return Vec::new();
        }
        let asked = now.iter().map(|index| &self.tasks[*index]);
        let asked = asked.filter(|task| task.is_prune() && tasks::prune_rule(task, self.sync) == PruneRule::Confirm);
        let detail = format!("annotate the application with {DELETION_APPROVED}=<time now> to approve");
        asked
            .map(|task| Waiting { key: task.key.clone(), until: WaitUntil::Confirmed, detail: detail.clone() })
            .collect()
    }

    /// Holds instances back whose definition is of this application and not served yet.
    fn held_by_definitions(&self, now: &[usize]) -> (Vec<usize>, Vec<usize>) {
        now.iter().partition(|index| {
            let task = &self.tasks[**index];
            task.availability() == Availability::DefinedHere && !(self.request.is_served)(&task.gvk)
        })
    }

    fn wait_for_definitions(mut self, held: &[usize]) -> Plan {
        let mut waits: Vec<Waiting> = Vec::new();
        for index in held {
            let kind = self.tasks[*index].key.group_kind();
            let definition =
                self.tasks.iter().find(|task| task.object().and_then(targets::defined_kind).as_ref() == Some(&kind));
            // Somebody selected instances without their definition: let the server say that it does not know them.
            let Some(definition) = definition else {
                return self.try_held(held);
            };
            let health = definition.live.and_then(|live| live.health.as_ref());
            if let Some(health) = health.filter(|health| health.status == HealthStatus::Degraded) {
                let message = format!("its definition {} does not work: {}", definition.key, health.message);
                let task = &mut self.tasks[*index];
                (task.status, task.progress, task.message) =
                    (Some(ResultCode::SyncFailed), Some(OperationPhase::Failed), message);
                continue;
            }
            let detail = health.map(|health| health.message.clone()).unwrap_or_default();
            let wait = Waiting { key: definition.key.clone(), until: WaitUntil::KindServed, detail };
            if !waits.contains(&wait) {
                waits.push(wait);
            }
        }
        if waits.is_empty() { ending::fail(self) } else { self.wait(waits) }
    }

    fn try_held(mut self, held: &[usize]) -> Plan {
        self.apply(held);
        self.finish_with(Then::PlanOn, true)
    }

    /// Deletes hooks of earlier operations that are to be made again, and lists those that are not gone yet.
    pub(super) fn replace_old_hooks(&mut self, now: &[usize]) -> Vec<Waiting> {
        let mut waits = Vec::new();
        let (mut release, mut delete) = (Vec::new(), Vec::new());
        for index in now {
            let task = &self.tasks[*index];
            let Some(live) = task.live else { continue };
            let is_older = task.is_hook() && !task.is_own_hook();
            let is_replaced = task.delete_policy().is_some_and(|policy| policy.before_creation);
            if !is_older || (!is_replaced && live.deletion_time.is_none()) {
                continue;
            }
            waits.push(Waiting { key: task.key.clone(), until: WaitUntil::Gone, detail: String::new() });
            if live.has_hook_finalizer {
                release.push(*index);
            }
            if live.deletion_time.is_none() {
                delete.push(*index);
            }
        }
        let group = release.iter().map(|index| self.release_step(*index)).collect();
        self.push_group(group, &release, false);
        let group = delete.iter().map(|index| self.delete_hook_step(*index, "it is made again")).collect();
        self.push_group(group, &delete, false);
        waits
    }

    fn prune(&mut self, now: &[usize]) {
        let mut go = Vec::new();
        for index in now.iter().copied() {
            if !self.tasks[index].is_prune() {
                continue;
            }
            let task = &self.tasks[index];
            match tasks::prune_rule(task, self.sync) {
                PruneRule::Skip(why) => self.settle(index, ResultCode::PruneSkipped, why.to_owned()),
                // What is on its way already needs no second word.
                PruneRule::Go | PruneRule::Confirm if task.live.is_some_and(|live| live.deletion_time.is_some()) => {
                    self.settle(index, ResultCode::Pruned, "pruned".to_owned());
                }
                PruneRule::Go | PruneRule::Confirm => go.push(index),
            }
        }
        let group = go.iter().map(|index| self.prune_step(*index)).collect();
        self.push_group(group, &go, true);
    }

    pub(super) fn apply(&mut self, now: &[usize]) {
        let mut go = Vec::new();
        for index in now.iter().copied() {
            if self.tasks[index].is_prune() {
                continue;
            }
            let task = &self.tasks[index];
            let is_done = matches!(task.work, Work::Apply(_))
                && task.difference == Difference::InSync
                && task.options.replace != Some(true);
            if is_done {
                let message = self.printed(task, "unchanged");
                self.settle(index, ResultCode::Synced, message);
                self.tasks[index].progress = Some(OperationPhase::Running);
            } else {
                go.push(index);
            }
        }
        let kinds: Vec<_> = go.iter().map(|index| (*index, self.tasks[*index].key.group_kind())).collect();
        for run in order::runs_of_kinds(kinds.iter().map(|(index, kind)| (*index, kind))) {
            let group = run.iter().map(|index| self.apply_step(*index)).collect();
            self.push_group(group, &run, true);
        }
    }

    fn settle(&mut self, index: usize, code: ResultCode, message: String) {
        let task = &mut self.tasks[index];
        (task.status, task.progress, task.message) = (Some(code), Some(OperationPhase::Succeeded), message);
    }

    fn printed(&self, task: &Task<'_>, verb: &str) -> String {
        format!("{}/{} {verb}", tasks::printed(&task.key.group_kind()), task.key.name)
    }

    pub(super) fn indexes(&self, keep: impl Fn(&Task<'_>) -> bool) -> Vec<usize> {
        self.tasks.iter().enumerate().filter(|(_, task)| keep(task)).map(|(index, _)| index).collect()
    }

    pub(super) fn push_group(&mut self, group: Vec<PlannedStep>, indexes: &[usize], is_main: bool) {
        if group.is_empty() {
            return;
        }
        self.groups.push(group);
        let places = indexes.iter().map(|index| &self.tasks[*index]);
        self.places.extend(places.map(|task| Place { key: task.key.clone(), phase: task.phase, is_main }));
    }

    /// Writes the tasks' results back, keeping the order in which they were first recorded.
    fn write_back(&mut self) {
        let result = self.state.sync_result.get_or_insert_default();
        let mut index_by_place = places_of(&result.resources);
        for task in self.tasks.iter().filter(|task| !task.is_pending()) {
            let entry = task.result();
            match index_by_place.get(&(task.key.clone(), Some(task.phase))) {
                Some(index) => result.resources[*index] = entry,
                None => {
                    index_by_place.insert((task.key.clone(), Some(task.phase)), result.resources.len());
                    result.resources.push(entry);
                }
            }
        }
    }

    pub(super) fn end(mut self, phase: OperationPhase, message: &str) -> Plan {
        self.write_back();
        (self.state.phase, self.state.message) = (phase, message.to_owned());
        Plan {
            groups: Vec::new(),
            waits: Vec::new(),
            state: self.state,
            record_first: false,
            then: Then::PlanOn,
            places: Vec::new(),
        }
    }

    /// Waits; steps that tidy up may go along.
    pub(super) fn wait(mut self, waits: Vec<Waiting>) -> Plan {
        self.state.message = explain::waiting(&waits);
        let mut plan = self.finish_with(Then::PlanOn, true);
        plan.waits = waits;
        plan
    }

    /// Closes the pass. `record_first` is kept only where the groups touch hooks.
    pub(super) fn finish_with(mut self, then: Then, record_first: bool) -> Plan {
        if self.groups.is_empty() {
            match then {
                Then::PlanOn => {}
                Then::EndIfDone(phase, message) | Then::End(phase, message) => return self.end(phase, &message),
            }
            self.write_back();
            return Plan {
                groups: Vec::new(),
                waits: Vec::new(),
                state: self.state,
                record_first: false,
                then: Then::PlanOn,
                places: Vec::new(),
            };
        }
        self.write_back();
        let touches_hooks = touches_hooks(&self.groups);
        let record_first =
            record_first && touches_hooks && self.state != *self.request.state || touches_hooks && !self.was_recorded();
        Plan { groups: self.groups, waits: Vec::new(), state: self.state, record_first, then, places: self.places }
    }

    /// Says whether the operation itself is in the application's status already.
    fn was_recorded(&self) -> bool {
        let written = self.request.application.status.operation_state.as_ref();
        written.is_some_and(|written| {
            written.started_at == self.state.started_at && written.retry_count == self.state.retry_count
        })
    }
}

/// The reasons of failed tasks, as Argo CD appends them to the message.
pub(super) fn failures(tasks: &[Task<'_>]) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    for task in tasks.iter().filter(|task| task.is_failed() && !task.message.is_empty()) {
        if !reasons.contains(&task.message.as_str()) {
            reasons.push(&task.message);
        }
    }
    if reasons.is_empty() { String::new() } else { format!(", reason: {}", reasons.join(",")) }
}
