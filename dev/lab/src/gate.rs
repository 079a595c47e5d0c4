//! What every call of a process through a port goes through: it is numbered, and a script says what becomes of it.
//!
//! A process that died at a call stays there for ever: neither this call nor any other is answered or begun, so nothing
//! of it reaches the outside any more. That is what a kill looks like from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use landfall_ports::cluster::Cause;
use tokio::sync::Notify;

use crate::time::Timeline;

/// Which port is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The Kubernetes API.
    Cluster,
    /// One event of a watch.
    Watch,
    /// Git.
    Git,
    /// Chart repositories and registries.
    Charts,
}

/// Whether a call changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only asks.
    Reads,
    /// It changes something, so that it matters whether a failure comes before or after that.
    Writes,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Counts the calls of the process, from 0.
    pub number: u64,
    /// The port.
    pub port: Port,
    /// What is done: `apply`, `list`, `fetch`.
    pub verb: &'static str,
    /// To what: a kind, an address.
    pub subject: String,
    /// Whether it changes something.
    pub effect: Effect,
}

/// When something happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before it takes effect.
    Before,
    /// After it took effect, and before the answer arrives.
    After,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out.
    Pass,
    /// It is carried out after a while, or its answer comes after a while.
    Late(Duration, When),
    /// It fails for this cause.
    Fail(Cause, When),
    /// The process dies.
    Kill(When),
}

/// Says what becomes of each call.
pub trait Script: Send + Sync {
    /// Called once per call, in order.
    fn fate(&self, call: &Call) -> Fate;
}

/// Lets everything through.
pub struct Undisturbed;

impl Script for Undisturbed {
    fn fate(&self, _: &Call) -> Fate {
        Fate::Pass
    }
}

/// The gate of one process.
pub struct Gate {
    /// Whether the process lives.
    pub is_alive: Arc<AtomicBool>,
    /// Told when it dies.
    pub died: Arc<Notify>,
    timeline: Arc<Timeline>,
    script: Arc<dyn Script>,
    calls: AtomicU64,
}

impl Gate {
    /// Opens a gate for a process that begins to live.
    pub fn of(timeline: Arc<Timeline>, script: Arc<dyn Script>) -> Arc<Self> {
        let is_alive = Arc::new(AtomicBool::new(true));
        Arc::new(Self { is_alive, died: Arc::default(), timeline, script, calls: AtomicU64::new(0) })
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Ends the process.
    pub fn kill(&self) {
        self.is_alive.store(false, Ordering::Relaxed);
        self.died.notify_one();
    }

    /// Carries a call out as the script says. `fail` makes the port's error of a cause.
    pub async fn pass<T, E>(
        &self,
        (port, verb, effect): (Port, &'static str, Effect),
        subject: String,
        fail: impl Fn(Cause) -> E,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.stay_if_dead().await;
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call { number, port, verb, subject, effect };
        let fate = self.script.fate(&call);
        tracing::trace!(at = ?self.timeline.elapsed(), number, ?port, verb, subject = %call.subject, ?fate, "call");
        match fate {
            Fate::Kill(When::Before) => self.kill(),
            Fate::Fail(cause, When::Before) => return Err(fail(cause)),
            Fate::Late(by, When::Before) => self.timeline.sleep(by).await,
            Fate::Pass | Fate::Kill(When::After) | Fate::Fail(_, When::After) | Fate::Late(_, When::After) => {}
        }
        self.stay_if_dead().await;
        let answer = act.await;
        match fate {
            Fate::Kill(When::After) => self.kill(),
            Fate::Late(by, When::After) => self.timeline.sleep(by).await,
            _ => {}
        }
        self.stay_if_dead().await;
        match fate {
            Fate::Fail(cause, When::After) => Err(fail(cause)),
            _ => answer,
        }
    }

    /// Never returns once the process is dead.
    pub async fn stay_if_dead(&self) {
        if !self.is_alive.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
