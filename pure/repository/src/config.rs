//! Argo CD's repository Secrets: their keys, read into plain data with every problem named.
//!
//! Source: Argo CD 3.5 `util/db/repository_secrets.go`, `docs/operator-manual/declarative-setup.md` (Repositories).

use std::collections::BTreeMap;

use crate::repository::{Connection, Credentials, GithubApp, Repository, RepositoryKind};
use crate::secret::Confidential;

/// The label that makes a Secret a repository, a template, or something else.
pub const SECRET_TYPE_LABEL: &str = "argocd.argoproj.io/secret-type";

/// Says what a Secret describes, by its [`SECRET_TYPE_LABEL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretRole {
    /// `repository`: one repository.
    Repository,
    /// `repo-creds`: credentials for every repository below a prefix.
    Template,
    /// `repository-write`: one repository, for pushing.
    RepositoryWrite,
    /// `repo-write-creds`: credentials for pushing to every repository below a prefix.
    TemplateWrite,
}

impl SecretRole {
    /// Reads the label's value; `None` for other kinds of Secret (`cluster`, `scm-creds`).
    pub fn of_label(value: &str) -> Option<Self> {
        match value {
            "repository" => Some(Self::Repository),
            "repo-creds" => Some(Self::Template),
            "repository-write" => Some(Self::RepositoryWrite),
            "repo-write-creds" => Some(Self::TemplateWrite),
            _ => None,
        }
    }
}

/// Holds one repository Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// The Secret's name, for messages.
    pub secret: String,
    /// What the Secret describes.
    pub role: SecretRole,
    /// The address, or the prefix of a template.
    pub url: String,
    /// The kind of source.
    pub kind: RepositoryKind,
    /// A name for people; Helm dependencies refer to it as `@name`.
    pub name: Option<String>,
    /// The only project that may use it; `None` for all.
    pub project: Option<String>,
    /// Who we are.
    pub credentials: Credentials,
    /// How we connect.
    pub connection: Connection,
    /// How many commits of history to fetch; `None` is all of them.
    pub depth: Option<u32>,
    /// Whether large files of Git LFS are wanted.
    pub large_files_wanted: bool,
}

impl RepositoryConfig {
    /// Makes the repository that this Secret describes, for the address `url`.
    pub fn repository(&self, url: &str) -> Repository {
        Repository {
            url: url.to_owned(),
            credentials: self.credentials.clone(),
            connection: self.connection.clone(),
            depth: self.depth,
            large_files_wanted: self.large_files_wanted,
        }
    }
}

/// Reads the `data` of a Secret, already decoded from base64. Returns what could be read together with the problems
/// found: an unreadable value counts as absent. Without a `url` nothing can be matched, and the first part is `None`.
pub fn parse(
    secret: &str,
    role: SecretRole,
    data: &BTreeMap<String, Vec<u8>>,
) -> (Option<RepositoryConfig>, Vec<String>) {
    let mut reader = Reader { secret, data, problems: Vec::new() };
    let url = reader.word("url");
    if url.is_none() {
        reader.complain("url", "is missing: the Secret is not used");
    }
    let kind = match reader.word("type").as_deref() {
        None | Some("git") => RepositoryKind::Git,
        Some("helm") => RepositoryKind::Helm,
        Some("oci") => RepositoryKind::Oci,
        Some(other) => {
            reader.complain("type", &format!("is {other:?}; it must be git, helm or oci (taken as git)"));
            RepositoryKind::Git
        }
    };
    let depth = reader.word("depth").and_then(|text| match text.parse::<u32>() {
        Ok(depth) => Some(depth).filter(|depth| *depth > 0),
        Err(_) => {
            reader.complain("depth", &format!("is {text:?}; it must be a number (ignored)"));
            None
        }
    });
    let credentials = Credentials {
        username: reader.word("username"),
        password: reader.confidential("password"),
        bearer_token: reader.confidential("bearerToken"),
        ssh_private_key: reader.text("sshPrivateKey").map(|key| {
            // OpenSSH refuses a key whose last line has no end.
            Confidential::of(if key.ends_with('\n') { key } else { format!("{key}\n") })
        }),
        tls_client_certificate: reader.text("tlsClientCertData"),
        tls_client_key: reader.text("tlsClientCertKey").map(Confidential::of),
        github_app: reader.github_app(),
        unsupported: reader.unsupported(),
    };
    if credentials.tls_client_certificate.is_some() != credentials.tls_client_key.is_some() {
        reader.complain("tlsClientCertData", "and tlsClientCertKey belong together: one is missing");
    }
    // Argo CD reads `insecure` for SSH too; `insecureIgnoreHostKey` is its older name there.
    let insecure = reader.flag("insecure");
    let connection = Connection {
        tls_insecure: insecure,
        tls_authorities: None,
        host_key_insecure: reader.flag("insecureIgnoreHostKey") || insecure,
        known_hosts: None,
        proxy: reader.word("proxy"),
        no_proxy: reader.word("noProxy"),
        oci_enabled: reader.flag("enableOCI") || kind == RepositoryKind::Oci,
        oci_plain_http: reader.flag("insecureOCIForceHttp"),
        basic_auth_forced: reader.flag("forceHttpBasicAuth"),
    };
    let name = reader.word("name");
    let project = reader.word("project");
    let large_files_wanted = reader.flag("enableLfs");
    let config = url.map(|url| RepositoryConfig {
        secret: secret.to_owned(),
        role,
        url,
        kind,
        name,
        project,
        credentials,
        connection,
        depth,
        large_files_wanted,
    });
    (config, reader.problems)
}

/// The credentials that Argo CD knows and Landfall does not: the keys that announce them and their names.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("gcpServiceAccountKey", "Google Cloud service account (gcpServiceAccountKey)"),
    ("azureServicePrincipalClientSecret", "Azure service principal (azureServicePrincipal*)"),
    ("useAzureWorkloadIdentity", "Azure workload identity (useAzureWorkloadIdentity)"),
];

struct Reader<'a> {
    secret: &'a str,
    data: &'a BTreeMap<String, Vec<u8>>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn complain(&mut self, key: &str, what: &str) {
        self.problems.push(format!("Secret {}: {key} {what}", self.secret));
    }

    /// Reads a text as it is; empty counts as absent.
    fn text(&mut self, key: &str) -> Option<String> {
        let bytes = self.data.get(key)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.to_owned()).filter(|text| !text.trim().is_empty()),
            Err(_) => {
                self.complain(key, "is no UTF-8 text (ignored)");
                None
            }
        }
    }

    /// Reads a text without surrounding white space.
    fn word(&mut self, key: &str) -> Option<String> {
        self.text(key).map(|text| text.trim().to_owned())
    }

    /// Reads a password or token; a line end at its end comes from the editor, never from the password.
    fn confidential(&mut self, key: &str) -> Option<Confidential> {
        self.text(key).map(|text| Confidential::of(text.trim_end_matches(['\r', '\n'])))
    }

    /// Reads what Go's `strconv.ParseBool` accepts.
    fn flag(&mut self, key: &str) -> bool {
        match self.word(key).as_deref() {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => true,
            Some(other) => {
                let what = format!("is {other:?}; it must be \"true\" or \"false\" (taken as false)");
                self.complain(key, &what);
                false
            }
        }
    }

    fn github_app(&mut self) -> Option<GithubApp> {
        let private_key = self.text("githubAppPrivateKey").map(Confidential::of)?;
        let Some(id) = self.word("githubAppID") else {
            self.complain("githubAppID", "is missing: the GitHub App is not used");
            return None;
        };
        let installation_id = self.word("githubAppInstallationID");
        Some(GithubApp {
            id,
            installation_id,
            private_key,
            enterprise_base_url: self.word("githubAppEnterpriseBaseUrl"),
        })
    }

    fn unsupported(&mut self) -> Vec<String> {
        let found = UNSUPPORTED.iter().filter(|(key, _)| match *key {
            "useAzureWorkloadIdentity" => self.data.get(*key).is_some_and(|value| value.trim_ascii() == b"true"),
            key => self.data.get(key).is_some_and(|value| !value.is_empty()),
        });
        found.map(|(_, name)| (*name).to_owned()).collect()
    }
}
