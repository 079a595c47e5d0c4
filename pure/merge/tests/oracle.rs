//! Compares with Kubernetes' own libraries on seeded random objects, schemas and histories.
//!
//! Needs Go for `dev/smd-oracle`. `LANDFALL_SEED` and `LANDFALL_CASES` choose what is run; `LANDFALL_RECORD=1` writes the answers to
//! `conformance/structured-merge/recorded.jsonl`, which the other test replays without Go.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that runs another program and says what it did"
)]

#[expect(unreachable_pub, reason = "modules of a test")]
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::generate::Random;
use support::{answer, cases};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Builds the oracle; `None`, with a line that says so, where there is no Go and no CI that demands it.
fn oracle() -> Option<PathBuf> {
    let program = std::env::temp_dir().join(format!("landfall-smd-oracle-{}", std::process::id()));
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(root().join("dev/smd-oracle"))
        .output();
    match built {
        Ok(output) if output.status.success() => Some(program),
        other => {
            let why = match other {
                Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
                Err(error) => error.to_string(),
            };
            assert!(std::env::var("CI").as_deref() != Ok("true"), "the oracle cannot be built: {why}");
            println!(
                "left out: comparing with structured-merge-diff needs Go ({})",
                why.lines().next().unwrap_or_default()
            );
            None
        }
    }
}

fn ask(program: &Path, requests: &[Value]) -> Vec<Value> {
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
    let mut input = child.stdin.take().expect("piped");
    let text: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writing.join().expect("written").expect("written");
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(answers.len(), requests.len(), "one answer for each request");
    answers
}

#[test]
fn random_histories_and_patches_come_out_as_with_kubernetes_libraries() {
    let Some(program) = oracle() else {
        return;
    };
    let (seed, count) = (setting("LANDFALL_SEED", 1), setting("LANDFALL_CASES", 500));
    println!("LANDFALL_SEED={seed} LANDFALL_CASES={count}");
    let mut random = Random(seed);
    let requests: Vec<Value> = (0..count).map(|_| cases::case(&mut random)).collect();
    let answers = ask(&program, &requests);
    drop(std::fs::remove_file(&program));
    let mut wrong = Vec::new();
    for (request, theirs) in requests.iter().zip(&answers) {
        if let Some(where_) = answer::disagreement(&answer::ours(request), theirs) {
            wrong.push(format!("{}: {where_}\n request {request}", request["op"]));
        }
    }
    if std::env::var("LANDFALL_RECORD").is_ok() {
        let lines: String = requests
            .iter()
            .zip(&answers)
            .map(|(request, answer)| format!("{}\n", serde_json::json!({"request": request, "answer": answer})))
            .collect();
        let folder = root().join("conformance/structured-merge");
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(folder.join("recorded.jsonl"), lines).expect("written");
    }
    let shown: Vec<&String> = wrong.iter().take(3).collect();
    assert!(wrong.is_empty(), "seed {seed}: {} of {count} cases differ, among them:\n{shown:#?}", wrong.len());
}
