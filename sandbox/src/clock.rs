//! The sandbox' clock: the machine's own (which may be moved ahead of it), or one that only a test moves.
//!
//! Everything that the sandbox stamps or waits for (creation times, probe delays, back-off, deadlines) asks this
//! clock, so an hour of rollout can take a millisecond. Watch and request time-outs are between real processes and
//! use real time. Entry: [`Clock`].

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// Tells the time to the whole sandbox; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Arc<Source>,
}

#[derive(Debug)]
enum Source {
    Real { ahead: Mutex<SignedDuration> },
    Driven { now: Mutex<Timestamp> },
}

impl Clock {
    /// The machine's clock.
    pub fn real() -> Self {
        Self { source: Arc::new(Source::Real { ahead: Mutex::new(SignedDuration::ZERO) }) }
    }

    /// A clock that stands still at `start` until somebody moves it.
    pub fn driven(start: Timestamp) -> Self {
        Self { source: Arc::new(Source::Driven { now: Mutex::new(start) }) }
    }

    /// True when a test moves this clock.
    pub fn is_driven(&self) -> bool {
        matches!(*self.source, Source::Driven { .. })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &*self.source {
            // The one place where the sandbox reads the machine's clock.
            Source::Real { ahead } => Timestamp::now() + *ahead.lock().expect("no holder of this lock panics"),
            Source::Driven { now, .. } => *now.lock().expect("no holder of this lock panics"),
        }
    }

    /// Sets the clock, never backwards; a machine's clock runs on from there.
    pub(crate) fn set(&self, to: Timestamp) {
        match &*self.source {
            Source::Driven { now } => {
                let mut now = now.lock().expect("no holder of this lock panics");
                *now = to.max(*now);
            }
            Source::Real { ahead } => {
                let mut ahead = ahead.lock().expect("no holder of this lock panics");
                *ahead = (*ahead).max(to.duration_since(Timestamp::now()));
            }
        }
    }

    /// Moves the clock at once, forwards or backwards, as when somebody sets a machine's clock.
    pub(crate) fn jump(&self, by: SignedDuration) {
        match &*self.source {
            Source::Driven { now } => {
                let mut now = now.lock().expect("no holder of this lock panics");
                *now = now.saturating_add(by).unwrap_or(*now);
            }
            Source::Real { ahead } => {
                let mut ahead = ahead.lock().expect("no holder of this lock panics");
                *ahead = ahead.saturating_add(by);
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
