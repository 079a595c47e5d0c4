//! Random histories hold the invariants. A seed that fails is printed with the command that replays it.

use landfall_lab::history;

/// How many histories are played; more by hand with `cargo run -p landfall-lab`.
const SEEDS: u64 = 24;
const STEPS: usize = 40;

#[test]
fn random_histories_of_commits_edits_faults_and_crashes_hold_the_invariants() {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let play = |first: u64| {
        (first..SEEDS).step_by(threads as usize).filter_map(|seed| {
            let failure = history::play(seed, &history::actions(seed, STEPS)).err()?;
            Some(format!(
                "seed {seed}: {failure:#}\nreplay: cargo run -p landfall-lab -- --seed {seed} --steps {STEPS}"
            ))
        })
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|first| scope.spawn(move || play(first).collect::<Vec<_>>())).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_history_is_the_same_when_it_is_repeated() {
    let actions = history::actions(5, STEPS);
    let (first, second) = (history::play(5, &actions).unwrap(), history::play(5, &actions).unwrap());
    assert_eq!(first, second);
}
