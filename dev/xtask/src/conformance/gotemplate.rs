//! Golden cases of templates and functions, under both profiles.

use super::Report;
use std::path::Path;

#[path = "../../../../pure/helm/tests/cases/gotemplate.rs"]
mod cases;

/// Runs the cases at a path, or the project's own. The shell chart is the folder `fixture` beside the case file.
///
/// Errors: the cases or the shell chart cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let place = super::cases_directory(path, "gotemplate")?;
    let directory = if place.is_dir() { place.as_path() } else { place.parent().unwrap_or(Path::new(".")) };
    let shell = match cases::shell(directory) {
        Ok(shell) => shell,
        Err(_) => cases::shell(&super::workspace_root().join("conformance/gotemplate"))?,
    };
    let mut report = Report::default();
    for case in super::read_cases(&place)? {
        let id = case["id"].as_str().unwrap_or("(no id)");
        for (profile, difference) in cases::run(&case, &shell) {
            report.note(case["group"].as_str().unwrap_or("cases"), &format!("{id} {profile}"), difference);
        }
    }
    Ok(report)
}
