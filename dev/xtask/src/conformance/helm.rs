//! Golden cases of whole charts; [`against`] compares with a helm program on any charts.

mod against;

use super::Report;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

pub(crate) use against::run_against;

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
