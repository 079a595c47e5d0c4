//! Snapshots: all objects of a sandbox at one moment, to be kept in a file and put back.
//!
//! The file is text: a line that says what it is, and a line of JSON for each object.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json;
use crate::operations::Core;
use crate::store::{ResourceKey, Stored};

/// The mark of the first line.
const KIND: &str = "landfall-sandbox-snapshot";

/// All objects of a sandbox at one moment; cheap to take, since objects are shared.
#[derive(Debug, Clone)]
pub struct Snapshot {
    revision: u64,
    time: Timestamp,
    objects: Vec<(ResourceKey, Arc<Value>)>,
}

/// A snapshot that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be reached.
    #[error("cannot use the snapshot {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path}:{line} is not part of a snapshot of a sandbox: {why}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Snapshot {
    /// The sandbox' revision when it was taken.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The sandbox' time when it was taken.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True when it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Writes it to a file: first beside it, then in its place, so that a half-written one is never found.
    ///
    /// Errors: the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SnapshotError> {
        let failed = |why: std::io::Error| SnapshotError::File { path: path.to_path_buf(), why };
        let beside = path.with_extension("partial");
        let mut file = BufWriter::new(std::fs::File::create(&beside).map_err(failed)?);
        let head = json!({"kind": KIND, "version": 1, "revision": self.revision, "time": self.time.to_string()});
        writeln!(file, "{head}").map_err(failed)?;
        for (resource, value) in &self.objects {
            writeln!(file, "{}", json!({"resource": resource.as_str(), "object": value.as_ref()})).map_err(failed)?;
        }
        file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)
    }

    /// Reads one from a file.
    ///
    /// Errors: the file cannot be read, or holds something else; the line is named.
    pub fn read(path: &Path) -> Result<Self, SnapshotError> {
        let failed = |why: std::io::Error| SnapshotError::File { path: path.to_path_buf(), why };
        let content =
            |line: usize, why: &str| SnapshotError::Content { path: path.to_path_buf(), line, why: why.into() };
        let file = BufReader::new(std::fs::File::open(path).map_err(failed)?);
        let mut snapshot: Option<Self> = None;
        for (index, line) in file.lines().enumerate() {
            let number = index + 1;
            let line = line.map_err(|why| content(number, &why.to_string()))?;
            let value: Value = serde_json::from_str(&line).map_err(|why| content(number, &why.to_string()))?;
            match &mut snapshot {
                None => {
                    if json::text(&value, "/kind") != KIND || json::integer(&value, "/version") != Some(1) {
                        return Err(content(number, "it does not begin as snapshots do"));
                    }
                    let time = json::text(&value, "/time").parse().map_err(|_| content(number, "it has no time"))?;
                    let revision = value.get("revision").and_then(Value::as_u64).unwrap_or(1);
                    snapshot = Some(Self { revision, time, objects: Vec::new() });
                }
                Some(snapshot) => {
                    let resource = json::text(&value, "/resource");
                    if resource.is_empty() || json::name(value.get("object").unwrap_or(&Value::Null)).is_empty() {
                        return Err(content(number, "it holds no object"));
                    }
                    let key = ResourceKey::from(resource);
                    snapshot.objects.push((key, Arc::new(value.get("object").cloned().unwrap_or_default())));
                }
            }
        }
        snapshot.ok_or_else(|| content(1, "it is empty"))
    }

    /// Takes one.
    pub(crate) fn of(core: &Core) -> Self {
        let mut objects = Vec::new();
        for resource in core.store.resources() {
            let listing = core.store.list(&resource, None, None).map(|listing| listing.items).unwrap_or_default();
            objects
                .extend(listing.into_iter().map(|stored: Arc<Stored>| (resource.clone(), Arc::clone(&stored.value))));
        }
        Self { revision: core.store.revision(), time: core.clock.now(), objects }
    }

    /// The objects.
    pub(crate) fn objects(&self) -> &[(ResourceKey, Arc<Value>)] {
        &self.objects
    }
}
