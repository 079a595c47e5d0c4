//! Who may depend on whom: the layers of the design, and what keeps pure crates pure.

use super::rules::Rules;
use super::{Package, Violation, Workspace};

/// Checks the dependencies of every package.
pub(super) fn check(workspace: &Workspace, rules: &Rules) -> Vec<Violation> {
    workspace.packages.iter().flat_map(|package| of_package(package, workspace, rules)).collect()
}

fn of_package(package: &Package, workspace: &Workspace, rules: &Rules) -> Vec<Violation> {
    let layer = rules.layer(&package.folder);
    let mut violations = Vec::new();
    let mut report = |dependency: &str, rule: String, remedy: String| {
        let file = format!("{}/Cargo.toml", package.folder);
        let manifest = std::fs::read_to_string(workspace.root.join(&file)).unwrap_or_default();
        let line = manifest.lines().position(|line| line.trim_start().starts_with(dependency)).map_or(1, |at| at + 1);
        violations.push(Violation { file, line, rule, remedy });
    };
    let Some(allowed) = rules.edges.get(layer) else {
        report("name", format!("the folder {layer} is no layer"), "add it to edges in dev/xtask/tidy.yaml".to_owned());
        return violations;
    };
    for dependency in &package.dependencies {
        let Some(target) = workspace.packages.iter().find(|other| other.name == *dependency) else { continue };
        let is_allowed = allowed.iter().any(|allowed| {
            allowed == "*"
                || *allowed == target.name
                || target.folder == *allowed
                || target.folder.starts_with(&format!("{allowed}/"))
        });
        if !is_allowed {
            let rule = format!("{layer} may not depend on {dependency} ({})", target.folder);
            let remedy =
                format!("{layer} sees only {}: move the code, or ask for the answer as data", allowed.join(", "));
            report(dependency, rule, remedy);
        }
    }
    if layer == "pure" {
        for banned in &rules.banned_in_pure.everywhere {
            if package.dependencies.contains(banned) {
                let remedy =
                    "a pure crate computes; perform the effect in io/ or flow/ and hand the answer in".to_owned();
                report(banned, format!("a pure crate may not depend on {banned}"), remedy);
            } else if package.dependencies_of_all.contains(banned) {
                let remedy = format!("`cargo tree -p {} -i {banned}` says which; switch its feature off", package.name);
                report("[dependencies]", format!("a dependency of this pure crate brings {banned} in"), remedy);
            }
        }
        for banned in rules.banned_in_pure.direct.iter().filter(|banned| package.dependencies.contains(banned)) {
            let remedy = "randomness, time and waiting are handed in as data".to_owned();
            report(banned, format!("a pure crate may not depend on {banned}"), remedy);
        }
    }
    violations
}
