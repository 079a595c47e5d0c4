//! What a Git `targetRevision` means, given the references of the repository.
//!
//! Order, as Argo CD has it (`util/git/client.go`, `docs/user-guide/tracking_strategies.md`):
//! 1. empty or `HEAD`: the default branch;
//! 2. 40 hexadecimal digits: that commit, whether or not a reference leads to it;
//! 3. a version constraint (`1.*`, `>=1.2 <2`, `~1.4`; a plain version is none): the highest tag that satisfies it;
//! 4. a reference, by full name or by short name (the first in the listing wins, so branches before tags);
//! 5. at least seven hexadecimal digits: a shortened commit, which only the object database can answer.

use landfall_semver::{Constraint, Version};

use crate::refs::{CommitId, Refs};

/// The fewest digits of a shortened commit id. Source: Argo CD `IsTruncatedCommitSHA`.
pub const SHORT_ID_DIGITS_MIN: usize = 7;

/// Counts the names that an [`UnknownRevision`] lists at most.
const SUGGESTIONS_MAX: usize = 5;

/// Says what a revision turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A commit.
    Commit {
        /// Its id.
        commit: CommitId,
        /// How it was found.
        by: FoundBy,
    },
    /// A shortened commit id, to be looked up among the objects. Lower case.
    ShortId(String),
}

/// Says how a revision was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundBy {
    /// The revision is empty or `HEAD`.
    Head {
        /// The branch it stands for, if the server said.
        branch: Option<String>,
    },
    /// The revision is a full commit id.
    Id,
    /// A reference.
    Reference {
        /// Its full name.
        name: String,
    },
    /// The highest tag that satisfies a version constraint.
    Constraint {
        /// The tag's short name.
        tag: String,
    },
}

/// Says that no reference answers to a revision, and what there is instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRevision {
    /// The repository has no commit at all.
    #[error("the repository is empty: nothing was ever pushed to it")]
    Empty,
    /// A version constraint that no tag satisfies.
    #[error("no tag satisfies the version constraint {constraint:?}{}", found(tags, "versions there are"))]
    NoVersion {
        /// The constraint.
        constraint: String,
        /// The highest versions among the tags.
        tags: Vec<String>,
    },
    /// No branch, tag or reference of that name.
    #[error("no branch, tag or commit {revision:?}{}", found(similar, "similar names"))]
    NoSuchName {
        /// The revision.
        revision: String,
        /// Names that look alike, or a few that there are.
        similar: Vec<String>,
    },
}

fn found(names: &[String], what: &str) -> String {
    if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
}

/// Resolves `revision` against `refs`. `tag_prefix` is stripped from tags before versions are compared (tags without it
/// are left out then); it may be empty.
///
/// Errors: [`UnknownRevision`], with the names a person may have meant.
pub fn resolve(refs: &Refs, revision: &str, tag_prefix: &str) -> Result<Resolved, UnknownRevision> {
    let revision = revision.trim();
    if revision.is_empty() || revision == "HEAD" {
        let commit = refs.head.clone().ok_or(UnknownRevision::Empty)?;
        return Ok(Resolved::Commit { commit, by: FoundBy::Head { branch: refs.head_branch.clone() } });
    }
    if let Ok(commit) = CommitId::parse(revision) {
        return Ok(Resolved::Commit { commit, by: FoundBy::Id });
    }
    let constraint = constraint(revision);
    if let Some(constraint) = &constraint
        && let Some((tag, commit)) = highest(refs, constraint, tag_prefix)
    {
        return Ok(Resolved::Commit { commit, by: FoundBy::Constraint { tag } });
    }
    if let Some(reference) = named(refs, revision) {
        let by = FoundBy::Reference { name: reference.name.clone() };
        return Ok(Resolved::Commit { commit: reference.commit.clone(), by });
    }
    if revision.len() >= SHORT_ID_DIGITS_MIN && revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Resolved::ShortId(revision.to_ascii_lowercase()));
    }
    if constraint.is_some() {
        let tags = versions(refs, tag_prefix).into_iter().rev().take(SUGGESTIONS_MAX).map(|(_, tag, _)| tag).collect();
        return Err(UnknownRevision::NoVersion { constraint: revision.to_owned(), tags });
    }
    Err(UnknownRevision::NoSuchName { revision: revision.to_owned(), similar: similar(refs, revision) })
}

/// Names the references beyond branches and tags that `revision` may mean: those that a listing must be asked for.
pub fn extra_prefixes(revision: &str) -> Vec<String> {
    let revision = revision.trim();
    let is_usual = ["refs/heads/", "refs/tags/"].iter().any(|prefix| revision.starts_with(prefix));
    match revision.strip_prefix("refs/") {
        _ if is_usual || revision.is_empty() => Vec::new(),
        Some(_) => vec![revision.to_owned()],
        None if revision.contains('/') => vec![format!("refs/{revision}"), format!("refs/remotes/{revision}")],
        None => Vec::new(),
    }
}

/// Reads a version constraint; a plain version (`1.2.3`, `v2`) names a tag and is none.
fn constraint(revision: &str) -> Option<Constraint> {
    if Version::parse(revision).is_ok() { None } else { Constraint::parse(revision).ok() }
}

/// Lists the tags that are versions, lowest first.
fn versions(refs: &Refs, tag_prefix: &str) -> Vec<(Version, String, CommitId)> {
    let mut versions: Vec<_> = refs
        .tags()
        .filter_map(|(tag, reference)| {
            let version = Version::parse(tag.strip_prefix(tag_prefix)?).ok()?;
            Some((version, tag.to_owned(), reference.commit.clone()))
        })
        .collect();
    versions.sort_by(|a, b| a.0.precedence(&b.0).then_with(|| a.1.cmp(&b.1)));
    versions
}

fn highest(refs: &Refs, constraint: &Constraint, tag_prefix: &str) -> Option<(String, CommitId)> {
    let matching = versions(refs, tag_prefix).into_iter().rev().find(|(version, _, _)| constraint.check(version));
    matching.map(|(_, tag, commit)| (tag, commit))
}

fn named<'a>(refs: &'a Refs, revision: &str) -> Option<&'a crate::refs::Reference> {
    let answers = |name: &str| {
        let prefixes = ["", "refs/", "refs/heads/", "refs/tags/", "refs/remotes/"];
        prefixes.iter().any(|prefix| name.strip_prefix(prefix) == Some(revision))
    };
    refs.references.iter().find(|reference| answers(&reference.name))
}

/// Finds names that a person may have meant: equal but for case or a leading `v`, else those that contain it or share
/// its beginning; else the first branches there are.
fn similar(refs: &Refs, revision: &str) -> Vec<String> {
    let names: Vec<&str> = refs.branches().chain(refs.tags()).map(|(name, _)| name).collect();
    let key = |name: &str| name.to_lowercase().trim_start_matches('v').to_owned();
    let wanted = key(revision.rsplit_once("refs/heads/").map_or(revision, |(_, name)| name));
    let beginning: String = wanted.chars().take(3).collect();
    let pick = |test: &dyn Fn(&str) -> bool| -> Vec<String> {
        names.iter().filter(|name| test(&key(name))).take(SUGGESTIONS_MAX).map(|name| (*name).to_owned()).collect()
    };
    let tests: [&dyn Fn(&str) -> bool; 4] = [
        &|name| name == wanted,
        &|name| !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(name)),
        &|name| name.starts_with(&beginning),
        &|_| true,
    ];
    tests.iter().map(|test| pick(test)).find(|found| !found.is_empty()).unwrap_or_default()
}
