//! The references of a Git repository as one listing gave them.

use serde::{Deserialize, Serialize};

/// Names a commit: 40 (SHA-1) or 64 (SHA-256) lower case hexadecimal digits. Private, because it is never anything else.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

/// Says that a text is no commit id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no commit id: it needs 40 hexadecimal digits")]
pub struct CommitIdError(String);

impl CommitId {
    /// Reads a full commit id; upper case digits are accepted.
    pub fn parse(text: &str) -> Result<Self, CommitIdError> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            40 | 64 if is_hex => Ok(Self(text.to_ascii_lowercase())),
            _ => Err(CommitIdError(text.chars().take(80).collect())),
        }
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first seven digits, as people read them.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl TryFrom<String> for CommitId {
    type Error = CommitIdError;

    fn try_from(text: String) -> Result<Self, CommitIdError> {
        Self::parse(&text)
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.0
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one reference and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The full name: `refs/heads/main`, `refs/tags/v1.0.0`, `refs/pull/7/head`.
    pub name: String,
    /// The commit; annotated tags are peeled. A tag of a blob or tree leads to that object instead.
    pub commit: CommitId,
    /// The annotated tag object, if the reference is one.
    pub tag_object: Option<CommitId>,
}

/// Lists the references of a repository. Shape: sorted by name, which is the order servers list them in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// The branch that `HEAD` points to (`refs/heads/main`); `None` if it is detached or the server does not say.
    pub head_branch: Option<String>,
    /// The commit of `HEAD`; `None` in an empty repository.
    pub head: Option<CommitId>,
    /// All branches, tags and other references.
    pub references: Vec<Reference>,
}

impl Refs {
    /// Finds a reference by its full name.
    pub fn find(&self, name: &str) -> Option<&Reference> {
        self.references.iter().find(|reference| reference.name == name)
    }

    /// Lists the branches as short names.
    pub fn branches(&self) -> impl Iterator<Item = (&str, &Reference)> {
        self.below("refs/heads/")
    }

    /// Lists the tags as short names.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &Reference)> {
        self.below("refs/tags/")
    }

    /// Lists the tags that lead to `commit`, as short names.
    pub fn tags_of<'a>(&'a self, commit: &'a CommitId) -> impl Iterator<Item = &'a str> {
        self.tags().filter(move |(_, reference)| reference.commit == *commit).map(|(name, _)| name)
    }

    fn below(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &Reference)> {
        self.references.iter().filter_map(move |reference| Some((reference.name.strip_prefix(prefix)?, reference)))
    }
}
