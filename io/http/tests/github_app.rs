//! A GitHub App signs in with its key and uses its token until it is old.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landfall_http::Clients;
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::{GithubApp, Repository};
use landfall_repository::secret::Confidential;
use rcgen::{KeyPair, PKCS_RSA_SHA256};

#[derive(Clone)]
struct Github {
    public_key: Arc<Vec<u8>>,
    sold: Arc<AtomicUsize>,
}

impl Github {
    /// Checks the signature and the claims of the statement in the request.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some((signed, signature)) = given.strip_prefix("Bearer ").and_then(|token| token.rsplit_once('.')) else {
            return false;
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms.all;
        let is_signed = algorithms
            .iter()
            .any(|algorithm| algorithm.verify_signature(&self.public_key, signed.as_bytes(), &signature).is_ok());
        let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).expect("claims")).expect("base64");
        let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        let lasts = claims["exp"].as_u64().expect("a time") - claims["iat"].as_u64().expect("a time");
        is_signed && claims["iss"] == "12345" && lasts <= 600
    }
}

async fn installation(
    State(github): State<Github>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match github.knows(&headers) {
        true if owner == "team" && name == "app" => axum::Json(serde_json::json!({"id": 77})).into_response(),
        true => StatusCode::NOT_FOUND.into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn token(State(github): State<Github>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match github.knows(&headers) {
        true if id == "77" => {
            let number = github.sold.fetch_add(1, Ordering::Relaxed);
            (StatusCode::CREATED, axum::Json(serde_json::json!({"token": format!("token-{number}")}))).into_response()
        }
        true => StatusCode::NOT_FOUND.into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[tokio::test]
async fn a_token_is_bought_once_and_put_in_place_of_the_app() {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let github = Github { public_key: Arc::new(key.public_key_raw().to_vec()), sold: Arc::default() };
    let app = Router::new()
        .route("/repos/{owner}/{name}/installation", get(installation))
        .route("/app/installations/{id}/access_tokens", post(token))
        .with_state(github.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, app).await });

    let clients = Clients::with_timeouts(Duration::from_secs(5), Duration::from_secs(5));
    let mut repository = Repository::public("https://git.invalid/team/app.git");
    assert_eq!(clients.signed_in(&repository).await.unwrap(), repository, "nothing to do without an app");
    let with = |id: &str, installation: Option<&str>, private_key: String| GithubApp {
        id: id.into(),
        installation_id: installation.map(str::to_owned),
        private_key: Confidential::of(private_key),
        enterprise_base_url: Some(format!("{base}/")),
    };
    for installation in [None, Some("77"), None] {
        repository.credentials.github_app = Some(with("12345", installation, key.serialize_pem()));
        let signed_in = clients.signed_in(&repository).await.unwrap();
        assert_eq!(signed_in.credentials.username.as_deref(), Some("x-access-token"));
        let password = signed_in.credentials.password.unwrap();
        assert!(password.reveal().starts_with("token-"), "{}", password.reveal());
        assert_eq!(signed_in.credentials.github_app, None);
    }
    assert_eq!(github.sold.load(Ordering::Relaxed), 2, "one for each way to name the installation");

    let problem = async |app: GithubApp| {
        let mut repository = Repository::public("https://git.invalid/team/app.git");
        repository.credentials.github_app = Some(app);
        clients.signed_in(&repository).await.unwrap_err()
    };
    let stranger = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
    let error = problem(with("54321", None, stranger)).await;
    assert_eq!(error.problem, SourceProblem::AuthenticationFailed, "{error}");
    let error = problem(with("12345", Some("78"), key.serialize_pem())).await;
    assert!(error.problem == SourceProblem::Forbidden && error.to_string().contains("not installed"), "{error}");
    let curve = KeyPair::generate().unwrap().serialize_pem();
    for private_key in ["no key".to_owned(), curve] {
        let error = problem(with("999", None, private_key)).await;
        assert_eq!(error.problem, SourceProblem::Invalid, "{error}");
    }
    task.abort();
}
