//! The client: tags, digests, artifacts in and out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use landfall_http::Login;
use landfall_ports::registry::{Artifact, Layer, Registry};
use landfall_repository::address;
use landfall_repository::chart_versions::{self, NoVersion};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::{Connection, Credentials, Repository};
use oci_client::client::{Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor, OciImageManifest,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};

use crate::failure::explain;

/// Counts the clients that are kept for reuse; each keeps tokens and open connections.
const CLIENTS_MAX: usize = 64;

/// Counts the tags that are asked for at once; registries may send fewer.
const TAGS_PER_PAGE: usize = 1000;

/// Counts the tags that are read at most: more are no list of versions any more.
const TAGS_MAX: usize = 100_000;

/// Holds what a [`RegistryClient`] is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long name look-up and connection may take.
    pub connect_timeout: Duration,
    /// How long a registry may be silent.
    pub idle_timeout: Duration,
    /// How long one operation may take in all.
    pub operation_timeout: Duration,
    /// The most bytes of all layers of an artifact together.
    pub artifact_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            operation_timeout: Duration::from_secs(300),
            artifact_bytes_max: 512 << 20,
        }
    }
}

/// Reads and writes artifacts in OCI registries. Cheap to clone; clones share tokens and connections.
#[derive(Clone, Default)]
pub struct RegistryClient {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    settings: Settings,
    by_setting: Mutex<HashMap<Setting, Client>>,
}

/// A client remembers the credentials of a registry: whoever has others needs another client.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Setting {
    registry: String,
    connection: Connection,
    credentials: Credentials,
}

/// One repository, ready to be spoken to.
struct Session {
    client: Client,
    auth: RegistryAuth,
    registry: String,
    path: String,
    url: String,
    timeout: Duration,
}

impl RegistryClient {
    /// Makes a client; nothing is connected yet.
    pub fn with_settings(settings: Settings) -> Self {
        Self { inner: Arc::new(Inner { settings, by_setting: Mutex::default() }) }
    }

    fn session(&self, repository: &Repository) -> Result<Session, SourceError> {
        let invalid = |reason: String| SourceError::of(SourceProblem::Invalid, &repository.url, reason);
        let unsupported = |reason: String| SourceError::of(SourceProblem::Unsupported, &repository.url, reason);
        let (registry, path) = address::parse_oci(&repository.url).map_err(|error| invalid(error.reason))?;
        if let Some(way) = repository.credentials.unsupported.first() {
            let reason = format!("its repository Secret authenticates with {way}, which Landfall does not do");
            return Err(unsupported(reason).hinting("Use username and password, or a bearerToken."));
        }
        if repository.credentials.tls_client_certificate.is_some() {
            return Err(unsupported("client certificates are not supported for OCI registries".to_owned())
                .hinting("Use username and password, or a bearerToken."));
        }
        let auth = match landfall_http::login(&repository.credentials, &repository.url) {
            None => RegistryAuth::Anonymous,
            Some(Login::Bearer(token)) => RegistryAuth::Bearer(token.reveal().to_owned()),
            Some(Login::Basic(user, password)) => {
                RegistryAuth::Basic(user, password.map(|password| password.reveal().to_owned()).unwrap_or_default())
            }
        };
        let setting = Setting {
            registry: registry.clone(),
            connection: repository.connection.clone(),
            credentials: repository.credentials.clone(),
        };
        let client = self.inner.client(&setting, &invalid)?;
        let timeout = self.inner.settings.operation_timeout;
        Ok(Session { client, auth, registry, path, url: repository.url.clone(), timeout })
    }
}

impl Inner {
    fn client(&self, setting: &Setting, invalid: &dyn Fn(String) -> SourceError) -> Result<Client, SourceError> {
        let mut kept = self.by_setting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = kept.get(setting) {
            return Ok(client.clone());
        }
        let connection = &setting.connection;
        let mut authorities = Vec::new();
        if let Some(bundle) = &connection.tls_authorities {
            // oci-client takes one certificate at a time, ConfigMaps hold several.
            let end = "-----END CERTIFICATE-----";
            for pem in bundle.split_inclusive(end).filter(|pem| pem.contains(end)) {
                let data = pem.trim().as_bytes().to_vec();
                authorities.push(Certificate { encoding: CertificateEncoding::Pem, data });
            }
        }
        let config = ClientConfig {
            protocol: if connection.oci_plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            accept_invalid_certificates: connection.tls_insecure,
            extra_root_certificates: authorities,
            platform_resolver: None,
            read_timeout: Some(self.settings.idle_timeout),
            connect_timeout: Some(self.settings.connect_timeout),
            user_agent: landfall_http::USER_AGENT,
            https_proxy: connection.proxy.clone(),
            http_proxy: connection.proxy.clone(),
            no_proxy: connection.no_proxy.clone(),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config)
            .map_err(|error| invalid(format!("the connection settings cannot be used: {error}")))?;
        if kept.len() >= CLIENTS_MAX {
            kept.clear();
        }
        kept.insert(setting.clone(), client.clone());
        Ok(client)
    }
}

impl Session {
    /// Names a tag or digest of the repository.
    fn reference(&self, reference: &str) -> Result<Reference, SourceError> {
        let (registry, path) = (self.registry.clone(), self.path.clone());
        if let Some(digits) = reference.strip_prefix("sha256:") {
            if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(self.error(SourceProblem::Invalid, format!("{reference:?} is no digest")));
            }
            return Ok(Reference::with_digest(registry, path, reference.to_ascii_lowercase()));
        }
        let tag = reference.replace('+', "_");
        let is_first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_allowed = |byte: u8| is_first(byte) || byte == b'.' || byte == b'-';
        if !tag.bytes().next().is_some_and(is_first) || tag.len() > 128 || !tag.bytes().all(is_allowed) {
            return Err(self.error(SourceProblem::Invalid, format!("{reference:?} is no tag")));
        }
        Ok(Reference::with_tag(registry, path, tag))
    }

    fn error(&self, problem: SourceProblem, reason: String) -> SourceError {
        SourceError::of(problem, &self.url, reason)
    }

    /// Bounds an operation, and puts its failure into words.
    async fn run<T>(
        &self,
        operation: impl Future<Output = Result<T, oci_client::errors::OciDistributionError>>,
    ) -> Result<T, SourceError> {
        match tokio::time::timeout(self.timeout, operation).await {
            Ok(outcome) => outcome.map_err(|error| explain(&self.url, &error, self.auth != RegistryAuth::Anonymous)),
            Err(_) => {
                let reason = format!("it was not finished after {} s", self.timeout.as_secs());
                Err(self.error(SourceProblem::TimedOut, reason))
            }
        }
    }

    async fn tags(&self) -> Result<Vec<String>, SourceError> {
        let image = self.reference("latest")?;
        let mut tags: Vec<String> = Vec::new();
        loop {
            let last = tags.last().cloned();
            let page = self.client.list_tags(&image, &self.auth, Some(TAGS_PER_PAGE), last.as_deref());
            let page = self.run(page).await?.tags;
            // A registry that ignores `last` sends the same page again.
            let is_news = page.first().is_some_and(|first| !tags.contains(first));
            let is_full = page.len() >= TAGS_PER_PAGE;
            if is_news {
                tags.extend(page);
            }
            if !is_news || !is_full {
                return Ok(tags);
            }
            if tags.len() > TAGS_MAX {
                return Err(self.error(SourceProblem::TooLarge, format!("it has more than {TAGS_MAX} tags")));
            }
        }
    }

    async fn blob(&self, image: &Reference, descriptor: &OciDescriptor, bytes_max: u64) -> Result<Bytes, SourceError> {
        let too_large = || {
            let reason = format!("the artifact is larger than the limit of {} MiB", bytes_max >> 20);
            self.error(SourceProblem::TooLarge, reason)
        };
        if u64::try_from(descriptor.size).is_ok_and(|size| size > bytes_max) {
            return Err(too_large());
        }
        let mut sized = self.run(self.client.pull_blob_stream(image, descriptor)).await?;
        let mut content = BytesMut::new();
        loop {
            let next = tokio::time::timeout(self.timeout, sized.stream.try_next()).await;
            let next = next.map_err(|_| self.error(SourceProblem::TimedOut, "a layer was not finished".to_owned()))?;
            let chunk = next.map_err(|error| {
                self.error(SourceProblem::Broken, format!("the layer {}: {error}", descriptor.digest))
            })?;
            let Some(chunk) = chunk else { break };
            if (content.len() + chunk.len()) as u64 > bytes_max {
                return Err(too_large());
            }
            content.extend_from_slice(&chunk);
        }
        let found = digest_of(&content);
        if descriptor.digest.starts_with("sha256:") && found != descriptor.digest {
            let reason = format!("a layer has the digest {found}, but the manifest announces {}", descriptor.digest);
            return Err(self.error(SourceProblem::Broken, reason));
        }
        Ok(content.freeze())
    }

    async fn pull(&self, reference: &str, artifact_bytes_max: u64) -> Result<Artifact, SourceError> {
        let image = self.reference(reference)?;
        let accepted = [
            OCI_IMAGE_MEDIA_TYPE,
            IMAGE_MANIFEST_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        ];
        let (text, digest) = self.run(self.client.pull_manifest_raw(&image, &self.auth, &accepted)).await?;
        let broken = |error: &dyn std::fmt::Display| {
            self.error(SourceProblem::Broken, format!("the manifest of {reference} cannot be read: {error}"))
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| broken(&error))?;
        if value.get("manifests").is_some() {
            let reason = format!("{reference} is a list of platforms, not one artifact");
            return Err(self.error(SourceProblem::Unsupported, reason));
        }
        let manifest: OciImageManifest = serde_json::from_value(value).map_err(|error| broken(&error))?;
        let mut left_bytes = artifact_bytes_max;
        let config = self.blob(&image, &manifest.config, left_bytes).await?;
        let mut layers = Vec::new();
        for descriptor in &manifest.layers {
            let content = self.blob(&image, descriptor, left_bytes).await?;
            left_bytes = left_bytes.saturating_sub(content.len() as u64);
            layers.push(Layer { media_type: descriptor.media_type.clone(), content });
        }
        Ok(Artifact {
            digest,
            config_media_type: manifest.config.media_type,
            config,
            layers,
            annotations: manifest.annotations.unwrap_or_default().into_iter().collect(),
        })
    }

    async fn push(&self, tag: &str, artifact: &Artifact) -> Result<String, SourceError> {
        let image = self.reference(tag)?;
        self.run(self.client.auth(&image, &self.auth, RegistryOperation::Push)).await?;
        let mut descriptors = Vec::new();
        let config = Layer { media_type: artifact.config_media_type.clone(), content: artifact.config.clone() };
        for layer in std::iter::once(&config).chain(&artifact.layers) {
            let digest = digest_of(&layer.content);
            let is_there = self.run(self.client.blob_exists(&image, &digest)).await?;
            if !is_there {
                self.run(self.client.push_blob(&image, layer.content.clone(), &digest)).await?;
            }
            descriptors.push(OciDescriptor {
                media_type: layer.media_type.clone(),
                digest,
                size: i64::try_from(layer.content.len()).expect("nothing in memory has more bytes than an i64 counts"),
                ..OciDescriptor::default()
            });
        }
        let layers = descriptors.split_off(1);
        let annotations = artifact.annotations.iter().cloned().collect();
        let manifest = OciImageManifest {
            schema_version: 2,
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptors.remove(0),
            layers,
            annotations: Some(annotations)
                .filter(|annotations: &std::collections::BTreeMap<_, _>| !annotations.is_empty()),
            ..OciImageManifest::default()
        };
        let text = serde_json::to_vec(&manifest).expect("a manifest of texts and numbers has a JSON form");
        let digest = digest_of(&text);
        let media_type = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        self.run(self.client.push_manifest_raw(&image, text, media_type)).await?;
        Ok(digest)
    }
}

fn digest_of(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

#[async_trait]
impl Registry for RegistryClient {
    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, SourceError> {
        self.session(repository)?.tags().await
    }

    async fn resolve(&self, repository: &Repository, version: &str) -> Result<String, SourceError> {
        let session = self.session(repository)?;
        let version = version.trim();
        // One version or a digest says what is meant: registries with many tags list them slowly.
        if version.starts_with("sha256:") || chart_versions::is_exact(version) {
            return Ok(version.replace('+', "_"));
        }
        let tags = session.tags().await?;
        chart_versions::in_tags(&session.path, &tags, version).map_err(|error| match &error {
            NoVersion::Malformed { .. } => {
                let few: Vec<_> = tags.iter().rev().take(5).map(String::as_str).collect();
                let reason = format!("there is no tag {version:?}; tags there are: {}", few.join(", "));
                session.error(SourceProblem::UnknownRevision, reason)
            }
            NoVersion::NoChart { .. } | NoVersion::NoMatch { .. } => {
                session.error(SourceProblem::UnknownRevision, error.to_string())
            }
        })
    }

    async fn digest(&self, repository: &Repository, reference: &str) -> Result<String, SourceError> {
        let session = self.session(repository)?;
        let image = session.reference(reference)?;
        session.run(session.client.fetch_manifest_digest(&image, &session.auth)).await
    }

    async fn pull(&self, repository: &Repository, reference: &str) -> Result<Artifact, SourceError> {
        self.session(repository)?.pull(reference, self.inner.settings.artifact_bytes_max).await
    }

    async fn push(&self, repository: &Repository, tag: &str, artifact: &Artifact) -> Result<String, SourceError> {
        self.session(repository)?.push(tag, artifact).await
    }
}
