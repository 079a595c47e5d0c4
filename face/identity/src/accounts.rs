//! Local accounts: what argocd-cm says of them, and the passwords and tokens that argocd-secret keeps.
//! Source: Argo CD 3.5 `util/settings/accounts.go`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_repository::secret::Confidential;
use serde::{Deserialize, Serialize};

use crate::settings::{ADMIN, Texts};

/// What an account may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Tokens are made for it.
    ApiKey,
    /// It signs in with a password.
    Login,
}

impl Capability {
    /// The name in argocd-cm and in a token's subject.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "apiKey",
            Self::Login => "login",
        }
    }

    /// Reads a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::ApiKey, Self::Login].into_iter().find(|known| known.name() == name)
    }
}

/// A token that was made for an account or a project's role: what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenRecord {
    /// The `jti` claim.
    pub id: String,
    /// When it was made, in seconds.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// When it ends, in seconds; 0 is never.
    #[serde(rename = "exp", skip_serializing_if = "is_zero")]
    pub expires_at: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// One local account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The hash of the password; empty if there is none.
    pub password_hash: Confidential,
    /// When the password was set: tokens from before are refused.
    pub password_changed_at: Option<Timestamp>,
    /// Whether it may be used at all.
    pub is_enabled: bool,
    /// What it may be used for.
    pub capabilities: Vec<Capability>,
    /// The tokens that were made for it.
    pub tokens: Vec<TokenRecord>,
}

impl Account {
    /// Says whether it may be used for this.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// The key of argocd-secret for a fact about an account: `password`, `passwordMtime` or `tokens`.
pub fn secret_key(account: &str, fact: &str) -> String {
    match account {
        ADMIN => format!("admin.{fact}"),
        other => format!("accounts.{other}.{fact}"),
    }
}

/// Reads all accounts. What cannot be read is told, and the account is off.
pub(crate) fn read(config: &Texts, secret: &Texts, problems: &mut Vec<String>) -> BTreeMap<String, Account> {
    let admin_enabled = config.get("admin.enabled").is_none_or(|text| text.trim() != "false");
    let admin = Account { is_enabled: admin_enabled, capabilities: vec![Capability::Login], ..Account::default() };
    let mut accounts = BTreeMap::from([(ADMIN.to_owned(), admin)]);
    for (key, value) in config {
        let Some(rest) = key.strip_prefix("accounts.") else { continue };
        let (name, fact) = match rest.split_once('.') {
            None => (rest, ""),
            Some((name, fact)) => (name, fact),
        };
        let known = Account { is_enabled: true, ..Account::default() };
        let account = accounts.entry(name.to_owned()).or_insert(known);
        match fact {
            "" => {
                for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    match Capability::of(word) {
                        Some(capability) if !account.capabilities.contains(&capability) => {
                            account.capabilities.push(capability);
                        }
                        Some(_) => {}
                        None => problems.push(format!(
                            "argocd-cm: {key} says {word:?}; an account's capabilities are apiKey and login"
                        )),
                    }
                }
            }
            "enabled" if matches!(value.trim(), "true" | "false") => {
                account.is_enabled = value.trim() == "true" && (name != ADMIN || admin_enabled);
            }
            "enabled" => {
                account.is_enabled = false;
                problems.push(format!("argocd-cm: {key} is {value:?}, neither true nor false; the account is off"));
            }
            other => {
                problems.push(format!("argocd-cm: {key}: an account has no {other:?}; accounts.NAME.enabled is one"))
            }
        }
    }
    for (name, account) in &mut accounts {
        let text = |fact: &str| secret.get(&secret_key(name, fact)).map_or("", |text| text.trim());
        account.password_hash = Confidential::of(text("password"));
        let changed = text("passwordMtime");
        account.password_changed_at = changed.parse().ok();
        let tokens = text("tokens");
        let read = if tokens.is_empty() { Ok(Vec::new()) } else { serde_json::from_str(tokens) };
        account.tokens = read.unwrap_or_else(|error| {
            problems.push(format!("argocd-secret: {} cannot be read: {error}", secret_key(name, "tokens")));
            Vec::new()
        });
        if !changed.is_empty() && account.password_changed_at.is_none() {
            // Which tokens are older than the password cannot be told any more: none is accepted.
            account.is_enabled = false;
            let key = secret_key(name, "passwordMtime");
            problems.push(format!(
                "argocd-secret: {key} is {changed:?}, no time such as 2026-01-02T03:04:05Z; the account is off"
            ));
        }
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn accounts_are_read_as_argo_cd_keeps_them() {
        let config = texts(&[
            ("accounts.ci", "apiKey"),
            ("accounts.ann", "apiKey, login"),
            ("accounts.bob", "login"),
            ("accounts.bob.enabled", "false"),
        ]);
        let secret = texts(&[
            ("admin.password", "$2a$x"),
            ("admin.passwordMtime", "2026-01-02T03:04:05Z"),
            ("accounts.ci.tokens", r#"[{"id":"one","iat":5},{"id":"two","iat":6,"exp":9}]"#),
        ]);
        let mut problems = Vec::new();
        let accounts = read(&config, &secret, &mut problems);
        assert_eq!(problems, Vec::<String>::new());
        assert!(accounts["admin"].is_enabled && accounts["admin"].can(Capability::Login));
        assert!(!accounts["admin"].can(Capability::ApiKey) && accounts["admin"].password_changed_at.is_some());
        assert_eq!(accounts["ci"].tokens.iter().map(|token| token.expires_at).collect::<Vec<_>>(), [0, 9]);
        assert!(accounts["ann"].can(Capability::Login) && accounts["ann"].can(Capability::ApiKey));
        assert!(!accounts["bob"].is_enabled);
    }

    #[test]
    fn what_cannot_be_read_turns_an_account_off_and_says_so() {
        let config =
            texts(&[("accounts.ann", "login, fly"), ("accounts.bob", "login"), ("accounts.bob.enabled", "maybe")]);
        let secret = texts(&[("accounts.ann.passwordMtime", "yesterday"), ("admin.tokens", "{")]);
        let mut problems = Vec::new();
        let accounts = read(&config, &secret, &mut problems);
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(!accounts["ann"].is_enabled && !accounts["bob"].is_enabled);
    }

    #[test]
    fn admin_is_off_where_it_is_switched_off_whatever_else_is_said() {
        let config = texts(&[("admin.enabled", "false"), ("accounts.admin.enabled", "true")]);
        assert!(!read(&config, &Texts::new(), &mut Vec::new())["admin"].is_enabled);
    }
}
