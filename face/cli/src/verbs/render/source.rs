//! One source of an Application, rendered from files of this machine, as the controller renders it from Git.

use std::collections::BTreeMap;

use anyhow::bail;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_gotemplate::context::Host;
use landfall_helm::Profile;
use landfall_helm::argocd::{Application, Files, Settings as HelmSettings};
use landfall_helm::chart::Chart;
use landfall_kustomize::argocd::Settings as KustomizeSettings;
use landfall_kustomize::{
    Answers, BuildFlags, ChartSource, NativeCharts, Options, Outside as KustomizeOutside, Session,
};
use landfall_model::application::Source;
use landfall_source::detect::{self, SourceType};
use landfall_source::{directory, overrides};
use landfall_tree::Tree;
use serde_json::Value;

/// What is rendered, and for whom.
pub(crate) struct Request {
    /// The application's name.
    pub(crate) application: String,
    /// The destination namespace.
    pub(crate) namespace: String,
    /// The project.
    pub(crate) project: String,
    /// The source; its path is one of the tree.
    pub(crate) source: Source,
    /// The commit, as far as it is known.
    pub(crate) revision: String,
    /// The cluster's version; `""` is the renderer's default.
    pub(crate) kube_version: String,
    /// What the cluster serves.
    pub(crate) api_versions: Vec<String>,
    /// The moment, for templates that ask.
    pub(crate) now: Timestamp,
    /// Where templates' randomness comes from.
    pub(crate) random: [u8; 32],
    /// The flags that kustomize is given.
    pub(crate) flags: BuildFlags,
}

/// What came out.
pub(crate) struct Rendered {
    /// The objects in order.
    pub(crate) objects: Vec<Value>,
    /// What should be known.
    pub(crate) warnings: Vec<String>,
}

/// Renders. Errors: those of the tools, which say what, where, why and what to do.
///
/// `answers` holds what was fetched for kustomizations and notes what has to be; `session` keeps what was parsed between
/// attempts.
pub(crate) fn render(
    tree: &dyn Tree,
    request: &Request,
    answers: &Answers,
    session: &Session,
) -> anyhow::Result<Rendered> {
    let folder = detect::folder(tree, &request.source.path)?;
    let source = overrides::apply(tree, &folder, &request.application, &request.source)?;
    match detect::detect(tree, &folder, &source)? {
        SourceType::Directory => {
            let how = source.directory.clone().unwrap_or_default();
            let manifests = directory::objects(tree, &folder, &how)?;
            Ok(Rendered {
                objects: manifests.into_iter().map(|manifest| manifest.object).collect(),
                warnings: Vec::new(),
            })
        }
        SourceType::Helm => helm(tree, &folder, &source, request),
        SourceType::Kustomize => {
            let settings = KustomizeSettings::decode(source.kustomize.as_ref().unwrap_or(&Value::Null))?;
            let overlaid = settings.apply(tree, &folder, &environment(request, &source))?;
            let options = settings.options(Options {
                helm_kube_version: request.kube_version.clone(),
                helm_api_versions: request.api_versions.clone(),
                ..request.flags.options.clone()
            });
            let fetch = |source: &ChartSource| answers.chart(source);
            let charts = NativeCharts { profile: Profile::Helm3, fetch: Some(&fetch) };
            let outside = KustomizeOutside { remote: answers, charts: Some(&charts) };
            let built = landfall_kustomize::build(&overlaid, &folder, &options, &outside, session)?;
            let warnings = request.flags.warnings.iter().cloned().chain(built.warnings).collect();
            Ok(Rendered { objects: built.objects, warnings })
        }
        SourceType::Plugin => bail!(
            "configuration management plugins are not run\nhint: commit what the plugin renders, or use helm, kustomize or directory"
        ),
    }
}

fn helm(tree: &dyn Tree, folder: &str, source: &Source, request: &Request) -> anyhow::Result<Rendered> {
    let chart = Chart::from_tree(tree, folder)?;
    let settings = HelmSettings::decode(source.helm.as_ref().unwrap_or(&Value::Null))?;
    let no_address = |address: &str| -> Result<Vec<u8>, String> {
        Err(format!("values files are not read from addresses ({address}); name a file"))
    };
    let files = Files { tree, chart_path: folder, references: BTreeMap::new(), remote: &no_address };
    let environment = environment(request, source);
    let application = Application {
        name: &request.application,
        namespace: &request.namespace,
        kube_version: &request.kube_version,
        api_versions: &request.api_versions,
        environment: &environment,
    };
    let mut helm_request = settings.request(&application, &files, Profile::Helm3)?;
    if request.kube_version.is_empty() && settings.kube_version.is_empty() {
        let offline = landfall_helm::capabilities::Capabilities::offline(Profile::Helm3);
        helm_request.capabilities.kube_version = offline.kube_version;
    }
    let mut host = TemplateHost::of(request.now, request.random);
    let output = landfall_helm::render::render(&chart, &helm_request, &mut host)?;
    let objects = output.objects().map(|sourced| sourced.object.clone()).collect();
    Ok(Rendered { objects, warnings: output.warnings })
}

/// The build environment. Source: Argo CD `docs/user-guide/build-environment.md`.
fn environment(request: &Request, source: &Source) -> BTreeMap<String, String> {
    let revision = &request.revision;
    let short = |length: usize| revision.get(..length).unwrap_or(revision).to_owned();
    let variables = [
        ("ARGOCD_APP_NAME", request.application.clone()),
        ("ARGOCD_APP_NAMESPACE", request.namespace.clone()),
        ("ARGOCD_APP_PROJECT_NAME", request.project.clone()),
        ("ARGOCD_APP_REVISION", revision.clone()),
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

/// Answers templates that ask for the time and for randomness; never for a cluster.
pub(crate) struct TemplateHost {
    now: Timestamp,
    random: [u8; 32],
}

impl TemplateHost {
    /// Makes one. `random` is the seed of everything random in the render.
    pub(crate) fn of(now: Timestamp, random: [u8; 32]) -> Self {
        Self { now, random }
    }
}

impl Host for TemplateHost {
    fn now(&self) -> jiff::Zoned {
        self.now.to_zoned(TimeZone::UTC)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        // Asked once per render, for a seed of this size or less.
        for (byte, random) in bytes.iter_mut().zip(self.random.iter().cycle()) {
            *byte = *random;
        }
    }
}
