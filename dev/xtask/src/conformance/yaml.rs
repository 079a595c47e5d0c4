//! Golden cases of yaml.

use super::Report;
use std::path::Path;

/// Runs the cases at a path, or the project's own.
///
/// Errors: the cases cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let _ = super::cases_directory(path, "yaml")?;
    anyhow::bail!("the yaml suite is not connected yet")
}
