//! The repository over smart HTTP: `git http-backend` behind a small server on a free port of the loopback.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The longest request: what a client says it has and wants.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Serves repositories until this is dropped.
pub(crate) struct GitServer {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl GitServer {
    /// Serves the repositories below `root`.
    pub(crate) async fn start(root: &Path) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let app = Router::new().fallback(serve).with_state(root.to_owned());
        let task = tokio::spawn(async move {
            // It ends with the benchmark.
            let _ended = axum::serve(listener, app).await;
        });
        Ok(Self { port, task })
    }

    /// The address of one of them.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(root): State<PathBuf>, request: Request) -> Response {
    match answer(&root, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

async fn answer(root: &Path, request: Request) -> anyhow::Result<Response> {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await?;
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (mut stdin, mut stdout) = (child.stdin.take().context("a pipe")?, child.stdout.take().context("a pipe")?);
    let feed = async move {
        let fed = stdin.write_all(&body).await;
        drop(stdin);
        fed
    };
    let mut said = Vec::new();
    let (fed, read) = tokio::join!(feed, stdout.read_to_end(&mut said));
    (fed?, read?);
    child.wait().await?;
    let end = said.windows(4).position(|window| window == b"\r\n\r\n").context("git http-backend sent no header")?;
    let mut response = Response::builder();
    for (name, value) in String::from_utf8_lossy(&said[..end]).lines().filter_map(|line| line.split_once(": ")) {
        response = match name {
            "Status" => response.status(value.split(' ').next().context("a status")?.parse::<u16>()?),
            _ => response.header(name, value),
        };
    }
    Ok(response.body(Body::from(said.split_off(end + 4)))?)
}
