//! `landfall chart pull`: as `helm pull`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use landfall_helm::chart::Chart;

use crate::Outside;
use crate::charts::{self, ChartFlags};

/// Arguments of `landfall chart pull`.
#[derive(Debug, Args)]
pub struct PullArguments {
    /// oci://…, an address, REPOSITORY/NAME, or NAME with --repo; one or more.
    #[arg(required = true, value_name = "CHART")]
    charts: Vec<String>,
    #[command(flatten)]
    flags: ChartFlags,
    /// Where the archive goes.
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    destination: PathBuf,
    /// Unpack the archive instead of keeping it.
    #[arg(long)]
    untar: bool,
    /// The folder to unpack into, below --destination.
    #[arg(long, default_value = ".", value_name = "DIR")]
    untardir: PathBuf,
    /// Fetch the provenance file too.
    #[arg(long)]
    prov: bool,
}

pub(super) async fn run(arguments: &PullArguments, outside: &dyn Outside) -> anyhow::Result<()> {
    if arguments.prov {
        bail!("--prov: provenance files are not fetched here\nhint: fetch ARCHIVE.prov beside the archive");
    }
    for reference in &arguments.charts {
        let fetched = charts::fetch(reference, &arguments.flags, outside).await?;
        if let Some((shown, digest)) = &fetched.pulled {
            outside.tell(&format!("Pulled: {shown}\nDigest: {digest}"));
        }
        if !arguments.untar {
            outside.make_folder(&arguments.destination)?;
            outside.write(&arguments.destination.join(&fetched.file_name), &fetched.archive)?;
            continue;
        }
        let name = Chart::from_archive(&fetched.archive)?.metadata.name;
        let folder = arguments.destination.join(&arguments.untardir).join(&name);
        if outside.names(&folder)?.is_some_and(|names| !names.is_empty()) {
            bail!("failed to untar: a file or directory with the name {} already exists", folder.display());
        }
        for (path, content) in Chart::unpack(&fetched.archive, "")?.files {
            let file = folder.join(path);
            if let Some(parent) = file.parent() {
                outside.make_folder(parent)?;
            }
            outside.write(&file, &content)?;
        }
    }
    Ok(())
}
