//! Runs one golden case of `conformance/yaml`: what kustomize and Helm make of a YAML text.
//!
//! Shared by this crate's test and by `cargo xtask conformance yaml`.

use landfall_yaml::Resolver;
use serde_json::Value;

/// What kustomize puts before the input, so that it is a resource.
const HEADER: &str = "apiVersion: example.com/v1\nkind: Case\nmetadata:\n  name: case\n";

/// Says how one side of a case went.
pub(crate) struct Outcome {
    /// `kustomize` or `helm`.
    pub(crate) side: &'static str,
    /// What is different; `None` if nothing is.
    pub(crate) difference: Option<String>,
}

/// Runs both sides of a case. A malformed case is an outcome with a difference.
pub(crate) fn run(case: &Value) -> Vec<Outcome> {
    let input = match (case["input"].as_str(), case["input_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => match decode(encoded) {
            Some(bytes) => bytes,
            None => return vec![Outcome { side: "case", difference: Some("input_base64 is no base 64".to_owned()) }],
        },
        (None, None) => return vec![Outcome { side: "case", difference: Some("the case has no input".to_owned()) }],
    };
    let mut resource = HEADER.as_bytes().to_vec();
    resource.extend_from_slice(&input);
    vec![
        Outcome {
            side: "kustomize",
            difference: compare(&case["kustomize_output"], &case["kustomize_error"], kustomize(&resource)),
        },
        Outcome {
            side: "helm",
            difference: compare(&case["helm_toyaml_output"], &case["helm_toyaml_error"], helm(&input)),
        },
    ]
}

/// Prints the resources of a file as `kustomize build` does when nothing is transformed.
fn kustomize(text: &[u8]) -> Result<String, String> {
    let resources = landfall_yaml::read(text, Resolver::Kustomize).map_err(|error| error.to_string())?;
    let mut outputs = Vec::new();
    for resource in &resources {
        if !resource["metadata"]["name"].is_string() || !resource["kind"].is_string() {
            return Err("missing Resource metadata".to_owned());
        }
        outputs.push(landfall_yaml::marshal(resource).map_err(|error| error.to_string())?);
    }
    Ok(outputs.join("---\n"))
}

/// Prints the values of a chart as `{{ toYaml .Values }}`. Every number of Helm's values is a float.
fn helm(text: &[u8]) -> Result<String, String> {
    match landfall_yaml::read_one(text, Resolver::Kubernetes).map_err(|error| error.to_string())? {
        Value::Null => Ok("{}".to_owned()),
        values @ Value::Object(_) => Ok(landfall_yaml::to_yaml(&as_floats(values))),
        _ => Err("the values are no map".to_owned()),
    }
}

fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, as_floats(value))).collect(),
        other => other,
    }
}

fn compare(output: &Value, error: &Value, actual: Result<String, String>) -> Option<String> {
    match (output.as_str(), error.as_str(), actual) {
        (Some(expected), None, Ok(actual)) if expected == actual => None,
        (Some(expected), None, Ok(actual)) => Some(format!("expected {expected:?}\nactual   {actual:?}")),
        (Some(expected), None, Err(error)) => Some(format!("expected {expected:?}\nactual   error: {error}")),
        (None, Some(_), Err(_)) => None,
        (None, Some(expected), Ok(actual)) => Some(format!("expected error: {expected}\nactual   {actual:?}")),
        _ => Some("the case has neither an output nor an error, or both".to_owned()),
    }
}

fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in encoded.bytes().filter(|&letter| letter != b'=') {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}
