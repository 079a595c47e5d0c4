//! Golden cases of versions and constraints.

use super::Report;
use std::path::Path;

#[path = "../../../../pure/semver/tests/cases/mod.rs"]
mod cases;

/// Runs the cases at a path, or the project's own.
///
/// Errors: the cases cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for case in super::read_cases(&super::cases_directory(path, "semver")?)? {
        let id = case["id"].as_str().unwrap_or("(no id)");
        report.note(case["group"].as_str().unwrap_or("cases"), id, cases::run(&case));
    }
    Ok(report)
}
