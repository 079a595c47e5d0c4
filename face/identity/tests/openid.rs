//! Signing in at a real OpenID provider, `dev/openid-provider`, which these tests start. It needs node and npm.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, header};
use landfall_api::error::Code;
use landfall_http::web::WebClient;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::audit::Audit;
use landfall_identity::caller::Via;
use landfall_identity::layer::{Authenticator, identify};
use landfall_identity::routes::{Identity, router};
use landfall_identity::sessions::Sessions;
use landfall_identity::sign_on::challenge;
use landfall_ports::web::{Trust, Web as _, WebRequest};
use support::Installation;
use tower::ServiceExt as _;

const SECRET: &str = "a secret of thirty-two letters or so";
const REDIRECT: &str = "http://localhost:4999/auth/callback";

struct Provider {
    process: Child,
    issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Starts the provider; `None`, and a line that says so, where it cannot be had. Under CI that is a failure.
fn provider() -> Option<Provider> {
    provider_that("tells")
}

/// `conforms`: groups stand at the UserInfo endpoint only; `tells`: in tokens too.
fn provider_that(how: &str) -> Option<Provider> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dev/openid-provider");
    let left_out = |reason: &str| {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
        println!("left out: signing in at a real OpenID provider ({reason})");
    };
    if Command::new("node").arg("--version").output().is_err() || Command::new("npm").arg("--version").output().is_err()
    {
        left_out("node and npm are not installed");
        return None;
    }
    // Tests run side by side: one installs, the others wait.
    static INSTALLED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_installed = *INSTALLED.get_or_init(|| {
        folder.join("node_modules/oidc-provider").exists()
            || Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--silent"])
                .current_dir(&folder)
                .status()
                .is_ok_and(|status| status.success())
    });
    if !is_installed {
        left_out("npm ci failed");
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut process = Command::new("node")
        .args(["provider.mjs", &port.to_string(), REDIRECT, how])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line == "ready");
    if !is_ready {
        let _reaped = process.wait();
        left_out("the provider does not run; it needs node 20 or newer");
        return None;
    }
    // What else it says is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    Some(Provider { process, issuer: format!("http://127.0.0.1:{port}") })
}

/// A browser: it keeps cookies and goes where it is sent.
struct Browser {
    web: WebClient,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn ask(&mut self, method: &str, url: &str, form: &str) -> (u16, Option<String>, String) {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = vec![("cookie".to_owned(), cookies.join("; "))];
        if !form.is_empty() {
            headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        let request = WebRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body: form.as_bytes().to_vec(),
            trust: Trust::default(),
        };
        let answer = self.web.send(request).await.unwrap();
        for (name, value) in &answer.headers {
            if name == "set-cookie"
                && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
            {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, location) = (answer.status, answer.header("location").map(str::to_owned));
        (status, location, String::from_utf8(answer.read(url, 1 << 20).await.unwrap()).unwrap())
    }

    /// Signs in as `user` and permits everything; returns the address that the provider sends the browser back to.
    async fn sign_in(&mut self, issuer: &str, start: &str, user: &str, end: &str) -> String {
        let mut url = start.to_owned();
        let mut form = String::new();
        for _ in 0..12 {
            let method = if form.is_empty() { "GET" } else { "POST" };
            let (status, location, page) = self.ask(method, &url, &form).await;
            form.clear();
            if let Some(location) = location {
                url = if location.starts_with('/') { format!("{issuer}{location}") } else { location };
                if url.starts_with(end) {
                    return url;
                }
                continue;
            }
            assert_eq!(status, 200, "{url}: {page}");
            form = match page.contains("name=\"login\"") {
                true => format!("prompt=login&login={user}&password=any"),
                false => "prompt=consent".to_owned(),
            };
        }
        panic!("the provider never sent the browser back");
    }
}

struct Server {
    installation: Installation,
    authenticator: Arc<Authenticator>,
    router: Router,
}

fn server(issuer: &str) -> Server {
    server_with(issuer, "")
}

fn server_with(issuer: &str, further: &str) -> Server {
    let oidc = format!(
        "name: Test\nissuer: {issuer}\nclientID: landfall\nclientSecret: $oidc.secret\ncliClientID: landfall-cli\n\
         requestedScopes: [openid, email, profile, groups]\n{further}"
    );
    let config = [("url", "http://localhost:4999"), ("oidc.config", oidc.as_str())];
    let policy = [("policy.csv", "g, anns, role:admin")];
    let installation = Installation::of(&config, &policy, &[("oidc.secret", SECRET)]);
    // The provider's clock is the machine's.
    *installation.clock.0.lock().unwrap() = jiff::Timestamp::now().as_second();
    let access = installation.access.clone();
    let authenticator = Authenticator::of(access.clone(), Arc::new(WebClient::default()));
    let sessions = Sessions::of(access.clone());
    let identity = Identity {
        authenticator: authenticator.clone(),
        accounts: Accounts::of(sessions.clone()),
        sessions,
        audit: Audit::of(access.clock().clone(), None),
    };
    let router = router(identity).layer(axum::middleware::from_fn_with_state(authenticator.clone(), identify));
    Server { installation, authenticator, router }
}

impl Server {
    async fn get(&self, path: &str, cookies: &str) -> (u16, HeaderMap) {
        let request = Request::get(path).header(header::COOKIE, cookies).body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }
}

fn cookies(headers: &HeaderMap) -> String {
    let pairs = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

fn location(headers: &HeaderMap) -> String {
    headers[header::LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_signs_in_at_the_provider_and_its_groups_count() {
    let Some(provider) = provider() else { return };
    let server = server(&provider.issuer);
    let (status, headers) = server.get("/auth/login?return_url=/applications", "").await;
    assert_eq!(status, 303);
    let pending = cookies(&headers);
    assert!(pending.starts_with("landfall.login=") && location(&headers).contains("code_challenge_method=S256"));
    let mut browser = Browser { web: WebClient::default(), cookies: BTreeMap::new() };
    let back = browser.sign_in(&provider.issuer, &location(&headers), "ann", REDIRECT).await;
    let path = back.strip_prefix("http://localhost:4999").unwrap();

    // Another browser cannot finish it, and neither can this one with another state.
    assert_eq!(server.get(path, "").await.0, 400);
    let other = format!("{}x", &path[..path.find("state=").unwrap() + 6]);
    assert_eq!(server.get(&other, &pending).await.0, 400);

    let (status, headers) = server.get(path, &pending).await;
    assert_eq!(status, 303, "{headers:?}");
    assert_eq!(location(&headers), "http://localhost:4999/applications");
    let set = headers.get_all(header::SET_COOKIE).iter().next().unwrap().to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    let mut asked = HeaderMap::new();
    asked.insert(header::COOKIE, HeaderValue::from_str(&cookies(&headers)).unwrap());
    let caller = server.authenticator.authenticate(&asked, "10.0.0.1").await.unwrap();
    assert_eq!((caller.via, caller.subject.as_str(), caller.name()), (Via::Provider, "ann", "ann@example.com"));
    let snapshot = server.installation.access.snapshot();
    assert_eq!(caller.groups(&snapshot.settings.scopes), ["anns", "everybody"]);
    assert!(snapshot.permits(&caller, "applications", "delete", "team/shop"), "anns are administrators");

    // The code is good for one login.
    assert_eq!(server.get(path, &pending).await.0, 401);
    // Signed out, the same token is of no use any more.
    let (status, _) = server.get("/auth/logout", asked[header::COOKIE].to_str().unwrap()).await;
    assert_eq!(status, 303);
    let error = server.authenticator.authenticate(&asked, "").await.unwrap_err();
    assert!(error.message.contains("revoked"), "{}", error.message);
}

#[tokio::test]
async fn groups_that_stand_in_no_token_are_asked_for_at_the_provider() {
    let Some(provider) = provider_that("conforms") else { return };
    for (further, wanted) in [("", Vec::new()), ("enableUserInfoGroups: true\n", vec!["anns", "everybody"])] {
        let server = server_with(&provider.issuer, further);
        let (_, headers) = server.get("/auth/login", "").await;
        let mut browser = Browser { web: WebClient::default(), cookies: BTreeMap::new() };
        let back = browser.sign_in(&provider.issuer, &location(&headers), "ann", REDIRECT).await;
        let (status, headers) =
            server.get(back.strip_prefix("http://localhost:4999").unwrap(), &cookies(&headers)).await;
        assert_eq!(status, 303, "{headers:?}");
        let mut asked = HeaderMap::new();
        asked.insert(header::COOKIE, HeaderValue::from_str(&cookies(&headers)).unwrap());
        let caller = server.authenticator.authenticate(&asked, "10.0.0.1").await.unwrap();
        let snapshot = server.installation.access.snapshot();
        assert_eq!(caller.groups(&snapshot.settings.scopes), wanted, "{further:?}");
        assert_eq!(snapshot.permits(&caller, "applications", "delete", "team/shop"), !wanted.is_empty());
    }
}

#[tokio::test]
async fn tokens_of_the_provider_are_accepted_from_our_clients_only() {
    let Some(provider) = provider() else { return };
    let server = server(&provider.issuer);
    let mut tokens = BTreeMap::new();
    for client in ["landfall-cli", "stranger"] {
        let verifier = "a-verifier-that-is-long-enough-for-everybody-1234567";
        let start = format!(
            "{}/auth?client_id={client}&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%2Fauth%2Fcallback&scope=openid%20email%20groups&state=s&nonce=n&code_challenge={}&code_challenge_method=S256",
            provider.issuer,
            challenge(verifier)
        );
        let mut browser = Browser { web: WebClient::default(), cookies: BTreeMap::new() };
        let back = browser.sign_in(&provider.issuer, &start, "bob", "http://localhost/auth/callback").await;
        let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let form = format!(
            "grant_type=authorization_code&client_id={client}&code={code}&redirect_uri=http%3A%2F%2Flocalhost%2Fauth%2Fcallback&code_verifier={verifier}"
        );
        let (status, _, answer) = browser.ask("POST", &format!("{}/token", provider.issuer), &form).await;
        assert_eq!(status, 200, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        tokens.insert(client, answer["id_token"].as_str().unwrap().to_owned());
    }
    let ask = async |token: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        server.authenticator.authenticate(&headers, "").await
    };
    let caller = ask(&tokens["landfall-cli"]).await.unwrap();
    let snapshot = server.installation.access.snapshot();
    assert_eq!(caller.subject, "bob");
    assert!(!snapshot.permits(&caller, "applications", "get", "team/shop"), "no group of bob's has a role");
    let stranger = ask(&tokens["stranger"]).await.unwrap_err();
    assert!(stranger.message.contains("another audience"), "{}", stranger.message);

    // The provider's public key is no shared secret: a token that is signed with it is refused.
    let good = &tokens["landfall-cli"];
    let parts: Vec<&str> = good.split('.').collect();
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    for forged in [format!("{header}.{}.{}", parts[1], parts[2]), format!("{}.{}.", parts[0], parts[1])] {
        let error = ask(&forged).await.unwrap_err();
        assert_eq!(error.code, Code::Unauthenticated, "{}", error.message);
    }
    *server.installation.clock.0.lock().unwrap() += 30 * 86_400;
    assert!(ask(good).await.unwrap_err().message.contains("expired"));
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_ours() {
    let Some(provider) = provider() else { return };
    let server = server(&provider.issuer);
    for back in [
        "https://evil.example.com",
        "//evil.example.com",
        "http://localhost:4999.evil.example.com",
        "http://localhost:4999@evil.example.com/",
        "/%5Cevil.example.com",
    ] {
        let (status, headers) = server.get(&format!("/auth/login?return_url={back}"), "").await;
        assert_eq!(status, 400, "{back}: {headers:?}");
    }
    let (status, _) = server.get("/auth/login?return_url=http://localhost:4999/applications/x", "").await;
    assert_eq!(status, 303);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_named() {
    let server = server("http://127.0.0.1:9");
    let (status, _) = server.get("/auth/login", "").await;
    assert_eq!(status, 503);
    let (status, _) = server.get("/api/dex/auth", "").await;
    assert_eq!(status, 501);
}
