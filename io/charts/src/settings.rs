//! Where copies live, how long the network may take, and how much is too much.

use std::path::PathBuf;
use std::time::Duration;

/// Holds what a [`crate::client::ChartClient`] is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for copies of indexes and charts; made when first used. Nothing in it is needed after a restart.
    pub cache_directory: PathBuf,
    /// How long name look-up and connection may take.
    pub connect_timeout: Duration,
    /// How long a server may be silent.
    pub idle_timeout: Duration,
    /// How long one request may take in all.
    pub request_timeout: Duration,
    /// How long an index is taken as current without asking the server: many applications of one repository are
    /// reconciled together, and need not all ask.
    pub index_age_max: Duration,
    /// The largest index; Helm's biggest public ones have about 20 MB.
    pub index_bytes_max: u64,
    /// The largest chart archive.
    pub chart_bytes_max: u64,
    /// The largest remote values file.
    pub file_bytes_max: u64,
}

impl Settings {
    /// Makes settings with the defaults of every limit.
    pub fn in_directory(cache_directory: impl Into<PathBuf>) -> Self {
        Self {
            cache_directory: cache_directory.into(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(120),
            index_age_max: Duration::from_secs(10),
            index_bytes_max: landfall_repository::chart_index::INDEX_BYTES_MAX as u64,
            chart_bytes_max: 100 << 20,
            file_bytes_max: 16 << 20,
        }
    }
}
