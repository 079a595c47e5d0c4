//! Keeps every object in one SQLite file, so that a sandbox outlives its process.
//!
//! Flow: a write is applied in memory under the store's lock and handed to one writer task; the task puts whatever has
//! gathered meanwhile into one transaction (group commit) and then publishes the revision up to which all is on file.
//! Guarantee: a request is acknowledged only after its revision was published, so `kill -9` loses no acknowledged
//! write. Assumption: the machine stays up (WAL with `synchronous=NORMAL` does not wait for the disk at each commit).
//! Caveat: watchers in the same process may hear of a write a moment before it is on file; only the latest state is
//! kept, so after a restart older resourceVersions are answered with 410, as after a compaction.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};
use tokio::sync::{mpsc, watch};

use super::object::{ChangeKind, ObjectId, ResourceKey, Stored};

/// How many changes one transaction takes at most; bounds the latency of the first of them.
const TRANSACTION_CHANGES_MAX: usize = 1024;

/// Why the file could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or is not a sandbox file.
    #[error("cannot open the sandbox file {path}: {why}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// An object in the file is not what was written.
    #[error("the sandbox file holds an unreadable object {resource} {namespace}/{name}: {why}")]
    Unreadable {
        /// The object's resource.
        resource: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A write failed; nothing after it is acknowledged.
    #[error("cannot write the sandbox file: {0}")]
    Write(String),
}

/// What the writer task has reached.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// Everything up to this revision is on file.
    Durable(u64),
    /// Writing failed for good.
    Failed(String),
}

struct Record {
    id: ObjectId,
    revision: u64,
    /// The object with its kind, or nothing when it was deleted.
    body: Option<Bytes>,
}

/// The way to the writer task.
pub(crate) struct Journal {
    sender: mpsc::UnboundedSender<Record>,
    progress: watch::Receiver<Progress>,
}

/// One object read back from the file.
pub(crate) struct Restored {
    /// Its resource.
    pub(crate) resource: ResourceKey,
    /// The object.
    pub(crate) value: Value,
    /// The revision at which it was written.
    pub(crate) revision: u64,
}

impl Journal {
    /// Opens or makes the file; returns the journal, what the file holds, and the last revision.
    pub(crate) async fn open(path: &Path) -> Result<(Self, Vec<Restored>, u64), JournalError> {
        let failed = |why: sqlx::Error| JournalError::Open { path: path.to_path_buf(), why: why.to_string() };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(std::time::Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        for statement in [
            "CREATE TABLE IF NOT EXISTS object (resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, \
             revision INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS latest (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL)",
            "INSERT OR IGNORE INTO latest (one, revision) VALUES (1, 1)",
        ] {
            sqlx::query(statement).execute(&mut connection).await.map_err(failed)?;
        }
        let latest: i64 =
            sqlx::query("SELECT revision FROM latest").fetch_one(&mut connection).await.map_err(failed)?.get(0);
        let rows = sqlx::query("SELECT resource, namespace, name, revision, body FROM object")
            .fetch_all(&mut connection)
            .await
            .map_err(failed)?;
        let mut restored = Vec::with_capacity(rows.len());
        for row in rows {
            let body: Vec<u8> = row.get(4);
            let value = serde_json::from_slice(&body).map_err(|why| JournalError::Unreadable {
                resource: row.get(0),
                namespace: row.get(1),
                name: row.get(2),
                why: why.to_string(),
            })?;
            restored.push(Restored {
                resource: ResourceKey::from(row.get::<&str, _>(0)),
                value,
                revision: u64::try_from(row.get::<i64, _>(3)).unwrap_or(1),
            });
        }
        let latest = u64::try_from(latest).unwrap_or(1);
        let (sender, records) = mpsc::unbounded_channel();
        let (reached, progress) = watch::channel(Progress::Durable(latest));
        tokio::spawn(write_all(connection, records, reached));
        Ok((Self { sender, progress }, restored, latest))
    }

    /// Hands a change to the writer; [`wait_for`] tells when it is on file.
    pub(super) fn append(&self, id: &ObjectId, kind: ChangeKind, object: &Stored) {
        let body = match kind {
            ChangeKind::Added | ChangeKind::Modified => Some(
                serde_json::to_vec(object.value.as_ref())
                    .expect("a JSON value with string keys always serialises")
                    .into(),
            ),
            ChangeKind::Deleted => None,
        };
        // A writer that has ended has published its failure, which is what the waiting request reports.
        let _ = self.sender.send(Record { id: id.clone(), revision: object.revision, body });
    }

    pub(super) fn durable(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

/// Waits until a revision is on file.
pub(super) async fn wait_for(mut progress: watch::Receiver<Progress>, revision: u64) -> Result<(), JournalError> {
    let reached = progress
        .wait_for(|progress| match progress {
            Progress::Durable(durable) => *durable >= revision,
            Progress::Failed(_) => true,
        })
        .await;
    match reached.as_deref() {
        Ok(Progress::Durable(_)) => Ok(()),
        Ok(Progress::Failed(why)) => Err(JournalError::Write(why.clone())),
        Err(_) => Err(JournalError::Write("the sandbox is shutting down".to_string())),
    }
}

async fn write_all(
    mut connection: SqliteConnection,
    mut records: mpsc::UnboundedReceiver<Record>,
    reached: watch::Sender<Progress>,
) {
    let mut batch = Vec::new();
    while records.recv_many(&mut batch, TRANSACTION_CHANGES_MAX).await > 0 {
        let last = batch.last().map_or(0, |record: &Record| record.revision);
        match write_batch(&mut connection, &batch, last).await {
            Ok(()) => {
                reached.send_replace(Progress::Durable(last));
            }
            Err(why) => {
                tracing::error!(%why, "cannot write the sandbox file");
                reached.send_replace(Progress::Failed(why.to_string()));
                return;
            }
        }
        batch.clear();
    }
    if let Err(why) = connection.close().await {
        tracing::warn!(%why, "the sandbox file was not closed cleanly");
    }
}

async fn write_batch(connection: &mut SqliteConnection, batch: &[Record], last: u64) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for record in batch {
        let revision = i64::try_from(record.revision).unwrap_or(i64::MAX);
        match &record.body {
            Some(body) => {
                sqlx::query(
                    "INSERT INTO object (resource, namespace, name, revision, body) VALUES (?, ?, ?, ?, ?) \
                     ON CONFLICT (resource, namespace, name) DO UPDATE SET revision = excluded.revision, body = excluded.body",
                )
                .bind(record.id.resource.as_str())
                .bind(record.id.namespace.as_ref())
                .bind(record.id.name.as_ref())
                .bind(revision)
                .bind(body.as_ref())
                .execute(&mut *transaction)
                .await?;
            }
            None => {
                sqlx::query("DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?")
                    .bind(record.id.resource.as_str())
                    .bind(record.id.namespace.as_ref())
                    .bind(record.id.name.as_ref())
                    .execute(&mut *transaction)
                    .await?;
            }
        }
    }
    sqlx::query("UPDATE latest SET revision = ?")
        .bind(i64::try_from(last).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
