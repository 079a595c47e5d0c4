//! Which applications are due: each at most once in the queue and at most once in flight, at the earliest moment anybody
//! asked for. A wake-up carries no payload: who is woken looks at everything. Waiting goes by the time that passes, so that
//! a clock that is set back holds nobody up.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_ports::clock::Clock;
use tokio::sync::Notify;

/// The queue.
pub struct Queue<K> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<K>>,
    changed: Notify,
    adds: AtomicU64,
}

struct State<K> {
    due: HashMap<K, Duration>,
    by_time: BTreeSet<(Duration, K)>,
    in_flight: HashSet<K>,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// Starts empty.
    pub fn of(clock: Arc<dyn Clock>) -> Self {
        let state = State { due: HashMap::new(), by_time: BTreeSet::new(), in_flight: HashSet::new() };
        Self { clock, state: Mutex::new(state), changed: Notify::new(), adds: AtomicU64::new(0) }
    }

    /// Makes `key` due now.
    pub fn push(&self, key: K) {
        self.push_after(key, Duration::ZERO);
    }

    /// Makes `key` due at a moment, unless it is due earlier.
    pub fn push_at(&self, key: K, at: Timestamp) {
        let wait = Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default();
        self.push_after(key, wait);
    }

    /// Makes `key` due after a while, unless it is due earlier.
    pub fn push_after(&self, key: K, wait: Duration) {
        let at = self.clock.elapsed().saturating_add(wait);
        let mut state = self.state();
        match state.due.get(&key).copied() {
            Some(earlier) if earlier <= at => return,
            Some(later) => {
                state.by_time.remove(&(later, key.clone()));
            }
            None => {}
        }
        self.adds.fetch_add(1, Ordering::Relaxed);
        state.due.insert(key.clone(), at);
        state.by_time.insert((at, key));
        drop(state);
        self.changed.notify_one();
    }

    /// Forgets `key`.
    pub fn remove(&self, key: &K) {
        let mut state = self.state();
        if let Some(at) = state.due.remove(key) {
            state.by_time.remove(&(at, key.clone()));
        }
    }

    /// Waits for the next key that is due and not in flight, and marks it as in flight until [`Queue::done`].
    pub async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state();
                let now = self.clock.elapsed();
                let found = state.by_time.iter().find(|(_, key)| !state.in_flight.contains(key)).cloned();
                match found {
                    Some((at, key)) if at <= now => {
                        state.by_time.remove(&(at, key.clone()));
                        state.due.remove(&key);
                        state.in_flight.insert(key.clone());
                        return key;
                    }
                    Some((at, _)) => Some(at.saturating_sub(now)),
                    None => None,
                }
            };
            match wait {
                Some(wait) => {
                    tokio::select! {
                        () = changed => {}
                        () = self.clock.sleep(wait) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Says that the work on `key` ended: it may be handed out again.
    pub fn done(&self, key: &K) {
        self.state().in_flight.remove(key);
        self.changed.notify_one();
    }

    /// Counts how often a key became due, or due earlier.
    pub fn adds(&self) -> u64 {
        self.adds.load(Ordering::Relaxed)
    }

    /// Counts the keys that are due now, and those in flight.
    pub fn depth(&self) -> (usize, usize) {
        let state = self.state();
        let now = self.clock.elapsed();
        (state.by_time.iter().take_while(|(at, _)| *at <= now).count(), state.in_flight.len())
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
