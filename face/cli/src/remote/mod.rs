//! A server to talk to instead of the cluster: where it is, who we are to it, and its API as JSON.
//!
//! ```text
//! flags, ARGOCD_SERVER, ARGOCD_AUTH_TOKEN, ~/.config/argocd/config ── target ──> Server ── client ──> REST
//!                                                                                  '── cluster: its Applications as if
//!                                                                                      they stood in a cluster
//! ```

pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod config;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use landfall_ports::web::Trust;

use crate::Outside;
use crate::outside::Connection;

use client::Client;
use config::LocalConfig;

/// A server and who we are to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// `https://host:port`, or with a path below it.
    pub(crate) base: String,
    /// The token; `""` for none.
    pub(crate) token: String,
    /// The refresh token; `""` for none.
    pub(crate) refresh_token: String,
    /// Whose certificates are believed.
    pub(crate) trust: Trust,
    /// Headers that are sent along.
    pub(crate) headers: Vec<(String, String)>,
    /// The user in the config file whose tokens these are; `""` if they are not from there.
    pub(crate) user: String,
}

/// The config file: `--config`, ARGOCD_CONFIG_DIR, else where `argocd` keeps its own.
/// Source: Argo CD `util/localconfig` (DefaultConfigDir).
pub(crate) fn config_path(connection: &Connection, outside: &dyn Outside) -> anyhow::Result<PathBuf> {
    if let Some(path) = &connection.config {
        return Ok(path.clone());
    }
    if let Some(folder) = outside.variable("ARGOCD_CONFIG_DIR") {
        return Ok(PathBuf::from(folder).join("config"));
    }
    let home =
        outside.variable("HOME").context("there is no home folder: set --config to the config file of argocd")?;
    let old = PathBuf::from(&home).join(".argocd");
    if outside.names(&old)?.is_some() {
        return Ok(old.join("config"));
    }
    let base = outside.variable("XDG_CONFIG_HOME").map_or_else(|| PathBuf::from(&home).join(".config"), PathBuf::from);
    Ok(base.join("argocd/config"))
}

/// Reads the config file; an empty one if it is not there.
pub(crate) fn read_config(connection: &Connection, outside: &dyn Outside) -> anyhow::Result<LocalConfig> {
    // Where there is no place for it, there is none.
    let Ok(path) = config_path(connection, outside) else { return Ok(LocalConfig::default()) };
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let is_there = outside.names(&folder)?.is_some_and(|names| {
        names.iter().any(|name| Some(name.as_str()) == path.file_name().and_then(|name| name.to_str()))
    });
    if !is_there {
        return Ok(LocalConfig::default());
    }
    let text = outside.read(&path)?;
    LocalConfig::read(&text).with_context(|| format!("{} cannot be read", path.display()))
}

/// Writes the config file, readable by its owner only.
pub(crate) fn write_config(connection: &Connection, outside: &dyn Outside, config: &LocalConfig) -> anyhow::Result<()> {
    outside.write_private(&config_path(connection, outside)?, config.text().as_bytes())
}

/// The server that is meant; `None` if the cluster itself is, because `--core` says so or no server is known.
pub(crate) fn target(connection: &Connection, outside: &dyn Outside) -> anyhow::Result<Option<Target>> {
    if connection.core {
        return Ok(None);
    }
    let named =
        connection.server.clone().or_else(|| outside.variable("ARGOCD_SERVER")).filter(|server| !server.is_empty());
    let is_cluster_named = connection.kubeconfig.is_some() || connection.context.is_some();
    if named.is_none() && is_cluster_named && connection.argocd_context.is_none() {
        return Ok(None);
    }
    let config = read_config(connection, outside)?;
    let wanted = connection.argocd_context.as_deref().unwrap_or(&config.current_context);
    let known = match (&named, wanted) {
        (None, "") => return Ok(None),
        (None, wanted) => match config.resolve(wanted) {
            Some(found) => Some(found),
            None if connection.argocd_context.is_none() => return Ok(None),
            None => bail!(
                "there is no context {wanted:?}\nhint: `landfall context` lists those that are known; `landfall login SERVER` makes one"
            ),
        },
        (Some(server), wanted) => {
            let of_context = config.resolve(wanted).filter(|(found, _)| found.server == *server);
            of_context.or_else(|| config.of_server(server))
        }
    };
    let (entry, user) = known.unwrap_or_default();
    let server = named.unwrap_or_else(|| entry.server.clone());
    if entry.is_core {
        return Ok(None);
    }
    let plain = connection.plaintext || entry.plain_text;
    let token = connection.auth_token.clone().or_else(|| outside.variable("ARGOCD_AUTH_TOKEN"));
    let token = token.filter(|token| !token.is_empty());
    let is_from_file = token.is_none();
    let certificates_pem = match &connection.server_crt {
        Some(path) => {
            String::from_utf8(outside.read(path)?).with_context(|| format!("{} is no text", path.display()))?
        }
        None => String::new(),
    };
    let root = connection.grpc_web_root_path.clone().unwrap_or(entry.root_path);
    Ok(Some(Target {
        base: base(&server, plain, &root),
        token: token.unwrap_or(user.auth_token),
        refresh_token: if is_from_file { user.refresh_token } else { String::new() },
        trust: Trust { certificates_pem, is_anyone_believed: connection.insecure || entry.insecure },
        headers: connection.headers.iter().map(|header| split_header(header)).collect::<anyhow::Result<_>>()?,
        user: if is_from_file { user.name } else { String::new() },
    }))
}

/// The address of a server that is written as `host`, `host:port`, or with a path.
pub(crate) fn base(server: &str, is_plain: bool, root: &str) -> String {
    let bare = server.strip_prefix("https://").or_else(|| server.strip_prefix("http://")).unwrap_or(server);
    let is_plain = is_plain || server.starts_with("http://");
    let scheme = if is_plain { "http" } else { "https" };
    let root = root.trim_matches('/');
    let slash = if root.is_empty() { "" } else { "/" };
    format!("{scheme}://{}{slash}{root}", bare.trim_end_matches('/'))
}

fn split_header(header: &str) -> anyhow::Result<(String, String)> {
    match header.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => bail!("{header:?} is no header\nhint: write --header 'NAME: VALUE'"),
    }
}

/// Reaches the server that is meant. Errors: none is.
pub(crate) fn server(connection: &Connection, outside: &dyn Outside) -> anyhow::Result<Client> {
    match target(connection, outside)? {
        Some(target) => Ok(Client::of(outside.web()?, target)),
        None => bail!(
            "this needs a server, and none is known\nhint: sign in with `landfall login SERVER`, or set --server or ARGOCD_SERVER"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_argocd_s_users_write_them() {
        for (server, is_plain, root, wanted) in [
            ("localhost:8080", false, "", "https://localhost:8080"),
            ("localhost:8080", true, "", "http://localhost:8080"),
            ("https://cd.example.com/", false, "/argo/", "https://cd.example.com/argo"),
            ("http://cd.example.com", false, "", "http://cd.example.com"),
        ] {
            assert_eq!(base(server, is_plain, root), wanted);
        }
    }
}
