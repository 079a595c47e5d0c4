//! Comparison with a helm program: the same charts, values and flags through both, objects first, then text.
//!
//! What differs between two runs of the program itself (random passwords, keys, times) is masked on both sides, line by
//! line. The program's own version decides which Helm to be.

use super::super::Report;
use super::cases;
use anyhow::Context as _;
use landfall_helm::Profile;
use landfall_helm::capabilities::{Capabilities, KubeVersion};
use landfall_helm::chart::Chart;
use landfall_helm::error::Error;
use landfall_helm::render::{Request, render};
use landfall_yaml::Resolver;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cluster that is pretended where no case says otherwise.
const KUBE_VERSION: &str = "v1.34.0";

/// What stands for a line that is not the same twice.
const MASKED: &str = "(masked)";

/// One way to render one chart.
struct Trial {
    label: String,
    request: Result<Request, String>,
    /// The same in words of the command line, after `template NAME CHART`.
    words: Vec<String>,
}

/// A chart as both sides get it.
struct Subject {
    /// What the program is given.
    path: PathBuf,
    chart: Result<Chart, Error>,
    trials: Vec<Trial>,
}

/// Renders each chart (a directory, an archive, a folder of charts, or one in the layout of the corpus) with a helm program
/// as well: with its default values, as an upgrade, with every file of its `ci/` and `values-*.yaml`, or with the cases of
/// the corpus. Compares which are refused, the objects and the text.
///
/// Errors: the program cannot be run, a chart cannot be read.
pub(crate) fn run_against(program: &Path, charts: &[PathBuf]) -> anyhow::Result<Report> {
    let version = Command::new(program)
        .args(["version", "--short"])
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let profile = if version.starts_with("v4") { Profile::Helm4 } else { Profile::Helm3 };
    let mut report = Report::default();
    for path in expanded(charts)? {
        let subject = subject(&path, profile)?;
        for trial in &subject.trials {
            let compared = compare(program, &subject, trial, profile)?;
            report.note(&version, &format!("{} objects", trial.label), compared.objects);
            if let Some(text) = compared.text {
                report.note(&format!("{version} text"), &format!("{} text", trial.label), text);
            }
        }
    }
    Ok(report)
}

/// The charts that paths mean: a folder that is no chart means the charts in it.
fn expanded(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let is_one = |path: &Path| path.is_file() || path.join("Chart.yaml").exists() || cases::is_chart(path);
    let mut charts = Vec::new();
    for path in paths {
        anyhow::ensure!(path.exists(), "{} does not exist", path.display());
        if is_one(path) {
            charts.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_archive = |path: &Path| path.extension().is_some_and(|extension| extension == "tgz");
        let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        below.retain(|path| if path.is_file() { is_archive(path) } else { is_one(path) });
        below.sort();
        // A folder without a chart is rendered all the same: both sides should refuse it.
        charts.extend(if below.is_empty() { vec![path.clone()] } else { below });
    }
    Ok(charts)
}

fn subject(path: &Path, profile: Profile) -> anyhow::Result<Subject> {
    if cases::is_chart(path) {
        let inner = path.join("chart");
        let given = if inner.is_dir() { inner } else { path.join("chart.tgz") };
        let chart = cases::load(path).map_err(anyhow::Error::msg)?;
        let mut trials = Vec::new();
        for case in cases::cases_of(path).map_err(anyhow::Error::msg)? {
            trials.push(trial_of_case(path, &case, profile));
        }
        return Ok(Subject { path: given, chart, trials });
    }
    let chart = if path.is_dir() {
        Chart::from_tree(&cases::read_directory(path).map_err(anyhow::Error::msg)?, "")
    } else {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Chart::from_archive(&bytes)
    };
    let label = path.display().to_string();
    let mut trials = vec![trial(label.clone(), None, profile, &[])];
    trials.push(trial(format!("{label} as an upgrade"), None, profile, &["--is-upgrade"]));
    for values in values_files(path) {
        trials.push(trial(values.display().to_string(), Some(&values), profile, &[]));
    }
    Ok(Subject { path: path.to_owned(), chart, trials })
}

/// The values files that a chart brings along: `ci/*.yaml` and `values-*.yaml`.
fn values_files(chart: &Path) -> Vec<PathBuf> {
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let is_values = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("values-")) && is_yaml(path)
    };
    let mut files: Vec<PathBuf> =
        below(chart.join("ci")).filter(is_yaml).chain(below(chart.to_owned()).filter(is_values)).collect();
    files.sort();
    files
}

fn trial(label: String, values: Option<&Path>, profile: Profile, flags: &[&str]) -> Trial {
    let mut words: Vec<String> =
        ["--namespace", "apps", "--include-crds", "--kube-version", KUBE_VERSION].map(str::to_owned).to_vec();
    words.extend(flags.iter().map(|flag| (*flag).to_owned()));
    if let Some(values) = values {
        words.extend(["--values".to_owned(), values.display().to_string()]);
    }
    let request = || -> Result<Request, String> {
        let mut request = Request { include_crds: true, ..Request::new("demo", "apps", profile) };
        request.is_upgrade = flags.contains(&"--is-upgrade");
        if let Some(values) = values {
            let content = std::fs::read(values).map_err(|error| error.to_string())?;
            request.values = landfall_helm::values::read(&content, profile).map_err(|error| error.to_string())?;
        }
        request.capabilities = Capabilities::offline(profile);
        request.capabilities.kube_version =
            KubeVersion::parse(KUBE_VERSION, profile).map_err(|error| error.to_string())?;
        Ok(request)
    };
    Trial { label, request: request(), words }
}

fn trial_of_case(chart: &Path, case: &Path, profile: Profile) -> Trial {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let label = format!("{}/{}", name(chart), name(case));
    let request = cases::request(case, profile);
    let mut words = Vec::new();
    let settings = std::fs::read(case.join("case.yaml")).unwrap_or_default();
    let settings = landfall_yaml::read_one(&settings, Resolver::Kubernetes).unwrap_or_default();
    let flags = [("includeCRDs", "--include-crds"), ("skipTests", "--skip-tests"), ("isUpgrade", "--is-upgrade")];
    words.extend(flags.iter().filter(|(key, _)| settings[*key] == true).map(|(_, flag)| (*flag).to_owned()));
    let named = [
        ("namespace", "--namespace"),
        ("kubeVersion", "--kube-version"),
        ("apiVersions", "--api-versions"),
        ("set", "--set"),
        ("setJson", "--set-json"),
    ];
    for (key, flag) in named {
        let texts = match &settings[key] {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            Value::String(text) => vec![text.as_str()],
            _ => Vec::new(),
        };
        words.extend(texts.into_iter().flat_map(|text| [flag.to_owned(), text.to_owned()]));
    }
    if case.join("values.yaml").exists() {
        words.extend(["--values".to_owned(), case.join("values.yaml").display().to_string()]);
    }
    Trial { label, request, words }
}

/// What is different.
#[derive(Default)]
struct Compared {
    objects: Option<String>,
    /// Nothing where both refuse.
    text: Option<Option<String>>,
}

fn compare(program: &Path, subject: &Subject, trial: &Trial, profile: Profile) -> anyhow::Result<Compared> {
    let name = trial.request.as_ref().map_or("demo", |request| request.name.as_str());
    let run = || -> anyhow::Result<Result<String, String>> {
        let mut command = Command::new(program);
        command.args(["template", name]).arg(&subject.path).args(&trial.words).env("TZ", "UTC");
        let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
        Ok(match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        })
    };
    let theirs = run()?;
    let ours = match (&trial.request, &subject.chart) {
        (Err(message), _) => Err(message.clone()),
        (_, Err(error)) => Err(error.to_string()),
        (Ok(request), Ok(chart)) => {
            render(chart, request, &mut Dice(0x9e37_79b9_7f4a_7c15)).map_err(|error| error.to_string())
        }
    };
    let mut compared = Compared::default();
    match (ours, theirs) {
        (Err(_), Err(_)) => {}
        (Ok(_), Err(refusal)) => {
            compared.objects = Some(format!("{} refuses: {}", program.display(), refusal.trim_end()));
        }
        (Err(message), Ok(_)) => compared.objects = Some(format!("refused here only: {message}")),
        (Ok(ours), Ok(theirs)) => {
            let mut text = ours.text();
            let mut theirs = theirs;
            if text != theirs
                && let Ok(again) = run()?
            {
                (text, theirs) = masked(&text, &theirs, &again);
            }
            let difference = super::super::first_difference(&theirs, &text);
            compared.objects = match difference {
                None => None,
                Some(_) => objects_differ(&theirs, &text, profile),
            };
            compared.text = Some(difference);
        }
    }
    Ok(compared)
}

/// Masks the lines that the program itself writes differently each time. Gives up where the number of lines changes.
fn masked(ours: &str, theirs: &str, again: &str) -> (String, String) {
    let lines: [Vec<&str>; 3] = [ours, theirs, again].map(|text| text.split('\n').collect());
    let [ours_lines, first, second] = &lines;
    if first == second || first.len() != second.len() || first.len() != ours_lines.len() {
        return (ours.to_owned(), theirs.to_owned());
    }
    let changes = |index: usize| first[index] != second[index];
    let mask = |lines: &[&str]| {
        let masked = lines.iter().enumerate().map(|(index, line)| if changes(index) { MASKED } else { line });
        masked.collect::<Vec<_>>().join("\n")
    };
    (mask(ours_lines), mask(first))
}

/// Compares the objects that two texts hold.
fn objects_differ(theirs: &str, ours: &str, profile: Profile) -> Option<String> {
    let objects = |text: &str| -> Result<Vec<Value>, String> {
        let parts = text.split("\n---\n").map(|part| format!("{part}\n"));
        let read = parts.map(|part| landfall_yaml::read(part.as_bytes(), Resolver::Kubernetes));
        let read: Result<Vec<_>, _> = read.collect();
        read.map(|documents| documents.into_iter().flatten().collect()).map_err(|error| error.to_string())
    };
    match (objects(theirs), objects(ours)) {
        (Ok(theirs), Ok(ours)) => cases::difference(&Value::Array(theirs), &Value::Array(ours), ""),
        (Err(error), _) => Some(format!("the output of {profile:?} is no YAML: {error}")),
        (_, Err(error)) => Some(format!("the output is no YAML: {error}")),
    }
}

/// Randomness for keys and passwords, and the machine's time.
struct Dice(u64);

impl landfall_gotemplate::context::Host for Dice {
    fn now(&self) -> landfall_gotemplate::jiff::Zoned {
        landfall_gotemplate::jiff::Timestamp::now().to_zoned(landfall_gotemplate::jiff::tz::TimeZone::UTC)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_the_program_never_writes_twice_are_masked_on_both_sides() {
        let (ours, theirs) = masked("a: 1\nb: z\n", "a: 1\nb: x\n", "a: 1\nb: y\n");
        assert_eq!((ours.as_str(), theirs.as_str()), ("a: 1\n(masked)\n", "a: 1\n(masked)\n"));
        let kept = masked("a: 2\n", "a: 1\n", "a: 1\n");
        assert_eq!(kept, ("a: 2\n".to_owned(), "a: 1\n".to_owned()));
    }

    #[test]
    fn a_folder_of_charts_means_every_chart_in_it() {
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/charts");
        let all = expanded(&[charts]).unwrap();
        assert!(all.len() > 50 && all.iter().all(|path| cases::is_chart(path)));
    }
}
