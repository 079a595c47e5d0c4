//! Runs one golden case of `conformance/strvals` under both profiles.
//!
//! Shared by this crate's test and by `cargo xtask conformance strvals`.

use landfall_helm::Profile;
use landfall_helm::values::{Layers, ValuesFile};
use serde_json::{Map, Value, json};

/// Gives for each profile what is different; `None` if nothing is.
pub(crate) fn run(case: &Value) -> [(&'static str, Option<String>); 2] {
    [(Profile::Helm3, "helm3"), (Profile::Helm4, "helm4")].map(|(profile, name)| {
        let (actual, wanted) = (plain(&outcome(case, profile)), plain(&case[name]));
        let is_same = actual == wanted;
        (name, (!is_same).then(|| format!("{}\nexpected {wanted}\nactual   {actual}", case["args"])))
    })
}

fn outcome(case: &Value, profile: Profile) -> Value {
    let mut layers = Layers::default();
    let base = case["base"].as_str().unwrap_or_default();
    if !base.is_empty() {
        layers.files.push(ValuesFile { name: "base.yaml".to_owned(), content: base.as_bytes().to_vec() });
    }
    let arguments: Vec<&str> = case["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for pair in arguments.chunks(2) {
        let [flag, argument] = pair else { return json!({ "error": "the case has a flag without an argument" }) };
        let list = match *flag {
            "--set" => &mut layers.set,
            "--set-string" => &mut layers.set_string,
            "--set-json" => &mut layers.set_json,
            "--set-file" => &mut layers.set_file,
            "--set-literal" => &mut layers.set_literal,
            other => return json!({ "error": format!("the case has the unknown flag {other}") }),
        };
        list.push((*argument).to_owned());
    }
    let read = |path: &str| match case["files"][path].as_str() {
        Some(content) => Ok(content.to_owned()),
        None => Err(format!("open {path}: no such file or directory")),
    };
    match layers.merge(profile, &read) {
        Ok(values) => {
            let values = Value::Object(values);
            let mut numbers = Map::new();
            note_numbers(&values, "", &mut numbers);
            let mut result = json!({ "values": plain(&values) });
            if !numbers.is_empty() {
                result["numbers"] = Value::Object(numbers);
            }
            result
        }
        Err(error) => json!({ "error": error.message }),
    }
}

fn note_numbers(value: &Value, path: &str, numbers: &mut Map<String, Value>) {
    match value {
        Value::Number(number) => {
            numbers.insert(path.to_owned(), json!(if number.is_f64() { "float64" } else { "int64" }));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                note_numbers(item, &format!("{path}[{index}]"), numbers);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                note_numbers(item, &path, numbers);
            }
        }
        _ => {}
    }
}

/// Every number as a float: the recorded JSON does not tell 1 from 1.0, the types are compared apart.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(entries) => Value::Object(entries.iter().map(|(key, item)| (key.clone(), plain(item))).collect()),
        other => other.clone(),
    }
}
