//! Kustomizations that name bases and files elsewhere, built by the program from real Git and HTTP servers on loopback.

#[path = "../../../io/git/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Output;

use axum::Router;
use axum::routing::get;
use support::{Server, Work};

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: red}\n";

/// A bare repository below `root`, pushed from a working copy with a base and an overlay.
fn hosted(root: &Path) -> Work {
    let work = Work::new();
    work.write("base/settings.yaml", OBJECT).write("base/kustomization.yaml", "resources: [settings.yaml]\n");
    work.write("overlay/kustomization.yaml", "resources: [../base]\nnamePrefix: o-\n").commit("First");
    let bare = root.join("team/base.git");
    work.git(&["init", "--quiet", "--bare", "--initial-branch=main", bare.to_str().expect("text")]);
    work.git(&["remote", "add", "origin", bare.to_str().expect("text")]);
    work.git(&["push", "--quiet", "origin", "main"]);
    work
}

/// Runs `landfall render kustomize` in a folder, with a cache of its own.
async fn build(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.args(["render", "kustomize"]).args(arguments).current_dir(folder);
    command.env("LANDFALL_CACHE", folder.join("cache")).kill_on_drop(true);
    let limit = std::time::Duration::from_secs(120);
    tokio::time::timeout(limit, command.output()).await.expect("it ends").expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_over_http_is_fetched_where_allowed_and_told_with_its_commit() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let work = hosted(root.path());
    let server = Server::start(root.path()).await;
    let app = tempfile::tempdir().expect("a temporary folder");
    let base = format!("{}//overlay?ref=main", server.url("team/base.git"));
    let kustomization = format!("resources:\n- {base}\nnameSuffix: -s\n");
    std::fs::write(app.path().join("kustomization.yaml"), kustomization).expect("it is written");

    let refused = build(app.path(), &["."]).await;
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--allow-remote") && said.contains(&base), "{said}");
    assert!(said.contains("kustomization.yaml:2"), "{said}");
    assert_eq!(server.count(), 0, "nothing is asked of a server that is not allowed");

    let elsewhere = build(app.path(), &["--allow-remote", "127.0.0.1/other"]).await;
    assert!(!elsewhere.status.success() && server.count() == 0, "{}", text(&elsewhere.stderr));

    let built = build(app.path(), &["--allow-remote", "127.0.0.1/team"]).await;
    let said = text(&built.stderr);
    let expected = "apiVersion: v1\ndata:\n  color: red\nkind: ConfigMap\nmetadata:\n  name: o-settings-s\n";
    assert_eq!(text(&built.stdout), expected, "{said}");
    assert!(said.contains(work.revision("HEAD").as_str()), "{said}");

    // The branch moves: the next build has the new commit, and one that names the old commit the old one.
    let old = work.revision("HEAD");
    work.write("base/settings.yaml", &OBJECT.replace("red", "blue")).commit("Second");
    work.git(&["push", "--quiet", "origin", "HEAD"]);
    let built = build(app.path(), &["--allow-remote", "*"]).await;
    assert!(text(&built.stdout).contains("color: blue"), "{}", text(&built.stderr));
    let pinned = format!("{}//overlay?ref={}", server.url("team/base.git"), old.as_str());
    let built = build(app.path(), &["--allow-remote", "*", &pinned]).await;
    assert!(text(&built.stdout).contains("color: red"), "{}", text(&built.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn bases_of_this_machine_and_single_files_over_http_are_fetched() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let work = hosted(root.path());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
    let router = Router::new().route("/raw/main/service.yaml", get(move || async move { service }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let app = tempfile::tempdir().expect("a temporary folder");
    let file = format!("http://127.0.0.1:{port}/raw/main/service.yaml");
    let kustomization = format!("resources:\n- {}//base?ref=main\n- {file}\nnamespace: team\n", work.url());
    std::fs::write(app.path().join("kustomization.yaml"), kustomization).expect("it is written");
    let folder = format!("file://{}", work.path().display());
    let built = build(app.path(), &["--allow-remote", &folder, "--allow-remote", "127.0.0.1"]).await;
    let said = text(&built.stderr);
    let expected = "apiVersion: v1\ndata:\n  color: red\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: team\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: team\n";
    assert_eq!(text(&built.stdout), expected, "{said}");
    assert!(said.contains("sha256:"), "{said}");
    let missing = format!("resources: ['http://127.0.0.1:{port}/raw/main/absent.yaml']\n");
    std::fs::write(app.path().join("kustomization.yaml"), missing).expect("it is written");
    let refused = build(app.path(), &["--allow-remote", "*"]).await;
    assert!(text(&refused.stderr).contains("absent.yaml"), "{}", text(&refused.stderr));
    server.abort();
}
