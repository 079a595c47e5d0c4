//! Commits, ancestry and differences, from the object database alone.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::tree::EntryKind as Mode;
use jiff::Timestamp;
use landfall_ports::git::{ChangedPath, Commit, PathChange, Person, Signature, SignatureKind};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::CommitId;

use crate::mirror::Mirror;
use crate::tree::{Item, Listing};

/// Reads object ids back and forth.
pub(crate) fn object_id(url: &str, commit: &CommitId) -> Result<ObjectId, SourceError> {
    ObjectId::from_hex(commit.as_str().as_bytes()).map_err(|_| {
        SourceError::of(SourceProblem::Unsupported, url, format!("{commit} is a SHA-256 id; only SHA-1 is supported"))
    })
}

fn commit_id(id: &gix::oid) -> CommitId {
    CommitId::parse(&id.to_string()).expect("an object id has 40 hexadecimal digits")
}

fn unreadable(url: &str, commit: &CommitId, error: &dyn std::fmt::Display) -> SourceError {
    SourceError::of(SourceProblem::Broken, url, format!("cannot read commit {commit}: {error}"))
}

/// Says that a commit was asked about before it was fetched, or is gone.
fn absent(url: &str, commit: &CommitId) -> SourceError {
    SourceError::of(SourceProblem::UnknownRevision, url, format!("commit {commit} is not there"))
}

/// Finds the tree of a commit.
pub(crate) fn root(mirror: &Mirror, url: &str, commit: &CommitId) -> Result<ObjectId, SourceError> {
    let id = object_id(url, commit)?;
    mirror.with(|repository| {
        let Ok(found) = repository.try_find_object(id) else {
            return Err(unreadable(url, commit, &"the object database is damaged"));
        };
        let object = found.ok_or_else(|| absent(url, commit))?;
        let commit_object = object.try_into_commit().map_err(|error| unreadable(url, commit, &error))?;
        Ok(commit_object.tree_id().map_err(|error| unreadable(url, commit, &error))?.detach())
    })
}

/// Reads a commit.
pub(crate) fn commit(mirror: &Mirror, url: &str, commit: &CommitId) -> Result<Commit, SourceError> {
    let id = object_id(url, commit)?;
    let broken = |error: &dyn std::fmt::Display| unreadable(url, commit, error);
    mirror.with(|repository| {
        let object = repository.try_find_object(id).map_err(|error| broken(&error))?;
        let object = object.ok_or_else(|| absent(url, commit))?;
        let object = object.try_into_commit().map_err(|error| broken(&error))?;
        let signature = object.signature().map_err(|error| broken(&error))?.and_then(|(armored, payload)| {
            let armored = armored.to_string();
            let kind = if armored.contains("BEGIN SSH SIGNATURE") {
                SignatureKind::Ssh
            } else if armored.contains("BEGIN PGP SIGNATURE") || armored.contains("BEGIN PGP MESSAGE") {
                SignatureKind::OpenPgp
            } else if armored.contains("BEGIN SIGNED MESSAGE") {
                SignatureKind::X509
            } else {
                return None;
            };
            Some(Signature { kind, armored, payload: payload.to_bstring().into() })
        });
        let decoded = object.decode().map_err(|error| broken(&error))?;
        let (author, authored_at) = person(&decoded.author().map_err(|error| broken(&error))?);
        let (committer, committed_at) = person(&decoded.committer().map_err(|error| broken(&error))?);
        Ok(Commit {
            id: commit.clone(),
            tree: decoded.tree().to_string(),
            parents: decoded.parents().map(|parent| commit_id(&parent)).collect(),
            author,
            authored_at,
            committer,
            committed_at,
            message: decoded.message.to_string(),
            signature,
        })
    })
}

fn person(signature: &gix::actor::SignatureRef<'_>) -> (Person, Timestamp) {
    let trimmed = signature.trim();
    let at = Timestamp::from_second(signature.seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
    (Person { name: trimmed.name.to_string(), email: trimmed.email.to_string() }, at)
}

/// Says whether `descendant` is `ancestor` or has it in its history.
pub(crate) fn is_ancestor(
    mirror: &Mirror,
    url: &str,
    ancestor: &CommitId,
    descendant: &CommitId,
) -> Result<bool, SourceError> {
    if ancestor == descendant {
        return Ok(true);
    }
    let (old, new) = (object_id(url, ancestor)?, object_id(url, descendant)?);
    for commit in [ancestor, descendant] {
        if !mirror.has_commit(commit) {
            return Err(absent(url, commit));
        }
    }
    // The best common ancestor of two commits is the older one itself exactly when it is in the other's history.
    mirror.with(|repository| match repository.merge_base(old, new) {
        Ok(base) => Ok(base.is_some_and(|base| base.detach() == old)),
        Err(error) => Err(unreadable(url, descendant, &error)),
    })
}

/// Finds the commits whose id begins with `prefix`; at most a few.
pub(crate) fn with_prefix(mirror: &Mirror, url: &str, prefix: &str) -> Result<Vec<CommitId>, SourceError> {
    let invalid = |error: &dyn std::fmt::Display| {
        SourceError::of(SourceProblem::UnknownRevision, url, format!("{prefix:?} is no shortened commit: {error}"))
    };
    let parsed = gix::hash::Prefix::from_hex(prefix).map_err(|error| invalid(&error))?;
    mirror.with(|repository| {
        let mut found = HashSet::new();
        repository.objects.lookup_prefix(parsed, Some(&mut found)).map_err(|error| invalid(&error))?;
        let is_commit =
            |id: &ObjectId| repository.find_header(*id).is_ok_and(|header| header.kind() == gix::objs::Kind::Commit);
        let mut commits: Vec<CommitId> = found.iter().filter(|id| is_commit(id)).map(|id| commit_id(id)).collect();
        commits.sort();
        Ok(commits)
    })
}

/// Lists what differs between the trees of two commits; equal directories are not even opened.
pub(crate) fn changed_paths(
    mirror: &Mirror,
    url: &str,
    from: &CommitId,
    to: &CommitId,
) -> Result<Vec<ChangedPath>, SourceError> {
    let mut changes = Vec::new();
    let mut todo = vec![(String::new(), Some(root(mirror, url, from)?), Some(root(mirror, url, to)?))];
    let broken =
        |reason: String| SourceError::of(SourceProblem::Broken, url, format!("cannot compare commits: {reason}"));
    let listing = |id: Option<ObjectId>| -> Result<Option<Arc<Listing>>, SourceError> {
        let Some(id) = id else { return Ok(None) };
        let read = || mirror.with(|repository| Listing::read(repository, id));
        Ok(Some(mirror.listing(id, read).map_err(broken)?))
    };
    while let Some((directory, old, new)) = todo.pop() {
        if old == new {
            continue;
        }
        let (old, new) = (listing(old)?, listing(new)?);
        let mut pairs: BTreeMap<&str, (Option<&Item>, Option<&Item>)> = BTreeMap::new();
        for item in old.iter().flat_map(|listing| listing.entries()) {
            pairs.entry(&item.name).or_default().0 = Some(item);
        }
        for item in new.iter().flat_map(|listing| listing.entries()) {
            pairs.entry(&item.name).or_default().1 = Some(item);
        }
        for (name, (before, after)) in pairs {
            if before.map(|item| (item.mode, item.id)) == after.map(|item| (item.mode, item.id)) {
                continue;
            }
            let path = landfall_tree::join(&directory, name);
            let tree = |item: Option<&Item>| item.filter(|item| item.mode == Mode::Tree).map(|item| item.id);
            let leaf = |item: Option<&Item>| item.is_some_and(|item| item.mode != Mode::Tree);
            let how = match (leaf(before), leaf(after)) {
                (true, true) => Some(PathChange::Modified),
                (true, false) => Some(PathChange::Removed),
                (false, true) => Some(PathChange::Added),
                (false, false) => None,
            };
            if let Some(how) = how {
                changes.push(ChangedPath { path: path.clone(), how });
            }
            if tree(before).is_some() || tree(after).is_some() {
                todo.push((path, tree(before), tree(after)));
            }
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}
