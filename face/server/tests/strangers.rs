//! Strangers: every REST route and every gRPC method of the table, asked without a token and with a forged one. Nobody is
//! answered, but by what one needs to sign in, and by the version.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing to unwrap has failed")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use http_body_util::BodyExt as _;
use landfall_api::schema::schema;
use landfall_flow::home::HomeKind;
use landfall_identity::access::Access;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::audit::Audit;
use landfall_identity::layer::{Authenticator, identify};
use landfall_identity::routes::{Identity, router};
use landfall_identity::sessions::Sessions;
use landfall_ports::web::{Web, WebAnswer, WebError, WebRequest};
use landfall_server::api::Api;
use landfall_server::api::known::Installation;
use serde_json::json;
use support::{controller, fill};
use tower::ServiceExt as _;

struct Offline;

#[async_trait]
impl Web for Offline {
    async fn send(&self, request: WebRequest) -> Result<WebAnswer, WebError> {
        Err(WebError { url: request.url, reason: "there is no network in this test".to_owned() })
    }
}

/// Signed by somebody else: `{"iss":"argocd","sub":"admin:login","iat":1,"jti":"x"}`.
const FORGED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhcmdvY2QiLCJzdWIiOiJhZG1pbjpsb2dpbiIsImlhdCI6MSwianRpIjoieCJ9.c2lnbmF0dXJlLW9mLXNvbWVib2R5LWVsc2U";

/// What answers anybody.
const PUBLIC: [&str; 5] = [
    "version.VersionService/Version",
    "cluster.SettingsService/Get",
    "session.SessionService/Create",
    "session.SessionService/Delete",
    "session.SessionService/GetUserInfo",
];

fn server() -> Router {
    let controller = controller(Ok(None));
    fill(
        &controller,
        &[json!({
            "metadata": {"name": "shop", "namespace": "argocd", "uid": "u", "resourceVersion": "1"},
            "spec": {"project": "default", "source": {"repoURL": "https://git.example.com/secret-place", "path": "k8s"}, "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}},
        })],
    );
    let access = Access::of(controller.home_cluster.clone(), controller.clock.clone(), "argocd");
    let secret = json!({"kind": "Secret", "metadata": {"name": "argocd-secret"}, "stringData": {"server.secretkey": "a key of this installation"}});
    access.load(&[(HomeKind::Secret, secret)]);
    let authenticator = Authenticator::of(access.clone(), Arc::new(Offline));
    let sessions = Sessions::of(access.clone());
    let accounts = Accounts::of(sessions.clone());
    let audit = Audit::of(controller.clock.clone(), None);
    let gate = Arc::new(Installation::of(authenticator.clone(), sessions.clone(), accounts.clone(), audit.clone()));
    let api = Arc::new(Api {
        controller,
        gate,
        version: "0",
        epoch: "test".to_owned(),
        limits: Arc::default(),
        pages: Default::default(),
    });
    let identity = Identity { authenticator: authenticator.clone(), sessions, accounts, audit };
    let routes = router(identity).merge(landfall_server::router_with_api(api));
    routes.layer(axum::middleware::from_fn_with_state(authenticator, identify))
}

async fn ask(server: &Router, request: Request<Body>) -> (u16, Option<String>, String) {
    let answer: Response<Body> = server.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let status = parts.headers.get("grpc-status").or(trailers.get("grpc-status"));
    let status = status.map(|value| value.to_str().unwrap().to_owned());
    (parts.status.as_u16(), status, String::from_utf8_lossy(&collected.to_bytes()).into_owned())
}

#[tokio::test]
async fn no_rest_route_answers_a_stranger() {
    let server = server();
    let mut asked = 0;
    for method in &schema().methods {
        for rule in &method.rules {
            let parts = rule.path.split('/').map(|part| if part.starts_with('{') { "shop" } else { part });
            let path = parts.collect::<Vec<_>>().join("/");
            for token in ["", FORGED] {
                let mut request = Request::builder()
                    .method(rule.verb.as_str())
                    .uri(&path)
                    .header(header::CONTENT_TYPE, "application/json");
                if !token.is_empty() {
                    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
                }
                let (status, _, body) = ask(&server, request.body(Body::from("{}")).unwrap()).await;
                asked += 1;
                assert!(!body.contains("secret-place"), "{} {path}: {body}", rule.verb);
                if PUBLIC.contains(&method.path().as_str()) {
                    continue;
                }
                // What is not there at all, and what is no message of the method, says so before it asks who calls.
                let is_no_message = status == 400 && body.contains("\"code\":3") && body.contains(" must be ");
                assert!(matches!(status, 401 | 501) || is_no_message, "{} {path} answered {status}: {body}", rule.verb);
            }
        }
    }
    assert!(asked > 150, "{asked} requests are not the whole table");
}

#[tokio::test]
async fn no_grpc_method_answers_a_stranger() {
    let server = server();
    let mut asked = 0;
    for method in schema().methods.iter().filter(|method| !PUBLIC.contains(&method.path().as_str())) {
        for kind in ["application/grpc+proto", "application/grpc-web+proto"] {
            for token in ["", FORGED] {
                let mut request = Request::post(format!("/{}", method.path())).header(header::CONTENT_TYPE, kind);
                if !token.is_empty() {
                    request = request.header("token", token);
                }
                // One empty message.
                let (_, status, body) = ask(&server, request.body(Body::from(vec![0; 5])).unwrap()).await;
                asked += 1;
                let status = status.or_else(|| {
                    // gRPC-web writes trailers into the body.
                    body.split("grpc-status:")
                        .nth(1)
                        .map(|rest| rest.trim().split(['\r', '\n']).next().unwrap_or("").to_owned())
                });
                let status = status.unwrap_or_default();
                assert!(matches!(status.as_str(), "16" | "12"), "{} answered {status}: {body}", method.path());
                assert!(!body.contains("secret-place"), "{}", method.path());
            }
        }
    }
    assert!(asked > 200, "{asked} requests are not the whole table");
}

#[tokio::test]
async fn of_the_rest_only_health_and_the_webhook_answer() {
    let server = server();
    for (verb, path, wanted) in [
        ("GET", "/healthz", &[200][..]),
        ("GET", "/readyz", &[200, 503]),
        ("GET", "/metrics", &[401, 404]),
        ("GET", "/api/version", &[200]),
        ("GET", "/api/v1/settings", &[200]),
        ("GET", "/api/v1/session/userinfo", &[200]),
        ("POST", "/api/v1/session", &[401]),
        ("GET", "/api/badge?name=shop", &[404, 200, 403]),
        ("GET", "/api/v1/application-pages", &[401]),
        ("GET", "/api/v1/stream/application-changes", &[401]),
        ("GET", "/api/v1/applications/shop/explain", &[401]),
        ("POST", "/api/v1/applications/shop/plan", &[401]),
        ("GET", "/api/v1/landfall/audit", &[401]),
        ("POST", "/api/v1/landfall/account/admin/token", &[401]),
        ("GET", "/terminal", &[401, 404, 501]),
        ("GET", "/extensions/x", &[401, 404, 501]),
    ] {
        let request = Request::builder().method(verb).uri(path).header(header::CONTENT_TYPE, "application/json");
        let (status, _, body) = ask(&server, request.body(Body::from("{}")).unwrap()).await;
        assert!(wanted.contains(&status), "{verb} {path} answered {status}: {body}");
        assert!(!body.contains("secret-place"), "{path}: {body}");
    }
}
