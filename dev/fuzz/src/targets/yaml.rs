//! YAML: reading never fails to answer, and what was read survives being written and read again.

use super::{Target, kind_of_error};
use landfall_yaml::{Limits, Resolver, marshal, parse, read, read_one, write, write_pretty};
use serde_json::Value;

pub(super) const TARGET: Target = Target {
    name: "yaml",
    words: &[
        "a",
        "b: ",
        "c:\n",
        "- ",
        "\n",
        "  ",
        "    ",
        "\t",
        "\"",
        "'",
        "|",
        ">",
        "|-\n",
        ">+\n",
        "|2\n",
        "# c\n",
        "&x ",
        "*x",
        "!!str ",
        "!t ",
        "!!int ",
        "!!binary ",
        "!!float ",
        "!<tag:a,b> ",
        "<<: ",
        "<<: *x\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "? ",
        "?",
        "-",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "%TAG ! !a\n",
        "\\n",
        "\\",
        "\\x41",
        "\\u2028",
        "\u{2028}",
        "\u{85}",
        "é",
        "😀",
        "\r\n",
        "\r",
        "\u{feff}",
        "1",
        "0x1F",
        "0o7",
        "1e3",
        ".5",
        ".inf",
        "2020-01-02",
        "12:30",
        "yes",
        "null",
        "~",
        "=",
        "@",
        "word word word",
        "key: value\n",
        "k: [1, 2]\n",
        "m: {a: b}\n",
        "? |\n  k\n: v\n",
    ],
    run,
};

fn run(input: &[u8]) -> String {
    let mut outcome = String::new();
    for resolver in [Resolver::Kubernetes, Resolver::KubernetesStrict, Resolver::Kustomize] {
        match read(input, resolver) {
            Ok(values) => {
                for value in &values {
                    outcome.push_str(&shape(value, 3));
                    if resolver == Resolver::Kubernetes {
                        check_round_trip(value);
                    }
                }
            }
            Err(error) => outcome.push_str(&kind_of_error(&error.message)),
        }
        outcome.push(';');
    }
    check_tree(input);
    outcome
}

/// What is written reads back as the same, and is written the same way again.
fn check_round_trip(value: &Value) {
    // The reference writes the key `<<` without quotes, which it then reads as a merge; so do we.
    if has_merge_key(value) {
        return;
    }
    let written = write(value);
    let again = read_one(written.as_bytes(), Resolver::Kubernetes)
        .unwrap_or_else(|error| panic!("what was written cannot be read: {error}\n{written}"));
    assert_eq!(write(&again), written, "writing what was read differs");
    if let Ok(marshalled) = marshal(value) {
        assert_eq!(marshal(&again).as_deref(), Ok(marshalled.as_str()), "writing what was read differs");
    }
    let _ = write_pretty(value);
}

fn has_merge_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_merge_key),
        Value::Object(map) => map.iter().any(|(key, value)| key == "<<" || has_merge_key(value)),
        _ => false,
    }
}

/// A text that reads as JSON also parses as a tree with the same meaning.
fn check_tree(input: &[u8]) {
    let direct = read(input, Resolver::Kubernetes);
    let Ok(documents) = parse(input, Resolver::Kubernetes, &Limits::default()) else {
        assert!(direct.is_err(), "the text reads as JSON but not as a tree");
        return;
    };
    let converted: Result<Vec<Value>, _> = documents.iter().map(|document| document.to_json()).collect();
    if let (Ok(direct), Ok(mut converted)) = (direct, converted) {
        converted.retain(|value| !value.is_null());
        assert_eq!(direct, converted, "the tree means something else");
    }
}

/// Describes a value down to a depth, so that inputs of a new shape are noticed.
fn shape(value: &Value, depth: usize) -> String {
    match value {
        Value::Null => "n".to_owned(),
        Value::Bool(_) => "b".to_owned(),
        Value::Number(number) => if number.is_f64() { "f" } else { "i" }.to_owned(),
        Value::String(text) if text.contains('\n') => "l".to_owned(),
        Value::String(_) => "s".to_owned(),
        Value::Array(_) | Value::Object(_) if depth == 0 => ".".to_owned(),
        Value::Array(items) => {
            let inner: String = items.iter().take(4).map(|item| shape(item, depth - 1)).collect();
            format!("[{inner}]")
        }
        Value::Object(map) => {
            let inner: String = map.values().take(4).map(|item| shape(item, depth - 1)).collect();
            format!("{{{inner}}}")
        }
    }
}
