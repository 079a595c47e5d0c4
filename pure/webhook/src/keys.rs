//! The keys that senders prove themselves with, and the proof. Every comparison takes the same time whatever differs.

use std::collections::BTreeMap;

use hmac::digest::OutputSizeUser;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The keys, one per kind of sender; `None` means that the sender is believed.
///
/// Source: Argo CD 3.5, the Secret `argocd-secret`. Never printed: there is no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// `webhook.github.secret`: key of the signature.
    pub github: Option<Vec<u8>>,
    /// `webhook.gitlab.secret`: sent as it is.
    pub gitlab: Option<Vec<u8>>,
    /// `webhook.gogs.secret`: key of the signature of Gogs, Gitea and Forgejo.
    pub gogs: Option<Vec<u8>>,
    /// `webhook.bitbucket.uuid`: sent as it is.
    pub bitbucket_uuid: Option<Vec<u8>>,
    /// `webhook.bitbucketserver.secret`: key of the signature.
    pub bitbucket_server: Option<Vec<u8>>,
}

impl Keys {
    /// Takes the keys out of the decoded data of `argocd-secret`. An empty value is no key. A value `$name` stands for
    /// the entry `name` of the same Secret; if there is none it is the key itself, as in Argo CD.
    pub fn of_data(data: &BTreeMap<String, Vec<u8>>) -> Self {
        let key = |name: &str| {
            let value = data.get(name)?;
            let referred = value.strip_prefix(b"$").and_then(|rest| data.get(std::str::from_utf8(rest).ok()?));
            Some(referred.unwrap_or(value).clone()).filter(|key| !key.is_empty())
        };
        Self {
            github: key("webhook.github.secret"),
            gitlab: key("webhook.gitlab.secret"),
            gogs: key("webhook.gogs.secret"),
            bitbucket_uuid: key("webhook.bitbucket.uuid"),
            bitbucket_server: key("webhook.bitbucketserver.secret"),
        }
    }
}

/// Says whether `signature` (hexadecimal, behind `prefix`) is the HMAC-SHA256 of `body`.
pub(crate) fn is_signed_sha256(key: &[u8], body: &[u8], signature: &str, prefix: &str) -> bool {
    is_signed::<Sha256>(key, body, signature, prefix)
}

/// Says whether `signature` (hexadecimal, behind `prefix`) is the HMAC-SHA1 of `body`.
pub(crate) fn is_signed_sha1(key: &[u8], body: &[u8], signature: &str, prefix: &str) -> bool {
    is_signed::<Sha1>(key, body, signature, prefix)
}

/// Says whether two texts are equal, without telling by the time taken how far they are.
pub(crate) fn is_equal(expected: &[u8], given: &[u8]) -> bool {
    // Both become digests of one length first: the time says nothing about the length of the key either.
    let digest = |text: &[u8]| mac::<Sha256>(b"landfall webhook token").chain_update(text);
    digest(given).verify_slice(&digest(expected).finalize().into_bytes()).is_ok()
}

fn is_signed<D>(key: &[u8], body: &[u8], signature: &str, prefix: &str) -> bool
where
    D: EagerHash,
    Hmac<D>: Mac + KeyInit + OutputSizeUser,
{
    let Some(given) = signature.trim().strip_prefix(prefix).and_then(unhex) else { return false };
    mac::<D>(key).chain_update(body).verify_slice(&given).is_ok()
}

fn mac<D>(key: &[u8]) -> Hmac<D>
where
    D: EagerHash,
    Hmac<D>: Mac + KeyInit,
{
    <Hmac<D> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
