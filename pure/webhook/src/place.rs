//! Where a repository stands, whatever way leads there: two addresses with one place are one repository.
//!
//! Scheme, user, port, case, `.git` and a trailing slash make no difference. Source: Argo CD 3.5 `util/webhook`, which
//! makes a regular expression of the web address with all of these left open.

use landfall_repository::address::{self, Address};

/// A host and a path, both in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The host without port.
    pub host: String,
    /// The path without slashes at its ends and without `.git`.
    pub path: String,
}

impl Place {
    /// Finds the place of an address; `None` if it has no host or cannot be read.
    pub fn of(url: &str) -> Option<Self> {
        let (host, path) = match address::parse(url).ok()? {
            Address::Http { url, host, .. } => {
                let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest).to_owned();
                let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
                (host, path.split(['?', '#']).next().unwrap_or("").to_owned())
            }
            Address::Ssh { host, path, .. } => (host, path),
            Address::Local { .. } | Address::Oci { .. } => return None,
        };
        let path = path.trim_matches('/').to_lowercase();
        let path = path.strip_suffix(".git").unwrap_or(&path).trim_matches('/').to_owned();
        (!host.is_empty() && !path.is_empty()).then(|| Self { host: host.to_lowercase(), path })
    }
}
