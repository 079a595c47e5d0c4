//! Carrying an operation on: plan, execute, record, until there is nothing to do now.

use std::sync::Arc;

use landfall_model::application::Application;
use landfall_model::key::GroupVersionKind;
use landfall_model::plan::WaitUntil;
use landfall_model::status::OperationState;
use landfall_model::time::Time;
use landfall_ports::cluster::ClusterError;
use landfall_sync::compare::Compared;
use landfall_sync::conclude::operation_while_running;
use landfall_sync::decide::Decision;
use landfall_sync::plan::{self, PlanRequest};
use landfall_sync::shorten::shorten;

use super::Controller;
use super::compare::Answers;
use super::pass::{Pass, View, namespace_state};
use crate::commit::{self, Request, Writing};
use crate::execute::Executor;
use crate::home::Known;

/// How many plans one pass carries out before it lets others go first; the operation goes on in the next pass.
const PLANS_PER_PASS_MAX: usize = 64;
/// How many steps are begun without writing first that the operation runs. A controller that dies meanwhile decides anew,
/// and finds done what was done.
const STEPS_UNTOLD_MAX: usize = 64;

/// Where an operation stands after a pass.
pub(super) struct Operated {
    pub(super) state: OperationState,
    /// The comparison after what was done; `None` if nothing was done.
    pub(super) compared: Option<Compared>,
    /// What is to be concluded instead of the decision that the pass began with.
    pub(super) then: Option<Decision>,
}

impl Controller {
    /// Carries an operation on as far as it goes without waiting.
    pub(super) async fn operate(
        &self,
        pass: &Pass<'_>,
        known: &Known,
        application: &Application,
        view: &View,
        (state, begins): (OperationState, bool),
        answers: &mut Answers,
    ) -> Result<Operated, ClusterError> {
        let carrying = view.grounds.comparison.clone();
        let (schemas, _) = view.grounds.cluster.live.schemas();
        let executor = Executor {
            live: view.grounds.cluster.live.clone(),
            cluster: self.measured(application, &view.grounds.cluster),
            clock: self.clock.clone(),
            carry_ignored: Arc::new(move |wanted, live| carrying.carry_ignored(wanted, live, &schemas)),
        };
        let discovery = view.discovery.clone();
        let mut state = state;
        let mut after = None;
        let mut is_written = !begins;
        for _ in 0..PLANS_PER_PASS_MAX {
            let (present, compared) = match after.take() {
                Some(found) => found,
                None => self.compare_again(pass, application, view, answers),
            };
            let served_now = view.grounds.cluster.live.discovery().await.unwrap_or_else(|_| discovery.clone());
            let is_served = |gvk: &GroupVersionKind| served_now.find(gvk).is_some();
            let plan = plan::advance(&PlanRequest {
                application,
                instance: &pass.instance,
                targets: &view.targets,
                compared: &compared,
                live: &present.live,
                namespace: &namespace_state(view, &application.spec.destination.namespace),
                is_served: &is_served,
                state: &state,
                now: Time::of(self.clock.now()),
            });
            if plan.groups.is_empty() {
                // A server serves a kind a moment after it says that its definition is established, and tells nobody.
                if plan.waits.iter().any(|wait| wait.until == WaitUntil::KindServed) {
                    view.grounds.cluster.live.forget_discovery();
                    self.again_later(pass.key, super::FAILURE_WAIT * 2);
                }
                return Ok(Operated { state: plan.state, compared: Some(compared), then: None });
            }
            // What ends within the pass is written at its end. People are told before what takes a while.
            let steps: usize = plan.groups.iter().map(Vec::len).sum();
            if plan.record_first || (!is_written && steps > STEPS_UNTOLD_MAX) {
                self.write_state(pass, known, application, &plan.state).await?;
                is_written = true;
            }
            let outcomes = executor.run(&plan.groups).await;
            state = plan::record(&plan, &outcomes, Time::of(self.clock.now()));
            after = Some(self.compare_again(pass, application, view, answers));
            if state.phase.is_completed() {
                break;
            }
        }
        if !state.phase.is_completed() {
            self.again_later(pass.key, super::pass::SHORT_WAIT);
        }
        Ok(Operated { state, compared: after.map(|(_, compared)| compared), then: None })
    }

    /// Writes where an operation stands, and nothing else of the status.
    async fn write_state(
        &self,
        pass: &Pass<'_>,
        known: &Known,
        application: &Application,
        state: &OperationState,
    ) -> Result<(), ClusterError> {
        let current = self.home.application(pass.key).unwrap_or_else(|| Arc::new(known.clone()));
        let mut status = current.application.as_ref().unwrap_or(application).status.clone();
        status.operation_state = Some(state.clone());
        // The end of the pass tells that it was shortened.
        let _told_later = shorten(&mut status, &application.status, pass.now);
        let operation = operation_while_running(application, state);
        let writing =
            Writing { read: Some(application), status: &status, operation: Some(&operation), refresh: Request::Keep };
        commit::write(&*self.home_cluster, &self.home, pass.key, &current, &writing).await.map(|_| ())
    }
}
