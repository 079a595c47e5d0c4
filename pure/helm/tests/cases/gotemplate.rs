//! Runs one recorded case of templates and functions: a shell chart with the case's template, values and files.

use landfall_gotemplate::context::Host;
use landfall_gotemplate::jiff;
use landfall_helm::Profile;
use landfall_helm::capabilities::{Capabilities, DEFAULT_API_VERSIONS, KubeVersion};
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render_files};
use landfall_helm::values;
use landfall_tree::MemoryTree;
use serde_json::Value;
use std::path::Path;

/// The files of the shell chart, by path inside it.
pub(crate) type Shell = Vec<(String, Vec<u8>)>;

/// Reads the shell chart `fixture` beside a case file.
#[expect(clippy::disallowed_methods, reason = "the cases are read from the repository")]
pub(crate) fn shell(directory: &Path) -> std::io::Result<Shell> {
    let root = directory.join("fixture");
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path)?));
            }
        }
    }
    Ok(found)
}

/// A host with a fixed time and reproducible randomness.
struct FixedHost(u64);

impl Host for FixedHost {
    fn now(&self) -> jiff::Zoned {
        "2026-11-02T10:00:00[UTC]".parse().expect("a valid time")
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// Runs a case under both profiles; gives the first difference for each.
pub(crate) fn run(case: &Value, shell: &Shell) -> [(&'static str, Option<String>); 2] {
    [("helm3", Profile::Helm3), ("helm4", Profile::Helm4)]
        .map(|(name, profile)| (name, difference(case, shell, profile, &case[name])))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The path of the case's template from the chart's name on.
const CASE: &str = "gt/templates/case.txt";

fn rendered(case: &Value, shell: &Shell, profile: Profile) -> Result<Vec<u8>, String> {
    let mut files: Vec<(String, Vec<u8>)> = shell.clone();
    let mut put = |path: String, content: Vec<u8>| {
        files.retain(|(known, _)| *known != path);
        files.push((path, content));
    };
    if let Some(extra) = case["files"].as_object() {
        for (path, content) in extra {
            put(path.clone(), text(content).into());
        }
    }
    put("templates/case.txt".into(), text(&case["template"]).into());
    put("values.yaml".into(), text(&case["values"]).into());
    let tree = MemoryTree::of(files.into_iter().map(|(path, content)| (format!("gt/{path}"), content)));
    let message = |error: landfall_helm::error::Error| error.message;
    let chart = Chart::from_tree(&tree, "gt").map_err(message)?;
    let mut request = Request::new("rel", "ns", profile);
    if let Some(user) = case["user_values"].as_str() {
        request.values = values::read(user.as_bytes(), profile).map_err(message)?;
    }
    let mut versions: Vec<String> = DEFAULT_API_VERSIONS.iter().map(|version| (*version).to_owned()).collect();
    for extra in ["monitoring.coreos.com/v1", "monitoring.coreos.com/v1/ServiceMonitor", "apps/v1/Deployment"] {
        versions.push(extra.to_owned());
    }
    request.capabilities = Capabilities::offline(profile);
    request.capabilities.kube_version = KubeVersion::parse("v1.34.0", profile).map_err(message)?;
    request.capabilities.api_versions = versions;
    let mut written = render_files(&chart, &request, &mut FixedHost(7)).map_err(message)?;
    written.remove(CASE).ok_or_else(|| format!("{CASE} wrote nothing"))
}

fn difference(case: &Value, shell: &Shell, profile: Profile, wanted: &Value) -> Option<String> {
    let got = rendered(case, shell, profile);
    match (&got, wanted.get("output"), wanted.get("output_b64")) {
        (Ok(got), Some(wanted), _) => (got != text(wanted).as_bytes())
            .then(|| format!("expected {wanted}\nactual   {:?}", String::from_utf8_lossy(got))),
        (Ok(got), None, Some(wanted)) => {
            let wanted = decoded(text(wanted));
            (*got != wanted).then(|| format!("expected {wanted:?}\nactual   {got:?}"))
        }
        (Ok(got), None, None) => {
            Some(format!("expected error {}\nactual   {:?}", wanted["error"], String::from_utf8_lossy(got)))
        }
        (Err(error), None, None) => {
            if let Some(full) = wanted["error_full"].as_str() {
                return (full != error).then(|| format!("expected {full:?}\nactual   {error:?}"));
            }
            let line = error.lines().next().unwrap_or_default();
            let shown: Vec<char> = line.chars().collect();
            let clipped = if shown.len() > 700 {
                let head: String = shown[..350].iter().collect();
                let tail: String = shown[shown.len() - 250..].iter().collect();
                format!("{head} ... {tail}")
            } else {
                line.to_owned()
            };
            (clipped != text(&wanted["error"])).then(|| format!("expected {}\nactual   {clipped:?}", wanted["error"]))
        }
        (Err(error), ..) => {
            Some(format!("expected {}\nactual error {error}", wanted.get("output").unwrap_or(&Value::Null)))
        }
    }
}

/// Decodes base 64 that is known to be well formed.
fn decoded(source: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = source.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let mut out = Vec::new();
    for group in letters.chunks(4) {
        let joined =
            group.iter().fold(0u32, |joined, letter| joined << 6 | u32::from(*letter)) << (6 * (4 - group.len()));
        out.extend_from_slice(&joined.to_be_bytes()[1..group.len()]);
    }
    out
}
