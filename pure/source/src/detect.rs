//! Which tool renders a folder: what the source says, or else what stands in the folder.

use landfall_model::application::Source;
use landfall_tree::{EntryKind, ResolveError, Tree, resolve};

/// The tools. Written to `status.sourceType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceType {
    /// A chart.
    Helm,
    /// A kustomization.
    Kustomize,
    /// Plain manifests.
    Directory,
    /// A configuration management plugin.
    Plugin,
}

impl SourceType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Helm => "Helm",
            Self::Kustomize => "Kustomize",
            Self::Directory => "Directory",
            Self::Plugin => "Plugin",
        }
    }
}

/// Says why the kind of a source cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// There is no such folder.
    #[error(
        "{path}: app path does not exist in the repository at this revision{there}; check `path` and `targetRevision` of the source"
    )]
    Missing {
        /// The path asked for.
        path: String,
        /// The folders that are there instead, in words; `""` if there are none.
        there: String,
    },
    /// There is a file of that name.
    #[error("{path}: app path is a file, not a folder; name the folder that holds it")]
    NotAFolder {
        /// The path asked for.
        path: String,
    },
    /// More than one tool is named.
    #[error("the source names more than one tool ({tools}); keep one of helm, kustomize, directory and plugin")]
    Ambiguous {
        /// The tools, comma-separated.
        tools: String,
    },
    /// The path leaves the tree, or the tree failed.
    #[error(transparent)]
    Tree(#[from] ResolveError),
}

/// Finds the folder of a source, links followed. Errors: it is not there, or is a file.
pub fn folder(tree: &dyn Tree, path: &str) -> Result<String, DetectError> {
    match resolve(tree, path)? {
        Some((real, EntryKind::Directory)) => Ok(real),
        Some(_) => Err(DetectError::NotAFolder { path: path.to_owned() }),
        None => Err(DetectError::Missing { path: path.to_owned(), there: there(tree, path) }),
    }
}

/// How many folders are named where one is missing.
const NAMED_MAX: usize = 8;

/// Names the folders where `path` stops being there.
fn there(tree: &dyn Tree, path: &str) -> String {
    let mut known = String::new();
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        let next = if known.is_empty() { name.to_owned() } else { format!("{known}/{name}") };
        match tree.kind(&next) {
            Ok(Some(EntryKind::Directory)) => known = next,
            Ok(_) | Err(_) => break,
        }
    }
    let entries = tree.directory(&known).ok().flatten().unwrap_or_default();
    let folders: Vec<String> = entries
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::Directory && !entry.name.starts_with('.'))
        .map(|entry| if known.is_empty() { entry.name } else { format!("{known}/{}", entry.name) })
        .collect();
    match folders.len() {
        0 => String::new(),
        count if count > NAMED_MAX => {
            format!(" (there are {} and {} more)", folders[..NAMED_MAX].join(", "), count - NAMED_MAX)
        }
        _ => format!(" (there are {})", folders.join(", ")),
    }
}

/// Says which tool renders `source`, whose folder in `tree` is `folder`. A block that names a tool decides; else a file
/// whose name ends in `Chart.yaml` makes it Helm and a kustomization makes it Kustomize, which wins when both are there.
pub fn detect(tree: &dyn Tree, folder: &str, source: &Source) -> Result<SourceType, DetectError> {
    let named = [
        (source.helm.is_some(), "helm", SourceType::Helm),
        (source.kustomize.is_some(), "kustomize", SourceType::Kustomize),
        (source.directory.is_some(), "directory", SourceType::Directory),
        (source.plugin.is_some(), "plugin", SourceType::Plugin),
    ];
    let mut named = named.into_iter().filter(|(is_named, ..)| *is_named);
    match (named.next(), named.next()) {
        (Some((_, _, tool)), None) => return Ok(tool),
        (Some((_, first, _)), Some((_, second, _))) => {
            return Err(DetectError::Ambiguous { tools: format!("{first}, {second}") });
        }
        (None, _) => {}
    }
    if !source.chart.is_empty() {
        return Ok(SourceType::Helm);
    }
    let entries = tree.directory(folder).map_err(ResolveError::from)?.unwrap_or_default();
    let mut found = SourceType::Directory;
    for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Directory) {
        match entry.name.as_str() {
            "kustomization.yaml" | "kustomization.yml" | "Kustomization" => return Ok(SourceType::Kustomize),
            name if name.ends_with("Chart.yaml") => found = SourceType::Helm,
            _ => {}
        }
    }
    Ok(found)
}
