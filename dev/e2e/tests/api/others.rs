//! The API to clients of other makes: a client that protoc and grpcio generated from our definitions, and plain curl.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use landfall_e2e::plane::Kind;
use landfall_e2e::serve::{Serving, Wire};
use landfall_e2e::world::{World, automated};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stock::SETTINGS;

/// How long an outside program may take.
const PROGRAM_LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn program(name: &str, arguments: &[&str]) -> anyhow::Result<(i32, String, String)> {
    let mut command = tokio::process::Command::new(name);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PROGRAM_LIMIT, command.output()).await.context("it did not end")??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

/// A request by curl: the status, and the body as JSON.
pub(crate) async fn curl(
    serving: &Serving,
    verb: &str,
    path: &str,
    body: Option<&str>,
) -> anyhow::Result<(u16, Value)> {
    let url = format!("http://{}{path}", serving.address);
    let mut arguments = vec!["-sS", "-m", "30", "-X", verb, "-w", "\n%{http_code}", &url];
    if let Some(body) = body {
        arguments.extend(["-H", "content-type: application/json", "--data-binary", body]);
    }
    let (code, out, complaints) = program("curl", &arguments).await?;
    if code != 0 {
        bail!("curl ended with {code}: {complaints}");
    }
    let (body, status) = out.rsplit_once('\n').context("curl writes the status last")?;
    Ok((status.parse()?, serde_json::from_str(body).with_context(|| format!("no JSON: {body}"))?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_generated_from_our_definitions_by_another_implementation_is_served() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let repository = world.repository("shop").unwrap();
    repository.commit(&[("app/settings.yaml", Some(SETTINGS))]).unwrap();
    let serving = Serving::guarded(&world, Wire::Plain).await.unwrap();
    let generated = world.directory.path().join("generated");
    std::fs::create_dir_all(&generated).unwrap();
    let definitions = landfall_testkit::build::workspace().join("face/api/proto");
    let mut files = Vec::new();
    collect(&definitions, &mut files);
    let (include, out) = (format!("-I{}", definitions.display()), format!("--python_out={}", generated.display()));
    let mut arguments = vec![include.as_str(), "-I/usr/include", out.as_str()];
    arguments.extend(files.iter().map(String::as_str));
    let ran = program("protoc", &arguments).await.expect("protoc is there: dev/tools.sh installs it");
    assert_eq!(ran.0, 0, "{}", ran.2);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/client.py").display().to_string();
    let (address, folder) = (serving.address.to_string(), generated.display().to_string());
    let ran =
        program("/usr/bin/python3", &[&script, &address, &folder, &repository.url(), &serving.password]).await.unwrap();
    assert_eq!(ran.0, 0, "{}{}", ran.1, ran.2);
    assert!(ran.1.contains("everything is as promised"));
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path.display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_what_argo_cds_clients_get() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let repository = world.repository("shop").unwrap();
    let commit = repository.commit(&[("app/settings.yaml", Some(SETTINGS))]).unwrap();
    let serving = Serving::open(&world).await.unwrap();
    world.apply(automated("shop", &repository, "app")).await.unwrap();
    world.settled("shop", &commit).await.unwrap();

    let (status, list) = curl(&serving, "GET", "/api/v1/applications", None).await.unwrap();
    assert_eq!(status, 200);
    let application = &list["items"][0];
    assert_eq!(application["metadata"]["name"], "shop");
    assert!(application.get("kind").is_none() && application["metadata"].get("managedFields").is_none());
    let (_, few) =
        curl(&serving, "GET", "/api/v1/applications?fields=items.metadata.name,items.status.sync.status", None)
            .await
            .unwrap();
    assert_eq!(few, json!({"items": [{"metadata": {"name": "shop"}, "status": {"sync": {"status": "Synced"}}}]}));
    let (status, refused) = curl(&serving, "GET", "/api/v1/applications/nothing", None).await.unwrap();
    assert_eq!((status, &refused["code"]), (403, &json!(7)));
    let (status, refused) = curl(&serving, "GET", "/api/v1/applications/nothing?project=default", None).await.unwrap();
    assert_eq!((status, &refused["code"]), (404, &json!(5)));
    let (status, refused) =
        curl(&serving, "POST", "/api/v1/applications/shop/sync", Some(r#"{"prune":"x"}"#)).await.unwrap();
    assert_eq!((status, &refused["code"]), (400, &json!(3)));
    let (status, tree) = curl(&serving, "GET", "/api/v1/applications/shop/resource-tree", None).await.unwrap();
    assert_eq!((status, &tree["nodes"][0]["kind"]), (200, &json!("ConfigMap")));

    let (_, page) = curl(&serving, "GET", "/api/v1/application-pages?search=SHOP%20synced&sort=-health&limit=1", None)
        .await
        .unwrap();
    assert_eq!((&page["total"], &page["items"][0]["name"]), (&json!(1), &json!("shop")));
    assert_eq!(page["counts"]["sync"]["Synced"], 1);
    let (_, nothing) = curl(&serving, "GET", "/api/v1/application-pages?search=elsewhere", None).await.unwrap();
    assert_eq!(nothing["total"], 0);
    let (_, why) = curl(&serving, "GET", "/api/v1/applications/shop/explain", None).await.unwrap();
    assert_eq!((&why["sync"], &why["outOfSync"]), (&json!("Synced"), &json!([])));
    assert!(why["decision"].as_str().unwrap().starts_with("nothing to do"), "{why}");
    let mut later = automated("later", &repository, "app");
    later["spec"]["syncPolicy"] = json!({"syncOptions": ["CreateNamespace=true"]});
    world.apply(later).await.unwrap();
    let is_compared = |found: &landfall_model::application::Application| {
        found.status.sync.status == landfall_model::status::SyncStatusCode::OutOfSync
    };
    world.until("later", "compared", is_compared).await.unwrap();
    let (_, why) = curl(&serving, "GET", "/api/v1/applications/later/explain", None).await.unwrap();
    assert_eq!((&why["sync"], &why["outOfSync"][0]["kind"]), (&json!("OutOfSync"), &json!("ConfigMap")), "{why}");
    let (_, plan) = curl(&serving, "POST", "/api/v1/applications/later/plan", Some("{}")).await.unwrap();
    assert_eq!(plan["begins"], true, "{plan}");
    assert!(plan["groups"][0][0]["does"].is_string(), "{plan}");
    // Nothing of that began a sync.
    assert!(world.application("later").await.unwrap().status.history.is_empty());
    let (_, document) = curl(&serving, "GET", "/api/v1/openapi.json", None).await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_and_who_comes_back_gets_what_was_missed() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let repository = world.repository("shop").unwrap();
    let commit = repository.commit(&[("app/settings.yaml", Some(SETTINGS))]).unwrap();
    let serving = Serving::open(&world).await.unwrap();
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    let ask = "GET /api/v1/stream/application-changes HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let begin = until(&mut stream, "event: reset").await;
    assert!(begin.contains("text/event-stream"));
    world.apply(automated("shop", &repository, "app")).await.unwrap();
    world.settled("shop", &commit).await.unwrap();
    let told = until(&mut stream, "\"sync\":\"Synced\"").await;
    let first = told.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(stream);

    let mut again = TcpStream::connect(serving.address).await.unwrap();
    let ask = format!("GET /api/v1/stream/application-changes HTTP/1.1\r\nhost: x\r\nlast-event-id: {first}\r\n\r\n");
    again.write_all(ask.as_bytes()).await.unwrap();
    let missed = until(&mut again, "\"sync\":\"Synced\"").await;
    assert!(!missed.contains("event: reset"), "{missed}");
    let mut stranger = TcpStream::connect(serving.address).await.unwrap();
    let ask = "GET /api/v1/stream/application-changes?after=other-1 HTTP/1.1\r\nhost: x\r\n\r\n";
    stranger.write_all(ask.as_bytes()).await.unwrap();
    until(&mut stranger, "event: reset").await;
}

/// Reads until a text was seen.
pub(crate) async fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut seen = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            let count = stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "it ended before {wanted:?}: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap_or_else(|_| panic!("{wanted:?} did not come"));
    String::from_utf8_lossy(&seen).into_owned()
}
