//! Where mirrors live, how long the network may take, and how much is too much.

use std::path::PathBuf;
use std::time::Duration;

/// Holds what a [`crate::client::GitClient`] is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for bare mirrors; made when first used. Nothing in it is needed after a restart, it only saves time.
    pub cache_directory: PathBuf,
    /// How long name look-up and connection may take.
    pub connect_timeout: Duration,
    /// How long a server may be silent. Argo CD's default for a request is 15 s; servers that count objects send a sign
    /// of life every 5 s.
    pub idle_timeout: Duration,
    /// How long listing references may take in all.
    pub list_timeout: Duration,
    /// How long fetching or pushing may take in all.
    pub fetch_timeout: Duration,
    /// The most bytes that one fetch may receive.
    pub pack_bytes_max: u64,
    /// The largest file that is read.
    pub file_bytes_max: u64,
    /// Whether submodules are fetched with their repository, as Argo CD does unless told otherwise
    /// (`reposerver.enable.git.submodule`).
    pub submodules_wanted: bool,
    /// How many packs a mirror may have before they are made one, if there is a `git` program: every fetch adds a pack,
    /// and every look-up asks all of them.
    pub packs_max: usize,
    /// The `ssh` program.
    pub ssh_program: PathBuf,
    /// The `git` program, for pushing and for making packs one.
    pub git_program: PathBuf,
}

impl Settings {
    /// Makes settings with the defaults of every limit.
    pub fn in_directory(cache_directory: impl Into<PathBuf>) -> Self {
        Self {
            cache_directory: cache_directory.into(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            list_timeout: Duration::from_secs(60),
            fetch_timeout: Duration::from_secs(600),
            pack_bytes_max: 4 << 30,
            file_bytes_max: 64 << 20,
            submodules_wanted: true,
            packs_max: 50,
            ssh_program: "ssh".into(),
            git_program: "git".into(),
        }
    }
}
