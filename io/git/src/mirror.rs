//! One repository on disk: a local one opened as it is, or a bare mirror that we fetch into.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use landfall_repository::address::{self, Address};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::CommitId;
use sha2::{Digest, Sha256};

use crate::settings::Settings;
use crate::tree::Listing;
use crate::work::Work;

/// The references that keep fetched commits from being forgotten, and tell the server what we have.
const PINS: &str = "refs/landfall/pins";

/// Counts the pins that are kept: every one is looked at in every fetch.
const PINS_MAX: usize = 256;

/// Counts pack indices that one open repository can hold; every fetch adds at most one.
const PACKS_MAX: u16 = 8192;

/// Counts the idle handles that are kept: each has caches of its own, and more than the cores are never busy.
const HANDLES_MAX: usize = 8;

/// Counts the directory listings that are kept for one repository, about 100 bytes and its names each.
const LISTINGS_MAX: usize = 50_000;

/// Says where the objects come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A repository of this machine, read where it is.
    Local,
    /// Our own mirror of a repository elsewhere.
    Mirror,
}

/// An open repository, shared by everybody who reads it.
pub(crate) struct Mirror {
    /// Where the objects come from.
    pub(crate) place: Place,
    /// Held while fetching: two fetches at once would ask for the same objects twice.
    pub(crate) fetching: tokio::sync::Mutex<()>,
    repository: gix::ThreadSafeRepository,
    handles: Mutex<Vec<gix::Repository>>,
    listings: Mutex<HashMap<ObjectId, Arc<Listing>>>,
}

impl Mirror {
    /// Opens the repository at `url`: where it is if that is a folder, else its mirror, which is made if need be.
    ///
    /// Errors: `Invalid` address, `NotFound` for a folder without repository, `Broken` if the cache cannot be written.
    pub(crate) fn open(url: &str, settings: &Settings) -> Result<Self, SourceError> {
        let address =
            address::parse(url).map_err(|error| SourceError::of(SourceProblem::Invalid, url, error.reason))?;
        let (repository, place) = match &address {
            Address::Local { path } => (open_local(url, Path::new(path))?, Place::Local),
            Address::Http { .. } | Address::Ssh { .. } => (open_mirror(url, settings)?, Place::Mirror),
            Address::Oci { .. } => {
                let reason = "it is the address of an OCI registry, not of a Git repository";
                return Err(SourceError::of(SourceProblem::Invalid, url, reason));
            }
        };
        Ok(Self {
            place,
            fetching: tokio::sync::Mutex::default(),
            repository,
            handles: Mutex::default(),
            listings: Mutex::default(),
        })
    }

    /// Lends a handle to `read`; handles are reused, because their caches pay off.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&gix::Repository) -> T) -> T {
        let idle = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let handle = idle.unwrap_or_else(|| self.repository.to_thread_local());
        let answer = read(&handle);
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.len() < HANDLES_MAX {
            handles.push(handle);
        }
        answer
    }

    /// Returns a handle of one's own, for work that configures it.
    pub(crate) fn handle(&self) -> gix::Repository {
        self.repository.to_thread_local()
    }

    /// Names the folder of the Git data.
    pub(crate) fn directory(&self) -> &Path {
        self.repository.git_dir()
    }

    /// Returns a directory's listing from the cache, or makes it with `read` and keeps it: trees never change.
    pub(crate) fn listing<E>(
        &self,
        id: ObjectId,
        read: impl FnOnce() -> Result<Listing, E>,
    ) -> Result<Arc<Listing>, E> {
        if let Some(listing) = self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(listing.clone());
        }
        let listing = Arc::new(read()?);
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if listings.len() >= LISTINGS_MAX {
            listings.clear();
        }
        listings.insert(id, listing.clone());
        Ok(listing)
    }

    /// Says whether a commit is here.
    pub(crate) fn has_commit(&self, commit: &CommitId) -> bool {
        let Ok(id) = ObjectId::from_hex(commit.as_str().as_bytes()) else { return false };
        self.with(|repository| repository.find_header(id).is_ok_and(|header| header.kind() == gix::objs::Kind::Commit))
    }

    /// Counts the packs on disk.
    pub(crate) fn pack_count(&self) -> usize {
        let packs = fs::read_dir(self.repository.objects_dir().join("pack")).into_iter().flatten().flatten();
        packs.filter(|file| file.path().extension().is_some_and(|end| end == "pack")).count()
    }

    /// Makes all packs one with the `git` program. Readers go on: an open pack stays readable, and whoever misses one
    /// looks for the new one.
    pub(crate) fn compact(&self, settings: &Settings, work: &Work) {
        let mut command = tokio::process::Command::new(&settings.git_program);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.arg("--git-dir").arg(self.directory()).args(["repack", "-a", "-d", "--quiet"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let _entered = work.runtime.enter();
        let outcome = command.spawn().and_then(|child| work.wait_in_all(child.wait_with_output())?);
        match outcome {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                tracing::warn!(mirror = %self.directory().display(), error = %said.trim(), "packs stay as they are");
            }
            Err(error) => {
                tracing::debug!(mirror = %self.directory().display(), %error, "packs stay as they are: no git program");
            }
        }
    }

    /// Keeps fetched commits, so that the next fetch builds on them.
    pub(crate) fn pin<'a>(&self, commits: impl IntoIterator<Item = &'a CommitId>) -> io::Result<()> {
        let directory = self.directory().join(PINS);
        fs::create_dir_all(&directory)?;
        for commit in commits {
            let mut file = tempfile::NamedTempFile::new_in(self.directory())?;
            io::Write::write_all(&mut file, format!("{commit}\n").as_bytes())?;
            file.persist(directory.join(commit.as_str())).map_err(|error| error.error)?;
        }
        let mut pins = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            pins.push((entry.metadata()?.modified()?, entry.path()));
        }
        if pins.len() > PINS_MAX {
            pins.sort();
            for (_, path) in &pins[..pins.len() - PINS_MAX / 2] {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn options() -> gix::open::Options {
    // Nothing of the machine's configuration may change what we read.
    gix::open::Options::isolated().object_store_slots(gix::odb::store::init::Slots::Given(PACKS_MAX))
}

fn open_local(url: &str, path: &Path) -> Result<gix::ThreadSafeRepository, SourceError> {
    if !path.exists() {
        return Err(SourceError::of(SourceProblem::NotFound, url, "there is no such folder")
            .hinting("Check the path; inside a container or cluster the folders of your machine are not there."));
    }
    options().open(path).map_err(|error| {
        let reason = format!("the folder is no Git repository that can be read: {error}");
        SourceError::of(SourceProblem::NotFound, url, reason)
            .hinting("Run `git init`, add the files and commit them, or give the path of a repository.")
    })
}

/// Names the folder of a mirror: a few readable characters of the address and its digest. Spellings that differ get
/// mirrors of their own, because on some servers upper and lower case are different repositories.
pub(crate) fn mirror_directory(url: &str, settings: &Settings) -> PathBuf {
    let shown = address::without_credentials(url.trim());
    let digest: String = Sha256::digest(shown.as_bytes()).iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    let last = shown.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    settings.cache_directory.join(format!("{name}-{digest}.git"))
}

fn open_mirror(url: &str, settings: &Settings) -> Result<gix::ThreadSafeRepository, SourceError> {
    let directory = mirror_directory(url, settings);
    if directory.exists() {
        match options().open(&directory) {
            Ok(repository) => return Ok(repository),
            // A mirror holds nothing that the server does not: a damaged one is made again.
            Err(error) => {
                tracing::warn!(repository = %address::without_credentials(url), %error, "damaged mirror is made again");
                fs::remove_dir_all(&directory).map_err(|error| unwritable(url, &directory, &error))?;
            }
        }
    }
    let cache = &settings.cache_directory;
    fs::create_dir_all(cache).map_err(|error| unwritable(url, cache, &error))?;
    // Made beside and moved into place, so that a crash leaves no half-made mirror behind.
    let beside = tempfile::Builder::new().prefix("new-").tempdir_in(cache).map_err(|e| unwritable(url, cache, &e))?;
    gix::ThreadSafeRepository::init(beside.path(), gix::create::Kind::Bare, gix::create::Options::default())
        .map_err(|error| SourceError::of(SourceProblem::Broken, url, format!("cannot make a mirror: {error}")))?;
    let beside = beside.keep();
    if let Err(error) = fs::rename(&beside, &directory) {
        fs::remove_dir_all(&beside).ok();
        // Somebody else was faster: theirs is as good as ours.
        if !directory.join("HEAD").exists() {
            return Err(unwritable(url, &directory, &error));
        }
    }
    options().open(&directory).map_err(|error| {
        SourceError::of(SourceProblem::Broken, url, format!("cannot open the mirror just made: {error}"))
    })
}

fn unwritable(url: &str, path: &Path, error: &io::Error) -> SourceError {
    let reason = format!("cannot write to the cache folder {}: {error}", path.display());
    SourceError::of(SourceProblem::Broken, url, reason)
        .hinting("Check that the folder is writable and the disk not full.")
}
