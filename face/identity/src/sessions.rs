//! Signing in and out.
//!
//! Two ways. Argo CD's: one token that lasts `users.session.duration`, because its programs keep nothing else. Our own: a
//! token that lasts a quarter of an hour, and a refresh token that is good for one new pair.
//!
//! ```text
//! sign in ──> access 15 min + refresh 1 ── refresh 1 ──> access + refresh 2 ── refresh 2 ──> ...   one family
//!                                              └─ refresh 1 again: stolen ──> the family and its access tokens are revoked
//! ```
//!
//! Families and revoked tokens stand in the Secret `landfall-sessions`, hashed, so that a restart and other replicas know
//! them. Assumes that clocks of replicas agree within seconds. Source: Argo CD 3.5 `util/session/sessionmanager.go`;
//! RFC 9700 §4.14 (refresh token rotation).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use landfall_api::error::{ApiError, Code};
use landfall_flow::home::HomeKind;
use landfall_model::object;
use landfall_ports::cluster::{Cause, Patch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::access::{Access, SESSIONS_SECRET, refused, secret_texts, write};
use crate::accounts::Capability;
use crate::caller::{Caller, Via};
use crate::passwords;
use crate::settings::{HashForm, Texts};
use crate::throttle::{LOGINS_AT_ONCE_MAX, Throttle};
use crate::tokens::{self, NewToken, check_account, random_bytes, random_id};

/// How long an access token lasts that comes with a refresh token.
pub const ACCESS_SECONDS: i64 = 15 * 60;
/// How long a family lasts at most, however often it is refreshed.
const FAMILY_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;
/// How many families and revoked tokens are kept; a Secret holds 1 MiB.
const KEPT_MAX: usize = 4_000;
/// The longest user name. Source: Argo CD `maxUsernameLength`.
const USER_BYTES_MAX: usize = 32;
/// How many passwords are checked at the same time: argon2id takes 19 MiB for each.
const CHECKS_AT_ONCE_MAX: usize = 4;
/// How often a write that lost against another is tried.
const WRITES_MAX: usize = 5;
/// What every refresh token begins with, so that scanners for leaked secrets know it.
const REFRESH_PREFIX: &str = "lfr_";

/// Signs people in and out.
pub struct Sessions {
    access: Arc<Access>,
    throttle: Throttle,
    waiting: Semaphore,
    checking: Arc<Semaphore>,
    writing: tokio::sync::Mutex<()>,
    /// What a password is checked against where there is no account: it takes as long.
    decoy: [String; 2],
}

/// One login with refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Family {
    /// The account.
    user: String,
    /// The digest of the refresh token that is good now.
    digest: String,
    /// The second at which it began.
    began: i64,
    /// The second from which the refresh token is of no use.
    ends: i64,
}

#[derive(Debug, Default)]
struct Kept {
    families: BTreeMap<String, Family>,
    revoked: BTreeMap<String, i64>,
}

/// An access token with its refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// For requests.
    pub access_token: String,
    /// For one new pair.
    pub refresh_token: String,
    /// How long the access token lasts, in seconds.
    pub expires_in: i64,
}

impl Sessions {
    /// Signs in by what `access` knows.
    pub fn of(access: Arc<Access>) -> Arc<Self> {
        let decoy = [HashForm::Bcrypt, HashForm::Argon2id]
            .map(|form| passwords::hash("a password that nobody has", form).expect("a short password can be hashed"));
        Arc::new(Self {
            access,
            throttle: Throttle::default(),
            waiting: Semaphore::new(LOGINS_AT_ONCE_MAX),
            checking: Arc::new(Semaphore::new(CHECKS_AT_ONCE_MAX)),
            writing: tokio::sync::Mutex::default(),
            decoy,
        })
    }

    /// What is known about access.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// `session.SessionService/Create`: `{username, password}` gives `{token}`.
    ///
    /// Errors: `Unauthenticated`, the same for an unknown user and a wrong password; `ResourceExhausted` after too many.
    pub async fn create(&self, request: &Value, address: &str) -> Result<Value, ApiError> {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        if !text("token").is_empty() {
            return Err(ApiError::unauthenticated(
                "token-based session creation no longer supported. please upgrade argocd cli to v0.7+",
            ));
        }
        let (user, password) = (text("username"), text("password"));
        if user.is_empty() || password.is_empty() {
            return Err(ApiError::unauthenticated("no credentials supplied"));
        }
        self.check(user, password, address).await?;
        let snapshot = self.access.snapshot();
        let lasts_seconds = i64::try_from(snapshot.settings.session_duration.as_secs()).unwrap_or(i64::MAX);
        let subject = format!("{user}:{}", Capability::Login.name());
        let token = NewToken { subject, id: random_id(), lasts_seconds, scopes: Vec::new() };
        Ok(json!({"token": tokens::sign(&snapshot.settings, &token, self.access.now())?}))
    }

    /// `session.SessionService/Delete`: the caller's token is of no use any more. A pair's family ends with it.
    pub async fn delete(&self, caller: &Caller) -> Result<Value, ApiError> {
        self.revoke(caller).await?;
        Ok(json!({"token": ""}))
    }

    /// Makes a login's token useless until its end. Keys of accounts and roles are deleted instead: they stay good.
    pub async fn revoke(&self, caller: &Caller) -> Result<(), ApiError> {
        let is_login = matches!(caller.via, Via::Account(Capability::Login) | Via::Provider);
        if !is_login || caller.token_id.is_empty() {
            return Ok(());
        }
        let end = caller.expires_at.unwrap_or(i64::MAX);
        let id = caller.token_id.clone();
        self.change(|kept| {
            if let (Via::Account(_), Some((family, _))) = (caller.via, id.split_once('.')) {
                kept.families.remove(family);
                kept.revoked.insert(family.to_owned(), end);
            }
            kept.revoked.insert(id.clone(), end);
            Ok(())
        })
        .await
    }

    /// `session.SessionService/GetUserInfo`; also for nobody.
    pub fn user_info(&self, caller: Option<&Caller>) -> Value {
        let Some(caller) = caller.filter(|caller| caller.via != Via::Anonymous) else {
            return json!({"loggedIn": false});
        };
        let groups = caller.groups(&self.access.snapshot().settings.scopes);
        json!({"loggedIn": true, "username": caller.name(), "iss": caller.issuer, "groups": groups})
    }

    /// Signs in with a password and begins a family.
    pub async fn begin(&self, user: &str, password: &str, address: &str) -> Result<Pair, ApiError> {
        if user.is_empty() || password.is_empty() {
            return Err(ApiError::unauthenticated("no credentials supplied"));
        }
        self.check(user, password, address).await?;
        let (id, secret) = (random_id(), refresh_secret());
        let now = self.access.now().as_second();
        let family =
            Family { user: user.to_owned(), digest: digest(&secret), began: now, ends: self.refresh_end(now, now) };
        self.change(|kept| {
            kept.families.insert(id.clone(), family.clone());
            Ok(())
        })
        .await?;
        self.pair(&id, &secret, user)
    }

    /// Gives a new pair for a refresh token, which is of no use from then on.
    ///
    /// Errors: `Unauthenticated`; a token that was used before ends its family.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Pair, ApiError> {
        let refused = || ApiError::unauthenticated("the refresh token is not valid, please sign in again");
        let (id, secret) = parts(refresh_token).ok_or_else(refused)?;
        let next = refresh_secret();
        let now = self.access.now().as_second();
        let snapshot = self.access.snapshot();
        // The outcome is worked out in the write, because another replica may use the same token at this moment.
        let user = self
            .change(|kept| {
                let Some(family) = kept.families.get_mut(id) else { return Ok(None) };
                if family.ends <= now {
                    kept.families.remove(id);
                    return Ok(None);
                }
                if !bool::from(family.digest.as_bytes().ct_eq(digest(secret).as_bytes())) {
                    tracing::warn!(user = %family.user, family = id, "a refresh token was used twice: its login is revoked");
                    kept.families.remove(id);
                    kept.revoked.insert(id.to_owned(), now + ACCESS_SECONDS);
                    return Ok(None);
                }
                let account = snapshot.settings.account(&family.user);
                let is_good = account.is_some_and(|account| {
                    check_account(account, &family.user, Capability::Login).is_ok()
                        && account.password_changed_at.is_none_or(|changed| changed.as_second() <= family.began)
                });
                if !is_good {
                    kept.families.remove(id);
                    return Ok(None);
                }
                family.digest = digest(&next);
                family.ends = self.refresh_end(family.began, now);
                Ok(Some(family.user.clone()))
            })
            .await?;
        self.pair(id, &next, &user.ok_or_else(refused)?)
    }

    /// Ends the family of a refresh token. Says nothing about whether there was one.
    pub async fn end(&self, refresh_token: &str) -> Result<(), ApiError> {
        let Some((id, secret)) = parts(refresh_token) else { return Ok(()) };
        let now = self.access.now().as_second();
        self.change(|kept| {
            if kept.families.get(id).is_some_and(|family| family.digest == digest(secret)) {
                kept.families.remove(id);
                kept.revoked.insert(id.to_owned(), now + ACCESS_SECONDS);
            }
            Ok(())
        })
        .await
    }

    fn refresh_end(&self, began: i64, now: i64) -> i64 {
        let lasts = self.access.snapshot().settings.session_duration.as_secs();
        (now + i64::try_from(lasts).unwrap_or(FAMILY_SECONDS_MAX)).min(began + FAMILY_SECONDS_MAX)
    }

    fn pair(&self, family: &str, secret: &str, user: &str) -> Result<Pair, ApiError> {
        let subject = format!("{user}:{}", Capability::Login.name());
        // The family's id leads, so that revoking it revokes its access tokens.
        let id = format!("{family}.{}", random_id());
        let token = NewToken { subject, id, lasts_seconds: ACCESS_SECONDS, scopes: Vec::new() };
        let access_token = tokens::sign(&self.access.snapshot().settings, &token, self.access.now())?;
        Ok(Pair {
            access_token,
            refresh_token: format!("{REFRESH_PREFIX}{family}.{secret}"),
            expires_in: ACCESS_SECONDS,
        })
    }

    /// Checks a user's password. Failures are counted, and take as long whatever the reason is.
    pub async fn check(&self, user: &str, password: &str, address: &str) -> Result<(), ApiError> {
        if user.len() > USER_BYTES_MAX {
            return Err(ApiError::invalid(format!("Username is too long ({USER_BYTES_MAX} bytes max)")));
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            let error = ApiError::of(Code::ResourceExhausted, "too many people sign in at this moment");
            return Err(error.hint("try again in a few seconds"));
        };
        let now = self.access.now();
        if let Some(seconds) = self.throttle.wait_seconds(user, address, now) {
            tracing::warn!(user, address, "a login is refused: too many wrong passwords before");
            let error = ApiError::of(Code::ResourceExhausted, "too many wrong passwords");
            return Err(error.hint(format!("try again in {seconds} s")));
        }
        let snapshot = self.access.snapshot();
        let account = snapshot.settings.account(user);
        let kept = account.map_or("", |account| account.password_hash.reveal());
        let is_known = !kept.is_empty();
        let hash = match (is_known, snapshot.settings.hash_form) {
            (true, _) => kept.to_owned(),
            (false, HashForm::Bcrypt) => self.decoy[0].clone(),
            (false, HashForm::Argon2id) => self.decoy[1].clone(),
        };
        let is_right = self.compare(password.to_owned(), hash).await? && is_known;
        if !is_right {
            let count = self.throttle.failed(user, address, now);
            tracing::warn!(user, address, count, "a login failed");
            // A random wait on top: how long an answer takes tells nothing.
            let noise = u64::from(u16::from_be_bytes(random_bytes::<2>())) % 500;
            self.access.clock().sleep(Duration::from_millis(500 + noise)).await;
            return Err(ApiError::unauthenticated("Invalid username or password"));
        }
        self.throttle.succeeded(user, address, now);
        match account {
            Some(account) => check_account(account, user, Capability::Login),
            None => Err(ApiError::unauthenticated("Invalid username or password")),
        }
    }

    async fn compare(&self, password: String, hash: String) -> Result<bool, ApiError> {
        let busy = |reason: String| ApiError::of(Code::Internal, format!("the password cannot be checked: {reason}"));
        let place = self.checking.clone().acquire_owned().await.map_err(|closed| busy(closed.to_string()))?;
        let check = tokio::task::spawn_blocking(move || {
            let _place = place;
            passwords::matches(&password, &hash)
        });
        check.await.map_err(|error| busy(error.to_string()))
    }

    /// Changes what is kept about sessions, against what stands in the cluster at that moment.
    async fn change<T>(&self, mut change: impl FnMut(&mut Kept) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let _one_at_a_time = self.writing.lock().await;
        let kind = HomeKind::Secret.served();
        let (cluster, namespace) = (self.access.cluster(), self.access.namespace());
        for _ in 0..WRITES_MAX {
            let present = cluster.get(&kind, namespace, SESSIONS_SECRET).await.map_err(|error| refused(&error))?;
            let mut kept = Kept::read(&present.as_ref().map(secret_texts).unwrap_or_default());
            let answer = change(&mut kept)?;
            kept.bound(self.access.now().as_second());
            let texts = kept.texts();
            let Some(present) = present else {
                self.access.write_secret(SESSIONS_SECRET, &texts).await?;
                return Ok(answer);
            };
            let data = crate::access::encoded(&texts);
            let version = object::resource_version(&present);
            let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version}, "data": data}));
            match cluster.patch(&kind, namespace, SESSIONS_SECRET, "", &patch, &write()).await {
                Ok(value) => {
                    self.access.take(HomeKind::Secret, &value);
                    return Ok(answer);
                }
                Err(error) if error.cause == Cause::Conflict => {}
                Err(error) => return Err(refused(&error)),
            }
        }
        let error = ApiError::of(Code::Unavailable, "sessions are being changed by others at the same time");
        Err(error.hint("try again"))
    }
}

impl Kept {
    fn read(texts: &Texts) -> Self {
        fn part<T: serde::de::DeserializeOwned + Default>(texts: &Texts, key: &str) -> T {
            texts.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
        }
        Self { families: part(texts, "families"), revoked: part(texts, "revoked") }
    }

    /// Drops what is of no use any more, and the oldest of what is too much.
    fn bound(&mut self, now: i64) {
        self.families.retain(|_, family| family.ends > now);
        self.revoked.retain(|_, end| *end > now);
        while self.families.len() > KEPT_MAX {
            let oldest = self.families.iter().min_by_key(|(_, family)| family.ends).map(|(id, _)| id.clone());
            self.families.retain(|id, _| Some(id) != oldest.as_ref());
        }
        while self.revoked.len() > KEPT_MAX {
            let oldest = self.revoked.iter().min_by_key(|(_, end)| **end).map(|(id, _)| id.clone());
            tracing::error!("more logins were ended than can be kept: the one that ends first works until then");
            self.revoked.retain(|id, _| Some(id) != oldest.as_ref());
        }
    }

    fn texts(&self) -> BTreeMap<String, Option<String>> {
        let text = |value: Value| Some(value.to_string());
        BTreeMap::from([
            ("families".to_owned(), text(json!(self.families))),
            ("revoked".to_owned(), text(json!(self.revoked))),
        ])
    }
}

fn refresh_secret() -> String {
    random_bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parts(refresh_token: &str) -> Option<(&str, &str)> {
    let (id, secret) = refresh_token.trim().strip_prefix(REFRESH_PREFIX)?.split_once('.')?;
    (id.len() == 36 && secret.len() == 64).then_some((id, secret))
}
