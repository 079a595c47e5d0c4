//! Servers that are down, silent, or no Git servers at all: every one is answered in words and in time.

mod support;

use std::time::{Duration, Instant};

use landfall_ports::git::GitRemote;
use landfall_repository::problem::{Fault, SourceProblem};
use landfall_repository::refs::CommitId;
use landfall_repository::repository::Repository;
use support::{client, client_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every request on a free port with the same bytes; then holds the connection open or closes it.
async fn answering(answer: &'static str, holds: bool) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_err() {
                continue;
            }
            stream.write_all(answer.as_bytes()).await.ok();
            if holds {
                held.push(stream);
            }
        }
    });
    (port, task)
}

fn repository(port: u16) -> Repository {
    Repository::public(format!("http://127.0.0.1:{port}/team/app.git"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = client().client.list_refs(&repository(port), &[]).await.unwrap_err();
    assert_eq!((&error.problem, error.problem.fault()), (&SourceProblem::Unreachable, Fault::Wait), "{error}");
    assert!(error.to_string().contains("refused") && error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve() {
    let repository = Repository::public("https://git.invalid/team/app.git");
    let error = client().client.list_refs(&repository, &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Unreachable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_never_answers_ends_in_time() {
    let (port, task) = answering("", true).await;
    let client = client_with(|settings| settings.idle_timeout = Duration::from_millis(300));
    let start = Instant::now();
    let commit = CommitId::parse(&"a".repeat(40)).unwrap();
    for error in [
        client.client.list_refs(&repository(port), &[]).await.unwrap_err(),
        client.client.fetch(&repository(port), &[commit]).await.unwrap_err(),
    ] {
        assert_eq!(error.problem, SourceProblem::TimedOut, "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_in_the_middle_ends_in_time() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\
                  Transfer-Encoding: chunked\r\n\r\n1e\r\n001e# service=git-upload-pack\n\r\n";
    let (port, task) = answering(answer, true).await;
    let client = client_with(|settings| settings.idle_timeout = Duration::from_millis(300));
    let error = client.client.list_refs(&repository(port), &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::TimedOut, "{error}");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_no_longer_waits_stops_the_work() {
    let (port, task) = answering("", true).await;
    let client = client_with(|settings| settings.idle_timeout = Duration::from_secs(60));
    let silent = repository(port);
    let wait = client.client.list_refs(&silent, &[]);
    assert!(tokio::time::timeout(Duration::from_millis(100), wait).await.is_err());
    // The blocking thread must be gone too, or the runtime could not end: leaving this test proves it.
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_gits_are_named() {
    let table = [
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
            SourceProblem::NotFound,
            "text/html",
        ),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", SourceProblem::NotFound, "404"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", SourceProblem::Forbidden, "403"),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", SourceProblem::Broken, "500"),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", SourceProblem::Unreachable, "503"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 7\r\n\r\nnonsens",
            SourceProblem::Broken,
            "Git server",
        ),
    ];
    for (answer, problem, text) in table {
        let (port, task) = answering(answer, false).await;
        let error = client().client.list_refs(&repository(port), &[]).await.unwrap_err();
        assert_eq!(error.problem, problem, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_for_every_request() {
    let root = tempfile::tempdir().unwrap();
    let work = support::Work::new();
    let commit = work.write("a.yaml", "a: 1\n").commit("First");
    let bare = root.path().join("new.git");
    work.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let server = support::Server::start(root.path()).await;
    let target = server.url("new.git");
    let app = axum::Router::new().fallback(move |uri: axum::http::Uri| {
        let path = uri.path_and_query().map_or("", |path| path.as_str()).replace("/old.git", "");
        let to = format!("{target}{path}");
        async move { axum::response::Redirect::temporary(&to) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = client();
    let moved = Repository::public(format!("http://127.0.0.1:{port}/old.git"));
    assert_eq!(client.client.list_refs(&moved, &[]).await.unwrap().head, Some(commit.clone()));
    client.client.fetch(&moved, std::slice::from_ref(&commit)).await.unwrap();
    assert!(client.client.tree(&moved, &commit).await.unwrap().file("a.yaml").unwrap().is_some());
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let client = client();
    let mut app = Repository::public("https://git.invalid/x");
    app.credentials.unsupported = vec!["Google Cloud service account (gcpServiceAccountKey)".into()];
    let error = client.client.list_refs(&app, &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Unsupported);
    assert!(error.to_string().contains("Google Cloud"), "{error}");

    let mut certificate = Repository::public("https://git.invalid/x");
    certificate.connection.tls_authorities =
        Some("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n".into());
    let error = client.client.list_refs(&certificate, &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Invalid, "{error}");

    for url in ["git://git.invalid/x", "relative/path", "oci://registry.invalid/chart"] {
        let error = client.client.tree(&Repository::public(url), &CommitId::parse(&"a".repeat(40)).unwrap()).await;
        assert_eq!(error.err().unwrap().problem, SourceProblem::Invalid, "{url}");
        let error = client.client.list_refs(&Repository::public(url), &[]).await.unwrap_err();
        assert_eq!(error.problem, SourceProblem::Invalid, "{url}");
    }
}
