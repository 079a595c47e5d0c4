//! Waiting times: between the tries of a failed sync, and between healings of the same drift.
//! Source: Argo CD 3.5 `types.go` (RetryStrategy.NextRetryAt), `controller/appcontroller.go` (selfHealRemainingBackoff).

use landfall_model::application::RetryStrategy;
use landfall_model::duration::{InvalidDuration, parse_or_seconds_ms};
use landfall_model::status::{OperationPhase, OperationState};
use landfall_model::time::Time;

/// Tries of an automatic sync whose application says nothing about retrying.
pub const AUTOMATIC_LIMIT: i64 = 5;

const DURATION_DEFAULT_MS: i64 = 5_000;
const FACTOR_DEFAULT: i64 = 2;
const DURATION_MAX_DEFAULT_MS: i64 = 180_000;

const HEAL_FIRST_S: i64 = 2;
const HEAL_FACTOR: i64 = 3;
/// The longest wait between healings.
pub const HEAL_MAX_S: i64 = 300;
/// After so many quiet seconds the count of healings begins anew. Longer than the longest wait, or it would never matter.
pub const HEAL_QUIET_S: i64 = 2 * HEAL_MAX_S;

/// Computes how many seconds to wait after the try number `tries_done` (0 is the first), rounded up.
pub fn wait_s(strategy: &RetryStrategy, tries_done: i64) -> Result<i64, InvalidDuration> {
    let backoff = strategy.backoff.clone().unwrap_or_default();
    let read = |text: &str, default_ms| if text.is_empty() { Ok(default_ms) } else { parse_or_seconds_ms(text) };
    let first_ms = read(&backoff.duration, DURATION_DEFAULT_MS)?.max(0);
    let longest_ms = read(&backoff.max_duration, DURATION_MAX_DEFAULT_MS)?.max(0);
    let factor = backoff.factor.unwrap_or(FACTOR_DEFAULT).max(0);
    let exponent = u32::try_from(tries_done.max(0)).unwrap_or(u32::MAX);
    let wait_ms = factor.checked_pow(exponent).and_then(|grown| first_ms.checked_mul(grown)).unwrap_or(longest_ms);
    Ok((wait_ms.min(longest_ms) + 999) / 1_000)
}

/// Says when a sync that waits for its next try goes on; `None` if it does not wait for one.
pub fn next_try(state: &OperationState) -> Option<Time> {
    let finished = state.finished_at.filter(|_| state.phase == OperationPhase::Running)?;
    let tries_done = state.retry_count.unwrap_or(0) - 1;
    // A strategy that cannot be read was refused before the first wait; should it be edited since, go on at once.
    let wait_s = wait_s(&state.operation.retry, tries_done).unwrap_or(0);
    Some(later(finished, wait_s))
}

/// Says whether a moment is still to come that was reckoned from `since`. A `since` in the future means that somebody set
/// the clock back meanwhile: how long there is still to wait is not known then, and nothing is waited for.
pub fn is_to_come(at: Time, since: Time, now: Time) -> bool {
    since <= now && at > now
}

/// Settles how a try ended: either the operation is over, or it waits for the next try with its phase back at Running.
/// Shape of the latter: phase Running, `finishedAt` set, `retryCount` one higher.
pub fn settle(ended: OperationState, now: Time) -> OperationState {
    let mut state = ended;
    let (limit, tries) = (state.operation.retry.limit.unwrap_or(0), state.retry_count.unwrap_or(0));
    let failed = matches!(state.phase, OperationPhase::Failed | OperationPhase::Error);
    let is_dry = state.operation.sync.as_ref().is_some_and(|sync| sync.dry_run);
    if !state.phase.is_completed() {
        return state;
    }
    state.finished_at = Some(now);
    if !failed || is_dry {
        return state;
    }
    if limit >= 0 && tries >= limit {
        if tries > 0 {
            state.message = format!("{} (retried {tries} times).", state.message);
        }
        return state;
    }
    match wait_s(&state.operation.retry, tries) {
        Ok(wait_s) => {
            let at = later(now, wait_s);
            state.phase = OperationPhase::Running;
            state.retry_count = Some(tries + 1);
            state.message = format!("{}. Retrying attempt #{} at {at}.", state.message, tries + 1);
        }
        Err(error) => state.message = format!("{}; not retried, because retry.backoff: {error}", state.message),
    }
    state
}

/// Computes how many seconds lie between healing number `heals_done` and the next one; 0 before the first.
pub fn heal_wait_s(heals_done: i64) -> i64 {
    if heals_done <= 0 {
        return 0;
    }
    let exponent = u32::try_from(heals_done - 1).unwrap_or(u32::MAX);
    HEAL_FACTOR
        .checked_pow(exponent)
        .and_then(|grown| grown.checked_mul(HEAL_FIRST_S))
        .unwrap_or(HEAL_MAX_S)
        .min(HEAL_MAX_S)
}

/// The moment `seconds` after `moment`; the end of time if that is out of range.
pub(crate) fn later(moment: Time, seconds: i64) -> Time {
    let sum = moment.0.as_second().saturating_add(seconds);
    Time(jiff::Timestamp::from_second(sum).unwrap_or(jiff::Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use landfall_model::application::Backoff;
    use landfall_model::status::Operation;

    use super::*;

    fn strategy(limit: i64, duration: &str, factor: i64, max: &str) -> RetryStrategy {
        let backoff = Backoff { duration: duration.into(), factor: Some(factor), max_duration: max.into() };
        RetryStrategy { limit: Some(limit), backoff: Some(backoff), refresh: None }
    }

    fn failed(strategy: RetryStrategy, tries: i64) -> OperationState {
        OperationState {
            operation: Operation { retry: strategy, ..Operation::default() },
            phase: OperationPhase::Failed,
            message: "no".into(),
            sync_result: None,
            started_at: time(0),
            finished_at: None,
            retry_count: Some(tries),
        }
    }

    fn time(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).expect("in range"))
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_it() {
        assert!(is_to_come(time(105), time(100), time(102)));
        assert!(!is_to_come(time(105), time(100), time(105)));
        assert!(!is_to_come(time(3_705), time(3_700), time(100)), "an hour set back");
    }

    #[test]
    fn waits_grow_by_the_factor_up_to_the_longest() {
        let waits =
            |strategy: &RetryStrategy| (0..7).map(|tries| wait_s(strategy, tries).expect("valid")).collect::<Vec<_>>();
        assert_eq!(waits(&RetryStrategy::default()), [5, 10, 20, 40, 80, 160, 180]);
        assert_eq!(waits(&strategy(5, "5s", 2, "3m")), [5, 10, 20, 40, 80, 160, 180]);
        assert_eq!(waits(&strategy(5, "10", 1, "1m")), [10; 7]);
        assert_eq!(wait_s(&strategy(5, "1s", 10, "1h"), 400), Ok(3_600), "does not overflow");
        assert!(wait_s(&strategy(5, "soon", 2, "3m"), 0).is_err());
    }

    #[test]
    fn a_failed_try_waits_for_the_next_one_until_the_limit() {
        let waiting = settle(failed(strategy(2, "5s", 2, "3m"), 0), time(100));
        assert_eq!(
            (waiting.phase, waiting.retry_count, waiting.finished_at),
            (OperationPhase::Running, Some(1), Some(time(100)))
        );
        assert_eq!(next_try(&waiting), Some(time(105)));
        let second = settle(OperationState { phase: OperationPhase::Failed, ..waiting }, time(200));
        assert_eq!(next_try(&second), Some(time(210)));
        let over = settle(OperationState { phase: OperationPhase::Failed, ..second }, time(300));
        assert_eq!((over.phase, over.retry_count), (OperationPhase::Failed, Some(2)));
        assert!(over.message.ends_with("(retried 2 times)."), "{}", over.message);
        assert_eq!(next_try(&over), None);
    }

    #[test]
    fn without_a_limit_nothing_is_retried_and_below_zero_it_never_ends() {
        assert_eq!(settle(failed(RetryStrategy::default(), 0), time(1)).phase, OperationPhase::Failed);
        assert_eq!(settle(failed(strategy(-1, "5s", 2, "3m"), 1_000), time(1)).phase, OperationPhase::Running);
        let bad = settle(failed(strategy(3, "soon", 2, "3m"), 0), time(1));
        assert_eq!(bad.phase, OperationPhase::Failed);
        assert!(bad.message.contains("soon"), "{}", bad.message);
    }

    #[test]
    fn healing_is_immediate_at_first_and_then_ever_slower() {
        let waits: Vec<i64> = (0..8).map(heal_wait_s).collect();
        assert_eq!(waits, [0, 2, 6, 18, 54, 162, 300, 300]);
        assert_eq!(heal_wait_s(i64::MAX), 300);
    }
}
