//! `landfall render helm`: the flags and the output of `helm template`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use landfall_gotemplate::context::{Context, NoHost, Options};
use landfall_gotemplate::function::Functions;
use landfall_gotemplate::template::{self, TemplateSet};
use landfall_gotemplate::value::Value;
use landfall_helm::Profile;
use landfall_helm::capabilities::KubeVersion;
use landfall_helm::error::ErrorKind;
use landfall_helm::render::{Rendered, Request, render, render_files};

use super::source::TemplateHost;
use super::values::{ValueFlags, profile};
use crate::Outside;
use crate::charts::{self, ChartFlags};
use crate::verbs::SUCCESS;
use crate::verbs::chart::dependency;

/// Arguments of `landfall render helm`.
#[derive(Debug, Args)]
pub(crate) struct HelmArguments {
    /// The chart (a folder, an archive, an address, oci://…, REPOSITORY/NAME) and the release's name, in either order.
    #[arg(value_name = "CHART [NAME]", required = true, num_args = 1..=2)]
    chart_and_name: Vec<String>,
    /// The release's name, where it is not given beside the chart.
    #[arg(long)]
    name: Option<String>,
    /// The release's namespace.
    #[arg(short, long, default_value = "default", env = "HELM_NAMESPACE", hide_env = true)]
    namespace: String,
    #[command(flatten)]
    values: ValueFlags,
    #[command(flatten)]
    chart: ChartFlags,
    /// The version of Kubernetes that charts see.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// More API versions that charts see.
    #[arg(short, long, value_name = "GROUP/VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Print the definitions of crds/ too.
    #[arg(long)]
    include_crds: bool,
    /// Never print the definitions of crds/.
    #[arg(long)]
    skip_crds: bool,
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
    #[arg(short, long, value_name = "TEMPLATE")]
    show_only: Vec<String>,
    /// Write files below this folder instead of printing.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Write them below a folder of the release's name in it.
    #[arg(long)]
    release_name: bool,
    /// A template for the release's name.
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Take the default name; accepted because helm has it.
    #[arg(short, long)]
    generate_name: bool,
    /// Fetch the charts it depends on first, if they are not there.
    #[arg(long)]
    dependency_update: bool,
    /// Do not check values against the chart's schema.
    #[arg(long)]
    skip_schema_validation: bool,
    /// Resolve names for templates that ask.
    #[arg(long)]
    enable_dns: bool,
    /// Print what was rendered even if it is no YAML, and tell more.
    #[arg(long, env = "HELM_DEBUG", hide_env = true)]
    debug: bool,
    /// Which Helm to be: helm3 or helm4.
    #[arg(long, default_value = "helm3", value_parser = profile)]
    profile: Profile,
    #[command(flatten)]
    refused: RefusedFlags,
    #[command(flatten)]
    idle: IdleFlags,
}

/// Flags of `helm template` that need something which is not here.
#[derive(Debug, Default, Args)]
struct RefusedFlags {
    #[arg(long, hide = true)]
    validate: bool,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "client", require_equals = true)]
    dry_run: Option<String>,
    #[arg(long, hide = true)]
    post_renderer: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    post_renderer_args: Vec<String>,
}

/// Flags of `helm template` that do nothing there either: they are about installing.
#[derive(Debug, Default, Args)]
struct IdleFlags {
    #[arg(long, hide = true)]
    atomic: bool,
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    description: Option<String>,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    #[arg(long, hide = true)]
    force: bool,
    #[arg(long, hide = true)]
    force_conflicts: bool,
    #[arg(long, hide = true)]
    force_replace: bool,
    #[arg(long, hide = true)]
    hide_notes: bool,
    #[arg(short, long, hide = true)]
    labels: Vec<String>,
    #[arg(long, hide = true)]
    render_subchart_notes: bool,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, hide = true)]
    rollback_on_failure: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_side: Option<String>,
    #[arg(long, hide = true)]
    take_ownership: bool,
    #[arg(long, hide = true)]
    timeout: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "watcher")]
    wait: Option<String>,
    #[arg(long, hide = true)]
    wait_for_jobs: bool,
    #[arg(long, hide = true)]
    kubeconfig: Option<PathBuf>,
    #[arg(long, hide = true)]
    kube_context: Option<String>,
    #[arg(long, hide = true)]
    repository_cache: Option<PathBuf>,
    #[arg(long, hide = true)]
    content_cache: Option<PathBuf>,
    #[arg(long, hide = true)]
    burst_limit: Option<String>,
    #[arg(long, hide = true)]
    qps: Option<String>,
}

impl RefusedFlags {
    fn check(&self) -> anyhow::Result<()> {
        if self.validate || self.dry_run.as_deref() == Some("server") {
            bail!(
                "--validate and --dry-run=server ask a cluster, and rendering never does\nhint: `landfall app diff` compares with a cluster; `kubectl apply --dry-run=server -f -` validates what is printed here"
            );
        }
        if self.post_renderer.is_some() || !self.post_renderer_args.is_empty() {
            bail!(
                "--post-renderer runs a program, and rendering never does\nhint: pipe what is printed here into the program, or put a kustomization around the chart"
            );
        }
        Ok(())
    }
}

/// Renders and prints.
pub(super) async fn run(arguments: &HelmArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    arguments.refused.check()?;
    let profile = arguments.profile;
    let (reference, name) = chart_and_name(arguments, outside)?;
    let mut request = Request::new(name, &arguments.namespace, profile);
    if let Some(version) = &arguments.kube_version {
        request.capabilities.kube_version =
            KubeVersion::parse(version, profile).with_context(|| format!("invalid kube version '{version}'"))?;
    }
    let mut chart = charts::load(&reference, &arguments.chart, outside).await?;
    if arguments.dependency_update && !chart.missing_dependencies().is_empty() {
        dependency::update(Path::new(&reference), &arguments.chart.server, outside).await?;
        chart = charts::load(&reference, &arguments.chart, outside).await?;
    }
    request.values = arguments.values.merged(profile, &arguments.chart.server, outside).await?;
    request.capabilities.api_versions.extend(arguments.api_versions.iter().cloned());
    request.include_crds = arguments.include_crds && !arguments.skip_crds;
    request.skip_tests = arguments.skip_tests;
    request.is_upgrade = arguments.is_upgrade;
    request.skip_schema_validation = arguments.skip_schema_validation;
    let seed = outside.random()?;
    let host = || TemplateHost::of(outside.now(), seed).resolving(arguments.enable_dns);
    let mut rendered = match render(&chart, &request, &mut host()) {
        Ok(rendered) => rendered,
        Err(error) if error.kind == ErrorKind::Manifest && arguments.debug => {
            // What is no YAML is printed as it is; the error follows.
            for (path, content) in render_files(&chart, &request, &mut host())? {
                outside.print(&format!("---\n# Source: {path}\n{}\n", String::from_utf8_lossy(&content)))?;
            }
            return Err(error.into());
        }
        Err(error) if error.kind == ErrorKind::Manifest => {
            return Err(anyhow::Error::from(error).context("use --debug to see all that was rendered"));
        }
        Err(error) => return Err(error.into()),
    };
    if arguments.no_hooks {
        rendered.hooks.clear();
    }
    for warning in &rendered.warnings {
        outside.tell(&format!("WARNING: {warning}"));
    }
    if arguments.debug {
        let version = &chart.metadata.version;
        outside.tell(&format!("chart {} {version}, rendered as {profile:?}", chart.metadata.name));
    }
    match &arguments.output_dir {
        Some(folder) => write_out(&rendered, folder, &request.name, arguments, outside)?,
        None if arguments.show_only.is_empty() => outside.print(&rendered.text())?,
        None => outside.print(&rendered.text_of(&arguments.show_only, profile)?)?,
    }
    Ok(SUCCESS)
}

/// What helm calls a release that nobody named.
const DEFAULT_NAME: &str = "release-name";

/// Finds out which of the words is the chart: both orders are taken.
fn chart_and_name(arguments: &HelmArguments, outside: &dyn Outside) -> anyhow::Result<(String, String)> {
    let is_chart = |word: &str| {
        charts::is_remote(word)
            || word.contains('/')
            || word.ends_with(".tgz")
            || (arguments.chart.repo.is_none() && outside.tree_around(Path::new(word)).is_ok())
    };
    let (chart, beside) = match arguments.chart_and_name.as_slice() {
        [first, second] if is_chart(first) && (!is_chart(second) || first == ".") => (first, Some(second)),
        [first, second] if is_chart(second) && !is_chart(first) => (second, Some(first)),
        // As `helm template NAME CHART --repo URL`; two folders are the chart and a name that happens to be one.
        [first, second] if arguments.chart.repo.is_some() => (second, Some(first)),
        [first, second] => (first, Some(second)),
        words => (&words[0], None),
    };
    let name = match (beside.or(arguments.name.as_ref()), &arguments.name_template) {
        (Some(_), Some(_)) => bail!("cannot set --name-template and also specify a name"),
        (Some(_), None) if arguments.generate_name => bail!("cannot set --generate-name and also specify a name"),
        (Some(name), None) => name.clone(),
        (None, Some(text)) => name_from(text)?,
        (None, None) => DEFAULT_NAME.to_owned(),
    };
    Ok((chart.clone(), name))
}

/// Runs the template of a name.
fn name_from(text: &str) -> anyhow::Result<String> {
    let functions = Arc::new(Functions::helm3());
    let file = template::parse("name-template", text, &functions)?;
    let mut set = TemplateSet::new("name-template");
    set.add(&file);
    let mut host = NoHost;
    let output = Context::new(&set, functions, &mut host, Options::default()).execute("name-template", &Value::Nil)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Writes each document into the file of its template, as `--output-dir` does.
fn write_out(
    rendered: &Rendered,
    folder: &Path,
    release: &str,
    arguments: &HelmArguments,
    outside: &dyn Outside,
) -> anyhow::Result<()> {
    let folder = if arguments.release_name { folder.join(release) } else { folder.to_owned() };
    let crds = rendered.crds.iter().map(|file| (&file.path, &file.text));
    let manifests = rendered.manifests.iter().map(|manifest| (&manifest.path, &manifest.text));
    let hooks = rendered.hooks.iter().map(|hook| (&hook.manifest.path, &hook.manifest.text));
    let mut written: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, text) in crds.chain(manifests).chain(hooks) {
        let file = folder.join(path);
        let mut content = match written.contains(&file) {
            true => outside.read(&file)?,
            false => Vec::new(),
        };
        content.extend_from_slice(format!("---\n# Source: {path}\n{text}\n").as_bytes());
        if let Some(parent) = file.parent() {
            outside.make_folder(parent)?;
        }
        outside.write(&file, &content)?;
        outside.print(&format!("wrote {}\n", file.display()))?;
        written.insert(file);
    }
    outside.print("\n")
}
