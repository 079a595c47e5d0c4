//! Finding files: the directory that relative paths start from, what may be read from there, and entering another one.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use landfall_tree::{EntryKind, ResolveError, Tree};

use crate::error::{BuildError, ErrorClass, Result, fail};
use crate::outside::{Remote, RemoteContent, RemoteRequest};

/// A tree of the caller's, or one that a remote resource brought.
#[derive(Clone)]
pub(crate) enum TreeRef<'a> {
    Given(&'a dyn Tree),
    Fetched(Arc<dyn Tree>),
}

impl TreeRef<'_> {
    pub(crate) fn tree(&self) -> &dyn Tree {
        match self {
            Self::Given(tree) => *tree,
            Self::Fetched(tree) => tree.as_ref(),
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(_), Self::Given(_)) => true,
            (Self::Fetched(left), Self::Fetched(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }
}

/// Reads files as one kustomization names them.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    pub(crate) tree: TreeRef<'a>,
    /// The directory of the kustomization, links resolved.
    pub(crate) root: String,
    is_restricted: bool,
    referrer: Option<Rc<Loader<'a>>>,
    /// The remote text that brought this tree, if one did.
    remote_url: Option<String>,
}

/// A file with what it is known by.
pub(crate) struct LoadedFile {
    pub(crate) bytes: Bytes,
    /// The path from the root of the tree, or the URL.
    pub(crate) path: String,
    /// The content's identity, if the tree has one.
    pub(crate) identity: Option<String>,
}

impl LoadedFile {
    pub(crate) fn text(&self) -> Result<std::borrow::Cow<'_, str>> {
        Ok(String::from_utf8_lossy(&self.bytes))
    }
}

fn contains(root: &str, path: &str) -> bool {
    root.is_empty() || path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

fn shown(directory: &str) -> &str {
    if directory.is_empty() { "the root of the repository" } else { directory }
}

fn resolve_error(error: ResolveError, path: &str) -> Box<BuildError> {
    match error {
        ResolveError::Tree(error) => BuildError::new(ErrorClass::Tree, error.to_string()),
        ResolveError::Outside { .. } => {
            BuildError::new(ErrorClass::OutsideRoot, format!("{path} leads out of the repository: {error}"))
                .hint("keep everything that a kustomization needs in the repository")
        }
        ResolveError::Loop { .. } => BuildError::new(ErrorClass::MissingFile, error.to_string()),
    }
}

impl<'a> Loader<'a> {
    /// The loader of the directory that a build was asked for.
    pub(crate) fn at(tree: &'a dyn Tree, directory: &str, is_restricted: bool) -> Result<Rc<Self>> {
        let tree = TreeRef::Given(tree);
        let root =
            match landfall_tree::resolve(tree.tree(), directory).map_err(|error| resolve_error(error, directory))? {
                Some((root, EntryKind::Directory)) => root,
                Some(_) => {
                    return Err(BuildError::new(
                        ErrorClass::WrongKind,
                        format!("{directory} is a file, a directory is needed"),
                    )
                    .hint("name the directory that holds the kustomization file"));
                }
                None => {
                    return Err(BuildError::new(ErrorClass::MissingFile, format!("there is no directory {directory}"))
                        .hint("check the path; it is relative to the root of the repository"));
                }
            };
        Ok(Rc::new(Self { tree, root, is_restricted, referrer: None, remote_url: None }))
    }

    /// The path from the root of the tree of something that is named relative to this directory.
    pub(crate) fn path_of(&self, path: &str) -> String {
        landfall_tree::join(&self.root, path)
    }

    /// What stands at a relative path, links followed; `None` if nothing does or it cannot be reached.
    pub(crate) fn kind(&self, path: &str) -> Option<EntryKind> {
        landfall_tree::resolve(self.tree.tree(), &self.path_of(path)).ok().flatten().map(|(_, kind)| kind)
    }

    /// Reads a file by the path or URL in the kustomization.
    ///
    /// Errors: missing, a directory, above this directory while the restriction is on.
    pub(crate) fn load(&self, remote: &dyn Remote, path: &str) -> Result<LoadedFile> {
        if is_http(path) {
            let mut request = parse_remote(path);
            request.wants_file = true;
            return match remote.fetch(&request) {
                Ok(RemoteContent::File(bytes)) => Ok(LoadedFile { bytes, path: path.to_owned(), identity: None }),
                Ok(RemoteContent::Directory { .. }) => {
                    fail(ErrorClass::Remote, format!("{path} is a repository, a file is needed"))
                }
                Err(reason) => fail(ErrorClass::Remote, format!("cannot fetch {path}: {reason}")),
            };
        }
        if path.starts_with('/') {
            return Err(BuildError::new(ErrorClass::OutsideRoot, format!("{path} is an absolute path"))
                .hint("write the path relative to the kustomization"));
        }
        let wanted = self.path_of(path);
        let missing = || {
            BuildError::new(ErrorClass::MissingFile, format!("there is no file {path}"))
                .hint(format!("create {wanted}, or correct the path; it is relative to {}", shown(&self.root)))
        };
        match landfall_tree::resolve(self.tree.tree(), &wanted).map_err(|error| resolve_error(error, path))? {
            None => Err(missing()),
            Some((real, EntryKind::File)) => {
                if self.is_restricted && !contains(&self.root, landfall_tree::parent(&real)) {
                    return Err(BuildError::new(
                        ErrorClass::OutsideRoot,
                        format!("the file {real} is not in or below {}", shown(&self.root)),
                    )
                    .hint("move the file below the kustomization, make its directory a kustomization and list that, or build with --load-restrictor LoadRestrictionsNone"));
                }
                let tree = self.tree.tree();
                let tree_error = |error: landfall_tree::TreeError| BuildError::new(ErrorClass::Tree, error.to_string());
                let bytes = tree.file(&real).map_err(tree_error)?.ok_or_else(missing)?;
                let identity = tree.identity(&real).map_err(tree_error)?;
                Ok(LoadedFile { bytes, path: real, identity })
            }
            Some(_) => {
                Err(BuildError::new(ErrorClass::MissingFile, format!("{path} is a directory, a file is needed")))
            }
        }
    }

    /// Enters the directory or repository that a kustomization lists.
    pub(crate) fn enter(self: &Rc<Self>, remote: &dyn Remote, path: &str) -> Result<Rc<Self>> {
        if path.is_empty() {
            return fail(ErrorClass::MissingFile, "an entry is empty; it must name a file or directory");
        }
        let request = parse_remote(path);
        if request.repository.is_some() {
            return self.enter_remote(remote, request);
        }
        if path.starts_with('/') {
            return Err(BuildError::new(ErrorClass::OutsideRoot, format!("{path} is an absolute path"))
                .hint("write the path relative to the kustomization"));
        }
        let wanted = self.path_of(path);
        let root = match landfall_tree::resolve(self.tree.tree(), &wanted)
            .map_err(|error| resolve_error(error, path))?
        {
            Some((root, EntryKind::Directory)) => root,
            Some(_) => {
                return fail(
                    ErrorClass::WrongKind,
                    format!("{path} is a file, a directory with a kustomization is needed"),
                );
            }
            None => {
                return Err(BuildError::new(ErrorClass::MissingFile, format!("there is no file or directory {path}"))
                    .hint(format!("create {wanted}, or correct the path; it is relative to {}", shown(&self.root))));
            }
        };
        let mut visited: &Self = self;
        loop {
            if visited.tree.same(&self.tree) && contains(&root, &visited.root) {
                return Err(BuildError::new(
                    ErrorClass::Cycle,
                    format!("{path} leads to {}, which contains {}, being built", shown(&root), shown(&visited.root)),
                )
                .hint("a kustomization cannot include a directory that it lies in or that includes it"));
            }
            match &visited.referrer {
                Some(referrer) => visited = referrer,
                None => break,
            }
        }
        Ok(Rc::new(Self {
            tree: self.tree.clone(),
            root,
            is_restricted: self.is_restricted,
            referrer: Some(self.clone()),
            remote_url: self.remote_url.clone(),
        }))
    }

    fn enter_remote(self: &Rc<Self>, remote: &dyn Remote, request: RemoteRequest) -> Result<Rc<Self>> {
        let mut visited: &Self = self;
        loop {
            if visited.remote_url.as_ref().is_some_and(|url| url.starts_with(&request.url)) {
                return fail(ErrorClass::Cycle, format!("{} is being built already", request.url));
            }
            match &visited.referrer {
                Some(referrer) => visited = referrer,
                None => break,
            }
        }
        match remote.fetch(&request) {
            Ok(RemoteContent::Directory { tree, path }) => {
                let tree = TreeRef::Fetched(tree);
                let root = match landfall_tree::resolve(tree.tree(), &path)
                    .map_err(|error| resolve_error(error, &path))?
                {
                    Some((root, EntryKind::Directory)) => root,
                    _ => return fail(ErrorClass::MissingFile, format!("{} has no directory {path:?}", request.url)),
                };
                let remote_url = Some(request.url);
                Ok(Rc::new(Self { tree, root, is_restricted: true, referrer: Some(self.clone()), remote_url }))
            }
            Ok(RemoteContent::File(_)) => fail(
                ErrorClass::Remote,
                format!("{} is a file, a directory with a kustomization is needed", request.url),
            ),
            Err(reason) => fail(ErrorClass::Remote, format!("cannot fetch {}: {reason}", request.url)),
        }
    }
}

/// Whether a text is an http or https URL.
pub(crate) fn is_http(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// Takes a remote text apart. `repository` stays `None` if the text is no remote at all.
///
/// Source: kustomize 5.8.1, the grammar of remote targets: `//`, `.git` or `_git/` end the repository part, otherwise it
/// has two segments; github.com needs no scheme.
pub(crate) fn parse_remote(text: &str) -> RemoteRequest {
    let mut request = RemoteRequest {
        url: text.to_owned(),
        repository: None,
        path: String::new(),
        reference: String::new(),
        submodules: true,
        is_http: is_http(text),
        wants_file: false,
    };
    if text.starts_with('/') {
        return request;
    }
    let (location, query) = text.split_once('?').unwrap_or((text, ""));
    let mut version = String::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "ref" if request.reference.is_empty() => request.reference = value.to_owned(),
            "version" if version.is_empty() => version = value.to_owned(),
            "submodules" => request.submodules = !matches!(value, "false" | "False" | "FALSE" | "f" | "F" | "0"),
            _ => {}
        }
    }
    if request.reference.is_empty() {
        request.reference = version;
    }
    let Some((host, rest)) = split_host(location) else { return request };
    let whole = host.starts_with("file://");
    let Some((repository, path)) = split_repository(&rest, whole) else { return request };
    if repository.is_empty() {
        return request;
    }
    let path = path.strip_prefix('/').unwrap_or(&path);
    match landfall_tree::clean(path) {
        Ok(path) => {
            request.path = path;
            request.repository = Some(format!("{host}{repository}"));
            request
        }
        Err(_) => request,
    }
}

fn strip_prefix_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)).map(|_| &text[prefix.len()..])
}

fn split_host(location: &str) -> Option<(String, String)> {
    let location = strip_prefix_any_case(location, "git::").unwrap_or(location);
    let (scheme, rest) = ["ssh://", "https://", "http://", "file://"]
        .into_iter()
        .find_map(|scheme| strip_prefix_any_case(location, scheme).map(|rest| (scheme, rest)))
        .unwrap_or(("", location));
    let user_length = rest
        .find('@')
        .filter(|at| *at > 0 && rest.starts_with(|first: char| first.is_ascii_alphabetic()))
        .filter(|at| rest[..*at].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .map_or(0, |at| at + 1);
    let (user, rest) = rest.split_at(user_length);
    let lower = rest.to_ascii_lowercase();
    let is_github = lower.starts_with("github.com/") || lower.starts_with("github.com:");
    let accepts_scp = scheme.is_empty() && (!user.is_empty() || is_github);
    if scheme.is_empty() && !accepts_scp {
        return None;
    }
    if scheme == "file://" {
        return Some((scheme.to_owned(), format!("{user}{rest}")));
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|at| *at > 0);
    let separator = match (accepts_scp, slash, colon) {
        (true, None, colon) => colon,
        (true, Some(slash), Some(colon)) if colon < slash => Some(colon),
        (_, slash, _) => slash,
    };
    let (host, path) = match separator {
        Some(at) => rest.split_at(at + 1),
        None => (rest, ""),
    };
    if is_github {
        let host = if scheme == "ssh://" || !user.is_empty() {
            format!("{user}github.com:")
        } else {
            "https://github.com/".to_owned()
        };
        return Some((host, path.to_owned()));
    }
    (!host.is_empty()).then(|| (format!("{scheme}{user}{host}"), path.to_owned()))
}

fn split_repository(rest: &str, whole: bool) -> Option<(String, String)> {
    if let Some(at) = rest.find("_git/") {
        let (before, after) = rest.split_at(at + "_git/".len());
        let (name, path) = after.split_once('/').unwrap_or((after, ""));
        return Some((format!("{before}{name}"), path.to_owned()));
    }
    if let Some((repository, path)) = rest.split_once("//") {
        return Some((repository.to_owned(), path.to_owned()));
    }
    if let Some(at) = rest.find(".git") {
        let (repository, path) = rest.split_at(at + ".git".len());
        return Some((repository.to_owned(), path.to_owned()));
    }
    if whole {
        return Some((rest.to_owned(), String::new()));
    }
    let segments: Vec<&str> = rest.split('/').collect();
    (segments.len() >= 2).then(|| (segments[..2].join("/"), segments[2..].join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_texts_are_taken_apart_as_the_reference_does() {
        for (text, repository, path, reference) in [
            ("github.com/org/repo", "https://github.com/org/repo", "", ""),
            ("github.com/org/repo/config/base?ref=v1", "https://github.com/org/repo", "config/base", "v1"),
            ("https://github.com/org/repo//config?version=v2", "https://github.com/org/repo", "config", "v2"),
            ("git@github.com:org/repo.git/sub", "git@github.com:org/repo.git", "sub", ""),
            ("ssh://git@host.example/a/b//c", "ssh://git@host.example/a/b", "c", ""),
            ("https://dev.example/x/_git/repo/dir", "https://dev.example/x/_git/repo", "dir", ""),
        ] {
            let request = parse_remote(text);
            assert_eq!(request.repository.as_deref(), Some(repository), "{text}");
            assert_eq!(request.path, path, "{text}");
            assert_eq!(request.reference, reference, "{text}");
        }
        for text in ["../base", "a/b/c", "deployment.yaml", "/abs/path", "https://host/one"] {
            assert_eq!(parse_remote(text).repository, None, "{text}");
        }
    }
}
