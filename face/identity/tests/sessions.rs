//! Signing in and out, accounts, projects' tokens, and what an installation needs before.

mod support;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use landfall_api::error::Code;
use landfall_flow::home::HomeKind;
use landfall_identity::access::Access;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::caller::Caller;
use landfall_identity::layer::authenticate;
use landfall_identity::passwords;
use landfall_identity::prepare::prepare;
use landfall_identity::project_tokens::ProjectTokens;
use landfall_identity::sessions::{ACCESS_SECONDS, Sessions};
use landfall_identity::settings::HashForm;
use landfall_identity::throttle::FAILURES_PER_USER_MAX;
use serde_json::{Value, json};

use support::{Installation, MemoryCluster, NOW, TestClock, secret};

const PASSWORD: &str = "correct horse";

fn hash() -> String {
    passwords::hash(PASSWORD, HashForm::Bcrypt).unwrap()
}

fn installation() -> Installation {
    let hash = hash();
    let config = [
        ("accounts.ann", "login"),
        ("accounts.ci", "apiKey"),
        ("accounts.bob", "login"),
        ("accounts.bob.enabled", "false"),
    ];
    let secrets = [
        ("admin.password", hash.as_str()),
        ("accounts.ann.password", hash.as_str()),
        ("accounts.bob.password", hash.as_str()),
    ];
    Installation::of(&config, &[], &secrets)
}

fn ask(access: &Access, token: &str) -> Result<Caller, String> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    authenticate(access, &headers, "10.0.0.1").map_err(|error| error.message)
}

fn login(user: &str, password: &str) -> Value {
    json!({"username": user, "password": password})
}

async fn signed_in(sessions: &Sessions, user: &str) -> Caller {
    let answer = sessions.create(&login(user, PASSWORD), "10.0.0.1").await.unwrap();
    ask(sessions.access(), answer["token"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_right_password_gives_a_token_that_ends_with_the_session() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    let answer = sessions.create(&login("ann", PASSWORD), "10.0.0.1").await.unwrap();
    let token = answer["token"].as_str().unwrap();
    let caller = ask(&installation.access, token).unwrap();
    assert_eq!((caller.subject.as_str(), caller.expires_at), ("ann", Some(NOW + 86_400)));
    assert_eq!(sessions.user_info(Some(&caller))["loggedIn"], true);
    assert_eq!(sessions.user_info(None), json!({"loggedIn": false}));
    sessions.delete(&caller).await.unwrap();
    assert!(ask(&installation.access, token).unwrap_err().contains("revoked"));
    // Another server of the same installation knows too, and so does this one after a restart.
    let kept = installation.cluster.secret("landfall-sessions", "revoked").unwrap();
    assert!(kept.contains(&caller.token_id), "{kept}");
}

#[tokio::test]
async fn wrong_passwords_unknown_users_and_accounts_that_are_off_are_refused() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    let mut messages = Vec::new();
    for (user, password) in [("ann", "wrong horse"), ("nobody", PASSWORD), ("ci", PASSWORD), ("ann", "")] {
        let error = sessions.create(&login(user, password), "10.0.0.1").await.unwrap_err();
        assert_eq!(error.code, Code::Unauthenticated, "{user}");
        messages.push(error.message);
    }
    assert_eq!(messages[0], messages[1], "whether a user exists is not told");
    assert_eq!(messages[0], messages[2]);
    let off = sessions.create(&login("bob", PASSWORD), "10.0.0.1").await.unwrap_err();
    assert!(off.message.contains("disabled"), "{}", off.message);
    let long = sessions.create(&login(&"x".repeat(33), PASSWORD), "10.0.0.1").await.unwrap_err();
    assert_eq!(long.code, Code::InvalidArgument);
}

#[tokio::test]
async fn after_too_many_wrong_passwords_even_the_right_one_has_to_wait() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    for _ in 0..FAILURES_PER_USER_MAX {
        sessions.create(&login("ann", "wrong horse"), "10.0.0.9").await.unwrap_err();
    }
    let error = sessions.create(&login("ann", PASSWORD), "10.0.0.9").await.unwrap_err();
    assert_eq!(error.code, Code::ResourceExhausted);
    assert!(error.hint.contains("300 s"), "{}", error.hint);
    assert!(sessions.create(&login("admin", PASSWORD), "10.0.0.9").await.is_ok(), "others are not affected");
    *installation.clock.0.lock().unwrap() += 301;
    assert!(sessions.create(&login("ann", PASSWORD), "10.0.0.9").await.is_ok());
}

#[tokio::test]
async fn a_refresh_token_is_good_for_one_new_pair() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    let first = sessions.begin("ann", PASSWORD, "10.0.0.1").await.unwrap();
    assert_eq!(first.expires_in, ACCESS_SECONDS);
    assert_eq!(ask(&installation.access, &first.access_token).unwrap().expires_at, Some(NOW + ACCESS_SECONDS));
    // The server restarts in between: what is kept stands in the cluster, and nothing secret of it.
    let sessions = Sessions::of(installation.access.clone());
    let second = sessions.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    let third = sessions.refresh(&second.refresh_token).await.unwrap();
    let kept = installation.cluster.secret("landfall-sessions", "families").unwrap();
    assert!(!kept.contains(third.refresh_token.rsplit('.').next().unwrap()), "{kept}");
    assert!(ask(&installation.access, &third.access_token).is_ok());
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_family() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    let first = sessions.begin("ann", PASSWORD, "10.0.0.1").await.unwrap();
    let other = sessions.begin("ann", PASSWORD, "10.0.0.1").await.unwrap();
    let second = sessions.refresh(&first.refresh_token).await.unwrap();
    assert!(ask(&installation.access, &second.access_token).is_ok());
    assert_eq!(sessions.refresh(&first.refresh_token).await.unwrap_err().code, Code::Unauthenticated);
    assert!(sessions.refresh(&second.refresh_token).await.is_err(), "the thief's and the owner's");
    assert!(ask(&installation.access, &second.access_token).unwrap_err().contains("revoked"));
    assert!(ask(&installation.access, &first.access_token).unwrap_err().contains("revoked"));
    assert!(ask(&installation.access, &other.access_token).is_ok(), "another login goes on");
    assert!(sessions.refresh(&other.refresh_token).await.is_ok());
}

#[tokio::test]
async fn refresh_tokens_end_with_time_with_the_password_and_with_signing_out() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    for nonsense in ["", "x", "lfr_", "lfr_a.b", &format!("lfr_{}.{}", "a".repeat(36), "b".repeat(64))] {
        assert!(sessions.refresh(nonsense).await.is_err());
        sessions.end(nonsense).await.unwrap();
    }
    let ended = sessions.begin("ann", PASSWORD, "10.0.0.1").await.unwrap();
    sessions.end(&ended.refresh_token).await.unwrap();
    assert!(sessions.refresh(&ended.refresh_token).await.is_err());
    assert!(ask(&installation.access, &ended.access_token).unwrap_err().contains("revoked"));

    let old = sessions.begin("ann", PASSWORD, "10.0.0.1").await.unwrap();
    *installation.clock.0.lock().unwrap() += 86_400;
    assert!(sessions.refresh(&old.refresh_token).await.is_err());

    let before = sessions.begin("ann", PASSWORD, "10.0.0.1").await.unwrap();
    *installation.clock.0.lock().unwrap() += 10;
    let accounts = Accounts::of(sessions.clone());
    let caller = signed_in(&sessions, "ann").await;
    *installation.clock.0.lock().unwrap() += 10;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "battery staple"});
    accounts.update_password(&caller, &change).await.unwrap();
    assert!(sessions.refresh(&before.refresh_token).await.is_err());
    assert!(ask(&installation.access, &before.access_token).unwrap_err().contains("password has changed"));
    assert!(sessions.begin("ann", "battery staple", "10.0.0.1").await.is_ok());
    assert!(sessions.begin("ann", PASSWORD, "10.0.0.1").await.is_err());
}

#[tokio::test]
async fn passwords_are_changed_by_their_owner_or_by_whom_the_policy_permits() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    let accounts = Accounts::of(sessions.clone());
    let (ann, admin) = (signed_in(&sessions, "ann").await, signed_in(&sessions, "admin").await);
    let change =
        |name: &str, current: &str, new: &str| json!({"name": name, "currentPassword": current, "newPassword": new});
    let refused = accounts.update_password(&ann, &change("admin", PASSWORD, "battery staple")).await.unwrap_err();
    assert_eq!(refused.code, Code::PermissionDenied);
    let wrong = accounts.update_password(&ann, &change("", "wrong horse", "battery staple")).await.unwrap_err();
    assert_eq!((wrong.code, wrong.message.as_str()), (Code::PermissionDenied, "current password does not match"));
    let short = accounts.update_password(&ann, &change("", PASSWORD, "short")).await.unwrap_err();
    assert!(short.message.contains("^.{8,32}$"), "{}", short.message);
    let gone = accounts.update_password(&admin, &change("gone", PASSWORD, "battery staple")).await.unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    accounts.update_password(&admin, &change("ann", PASSWORD, "battery staple")).await.unwrap();
    let kept = installation.cluster.secret("argocd-secret", "accounts.ann.password").unwrap();
    assert!(kept.starts_with("$2a$10$") && passwords::matches("battery staple", &kept), "Argo CD reads it too");
    assert_eq!(
        installation.cluster.secret("argocd-secret", "accounts.ann.passwordMtime").unwrap(),
        "2027-01-15T08:00:00Z"
    );
}

#[tokio::test]
async fn keys_are_made_listed_used_and_deleted() {
    let installation = installation();
    let sessions = Sessions::of(installation.access.clone());
    let accounts = Accounts::of(sessions.clone());
    let admin = signed_in(&sessions, "admin").await;
    let ann = signed_in(&sessions, "ann").await;
    let wanted = json!({"name": "ci", "id": "build", "expiresIn": 3600});
    assert_eq!(accounts.create_token(&ann, &wanted).await.unwrap_err().code, Code::PermissionDenied);
    let made = accounts.create_token(&admin, &wanted).await.unwrap();
    let token = made["token"].as_str().unwrap();
    let caller = ask(&installation.access, token).unwrap();
    assert_eq!((caller.subject.as_str(), caller.expires_at), ("ci", Some(NOW + 3600)));
    assert_eq!(accounts.create_token(&admin, &wanted).await.unwrap_err().code, Code::AlreadyExists);
    let no_keys = accounts.create_token(&admin, &json!({"name": "ann"})).await.unwrap_err();
    assert!(no_keys.message.contains("apiKey"), "{}", no_keys.message);
    let described = accounts.get(&caller, &json!({"name": "ci"})).unwrap();
    assert_eq!(described["tokens"], json!([{"id": "build", "issuedAt": NOW, "expiresAt": NOW + 3600}]));
    let kept = installation.cluster.secret("argocd-secret", "accounts.ci.tokens").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json!([{"id": "build", "iat": NOW, "exp": NOW + 3600}]));
    let names = |caller: &Caller| {
        let list = accounts.list(caller);
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&admin), ["admin", "ann", "bob", "ci"]);
    assert_eq!(names(&ann), ["ann"], "an account sees itself");
    accounts.delete_token(&admin, &json!({"name": "ci", "id": "build"})).await.unwrap();
    assert!(ask(&installation.access, token).is_err());
    assert_eq!(
        accounts.delete_token(&admin, &json!({"name": "ci", "id": "build"})).await.unwrap_err().code,
        Code::NotFound
    );
}

#[tokio::test]
async fn a_narrowed_key_does_what_it_was_made_for_and_makes_no_wider_one() {
    let hash = hash();
    let policy = [("policy.csv", "p, ci, applications, *, team/*, allow\np, ci, accounts, *, *, allow")];
    let installation = Installation::of(&[("accounts.ci", "apiKey")], &policy, &[("admin.password", &hash)]);
    let sessions = Sessions::of(installation.access.clone());
    let accounts = Accounts::of(sessions.clone());
    let admin = signed_in(&sessions, "admin").await;
    let wanted = json!({"name": "ci", "scopes": ["applications:sync:team/*", "accounts:update:ci"]});
    let made = accounts.create_token(&admin, &wanted).await.unwrap();
    let ci = ask(&installation.access, made["token"].as_str().unwrap()).unwrap();
    let snapshot = installation.access.snapshot();
    assert!(snapshot.permits(&ci, "applications", "sync", "team/shop"));
    assert!(!snapshot.permits(&ci, "applications", "delete", "team/shop"), "the policy permits it, the key does not");
    assert!(!snapshot.permits(&ci, "applications", "sync", "other/shop"), "the key permits it not, the policy neither");
    let wider = accounts.create_token(&ci, &json!({"name": "ci", "scopes": ["applications:*"]})).await.unwrap_err();
    assert_eq!(wider.code, Code::PermissionDenied);
    let same = accounts.create_token(&ci, &json!({"name": "ci"})).await.unwrap();
    let child = ask(&installation.access, same["token"].as_str().unwrap()).unwrap();
    assert!(!snapshot.permits(&child, "applications", "delete", "team/shop"), "what is not said is inherited");
    assert_eq!(
        accounts.create_token(&admin, &json!({"name": "ci", "scopes": ["all"]})).await.unwrap_err().code,
        Code::InvalidArgument
    );
    assert_eq!(
        accounts.can_i(&ci, &json!({"resource": "applications", "action": "sync", "subresource": "team/x"})).unwrap()["value"],
        "yes"
    );
    assert_eq!(
        accounts.can_i(&ci, &json!({"resource": "projects", "action": "get", "subresource": "x"})).unwrap()["value"],
        "no"
    );
    assert!(accounts.can_i(&ci, &json!({"resource": "pods", "action": "get", "subresource": "x"})).is_err());
}

#[tokio::test]
async fn tokens_of_a_project_s_role_are_listed_in_its_spec_and_its_status() {
    let hash = hash();
    let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "team", "namespace": "argocd"},
        "spec": {"sourceRepos": ["*"], "roles": [{"name": "deploy", "policies": []}, {"name": "other", "policies": []}]}});
    let installation = Installation::with_projects(&[], &[], &[("admin.password", &hash)], &[project]);
    let sessions = Sessions::of(installation.access.clone());
    let admin = signed_in(&sessions, "admin").await;
    let tokens = ProjectTokens::of(installation.access.clone());
    let wanted = json!({"project": "team", "role": "deploy", "id": "ci", "expiresIn": "60"});
    let made = tokens.create(&admin, &wanted).await.unwrap();
    let caller = ask(&installation.access, made["token"].as_str().unwrap()).unwrap();
    assert_eq!(caller.subject, "proj:team:deploy");
    assert_eq!(tokens.create(&caller, &wanted).await.unwrap_err().code, Code::PermissionDenied);
    assert_eq!(tokens.create(&admin, &wanted).await.unwrap_err().code, Code::InvalidArgument, "an id is used once");
    let missing = json!({"project": "team", "role": "gone"});
    assert_eq!(tokens.create(&admin, &missing).await.unwrap_err().code, Code::NotFound);
    let kept = installation.cluster.find("AppProject", "team").unwrap();
    let listed = json!([{"id": "ci", "iat": NOW, "exp": NOW + 60}]);
    assert_eq!(kept["spec"]["roles"][0]["jwtTokens"], listed);
    assert_eq!(kept["status"]["jwtTokensByRole"]["deploy"]["items"], listed);
    assert_eq!(kept["spec"]["roles"][1], json!({"name": "other", "policies": []}), "others stay as they are");
    tokens.delete(&admin, &json!({"project": "team", "role": "deploy", "iat": NOW})).await.unwrap();
    assert!(ask(&installation.access, made["token"].as_str().unwrap()).is_err());
}

#[tokio::test]
async fn an_empty_installation_gets_a_key_and_a_first_password_once() {
    let cluster = MemoryCluster::empty();
    let access = Access::of(cluster.clone(), Arc::new(TestClock(std::sync::Mutex::new(NOW))), "argocd");
    let made = prepare(&access).await.unwrap();
    let password = made.initial_password.expect("a first password is made");
    assert!(made.has_new_key);
    assert_eq!(cluster.secret("argocd-initial-admin-secret", "password").as_deref(), Some(password.as_str()));
    assert!(cluster.secret("argocd-secret", "admin.password").unwrap().starts_with("$argon2id$"));
    let again = prepare(&access).await.unwrap();
    assert_eq!((again.has_new_key, again.initial_password), (false, None));
    let sessions = Sessions::of(access.clone());
    assert!(sessions.create(&login("admin", &password), "").await.is_ok());
}

#[tokio::test]
async fn an_installation_of_argo_cd_is_left_as_it_is() {
    let installation = installation();
    let before = installation.cluster.find("Secret", "argocd-secret");
    let prepared = prepare(&installation.access).await.unwrap();
    assert_eq!(prepared, landfall_identity::prepare::Prepared::default());
    assert_eq!(installation.cluster.find("Secret", "argocd-secret"), before);
}

#[tokio::test]
async fn changes_in_the_cluster_count_without_a_restart() {
    let cluster = MemoryCluster::empty();
    cluster.put(secret("argocd-secret", &[("server.secretkey", support::KEY)]));
    let access = Access::of(cluster.clone(), Arc::new(TestClock(std::sync::Mutex::new(NOW))), "argocd");
    let mut changes = access.changes();
    let running = tokio::spawn(access.clone().run());
    let wait = async |access: &Access, is_there: &dyn Fn(&Access) -> bool| {
        let mut changes = access.changes();
        while !is_there(access) {
            tokio::time::timeout(std::time::Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
        }
    };
    changes.changed().await.unwrap();
    wait(&access, &|access| access.is_ready()).await;
    cluster.put(support::config_map("argocd-cm", &[("accounts.new", "login")]));
    wait(&access, &|access| access.snapshot().settings.account("new").is_some()).await;
    cluster.put(support::config_map("argocd-rbac-cm", &[("policy.csv", "g, new, role:admin")]));
    let permitted = |access: &Access| {
        let caller = Caller {
            subject: "new".into(),
            via: landfall_identity::caller::Via::Account(landfall_identity::accounts::Capability::Login),
            ..Caller::anonymous()
        };
        access.snapshot().permits(&caller, "applications", "delete", "a/b")
    };
    wait(&access, &permitted).await;
    running.abort();
}

#[test]
fn what_the_sessions_secret_revokes_is_read_back() {
    let installation = installation();
    let value = secret("landfall-sessions", &[("revoked", "{\"a\": 1900000000}")]);
    installation.change(HomeKind::Secret, value);
    assert!(installation.access.snapshot().is_revoked("a") && installation.access.snapshot().is_revoked("a.b"));
    assert!(!installation.access.snapshot().is_revoked("b.a"));
}
