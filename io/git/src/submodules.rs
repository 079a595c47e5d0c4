//! Submodules: repositories inside a repository, mounted where they belong.
//!
//! Argo CD checks them out with everything else, so their files must be there. Each is fetched into a mirror of its own
//! and mounted in the tree. One that cannot be had (it is gone, or refuses us) is an error of its own paths alone: what
//! does not read them renders. One that cannot be reached just now makes the whole tree wait, because trees are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gix::objs::tree::EntryKind as Mode;
use landfall_repository::address::{self, Address};
use landfall_repository::lookup;
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::CommitId;
use landfall_repository::repository::{Connection, Credentials, Repository};
use landfall_tree::{Entry, EntryKind, Tree, TreeError};

use crate::tree::GitTree;

/// Counts the submodules inside submodules inside submodules that are followed.
pub(crate) const NESTING_MAX: usize = 5;

/// Counts the submodules of one repository that are looked at.
const SUBMODULES_MAX: usize = 200;

/// One submodule as the commit describes it.
pub(crate) struct Submodule {
    /// Where it belongs.
    pub(crate) path: String,
    /// Its commit.
    pub(crate) commit: CommitId,
    /// How its repository is reached, or why it cannot be.
    pub(crate) repository: Result<Repository, SourceError>,
}

/// Lists the submodules of a commit of `parent`: entries of `.gitmodules` that the commit has.
pub(crate) fn listed(tree: &GitTree, parent: &Repository) -> Vec<Submodule> {
    // A `.gitmodules` that cannot be read leaves its submodules without content, as git does.
    let Ok(Some(text)) = tree.file(".gitmodules") else { return Vec::new() };
    let Ok(file) = gix::submodule::File::from_bytes(&text, None, &gix::config::File::default()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for name in file.names().take(SUBMODULES_MAX) {
        let Ok(path) = file.path(name) else { continue };
        let Ok(path) = landfall_tree::clean(&path.to_string()) else { continue };
        let Ok(Some(item)) = tree.item(&path) else { continue };
        if item.mode != Mode::Commit {
            continue;
        }
        let Ok(commit) = CommitId::parse(&item.id.to_string()) else { continue };
        let url = file.config().string_by("submodule", Some(name), "url").map(|url| url.to_string());
        let repository = url
            .ok_or_else(|| SourceError::of(SourceProblem::Invalid, &parent.url, "`.gitmodules` names no url for it"))
            .and_then(|url| reached(parent, &url));
        found.push(Submodule { path, commit, repository });
    }
    found
}

/// Finds out how a submodule is reached: with the parent's credentials on the parent's host, and nowhere else.
fn reached(parent: &Repository, url: &str) -> Result<Repository, SourceError> {
    let url = absolute(&parent.url, url);
    let is_local = |url: &str| matches!(address::parse(url), Ok(Address::Local { .. }));
    if is_local(&url) && !is_local(&parent.url) {
        // Otherwise a repository from outside could read folders of this machine.
        let reason = "a submodule of a remote repository points to a folder of this machine";
        return Err(SourceError::of(SourceProblem::Forbidden, &url, reason));
    }
    let is_home = is_local(&url) || lookup::host(&url).is_some() && lookup::host(&url) == lookup::host(&parent.url);
    let (credentials, connection) = if is_home {
        (parent.credentials.clone(), parent.connection.clone())
    } else {
        let connection = Connection {
            known_hosts: parent.connection.known_hosts.clone(),
            proxy: parent.connection.proxy.clone(),
            no_proxy: parent.connection.no_proxy.clone(),
            ..Connection::default()
        };
        (Credentials::default(), connection)
    };
    Ok(Repository { url, credentials, connection, depth: parent.depth, large_files_wanted: parent.large_files_wanted })
}

/// Makes a relative address absolute, as git does: `../` takes away the last part of the parent's address.
pub(crate) fn absolute(parent: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let mut base = parent.trim_end_matches('/').to_owned();
    let mut rest = url;
    loop {
        if let Some(shorter) = rest.strip_prefix("./") {
            rest = shorter;
        } else if let Some(shorter) = rest.strip_prefix("../") {
            rest = shorter;
            let end = base.rfind('/').or_else(|| base.rfind(':').map(|colon| colon + 1)).unwrap_or(0);
            base.truncate(end);
        } else {
            break;
        }
    }
    if base.ends_with(':') { format!("{base}{rest}") } else { format!("{base}/{rest}") }
}

/// A tree with other trees mounted in it.
pub(crate) struct Mounted {
    pub(crate) tree: Arc<dyn Tree>,
    /// What stands at each path, or why nothing can be read there.
    pub(crate) mounts: BTreeMap<String, Result<Arc<dyn Tree>, String>>,
}

impl Mounted {
    /// Finds the tree that answers for `path`, and the path inside it.
    fn at<'a>(&'a self, path: &'a str) -> Result<(&'a dyn Tree, &'a str), TreeError> {
        for (mount, tree) in &self.mounts {
            let Some(rest) = path.strip_prefix(mount.as_str()) else { continue };
            let rest = match rest.strip_prefix('/') {
                Some(rest) => rest,
                None if rest.is_empty() => rest,
                None => continue,
            };
            return match tree {
                Ok(tree) => Ok((&**tree, rest)),
                Err(reason) => {
                    let reason = format!("it is in the submodule {mount}, which cannot be read: {reason}");
                    Err(TreeError { path: path.to_owned(), reason })
                }
            };
        }
        Ok((&*self.tree, path))
    }
}

impl Tree for Mounted {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        if self.mounts.contains_key(path) {
            return Ok(Some(EntryKind::Directory));
        }
        let (tree, path) = self.at(path)?;
        tree.kind(path)
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        let (tree, path) = self.at(path)?;
        tree.file(path)
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let (tree, inside) = self.at(path)?;
        let entries = tree.directory(inside)?;
        Ok(entries.map(|mut entries| {
            for entry in &mut entries {
                if self.mounts.contains_key(&landfall_tree::join(path, &entry.name)) {
                    entry.kind = EntryKind::Directory;
                }
            }
            entries
        }))
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        let (tree, path) = self.at(path)?;
        tree.link(path)
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        // The commit of a submodule is part of the directory that holds it: its identity needs nothing more.
        if self.mounts.contains_key(path) {
            return self.tree.identity(path);
        }
        let (tree, path) = self.at(path)?;
        tree.identity(path)
    }
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn relative_addresses_start_at_the_parent() {
        for (parent, url, expected) in [
            ("https://git.example/team/app.git", "../base.git", "https://git.example/team/base.git"),
            ("https://git.example/team/app/", "../../other/base", "https://git.example/other/base"),
            ("https://git.example/team/app", "./inside", "https://git.example/team/app/inside"),
            ("git@git.example:team/app.git", "../base.git", "git@git.example:team/base.git"),
            ("git@git.example:app.git", "../base.git", "git@git.example:base.git"),
            ("https://git.example/app", "https://other.example/x", "https://other.example/x"),
        ] {
            assert_eq!(absolute(parent, url), expected, "{parent} {url}");
        }
    }
}
