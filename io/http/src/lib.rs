//! HTTP clients for sources: the TLS options, proxy and credentials of a repository, and failures in plain words.
//!
//! The crates for Git, chart repositories and registries share this, so that one setting works the same everywhere.
//! Entry: [`Clients::client`], [`failure`], [`refusal`].

mod github_app;
pub mod web;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use landfall_repository::address::{self, Address};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::{Connection, Credentials, Repository};
use landfall_repository::secret::Confidential;
use reqwest::{Certificate, Client, Identity, NoProxy, Proxy, RequestBuilder, StatusCode, redirect};

/// Counts the clients that are kept for reuse: each holds open connections, and most repositories share one setting.
const CLIENTS_MAX: usize = 64;

/// Counts the redirects that are followed, as git and curl do by habit.
const REDIRECTS_MAX: usize = 10;

/// Says who Landfall is to servers.
pub const USER_AGENT: &str = concat!("landfall/", env!("CARGO_PKG_VERSION"));

/// Keeps one client per setting, with its open connections.
#[derive(Debug)]
pub struct Clients {
    connect_timeout: Duration,
    idle_timeout: Duration,
    by_setting: Mutex<HashMap<Setting, Client>>,
    tokens: github_app::Tokens,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Setting {
    connection: Connection,
    certificate: Option<String>,
    key: Option<Confidential>,
}

impl Clients {
    /// Makes an empty keep. `connect_timeout` bounds name look-up, connection and TLS; `idle_timeout` bounds the wait
    /// for the first and for every further byte.
    pub fn with_timeouts(connect_timeout: Duration, idle_timeout: Duration) -> Self {
        Self { connect_timeout, idle_timeout, by_setting: Mutex::default(), tokens: Mutex::default() }
    }

    /// Returns a client with the TLS options and proxy of `repository`; it does not send credentials by itself, see
    /// [`authorized`].
    ///
    /// Errors: `Invalid` for a certificate, key or proxy address that cannot be read; `Unsupported` for credentials that
    /// Landfall cannot use.
    pub fn client(&self, repository: &Repository) -> Result<Client, SourceError> {
        if let Some(way) = repository.credentials.unsupported.first() {
            let reason = format!("its repository Secret authenticates with {way}, which Landfall does not do");
            return Err(SourceError::of(SourceProblem::Unsupported, &repository.url, reason).hinting(
                "Use username and password (or a token), bearerToken, sshPrivateKey or a client certificate.",
            ));
        }
        let setting = Setting {
            connection: repository.connection.clone(),
            certificate: repository.credentials.tls_client_certificate.clone(),
            key: repository.credentials.tls_client_key.clone(),
        };
        let mut kept = self.by_setting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = kept.get(&setting) {
            return Ok(client.clone());
        }
        let client = self.build(repository, &setting)?;
        if kept.len() >= CLIENTS_MAX {
            kept.clear();
        }
        kept.insert(setting, client.clone());
        Ok(client)
    }

    /// Exchanges a GitHub App's key for the token that it gives; other credentials stay as they are.
    ///
    /// Errors: `Invalid` key, `AuthenticationFailed` and `Forbidden` as GitHub says, and those of any request.
    pub async fn signed_in(&self, repository: &Repository) -> Result<Repository, SourceError> {
        match &repository.credentials.github_app {
            None => Ok(repository.clone()),
            Some(app) => {
                let client = self.client(repository)?;
                github_app::signed_in(repository, app, &client, &self.tokens).await
            }
        }
    }

    fn build(&self, repository: &Repository, setting: &Setting) -> Result<Client, SourceError> {
        let invalid = |what: &str, error: &dyn Error| {
            let reason = format!("{what} cannot be used: {}", innermost(error));
            SourceError::of(SourceProblem::Invalid, &repository.url, reason)
        };
        let connection = &setting.connection;
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.idle_timeout)
            .redirect(redirect::Policy::custom(follow))
            .tls_danger_accept_invalid_certs(connection.tls_insecure)
            .tls_danger_accept_invalid_hostnames(connection.tls_insecure);
        if let Some(bundle) = &connection.tls_authorities {
            let certificates = Certificate::from_pem_bundle(bundle.as_bytes())
                .map_err(|error| invalid("the certificate bundle in argocd-tls-certs-cm", &error))?;
            builder = builder.tls_certs_merge(certificates);
        }
        if let (Some(certificate), Some(key)) = (&setting.certificate, &setting.key) {
            let identity = Identity::from_pem(format!("{certificate}\n{}", key.reveal()).as_bytes())
                .map_err(|error| invalid("the client certificate (tlsClientCertData, tlsClientCertKey)", &error))?;
            builder = builder.identity(identity);
        }
        if let Some(proxy) = &connection.proxy {
            let no_proxy = connection.no_proxy.as_deref().and_then(NoProxy::from_string);
            let proxy = Proxy::all(proxy).map_err(|error| invalid("the proxy", &error))?.no_proxy(no_proxy);
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| invalid("the TLS settings", &error))
    }
}

/// Follows redirects, but never from https to http: credentials and content would travel in the clear.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let was_encrypted = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else if was_encrypted && attempt.url().scheme() != "https" {
        attempt.error("the server redirects from https to http, which is not followed")
    } else {
        attempt.follow()
    }
}

/// Adds who we are to a request: a bearer token, else user and password of the Secret, else those of the address.
pub fn authorized(request: RequestBuilder, repository: &Repository) -> RequestBuilder {
    match login(&repository.credentials, &repository.url) {
        Some(Login::Bearer(token)) => request.bearer_auth(token.reveal()),
        Some(Login::Basic(user, password)) => request.basic_auth(user, password.as_ref().map(Confidential::reveal)),
        None => request,
    }
}

/// Says how we tell a server who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// `Authorization: Bearer`.
    Bearer(Confidential),
    /// `Authorization: Basic`, with user and password.
    Basic(String, Option<Confidential>),
}

/// Chooses the login for an address; `None` if there are no credentials.
pub fn login(credentials: &Credentials, url: &str) -> Option<Login> {
    if let Some(token) = &credentials.bearer_token {
        return Some(Login::Bearer(token.clone()));
    }
    if credentials.username.is_some() || credentials.password.is_some() {
        // Tokens are often given as a password alone; servers want some name beside it.
        let user = credentials.username.clone().unwrap_or_else(|| "git".to_owned());
        return Some(Login::Basic(user, credentials.password.clone()));
    }
    match address::parse(url) {
        Ok(Address::Http { user: Some(user), password, .. }) => Some(Login::Basic(user, password)),
        _ => None,
    }
}

/// Puts a failed request into words.
pub fn failure(url: &str, error: &reqwest::Error) -> SourceError {
    let reason = innermost(error);
    let problem = if is_certificate(error) {
        SourceProblem::CertificateUntrusted
    } else if error.is_timeout() {
        SourceProblem::TimedOut
    } else if error.is_redirect() || error.is_decode() {
        SourceProblem::Broken
    } else if error.is_builder() {
        SourceProblem::Invalid
    } else {
        SourceProblem::Unreachable
    };
    let reason = if error.is_timeout() { "no answer within the time allowed".to_owned() } else { reason };
    SourceError::of(problem, url, reason)
}

/// Puts an answer that is no success into words; `is_login_sent` tells missing from wrong credentials.
pub fn refusal(url: &str, status: StatusCode, is_login_sent: bool) -> SourceError {
    let problem = match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED if is_login_sent => {
            SourceProblem::AuthenticationFailed
        }
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => SourceProblem::AuthenticationRequired,
        StatusCode::FORBIDDEN => SourceProblem::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => SourceProblem::NotFound,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => SourceProblem::TimedOut,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
            SourceProblem::Unreachable
        }
        _ => SourceProblem::Broken,
    };
    SourceError::of(problem, url, format!("the server answered {status}"))
}

/// Returns the innermost reason of an error: the outer ones only repeat what was asked for.
pub fn innermost(error: &dyn Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn is_certificate(error: &dyn Error) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // rustls words every rejected certificate this way; its error type is not part of reqwest's interface.
        if error.to_string().contains("invalid peer certificate") {
            return true;
        }
        next = error.source();
    }
    false
}
