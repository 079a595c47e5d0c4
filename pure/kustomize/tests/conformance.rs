//! Every golden kustomization builds to the same bytes, and every bad one fails with the same class of error.

#![expect(clippy::disallowed_methods, reason = "tests read the golden cases from the disk")]
#![expect(clippy::print_stdout, reason = "what is left out is said")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read its cases must stop")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_kustomize::{LoadRestrictor, NativeCharts, Options, Outside, Reorder, Session, build};
use landfall_tree::MemoryTree;
use serde_json::Value;

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read_tree(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files
}

fn expected_text(case: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(case.join("expected.yaml")) {
        return Some(text);
    }
    let packed = std::fs::read(case.join("expected.yaml.gz")).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    Some(text)
}

fn first_difference(expected: &str, actual: &str) -> String {
    let (mut left, mut right) = (expected.lines(), actual.lines());
    for line in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (left, right) if left != right => return format!("line {line}: expected {left:?}, got {right:?}"),
            _ => {}
        }
    }
    "the texts differ in line ends".to_owned()
}

/// What is wrong with the case, if anything.
fn run(case: &Path) -> Option<String> {
    let info =
        landfall_yaml::read_one(&std::fs::read(case.join("case.yaml")).unwrap(), landfall_yaml::Resolver::Kubernetes)
            .unwrap();
    let text = |pointer: &str| info.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let options = Options {
        reorder: match text("/options/reorder") {
            "none" => Reorder::None,
            "legacy" => Reorder::Legacy,
            _ => Reorder::Unspecified,
        },
        load_restrictor: if text("/options/loadRestrictor") == "none" {
            LoadRestrictor::None
        } else {
            LoadRestrictor::RootOnly
        },
        enable_helm: info.pointer("/options/helm") == Some(&Value::Bool(true)),
        ..Options::default()
    };
    let charts = NativeCharts::default();
    let outside = Outside { charts: Some(&charts), ..Outside::default() };
    let tree = MemoryTree::of(read_tree(&case.join("tree")));
    let result = build(&tree, text("/dir"), &options, &outside, &Session::new());
    match (text("/expect"), result) {
        ("success", Ok(built)) => {
            let (expected, actual) = (expected_text(case).unwrap(), built.text());
            (expected != actual).then(|| first_difference(&expected, &actual))
        }
        ("success", Err(error)) => Some(format!("[{}] {error}", error.class)),
        (_, Ok(_)) => Some(format!("built, but must fail with {}", text("/error/class"))),
        (_, Err(error)) => {
            if std::env::var_os("SHOW_MESSAGES").is_some() {
                println!("{}: {error}\n", case.file_name().unwrap().display());
            }
            (error.class.name() != text("/error/class")).then(|| {
                format!(
                    "expected class {}, got [{}] {error}\nreference: {}",
                    text("/error/class"),
                    error.class,
                    text("/error/text")
                )
            })
        }
    }
}

fn run_section(section: &Path, cases_min: usize) {
    let filter = std::env::var("CASE").ok();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(section).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= cases_min, "{} holds only {} cases", section.display(), cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        if filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        if let Some(problem) = run(case) {
            failures.push(format!("{name}: {problem}"));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("LANDFALL_CORPUS")
        .map_or_else(|| workspace_root().join("../shared/corpus"), PathBuf::from)
        .join("kustomize");
    if corpus.is_dir() {
        return Some(corpus);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", corpus.display());
    println!("left out: {} is not there", corpus.display());
    None
}

#[test]
fn feature_cases_build_to_the_same_bytes() {
    run_section(&workspace_root().join("conformance/kustomize/feature"), 122);
}

/// Made by `cargo xtask invent`; the answers are those of kustomize 5.8.1.
#[test]
fn invented_cases_build_to_the_same_bytes() {
    run_section(&workspace_root().join("conformance/kustomize/invented"), 60);
}

#[test]
fn negative_cases_fail_with_the_same_class() {
    run_section(&workspace_root().join("conformance/kustomize/negative"), 34);
}

#[test]
fn cases_of_the_reference_itself_build_to_the_same_bytes_or_fail_alike() {
    if let Some(corpus) = corpus() {
        run_section(&corpus.join("krusty"), 199);
    }
}

#[test]
fn kustomizations_of_public_projects_build_to_the_same_bytes() {
    if let Some(corpus) = corpus() {
        run_section(&corpus.join("real"), 18);
    }
}
