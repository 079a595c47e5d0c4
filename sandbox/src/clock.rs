//! The sandbox' clock: the machine's own, or one that only a test moves.
//!
//! Everything that the sandbox stamps or waits for (creation times, probe delays, back-off, deadlines) asks this
//! clock, so an hour of rollout can take a millisecond. Watch and request time-outs are between real processes and
//! use real time. Entry: [`Clock`].

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Tells the time to the whole sandbox; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Arc<Source>,
}

#[derive(Debug)]
enum Source {
    Real,
    Driven { now: Mutex<Timestamp>, moved: watch::Sender<u64> },
}

impl Clock {
    /// The machine's clock.
    pub fn real() -> Self {
        Self { source: Arc::new(Source::Real) }
    }

    /// A clock that stands still at `start` until somebody moves it.
    pub fn driven(start: Timestamp) -> Self {
        Self { source: Arc::new(Source::Driven { now: Mutex::new(start), moved: watch::Sender::new(0) }) }
    }

    /// True when a test moves this clock.
    pub fn is_driven(&self) -> bool {
        matches!(*self.source, Source::Driven { .. })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &*self.source {
            // The one place where the sandbox reads the machine's clock.
            Source::Real => Timestamp::now(),
            Source::Driven { now, .. } => *now.lock().expect("no holder of this lock panics"),
        }
    }

    /// Sets a driven clock, never backwards; a real clock is left alone.
    pub(crate) fn set(&self, to: Timestamp) {
        if let Source::Driven { now, moved } = &*self.source {
            let mut now = now.lock().expect("no holder of this lock panics");
            if to > *now {
                *now = to;
                moved.send_modify(|count| *count += 1);
            }
        }
    }

    /// How long it is until `at`, zero when it has passed.
    pub fn until(&self, at: Timestamp) -> std::time::Duration {
        let left = at.duration_since(self.now());
        if left <= SignedDuration::ZERO { std::time::Duration::ZERO } else { left.unsigned_abs() }
    }
}

/// The form of `metadata.creationTimestamp`: seconds, UTC.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The form of `MicroTime` fields (Leases, Events): microseconds, UTC.
pub(crate) fn rfc3339_micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Reads a timestamp that an object holds; `None` when it is not one.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
