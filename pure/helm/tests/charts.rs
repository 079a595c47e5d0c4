//! Real charts with real value files: what Helm 3.21.4 and 4.2.4 made of them must come out, objects in order and text.
//!
//! The charts are other people's and not part of the repository: they are looked for beside it, or in `LANDFALL_CORPUS`.

#![expect(clippy::disallowed_methods, reason = "charts are read from the disk")]

use std::path::{Path, PathBuf};

#[path = "cases/charts.rs"]
mod cases;

#[test]
fn every_chart_renders_as_helm_renders_it() {
    let corpus = std::env::var_os("LANDFALL_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from)
        .join("helm");
    if !corpus.is_dir() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs the chart corpus at {}", corpus.display());
        println!("left out: the chart corpus is not at {}", corpus.display());
        return;
    }
    run_folder(&corpus, 412);
}

#[test]
fn every_small_chart_of_the_project_renders_as_helm_renders_it() {
    run_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/charts"), 200);
}

/// Runs every case below a folder on two threads, and fails if one differs or fewer than expected are there.
fn run_folder(folder: &Path, cases_min: usize) {
    let entries = std::fs::read_dir(folder).expect("the folder was found");
    let mut charts: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| cases::is_chart(path)).collect();
    charts.sort();
    let (first, second) = charts.split_at(charts.len() / 2);
    let results = std::thread::scope(|scope| {
        let workers = [first, second].map(|charts| scope.spawn(move || run_charts(charts)));
        workers.map(|worker| worker.join().expect("no render panics"))
    });
    let [(mut passed, mut failures), (more_passed, more_failures)] = results;
    passed += more_passed;
    failures.extend(more_failures);
    assert!(passed + failures.len() >= cases_min, "the cases were cut");
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), passed + failures.len(), failures.join("\n"));
}

fn run_charts(charts: &[PathBuf]) -> (usize, Vec<String>) {
    let (mut passed, mut failures) = (0, Vec::new());
    for folder in charts {
        let chart = cases::load(folder).expect("the chart can be read");
        for case in cases::cases_of(folder).expect("the chart has cases") {
            for (profile, name) in cases::PROFILES {
                let outcome = cases::run(&chart, &case, profile, name).expect("the case is well formed");
                let Some(outcome) = outcome else { continue };
                match outcome.objects.or(outcome.text) {
                    None => passed += 1,
                    Some(difference) => {
                        failures.push(format!("{} {name}\n  {}", case.display(), difference.replace('\n', "\n  ")));
                    }
                }
            }
        }
    }
    (passed, failures)
}
