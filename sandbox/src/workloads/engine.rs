//! The loop that runs the controllers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::context::{Context, Controller, Work};
use super::loads::Loads;
use super::{
    autoscalers, budgets, crds, cron_jobs, daemon_sets, deployments, endpoints, events, garbage, jobs, mirroring,
    namespaces, nodes, pods, quotas, replica_sets, routing, scenario, stateful_sets, volumes,
};
use crate::json;
use crate::operations::Core;
use crate::store::{Change, ChangeKind, ObjectId, ResourceKey, Tapped};

/// How many pieces of work are done before other tasks get a turn.
const STEPS_PER_TURN: usize = 64;

/// A request to the running engine.
enum Order {
    /// Do what is due now, then answer.
    Settle(oneshot::Sender<()>),
    /// Move the clock on, doing what becomes due on the way, then answer.
    Advance { to: Timestamp, done: oneshot::Sender<()> },
}

/// The handle of the running engine.
#[derive(Clone)]
pub(crate) struct Engine {
    orders: mpsc::UnboundedSender<Order>,
}

impl Engine {
    /// Starts the controllers; they end with `stop`.
    pub(crate) fn start(core: Arc<Core>, stop: CancellationToken) -> Self {
        let changes = core.store.tap();
        let (orders, received) = mpsc::unbounded_channel();
        let (queue, timers, loads) = (BTreeSet::new(), BTreeMap::new(), Loads::default());
        let mut running = Running { core, queue, timers, loads, changes };
        running.look_at_everything();
        tokio::spawn(running.run(received, stop));
        Self { orders }
    }

    /// Waits until nothing is to be done at the present time.
    pub(crate) async fn settle(&self) {
        let (done, answered) = oneshot::channel();
        if self.orders.send(Order::Settle(done)).is_ok() {
            // An engine that has ended has nothing to do either.
            let _ = answered.await;
        }
    }

    /// Moves a driven clock on.
    pub(crate) async fn advance_to(&self, to: Timestamp) {
        let (done, answered) = oneshot::channel();
        if self.orders.send(Order::Advance { to, done }).is_ok() {
            // As above.
            let _ = answered.await;
        }
    }
}

struct Running {
    core: Arc<Core>,
    queue: BTreeSet<Work>,
    timers: BTreeMap<(Timestamp, Work), ()>,
    loads: Loads,
    changes: mpsc::UnboundedReceiver<Tapped>,
}

impl Running {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, stop: CancellationToken) {
        loop {
            if !self.work(&stop).await {
                return;
            }
            let next_timer = self.timers.keys().next().map(|(at, _)| *at);
            let driven = self.core.clock.is_driven();
            let sleep = match next_timer {
                Some(at) if !driven => self.core.clock.until(at),
                _ => std::time::Duration::from_secs(3600),
            };
            tokio::select! {
                () = stop.cancelled() => return,
                change = self.changes.recv() => match change {
                    Some((resource, change)) => self.enqueue(&resource, &change),
                    None => return,
                },
                () = tokio::time::sleep(sleep) => {}
                order = orders.recv() => match order {
                    None => return,
                    Some(Order::Settle(done)) => {
                        self.work(&stop).await;
                        // Nobody may be waiting any more.
                        let _ = done.send(());
                    }
                    Some(Order::Advance { to, done }) => {
                        self.advance(to, &stop).await;
                        let _ = done.send(());
                    }
                },
            }
        }
    }

    /// Steps a driven clock from timer to timer.
    async fn advance(&mut self, to: Timestamp, stop: &CancellationToken) {
        loop {
            if !self.work(stop).await {
                return;
            }
            match self.timers.keys().next().map(|(at, _)| *at) {
                Some(at) if at <= to => self.core.clock.set(at),
                _ => break,
            }
        }
        self.core.clock.set(to);
        self.work(stop).await;
    }

    /// Does everything that is due; false when the sandbox stops.
    async fn work(&mut self, stop: &CancellationToken) -> bool {
        let mut steps = 0;
        loop {
            while let Ok((resource, change)) = self.changes.try_recv() {
                self.enqueue(&resource, &change);
            }
            let now = self.core.clock.now();
            while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
                let ((_, work), ()) = timer.remove_entry();
                self.queue.insert(work);
            }
            let Some(work) = self.queue.pop_first() else { return !stop.is_cancelled() };
            self.step(&work, now);
            steps += 1;
            if steps % STEPS_PER_TURN == 0 {
                if stop.is_cancelled() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    fn step(&mut self, work: &Work, now: Timestamp) {
        let mut context = Context { core: &self.core, now, loads: &mut self.loads, timers: &mut self.timers };
        let (controller, id) = work;
        match controller {
            Controller::Namespace => namespaces::reconcile(&mut context, id),
            Controller::Definition => crds::reconcile(&mut context, id),
            Controller::Garbage => garbage::reconcile(&mut context, id),
            Controller::CronJob => cron_jobs::reconcile(&mut context, id),
            Controller::Job => jobs::reconcile(&mut context, id),
            Controller::StatefulSet => stateful_sets::reconcile(&mut context, id),
            Controller::DaemonSet => daemon_sets::reconcile(&mut context, id),
            Controller::Claim => volumes::reconcile_claim(&mut context, id),
            Controller::Volume => volumes::reconcile_volume(&mut context, id),
            Controller::Service => endpoints::reconcile_service(&mut context, id),
            Controller::Ingress => endpoints::reconcile_ingress(&mut context, id),
            Controller::Budget => budgets::reconcile(&mut context, id),
            Controller::Autoscaler => autoscalers::reconcile(&mut context, id),
            Controller::Deployment => deployments::reconcile(&mut context, id),
            Controller::ReplicaSet => replica_sets::reconcile(&mut context, id),
            Controller::Node => nodes::reconcile(&mut context, id),
            Controller::Pod => pods::reconcile(&mut context, id),
            Controller::Event => events::reconcile(&mut context, id),
            Controller::Traffic => context.core.traffic.look(context.core, &id.name, now),
            Controller::Scenario => scenario::reconcile(&mut context, id),
            Controller::Quota => quotas::reconcile(&mut context, id),
            Controller::Mirror => mirroring::reconcile(&mut context, id),
        }
    }

    /// Queues every object, as after a start on an old file.
    fn look_at_everything(&mut self) {
        for resource in self.core.store.resources() {
            let objects = self.core.store.list(&resource, None, None).map(|listing| listing.items).unwrap_or_default();
            for stored in objects {
                let id = ObjectId::of(&resource, &stored.value);
                if resource.as_str() == "pods" {
                    self.loads.follow(None, Some(&stored.value));
                }
                routing::enqueue(&self.core, &id, &stored.value, &mut self.queue);
                self.queue.insert((Controller::Garbage, id));
            }
        }
    }

    /// Queues whoever cares about a change.
    fn enqueue(&mut self, resource: &ResourceKey, change: &Change) {
        let id = ObjectId {
            resource: resource.clone(),
            namespace: Arc::clone(&change.namespace),
            name: Arc::clone(&change.name),
        };
        if resource.as_str() == "pods" {
            let after = (change.kind != ChangeKind::Deleted).then_some(&*change.object.value);
            self.loads.follow(change.previous.as_ref().map(|previous| &*previous.value), after);
        }
        routing::enqueue(&self.core, &id, &change.object.value, &mut self.queue);
        if let Some(previous) = &change.previous
            && json::list(&previous.value, "/metadata/ownerReferences")
                != json::list(&change.object.value, "/metadata/ownerReferences")
        {
            routing::enqueue(&self.core, &id, &previous.value, &mut self.queue);
        }
        if let Some(previous) = &change.previous {
            routing::enqueue_for_faults(&self.core, &id, &previous.value, &change.object.value, &mut self.queue);
        }
        garbage::enqueue(&self.core, &id, change, &mut self.queue);
        namespaces::enqueue(change, &mut self.queue);
        crds::enqueue(&self.core, &id, change, &mut self.queue);
    }
}
