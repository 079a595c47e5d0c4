//! A tree held in memory: for tests, uploaded manifests and unpacked archives.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use crate::{Entry, EntryKind, Tree, TreeError, parent};

/// Holds files and links by path; directories exist where something stands in them. Shape: every key is a clean path.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    /// Regular files by path.
    pub files: BTreeMap<String, Bytes>,
    /// Symbolic links by path, with their targets as written.
    pub links: BTreeMap<String, String>,
}

impl MemoryTree {
    /// Makes a tree of regular files.
    pub fn of<P: Into<String>, B: Into<Bytes>>(files: impl IntoIterator<Item = (P, B)>) -> Self {
        let files = files.into_iter().map(|(path, content)| (path.into(), content.into())).collect();
        Self { files, links: BTreeMap::new() }
    }

    fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a String> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let same = prefix.clone();
        let files =
            self.files.range(prefix.clone()..).map(|(path, _)| path).take_while(move |p| p.starts_with(&prefix));
        files.chain(self.links.range(same.clone()..).map(|(path, _)| path).take_while(move |p| p.starts_with(&same)))
    }
}

impl Tree for MemoryTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(if self.files.contains_key(path) {
            Some(EntryKind::File)
        } else if self.links.contains_key(path) {
            Some(EntryKind::Link)
        } else if path.is_empty() || self.below(path).next().is_some() {
            Some(EntryKind::Directory)
        } else {
            None
        })
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        Ok(self.files.get(path).cloned())
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        if self.kind(path)? != Some(EntryKind::Directory) {
            return Ok(None);
        }
        let skip = if path.is_empty() { 0 } else { path.len() + 1 };
        let names: BTreeSet<&str> = self.below(path).filter_map(|p| p[skip..].split('/').next()).collect();
        let mut entries = Vec::new();
        for name in names {
            let kind = self.kind(&crate::join(path, name))?.unwrap_or(EntryKind::Other);
            entries.push(Entry { name: name.to_owned(), kind });
        }
        Ok(Some(entries))
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        Ok(self.links.get(path).cloned())
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        let Some(kind) = self.kind(path)? else { return Ok(None) };
        let mut hasher = DefaultHasher::new();
        match kind {
            EntryKind::Directory => {
                for below in self.below(path) {
                    (below, self.files.get(below), self.links.get(below)).hash(&mut hasher);
                }
            }
            _ => (parent(path).len(), self.files.get(path), self.links.get(path)).hash(&mut hasher),
        }
        Ok(Some(format!("memory:{:016x}", hasher.finish())))
    }
}
