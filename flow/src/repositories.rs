//! Git repositories in use: one listing of references per repository and poll, shared by all applications that read it.
//!
//! ```text
//! poll (interval + jitter) / webhook / refresh --> list_refs --> changed? --> "look again": applications of the repository
//! application --> resolve(revision) --> commit --> fetch if missing --> tree
//! ```
//! Listings are answered from memory while they are young enough; a listing under way is shared by all who wait for it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use landfall_ports::clock::Clock;
use landfall_ports::git::GitRemote;
use landfall_repository::address;
use landfall_repository::lookup::{self, Access};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::{CommitId, Refs};
use landfall_repository::repository::Repository;
use landfall_repository::revision::{Resolved, resolve};
use landfall_tree::Tree;

/// How many opened trees are kept; one is a few pointers and a cache of directories.
const TREES_MAX: usize = 64;

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the last poll.
    Polled,
    /// Not older than this moment of elapsed time ([`Clock::elapsed`]): a person or a webhook asked.
    Since(Duration),
}

/// Which repository, as applications write its address, and for which project: that decides which Secrets may be used.
type RepositoryKey = (String, String);

#[derive(Default)]
struct Known {
    refs: Option<Arc<Refs>>,
    failure: Option<SourceError>,
    asked_at: Option<Duration>,
    /// Counts the pushes that were told of; an answer that was asked for before the last one may be older than it.
    pushes: u64,
    asked_after_pushes: u64,
    last_used: Option<Duration>,
    /// References besides branches and tags that some application names in full (`refs/pull/7/head`).
    extra: BTreeSet<String>,
}

struct Slot {
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
}

/// The repositories in use.
pub struct Repositories {
    git: Arc<dyn GitRemote>,
    clock: Arc<dyn Clock>,
    poll_interval: Duration,
    lookup: RwLock<Arc<lookup::Repositories>>,
    slots: Mutex<HashMap<RepositoryKey, Arc<Slot>>>,
    trees: Mutex<Vec<(String, CommitId, Arc<dyn Tree>)>>,
}

impl Repositories {
    /// Starts knowing none.
    pub fn of(git: Arc<dyn GitRemote>, clock: Arc<dyn Clock>, poll_interval: Duration) -> Self {
        let lookup = RwLock::new(Arc::new(lookup::Repositories::default()));
        let (slots, trees) = (Mutex::new(HashMap::new()), Mutex::new(Vec::new()));
        Self { git, clock, poll_interval, lookup, slots, trees }
    }

    /// Puts the Secrets that say how repositories are reached in place. What failed is asked again.
    pub fn configure(&self, configured: lookup::Repositories) {
        *self.lookup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configured);
        for slot in self.slots().values() {
            let mut known = lock(&slot.known);
            if known.failure.is_some() {
                known.asked_at = None;
            }
        }
    }

    /// How a repository is reached for a project.
    pub fn repository(&self, url: &str, project: &str) -> Repository {
        let lookup = self.lookup.read().unwrap_or_else(PoisonError::into_inner).clone();
        lookup.find(url, project, Access::Read)
    }

    /// The Secrets in place.
    pub fn configured(&self) -> Arc<lookup::Repositories> {
        self.lookup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lists the references of a repository now, whoever uses it.
    pub async fn list(&self, repository: &Repository) -> Result<Refs, SourceError> {
        self.git.list_refs(repository, &[]).await
    }

    /// Resolves a revision to a commit that is here afterwards.
    pub async fn resolve(
        &self,
        url: &str,
        project: &str,
        revision: &str,
        tag_prefix: &str,
        freshness: Freshness,
    ) -> Result<CommitId, SourceError> {
        let repository = self.repository(url, project);
        let commit = match CommitId::parse(revision.trim()) {
            // A full id needs no listing.
            Ok(commit) => commit,
            Err(_) => {
                self.want_reference(url, project, revision.trim());
                let refs = self.refs(url, project, freshness).await?;
                let unknown = |error: &dyn std::fmt::Display| {
                    SourceError::of(SourceProblem::UnknownRevision, url, error.to_string())
                };
                match resolve(&refs, revision, tag_prefix).map_err(|error| unknown(&error))? {
                    Resolved::Commit { commit, .. } => commit,
                    Resolved::ShortId(prefix) => self.git.find_commit(&repository, &prefix).await?,
                }
            }
        };
        // What is open is here: most passes are about a commit that another application asked for already.
        if !lock(&self.trees).iter().any(|(of, at, _)| of == url && *at == commit) {
            self.git.fetch(&repository, std::slice::from_ref(&commit)).await?;
        }
        Ok(commit)
    }

    /// Opens the files of a commit that was resolved.
    pub async fn tree(&self, url: &str, project: &str, commit: &CommitId) -> Result<Arc<dyn Tree>, SourceError> {
        let name = url.to_owned();
        {
            let mut trees = lock(&self.trees);
            if let Some(found) = trees.iter().position(|(of, at, _)| *of == name && at == commit) {
                let entry = trees.remove(found);
                let tree = entry.2.clone();
                trees.push(entry);
                return Ok(tree);
            }
        }
        let tree = self.git.tree(&self.repository(url, project), commit).await?;
        let mut trees = lock(&self.trees);
        if trees.len() >= TREES_MAX {
            trees.remove(0);
        }
        trees.push((name, commit.clone(), tree.clone()));
        Ok(tree)
    }

    /// Reads what a commit says about itself.
    pub async fn commit(
        &self,
        url: &str,
        project: &str,
        commit: &CommitId,
    ) -> Result<landfall_ports::git::Commit, SourceError> {
        self.git.commit(&self.repository(url, project), commit).await
    }

    /// Lists every repository whose poll is due, asks it, and returns the addresses whose references changed or which
    /// failed or recovered.
    pub async fn poll(&self) -> Vec<String> {
        let now = self.clock.elapsed();
        let due: Vec<RepositoryKey> = {
            let slots = self.slots();
            let is_due = |key: &RepositoryKey, slot: &Slot| {
                let interval = self.poll_interval + jitter(key, self.poll_interval);
                lock(&slot.known).asked_at.is_some_and(|at| now.saturating_sub(at) >= interval)
            };
            slots.iter().filter(|(key, slot)| is_due(key, slot)).map(|(key, _)| key.clone()).collect()
        };
        let asked = futures::future::join_all(due.into_iter().map(|(url, project)| async move {
            let before = self.state_of(&url, &project);
            let _told_by_state = self.refs(&url, &project, Freshness::Since(now)).await;
            (before != self.state_of(&url, &project)).then_some(url)
        }))
        .await;
        asked.into_iter().flatten().collect()
    }

    /// Makes the next question about a repository go to the server, whoever asks it. Returns whether anybody uses it.
    pub fn expire(&self, url: &str) -> bool {
        let wanted = address::normalized(url);
        let mut is_used = false;
        for ((known, _), slot) in self.slots().iter() {
            if address::normalized(known) == wanted {
                let mut known = lock(&slot.known);
                known.asked_at = None;
                known.pushes += 1;
                is_used = true;
            }
        }
        is_used
    }

    /// Forgets repositories that nobody asked about since `before`.
    pub fn forget_unused(&self, before: Duration) {
        self.slots().retain(|_, slot| lock(&slot.known).last_used.is_none_or(|used| used >= before));
    }

    /// Makes the listing include a reference that is named in full and is no branch or tag.
    fn want_reference(&self, url: &str, project: &str, revision: &str) {
        let is_listed_anyway = revision.starts_with("refs/heads/") || revision.starts_with("refs/tags/");
        if revision.starts_with("refs/") && !is_listed_anyway {
            let slot = self.slot(url, project);
            let mut known = lock(&slot.known);
            if known.extra.insert(revision.to_owned()) {
                known.asked_at = None;
            }
        }
    }

    async fn refs(&self, url: &str, project: &str, freshness: Freshness) -> Result<Arc<Refs>, SourceError> {
        let slot = self.slot(url, project);
        lock(&slot.known).last_used = Some(self.clock.elapsed());
        if let Some(answer) = self.answer(&slot, freshness) {
            return answer;
        }
        let _one_at_a_time = slot.asking.lock().await;
        if let Some(answer) = self.answer(&slot, freshness) {
            return answer;
        }
        let asked_at = self.clock.elapsed();
        let (extra, pushes): (Vec<String>, u64) = {
            let known = lock(&slot.known);
            (known.extra.iter().cloned().collect(), known.pushes)
        };
        let answer = self.git.list_refs(&self.repository(url, project), &extra).await;
        let mut known = lock(&slot.known);
        known.asked_at = Some(asked_at);
        known.asked_after_pushes = pushes;
        match answer {
            Ok(refs) => {
                if known.refs.as_deref() != Some(&refs) {
                    known.refs = Some(Arc::new(refs));
                }
                known.failure = None;
                Ok(known.refs.clone().expect("set above"))
            }
            Err(error) => {
                known.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The answer in memory, if it is young enough. A failure is an answer too: it is not asked for again by every
    /// application in turn.
    fn answer(&self, slot: &Slot, freshness: Freshness) -> Option<Result<Arc<Refs>, SourceError>> {
        let known = lock(&slot.known);
        let asked_at = known.asked_at?;
        let is_fresh = match freshness {
            Freshness::Polled => self.clock.elapsed().saturating_sub(asked_at) < self.poll_interval * 2,
            Freshness::Since(moment) => asked_at >= moment,
        };
        if !is_fresh || known.asked_after_pushes < known.pushes {
            return None;
        }
        match (&known.failure, &known.refs) {
            (Some(error), _) => Some(Err(error.clone())),
            (None, Some(refs)) => Some(Ok(refs.clone())),
            (None, None) => None,
        }
    }

    fn state_of(&self, url: &str, project: &str) -> (Option<Arc<Refs>>, Option<SourceError>) {
        let slot = self.slot(url, project);
        let known = lock(&slot.known);
        (known.refs.clone(), known.failure.clone())
    }

    fn slot(&self, url: &str, project: &str) -> Arc<Slot> {
        let key = (url.to_owned(), project.to_owned());
        let new = || Arc::new(Slot { known: Mutex::default(), asking: tokio::sync::Mutex::new(()) });
        self.slots().entry(key).or_insert_with(new).clone()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<RepositoryKey, Arc<Slot>>> {
        lock(&self.slots)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spreads polls over half an interval more, always the same for one repository.
fn jitter(key: &RepositoryKey, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    interval.mul_f64((hasher.finish() % 1000) as f64 / 2000.0)
}
