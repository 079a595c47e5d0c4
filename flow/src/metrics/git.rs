//! Git repositories, with every request counted and timed. It changes nothing of what is asked or answered.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_ports::clock::Clock;
use landfall_ports::git::{Change, ChangedPath, Commit, GitRemote};
use landfall_repository::address;
use landfall_repository::problem::SourceError;
use landfall_repository::refs::{CommitId, Refs};
use landfall_repository::repository::Repository;
use landfall_tree::Tree;

use super::{Count, Metrics};

/// What took less was answered from what is here already, without the network, and is not counted as a fetch: only the
/// implementation knows, and a request to another machine takes longer.
const LOCAL_ANSWER_SECONDS: f64 = 0.002;

/// Counts and times what another does.
pub struct MeasuredGit {
    /// Who does it.
    pub git: Arc<dyn GitRemote>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl MeasuredGit {
    fn seconds_since(&self, began: Timestamp) -> f64 {
        self.clock.now().duration_since(began).as_secs_f64()
    }

    fn told(&self, repository: &Repository, request_type: &str, seconds: f64, failures: &Count, has_failed: bool) {
        let repo = ("repo", address::without_credentials(&repository.url));
        let labels = vec![repo.clone(), ("request_type", request_type.to_owned())];
        self.metrics.git_requests.get_or_create(&labels).inc();
        self.metrics.git_times.get_or_create(&labels).observe(seconds);
        if has_failed {
            failures.get_or_create(&vec![repo]).inc();
        }
    }
}

#[async_trait]
impl GitRemote for MeasuredGit {
    async fn list_refs(&self, repository: &Repository, extra_prefixes: &[String]) -> Result<Refs, SourceError> {
        let began = self.clock.now();
        let answer = self.git.list_refs(repository, extra_prefixes).await;
        let failures = &self.metrics.git_listing_failures;
        self.told(repository, "ls-remote", self.seconds_since(began), failures, answer.is_err());
        answer
    }

    async fn fetch(&self, repository: &Repository, commits: &[CommitId]) -> Result<(), SourceError> {
        let began = self.clock.now();
        let answer = self.git.fetch(repository, commits).await;
        let seconds = self.seconds_since(began);
        if answer.is_err() || seconds >= LOCAL_ANSWER_SECONDS {
            self.told(repository, "fetch", seconds, &self.metrics.git_fetch_failures, answer.is_err());
        }
        answer
    }

    async fn find_commit(&self, repository: &Repository, prefix: &str) -> Result<CommitId, SourceError> {
        self.git.find_commit(repository, prefix).await
    }

    async fn tree(&self, repository: &Repository, commit: &CommitId) -> Result<Arc<dyn Tree>, SourceError> {
        self.git.tree(repository, commit).await
    }

    async fn commit(&self, repository: &Repository, commit: &CommitId) -> Result<Commit, SourceError> {
        self.git.commit(repository, commit).await
    }

    async fn is_ancestor(
        &self,
        repository: &Repository,
        ancestor: &CommitId,
        descendant: &CommitId,
    ) -> Result<bool, SourceError> {
        self.git.is_ancestor(repository, ancestor, descendant).await
    }

    async fn changed_paths(
        &self,
        repository: &Repository,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<ChangedPath>, SourceError> {
        self.git.changed_paths(repository, from, to).await
    }

    async fn commit_and_push(&self, repository: &Repository, change: &Change) -> Result<CommitId, SourceError> {
        self.git.commit_and_push(repository, change).await
    }
}
