//! Charts in a directory of a file tree: the walk, links followed inside the tree, `.helmignore`.
//!
//! Source: Helm 3.21.4, `pkg/chart/loader/directory.go` and `internal/sympath`.

use landfall_tree::{EntryKind, ResolveError, Tree, TreeError};

use super::archive::{ENTRIES_MAX, FILE_BYTES_MAX};
use super::ignore::Rules;
use super::load::LoadedFile;
use crate::error::{Error, ErrorKind};
use crate::go;

/// Bounds what one directory may hold, in bytes. Helm has no bound; this one keeps a stray data set out of memory.
pub const DIRECTORY_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Bounds how deep directories may nest: a link to a parent directory nests for ever.
pub const DIRECTORY_DEPTH_MAX: usize = 64;

/// Reads all files of a chart's directory that `.helmignore` leaves in, by path below the directory, in lexical order.
pub(crate) fn read(tree: &dyn Tree, directory: &str) -> Result<Vec<LoadedFile>, Error> {
    let root = match landfall_tree::resolve(tree, directory).map_err(|error| unreadable(&error))? {
        Some((root, EntryKind::Directory)) => root,
        Some(_) => return Err(wrong(format!("{} is not a directory", go::quote(directory)))),
        None => {
            return Err(wrong(format!("path {} not found", go::quote(directory)))
                .with_hint("check the path of the chart in the repository"));
        }
    };
    let ignore_path = landfall_tree::join(&root, ".helmignore");
    let ignore = landfall_tree::read(tree, &ignore_path).map_err(|error| unreadable(&error))?.unwrap_or_default();
    let rules = Rules::parse(&String::from_utf8_lossy(&ignore)).map_err(wrong)?;
    let mut walk = Walk { tree, rules, files: Vec::new(), bytes: 0 };
    walk.directory(&root, "", 0)?;
    Ok(walk.files)
}

struct Walk<'a> {
    tree: &'a dyn Tree,
    rules: Rules,
    files: Vec<LoadedFile>,
    bytes: usize,
}

impl Walk<'_> {
    /// Walks a directory that stands at `real` in the tree and at `path` in the chart.
    fn directory(&mut self, real: &str, path: &str, depth: usize) -> Result<(), Error> {
        if depth > DIRECTORY_DEPTH_MAX {
            return Err(wrong(format!("directories nest deeper than {DIRECTORY_DEPTH_MAX} levels at {path}"))
                .with_hint("a symbolic link probably points at a directory above itself"));
        }
        let entries = self.tree.directory(real).map_err(|error| failed(&error))?.unwrap_or_default();
        for entry in entries {
            let real = landfall_tree::join(real, &entry.name);
            let path = landfall_tree::join(path, &entry.name);
            let (real, kind) = match entry.kind {
                EntryKind::Link => self.follow(&real, &path)?,
                kind => (real, kind),
            };
            let is_directory = kind == EntryKind::Directory;
            if self.rules.ignores(&path, is_directory) {
                continue;
            }
            match kind {
                EntryKind::Directory => self.directory(&real, &path, depth + 1)?,
                EntryKind::File => self.file(&real, path)?,
                EntryKind::Link | EntryKind::Other => {
                    return Err(wrong(format!("cannot load irregular file {path} as it has file mode type bits set"))
                        .with_hint("charts consist of regular files; exclude it in .helmignore"));
                }
            }
        }
        Ok(())
    }

    fn follow(&self, real: &str, path: &str) -> Result<(String, EntryKind), Error> {
        match landfall_tree::resolve(self.tree, real).map_err(|error| unreadable(&error))? {
            Some(found) => Ok(found),
            None => Err(wrong(format!("error evaluating symlink {path}: no such file or directory"))),
        }
    }

    fn file(&mut self, real: &str, path: String) -> Result<(), Error> {
        let content = self.tree.file(real).map_err(|error| failed(&error))?;
        let content = content.ok_or_else(|| wrong(format!("error reading {path}: no such file")))?;
        if content.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(format!(
                "chart file {} is larger than the maximum file size {FILE_BYTES_MAX}",
                go::quote(go::base_name(&path))
            ))
            .with_hint("exclude it in .helmignore if templates do not need it"));
        }
        self.bytes += content.len();
        if self.bytes > DIRECTORY_BYTES_MAX || self.files.len() >= ENTRIES_MAX {
            return Err(wrong(format!(
                "the chart's directory holds more than {DIRECTORY_BYTES_MAX} bytes or {ENTRIES_MAX} files"
            ))
            .with_hint("exclude what templates do not need in .helmignore"));
        }
        self.files.push(LoadedFile::new(path, content));
        Ok(())
    }
}

fn unreadable(error: &ResolveError) -> Error {
    let hint = "links of a chart must stay inside the repository";
    match error {
        ResolveError::Tree(_) => wrong(error.to_string()),
        ResolveError::Outside { .. } | ResolveError::Loop { .. } => wrong(error.to_string()).with_hint(hint),
    }
}

fn failed(error: &TreeError) -> Error {
    wrong(error.to_string())
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Load, message)
}
