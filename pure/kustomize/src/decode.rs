//! Reads typed values out of JSON by Go's rules, and says where a value of another type or an unknown field stands.
//!
//! Go's decoder matches field names without regard to case and takes null for "not set". Kustomization files are strict:
//! unknown fields and values of another type are errors. Configurations of transformers are read leniently: unknown
//! fields are left out, numbers and booleans become strings where strings are wanted.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{BuildError, ErrorClass, Result};

/// How exact the input has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Unknown fields and other types are errors.
    Strict,
    /// Unknown fields are errors, scalars become strings.
    KnownFields,
    /// Unknown fields are left out, scalars become strings.
    Lenient,
}

/// The fields of one JSON object, taken one by one.
pub(crate) struct Fields<'a> {
    entries: Vec<(&'a str, &'a Value)>,
    path: String,
    strictness: Strictness,
    known: Vec<&'static str>,
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn wrong_type(path: &str, wanted: &str, found: &Value) -> Box<BuildError> {
    let mut error =
        BuildError::new(ErrorClass::WrongType, format!("{wanted} is needed, but there is {}", type_name(found)))
            .field(path);
    if wanted == "a string" && matches!(found, Value::Bool(_) | Value::Number(_)) {
        error = error
            .hint("write the value in quotes; yes, no, on, off, true, false and numbers are no strings without them");
    }
    error
}

impl<'a> Fields<'a> {
    pub(crate) fn new(value: &'a Value, path: &str, strictness: Strictness) -> Result<Self> {
        let empty: &'a Map<String, Value> = {
            static EMPTY: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
            EMPTY.get_or_init(Map::new)
        };
        let map = match value {
            Value::Object(map) => map,
            Value::Null => empty,
            other => return Err(wrong_type(path, "a mapping", other)),
        };
        let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
        entries.sort_unstable_by(|left, right| left.0.cmp(right.0));
        Ok(Self { entries, path: path.to_owned(), strictness, known: Vec::new() })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of a field; null is as absent.
    pub(crate) fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        let mut found = None;
        let mut at = 0;
        while at < self.entries.len() {
            if self.entries[at].0.eq_ignore_ascii_case(name) {
                // Of several spellings the last one in key order is what Go keeps.
                found = Some(self.entries.remove(at).1);
            } else {
                at += 1;
            }
        }
        found.filter(|value| !value.is_null())
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Result<String> {
        Ok(self.optional_string(name)?.unwrap_or_default())
    }

    pub(crate) fn optional_string(&mut self, name: &'static str) -> Result<Option<String>> {
        let path = join(&self.path, name);
        self.raw(name).map(|value| text_of(value, &path, self.strictness)).transpose()
    }

    pub(crate) fn bool(&mut self, name: &'static str) -> Result<bool> {
        let path = join(&self.path, name);
        match self.raw(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong_type(&path, "a boolean", other)),
        }
    }

    pub(crate) fn integer(&mut self, name: &'static str) -> Result<i64> {
        let path = join(&self.path, name);
        match self.raw(name) {
            None => Ok(0),
            Some(value) => value.as_i64().ok_or_else(|| wrong_type(&path, "an integer", value)),
        }
    }

    pub(crate) fn strings(&mut self, name: &'static str) -> Result<Vec<String>> {
        self.list(name, |value, path, strictness| match value {
            Value::Null => Ok(String::new()),
            value => text_of(value, path, strictness),
        })
    }

    pub(crate) fn string_map(&mut self, name: &'static str) -> Result<Option<BTreeMap<String, String>>> {
        let path = join(&self.path, name);
        let Some(value) = self.raw(name) else { return Ok(None) };
        let Value::Object(map) = value else { return Err(wrong_type(&path, "a mapping", value)) };
        let mut texts = BTreeMap::new();
        for (key, value) in map {
            let text =
                if value.is_null() { String::new() } else { text_of(value, &join(&path, key), self.strictness)? };
            texts.insert(key.clone(), text);
        }
        Ok(Some(texts))
    }

    /// A list whose elements `read` turns into values; absent and null are empty.
    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'a Value, &str, Strictness) -> Result<T>,
    ) -> Result<Vec<T>> {
        let path = join(&self.path, name);
        match self.raw(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(at, item)| read(item, &format!("{path}[{at}]"), self.strictness))
                .collect(),
            Some(other) => Err(wrong_type(&path, "a list", other)),
        }
    }

    /// An object that `read` turns into a value; absent and null are `None`.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'a Value, &str, Strictness) -> Result<T>,
    ) -> Result<Option<T>> {
        let path = join(&self.path, name);
        self.raw(name).map(|value| read(value, &path, self.strictness)).transpose()
    }

    /// Refuses fields that nobody asked for.
    pub(crate) fn finish(self) -> Result<()> {
        if self.strictness == Strictness::Lenient {
            return Ok(());
        }
        let Some((name, _)) = self.entries.first() else { return Ok(()) };
        let mut error = BuildError::new(ErrorClass::UnknownField, format!("there is no field {name:?} here"))
            .field(join(&self.path, name));
        if let Some(similar) = nearest(name, &self.known) {
            error = error.hint(format!("did you mean {similar:?}?"));
        } else {
            error = error.hint(format!("the fields here are {}", self.known.join(", ")));
        }
        Err(error)
    }
}

fn text_of(value: &Value, path: &str, strictness: Strictness) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) if strictness != Strictness::Strict => Ok(flag.to_string()),
        Value::Number(_) if strictness != Strictness::Strict => Ok(landfall_yaml::json::encode(value)),
        other => Err(wrong_type(path, "a string", other)),
    }
}

/// Most edits by which a misspelt name still counts as meant.
const EDITS_MAX: usize = 2;

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|candidate| (edits(name, candidate), *candidate))
        .min()
        .filter(|(edits, _)| *edits <= EDITS_MAX)
        .map(|(_, candidate)| candidate)
}

fn edits(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, b) in right.bytes().enumerate() {
            let above = row[to + 1];
            row[to + 1] = if a == b { diagonal } else { 1 + diagonal.min(above).min(row[to]) };
            diagonal = above;
        }
    }
    row[right.len()]
}
