//! The verbs against a server: what they send, print and remember. The server is a table of answers.

#![expect(clippy::unwrap_used, reason = "a test stops where its own ground is wrong")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use clap::{CommandFactory as _, Parser};
use futures::StreamExt as _;
use jiff::Timestamp;
use landfall_cli::{Connection, Outside, Verb};
use landfall_ports::cluster::Cluster;
use landfall_ports::web::{Web, WebAnswer, WebError, WebRequest};
use landfall_tree::{MemoryTree, Tree};
use serde_json::{Value, json};

#[derive(Parser)]
#[command(name = "landfall")]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

type Answers = fn(&str, &Value) -> (u16, String);

/// A server that remembers what it was sent.
struct FakeServer {
    answers: Answers,
    sent: Mutex<Vec<(String, Value, String)>>,
}

#[async_trait]
impl Web for FakeServer {
    async fn send(&self, request: WebRequest) -> Result<WebAnswer, WebError> {
        let place = format!("{} {}", request.method, request.url);
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let token = request.headers.iter().find(|(name, _)| name == "authorization");
        let token = token.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()).unwrap_or_default();
        self.sent.lock().unwrap().push((place.clone(), body.clone(), token.clone()));
        let (status, text) = match token == "old" {
            true => (401, json!({"message": "invalid session: the token has expired", "code": 16}).to_string()),
            false => (self.answers)(&place, &body),
        };
        let body = futures::stream::iter([Ok(Bytes::from(text))]).boxed();
        Ok(WebAnswer { status, headers: Vec::new(), body })
    }
}

struct Desk {
    server: Arc<FakeServer>,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    output: Mutex<String>,
    variables: BTreeMap<&'static str, &'static str>,
}

const CONFIG: &str = "home/.config/argocd/config";

impl Desk {
    fn of(answers: Answers) -> Self {
        Self {
            server: Arc::new(FakeServer { answers, sent: Mutex::default() }),
            files: Mutex::default(),
            output: Mutex::default(),
            variables: BTreeMap::from([("HOME", "/home")]),
        }
    }

    fn signed_in(answers: Answers, token: &str, refresh: &str) -> Self {
        let desk = Self::of(answers);
        let config = format!(
            "contexts:\n- name: cd\n  server: cd:8080\n  user: cd\ncurrent-context: cd\nservers:\n- grpc-web-root-path: \"\"\n  server: cd:8080\n  plain-text: true\nusers:\n- auth-token: {token}\n  name: cd\n  refresh-token: {refresh}\n"
        );
        desk.files.lock().unwrap().insert(CONFIG.to_owned(), config.into_bytes());
        desk
    }

    fn config(&self) -> String {
        String::from_utf8(self.files.lock().unwrap().get(CONFIG).cloned().unwrap_or_default()).unwrap()
    }

    fn sent(&self) -> Vec<(String, Value, String)> {
        std::mem::take(&mut *self.server.sent.lock().unwrap())
    }

    async fn run(&self, words: &[&str]) -> Result<String, String> {
        let program = Program::try_parse_from(std::iter::once("landfall").chain(words.iter().copied()))
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let outcome = landfall_cli::run(program.verb, self).await;
        let output = std::mem::take(&mut *self.output.lock().unwrap());
        match outcome {
            Ok(0) => Ok(output),
            Ok(code) => Err(format!("exit code {code}: {output}")),
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

fn clean(path: &Path) -> String {
    path.to_str().unwrap().trim_start_matches('/').to_owned()
}

#[async_trait]
impl Outside for Desk {
    async fn connect(&self, _: &Connection) -> anyhow::Result<Arc<dyn Cluster>> {
        anyhow::bail!("the cluster itself was asked")
    }

    fn tree_around(&self, path: &Path) -> anyhow::Result<(Arc<dyn Tree>, String)> {
        Ok((Arc::new(MemoryTree::of(BTreeMap::<String, Vec<u8>>::new())), clean(path)))
    }

    fn read(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let files = self.files.lock().unwrap();
        files.get(&clean(path)).cloned().ok_or_else(|| anyhow::anyhow!("{} cannot be read", path.display()))
    }

    async fn fetch(&self, question: &landfall_kustomize::Question) -> landfall_cli::Fetched {
        let refused = "nothing is fetched here".to_owned();
        match question {
            landfall_kustomize::Question::Remote(_) => landfall_cli::Fetched::Remote(Err(refused)),
            landfall_kustomize::Question::Chart(_) => landfall_cli::Fetched::Chart(Err(refused)),
        }
    }

    fn write(&self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        self.files.lock().unwrap().insert(clean(path), content.to_vec());
        Ok(())
    }

    fn names(&self, folder: &Path) -> anyhow::Result<Option<Vec<String>>> {
        let prefix = format!("{}/", clean(folder));
        let files = self.files.lock().unwrap();
        let below: Vec<String> =
            files.keys().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect();
        Ok((!below.is_empty()).then_some(below))
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        self.output.lock().unwrap().push_str(text);
        Ok(())
    }

    fn tell(&self, _: &str) {}

    fn confirm(&self, _: &str) -> anyhow::Result<bool> {
        Ok(false)
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn random(&self) -> anyhow::Result<[u8; 32]> {
        Ok([7; 32])
    }

    fn user(&self) -> String {
        "ada".to_owned()
    }

    fn web(&self) -> anyhow::Result<Arc<dyn Web>> {
        Ok(self.server.clone())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn ask(&self, question: &str, is_hidden: bool) -> anyhow::Result<String> {
        Ok(if is_hidden { format!("typed for {question}") } else { "ann".to_owned() })
    }

    fn command(&self) -> clap::Command {
        Program::command()
    }
}

fn application() -> Value {
    json!({"metadata": {"name": "shop", "namespace": "argocd", "resourceVersion": "7", "uid": "u",
                        "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
           "spec": {"project": "team", "source": {"repoURL": "https://git.example.com/r", "path": "p"}, "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}},
           "status": {"sync": {"status": "OutOfSync"}, "health": {"status": "Healthy"},
                      "history": [{"id": 3, "revision": "abc", "source": {"repoURL": "https://git.example.com/r", "path": "p"}}]}})
}

fn landfall(place: &str, _: &Value) -> (u16, String) {
    let answer = match place.split('?').next().unwrap() {
        "POST http://cd:8080/api/v1/landfall/session" | "POST https://cd:8080/api/v1/landfall/session" => {
            json!({"accessToken": "access-1", "refreshToken": "lfr_1", "expiresIn": 900})
        }
        "POST http://cd:8080/api/v1/landfall/session/refresh" => {
            json!({"accessToken": "access-2", "refreshToken": "lfr_2", "expiresIn": 900})
        }
        "GET http://cd:8080/api/v1/session/userinfo" => {
            json!({"loggedIn": true, "username": "ann", "iss": "argocd", "groups": ["a", "b"]})
        }
        "GET http://cd:8080/api/v1/account" => {
            json!({"items": [{"name": "ann", "enabled": true, "capabilities": ["login", "apiKey"]}]})
        }
        "GET http://cd:8080/api/v1/applications" => {
            json!({"metadata": {"resourceVersion": "9"}, "items": [application()]})
        }
        "GET http://cd:8080/api/v1/applications/shop" => application(),
        "GET http://cd:8080/api/v1/projects/team" => {
            json!({"metadata": {"name": "team"}, "spec": {"sourceRepos": ["a"], "roles": [{"name": "deploy"}]}})
        }
        "GET http://cd:8080/api/v1/account/can-i/applications/sync/team/%2A" => json!({"value": "yes"}),
        "GET http://cd:8080/api/v1/applications/gone" => {
            return (404, json!({"message": "not found", "code": 5}).to_string());
        }
        "GET http://cd:8080/api/v1/applications/hidden" => {
            return (403, json!({"message": "permission denied", "code": 7, "hint": "ask for a role"}).to_string());
        }
        _ => json!({}),
    };
    (200, answer.to_string())
}

fn argo_cd(place: &str, body: &Value) -> (u16, String) {
    match place {
        "POST https://cd:8080/api/v1/landfall/session" => (404, json!({"error": "Not Found", "code": 5}).to_string()),
        "POST https://cd:8080/api/v1/session" => {
            (200, json!({"token": format!("for {}", body["username"])}).to_string())
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn login_is_remembered_in_argocd_s_file_and_logout_forgets_it() {
    let desk = Desk::of(landfall);
    let output =
        desk.run(&["login", "cd:8080", "--username", "ann", "--password", "secret", "--insecure"]).await.unwrap();
    assert_eq!(output, "'ann:login' logged in successfully\nContext 'cd:8080' updated\n");
    let config = desk.config();
    for line in ["current-context: cd:8080", "auth-token: access-1", "refresh-token: lfr_1", "insecure: true"] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert_eq!(desk.sent()[0].1, json!({"username": "ann", "password": "secret"}));
    assert_eq!(desk.run(&["context"]).await.unwrap(), "CURRENT  NAME     SERVER\n*        cd:8080  cd:8080\n");
    assert_eq!(desk.run(&["logout", "cd:8080"]).await.unwrap(), "Logged out from 'cd:8080'\n");
    let sent = desk.sent();
    assert_eq!(sent[0].0, "DELETE https://cd:8080/api/v1/session");
    assert!(!desk.config().contains("access-1") && !desk.config().contains("lfr_1"));
    assert!(desk.run(&["logout", "cd:8080"]).await.is_err(), "nobody is signed in any more");
    assert_eq!(desk.run(&["context", "cd:8080", "--delete"]).await.unwrap(), "Context 'cd:8080' deleted\n");
}

#[tokio::test]
async fn argo_cd_s_own_server_is_signed_in_to_as_well() {
    let desk = Desk::of(argo_cd);
    desk.run(&["login", "cd:8080", "--name", "prod"]).await.unwrap();
    assert!(
        desk.config().contains("auth-token: for \"ann\"") || desk.config().contains("for \\\"ann\\\""),
        "{}",
        desk.config()
    );
    assert!(desk.config().contains("current-context: prod"));
}

#[tokio::test]
async fn a_token_that_ran_out_is_replaced_once_and_the_new_ones_are_kept() {
    let desk = Desk::signed_in(landfall, "old", "lfr_1");
    let output = desk.run(&["account", "get-user-info"]).await.unwrap();
    assert_eq!(output, "Logged In: true\nUsername: ann\nIssuer: argocd\nGroups: a,b\n");
    let sent = desk.sent();
    let places: Vec<(&str, &str)> = sent.iter().map(|(place, _, token)| (place.as_str(), token.as_str())).collect();
    assert_eq!(
        places,
        [
            ("GET http://cd:8080/api/v1/session/userinfo", "old"),
            ("POST http://cd:8080/api/v1/landfall/session/refresh", ""),
            ("GET http://cd:8080/api/v1/session/userinfo", "access-2"),
        ]
    );
    assert!(desk.config().contains("access-2") && desk.config().contains("lfr_2"), "{}", desk.config());
    let without = Desk::signed_in(landfall, "old", "");
    let error = without.run(&["account", "list"]).await.unwrap_err();
    assert!(error.contains("expired") && error.contains("landfall login"), "{error}");
}

#[tokio::test]
async fn flags_and_variables_beat_the_file_and_core_asks_the_cluster() {
    let mut desk = Desk::signed_in(landfall, "mine", "");
    desk.run(&["account", "list", "--server", "http://other:1", "--auth-token", "theirs"]).await.unwrap();
    let sent = desk.sent();
    assert_eq!((sent[0].0.as_str(), sent[0].2.as_str()), ("GET http://other:1/api/v1/account", "theirs"));
    desk.variables.insert("ARGOCD_SERVER", "env:2");
    desk.variables.insert("ARGOCD_AUTH_TOKEN", "variable");
    desk.run(&["account", "list", "--plaintext", "--grpc-web", "-H", "X-Team: a"]).await.unwrap();
    let sent = desk.sent();
    assert_eq!((sent[0].0.as_str(), sent[0].2.as_str()), ("GET http://env:2/api/v1/account", "variable"));
    let error = desk.run(&["app", "list", "--core"]).await.unwrap_err();
    assert!(error.contains("the cluster itself was asked"), "{error}");
    let nowhere = Desk::of(landfall);
    let error = nowhere.run(&["app", "list"]).await.unwrap_err();
    assert!(error.contains("the cluster itself was asked"), "without a login, the cluster is asked: {error}");
    assert!(nowhere.run(&["account", "list"]).await.unwrap_err().contains("landfall login"));
}

#[tokio::test]
async fn accounts_print_as_argocd_prints_them() {
    let desk = Desk::signed_in(landfall, "mine", "");
    assert_eq!(
        desk.run(&["account", "list"]).await.unwrap(),
        "NAME  ENABLED  CAPABILITIES\nann   true     login, apiKey\n"
    );
    assert_eq!(desk.run(&["account", "list", "-o", "name"]).await.unwrap(), "ann\n");
    assert_eq!(desk.run(&["account", "can-i", "sync", "applications", "team/*"]).await.unwrap(), "yes\n");
    desk.sent();
    desk.run(&["account", "generate-token", "-a", "ci", "--expires-in", "1d", "--id", "x"]).await.unwrap();
    let sent = desk.sent();
    assert_eq!(
        (sent[0].0.as_str(), &sent[0].1),
        ("POST http://cd:8080/api/v1/account/ci/token", &json!({"name": "ci", "id": "x", "expiresIn": 86_400}))
    );
}

#[tokio::test]
async fn applications_are_listed_synced_rolled_back_and_deleted_through_the_api() {
    let desk = Desk::signed_in(landfall, "mine", "");
    assert!(desk.run(&["app", "list", "-o", "name"]).await.unwrap().contains("argocd/shop"));
    desk.sent();
    desk.run(&["app", "sync", "shop", "--async", "--prune", "--revision", "main"]).await.unwrap();
    let sent = desk.sent();
    let sync = sent.iter().find(|(place, ..)| place.starts_with("POST")).unwrap();
    assert_eq!(sync.0, "POST http://cd:8080/api/v1/applications/shop/sync");
    assert_eq!(
        (&sync.1["name"], &sync.1["prune"], &sync.1["revision"]),
        (&json!("shop"), &json!(true), &json!("main"))
    );
    desk.run(&["app", "delete", "shop", "--yes", "--cascade=false"]).await.unwrap();
    let sent = desk.sent();
    let deletion = sent.iter().find(|(place, ..)| place.starts_with("DELETE")).unwrap();
    assert!(
        deletion.0.starts_with("DELETE http://cd:8080/api/v1/applications/shop?")
            && deletion.0.contains("cascade=false"),
        "{}",
        deletion.0
    );
    assert!(!sent.iter().any(|(place, ..)| place.starts_with("PATCH")), "finalizers go along with the deletion");
    let gone = desk.run(&["app", "get", "gone"]).await.unwrap_err();
    assert!(gone.contains("there is no Application"), "{gone}");
    let hidden = desk.run(&["app", "get", "hidden"]).await.unwrap_err();
    assert!(hidden.contains("there is no Application") && hidden.contains("that you may see"), "{hidden}");
}

#[tokio::test]
async fn projects_are_changed_whole_and_roles_print_as_argocd_prints_them() {
    let desk = Desk::signed_in(landfall, "mine", "");
    desk.run(&["proj", "add-source", "team", "b"]).await.unwrap();
    let sent = desk.sent();
    assert_eq!(sent[1].0, "PUT http://cd:8080/api/v1/projects/team");
    assert_eq!(sent[1].1["project"]["spec"]["sourceRepos"], json!(["a", "b"]));
    assert!(desk.run(&["proj", "add-source", "team", "a"]).await.unwrap_err().contains("already"));
    desk.sent();
    desk.run(&["proj", "role", "add-policy", "team", "deploy", "-a", "sync", "-o", "*"]).await.unwrap();
    let sent = desk.sent();
    let policies = &sent[1].1["project"]["spec"]["roles"][0]["policies"];
    assert_eq!(*policies, json!(["p, proj:team:deploy, applications, sync, team/*, allow"]));
    assert_eq!(desk.run(&["proj", "role", "list", "team", "-o", "name"]).await.unwrap(), "deploy\n");
}

#[tokio::test]
async fn top_prints_its_picture_where_there_is_no_terminal() {
    let desk = Desk::signed_in(landfall, "mine", "");
    let picture = desk.run(&["top", "--once"]).await.unwrap();
    assert!(
        picture.contains("  1 application\n") && picture.contains("OutOfSync") && picture.contains("shop"),
        "{picture}"
    );
    assert!(desk.run(&["top"]).await.unwrap_err().contains("--once"));
}

#[tokio::test]
async fn policies_are_asked_and_checked_without_a_server() {
    let desk = Desk::of(landfall);
    let csv = "p, role:dev, applications, sync, team/*, allow\ng, ann, role:dev\n";
    desk.files.lock().unwrap().insert("policy.csv".to_owned(), csv.as_bytes().to_vec());
    let config_map = format!(
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  policy.default: role:readonly\n  policy.csv: |\n    {}\n",
        csv.replace('\n', "\n    ")
    );
    desk.files.lock().unwrap().insert("cm.yaml".to_owned(), config_map.into_bytes());
    desk.files.lock().unwrap().insert("bad.csv".to_owned(), b"p, ann\n".to_vec());
    let can = async |words: &[&str], file: &str| {
        let words: Vec<&str> =
            ["admin", "settings", "rbac", "can"].iter().chain(words).copied().chain(["--policy-file", file]).collect();
        desk.run(&words).await
    };
    assert_eq!(can(&["ann", "sync", "app", "team/x"], "/policy.csv").await.unwrap(), "Yes\n");
    assert_eq!(can(&["ann", "delete", "app", "team/x"], "/policy.csv").await.unwrap_err(), "exit code 1: No\n");
    assert_eq!(can(&["bob", "get", "app", "team/x"], "/cm.yaml").await.unwrap(), "Yes\n", "the default role");
    assert!(can(&["ann", "fly", "app", "team/x"], "/policy.csv").await.unwrap_err().contains("no action"));
    assert_eq!(
        desk.run(&["admin", "settings", "rbac", "validate", "--policy-file", "/cm.yaml"]).await.unwrap(),
        "Policy is valid.\n"
    );
    assert!(desk.run(&["admin", "settings", "rbac", "validate", "--policy-file", "/bad.csv"]).await.is_err());
}

#[test]
fn the_command_line_is_well_formed() {
    Program::command().debug_assert();
}
