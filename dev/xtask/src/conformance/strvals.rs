//! Golden cases of `--set` and its relatives, under both profiles.

use super::Report;
use std::path::Path;

#[path = "../../../../pure/helm/tests/cases/strvals.rs"]
mod cases;

/// Runs the cases at a path, or the project's own.
///
/// Errors: the cases cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for case in super::read_cases(&super::cases_directory(path, "strvals")?)? {
        let id = case["id"].as_str().unwrap_or("(no id)");
        for (profile, difference) in cases::run(&case) {
            report.note(case["group"].as_str().unwrap_or("cases"), &format!("{id} {profile}"), difference);
        }
    }
    Ok(report)
}
