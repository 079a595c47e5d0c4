//! The client: indexes kept and revalidated, charts downloaded and checked.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use landfall_http::Clients;
use landfall_ports::charts::{ChartArchive, ChartRepo, PassCredentials};
use landfall_repository::address;
use landfall_repository::chart_index::{self, ChartVersion, Index};
use landfall_repository::chart_versions::{self, NoVersion};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::{Credentials, Repository};
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::settings::Settings;

/// Counts the indexes that are kept in memory; those on disk come back without a download.
const INDEXES_MAX: usize = 256;

/// Reads chart repositories. Cheap to clone; clones share copies and connections.
#[derive(Clone)]
pub struct ChartClient {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    clients: Clients,
    kept: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Kept>>>>>,
}

/// An index, and what the server said that tells whether it changed. Shape: on disk as JSON, already reduced.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(with = "shared")]
    index: Arc<Index>,
    etag: Option<String>,
    last_modified: Option<String>,
    #[serde(skip)]
    checked_at: Option<Instant>,
}

/// Writes and reads a shared index as the index itself.
mod shared {
    use super::{Arc, Index};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(index: &Arc<Index>, serializer: S) -> Result<S::Ok, S::Error> {
        index.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Index>, D::Error> {
        Index::deserialize(deserializer).map(Arc::new)
    }
}

impl ChartClient {
    /// Makes a client; nothing is read yet.
    pub fn with_settings(settings: Settings) -> Self {
        let clients = Clients::with_timeouts(settings.connect_timeout, settings.idle_timeout);
        Self { inner: Arc::new(Inner { settings, clients, kept: Mutex::default() }) }
    }
}

impl Inner {
    /// Sends one request and checks that it succeeded; 304 counts as success.
    async fn get(&self, repository: &Repository, url: &Url, headers: HeaderMap) -> Result<Response, SourceError> {
        let client = self.clients.client(repository)?;
        let request = landfall_http::authorized(client.get(url.clone()), repository).headers(headers);
        let response = request.send().await.map_err(|error| landfall_http::failure(url.as_str(), &error))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let is_login_sent = landfall_http::login(&repository.credentials, &repository.url).is_some();
        Err(landfall_http::refusal(url.as_str(), status, is_login_sent))
    }

    /// Bounds a whole request, and then the size of its answer.
    async fn in_time<T>(
        &self,
        url: &Url,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let limit = self.settings.request_timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let reason = format!("it was not finished after {} s", limit.as_secs());
            Err(SourceError::of(SourceProblem::TimedOut, url.as_str(), reason))
        })
    }

    async fn index(&self, repository: &Repository) -> Result<Arc<Index>, SourceError> {
        let url = index_url(&repository.url)?;
        let key = key(repository);
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= INDEXES_MAX && !kept.contains_key(&key) {
                kept.clear();
            }
            kept.entry(key.clone()).or_default().clone()
        };
        // Whoever comes while it is being read waits for the same answer.
        let mut slot = slot.lock().await;
        let file = self.settings.cache_directory.join("indexes").join(format!("{key}.json"));
        if slot.is_none() {
            *slot = read_copy(&file).await;
        }
        if let Some(kept) = slot.as_ref()
            && kept.checked_at.is_some_and(|at| at.elapsed() < self.settings.index_age_max)
        {
            return Ok(kept.index.clone());
        }
        let mut headers = HeaderMap::new();
        if let Some(kept) = slot.as_ref() {
            let conditions = [(IF_NONE_MATCH, &kept.etag), (IF_MODIFIED_SINCE, &kept.last_modified)];
            for (name, value) in conditions {
                if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                    headers.insert(name, value);
                }
            }
        }
        let fetched = self.in_time(&url, async {
            let response = self.get(repository, &url, headers).await?;
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(None);
            }
            let said =
                |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned);
            let (etag, last_modified) = (said(ETAG), said(LAST_MODIFIED));
            Ok(Some((body(&url, response, self.settings.index_bytes_max).await?, etag, last_modified)))
        });
        let Some((text, etag, last_modified)) = fetched.await? else {
            if let Some(kept) = slot.as_mut() {
                kept.checked_at = Some(Instant::now());
                return Ok(kept.index.clone());
            }
            return Err(SourceError::of(
                SourceProblem::Broken,
                url.as_str(),
                "it says 'not modified' to a first request",
            ));
        };
        // A big index takes a tenth of a second: not on an async thread.
        let read = tokio::task::spawn_blocking(move || chart_index::read(&text)).await;
        let index = read
            .map_err(|error| SourceError::of(SourceProblem::Broken, url.as_str(), error.to_string()))?
            .map_err(|error| {
                SourceError::of(SourceProblem::NotFound, url.as_str(), error.to_string())
                    .hinting("Check that the address is that of a chart repository, as `helm repo add` takes it.")
            })?;
        let kept = Kept { index: Arc::new(index), etag, last_modified, checked_at: Some(Instant::now()) };
        if kept.etag.is_some() || kept.last_modified.is_some() {
            write_copy(&file, &kept).await;
        }
        let answer = kept.index.clone();
        *slot = Some(kept);
        Ok(answer)
    }

    async fn download(
        &self,
        repository: &Repository,
        chart: &str,
        version: &ChartVersion,
        pass_credentials: PassCredentials,
    ) -> Result<ChartArchive, SourceError> {
        if let Some(digest) = &version.digest
            && let Some(bytes) = read_chart(&self.chart_file(digest)).await
            && hex_digest(&bytes) == *digest
        {
            return Ok(ChartArchive { bytes, digest: digest.clone() });
        }
        let base = Url::parse(&directory_url(&repository.url)).map_err(|error| invalid(&repository.url, &error))?;
        let mut failure = None;
        // Several addresses are mirrors of each other.
        for url in &version.urls {
            let url = match absolute(&base, url) {
                Ok(url) => url,
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            let asked = asking(repository, &base, &url, pass_credentials);
            let fetched = self.in_time(&url, async {
                let response = self.get(&asked, &url, HeaderMap::new()).await?;
                body(&url, response, self.settings.chart_bytes_max).await
            });
            let bytes = match fetched.await {
                Ok(bytes) => bytes,
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            let digest = hex_digest(&bytes);
            match &version.digest {
                Some(expected) if *expected != digest => {
                    let reason = format!(
                        "{chart} {} has the digest {digest}, but the index announces {expected}",
                        version.version
                    );
                    failure = Some(SourceError::of(SourceProblem::Broken, url.as_str(), reason).hinting(
                        "The archive was replaced or damaged after the index was written; rebuild the index.",
                    ));
                }
                expected => {
                    if expected.is_some() {
                        write_chart(&self.chart_file(&digest), &bytes).await;
                    }
                    return Ok(ChartArchive { bytes, digest });
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            let reason = format!("the index names no address for {chart} {}", version.version);
            SourceError::of(SourceProblem::Broken, &repository.url, reason)
        }))
    }

    fn chart_file(&self, digest: &str) -> PathBuf {
        let safe: String = digest.chars().filter(char::is_ascii_hexdigit).take(64).collect();
        self.settings.cache_directory.join("charts").join(format!("{safe}.tgz"))
    }
}

#[async_trait]
impl ChartRepo for ChartClient {
    async fn index(&self, repository: &Repository) -> Result<Arc<Index>, SourceError> {
        self.inner.index(repository).await
    }

    async fn resolve(&self, repository: &Repository, chart: &str, version: &str) -> Result<ChartVersion, SourceError> {
        let index = self.inner.index(repository).await?;
        chart_versions::in_index(&index, chart, version).cloned().map_err(|error| no_version(&repository.url, &error))
    }

    async fn download(
        &self,
        repository: &Repository,
        chart: &str,
        version: &ChartVersion,
        pass_credentials: PassCredentials,
    ) -> Result<ChartArchive, SourceError> {
        self.inner.download(repository, chart, version, pass_credentials).await
    }

    async fn file(&self, repository: &Repository, url: &str) -> Result<Bytes, SourceError> {
        let parsed = Url::parse(url).map_err(|error| invalid(url, &error))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(invalid(url, &"only http and https addresses are read"));
        }
        let asked = match Url::parse(&repository.url) {
            Ok(base) => asking(repository, &base, &parsed, PassCredentials::SameHost),
            Err(_) => stranger(repository),
        };
        let inner = &self.inner;
        let fetched = inner.in_time(&parsed, async {
            let response = inner.get(&asked, &parsed, HeaderMap::new()).await?;
            body(&parsed, response, inner.settings.file_bytes_max).await
        });
        fetched.await
    }
}

/// Puts "there is no such version" into the words of all sources.
pub(crate) fn no_version(url: &str, error: &NoVersion) -> SourceError {
    match error {
        NoVersion::NoChart { .. } => {
            SourceError::of(SourceProblem::NotFound, url, error.to_string()).hinting("Check `chart` of the source.")
        }
        NoVersion::Malformed { .. } | NoVersion::NoMatch { .. } => {
            SourceError::of(SourceProblem::UnknownRevision, url, error.to_string())
        }
    }
}

fn invalid(url: &str, error: &dyn std::fmt::Display) -> SourceError {
    SourceError::of(SourceProblem::Invalid, url, error.to_string())
}

/// Names the folder of a repository: relative addresses start there.
fn directory_url(url: &str) -> String {
    let (path, query) = url.trim().split_once('?').map_or((url.trim(), None), |(path, query)| (path, Some(query)));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{query}", path.trim_end_matches('/'))
}

fn index_url(url: &str) -> Result<Url, SourceError> {
    let base = Url::parse(&directory_url(url)).map_err(|error| invalid(url, &error))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(invalid(url, &"a chart repository has an http or https address"));
    }
    absolute(&base, "index.yaml")
}

/// Makes an address of the index absolute. Source: Helm `ResolveReferenceURL`: a query of the repository's address goes
/// along with relative ones.
fn absolute(base: &Url, reference: &str) -> Result<Url, SourceError> {
    if let Ok(url) = Url::parse(reference) {
        return match url.scheme() {
            "http" | "https" => Ok(url),
            scheme => Err(invalid(reference, &format!("the index points to a {scheme} address"))),
        };
    }
    let mut url = base.join(reference).map_err(|error| invalid(reference, &error))?;
    if url.query().is_none() {
        url.set_query(base.query());
    }
    Ok(url)
}

/// Chooses what is sent to `url`: everything at home, only how to connect elsewhere.
fn asking(repository: &Repository, home: &Url, url: &Url, pass_credentials: PassCredentials) -> Repository {
    match pass_credentials {
        PassCredentials::Everywhere => repository.clone(),
        PassCredentials::SameHost if home.origin() == url.origin() => repository.clone(),
        PassCredentials::SameHost => stranger(repository),
    }
}

fn stranger(repository: &Repository) -> Repository {
    let mut repository = repository.clone();
    repository.credentials = Credentials::default();
    // The address itself may hold a login.
    repository.url = address::without_credentials(&repository.url);
    repository
}

/// Tells apart whose view of a repository an index is: servers may show different charts to different people.
fn key(repository: &Repository) -> String {
    let mut hasher = Sha256::new();
    hasher.update(repository.url.trim());
    match landfall_http::login(&repository.credentials, &repository.url) {
        Some(landfall_http::Login::Bearer(token)) => hasher.update(format!("\0{}", token.reveal())),
        Some(landfall_http::Login::Basic(user, password)) => {
            hasher.update(format!("\0{user}\0{}", password.as_ref().map_or("", |password| password.reveal())));
        }
        None => {}
    }
    hasher.update(repository.credentials.tls_client_certificate.as_deref().unwrap_or_default());
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Receives an answer, as long as it stays under the limit.
async fn body(url: &Url, mut response: Response, bytes_max: u64) -> Result<Bytes, SourceError> {
    let too_large = || {
        let reason = format!("the answer is larger than the limit of {} MiB", bytes_max >> 20);
        SourceError::of(SourceProblem::TooLarge, url.as_str(), reason)
    };
    if response.content_length().is_some_and(|announced| announced > bytes_max) {
        return Err(too_large());
    }
    let mut received = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| landfall_http::failure(url.as_str(), &error))? {
        if (received.len() + chunk.len()) as u64 > bytes_max {
            return Err(too_large());
        }
        received.extend_from_slice(&chunk);
    }
    Ok(received.freeze())
}

// The copies on disk only save time: whatever is wrong with them is as if there were none.

async fn read_copy(file: &Path) -> Option<Kept> {
    let file = file.to_owned();
    let read = move || serde_json::from_slice(&fs::read(file).ok()?).ok();
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

async fn write_copy(file: &Path, kept: &Kept) {
    if let Ok(text) = serde_json::to_vec(kept) {
        write_chart(file, &Bytes::from(text)).await;
    }
}

async fn read_chart(file: &Path) -> Option<Bytes> {
    let file = file.to_owned();
    tokio::task::spawn_blocking(move || fs::read(file).ok().map(Bytes::from)).await.ok().flatten()
}

async fn write_chart(file: &Path, bytes: &Bytes) {
    let (file, bytes) = (file.to_owned(), bytes.clone());
    let write = move || -> Option<()> {
        let directory = file.parent()?;
        fs::create_dir_all(directory).ok()?;
        let mut beside = tempfile::NamedTempFile::new_in(directory).ok()?;
        beside.write_all(&bytes).ok()?;
        beside.persist(&file).ok()?;
        Some(())
    };
    tokio::task::spawn_blocking(write).await.ok();
}

impl ChartClient {
    /// Removes copies of charts that were written longer than `unused` ago, and returns the bytes freed.
    pub async fn clean(&self, unused: Duration) -> u64 {
        let directory = self.inner.settings.cache_directory.clone();
        let clean = move || {
            let mut freed_bytes = 0;
            for below in ["charts", "indexes"] {
                for entry in fs::read_dir(directory.join(below)).into_iter().flatten().flatten() {
                    let Ok(data) = entry.metadata() else { continue };
                    let age = data.modified().ok().and_then(|at| at.elapsed().ok());
                    if age.is_some_and(|age| age >= unused) && fs::remove_file(entry.path()).is_ok() {
                        freed_bytes += data.len();
                    }
                }
            }
            freed_bytes
        };
        tokio::task::spawn_blocking(clean).await.unwrap_or_default()
    }
}
