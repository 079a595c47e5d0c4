//! `landfall render`: manifests of a folder, a chart or a kustomization, without any cluster.

mod helm;
mod kustomize;
pub(crate) mod remotes;
pub(crate) mod source;
pub(crate) mod values;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use landfall_helm::Profile;
use landfall_kustomize::{AllowList, BuildFlags, Session};
use landfall_model::application::{DirectorySource, Source};

use super::SUCCESS;
use crate::Outside;
use crate::output::format;

/// Arguments of `landfall render`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RenderArguments {
    #[command(subcommand)]
    tool: Option<Tool>,
    /// The folder.
    #[arg(value_name = "DIR", required = true)]
    folder: Option<PathBuf>,
    /// The application's name: a chart's release name; the folder's name if left out.
    #[arg(long)]
    name: Option<String>,
    /// The destination namespace: a chart's release namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Read folders below too, in a folder of plain manifests.
    #[arg(long)]
    recurse: bool,
    /// Where a kustomization may fetch remote resources from: a host, as much of a path as wanted, or `*`.
    #[arg(long, value_name = "HOST[/PATH]", value_delimiter = ',')]
    allow_remote: Vec<String>,
    /// Flags of `kustomize build` for a kustomization, as in Argo CD's kustomize.buildOptions: "--enable-helm".
    #[arg(long, value_name = "FLAGS", default_value = "", allow_hyphen_values = true)]
    kustomize_build_options: String,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per run")]
enum Tool {
    /// Render a chart as `helm template` does.
    #[command(disable_version_flag = true, visible_alias = "template")]
    Helm(helm::HelmArguments),
    /// Build a kustomization as `kustomize build` does.
    Kustomize(kustomize::KustomizeArguments),
}

/// Renders and prints.
pub(super) async fn run(arguments: RenderArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    match (arguments.tool, arguments.folder) {
        (Some(Tool::Helm(helm)), _) => helm::run(&helm, outside).await,
        (Some(Tool::Kustomize(kustomize)), _) => kustomize::run(&kustomize, outside).await,
        (None, folder) => {
            let folder = folder.unwrap_or_else(|| PathBuf::from("."));
            let (tree, path) = outside.tree_around(&folder)?;
            let own_name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("app").to_owned();
            let directory = arguments.recurse.then(|| DirectorySource { recurse: true, ..DirectorySource::default() });
            let request = source::Request {
                application: arguments.name.unwrap_or(own_name),
                namespace: arguments.namespace,
                project: "default".to_owned(),
                source: Source { path, directory, ..Source::default() },
                revision: String::new(),
                kube_version: String::new(),
                api_versions: Vec::new(),
                profile: Profile::default(),
                now: outside.now(),
                random: outside.random()?,
                flags: BuildFlags::parse(arguments.kustomize_build_options.split_whitespace())
                    .map_err(anyhow::Error::msg)?,
            };
            let allowed = AllowList::of(&arguments.allow_remote);
            let session = Session::new();
            let rendered =
                remotes::attempt(outside, &allowed, |answers| source::render(&*tree, &request, answers, &session))
                    .await??;
            for warning in &rendered.warnings {
                outside.tell(&format!("warning: {warning}"));
            }
            outside.print(&format::documents(&rendered.objects))?;
            Ok(SUCCESS)
        }
    }
}
