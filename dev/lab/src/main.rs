//! Plays random histories by hand: one seed with every detail, or many until one fails.
//!
//! ```text
//! cargo run -p landfall-lab -- --seed 17              one history, with its actions if it fails, as short as can be
//! cargo run -p landfall-lab -- --from 1000 --count 500
//! cargo run -p landfall-lab -- --inject               every fault at every call of every scenario
//! LANDFALL_LAB_LOG=landfall_lab=trace cargo run -p landfall-lab -- --seed 17
//! ```

use std::process::ExitCode;

use clap::Parser;
use landfall_lab::history;
use landfall_lab::injection::{self, SCENARIOS, Thoroughness};

/// How many plays may be spent on making a failing history shorter.
const SHRINKING_PLAYS_MAX: usize = 80;

#[derive(Parser)]
#[command(about = "Plays random histories of the controller in a simulated world")]
struct Arguments {
    /// The only seed to play
    #[arg(long)]
    seed: Option<u64>,
    /// The first of many seeds
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// How many things happen in a history
    #[arg(long, default_value_t = 40)]
    steps: usize,
    /// Play no histories, but every fault at every call of every scenario
    #[arg(long)]
    inject: bool,
    /// Do not look for the shortest history that fails
    #[arg(long)]
    keep_whole: bool,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LANDFALL_LAB_LOG").unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    if arguments.inject {
        return inject();
    }
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => arguments.from..arguments.from + arguments.count,
    };
    let mut failed = 0;
    for seed in seeds {
        let actions = history::actions(seed, arguments.steps);
        match history::play(seed, &actions) {
            Ok(told) => {
                print(&format!("seed {seed}: {} writes, {} lives, {:?}", told.writes, told.lives, told.elapsed))
            }
            Err(error) => {
                failed += 1;
                print(&format!("seed {seed} FAILED: {error:#}"));
                if !arguments.keep_whole {
                    let shorter = history::shrink(seed, &actions, SHRINKING_PLAYS_MAX);
                    print(&format!("  {} of {} actions are enough:", shorter.len(), actions.len()));
                    shorter.iter().for_each(|action| print(&format!("    {action:?}")));
                    if let Err(error) = history::play(seed, &shorter) {
                        print(&format!("  then: {error:#}"));
                    }
                }
                print(&format!("  replay: cargo run -p landfall-lab -- --seed {seed} --steps {}", arguments.steps));
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn inject() -> ExitCode {
    let mut failed = 0;
    for scenario in SCENARIOS {
        let calls = match injection::play(scenario, None) {
            Ok(calls) => calls,
            Err(error) => {
                print(&format!("{scenario:?} FAILED undisturbed: {error:#}"));
                return ExitCode::FAILURE;
            }
        };
        let faults = injection::faults(&calls, Thoroughness::All);
        print(&format!("{scenario:?}: {} calls, {} faults", calls.len(), faults.len()));
        for (call, fate) in faults {
            if let Err(error) = injection::play(scenario, Some((call.number, fate))) {
                failed += 1;
                print(&format!("{} FAILED: {error:#}", injection::describe(scenario, &call, fate)));
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "what it finds is told to the person who started it")]
fn print(line: &str) {
    println!("{line}");
}
