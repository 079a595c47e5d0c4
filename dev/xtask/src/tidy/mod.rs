//! The rules of the house that a machine can check, each violation with file, line and what to do.
//!
//! [`run`] reads `cargo metadata` and the files of the repository. Checks: [`edges`] (who may depend on whom), [`files`]
//! (what every source file carries and may not name). What is allowed stands in `dev/xtask/tidy.yaml`.

mod edges;
mod files;
mod rules;

use crate::{conformance, print};
use anyhow::Context as _;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A rule that is broken at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, relative to the root of the repository.
    file: String,
    /// The line, from 1.
    line: usize,
    /// The rule in one sentence, with what breaks it.
    rule: String,
    /// What to do about it.
    remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}\n    {}", self.file, self.line, self.rule, self.remedy)
    }
}

/// A package of the repository.
#[derive(Debug, Clone)]
struct Package {
    name: String,
    /// The folder of its manifest, relative to the root, with `/`.
    folder: String,
    /// The packages that it names in `[dependencies]` and `[build-dependencies]`.
    dependencies: Vec<String>,
    /// Those and theirs, down to the last.
    dependencies_of_all: Vec<String>,
}

/// What is checked.
#[derive(Debug)]
struct Workspace {
    root: PathBuf,
    packages: Vec<Package>,
}

/// Checks the repository and prints every violation.
///
/// Errors: `cargo metadata` fails, `tidy.yaml` is malformed, a file cannot be read.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = conformance::workspace_root().canonicalize().context("cannot find the repository")?;
    let rules = rules::read(&root.join("dev/xtask/tidy.yaml"))?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(&root)
        .output()
        .context("cannot run cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let workspace = workspace(&root, &serde_json::from_slice(&output.stdout)?)?;
    let violations = check(&workspace, &rules)?;
    for violation in &violations {
        print(&violation.to_string());
    }
    print(&format!("{} packages checked, {} violations", workspace.packages.len(), violations.len()));
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(workspace: &Workspace, rules: &rules::Rules) -> anyhow::Result<Vec<Violation>> {
    let mut violations = edges::check(workspace, rules);
    violations.extend(files::check(workspace, rules)?);
    violations.sort();
    Ok(violations)
}

/// Takes from the answer of `cargo metadata` what the checks need.
fn workspace(root: &Path, metadata: &serde_json::Value) -> anyhow::Result<Workspace> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let all_packages = list(&metadata["packages"]);
    let name_of =
        |id: &str| all_packages.iter().find(|package| package["id"] == id).map(|package| text(&package["name"]));
    let members: Vec<String> = list(&metadata["workspace_members"]).iter().map(&text).collect();
    let mut packages = Vec::new();
    for package in all_packages.iter().filter(|package| members.contains(&text(&package["id"]))) {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
        let folder = folder.with_context(|| format!("{} is outside the repository", manifest.display()))?;
        let declared = list(&package["dependencies"]);
        let dependencies = declared
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| text(&dependency["name"]));
        packages.push(Package {
            name: text(&package["name"]),
            folder: folder.to_string_lossy().replace('\\', "/"),
            dependencies: dependencies.collect(),
            dependencies_of_all: reachable(&text(&package["id"]), &nodes).iter().filter_map(|id| name_of(id)).collect(),
        });
    }
    Ok(Workspace { root: root.to_owned(), packages })
}

/// Lists the packages that one needs to be built, dependencies for its tests left out.
fn reachable(id: &str, nodes: &[serde_json::Value]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut todo = vec![id.to_owned()];
    while let Some(id) = todo.pop() {
        let node = nodes.iter().find(|node| node["id"] == id.as_str());
        for dependency in node.and_then(|node| node["deps"].as_array()).into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            let is_built = kinds.into_iter().any(|kind| kind["kind"] != "dev");
            if let (true, Some(next)) = (is_built, dependency["pkg"].as_str()) {
                if !found.iter().any(|known| known == next) {
                    found.push(next.to_owned());
                    todo.push(next.to_owned());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
