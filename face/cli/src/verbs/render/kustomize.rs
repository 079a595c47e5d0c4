//! `landfall render kustomize`: the flags and the output of `kustomize build`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use landfall_kustomize::{LoadRestrictor, NativeCharts, Options, Reorder, Session, build};

use crate::Outside;
use crate::verbs::SUCCESS;

/// Arguments of `landfall render kustomize`.
#[derive(Debug, Args)]
pub(crate) struct KustomizeArguments {
    /// The folder of the kustomization.
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
    /// The version of Kubernetes that charts see.
    #[arg(long, default_value = "")]
    helm_kube_version: String,
    /// API versions that charts see.
    #[arg(long, value_delimiter = ',')]
    helm_api_versions: Vec<String>,
    /// Label everything as managed by kustomize.
    #[arg(long)]
    enable_managedby_label: bool,
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
pub(super) fn run(arguments: &KustomizeArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let options = Options {
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
    };
    let (tree, folder) = outside.tree_around(&arguments.folder)?;
    let charts = NativeCharts::default();
    let around = landfall_kustomize::Outside { charts: Some(&charts), ..landfall_kustomize::Outside::default() };
    let built = build(&*tree, &folder, &options, &around, &Session::new())?;
    for warning in &built.warnings {
        outside.tell(&format!("# Warning: {warning}"));
    }
    outside.print(&built.text())?;
    Ok(SUCCESS)
}
