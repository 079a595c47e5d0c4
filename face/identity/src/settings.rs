//! What an installation's ConfigMaps and Secret say about access, read once per change.
//! Source: Argo CD 3.5 `util/settings/settings.go`, `util/settings/accounts.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_access::policy::{InvalidLine, MatchMode, Policy};
use landfall_repository::secret::Confidential;
use regex::Regex;

use crate::accounts::{self, Account};

/// The ConfigMap of settings.
pub const CONFIG_MAP: &str = "argocd-cm";
/// The ConfigMap of policy.
pub const POLICY_CONFIG_MAP: &str = "argocd-rbac-cm";
/// The Secret of passwords, tokens and the key that signs sessions.
pub const SECRET: &str = "argocd-secret";
/// The Secret of the server's certificate, where there is one of its own.
pub const TLS_SECRET: &str = "argocd-server-tls";
/// The account that always exists.
pub const ADMIN: &str = "admin";
/// How long a login lasts where nothing is said.
const SESSION_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// The passwords that are accepted where nothing is said.
pub const PASSWORD_PATTERN_DEFAULT: &str = "^.{8,32}$";

/// Texts by key, as a ConfigMap or a Secret has them.
pub type Texts = BTreeMap<String, String>;

/// How new passwords are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashForm {
    /// bcrypt, which Argo CD reads too.
    Bcrypt,
    /// argon2id, which Argo CD does not read.
    Argon2id,
}

/// What is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where people reach the server; `""` if it is not said.
    pub url: String,
    /// Further addresses of the same server.
    pub additional_urls: Vec<String>,
    /// What signs sessions; `None` before it was made.
    pub signing_key: Option<Confidential>,
    /// How long a login lasts.
    pub session_duration: Duration,
    /// Whether callers without a token are let in with the default role.
    pub anonymous_enabled: bool,
    /// The accounts by name; [`ADMIN`] is always among them.
    pub accounts: BTreeMap<String, Account>,
    /// What a new password must look like.
    pub password_pattern: String,
    /// How new passwords are kept.
    pub hash_form: HashForm,
    /// The rules of the installation.
    pub policy: Policy,
    /// How rules are matched.
    pub match_mode: MatchMode,
    /// The role that everybody has who is signed in; `""` is none.
    pub default_role: String,
    /// Which claims name groups.
    pub scopes: Vec<String>,
    /// Whether `update` and `delete` of an application permit the same for what is in it.
    pub is_inherited_by_resources: bool,
    /// The text of `oidc.config`; `""` if there is none.
    pub oidc: String,
    /// Whether `dex.config` is set.
    pub has_dex: bool,
    /// All texts of argocd-cm.
    pub texts: Texts,
    /// What cannot be read, in sentences.
    pub problems: Vec<String>,
}

/// What [`Settings::read`] reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// argocd-cm.
    pub config: Texts,
    /// argocd-rbac-cm.
    pub policy: Texts,
    /// argocd-secret.
    pub secret: Texts,
}

impl Settings {
    /// Reads what is set. What cannot be read is among [`Self::problems`], and permits nothing.
    pub fn read(sources: &Sources) -> Self {
        let config = &sources.config;
        let text = |key: &str| config.get(key).map_or("", |value| value.trim());
        let mut problems = Vec::new();
        let accounts = accounts::read(config, &sources.secret, &mut problems);
        let session = text("users.session.duration");
        let session_duration = match (session, duration(session)) {
            ("", _) => SESSION_DEFAULT,
            (_, Some(duration)) if !duration.is_zero() => duration,
            _ => {
                problems.push(format!(
                    "argocd-cm: users.session.duration {session:?} is no duration such as \"8h\"; 24h is used"
                ));
                SESSION_DEFAULT
            }
        };
        let match_mode = match sources.policy.get("policy.matchMode").map_or("", |mode| mode.trim()) {
            "" | "glob" => MatchMode::Glob,
            "regex" => MatchMode::Regex,
            other => {
                problems.push(format!(
                    "argocd-rbac-cm: policy.matchMode {other:?} is neither glob nor regex; glob is used"
                ));
                MatchMode::Glob
            }
        };
        let default_role = sources.policy.get("policy.default").map_or("", |role| role.trim()).to_owned();
        let (policy, lines) = Policy::read(&policy_csv(&sources.policy), &default_role, match_mode);
        problems.extend(lines.iter().map(|line: &InvalidLine| format!("argocd-rbac-cm: {line}")));
        Self {
            url: text("url").trim_end_matches('/').to_owned(),
            additional_urls: list(text("additionalUrls")),
            signing_key: sources.secret.get("server.secretkey").filter(|key| !key.is_empty()).map(Confidential::of),
            session_duration,
            anonymous_enabled: text("users.anonymous.enabled") == "true",
            password_pattern: password_pattern(text("passwordPattern"), &mut problems),
            hash_form: hash_form(text("landfall.passwordHash"), &accounts, &mut problems),
            accounts,
            policy,
            match_mode,
            default_role,
            scopes: scopes(sources.policy.get("scopes").map_or("", |scopes| scopes.trim()), &mut problems),
            is_inherited_by_resources: text("server.rbac.disableApplicationFineGrainedRBACInheritance") == "false",
            oidc: config.get("oidc.config").cloned().unwrap_or_default(),
            has_dex: !text("dex.config").is_empty(),
            texts: config.clone(),
            problems,
        }
    }

    /// Finds the account of a name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.get(name)
    }
}

/// Puts `policy.csv` and every `policy.*.csv` together, in the order of their names.
pub fn policy_csv(texts: &Texts) -> String {
    let further = |key: &str| key.starts_with("policy.") && key.ends_with(".csv") && key != "policy.csv";
    let parts =
        texts.get("policy.csv").into_iter().chain(texts.iter().filter(|(key, _)| further(key)).map(|(_, csv)| csv));
    parts.map(|csv| format!("{csv}\n")).collect()
}

fn password_pattern(text: &str, problems: &mut Vec<String>) -> String {
    if text.is_empty() {
        return PASSWORD_PATTERN_DEFAULT.to_owned();
    }
    match Regex::new(text) {
        Ok(_) => text.to_owned(),
        Err(error) => {
            problems.push(format!(
                "argocd-cm: passwordPattern cannot be read ({error}); {PASSWORD_PATTERN_DEFAULT} is used"
            ));
            PASSWORD_PATTERN_DEFAULT.to_owned()
        }
    }
}

/// Follows what is there where nothing is said: an installation with bcrypt hashes came from Argo CD and may go back.
fn hash_form(text: &str, accounts: &BTreeMap<String, Account>, problems: &mut Vec<String>) -> HashForm {
    match text {
        "argon2id" => return HashForm::Argon2id,
        "bcrypt" => return HashForm::Bcrypt,
        "" => {}
        other => problems.push(format!("argocd-cm: landfall.passwordHash {other:?} is neither argon2id nor bcrypt")),
    }
    match accounts.values().any(|account| account.password_hash.reveal().starts_with("$2")) {
        true => HashForm::Bcrypt,
        false => HashForm::Argon2id,
    }
}

fn scopes(text: &str, problems: &mut Vec<String>) -> Vec<String> {
    if text.is_empty() {
        return vec!["groups".to_owned()];
    }
    match landfall_yaml::read_one(text.as_bytes(), landfall_yaml::Resolver::Kubernetes).map(serde_json::from_value) {
        Ok(Ok(scopes)) => scopes,
        _ => {
            problems.push(format!(
                "argocd-rbac-cm: scopes {text:?} is no list such as \"[groups, email]\"; no groups are read"
            ));
            Vec::new()
        }
    }
}

fn list(text: &str) -> Vec<String> {
    let read = landfall_yaml::read_one(text.as_bytes(), landfall_yaml::Resolver::Kubernetes);
    read.ok().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// Reads a Go duration: `90s`, `1h30m`. `None` if it is none or negative.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let end = rest[digits..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit = match &rest[digits..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_set_is_closed_and_has_argo_cd_s_defaults() {
        let settings = Settings::read(&Sources::default());
        assert!(!settings.anonymous_enabled && settings.signing_key.is_none() && !settings.is_inherited_by_resources);
        assert_eq!(settings.session_duration, Duration::from_secs(86_400));
        assert_eq!(settings.scopes, ["groups"]);
        assert_eq!(settings.hash_form, HashForm::Argon2id);
        assert_eq!(settings.accounts.keys().collect::<Vec<_>>(), ["admin"]);
        assert_eq!(settings.problems, Vec::<String>::new());
    }

    #[test]
    fn every_policy_file_counts_and_problems_name_their_line() {
        let policy = texts(&[
            ("policy.csv", "p, ann, projects, get, a, allow"),
            ("policy.team.csv", "nonsense"),
            ("policy.default", "role:none"),
            ("scopes", "[groups, email]"),
            ("policy.matchMode", "fuzzy"),
        ]);
        let settings = Settings::read(&Sources { policy, ..Sources::default() });
        assert_eq!(settings.scopes, ["groups", "email"]);
        assert_eq!(settings.problems.len(), 2, "{:?}", settings.problems);
        assert!(settings.problems[1].contains("policy line 2"), "{:?}", settings.problems);
    }

    #[test]
    fn durations_are_go_s() {
        for (text, seconds) in [("24h", 86_400.0), ("1h30m", 5_400.0), ("1.5s", 1.5), ("300ms", 0.3)] {
            assert_eq!(duration(text).map(|duration| duration.as_secs_f64()), Some(seconds), "{text}");
        }
        for text in ["", "10", "h", "1x", "-1h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn new_passwords_are_kept_as_those_that_are_there() {
        let bcrypt = texts(&[("admin.password", "$2a$10$abcdefghijklmnopqrstuv")]);
        let taken_over = Settings::read(&Sources { secret: bcrypt.clone(), ..Sources::default() });
        assert_eq!(taken_over.hash_form, HashForm::Bcrypt);
        let config = texts(&[("landfall.passwordHash", "argon2id")]);
        assert_eq!(
            Settings::read(&Sources { secret: bcrypt, config, ..Sources::default() }).hash_form,
            HashForm::Argon2id
        );
    }
}
