//! Faults that come and go: what becomes of a call depends on the faults in force at its time, and on chance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_ports::cluster::Cause;

use crate::gate::{Call, Effect, Fate, Port, Script, When};
use crate::random::Random;
use crate::time::Timeline;

/// Something that is wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The API server does not answer.
    ApiDown,
    /// Some requests fail, writes before or after they took effect.
    ApiFlaky(Cause),
    /// Requests take long.
    ApiSlow,
    /// Writes of a kind are denied.
    Denied(&'static str),
    /// Lists of a kind fail.
    Unlistable(&'static str),
    /// Watches break, with an error or without a word.
    WatchesBreak,
    /// Nobody can be asked what is served.
    DiscoveryFails,
    /// The Git server does not answer.
    GitDown,
    /// Some requests to the Git server fail.
    GitFlaky,
    /// Git takes long.
    GitSlow,
}

/// Every trouble there is, to choose from.
pub const TROUBLES: [Trouble; 14] = [
    Trouble::ApiDown,
    Trouble::ApiFlaky(Cause::Unreachable),
    Trouble::ApiFlaky(Cause::Internal),
    Trouble::ApiFlaky(Cause::TooManyRequests),
    Trouble::ApiFlaky(Cause::Conflict),
    Trouble::ApiSlow,
    Trouble::Denied("ConfigMap"),
    Trouble::Denied("Deployment"),
    Trouble::Unlistable("Secret"),
    Trouble::WatchesBreak,
    Trouble::DiscoveryFails,
    Trouble::GitDown,
    Trouble::GitFlaky,
    Trouble::GitSlow,
];

struct State {
    random: Random,
    troubles: Vec<(Trouble, Duration)>,
    kill: Option<(u64, When)>,
}

/// The faults in force.
pub struct Weather {
    timeline: Arc<Timeline>,
    state: Mutex<State>,
}

impl Weather {
    /// Begins without any.
    pub fn of(timeline: Arc<Timeline>, seed: u64) -> Arc<Self> {
        let state = State { random: Random::of(seed), troubles: Vec::new(), kill: None };
        Arc::new(Self { timeline, state: Mutex::new(state) })
    }

    /// Lets a trouble be for a while.
    pub fn trouble(&self, trouble: Trouble, lasts: Duration) {
        let until = self.timeline.elapsed() + lasts;
        self.state().troubles.push((trouble, until));
    }

    /// Lets the process die at its `calls`-th call from now.
    pub fn kill_after(&self, calls: u64, when: When) {
        self.state().kill = Some((calls, when));
    }

    /// Ends all troubles.
    pub fn clear(&self) {
        let mut state = self.state();
        state.troubles.clear();
        state.kill = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script for Weather {
    fn fate(&self, call: &Call) -> Fate {
        let now = self.timeline.elapsed();
        let mut state = self.state();
        if let Some((left, when)) = state.kill.as_mut() {
            if *left == 0 {
                let when = *when;
                state.kill = None;
                return Fate::Kill(when);
            }
            *left -= 1;
        }
        state.troubles.retain(|(_, until)| *until > now);
        let troubles = state.troubles.clone();
        for (trouble, _) in troubles {
            let fate = befalls(trouble, call, &mut state.random);
            if fate != Fate::Pass {
                return fate;
            }
        }
        Fate::Pass
    }
}

fn befalls(trouble: Trouble, call: &Call, random: &mut Random) -> Fate {
    let is_write = call.effect == Effect::Writes;
    match (trouble, call.port) {
        (Trouble::ApiDown, Port::Cluster | Port::Watch) => Fate::Fail(Cause::Unreachable, When::Before),
        (Trouble::ApiFlaky(Cause::Conflict), Port::Cluster) if !is_write => Fate::Pass,
        (Trouble::ApiFlaky(cause), Port::Cluster) if random.chance(25) => {
            let is_refused = matches!(cause, Cause::TooManyRequests | Cause::Conflict);
            let when = if is_write && !is_refused && random.chance(50) { When::After } else { When::Before };
            Fate::Fail(cause, when)
        }
        (Trouble::ApiSlow, Port::Cluster) => {
            let when = if random.chance(50) { When::Before } else { When::After };
            Fate::Late(Duration::from_millis(random.below(2_000)), when)
        }
        (Trouble::Denied(kind), Port::Cluster) if is_write && call.subject.starts_with(kind) => {
            Fate::Fail(Cause::Forbidden, When::Before)
        }
        (Trouble::Unlistable(kind), Port::Cluster) if call.verb == "list" && call.subject == kind => {
            Fate::Fail(Cause::Internal, When::Before)
        }
        (Trouble::WatchesBreak, Port::Watch) if random.chance(30) => {
            let cause = *random.pick(&[Cause::Gone, Cause::Unreachable, Cause::Internal]);
            let when = if random.chance(50) { When::Before } else { When::After };
            Fate::Fail(cause, when)
        }
        (Trouble::DiscoveryFails, Port::Cluster) if call.verb == "discover" => {
            Fate::Fail(Cause::Internal, When::Before)
        }
        (Trouble::GitDown, Port::Git) => Fate::Fail(Cause::Unreachable, When::Before),
        (Trouble::GitFlaky, Port::Git) if random.chance(40) => {
            Fate::Fail(*random.pick(&[Cause::Unreachable, Cause::Internal, Cause::Unauthorized]), When::Before)
        }
        (Trouble::GitSlow, Port::Git) => Fate::Late(Duration::from_millis(random.below(8_000)), When::Before),
        _ => Fate::Pass,
    }
}
