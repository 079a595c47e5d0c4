//! `landfall chart`: the chart side of helm: package, lint, pull, push, index, dependencies. The same input gives the same
//! bytes.

pub(crate) mod dependency;
mod index;
mod lint;
mod package;
mod pull;
mod push;

use clap::Subcommand;

use super::SUCCESS;
use crate::Outside;

/// What can be done with charts.
#[derive(Debug, Subcommand)]
pub enum ChartVerb {
    /// Make archives of charts.
    #[command(disable_version_flag = true)]
    Package(package::PackageArguments),
    /// Look for mistakes in charts.
    Lint(lint::LintArguments),
    /// Fetch a chart's archive from a repository or registry.
    #[command(visible_alias = "fetch", disable_version_flag = true)]
    Pull(pull::PullArguments),
    /// Upload a chart's archive to an OCI registry.
    Push(push::PushArguments),
    /// Write the index.yaml of a folder of archives.
    Index(index::IndexArguments),
    /// Work with the charts that a chart depends on.
    #[command(subcommand, visible_aliases = ["dep", "dependencies"])]
    Dependency(dependency::DependencyVerb),
}

/// Does it.
pub(super) async fn run(verb: ChartVerb, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        ChartVerb::Package(arguments) => package::run(arguments, outside).await?,
        ChartVerb::Lint(arguments) => return lint::run(&arguments, outside).await,
        ChartVerb::Pull(arguments) => pull::run(&arguments, outside).await?,
        ChartVerb::Push(arguments) => push::run(&arguments, outside).await?,
        ChartVerb::Index(arguments) => index::run(arguments, outside)?,
        ChartVerb::Dependency(verb) => dependency::run(verb, outside).await?,
    }
    Ok(SUCCESS)
}
