//! Reads `tidy.yaml`.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What is allowed; the file says what each part means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) edges: BTreeMap<String, Vec<String>>,
    pub(super) banned_in_pure: Banned,
    pub(super) published: Vec<String>,
    pub(super) banned_items: Vec<String>,
    pub(super) own_lines_max: usize,
    pub(super) ratchet: BTreeMap<String, usize>,
}

/// Packages that are not for pure crates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Banned {
    pub(super) everywhere: Vec<String>,
    pub(super) direct: Vec<String>,
}

impl Rules {
    /// Names the layer of a folder: the first part of its path.
    pub(super) fn layer<'a>(&self, folder: &'a str) -> &'a str {
        folder.split('/').next().unwrap_or(folder)
    }
}

/// Reads the rules of a file.
///
/// Errors: no such file, no YAML, a part missing or unknown.
pub(super) fn read(path: &Path) -> anyhow::Result<Rules> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is malformed", path.display()))
}

/// Parses the rules.
///
/// Errors: as [`read`].
pub(super) fn parse(text: &[u8]) -> anyhow::Result<Rules> {
    Ok(serde_json::from_value(landfall_yaml::read_one(text, landfall_yaml::Resolver::KubernetesStrict)?)?)
}
