//! Files in Git LFS: the commit holds stand-ins, the content is had from the repository's LFS server and kept beside the
//! mirror. Only where a repository Secret asks for it (`enableLfs`), as in Argo CD.
//! Source: git-lfs `docs/spec.md`, `docs/api/batch.md`, `docs/api/basic-transfers.md`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::tree::EntryKind as Mode;
use landfall_http::Clients;
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::Repository;
use reqwest::Client;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::mirror::Mirror;
use crate::tree::Listing;

/// How the stand-in for a file in Git LFS begins.
const MARK: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// A stand-in is shorter than this, by the specification.
const STAND_IN_BYTES_MAX: u64 = 1024;
/// How many objects are asked for in one request. Source: git-lfs `lfs.transfer.batchSize`.
const BATCH_MAX: usize = 100;
/// The longest answer that lists where objects are.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How deep folders are followed.
const NESTING_MAX: usize = 64;
const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// What a stand-in stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LargeFile {
    /// The SHA-256 of the content, 64 digits.
    pub(crate) sha256: String,
    /// How long the content is, in bytes.
    pub(crate) bytes: u64,
}

/// The contents that are here, by the blobs that stand for them.
pub(crate) type Contents = BTreeMap<ObjectId, PathBuf>;

/// Reads a stand-in; `None` if the content is not one.
pub(crate) fn stand_in(content: &[u8]) -> Option<LargeFile> {
    if content.len() as u64 >= STAND_IN_BYTES_MAX || !content.starts_with(MARK) {
        return None;
    }
    let text = std::str::from_utf8(content).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let sha256 = field("oid sha256:").filter(|oid| oid.len() == 64 && oid.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some(LargeFile { sha256: sha256.to_ascii_lowercase(), bytes: field("size ")?.parse().ok()? })
}

/// Finds the stand-ins of a commit.
pub(crate) fn stand_ins(mirror: &Mirror, root: ObjectId) -> Result<BTreeMap<ObjectId, LargeFile>, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(root, 0)];
    while let Some((folder, depth)) = folders.pop() {
        let listing = mirror.listing(folder, || mirror.with(|repository| Listing::read(repository, folder)))?;
        for item in listing.entries() {
            match item.mode {
                Mode::Tree if depth < NESTING_MAX => folders.push((item.id, depth + 1)),
                Mode::Blob | Mode::BlobExecutable => {
                    let content = mirror.with(|repository| {
                        let size = repository.find_header(item.id).map_err(|error| error.to_string())?.size();
                        if size >= STAND_IN_BYTES_MAX || size <= MARK.len() as u64 {
                            return Ok(None);
                        }
                        repository
                            .find_object(item.id)
                            .map(|object| Some(object.detach().data))
                            .map_err(|e| e.to_string())
                    })?;
                    if let Some(file) = content.as_deref().and_then(stand_in) {
                        found.insert(item.id, file);
                    }
                }
                Mode::Tree | Mode::Link | Mode::Commit => {}
            }
        }
    }
    Ok(found)
}

/// Gets the contents that stand-ins stand for, those that are not here yet.
pub(crate) async fn fetch(
    repository: &Repository,
    clients: &Clients,
    mirror: &Arc<Mirror>,
    wanted: &BTreeMap<ObjectId, LargeFile>,
    bytes_max: u64,
) -> Result<Contents, SourceError> {
    let folder = mirror.directory().join("landfall-lfs");
    let url = &repository.url;
    let mut missing: Vec<&LargeFile> = wanted.values().filter(|file| !path(&folder, file).exists()).collect();
    missing.sort();
    missing.dedup();
    if let Some(large) = missing.iter().find(|file| file.bytes > bytes_max) {
        let reason =
            format!("a file in Git LFS has {} MiB, more than the limit of {} MiB", large.bytes >> 20, bytes_max >> 20);
        return Err(SourceError::of(SourceProblem::TooLarge, url, reason));
    }
    if !missing.is_empty() {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let reason = "files in Git LFS are fetched over http(s) only";
            let hint =
                "Write the repository's http(s) address in the Application and its Secret, or take enableLfs out.";
            return Err(SourceError::of(SourceProblem::Unsupported, url, reason).hinting(hint));
        }
        let client = clients.client(repository)?;
        for batch in missing.chunks(BATCH_MAX) {
            get_batch(repository, &client, &folder, batch).await?;
        }
    }
    Ok(wanted.iter().map(|(id, file)| (*id, path(&folder, file))).collect())
}

fn path(folder: &Path, file: &LargeFile) -> PathBuf {
    folder.join(&file.sha256[..2]).join(&file.sha256)
}

async fn get_batch(
    repository: &Repository,
    client: &Client,
    folder: &Path,
    batch: &[&LargeFile],
) -> Result<(), SourceError> {
    let url = &repository.url;
    let broken = |reason: String| SourceError::of(SourceProblem::Broken, url, format!("Git LFS: {reason}"));
    let objects: Vec<Value> = batch.iter().map(|file| json!({"oid": file.sha256, "size": file.bytes})).collect();
    let asked = json!({"operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects});
    let base = url.trim_end_matches('/');
    let base = if base.ends_with(".git") { base.to_owned() } else { format!("{base}.git") };
    let request = client
        .post(format!("{base}/info/lfs/objects/batch"))
        .header("accept", MEDIA_TYPE)
        .header("content-type", MEDIA_TYPE)
        .body(asked.to_string());
    let request = landfall_http::authorized(request, repository);
    let response = request.send().await.map_err(|error| landfall_http::failure(url, &error))?;
    if !response.status().is_success() {
        let is_login_sent = landfall_http::login(&repository.credentials, url).is_some();
        return Err(landfall_http::refusal(url, response.status(), is_login_sent));
    }
    let answer = limited(url, response, ANSWER_BYTES_MAX as u64).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| broken(error.to_string()))?;
    for file in batch {
        let found = answer["objects"].as_array().into_iter().flatten().find(|object| object["oid"] == file.sha256);
        let found = found.ok_or_else(|| broken(format!("the server says nothing of {}", file.sha256)))?;
        if let Some(message) = found["error"]["message"].as_str() {
            let reason = format!("Git LFS has no object {}: {message}", file.sha256);
            return Err(
                SourceError::of(SourceProblem::NotFound, url, reason).hinting("Push it with `git lfs push --all`.")
            );
        }
        let action = &found["actions"]["download"];
        let place = action["href"].as_str().ok_or_else(|| broken(format!("no address for {}", file.sha256)))?;
        let mut request = client.get(place);
        let headers = action["header"].as_object();
        for (name, value) in headers.into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        // Our own credentials are for the repository's server; other places come with theirs, or need none.
        let is_same_server = place.starts_with(&server(url)) && headers.is_none_or(serde_json::Map::is_empty);
        if is_same_server {
            request = landfall_http::authorized(request, repository);
        }
        let response = request.send().await.map_err(|error| landfall_http::failure(url, &error))?;
        if !response.status().is_success() {
            return Err(landfall_http::refusal(url, response.status(), is_same_server));
        }
        let content = limited(url, response, file.bytes).await?;
        let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != file.sha256 {
            return Err(broken(format!("the content of {} has the digest {digest}", file.sha256)));
        }
        keep(&path(folder, file), &content).map_err(|error| broken(format!("cannot be kept: {error}")))?;
    }
    Ok(())
}

/// `https://host:port/` of an address.
fn server(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}/")
}

async fn limited(url: &str, mut response: reqwest::Response, bytes_max: u64) -> Result<Vec<u8>, SourceError> {
    let mut content = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| landfall_http::failure(url, &error))? {
        content.extend_from_slice(&piece);
        if content.len() as u64 > bytes_max {
            let reason = format!("Git LFS: an answer is longer than the {bytes_max} bytes that were announced");
            return Err(SourceError::of(SourceProblem::Broken, url, reason));
        }
    }
    Ok(content)
}

/// Writes a file in one step.
fn keep(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    part.write_all(content)?;
    part.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_from_other_files() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
        assert_eq!(stand_in(text.as_bytes()), Some(LargeFile { sha256: oid.to_owned(), bytes: 12345 }));
        for other in ["", "a: 1\n", "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n"] {
            assert_eq!(stand_in(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn credentials_stay_with_their_server() {
        assert_eq!(server("https://user:hush@git.example.test:8443/a/b.git"), "https://git.example.test:8443/");
    }
}
