//! The files of one commit, read from the object database.

use std::sync::Arc;

use bytes::Bytes;
use gix::ObjectId;
use gix::objs::tree::EntryKind as Mode;
use landfall_tree::{Entry, EntryKind, Tree, TreeError};

use crate::large::Contents;
use crate::mirror::Mirror;

/// One directory. Shape: sorted by name in byte order (Git's own order puts directories elsewhere).
pub(crate) struct Listing {
    entries: Vec<Item>,
}

/// One entry of a directory.
#[derive(Clone)]
pub(crate) struct Item {
    /// The base name; bytes that are no UTF-8 are replaced.
    pub(crate) name: String,
    /// What it is.
    pub(crate) mode: Mode,
    /// Its object.
    pub(crate) id: ObjectId,
}

impl Listing {
    /// Decodes a tree object.
    pub(crate) fn read(repository: &gix::Repository, id: ObjectId) -> Result<Self, String> {
        let object = repository.find_object(id).map_err(|error| error.to_string())?;
        let tree = object.try_into_tree().map_err(|error| error.to_string())?;
        let decoded = tree.decode().map_err(|error| error.to_string())?;
        let mut entries: Vec<Item> = decoded
            .entries
            .iter()
            .map(|entry| Item { name: entry.filename.to_string(), mode: entry.mode.kind(), id: entry.oid.to_owned() })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { entries })
    }

    /// Lists the entries.
    pub(crate) fn entries(&self) -> &[Item] {
        &self.entries
    }

    fn find(&self, name: &str) -> Option<&Item> {
        let position = self.entries.binary_search_by(|item| item.name.as_str().cmp(name)).ok()?;
        self.entries.get(position)
    }
}

/// A commit's files. Cheap to make; all commits of a repository share what was read.
pub(crate) struct GitTree {
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) root: ObjectId,
    pub(crate) file_bytes_max: u64,
    /// The contents of files in Git LFS, where they are wanted.
    pub(crate) large: Arc<Contents>,
}

impl GitTree {
    fn listing(&self, path: &str, id: ObjectId) -> Result<Arc<Listing>, TreeError> {
        let read = || self.mirror.with(|repository| Listing::read(repository, id));
        self.mirror.listing(id, read).map_err(|reason| TreeError { path: path.to_owned(), reason })
    }

    /// Walks down to `path`.
    pub(crate) fn item(&self, path: &str) -> Result<Option<Item>, TreeError> {
        let mut here = Item { name: String::new(), mode: Mode::Tree, id: self.root };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if here.mode != Mode::Tree {
                return Ok(None);
            }
            match self.listing(path, here.id)?.find(name) {
                Some(item) => here = item.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    fn blob(&self, path: &str, id: ObjectId) -> Result<Bytes, TreeError> {
        let failed = |reason: String| TreeError { path: path.to_owned(), reason };
        self.mirror.with(|repository| {
            let size = repository.find_header(id).map_err(|error| failed(error.to_string()))?.size();
            if size > self.file_bytes_max {
                let limit = self.file_bytes_max >> 20;
                return Err(failed(format!("the file has {} MiB, more than the limit of {limit} MiB", size >> 20)));
            }
            let object = repository.find_object(id).map_err(|error| failed(error.to_string()))?;
            Ok(Bytes::from(object.detach().data))
        })
    }
}

fn kind(mode: Mode) -> EntryKind {
    match mode {
        Mode::Tree => EntryKind::Directory,
        Mode::Blob | Mode::BlobExecutable => EntryKind::File,
        Mode::Link => EntryKind::Link,
        Mode::Commit => EntryKind::Other,
    }
}

impl Tree for GitTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(self.item(path)?.map(|item| kind(item.mode)))
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        match self.item(path)? {
            Some(item) if kind(item.mode) == EntryKind::File => {
                if let Some(large) = self.large.get(&item.id) {
                    let failed = |error: std::io::Error| TreeError {
                        path: path.to_owned(),
                        reason: format!("its content from Git LFS cannot be read: {error}"),
                    };
                    return std::fs::read(large).map(|content| Some(content.into())).map_err(failed);
                }
                self.blob(path, item.id).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let Some(item) = self.item(path)?.filter(|item| item.mode == Mode::Tree) else { return Ok(None) };
        let listing = self.listing(path, item.id)?;
        let entries = listing.entries().iter();
        Ok(Some(entries.map(|item| Entry { name: item.name.clone(), kind: kind(item.mode) }).collect()))
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        match self.item(path)? {
            Some(item) if item.mode == Mode::Link => {
                Ok(Some(String::from_utf8_lossy(&self.blob(path, item.id)?).into_owned()))
            }
            _ => Ok(None),
        }
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        Ok(self.item(path)?.map(|item| match item.mode {
            // A link and a file may have the same bytes and mean different things.
            Mode::Link => format!("link:{}", item.id),
            Mode::Tree | Mode::Blob | Mode::BlobExecutable | Mode::Commit => item.id.to_string(),
        }))
    }
}
