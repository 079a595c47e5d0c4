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
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from);
    let corpus = corpus.join("helm");
    let Ok(entries) = std::fs::read_dir(&corpus) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs the chart corpus at {}", corpus.display());
        println!("left out: the chart corpus is not at {}", corpus.display());
        return;
    };
    let mut charts: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("chart.tgz").exists()).collect();
    charts.sort();
    let (mut passed, mut texts, mut messages) = (0, 0, 0);
    let mut failures = Vec::new();
    for folder in &charts {
        let chart = cases::load(folder).unwrap();
        for case in cases::cases_of(folder).unwrap() {
            for (profile, name) in cases::PROFILES {
                let label = format!("{} {name}", case.strip_prefix(&corpus).unwrap_or(&case).display());
                let Some(outcome) = cases::run(&chart, &case, profile, name).unwrap() else { continue };
                texts += usize::from(outcome.text_compared && outcome.text.is_none());
                messages += usize::from(outcome.message_equal == Some(true));
                match outcome.objects.or(outcome.text) {
                    None => passed += 1,
                    Some(difference) => failures.push(format!("{label}\n  {}", difference.replace('\n', "\n  "))),
                }
            }
        }
    }
    println!("{passed} passed, {texts} texts identical, {messages} messages identical");
    assert!(passed + failures.len() >= 2 * 29, "the corpus was cut");
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), passed + failures.len(), failures.join("\n"));
}
