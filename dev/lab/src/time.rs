//! Virtual time: it stands still while anything can run, and jumps to the next timer when nothing can.
//!
//! The runtime tells when it is about to wait (`on_thread_park`); then the earliest timer is fired. That needs a runtime
//! of one thread on which nothing waits for the outside.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall_ports::clock::Clock;

/// When every simulation begins: 2026-01-01T00:00:00Z.
const BEGINNING_S: i64 = 1_767_225_600;

#[derive(Default)]
struct State {
    elapsed: Duration,
    last_id: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
}

/// The time of a simulation.
#[derive(Default)]
pub struct Timeline {
    state: Mutex<State>,
}

impl Timeline {
    /// Starts at the beginning.
    pub fn start() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Makes a runtime that moves this time on whenever it has nothing else to do.
    pub fn runtime(self: &Arc<Self>) -> std::io::Result<tokio::runtime::Runtime> {
        let this = self.clone();
        tokio::runtime::Builder::new_current_thread().enable_all().on_thread_park(move || this.move_on()).build()
    }

    /// How long the simulation has run.
    pub fn elapsed(&self) -> Duration {
        self.state().elapsed
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        beginning() + SignedDuration::try_from(self.elapsed()).unwrap_or_default()
    }

    /// Waits for a duration of virtual time.
    pub fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        Sleep { until: self.elapsed() + duration, timeline: self.clone(), id: None }
    }

    fn move_on(&self) {
        let waker = {
            let mut state = self.state();
            let Some(((at, _), waker)) = state.timers.pop_first() else { return };
            state.elapsed = state.elapsed.max(at);
            waker
        };
        waker.wake();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn beginning() -> Timestamp {
    Timestamp::from_second(BEGINNING_S).expect("a moment in range")
}

/// Waits for virtual time to pass.
pub struct Sleep {
    timeline: Arc<Timeline>,
    until: Duration,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.timeline.state();
        if state.elapsed >= this.until {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert_with(|| {
            state.last_id += 1;
            state.last_id
        });
        state.timers.insert((this.until, id), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.timeline.state().timers.remove(&(self.until, id));
        }
    }
}

/// The clock of one process: it may be wrong, and it stops when the process dies.
pub struct ProcessClock {
    timeline: Arc<Timeline>,
    wrong_by: Arc<Mutex<SignedDuration>>,
    is_alive: Arc<AtomicBool>,
}

impl ProcessClock {
    /// A clock that is `wrong_by` ahead of the true time, which may be changed at any moment.
    pub fn of(timeline: Arc<Timeline>, wrong_by: Arc<Mutex<SignedDuration>>, is_alive: Arc<AtomicBool>) -> Self {
        Self { timeline, wrong_by, is_alive }
    }
}

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        self.timeline.now() + *self.wrong_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        self.timeline.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.timeline.sleep(duration).await;
        if !self.is_alive.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
