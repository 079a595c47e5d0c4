//! A controller that is killed, or that one call fails, at any await point of a sync, a deletion or a take-over finishes
//! or tries again, and harms nothing. Here a sample of the faults; all of them with `cargo run -p landfall-lab -- --inject`.

use std::sync::atomic::{AtomicUsize, Ordering};

use landfall_lab::injection::{self, Scenario, Thoroughness};

/// How many faults are tried in each scenario.
const FAULTS: usize = 60;

fn at_its_calls(scenario: Scenario) {
    let calls = injection::play(scenario, None).unwrap();
    let faults = injection::faults(&calls, Thoroughness::Sample(FAULTS));
    assert_eq!(faults.len(), FAULTS, "the scenario does too little");
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failures = Vec::new();
        while let Some((call, fate)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = injection::play(scenario, Some((call.number, *fate))) {
                failures.push(format!("{}: {error:#}", injection::describe(scenario, call, *fate)));
            }
        }
        failures
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    let count = failures.len();
    let shown: Vec<_> = failures.into_iter().take(5).collect();
    assert!(count == 0, "{count} of {} faults did harm, for example\n{}", faults.len(), shown.join("\n\n"));
}

#[test]
fn a_first_sync_survives_a_fault_at_its_calls() {
    at_its_calls(Scenario::FirstSync);
}

#[test]
fn a_second_sync_survives_a_fault_at_its_calls() {
    at_its_calls(Scenario::SecondSync);
}

#[test]
fn a_deletion_survives_a_fault_at_its_calls() {
    at_its_calls(Scenario::Deletion);
}

#[test]
fn a_take_over_survives_a_fault_at_its_calls() {
    at_its_calls(Scenario::TakeOver);
}

/// With hooks an operation is written before it runs; without, it is through within one pass.
#[test]
fn a_sync_that_is_asked_for_during_any_call_is_carried_out() {
    let ask = |scenario| {
        let mut asked = 0;
        for number in 0.. {
            match injection::ask_during(scenario, number) {
                Ok(Some(is_asked)) => asked += usize::from(is_asked),
                Ok(None) => break,
                Err(error) => panic!("{scenario:?}, during call {number} after the second commit: {error:#}"),
            }
        }
        assert!(asked > 3, "{scenario:?}: it could be asked for during {asked} calls only");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| ask(Scenario::SecondSync));
        scope.spawn(|| ask(Scenario::TakeOver));
    });
}
