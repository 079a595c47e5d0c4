//! Which differences do not count: `ignoreDifferences` of applications and settings, and what is left out of every comparison.

use landfall_model::application::IgnoreDifference;
use serde_json::Value;

use crate::jq::Expression;

/// Everything that a comparison goes by.
#[derive(Debug, Default)]
pub struct Rules {
    /// Places that do not count.
    pub ignore: Vec<IgnoreRule>,
    /// The rest.
    pub options: Options,
}

/// One entry of `ignoreDifferences`, ready for use.
#[derive(Debug)]
pub struct IgnoreRule {
    /// A glob.
    pub group: String,
    /// A glob.
    pub kind: String,
    /// Empty: any.
    pub name: String,
    /// Empty: any.
    pub namespace: String,
    /// JSON pointers, taken apart and unescaped.
    pub pointers: Vec<Vec<String>>,
    /// jq path expressions.
    pub expressions: Vec<Expression>,
    /// Managers whose fields do not count.
    pub managers: Vec<String>,
}

/// How objects are compared.
#[derive(Debug, Clone)]
pub struct Options {
    /// Our field manager.
    pub manager: String,
    /// Appliers that we take over from: their fields count as ours.
    pub former_managers: Vec<String>,
    /// Whether `rules` of ClusterRoles with an aggregation rule are left out.
    pub ignore_aggregated_roles: bool,
    /// Whose `status` is left out.
    pub ignore_status: IgnoreStatus,
    /// Fields of custom resources that hold Kubernetes' own types.
    pub known_types: Vec<KnownType>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            manager: "landfall".to_owned(),
            former_managers: vec!["argocd-controller".to_owned()],
            ignore_aggregated_roles: false,
            ignore_status: IgnoreStatus::All,
            known_types: Vec::new(),
        }
    }
}

/// Whose `status` is left out of the comparison (`ignoreResourceStatusField`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IgnoreStatus {
    /// That of every object.
    #[default]
    All,
    /// That of CustomResourceDefinitions only.
    Definitions,
    /// Nobody's.
    None,
}

/// A field of a custom resource that holds one of Kubernetes' own types (`knownTypeFields`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownType {
    /// A glob.
    pub group: String,
    /// A glob.
    pub kind: String,
    /// Field names joined by dots; lists on the way are entered.
    pub field: String,
    /// What it holds.
    pub holds: Holds,
}

/// What a known field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// A quantity, or maps and lists of them.
    Quantity,
    /// A duration.
    Duration,
    /// A built-in type by its name, for example `io.k8s.api.core.v1.PodSpec`.
    Type(String),
}

impl Rules {
    /// Makes rules of `ignoreDifferences` entries. What cannot be used is left out and named among the problems, which concern the
    /// author of the rules.
    #[must_use]
    pub fn new(entries: &[IgnoreDifference], options: Options) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let ignore = entries.iter().map(|entry| IgnoreRule::new(entry, &mut problems)).collect();
        (Self { ignore, options }, problems)
    }

    /// The rules that concern an object.
    pub(crate) fn of<'r>(&'r self, object: &Value) -> impl Iterator<Item = &'r IgnoreRule> {
        let about = About::of(object);
        self.ignore.iter().filter(move |rule| {
            glob(&rule.group, &about.group)
                && glob(&rule.kind, &about.kind)
                && (rule.name.is_empty() || rule.name == about.name)
                && (rule.namespace.is_empty() || rule.namespace == about.namespace)
        })
    }
}

impl IgnoreRule {
    fn new(entry: &IgnoreDifference, problems: &mut Vec<String>) -> Self {
        let pointers = entry.json_pointers.iter().filter_map(|pointer| match pointer_parts(pointer) {
            Ok(parts) => Some(parts),
            Err(problem) => {
                problems.push(format!("ignoreDifferences, jsonPointers: {problem}"));
                None
            }
        });
        let pointers = pointers.collect();
        let expressions = entry.jq_path_expressions.iter().filter_map(|text| match Expression::compile(text) {
            Ok(expression) => Some(expression),
            Err(problem) => {
                problems.push(format!("ignoreDifferences, jqPathExpressions: {problem}"));
                None
            }
        });
        Self {
            expressions: expressions.collect(),
            group: entry.group.clone(),
            kind: entry.kind.clone(),
            name: entry.name.clone(),
            namespace: entry.namespace.clone(),
            pointers,
            managers: entry.managed_fields_managers.clone(),
        }
    }
}

fn pointer_parts(pointer: &str) -> Result<Vec<String>, String> {
    let Some(rest) = pointer.strip_prefix('/') else {
        return Err(format!("{pointer:?} does not start with a slash, as /spec/replicas does"));
    };
    Ok(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// What a rule may ask about an object.
struct About {
    group: String,
    kind: String,
    name: String,
    namespace: String,
}

impl About {
    fn of(object: &Value) -> Self {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            group: group_of(object).to_owned(),
            kind: text("/kind"),
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
        }
    }
}

/// The object's API group; empty for the core group.
pub(crate) fn group_of(object: &Value) -> &str {
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether a text matches a glob: `*` any text, `?` any character, `{a,b}` either.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    if let Some((before, rest)) = pattern.split_once('{')
        && let Some((choices, after)) = rest.split_once('}')
    {
        return choices.split(',').any(|choice| glob(&format!("{before}{choice}{after}"), text));
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else {
                    return false;
                };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_people_expect() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "apps", true),
            ("apps", "apps", true),
            ("apps", "app", false),
            ("*.k8s.io", "networking.k8s.io", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("{Mutating,Validating}WebhookConfiguration", "ValidatingWebhookConfiguration", true),
            ("?x", "ax", true),
            ("", "", true),
            ("", "apps", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn unusable_rules_are_named_and_left_out() {
        let entry = IgnoreDifference {
            kind: "Deployment".to_owned(),
            json_pointers: vec!["spec/replicas".to_owned(), "/spec/a~1b".to_owned()],
            jq_path_expressions: vec![".spec[".to_owned(), ".spec".to_owned()],
            ..IgnoreDifference::default()
        };
        let (rules, problems) = Rules::new(&[entry], Options::default());
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(rules.ignore[0].pointers, [["spec", "a/b"]]);
        assert_eq!(rules.ignore[0].expressions.len(), 1);
    }
}
