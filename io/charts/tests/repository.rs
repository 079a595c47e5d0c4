//! Chart repositories as static files behind a real HTTP server on the loopback.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use landfall_charts::client::ChartClient;
use landfall_charts::settings::Settings;
use landfall_ports::charts::{ChartRepo, PassCredentials};
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use sha2::{Digest, Sha256};

/// Content and entity tag by path and query.
type Files = BTreeMap<String, (Vec<u8>, String)>;

#[derive(Clone, Default)]
struct Site {
    files: Arc<Mutex<Files>>,
    login: Arc<Mutex<Option<String>>>,
    requests: Arc<AtomicUsize>,
    bodies: Arc<AtomicUsize>,
    authorized: Arc<AtomicUsize>,
}

struct Server {
    site: Site,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(site): State<Site>, request: Request) -> Response {
    site.requests.fetch_add(1, Ordering::Relaxed);
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if given.is_some() {
        site.authorized.fetch_add(1, Ordering::Relaxed);
    }
    let wanted = site.login.lock().expect("not poisoned").clone();
    if wanted.is_some() && wanted != given {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"charts\"")], "").into_response();
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
    let Some((content, etag)) = site.files.lock().expect("not poisoned").get(&path).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(&etag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    site.bodies.fetch_add(1, Ordering::Relaxed);
    ([(header::ETAG, etag)], content).into_response()
}

impl Server {
    async fn start() -> Self {
        let site = Site::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let app = Router::new().fallback(serve).with_state(site.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { site, port, task }
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let content = content.as_ref().to_vec();
        let etag = format!("\"{}\"", digest(&content));
        self.site.files.lock().expect("not poisoned").insert(path.to_owned(), (content, etag));
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn ask_for(&self, user: &str, password: &str) {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        *self.site.login.lock().expect("not poisoned") = Some(format!("Basic {login}"));
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn index(entries: &[(&str, &str, &str, Option<&str>)]) -> String {
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for (chart, version, url, digest) in entries {
        text.push_str(&format!("  {chart}:\n  - name: {chart}\n    version: {version}\n    urls:\n    - {url}\n"));
        if let Some(digest) = digest {
            text.push_str(&format!("    digest: {digest}\n"));
        }
    }
    text
}

fn client_in(directory: &std::path::Path) -> ChartClient {
    let mut settings = Settings::in_directory(directory);
    settings.index_age_max = Duration::ZERO;
    settings.idle_timeout = Duration::from_secs(5);
    ChartClient::with_settings(settings)
}

fn client() -> (ChartClient, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    (client_in(directory.path()), directory)
}

fn login(mut repository: Repository, user: &str, password: &str) -> Repository {
    repository.credentials.username = Some(user.into());
    repository.credentials.password = Some(Confidential::of(password));
    repository
}

#[tokio::test]
async fn a_chart_is_resolved_downloaded_and_checked_and_then_kept() {
    let server = Server::start().await;
    let archive = b"archive one";
    server.put("/stable/index.yaml", index(&[("app", "1.2.0", "charts/app-1.2.0.tgz", Some(&digest(archive)))]));
    server.put("/stable/charts/app-1.2.0.tgz", archive);
    let (client, directory) = client();
    for url in [server.url("/stable"), server.url("/stable/")] {
        let repository = Repository::public(url);
        let version = client.resolve(&repository, "app", "~1.2").await.unwrap();
        let chart = client.download(&repository, "app", &version, PassCredentials::SameHost).await.unwrap();
        assert_eq!((chart.bytes.as_ref(), chart.digest.as_str()), (archive.as_slice(), digest(archive).as_str()));
    }
    let asked = server.site.requests.load(Ordering::Relaxed);
    let again = client_in(directory.path());
    let repository = Repository::public(server.url("/stable"));
    let version = again.resolve(&repository, "app", "1.2.0").await.unwrap();
    again.download(&repository, "app", &version, PassCredentials::SameHost).await.unwrap();
    assert_eq!(server.site.requests.load(Ordering::Relaxed), asked + 1, "the index is revalidated, the chart is here");
    assert!(again.clean(Duration::ZERO).await > 0);
}

#[tokio::test]
async fn an_index_that_did_not_change_is_not_sent_again_and_a_change_is_seen() {
    let server = Server::start().await;
    server.put("/index.yaml", index(&[("app", "1.0.0", "a.tgz", None)]));
    let (client, directory) = client();
    let repository = Repository::public(server.url(""));
    for _ in 0..3 {
        assert_eq!(client.index(&repository).await.unwrap().versions_by_chart["app"][0].version, "1.0.0");
    }
    assert_eq!(client_in(directory.path()).index(&repository).await.unwrap().versions_by_chart.len(), 1);
    let counts = (server.site.requests.load(Ordering::Relaxed), server.site.bodies.load(Ordering::Relaxed));
    assert_eq!(counts, (4, 1));
    server.put("/index.yaml", index(&[("app", "1.1.0", "a.tgz", None)]));
    assert_eq!(client.resolve(&repository, "app", "").await.unwrap().version, "1.1.0");
}

#[tokio::test]
async fn many_applications_of_one_repository_ask_once() {
    let server = Server::start().await;
    server.put("/index.yaml", index(&[("app", "1.0.0", "a.tgz", None)]));
    let directory = tempfile::tempdir().unwrap();
    let client = ChartClient::with_settings(Settings {
        index_age_max: Duration::from_secs(3600),
        ..Settings::in_directory(directory.path())
    });
    let repository = Repository::public(server.url(""));
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let (client, repository) = (client.clone(), repository.clone());
        tasks.push(tokio::spawn(async move { client.resolve(&repository, "app", "*").await }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(server.site.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn credentials_are_used_and_stay_on_their_host_unless_passed_on() {
    let (home, elsewhere) = (Server::start().await, Server::start().await);
    home.ask_for("robot", "secret");
    home.put(
        "/index.yaml",
        index(&[("app", "1.0.0", &elsewhere.url("/a.tgz"), None), ("own", "1.0.0", "o.tgz", None)]),
    );
    home.put("/o.tgz", "own");
    elsewhere.put("/a.tgz", "archive");
    let (client, _directory) = client();
    let public = Repository::public(home.url(""));
    let problem = async |repository: &Repository| client.index(repository).await.unwrap_err().problem;
    assert_eq!(problem(&public).await, SourceProblem::AuthenticationRequired);
    assert_eq!(problem(&login(public.clone(), "robot", "wrong")).await, SourceProblem::AuthenticationFailed);
    let repository = login(public, "robot", "secret");
    for chart in ["own", "app"] {
        let version = client.resolve(&repository, chart, "").await.unwrap();
        client.download(&repository, chart, &version, PassCredentials::SameHost).await.unwrap();
    }
    assert_eq!(elsewhere.site.authorized.load(Ordering::Relaxed), 0, "another host learns nothing");
    let version = client.resolve(&repository, "app", "").await.unwrap();
    client.download(&repository, "app", &version, PassCredentials::Everywhere).await.unwrap();
    assert_eq!(elsewhere.site.authorized.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_damaged_or_missing_archive_is_refused_and_a_mirror_tried() {
    let server = Server::start().await;
    let good = digest(b"good");
    let mut text = index(&[("bad", "1.0.0", "bad.tgz", Some(&good)), ("gone", "1.0.0", "gone.tgz", None)]);
    text.push_str(&format!(
        "  mirrored:\n  - name: mirrored\n    version: 1.0.0\n    digest: {good}\n    urls: [ftp://x/a.tgz, gone.tgz, bad.tgz, good.tgz]\n"
    ));
    text.push_str("  nowhere:\n  - name: nowhere\n    version: 1.0.0\n");
    server.put("/index.yaml", text);
    server.put("/bad.tgz", "bad");
    server.put("/good.tgz", "good");
    let (client, _directory) = client();
    let repository = Repository::public(server.url(""));
    let download = async |chart| {
        let version = client.resolve(&repository, chart, "").await.unwrap();
        client.download(&repository, chart, &version, PassCredentials::SameHost).await
    };
    let error = download("bad").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Broken);
    assert!(error.to_string().contains(&good) && error.to_string().contains("bad 1.0.0"), "{error}");
    assert_eq!(download("gone").await.unwrap_err().problem, SourceProblem::NotFound);
    assert_eq!(download("nowhere").await.unwrap_err().problem, SourceProblem::Broken);
    assert_eq!(download("mirrored").await.unwrap().bytes, "good");
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is() {
    let server = Server::start().await;
    server.put("/index.yaml", index(&[("application", "1.0.0", "a.tgz", None)]));
    server.put("/page/index.yaml", "<html>Welcome</html>");
    let (client, _directory) = client();
    let repository = Repository::public(server.url(""));
    let error = client.resolve(&repository, "app", "").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::NotFound);
    assert!(error.to_string().contains("similar charts: application"), "{error}");
    let error = client.resolve(&repository, "application", ">=2").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision);
    assert!(error.to_string().contains("1.0.0"), "{error}");
    for (path, problem) in [("/page", SourceProblem::NotFound), ("/absent", SourceProblem::NotFound)] {
        let error = client.index(&Repository::public(server.url(path))).await.unwrap_err();
        assert_eq!(error.problem, problem, "{error}");
    }
    let error = client.index(&Repository::public("oci://registry.invalid/x")).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Invalid);
}

#[tokio::test]
async fn sizes_are_bounded_and_remote_values_are_read() {
    let server = Server::start().await;
    server.put("/values.yaml?ref=main", "a: 1\n");
    server.put("/large.yaml", vec![b'x'; 2048]);
    let directory = tempfile::tempdir().unwrap();
    let client =
        ChartClient::with_settings(Settings { file_bytes_max: 1024, ..Settings::in_directory(directory.path()) });
    let repository = Repository::public("https://elsewhere.invalid");
    assert_eq!(client.file(&repository, &server.url("/values.yaml?ref=main")).await.unwrap(), "a: 1\n");
    let error = client.file(&repository, &server.url("/large.yaml")).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::TooLarge);
    let error = client.file(&repository, "file:///etc/passwd").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Invalid);
}
