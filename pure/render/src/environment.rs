//! The build environment: `ARGOCD_APP_NAME` and its relatives.

use std::collections::BTreeMap;

use landfall_model::application::Source;

use crate::Request;

/// The variables of a render. Source: Argo CD `docs/user-guide/build-environment.md`.
pub(crate) fn of(request: &Request<'_>, source: &Source) -> BTreeMap<String, String> {
    let revision = request.revision;
    let short = |length: usize| revision.get(..length).unwrap_or(revision).to_owned();
    let variables = [
        ("ARGOCD_APP_NAME", request.application.to_owned()),
        ("ARGOCD_APP_NAMESPACE", request.namespace.to_owned()),
        ("ARGOCD_APP_PROJECT_NAME", request.project.to_owned()),
        ("ARGOCD_APP_REVISION", revision.to_owned()),
        ("ARGOCD_APP_REVISION_SHORT", short(7)),
        ("ARGOCD_APP_REVISION_SHORT_8", short(8)),
        ("ARGOCD_APP_SOURCE_PATH", source.path.clone()),
        ("ARGOCD_APP_SOURCE_REPO_URL", source.repo_url.clone()),
        ("ARGOCD_APP_SOURCE_TARGET_REVISION", source.target_revision.clone()),
        ("KUBE_VERSION", request.kube_version.trim_start_matches('v').to_owned()),
        ("KUBE_API_VERSIONS", request.api_versions.join(",")),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
