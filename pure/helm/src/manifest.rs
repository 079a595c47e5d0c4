//! From rendered files to manifests and hooks: cutting into documents, reading their heads, sorting.
//!
//! Source: Helm 3.21.4 `pkg/releaseutil`, Helm 4.2.4 `pkg/release/v1/util`.

use std::collections::BTreeMap;

use landfall_yaml::Resolver;
use serde_json::Value;

use crate::Profile;
use crate::chart::{coerced_text, json_kind};
use crate::error::{Error, ErrorKind};
use crate::go;

/// One document of a template's output.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The template, from the root chart's name on.
    pub path: String,
    /// The document, as Helm prints it.
    pub text: String,
    /// What the text says; null if it holds only comments.
    pub object: Value,
}

/// A manifest that is not part of the release but runs at a point of its life.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// The document.
    pub manifest: Manifest,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Lower ones run first.
    pub weight: i64,
    /// When it is deleted: `before-hook-creation`, `hook-succeeded`, `hook-failed`, or what the chart wrote.
    pub delete_policies: Vec<String>,
    /// When its logs are shown.
    pub output_log_policies: Vec<String>,
}

impl Hook {
    /// Says whether `helm test` runs it.
    pub fn is_test(&self) -> bool {
        self.events.contains(&HookEvent::Test)
    }
}

/// A point in the life of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Helm's own")]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

impl HookEvent {
    /// The name in the `helm.sh/hook` annotation.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let events = [
            Self::PreInstall,
            Self::PostInstall,
            Self::PreDelete,
            Self::PostDelete,
            Self::PreUpgrade,
            Self::PostUpgrade,
            Self::PreRollback,
            Self::PostRollback,
            Self::Test,
        ];
        // Helm 2 called a test that must succeed by its own name.
        let name = if name == "test-success" { "test" } else { name };
        events.into_iter().find(|event| event.name() == name)
    }
}

const HOOK: &str = "helm.sh/hook";
const HOOK_WEIGHT: &str = "helm.sh/hook-weight";
const HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
const HOOK_OUTPUT_LOG_POLICY: &str = "helm.sh/hook-output-log-policy";

/// The order in which kinds are printed. Kinds that are not here come last, by name.
const KINDS: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    // Helm 4 only.
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];
const KINDS_OF_HELM3: usize = 36;

/// Cuts rendered files into documents and sorts them into manifests and hooks.
///
/// Errors: [`ErrorKind::Manifest`]: a document is no YAML, or no object.
pub(crate) fn sort(
    files: &BTreeMap<String, String>,
    profile: Profile,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Manifest>, Vec<Hook>), Error> {
    let (mut manifests, mut hooks) = (Vec::new(), Vec::new());
    for (path, content) in files {
        if content.trim().is_empty() {
            continue;
        }
        for text in split(content, profile) {
            let (manifest, head) = read(path, text)?;
            let Some(types) = head.annotations.get(HOOK) else {
                manifests.push((head.kind, manifest));
                continue;
            };
            let events = types.split(',').map(|name| HookEvent::parse(&name.trim().to_lowercase()));
            let Some(events) = events.collect::<Option<Vec<_>>>() else {
                warnings.push(format!("skipping unknown hook: {}", go::quote(types)));
                continue;
            };
            let weight = head.annotations.get(HOOK_WEIGHT).and_then(|weight| weight.parse().ok()).unwrap_or(0);
            let delete_policies = words(head.annotations.get(HOOK_DELETE_POLICY));
            let output_log_policies = words(head.annotations.get(HOOK_OUTPUT_LOG_POLICY));
            hooks.push((head.kind, Hook { manifest, events, weight, delete_policies, output_log_policies }));
        }
    }
    manifests.sort_by(|(left, _), (right, _)| rank(left, profile).cmp(&rank(right, profile)));
    hooks.sort_by(|(left, _), (right, _)| rank(left, profile).cmp(&rank(right, profile)));
    let manifests = manifests.into_iter().map(|(_, manifest)| manifest).collect();
    Ok((manifests, hooks.into_iter().map(|(_, hook)| hook).collect()))
}

fn rank(kind: &str, profile: Profile) -> (usize, &str) {
    let known = match profile {
        Profile::Helm3 => &KINDS[..KINDS_OF_HELM3],
        Profile::Helm4 => &KINDS[..],
    };
    match known.iter().position(|known| *known == kind) {
        Some(place) => (place, ""),
        None => (known.len(), kind),
    }
}

fn words(annotation: Option<&String>) -> Vec<String> {
    annotation.map(|text| text.split(',').map(|word| word.trim().to_lowercase()).collect()).unwrap_or_default()
}

/// Cuts a rendered file into its documents.
pub(crate) fn split(content: &str, profile: Profile) -> Vec<&str> {
    match profile {
        Profile::Helm3 => split_helm3(content),
        Profile::Helm4 => split_helm4(content),
    }
}

/// Helm 3: blanks around documents go. Equals splitting the trimmed text by `(?:^|\s*\n)---\s*`.
fn split_helm3(content: &str) -> Vec<&str> {
    let is_blank = |letter: char| matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0c');
    let text = content.trim();
    let mut documents = Vec::new();
    let mut rest = text;
    if let Some(after) = text.strip_prefix("---") {
        rest = after.trim_start_matches(is_blank);
    }
    loop {
        let (document, next) = match rest.find("\n---") {
            Some(at) => (rest[..at].trim_end_matches(is_blank), Some(rest[at + 4..].trim_start_matches(is_blank))),
            None => (rest, None),
        };
        if !document.is_empty() {
            documents.push(document.trim());
        }
        match next {
            Some(next) => rest = next,
            None => return documents,
        }
    }
}

/// Helm 4: blanks after a document stay. Equals splitting the text by `(?m)^---[ \t]*`.
fn split_helm4(content: &str) -> Vec<&str> {
    let text = content.trim_start();
    let mut documents = Vec::new();
    let (mut start, mut line) = (0, 0);
    loop {
        if text[line..].starts_with("---") {
            documents.push(&text[start..line]);
            start = text.len() - text[line + 3..].trim_start_matches([' ', '\t']).len();
            line = start;
        }
        match text[line..].find('\n') {
            Some(end) => line += end + 1,
            None => break,
        }
    }
    documents.push(&text[start..]);
    documents.into_iter().map(str::trim_start).filter(|document| !document.is_empty()).collect()
}

struct Head {
    kind: String,
    annotations: BTreeMap<String, String>,
}

fn read(path: &str, text: &str) -> Result<(Manifest, Head), Error> {
    // The line end that follows the document in the stream belongs to what is read: a block scalar may end the document.
    let terminated = format!("{text}\n");
    let object = landfall_yaml::read_one(terminated.as_bytes(), Resolver::Kubernetes)
        .map_err(|error| not_yaml(path, &terminated, &error))?;
    let head = head(&object).map_err(|reason| {
        wrong(path, &format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {reason}"))
    })?;
    Ok((Manifest { path: path.to_owned(), text: text.to_owned(), object }, head))
}

/// Reads what Helm reads of a document, with the checks that Go's decoder makes on the way.
fn head(object: &Value) -> Result<Head, String> {
    let mut head = Head { kind: String::new(), annotations: BTreeMap::new() };
    let fields = match object {
        Value::Null => return Ok(head),
        Value::Object(fields) => fields,
        other => return Err(format!("{} into Go value of type releaseutil.SimpleHead", json_kind(other))),
    };
    let text = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(value) => coerced_text(value)
            .ok_or_else(|| format!("{} into Go struct field SimpleHead.{name} of type string", json_kind(value))),
    };
    text(folded(fields, "apiVersion"), "apiVersion")?;
    head.kind = text(folded(fields, "kind"), "kind")?;
    let metadata = match folded(fields, "metadata") {
        None | Some(Value::Null) => return Ok(head),
        Some(Value::Object(metadata)) => metadata,
        Some(other) => {
            return Err(format!("{} into Go struct field SimpleHead.metadata of type struct", json_kind(other)));
        }
    };
    text(folded(metadata, "name"), "metadata.name")?;
    match folded(metadata, "annotations") {
        None | Some(Value::Null) => {}
        Some(Value::Object(annotations)) => {
            for (key, value) in annotations {
                head.annotations.insert(key.clone(), text(Some(value), "metadata.annotations")?);
            }
        }
        Some(other) => {
            return Err(format!(
                "{} into Go struct field SimpleHead.metadata.annotations of type map[string]string",
                json_kind(other)
            ));
        }
    }
    Ok(head)
}

/// The value under a key in any case, as Go's decoder finds it.
fn folded<'a>(fields: &'a serde_json::Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| {
        let mut others: Vec<_> = fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).collect();
        others.sort_by_key(|(key, _)| key.as_str());
        others.last().map(|(_, value)| *value)
    })
}

fn wrong(path: &str, reason: &str) -> Error {
    wrong_words(path, reason).with_hint(
        "what the template writes must be one Kubernetes object per document: a map with apiVersion, kind and metadata",
    )
}

fn not_yaml(path: &str, text: &str, error: &landfall_yaml::Error) -> Error {
    let failure = wrong_words(path, &go::yaml_error(error, text.as_bytes()));
    // A Secret's lines belong into no log.
    if text.contains("Secret") {
        let line = error.line;
        return failure
            .with_hint(format!("line {line} of what the template wrote is no YAML (not shown: it may be secret)"));
    }
    failure.with_hint(format!(
        "what the template wrote is no YAML; {}\n{}\n(lines of the document that it wrote, not of the template)",
        go::yaml_hint(error),
        go::excerpt(error, text)
    ))
}

fn wrong_words(path: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Manifest, format!("YAML parse error on {path}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm3_cuts_at_separators_and_trims() {
        assert_eq!(split_helm3("---\na: 1\n\n---  \n\nb: 2\n\n"), ["a: 1", "b: 2"]);
        assert_eq!(split_helm3("a: 1\n---b: 2"), ["a: 1", "b: 2"]);
        assert_eq!(split_helm3("---\n---\na: 1"), ["---\na: 1"]);
        assert_eq!(split_helm3("a: |\n  x ---\n"), ["a: |\n  x ---"]);
        assert!(split_helm3("---\n").is_empty());
    }

    #[test]
    fn helm4_keeps_what_follows_a_document() {
        assert_eq!(split_helm4("\n---\na: 1\n\n---  \n\nb: 2\n\n"), ["a: 1\n\n", "b: 2\n\n"]);
        assert_eq!(split_helm4("a: 1\n---b: 2"), ["a: 1\n", "b: 2"]);
        assert_eq!(split_helm4("---\n---\na: 1"), ["a: 1"]);
        assert!(split_helm4("---\n").is_empty());
    }

    #[test]
    fn unknown_kinds_come_last_by_name() {
        let mut kinds = vec!["Zebra", "Service", "Namespace", "Ant", "MutatingWebhookConfiguration"];
        kinds.sort_by_key(|kind| rank(kind, Profile::Helm3));
        assert_eq!(kinds, ["Namespace", "Service", "Ant", "MutatingWebhookConfiguration", "Zebra"]);
        kinds.sort_by_key(|kind| rank(kind, Profile::Helm4));
        assert_eq!(kinds, ["Namespace", "Service", "MutatingWebhookConfiguration", "Ant", "Zebra"]);
    }
}
