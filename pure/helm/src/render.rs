//! One render: a chart and a request in, manifests, hooks, definitions and notes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_gotemplate::context::{Host, Limits, Options};
use landfall_gotemplate::value::Value as TemplateValue;
use serde_json::{Map, Value};

use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::error::{Error, ErrorKind};
use crate::family::{Family, Member};
use crate::manifest::{self, Hook, Manifest};
use crate::values::coalesce::{self, Nulls};
use crate::{Profile, engine, go, objects, schema};

/// What to render a chart with.
#[derive(Debug, Clone)]
pub struct Request {
    /// The release's name: `.Release.Name`.
    pub name: String,
    /// The namespace it goes to: `.Release.Namespace`.
    pub namespace: String,
    /// The user's values, as [`crate::values::Layers::merge`] gives them: integers are Go's `int64`, floats `float64`.
    pub values: Map<String, Value>,
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// Which Helm to be.
    pub profile: Profile,
    /// Whether files of `crds/` come along (`--include-crds`).
    pub include_crds: bool,
    /// Whether hooks that are tests are left out (`--skip-tests`).
    pub skip_tests: bool,
    /// Whether `.Release.IsUpgrade` is true instead of `.Release.IsInstall` (`--is-upgrade`).
    pub is_upgrade: bool,
    /// Whether `values.schema.json` is not looked at (`--skip-schema-validation`).
    pub skip_schema_validation: bool,
    /// Whether `required` and `fail` do not fail, for linting.
    pub is_lint: bool,
    /// Bounds on steps, depth and sizes of the templates' work.
    pub limits: Limits,
}

impl Request {
    /// Makes a request as `helm template NAME` without any flag does.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>, profile: Profile) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            values: Map::new(),
            capabilities: Capabilities::offline(profile),
            profile,
            include_crds: false,
            skip_tests: false,
            is_upgrade: false,
            skip_schema_validation: false,
            is_lint: false,
            limits: Limits::default(),
        }
    }
}

/// What a chart renders to. Everything is in the order in which Helm prints it.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The files of `crds/`, if they were asked for; never templated, of a chart before those of the charts below it.
    pub crds: Vec<Definitions>,
    /// The release's objects, in order of installation.
    pub manifests: Vec<Manifest>,
    /// The hooks, in the same order; weights are not looked at here.
    pub hooks: Vec<Hook>,
    /// What `NOTES.txt` says.
    pub notes: String,
    /// What is no error but should be known.
    pub warnings: Vec<String>,
    /// Whether the same inputs give the same output again: no randomness, clock or cluster was asked.
    pub is_deterministic: bool,
}

/// A file of `crds/`.
#[derive(Debug, Clone, PartialEq)]
pub struct Definitions {
    /// Its path, from the root chart's name on.
    pub path: String,
    /// What it holds, as it is.
    pub text: String,
    /// The objects in it. Read once per chart and shared by its renders.
    pub objects: Arc<Vec<Value>>,
}

/// An object of the output with where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Sourced<'a> {
    /// The template or file.
    pub path: &'a str,
    /// Whether it is a hook.
    pub is_hook: bool,
    /// The object.
    pub object: &'a Value,
}

impl Rendered {
    /// All objects in the order of the text; documents without content are left out.
    pub fn objects(&self) -> impl Iterator<Item = Sourced<'_>> {
        let crds = self
            .crds
            .iter()
            .flat_map(|file| file.objects.iter().map(|object| Sourced { path: &file.path, is_hook: false, object }));
        let manifests = self.manifests.iter().map(|m| Sourced { path: &m.path, is_hook: false, object: &m.object });
        let hooks = self.hooks.iter().map(|hook| Sourced {
            path: &hook.manifest.path,
            is_hook: true,
            object: &hook.manifest.object,
        });
        crds.chain(manifests).chain(hooks).filter(|sourced| !sourced.object.is_null())
    }

    /// The objects of [`Rendered::objects`], without copying those of templates.
    pub fn into_objects(self) -> Vec<Value> {
        let crds = self.crds.iter().flat_map(|file| file.objects.iter().cloned());
        let mut objects: Vec<Value> = crds.collect();
        objects.extend(self.manifests.into_iter().map(|manifest| manifest.object));
        objects.extend(self.hooks.into_iter().map(|hook| hook.manifest.object));
        objects.retain(|object| !object.is_null());
        objects
    }

    /// The text that `helm template` prints.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for file in &self.crds {
            push_document(&mut text, &file.path, &file.text);
        }
        for manifest in &self.manifests {
            push_document(&mut text, &manifest.path, &manifest.text);
        }
        let mut text = text.trim().to_owned();
        text.push('\n');
        for hook in &self.hooks {
            push_document(&mut text, &hook.manifest.path, &hook.manifest.text);
        }
        text
    }

    /// The text that `helm template --show-only PATTERN…` prints: the documents whose template matches, pattern by pattern.
    ///
    /// Errors: [`ErrorKind::Request`]: nothing matches a pattern.
    pub fn text_of(&self, patterns: &[String], profile: Profile) -> Result<String, Error> {
        let text = self.text();
        let documents: Vec<(&str, &str)> = manifest::split(&text, profile)
            .into_iter()
            .filter_map(|document| {
                let source = document.split("# Source: ").nth(1)?.lines().next()?;
                Some((source.split_once('/')?.1, document))
            })
            .collect();
        let mut shown = String::new();
        for pattern in patterns {
            let matching = documents.iter().filter(|(path, _)| go::path_match(pattern, path).unwrap_or(false));
            let before = shown.len();
            for (_, document) in matching {
                shown.push_str(&format!("---\n{document}\n"));
            }
            if shown.len() == before {
                return Err(Error::new(ErrorKind::Request, format!("could not find template {pattern} in chart"))
                    .with_hint("paths start below the chart: templates/deployment.yaml; a template that renders to nothing is not there"));
            }
        }
        Ok(shown)
    }
}

fn push_document(text: &mut String, path: &str, document: &str) {
    text.push_str("---\n# Source: ");
    text.push_str(path);
    text.push('\n');
    text.push_str(document);
    text.push('\n');
}

/// Renders a chart as `helm template` of the profile's version does.
///
/// Errors: every [`ErrorKind`] but [`ErrorKind::Load`]; the first thing that is wrong, as Helm would find it.
pub fn render(chart: &Chart, request: &Request, host: &mut dyn Host) -> Result<Rendered, Error> {
    let profile = request.profile;
    let root = &chart.metadata.name;
    let mut rendered = Rendered::default();
    let (family, mut output) = run_templates(chart, request, host, &mut rendered.warnings)?;
    rendered.is_deterministic = output.is_deterministic;
    let notes_path = format!("{root}/templates/NOTES.txt");
    rendered.notes =
        output.files.get(&notes_path).map(|notes| String::from_utf8_lossy(notes).into_owned()).unwrap_or_default();
    output.files.retain(|path, _| !path.ends_with("NOTES.txt"));
    let (manifests, mut hooks) = texts(output.files)
        .and_then(|files| manifest::sort(&files, profile, &mut rendered.warnings))
        .map_err(|error| error.in_chart(root))?;
    if request.skip_tests {
        hooks.retain(|hook| !hook.is_test());
    }
    rendered.manifests = manifests;
    rendered.hooks = hooks;
    if request.include_crds {
        collect_definitions(&family, family.root(), &mut rendered.crds)?;
    }
    Ok(rendered)
}

/// Runs a chart's templates and gives what each file wrote, by path from the root chart's name on, before it is cut into
/// documents. Files of definitions (`_helpers.tpl`) write nothing and are left out; notes are among the files.
///
/// Errors: as [`render`], without those of the output.
pub fn render_files(chart: &Chart, request: &Request, host: &mut dyn Host) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    run_templates(chart, request, host, &mut Vec::new()).map(|(_, output)| output.files)
}

/// Runs a chart's templates as linting does: charts that cannot be installed run too. `None` where the values do not fit
/// the charts' dependencies, which linting passes over.
///
/// Errors: as [`render_files`].
pub(crate) fn render_for_lint(
    chart: &Chart,
    request: &Request,
    host: &mut dyn Host,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, Error> {
    let mut family = Family::new(chart, request.profile)?;
    let Ok(values) = settled_values(&mut family, request, &mut Vec::new()) else { return Ok(None) };
    finish(&family, &values, request, host).map(|output| Some(output.files))
}

/// Everything up to the templates' output.
fn run_templates<'chart>(
    chart: &'chart Chart,
    request: &Request,
    host: &mut dyn Host,
    warnings: &mut Vec<String>,
) -> Result<(Family<'chart>, engine::Output), Error> {
    check_installable(chart, request.profile)?;
    check_name(&request.name)?;
    if chart.metadata.deprecated {
        warnings.push("This chart is deprecated".to_owned());
    }
    collect_warnings(chart, warnings);
    let mut family = Family::new(chart, request.profile)?;
    let values = settled_values(&mut family, request, warnings)?;
    let output = finish(&family, &values, request, host)?;
    Ok((family, output))
}

/// Enables and disables charts, and gives the values that templates see.
fn settled_values(
    family: &mut Family<'_>,
    request: &Request,
    warnings: &mut Vec<String>,
) -> Result<landfall_gotemplate::value::Map, Error> {
    let root = family.name(family.root()).to_owned();
    let given = TemplateValue::from_json_with_integers(&Value::Object(request.values.clone()));
    let mut repeated = Vec::new();
    family.settle(&given, &mut repeated).map_err(|error| match request.profile {
        Profile::Helm3 => error.in_chart(&root),
        Profile::Helm4 => error.wrapped("chart dependencies processing failed").in_chart(&root),
    })?;
    let values = coalesce::coalesce(family, family.root(), &given, Nulls::Remove, &mut repeated)
        .map_err(|error| error.in_chart(&root))?;
    // Values are laid over each other several times on the way, and complain each time.
    for warning in repeated {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    Ok(values)
}

fn finish(
    family: &Family<'_>,
    values: &landfall_gotemplate::value::Map,
    request: &Request,
    host: &mut dyn Host,
) -> Result<engine::Output, Error> {
    if !request.skip_schema_validation {
        schema::check(family, values)?;
    }
    let release = objects::release(&request.name, &request.namespace, request.is_upgrade);
    if request.is_lint {
        // The linter's release is none that is installed or upgraded.
        if let TemplateValue::Map(release) = &release {
            let unset = [("IsInstall", TemplateValue::Bool(false)), ("Revision", TemplateValue::int(0))];
            for (key, value) in unset {
                release.set(key.into(), value).expect("the release is never Go's nil map");
            }
        }
    } else {
        check_kube_version(family.chart(family.root()), &request.capabilities, request.profile)?;
    }
    let scope =
        engine::Scope { values, release, capabilities: objects::capabilities(&request.capabilities, request.profile) };
    let options = Options { limits: request.limits.clone(), is_lint: request.is_lint, ..Options::default() };
    engine::run(family, &scope, options, host)
}

/// What templates wrote, as text.
fn texts(files: BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, String>, Error> {
    let text = |(path, output): (String, Vec<u8>)| match String::from_utf8(output) {
        Ok(text) => Ok((path, text)),
        Err(_) => Err(Error::new(
            ErrorKind::Manifest,
            format!("YAML parse error on {path}: error converting YAML to JSON: yaml: invalid leading UTF-8 octet"),
        )
        .with_hint("a string was cut inside a character: `trunc` and `substr` count bytes")),
    };
    files.into_iter().map(text).collect()
}

fn collect_warnings(chart: &Chart, warnings: &mut Vec<String>) {
    warnings.extend(chart.warnings.iter().map(|warning| format!("{}: {warning}", chart.metadata.name)));
    chart.subcharts.iter().for_each(|subchart| collect_warnings(subchart, warnings));
}

fn check_installable(chart: &Chart, profile: Profile) -> Result<(), Error> {
    let metadata = &chart.metadata;
    if profile == Profile::Helm4 && !matches!(metadata.api_version.as_str(), "v1" | "v2") {
        let message =
            if metadata.api_version == "v3" { "invalid chart apiVersion" } else { "unsupported chart version" };
        return Err(Error::new(ErrorKind::Chart, message)
            .in_chart(&metadata.name)
            .with_hint("Chart.yaml says `apiVersion: v1` or `apiVersion: v2`"));
    }
    if !matches!(metadata.kind.as_str(), "" | "application") {
        return Err(Error::new(ErrorKind::Chart, format!("{} charts are not installable", metadata.kind))
            .in_chart(&metadata.name)
            .with_hint("a library chart only lends templates: render the chart that depends on it"));
    }
    let missing = chart.missing_dependencies();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        missing.join(", ")
    );
    Err(Error::new(ErrorKind::Dependencies, message).in_chart(&metadata.name))
}

/// The longest name of a release: names of objects are made from it, and those have bounds of their own.
const NAME_LENGTH_MAX: usize = 53;

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::new(ErrorKind::Request, "no name provided").with_hint("give the release a name"));
    }
    let is_good = name.len() <= NAME_LENGTH_MAX
        && name.split('.').all(|label| {
            let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
        });
    if is_good {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Request,
        format!(
            "release name {}: invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than {NAME_LENGTH_MAX}",
            go::quote(name)
        ),
    )
    .with_hint("use lower case letters, digits and `-`; in an Application, set spec.source.helm.releaseName"))
}

fn check_kube_version(chart: &Chart, capabilities: &Capabilities, profile: Profile) -> Result<(), Error> {
    let wanted = &chart.metadata.kube_version;
    let version = &capabilities.kube_version;
    if wanted.is_empty() || crate::is_compatible(wanted, &version.normalized) {
        return Ok(());
    }
    let shown = match profile {
        Profile::Helm3 => &version.normalized,
        Profile::Helm4 => &version.version,
    };
    Err(Error::new(
        ErrorKind::KubeVersion,
        format!("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {shown}"),
    )
    .in_chart(&chart.metadata.name)
    .with_hint("use a version of the chart that supports the cluster, or render for another version of Kubernetes"))
}

fn collect_definitions(family: &Family<'_>, member: Member, found: &mut Vec<Definitions>) -> Result<(), Error> {
    let base = family.path(member);
    for (file, objects) in family.chart(member).definitions() {
        let path = go::clean_path(&format!("{base}/{}", file.path));
        let objects = objects
            .as_ref()
            .map_err(|reason| Error::new(ErrorKind::Manifest, format!("YAML parse error on {path}: {reason}")))?;
        let text = String::from_utf8_lossy(&file.content).into_owned();
        found.push(Definitions { path, text, objects: objects.clone() });
    }
    for child in family.children(member) {
        collect_definitions(family, child, found)?;
    }
    Ok(())
}
