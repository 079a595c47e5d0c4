//! A folder of plain manifests: YAML and JSON files as they stand.

use landfall_glob::Glob;
use landfall_model::application::DirectorySource;
use landfall_tree::{EntryKind, ResolveError, Tree, join, read};
use landfall_yaml::Resolver;
use serde_json::Value;

/// What the files of one source may hold together.
/// Source: Argo CD `reposerver.max.combined.directory.manifests.size`.
pub const COMBINED_BYTES_MAX: usize = 10 << 20;

/// A file that contains this is left out. Source: Argo CD `reposerver/repository/repository.go`.
const SKIP_MARKER: &[u8] = b"+argocd:skip-file-rendering";

/// One manifest and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The file, from the root of the repository.
    pub path: String,
    /// The object.
    pub object: Value,
}

/// Says why a folder cannot be read as manifests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// `include` or `exclude` is no glob.
    #[error("directory.{field}: {reason}")]
    Pattern {
        /// `include` or `exclude`.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is no YAML although it looks like a manifest.
    #[error("{path}:{line}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// A document is no Kubernetes object.
    #[error("{path}: document {document}: {reason}")]
    NotAnObject {
        /// The file.
        path: String,
        /// Which document of the file, from 1.
        document: usize,
        /// What is missing.
        reason: String,
    },
    /// Jsonnet is not rendered.
    #[error(
        "{path}: Jsonnet files are not rendered; exclude them (`directory.exclude: '*.jsonnet'`) or commit their output"
    )]
    Jsonnet {
        /// The file.
        path: String,
    },
    /// The files are larger than [`COMBINED_BYTES_MAX`] together.
    #[error(
        "the manifests of {path:?} are larger than 10 MiB together (at {at}); split them over several applications or exclude files"
    )]
    TooLarge {
        /// The folder.
        path: String,
        /// The file at which the bound was passed.
        at: String,
    },
    /// The tree failed.
    #[error(transparent)]
    Tree(#[from] ResolveError),
}

/// Reads the manifests of `folder`, files in the order of their paths, documents in the order of the file. Lists
/// (`kind: ...List` with `items`) come out as their items.
///
/// A file that holds no Kubernetes objects and does not look like a manifest (two of `apiVersion`, `kind` and `metadata` at
/// the beginning of lines, or all three anywhere) is left out, as Argo CD does.
pub fn objects(tree: &dyn Tree, folder: &str, how: &DirectorySource) -> Result<Vec<Manifest>, DirectoryError> {
    let include = pattern("include", &how.include)?;
    let exclude = pattern("exclude", &how.exclude)?;
    let mut found = Vec::new();
    let mut total_bytes = 0;
    for relative in files(tree, folder, how.recurse)? {
        if exclude.as_ref().is_some_and(|glob| glob.matches(&relative))
            || include.as_ref().is_some_and(|glob| !glob.matches(&relative))
        {
            continue;
        }
        let path = join(folder, &relative);
        if path.ends_with(".jsonnet") {
            return Err(DirectoryError::Jsonnet { path });
        }
        if ![".yaml", ".yml", ".json"].iter().any(|extension| path.ends_with(extension)) {
            continue;
        }
        let Some(text) = read(tree, &path)? else { continue };
        if contains(&text, SKIP_MARKER) {
            continue;
        }
        total_bytes += text.len();
        if total_bytes > COMBINED_BYTES_MAX {
            return Err(DirectoryError::TooLarge { path: folder.to_owned(), at: path });
        }
        documents(&path, &text, &mut found)?;
    }
    Ok(found)
}

/// Reads the documents of one manifest file. A file whose documents are none of Kubernetes, and that does not look as if
/// they were meant to be, is left out: values, settings of other programs. Errors: as [`objects`].
/// Source: Argo CD 3.5 `reposerver/repository/repository.go` (`getObjsFromYAMLOrJson`).
pub fn documents(path: &str, text: &[u8], found: &mut Vec<Manifest>) -> Result<(), DirectoryError> {
    let before = found.len();
    match all_documents(path, text, found) {
        Err(_) if found.len() == before && !looks_like_a_manifest(text) => Ok(()),
        result => result,
    }
}

fn all_documents(path: &str, text: &[u8], found: &mut Vec<Manifest>) -> Result<(), DirectoryError> {
    let documents =
        landfall_yaml::read_with(text, Resolver::Kubernetes, &landfall_yaml::Limits::default()).map_err(|error| {
            DirectoryError::Malformed { path: path.to_owned(), line: error.line, reason: error.message }
        })?;
    for (index, document) in documents.into_iter().enumerate() {
        add(path, index + 1, document, found)?;
    }
    Ok(())
}

fn add(path: &str, document: usize, object: Value, found: &mut Vec<Manifest>) -> Result<(), DirectoryError> {
    let not_an_object =
        |reason: &str| DirectoryError::NotAnObject { path: path.to_owned(), document, reason: reason.to_owned() };
    let Some(fields) = object.as_object() else {
        return if object.is_null() { Ok(()) } else { Err(not_an_object("expected a Kubernetes object (a map)")) };
    };
    if fields.is_empty() {
        return Ok(());
    }
    let kind = fields.get("kind").and_then(Value::as_str).unwrap_or("");
    if kind.is_empty() {
        return Err(not_an_object("the object has no `kind`; add one, or exclude the file (`directory.exclude`)"));
    }
    if fields.get("apiVersion").and_then(Value::as_str).unwrap_or("").is_empty() {
        return Err(not_an_object(
            "the object has no `apiVersion`; add one, or exclude the file (`directory.exclude`)",
        ));
    }
    match fields.get("items") {
        Some(Value::Array(items)) if kind.ends_with("List") => {
            items.iter().try_for_each(|item| add(path, document, item.clone(), found))
        }
        _ => {
            found.push(Manifest { path: path.to_owned(), object });
            Ok(())
        }
    }
}

fn pattern(field: &'static str, text: &str) -> Result<Option<Glob>, DirectoryError> {
    if text.is_empty() {
        return Ok(None);
    }
    let glob = Glob::compile(text, Some('/'));
    glob.map(Some).map_err(|error| DirectoryError::Pattern { field, reason: error.to_string() })
}

/// Lists files relative to `folder`, links to files among them, sorted.
fn files(tree: &dyn Tree, folder: &str, is_recursive: bool) -> Result<Vec<String>, DirectoryError> {
    let mut found = Vec::new();
    let mut todo = vec![String::new()];
    while let Some(below) = todo.pop() {
        let entries =
            tree.directory(&join(folder, &below).trim_end_matches('/').to_owned()).map_err(ResolveError::from)?;
        for entry in entries.unwrap_or_default() {
            let path = join(&below, &entry.name);
            match entry.kind {
                EntryKind::File | EntryKind::Link => found.push(path),
                EntryKind::Directory if is_recursive && entry.name != ".git" => todo.push(path),
                EntryKind::Directory | EntryKind::Other => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

/// Argo CD asks whether all three stand anywhere in the file, and leaves out, and then prunes, an object with a typo in one
/// of them: two at the beginning of lines are enough here.
fn looks_like_a_manifest(text: &[u8]) -> bool {
    let keys = ["apiVersion:", "kind:", "metadata:"].map(str::as_bytes);
    let begins_a_line = |key: &&&[u8]| text.split(|byte| *byte == b'\n').any(|line| line.starts_with(**key));
    keys.iter().all(|key| contains(text, key)) || keys.iter().filter(begins_a_line).count() > 1
}
