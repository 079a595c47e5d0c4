//! A folder of this machine as a file tree: for `landfall render DIR` and for work that is not committed yet.
//!
//! Everything is read when first asked for and then kept, so that one rendering sees one state of the folder; make a new
//! tree to see changes. `.git` is left out, and links are never followed: what stands outside the folder cannot be read.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use landfall_tree::{Entry, EntryKind, Tree, TreeError};
use sha2::{Digest, Sha256};

/// The largest file that is read, the same as for files in Git.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Reads a folder.
#[derive(Debug)]
pub struct DirectoryTree {
    root: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    kinds: HashMap<String, Option<EntryKind>>,
    files: HashMap<String, Bytes>,
    links: HashMap<String, String>,
    directories: HashMap<String, Vec<Entry>>,
}

impl DirectoryTree {
    /// Makes a tree of the folder `root`; links in the path of `root` itself are followed.
    ///
    /// Errors: there is no such folder, or it cannot be read.
    pub fn open(root: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        fs::read_dir(&root)?;
        Ok(Self { root, seen: Mutex::default() })
    }

    /// Names the folder, absolute and without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_disk(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

fn failed(path: &str, error: &io::Error) -> TreeError {
    TreeError { path: path.to_owned(), reason: error.to_string() }
}

fn kind_of(kind: fs::FileType) -> EntryKind {
    if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    }
}

fn is_left_out(path: &str) -> bool {
    path.split('/').any(|part| part == ".git")
}

impl Tree for DirectoryTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        if path.is_empty() {
            return Ok(Some(EntryKind::Directory));
        }
        if is_left_out(path) || landfall_tree::clean(path).as_deref() != Ok(path) {
            return Ok(None);
        }
        if let Some(kind) = self.seen().kinds.get(path) {
            return Ok(*kind);
        }
        // The system would follow a link in the middle of the path; a tree does not.
        let kind = match self.kind(landfall_tree::parent(path))? {
            Some(EntryKind::Directory) => match fs::symlink_metadata(self.on_disk(path)) {
                Ok(data) => Some(kind_of(data.file_type())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(failed(path, &error)),
            },
            Some(EntryKind::File | EntryKind::Link | EntryKind::Other) | None => None,
        };
        self.seen().kinds.insert(path.to_owned(), kind);
        Ok(kind)
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        if self.kind(path)? != Some(EntryKind::File) {
            return Ok(None);
        }
        if let Some(content) = self.seen().files.get(path) {
            return Ok(Some(content.clone()));
        }
        let on_disk = self.on_disk(path);
        let size = fs::symlink_metadata(&on_disk).map_err(|error| failed(path, &error))?.len();
        if size > FILE_BYTES_MAX {
            let reason =
                format!("the file has {} MiB, more than the limit of {} MiB", size >> 20, FILE_BYTES_MAX >> 20);
            return Err(TreeError { path: path.to_owned(), reason });
        }
        let content = Bytes::from(fs::read(&on_disk).map_err(|error| failed(path, &error))?);
        Ok(Some(self.seen().files.entry(path.to_owned()).or_insert(content).clone()))
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        if self.kind(path)? != Some(EntryKind::Directory) {
            return Ok(None);
        }
        if let Some(entries) = self.seen().directories.get(path) {
            return Ok(Some(entries.clone()));
        }
        let mut entries = Vec::new();
        for found in fs::read_dir(self.on_disk(path)).map_err(|error| failed(path, &error))? {
            let found = found.map_err(|error| failed(path, &error))?;
            let name = found.file_name();
            if name == ".git" {
                continue;
            }
            entries.push(match name.to_str() {
                Some(name) => {
                    let kind = kind_of(found.file_type().map_err(|error| failed(path, &error))?);
                    Entry { name: name.to_owned(), kind }
                }
                // A name that is no text cannot be asked for.
                None => Entry { name: name.to_string_lossy().into_owned(), kind: EntryKind::Other },
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(self.seen().directories.entry(path.to_owned()).or_insert(entries).clone()))
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        if self.kind(path)? != Some(EntryKind::Link) {
            return Ok(None);
        }
        if let Some(target) = self.seen().links.get(path) {
            return Ok(Some(target.clone()));
        }
        let target = fs::read_link(self.on_disk(path)).map_err(|error| failed(path, &error))?;
        let target = target.to_string_lossy().into_owned();
        Ok(Some(self.seen().links.entry(path.to_owned()).or_insert(target).clone()))
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        let mut hasher = Sha256::new();
        match self.kind(path)? {
            None => return Ok(None),
            Some(EntryKind::File) => {
                hasher.update(b"file\0");
                hasher.update(self.file(path)?.unwrap_or_default());
            }
            Some(EntryKind::Link) => {
                hasher.update(b"link\0");
                hasher.update(self.link(path)?.unwrap_or_default());
            }
            Some(EntryKind::Other) => hasher.update(b"other\0"),
            Some(EntryKind::Directory) => {
                hasher.update(b"directory\0");
                for entry in self.directory(path)?.unwrap_or_default() {
                    let below = self.identity(&landfall_tree::join(path, &entry.name))?.unwrap_or_default();
                    hasher.update(format!("{}\0{below}\0", entry.name));
                }
            }
        }
        let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(format!("sha256:{digest}")))
    }
}
