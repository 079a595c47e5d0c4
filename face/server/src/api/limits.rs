//! How much any one caller may ask for, so that one who asks too much is answered `ResourceExhausted` and the others, and
//! the controller next door, do not feel it.
//!
//! ```text
//! every request      a bucket per caller that fills again: by their name, or by their address if they have none
//! heavy requests     rendering, comparing, asking clusters and repositories: so many at a time per caller, and in all
//! refused tokens     a bucket per address: guessing takes for ever
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_api::error::{ApiError, Code};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests a caller may make each second for long, and how many at once before that counts. A user interface
/// makes some tens; a script in a loop some hundreds; nobody who means well thousands for minutes.
const REQUESTS: Rate = Rate { each_second: 4000.0, at_once: 20_000.0 };
/// The same for who shows no token or one that is refused, by address; people share addresses.
const STRANGERS: Rate = Rate { each_second: 200.0, at_once: 2000.0 };
/// How many heavy requests of one caller are worked on at a time.
const HEAVY_PER_CALLER: usize = 16;
/// How many in all; more wait for their turn.
const HEAVY_AT_ONCE: usize = 64;
/// How long a heavy request waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(20);
/// How many callers are remembered. Who has asked for nothing lately needs not to be.
const CALLERS_MAX: usize = 20_000;

/// What begins the message of a refusal for asking too much.
pub(crate) const TOO_MANY: &str = "too many requests";

struct Rate {
    each_second: f64,
    at_once: f64,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

#[derive(Default)]
struct State {
    callers: HashMap<String, Bucket>,
    strangers: HashMap<String, Bucket>,
    heavy: HashMap<String, usize>,
}

/// What everybody has asked for lately.
pub struct Limits {
    state: Mutex<State>,
    turns: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { state: Mutex::default(), turns: Arc::new(Semaphore::new(HEAVY_AT_ONCE)) }
    }
}

/// A turn for a heavy request; the next one comes when this is dropped.
pub(crate) struct Turn {
    _counted: Counted,
    _permit: OwnedSemaphorePermit,
}

/// One that is under way; taken back whatever happens, also if the caller goes away.
struct Counted {
    limits: Arc<Limits>,
    who: String,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.limits.end(&self.who);
    }
}

impl Limits {
    /// Counts a request of somebody who is known. `now` is time that has passed since any one moment.
    pub(crate) fn request(&self, who: &str, now: Duration) -> Result<(), ApiError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut state.callers, who, &REQUESTS, now)
    }

    /// Counts a request of somebody who is not known, by address.
    pub(crate) fn stranger(&self, address: &str, now: Duration) -> Result<(), ApiError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut state.strangers, address, &STRANGERS, now)
    }

    /// Waits for a turn. Errors: the caller has too many under way already, or no turn came in time.
    pub(crate) async fn turn(self: &Arc<Self>, who: &str) -> Result<Turn, ApiError> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let count = state.heavy.entry(who.to_owned()).or_default();
            if *count >= HEAVY_PER_CALLER {
                return Err(ApiError::of(
                    Code::ResourceExhausted,
                    format!("{TOO_MANY}: {HEAVY_PER_CALLER} of yours that render or compare are under way"),
                )
                .hint("wait for their answers first"));
            }
            *count += 1;
        }
        let counted = Counted { limits: self.clone(), who: who.to_owned() };
        match tokio::time::timeout(TURN_LIMIT, self.turns.clone().acquire_owned()).await {
            Ok(permit) => Ok(Turn { _counted: counted, _permit: permit.expect("the semaphore is never closed") }),
            Err(_) => Err(ApiError::of(
                Code::ResourceExhausted,
                format!("{TOO_MANY}: the server renders and compares for others"),
            )
            .hint("try again in a moment")),
        }
    }

    fn end(&self, who: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.heavy.get_mut(who) {
            *count -= 1;
            if *count == 0 {
                state.heavy.remove(who);
            }
        }
    }
}

fn take(buckets: &mut HashMap<String, Bucket>, who: &str, rate: &Rate, now: Duration) -> Result<(), ApiError> {
    let filled = |bucket: &Bucket| {
        let passed = now.saturating_sub(bucket.at).as_secs_f64();
        (bucket.left + passed * rate.each_second).min(rate.at_once)
    };
    if !buckets.contains_key(who) {
        if buckets.len() >= CALLERS_MAX {
            buckets.retain(|_, bucket| filled(bucket) < rate.at_once);
        }
        if buckets.len() >= CALLERS_MAX {
            // More callers than are believed to be: nobody new until some are quiet.
            return Err(ApiError::of(
                Code::ResourceExhausted,
                format!("{TOO_MANY}: too many callers at the same time"),
            ));
        }
        buckets.insert(who.to_owned(), Bucket { left: rate.at_once, at: now });
    }
    let bucket = buckets.get_mut(who).expect("it was put in just now");
    let left = filled(bucket);
    *bucket = Bucket { left: (left - 1.0).max(0.0), at: now };
    if left >= 1.0 {
        return Ok(());
    }
    Err(ApiError::of(Code::ResourceExhausted, format!("{TOO_MANY}: more than {} each second", rate.each_second))
        .hint("ask less often; watch instead of polling"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn who_guesses_tokens_is_slowed_down_and_others_are_not() {
        let limits = Limits::default();
        let answered = (0..5000).filter(|_| limits.stranger("192.0.2.1", at(0)).is_ok()).count();
        assert_eq!(answered, 2000);
        assert!(limits.stranger("192.0.2.2", at(0)).is_ok());
        let refusal = limits.stranger("192.0.2.1", at(0)).unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted);
        let later = (0..2000).filter(|_| limits.stranger("192.0.2.1", at(1000)).is_ok()).count();
        assert_eq!(later, 200);
    }

    #[test]
    fn a_caller_who_asks_as_fast_as_the_figures_demand_is_never_refused() {
        let limits = Limits::default();
        for second in 0..30_u64 {
            for request in 0..3000_u64 {
                assert!(limits.request("admin", Duration::from_micros(second * 1_000_000 + request * 333)).is_ok());
            }
        }
        let answered = (0..100_000).filter(|_| limits.request("script", at(0)).is_ok()).count();
        assert_eq!(answered, 20_000);
    }

    #[test]
    fn however_many_callers_there_are_only_so_many_are_remembered() {
        let limits = Limits::default();
        for caller in 0..CALLERS_MAX + 10 {
            let _some_are_refused = limits.stranger(&caller.to_string(), at(0));
        }
        assert!(limits.state.lock().unwrap().strangers.len() <= CALLERS_MAX);
        // Who was quiet for long is forgotten, and there is room again.
        assert!(limits.stranger("new", at(60_000)).is_ok());
    }

    #[tokio::test]
    async fn one_caller_takes_so_many_turns_and_leaves_the_rest_to_others() {
        let limits = Arc::new(Limits::default());
        let mut turns = Vec::new();
        for _ in 0..HEAVY_PER_CALLER {
            turns.push(limits.turn("one").await.unwrap_or_else(|error| panic!("{}", error.message)));
        }
        assert!(limits.turn("one").await.is_err());
        assert!(limits.turn("other").await.is_ok());
        turns.pop();
        assert!(limits.turn("one").await.is_ok());
        turns.clear();
        assert!(limits.state.lock().unwrap().heavy.is_empty());
    }
}
