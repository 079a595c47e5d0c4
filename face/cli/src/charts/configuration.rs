//! Helm's own configuration: `repositories.yaml` of `helm repo add`, and what `helm registry login` and `docker login` keep.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use landfall_yaml::Resolver;
use serde_json::Value;

use super::ServerFlags;
use crate::Outside;

/// A repository of `helm repo add`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) pass_credentials: bool,
    username: String,
    password: String,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    insecure_skip_tls_verify: bool,
}

impl Entry {
    /// The flags with what the entry knows where they say nothing.
    pub(crate) fn flags(&self, given: &ServerFlags) -> ServerFlags {
        let (username, password) = match given.username.is_empty() {
            true => (self.username.clone(), self.password.clone()),
            false => (given.username.clone(), given.password.clone()),
        };
        ServerFlags {
            username,
            password,
            ca_file: given.ca_file.clone().or_else(|| self.ca_file.clone()),
            cert_file: given.cert_file.clone().or_else(|| self.cert_file.clone()),
            key_file: given.key_file.clone().or_else(|| self.key_file.clone()),
            insecure_skip_tls_verify: given.insecure_skip_tls_verify || self.insecure_skip_tls_verify,
            plain_http: given.plain_http,
            repository_config: given.repository_config.clone(),
            registry_config: given.registry_config.clone(),
        }
    }
}

/// Reads `repositories.yaml`; none if there is no such file. Source: Helm 3.21 `pkg/repo/repo.go`, `pkg/helmpath`.
pub(crate) fn repositories(outside: &dyn Outside, flags: &ServerFlags) -> anyhow::Result<Vec<Entry>> {
    let usual = || place(outside, "HELM_REPOSITORY_CONFIG", "repositories.yaml");
    let Some(file) = flags.repository_config.clone().or_else(usual) else { return Ok(Vec::new()) };
    let Ok(content) = outside.read(&file) else { return Ok(Vec::new()) };
    let value = landfall_yaml::read_one(&content, Resolver::Kubernetes)
        .with_context(|| format!("{} is no YAML", file.display()))?;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let path = |entry: &Value, key: &str| Some(text(entry, key)).filter(|path| !path.is_empty()).map(PathBuf::from);
    let entries = value["repositories"].as_array().into_iter().flatten().map(|entry| Entry {
        name: text(entry, "name"),
        url: text(entry, "url"),
        pass_credentials: entry["pass_credentials_all"] == true,
        username: text(entry, "username"),
        password: text(entry, "password"),
        ca_file: path(entry, "caFile"),
        cert_file: path(entry, "certFile"),
        key_file: path(entry, "keyFile"),
        insecure_skip_tls_verify: entry["insecure_skip_tls_verify"] == true,
    });
    Ok(entries.collect())
}

/// Takes the credentials for a registry from the files of `helm registry login` and `docker login`.
pub(super) fn sign_in(repository: &mut Repository, file: Option<&Path>, outside: &dyn Outside) -> anyhow::Result<()> {
    let host = repository.url.trim_start_matches("oci://").split('/').next().unwrap_or_default().to_owned();
    let docker = outside
        .variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| outside.variable("HOME").map(|home| Path::new(&home).join(".docker")))
        .map(|folder| folder.join("config.json"));
    let usual = || place(outside, "HELM_REGISTRY_CONFIG", "registry/config.json");
    let own = file.map(Path::to_owned).or_else(usual);
    for file in [own, docker].into_iter().flatten() {
        let Ok(content) = outside.read(&file) else { continue };
        let settings: Value =
            serde_json::from_slice(&content).with_context(|| format!("{} is no JSON", file.display()))?;
        let known = settings["auths"].as_object().into_iter().flatten();
        let found = known.into_iter().find(|(address, _)| {
            let address = address.trim_start_matches("https://").trim_start_matches("http://");
            address.split('/').next() == Some(host.as_str())
        });
        let decoded = found
            .and_then(|(_, entry)| entry["auth"].as_str())
            .and_then(|packed| base64::engine::general_purpose::STANDARD.decode(packed).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((user, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            repository.credentials.username = Some(user.to_owned());
            repository.credentials.password = Some(Confidential::of(password));
            return Ok(());
        }
        let helper = settings["credHelpers"][&host].as_str().or(settings["credsStore"].as_str());
        if let (Some(helper), true) = (helper, found.is_some()) {
            outside.tell(&format!(
                "note: the credentials for {host} are kept by docker-credential-{helper}, which is not asked: give --username and --password"
            ));
        }
    }
    Ok(())
}

/// Where one of helm's configuration files is.
fn place(outside: &dyn Outside, variable: &str, name: &str) -> Option<PathBuf> {
    let filled = |name: &str| outside.variable(name).filter(|value| !value.is_empty());
    if let Some(file) = filled(variable) {
        return Some(PathBuf::from(file));
    }
    let folder = filled("HELM_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| filled("XDG_CONFIG_HOME").map(|folder| Path::new(&folder).join("helm")))
        .or_else(|| filled("HOME").map(|home| Path::new(&home).join(".config/helm")))?;
    Some(folder.join(name))
}
