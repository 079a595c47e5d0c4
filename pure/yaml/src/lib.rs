//! YAML and JSON read and written as Kubernetes' Go libraries do, byte for byte, with positions for messages.
//!
//! Reading: [`parse`] gives documents as trees with positions, [`read`] and [`read_one`] give JSON values. The
//! [`Resolver`] decides what plain scalars mean. Writing: [`write()`] prints a JSON value as `kubectl`, Helm's `toYaml`
//! and kustomize do. Changing: [`edit`] changes values and leaves the rest of a text as it was. [`json`] and [`go_number`] print JSON and floats as Go does.
//!
//! ```text
//! bytes -> source -> text -> scan -> tokens -> event -> events -+-> compose -> Node trees with positions
//!                                                               +-> to_json -> serde_json::Value -> emit -> text
//! ```

mod compose;
pub mod edit;
mod emit;
mod error;
mod event;
pub mod go_number;
pub mod json;
mod limits;
mod node;
mod reader;
mod reserialized;
mod resolve;
mod scan;
mod source;
mod timestamp;
mod to_json;

pub use error::{Error, WriteError};
pub use limits::Limits;
pub use node::{Document, Kind, Node, Position, Style};

use serde_json::Value;
use std::borrow::Cow;

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

/// Parses every document of a text into trees, empty ones among them.
///
/// Aliases stay aliases and nothing is resolved yet, so that a text parses that [`Document::to_json`] may still refuse.
///
/// Errors: the first thing that the reference parser refuses, with its place; a limit that is exceeded.
pub fn parse(text: &[u8], resolver: Resolver, limits: &Limits) -> Result<Vec<Document>, Error> {
    compose::documents(&checked(text, limits)?, resolver, limits)
}

/// Reads every document of a text as JSON; documents without content are left out.
///
/// Integers stay integers (`i64`, `u64`); floats are `f64`, except that a float without fraction is an integer, as it is
/// after a trip through Go's JSON. With [`Resolver::Kustomize`] the text is split at `---` lines as kyaml does, and the
/// values are those that kyaml has after its own printing and parsing.
///
/// Errors: as [`parse`] and [`Document::to_json`]; the default [`Limits`] hold.
pub fn read(text: &[u8], resolver: Resolver) -> Result<Vec<Value>, Error> {
    let mut values = read_with(text, resolver, &Limits::default())?;
    values.retain(|value| !value.is_null());
    Ok(values)
}

/// Reads as [`read`] with limits, and keeps documents without content as null.
///
/// Errors: as [`read`].
pub fn read_with(text: &[u8], resolver: Resolver, limits: &Limits) -> Result<Vec<Value>, Error> {
    reader::documents(&checked(text, limits)?, resolver, limits, reader::Extent::AllDocuments)
}

/// Reads the first document of a text as JSON; a text without content is null. What follows the first document is not
/// looked at, as the reference does.
///
/// Errors: as [`read`].
pub fn read_one(text: &[u8], resolver: Resolver) -> Result<Value, Error> {
    let limits = Limits::default();
    let values = reader::documents(&checked(text, &limits)?, resolver, &limits, reader::Extent::FirstDocument)?;
    Ok(values.into_iter().next().unwrap_or(Value::Null))
}

/// Decodes a text whose size is allowed.
fn checked<'a>(text: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, Error> {
    if text.len() > limits.text_bytes_max.min(TEXT_BYTES_MAX) {
        let message = format!("the text has {} bytes, which is more than {}", text.len(), limits.text_bytes_max);
        return Err(Error::new(1, 1, message));
    }
    source::decode(text)
}

/// The bytes that a text may have so that every offset in it, UTF-16 converted, fits into 32 bits.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// Writes a value as `kubectl`, kustomize and Helm's `toYaml` print it (sigs.k8s.io/yaml `Marshal`), with a final newline.
///
/// Keys are in go-yaml's natural order, lists are not indented below their key, lines are folded at 80 columns, floats
/// lose their `.0`. Unlike the reference this never fails: characters that Go refuses are escaped. Where the same failure
/// matters, use [`marshal`] or [`to_yaml`].
pub fn write(value: &Value) -> String {
    marshal(value).unwrap_or_else(|_| emit::print(value, emit::Generation::Old))
}

/// Writes as [`write()`], and fails where the reference does.
///
/// Errors: a control character (DEL, C1) or a key that Go's reader refuses.
pub fn marshal(value: &Value) -> Result<String, WriteError> {
    if !needs_json_step(value) {
        return Ok(emit::print(value, emit::Generation::Old));
    }
    let json = json::encode(value);
    let value =
        read_one(json.as_bytes(), Resolver::Kubernetes).map_err(|error| WriteError { message: error.message })?;
    Ok(emit::print(&value, emit::Generation::Old))
}

/// Gives the value that a folded scalar (`>`) has after kyaml wrote it and read it again, which is not always its own:
/// its printer gets some line breaks wrong.
pub fn refolded(value: &str) -> String {
    reserialized::folded(value)
}

/// Says whether [`marshal`] would fail, without printing.
///
/// Errors: as [`marshal`].
pub fn check(value: &Value) -> Result<(), WriteError> {
    if !needs_json_step(value) {
        return Ok(());
    }
    let json = json::encode(value);
    read_one(json.as_bytes(), Resolver::Kubernetes).map(drop).map_err(|error| WriteError { message: error.message })
}

/// Says whether the reference's way over JSON text changes or refuses something in a value. Source: sigs.k8s.io/yaml 1.6.0.
fn needs_json_step(value: &Value) -> bool {
    let is_changed = |text: &str| {
        // Without an early exit the first test runs over many bytes at once.
        text.bytes().fold(false, |found, byte| found | matches!(byte, 0x7f | 0xc2 | 0xef))
            && text.chars().any(|character| matches!(character, '\u{7f}'..='\u{9f}' | '\u{fffe}'..='\u{ffff}'))
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => is_changed(text),
        Value::Array(items) => items.iter().any(needs_json_step),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.len() > KEY_BYTES_UNCHANGED_MAX || is_changed(key) || needs_json_step(value)),
    }
}

/// The bytes of a key that are short enough as JSON for the YAML reader, however they are escaped.
const KEY_BYTES_UNCHANGED_MAX: usize = 160;

/// Writes as Helm's `toYaml`: [`marshal`] without the final newline, and an empty text where it fails.
pub fn to_yaml(value: &Value) -> String {
    let mut text = marshal(value).unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

/// Writes as Helm's `toYamlPretty`, with a final newline: lists indented under their key, no folding. Floats print as they
/// are (`1e+06`), because no JSON step comes before. Source: go.yaml.in/yaml v3.0.4 with `SetIndent(2)`.
pub fn write_pretty(value: &Value) -> String {
    emit::print(value, emit::Generation::New)
}

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
