//! `landfall chart package`: as `helm package`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use landfall_helm::chart::Chart;
use landfall_helm::package;

use super::dependency;
use crate::Outside;
use crate::charts::ServerFlags;

/// Arguments of `landfall chart package`.
#[derive(Debug, Args)]
pub struct PackageArguments {
    /// The chart's folder, one or more.
    #[arg(required = true, value_name = "CHART_PATH")]
    charts: Vec<PathBuf>,
    /// Where the archive goes.
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    destination: PathBuf,
    /// Another version for the chart.
    #[arg(long)]
    version: Option<String>,
    /// Another version for what it installs.
    #[arg(long)]
    app_version: Option<String>,
    /// Fetch the charts it depends on first.
    #[arg(short = 'u', long)]
    dependency_update: bool,
    /// Sign the archive.
    #[arg(long)]
    sign: bool,
    #[command(flatten)]
    server: ServerFlags,
}

pub(super) async fn run(arguments: PackageArguments, outside: &dyn Outside) -> anyhow::Result<()> {
    if arguments.sign {
        bail!(
            "--sign: archives are not signed here\nhint: sign the digest with `gpg --detach-sign`, or push to a registry and sign there with cosign"
        );
    }
    let options = package::Options { version: arguments.version, app_version: arguments.app_version, modified_s: 0 };
    for path in arguments.charts {
        if arguments.dependency_update {
            dependency::update(&path, &arguments.server, outside).await?;
        }
        let (tree, folder) = outside.tree_around(&path)?;
        let packed = Chart::from_path(&*tree, &folder).and_then(|chart| package::package(&chart, &options));
        let packed = packed.with_context(|| format!("{} cannot be packaged", path.display()))?;
        outside.make_folder(&arguments.destination)?;
        let file = arguments.destination.join(&packed.file_name);
        outside.write(&file, &packed.content)?;
        let shown = outside.absolute(&file);
        outside.print(&format!("Successfully packaged chart and saved it to: {}\n", shown.display()))?;
    }
    Ok(())
}
