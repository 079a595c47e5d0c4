//! What an application's sources render to, and what is known about a revision.

use std::sync::Arc;

use base64::Engine as _;
use landfall_api::error::ApiError;
use landfall_flow::reconcile::inspect::Look;
use landfall_model::application::{Application, Source};
use landfall_repository::problem::SourceError;
use landfall_repository::refs::CommitId;
use landfall_tree::MemoryTree;
use serde_json::{Value, json};

use super::secrets::masked;
use crate::api::call::{Call, Outcome, conditions, lean, source_positions, text, texts};

/// The largest folder of files that somebody may send, unpacked. Source: Argo CD `reposerver.streamed.manifest.max.extracted.size`.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// How many files it may hold.
const UNPACKED_FILES_MAX: usize = 50_000;

/// Renders an application's sources, also at other revisions than its own.
pub(crate) async fn get(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let application = held.application()?;
    let look = Look {
        sources: Vec::new(),
        revisions: revisions(application, request)?,
        is_hard: request.get("noCache").and_then(Value::as_bool).unwrap_or(false),
    };
    let found = call.controller().inspect(&held.key, application, &look).await;
    let found = found.map_err(|found| conditions(&held.key.name, &found))?;
    let hooks = found.targets.hooks.iter().map(|hook| &hook.object);
    let manifests: Vec<String> =
        found.targets.objects.iter().map(|target| &target.object).chain(hooks).map(|o| masked(o).to_string()).collect();
    Ok(lean(json!({
        "manifests": manifests,
        "namespace": application.spec.destination.namespace,
        "server": found.cluster.server,
        "revision": found.revisions.first(),
        "sourceType": found.source_types.first(),
    }))
    .into())
}

/// The revision of each source that a request asks for.
fn revisions(application: &Application, request: &Value) -> Result<Vec<Option<String>>, ApiError> {
    let sources = application.spec.sources();
    let given = texts(request, "revisions");
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if given.is_empty() {
        return Ok(vec![some(text(request, "revision"))]);
    }
    let positions = source_positions(request);
    if positions.is_empty() {
        return Ok(given.iter().map(|revision| some(revision)).collect());
    }
    let mut wanted = vec![None; sources.len()];
    for (position, revision) in positions.iter().zip(&given) {
        let place = usize::try_from(position.saturating_sub(1)).ok().and_then(|at| wanted.get_mut(at));
        *place.ok_or_else(|| {
            ApiError::invalid(format!(
                "source position {position} is out of range: there are {} sources",
                sources.len()
            ))
        })? = some(revision);
    }
    Ok(wanted)
}

/// Renders files that somebody sends as a packed folder, in the place of the first source's repository.
pub(crate) async fn with_files(call: &Call, messages: Vec<Value>) -> Outcome {
    let mut query = None;
    let mut packed = Vec::new();
    for mut message in messages {
        if let Some(found) = message.get_mut("query").filter(|found| found.is_object()) {
            query = Some(found.take());
        }
        if let Some(chunk) = message.pointer("/chunk/chunk").and_then(Value::as_str) {
            let bytes = base64::engine::general_purpose::STANDARD.decode(chunk);
            packed.extend(bytes.map_err(|_| ApiError::invalid("a piece of the files is no base64"))?);
        }
    }
    let query = query.ok_or_else(|| ApiError::invalid("the first message must hold the query"))?;
    let held = call.application(&query, "get")?;
    call.enforce("applications", "override", &held.object)?;
    let wanted = text(&query, "checksum").to_owned();
    let digest = {
        use sha2::Digest as _;
        sha2::Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    if packed.is_empty() {
        return Err(ApiError::invalid("no files arrived").hint(
            "over gRPC-web the stock argocd sends the first message of a stream and no other: leave --grpc-web out for this",
        ));
    }
    if !wanted.is_empty() && wanted != digest {
        return Err(ApiError::invalid("the files arrived other than they were sent: the checksum differs"));
    }
    let tree = tokio::task::spawn_blocking(move || unpack(&packed)).await;
    let tree = tree.map_err(|_| ApiError::internal("unpacking failed with a fault of ours; please report it"))??;
    let application = held.application()?;
    let objects = call.controller().inspect_files(&held.key, application, Arc::new(tree)).await;
    let objects = objects.map_err(|found| conditions(&held.key.name, &found))?;
    let manifests: Vec<String> = objects.iter().map(|object| masked(object).to_string()).collect();
    Ok(json!({
        "manifests": manifests,
        "namespace": application.spec.destination.namespace,
        "server": application.spec.destination.server,
    })
    .into())
}

fn unpack(packed: &[u8]) -> Result<MemoryTree, ApiError> {
    use std::io::Read as _;
    let invalid = |error: &dyn std::fmt::Display| ApiError::invalid(format!("the files cannot be unpacked: {error}"));
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let plain = flate2::read::GzDecoder::new(packed).take(UNPACKED_BYTES_MAX + 1);
    let mut archive = tar::Archive::new(plain);
    let (mut bytes_seen, mut files_seen) = (0_u64, 0);
    for entry in archive.entries().map_err(|error| invalid(&error))? {
        let mut entry = entry.map_err(|error| invalid(&error))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|error| invalid(&error))?.to_string_lossy().into_owned();
        let path = path.trim_start_matches("./").trim_start_matches('/').to_owned();
        if path.split('/').any(|part| part == "..") {
            return Err(ApiError::invalid(format!("the file {path:?} stands outside of the folder")));
        }
        files_seen += 1;
        bytes_seen += entry.size();
        if bytes_seen > UNPACKED_BYTES_MAX || files_seen > UNPACKED_FILES_MAX {
            return Err(ApiError::invalid("the files are too many or too large")
                .hint(format!("at most {UNPACKED_FILES_MAX} files of {} MiB together", UNPACKED_BYTES_MAX >> 20)));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| invalid(&error))?;
        files.push((path, content));
    }
    Ok(MemoryTree::of(files))
}

/// The source and the revision that a request about a revision means.
fn source_of(application: &Application, request: &Value) -> Result<Source, ApiError> {
    let at = request.get("sourceIndex").and_then(Value::as_i64).unwrap_or(0);
    let version = request.get("versionId").and_then(Value::as_i64).filter(|version| *version > 0);
    let sources: Vec<Source> = match version {
        None => application.spec.sources().to_vec(),
        Some(id) => {
            let entry = application.status.history.iter().find(|entry| entry.id == id);
            let entry = entry.ok_or_else(|| ApiError::not_found(format!("revision not found for version ID {id}")))?;
            if entry.sources.is_empty() { entry.source.clone().into_iter().collect() } else { entry.sources.clone() }
        }
    };
    let place = usize::try_from(at).unwrap_or(0);
    sources.get(place).cloned().ok_or_else(|| {
        ApiError::invalid(format!("source index {at} not found: the application has {} sources", sources.len()))
    })
}

/// What a refusal of a source means to a caller.
pub(crate) fn source_error(error: &SourceError) -> ApiError {
    ApiError::precondition(error.summary()).hint(error.hint.clone())
}

/// Who wrote a commit, when and why.
pub(crate) async fn revision_metadata(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let application = held.application()?;
    let source = source_of(application, request)?;
    let revision = text(request, "revision");
    let project = application.spec.project();
    let repositories = &call.controller().repositories;
    let commit = match CommitId::parse(revision) {
        Ok(commit) => commit,
        Err(_) => {
            let freshness = landfall_flow::repositories::Freshness::Polled;
            let found = repositories.resolve(&source.repo_url, project, revision, &source.tag_prefix, freshness).await;
            found.map_err(|error| source_error(&error))?
        }
    };
    repositories.tree(&source.repo_url, project, &commit).await.map_err(|error| source_error(&error))?;
    let found = repositories.commit(&source.repo_url, project, &commit).await.map_err(|error| source_error(&error))?;
    let message = found.message.trim_end();
    // Long messages are cut: this is shown in one line. Source: Argo CD `server/application` (RevisionMetadata).
    let mut message: String = message.to_owned();
    if message.len() > 64 << 10 {
        message.truncate(message.floor_char_boundary(64 << 10));
    }
    Ok(lean(json!({
        "author": found.author.to_string(),
        "date": format!("{:.0}", found.authored_at),
        "message": message,
    }))
    .into())
}

/// What a chart says about itself.
pub(crate) async fn chart_details(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let application = held.application()?;
    let source = source_of(application, request)?;
    if source.chart.is_empty() {
        return Err(ApiError::invalid(format!("no chart found for application: {}", held.key.name)));
    }
    let controller = call.controller();
    let revision = text(request, "revision");
    let checkout =
        controller.charts.checkout(&controller.repositories, &source, application.spec.project(), Some(revision)).await;
    let checkout = checkout.map_err(|error| source_error(&error))?;
    let path = format!("{}/Chart.yaml", source.chart);
    let bytes = landfall_tree::read(&*checkout.tree, &path)
        .map_err(|error| ApiError::precondition(format!("{path}: {error}")))?;
    let bytes = bytes.ok_or_else(|| ApiError::precondition(format!("the chart has no {path}")))?;
    let read = landfall_yaml::read(&bytes, landfall_yaml::Resolver::Kubernetes)
        .map_err(|error| ApiError::precondition(format!("{path} is no YAML: {error}")))?;
    let chart = read.into_iter().next().unwrap_or_default();
    let maintainers: Vec<String> = chart["maintainers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|person| {
            let (name, email) = (text(person, "name"), text(person, "email"));
            if email.is_empty() { name.to_owned() } else { format!("{name} <{email}>") }
        })
        .collect();
    Ok(lean(json!({"description": chart["description"], "home": chart["home"], "maintainers": maintainers})).into())
}

/// What an OCI artifact says about itself: the notes on its manifest.
pub(crate) async fn oci_metadata(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let application = held.application()?;
    let source = source_of(application, request)?;
    if !source.repo_url.starts_with("oci://") {
        return Err(ApiError::invalid("the source is no OCI artifact"));
    }
    let controller = call.controller();
    let repository = controller.repositories.repository(&source.repo_url, application.spec.project());
    let artifact = controller.charts.artifact(&repository, text(request, "revision")).await;
    let artifact = artifact.map_err(|error| source_error(&error))?;
    let note = |name: &str| {
        let name = format!("org.opencontainers.image.{name}");
        artifact.annotations.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
    };
    Ok(lean(json!({
        "createdAt": note("created"), "authors": note("authors"), "imageUrl": note("url"), "docsUrl": note("documentation"),
        "sourceUrl": note("source"), "version": note("version"), "description": note("description"),
    }))
    .into())
}
