//! What every source file carries (its purpose, a bearable size) and what pure crates may not name.

use super::rules::Rules;
use super::{Violation, Workspace};
use anyhow::Context as _;
use std::path::Path;

/// Checks the files of every package.
///
/// Errors: a folder or file cannot be read.
pub(super) fn check(workspace: &Workspace, rules: &Rules) -> anyhow::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let folder = &package.folder;
        let layer = rules.layer(folder);
        if rules.published.iter().any(|published| published == layer) {
            let file = format!("{folder}/README.md");
            let has_text =
                std::fs::read_to_string(workspace.root.join(&file)).is_ok_and(|text| !text.trim().is_empty());
            if !has_text {
                violations.push(Violation {
                    file,
                    line: 1,
                    rule: format!("{} has no README.md", package.name),
                    remedy: "write what it is for and an example of ten lines".to_owned(),
                });
            }
        }
        let mut files = Vec::new();
        source_files(&workspace.root, folder, &mut files)?;
        // Packages inside packages (a folder with its own manifest) are checked as themselves.
        for file in files {
            let text =
                std::fs::read_to_string(workspace.root.join(&file)).with_context(|| format!("cannot read {file}"))?;
            violations.extend(purpose(&file, &text));
            violations.extend(size(&file, &text, rules));
            if layer == "pure" && file.starts_with(&format!("{folder}/src/")) {
                violations.extend(banned_items(&file, &text, rules));
            }
        }
    }
    for file in rules.ratchet.keys().filter(|file| !workspace.root.join(file).exists()) {
        violations.push(Violation {
            file: "dev/xtask/tidy.yaml".to_owned(),
            line: 1,
            rule: format!("the ratchet lists {file}, which does not exist"),
            remedy: "take the entry out".to_owned(),
        });
    }
    Ok(violations)
}

/// Lists the `.rs` files below a folder, sorted, as paths from the root.
fn source_files(root: &Path, folder: &str, found: &mut Vec<String>) -> anyhow::Result<()> {
    let path = root.join(folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))? {
        let entry = entry?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?));
    }
    names.sort_by(|left, right| left.0.cmp(&right.0));
    for (name, kind) in names {
        let inner = format!("{folder}/{name}");
        if kind.is_dir() && !name.starts_with('.') && name != "target" && !root.join(&inner).join("Cargo.toml").exists()
        {
            source_files(root, &inner, found)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            found.push(inner);
        }
    }
    Ok(())
}

fn purpose(file: &str, text: &str) -> Option<Violation> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    (!first.starts_with("//!")).then(|| Violation {
        file: file.to_owned(),
        line: 1,
        rule: "the file does not say what it is for".to_owned(),
        remedy: "begin it with a `//!` sentence: purpose, what it never does, where the entry is".to_owned(),
    })
}

fn size(file: &str, text: &str, rules: &Rules) -> Option<Violation> {
    let lines = own_lines(text);
    let listed = rules.ratchet.get(file).copied();
    let violation = |rule: String, remedy: &str| {
        Some(Violation { file: file.to_owned(), line: 1, rule, remedy: remedy.to_owned() })
    };
    let split = "split it by purpose, or explain with a line `//! size: why` at its top";
    match listed {
        Some(listed) if lines > listed => violation(format!("the file grew from {listed} to {lines} own lines"), split),
        Some(_) if lines <= rules.own_lines_max => violation(
            format!("the file is down to {lines} own lines and still in the ratchet"),
            "take its entry out of dev/xtask/tidy.yaml",
        ),
        Some(_) => None,
        None if lines > rules.own_lines_max && !text.lines().any(|line| line.starts_with("//! size:")) => {
            violation(format!("the file has {lines} own lines, more than {}", rules.own_lines_max), split)
        }
        None => None,
    }
}

/// Counts the lines of code: not blank, no comment, not in the test module at the end.
fn own_lines(text: &str) -> usize {
    code_lines(text).count()
}

/// Goes over the lines of code with their numbers, from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && (pair[1].starts_with("mod ") || pair[1].starts_with("#[path")));
    let end = tests.unwrap_or(lines.len());
    let is_code = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    lines
        .into_iter()
        .take(end)
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(move |(_, line)| is_code(line))
}

fn banned_items(file: &str, text: &str, rules: &Rules) -> Vec<Violation> {
    let is_test_file = file.ends_with("/tests.rs") || file.contains("/tests/");
    if is_test_file {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (line, code) in code_lines(text) {
        let code = code.split(" // ").next().unwrap_or(code);
        for item in rules.banned_items.iter().filter(|item| names(code, item)) {
            violations.push(Violation {
                file: file.to_owned(),
                line,
                rule: format!("a pure crate may not name {item}"),
                remedy: "take the file, the setting or the time as data, or move the code to io/".to_owned(),
            });
            break;
        }
    }
    violations
}

/// Says whether code names an item: the path followed by something that is no part of a name.
fn names(code: &str, item: &str) -> bool {
    code.match_indices(item).any(|(at, _)| {
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        let before = code[..at].chars().next_back().is_some_and(is_name);
        let after = code[at + item.len()..].chars().next().is_some_and(is_name);
        !before && !after
    })
}
