//! The table of requests: chapters in YAML, each with a namespace of its own.
//!
//! ```yaml
//! objects:                       # named bodies
//!   map: {apiVersion: v1, kind: ConfigMap, metadata: {name: one}}
//! exchanges:
//! - promise: a ConfigMap is created
//!   call: POST /api/v1/namespaces/$ns/configmaps
//!   from: map                    # a named body ...
//!   body: {data: {a: b}}         # ... and what is merged into it; text is sent as it is
//!   headers: {Accept: application/json}
//!   keep: {rv: /metadata/resourceVersion}   # later `$rv`
//!   until: {/status/phase: Active}          # asked again until the answer has this (`status` is the code)
//!   cases: {name: {body ...}}    # several exchanges that differ in what is merged in
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// One request and what is to be kept of its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What the answer promises; unique in its chapter.
    pub promise: String,
    /// The HTTP method.
    pub method: String,
    /// Path and query; `$name` stands for what was kept.
    pub path: String,
    /// Headers by name.
    pub headers: BTreeMap<String, String>,
    /// The body: text as it is, anything else as JSON, null for none.
    pub body: Value,
    /// Names by which parts of the answer are known later, with their pointers.
    pub keep: BTreeMap<String, String>,
    /// What the answer must have, by pointer (or `status`), before it counts.
    pub until: BTreeMap<String, Value>,
    /// Pointers to what is not compared.
    pub ignore: Vec<String>,
    /// Whether the request is sent without the administrator's certificate.
    pub is_anonymous: bool,
    /// Whether the answer is not compared at all: the request only prepares others.
    pub is_preparation: bool,
}

/// A file of exchanges; they are played in order.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// The file's name without its extension.
    pub name: String,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
}

/// Where the chapters are.
pub fn directory() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/kubernetes")).to_owned()
}

/// Reads all chapters, in order of their names.
pub fn chapters() -> anyhow::Result<Vec<Chapter>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory())
        .context("conformance/kubernetes is missing")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.iter().map(|path| chapter(path)).collect()
}

fn chapter(path: &Path) -> anyhow::Result<Chapter> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = std::fs::read(path)?;
    let file = landfall_yaml::read_one(&bytes, landfall_yaml::Resolver::Kubernetes)
        .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let empty = Value::Object(Map::new());
    let objects = file.get("objects").unwrap_or(&empty);
    let mut exchanges = Vec::new();
    for row in file.get("exchanges").and_then(Value::as_array).into_iter().flatten() {
        let read = rows(row, objects).with_context(|| format!("{}: {row}", path.display()))?;
        exchanges.extend(read);
    }
    let mut seen = std::collections::BTreeSet::new();
    for exchange in &exchanges {
        if !seen.insert(&exchange.promise) {
            bail!("{}: two exchanges promise {:?}", path.display(), exchange.promise);
        }
    }
    Ok(Chapter { name, exchanges })
}

fn texts(row: &Value, key: &str) -> BTreeMap<String, String> {
    let map = row.get(key).and_then(Value::as_object).into_iter().flatten();
    map.map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_string))).collect()
}

fn rows(row: &Value, objects: &Value) -> anyhow::Result<Vec<Exchange>> {
    let promise = row.get("promise").and_then(Value::as_str).context("an exchange has no promise")?.to_string();
    let call = row.get("call").and_then(Value::as_str).context("an exchange has no call")?;
    let (method, path) = call.split_once(' ').context("a call is a method and a path")?;
    let base = match row.get("from").and_then(Value::as_str) {
        Some(name) => objects.get(name).with_context(|| format!("no object is called {name}"))?.clone(),
        None => Value::Null,
    };
    let body = merged(base, row.get("body").unwrap_or(&Value::Null));
    let flag = |key: &str| row.get(key).and_then(Value::as_bool).unwrap_or(false);
    let exchange = Exchange {
        promise,
        method: method.to_string(),
        path: path.to_string(),
        headers: texts(row, "headers"),
        body,
        keep: texts(row, "keep"),
        until: row
            .get("until")
            .and_then(Value::as_object)
            .map(|map| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            .unwrap_or_default(),
        ignore: row
            .get("ignore")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_string)
            .collect(),
        is_anonymous: flag("anonymous"),
        is_preparation: flag("prepare"),
    };
    match row.get("cases").and_then(Value::as_object) {
        None => Ok(vec![exchange]),
        Some(cases) => Ok(cases
            .iter()
            .map(|(name, case)| Exchange {
                promise: format!("{}: {name}", exchange.promise),
                body: merged(exchange.body.clone(), case),
                ..exchange.clone()
            })
            .collect()),
    }
}

/// A merge patch, except that `null` stays where the base has nothing, and text or lists replace everything.
fn merged(base: Value, patch: &Value) -> Value {
    match (base, patch) {
        (base, Value::Null) => base,
        (Value::Object(mut base), Value::Object(patch)) => {
            for (key, value) in patch {
                match (base.remove(key), value) {
                    (Some(_), Value::Null) => {}
                    (Some(held), value) => {
                        base.insert(key.clone(), merged(held, value));
                    }
                    (None, value) => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
            Value::Object(base)
        }
        (_, patch) => patch.clone(),
    }
}
