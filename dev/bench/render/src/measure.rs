//! Clocks, medians, processes and memory, for all suites.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Times something several times and gives the median. The first call's result decides whether it works at all.
///
/// Errors: those of the first call that fails.
pub(crate) fn median_of<T>(rounds: usize, mut work: impl FnMut() -> Result<T, String>) -> Result<Duration, String> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds.max(1) {
        let started = Instant::now();
        let made = work()?;
        times.push(started.elapsed());
        drop(made);
    }
    Ok(median(&mut times))
}

/// The median of some times; zero of none.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median of some ratios; zero of none.
pub(crate) fn median_ratio(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or_default()
}

/// How many times longer one time is than another.
pub(crate) fn ratio(long: Duration, short: Duration) -> f64 {
    long.as_secs_f64() / short.as_secs_f64().max(1e-9)
}

/// Runs a program to its end with its output thrown away.
///
/// Errors: it cannot be started, or it fails.
pub(crate) fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program)
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    if status.success() { Ok(()) } else { Err(format!("{} {} failed", program.display(), arguments.join(" "))) }
}

/// The most memory that a program had at one time, in bytes, looked at every half millisecond (Linux only).
///
/// Errors: as [`run`].
pub(crate) fn peak_bytes(program: &Path, arguments: &[&str]) -> Result<u64, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let mut peak = 0;
    loop {
        peak = peak.max(high_water_mark(&format!("/proc/{}/status", child.id())));
        if child.try_wait().map_err(|error| error.to_string())?.is_some() {
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// The most memory that this process has had, in bytes.
pub(crate) fn own_peak_bytes() -> u64 {
    high_water_mark("/proc/self/status")
}

fn high_water_mark(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Bytes as MiB, for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Runs the same work on one thread and on two, and says how many times more the two did in the same time.
pub(crate) fn scaling(rounds: usize, work: &(dyn Fn() + Sync)) -> f64 {
    let alone = Instant::now();
    for _ in 0..rounds * 2 {
        work();
    }
    let alone = alone.elapsed();
    let together = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    work();
                }
            });
        }
    });
    ratio(alone, together.elapsed())
}
