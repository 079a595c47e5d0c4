//! Deleting an application with what it has, one pass at a time.

use std::sync::Arc;

use landfall_model::application::Application;
use landfall_model::time::Time;
use landfall_ports::cluster::{Cause, ClusterError};
use landfall_sync::compare::LiveByKey;
use landfall_sync::deletion::{self, DeletionRequest, missing_finalizers};
use landfall_sync::targets::Targets;

use super::pass::{Given, Pass, own_key};
use super::{Controller, Memory, compare};
use crate::commit::{self, Request, Writing};
use crate::execute::Executor;
use crate::home::Known;

/// How many plans one pass carries out.
const PLANS_PER_PASS_MAX: usize = 16;

impl Controller {
    /// Carries a deletion on as far as it goes without waiting.
    pub(super) async fn delete(
        &self,
        pass: &Pass<'_>,
        known: &Known,
        application: &Application,
        memory: &mut Memory,
    ) -> Result<(), ClusterError> {
        let cluster = self.destinations.find(&application.spec.destination);
        if let Err(reason) = &cluster
            && self.destinations.is_unusable(&application.spec.destination)
        {
            return self.hold_deletion(pass, known, application, reason).await;
        }
        // A project that is gone, or no longer permits the application, must not hold its deletion up for ever.
        let grounds = self.grounds(application).ok();
        // Hooks are the only reason to look at the sources; a broken repository must not hold a deletion up.
        let has_hooks = application.metadata.finalizers.iter().any(|name| name.contains("-delete-finalizer."));
        let sources = application.spec.sources();
        let targets = match has_hooks {
            true => self
                .view(
                    pass,
                    application,
                    &Given { sources, revisions: &vec![None; sources.len()], manifests: &[] },
                    memory,
                )
                .await
                .ok()
                .map(|view| view.targets),
            false => None,
        };
        let kinds = application.status.resources.iter().map(|resource| resource.key().group_kind());
        if let Ok(cluster) = &cluster {
            let wanted = compare::kinds(targets.as_deref().unwrap_or(&Targets::default()), kinds);
            let readiness = match cluster.live.ensure(&wanted, &pass.instance).await {
                Ok(readiness) => readiness,
                Err(error) => {
                    let reason =
                        format!("cluster {} ({}) cannot be asked: {}", cluster.name, cluster.server, error.message);
                    return self.hold_deletion(pass, known, application, &reason).await;
                }
            };
            if let Some((kind, reason)) = readiness.failed.iter().find(|(kind, _)| wanted.contains(kind)) {
                let reason = format!("objects of kind {kind} cannot be read: {reason}");
                return self.hold_deletion(pass, known, application, &reason).await;
            }
            if !readiness.waiting.is_empty() {
                return Ok(());
            }
        }
        let mut current = known.clone();
        let mut application = application.clone();
        for _ in 0..PLANS_PER_PASS_MAX {
            let live: LiveByKey = match &cluster {
                Ok(cluster) => {
                    compare::present(&cluster.live, targets.as_deref().unwrap_or(&Targets::default()), &pass.instance)
                        .live
                }
                Err(_) => LiveByKey::new(),
            };
            let plan = deletion::plan(&DeletionRequest {
                application: &application,
                instance: &pass.instance,
                own_key: &own_key(pass.key),
                live: &live,
                targets: targets.as_deref(),
                permit: &|key| grounds.as_ref().map_or(Ok(()), |grounds| grounds.permit(key)),
                is_destination_gone: cluster.is_err(),
            });
            if !plan.message.is_empty() {
                tracing::info!(message = %plan.message, "deleting");
            }
            if let (false, Ok(cluster)) = (plan.groups.is_empty(), &cluster) {
                let executor = Executor {
                    live: cluster.live.clone(),
                    cluster: self.measured(&application, cluster),
                    clock: self.clock.clone(),
                    carry_ignored: Arc::new(|wanted, _| wanted.clone()),
                };
                let outcomes = executor.run(&plan.groups).await;
                let failed = outcomes
                    .iter()
                    .any(|outcome| matches!(outcome.result, landfall_model::outcome::StepResult::Failed { .. }));
                if failed {
                    self.again_later(pass.key, super::FAILURE_WAIT * 4);
                }
                // What was deleted is gone when the watch says so; that wakes the application.
                return self.tell_deletion(pass, &current, &application, &plan).await;
            }
            if plan.drop_finalizers.is_empty() {
                return self.tell_deletion(pass, &current, &application, &plan).await;
            }
            let kept: Vec<String> = application
                .metadata
                .finalizers
                .iter()
                .filter(|name| !plan.drop_finalizers.contains(name))
                .cloned()
                .collect();
            match commit::write_finalizers(&*self.home_cluster, &self.home, pass.key, &current, &kept).await {
                Ok(()) => {}
                Err(error) if error.cause == Cause::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            application.metadata.finalizers = kept;
            match self.home.application(pass.key) {
                Some(fresh) => current = (*fresh).clone(),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// What an application has cannot be reached for now: that is told, and tried again later. Nothing is let go of.
    async fn hold_deletion(
        &self,
        pass: &Pass<'_>,
        known: &Known,
        application: &Application,
        reason: &str,
    ) -> Result<(), ClusterError> {
        let condition = landfall_model::status::Condition {
            condition_type: landfall_model::status::ConditionType::DeletionError,
            message: format!("{reason}; the deletion goes on when that has passed"),
            last_transition_time: None,
        };
        let plan = deletion::DeletionPlan { conditions: vec![condition], ..deletion::DeletionPlan::default() };
        self.again_later(pass.key, super::FAILURE_WAIT_MAX / 4);
        self.tell_deletion(pass, known, application, &plan).await
    }

    async fn tell_deletion(
        &self,
        pass: &Pass<'_>,
        known: &Known,
        application: &Application,
        plan: &deletion::DeletionPlan,
    ) -> Result<(), ClusterError> {
        let mut status = application.status.clone();
        status
            .conditions
            .retain(|condition| condition.condition_type != landfall_model::status::ConditionType::DeletionError);
        let now = Time::of(self.clock.now());
        status.conditions.extend(
            plan.conditions
                .iter()
                .cloned()
                .map(|condition| landfall_model::status::Condition { last_transition_time: Some(now), ..condition }),
        );
        if status.conditions.iter().map(|c| &c.message).eq(application.status.conditions.iter().map(|c| &c.message)) {
            return Ok(());
        }
        let writing = Writing {
            read: Some(application),
            status: &status,
            operation: application.operation.as_ref(),
            refresh: Request::Keep,
        };
        commit::write(&*self.home_cluster, &self.home, pass.key, known, &writing).await.map(|_| ())
    }

    /// Gives an application the finalizers that its delete hooks need.
    pub(super) async fn add_finalizers(
        &self,
        pass: &Pass<'_>,
        application: &Application,
        targets: &Targets,
    ) -> Result<(), ClusterError> {
        let missing = missing_finalizers(application, targets);
        if missing.is_empty() {
            return Ok(());
        }
        let Some(current) = self.home.application(pass.key) else { return Ok(()) };
        let mut finalizers = application.metadata.finalizers.clone();
        finalizers.extend(missing);
        commit::write_finalizers(&*self.home_cluster, &self.home, pass.key, &current, &finalizers).await
    }
}
