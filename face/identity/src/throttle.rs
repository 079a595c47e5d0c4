//! Patience with wrong passwords: attempts are counted by user and by address, and refused for a while beyond a limit.
//! Source: Argo CD 3.5 `util/session/sessionmanager.go` (5 failures per user in 300 s, 10000 users remembered).
//!
//! Argo CD counts by user only: anybody can lock anybody out, and one address may try a password on every user. Here an
//! address has its own limit, and a user who has signed in from an address before is given more patience there.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// How many wrong passwords a user may give in a window.
pub const FAILURES_PER_USER_MAX: u32 = 5;
/// How many wrong passwords may come from an address in a window; people share addresses.
pub const FAILURES_PER_ADDRESS_MAX: u32 = 50;
/// How long failures count, in seconds.
pub const WINDOW_SECONDS: i64 = 300;
/// How many users, and how many addresses, are remembered.
const ENTRIES_MAX: usize = 10_000;
/// How many logins are checked at the same time: each takes a core for a tenth of a second.
pub const LOGINS_AT_ONCE_MAX: usize = 50;

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_second: i64,
}

/// Counts failures.
#[derive(Debug, Default)]
pub struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_user: HashMap<String, Failures>,
    by_address: HashMap<String, Failures>,
    /// Pairs of user and address that have signed in, with the moment.
    trusted: HashMap<(String, String), i64>,
}

impl Throttle {
    /// Says how many seconds somebody has to wait before a password is looked at; `None` if it is looked at now.
    pub fn wait_seconds(&self, user: &str, address: &str, now: Timestamp) -> Option<i64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_second();
        let left = |failures: Option<&Failures>, limit: u32| {
            let failures = failures.filter(|failures| failures.count >= limit)?;
            let left = failures.last_second + WINDOW_SECONDS - now;
            (left > 0).then_some(left)
        };
        let is_trusted = !address.is_empty() && state.trusted.contains_key(&(user.to_owned(), address.to_owned()));
        let limit = if is_trusted { FAILURES_PER_USER_MAX * 4 } else { FAILURES_PER_USER_MAX };
        let by_user = left(state.by_user.get(user), limit);
        let by_address = left(state.by_address.get(address), FAILURES_PER_ADDRESS_MAX);
        by_user.max(by_address)
    }

    /// Counts a wrong password.
    pub fn failed(&self, user: &str, address: &str, now: Timestamp) -> u32 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !address.is_empty() {
            count(&mut state.by_address, address.to_owned(), now.as_second());
        }
        count(&mut state.by_user, user.to_owned(), now.as_second())
    }

    /// A right password: the user's failures are forgotten.
    pub fn succeeded(&self, user: &str, address: &str, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_user.remove(user);
        if !address.is_empty() {
            make_room(&mut state.trusted, |second| *second);
            state.trusted.insert((user.to_owned(), address.to_owned()), now.as_second());
        }
    }
}

fn count(entries: &mut HashMap<String, Failures>, key: String, now: i64) -> u32 {
    if !entries.contains_key(&key) {
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, failures| failures.last_second + WINDOW_SECONDS > now);
        }
        make_room(entries, |failures| failures.last_second);
    }
    let failures = entries.entry(key).or_insert(Failures { count: 0, last_second: now });
    if failures.last_second + WINDOW_SECONDS <= now {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last_second = now;
    failures.count
}

/// Takes the oldest entry out of a full map.
fn make_room<K: Hash + Eq + Clone, V>(entries: &mut HashMap<K, V>, age: impl Fn(&V) -> i64) {
    if entries.len() >= ENTRIES_MAX {
        let oldest = entries.iter().min_by_key(|(_, value)| age(value)).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn after_five_wrong_passwords_a_user_waits_out_the_window() {
        let throttle = Throttle::default();
        for index in 0..FAILURES_PER_USER_MAX {
            assert_eq!(throttle.wait_seconds("ann", "a", at(1000)), None, "{index}");
            throttle.failed("ann", "a", at(1000));
        }
        assert_eq!(throttle.wait_seconds("ann", "b", at(1100)), Some(200));
        assert_eq!(throttle.wait_seconds("bob", "a", at(1100)), None);
        assert_eq!(throttle.wait_seconds("ann", "b", at(1300)), None);
        throttle.failed("ann", "b", at(1300));
        assert_eq!(throttle.wait_seconds("ann", "b", at(1300)), None, "the window began anew");
    }

    #[test]
    fn a_right_password_forgets_the_wrong_ones() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            throttle.failed("ann", "a", at(1000));
        }
        throttle.succeeded("ann", "a", at(1001));
        throttle.failed("ann", "a", at(1002));
        assert_eq!(throttle.wait_seconds("ann", "a", at(1002)), None);
    }

    #[test]
    fn strangers_do_not_lock_a_user_out_where_they_have_signed_in_before() {
        let throttle = Throttle::default();
        throttle.succeeded("ann", "home", at(1));
        for _ in 0..10 {
            throttle.failed("ann", "evil", at(2));
        }
        assert_eq!(throttle.wait_seconds("ann", "home", at(3)), None);
        assert!(throttle.wait_seconds("ann", "evil", at(3)).is_some());
    }

    #[test]
    fn an_address_that_tries_everybody_is_stopped() {
        let throttle = Throttle::default();
        for index in 0..FAILURES_PER_ADDRESS_MAX {
            throttle.failed(&format!("user-{index}"), "evil", at(10));
        }
        assert!(throttle.wait_seconds("somebody", "evil", at(11)).is_some());
        assert_eq!(throttle.wait_seconds("somebody", "home", at(11)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        for index in 0..ENTRIES_MAX + 100 {
            throttle.failed(&format!("user-{index}"), &format!("address-{index}"), at(10));
        }
        let state = throttle.state.lock().unwrap();
        assert!(state.by_user.len() <= ENTRIES_MAX && state.by_address.len() <= ENTRIES_MAX);
    }
}
