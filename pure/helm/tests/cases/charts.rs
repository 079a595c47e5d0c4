//! Runs golden cases of whole charts: `<chart>/chart.tgz` or `<chart>/chart/`, with `<chart>/cases/<case>/`.
//!
//! Shared by this crate's tests and by `cargo xtask conformance helm`. The layout is described in `conformance/charts`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_gotemplate::context::Host;
use landfall_helm::Profile;
use landfall_helm::capabilities::{Capabilities, KubeVersion};
use landfall_helm::chart::Chart;
use landfall_helm::error::{Error, ErrorKind};
use landfall_helm::render::{Rendered, Request, render};
use landfall_helm::values::{Layers, ValuesFile};
use serde_json::{Value, json};

/// The profiles by the name that the corpus gives them.
pub(crate) const PROFILES: [(Profile, &str); 2] = [(Profile::Helm3, "helm3"), (Profile::Helm4, "helm4")];

/// Says how a case went under one profile.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What is different in the objects, or in whether the chart is refused; `None` if nothing is.
    pub(crate) objects: Option<String>,
    /// What is different in the text; `None` if nothing is or nothing was compared.
    pub(crate) text: Option<String>,
    /// Whether the text was compared: masked cases have none to compare with.
    pub(crate) text_compared: bool,
    /// Whether the case is one that must be refused, and the first line of the message was Helm's too.
    pub(crate) message_equal: Option<bool>,
}

/// Finds the cases of a chart, sorted.
///
/// Errors: the folder cannot be read.
pub(crate) fn cases_of(chart: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = chart.join("cases");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut cases: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("case.yaml").exists()).collect();
    cases.sort();
    Ok(cases)
}

/// Says whether a folder holds a chart with cases.
pub(crate) fn is_chart(folder: &Path) -> bool {
    folder.join("cases").is_dir() && (folder.join("chart.tgz").exists() || folder.join("chart").is_dir())
}

/// Loads the chart of a folder of the corpus. The inner error is the chart's own: cases may expect it.
///
/// Errors: nothing there that can be read.
pub(crate) fn load(chart: &Path) -> Result<Result<Chart, Error>, String> {
    let directory = chart.join("chart");
    if directory.is_dir() {
        return Ok(Chart::from_tree(&read_directory(&directory)?, ""));
    }
    let archive = chart.join("chart.tgz");
    let bytes = std::fs::read(&archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    Ok(Chart::from_archive(&bytes))
}

/// Reads a directory of the disk into memory. Links inside it stay links; what a link outside points to is taken instead.
///
/// Errors: a file that cannot be read.
pub(crate) fn read_directory(root: &Path) -> Result<landfall_tree::MemoryTree, String> {
    let mut tree = landfall_tree::MemoryTree::default();
    let whole = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
    let mut waiting = vec![(root.to_owned(), String::new())];
    while let Some((directory, path)) = waiting.pop() {
        let entries = std::fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let path = landfall_tree::join(&path, &entry.file_name().to_string_lossy());
            let target = std::fs::read_link(entry.path()).ok();
            let is_outside = entry.path().canonicalize().is_ok_and(|real| !real.starts_with(&whole));
            match target {
                Some(target) if !is_outside => {
                    tree.links.insert(path, target.to_string_lossy().into_owned());
                }
                _ if entry.path().is_dir() => waiting.push((entry.path(), path)),
                _ => {
                    let content = std::fs::read(entry.path()).map_err(|error| format!("{path}: {error}"))?;
                    tree.files.insert(path, content.into());
                }
            }
        }
    }
    Ok(tree)
}

/// Makes the request of a case.
///
/// Errors: the case is malformed, or its values cannot be read.
pub(crate) fn request(case: &Path, profile: Profile) -> Result<Request, String> {
    let settings = settings(case)?;
    let text = |key: &str| settings[key].as_str().unwrap_or_default().to_owned();
    let truth = |key: &str| settings[key].as_bool().unwrap_or(false);
    let texts = |key: &str| -> Vec<String> {
        let items = settings[key].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut layers = Layers { set: texts("set"), set_json: texts("setJson"), ..Layers::default() };
    if let Ok(content) = std::fs::read(case.join("values.yaml")) {
        layers.files.push(ValuesFile { name: "values.yaml".to_owned(), content });
    }
    let mut capabilities = Capabilities::offline(profile);
    capabilities.kube_version = KubeVersion::parse(&text("kubeVersion"), profile).map_err(|error| error.to_string())?;
    capabilities.api_versions.extend(texts("apiVersions"));
    Ok(Request {
        values: layers.merge(profile, &|path| Err(format!("open {path}"))).map_err(|error| error.to_string())?,
        capabilities,
        include_crds: truth("includeCRDs"),
        skip_tests: truth("skipTests"),
        is_upgrade: truth("isUpgrade"),
        ..Request::new(text("release"), text("namespace"), profile)
    })
}

/// Runs a case under one profile. `None` if the corpus holds no answer for the profile.
///
/// Errors: the case itself is malformed.
pub(crate) fn run(
    chart: &Result<Chart, Error>,
    case: &Path,
    profile: Profile,
    name: &str,
) -> Result<Option<Outcome>, String> {
    let mut outcome = Outcome::default();
    let rendered = match (request(case, profile), chart) {
        (Err(message), _) => Err(Error::new(ErrorKind::Values, message)),
        (Ok(_), Err(error)) => Err(error.clone()),
        (Ok(request), Ok(chart)) => render(chart, &request, &mut Dice(0x9e37_79b9_7f4a_7c15)),
    };
    if let Ok(expected) = std::fs::read_to_string(case.join(format!("{name}.error"))) {
        let expected = expected.trim_end().strip_prefix("Error: ").unwrap_or(expected.trim_end());
        match rendered {
            Ok(_) => outcome.objects = Some(format!("rendered, but should be refused: {expected}")),
            Err(error) => {
                let actual = error.message.lines().next().unwrap_or_default();
                outcome.message_equal = Some(actual.trim_end() == expected.trim_end());
                outcome.objects = wrong_kind(&error, expected);
            }
        }
        return Ok(Some(outcome));
    }
    let (objects, text) = (stored(case, &format!("{name}.json"))?, stored(case, &format!("{name}.txt"))?);
    if objects.is_none() && text.is_none() {
        return Ok(None);
    }
    let settings = settings(case)?;
    let masks: Vec<&str> = settings["mask"][name].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match rendered {
        Err(error) => outcome.objects = Some(format!("refused: {error}")),
        Ok(rendered) => {
            if let Some(expected) = objects {
                let expected =
                    serde_json::from_str(&expected).map_err(|error| format!("{}: {error}", case.display()))?;
                outcome.objects = objects_differ(&expected, &rendered, &masks);
            }
            if let (true, Some(expected)) = (masks.is_empty(), text) {
                outcome.text_compared = true;
                outcome.text = first_line_that_differs(&expected, &rendered.text());
            }
        }
    }
    Ok(Some(outcome))
}

fn settings(case: &Path) -> Result<Value, String> {
    let path = case.join("case.yaml");
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    landfall_yaml::read_one(&text, landfall_yaml::Resolver::Kubernetes)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a stored answer, packed or not.
fn stored(case: &Path, name: &str) -> Result<Option<String>, String> {
    if let Ok(text) = std::fs::read_to_string(case.join(name)) {
        return Ok(Some(text));
    }
    let packed = case.join(format!("{name}.gz"));
    let Ok(bytes) = std::fs::read(&packed) else { return Ok(None) };
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .map_err(|error| format!("{}: {error}", packed.display()))?;
    Ok(Some(text))
}

/// Says whether a refusal is of another kind than the one that Helm's message shows.
fn wrong_kind(error: &Error, expected: &str) -> Option<String> {
    let expected = expected.strip_prefix("chart dependencies processing failed: ").unwrap_or(expected);
    let wanted: &[ErrorKind] = match expected {
        text if text.starts_with("execution error at") => &[ErrorKind::Refused],
        text if text.starts_with("YAML parse error") => &[ErrorKind::Manifest],
        text if text.starts_with("values don't meet") => &[ErrorKind::Schema],
        text if text.starts_with("chart requires kubeVersion") => &[ErrorKind::KubeVersion],
        text if text.starts_with("parse error at") => &[ErrorKind::Template],
        text if ["type mismatch", "failed to parse", "cannot load values.yaml"]
            .iter()
            .any(|start| text.starts_with(start)) =>
        {
            &[ErrorKind::Values]
        }
        text if text.starts_with("An error occurred while checking") => &[ErrorKind::Dependencies],
        text if text.starts_with("template: ") || text.contains("executing") || text.contains("/templates/") => {
            &[ErrorKind::Execution]
        }
        _ => &[ErrorKind::Chart, ErrorKind::Load, ErrorKind::Dependencies],
    };
    (!wanted.contains(&error.kind)).then(|| format!("refused as {:?}: {error}\nexpected: {expected}", error.kind))
}

fn objects_differ(expected: &Value, rendered: &Rendered, masks: &[&str]) -> Option<String> {
    let actual: Vec<Value> = rendered
        .objects()
        .map(|sourced| json!({ "template": sourced.path, "hook": sourced.is_hook, "object": sourced.object }))
        .collect();
    let (mut expected, mut actual) = (expected.clone(), Value::Array(actual));
    for mask in masks {
        for side in [&mut expected, &mut actual] {
            if let Some(place) = side.pointer_mut(mask) {
                *place = Value::from("(masked)");
            }
        }
    }
    difference(&expected, &actual, "")
}

/// Finds the first difference of two values; numbers are compared by value.
pub(crate) fn difference(expected: &Value, actual: &Value, path: &str) -> Option<String> {
    match (expected, actual) {
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => None,
        (Value::Array(left), Value::Array(right)) => {
            let inner = left.iter().zip(right).enumerate();
            let inner = inner.map(|(index, (left, right))| difference(left, right, &format!("{path}/{index}")));
            inner.flatten().next().or_else(|| {
                (left.len() != right.len())
                    .then(|| format!("{path}: expected {} items, got {}", left.len(), right.len()))
            })
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| match (left.get(key), right.get(key)) {
                (Some(left), Some(right)) => difference(left, right, &format!("{path}/{key}")),
                (Some(left), None) => Some(format!("{path}/{key}: missing, expected {left}")),
                (None, right) => Some(format!("{path}/{key}: unexpected {}", right.unwrap_or(&Value::Null))),
            })
        }
        (left, right) if left == right => None,
        (left, right) => Some(format!("{path}\nexpected {left}\nactual   {right}")),
    }
}

/// Finds the first line in which two texts differ.
pub(crate) fn first_line_that_differs(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.split('\n').collect(), actual.split('\n').collect());
    let line = (0..).find(|line| left.get(*line) != right.get(*line)).unwrap_or(0);
    let source = left[..line.min(left.len())].iter().rev().find(|line| line.starts_with("# Source: "));
    Some(format!(
        "line {} {}\nexpected {:?}\nactual   {:?}",
        line + 1,
        source.unwrap_or(&""),
        left.get(line),
        right.get(line)
    ))
}

/// A source of numbers that are random enough for certificates and the same in every run.
struct Dice(u64);

impl Host for Dice {
    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = self.0.to_le_bytes()[3];
        }
    }
}
