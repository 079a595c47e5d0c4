//! `landfall chart package|index`: as `helm package` and `helm repo index`, but the same input gives the same bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use landfall_helm::chart::Chart;
use landfall_helm::{index, package};
use landfall_tree::join;

use super::SUCCESS;
use crate::Outside;

/// What can be done with charts.
#[derive(Debug, Subcommand)]
pub enum ChartVerb {
    /// Make an archive of a chart.
    Package {
        /// The chart's folder, one or more.
        #[arg(required = true, value_name = "CHART")]
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
    },
    /// Write the index.yaml of a folder of archives.
    Index {
        /// The folder.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Put before every file's name.
        #[arg(long, default_value = "")]
        url: String,
        /// An index whose other entries are kept.
        #[arg(long, value_name = "FILE")]
        merge: Option<PathBuf>,
    },
}

/// Does it.
pub(super) fn run(verb: ChartVerb, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        ChartVerb::Package { charts, destination, version, app_version } => {
            let options = package::Options { version, app_version, modified_s: 0 };
            for path in charts {
                let (tree, folder) = outside.tree_around(&path)?;
                let packed = Chart::from_path(&*tree, &folder).and_then(|chart| package::package(&chart, &options));
                let packed = packed.with_context(|| format!("{} cannot be packaged", path.display()))?;
                let file = destination.join(&packed.file_name);
                outside.write(&file, &packed.content)?;
                outside.print(&format!("Successfully packaged chart and saved it to: {}\n", file.display()))?;
            }
        }
        ChartVerb::Index { folder, url, merge } => {
            let (tree, inside) = outside.tree_around(&folder)?;
            let mut archives = BTreeMap::new();
            let prefix = join(&inside, "");
            for path in landfall_tree::files_below(&*tree, &inside)? {
                let relative = path.strip_prefix(prefix.as_str()).unwrap_or(&path).trim_start_matches('/').to_owned();
                // As the reference: archives here and one folder below.
                if relative.ends_with(".tgz")
                    && relative.matches('/').count() <= 1
                    && let Some(content) = tree.file(&path)?
                {
                    archives.insert(relative, content.to_vec());
                }
            }
            let merge = merge.map(|file| outside.read(&file)).transpose()?;
            let generated = outside.now().to_string();
            let (text, left_out) = index::index(&archives, &index::Options { base_url: url, generated, merge })
                .with_context(|| format!("{} cannot be indexed", folder.display()))?;
            for reason in left_out {
                outside.tell(&format!("left out {reason}"));
            }
            if archives.is_empty() {
                bail!("{} holds no chart archive\nhint: `landfall chart package` makes them", folder.display());
            }
            outside.write(&folder.join("index.yaml"), text.as_bytes())?;
        }
    }
    Ok(SUCCESS)
}
