//! Golden cases of YAML read and written: both sides of every line of `cases.jsonl`.

use super::Report;
use std::path::Path;

#[path = "../../../../pure/yaml/tests/cases/mod.rs"]
mod cases;

/// Runs the cases at a path, or the project's own.
///
/// Errors: the cases cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for case in super::read_cases(&super::cases_directory(path, "yaml")?)? {
        let id = case["id"].as_str().unwrap_or("(no id)").to_owned();
        for cases::Outcome { side, difference } in cases::run(&case) {
            let input = case["input"].as_str().or(case["input_base64"].as_str()).unwrap_or_default();
            report.note(side, &format!("{id} {side}"), difference.map(|difference| format!("{input:?}\n{difference}")));
        }
    }
    Ok(report)
}
