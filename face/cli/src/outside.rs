//! What the verbs reach outside of themselves: the program answers, and tests do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use jiff::Timestamp;
use landfall_kustomize::{FetchedChart, Question, RemoteContent};
use landfall_ports::cluster::Cluster;
use landfall_ports::web::Web;
use landfall_repository::repository::Repository;
use landfall_tree::Tree;

use crate::charts::ChartAccess;

/// Which server is meant, or which cluster. The flags for servers are those of `argocd`.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The server; else ARGOCD_SERVER, else that of the current context.
    #[arg(long, global = true, value_name = "ADDRESS", help_heading = "Server")]
    pub server: Option<String>,
    /// The token; else ARGOCD_AUTH_TOKEN, else that of the last login.
    #[arg(long, global = true, value_name = "TOKEN", help_heading = "Server")]
    pub auth_token: Option<String>,
    /// Believe any certificate.
    #[arg(long, global = true, help_heading = "Server")]
    pub insecure: bool,
    /// Speak without TLS.
    #[arg(long, global = true, help_heading = "Server")]
    pub plaintext: bool,
    /// Ask the cluster itself instead of a server.
    #[arg(long, global = true, help_heading = "Server")]
    pub core: bool,
    /// Certificates to believe, in PEM form.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub server_crt: Option<PathBuf>,
    /// A header to send along; may come more than once.
    #[arg(short = 'H', long = "header", global = true, value_name = "NAME: VALUE", help_heading = "Server")]
    pub headers: Vec<String>,
    /// The config file with contexts and tokens, shared with `argocd`.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub config: Option<PathBuf>,
    /// The context in the config file; else its current one.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Server")]
    pub argocd_context: Option<String>,
    /// Taken for `argocd`'s sake: a server is always asked over HTTP/1.1 or 2, which passes every proxy.
    #[arg(long, global = true, hide = true)]
    pub grpc_web: bool,
    /// A path below which the server stands.
    #[arg(long, global = true, value_name = "PATH", help_heading = "Server")]
    pub grpc_web_root_path: Option<String>,
    /// Taken for `argocd`'s sake.
    #[arg(long, global = true, hide = true, value_name = "COUNT")]
    pub http_retry_max: Option<u32>,
    /// Taken for `argocd`'s sake.
    #[arg(long, global = true, hide = true, value_name = "LEVEL")]
    pub loglevel: Option<String>,
    /// Taken for `argocd`'s sake.
    #[arg(long, global = true, hide = true, value_name = "FORMAT")]
    pub logformat: Option<String>,
    /// Taken for `argocd`'s sake.
    #[arg(long, global = true, hide = true, num_args = 0..=1, value_name = "BOOL")]
    pub prompts_enabled: Option<Option<bool>>,
    /// The kubeconfig file; else the one that KUBECONFIG names, that of a running `landfall up`, or the user's own.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig file; else its current one.
    #[arg(long = "kube-context", global = true, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
}

/// What was fetched, with the state that it was fetched at (a commit, a digest, a version), or a sentence why it was not.
pub enum Fetched {
    /// A file or a repository.
    Remote(Result<(RemoteContent, String), String>),
    /// A chart.
    Chart(Result<(FetchedChart, String), String>),
}

impl Fetched {
    /// The answer that a question is not answered.
    pub fn refused(question: &Question, reason: String) -> Self {
        match question {
            Question::Remote(_) => Self::Remote(Err(reason)),
            Question::Chart(_) => Self::Chart(Err(reason)),
        }
    }
}

/// Answers the verbs' questions and takes what they say.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Reaches a cluster. Errors say which kubeconfig was tried and what to do.
    async fn connect(&self, to: &Connection) -> anyhow::Result<Arc<dyn Cluster>>;

    /// Opens the files around a path of this machine: a tree that is wide enough for what the path refers to, and the
    /// path in it. Errors: there is no such file or folder.
    fn tree_around(&self, path: &Path) -> anyhow::Result<(Arc<dyn Tree>, String)>;

    /// Fetches a Git repository and opens its files at a revision (branch, tag, commit, constraint; `""` is the default
    /// branch), with the commit that it is; `None` where nothing can be fetched from. `tag_prefix` is taken off tags
    /// before they are compared as versions.
    async fn checkout(
        &self,
        repository: &Repository,
        revision: &str,
        tag_prefix: &str,
    ) -> anyhow::Result<Option<(Arc<dyn Tree>, String)>> {
        let _nothing_to_fetch_with = (repository, revision, tag_prefix);
        Ok(None)
    }

    /// Reads a file, or standard input for `-`. Errors name the file.
    fn read(&self, path: &Path) -> anyhow::Result<Vec<u8>>;

    /// Fetches what a kustomization names outside of its repository, by library and never by a program.
    async fn fetch(&self, question: &Question) -> Fetched;

    /// Writes a file in one step. Errors name the file.
    fn write(&self, path: &Path, content: &[u8]) -> anyhow::Result<()>;

    /// Lists the names of a folder's entries, sorted; `None` if the path is no folder.
    fn names(&self, folder: &Path) -> anyhow::Result<Option<Vec<String>>>;

    /// Makes a folder and those above it, unless they are there. Errors name the folder.
    fn make_folder(&self, folder: &Path) -> anyhow::Result<()> {
        anyhow::bail!("folders are not made here: {}", folder.display())
    }

    /// Takes a file away. Errors name the file.
    fn remove(&self, file: &Path) -> anyhow::Result<()> {
        anyhow::bail!("files are not removed here: {}", file.display())
    }

    /// The path from the root of the machine.
    fn absolute(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    /// What reaches chart repositories and registries.
    fn charts(&self) -> anyhow::Result<ChartAccess> {
        anyhow::bail!("charts are not fetched here")
    }

    /// Writes the answer, as it is, to standard output.
    fn print(&self, text: &str) -> anyhow::Result<()>;

    /// Tells a person something that is not the answer, on standard error, with a line's end.
    fn tell(&self, text: &str);

    /// Asks a person; `false` where there is nobody to ask.
    fn confirm(&self, question: &str) -> anyhow::Result<bool>;

    /// Whether a person looks on: progress is drawn.
    fn is_terminal(&self) -> bool;

    /// The moment.
    fn now(&self) -> Timestamp;

    /// Randomness, for templates that ask for it.
    fn random(&self) -> anyhow::Result<[u8; 32]>;

    /// Who uses this, for `operation.initiatedBy`; `""` if unknown.
    fn user(&self) -> String;

    /// Reaches servers over HTTP.
    fn web(&self) -> anyhow::Result<Arc<dyn Web>> {
        anyhow::bail!("there is no network here")
    }

    /// A variable of the environment; `None` if it is not set.
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    /// Writes a file that only its owner reads, in one step, with the folders above it. Errors name the file.
    fn write_private(&self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        self.write(path, content)
    }

    /// Asks a person for a text; a hidden one is not shown while it is typed. Errors: there is nobody to ask.
    fn ask(&self, question: &str, _is_hidden: bool) -> anyhow::Result<String> {
        anyhow::bail!("there is nobody to ask for {question}")
    }

    /// Lets a person change a text in their editor, and returns it as they left it. Errors: there is no editor, or it failed.
    fn edit(&self, _text: &str) -> anyhow::Result<String> {
        anyhow::bail!("there is nobody to edit this")
    }

    /// Opens an address in the person's browser; `false` if there is none.
    fn open_browser(&self, _url: &str) -> bool {
        false
    }

    /// The whole program's command, for shell completions.
    fn command(&self) -> clap::Command;
}
