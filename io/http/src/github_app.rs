//! Signing in as a GitHub App: a token for an hour, bought with a statement that the app's key signs.
//!
//! Source: GitHub's REST documentation, "Authenticating as a GitHub App installation"; keys as Argo CD 3.5
//! (`githubAppID`, `githubAppInstallationID`, `githubAppPrivateKey`, `githubAppEnterpriseBaseUrl`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landfall_repository::address::{self, Address};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::{GithubApp, Repository};
use landfall_repository::secret::Confidential;
use reqwest::{Client, Method, StatusCode};
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

/// How long a token is used; GitHub's are valid for an hour.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(50 * 60);

/// How long a statement is valid; GitHub allows ten minutes.
const STATEMENT_SECONDS: u64 = 540;

/// How far our clock may be ahead of GitHub's.
const CLOCK_SKEW_SECONDS: u64 = 60;

/// The user name that goes with an installation's token.
const TOKEN_USER: &str = "x-access-token";

/// Tokens by app and installation, each bought by one caller at a time.
pub(crate) type Tokens = Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<(Confidential, Instant)>>>>>;

/// Returns `repository` with the app's token as its password; asks GitHub only when there is no young token.
pub(crate) async fn signed_in(
    repository: &Repository,
    app: &GithubApp,
    client: &Client,
    tokens: &Tokens,
) -> Result<Repository, SourceError> {
    let api = api(app);
    let owner = owner_and_name(&repository.url)?;
    let installation = app.installation_id.clone().unwrap_or_else(|| owner.clone());
    let key = format!("{api}\0{}\0{installation}", app.id);
    let slot = tokens.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
    let mut slot = slot.lock().await;
    let young = slot.as_ref().filter(|(_, bought_at)| bought_at.elapsed() < TOKEN_AGE_MAX);
    let token = match young {
        Some((token, _)) => token.clone(),
        None => {
            let token = bought(repository, app, client, &api, &owner).await?;
            *slot = Some((token.clone(), Instant::now()));
            token
        }
    };
    let mut repository = repository.clone();
    repository.credentials.github_app = None;
    repository.credentials.username = Some(TOKEN_USER.to_owned());
    repository.credentials.password = Some(token);
    Ok(repository)
}

fn api(app: &GithubApp) -> String {
    let base = app.enterprise_base_url.as_deref().unwrap_or("https://api.github.com");
    base.trim().trim_end_matches('/').to_owned()
}

/// Takes `owner/name` out of the address.
fn owner_and_name(url: &str) -> Result<String, SourceError> {
    let path = match address::parse(url) {
        Ok(Address::Http { url, .. }) => url.splitn(4, '/').nth(3).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let path = path.trim_end_matches('/').trim_end_matches(".git").to_owned();
    if path.split('/').filter(|part| !part.is_empty()).count() < 2 {
        let reason = "a GitHub App signs in to https addresses of the form https://host/owner/repository";
        return Err(SourceError::of(SourceProblem::Invalid, url, reason));
    }
    Ok(path)
}

async fn bought(
    repository: &Repository,
    app: &GithubApp,
    client: &Client,
    api: &str,
    owner: &str,
) -> Result<Confidential, SourceError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let statement = statement(app, now).map_err(|reason| {
        let reason = format!("the GitHub App's private key cannot be used: {reason}");
        SourceError::of(SourceProblem::Invalid, &repository.url, reason)
            .hinting("Put the .pem file that GitHub gave out for the app into githubAppPrivateKey.")
    })?;
    let ask = async |method: Method, path: String| -> Result<Value, SourceError> {
        let url = format!("{api}{path}");
        let request =
            client.request(method, &url).bearer_auth(&statement).header("accept", "application/vnd.github+json");
        let response = request.send().await.map_err(|error| crate::failure(&url, &error))?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::NOT_FOUND => {
                let reason = format!("the GitHub App {} is not installed there ({url} answered 404)", app.id);
                return Err(SourceError::of(SourceProblem::Forbidden, &repository.url, reason)
                    .hinting("Install the app for the repository, or correct githubAppInstallationID."));
            }
            status => return Err(crate::refusal(&url, status, true)),
        }
        response.json().await.map_err(|error| crate::failure(&url, &error))
    };
    let broken = |what: &str| SourceError::of(SourceProblem::Broken, api, format!("the answer has no {what}"));
    let installation = match &app.installation_id {
        Some(id) => id.clone(),
        None => {
            let found = ask(Method::GET, format!("/repos/{owner}/installation")).await?;
            found.get("id").and_then(Value::as_u64).ok_or_else(|| broken("installation id"))?.to_string()
        }
    };
    let answer = ask(Method::POST, format!("/app/installations/{installation}/access_tokens")).await?;
    let token = answer.get("token").and_then(Value::as_str).ok_or_else(|| broken("token"))?;
    Ok(Confidential::of(token))
}

/// Writes the statement "I am this app, now" as a JSON Web Token (RS256).
fn statement(app: &GithubApp, now: u64) -> Result<String, String> {
    let key = PrivateKeyDer::from_pem_slice(app.private_key.reveal().as_bytes()).map_err(|error| error.to_string())?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|error| error.to_string())?;
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or("it is no RSA key")?;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({"alg": "RS256", "typ": "JWT"}));
    let issued = now.saturating_sub(CLOCK_SKEW_SECONDS);
    let claims = part(&json!({"iat": issued, "exp": now + STATEMENT_SECONDS, "iss": app.id}));
    let signed = format!("{header}.{claims}");
    let signature = signer.sign(signed.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
