//! Bearer tokens that this server has given out, and the users behind them.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The name.
    pub(crate) name: String,
    /// The groups.
    pub(crate) groups: Vec<String>,
    /// The uid, "" when there is none.
    pub(crate) uid: String,
}

impl User {
    /// The user that a service account's tokens stand for.
    pub(crate) fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_string(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_string(),
            ],
            uid: uid.to_string(),
        }
    }

    /// The form of TokenReview's `status.user`.
    pub(crate) fn to_json(&self) -> Value {
        json!({"username": self.name, "groups": self.groups, "uid": self.uid})
    }
}

/// The tokens in use; they live as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    users: Mutex<HashMap<String, User>>,
}

impl Tokens {
    /// Makes a token that nobody can guess.
    pub(crate) fn issue(&self, user: User) -> Result<String, &'static str> {
        let mut secret = [0_u8; 32];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut secret)
            .map_err(|_| "the machine gives no random numbers")?;
        let token = URL_SAFE_NO_PAD.encode(secret);
        self.users.lock().expect("no holder of this lock panics").insert(token.clone(), user);
        Ok(token)
    }

    /// The user behind a token.
    pub(crate) fn user_of(&self, token: &str) -> Option<User> {
        self.users.lock().expect("no holder of this lock panics").get(token).cloned()
    }
}
