//! The client: one entry per repository, blocking work off the async threads, one network operation each at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use gix_transport::Protocol;
use gix_transport::client::blocking_io::Transport;
use gix_transport::client::blocking_io::http::Transport as HttpExchange;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;
use landfall_http::Clients;
use landfall_ports::git::{Change, ChangedPath, Commit, GitRemote};
use landfall_repository::address::{self, Address};
use landfall_repository::problem::{Fault, SourceError, SourceProblem};
use landfall_repository::refs::{CommitId, Reference, Refs};
use landfall_repository::repository::Repository;
use landfall_tree::Tree;
use tokio_util::sync::CancellationToken;

use crate::history;
use crate::http::HttpTransport;
use crate::large::{self, Contents};
use crate::mirror::{Mirror, Place, mirror_directory};
use crate::settings::Settings;
use crate::ssh;
use crate::submodules::{self, Mounted};
use crate::tree::GitTree;
use crate::wire::{self, Wanted};
use crate::work::Work;
use crate::write;

/// Reads and writes Git repositories. Cheap to clone; clones share mirrors, connections and caches.
#[derive(Clone)]
pub struct GitClient {
    inner: Arc<Inner>,
}

/// A tree being opened; boxed, because a submodule may have submodules.
type Opening<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn Tree>, SourceError>> + Send + 'a>>;

struct Inner {
    settings: Settings,
    clients: Clients,
    mirrors: Mutex<HashMap<String, Arc<Mirror>>>,
    /// Held while a repository is opened, which is quick: two at once would make two mirrors.
    opening: tokio::sync::Mutex<()>,
}

impl GitClient {
    /// Makes a client; nothing is opened or made yet.
    pub fn with_settings(settings: Settings) -> Self {
        let clients = Clients::with_timeouts(settings.connect_timeout, settings.idle_timeout);
        Self {
            inner: Arc::new(Inner {
                settings,
                clients,
                mirrors: Mutex::default(),
                opening: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Counts the bytes of all mirrors on disk.
    pub async fn disk_use_bytes(&self) -> u64 {
        let directory = self.inner.settings.cache_directory.clone();
        tokio::task::spawn_blocking(move || size_of(&directory)).await.unwrap_or_default()
    }

    /// Removes the mirrors that nobody fetched into for `unused`, apart from those of `keep` (addresses), and returns
    /// the bytes freed. Trees that are open go on working as long as they are held, on systems where a removed file
    /// stays readable.
    pub async fn clean(&self, keep: &[String], unused: Duration) -> u64 {
        let inner = self.inner.clone();
        let keep: Vec<_> = keep.iter().map(|url| mirror_directory(url, &inner.settings)).collect();
        let clean = move || {
            let mut freed_bytes = 0;
            let Ok(entries) = fs::read_dir(&inner.settings.cache_directory) else { return 0 };
            for path in entries.flatten().map(|entry| entry.path()).filter(|path| !keep.contains(path)) {
                let touched = |below: &str| fs::metadata(path.join(below)).and_then(|data| data.modified()).ok();
                let last = touched("refs/landfall/pins").max(touched("HEAD"));
                let age = last.and_then(|last| SystemTime::now().duration_since(last).ok());
                if age.is_none_or(|age| age < unused) {
                    continue;
                }
                let mut mirrors = inner.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
                mirrors.retain(|_, mirror| mirror.directory() != path);
                let bytes = size_of(&path);
                if fs::remove_dir_all(&path).is_ok() {
                    freed_bytes += bytes;
                }
            }
            freed_bytes
        };
        tokio::task::spawn_blocking(clean).await.unwrap_or_default()
    }

    /// Runs blocking work; when the returned future is dropped, the work is called off.
    async fn run<T: Send + 'static>(
        &self,
        url: &str,
        total: Duration,
        work: impl FnOnce(&Inner, &Work) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let cancel = CancellationToken::new();
        let _called_off_when_dropped = cancel.clone().drop_guard();
        let companion = Work::start(url, self.inner.settings.idle_timeout, total, cancel);
        let inner = self.inner.clone();
        let joined = tokio::task::spawn_blocking(move || work(&inner, &companion)).await;
        joined.unwrap_or_else(|error| {
            let reason = format!("the work on it ended unexpectedly ({error}); this is a bug of Landfall");
            Err(SourceError::of(SourceProblem::Broken, url, reason))
        })
    }

    /// Opens the repository, or returns the open one.
    async fn mirror(&self, url: &str) -> Result<Arc<Mirror>, SourceError> {
        if let Some(mirror) = self.inner.known(url) {
            return Ok(mirror);
        }
        let _one_at_a_time = self.inner.opening.lock().await;
        if let Some(mirror) = self.inner.known(url) {
            return Ok(mirror);
        }
        let key = url.to_owned();
        let open = move |inner: &Inner, _: &Work| {
            let opened = Arc::new(Mirror::open(&key, &inner.settings)?);
            let mut mirrors = inner.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(mirrors.entry(key).or_insert(opened).clone())
        };
        self.run(url, self.inner.settings.list_timeout, open).await
    }

    /// Opens the files of a commit, and those of its submodules below it.
    fn tree_with_submodules(&self, repository: Repository, commit: CommitId, nesting: usize) -> Opening<'_> {
        Box::pin(async move {
            let large = Arc::new(self.large_files(&repository, &commit).await?);
            let (of, parent) = (commit.clone(), repository.clone());
            let open = move |mirror: &Arc<Mirror>, inner: &Inner, url: &str| {
                let root = history::root(mirror, url, &of)?;
                let file_bytes_max = inner.settings.file_bytes_max;
                let tree = GitTree { mirror: mirror.clone(), root, file_bytes_max, large };
                let submodules = match inner.settings.submodules_wanted {
                    true if nesting < submodules::NESTING_MAX => submodules::listed(&tree, &parent),
                    true | false => Vec::new(),
                };
                Ok((Arc::new(tree) as Arc<dyn Tree>, submodules))
            };
            let (tree, listed) = self.read(&repository, open).await?;
            if listed.is_empty() {
                return Ok(tree);
            }
            let mut mounts = BTreeMap::new();
            for submodule in listed {
                let mounted = async {
                    let inner = submodule.repository?;
                    self.fetch(&inner, std::slice::from_ref(&submodule.commit)).await?;
                    self.tree_with_submodules(inner, submodule.commit, nesting + 1).await
                };
                let mounted = mounted.await;
                // Calling off is not a property of the submodule, and what may pass must not be kept as it is.
                if let Err(error) = &mounted
                    && error.problem.fault() == Fault::Wait
                {
                    return Err(error.clone());
                }
                mounts.insert(submodule.path, mounted.map_err(|error| error.summary()));
            }
            Ok(Arc::new(Mounted { tree, mounts }) as Arc<dyn Tree>)
        })
    }

    /// Gets the contents of a commit's files in Git LFS, if the repository's Secret wants them.
    async fn large_files(&self, repository: &Repository, commit: &CommitId) -> Result<Contents, SourceError> {
        if !repository.large_files_wanted {
            return Ok(Contents::new());
        }
        let of = commit.clone();
        let find = move |mirror: &Arc<Mirror>, _: &Inner, url: &str| {
            let root = history::root(mirror, url, &of)?;
            large::stand_ins(mirror, root).map_err(|reason| SourceError::of(SourceProblem::Broken, url, reason))
        };
        let wanted = self.read(repository, find).await?;
        if wanted.is_empty() {
            return Ok(Contents::new());
        }
        let mirror = self.mirror(&repository.url).await?;
        let repository = self.inner.clients.signed_in(repository).await?;
        let fetching =
            large::fetch(&repository, &self.inner.clients, &mirror, &wanted, self.inner.settings.file_bytes_max);
        tokio::time::timeout(self.inner.settings.fetch_timeout, fetching).await.unwrap_or_else(|_| {
            Err(SourceError::of(
                SourceProblem::TimedOut,
                &repository.url,
                "its files in Git LFS did not arrive in time",
            ))
        })
    }

    /// Reads from a repository that is here.
    async fn read<T: Send + 'static>(
        &self,
        repository: &Repository,
        read: impl FnOnce(&Arc<Mirror>, &Inner, &str) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let mirror = self.mirror(&repository.url).await?;
        let url = repository.url.clone();
        self.run(&repository.url, self.inner.settings.fetch_timeout, move |inner, _| read(&mirror, inner, &url)).await
    }
}

impl Inner {
    fn known(&self, url: &str) -> Option<Arc<Mirror>> {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned()
    }

    /// Connects, and runs one exchange of the protocol.
    fn exchange<T>(
        &self,
        repository: &Repository,
        work: &Work,
        speak: impl FnOnce(Box<dyn Transport>) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let invalid = |reason: String| work.error(SourceProblem::Invalid, reason);
        match address::parse(&repository.url).map_err(|error| invalid(error.reason))? {
            Address::Http { url, .. } => {
                let parsed = gix::url::parse(url.as_str()).map_err(|error| invalid(error.to_string()))?;
                let http = HttpTransport::to(repository, &self.clients, work, self.settings.pack_bytes_max)?;
                speak(Box::new(HttpExchange::new_http(http, parsed, Protocol::V2, false)))
            }
            Address::Ssh { user, host, port, path } => {
                if let Some(way) = repository.credentials.unsupported.first() {
                    let reason = format!("its repository Secret authenticates with {way}, which Landfall does not do");
                    return Err(work.error(SourceProblem::Unsupported, reason));
                }
                let target = ssh::Target { user: user.as_deref(), host: &host, port, path: &path };
                let process = ssh::connect(repository, &target, &self.settings, work)?;
                let nowhere = None::<(String, Option<u16>)>;
                let (reader, writer) = (process.reader, process.writer);
                let mode = ConnectMode::Process;
                let connection = Connection::new(reader, writer, Protocol::V2, path, nowhere, mode, false);
                speak(Box::new(connection.custom_url(Some(repository.shown().into()))))
            }
            Address::Local { .. } | Address::Oci { .. } => {
                Err(invalid("it is not reached over the network".to_owned()))
            }
        }
    }
}

#[async_trait]
impl GitRemote for GitClient {
    async fn list_refs(&self, repository: &Repository, extra_prefixes: &[String]) -> Result<Refs, SourceError> {
        if let Ok(Address::Local { .. }) = address::parse(&repository.url) {
            return self.read(repository, |mirror, _, url| local_refs(mirror, url)).await;
        }
        let (repository, prefixes) = (self.inner.clients.signed_in(repository).await?, extra_prefixes.to_vec());
        let url = repository.url.clone();
        let list = move |inner: &Inner, work: &Work| {
            inner.exchange(&repository, work, |transport| wire::list_refs(transport, &prefixes, work))
        };
        self.run(&url, self.inner.settings.list_timeout, list).await
    }

    async fn fetch(&self, repository: &Repository, commits: &[CommitId]) -> Result<(), SourceError> {
        let mirror = self.mirror(&repository.url).await?;
        if let Some(missing) = missing(&mirror, commits).await.first() {
            if mirror.place == Place::Local {
                return Err(gone(&repository.url, missing));
            }
        } else {
            return Ok(());
        }
        let _one_at_a_time = mirror.fetching.lock().await;
        // While we waited, another fetch may have brought them.
        let missing_commits = missing(&mirror, commits).await;
        if missing_commits.is_empty() {
            return Ok(());
        }
        let (repository, mirror) = (self.inner.clients.signed_in(repository).await?, mirror.clone());
        let url = repository.url.clone();
        let fetch = move |inner: &Inner, work: &Work| {
            let outcome = inner.exchange(&repository, work, |transport| {
                wire::fetch(transport, &mirror, &Wanted::Commits(&missing_commits), repository.depth, work)
            });
            match outcome {
                Err(error) if error.problem == SourceProblem::UnknownRevision => {
                    Err(gone(&repository.url, &missing_commits[0]))
                }
                Err(error) => Err(error),
                Ok(()) => match missing_commits.iter().find(|commit| !mirror.has_commit(commit)) {
                    Some(missing) => Err(gone(&repository.url, missing)),
                    None => {
                        if mirror.pack_count() > inner.settings.packs_max {
                            mirror.compact(&inner.settings, work);
                        }
                        Ok(())
                    }
                },
            }
        };
        self.run(&url, self.inner.settings.fetch_timeout, fetch).await
    }

    async fn find_commit(&self, repository: &Repository, prefix: &str) -> Result<CommitId, SourceError> {
        let mirror = self.mirror(&repository.url).await?;
        let wanted = prefix.to_ascii_lowercase();
        let found = {
            let wanted = wanted.clone();
            self.read(repository, move |mirror, _, url| history::with_prefix(mirror, url, &wanted)).await?
        };
        if !found.is_empty() || mirror.place == Place::Local {
            return only(&repository.url, &wanted, found);
        }
        let _one_at_a_time = mirror.fetching.lock().await;
        let (repository, mirror) = (self.inner.clients.signed_in(repository).await?, mirror.clone());
        let url = repository.url.clone();
        let search = move |inner: &Inner, work: &Work| {
            inner.exchange(&repository, work, |transport| {
                wire::fetch(transport, &mirror, &Wanted::Everything, repository.depth, work)
            })?;
            only(&repository.url, &wanted, history::with_prefix(&mirror, &repository.url, &wanted)?)
        };
        self.run(&url, self.inner.settings.fetch_timeout, search).await
    }

    async fn tree(&self, repository: &Repository, commit: &CommitId) -> Result<Arc<dyn Tree>, SourceError> {
        self.tree_with_submodules(repository.clone(), commit.clone(), 0).await
    }

    async fn commit(&self, repository: &Repository, commit: &CommitId) -> Result<Commit, SourceError> {
        let commit = commit.clone();
        self.read(repository, move |mirror, _, url| history::commit(mirror, url, &commit)).await
    }

    async fn is_ancestor(
        &self,
        repository: &Repository,
        ancestor: &CommitId,
        descendant: &CommitId,
    ) -> Result<bool, SourceError> {
        let (ancestor, descendant) = (ancestor.clone(), descendant.clone());
        self.read(repository, move |mirror, _, url| history::is_ancestor(mirror, url, &ancestor, &descendant)).await
    }

    async fn changed_paths(
        &self,
        repository: &Repository,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<ChangedPath>, SourceError> {
        let (from, to) = (from.clone(), to.clone());
        self.read(repository, move |mirror, _, url| history::changed_paths(mirror, url, &from, &to)).await
    }

    async fn commit_and_push(&self, repository: &Repository, change: &Change) -> Result<CommitId, SourceError> {
        let refs = self.list_refs(repository, &[]).await?;
        let current = refs.find(&format!("refs/heads/{}", change.branch)).map(|reference| reference.commit.clone());
        let base = change.base.clone().or_else(|| current.clone());
        if let Some(base) = &base {
            self.fetch(repository, std::slice::from_ref(base)).await?;
        }
        if current.is_some() && base != current {
            let reason =
                format!("the branch {} is no longer at {}", change.branch, base.as_ref().map_or("", |b| b.short()));
            return Err(SourceError::of(SourceProblem::Broken, &repository.url, reason));
        }
        let mirror = self.mirror(&repository.url).await?;
        let (repository, change) = (self.inner.clients.signed_in(repository).await?, change.clone());
        let url = repository.url.clone();
        let push = move |inner: &Inner, work: &Work| {
            let commit = write::commit(&mirror, &repository.url, base.as_ref(), &change)?;
            let expected = current.as_ref();
            write::push(&mirror, &repository, &change.branch, &commit, expected, &inner.settings, work)?;
            Ok(commit)
        };
        self.run(&url, self.inner.settings.fetch_timeout, push).await
    }
}

/// Lists the commits that are not here. Reads indices that are in memory most of the time.
async fn missing(mirror: &Arc<Mirror>, commits: &[CommitId]) -> Vec<CommitId> {
    let (mirror, commits) = (mirror.clone(), commits.to_vec());
    let look = move || commits.into_iter().filter(|commit| !mirror.has_commit(commit)).collect();
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn gone(url: &str, commit: &CommitId) -> SourceError {
    let reason = format!("it has no commit {commit}");
    SourceError::of(SourceProblem::UnknownRevision, url, reason)
        .hinting("It was never pushed, or its branch was force-pushed and the server forgot it. Check targetRevision.")
}

fn only(url: &str, prefix: &str, found: Vec<CommitId>) -> Result<CommitId, SourceError> {
    let unknown = |reason: String| SourceError::of(SourceProblem::UnknownRevision, url, reason);
    match found.as_slice() {
        [] => Err(unknown(format!("no branch, tag or commit {prefix:?}"))),
        [commit] => Ok(commit.clone()),
        several => {
            let few: Vec<_> = several.iter().take(5).map(CommitId::as_str).collect();
            let reason = format!("{prefix:?} is the beginning of several commits: {}", few.join(", "));
            Err(unknown(reason).hinting("Write more digits of the commit in targetRevision."))
        }
    }
}

fn local_refs(mirror: &Mirror, url: &str) -> Result<Refs, SourceError> {
    let broken = |error: &dyn std::fmt::Display| {
        SourceError::of(SourceProblem::Broken, url, format!("cannot read its references: {error}"))
    };
    let id = |id: &gix::oid| CommitId::parse(&id.to_string()).map_err(|error| broken(&error));
    mirror.with(|repository| {
        let mut refs = Refs::default();
        let platform = repository.references().map_err(|error| broken(&error))?;
        for reference in platform.all().map_err(|error| broken(&error))? {
            let mut reference = reference.map_err(|error| broken(&error))?;
            let name = reference.name().as_bstr().to_string();
            let direct = reference.try_id().map(|id| id.detach());
            // A reference to an object that is gone concerns only those who ask for it.
            let Ok(peeled) = reference.peel_to_id() else { continue };
            let peeled = peeled.detach();
            let tag_object = direct.filter(|direct| *direct != peeled).map(|tag| id(&tag)).transpose()?;
            refs.references.push(Reference { name, commit: id(&peeled)?, tag_object });
        }
        refs.references.sort_by(|a, b| a.name.cmp(&b.name));
        refs.head_branch =
            repository.head_name().map_err(|error| broken(&error))?.map(|name| name.as_bstr().to_string());
        refs.head = repository.head_id().ok().map(|head| id(&head)).transpose()?;
        Ok(refs)
    })
}

fn size_of(path: &Path) -> u64 {
    let Ok(data) = fs::symlink_metadata(path) else { return 0 };
    if !data.is_dir() {
        return data.len();
    }
    fs::read_dir(path).map(|entries| entries.flatten().map(|entry| size_of(&entry.path())).sum()).unwrap_or_default()
}
