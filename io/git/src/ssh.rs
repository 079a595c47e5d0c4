//! Git over SSH: the `ssh` program with the repository's key and known hosts, never asking anybody anything.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::Repository;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::settings::Settings;
use crate::work::Work;

/// The most bytes of the program's complaints that are kept.
const COMPLAINT_BYTES_MAX: usize = 16 << 10;

/// How long the program may take to end after it closed its output, before its complaint is read anyway.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Names where to connect to.
pub(crate) struct Target<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) path: &'a str,
}

/// Holds the files that `ssh` reads: the key, readable by us alone, and the known hosts. They go away with it.
pub(crate) struct Files {
    _directory: TempDir,
    /// The options that point to them, and those that keep `ssh` from asking.
    pub(crate) options: Vec<String>,
}

impl Files {
    /// Writes the files of `repository` and chooses the options.
    ///
    /// Errors: `Unsupported` for a proxy; `Broken` if the files cannot be written.
    pub(crate) fn write(repository: &Repository, settings: &Settings) -> Result<Self, SourceError> {
        if repository.connection.proxy.is_some() {
            let reason = "a proxy is set, which is not supported over SSH";
            return Err(SourceError::of(SourceProblem::Unsupported, &repository.url, reason)
                .hinting("Use the repository's https address, or remove `proxy` from its Secret."));
        }
        let failed = |error: io::Error| {
            let reason = format!("cannot write the files for ssh into the temporary folder: {error}");
            SourceError::of(SourceProblem::Broken, &repository.url, reason)
        };
        let directory = tempfile::Builder::new().prefix("landfall-ssh-").tempdir().map_err(failed)?;
        let mut options = Vec::new();
        let mut option = |text: String| options.extend(["-o".to_owned(), text]);
        option("BatchMode=yes".into());
        option(format!("ConnectTimeout={}", settings.connect_timeout.as_secs().max(1)));
        option(format!("ServerAliveInterval={}", settings.idle_timeout.as_secs().max(1)));
        option("ServerAliveCountMax=1".into());
        option("SendEnv=GIT_PROTOCOL".into());
        option("ControlMaster=no".into());
        option("ControlPath=none".into());
        if repository.connection.host_key_insecure {
            option("StrictHostKeyChecking=no".into());
            option("UserKnownHostsFile=/dev/null".into());
            option("GlobalKnownHostsFile=/dev/null".into());
            option("LogLevel=ERROR".into());
        } else {
            option("StrictHostKeyChecking=yes".into());
            if let Some(known_hosts) = &repository.connection.known_hosts {
                let path = directory.path().join("known_hosts");
                write_private(&path, &format!("{}\n", known_hosts.trim_end())).map_err(failed)?;
                option(format!("UserKnownHostsFile=\"{}\"", path.display()));
                option("GlobalKnownHostsFile=/dev/null".into());
            }
        }
        if let Some(key) = &repository.credentials.ssh_private_key {
            let path = directory.path().join("key");
            write_private(&path, key.reveal()).map_err(failed)?;
            option("IdentitiesOnly=yes".into());
            option("IdentityAgent=none".into());
            option("PasswordAuthentication=no".into());
            // The machine's own configuration must not decide who we are.
            options.extend(["-F".into(), "/dev/null".into(), "-i".into(), path.display().to_string()]);
        }
        Ok(Self { _directory: directory, options })
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// The two ends of a running `ssh`.
pub(crate) struct Process {
    /// What the server sends.
    pub(crate) reader: Reader,
    /// What we send.
    pub(crate) writer: Writer,
}

/// Starts `ssh` with `git-upload-pack` at its other end.
///
/// Errors: `Unsupported` if there is no `ssh` program.
pub(crate) fn connect(
    repository: &Repository,
    target: &Target<'_>,
    settings: &Settings,
    work: &Work,
) -> Result<Process, SourceError> {
    let files = Files::write(repository, settings)?;
    let mut command = Command::new(&settings.ssh_program);
    command.args(&files.options);
    if let Some(port) = target.port {
        command.arg("-p").arg(port.to_string());
    }
    let login = repository.credentials.username.as_deref().filter(|_| target.user.is_none());
    let destination = match target.user.or(login) {
        Some(user) => format!("{user}@{}", target.host),
        None => target.host.to_owned(),
    };
    let quoted = target.path.replace('\'', "'\\''").replace('!', "'\\!'");
    command.arg("--").arg(destination).arg(format!("git-upload-pack '{quoted}'"));
    command.env("GIT_PROTOCOL", "version=2").env("LC_ALL", "C").env_remove("SSH_ASKPASS").env_remove("DISPLAY");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);

    let _entered = work.runtime.enter();
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let reason = format!("the program {} was not found", settings.ssh_program.display());
            work.error(SourceProblem::Unsupported, reason)
                .hinting("Install the OpenSSH client, or use the repository's https address.")
        }
        _ => work.error(SourceProblem::Broken, format!("cannot start ssh: {error}")),
    })?;
    let complaint = Arc::new(Mutex::new(String::new()));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(mut stderr)) = (stdin, stdout, stderr) else {
        return Err(work.error(SourceProblem::Broken, "ssh has no pipes"));
    };
    let kept = complaint.clone();
    work.runtime.spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < COMPLAINT_BYTES_MAX {
                kept.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    });
    let is_key_given = repository.credentials.ssh_private_key.is_some();
    let reader = Reader {
        stdout,
        child,
        complaint,
        is_key_given,
        _files: files,
        work: work.clone(),
        received_bytes: 0,
        received_bytes_max: settings.pack_bytes_max,
    };
    Ok(Process { reader, writer: Writer { stdin, work: work.clone() } })
}

/// Reads what the server sends; explains why `ssh` ended if it did so unhappily.
pub(crate) struct Reader {
    stdout: ChildStdout,
    child: Child,
    complaint: Arc<Mutex<String>>,
    is_key_given: bool,
    _files: Files,
    work: Work,
    received_bytes: u64,
    received_bytes_max: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.work.wait(self.stdout.read(buffer))??;
        self.received_bytes += count as u64;
        if self.received_bytes > self.received_bytes_max {
            return Err(self.work.fail(crate::http::too_large(&self.work.url, self.received_bytes_max)));
        }
        if count == 0 && !buffer.is_empty() {
            let ended = self.work.wait(tokio::time::timeout(END_PATIENCE, self.child.wait()))?;
            if !matches!(&ended, Ok(Ok(status)) if status.success()) {
                let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Err(self.work.fail(explain(&self.work.url, &complaint, self.is_key_given)));
            }
        }
        Ok(count)
    }
}

/// Writes what we send.
pub(crate) struct Writer {
    stdin: ChildStdin,
    work: Work,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.work.wait(self.stdin.write(bytes))?
    }

    fn flush(&mut self) -> io::Result<()> {
        self.work.wait(self.stdin.flush())?
    }
}

/// Puts the complaint of `ssh`, or of the server's shell behind it, into words.
pub(crate) fn explain(url: &str, complaint: &str, is_key_given: bool) -> SourceError {
    let says = |needle: &str| complaint.to_lowercase().contains(needle);
    let line = complaint.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with('@'));
    let reason = line.unwrap_or("the connection was closed without a word").to_owned();
    let problem = if says("host key verification failed") || says("host identification has changed") {
        SourceProblem::HostKeyUnknown
    } else if says("invalid format") || says("error in libcrypto") || says("incorrect passphrase") {
        let hint = "Put the whole private key, without passphrase, into sshPrivateKey of the repository Secret.";
        return SourceError::of(SourceProblem::Invalid, url, format!("ssh cannot use the private key: {reason}"))
            .hinting(hint);
    } else if says("permission denied") {
        if is_key_given { SourceProblem::AuthenticationFailed } else { SourceProblem::AuthenticationRequired }
    } else if says("not found") && !says("command not found")
        || says("does not appear to be a git repository")
        || says("no such file or directory")
    {
        SourceProblem::NotFound
    } else if says("timed out") {
        SourceProblem::TimedOut
    } else {
        SourceProblem::Unreachable
    };
    let reason = match problem {
        // ssh's last line only repeats the verdict; the line before says which key was offered.
        SourceProblem::HostKeyUnknown if says("has changed") => "its key is not the one in the known hosts".to_owned(),
        SourceProblem::HostKeyUnknown => "its key is not in the known hosts".to_owned(),
        _ => reason,
    };
    SourceError::of(problem, url, reason)
}
