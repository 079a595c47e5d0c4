//! What a push was.

use std::fmt;

use crate::place::Place;

/// Who tells of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// github.com and GitHub Enterprise Server.
    GitHub,
    /// gitlab.com and GitLab.
    GitLab,
    /// Gogs, and Gitea and Forgejo that came from it.
    Gogs,
    /// bitbucket.org.
    BitbucketCloud,
    /// Bitbucket Server and Data Center.
    BitbucketServer,
}

impl fmt::Display for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gogs => "Gitea or Gogs",
            Self::BitbucketCloud => "Bitbucket Cloud",
            Self::BitbucketServer => "Bitbucket Server",
        })
    }
}

/// One reference of one repository that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEvent {
    /// Who tells.
    pub sender: Sender,
    /// The addresses of the repository as the sender writes them (https and ssh), at least one, without repetition.
    pub repository_urls: Vec<String>,
    /// The reference in full, as `refs/heads/main`.
    pub reference: String,
    /// The commit before; `None` if the reference is new or the sender does not say.
    pub before: Option<String>,
    /// The commit after; `None` if the reference is gone.
    pub after: Option<String>,
    /// The branch that HEAD means, where the sender says.
    pub default_branch: Option<String>,
    /// The paths that changed, sorted; `None` if the payload does not name them all.
    pub changed_files: Option<Vec<String>>,
}

impl PushEvent {
    /// Says whether the repository stands at `place`.
    pub fn is_of(&self, place: &Place) -> bool {
        self.repository_urls.iter().any(|url| Place::of(url).as_ref() == Some(place))
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No header says who sends it. The sender fixes it.
    #[error(
        "no header says which Git server sends this: expected X-GitHub-Event, X-Gitlab-Event, X-Gitea-Event, X-Gogs-Event, X-Hook-UUID (Bitbucket Cloud) or X-Event-Key (Bitbucket Server)"
    )]
    UnknownSender,
    /// The sender does not prove who it is.
    #[error("{sender}: {reason}\nhint: the webhook's secret must be the value of {key} in the Secret argocd-secret")]
    NotProven {
        /// Who it says it is.
        sender: Sender,
        /// What is wrong with the proof; never holds the key.
        reason: String,
        /// The entry that holds the key.
        key: &'static str,
    },
    /// The body is not what the sender's documentation says.
    #[error("{sender}: {reason}")]
    Malformed {
        /// Who it says it is.
        sender: Sender,
        /// What is wrong, and where.
        reason: String,
    },
}
