//! Values: reading files, and laying the user's layers over each other.
//!
//! Numbers keep Go's types in `serde_json`: an integer is an `int64` (only `--set` makes those), a float a `float64` (all
//! that was read from YAML or JSON). Entry: [`read`], [`Layers::merge`].

pub(crate) mod coalesce;

use landfall_yaml::Resolver;
use serde_json::{Map, Value};

use crate::Profile;
use crate::error::{Error, ErrorKind};
use crate::strvals::{self, Flavour, ReadFile};

/// One values file of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuesFile {
    /// Its name, for messages.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// The user's values by where they come from, lowest first. Helm merges them in this order whatever order they were given in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// `--values`, in order.
    pub files: Vec<ValuesFile>,
    /// `--set-json`, in order.
    pub set_json: Vec<String>,
    /// `--set`, in order.
    pub set: Vec<String>,
    /// `--set-string`, in order.
    pub set_string: Vec<String>,
    /// `--set-file`, in order.
    pub set_file: Vec<String>,
    /// `--set-literal`, in order.
    pub set_literal: Vec<String>,
}

impl Layers {
    /// Lays everything over each other. `read_file` answers for the paths of `--set-file`.
    ///
    /// Errors: [`ErrorKind::Values`], in Helm's words.
    pub fn merge(&self, profile: Profile, read_file: &ReadFile<'_>) -> Result<Map<String, Value>, Error> {
        let mut values = Map::new();
        for file in &self.files {
            let read = read(&file.content, profile)
                .map_err(|error| error.wrapped(format_args!("failed to parse {}", file.name)))?;
            merge_maps(&mut values, read);
        }
        for argument in &self.set_json {
            let is_object = profile == Profile::Helm4 && argument.trim_start().starts_with('{');
            if is_object {
                merge_maps(&mut values, json_object(argument)?);
            } else {
                strvals::parse_into(Flavour::Json, argument, &mut values, profile, read_file)
                    .map_err(|_| wrong(format!("failed parsing --set-json data {argument}")))?;
            }
        }
        let rest = [
            (Flavour::Typed, &self.set),
            (Flavour::Text, &self.set_string),
            (Flavour::File, &self.set_file),
            (Flavour::Literal, &self.set_literal),
        ];
        for (flavour, arguments) in rest {
            for argument in arguments {
                strvals::parse_into(flavour, argument, &mut values, profile, read_file)
                    .map_err(|message| wrong(format!("failed parsing {} data: {message}", flavour.flag())))?;
            }
        }
        Ok(values)
    }
}

/// Reads a values file: `values.yaml` of a chart or one of the user.
///
/// Helm 3 reads the first YAML document; Helm 4 merges all of them. An empty file is an empty map. Every number is a
/// float.
///
/// Errors: [`ErrorKind::Values`]: no YAML, no map, a value that JSON does not know.
pub fn read(text: &[u8], profile: Profile) -> Result<Map<String, Value>, Error> {
    match profile {
        Profile::Helm3 => document(text),
        Profile::Helm4 if !contains_line(text, b"---") && text.last() == Some(&b'\n') => {
            document(text).map_err(in_document)
        }
        Profile::Helm4 => {
            let mut values = Map::new();
            for part in split_documents(text)? {
                merge_maps(&mut values, document(&part).map_err(in_document)?);
            }
            Ok(values)
        }
    }
}

/// Merges `over` into `under`: maps deeply, everything else replaces, null too. Source: Helm's `MergeMaps`.
pub fn merge_maps(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge_maps(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn document(text: &[u8]) -> Result<Map<String, Value>, Error> {
    let value = landfall_yaml::read_one(text, Resolver::Kubernetes)
        .map_err(|error| wrong(crate::go::yaml_error(&error, text)).with_hint(crate::go::yaml_hint(&error)))?;
    match value {
        Value::Null => Ok(Map::new()),
        mut value @ Value::Object(_) => {
            crate::go::numbers_to_floats(&mut value);
            match value {
                Value::Object(map) => Ok(map),
                _ => Ok(Map::new()),
            }
        }
        other => Err(wrong(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            crate::chart::json_kind(&other)
        ))
        .with_hint("a values file holds a map: `key: value` lines")),
    }
}

fn in_document(error: Error) -> Error {
    error.wrapped("cannot unmarshal yaml document")
}

fn json_object(argument: &str) -> Result<Map<String, Value>, Error> {
    match serde_json::from_str(argument.trim()) {
        Ok(mut value @ Value::Object(_)) => {
            crate::go::numbers_to_floats(&mut value);
            match value {
                Value::Object(map) => Ok(map),
                _ => Ok(Map::new()),
            }
        }
        _ => Err(wrong(format!("failed parsing --set-json data JSON: {argument}"))),
    }
}

fn contains_line(text: &[u8], start: &[u8]) -> bool {
    text.starts_with(start) || text.windows(start.len() + 1).any(|window| window[0] == b'\n' && &window[1..] == start)
}

/// How much of a line Go's reader takes at once. A last line of exactly that length (or a multiple) that does not end is
/// lost in Helm 4 up to 4.2.4 (helm issue 32506), and here.
const LINE_BUFFER_BYTES: usize = 4096;

/// Cuts a stream into documents as Kubernetes' `YAMLReader` does: at lines that begin with `---` and hold nothing else but
/// a comment.
fn split_documents(text: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut documents = Vec::new();
    let mut current = Vec::new();
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    if let Some(last) = lines.pop().filter(|last| !last.is_empty() && last.len() % LINE_BUFFER_BYTES != 0) {
        lines.push(last);
    }
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(rest) = line.strip_prefix(b"---") {
            let rest = String::from_utf8_lossy(rest);
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(wrong(format!("error reading yaml document: invalid Yaml document separator: {rest}")));
            }
            if !current.is_empty() {
                documents.push(std::mem::take(&mut current));
                continue;
            }
        }
        current.extend_from_slice(line);
        current.push(b'\n');
    }
    if !current.is_empty() {
        documents.push(current);
    }
    Ok(documents)
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Values, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_separator_lines() {
        let parts = |text: &str| {
            split_documents(text.as_bytes())
                .map(|parts| parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(parts("---\na: 1\n--- # x\nb: 2\r\nc: 3").unwrap(), ["---\na: 1\n", "b: 2\nc: 3\n"]);
        assert!(parts("a: 1\n--- b\n").unwrap_err().to_string().contains("invalid Yaml document separator: b"));
        let lost = format!("a: 1\n{}", "x".repeat(LINE_BUFFER_BYTES));
        assert_eq!(parts(&lost).unwrap(), ["a: 1\n"]);
    }

    #[test]
    fn maps_merge_deeply_and_null_stays() {
        let mut under = serde_json::json!({"a": {"x": 1, "y": 2}, "b": [1]}).as_object().unwrap().clone();
        let over = serde_json::json!({"a": {"y": null, "z": 3}, "b": [2]}).as_object().unwrap().clone();
        merge_maps(&mut under, over);
        assert_eq!(Value::Object(under), serde_json::json!({"a": {"x": 1, "y": null, "z": 3}, "b": [2]}));
    }
}
