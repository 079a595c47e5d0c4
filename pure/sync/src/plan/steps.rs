//! The step that carries one task out, with the options that hold for its object.

use landfall_model::annotations::{CLIENT_SIDE_MIGRATION_MANAGER, HOOK_FINALIZER};
use landfall_model::object;
use landfall_model::plan::{ApplyOptions, PlannedStep, Step};
use landfall_model::sync_options::SyncOptions;
use serde_json::Value;

use super::advance::Machine;
use crate::compare::Difference;
use crate::targets;
use crate::tasks::{Task, Work};

/// The manager that `kubectl apply` writes as, whose fields are taken over unless told otherwise.
const KUBECTL_MANAGER: &str = "kubectl-client-side-apply";

impl Machine<'_, '_> {
    fn step(&self, index: usize, action: Step, why: String) -> PlannedStep {
        let task = &self.tasks[index];
        PlannedStep { key: task.key.clone(), gvk: task.gvk.clone(), phase: task.phase, wave: task.wave, action, why }
    }

    pub(super) fn release_step(&self, index: usize) -> PlannedStep {
        let finalizer = HOOK_FINALIZER.to_owned();
        self.step(index, Step::RemoveFinalizer { finalizer }, "its end is recorded".to_owned())
    }

    pub(super) fn delete_hook_step(&self, index: usize, why: &str) -> PlannedStep {
        let uid = self.tasks[index].live.map(|live| live.uid.clone()).unwrap_or_default();
        let propagation = self.tasks[index].options.prune_propagation.unwrap_or_default();
        self.step(index, Step::DeleteHook { uid, propagation }, why.to_owned())
    }

    pub(super) fn prune_step(&self, index: usize) -> PlannedStep {
        let task = &self.tasks[index];
        let uid = task.live.map(|live| live.uid.clone()).unwrap_or_default();
        let propagation = task.options.prune_propagation.unwrap_or_default();
        let owner = self.request.instance.to_owned();
        self.step(
            index,
            Step::Prune { uid, owner, propagation, dry_run: false },
            "the source does not hold it any more".to_owned(),
        )
    }

    pub(super) fn apply_step(&self, index: usize) -> PlannedStep {
        let task = &self.tasks[index];
        let options = self.apply_options(&task.options, task);
        let propagation = task.options.prune_propagation.unwrap_or_default();
        let forces = task.options.force == Some(true) || self.strategy_forces();
        let replaces = task.options.replace == Some(true);
        // Putting a definition or a namespace anew would take everything in it along, so those are only updated.
        let is_container = targets::is_definition(&task.key.group_kind())
            || (task.key.group.is_empty() && task.key.kind == "Namespace");
        let why = match task.difference {
            Difference::Missing => "it is missing",
            Difference::Modified => "it differs",
            Difference::InSync => "it is put anew in every sync (Replace=true)",
            Difference::Unknown => "its state is not known",
            Difference::Extra | Difference::NotCompared => "it is part of the sync",
        };
        let action = match &task.work {
            Work::Namespace(namespace) => Step::CreateNamespace { object: namespace.object(), options },
            Work::Hook { object, .. } => Step::CreateHook { object: object.clone(), options },
            Work::Apply(target) => {
                let object: Value = target.object.clone();
                match (replaces, forces && task.live.is_some() && !is_container) {
                    (true, true) if !options.dry_run => Step::DeleteAndRecreate { object, propagation, options },
                    (true, _) => Step::Replace { object, options },
                    (false, _) => Step::Apply {
                        object,
                        options: ApplyOptions { recreate_if_refused: forces && !is_container, ..options },
                    },
                }
            }
            // Pruning has a step of its own; here only to keep the match closed.
            Work::Prune => return self.prune_step(index),
        };
        self.step(index, action, why.to_owned())
    }

    fn strategy_forces(&self) -> bool {
        let strategy = self.sync.sync_strategy.as_ref();
        let force = strategy.and_then(|strategy| strategy.apply.as_ref().or(strategy.hook.as_ref()));
        force.is_some_and(|force| force.force)
    }

    fn apply_options(&self, options: &SyncOptions, task: &Task<'_>) -> ApplyOptions {
        let named = |source: Option<&str>| source.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let manager = named(task.object().and_then(|object| object::annotation(object, CLIENT_SIDE_MIGRATION_MANAGER)))
            .or_else(|| named(self.request.application.annotation(CLIENT_SIDE_MIGRATION_MANAGER)))
            .unwrap_or_else(|| KUBECTL_MANAGER.to_owned());
        ApplyOptions {
            dry_run: self.sync.dry_run,
            validate: options.validate != Some(false),
            recreate_if_refused: false,
            respect_ignore_differences: options.respect_ignore_differences == Some(true) && task.live.is_some(),
            migrate_from: (options.client_side_apply_migration != Some(false)).then_some(manager),
        }
    }
}
