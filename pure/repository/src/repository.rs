//! A repository as the crates under `io/` take it: where it is and how to get in.

use crate::secret::Confidential;

/// Says what kind of source an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RepositoryKind {
    /// A Git repository.
    #[default]
    Git,
    /// A Helm chart repository (HTTP index), or an OCI registry of charts if `enable_oci` is set.
    Helm,
    /// An OCI artifact.
    Oci,
}

/// Holds an address and everything needed to reach it. Plain data: made by [`crate::lookup::Repositories`], or by hand
/// for a public repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Repository {
    /// The address as the Application writes it.
    pub url: String,
    /// Who we are.
    pub credentials: Credentials,
    /// How we connect.
    pub connection: Connection,
    /// How many commits of history to fetch; `None` is all of them.
    pub depth: Option<u32>,
    /// Whether large files of Git LFS are wanted.
    pub large_files_wanted: bool,
}

impl Repository {
    /// Makes a repository that needs no credentials.
    pub fn public(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Returns the address without user and password, for messages.
    pub fn shown(&self) -> String {
        crate::address::without_credentials(&self.url)
    }
}

/// Holds the ways to say who we are. Empty fields are `None`, never empty texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// User name for HTTP basic authentication; for tokens any non-empty name serves.
    pub username: Option<String>,
    /// Password or token for HTTP basic authentication.
    pub password: Option<Confidential>,
    /// Token for `Authorization: Bearer`.
    pub bearer_token: Option<Confidential>,
    /// Private key for SSH, in PEM or OpenSSH form.
    pub ssh_private_key: Option<Confidential>,
    /// Client certificate for TLS, PEM.
    pub tls_client_certificate: Option<String>,
    /// Key of the client certificate, PEM.
    pub tls_client_key: Option<Confidential>,
    /// A GitHub App that buys a token with its key.
    pub github_app: Option<GithubApp>,
    /// Ways that Argo CD has and Landfall has not: named, so that the message can say so.
    pub unsupported: Vec<String>,
}

impl Credentials {
    /// Says whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Names a GitHub App. Source: Argo CD's keys `githubApp*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GithubApp {
    /// The app's id.
    pub id: String,
    /// The installation's id; found out from the repository if absent.
    pub installation_id: Option<String>,
    /// The app's private key, PEM.
    pub private_key: Confidential,
    /// The API's address of a GitHub Enterprise server, such as `https://git.example.org/api/v3`.
    pub enterprise_base_url: Option<String>,
}

/// Holds how to connect, apart from who we are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Connection {
    /// Whether any TLS certificate is accepted.
    pub tls_insecure: bool,
    /// Authorities trusted besides the system's, PEM.
    pub tls_authorities: Option<String>,
    /// Whether any SSH host key is accepted.
    pub host_key_insecure: bool,
    /// Known SSH hosts, in the format of `known_hosts`.
    pub known_hosts: Option<String>,
    /// Proxy for HTTP(S), or `socks5://`.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, comma separated.
    pub no_proxy: Option<String>,
    /// Whether the address is an OCI registry though it lacks `oci://`.
    pub oci_enabled: bool,
    /// Whether the OCI registry is spoken to without TLS.
    pub oci_plain_http: bool,
    /// Whether basic authentication is sent without being asked for.
    pub basic_auth_forced: bool,
}
