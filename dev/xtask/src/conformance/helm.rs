//! Golden cases of whole charts, and comparison with a helm program on any charts.

use super::Report;
use anyhow::Context as _;
use landfall_helm::Profile;
use landfall_helm::capabilities::KubeVersion;
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../../../../pure/helm/tests/cases/charts.rs"]
mod cases;

/// Runs the cases at a path (a corpus, one chart of it, or one case), or those of the corpus.
///
/// Errors: the cases cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let root = super::cases_directory(path, "helm")?;
    let mut report = Report::default();
    for folder in chart_folders(&root)? {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let chart = match cases::load(&folder) {
            Ok(chart) => chart,
            Err(message) => {
                report.note(&name, &name, Some(message));
                continue;
            }
        };
        for case in cases::cases_of(&folder).map_err(anyhow::Error::msg)? {
            if root.join("case.yaml").exists() && case.canonicalize()? != root.canonicalize()? {
                continue;
            }
            for (profile, profile_name) in cases::PROFILES {
                let label = format!("{name}/{} {profile_name}", case.file_name().unwrap_or_default().to_string_lossy());
                let outcome = cases::run(&chart, &case, profile, profile_name).map_err(anyhow::Error::msg)?;
                let Some(outcome) = outcome else { continue };
                report.note(&name, &format!("{label} objects"), outcome.objects);
                if outcome.text_compared {
                    report.note(&name, &format!("{label} text"), outcome.text);
                }
            }
        }
    }
    Ok(report)
}

/// The folders with a chart below a folder of the corpus: itself, its children, or the one that a case belongs to.
fn chart_folders(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if cases::is_chart(root) {
        return Ok(vec![root.to_owned()]);
    }
    if root.join("case.yaml").exists() {
        let folder = root.canonicalize()?.parent().and_then(Path::parent).map(Path::to_owned);
        return Ok(folder.into_iter().collect());
    }
    let entries = std::fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| cases::is_chart(path)).collect();
    folders.sort();
    anyhow::ensure!(!folders.is_empty(), "no chart with cases in {} nor in a folder of it", root.display());
    Ok(folders)
}

/// The cluster that `--against` pretends.
const KUBE_VERSION: &str = "v1.34.0";

/// Renders each chart (a directory or an archive) with a helm program as well, with its default values and with every file
/// of its `ci/`, and compares texts.
///
/// Errors: the program cannot be run.
pub(crate) fn run_against(program: &Path, charts: &[PathBuf]) -> anyhow::Result<Report> {
    let version = Command::new(program)
        .args(["version", "--short"])
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let profile = if version.starts_with("v4") { Profile::Helm4 } else { Profile::Helm3 };
    let mut report = Report::default();
    for path in charts {
        let mut values: Vec<PathBuf> = match std::fs::read_dir(path.join("ci")) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => Vec::new(),
        };
        values.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        values.sort();
        for values in std::iter::once(None).chain(values.iter().map(Some)) {
            let mut command = Command::new(program);
            command.args(["template", "demo"]).arg(path);
            command.args(["--namespace", "apps", "--include-crds", "--kube-version", KUBE_VERSION]);
            if let Some(values) = values {
                command.arg("--values").arg(values);
            }
            let theirs = command.output()?;
            let label = values.map_or_else(|| path.display().to_string(), |values| values.display().to_string());
            let refusal = String::from_utf8_lossy(&theirs.stderr).into_owned();
            let difference = match (ours(path, values.map(PathBuf::as_path), profile), theirs.status.success()) {
                (Ok(ours), true) => super::first_difference(&String::from_utf8_lossy(&theirs.stdout), &ours),
                (Err(_), false) => None,
                (Ok(_), false) => Some(format!("{} refuses: {refusal}", program.display())),
                (Err(message), true) => Some(format!("refused here only: {message}")),
            };
            report.note(version.trim(), &label, difference);
        }
    }
    Ok(report)
}

fn ours(path: &Path, values: Option<&Path>, profile: Profile) -> Result<String, String> {
    let chart = if path.is_dir() {
        Chart::from_tree(&cases::read_directory(path)?, "").map_err(|error| error.to_string())?
    } else {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        Chart::from_archive(&bytes).map_err(|error| error.to_string())?
    };
    let mut request = Request { include_crds: true, ..Request::new("demo", "apps", profile) };
    if let Some(values) = values {
        let content = std::fs::read(values).map_err(|error| error.to_string())?;
        request.values = landfall_helm::values::read(&content, profile).map_err(|error| error.to_string())?;
    }
    request.capabilities.kube_version = KubeVersion::parse(KUBE_VERSION, profile).map_err(|error| error.to_string())?;
    let rendered = render(&chart, &request, &mut landfall_gotemplate::context::NoHost);
    rendered.map(|rendered| rendered.text()).map_err(|error| error.to_string())
}
