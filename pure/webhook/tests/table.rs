//! What each sender's requests mean, and which are refused.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing to unwrap has failed")]

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use landfall_webhook::keys::Keys;
use landfall_webhook::place::Place;
use landfall_webhook::push::{PushEvent, Refusal, Sender};
use landfall_webhook::read::read;
use serde_json::{Value, json};

/// Names and values of headers.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const ZEROS: &str = "0000000000000000000000000000000000000000";

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn keys() -> Keys {
    let entry = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Keys::of_data(&BTreeMap::from([
        entry("webhook.github.secret", "$shared"),
        entry("shared", "hub"),
        entry("webhook.gitlab.secret", "lab"),
        entry("webhook.gogs.secret", "gogs"),
        entry("webhook.bitbucket.uuid", "{7a-1}"),
        entry("webhook.bitbucketserver.secret", "server"),
        entry("admin.password", "not a webhook's"),
    ]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(key: &str, body: &[u8]) -> String {
    let mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key.as_bytes()).unwrap();
    hex(&mac.chain_update(body).finalize().into_bytes())
}

fn sha1(key: &str, body: &[u8]) -> String {
    let mac = <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(key.as_bytes()).unwrap();
    hex(&mac.chain_update(body).finalize().into_bytes())
}

fn github() -> Value {
    json!({
        "ref": "refs/heads/main", "before": "1a", "after": "2b", "forced": false,
        "repository": {
            "clone_url": "https://github.com/Team/shop.git", "ssh_url": "git@github.com:Team/shop.git",
            "html_url": "https://github.com/Team/shop", "default_branch": "main",
        },
        "commits": [
            {"added": ["k8s/new.yaml"], "modified": ["k8s/web.yaml"], "removed": []},
            {"added": [], "modified": ["k8s/web.yaml"], "removed": ["old.yaml"]},
        ],
    })
}

fn gitlab() -> Value {
    json!({
        "object_kind": "push", "ref": "refs/heads/main", "before": "1a", "after": "2b", "total_commits_count": 1,
        "project": {
            "git_http_url": "https://gitlab.example.com/team/sub/shop.git", "default_branch": "main",
            "git_ssh_url": "git@gitlab.example.com:team/sub/shop.git", "web_url": "https://gitlab.example.com/team/sub/shop",
        },
        "commits": [{"added": [], "modified": ["a.yaml"], "removed": []}],
    })
}

fn bitbucket_cloud() -> Value {
    json!({
        "repository": {"full_name": "team/shop", "links": {"html": {"href": "https://bitbucket.org/team/shop"}}},
        "push": {"changes": [
            {"old": {"type": "branch", "name": "main", "target": {"hash": "1a"}},
             "new": {"type": "branch", "name": "main", "target": {"hash": "2b"}}},
            {"old": null, "new": {"type": "annotated_tag", "name": "v1", "target": {"hash": "2b"}}},
            {"old": {"type": "branch", "name": "gone", "target": {"hash": "3c"}}, "new": null},
        ]},
    })
}

fn bitbucket_server() -> Value {
    json!({
        "repository": {"slug": "shop", "links": {"clone": [
            {"href": "ssh://git@bitbucket.example.com:7999/team/shop.git", "name": "ssh"},
            {"href": "https://bitbucket.example.com/scm/team/shop.git", "name": "http"},
        ]}},
        "changes": [{"ref": {"id": "refs/heads/main"}, "fromHash": "1a", "toHash": "2b", "type": "UPDATE"}],
    })
}

/// Reads `value` as its sender would send it, without keys.
fn pushes(pairs: &[(&str, &str)], value: &Value) -> Vec<PushEvent> {
    read(&headers(pairs), value.to_string().as_bytes(), &Keys::default()).unwrap()
}

#[test]
fn every_sender_is_understood_without_a_key() {
    let cases: [(Pairs<'_>, Value, Sender, usize, &str); 7] = [
        (&[("x-github-event", "push")], github(), Sender::GitHub, 1, "ssh://git@github.com/team/shop"),
        (
            &[("x-gitea-event", "push"), ("x-gogs-event", "push"), ("x-github-event", "push")],
            github(),
            Sender::Gogs,
            1,
            "https://token@github.com:443/team/shop/",
        ),
        (&[("x-gogs-event", "push")], github(), Sender::Gogs, 1, "git@github.com:team/shop.git"),
        (
            &[("x-gitlab-event", "Push Hook")],
            gitlab(),
            Sender::GitLab,
            1,
            "ssh://git@gitlab.example.com:2222/team/sub/shop.git",
        ),
        (&[("x-gitlab-event", "System Hook")], gitlab(), Sender::GitLab, 1, "http://gitlab.example.com/team/sub/shop"),
        (
            &[("x-hook-uuid", "7a"), ("x-event-key", "repo:push")],
            bitbucket_cloud(),
            Sender::BitbucketCloud,
            3,
            "git@bitbucket.org:team/shop.git",
        ),
        (
            &[("x-event-key", "repo:refs_changed")],
            bitbucket_server(),
            Sender::BitbucketServer,
            1,
            "ssh://git@bitbucket.example.com/team/shop",
        ),
    ];
    for (pairs, value, sender, count, url) in cases {
        let found = pushes(pairs, &value);
        assert_eq!(found.len(), count, "{sender}");
        assert_eq!(found[0].sender, sender);
        assert_eq!(found[0].reference, "refs/heads/main", "{sender}");
        assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("1a"), Some("2b")), "{sender}");
        assert!(found[0].is_of(&Place::of(url).unwrap()), "{sender}: {url} of {:?}", found[0].repository_urls);
        let other = Place::of("https://github.com/team/other").unwrap();
        assert!(!found[0].is_of(&other), "{sender}");
    }
}

#[test]
fn bitbucket_cloud_tells_of_tags_and_of_branches_that_are_gone() {
    let found = pushes(&[("x-hook-uuid", "7a"), ("x-event-key", "repo:push")], &bitbucket_cloud());
    assert_eq!((found[1].reference.as_str(), &found[1].before), ("refs/tags/v1", &None));
    assert_eq!((found[2].reference.as_str(), &found[2].after), ("refs/heads/gone", &None));
}

#[test]
fn changed_files_are_told_only_where_the_payload_names_them_all() {
    let of = |change: &dyn Fn(&mut Value)| {
        let mut value = github();
        change(&mut value);
        pushes(&[("x-github-event", "push")], &value).remove(0).changed_files
    };
    let all = ["k8s/new.yaml", "k8s/web.yaml", "old.yaml"].map(str::to_owned).to_vec();
    assert_eq!(of(&|_| {}), Some(all));
    assert_eq!(of(&|value| value["forced"] = json!(true)), None);
    assert_eq!(of(&|value| value["before"] = json!(ZEROS)), None);
    assert_eq!(of(&|value| value["commits"] = json!([])), None);
    assert_eq!(of(&|value| value["commits"] = json!([{"id": "2b"}])), None);
    assert_eq!(of(&|value| value["total_commits"] = json!(3)), None);
    let mut more = gitlab();
    assert!(pushes(&[("x-gitlab-event", "Push Hook")], &more)[0].changed_files.is_some());
    more["total_commits_count"] = json!(21);
    assert_eq!(pushes(&[("x-gitlab-event", "Push Hook")], &more)[0].changed_files, None);
}

#[test]
fn who_proves_itself_is_believed_and_nobody_else() {
    let (hub, lab) = (github().to_string(), gitlab().to_string());
    let (cloud, server) = (bitbucket_cloud().to_string(), bitbucket_server().to_string());
    let signed_256 = format!("sha256={}", sha256("hub", hub.as_bytes()));
    let signed_1 = format!("sha1={}", sha1("hub", hub.as_bytes()));
    let forged = format!("sha256={}", sha256("guess", hub.as_bytes()));
    let gogs = sha256("gogs", hub.as_bytes());
    let signed_server = format!("sha256={}", sha256("server", server.as_bytes()));
    let cut = &signed_256[..signed_256.len() - 2];
    let cases: [(&str, Pairs<'_>, &str, bool); 16] = [
        ("sha256", &[("x-github-event", "push"), ("x-hub-signature-256", &signed_256)], &hub, true),
        ("sha1 alone", &[("x-github-event", "push"), ("x-hub-signature", &signed_1)], &hub, true),
        ("unsigned", &[("x-github-event", "push")], &hub, false),
        ("another key", &[("x-github-event", "push"), ("x-hub-signature-256", &forged)], &hub, false),
        ("another body", &[("x-github-event", "push"), ("x-hub-signature-256", &signed_256)], &lab, false),
        ("cut", &[("x-github-event", "push"), ("x-hub-signature-256", cut)], &hub, false),
        ("empty", &[("x-github-event", "push"), ("x-hub-signature-256", "sha256=")], &hub, false),
        ("no hex", &[("x-github-event", "push"), ("x-hub-signature-256", "sha256=ä1")], &hub, false),
        ("token", &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "lab")], &lab, true),
        ("token longer", &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "labs")], &lab, false),
        ("token empty", &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "")], &lab, false),
        ("gitea", &[("x-gitea-event", "push"), ("x-gitea-signature", &gogs)], &hub, true),
        ("gogs", &[("x-gogs-event", "push"), ("x-gogs-signature", &signed_256)], &hub, false),
        ("uuid", &[("x-hook-uuid", "{7a-1}"), ("x-event-key", "repo:push")], &cloud, true),
        ("other uuid", &[("x-hook-uuid", "{7a-2}"), ("x-event-key", "repo:push")], &cloud, false),
        ("server", &[("x-event-key", "repo:refs_changed"), ("x-hub-signature", &signed_server)], &server, true),
    ];
    for (name, pairs, body, is_believed) in cases {
        let found = read(&headers(pairs), body.as_bytes(), &keys());
        match (is_believed, found) {
            (true, Ok(events)) => assert!(!events.is_empty(), "{name}"),
            (false, Err(Refusal::NotProven { .. })) => {}
            (_, other) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_names_the_entry_of_the_secret_and_never_its_value() {
    let refusal = read(&headers(&[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "bal")]), b"{}", &keys());
    let message = refusal.unwrap_err().to_string();
    assert!(message.contains("webhook.gitlab.secret") && message.contains("argocd-secret"), "{message}");
    assert!(!message.contains("bal") && !message.contains("\"lab\""), "{message}");
}

#[test]
fn what_is_no_push_is_welcome_and_says_nothing() {
    let cases: [(Pairs<'_>, &str); 5] = [
        (&[("x-github-event", "ping")], "{\"zen\": \"\"}"),
        (&[("x-gitea-event", "issues")], "{}"),
        (&[("x-gitlab-event", "Issue Hook")], "{\"object_kind\": \"issue\"}"),
        (&[("x-hook-uuid", "7a"), ("x-event-key", "repo:fork")], "{}"),
        (&[("x-event-key", "diagnostics:ping")], ""),
    ];
    for (pairs, body) in cases {
        assert_eq!(read(&headers(pairs), body.as_bytes(), &Keys::default()), Ok(Vec::new()), "{pairs:?}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let push: &[(&str, &str)] = &[("x-github-event", "push")];
    let form: &[(&str, &str)] = &[("x-github-event", "push"), ("content-type", "application/x-www-form-urlencoded")];
    let cases: [(Pairs<'_>, &str, &str); 8] = [
        (&[], "{}", "no header says which Git server"),
        (push, "{", "the body is no JSON"),
        (form, "payload=%7B", "set the webhook's content type to application/json"),
        (push, "[]", "ref is missing"),
        (push, "{\"ref\": \"refs/heads/main\"}", "does not say which repository"),
        (&[("x-hook-uuid", "7a"), ("x-event-key", "repo:push")], "{}", "does not say which repository"),
        (&[("x-event-key", "repo:refs_changed")], "{}", "repository.links.clone"),
        (&[("x-gitlab-event", "Push Hook")], "{\"object_kind\": \"push\", \"ref\": 7}", "ref is missing"),
    ];
    for (pairs, body, reason) in cases {
        let message = read(&headers(pairs), body.as_bytes(), &Keys::default()).unwrap_err().to_string();
        assert!(message.contains(reason), "{body}: {message}");
    }
}

#[test]
fn addresses_without_a_host_have_no_place() {
    assert_eq!(Place::of("file:///srv/git/shop"), None);
    assert_eq!(Place::of("https://github.com/"), None);
    assert_eq!(Place::of("nonsense"), None);
}
