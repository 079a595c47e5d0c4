//! What stands in a repository: the folders that can be applications, and what is known of one of them.

use landfall_api::error::ApiError;
use landfall_flow::repositories::Freshness;
use landfall_source::detect::SourceType;
use serde_json::{Value, json};

use super::manifests::source_error;
use super::repositories::reachable;
use crate::api::call::{Call, Outcome, lean, text};

/// Lists the folders that hold a chart or a kustomization. Source: Argo CD `reposerver/repository` (ListApps).
pub(crate) async fn list(call: &Call, request: &Value) -> Outcome {
    reachable(call, request)?;
    let (url, project, revision) = (text(request, "repo"), text(request, "appProject"), text(request, "revision"));
    let repositories = &call.controller().repositories;
    let commit = repositories.resolve(url, project, revision, "", Freshness::Polled).await;
    let commit = commit.map_err(|error| source_error(&error))?;
    let tree = repositories.tree(url, project, &commit).await.map_err(|error| source_error(&error))?;
    let found = tokio::task::spawn_blocking(move || super::folders::walk(&*tree)).await;
    let found = found
        .map_err(|_| ApiError::internal("reading the repository failed with a fault of ours; please report it"))?;
    let found = found.map_err(ApiError::precondition)?;
    let items: Vec<Value> = found.iter().map(|(path, kind)| json!({"path": path, "type": kind.as_str()})).collect();
    Ok(lean(json!({"items": items})).into())
}

/// Says what is known of a folder or a chart before an application is made of it.
pub(crate) async fn details(call: &Call, request: &Value) -> Outcome {
    let source = request.get("source").cloned().unwrap_or_default();
    let source: landfall_model::application::Source =
        serde_json::from_value(source).map_err(|error| ApiError::invalid(format!("source cannot be read: {error}")))?;
    let project = text(request, "appProject").to_owned();
    reachable(call, &json!({"repo": source.repo_url, "appProject": project}))?;
    let controller = call.controller();
    let (tree, path) = if source.chart.is_empty() {
        let repositories = &controller.repositories;
        let url = &source.repo_url;
        let commit =
            repositories.resolve(url, &project, &source.target_revision, &source.tag_prefix, Freshness::Polled).await;
        let commit = commit.map_err(|error| source_error(&error))?;
        let tree = repositories.tree(url, &project, &commit).await.map_err(|error| source_error(&error))?;
        (tree, source.path.clone())
    } else {
        let checkout = controller.charts.checkout(&controller.repositories, &source, &project, None).await;
        (checkout.map_err(|error| source_error(&error))?.tree, source.chart.clone())
    };
    let read = tokio::task::spawn_blocking(move || super::folders::describe(&*tree, &path)).await;
    let read =
        read.map_err(|_| ApiError::internal("reading the repository failed with a fault of ours; please report it"))?;
    let (kind, described) = read.map_err(ApiError::precondition)?;
    let field = match kind {
        SourceType::Helm => "helm",
        SourceType::Kustomize => "kustomize",
        SourceType::Plugin => "plugin",
        SourceType::Directory => "directory",
    };
    let mut answer = json!({"type": kind.as_str()});
    answer[field] = described;
    Ok(answer.into())
}
