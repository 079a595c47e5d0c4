//! What `helm lint` has to say about a chart.
//!
//! Source: Helm 3.21.4 `pkg/lint`, Helm 4.2.4 `pkg/chart/v2/lint`.

mod names;
mod templates;

use std::fmt;

use landfall_semver::{Constraint, Version};
use landfall_tree::Tree;
use landfall_yaml::Resolver;
use serde_json::{Map, Value};

use crate::capabilities::KubeVersion;
use crate::chart::{Chart, Metadata};
use crate::error::{Error, ErrorKind};
use crate::{Profile, go, schema, values};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Not as it should be, but it will work.
    Warning,
    /// It will not work.
    Error,
}

/// One finding. `Display` prints it as Helm does: `[WARNING] templates/: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How bad it is.
    pub severity: Severity,
    /// The file or folder it is about.
    pub path: String,
    /// What was found.
    pub text: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        write!(out, "[{severity}] {}: {}", self.path, self.text)?;
        match &self.hint {
            Some(hint) => write!(out, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// What to lint a chart with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The user's values.
    pub values: Map<String, Value>,
    /// The namespace that templates see.
    pub namespace: String,
    /// The version of Kubernetes that templates see, and that deprecations are judged by.
    pub kube_version: Option<KubeVersion>,
    /// Whether `values.schema.json` is not looked at.
    pub skip_schema_validation: bool,
    /// Which Helm to be.
    pub profile: Profile,
    /// The chart's folder as messages name it.
    pub shown_folder: String,
}

/// Collects findings.
#[derive(Default)]
struct Report(Vec<Message>);

impl Report {
    fn check(&mut self, severity: Severity, path: &str, result: Result<(), String>) -> bool {
        let is_good = result.is_ok();
        if let Err(text) = result {
            self.0.push(Message { severity, path: path.to_owned(), text, hint: None });
        }
        is_good
    }

    fn failed(&mut self, severity: Severity, path: &str, error: &Error) {
        let text = error.message.trim_end().to_owned();
        self.0.push(Message { severity, path: path.to_owned(), text, hint: error.hint.clone() });
    }
}

/// Lints the chart in a directory of a tree.
///
/// Errors: [`ErrorKind::Load`]: there is no `Chart.yaml`.
pub fn lint(tree: &dyn Tree, directory: &str, options: &Options) -> Result<Vec<Message>, Error> {
    let read = |name: &str| {
        landfall_tree::read(tree, &landfall_tree::join(directory, name))
            .map_err(|error| Error::new(ErrorKind::Load, error.to_string()))
    };
    let Some(chart_file) = read("Chart.yaml")? else {
        let message = format!(
            "unable to check Chart.yaml file in chart: stat {}/Chart.yaml: no such file or directory",
            options.shown_folder
        );
        return Err(Error::new(ErrorKind::Load, message).with_hint("a chart is a directory with a Chart.yaml"));
    };
    let mut report = Report::default();
    check_chart_file(&chart_file, options.profile, &mut report);
    let schema_file = read("values.schema.json")?;
    match read("values.yaml")? {
        None => {
            report.check(Severity::Info, "values.yaml", Err("file does not exist".to_owned()));
        }
        Some(text) => check_values(&text, schema_file.as_deref(), options, &mut report),
    }
    match Chart::from_tree(tree, directory) {
        Err(error) => {
            report.failed(Severity::Error, "templates/", &error);
            let text = format!("unable to load chart\n\t{}", error.message);
            report.check(Severity::Error, "", Err(text));
        }
        Ok(chart) => {
            templates::check(&chart, options, &mut report);
            check_dependencies(&chart, &options.shown_folder, &mut report);
        }
    }
    Ok(report.0)
}

fn check_chart_file(text: &[u8], profile: Profile, report: &mut Report) {
    let path = "Chart.yaml";
    let read = landfall_yaml::read_one(text, Resolver::Kubernetes).map_err(|error| go::yaml_error(&error, text));
    let mut metadata = Metadata::default();
    let decoded = read.and_then(|value| metadata.decode_into(&value).map(|()| value));
    let value = match decoded {
        Ok(value) => value,
        Err(reason) => {
            report.check(Severity::Error, path, Err(format!("unable to parse YAML\n\t{reason}")));
            return;
        }
    };
    report.check(Severity::Error, path, check_name(&metadata));
    report.check(Severity::Error, path, check_api_version(&metadata));
    report.check(Severity::Error, path, check_is_text(&value, "version"));
    report.check(Severity::Error, path, check_version(&metadata.version));
    if profile == Profile::Helm4 {
        let is_strict = Version::parse_strict(&metadata.version).is_ok();
        let text = format!("version '{}' is not a valid SemVerV2", metadata.version);
        report.check(Severity::Warning, path, if is_strict { Ok(()) } else { Err(text) });
    }
    report.check(Severity::Error, path, check_is_text(&value, "appVersion"));
    report.check(Severity::Error, path, check_maintainers(&metadata));
    let bad_source = metadata.sources.iter().find(|source| !names::is_request_address(source));
    let sources = bad_source.map_or(Ok(()), |source| Err(format!("invalid source URL '{source}'")));
    report.check(Severity::Error, path, sources);
    let icon = &metadata.icon;
    report.check(Severity::Info, path, if icon.is_empty() { Err("icon is recommended".to_owned()) } else { Ok(()) });
    let is_bad_icon = !icon.is_empty() && !names::is_request_address(icon);
    report.check(Severity::Error, path, if is_bad_icon { Err(format!("invalid icon URL '{icon}'")) } else { Ok(()) });
    let api = &metadata.api_version;
    let is_v2 = api == "v2";
    let kind = format!("chart type is not valid in apiVersion '{api}'. It is valid in apiVersion 'v2'");
    report.check(Severity::Error, path, if metadata.kind.is_empty() || is_v2 { Ok(()) } else { Err(kind) });
    let has_dependencies = metadata.dependencies.as_ref().is_some_and(|dependencies| !dependencies.is_empty());
    let text = format!(
        "dependencies are not valid in the Chart file with apiVersion '{api}'. They are valid in apiVersion 'v2'"
    );
    report.check(Severity::Error, path, if has_dependencies && !is_v2 { Err(text) } else { Ok(()) });
}

fn check_name(metadata: &Metadata) -> Result<(), String> {
    if metadata.name.is_empty() {
        return Err("name is required".to_owned());
    }
    if go::base_name(&metadata.name) != metadata.name {
        return Err(format!("chart name {} is invalid", go::quote(&metadata.name)));
    }
    Ok(())
}

fn check_api_version(metadata: &Metadata) -> Result<(), String> {
    match metadata.api_version.as_str() {
        "" => Err("apiVersion is required. The value must be either \"v1\" or \"v2\"".to_owned()),
        "v1" | "v2" => Ok(()),
        other => Err(format!("apiVersion '{other}' is not valid. The value must be either \"v1\" or \"v2\"")),
    }
}

fn check_version(version: &str) -> Result<(), String> {
    if version.is_empty() {
        return Err("version is required".to_owned());
    }
    let parsed = Version::parse(version).map_err(|_| format!("version '{version}' is not a valid SemVer"))?;
    let lowest = Constraint::parse(">0.0.0-0").map_err(|error| error.to_string())?;
    if lowest.check(&parsed) {
        return Ok(());
    }
    Err(format!("version {parsed} is less than or equal to 0.0.0-0"))
}

fn check_is_text(value: &Value, key: &str) -> Result<(), String> {
    let found = match &value[key] {
        Value::Null if value.get(key).is_none() => return Ok(()),
        Value::String(_) => return Ok(()),
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    Err(format!("{key} should be of type string but it's of type {found}"))
}

fn check_maintainers(metadata: &Metadata) -> Result<(), String> {
    for maintainer in &metadata.maintainers {
        if maintainer.name.is_empty() {
            return Err("each maintainer requires a name".to_owned());
        }
        if !maintainer.email.is_empty() && !names::is_mail_address(&maintainer.email) {
            return Err(format!("invalid email '{}' for maintainer '{}'", maintainer.email, maintainer.name));
        }
        if !maintainer.url.is_empty() && !names::is_web_address(&maintainer.url) {
            return Err(format!("invalid url '{}' for maintainer '{}'", maintainer.url, maintainer.name));
        }
    }
    Ok(())
}

/// Looks at the chart's own values only, as Helm does: those of subcharts are not linted.
fn check_values(text: &[u8], schema_file: Option<&[u8]>, options: &Options, report: &mut Report) {
    let mut defaults = match values::read(text, Profile::Helm3) {
        Ok(defaults) => defaults,
        Err(error) => {
            report.failed(Severity::Error, "values.yaml", &error.wrapped("unable to parse YAML"));
            return;
        }
    };
    values::merge_maps(&mut defaults, options.values.clone());
    let schema_file = schema_file.filter(|schema| !schema.is_empty());
    if let Some(Err(reason)) = schema_file.map(|schema| schema::check_json(schema, &defaults)) {
        report.check(Severity::Error, "values.yaml", Err(reason.trim_end().to_owned()));
    }
}

fn check_dependencies(chart: &Chart, folder: &str, report: &mut Report) {
    let declared: Vec<_> = chart.metadata.dependencies.iter().flatten().collect();
    let joined = |names: Vec<&str>| names.join(",");
    let undeclared: Vec<&str> = chart
        .subcharts
        .iter()
        .map(|subchart| subchart.metadata.name.as_str())
        .filter(|name| !declared.iter().any(|dependency| dependency.name == *name))
        .collect();
    if !undeclared.is_empty() {
        let text = format!("chart metadata is missing these dependencies: {}", joined(undeclared));
        report.check(Severity::Error, folder, Err(text));
    }
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        let text = format!("chart directory is missing these dependencies: {}", joined(missing));
        report.check(Severity::Warning, folder, Err(text));
    }
}
