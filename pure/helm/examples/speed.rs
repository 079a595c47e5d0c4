//! Measures warm renders of the charts in a folder of the corpus layout: `cargo run --release --example speed -- DIRECTORY`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring program reads charts and prints times"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../tests/cases/charts.rs"]
#[expect(dead_code, reason = "only the loading of cases is used here")]
mod cases;

/// How often each case is rendered; the median counts.
const ROUNDS: usize = 15;

fn main() -> Result<(), String> {
    let root = std::env::args().nth(1).ok_or("name a folder of charts in the corpus layout")?;
    let mut charts: Vec<PathBuf> = std::fs::read_dir(Path::new(&root))
        .map_err(|error| format!("{root}: {error}"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| cases::is_chart(path))
        .collect();
    charts.sort();
    let mut medians = Vec::new();
    for folder in &charts {
        let started = Instant::now();
        let chart = cases::load(folder)?.map_err(|error| error.to_string())?;
        let loading = started.elapsed();
        let Some(case) = cases::cases_of(folder)?.into_iter().find(|case| case.ends_with("default")) else { continue };
        let (profile, _) = cases::PROFILES[0];
        let request = cases::request(&case, profile)?;
        let mut times: Vec<Duration> = Vec::new();
        let mut bytes = 0;
        for _ in 0..=ROUNDS {
            let started = Instant::now();
            let rendered = landfall_helm::render::render(&chart, &request, &mut landfall_gotemplate::context::NoHost);
            times.push(started.elapsed());
            bytes = rendered.map_or(0, |rendered| rendered.text().len());
        }
        let cold = times.remove(0);
        times.sort();
        let median = times[times.len() / 2];
        medians.push(median);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("{name:32} load {loading:>10.2?} first {cold:>10.2?} warm {median:>10.2?} output {bytes:>8} bytes");
    }
    medians.sort();
    let median = medians.get(medians.len() / 2).ok_or("no charts there")?;
    println!("median of {} charts: {median:.2?}", medians.len());
    Ok(())
}
