//! The verbs of the command line: what they reach the outside through.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use clap::CommandFactory as _;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use landfall_cli::{ChartAccess, Connection, Fetched, Outside};
use landfall_flow::remotes::Answer;
use landfall_git::client::GitClient;
use landfall_host::directory::DirectoryTree;
use landfall_http::web::WebClient;
use landfall_kube::KubeCluster;
use landfall_kustomize::Question;
use landfall_ports::cluster::Cluster;
use landfall_ports::git::GitRemote as _;
use landfall_ports::web::Web;
use landfall_repository::refs::CommitId;
use landfall_repository::repository::Repository;
use landfall_repository::revision::{Resolved, resolve};
use landfall_tree::Tree;

use crate::world;

/// How long to try whether a `landfall up` runs; it is on this machine.
const LOOK_TIME_MAX: Duration = Duration::from_millis(300);

/// This machine and its user.
pub(crate) struct Machine;

#[async_trait]
impl Outside for Machine {
    async fn connect(&self, to: &Connection) -> anyhow::Result<Arc<dyn Cluster>> {
        let options = KubeConfigOptions { context: to.context.clone(), ..KubeConfigOptions::default() };
        let named = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
        let file = match &to.kubeconfig {
            Some(file) => Some(file.clone()),
            None if named => None,
            None => running_up(),
        };
        let config = match file {
            Some(file) => {
                let read = Kubeconfig::read_from(&file)
                    .with_context(|| format!("the kubeconfig {} cannot be read", file.display()))?;
                kube::Config::from_custom_kubeconfig(read, &options)
                    .await
                    .with_context(|| format!("the kubeconfig {} cannot be used", file.display()))?
            }
            None if named || to.context.is_some() => kube::Config::from_kubeconfig(&options)
                .await
                .context("the kubeconfig cannot be used; check the files that KUBECONFIG names and --kube-context")?,
            None => kube::Config::infer().await.context(
                "there is no cluster to talk to: set KUBECONFIG or --kubeconfig, or start one with `landfall up`",
            )?,
        };
        let client = kube::Client::try_from(config).context("the cluster cannot be reached with this kubeconfig")?;
        Ok(Arc::new(KubeCluster::of(client)))
    }

    fn tree_around(&self, path: &Path) -> anyhow::Result<(Arc<dyn Tree>, String)> {
        let real = std::fs::canonicalize(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        // The repository around it, as in Git; without one the whole machine, so that `../base` can be followed.
        let root = real.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(Path::new("/"));
        let inside = real.strip_prefix(root).context("a folder is below the folders above it")?;
        let Some(inside) = inside.to_str() else { bail!("{} is no UTF-8 path", path.display()) };
        let tree = DirectoryTree::open(root).with_context(|| format!("{} cannot be opened", root.display()))?;
        Ok((Arc::new(tree), inside.to_owned()))
    }

    async fn fetch(&self, question: &Question) -> Fetched {
        match world::fetch_once(question).await {
            Ok(fetched) => match fetched.answer {
                Answer::Remote(answer) => Fetched::Remote(answer.map(|content| (content, fetched.pin))),
                Answer::Chart(answer) => Fetched::Chart(answer.map(|chart| (chart, fetched.pin))),
            },
            Err(error) => Fetched::refused(question, format!("{error:#}")),
        }
    }

    async fn checkout(
        &self,
        repository: &Repository,
        revision: &str,
        tag_prefix: &str,
    ) -> anyhow::Result<Option<(Arc<dyn Tree>, String)>> {
        // Mirrors of its own: a controller of this user may be at work on the others.
        let folder = world::cache_directory()?.join("cli/git");
        let git = GitClient::with_settings(landfall_git::settings::Settings::in_directory(folder));
        let commit = match CommitId::parse(revision.trim()) {
            Ok(commit) => commit,
            Err(_) => {
                let is_other = revision.starts_with("refs/");
                let extra: Vec<String> = is_other.then(|| revision.to_owned()).into_iter().collect();
                let refs = git.list_refs(repository, &extra).await?;
                match resolve(&refs, revision, tag_prefix)? {
                    Resolved::Commit { commit, .. } => commit,
                    Resolved::ShortId(prefix) => git.find_commit(repository, &prefix).await?,
                }
            }
        };
        git.fetch(repository, std::slice::from_ref(&commit)).await?;
        Ok(Some((git.tree(repository, &commit).await?, commit.as_str().to_owned())))
    }

    fn read(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        if path == Path::new("-") {
            let mut content = Vec::new();
            std::io::stdin().read_to_end(&mut content).context("standard input cannot be read")?;
            return Ok(content);
        }
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    }

    fn write(&self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        let failed = || format!("{} cannot be written", path.display());
        // A link keeps pointing where it did, and a crash leaves the old file or the new one.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = target.file_name().with_context(failed)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = target.with_file_name(name);
        std::fs::write(&part, content).with_context(failed)?;
        if let Ok(present) = std::fs::metadata(&target) {
            std::fs::set_permissions(&part, present.permissions()).with_context(failed)?;
        }
        std::fs::rename(&part, &target).with_context(failed)
    }

    fn names(&self, folder: &Path) -> anyhow::Result<Option<Vec<String>>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let failed = || format!("{} cannot be listed", folder.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(failed)? {
            names.extend(entry.with_context(failed)?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(Some(names))
    }

    fn make_folder(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))
    }

    fn remove(&self, file: &Path) -> anyhow::Result<()> {
        std::fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    }

    fn charts(&self) -> anyhow::Result<ChartAccess> {
        let settings = landfall_charts::settings::Settings::in_directory(world::cache_directory()?.join("charts"));
        let registry = landfall_registry::client::Settings::default();
        Ok(ChartAccess {
            repositories: Arc::new(landfall_charts::client::ChartClient::with_settings(settings)),
            registry: Arc::new(landfall_registry::client::RegistryClient::with_settings(registry)),
        })
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever reads has enough, as `head` does.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("standard output cannot be written"),
        }
    }

    fn tell(&self, text: &str) {
        // Nobody is left to tell if standard error is closed.
        let _told = writeln!(std::io::stderr(), "{text}");
    }

    fn confirm(&self, question: &str) -> anyhow::Result<bool> {
        if !std::io::stdin().is_terminal() {
            return Ok(false);
        }
        write!(std::io::stderr(), "{question} [y/N] ").context("the question cannot be asked")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("the answer cannot be read")?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    fn is_terminal(&self) -> bool {
        std::io::stderr().is_terminal() && std::io::stdout().is_terminal()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> anyhow::Result<[u8; 32]> {
        let mut random = [0; 32];
        let mut source = std::fs::File::open("/dev/urandom").context("the machine gives no randomness")?;
        source.read_exact(&mut random).context("the machine gives no randomness")?;
        Ok(random)
    }

    fn user(&self) -> String {
        std::env::var("USER").unwrap_or_default()
    }

    fn web(&self) -> anyhow::Result<Arc<dyn Web>> {
        Ok(Arc::new(WebClient::default()))
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn edit(&self, text: &str) -> anyhow::Result<String> {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let editor = named("KUBE_EDITOR").or_else(|| named("EDITOR")).or_else(|| named("VISUAL"));
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        let folder = tempfile::tempdir().context("there is no place for a file to edit")?;
        let file = folder.path().join("edit.yaml");
        std::fs::write(&file, text).context("the file to edit cannot be written")?;
        // An editor may be named with arguments, as `code --wait`.
        let mut words = editor.split_whitespace();
        let program = words.next().context("there is no editor: set EDITOR")?;
        let status = std::process::Command::new(program).args(words).arg(&file).status();
        let status = status.with_context(|| format!("the editor {editor:?} cannot be started: set EDITOR"))?;
        if !status.success() {
            bail!("the editor ended with {status}; nothing was changed");
        }
        std::fs::read_to_string(&file).context("what was written cannot be read")
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        let failed = || format!("{} cannot be written", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        // It holds tokens: nobody else may read it at any moment.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = target.file_name().with_context(failed)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = target.with_file_name(name);
        let mut file = options.open(&part).with_context(failed)?;
        file.write_all(content).with_context(failed)?;
        std::fs::rename(&part, &target).with_context(failed)
    }

    fn ask(&self, question: &str, is_hidden: bool) -> anyhow::Result<String> {
        if !std::io::stdin().is_terminal() {
            let mut answer = String::new();
            let count = std::io::stdin().read_line(&mut answer).context("the answer cannot be read")?;
            return match count {
                0 => bail!("there is nobody to ask for {question}\nhint: give it as a flag"),
                _ => Ok(answer.trim_end_matches(['\r', '\n']).to_owned()),
            };
        }
        write!(std::io::stderr(), "{question}: ").context("the question cannot be asked")?;
        if !is_hidden {
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).context("the answer cannot be read")?;
            return Ok(answer.trim_end_matches(['\r', '\n']).to_owned());
        }
        hidden_line().context("the answer cannot be read")
    }

    fn open_browser(&self, url: &str) -> bool {
        let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let has_screen = cfg!(target_os = "macos")
            || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        has_screen
            && std::process::Command::new(program)
                .arg(url)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .is_ok()
    }

    fn command(&self) -> clap::Command {
        crate::Arguments::command()
    }
}

/// Reads a line from the terminal without showing it.
fn hidden_line() -> std::io::Result<String> {
    use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
    crossterm::terminal::enable_raw_mode()?;
    let mut line = String::new();
    let outcome = loop {
        match read() {
            Err(error) => break Err(error),
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Enter => break Ok(()),
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    break Err(std::io::Error::other("it was broken off"));
                }
                KeyCode::Char(letter) => line.push(letter),
                KeyCode::Backspace => {
                    let _letter = line.pop();
                }
                _ => {}
            },
            Ok(Event::Paste(text)) => line.push_str(&text),
            Ok(_) => {}
        }
    };
    crossterm::terminal::disable_raw_mode()?;
    writeln!(std::io::stderr())?;
    outcome.map(|()| line)
}

/// Finds the kubeconfig of a `landfall up` that runs: its control plane answers.
fn running_up() -> Option<PathBuf> {
    let file = world::up_kubeconfig().ok()?;
    let kubeconfig = Kubeconfig::read_from(&file).ok()?;
    let server = kubeconfig.clusters.first()?.cluster.as_ref()?.server.clone()?;
    let place = server.strip_prefix("https://").or_else(|| server.strip_prefix("http://"))?;
    let address = place.split('/').next()?.to_socket_addrs().ok()?.next()?;
    TcpStream::connect_timeout(&address, LOOK_TIME_MAX).ok()?;
    Some(file)
}
