//! What a chart needs that does not lie in its `charts/` folder, and where to get it.
//!
//! Source: Helm 3.21 `helm dependency build` (`pkg/downloader/manager.go`, `internal/resolver`): `Chart.lock` decides
//! versions where it exists and fits; `file://` is a folder beside the chart, `@name` and `alias:name` a configured
//! repository, `oci://` a registry, anything else an HTTP repository.

use landfall_semver::{Constraint, Version};
use landfall_yaml::Resolver;
use serde_json::Value;

/// Names one chart that must be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The chart's name, which its file in `charts/` begins with.
    pub name: String,
    /// The locked version, or the constraint.
    pub version: String,
    /// Whether the version comes from the lock file.
    pub is_locked: bool,
    /// Where it is.
    pub origin: Origin,
}

/// Says where a dependency is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An HTTP chart repository.
    Http {
        /// Its address.
        url: String,
    },
    /// An OCI registry; the chart's name is the last part of the repository.
    Oci {
        /// The address, with `oci://`.
        url: String,
    },
    /// A configured repository.
    Named {
        /// Its name.
        name: String,
    },
    /// A folder.
    Local {
        /// The path, relative to the chart's folder.
        path: String,
    },
}

/// Says why the dependencies cannot be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// A file is no YAML, or not what it should be.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file's name.
        file: String,
        /// Why.
        reason: String,
    },
    /// A dependency without repository that does not lie in `charts/`.
    #[error("the dependency {name:?} names no repository and is missing in the charts/ folder")]
    Missing {
        /// The dependency.
        name: String,
    },
    /// The lock file does not fit the chart.
    #[error("{file} is out of date: {reason}; run `helm dependency update` and commit it")]
    Outdated {
        /// The lock file's name.
        file: String,
        /// What does not fit.
        reason: String,
    },
}

/// Holds the files of a chart that say what it needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChartFiles<'a> {
    /// `Chart.yaml`.
    pub chart: &'a [u8],
    /// `requirements.yaml` of charts with apiVersion v1.
    pub requirements: Option<&'a [u8]>,
    /// `Chart.lock`, or `requirements.lock`.
    pub lock: Option<&'a [u8]>,
    /// The names in the `charts/` folder.
    pub vendored: &'a [String],
}

/// Lists what must be fetched: every dependency that does not lie in `charts/`, whatever its conditions say, as Helm
/// does. Shape: in the order of the chart, each once.
pub fn needed(files: ChartFiles<'_>) -> Result<Vec<Dependency>, DependencyError> {
    let (file, lock_file, text) = match files.requirements {
        Some(text) => ("requirements.yaml", "requirements.lock", text),
        None => ("Chart.yaml", "Chart.lock", files.chart),
    };
    let declared = entries(file, text)?;
    let locked = files.lock.map(|text| entries(lock_file, text)).transpose()?.unwrap_or_default();
    let mut needed: Vec<Dependency> = Vec::new();
    for entry in &declared {
        if is_vendored(&entry.name, files.vendored) {
            continue;
        }
        let mut version = entry.version.clone();
        let mut is_locked = false;
        if files.lock.is_some() {
            version = lock_version(lock_file, entry, &locked)?;
            is_locked = true;
        }
        let origin = origin(&entry.repository).ok_or_else(|| DependencyError::Missing { name: entry.name.clone() })?;
        let dependency = Dependency { name: entry.name.clone(), version, is_locked, origin };
        if !needed.contains(&dependency) {
            needed.push(dependency);
        }
    }
    Ok(needed)
}

struct Entry {
    name: String,
    version: String,
    repository: String,
}

fn entries(file: &str, text: &[u8]) -> Result<Vec<Entry>, DependencyError> {
    let malformed = |reason: String| DependencyError::Malformed { file: file.to_owned(), reason };
    let value = landfall_yaml::read_one(text, Resolver::Kubernetes).map_err(|error| malformed(error.to_string()))?;
    let list = match value.get("dependencies") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(malformed("`dependencies` is no list".to_owned())),
    };
    let mut entries = Vec::new();
    for (position, item) in list.iter().enumerate() {
        let text = |key: &str| match item.get(key) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let name = text("name");
        // The name becomes part of a path and of an address.
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(malformed(format!("`dependencies[{position}].name` is {name:?}, which is no chart name")));
        }
        entries.push(Entry { name, version: text("version"), repository: text("repository") });
    }
    Ok(entries)
}

fn is_vendored(name: &str, vendored: &[String]) -> bool {
    vendored.iter().any(|file| {
        file == name
            || file.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(name)).is_some_and(|rest| {
                // `name-1.2.3.tgz`, but not `name-other-1.2.3.tgz`.
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|version| Version::parse(version).is_ok())
            })
    })
}

fn lock_version(file: &str, entry: &Entry, locked: &[Entry]) -> Result<String, DependencyError> {
    let outdated = |reason: String| DependencyError::Outdated { file: file.to_owned(), reason };
    // Two dependencies of one name differ in version: the one that fits is meant.
    let candidates: Vec<&Entry> = locked.iter().filter(|locked| locked.name == entry.name).collect();
    if candidates.is_empty() {
        return Err(outdated(format!("it has no {}", entry.name)));
    }
    let is_satisfied = |locked: &&&Entry| {
        if entry.version.is_empty() || entry.version == locked.version || is_local(&entry.repository) {
            return true;
        }
        match (Constraint::parse(&entry.version), Version::parse(&locked.version)) {
            (Ok(constraint), Ok(version)) => constraint.check(&version),
            _ => false,
        }
    };
    candidates.iter().find(is_satisfied).map(|locked| locked.version.clone()).ok_or_else(|| {
        outdated(format!("{} is locked at {}, but {:?} is wanted", entry.name, candidates[0].version, entry.version))
    })
}

fn is_local(repository: &str) -> bool {
    repository.starts_with("file://")
}

/// Says where a dependency's `repository` points; `None` if it is empty.
pub fn origin(repository: &str) -> Option<Origin> {
    let repository = repository.trim();
    if let Some(path) = repository.strip_prefix("file://") {
        return Some(Origin::Local { path: path.to_owned() });
    }
    if let Some(name) = repository.strip_prefix('@').or_else(|| repository.strip_prefix("alias:")) {
        return Some(Origin::Named { name: name.to_owned() });
    }
    if repository.starts_with("oci://") {
        return Some(Origin::Oci { url: repository.to_owned() });
    }
    (!repository.is_empty()).then(|| Origin::Http { url: repository.to_owned() })
}
