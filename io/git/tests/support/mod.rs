//! What the tests share: repositories made with the `git` program, and a real Git server over HTTP.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "every test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use landfall_git::client::GitClient;
use landfall_git::settings::Settings;
use landfall_repository::refs::CommitId;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A repository with a working copy, changed by the `git` program.
pub struct Work {
    pub directory: TempDir,
    clock: AtomicU64,
}

impl Work {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let work = Self { directory, clock: AtomicU64::new(1_700_000_000) };
        work.git(&["init", "--quiet", "--initial-branch=main"]);
        work
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let at = format!("{} +0100", self.clock.fetch_add(60, Ordering::Relaxed));
        git_in(self.path(), arguments, &at)
    }

    pub fn write(&self, path: &str, content: &str) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(path, content).expect("the file is written");
        self
    }

    pub fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.revision("HEAD")
    }

    pub fn revision(&self, revision: &str) -> CommitId {
        CommitId::parse(self.git(&["rev-parse", revision]).trim()).expect("a commit id")
    }
}

fn git_in(directory: &Path, arguments: &[&str], at: &str) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=Ada Example", "-c", "user.email=ada@example.org", "-c", "gc.auto=0"])
        .args(["-c", "tag.gpgSign=false", "-c", "commit.gpgSign=false", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_DATE", at)
        .env("GIT_COMMITTER_DATE", at)
        .stdin(Stdio::null())
        .output()
        .expect("git is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// A client with a cache of its own, and limits that a test can wait for.
pub struct Client {
    pub client: GitClient,
    pub cache: TempDir,
}

pub fn client() -> Client {
    client_with(|_| {})
}

pub fn client_with(adjust: impl FnOnce(&mut Settings)) -> Client {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let mut settings = Settings::in_directory(cache.path());
    settings.idle_timeout = Duration::from_secs(10);
    adjust(&mut settings);
    Client { client: GitClient::with_settings(settings), cache }
}

pub fn packs(cache: &Path) -> usize {
    let mirrors = std::fs::read_dir(cache).expect("the cache folder").flatten();
    let packs = mirrors.filter_map(|mirror| std::fs::read_dir(mirror.path().join("objects/pack")).ok());
    packs
        .flat_map(|pack| pack.flatten())
        .filter(|file| file.path().extension().is_some_and(|end| end == "pack"))
        .count()
}

/// `git http-backend` behind a small HTTP server on a free port of the loopback.
pub struct Server {
    pub port: u16,
    pub root: PathBuf,
    /// Counts requests that were answered.
    pub requests: Arc<AtomicUsize>,
    /// User and password asked for, if any.
    pub login: Arc<Mutex<Option<(String, String)>>>,
    /// What is in Git LFS, by SHA-256.
    pub large: Arc<Mutex<BTreeMap<String, String>>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Backend {
    root: PathBuf,
    requests: Arc<AtomicUsize>,
    login: Arc<Mutex<Option<(String, String)>>>,
    large: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Server {
    /// Serves the repositories below `root`.
    pub async fn start(root: &Path) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let backend =
            Backend { root: root.to_owned(), requests: Arc::default(), login: Arc::default(), large: Arc::default() };
        let (requests, login, large) = (backend.requests.clone(), backend.login.clone(), backend.large.clone());
        let app = Router::new().fallback(serve).with_state(backend);
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { port, root: root.to_owned(), requests, login, large, task }
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    pub fn repository(&self, name: &str) -> Repository {
        Repository::public(self.url(name))
    }

    pub fn ask_for(&self, user: &str, password: &str) {
        *self.login.lock().expect("not poisoned") = Some((user.to_owned(), password.to_owned()));
    }

    pub fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn with_login(mut repository: Repository, user: &str, password: &str) -> Repository {
    repository.credentials.username = Some(user.to_owned());
    repository.credentials.password = Some(Confidential::of(password));
    repository
}

async fn serve(State(backend): State<Backend>, request: Request) -> Response {
    backend.requests.fetch_add(1, Ordering::Relaxed);
    let wanted = backend.login.lock().expect("not poisoned").clone();
    if let Some((user, password)) = wanted {
        let expected = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(&format!("Basic {expected}")) {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
            return (StatusCode::UNAUTHORIZED, challenge, "who are you?").into_response();
        }
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.expect("the request's body");
    if parts.uri.path().ends_with("/info/lfs/objects/batch") || parts.uri.path().starts_with("/large/") {
        return large_files(&backend, &parts, &body);
    }
    run_backend(&backend.root, &parts.method, &parts.uri, &parts.headers, body).await
}

/// The LFS server beside the repositories: it says where objects are, and has them.
fn large_files(backend: &Backend, parts: &axum::http::request::Parts, body: &Bytes) -> Response {
    let large = backend.large.lock().expect("not poisoned");
    if let Some(oid) = parts.uri.path().strip_prefix("/large/") {
        return match large.get(oid) {
            Some(content) => content.clone().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let objects = asked["objects"].as_array().into_iter().flatten().map(|object| {
        let oid = object["oid"].as_str().expect("an id");
        match large.contains_key(oid) {
            true => serde_json::json!({"oid": oid, "size": object["size"],
                "actions": {"download": {"href": format!("http://{host}/large/{oid}")}}}),
            false => serde_json::json!({"oid": oid, "error": {"code": 404, "message": "Object does not exist"}}),
        }
    });
    let answer = serde_json::json!({"transfer": "basic", "objects": objects.collect::<Vec<_>>()});
    ([(header::CONTENT_TYPE, "application/vnd.git-lfs+json")], answer.to_string()).into_response()
}

async fn run_backend(
    root: &Path,
    method: &axum::http::Method,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_CONFIG_KEY_1", "http.receivepack")
        .env("GIT_CONFIG_VALUE_1", "true")
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", method.as_str())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("REMOTE_USER", "tester")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("git http-backend");
    let (mut stdin, mut stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let feed = async move {
        stdin.write_all(&body).await.ok();
        drop(stdin);
    };
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(feed, stdout.read_to_end(&mut answer));
    read.expect("the answer of git http-backend");
    child.wait().await.ok();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a header");
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&answer[..end]).lines() {
        let (name, value) = line.split_once(": ").expect("a header line");
        response = if name == "Status" {
            response.status(value.split(' ').next().and_then(|code| code.parse::<u16>().ok()).expect("a status"))
        } else {
            response.header(name, value)
        };
    }
    response.body(Body::from(answer.split_off(end + 4))).expect("a response")
}
