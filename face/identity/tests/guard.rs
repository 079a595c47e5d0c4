//! What browsers are kept from and told, and the server's certificate.

mod support;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Request, StatusCode, header};
use landfall_flow::home::HomeKind;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::audit::Audit;
use landfall_identity::layer::{Authenticator, identify};
use landfall_identity::routes::{Identity, PUBLIC, router};
use landfall_identity::sessions::Sessions;
use landfall_identity::tls::{ServerCertificate, self_made};
use landfall_ports::web::{Web, WebAnswer, WebError, WebRequest};
use support::{Installation, secret};
use tower::ServiceExt as _;

struct Offline;

#[async_trait::async_trait]
impl Web for Offline {
    async fn send(&self, request: WebRequest) -> Result<WebAnswer, WebError> {
        Err(WebError { url: request.url, reason: "there is no network in this test".to_owned() })
    }
}

fn identity(installation: &Installation) -> (Identity, Router) {
    let access = installation.access.clone();
    let authenticator = Authenticator::of(access.clone(), Arc::new(Offline));
    let sessions = Sessions::of(access.clone());
    let audit = Audit::of(access.clock().clone(), None);
    let identity =
        Identity { authenticator: authenticator.clone(), accounts: Accounts::of(sessions.clone()), sessions, audit };
    let routes = router(identity.clone())
        .route("/things", post(async || "made").get(async || "read"))
        .route("/api/v1/session", post(async || r#"{"token":"abc"}"#).delete(async || "{}"))
        .route("/framed", get(async || ([("x-frame-options", "deny")], "own")))
        .layer(axum::middleware::from_fn_with_state(authenticator, identify));
    (identity, routes)
}

async fn send(router: &Router, method: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = Request::builder().method(method).uri("/things");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn a_page_of_another_site_cannot_make_a_browser_change_something() {
    let installation = Installation::of(&[("url", "https://cd.example.com")], &[], &[]);
    let (_, router) = identity(&installation);
    let cookie = ("cookie", "argocd.token=x.y.z");
    let json = ("content-type", "application/json");
    for (headers, wanted) in [
        (vec![cookie, json, ("sec-fetch-site", "same-origin")], StatusCode::OK),
        (vec![cookie, json, ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (vec![cookie, json, ("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN),
        (vec![cookie, json, ("origin", "https://evil.example.com")], StatusCode::FORBIDDEN),
        (vec![cookie, json, ("origin", "null")], StatusCode::FORBIDDEN),
        (vec![cookie, json, ("origin", "https://cd.example.com")], StatusCode::OK),
        (vec![cookie, json, ("origin", "https://other.example.com"), ("host", "other.example.com")], StatusCode::OK),
        (vec![cookie, json], StatusCode::OK),
        (vec![cookie, ("content-type", "text/plain")], StatusCode::BAD_REQUEST),
        (
            vec![cookie, ("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")],
            StatusCode::BAD_REQUEST,
        ),
        (vec![cookie], StatusCode::BAD_REQUEST),
        // `argocd logout` sends its token in a cookie, and no body.
        (vec![cookie, ("content-length", "0")], StatusCode::OK),
        (vec![cookie, ("content-length", "0"), ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        // Whoever has the token itself may send what they like.
        (
            vec![("authorization", "Bearer x.y.z"), ("sec-fetch-site", "cross-site"), ("content-type", "text/plain")],
            StatusCode::OK,
        ),
    ] {
        assert_eq!(send(&router, "POST", &headers).await, wanted, "{headers:?}");
    }
    assert_eq!(
        send(&router, "GET", &[cookie, ("sec-fetch-site", "cross-site")]).await,
        StatusCode::OK,
        "reading changes nothing"
    );
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let installation = Installation::of(&[("url", "https://cd.example.com")], &[], &[]);
    let (_, router) = identity(&installation);
    let answer = router.clone().oneshot(Request::get("/things").body(Body::empty()).unwrap()).await.unwrap();
    for name in [
        "content-security-policy",
        "x-frame-options",
        "x-content-type-options",
        "referrer-policy",
        "strict-transport-security",
    ] {
        assert!(answer.headers().contains_key(name), "{name}");
    }
    let own = router.clone().oneshot(Request::get("/framed").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(own.headers()["x-frame-options"], "deny", "what a route says stays");
    let plain = Installation::of(&[("url", "http://cd.example.com")], &[], &[]);
    let (_, router) = identity(&plain);
    let answer = router.oneshot(Request::get("/things").body(Body::empty()).unwrap()).await.unwrap();
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn a_browser_that_signs_in_or_out_gets_its_cookies() {
    let installation = Installation::of(&[("url", "https://cd.example.com")], &[], &[]);
    let (_, router) = identity(&installation);
    let ask = async |method: &str| {
        let request = Request::builder().method(method).uri("/api/v1/session").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        (cookie, String::from_utf8(body.to_vec()).unwrap())
    };
    let (cookie, body) = ask("POST").await;
    assert_eq!(cookie, "argocd.token=abc; Path=/; SameSite=Lax; HttpOnly; Secure");
    assert_eq!(body, r#"{"token":"abc"}"#);
    assert_eq!(ask("DELETE").await.0, "argocd.token=; Path=/; SameSite=Lax; HttpOnly; Secure; Max-Age=0");
}

#[tokio::test]
async fn of_our_own_routes_only_those_of_signing_in_answer_strangers() {
    let installation = Installation::of(&[], &[], &[]);
    let (_, router) = identity(&installation);
    for (method, path) in [
        ("GET", "/auth/login"),
        ("GET", "/auth/callback"),
        ("GET", "/auth/logout"),
        ("GET", "/api/dex/{*rest}"),
        ("POST", "/api/v1/landfall/session"),
        ("POST", "/api/v1/landfall/session/refresh"),
        ("POST", "/api/v1/landfall/session/end"),
        ("POST", "/api/v1/landfall/account/{name}/token"),
        ("GET", "/api/v1/landfall/audit"),
    ] {
        let uri = path.replace("{*rest}", "x").replace("{name}", "admin");
        let body = Body::from("{}");
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        if !PUBLIC.contains(&path) {
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            continue;
        }
        let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(support::KEY) && !text.contains("items"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_certificate_is_made_kept_and_replaced_while_serving() {
    let installation = Installation::of(&[], &[], &[]);
    let certificate = ServerCertificate::of(&installation.access).await.unwrap();
    certificate.server_config().unwrap();
    let kept = installation.cluster.secret("argocd-secret", "tls.crt").unwrap();
    assert!(kept.contains("BEGIN CERTIFICATE"));
    let again = ServerCertificate::of(&installation.access).await.unwrap();
    assert_eq!(installation.cluster.secret("argocd-secret", "tls.crt").unwrap(), kept, "made once");
    drop(again);
    let (certificate_pem, key_pem) = self_made("argocd", installation.access.now()).unwrap();
    installation
        .change(HomeKind::Secret, secret("argocd-server-tls", &[("tls.crt", &certificate_pem), ("tls.key", &key_pem)]));
    certificate.replace(&certificate_pem, &key_pem).unwrap();
    assert!(certificate.replace("nonsense", &key_pem).is_err(), "the old one is served on");
    let (_, other_key) = self_made("argocd", installation.access.now()).unwrap();
    assert!(certificate.replace(&certificate_pem, &other_key).is_err(), "a key of another certificate");
}
