//! `app diff|manifests` over a server: it renders, also other revisions and the files of a working copy, and knows what is
//! live; what is shown of that is computed here. Secrets come masked: of their values only the names are compared.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_diff::compare::{DifferenceKind, compare};
use landfall_diff::render::unified;
use landfall_diff::rules::{Options, Rules};
use landfall_diff::schemas::WithCustom;
use landfall_model::annotations::FIELD_MANAGER;
use landfall_model::key::ObjectKey;
use landfall_model::object;
use landfall_tree::{EntryKind, Tree, join};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Session;
use super::desired::{Origin, local_base, title};
use crate::applications::Found;
use crate::output::format::{documents, for_people};
use crate::remote::client::{Client, encoded};

/// How many bytes of files are sent at most: what the server takes, before they are packed.
const FILES_BYTES_MAX: usize = 64 << 20;
/// How many folders deep a working copy is read.
const FOLDERS_DEEP_MAX: usize = 64;

/// Prints how what is live differs from what is wanted. Returns whether it does.
pub(super) async fn differences(
    session: &Session<'_>,
    server: &Client,
    found: &Found,
    origin: &Origin,
) -> anyhow::Result<bool> {
    let metadata = &found.application.metadata;
    let path = format!("/api/v1/applications/{}/managed-resources", encoded(&metadata.name));
    let answer = server.get(&path, &[("appNamespace", &metadata.namespace)]).await?;
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let is_other = origin.local.is_some() || origin.revision.is_some() || !origin.revisions.is_empty();
    let others = match is_other {
        false => None,
        true => Some(wanted(session, server, found, origin).await?),
    };
    let mut pairs: BTreeMap<ObjectKey, (Option<Value>, Option<Value>)> = BTreeMap::new();
    for item in items.iter().filter(|item| item["hook"] != true) {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        let state = |names: [&str; 2]| {
            let text = names.into_iter().map(text).find(|text| !text.is_empty() && *text != "null");
            text.and_then(|text| serde_json::from_str::<Value>(text).ok())
        };
        let live = state(["normalizedLiveState", "liveState"]);
        let target = state(["predictedLiveState", "targetState"]);
        let key = ObjectKey::of(text("group"), text("kind"), text("namespace"), text("name"));
        pairs.insert(key, (if is_other { None } else { target }, live));
    }
    for object in others.into_iter().flatten() {
        let key = object::key(&object);
        pairs.entry(key).or_default().0 = Some(object);
    }
    let ignored: &[_] = if is_other { &found.application.spec.ignore_differences } else { &[] };
    let (rules, _problems) = Rules::new(ignored, Options { manager: FIELD_MANAGER.to_owned(), ..Options::default() });
    let schemas = WithCustom::default();
    let mut differs = false;
    for (key, (wanted, live)) in pairs {
        let (wanted, live) = match is_other && key.kind == "Secret" && key.group.is_empty() {
            true => (wanted.map(without_values), live.map(without_values)),
            false => (wanted, live),
        };
        if wanted == live {
            continue;
        }
        let difference = compare(wanted.as_ref(), live.as_ref(), &rules, &schemas);
        if difference.kind == DifferenceKind::InSync {
            continue;
        }
        differs = true;
        let title = title(&key);
        session.outside.print(&format!("\n===== {title} ======\n{}", unified(&difference, &title)))?;
    }
    Ok(differs)
}

/// Masks say how values compare within one answer only: across two, only which there are.
fn without_values(mut secret: Value) -> Value {
    if let Some(texts) = secret.get("stringData").and_then(Value::as_object).cloned() {
        let data = object::map_mut(&mut secret, &["data"]);
        data.extend(texts);
        object::map_mut(&mut secret, &[]).remove("stringData");
    }
    for value in object::map_mut(&mut secret, &["data"]).values_mut() {
        *value = json!("++++++++");
    }
    secret
}

/// What the server renders: of a revision, of several, or of the files of a working copy.
pub(super) async fn wanted(
    session: &Session<'_>,
    server: &Client,
    found: &Found,
    origin: &Origin,
) -> anyhow::Result<Vec<Value>> {
    let metadata = &found.application.metadata;
    let answer = match &origin.local {
        Some(_) => with_files(session, server, found, origin).await?,
        None => {
            let path = format!("/api/v1/applications/{}/manifests", encoded(&metadata.name));
            let positions: Vec<String> = origin.source_positions.iter().map(usize::to_string).collect();
            let mut query = vec![
                ("appNamespace", metadata.namespace.as_str()),
                ("revision", origin.revision.as_deref().unwrap_or_default()),
            ];
            query.extend(origin.revisions.iter().map(|revision| ("revisions", revision.as_str())));
            query.extend(positions.iter().map(|position| ("sourcePositions", position.as_str())));
            server.get(&path, &query).await?
        }
    };
    let texts = answer["manifests"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str);
    texts.map(|text| serde_json::from_str(text).context("the server sends a manifest that is no JSON")).collect()
}

/// Has the server render the files of a working copy.
async fn with_files(session: &Session<'_>, server: &Client, found: &Found, origin: &Origin) -> anyhow::Result<Value> {
    let Some(folder) = &origin.local else { bail!("no working copy is named") };
    if found.application.spec.has_multiple_sources() {
        bail!("an Application with several sources has no one working copy\nhint: compare a revision with --revisions");
    }
    let sources = found.application.spec.sources();
    let path = sources.first().map(|source| source.path.as_str()).unwrap_or_default();
    session.outside.tell(&format!("note: rendering the working copy in {}, committed or not", folder.display()));
    let (tree, base) = local_base(session, folder, origin.local_repo_root.as_deref(), path)?;
    let packed = pack(&*tree, &base)?;
    let checksum: String = Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect();
    let metadata = &found.application.metadata;
    let query = json!({"name": metadata.name, "appNamespace": metadata.namespace, "checksum": checksum});
    let messages = [json!({"query": query}), json!({"chunk": {"chunk": STANDARD.encode(&packed)}})];
    Ok(server.post_all("/api/v1/applications/manifestsWithFiles", &messages).await?)
}

/// Packs the files below a folder, without what Git keeps there.
fn pack(tree: &dyn Tree, base: &str) -> anyhow::Result<Vec<u8>> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(gzip);
    let mut waiting = vec![(String::new(), 0)];
    let mut bytes = 0;
    while let Some((inside, depth)) = waiting.pop() {
        let place = if inside.is_empty() { base.to_owned() } else { join(base, &inside) };
        for entry in tree.directory(&place)?.unwrap_or_default() {
            let path = join(&inside, &entry.name);
            match entry.kind {
                EntryKind::Directory if entry.name == ".git" => {}
                EntryKind::Directory if depth < FOLDERS_DEEP_MAX => waiting.push((path, depth + 1)),
                EntryKind::Directory => bail!("{path} is more than {FOLDERS_DEEP_MAX} folders deep"),
                _ => {
                    // What a link leads to outside of the repository is not there for the server either.
                    let Ok(Some(content)) = landfall_tree::read(tree, &join(base, &path)) else { continue };
                    bytes += content.len();
                    if bytes > FILES_BYTES_MAX {
                        bail!(
                            "the working copy is larger than {} MiB\nhint: name a smaller folder with --local-repo-root",
                            FILES_BYTES_MAX >> 20
                        );
                    }
                    let mut header = tar::Header::new_gnu();
                    header.set_size(content.len() as u64);
                    header.set_mode(0o644);
                    archive.append_data(&mut header, &path, content.as_ref())?;
                }
            }
        }
    }
    Ok(archive.into_inner()?.finish()?)
}

/// Prints what is live.
pub(super) async fn live(session: &Session<'_>, server: &Client, found: &Found) -> anyhow::Result<()> {
    let metadata = &found.application.metadata;
    let path = format!("/api/v1/applications/{}/managed-resources", encoded(&metadata.name));
    let answer = server.get(&path, &[("appNamespace", &metadata.namespace)]).await?;
    let read = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap_or_default()).ok();
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    let objects: Vec<Value> = items
        .iter()
        .filter_map(|item| read(&item["liveState"]))
        .filter(|live| !live.is_null())
        .map(|live| for_people(&live))
        .collect();
    session.outside.print(&documents(&objects))
}
