//! Answers against recorded ones, and the stored form of recordings.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::normal::{normal, without};
use crate::play::Answer;
use crate::table::{Chapter, Exchange, directory};

/// How many differences of one answer are told.
const DIFFERENCES_MAX: usize = 8;

/// Where the recorded answers of a chapter are.
pub fn answers_path(chapter: &str) -> PathBuf {
    directory().join("answers").join(format!("{chapter}.json"))
}

/// An answer in the stored form, without what is chance and what its exchange ignores.
pub fn stored(exchange: &Exchange, answer: &Answer) -> Value {
    let mut value = answer.to_json();
    if let Some(body) = value.get_mut("body") {
        for pointer in &exchange.ignore {
            without(body, pointer);
        }
    }
    normal(&mut value);
    value
}

/// Writes the answers of a chapter.
pub fn write(chapter: &Chapter, answers: &[Answer]) -> anyhow::Result<()> {
    let rows: Vec<Value> = chapter
        .exchanges
        .iter()
        .zip(answers)
        .filter(|(exchange, _)| !exchange.is_preparation)
        .map(|(exchange, answer)| json!({"promise": exchange.promise, "answer": stored(exchange, answer)}))
        .collect();
    let path = answers_path(&chapter.name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // One answer a line: differences between recordings are easy to read.
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    std::fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).with_context(|| format!("{}", path.display()))
}

/// One exchange whose answer is not the recorded one.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The chapter.
    pub chapter: String,
    /// What was promised.
    pub promise: String,
    /// Where the answers differ: recorded value, then the one that came.
    pub differences: Vec<String>,
}

/// Compares a chapter's answers with the recorded ones; the number is of those compared.
pub fn compare(chapter: &Chapter, answers: &[Answer]) -> anyhow::Result<(usize, Vec<Failure>)> {
    let path = answers_path(&chapter.name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} is missing: record it", path.display()))?;
    let recorded: Vec<Value> = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let mut failures = Vec::new();
    let mut count = 0;
    for (exchange, answer) in chapter.exchanges.iter().zip(answers).filter(|(exchange, _)| !exchange.is_preparation) {
        count += 1;
        let wanted = recorded.iter().find(|row| row.get("promise").and_then(Value::as_str) == Some(&exchange.promise));
        let mut differences = Vec::new();
        match wanted.and_then(|row| row.get("answer")) {
            None => differences.push("it has no recorded answer".to_string()),
            Some(wanted) => {
                // Recorded before something was known to be chance, perhaps.
                let mut wanted = wanted.clone();
                normal(&mut wanted);
                differ(&wanted, &stored(exchange, answer), "", &mut differences);
            }
        }
        if !differences.is_empty() {
            differences.truncate(DIFFERENCES_MAX);
            failures.push(Failure { chapter: chapter.name.clone(), promise: exchange.promise.clone(), differences });
        }
    }
    Ok((count, failures))
}

fn differ(wanted: &Value, got: &Value, path: &str, found: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                match got.get(key) {
                    Some(other) => differ(value, other, &format!("{path}/{key}"), found),
                    None => found.push(format!("{path}/{key}: {value} is missing")),
                }
            }
            for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                found.push(format!("{path}/{key}: {value} is too much"));
            }
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                differ(wanted, got, &format!("{path}/{index}"), found);
            }
        }
        (wanted, got) if wanted == got => {}
        (wanted, got) => found.push(format!("{path}:\n        wanted {wanted}\n        got    {got}")),
    }
}
