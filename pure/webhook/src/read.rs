//! The entry: who sends it, is it so, what was pushed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::keys::{Keys, is_equal, is_signed_sha1, is_signed_sha256};
use crate::payload;
use crate::push::{PushEvent, Refusal, Sender};

/// Reads a request. `headers` has names in lower case.
///
/// Returns one event per reference that moved, and none for events that are no push (a ping, an issue): they are
/// welcome and change nothing. A sender whose key is not configured is believed.
///
/// Source: Argo CD 3.5 `util/webhook`; the senders' documentation.
pub fn read(headers: &BTreeMap<String, String>, body: &[u8], keys: &Keys) -> Result<Vec<PushEvent>, Refusal> {
    let sender = sender(headers).ok_or(Refusal::UnknownSender)?;
    prove(sender, headers, body, keys)?;
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let is_push = match sender {
        Sender::GitHub => header("x-github-event") == "push",
        // System hooks say what they are in the body only.
        Sender::GitLab => true,
        Sender::Gogs => [header("x-gogs-event"), header("x-gitea-event")].contains(&"push"),
        Sender::BitbucketCloud => header("x-event-key") == "repo:push",
        Sender::BitbucketServer => header("x-event-key") == "repo:refs_changed",
    };
    if !is_push {
        return Ok(Vec::new());
    }
    let malformed = |reason: String| Refusal::Malformed { sender, reason };
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let hint = match header("content-type").starts_with("application/x-www-form-urlencoded") {
            true => "; set the webhook's content type to application/json",
            false => "",
        };
        malformed(format!("the body is no JSON: {error}{hint}"))
    })?;
    payload::read(sender, &value).map_err(malformed)
}

/// Finds out who sends a request. Gitea and Gogs send GitHub's headers too, so they are looked for first; Bitbucket Cloud
/// sends the event header of Bitbucket Server.
fn sender(headers: &BTreeMap<String, String>) -> Option<Sender> {
    let order = [
        ("x-gogs-event", Sender::Gogs),
        ("x-gitea-event", Sender::Gogs),
        ("x-github-event", Sender::GitHub),
        ("x-gitlab-event", Sender::GitLab),
        ("x-hook-uuid", Sender::BitbucketCloud),
        ("x-event-key", Sender::BitbucketServer),
    ];
    order.into_iter().find(|(name, _)| headers.contains_key(*name)).map(|(_, sender)| sender)
}

/// Whether what was given proves the key: (key, body, what was given).
type Proof = fn(&[u8], &[u8], &str) -> bool;

fn prove(sender: Sender, headers: &BTreeMap<String, String>, body: &[u8], keys: &Keys) -> Result<(), Refusal> {
    let first = |names: &[&str]| names.iter().find_map(|name| headers.get(*name)).map(String::as_str);
    let (key, entry, proof): (_, _, Proof) = match sender {
        Sender::GitHub => {
            (&keys.github, "webhook.github.secret", |key, body, given| match given.starts_with("sha1=") {
                true => is_signed_sha1(key, body, given, "sha1="),
                false => is_signed_sha256(key, body, given, "sha256="),
            })
        }
        Sender::GitLab => (&keys.gitlab, "webhook.gitlab.secret", |key, _, given| is_equal(key, given.as_bytes())),
        Sender::Gogs => (&keys.gogs, "webhook.gogs.secret", |key, body, given| is_signed_sha256(key, body, given, "")),
        Sender::BitbucketCloud => {
            (&keys.bitbucket_uuid, "webhook.bitbucket.uuid", |key, _, given| is_equal(key, given.as_bytes()))
        }
        Sender::BitbucketServer => (&keys.bitbucket_server, "webhook.bitbucketserver.secret", |key, body, given| {
            is_signed_sha256(key, body, given, "sha256=")
        }),
    };
    let given = match sender {
        Sender::GitHub => first(&["x-hub-signature-256", "x-hub-signature"]),
        Sender::GitLab => first(&["x-gitlab-token"]),
        Sender::Gogs => first(&["x-gitea-signature", "x-gogs-signature"]),
        Sender::BitbucketCloud => first(&["x-hook-uuid"]),
        Sender::BitbucketServer => first(&["x-hub-signature"]),
    };
    let Some(key) = key else { return Ok(()) };
    let refuse = |reason: &str| Err(Refusal::NotProven { sender, reason: reason.to_owned(), key: entry });
    match given {
        None => refuse("the request is not signed; give the webhook its secret"),
        Some(given) if !proof(key, body, given) => refuse("the signature or token does not match"),
        Some(_) => Ok(()),
    }
}
