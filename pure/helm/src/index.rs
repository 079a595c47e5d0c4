//! Makes the `index.yaml` of a chart repository, as `helm repo index` does.
//!
//! Source: Helm 3.21.4 `pkg/repo/index.go`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use landfall_semver::{Constraint, Version};
use landfall_yaml::Resolver;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::chart::Chart;
use crate::error::{Error, ErrorKind};
use crate::go;
use crate::package::metadata_json;

/// What the index is to say besides the charts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Put before every file's path (`--url`); empty for paths relative to the index.
    pub base_url: String,
    /// When the index was made, and when charts that are new in it were, as RFC 3339.
    pub generated: String,
    /// An index whose other entries are kept (`--merge`).
    pub merge: Option<Vec<u8>>,
}

/// Makes an index of archives, given by path relative to the index. What is no chart is left out and named in the second
/// part of the answer.
///
/// Errors: [`ErrorKind::Load`]: the index to merge cannot be read.
pub fn index(archives: &BTreeMap<String, Vec<u8>>, options: &Options) -> Result<(String, Vec<String>), Error> {
    let mut entries: BTreeMap<String, Vec<Map<String, Value>>> = BTreeMap::new();
    let mut left_out = Vec::new();
    for (path, archive) in archives {
        let chart = match Chart::from_archive(archive) {
            Ok(chart) => chart,
            Err(error) => {
                left_out.push(format!("{path}: {}", error.message));
                continue;
            }
        };
        let Value::Object(mut entry) = metadata_json(&chart.metadata, true) else { continue };
        let digest: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
        entry.insert("urls".to_owned(), json!([address(&options.base_url, path)]));
        entry.insert("created".to_owned(), Value::from(options.generated.as_str()));
        entry.insert("digest".to_owned(), Value::from(digest));
        entries.entry(chart.metadata.name.clone()).or_default().push(entry);
    }
    if let Some(older) = &options.merge {
        merge(&mut entries, older)?;
    }
    for versions in entries.values_mut() {
        versions.sort_by(newest_first);
    }
    let index = json!({ "apiVersion": "v1", "entries": entries, "generated": options.generated });
    Ok((landfall_yaml::write(&index), left_out))
}

fn merge(entries: &mut BTreeMap<String, Vec<Map<String, Value>>>, older: &[u8]) -> Result<(), Error> {
    let wrong = |reason: String| Error::new(ErrorKind::Load, format!("cannot read the index to merge: {reason}"));
    let older =
        landfall_yaml::read_one(older, Resolver::Kubernetes).map_err(|error| wrong(go::yaml_error(&error, older)))?;
    let Some(older) = older["entries"].as_object() else {
        return Err(wrong("it has no map `entries`".to_owned()).with_hint("an index is what `helm repo index` writes"));
    };
    for entry in older.values().filter_map(Value::as_array).flatten().filter_map(Value::as_object) {
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
        let known = entries.entry(name.to_owned()).or_default();
        if !known.iter().any(|known| is_same_version(version(known), version(entry))) {
            known.push(entry.clone());
        }
    }
    Ok(())
}

fn version(entry: &Map<String, Value>) -> &str {
    entry.get("version").and_then(Value::as_str).unwrap_or_default()
}

/// Helm looks a version up as a constraint: build metadata does not count.
fn is_same_version(known: &str, wanted: &str) -> bool {
    known == wanted
        || matches!((Constraint::parse(wanted), Version::parse(known)), (Ok(wanted), Ok(known)) if wanted.check(&known))
}

fn newest_first(left: &Map<String, Value>, right: &Map<String, Value>) -> Ordering {
    match (Version::parse(version(left)), Version::parse(version(right))) {
        (Ok(left), Ok(right)) => right.precedence(&left),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => Ordering::Equal,
    }
}

fn address(base: &str, path: &str) -> String {
    if base.is_empty() { path.to_owned() } else { format!("{}/{path}", base.trim_end_matches('/')) }
}
