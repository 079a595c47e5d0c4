//! Runs one recorded case of templates and functions: a shell chart with the case's template, values and files.

use landfall_gotemplate::context::Host;
use landfall_gotemplate::jiff;
use landfall_helm::Profile;
use landfall_helm::capabilities::{Capabilities, DEFAULT_API_VERSIONS, KubeVersion};
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
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

/// Cases that may differ, each with the reason. They are run all the same.
const EXCEPTIONS: [(&str, &str); 17] = [
    ("pipelines-046", "the type of the whole scope is named map[string]interface {} instead of Helm's Values"),
    ("templates-054", "the case runs as NOTES.txt, which changes the order of files"),
    ("templates-058", "the case runs as NOTES.txt, which changes the order of files"),
    ("templates-061", "the case has a NOTES.txt of its own"),
    ("templates-068", "the case prints its own file name"),
    ("tpl-016", "the case prints its own file name"),
    ("objects-025", "the case prints its own file name"),
    ("yaml-json-toml-049", "the case prints its own file name"),
    ("yaml-json-toml-103", "the message for values.yaml has a true position instead of the reference's words"),
    ("yaml-json-toml-105", "the message for values.yaml names the true line, the reference's the one before"),
    ("yaml-json-toml-106", "the message for values.yaml has a true position instead of the reference's words"),
    ("helm-funcs-025", "Files.Lines of an empty file is an index error in Helm 4"),
    ("objects-030", "the Go methods of Values are not offered"),
    ("objects-031", "the Go methods of Values are not offered"),
    ("objects-032", "the Go methods of Values are not offered"),
    ("objects-033", "the Go methods of Values are not offered"),
    ("objects-034", "the Go methods of Values are not offered"),
];

/// Says why a case may differ, if it may.
pub(crate) fn exception(id: &str) -> Option<&'static str> {
    EXCEPTIONS.iter().find(|(known, _)| *known == id).map(|(_, reason)| *reason)
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

fn rendered(case: &Value, shell: &Shell, profile: Profile) -> Result<String, String> {
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
    // The output of notes comes out as it is, where that of any other file has to be YAML.
    put("templates/NOTES.txt".into(), text(&case["template"]).into());
    put("values.yaml".into(), text(&case["values"]).into());
    let tree = MemoryTree::of(files.into_iter().map(|(path, content)| (format!("gt/{path}"), content)));
    let message = |error: landfall_helm::error::Error| error.message.replace("NOTES.txt", "case.txt");
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
    render(&chart, &request, &mut FixedHost(7)).map(|rendered| rendered.notes).map_err(message)
}

fn difference(case: &Value, shell: &Shell, profile: Profile, wanted: &Value) -> Option<String> {
    let got = rendered(case, shell, profile);
    match (&got, wanted.get("output"), wanted.get("output_b64")) {
        (Ok(got), Some(wanted), _) => (got != text(wanted)).then(|| format!("expected {wanted}\nactual   {got:?}")),
        (Ok(got), None, Some(wanted)) => {
            let wanted = String::from_utf8_lossy(&decoded(text(wanted))).into_owned();
            (*got != wanted).then(|| format!("expected {wanted:?}\nactual   {got:?}"))
        }
        (Ok(got), None, None) => Some(format!("expected error {}\nactual   {got:?}", wanted["error"])),
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
