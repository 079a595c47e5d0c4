//! A tree with more files in it: what was fetched because the tree names it and has it not.

use crate::{Entry, EntryKind, MemoryTree, Tree, TreeError};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shows a tree with files added; an added file hides what stands at its path.
#[derive(Clone)]
pub struct Supplied {
    inner: Arc<dyn Tree>,
    added: MemoryTree,
}

impl Supplied {
    /// Adds `files` to a tree.
    pub fn of(inner: Arc<dyn Tree>, files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        Self { inner, added: MemoryTree::of(files) }
    }
}

impl Tree for Supplied {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        match self.added.kind(path)? {
            Some(EntryKind::File) => Ok(Some(EntryKind::File)),
            // A folder of ours is one of the inner tree's too, unless that has something else there.
            Some(_) => Ok(Some(self.inner.kind(path)?.unwrap_or(EntryKind::Directory))),
            None => self.inner.kind(path),
        }
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        match self.added.file(path)? {
            Some(content) => Ok(Some(content)),
            None => self.inner.file(path),
        }
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let (inner, added) = (self.inner.directory(path)?, self.added.directory(path)?);
        let is_other = inner.is_none() && self.inner.kind(path)?.is_some();
        match (inner, added) {
            (inner, None) => Ok(inner),
            (_, Some(_)) if is_other => Ok(None),
            (inner, Some(added)) => {
                let mut entries: BTreeMap<String, Entry> =
                    inner.into_iter().flatten().map(|entry| (entry.name.clone(), entry)).collect();
                for entry in added {
                    let is_folder = entry.kind == EntryKind::Directory;
                    if !(is_folder && entries.contains_key(&entry.name)) {
                        entries.insert(entry.name.clone(), entry);
                    }
                }
                Ok(Some(entries.into_values().collect()))
            }
        }
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        match self.added.kind(path)? {
            Some(EntryKind::File) => Ok(None),
            _ => self.inner.link(path),
        }
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        let (inner, added) = (self.inner.identity(path)?, self.added.identity(path)?);
        Ok(match (inner, added, self.added.kind(path)?) {
            (inner, None, _) => inner,
            (_, added, Some(EntryKind::File)) => added,
            (inner, Some(added), _) => Some(format!("{} and {added}", inner.unwrap_or_default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Supplied {
        let inner = MemoryTree::of([("chart/Chart.yaml", "a"), ("chart/charts/x/Chart.yaml", "x")]);
        let added =
            [("chart/charts/y-1.0.0.tgz".to_owned(), Bytes::from("y")), ("deep/er/file".to_owned(), "z".into())];
        Supplied::of(Arc::new(inner), added)
    }

    #[test]
    fn what_was_added_stands_beside_what_was_there() {
        let tree = tree();
        let names: Vec<String> =
            tree.directory("chart/charts").unwrap().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["x", "y-1.0.0.tgz"]);
        assert_eq!(tree.file("chart/charts/y-1.0.0.tgz").unwrap().unwrap(), "y");
        assert_eq!(tree.kind("deep/er").unwrap(), Some(EntryKind::Directory));
        assert_eq!(crate::files_below(&tree, "").unwrap().len(), 4);
    }

    #[test]
    fn a_folder_with_additions_is_not_the_folder_without() {
        let (with, inner) = (tree(), MemoryTree::of([("chart/Chart.yaml", "a"), ("chart/charts/x/Chart.yaml", "x")]));
        assert_ne!(with.identity("chart/charts").unwrap(), inner.identity("chart/charts").unwrap());
        assert_eq!(with.identity("chart/Chart.yaml").unwrap(), inner.identity("chart/Chart.yaml").unwrap());
    }
}
