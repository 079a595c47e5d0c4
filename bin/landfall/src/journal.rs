//! The journal of the audit as a file: lines are added at its end and synced to disk. A file that has grown large is set
//! aside under the name `.1`, in the place of the one before.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use landfall_identity::audit::Journal;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;

/// From what size on the file is set aside.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How much of the end of a file is read back at most.
const READ_BYTES_MAX: u64 = 16 << 20;

/// A file of lines.
pub(crate) struct FileJournal {
    path: PathBuf,
    writing: Mutex<()>,
}

impl FileJournal {
    /// Keeps its lines at a path.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, writing: Mutex::default() }
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, line: &str) -> io::Result<()> {
        let _one_at_a_time = self.writing.lock().await;
        if tokio::fs::metadata(&self.path).await.is_ok_and(|metadata| metadata.len() >= FILE_BYTES_MAX) {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            tokio::fs::rename(&self.path, aside).await?;
        }
        let mut options = tokio::fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&self.path).await?;
        file.write_all(format!("{line}\n").as_bytes()).await?;
        file.sync_data().await
    }

    async fn last(&self, lines_max: usize) -> io::Result<Vec<String>> {
        let mut file = match tokio::fs::File::open(&self.path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata().await?.len();
        let from = length.saturating_sub(READ_BYTES_MAX);
        file.seek(io::SeekFrom::Start(from)).await?;
        let mut content = Vec::new();
        file.take(READ_BYTES_MAX).read_to_end(&mut content).await?;
        let text = String::from_utf8_lossy(&content);
        // Where reading begins within a line, that line is left out.
        let mut lines: Vec<&str> = text.lines().skip(usize::from(from > 0)).collect();
        let lines = lines.split_off(lines.len().saturating_sub(lines_max));
        Ok(lines.into_iter().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_added_and_the_last_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::at(folder.path().join("audit.jsonl"));
        assert_eq!(journal.last(5).await.unwrap(), Vec::<String>::new());
        for index in 0..5 {
            journal.append(&format!("line {index}")).await.unwrap();
        }
        assert_eq!(journal.last(2).await.unwrap(), ["line 3", "line 4"]);
        assert_eq!(journal.last(100).await.unwrap().len(), 5);
    }
}
