//! Registries that are down, silent or wrong, and those that hand out tokens: small servers made for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use landfall_ports::registry::Registry;
use landfall_registry::client::{RegistryClient, Settings};
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use sha2::{Digest, Sha256};

async fn serve(app: Router) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.ok();
    });
    (port, task)
}

fn repository(port: u16) -> Repository {
    let mut repository = Repository::public(format!("oci://127.0.0.1:{port}/team/app"));
    repository.connection.oci_plain_http = true;
    repository
}

#[tokio::test]
async fn nobody_listens_or_nobody_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = RegistryClient::with_settings(Settings {
        idle_timeout: Duration::from_millis(200),
        operation_timeout: Duration::from_millis(400),
        ..Settings::default()
    });
    let error = client.tags(&repository(port)).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::TimedOut, "{error}");
    drop(listener);
    let error = RegistryClient::default().tags(&repository(port)).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Unreachable, "{error}");
}

#[tokio::test]
async fn addresses_and_tags_that_cannot_be_are_refused_before_anything_is_sent() {
    let client = RegistryClient::default();
    for url in ["oci://host.invalid", "oci://host.invalid/../x", "oci://host.invalid/UPPER", "oci:///x", ""] {
        let error = client.tags(&Repository::public(url)).await.unwrap_err();
        assert_eq!(error.problem, SourceProblem::Invalid, "{url}");
    }
    for tag in ["../x", "a b", "", "sha256:12"] {
        let error = client.pull(&repository(1), tag).await.unwrap_err();
        assert_eq!(error.problem, SourceProblem::Invalid, "{tag}");
    }
    let mut certificate = repository(1);
    certificate.credentials.tls_client_certificate = Some("PEM".into());
    assert_eq!(client.tags(&certificate).await.unwrap_err().problem, SourceProblem::Unsupported);
}

#[tokio::test]
async fn a_layer_that_is_not_what_the_manifest_announces_is_refused() {
    let announced: String = Sha256::digest(b"good").iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"x/y","digest":"sha256:{announced}","size":4}},"layers":[]}}"#
    );
    let app =
        Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route(
                "/v2/team/app/manifests/{tag}",
                get(move || async move {
                    ([(header::CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")], manifest)
                }),
            )
            .route("/v2/team/app/blobs/{digest}", get(|| async { "evil" }));
    let (port, task) = serve(app).await;
    let error = RegistryClient::default().pull(&repository(port), "1.0.0").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Broken, "{error}");
    task.abort();
}

#[tokio::test]
async fn a_list_of_platforms_is_no_artifact_and_a_web_page_no_manifest() {
    let app = Router::new().route("/v2/", get(|| async { "{}" })).route(
        "/v2/team/app/manifests/{tag}",
        get(|axum::extract::Path(tag): axum::extract::Path<String>| async move {
            let list = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
            if tag == "list" { list } else { "<html>" }
        }),
    );
    let (port, task) = serve(app).await;
    let client = RegistryClient::default();
    assert_eq!(client.pull(&repository(port), "list").await.unwrap_err().problem, SourceProblem::Unsupported);
    assert_eq!(client.pull(&repository(port), "page").await.unwrap_err().problem, SourceProblem::Broken);
    task.abort();
}

#[derive(Clone)]
struct Tokens {
    port: Arc<AtomicUsize>,
    issued: Arc<AtomicUsize>,
}

#[derive(serde::Deserialize)]
struct Asked {
    scope: String,
    service: String,
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_and_used_again() {
    async fn challenge(State(tokens): State<Tokens>, headers: HeaderMap) -> Response {
        if headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer opaque-token") {
            return axum::Json(serde_json::json!({"name": "team/app", "tags": ["1.0.0", "1.1.0"]})).into_response();
        }
        let port = tokens.port.load(Ordering::Relaxed);
        let realm = format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"tests\"");
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, realm)], "{\"errors\":[]}").into_response()
    }
    async fn token(State(tokens): State<Tokens>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
        let login = base64::engine::general_purpose::STANDARD.encode("robot:s3cret");
        let is_right = headers.get(header::AUTHORIZATION).is_some_and(|value| value == &format!("Basic {login}"));
        if !is_right || asked.scope != "repository:team/app:pull" || asked.service != "tests" {
            return (StatusCode::UNAUTHORIZED, "no").into_response();
        }
        tokens.issued.fetch_add(1, Ordering::Relaxed);
        axum::Json(serde_json::json!({"token": "opaque-token"})).into_response()
    }
    let tokens = Tokens { port: Arc::default(), issued: Arc::default() };
    let app = Router::new()
        .route("/v2/", get(challenge))
        .route("/v2/team/app/tags/list", get(challenge))
        .route("/token", get(token))
        .with_state(tokens.clone());
    let (port, task) = serve(app).await;
    tokens.port.store(usize::from(port), Ordering::Relaxed);
    let client = RegistryClient::default();
    let mut robot = repository(port);
    let error = client.tags(&robot).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::AuthenticationRequired, "{error}");
    robot.credentials.username = Some("robot".into());
    robot.credentials.password = Some(Confidential::of("s3cret"));
    for _ in 0..3 {
        assert_eq!(client.resolve(&robot, "1.x").await.unwrap(), "1.1.0");
    }
    assert_eq!(tokens.issued.load(Ordering::Relaxed), 1);
    let mut bearer = repository(port);
    bearer.credentials.bearer_token = Some(Confidential::of("opaque-token"));
    assert_eq!(client.tags(&bearer).await.unwrap().len(), 2);
    task.abort();
}

#[derive(serde::Deserialize)]
struct Page {
    n: usize,
    last: Option<usize>,
}

#[tokio::test]
async fn tags_are_read_page_by_page_and_a_registry_that_repeats_itself_ends() {
    let list = |Query(page): Query<Page>| async move {
        let first = page.last.map_or(0, |last| last + 1);
        let tags: Vec<String> = (first..2_500).take(page.n).map(|tag| tag.to_string()).collect();
        axum::Json(serde_json::json!({"name": "team/app", "tags": tags}))
    };
    let same = || async {
        let tags: Vec<String> = (0..1_000).map(|tag| tag.to_string()).collect();
        axum::Json(serde_json::json!({"name": "team/same", "tags": tags}))
    };
    let app = Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route("/v2/team/app/tags/list", get(list))
        .route("/v2/team/same/tags/list", get(same));
    let (port, task) = serve(app).await;
    let client = RegistryClient::default();
    assert_eq!(client.tags(&repository(port)).await.unwrap().len(), 2_500);
    let mut same = repository(port);
    same.url = same.url.replace("app", "same");
    assert_eq!(client.tags(&same).await.unwrap().len(), 1_000);
    task.abort();
}
