//! A Git repository that a scenario commits to.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// A repository with a working folder.
pub struct Repository {
    /// The folder.
    pub folder: PathBuf,
}

impl Repository {
    /// Makes an empty one.
    pub fn make(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let repository = Self { folder };
        repository.git(&["init", "--quiet", "--initial-branch", "main"])?;
        Ok(repository)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// Writes files (`None` removes one) and commits.
    pub fn commit(&self, files: &[(&str, Option<&str>)]) -> anyhow::Result<String> {
        for (path, content) in files {
            let path = self.folder.join(path);
            match content {
                Some(content) => {
                    std::fs::create_dir_all(path.parent().context("files stand in folders")?)?;
                    std::fs::write(&path, content)?;
                }
                None => std::fs::remove_file(&path)?,
            }
        }
        self.commit_all()
    }

    /// Copies a folder in and commits.
    pub fn commit_folder(&self, from: &Path) -> anyhow::Result<String> {
        copy(from, &self.folder)?;
        self.commit_all()
    }

    fn commit_all(&self) -> anyhow::Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"])?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git")
            .current_dir(&self.folder)
            .args(["-c", "user.name=e2e", "-c", "user.email=e2e@example.test", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .output()?;
        if !output.status.success() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            std::fs::copy(entry.path(), &target).map(|_| ())?
        }
    }
    Ok(())
}
