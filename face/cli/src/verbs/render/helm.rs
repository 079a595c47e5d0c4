//! `landfall render helm`: the flags and the output of `helm template`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use landfall_helm::Profile;
use landfall_helm::capabilities::KubeVersion;
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
use landfall_helm::values::{Layers, ValuesFile};

use super::source::TemplateHost;
use crate::Outside;
use crate::verbs::SUCCESS;

/// Arguments of `landfall render helm`.
#[derive(Debug, Args)]
pub(crate) struct HelmArguments {
    /// The chart: a folder or an archive.
    chart: PathBuf,
    /// The release's name.
    #[arg(default_value = "release-name")]
    name: String,
    /// The release's namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Values files, lowest first.
    #[arg(short = 'f', long, value_name = "FILE", value_delimiter = ',')]
    values: Vec<PathBuf>,
    /// Values: a.b=1,c={x,y}.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Values that are strings.
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// Values that are JSON.
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Values that files hold.
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// Values that are taken as they stand.
    #[arg(long, value_name = "KEY=VALUE")]
    set_literal: Vec<String>,
    /// The version of Kubernetes that charts see.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// More API versions that charts see.
    #[arg(short, long, value_name = "GROUP/VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Print the definitions of crds/ too.
    #[arg(long)]
    include_crds: bool,
    /// Leave hooks out that are tests.
    #[arg(long)]
    skip_tests: bool,
    /// Leave hooks out.
    #[arg(long)]
    no_hooks: bool,
    /// Be an upgrade rather than an installation.
    #[arg(long)]
    is_upgrade: bool,
    /// Print only what these templates render, paths below the chart.
    #[arg(short, long, value_name = "TEMPLATE", value_delimiter = ',')]
    show_only: Vec<String>,
    /// Do not check values against the chart's schema.
    #[arg(long)]
    skip_schema_validation: bool,
    /// Which Helm to be.
    #[arg(long, value_enum, default_value = "helm3")]
    profile: ProfileName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProfileName {
    /// Helm 3.
    Helm3,
    /// Helm 4.
    Helm4,
}

/// Renders and prints.
pub(super) fn run(arguments: &HelmArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let profile = match arguments.profile {
        ProfileName::Helm3 => Profile::Helm3,
        ProfileName::Helm4 => Profile::Helm4,
    };
    let (tree, path) = outside.tree_around(&arguments.chart)?;
    let chart = Chart::from_path(&*tree, &path)
        .with_context(|| format!("{} cannot be loaded as a chart", arguments.chart.display()))?;
    let mut request = Request::new(&arguments.name, &arguments.namespace, profile);
    let read_file = |file: &str| -> Result<String, String> {
        let content = outside.read(Path::new(file)).map_err(|error| format!("{error:#}"))?;
        String::from_utf8(content).map_err(|_| format!("{file} is no UTF-8 text"))
    };
    request.values = layers(arguments, outside)?.merge(profile, &read_file)?;
    if let Some(version) = &arguments.kube_version {
        request.capabilities.kube_version = KubeVersion::parse(version, profile)?;
    }
    request.capabilities.api_versions.extend(arguments.api_versions.iter().cloned());
    request.include_crds = arguments.include_crds;
    request.skip_tests = arguments.skip_tests;
    request.is_upgrade = arguments.is_upgrade;
    request.skip_schema_validation = arguments.skip_schema_validation;
    let mut host = TemplateHost::of(outside.now(), outside.random()?);
    let mut rendered = render(&chart, &request, &mut host)?;
    if arguments.no_hooks {
        rendered.hooks.clear();
    }
    for warning in chart.warnings.iter().chain(&rendered.warnings) {
        outside.tell(&format!("WARNING: {warning}"));
    }
    let text = match arguments.show_only.is_empty() {
        true => rendered.text(),
        false => rendered.text_of(&arguments.show_only, profile)?,
    };
    outside.print(&text)?;
    Ok(SUCCESS)
}

fn layers(arguments: &HelmArguments, outside: &dyn Outside) -> anyhow::Result<Layers> {
    let mut files = Vec::new();
    for path in &arguments.values {
        files.push(ValuesFile { name: path.display().to_string(), content: outside.read(path)? });
    }
    Ok(Layers {
        files,
        set_json: arguments.set_json.clone(),
        set: arguments.set.clone(),
        set_string: arguments.set_string.clone(),
        set_file: arguments.set_file.clone(),
        set_literal: arguments.set_literal.clone(),
    })
}
