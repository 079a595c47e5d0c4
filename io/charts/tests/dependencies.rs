//! Dependencies are fetched from where the chart says, with the credentials that the repository Secrets have for it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use landfall_charts::client::ChartClient;
use landfall_charts::settings::Settings;
use landfall_ports::charts::{ChartRepo, PassCredentials};
use landfall_ports::dependencies::{Found, fetch};
use landfall_ports::registry::{Artifact, CHART_LAYER, Layer, Registry};
use landfall_repository::config::{self, SecretRole};
use landfall_repository::dependencies::{Dependency, Origin};
use landfall_repository::lookup::Repositories;
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::Repository;

/// A registry that has one version of everything and notes who asked for what.
#[derive(Default)]
struct OneVersion {
    asked: Mutex<Vec<(String, Option<String>)>>,
    layer: Option<&'static str>,
}

#[async_trait]
impl Registry for OneVersion {
    async fn tags(&self, _: &Repository) -> Result<Vec<String>, SourceError> {
        Ok(vec!["2.3.0_b".into()])
    }
    async fn resolve(&self, repository: &Repository, _: &str) -> Result<String, SourceError> {
        let asked = (repository.url.clone(), repository.credentials.username.clone());
        self.asked.lock().expect("not poisoned").push(asked);
        Ok("2.3.0_b".into())
    }
    async fn digest(&self, _: &Repository, _: &str) -> Result<String, SourceError> {
        Ok(String::new())
    }
    async fn pull(&self, _: &Repository, _: &str) -> Result<Artifact, SourceError> {
        let media_type = self.layer.unwrap_or(CHART_LAYER).to_owned();
        Ok(Artifact {
            digest: String::new(),
            config_media_type: String::new(),
            config: Bytes::new(),
            layers: vec![Layer { media_type, content: Bytes::from_static(b"from the registry") }],
            annotations: Vec::new(),
        })
    }
    async fn push(&self, _: &Repository, _: &str, _: &Artifact) -> Result<String, SourceError> {
        Ok(String::new())
    }
}

/// Answers for any host, as a repository with one chart and as a proxy; asks for a login below `/private`.
async fn serve() -> (u16, tokio::task::JoinHandle<()>) {
    async fn answer(uri: Uri, headers: HeaderMap) -> Response {
        if uri.path().starts_with("/private") && !headers.contains_key(header::AUTHORIZATION) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        if uri.path().ends_with("/index.yaml") {
            let host = uri.host().unwrap_or("here").to_owned();
            return format!("entries:\n  redis:\n  - name: redis\n    version: 17.3.1\n    appVersion: {host}\n    urls:\n    - redis.tgz\n")
                .into_response();
        }
        "archive".into_response()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let app = Router::new().fallback(answer);
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.ok();
    });
    (port, task)
}

fn secret(name: &str, pairs: &[(&str, &str)]) -> config::RepositoryConfig {
    let data: BTreeMap<String, Vec<u8>> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    config::parse(name, SecretRole::Repository, &data).0.expect("a url")
}

fn dependency(name: &str, version: &str, origin: Origin) -> Dependency {
    Dependency { name: name.into(), version: version.into(), is_locked: false, origin }
}

fn charts() -> (ChartClient, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    (ChartClient::with_settings(Settings::in_directory(directory.path())), directory)
}

#[tokio::test]
async fn every_origin_gives_its_chart() {
    let (port, task) = serve().await;
    let private = format!("http://127.0.0.1:{port}/private");
    let repositories = Repositories {
        configs: vec![
            secret("private", &[("url", &private), ("type", "helm"), ("name", "stable"), ("password", "x")]),
            secret(
                "oci",
                &[("url", "registry.example/charts"), ("type", "helm"), ("enableOCI", "true"), ("username", "robot")],
            ),
        ],
        ..Repositories::default()
    };
    let wanted = [
        dependency("redis", "^17", Origin::Http { url: format!("http://127.0.0.1:{port}/public") }),
        dependency("redis", "17.x", Origin::Named { name: "stable".into() }),
        dependency("common", "2.x", Origin::Oci { url: "oci://registry.example/charts/".into() }),
        dependency("sibling", "", Origin::Local { path: "../sibling".into() }),
    ];
    let ((charts, _directory), registry) = (charts(), OneVersion::default());
    let found = fetch(&wanted, &repositories, "default", PassCredentials::SameHost, &charts, &registry).await.unwrap();
    let shown: Vec<_> = found
        .iter()
        .map(|found| match found {
            Found::Archive { name, version, archive } => format!("{name} {version} {:?}", archive.bytes),
            Found::Folder { name, path } => format!("{name} in {path}"),
        })
        .collect();
    let expected = [
        "redis 17.3.1 b\"archive\"",
        "redis 17.3.1 b\"archive\"",
        "common 2.3.0+b b\"from the registry\"",
        "sibling in ../sibling",
    ];
    assert_eq!(shown, expected);
    let asked = registry.asked.lock().unwrap().clone();
    assert_eq!(asked, [("oci://registry.example/charts/common".to_owned(), Some("robot".to_owned()))]);
    task.abort();
}

#[tokio::test]
async fn an_alias_that_nobody_configured_and_an_artifact_that_is_no_chart_are_named() {
    let repositories = Repositories::default();
    let (charts, _directory) = charts();
    let fetch = async |wanted: Dependency, registry: &OneVersion| {
        fetch(&[wanted], &repositories, "default", PassCredentials::SameHost, &charts, registry).await.unwrap_err()
    };
    let named = dependency("redis", "*", Origin::Named { name: "stable".into() });
    let error = fetch(named, &OneVersion::default()).await;
    assert_eq!(error.problem, SourceProblem::NotFound);
    assert!(error.to_string().contains("@stable") && error.to_string().contains("name: stable"), "{error}");
    let image = OneVersion { layer: Some("application/vnd.oci.image.layer.v1.tar"), ..OneVersion::default() };
    let error = fetch(dependency("a", "*", Origin::Oci { url: "oci://registry.example/x".into() }), &image).await;
    assert_eq!(error.problem, SourceProblem::Broken);
    assert!(error.to_string().contains("no Helm chart"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_used_except_for_the_hosts_named() {
    let (port, task) = serve().await;
    let (charts, _directory) = charts();
    let mut repository = Repository::public("http://charts.invalid/stable");
    assert_eq!(charts.index(&repository).await.unwrap_err().problem, SourceProblem::Unreachable);
    repository.connection.proxy = Some(format!("http://127.0.0.1:{port}"));
    let version = charts.resolve(&repository, "redis", "").await.unwrap();
    assert_eq!(version.app_version.as_deref(), Some("charts.invalid"), "the proxy was asked for the host");
    repository.url = "http://other.invalid/stable".into();
    repository.connection.no_proxy = Some("other.invalid,localhost".into());
    assert_eq!(charts.index(&repository).await.unwrap_err().problem, SourceProblem::Unreachable);
    task.abort();
}
