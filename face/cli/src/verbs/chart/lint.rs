//! `landfall chart lint`: as `helm lint`.

use std::path::{Path, PathBuf};

use clap::Args;
use landfall_helm::Profile;
use landfall_helm::capabilities::KubeVersion;
use landfall_helm::chart::Chart;
use landfall_helm::lint::{self, Severity};
use landfall_tree::MemoryTree;

use crate::Outside;
use crate::charts::ServerFlags;
use crate::verbs::render::values::ValueFlags;
use crate::verbs::{FAILURE, SUCCESS};

/// Arguments of `landfall chart lint`.
#[derive(Debug, Args)]
pub struct LintArguments {
    /// Charts: folders or archives.
    #[arg(default_value = ".", value_name = "PATH")]
    charts: Vec<PathBuf>,
    #[command(flatten)]
    values: ValueFlags,
    /// The version of Kubernetes that charts see and that deprecations are judged by.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// The namespace that charts see.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Print warnings and errors only.
    #[arg(long)]
    quiet: bool,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// Do not check values against the chart's schema.
    #[arg(long)]
    skip_schema_validation: bool,
    /// Look at the charts in charts/ too.
    #[arg(long)]
    with_subcharts: bool,
    /// Which Helm to be: helm3 or helm4.
    #[arg(long, default_value = "helm3", value_parser = crate::verbs::render::values::profile)]
    profile: Profile,
}

pub(super) async fn run(arguments: &LintArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let profile = arguments.profile;
    let kube_version = arguments.kube_version.as_ref().map(|version| KubeVersion::parse(version, profile));
    let options = lint::Options {
        values: arguments.values.merged(profile, &ServerFlags::default(), outside).await?,
        namespace: arguments.namespace.clone(),
        kube_version: kube_version.transpose()?,
        skip_schema_validation: arguments.skip_schema_validation,
        profile,
        shown_folder: String::new(),
    };
    let mut charts = arguments.charts.clone();
    if arguments.with_subcharts {
        for path in &arguments.charts {
            charts.extend(below(path, outside)?);
        }
    }
    let lowest = if arguments.strict { Severity::Warning } else { Severity::Error };
    let (mut failed, mut noticed) = (0, 0);
    let mut text = String::new();
    for path in &charts {
        let (messages, error) = match lint_one(path, &options, outside) {
            Ok(messages) => (messages, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let is_noticed = error.is_some() || messages.iter().any(|message| message.severity > Severity::Info);
        noticed += usize::from(is_noticed);
        if arguments.quiet && !is_noticed {
            continue;
        }
        text.push_str(&format!("==> Linting {}\n", path.display()));
        if let Some(error) = &error {
            text.push_str(&format!("Error {error:#}\n"));
        }
        for message in messages.iter().filter(|message| !arguments.quiet || message.severity > Severity::Info) {
            text.push_str(&format!("{message}\n"));
        }
        failed += usize::from(error.is_some() || messages.iter().any(|message| message.severity >= lowest));
        text.push('\n');
    }
    outside.print(&text)?;
    let summary = format!("{} chart(s) linted, {failed} chart(s) failed", charts.len());
    if failed > 0 {
        outside.tell(&format!("Error: {summary}"));
        return Ok(FAILURE);
    }
    if !arguments.quiet || noticed > 0 {
        outside.print(&format!("{summary}\n"))?;
    }
    Ok(SUCCESS)
}

fn lint_one(path: &Path, options: &lint::Options, outside: &dyn Outside) -> anyhow::Result<Vec<lint::Message>> {
    let is_archive = path.extension().is_some_and(|extension| extension == "tgz" || extension == "gz");
    let shown_folder = outside.absolute(path).display().to_string();
    let options = lint::Options { shown_folder, ..options.clone() };
    if is_archive {
        let unpacked: MemoryTree = Chart::unpack(&outside.read(path)?, "")?;
        return Ok(lint::lint(&unpacked, "", &options)?);
    }
    let (tree, folder) = outside.tree_around(path)?;
    Ok(lint::lint(&*tree, &folder, &options)?)
}

/// The charts in `charts/`, folders and archives, however deep.
fn below(path: &Path, outside: &dyn Outside) -> anyhow::Result<Vec<PathBuf>> {
    let Ok((tree, folder)) = outside.tree_around(path) else { return Ok(Vec::new()) };
    let start = landfall_tree::join(&folder, "charts");
    if tree.kind(&start)?.is_none() {
        return Ok(Vec::new());
    }
    let files = landfall_tree::files_below(&*tree, &start)?;
    let relative = |file: &str| file.strip_prefix(&folder).unwrap_or(file).trim_start_matches('/').to_owned();
    let found = files.iter().filter_map(|file| match file.strip_suffix("/Chart.yaml") {
        Some(folder) => Some(path.join(relative(folder))),
        None => file.ends_with(".tgz").then(|| path.join(relative(file))),
    });
    Ok(found.collect())
}
