//! Feeds mutated input to everything that reads what strangers wrote: `landfall-fuzz TARGET --seconds 30`.
//!
//! No special compiler is needed. Seeds (`dev/fuzz/seeds/TARGET/`) are mutated with a seeded generator; an input whose
//! outcome was not seen before (a new error, a new shape) joins the seeds for the rest of the run, which leads the search
//! a little way inside. A run with the same seed and `--iterations` repeats exactly.
//!
//! Found are panics, broken promises (a target panics on its own account), inputs that take longer than ten seconds, and,
//! because the input at work always stands in `target/fuzz/TARGET.current`, stack overflows and exhausted memory too.
//! Replay: `landfall-fuzz TARGET --input FILE`.
//!
//! A new target is a file in `targets/` and a line in [`targets::ALL`].

mod mutate;
mod targets;

use anyhow::Context as _;
use clap::Parser;
use mutate::{Mutator, Random};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use targets::Target;

/// The seconds that one input may take. Real inputs of that size take milliseconds; a busy machine is forgiven.
const INPUT_SECONDS_MAX: u64 = 10;

/// The inputs with new outcomes that are kept. More would only repeat the same ideas.
const POOL_MAX: usize = 4000;

#[derive(Parser)]
#[command(about = "Feeds mutated input to everything that reads what strangers wrote")]
struct Arguments {
    /// What to feed; `all` for every target in turn
    target: String,
    /// How long to go on, for each target
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Stops after this many inputs, which makes a run repeatable
    #[arg(long)]
    iterations: Option<u64>,
    /// Where the random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs only this file
    #[arg(long)]
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let chosen: Vec<&Target> =
        targets::ALL.iter().filter(|target| arguments.target == "all" || arguments.target == target.name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
        anyhow::bail!("no target {:?}; there are: all, {}", arguments.target, names.join(", "));
    }
    for target in chosen {
        if let Some(path) = &arguments.input {
            let input = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            print(&format!("{}: {}", target.name, (target.run)(&input)));
        } else {
            fuzz(target, &arguments)?;
        }
    }
    Ok(())
}

fn fuzz(target: &Target, arguments: &Arguments) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = read_seeds(&folder.join("seeds").join(target.name))?;
    let current_path = std::env::var_os("CARGO_TARGET_DIR").map_or(folder.join("../../target"), PathBuf::from);
    let current_path = current_path.join("fuzz").join(format!("{}.current", target.name));
    std::fs::create_dir_all(current_path.parent().context("the path has a folder")?)?;
    let mut current = File::create(&current_path)?;
    let at_work = watch(target.name, &current_path);

    let started = Instant::now();
    let mut random = Random::new(arguments.seed);
    let mut pool = seeds;
    let mut outcomes = HashSet::new();
    let mut inputs = 0;
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    loop {
        let is_over =
            arguments.iterations.map_or(started.elapsed().as_secs() >= arguments.seconds, |most| inputs >= most);
        if is_over {
            break;
        }
        // Every seed is run as it is before anything is mutated.
        let input = match usize::try_from(inputs).ok().and_then(|index| pool.get(index)) {
            Some(seed) if outcomes.len() < pool.len() && inputs < 1000 => seed.clone(),
            _ => Mutator { random: &mut random, pool: &pool, words: target.words }.next(),
        };
        current.rewind()?;
        current.set_len(0)?;
        current.write_all(&input)?;
        at_work.fetch_add(1, Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
            Ok(outcome) => {
                if outcomes.insert(outcome) && pool.len() < POOL_MAX {
                    pool.push(input);
                }
            }
            Err(panic) => {
                std::panic::set_hook(silent);
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                let text = String::from_utf8_lossy(&input);
                anyhow::bail!(
                    "{} panicked: {message}\ninput {inputs} of seed {}, kept in {}:\n{text:?}",
                    target.name,
                    arguments.seed,
                    current_path.display()
                );
            }
        }
        inputs += 1;
    }
    std::panic::set_hook(silent);
    at_work.store(u64::MAX, Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64();
    print(&format!(
        "{}: {inputs} inputs in {seconds:.1} s, {} different outcomes, no failure (seed {})",
        target.name,
        outcomes.len(),
        arguments.seed
    ));
    Ok(())
}

fn read_seeds(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list the seeds in {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let seeds = paths.iter().map(std::fs::read).collect::<std::io::Result<Vec<_>>>()?;
    anyhow::ensure!(!seeds.is_empty(), "{} has no seeds", folder.display());
    Ok(seeds)
}

/// Ends the program if one input is at work for too long. The counter is raised for each input; its end is `u64::MAX`.
fn watch(name: &'static str, current: &Path) -> Arc<AtomicU64> {
    let at_work = Arc::new(AtomicU64::new(0));
    let (seen_by_watcher, current) = (Arc::clone(&at_work), current.to_owned());
    std::thread::spawn(move || {
        let mut last = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(500));
            match seen_by_watcher.load(Ordering::Relaxed) {
                u64::MAX => return,
                now if now != last.0 => last = (now, Instant::now()),
                _ if last.1.elapsed().as_secs() >= INPUT_SECONDS_MAX => {
                    print(&format!("{name}: one input takes over {INPUT_SECONDS_MAX} s: {}", current.display()));
                    std::process::exit(1);
                }
                _ => {}
            }
        }
    });
    at_work
}

#[expect(clippy::print_stdout, reason = "a command line tool talks to its user")]
fn print(line: &str) {
    println!("{line}");
}
