//! Paths inside a tree, as text. Nothing here looks at a tree.

/// Says that a path climbs above the root of its tree or is absolute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} leads outside the file tree")]
pub struct PathError {
    /// The path as it was written.
    pub path: String,
}

/// Brings a relative path into the form that trees use: no `.`, `..`, empty parts or trailing `/`.
///
/// Errors: an absolute path, and one that climbs above the root.
pub fn clean(path: &str) -> Result<String, PathError> {
    let outside = || PathError { path: path.to_owned() };
    if path.starts_with('/') {
        return Err(outside());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(outside)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Puts `name` below `directory`; the root is `""`. Neither is cleaned.
pub fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// Names the directory that a clean path stands in; the root's is the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}
