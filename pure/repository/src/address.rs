//! Addresses of repositories: what they point to, when two are the same, and how to show them.
//!
//! Source: Argo CD 3.5 `util/git` (`NormalizeGitURL`, `SameURL`, `IsSSHURL`), and git's own rules for scp-like addresses
//! (git-clone(1), "GIT URLS").

use std::fmt;

/// Says how an address is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A folder of this machine: `file://` or a plain path.
    Local {
        /// The path, percent-decoded.
        path: String,
    },
    /// `http://` or `https://`, credentials removed.
    Http {
        /// The whole address without user and password.
        url: String,
        /// The host name, lower case, without port.
        host: String,
        /// Whether it is encrypted.
        is_encrypted: bool,
        /// The user named in the address.
        user: Option<String>,
        /// The password named in the address.
        password: Option<crate::secret::Confidential>,
    },
    /// `ssh://user@host:port/path` or `user@host:path`.
    Ssh {
        /// The user, if named.
        user: Option<String>,
        /// The host name, without brackets for IPv6.
        host: String,
        /// The port, if named.
        port: Option<u16>,
        /// The path as the server gets it: absolute for `ssh://`, relative to the home directory for `host:path`.
        path: String,
    },
    /// `oci://host[:port]/path`.
    Oci {
        /// Host and port.
        registry: String,
        /// The repository's path inside the registry.
        path: String,
    },
}

/// Says why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no repository address: {reason}")]
pub struct AddressError {
    /// The text, without credentials.
    pub text: String,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { path } => write!(f, "file://{path}"),
            Self::Http { url, .. } => f.write_str(url),
            Self::Ssh { user, host, port, path } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(host)?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                write!(f, "{}{path}", if path.starts_with('/') { "" } else { "/" })
            }
            Self::Oci { registry, path } => write!(f, "oci://{registry}/{path}"),
        }
    }
}

/// Reads an address as git does.
///
/// Errors: an empty text, an unknown scheme (`git://` among them: it is neither encrypted nor authenticated), a missing
/// host, a host or path that begins with `-` (it would be read as an option by the `ssh` program).
pub fn parse(text: &str) -> Result<Address, AddressError> {
    let text = text.trim();
    let refuse = |reason: &str| AddressError { text: without_credentials(text), reason: reason.to_owned() };
    if text.is_empty() {
        return Err(refuse("it is empty"));
    }
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(refuse("it has control characters in it"));
    }
    let Some((scheme, rest)) = text.split_once("://") else { return without_scheme(text, refuse) };
    match scheme.to_ascii_lowercase().as_str() {
        "file" => {
            let path = rest.strip_prefix("localhost/").map_or_else(|| rest.to_owned(), |path| format!("/{path}"));
            if path.starts_with('/') {
                Ok(Address::Local { path: percent_decoded(&path) })
            } else {
                Err(refuse("a file address needs an absolute path, as in file:///srv/git/repository"))
            }
        }
        scheme @ ("http" | "https") => {
            let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, tail) = rest.split_at(authority_end);
            let (login, host_port) = authority.rsplit_once('@').map_or((None, authority), |(l, h)| (Some(l), h));
            let host = host_of(host_port).to_ascii_lowercase();
            if host.is_empty() {
                return Err(refuse("the host is missing"));
            }
            let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
                None => (None, None),
                Some((user, "")) => (Some(percent_decoded(user)), None),
                Some((user, password)) => {
                    (Some(percent_decoded(user)), Some(crate::secret::Confidential::of(percent_decoded(password))))
                }
            };
            let url = format!("{scheme}://{host_port}{tail}");
            Ok(Address::Http { url, host, is_encrypted: scheme == "https", user, password })
        }
        "ssh" | "git+ssh" | "ssh+git" => {
            let (authority, path) = rest.split_once('/').ok_or_else(|| refuse("the path is missing"))?;
            let (user, host_port) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
            let host = host_of(host_port).to_owned();
            let after_host = host_port.rsplit_once(']').map_or(host_port, |(_, after)| after);
            let port = match after_host.rsplit_once(':').map(|(_, port)| port) {
                None | Some("") => None,
                Some(port) => Some(port.parse().map_err(|_| refuse("the port is no number from 1 to 65535"))?),
            };
            let user = user.map(|user| user.split(':').next().unwrap_or(user).to_owned());
            // ssh://host/~user/path is relative to a home directory, as git has it.
            let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
            checked_ssh(user, host, port, percent_decoded(&path), refuse)
        }
        "oci" => {
            let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
            if registry.is_empty() {
                return Err(refuse("the registry's host is missing"));
            }
            let registry = registry.rsplit_once('@').map_or(registry, |(_, host)| host);
            Ok(Address::Oci { registry: registry.to_owned(), path: path.trim_matches('/').to_owned() })
        }
        "git" => Err(refuse("git:// is neither encrypted nor authenticated; use https:// or ssh://")),
        other => Err(refuse(&format!("the scheme {other:?} is none of https, http, ssh, file, oci"))),
    }
}

fn without_scheme(text: &str, refuse: impl Fn(&str) -> AddressError) -> Result<Address, AddressError> {
    // `host:path` unless a slash comes first: then it is a path with a colon in it (git-clone(1)).
    let colon = text.find(':').filter(|colon| !text[..*colon].contains('/'));
    match colon {
        Some(colon) => {
            let (authority, path) = (&text[..colon], &text[colon + 1..]);
            let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u.to_owned()), h));
            checked_ssh(user, host.trim_matches(['[', ']']).to_owned(), None, path.to_owned(), refuse)
        }
        None if text.starts_with('/') => Ok(Address::Local { path: text.to_owned() }),
        None => Err(refuse("it has no scheme (https://, ssh://, file://, oci://) and is no absolute path")),
    }
}

fn checked_ssh(
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
    refuse: impl Fn(&str) -> AddressError,
) -> Result<Address, AddressError> {
    if host.is_empty() {
        return Err(refuse("the host is missing"));
    }
    if path.is_empty() || path == "/" {
        return Err(refuse("the path is missing"));
    }
    if host.starts_with('-') || path.starts_with('-') || user.as_deref().is_some_and(|user| user.starts_with('-')) {
        return Err(refuse("user, host or path begins with '-'"));
    }
    Ok(Address::Ssh { user: user.filter(|user| !user.is_empty()), host, port, path })
}

/// Reads the address of an OCI repository, with or without `oci://`: the registry's host and port, and the path.
///
/// Errors: a missing host or path; characters that the OCI distribution specification does not allow in a path.
pub fn parse_oci(text: &str) -> Result<(String, String), AddressError> {
    let refuse = |reason: &str| AddressError { text: without_credentials(text), reason: reason.to_owned() };
    let trimmed = text.trim();
    let rest = trimmed.split_once("://").map_or(trimmed, |(_, rest)| rest);
    let (registry, path) = rest.split_once('/').ok_or_else(|| refuse("the repository's path is missing"))?;
    let registry = registry.rsplit_once('@').map_or(registry, |(_, host)| host);
    let path = path.trim_end_matches('/');
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    if registry.is_empty() || !registry.bytes().all(is_host) {
        return Err(refuse("the registry's host is missing or malformed"));
    }
    let is_part = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        part.bytes().all(is_allowed) && part.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    if path.is_empty() || !path.split('/').all(is_part) {
        return Err(refuse("a repository's path in a registry has lower case letters, digits, '.', '_', '-' and '/'"));
    }
    Ok((registry.to_owned(), path.to_owned()))
}

/// Takes the host out of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_of(host_port: &str) -> &str {
    match host_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => host_port.split(':').next().unwrap_or(host_port),
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let escape = (bytes[position] == b'%')
            .then(|| bytes.get(position + 1..position + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                decoded.push(byte);
                position += 3;
            }
            None => {
                decoded.push(bytes[position]);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Returns `text` without user and password where they are secret: all of the login of http(s) and oci, only the
/// password of ssh. For messages and logs.
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        None => text.to_owned(),
        Some((login, host)) if scheme.contains("ssh") => {
            format!("{scheme}://{}@{host}{tail}", login.split(':').next().unwrap_or_default())
        }
        Some((_, host)) => format!("{scheme}://{host}{tail}"),
    }
}

/// Brings an address into the form in which two spellings of one repository are equal: lower case, no `.git`, no
/// trailing `/`, `ssh://` and `user@host:path` alike, no credentials.
///
/// Source: Argo CD `NormalizeGitURL`. Here a trailing slash is ignored too.
pub fn normalized(text: &str) -> String {
    let mut lower = text.trim().to_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with("oci://") {
        lower = without_credentials(&lower);
    }
    if let Some(rest) = lower.strip_prefix("ssh://").or_else(|| lower.strip_prefix("oci://")) {
        // Registries are written with and without scheme: Secrets of type helm with enableOCI have none.
        lower = rest.to_owned();
    } else if !lower.contains("://") && is_scp_like(&lower) {
        lower = lower.replacen(':', "/", 1);
    }
    let trimmed = lower.trim_end_matches('/');
    trimmed.strip_suffix(".git").unwrap_or(trimmed).trim_end_matches('/').to_owned()
}

fn is_scp_like(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, path)| {
        // `registry:5000/charts` has a port, `git@host:5000/charts` a path.
        let is_port = path.split('/').next().is_some_and(|first| first.parse::<u16>().is_ok());
        !host.contains('/') && (host.contains('@') || !is_port)
    })
}

/// Says whether two addresses mean the same repository.
pub fn same(left: &str, right: &str) -> bool {
    normalized(left) == normalized(right)
}
