//! What can go wrong with a source, in the words that a person reads in a condition.

/// Says which kind of thing went wrong with a repository, registry or chart repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceProblem {
    /// No connection: the name does not resolve, nothing listens, the network is down.
    Unreachable,
    /// The server answered no byte, or stopped answering, within the time allowed.
    TimedOut,
    /// The server asks who we are and no repository Secret matches.
    AuthenticationRequired,
    /// The server refused the credentials of the repository Secret.
    AuthenticationFailed,
    /// The server knows us and says no.
    Forbidden,
    /// No repository, chart or artifact of that name.
    NotFound,
    /// The repository is there, the revision or version is not.
    UnknownRevision,
    /// The server's key is not in the known hosts.
    HostKeyUnknown,
    /// The server's TLS certificate is not trusted.
    CertificateUntrusted,
    /// More bytes, entries or time than the limits allow.
    TooLarge,
    /// What was received is not what was announced: a digest that differs, an answer that is not Git's.
    Broken,
    /// Something that Landfall does not do (yet), or the machine lacks a program for.
    Unsupported,
    /// The address or a setting is malformed.
    Invalid,
    /// The work was called off.
    Cancelled,
}

/// Says who can do something about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A person has to change the input: an address, a revision, a Secret.
    Yours,
    /// It may pass: try again later.
    Wait,
}

impl SourceProblem {
    /// Says who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unreachable | Self::TimedOut | Self::Broken | Self::Cancelled => Fault::Wait,
            Self::AuthenticationRequired
            | Self::AuthenticationFailed
            | Self::Forbidden
            | Self::NotFound
            | Self::UnknownRevision
            | Self::HostKeyUnknown
            | Self::CertificateUntrusted
            | Self::TooLarge
            | Self::Unsupported
            | Self::Invalid => Fault::Yours,
        }
    }
}

/// Reports that a source could not be read. `Display` is what happened, to which address and why, with the hint on a
/// line of its own. Shape: `address` carries no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", self.summary(), if hint.is_empty() { String::new() } else { format!("\n{hint}") })]
pub struct SourceError {
    /// The kind of problem.
    pub problem: SourceProblem,
    /// The address, without credentials.
    pub address: String,
    /// Why, in words: what was asked and what was answered.
    pub reason: String,
    /// What to do about it; empty if there is nothing to say.
    pub hint: String,
}

impl SourceError {
    /// Makes an error; `address` may still carry credentials, they are removed.
    pub fn of(problem: SourceProblem, address: &str, reason: impl Into<String>) -> Self {
        let hint = default_hint(&problem);
        Self {
            problem,
            address: crate::address::without_credentials(address),
            reason: reason.into(),
            hint: hint.to_owned(),
        }
    }

    /// Replaces the hint.
    pub fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says what happened, to which address and why, in one line, without the hint.
    pub fn summary(&self) -> String {
        let what = match self.problem {
            SourceProblem::Unreachable => "cannot reach",
            SourceProblem::TimedOut => "no answer in time from",
            SourceProblem::AuthenticationRequired => "authentication required by",
            SourceProblem::AuthenticationFailed => "authentication failed at",
            SourceProblem::Forbidden => "access denied by",
            SourceProblem::NotFound => "not found:",
            SourceProblem::UnknownRevision => "unknown revision in",
            SourceProblem::HostKeyUnknown => "unknown host key of",
            SourceProblem::CertificateUntrusted => "untrusted certificate of",
            SourceProblem::TooLarge => "too large:",
            SourceProblem::Broken => "broken answer from",
            SourceProblem::Unsupported => "not supported for",
            SourceProblem::Invalid => "invalid repository",
            SourceProblem::Cancelled => "called off:",
        };
        format!("{what} {}: {}", self.address, self.reason)
    }
}

fn default_hint(problem: &SourceProblem) -> &'static str {
    match problem {
        SourceProblem::Unreachable => "Check the address, the network and the proxy settings; it is tried again.",
        SourceProblem::TimedOut => "Check that the server is up and not overloaded; it is tried again.",
        SourceProblem::AuthenticationRequired => {
            "Add a Secret labelled argocd.argoproj.io/secret-type=repository with this url and credentials, or \
             repo-creds with a prefix of it."
        }
        SourceProblem::AuthenticationFailed => "Check the credentials in the repository Secret of this address.",
        SourceProblem::Forbidden => "Give the account of the repository Secret read access.",
        SourceProblem::NotFound => {
            "Check the spelling of the address; some servers also answer so when credentials are missing."
        }
        SourceProblem::UnknownRevision => "Check targetRevision.",
        SourceProblem::HostKeyUnknown => {
            "Add the server's key to the ConfigMap argocd-ssh-known-hosts-cm, or set insecureIgnoreHostKey in the \
             repository Secret."
        }
        SourceProblem::CertificateUntrusted => {
            "Add the authority's certificate to the ConfigMap argocd-tls-certs-cm under the host's name, or set insecure \
             in the repository Secret."
        }
        SourceProblem::TooLarge | SourceProblem::Invalid | SourceProblem::Unsupported | SourceProblem::Cancelled => "",
        SourceProblem::Broken => "It is tried again; if it stays, look at the server's logs.",
    }
}
