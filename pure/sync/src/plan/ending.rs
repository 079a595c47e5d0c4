//! How an operation ends: well, in failure after its SyncFail hooks, or stopped by a person.

use landfall_model::health::HealthStatus;
use landfall_model::plan::{WaitUntil, Waiting};
use landfall_model::status::{OperationPhase, ResultCode, SyncPhase};

use super::advance::{Machine, failures};
use super::{Plan, Then};
use crate::tasks::Task;

/// Ends well, after the hooks are deleted that go when an operation succeeded.
pub(super) fn succeed(mut machine: Machine<'_, '_>, message: &str) -> Plan {
    delete_hooks(&mut machine, |task| task.delete_policy().is_some_and(|policy| policy.on_success));
    end(machine, OperationPhase::Succeeded, message)
}

/// Says whether hooks are left to delete when the operation succeeded.
pub(super) fn has_hooks_to_delete(machine: &Machine<'_, '_>) -> bool {
    machine.tasks.iter().any(|task| is_deletable(task) && task.delete_policy().is_some_and(|policy| policy.on_success))
}

/// Runs the SyncFail hooks, waits for them, and ends in failure.
pub(super) fn fail(mut machine: Machine<'_, '_>) -> Plan {
    let last_resort = machine.indexes(|task| task.phase == SyncPhase::SyncFail);
    let running = machine.indexes(|task| task.phase == SyncPhase::SyncFail && task.is_running());
    if !running.is_empty() {
        let wait = |index: &usize| Waiting {
            key: machine.tasks[*index].key.clone(),
            until: WaitUntil::HookEnds,
            detail: String::new(),
        };
        let waits = running.iter().map(wait).collect();
        return machine.wait(waits);
    }
    let pending: Vec<usize> = last_resort.into_iter().filter(|index| machine.tasks[*index].is_pending()).collect();
    if !pending.is_empty() {
        let replaced = machine.replace_old_hooks(&pending);
        if !replaced.is_empty() {
            return machine.wait(replaced);
        }
        machine.apply(&pending);
        machine.state.message = "running hooks after a failure (SyncFail)".to_owned();
        return machine.finish_with(Then::PlanOn, true);
    }
    let was_applied = machine.tasks.iter().all(|task| !task.is_failed() || task.status != Some(ResultCode::SyncFailed));
    let what = if was_applied {
        "one or more synchronization tasks completed unsuccessfully"
    } else {
        "one or more objects failed to apply"
    };
    let message = format!("{what}{}", failures(&machine.tasks));
    delete_hooks(&mut machine, |task| task.delete_policy().is_some_and(|policy| policy.on_failure));
    end(machine, OperationPhase::Failed, &message)
}

/// Stops: hooks that run are deleted, the others let go.
pub(super) fn terminate(mut machine: Machine<'_, '_>) -> Plan {
    let own = machine.indexes(|task| task.is_own_hook());
    for index in &own {
        let task = &mut machine.tasks[*index];
        let health = task.live.and_then(|live| live.health.as_ref()).map(|health| health.status);
        let runs = matches!(health, Some(HealthStatus::Progressing | HealthStatus::Suspended));
        task.progress =
            Some(if runs { OperationPhase::Failed } else { task.progress.unwrap_or(OperationPhase::Succeeded) });
        if runs {
            "Deleted, because the operation was terminated".clone_into(&mut task.message);
        } else if task.is_running() {
            task.progress = Some(match health {
                None | Some(HealthStatus::Healthy) => OperationPhase::Succeeded,
                Some(_) => OperationPhase::Failed,
            });
        }
    }
    machine.release_finished_hooks();
    let stopped: Vec<usize> = own
        .into_iter()
        .filter(|index| {
            let task = &machine.tasks[*index];
            let health = task.live.and_then(|live| live.health.as_ref()).map(|health| health.status);
            let is_going = task.live.is_some_and(|live| live.deletion_time.is_some());
            matches!(health, Some(HealthStatus::Progressing | HealthStatus::Suspended)) && !is_going
        })
        .collect();
    let group = stopped.iter().map(|index| machine.delete_hook_step(*index, "the operation was terminated")).collect();
    machine.push_group(group, &stopped, false);
    end(machine, OperationPhase::Failed, "Operation terminated")
}

fn is_deletable(task: &Task<'_>) -> bool {
    let has_ended = matches!(task.progress, Some(OperationPhase::Succeeded | OperationPhase::Failed));
    task.is_hook() && task.live.is_some_and(|live| live.deletion_time.is_none()) && has_ended
}

fn delete_hooks(machine: &mut Machine<'_, '_>, goes: impl Fn(&Task<'_>) -> bool) {
    let gone = machine.indexes(|task| is_deletable(task) && goes(task));
    let group = gone.iter().map(|index| machine.delete_hook_step(*index, "its delete policy says so")).collect();
    machine.push_group(group, &gone, false);
}

fn end(machine: Machine<'_, '_>, phase: OperationPhase, message: &str) -> Plan {
    machine.finish_with(Then::End(phase, message.to_owned()), true)
}
