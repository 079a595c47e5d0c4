//! Golden cases, run from the command line: what passes, and where the rest first differs.
//!
//! Each engine has one file here with `pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report>`; those that can be
//! compared with a reference program also have `run_against(program, directories)`. The report is printed here.

mod gotemplate;
mod helm;
pub(crate) mod kustomize;
mod semver;
mod strvals;
mod yaml;

use crate::print;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Names the engines that have golden cases.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Suite {
    /// Whole charts
    Helm,
    /// Templates and their functions
    Gotemplate,
    /// YAML read and written
    Yaml,
    /// `--set` and its relatives
    Strvals,
    /// Versions and constraints
    Semver,
    /// Kustomizations
    Kustomize,
}

/// Says what a run found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Counts the cases that gave the stored answer.
    pub(crate) passed: usize,
    /// The cases that did not, in the order they were run.
    pub(crate) failures: Vec<Failure>,
    /// Counts passed and failed per group, for suites that have groups.
    pub(crate) groups: BTreeMap<String, (usize, usize)>,
}

/// Says how one case failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The case's name.
    pub(crate) case: String,
    /// The first difference, in a few lines.
    pub(crate) difference: String,
}

impl Report {
    /// Notes one case: `None` passed, `Some(difference)` failed.
    pub(crate) fn note(&mut self, group: &str, case: &str, difference: Option<String>) {
        let counts = self.groups.entry(group.to_owned()).or_default();
        match difference {
            None => {
                counts.0 += 1;
                self.passed += 1;
            }
            Some(difference) => {
                counts.1 += 1;
                self.failures.push(Failure { case: case.to_owned(), difference });
            }
        }
    }
}

/// Runs a suite and prints its report. Fails if a case failed or nothing was run.
///
/// Errors: the cases cannot be read, the reference program cannot be run, `--against` is not known for this suite.
pub(crate) fn run(suite: Suite, path: Option<&Path>, against: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let report = if let Some((program, directories)) = against.split_first() {
        match suite {
            Suite::Helm => helm::run_against(program, directories)?,
            Suite::Kustomize => kustomize::run_against(program, directories)?,
            Suite::Gotemplate | Suite::Yaml | Suite::Strvals | Suite::Semver => {
                anyhow::bail!(
                    "--against renders charts or kustomizations with a reference program: use it with helm or kustomize"
                )
            }
        }
    } else {
        match suite {
            Suite::Helm => helm::run(path)?,
            Suite::Gotemplate => gotemplate::run(path)?,
            Suite::Yaml => yaml::run(path)?,
            Suite::Strvals => strvals::run(path)?,
            Suite::Semver => semver::run(path)?,
            Suite::Kustomize => kustomize::run(path)?,
        }
    };
    print_report(&report)
}

/// Prints what a run found; the code says whether all is well.
pub(crate) fn print_report(report: &Report) -> anyhow::Result<ExitCode> {
    for failure in &report.failures {
        print(&format!("FAILED {}", failure.case));
        for line in failure.difference.lines() {
            print(&format!("    {line}"));
        }
    }
    for (group, (passed, failed)) in &report.groups {
        print(&format!("{group}: {passed} passed, {failed} failed"));
    }
    print(&format!("{} passed, {} failed", report.passed, report.failures.len()));
    let is_good = report.failures.is_empty() && report.passed > 0;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Finds a suite's cases: the path given, else `conformance/<name>` of the repository, else `<name>` of the corpus
/// (`LANDFALL_CORPUS`, or `../shared/corpus` beside the repository).
///
/// Errors: none of them exists.
pub(crate) fn cases_directory(path: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = path {
        anyhow::ensure!(path.exists(), "{} does not exist", path.display());
        return Ok(path.to_owned());
    }
    let root = workspace_root();
    let corpus = std::env::var_os("LANDFALL_CORPUS").map_or_else(|| root.join("../shared/corpus"), PathBuf::from);
    let places = [root.join("conformance").join(name), corpus.join(name)];
    match places.iter().find(|place| place.exists()) {
        Some(place) => Ok(place.clone()),
        None => anyhow::bail!(
            "no cases for {name}: neither {} nor {} exists; name a directory or file, or set LANDFALL_CORPUS",
            places[0].display(),
            places[1].display()
        ),
    }
}

/// Reads the lines of `cases.jsonl` below a directory, or of one file in that format.
///
/// Errors: no such file; a line that is no JSON, with its number.
pub(crate) fn read_cases(path: &Path) -> anyhow::Result<Vec<serde_json::Value>> {
    use anyhow::Context as _;
    let file = if path.is_dir() { path.join("cases.jsonl") } else { path.to_owned() };
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}: not a JSON object", file.display(), index + 1))
        })
        .collect()
}

/// Names the root of the repository.
pub(crate) fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Shows where two texts first differ: the line number and both lines.
pub(crate) fn first_difference(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut expected_lines = expected.split('\n');
    let mut actual_lines = actual.split('\n');
    let mut line = 1;
    loop {
        let pair = (expected_lines.next(), actual_lines.next());
        if pair.0 != pair.1 {
            let show = |side: Option<&str>| side.map_or_else(|| "(end of text)".to_owned(), |text| format!("{text:?}"));
            return Some(format!("line {line}\nexpected {}\nactual   {}", show(pair.0), show(pair.1)));
        }
        if pair.0.is_none() {
            return Some("the texts differ".to_owned());
        }
        line += 1;
    }
}
