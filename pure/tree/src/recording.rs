//! Keeps every question that a renderer asks of a tree, so that a later render can be skipped when no answer changed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::{Entry, EntryKind, Tree, TreeError};

/// Lists what was read: for each path asked, the identity of what was found there, or `None` where nothing was.
/// A directory that was listed is recorded with the identity of all that is below it.
pub type Trace = BTreeMap<String, Option<String>>;

/// Wraps a tree and records what is asked of it.
pub struct Recording<'a> {
    inner: &'a dyn Tree,
    trace: Mutex<Trace>,
}

impl<'a> Recording<'a> {
    /// Wraps `inner` with an empty trace.
    pub fn of(inner: &'a dyn Tree) -> Self {
        Self { inner, trace: Mutex::new(Trace::new()) }
    }

    /// Returns what was recorded.
    pub fn into_trace(self) -> Trace {
        self.trace.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, path: &str) -> Result<(), TreeError> {
        let identity = self.inner.identity(path)?;
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), identity);
        Ok(())
    }
}

impl Tree for Recording<'_> {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        let kind = self.inner.kind(path)?;
        // That a directory is there says nothing of what is in it: only absence and leaves are inputs at this point.
        if kind != Some(EntryKind::Directory) {
            self.note(path)?;
        }
        Ok(kind)
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        self.note(path)?;
        self.inner.file(path)
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        self.note(path)?;
        self.inner.directory(path)
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        self.note(path)?;
        self.inner.link(path)
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        self.note(path)?;
        self.inner.identity(path)
    }
}
