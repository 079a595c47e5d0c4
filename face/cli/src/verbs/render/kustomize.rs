//! `landfall render kustomize`: the flags and the output of `kustomize build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::{ArgAction, Args, ValueEnum};
use landfall_helm::Profile;
use landfall_kustomize::{
    AllowList, Answers, Built, ChartSource, LoadRestrictor, NativeCharts, Options, RemoteContent, Reorder, Session,
    build,
};
use landfall_tree::Tree;

use super::remotes;
use crate::Outside;
use crate::verbs::SUCCESS;

/// Arguments of `landfall render kustomize`.
#[derive(Debug, Args)]
pub(crate) struct KustomizeArguments {
    /// The folder of the kustomization, or a repository with a folder in it, as under `resources`.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Where files may be read from.
    #[arg(long, value_enum, default_value = "LoadRestrictionsRootOnly")]
    load_restrictor: Restrictor,
    /// Inflate charts (`helmCharts`).
    #[arg(long)]
    enable_helm: bool,
    /// The order of the output; what the kustomization says, or the legacy order, if left out.
    #[arg(long, value_enum)]
    reorder: Option<Order>,
    /// The file to write to, or the folder to write one file per object to.
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// Where remote resources may be fetched from: a host, as much of a path as wanted, or `*`.
    #[arg(long, value_name = "HOST[/PATH]", value_delimiter = ',')]
    allow_remote: Vec<String>,
    /// The version of Kubernetes that charts see.
    #[arg(long, value_name = "VERSION", default_value = "")]
    helm_kube_version: String,
    /// API versions that charts see.
    #[arg(long, value_name = "GROUP/VERSION", value_delimiter = ',')]
    helm_api_versions: Vec<String>,
    /// Label everything as managed by kustomize.
    #[arg(long)]
    enable_managedby_label: bool,
    /// Refused: plugins are programs, and none is run.
    #[arg(long, help_heading = "For programs, of which none is run")]
    enable_alpha_plugins: bool,
    /// Refused: functions are programs, and none is run.
    #[arg(long, help_heading = "For programs, of which none is run")]
    enable_exec: bool,
    /// Without effect: charts are rendered in this process.
    #[arg(long, value_name = "PROGRAM", default_value = "helm", help_heading = "For programs, of which none is run")]
    helm_command: String,
    /// Without effect: charts are rendered in this process.
    #[arg(long, help_heading = "For programs, of which none is run")]
    helm_debug: bool,
    /// Without effect: no function is run.
    #[arg(long, help_heading = "For programs, of which none is run")]
    as_current_user: bool,
    /// Without effect: no function is run.
    #[arg(short, long, value_name = "NAME=VALUE", action = ArgAction::Append, help_heading = "For programs, of which none is run")]
    env: Vec<String>,
    /// Without effect: no function is run.
    #[arg(long, value_name = "MOUNT", action = ArgAction::Append, help_heading = "For programs, of which none is run")]
    mount: Vec<String>,
    /// Without effect: no function is run.
    #[arg(long, help_heading = "For programs, of which none is run")]
    network: bool,
    /// Without effect: no function is run.
    #[arg(long, value_name = "NAME", default_value = "bridge", help_heading = "For programs, of which none is run")]
    network_name: String,
    /// Without effect: errors say where they are.
    #[arg(long, help_heading = "For programs, of which none is run")]
    stack_trace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Restrictor {
    /// In or below the folder of the kustomization.
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    /// Anywhere.
    #[value(name = "LoadRestrictionsNone")]
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// As it was read.
    None,
    /// Namespaces and definitions first, webhooks last.
    Legacy,
}

/// Builds and prints.
pub(super) async fn run(arguments: &KustomizeArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    for (is_set, flag, what) in [
        (arguments.enable_alpha_plugins, "--enable-alpha-plugins", "plugins"),
        (arguments.enable_exec, "--enable-exec", "functions"),
    ] {
        if is_set {
            bail!(
                "{flag} asks for {what} that are programs of their own, and none is run here\nhint: leave the flag out; built-in generators and transformers need none"
            );
        }
    }
    let options = options(arguments);
    let allowed = AllowList::of(&arguments.allow_remote);
    let built = built(arguments, &options, &allowed, outside).await?;
    for warning in &built.warnings {
        outside.tell(&format!("# Warning: {}", warning.trim_start_matches("# Warning: ")));
    }
    match &arguments.output {
        None => outside.print(&built.text())?,
        Some(path) if outside.names(path)?.is_some() => {
            for (name, text) in built.files() {
                outside.write(&path.join(name), text.as_bytes())?;
            }
        }
        Some(path) => outside.write(path, built.text().as_bytes())?,
    }
    Ok(SUCCESS)
}

fn options(arguments: &KustomizeArguments) -> Options {
    Options {
        reorder: match arguments.reorder {
            None => Reorder::Unspecified,
            Some(Order::None) => Reorder::None,
            Some(Order::Legacy) => Reorder::Legacy,
        },
        load_restrictor: match arguments.load_restrictor {
            Restrictor::RootOnly => LoadRestrictor::RootOnly,
            Restrictor::None => LoadRestrictor::None,
        },
        enable_helm: arguments.enable_helm,
        helm_kube_version: arguments.helm_kube_version.clone(),
        helm_api_versions: arguments.helm_api_versions.clone(),
        managed_by_label: arguments.enable_managedby_label,
    }
}

async fn built(
    arguments: &KustomizeArguments,
    options: &Options,
    allowed: &AllowList,
    outside: &dyn Outside,
) -> anyhow::Result<Built> {
    let session = Session::new();
    let place = arguments.folder.to_string_lossy();
    let is_here = outside.names(&arguments.folder)?.is_some();
    let given: Option<(Arc<dyn Tree>, String)> = match landfall_kustomize::remote_request(&place) {
        Some(_) if !is_here => None,
        _ => Some(outside.tree_around(Path::new(&*arguments.folder))?),
    };
    let built = remotes::attempt(outside, allowed, |answers: &Answers| -> anyhow::Result<Built> {
        let (tree, folder) = match &given {
            Some(given) => given.clone(),
            None => repository(&place, answers)?,
        };
        let fetch = |source: &ChartSource| answers.chart(source);
        let charts = NativeCharts { profile: Profile::Helm3, fetch: Some(&fetch) };
        let around = landfall_kustomize::Outside { remote: answers, charts: Some(&charts) };
        Ok(build(&*tree, &folder, options, &around, &session)?)
    });
    built.await?
}

/// The repository that the argument names instead of a folder.
fn repository(place: &str, answers: &Answers) -> anyhow::Result<(Arc<dyn Tree>, String)> {
    use landfall_kustomize::Remote as _;
    let Some(request) = landfall_kustomize::remote_request(place) else { bail!("{place} names no repository") };
    match answers.fetch(&request) {
        Ok(RemoteContent::Directory { tree, path }) => Ok((tree, path)),
        Ok(RemoteContent::File(_)) => bail!("{place} is a file, a folder with a kustomization is needed"),
        Err(reason) => bail!("cannot fetch {place}: {reason}"),
    }
}
