//! The API as its OpenAPI document says, judged by schemathesis: thousands of requests that the document permits and that
//! it forbids; no answer is a fault of ours, of an undescribed status, kind or shape, and none is given to strangers.

use std::process::Stdio;
use std::time::Duration;

use landfall_e2e::plane::Kind;
use landfall_e2e::serve::{Serving, Wire};
use landfall_e2e::world::{World, automated};
use serde_json::{Value, json};

use crate::stock::{SETTINGS, config_map};

/// How long schemathesis itself goes on, in seconds; SCHEMA_SECONDS says otherwise.
const SECONDS: u64 = 30;
/// How much longer it may take to begin and end.
const GRACE: Duration = Duration::from_secs(60);
/// What is judged. Left out: whether everything that the document forbids is refused (unknown fields and parameters are let
/// pass, as Argo CD lets them), and what needs a server whose objects all exist.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      ignored_auth,unsupported_method";

/// Left out: streams, which end when their reader does; the password and the session of who tests; and what answers
/// Unimplemented, with a sentence, whatever it is asked with.
const EXCLUDED: &str = "^/api/v1/stream/|/logs$|^/api/v1/session$|^/api/v1/account/password$|\
                        ^/api/v1/applicationsets/generate$";

#[tokio::test(flavor = "multi_thread")]
async fn no_request_makes_the_api_break_its_own_description() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    world.apply(config_map("argocd-cm", json!({"accounts.ci": "apiKey, login"}))).await.unwrap();
    let repository = world.repository("shop").unwrap();
    let commit = repository.commit(&[("app/settings.yaml", Some(SETTINGS))]).unwrap();
    world.apply(automated("shop", &repository, "app")).await.unwrap();
    world.settled("shop", &commit).await.unwrap();
    let serving = Serving::guarded(&world, Wire::Plain).await.unwrap();
    let token = token(&serving).await;
    let program = tokio::task::spawn_blocking(landfall_testkit::schemathesis::program).await.unwrap().unwrap();
    let seconds = std::env::var("SCHEMA_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let reports = world.directory.path().join("reports");
    let mut command = tokio::process::Command::new(program);
    command
        .args(["run", &serving.url("/api/v1/openapi.json"), "--checks", CHECKS])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--exclude-path-regex", EXCLUDED])
        .args(["--phases", "examples,coverage,fuzzing", "--max-time", &seconds.to_string(), "--workers", "2"])
        .args(["--request-timeout", "10", "--seed", "7", "--no-shrink", "--continue-on-failure", "--warnings", "off"])
        .args(["--suppress-health-check", "all", "--no-color", "--output-sanitize", "false"])
        .arg("--report-dir")
        .arg(&reports)
        .current_dir(world.directory.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let limit = Duration::from_secs(seconds) + GRACE;
    let output = tokio::time::timeout(limit, command.output()).await.expect("schemathesis ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("generated"), "nothing was tried: {said}");
    // Whatever was sent, the server still serves, and what it manages is as it was.
    let (status, _) = ask(&serving, "/api/version", &token).await;
    assert_eq!(status, "200");
}

pub(crate) async fn token(serving: &Serving) -> String {
    let body = json!({"username": "admin", "password": serving.password}).to_string();
    let (_, answer) = crate::others::curl(serving, "POST", "/api/v1/session", Some(&body)).await.unwrap();
    answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

pub(crate) async fn ask(serving: &Serving, path: &str, token: &str) -> (String, Value) {
    let header = format!("Authorization: Bearer {token}");
    let ran = crate::others::program("curl", &["-sS", "-w", "\n%{http_code}", "-H", &header, &serving.url(path)]).await;
    let (_, out, _) = ran.unwrap();
    let (body, status) = out.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(body).unwrap_or_default())
}
