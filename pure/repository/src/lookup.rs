//! Which repository Secret applies to an address.
//!
//! Source: Argo CD 3.5 `util/db/repository.go` (`GetRepository`, `enrichCredsToRepo`) and reference rules of §7.7:
//! a repository of the application's project is preferred to an unscoped one; one of another project is not used;
//! a repository without credentials of its own takes those of the template with the longest matching prefix.

use std::collections::BTreeMap;

use crate::address::{self, Address};
use crate::config::{RepositoryConfig, SecretRole};
use crate::repository::{Credentials, Repository, RepositoryKind};

/// Holds every repository Secret, and what the ConfigMaps say about hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repositories {
    /// The Secrets, in any order; ties go to the name that sorts first.
    pub configs: Vec<RepositoryConfig>,
    /// `argocd-tls-certs-cm`: PEM bundles by host name.
    pub tls_authorities_by_host: BTreeMap<String, String>,
    /// `argocd-ssh-known-hosts-cm`, key `ssh_known_hosts`.
    pub known_hosts: Option<String>,
}

/// Says whether a repository is wanted for reading or for pushing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading: `repository` and `repo-creds`.
    Read,
    /// Pushing: `repository-write` and `repo-write-creds`.
    Write,
}

impl Repositories {
    /// Finds out how to reach `url` for an application of `project`. Without any matching Secret the repository is
    /// taken as public.
    pub fn find(&self, url: &str, project: &str, access: Access) -> Repository {
        let own = self.own(url, project, access);
        let mut repository = own.map_or_else(|| Repository::public(url), |config| config.repository(url));
        if repository.credentials.is_empty()
            && let Some(template) = self.template(url, access)
        {
            repository.credentials = template.credentials.clone();
            let connection = &mut repository.connection;
            connection.proxy = connection.proxy.take().or_else(|| template.connection.proxy.clone());
            connection.no_proxy = connection.no_proxy.take().or_else(|| template.connection.no_proxy.clone());
            connection.oci_enabled |= template.connection.oci_enabled;
            connection.oci_plain_http |= template.connection.oci_plain_http;
            connection.basic_auth_forced |= template.connection.basic_auth_forced;
            connection.tls_insecure |= template.connection.tls_insecure;
            connection.host_key_insecure |= template.connection.host_key_insecure;
        }
        repository.connection.known_hosts = self.known_hosts.clone();
        repository.connection.tls_authorities =
            host(url).and_then(|host| self.tls_authorities_by_host.get(&host)).cloned();
        repository
    }

    /// Finds the Secret whose address is `url`, as `project` may use it.
    pub fn own(&self, url: &str, project: &str, access: Access) -> Option<&RepositoryConfig> {
        let role = match access {
            Access::Read => SecretRole::Repository,
            Access::Write => SecretRole::RepositoryWrite,
        };
        let wanted = address::normalized(url);
        let usable = |config: &&RepositoryConfig| {
            config.role == role
                && config.project.as_deref().is_none_or(|only| only == project)
                && address::normalized(&config.url) == wanted
        };
        // Scoped before unscoped, then by name, so that the answer does not depend on the order of a listing.
        self.configs.iter().filter(usable).min_by_key(|config| (config.project.is_none(), &config.secret))
    }

    /// Finds the template with the longest prefix of `url`.
    pub fn template(&self, url: &str, access: Access) -> Option<&RepositoryConfig> {
        let role = match access {
            Access::Read => SecretRole::Template,
            Access::Write => SecretRole::TemplateWrite,
        };
        let wanted = address::normalized(url);
        let matching = self.configs.iter().filter(|config| config.role == role).filter_map(|config| {
            let prefix = address::normalized(&config.url);
            wanted.starts_with(&prefix).then_some((prefix.len(), config))
        });
        matching.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.secret.cmp(&a.1.secret))).map(|(_, config)| config)
    }

    /// Finds a Helm repository by its name, for chart dependencies written as `@name` or `alias:name`.
    pub fn named(&self, name: &str, project: &str) -> Option<&RepositoryConfig> {
        let usable = |config: &&RepositoryConfig| {
            config.role == SecretRole::Repository
                && config.kind == RepositoryKind::Helm
                && config.name.as_deref() == Some(name)
                && config.project.as_deref().is_none_or(|only| only == project)
        };
        self.configs.iter().filter(usable).min_by_key(|config| (config.project.is_none(), &config.secret))
    }

    /// Lists credentials for an address on the host of `repository`, or none: they must not travel to another host
    /// unless `passCredentials` says so.
    pub fn credentials_for_host(repository: &Repository, url: &str) -> Credentials {
        if host(&repository.url).is_some() && host(&repository.url) == host(url) {
            repository.credentials.clone()
        } else {
            Credentials::default()
        }
    }
}

/// Names the host of an address, lower case, without port.
pub fn host(url: &str) -> Option<String> {
    match address::parse(url).ok()? {
        Address::Http { host, .. } => Some(host),
        Address::Ssh { host, .. } => Some(host.to_lowercase()),
        Address::Oci { registry, .. } => {
            Some(registry.rsplit_once(':').map_or(registry.as_str(), |(host, _)| host).to_lowercase())
        }
        Address::Local { .. } => None,
    }
}
