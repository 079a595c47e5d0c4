//! Who asks, and the bearer tokens that this server has given out.
//!
//! Tokens of service accounts are JSON web tokens, as clients expect them: they can be taken apart, and what they claim
//! is checked against the objects that they are bound to each time they are shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    /// The name.
    pub(crate) name: String,
    /// The groups.
    pub(crate) groups: Vec<String>,
    /// The uid, "" when there is none.
    pub(crate) uid: String,
    /// What else is known of the user, e.g. the pod that a token is bound to.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

/// The group of administrators, who may do everything.
pub(crate) const MASTERS: &str = "system:masters";
/// The group of everybody who is known.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The audience and issuer of service account tokens.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

impl Identity {
    /// The user that a service account's tokens stand for.
    pub(crate) fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_string(),
                format!("system:serviceaccounts:{namespace}"),
                AUTHENTICATED.to_string(),
            ],
            uid: uid.to_string(),
            extra: BTreeMap::new(),
        }
    }

    /// Nobody in particular.
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_string(),
            groups: vec!["system:unauthenticated".to_string()],
            ..Self::default()
        }
    }

    /// A part of the control plane.
    pub(crate) fn component(name: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:kube-system:{name}"),
            groups: vec![MASTERS.to_string(), AUTHENTICATED.to_string()],
            ..Self::default()
        }
    }

    /// Says of an account's identity on behalf of which pod, and on which node, it is used.
    pub(crate) fn bind_to_pod(&mut self, pod: &Value, node: Option<&Value>) {
        let mut say = |key: &str, text: &str| {
            self.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![text.to_string()]);
        };
        say("pod-name", crate::json::name(pod));
        say("pod-uid", crate::json::uid(pod));
        if let Some(node) = node {
            say("node-name", crate::json::name(node));
            say("node-uid", crate::json::uid(node));
        }
    }

    /// True for members of a group.
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|held| held == group)
    }

    /// The form of reviews: `username`, `groups`, `uid`, `extra`.
    pub(crate) fn to_json(&self) -> Value {
        let mut user = json!({"username": self.name});
        if !self.uid.is_empty() {
            user["uid"] = json!(self.uid);
        }
        if !self.groups.is_empty() {
            user["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            user["extra"] = json!(self.extra);
        }
        user
    }
}

/// What a token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// The user.
    pub(crate) user: Identity,
    /// The service account's namespace and name.
    pub(crate) account: (String, String),
    /// For whom the token is meant.
    pub(crate) audiences: Vec<String>,
    /// When it ends.
    pub(crate) expires: jiff::Timestamp,
    /// The object that it is bound to: kind, name, uid.
    pub(crate) bound: Option<(String, String, String)>,
}

/// When so many tokens are held, those that have ended are forgotten.
const ISSUED_MAX: usize = 10_000;

/// The tokens in use; they live as long as the process.
#[derive(Default)]
pub(crate) struct Tokens {
    issued: Mutex<HashMap<String, Issued>>,
    key: OnceLock<Option<KeyPair>>,
}

impl Tokens {
    fn key(&self) -> Option<&KeyPair> {
        self.key.get_or_init(|| KeyPair::generate().ok()).as_ref()
    }

    /// Makes a token that nobody can forge.
    pub(crate) fn issue(&self, mut issued: Issued, now: jiff::Timestamp) -> Result<String, &'static str> {
        let mut secret = [0_u8; 16];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut secret)
            .map_err(|_| "the machine gives no random numbers")?;
        let key = self.key().ok_or("no key can be made")?;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let (namespace, name) = &issued.account;
        let mut private = json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": issued.user.uid}});
        if let Some((kind, name, uid)) = &issued.bound {
            private[kind.to_lowercase().as_str()] = json!({"name": name, "uid": uid});
        }
        let claims = json!({
            "aud": issued.audiences, "exp": issued.expires.as_second(), "iat": now.as_second(), "nbf": now.as_second(),
            "iss": ISSUER, "jti": URL_SAFE_NO_PAD.encode(secret), "sub": issued.user.name, "kubernetes.io": private,
        });
        let credential = format!("JTI={}", URL_SAFE_NO_PAD.encode(secret));
        issued.user.extra.insert("authentication.kubernetes.io/credential-id".into(), vec![credential]);
        let head = json!({"alg": "ES256", "kid": self.key_id()});
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = key.sign(signed.as_bytes()).map_err(|_| "the token cannot be signed")?;
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(fixed_signature(&signature)));
        let mut held = self.issued.lock().expect("no holder of this lock panics");
        if held.len() >= ISSUED_MAX {
            held.retain(|_, issued| issued.expires > now);
        }
        held.insert(token.clone(), issued);
        Ok(token)
    }

    /// What a token stands for, if this server gave it out.
    pub(crate) fn find(&self, token: &str) -> Option<Issued> {
        self.issued.lock().expect("no holder of this lock panics").get(token).cloned()
    }

    fn key_id(&self) -> String {
        use sha2::Digest as _;
        let public = self.key().map(|key| key.der_bytes().to_vec()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(&sha2::Sha256::digest(public)[..])
    }

    /// The public key as a JSON web key set (`/openid/v1/jwks`).
    pub(crate) fn key_set(&self) -> Value {
        let public = self.key().map(|key| key.der_bytes().to_vec()).unwrap_or_default();
        // An uncompressed point: 0x04, then the two coordinates of 32 bytes.
        let point = public.strip_prefix(&[4]).unwrap_or(&public);
        let (x, y) = point.split_at(point.len().min(32));
        json!({"keys": [{"use": "sig", "kty": "EC", "kid": self.key_id(), "crv": "P-256", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]})
    }
}

/// Turns an ASN.1 signature into two numbers of 32 bytes each, as web tokens have it.
fn fixed_signature(der: &[u8]) -> Vec<u8> {
    let mut fixed = Vec::with_capacity(64);
    let mut rest = der.get(2..).unwrap_or_default();
    for _ in 0..2 {
        let length = usize::from(rest.get(1).copied().unwrap_or(0));
        let number = rest.get(2..2 + length).unwrap_or_default();
        let digits: &[u8] = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        fixed.resize(fixed.len() + 32_usize.saturating_sub(digits.len()), 0);
        fixed.extend_from_slice(digits);
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    fixed
}
