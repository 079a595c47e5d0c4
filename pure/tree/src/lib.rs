//! A read-only file tree: what the renderers (Helm, Kustomize, directories) read their input from.
//!
//! The renderers never touch a disk. They ask a [`Tree`]: a Git tree at a commit, a folder of the machine, or a
//! [`MemoryTree`]. [`Recording`] wraps any of them and keeps every question with its answer's identity, found or absent;
//! that list is the key of the render cache.
//!
//! Paths are relative to the root of the tree, use `/`, have no leading or trailing `/`, and are free of `.` and `..`;
//! the root is the empty string. [`clean`] brings a path that a user wrote into that form and refuses to leave the root.
//! Entry: [`Tree`], [`resolve`].

mod memory;
mod path;
mod recording;
mod supplied;

pub use memory::MemoryTree;
pub use path::{PathError, clean, join, parent};
pub use recording::{Recording, Trace};
pub use supplied::Supplied;

use bytes::Bytes;

/// Counts the symbolic links that [`resolve`] follows before it gives up; the same bound as Linux' `ELOOP`.
pub const LINKS_FOLLOWED_MAX: usize = 40;

/// Says what stands at a path of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file, executable or not.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; its target is read with [`Tree::link`].
    Link,
    /// Something that has no content here: a submodule, a device, a socket.
    Other,
}

/// Names one entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The base name, without `/`.
    pub name: String,
    /// What it is. Links are not followed.
    pub kind: EntryKind,
}

/// Says why a tree could not answer: a broken object database, a failing disk. An absent path is not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {path:?} from the file tree: {reason}")]
pub struct TreeError {
    /// The path asked for.
    pub path: String,
    /// The reason in words.
    pub reason: String,
}

/// Answers questions about files. Implementations do not follow symbolic links; [`resolve`] does, inside the tree.
pub trait Tree: Send + Sync {
    /// Says what stands at `path`; `None` if nothing does. The root (`""`) is a directory.
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError>;

    /// Reads a regular file; `None` if the path is absent or no regular file.
    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError>;

    /// Lists a directory, sorted by name in byte order; `None` if the path is absent or no directory.
    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError>;

    /// Reads the target of a symbolic link as written; `None` if the path is absent or no link.
    fn link(&self, path: &str) -> Result<Option<String>, TreeError>;

    /// Identifies the content at `path` (a Git object id, a digest), equal exactly when the content is equal; `None` if
    /// absent. A directory's identity covers everything below it.
    fn identity(&self, path: &str) -> Result<Option<String>, TreeError>;
}

/// Says why a path could not be followed to a file or directory inside the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The tree itself failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A link points outside the tree, or the path does.
    #[error("{path:?} leads outside the file tree{}", via.as_deref().map(|link| format!(" through the symbolic link {link:?}")).unwrap_or_default())]
    Outside {
        /// The path asked for.
        path: String,
        /// The link that leads outside, if one does.
        via: Option<String>,
    },
    /// More than [`LINKS_FOLLOWED_MAX`] links.
    #[error("{path:?} has too many levels of symbolic links")]
    Loop {
        /// The path asked for.
        path: String,
    },
}

/// Follows every symbolic link of `path`, the last component included, and returns the real path inside the tree with
/// what stands there; `None` if nothing does (a dangling link among them).
///
/// Errors: a link that is absolute or climbs above the root is [`ResolveError::Outside`].
pub fn resolve(tree: &dyn Tree, path: &str) -> Result<Option<(String, EntryKind)>, ResolveError> {
    let outside = |via: Option<String>| ResolveError::Outside { path: path.to_owned(), via };
    let mut todo: Vec<String> = clean(path).map_err(|_| outside(None))?.split('/').rev().map(str::to_owned).collect();
    let mut done = String::new();
    let mut links_followed = 0;
    while let Some(part) = todo.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done = parent(&done).to_owned();
                continue;
            }
            _ => {}
        }
        let next = join(&done, &part);
        match tree.kind(&next)? {
            None => return Ok(None),
            Some(EntryKind::Link) => {
                links_followed += 1;
                if links_followed > LINKS_FOLLOWED_MAX {
                    return Err(ResolveError::Loop { path: path.to_owned() });
                }
                let target = tree.link(&next)?.unwrap_or_default();
                if target.starts_with('/') || clean(&join(&done, &target)).is_err() {
                    return Err(outside(Some(next)));
                }
                todo.extend(target.split('/').rev().map(str::to_owned));
            }
            Some(_) => done = next,
        }
    }
    Ok(tree.kind(&done)?.map(|kind| (done, kind)))
}

/// Reads a file, following symbolic links inside the tree; `None` if there is no regular file.
///
/// Errors: as [`resolve`].
pub fn read(tree: &dyn Tree, path: &str) -> Result<Option<Bytes>, ResolveError> {
    match resolve(tree, path)? {
        Some((real, EntryKind::File)) => Ok(tree.file(&real)?),
        _ => Ok(None),
    }
}

/// Lists every regular file below `directory`, sorted, as paths from the root of the tree; symbolic links are not
/// followed.
///
/// Errors: as [`Tree::directory`].
pub fn files_below(tree: &dyn Tree, directory: &str) -> Result<Vec<String>, TreeError> {
    let mut found = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in tree.directory(&folder)?.unwrap_or_default() {
            let path = join(&folder, &entry.name);
            match entry.kind {
                EntryKind::File => found.push(path),
                EntryKind::Directory => todo.push(path),
                EntryKind::Link | EntryKind::Other => {}
            }
        }
    }
    found.sort();
    Ok(found)
}
