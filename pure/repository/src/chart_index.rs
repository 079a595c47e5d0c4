//! The index of a Helm chart repository, read without building a tree of it.
//!
//! Indexes have up to 20 MB, of which a thousandth matters here. `helm repo index` always writes block style with one key
//! per line, so [`read`] walks the lines, keeps those of the wanted keys and gives only them to the YAML reader. A text of
//! any other shape (JSON, flow style) is read whole instead.
//! Source: Helm 3.21 `pkg/repo/index.go` (`IndexFile`, `loadIndex`: entries that are invalid are left out).

use std::collections::BTreeMap;

use landfall_semver::Version;
use landfall_yaml::{Limits, Resolver};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The keys of a version that are kept.
const KEYS: [&str; 7] = ["version", "appVersion", "created", "digest", "deprecated", "urls", "description"];

/// The largest index that is read.
pub const INDEX_BYTES_MAX: usize = 64 << 20;

/// Lists the charts of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The versions of each chart, highest first.
    pub versions_by_chart: BTreeMap<String, Vec<ChartVersion>>,
    /// Counts the entries that were left out because they are malformed: no version, or one that is none.
    pub left_out_count: usize,
}

/// Describes one version of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartVersion {
    /// The version as written.
    pub version: String,
    /// The version of what the chart installs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// When it was added, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The SHA-256 of the archive, hexadecimal; some repositories leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where to get it: absolute, or relative to the repository.
    pub urls: Vec<String>,
    /// Whether its authors gave it up.
    #[serde(default)]
    pub deprecated: bool,
    /// What it is, in its authors' words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Says why a text is no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// More than [`INDEX_BYTES_MAX`].
    #[error("the index has {} MiB, more than the limit of {} MiB", bytes >> 20, INDEX_BYTES_MAX >> 20)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No YAML or JSON.
    #[error("the index is no YAML: {0}")]
    Malformed(String),
    /// YAML of something else: an error page, a chart.
    #[error("the index has no `entries`: this is no chart repository")]
    NoEntries,
}

/// Reads an `index.yaml`.
pub fn read(text: &[u8]) -> Result<Index, IndexError> {
    if text.len() > INDEX_BYTES_MAX {
        return Err(IndexError::TooLarge { bytes: text.len() });
    }
    let mut index = std::str::from_utf8(text).ok().and_then(by_line).map_or_else(|| whole(text), Ok)?;
    for versions in index.versions_by_chart.values_mut() {
        // Parsed once each, not in every comparison.
        let keyed = |version: ChartVersion| Version::parse(&version.version).ok().map(|parsed| (parsed, version));
        let mut parsed: Vec<(Version, ChartVersion)> = std::mem::take(versions).into_iter().filter_map(keyed).collect();
        parsed.sort_by(|a, b| b.0.precedence(&a.0));
        *versions = parsed.into_iter().map(|(_, version)| version).collect();
    }
    index.versions_by_chart.retain(|_, versions| !versions.is_empty());
    Ok(index)
}

/// Reads the whole text as one value.
fn whole(text: &[u8]) -> Result<Index, IndexError> {
    let limits = Limits { text_bytes_max: INDEX_BYTES_MAX, nodes_max: INDEX_BYTES_MAX / 4, ..Limits::default() };
    let documents = landfall_yaml::read_with(text, Resolver::Kubernetes, &limits)
        .map_err(|error| IndexError::Malformed(error.to_string()))?;
    let Some(entries) = documents.first().and_then(|document| document.get("entries")) else {
        return Err(IndexError::NoEntries);
    };
    let mut index = Index::default();
    for (name, versions) in entries.as_object().into_iter().flatten() {
        for version in versions.as_array().into_iter().flatten() {
            index.add(name, version);
        }
    }
    Ok(index)
}

impl Index {
    fn add(&mut self, chart: &str, value: &Value) {
        let text = |key: &str| match value.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            // An unquoted 1.0 is a number to YAML and a version to people.
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let Some(version) = text("version").filter(|version| Version::parse(version).is_ok()) else {
            self.left_out_count += 1;
            return;
        };
        let urls = value.get("urls").and_then(Value::as_array).into_iter().flatten();
        let version = ChartVersion {
            version,
            app_version: text("appVersion"),
            created: text("created"),
            digest: text("digest").map(|digest| digest.trim_start_matches("sha256:").to_lowercase()),
            urls: urls.filter_map(|url| url.as_str().map(str::to_owned)).collect(),
            deprecated: value.get("deprecated") == Some(&Value::Bool(true)),
            description: text("description"),
        };
        self.versions_by_chart.entry(chart.to_owned()).or_default().push(version);
    }
}

/// Walks the lines of an index in the shape that Helm writes; `None` if the text has another.
fn by_line(text: &str) -> Option<Index> {
    let mut index = Index::default();
    let mut walk = Walk { chart: None, key_indent: None, item_indent: None, kept: String::new(), is_kept: false };
    let mut is_inside = false;
    let mut was_found = false;
    for line in text.lines() {
        let trimmed = line.trim_start_matches(' ');
        let indent = line.len() - trimmed.len();
        if trimmed.is_empty() || (trimmed.starts_with('#') && indent == 0) {
            if walk.is_kept && trimmed.is_empty() {
                walk.kept.push('\n');
            }
            continue;
        }
        if trimmed.starts_with('\t') {
            return None;
        }
        if indent == 0 && !(is_inside && trimmed.starts_with("- ")) {
            walk.finish(&mut index)?;
            walk.chart = None;
            is_inside = trimmed.trim_end() == "entries:";
            if trimmed.starts_with("entries:") && !is_inside && trimmed.trim_end() != "entries: {}" {
                return None;
            }
            if trimmed.starts_with(['{', '[', '"', '\'', '&', '*']) {
                return None;
            }
            was_found |= trimmed.starts_with("entries:");
            continue;
        }
        if is_inside {
            walk.line(line, trimmed, indent, &mut index)?;
        }
    }
    walk.finish(&mut index)?;
    was_found.then_some(index)
}

/// Where the walk is: in which chart, and which lines of the current version were kept.
struct Walk {
    chart: Option<String>,
    /// The column of chart names.
    key_indent: Option<usize>,
    /// The column of the dashes of versions, and that of their keys.
    item_indent: Option<(usize, usize)>,
    kept: String,
    is_kept: bool,
}

impl Walk {
    fn line(&mut self, line: &str, trimmed: &str, indent: usize, index: &mut Index) -> Option<()> {
        let key_indent = *self.key_indent.get_or_insert(indent);
        if indent == key_indent && !trimmed.starts_with("- ") {
            self.finish(index)?;
            // A chart's name; anything after the colon would be a value in another style.
            let name = trimmed.trim_end().strip_suffix(':')?;
            let name = name.strip_prefix(['"', '\'']).and_then(|n| n.strip_suffix(['"', '\''])).unwrap_or(name);
            self.chart = Some(name.to_owned());
            self.item_indent = None;
            return Some(());
        }
        let is_dash = trimmed.starts_with("- ");
        if is_dash && self.item_indent.is_none_or(|(dash, _)| indent == dash) {
            self.finish(index)?;
            let content = trimmed[2..].trim_start_matches(' ');
            if !is_key(content) {
                return None;
            }
            let key_column = indent + (trimmed.len() - content.len());
            self.item_indent = Some((indent, key_column));
            self.is_kept = is_wanted(content);
            // A first line that is not wanted still opens the version.
            self.kept.push_str(if self.is_kept { content } else { "name: kept" });
            self.kept.push('\n');
            return Some(());
        }
        let (_, key_column) = self.item_indent?;
        if indent == key_column && !is_dash {
            if !is_key(trimmed) {
                return None;
            }
            self.is_kept = is_wanted(trimmed);
        } else if indent < key_column {
            return None;
        }
        if self.is_kept {
            self.kept.push_str(line.get(key_column..)?);
            self.kept.push('\n');
        }
        Some(())
    }

    /// Reads the lines kept of one version.
    fn finish(&mut self, index: &mut Index) -> Option<()> {
        self.is_kept = false;
        if self.kept.is_empty() {
            return Some(());
        }
        let kept = std::mem::take(&mut self.kept);
        let value = landfall_yaml::read_one(kept.as_bytes(), Resolver::Kubernetes).ok()?;
        index.add(self.chart.as_deref()?, &value);
        Some(())
    }
}

fn is_wanted(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| KEYS.contains(&key.trim_matches(['"', '\''])))
}

/// Says whether a line begins with a key as Helm writes it: not a flow mapping, an anchor, a tag or a merge key.
fn is_key(line: &str) -> bool {
    let key = line.split_once(':').map_or("", |(key, _)| key);
    !key.is_empty() && key != "<<" && !key.starts_with(['{', '[', '&', '*', '!', '?', '|', '>', '%', '@', '`'])
}
