//! Git repositories in memory: branches that move, are rewritten, and whose old commits are forgotten by the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_ports::cluster::Cause;
use landfall_ports::git::{Change, ChangedPath, Commit, GitRemote, PathChange, Person};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::{CommitId, Reference, Refs};
use landfall_repository::repository::Repository;
use landfall_tree::{MemoryTree, Tree};

use crate::gate::{Effect, Gate, Port};

/// The files of a commit by path.
pub type Files = BTreeMap<String, String>;

struct Made {
    files: Files,
    tree: Arc<MemoryTree>,
    parent: Option<CommitId>,
    at: Timestamp,
}

#[derive(Default)]
struct Hosted {
    head: Option<CommitId>,
    /// The heads that processes were told of, the newest last; each once in a row.
    told: Vec<CommitId>,
    made: BTreeMap<CommitId, Made>,
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Hosted>,
    /// What was fetched stays, as a mirror on disk does.
    fetched: BTreeSet<CommitId>,
    commits: u64,
}

/// The server of all repositories, each with the branch `main`.
#[derive(Default)]
pub struct Server {
    state: Mutex<State>,
}

impl Server {
    /// Commits files on top of `main`, or in the place of all its history.
    pub fn commit(&self, url: &str, files: &Files, history: History, at: Timestamp) -> CommitId {
        let mut state = self.state();
        state.commits += 1;
        let number = state.commits;
        let id = CommitId::parse(&format!("{:016x}{number:024x}", digest(files))).expect("forty digits");
        let hosted = state.repositories.entry(url.to_owned()).or_default();
        let parent = match history {
            History::Continued => hosted.head.clone(),
            History::Rewritten => None,
        };
        let tree = Arc::new(MemoryTree::of(files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes()))));
        hosted.made.insert(id.clone(), Made { files: files.clone(), tree, parent, at });
        hosted.head = Some(id.clone());
        id
    }

    /// The newest commit of `main`.
    pub fn head(&self, url: &str) -> Option<CommitId> {
        self.state().repositories.get(url)?.head.clone()
    }

    /// The last heads that processes were told of, the newest first.
    pub fn told(&self, url: &str, count: usize) -> Vec<CommitId> {
        let state = self.state();
        let told = state.repositories.get(url).map(|hosted| hosted.told.as_slice()).unwrap_or_default();
        told.iter().rev().take(count).cloned().collect()
    }

    /// The files of a commit, whether the server still gives it out or not.
    pub fn files(&self, url: &str, revision: &str) -> Option<Files> {
        let state = self.state();
        let id = CommitId::parse(revision).ok()?;
        state.repositories.get(url)?.made.get(&id).map(|made| made.files.clone())
    }

    /// Says whether `main` has this commit in its history.
    pub fn is_reachable(&self, url: &str, id: &CommitId) -> bool {
        self.state().is_reachable(url, id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_reachable(&self, url: &str, id: &CommitId) -> bool {
        let Some(hosted) = self.repositories.get(url) else { return false };
        let mut at = hosted.head.as_ref();
        while let Some(commit) = at {
            if commit == id {
                return true;
            }
            at = hosted.made.get(commit).and_then(|made| made.parent.as_ref());
        }
        false
    }

    fn made(&self, url: &str, id: &CommitId) -> Result<&Made, SourceError> {
        let made = self.repositories.get(url).and_then(|hosted| hosted.made.get(id));
        made.filter(|_| self.fetched.contains(id)).ok_or_else(|| unknown(url, id.as_str()))
    }
}

/// What becomes of the history of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The commit stands on it.
    Continued,
    /// It is gone: a force-push.
    Rewritten,
}

fn digest(files: &Files) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

fn unknown(url: &str, revision: &str) -> SourceError {
    SourceError::of(SourceProblem::UnknownRevision, url, format!("there is no commit {revision}"))
}

/// One process' way to the server.
pub struct GatedGit {
    /// The server.
    pub server: Arc<Server>,
    /// The process' gate.
    pub gate: Arc<Gate>,
}

impl GatedGit {
    async fn ask<T>(
        &self,
        verb: &'static str,
        repository: &Repository,
        answer: impl FnOnce(&mut State, &str) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let url = repository.url.clone();
        let fail = |cause| failure(cause, &url);
        self.gate
            .pass((Port::Git, verb, Effect::Reads), url.clone(), fail, async { answer(&mut self.server.state(), &url) })
            .await
    }
}

/// The error that a cause stands for where a repository is asked.
pub(crate) fn failure(cause: Cause, address: &str) -> SourceError {
    let problem = match cause {
        Cause::Unreachable => SourceProblem::Unreachable,
        Cause::Unauthorized => SourceProblem::AuthenticationRequired,
        Cause::Forbidden => SourceProblem::Forbidden,
        Cause::NotFound | Cause::NotServed => SourceProblem::NotFound,
        Cause::Gone => SourceProblem::UnknownRevision,
        Cause::TooLarge => SourceProblem::TooLarge,
        Cause::AlreadyExists | Cause::Conflict | Cause::Invalid => SourceProblem::Broken,
        Cause::TooManyRequests | Cause::Internal => SourceProblem::TimedOut,
    };
    SourceError::of(problem, address, "a fault of the simulation")
}

#[async_trait]
impl GitRemote for GatedGit {
    async fn list_refs(&self, repository: &Repository, _: &[String]) -> Result<Refs, SourceError> {
        self.ask("list refs", repository, |state, url| {
            let hosted = state.repositories.get_mut(url).ok_or_else(|| failure(Cause::NotFound, url))?;
            let news = hosted.head.iter().filter(|head| hosted.told.last() != Some(*head)).cloned().next();
            hosted.told.extend(news);
            let reference = |commit: &CommitId| Reference {
                name: "refs/heads/main".to_owned(),
                commit: commit.clone(),
                tag_object: None,
            };
            Ok(Refs {
                head_branch: Some("refs/heads/main".to_owned()),
                head: hosted.head.clone(),
                references: hosted.head.iter().map(reference).collect(),
            })
        })
        .await
    }

    async fn fetch(&self, repository: &Repository, commits: &[CommitId]) -> Result<(), SourceError> {
        // What is here needs no network.
        if commits.iter().all(|id| self.server.state().fetched.contains(id)) {
            return Ok(());
        }
        let commits = commits.to_vec();
        self.ask("fetch", repository, move |state, url| {
            for id in &commits {
                if !state.is_reachable(url, id) {
                    return Err(unknown(url, id.as_str()));
                }
            }
            state.fetched.extend(commits);
            Ok(())
        })
        .await
    }

    async fn find_commit(&self, repository: &Repository, prefix: &str) -> Result<CommitId, SourceError> {
        let prefix = prefix.to_owned();
        self.ask("find commit", repository, move |state, url| {
            let hosted = state.repositories.get(url).ok_or_else(|| failure(Cause::NotFound, url))?;
            let mut found = hosted.made.keys().filter(|id| id.as_str().starts_with(&prefix));
            match (found.next(), found.next()) {
                (Some(id), None) => Ok(id.clone()),
                _ => Err(unknown(url, &prefix)),
            }
        })
        .await
    }

    async fn tree(&self, repository: &Repository, commit: &CommitId) -> Result<Arc<dyn Tree>, SourceError> {
        let commit = commit.clone();
        self.ask("tree", repository, move |state, url| Ok(state.made(url, &commit)?.tree.clone() as Arc<dyn Tree>))
            .await
    }

    async fn commit(&self, repository: &Repository, commit: &CommitId) -> Result<Commit, SourceError> {
        let id = commit.clone();
        self.ask("commit", repository, move |state, url| {
            let made = state.made(url, &id)?;
            let person = Person { name: "somebody".to_owned(), email: "somebody@example.test".to_owned() };
            Ok(Commit {
                tree: format!("{:016x}", digest(&made.files)),
                parents: made.parent.iter().cloned().collect(),
                author: person.clone(),
                authored_at: made.at,
                committer: person,
                committed_at: made.at,
                message: "a change".to_owned(),
                signature: None,
                id,
            })
        })
        .await
    }

    async fn is_ancestor(
        &self,
        repository: &Repository,
        ancestor: &CommitId,
        descendant: &CommitId,
    ) -> Result<bool, SourceError> {
        let (ancestor, descendant) = (ancestor.clone(), descendant.clone());
        self.ask("is ancestor", repository, move |state, url| {
            let mut at = Some(descendant);
            while let Some(id) = at {
                if id == ancestor {
                    return Ok(true);
                }
                at = state.made(url, &id)?.parent.clone();
            }
            Ok(false)
        })
        .await
    }

    async fn changed_paths(
        &self,
        repository: &Repository,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<ChangedPath>, SourceError> {
        let (from, to) = (from.clone(), to.clone());
        self.ask("changed paths", repository, move |state, url| {
            let (before, after) = (&state.made(url, &from)?.files, &state.made(url, &to)?.files);
            let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let change = |path: &&String| match (before.get(*path), after.get(*path)) {
                (None, Some(_)) => Some(PathChange::Added),
                (Some(_), None) => Some(PathChange::Removed),
                (old, new) => (old != new).then_some(PathChange::Modified),
            };
            Ok(paths
                .into_iter()
                .filter_map(|path| Some(ChangedPath { path: path.clone(), how: change(&path)? }))
                .collect())
        })
        .await
    }

    async fn commit_and_push(&self, repository: &Repository, change: &Change) -> Result<CommitId, SourceError> {
        let url = repository.url.clone();
        let fail = |cause| failure(cause, &url);
        self.gate
            .pass((Port::Git, "push", Effect::Writes), url.clone(), fail, async {
                let head = self.server.head(&url);
                let mut files =
                    head.as_ref().and_then(|head| self.server.files(&url, head.as_str())).unwrap_or_default();
                for (path, content) in &change.files {
                    match content {
                        Some(bytes) => files.insert(path.clone(), String::from_utf8_lossy(bytes).into_owned()),
                        None => files.remove(path),
                    };
                }
                Ok(self.server.commit(&url, &files, History::Continued, change.at))
            })
            .await
    }
}
