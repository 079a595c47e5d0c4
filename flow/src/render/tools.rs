//! Which tool renders a source, and how it is called.

use std::collections::BTreeMap;

use landfall_helm::Profile;

use landfall_helm::argocd::{Application, Files, Settings as HelmSettings};
use landfall_helm::chart::Chart;
use landfall_kustomize::argocd::Settings as KustomizeSettings;
use landfall_kustomize::{Answers, ChartSource, NativeCharts, Options, Outside, Session};
use landfall_model::application::Source;
use landfall_source::detect::{self, SourceType};
use landfall_source::{directory, overrides};
use landfall_tree::{Recording, Tree};
use serde_json::Value;

use super::host::RenderHost;
use super::{Input, RenderError, Rendered};
use crate::remotes;

/// What a render needs besides its input.
pub(super) struct Surroundings<'a> {
    pub(super) session: &'a Session,
    pub(super) host: RenderHost,
    pub(super) answers: &'a Answers,
}

/// Renders on recorded trees: the source's own first, then those of `references` in order.
pub(super) fn render(
    input: &Input,
    recordings: &[Recording<'_>],
    around: Surroundings<'_>,
) -> Result<Rendered, RenderError> {
    let tree: &dyn Tree = &recordings[0];
    let failed = |error: &dyn std::fmt::Display| RenderError(error.to_string());
    let folder = detect::folder(tree, &input.source.path).map_err(|error| failed(&error))?;
    let source = overrides::apply(tree, &folder, &input.application, &input.source).map_err(|error| failed(&error))?;
    let source_type = match input.is_chart {
        true => SourceType::Helm,
        false => detect::detect(tree, &folder, &source).map_err(|error| failed(&error))?,
    };
    match source_type {
        SourceType::Directory => plain(input, tree, &folder, &source),
        SourceType::Helm => helm(input, recordings, &folder, &source, around),
        SourceType::Kustomize => kustomize(input, tree, &folder, &source, around),
        SourceType::Plugin => Err(RenderError(
            "configuration management plugins are not run; commit what the plugin renders, or use helm, kustomize or directory".to_owned(),
        )),
    }
}

fn rendered(
    input: &Input,
    objects: Vec<Value>,
    source_type: SourceType,
    warnings: Vec<String>,
    is_deterministic: bool,
) -> Rendered {
    let pins = input.fetched.iter().map(|fetched| (remotes::name(&fetched.question), fetched.pin.clone())).collect();
    Rendered { objects, source_type, warnings, is_deterministic, revision: input.checkout.revision.clone(), pins }
}

fn plain(input: &Input, tree: &dyn Tree, folder: &str, source: &Source) -> Result<Rendered, RenderError> {
    let how = source.directory.clone().unwrap_or_default();
    let manifests = directory::objects(tree, folder, &how).map_err(|error| RenderError(error.to_string()))?;
    let objects = manifests.into_iter().map(|manifest| manifest.object).collect();
    Ok(rendered(input, objects, SourceType::Directory, Vec::new(), true))
}

fn helm(
    input: &Input,
    recordings: &[Recording<'_>],
    folder: &str,
    source: &Source,
    mut around: Surroundings<'_>,
) -> Result<Rendered, RenderError> {
    let tree: &dyn Tree = &recordings[0];
    let failed = |error: landfall_helm::error::Error| RenderError(error.to_string());
    let chart = Chart::from_tree(tree, folder).map_err(failed)?;
    let settings = HelmSettings::decode(source.helm.as_ref().unwrap_or(&Value::Null)).map_err(failed)?;
    let names = input.references.iter().map(|(name, _)| name.clone());
    let references: BTreeMap<String, &dyn Tree> =
        names.zip(recordings[1..].iter().map(|recording| recording as &dyn Tree)).collect();
    let no_address = |address: &str| -> Result<Vec<u8>, String> {
        Err(format!(
            "values files are not read from addresses ({address}); commit the file, or use a source with `ref`"
        ))
    };
    let files = Files { tree, chart_path: folder, references, remote: &no_address };
    let environment = environment(input, source);
    let application = Application {
        name: &input.application,
        namespace: &input.namespace,
        kube_version: &input.kube_version,
        api_versions: &input.api_versions,
        environment: &environment,
    };
    let request = settings.request(&application, &files, Profile::Helm3).map_err(failed)?;
    let output = landfall_helm::render::render(&chart, &request, &mut around.host).map_err(failed)?;
    let objects = output.objects().map(|sourced| sourced.object.clone()).collect();
    Ok(rendered(input, objects, SourceType::Helm, output.warnings.clone(), output.is_deterministic))
}

fn kustomize(
    input: &Input,
    tree: &dyn Tree,
    folder: &str,
    source: &Source,
    around: Surroundings<'_>,
) -> Result<Rendered, RenderError> {
    let failed = |error: landfall_kustomize::BuildError| RenderError(error.to_string());
    let settings = KustomizeSettings::decode(source.kustomize.as_ref().unwrap_or(&Value::Null)).map_err(failed)?;
    let overlaid = settings.apply(tree, folder, &environment(input, source)).map_err(failed)?;
    let flags = input.kustomize.as_ref().map_err(|reason| RenderError(reason.clone()))?;
    let options = settings.options(Options {
        helm_kube_version: input.kube_version.clone(),
        helm_api_versions: input.api_versions.to_vec(),
        ..flags.options.clone()
    });
    let fetch = |source: &ChartSource| around.answers.chart(source);
    let charts = NativeCharts { profile: Profile::Helm3, fetch: Some(&fetch) };
    let outside = Outside { remote: around.answers, charts: Some(&charts) };
    let built = landfall_kustomize::build(&overlaid, folder, &options, &outside, around.session).map_err(failed)?;
    let warnings = flags.warnings.iter().cloned().chain(built.warnings).collect();
    Ok(rendered(input, built.objects, SourceType::Kustomize, warnings, true))
}

/// The build environment. Source: Argo CD `docs/user-guide/build-environment.md`.
fn environment(input: &Input, source: &Source) -> BTreeMap<String, String> {
    let revision = &input.checkout.revision;
    let short = |length: usize| revision.get(..length).unwrap_or(revision).to_owned();
    let variables = [
        ("ARGOCD_APP_NAME", input.application.clone()),
        ("ARGOCD_APP_NAMESPACE", input.namespace.clone()),
        ("ARGOCD_APP_PROJECT_NAME", input.project.clone()),
        ("ARGOCD_APP_REVISION", revision.clone()),
        ("ARGOCD_APP_REVISION_SHORT", short(7)),
        ("ARGOCD_APP_REVISION_SHORT_8", short(8)),
        ("ARGOCD_APP_SOURCE_PATH", source.path.clone()),
        ("ARGOCD_APP_SOURCE_REPO_URL", source.repo_url.clone()),
        ("ARGOCD_APP_SOURCE_TARGET_REVISION", source.target_revision.clone()),
        ("KUBE_VERSION", input.kube_version.trim_start_matches('v').to_owned()),
        ("KUBE_API_VERSIONS", input.api_versions.join(",")),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
