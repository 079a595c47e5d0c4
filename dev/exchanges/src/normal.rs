//! What of an answer is chance: uids, times, ages, revisions, addresses, generated names. They become words in angle brackets.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value};

fn patterns() -> &'static [(Regex, &'static str)] {
    static PATTERNS: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        [
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<time>"),
            (r"kube-api-access-[a-z0-9]{5}", "kube-api-access-<random>"),
            (r"\b10\.9[0-9]\.\d+\.\d+\b|\b10\.1[01]\d\.\d+\.\d+\b", "<ip>"),
            (r"resource version: \d+( \(\d+\))?", "resource version: <rv>"),
            (r"current: \d+", "current: <rv>"),
            (r"(ResourceVersion in (?:the )?(?:precondition|object meta|record)):? \(?\d+\)?", "$1 <rv>"),
            (r"in record \(\d+\)", "in record (<rv>)"),
            (r#"\\"resourceVersion\\":\\"\d+\\""#, r#"\"resourceVersion\":\"<rv>\""#),
            (r"<ip>/\d+", "<ip>/<bits>"),
        ]
        .into_iter()
        .map(|(pattern, word)| (Regex::new(pattern).expect("the pattern is one"), word))
        .collect()
    })
}

/// Replaces what is chance.
pub fn normal(value: &mut Value) {
    walk(value, "");
}

fn walk(value: &mut Value, key: &str) {
    match value {
        Value::Object(map) => {
            generated_name(map);
            for (key, inner) in map.iter_mut() {
                walk(inner, key);
            }
            if let Some(Value::Array(entries)) = map.get_mut("managedFields") {
                entries.sort_by_key(Value::to_string);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, key)),
        Value::String(text) => {
            let word = match key {
                "resourceVersion" if text.parse::<u64>().is_ok_and(|number| number > 0) => Some("<rv>"),
                "continue" if !text.is_empty() => Some("<continue>"),
                "token" if text.len() > 20 => Some("<token>"),
                "cells" if is_age(text) => Some("<age>"),
                _ => None,
            };
            match word {
                Some(word) => *text = word.to_string(),
                None => {
                    for (pattern, word) in patterns() {
                        if pattern.is_match(text) {
                            *text = pattern.replace_all(text, *word).into_owned();
                        }
                    }
                    // Go's own printing of two objects side by side is for people with much time.
                    if let Some(at) = text.find("\n@@ -") {
                        text.truncate(at);
                        text.push_str(" <difference>");
                    }
                }
            }
        }
        Value::Number(number) => {
            let is_port = matches!(key, "nodePort" | "healthCheckNodePort")
                && number.as_u64().is_some_and(|number| (30000..33000).contains(&number));
            if is_port {
                *value = Value::String("<port>".into());
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Ages in tables: `8s`, `2m5s`, `<invalid>` is none.
fn is_age(text: &str) -> bool {
    static FORM: OnceLock<Regex> = OnceLock::new();
    FORM.get_or_init(|| Regex::new(r"^(\d+[smhdy])+$").expect("the pattern is one")).is_match(text)
}

fn generated_name(metadata: &mut Map<String, Value>) {
    let Some(prefix) = metadata.get("generateName").and_then(Value::as_str).map(str::to_string) else { return };
    let is_generated = metadata
        .get("name")
        .and_then(Value::as_str)
        .is_some_and(|name| name.starts_with(&prefix) && name.len() == prefix.len() + 5);
    if is_generated && !prefix.is_empty() {
        metadata.insert("name".into(), Value::String(format!("{prefix}<random>")));
    }
}

/// Takes a value at a pointer out.
pub fn without(value: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(key);
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = key.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => {}
    }
}
