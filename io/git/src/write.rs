//! Writing: a commit made in the object database without a working copy, pushed by the `git` program.
//!
//! Only what changes is written: the files, the directories above them, one commit. The push names the commit that the
//! branch must still have on the server, so that nobody's work is overwritten.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gix::ObjectId;
use gix::objs::tree::EntryKind as Mode;
use landfall_ports::git::{Change, Person};
use landfall_repository::address::{self, Address};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::CommitId;
use landfall_repository::repository::Repository;

use crate::history;
use crate::mirror::Mirror;
use crate::settings::Settings;
use crate::ssh;
use crate::work::Work;

/// Writes the commit that `change` describes, on top of `base`, and returns its id.
///
/// Errors: `Invalid` for a path that leaves the repository.
pub(crate) fn commit(
    mirror: &Mirror,
    url: &str,
    base: Option<&CommitId>,
    change: &Change,
) -> Result<CommitId, SourceError> {
    let broken = |error: &dyn std::fmt::Display| {
        SourceError::of(SourceProblem::Broken, url, format!("cannot write the commit: {error}"))
    };
    let repository = mirror.handle();
    let root = match base {
        Some(base) => history::root(mirror, url, base)?,
        None => ObjectId::empty_tree(gix::hash::Kind::Sha1),
    };
    let mut editor = repository.edit_tree(root).map_err(|error| broken(&error))?;
    for (path, content) in &change.files {
        let clean = landfall_tree::clean(path).ok().filter(|clean| clean == path && !clean.is_empty());
        let Some(path) = clean.filter(|path| !path.split('/').any(|part| part.eq_ignore_ascii_case(".git"))) else {
            return Err(SourceError::of(
                SourceProblem::Invalid,
                url,
                format!("{path:?} is no path inside a repository"),
            ));
        };
        match content {
            Some(content) => {
                let blob = repository.write_blob(content).map_err(|error| broken(&error))?;
                let old = editor.get(path.as_str()).map(|entry| entry.mode().kind());
                let mode = old.filter(|mode| *mode == Mode::BlobExecutable).unwrap_or(Mode::Blob);
                editor.upsert(path, mode, blob).map_err(|error| broken(&error))?;
            }
            None => {
                editor.remove(path).map_err(|error| broken(&error))?;
            }
        }
    }
    let tree = editor.write().map_err(|error| broken(&error))?.detach();
    let author = actor(&change.author, change.at);
    let parents = base.map(|base| history::object_id(url, base)).transpose()?;
    let object = gix::objs::Commit {
        tree,
        parents: parents.into_iter().collect(),
        author: author.clone(),
        committer: author,
        encoding: None,
        message: change.message.as_str().into(),
        extra_headers: Vec::new(),
    };
    let id = repository.write_object(object).map_err(|error| broken(&error))?;
    Ok(CommitId::parse(&id.to_string()).expect("an object id has 40 hexadecimal digits"))
}

fn actor(person: &Person, at: jiff::Timestamp) -> gix::actor::Signature {
    // Angle brackets and line ends would break the commit's header.
    let clean = |text: &str| text.replace(['<', '>', '\n', '\r', '\0'], " ").trim().to_owned();
    gix::actor::Signature {
        name: clean(&person.name).into(),
        email: clean(&person.email).into(),
        time: gix::date::Time::new(at.as_second(), 0),
    }
}

/// Pushes `commit` to `branch`, whose commit on the server must still be `expected` (`None`: there must be no branch).
///
/// Errors: `Broken` if the branch moved, `Forbidden` or `AuthenticationFailed` if the server refuses, `Unsupported` if
/// there is no `git` program.
pub(crate) fn push(
    mirror: &Mirror,
    repository: &Repository,
    branch: &str,
    commit: &CommitId,
    expected: Option<&CommitId>,
    settings: &Settings,
    work: &Work,
) -> Result<(), SourceError> {
    let mut command = Command::new(&settings.git_program);
    // The machine's configuration must not change what is sent where, and nothing may ask a person.
    for (name, value) in [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", "true"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    let mut configuration = Configuration::default();
    configuration.set("core.hooksPath", "/dev/null");
    configuration.set("credential.helper", "");
    let target = match address::parse(&repository.url) {
        Ok(Address::Local { path }) => path,
        Ok(Address::Http { url, .. }) => url,
        Ok(_) => repository.url.clone(),
        Err(error) => return Err(work.error(SourceProblem::Invalid, error.reason)),
    };
    let _files = prepare_access(repository, settings, &mut command, &mut configuration)?;
    configuration.apply(&mut command);
    command.arg("--git-dir").arg(mirror.directory()).args(["push", "--porcelain", "--no-verify"]);
    let lease = expected.map_or_else(String::new, |commit| commit.as_str().to_owned());
    command.arg(format!("--force-with-lease=refs/heads/{branch}:{lease}"));
    command.arg("--").arg(target).arg(format!("{commit}:refs/heads/{branch}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());

    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let _entered = work.runtime.enter();
    let child = command.spawn().map_err(|error| {
        let reason = format!("the program {} cannot be started: {error}", settings.git_program.display());
        work.error(SourceProblem::Unsupported, reason).hinting("Install git: pushing needs it, reading does not.")
    })?;
    let output = work
        .wait_in_all(child.wait_with_output())
        .map_err(|error| work.explain("git push", &error))?
        .map_err(|error| work.explain("git push", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(refused(repository, branch, &said))
}

fn refused(repository: &Repository, branch: &str, said: &str) -> SourceError {
    let says = |needle: &str| said.to_lowercase().contains(needle);
    let url = &repository.url;
    let is_login_sent = landfall_http::login(&repository.credentials, url).is_some();
    if says("stale info") || says("fetch first") || says("non-fast-forward") || says("cannot lock ref") {
        let reason = format!("the branch {branch} moved while the commit was made; nothing was pushed");
        return SourceError::of(SourceProblem::Broken, url, reason)
            .hinting("It is tried again on top of the new commit.");
    }
    let line = said.lines().map(str::trim).find(|line| {
        line.starts_with("remote:") || line.starts_with("fatal:") || line.starts_with('!') || line.starts_with("error:")
    });
    let reason = address::without_credentials(line.unwrap_or("git push failed without saying why"));
    let problem = if says("authentication failed") || says("could not read username") || says("401") {
        if is_login_sent { SourceProblem::AuthenticationFailed } else { SourceProblem::AuthenticationRequired }
    } else if says("[remote rejected]") || says("403") || says("permission to") || says("protected branch") {
        SourceProblem::Forbidden
    } else if matches!(address::parse(url), Ok(Address::Ssh { .. })) {
        return ssh::explain(url, said, repository.credentials.ssh_private_key.is_some());
    } else if says("not found") || says("does not exist") || says("does not appear to be a git repository") {
        SourceProblem::NotFound
    } else if says("could not resolve") || says("connection refused") || says("failed to connect") {
        SourceProblem::Unreachable
    } else {
        SourceProblem::Broken
    };
    SourceError::of(problem, url, reason)
}

/// Configuration for one call, handed over by environment so that no secret stands on a command line.
#[derive(Default)]
struct Configuration {
    pairs: Vec<(String, String)>,
}

impl Configuration {
    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.pairs.push((key.to_owned(), value.into()));
    }

    fn apply(&self, command: &mut Command) {
        command.env("GIT_CONFIG_COUNT", self.pairs.len().to_string());
        for (position, (key, value)) in self.pairs.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{position}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{position}"), value);
        }
    }
}

/// The files that `git` reads during the push.
struct Access {
    _ssh: Option<ssh::Files>,
    _tls: Vec<tempfile::NamedTempFile>,
}

fn prepare_access(
    repository: &Repository,
    settings: &Settings,
    command: &mut Command,
    configuration: &mut Configuration,
) -> Result<Access, SourceError> {
    if matches!(address::parse(&repository.url), Ok(Address::Ssh { .. })) {
        let files = ssh::Files::write(repository, settings)?;
        let quoted = |text: &String| format!("'{}'", text.replace('\'', "'\\''"));
        let options: Vec<String> = files.options.iter().map(quoted).collect();
        command.env("GIT_SSH_COMMAND", format!("{} {}", settings.ssh_program.display(), options.join(" ")));
        command.env("GIT_SSH_VARIANT", "ssh");
        return Ok(Access { _ssh: Some(files), _tls: Vec::new() });
    }
    let failed = |error: std::io::Error| {
        SourceError::of(SourceProblem::Broken, &repository.url, format!("cannot write a temporary file: {error}"))
    };
    let mut tls = Vec::new();
    let mut file = |content: &str| -> Result<String, SourceError> {
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(content.as_bytes()).map_err(failed)?;
        let path = file.path().display().to_string();
        tls.push(file);
        Ok(path)
    };
    let connection = &repository.connection;
    if connection.tls_insecure {
        configuration.set("http.sslVerify", "false");
    }
    if let Some(bundle) = &connection.tls_authorities {
        configuration.set("http.sslCAInfo", file(bundle)?);
    }
    if let (Some(certificate), Some(key)) =
        (&repository.credentials.tls_client_certificate, &repository.credentials.tls_client_key)
    {
        configuration.set("http.sslCert", file(certificate)?);
        configuration.set("http.sslKey", file(key.reveal())?);
    }
    if let Some(proxy) = &connection.proxy {
        configuration.set("http.proxy", proxy.clone());
    }
    if let Some(no_proxy) = &connection.no_proxy {
        command.env("no_proxy", no_proxy);
    }
    match landfall_http::login(&repository.credentials, &repository.url) {
        Some(landfall_http::Login::Bearer(token)) => {
            configuration.set("http.extraHeader", format!("Authorization: Bearer {}", token.reveal()));
        }
        Some(landfall_http::Login::Basic(user, password)) => {
            use base64::Engine as _;
            let password = password.as_ref().map_or("", |password| password.reveal());
            let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            configuration.set("http.extraHeader", format!("Authorization: Basic {login}"));
        }
        None => {}
    }
    Ok(Access { _ssh: None, _tls: tls })
}
