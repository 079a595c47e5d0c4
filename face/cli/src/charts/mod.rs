//! Where charts come from on the command line: folders, archives, addresses, repositories, registries, in the flags and with
//! the configuration files of helm.

mod configuration;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use landfall_helm::chart::Chart;
use landfall_ports::charts::{ChartRepo, PassCredentials};
use landfall_ports::registry::{CHART_LAYER, Registry};
use landfall_repository::repository::{Credentials, Repository};
use landfall_repository::secret::Confidential;

use crate::Outside;

pub(crate) use configuration::repositories;

/// What reaches chart repositories and registries.
#[derive(Clone)]
pub struct ChartAccess {
    /// Chart repositories over HTTP.
    pub repositories: Arc<dyn ChartRepo>,
    /// OCI registries.
    pub registry: Arc<dyn Registry>,
}

/// How a server is spoken to, in helm's flags.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServerFlags {
    /// The user for a repository or registry.
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Repository")]
    pub(crate) username: String,
    /// The password.
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Repository")]
    pub(crate) password: String,
    /// Authorities to trust, PEM.
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The client certificate, PEM.
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(crate) cert_file: Option<PathBuf>,
    /// The client certificate's key, PEM.
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(crate) key_file: Option<PathBuf>,
    /// Take any certificate.
    #[arg(long, help_heading = "Repository")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Speak to a registry without TLS.
    #[arg(long, help_heading = "Repository")]
    pub(crate) plain_http: bool,
    /// helm's repositories.yaml.
    #[arg(long, value_name = "FILE", help_heading = "Repository", hide = true)]
    pub(crate) repository_config: Option<PathBuf>,
    /// helm's file of registry logins.
    #[arg(long, value_name = "FILE", help_heading = "Repository", hide = true)]
    pub(crate) registry_config: Option<PathBuf>,
}

/// Which chart, in helm's flags.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ChartFlags {
    #[command(flatten)]
    pub(crate) server: ServerFlags,
    /// The address of the chart's repository.
    #[arg(long, value_name = "URL", help_heading = "Repository")]
    pub(crate) repo: Option<String>,
    /// A version, or a constraint such as ^2; the newest if left out.
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Repository")]
    pub(crate) version: String,
    /// Development versions too: as --version '>0.0.0-0'.
    #[arg(long, help_heading = "Repository")]
    pub(crate) devel: bool,
    /// Send credentials to other hosts that a repository points to.
    #[arg(long, help_heading = "Repository")]
    pub(crate) pass_credentials: bool,
    /// Check the archive's signature.
    #[arg(long, help_heading = "Repository")]
    pub(crate) verify: bool,
    /// Where public keys for --verify lie.
    #[arg(long, value_name = "FILE", help_heading = "Repository", hide = true)]
    pub(crate) keyring: Option<PathBuf>,
}

impl ChartFlags {
    fn wanted_version(&self) -> String {
        match (self.version.as_str(), self.devel) {
            ("", true) => ">0.0.0-0".to_owned(),
            (version, _) => version.to_owned(),
        }
    }
}

/// A chart's archive and where it was.
pub(crate) struct Fetched {
    pub(crate) archive: Bytes,
    /// The name of its file.
    pub(crate) file_name: String,
    /// For registries: the reference that was pulled, and the manifest's digest.
    pub(crate) pulled: Option<(String, String)>,
}

/// Makes a repository of an address and the flags. Credentials of helm's own files are used where the flags give none.
pub(crate) fn repository(url: &str, flags: &ServerFlags, outside: &dyn Outside) -> anyhow::Result<Repository> {
    let mut repository = Repository::public(url);
    let text = |file: &PathBuf| -> anyhow::Result<String> {
        String::from_utf8(outside.read(file)?).with_context(|| format!("{} is no PEM text", file.display()))
    };
    repository.credentials = Credentials {
        username: Some(flags.username.clone()).filter(|name| !name.is_empty()),
        password: Some(flags.password.as_str()).filter(|word| !word.is_empty()).map(Confidential::of),
        tls_client_certificate: flags.cert_file.as_ref().map(text).transpose()?,
        tls_client_key: flags.key_file.as_ref().map(text).transpose()?.map(Confidential::of),
        ..Credentials::default()
    };
    repository.connection.tls_authorities = flags.ca_file.as_ref().map(text).transpose()?;
    repository.connection.tls_insecure = flags.insecure_skip_tls_verify;
    repository.connection.oci_plain_http = flags.plain_http;
    if url.starts_with("oci://") {
        repository.connection.oci_enabled = true;
        if repository.credentials.username.is_none() {
            configuration::sign_in(&mut repository, flags.registry_config.as_deref(), outside)?;
        }
    }
    Ok(repository)
}

/// Says whether a reference names something that must be fetched rather than a folder or file of this machine.
pub(crate) fn is_remote(reference: &str) -> bool {
    ["oci://", "http://", "https://"].iter().any(|scheme| reference.starts_with(scheme))
}

/// Loads a chart as `helm template CHART` finds it: a folder or file of this machine, else a reference to fetch.
pub(crate) async fn load(reference: &str, flags: &ChartFlags, outside: &dyn Outside) -> anyhow::Result<Chart> {
    let is_here = flags.repo.is_none() && !is_remote(reference) && outside.tree_around(Path::new(reference)).is_ok();
    if is_here {
        let (tree, path) = outside.tree_around(Path::new(reference))?;
        return Chart::from_path(&*tree, &path).with_context(|| format!("{reference} cannot be loaded as a chart"));
    }
    let is_path = reference.starts_with(['.', '/']);
    if is_path && flags.repo.is_none() {
        bail!(
            "path {reference:?} not found\nhint: name a folder with a Chart.yaml, an archive, or a chart of a repository"
        );
    }
    let fetched = fetch(reference, flags, outside).await?;
    Chart::from_archive(&fetched.archive).with_context(|| format!("{reference} cannot be loaded as a chart"))
}

/// Fetches an archive: `oci://…`, an address, `--repo URL NAME`, or `REPOSITORY/NAME` of `helm repo add`.
pub(crate) async fn fetch(reference: &str, flags: &ChartFlags, outside: &dyn Outside) -> anyhow::Result<Fetched> {
    if flags.verify {
        bail!(
            "--verify: signatures of charts are not checked here\nhint: check the provenance file with `gpg --verify`, or pin the chart by digest"
        );
    }
    let access = outside.charts()?;
    let version = flags.wanted_version();
    if reference.starts_with("oci://") {
        return pull(reference, &version, flags, &access, outside).await;
    }
    if is_remote(reference) {
        let repository = repository(reference, &flags.server, outside)?;
        let archive = access.repositories.file(&repository, reference).await?;
        let path = reference.split(['?', '#']).next().unwrap_or(reference);
        let file_name = path.rsplit('/').next().unwrap_or("chart.tgz").to_owned();
        return Ok(Fetched { archive, file_name, pulled: None });
    }
    let (repository, name, pass) = match &flags.repo {
        Some(url) => {
            let pass = if flags.pass_credentials { PassCredentials::Everywhere } else { PassCredentials::SameHost };
            (repository(url, &flags.server, outside)?, reference, pass)
        }
        None => {
            let Some((name, chart)) = reference.split_once('/') else {
                bail!(
                    "non-absolute URLs should be in form of repo_name/path_to_chart, got: {reference}\nhint: name a folder, an archive, oci://…, https://…, or use --repo URL"
                );
            };
            let known = repositories(outside, &flags.server)?;
            let Some(entry) = known.iter().find(|entry| entry.name == name) else {
                bail!(
                    "repo {name} not found\nhint: `helm repo add {name} URL` adds it to repositories.yaml, or use --repo URL {chart}"
                );
            };
            let pass = match flags.pass_credentials || entry.pass_credentials {
                true => PassCredentials::Everywhere,
                false => PassCredentials::SameHost,
            };
            let flags = entry.flags(&flags.server);
            if entry.url.starts_with("oci://") {
                let reference = format!("{}/{chart}", entry.url.trim_end_matches('/'));
                let flags = ChartFlags { server: flags, ..ChartFlags::default() };
                return pull(&reference, &version, &flags, &access, outside).await;
            }
            (repository(&entry.url, &flags, outside)?, chart, pass)
        }
    };
    if repository.url.starts_with("oci://") {
        let reference = format!("{}/{name}", repository.url.trim_end_matches('/'));
        return pull(&reference, &version, flags, &access, outside).await;
    }
    let found = access.repositories.resolve(&repository, name, &version).await?;
    let archive = access.repositories.download(&repository, name, &found, pass).await?;
    Ok(Fetched { archive: archive.bytes, file_name: format!("{name}-{}.tgz", found.version), pulled: None })
}

async fn pull(
    reference: &str,
    version: &str,
    flags: &ChartFlags,
    access: &ChartAccess,
    outside: &dyn Outside,
) -> anyhow::Result<Fetched> {
    let (place, named) = split_reference(reference);
    let repository = repository(place, &flags.server, outside)?;
    if !version.is_empty()
        && named.is_some_and(|named| !named.starts_with("sha256:") && named != version.replace('+', "_"))
    {
        bail!("chart reference and version mismatch: {version} is not {}", named.unwrap_or_default());
    }
    let tag = match named {
        Some(named) => named.to_owned(),
        None => access.registry.resolve(&repository, version).await?,
    };
    let artifact = access.registry.pull(&repository, &tag).await?;
    let Some(layer) = artifact.layers.into_iter().find(|layer| layer.media_type == CHART_LAYER) else {
        bail!("{place}:{tag} is no Helm chart: it has no layer of the type {CHART_LAYER}");
    };
    let name = place.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let shown = if tag.starts_with("sha256:") { format!("{place}@{tag}") } else { format!("{place}:{tag}") };
    let shown = shown.trim_start_matches("oci://").to_owned();
    let chart = Chart::from_archive(&layer.content);
    let version = chart.map_or_else(|_| tag.replace('_', "+"), |chart| chart.metadata.version);
    Ok(Fetched {
        archive: layer.content,
        file_name: format!("{name}-{version}.tgz"),
        pulled: Some((shown, artifact.digest)),
    })
}

/// Parts `oci://host/path:tag` or `…@sha256:…`.
fn split_reference(reference: &str) -> (&str, Option<&str>) {
    if let Some((place, digest)) = reference.split_once('@') {
        return (place, Some(digest));
    }
    let name_start = reference.rfind('/').map_or(0, |slash| slash + 1);
    match reference[name_start..].split_once(':') {
        Some((name, tag)) => (&reference[..name_start + name.len()], Some(tag)),
        None => (reference, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_references_port_is_no_tag() {
        assert_eq!(split_reference("oci://h:5000/a/b"), ("oci://h:5000/a/b", None));
        assert_eq!(split_reference("oci://h:5000/a/b:1.2.3"), ("oci://h:5000/a/b", Some("1.2.3")));
        assert_eq!(split_reference("oci://h/a@sha256:ab"), ("oci://h/a", Some("sha256:ab")));
    }
}
