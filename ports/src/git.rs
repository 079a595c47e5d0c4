//! The port to Git repositories: references, objects, trees and history.
//!
//! ```text
//! list_refs --> landfall_repository::revision::resolve --> fetch(commit) --> tree(commit) / commit / changed_paths
//!                             | ShortId --> find_commit ---^
//! ```
//!
//! An implementation keeps what was fetched, so every call after `fetch` answers without the network.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_repository::problem::SourceError;
use landfall_repository::refs::{CommitId, Refs};
use landfall_repository::repository::Repository;
use landfall_tree::Tree;

/// Reads Git repositories. Every method may be called concurrently, for the same repository too. Dropping a future
/// calls the work off. Errors carry the address without credentials, the reason and a hint.
#[async_trait]
pub trait GitRemote: Send + Sync {
    /// Lists HEAD, branches and tags with one request, and whatever stands below `extra_prefixes` (`refs/pull/7/`): big
    /// hosts have a reference for every pull request ever made, so the rest is left out unless asked for. See
    /// `landfall_repository::revision::extra_prefixes`.
    async fn list_refs(&self, repository: &Repository, extra_prefixes: &[String]) -> Result<Refs, SourceError>;

    /// Makes sure that the commits and all they lead to are here; asks the network only for what is missing.
    ///
    /// Errors: `UnknownRevision` if the server does not have a commit (it was force-pushed away, or never existed).
    async fn fetch(&self, repository: &Repository, commits: &[CommitId]) -> Result<(), SourceError>;

    /// Finds the commit whose id begins with `prefix` (at least four lower case digits), fetching branches and tags if
    /// no commit here matches.
    ///
    /// Errors: `UnknownRevision` if there is none or more than one.
    async fn find_commit(&self, repository: &Repository, prefix: &str) -> Result<CommitId, SourceError>;

    /// Opens the files of a commit that was fetched. Reading takes no working copy; identities are Git object ids.
    async fn tree(&self, repository: &Repository, commit: &CommitId) -> Result<Arc<dyn Tree>, SourceError>;

    /// Reads what a fetched commit says about itself.
    async fn commit(&self, repository: &Repository, commit: &CommitId) -> Result<Commit, SourceError>;

    /// Says whether `descendant` is `ancestor` or has it in its history. Both must have been fetched.
    async fn is_ancestor(
        &self,
        repository: &Repository,
        ancestor: &CommitId,
        descendant: &CommitId,
    ) -> Result<bool, SourceError>;

    /// Lists the paths that differ between two fetched commits, sorted, without looking for renames.
    async fn changed_paths(
        &self,
        repository: &Repository,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<ChangedPath>, SourceError>;

    /// Writes files on top of a branch and pushes the commit.
    ///
    /// Errors: `Forbidden` if the server refuses; `Broken` if the branch moved meanwhile (read it again and retry).
    async fn commit_and_push(&self, repository: &Repository, change: &Change) -> Result<CommitId, SourceError>;
}

/// Holds what a commit says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// The id of its tree: equal for equal content.
    pub tree: String,
    /// Its parents, first parent first.
    pub parents: Vec<CommitId>,
    /// Who wrote it.
    pub author: Person,
    /// When it was written.
    pub authored_at: Timestamp,
    /// Who committed it.
    pub committer: Person,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// The whole message.
    pub message: String,
    /// The signature, if it carries one.
    pub signature: Option<Signature>,
}

/// Names a person as Git does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The address, without angle brackets.
    pub email: String,
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// Holds a commit's signature, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// How it was made.
    pub kind: SignatureKind,
    /// The armored signature.
    pub armored: String,
    /// The bytes that were signed.
    pub payload: Vec<u8>,
}

/// Says how a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureKind {
    /// `-----BEGIN PGP SIGNATURE-----`.
    OpenPgp,
    /// `-----BEGIN SSH SIGNATURE-----`.
    Ssh,
    /// `-----BEGIN SIGNED MESSAGE-----` (X.509).
    X509,
}

/// Names one path that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPath {
    /// The path from the root of the repository.
    pub path: String,
    /// What happened to it.
    pub how: PathChange,
}

/// Says what happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathChange {
    /// It is new.
    Added,
    /// Its content, kind or executable bit changed.
    Modified,
    /// It is gone.
    Removed,
}

/// Describes a commit to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The branch, short (`main`); created from [`Change::base`] if the repository has none of that name.
    pub branch: String,
    /// The commit to build on; `None` is the branch's, or an empty history.
    pub base: Option<CommitId>,
    /// The files to write, and those to remove (`None`), by clean path.
    pub files: Vec<(String, Option<Vec<u8>>)>,
    /// The message.
    pub message: String,
    /// Author and committer.
    pub author: Person,
    /// When; taken as data so that a commit can be repeated byte by byte.
    pub at: Timestamp,
}
