//! The audit: who did what to what, from where, and what it was before and after; written to the log, and to a journal
//! that can be read back. Nothing secret is in it.
//!
//! A journal is lines of JSON, each with the digest of the line before: a line that was changed or taken out afterwards
//! shows ([`verify`]). It is not a proof against somebody who writes the whole file anew: send the log elsewhere for that.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use landfall_ports::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::caller::{Caller, Via};

/// How much of an object is kept before and after; larger ones are named by their digest only.
const OBJECT_BYTES_MAX: usize = 64 * 1024;
/// What stands in the place of what nobody may see.
pub const MASK: &str = "++++++++";

/// Where the journal is kept.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds a line, without its end.
    async fn append(&self, line: &str) -> std::io::Result<()>;
    /// The last lines, the oldest first.
    async fn last(&self, lines_max: usize) -> std::io::Result<Vec<String>>;
}

/// One thing that was done, or tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// When, as RFC 3339.
    pub time: String,
    /// Who: the name.
    pub who: String,
    /// How they became known: `login`, `apiKey`, `projectRole`, `provider`, `anonymous`.
    pub via: String,
    /// The id of their token.
    pub token_id: String,
    /// The address it came from.
    pub from: String,
    /// What was done, as `application.ApplicationService/Sync`.
    pub action: String,
    /// To what, as `applications/team/shop`.
    pub object: String,
    /// `done`, or the reason for which it was not.
    pub outcome: String,
    /// What was asked for, masked.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub request: Value,
    /// What it was, masked.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What it is then, masked.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// The digest of the line before.
    pub chain: String,
}

impl Entry {
    /// Begins an entry about what a caller does.
    pub fn by(caller: &Caller, action: impl Into<String>, object: impl Into<String>) -> Self {
        let via = match caller.via {
            Via::Anonymous => "anonymous",
            Via::Account(capability) => capability.name(),
            Via::ProjectRole => "projectRole",
            Via::Provider => "provider",
        };
        Self {
            who: caller.name().to_owned(),
            via: via.to_owned(),
            token_id: caller.token_id.clone(),
            from: caller.address.clone(),
            action: action.into(),
            object: object.into(),
            outcome: "done".to_owned(),
            ..Self::default()
        }
    }
}

/// Writes entries.
pub struct Audit {
    clock: Arc<dyn Clock>,
    journal: Option<Arc<dyn Journal>>,
    chain: tokio::sync::Mutex<Option<String>>,
    failures: Mutex<u64>,
}

impl Audit {
    /// Writes to the log, and to the journal if there is one.
    pub fn of(clock: Arc<dyn Clock>, journal: Option<Arc<dyn Journal>>) -> Arc<Self> {
        Arc::new(Self { clock, journal, chain: tokio::sync::Mutex::default(), failures: Mutex::default() })
    }

    /// Writes an entry. It never fails for the caller: what cannot be written is in the log, and counted.
    pub async fn write(&self, entry: Entry) {
        let time = self.clock.now().to_string();
        let [request, before, after] = [&entry.request, &entry.before, &entry.after].map(kept);
        let mut entry = Entry { time, request, before, after, ..entry };
        tracing::info!(
            target: "audit",
            who = entry.who,
            via = entry.via,
            from = entry.from,
            action = entry.action,
            object = entry.object,
            outcome = entry.outcome,
            "audit"
        );
        let Some(journal) = &self.journal else { return };
        let mut chain = self.chain.lock().await;
        let previous = match chain.take() {
            Some(previous) => previous,
            None => match journal.last(1).await {
                Ok(lines) => lines.last().map(|line| digest(line)).unwrap_or_default(),
                Err(error) => return self.failed(&error),
            },
        };
        entry.chain = previous;
        let line = serde_json::to_string(&entry).expect("texts and JSON can be written");
        match journal.append(&line).await {
            Ok(()) => *chain = Some(digest(&line)),
            Err(error) => self.failed(&error),
        }
    }

    /// The last entries, the newest first.
    pub async fn last(&self, entries_max: usize) -> std::io::Result<Vec<Entry>> {
        let Some(journal) = &self.journal else { return Ok(Vec::new()) };
        let lines = journal.last(entries_max).await?;
        Ok(lines.iter().rev().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Counts the entries that could not be written to the journal.
    pub fn failures(&self) -> u64 {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &std::io::Error) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        tracing::error!(reason = %error, "the journal of the audit cannot be written; the entry is in this log only");
    }
}

/// Says at which line (counted from 0) a journal was changed; `None` if it is whole. The first line's own chain is not
/// checked: a journal may have been rotated before it.
pub fn verify<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<usize> {
    let mut previous: Option<String> = None;
    for (index, line) in lines.into_iter().enumerate() {
        let Ok(entry) = serde_json::from_str::<Entry>(line) else { return Some(index) };
        if previous.is_some_and(|previous| previous != entry.chain) {
            return Some(index);
        }
        previous = Some(digest(line));
    }
    None
}

fn digest(line: &str) -> String {
    Sha256::digest(line.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn kept(value: &Value) -> Value {
    let masked = masked(value);
    let text = masked.to_string();
    match text.len() > OBJECT_BYTES_MAX {
        true => json!({"tooLarge": text.len(), "digest": digest(&text)}),
        false => masked,
    }
}

/// Hides what nobody may see: the data of Secrets, and everything that is called a password, token or key.
pub fn masked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_secret = fields.get("kind").is_some_and(|kind| kind == "Secret");
            let mut shown = Map::new();
            for (key, value) in fields {
                let value = match value {
                    Value::Object(data) if is_secret && matches!(key.as_str(), "data" | "stringData") => {
                        data.keys().map(|key| (key.clone(), json!(MASK))).collect()
                    }
                    Value::String(text) if is_confidential(key) && !text.is_empty() => json!(MASK),
                    // A Secret as text: in an annotation of kubectl, in a manifest that is sent along.
                    Value::String(text)
                        if text.contains("Secret") && (text.contains("data") || text.contains("stringData")) =>
                    {
                        match serde_json::from_str::<Value>(text) {
                            Ok(inner) => json!(masked(&inner).to_string()),
                            Err(_no_json) => json!(MASK),
                        }
                    }
                    other => masked(other),
                };
                shown.insert(key.clone(), value);
            }
            Value::Object(shown)
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::String(text) if text.contains("kind: Secret") || text.contains("\"kind\":\"Secret\"") => json!(MASK),
        other => other.clone(),
    }
}

/// Whether a field of this name is confidential: the fields of repositories, clusters and accounts.
fn is_confidential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let public = ["tokenid", "token_id", "publickey", "keyid", "passwordpattern", "secretname", "secretref"];
    let marks =
        ["password", "token", "privatekey", "secret", "certkey", "keydata", "serviceaccountkey", "authorization"];
    marks.iter().any(|mark| name.contains(mark)) && !public.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let value = json!({
            "kind": "Secret", "metadata": {"name": "x", "annotations": {"last": "{\"kind\":\"Secret\",\"data\":{\"a\":\"cGxhaW4=\"}}"}},
            "data": {"a": "cGxhaW4="}, "stringData": {"b": "plain"},
        });
        let shown = masked(&value);
        assert!(!shown.to_string().contains("plain") && !shown.to_string().contains("cGxhaW4="), "{shown}");
        assert_eq!(shown["data"]["a"], MASK);
        let repository = json!({"repo": "https://x", "username": "ann", "password": "plain", "sshPrivateKey": "plain",
            "config": {"bearerToken": "plain", "tlsClientConfig": {"keyData": "plain"}}, "keyID": "ABC", "manifests": ["kind: Secret\nstringData: {a: plain}"]});
        let shown = masked(&repository);
        assert!(!shown.to_string().contains("plain"), "{shown}");
        assert_eq!(shown["keyID"], "ABC");
        assert_eq!(shown["username"], "ann");
    }

    #[test]
    fn a_journal_that_was_changed_shows() {
        let mut lines: Vec<String> = Vec::new();
        for index in 0..4 {
            let chain = lines.last().map(|line| digest(line)).unwrap_or_default();
            lines.push(
                serde_json::to_string(&Entry { who: format!("user {index}"), chain, ..Entry::default() }).unwrap(),
            );
        }
        assert_eq!(verify(lines.iter().map(String::as_str)), None);
        let mut without = lines.clone();
        without.remove(1);
        assert_eq!(verify(without.iter().map(String::as_str)), Some(1));
        let mut changed = lines.clone();
        changed[2] = changed[2].replace("user 2", "user 9");
        assert_eq!(verify(changed.iter().map(String::as_str)), Some(3));
        assert_eq!(verify(["nonsense"]), Some(0));
    }
}
