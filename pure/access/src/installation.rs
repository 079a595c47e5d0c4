//! What an installation leaves alone and what all its projects have in common, from the settings in `argocd-cm`:
//! `resource.exclusions`, `resource.inclusions`, `globalProjects`.
//! Source: Argo CD 3.5 `util/settings/resources_filter.go`, `util/settings/filtered_resource.go`, `util/argo/argo.go`.

use std::collections::BTreeMap;

use landfall_model::key::GroupKind;
use landfall_model::selector::LabelSelector;
use landfall_yaml::Resolver;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::pattern::Pattern;

/// The settings of an installation that concern every application.
#[derive(Debug, Clone, Default)]
pub struct Installation {
    excluded: Vec<Filter>,
    included: Vec<Filter>,
    /// Projects whose rules hold for others too, in the order they are written.
    pub globals: Vec<Global>,
    /// What could not be read, for the author of the settings.
    pub problems: Vec<String>,
}

/// A project whose rules are added to those of every project that the selector selects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Global {
    /// Selects projects by their labels.
    #[serde(default)]
    pub label_selector: LabelSelector,
    /// The project whose rules are added.
    pub project_name: String,
}

#[derive(Debug, Clone)]
struct Filter {
    groups: Vec<Pattern>,
    kinds: Vec<Pattern>,
    clusters: Vec<Pattern>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Wire {
    api_groups: Vec<String>,
    kinds: Vec<String>,
    clusters: Vec<String>,
}

/// What is never looked at: it changes all the time and is nobody's to keep.
const NEVER: [(&str, &str); 4] =
    [("events.k8s.io", "*"), ("metrics.k8s.io", "*"), ("", "Event"), ("coordination.k8s.io", "Lease")];

impl Installation {
    /// Reads the data of the settings' ConfigMap; keys of other concerns are passed over.
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        let mut problems = Vec::new();
        let excluded: Vec<Wire> = list(data, "resource.exclusions", &mut problems);
        let included: Vec<Wire> = list(data, "resource.inclusions", &mut problems);
        let globals: Vec<Global> = list(data, "globalProjects", &mut problems);
        for global in &globals {
            let problem = global.label_selector.problem();
            problems.extend(problem.map(|problem| format!("globalProjects: {}: {problem}", global.project_name)));
        }
        Self {
            excluded: excluded.iter().map(Filter::of).collect(),
            included: included.iter().map(Filter::of).collect(),
            globals,
            problems,
        }
    }

    /// Says whether objects of a kind are left alone in a cluster: neither watched, nor applied, nor pruned.
    pub fn excludes(&self, kind: &GroupKind, server: &str) -> bool {
        let is_never = NEVER.iter().any(|(group, name)| *group == kind.group && (*name == "*" || *name == kind.kind));
        let is_excluded = self.excluded.iter().any(|filter| filter.matches(kind, server));
        let is_included = self.included.is_empty() || self.included.iter().any(|filter| filter.matches(kind, server));
        is_never || is_excluded || !is_included
    }

    /// Says whether a project is one whose rules others get.
    pub fn is_global(&self, project: &str) -> bool {
        self.globals.iter().any(|global| global.project_name == project)
    }
}

impl Filter {
    fn of(wire: &Wire) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::read(text, None)).collect();
        Self { groups: patterns(&wire.api_groups), kinds: patterns(&wire.kinds), clusters: patterns(&wire.clusters) }
    }

    /// A list that is not written matches anything.
    fn matches(&self, kind: &GroupKind, server: &str) -> bool {
        let hits = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        hits(&self.groups, &kind.group) && hits(&self.kinds, &kind.kind) && hits(&self.clusters, server)
    }
}

fn list<T: DeserializeOwned>(data: &BTreeMap<String, String>, key: &str, problems: &mut Vec<String>) -> Vec<T> {
    let Some(text) = data.get(key).filter(|text| !text.trim().is_empty()) else { return Vec::new() };
    let read = landfall_yaml::read_one(text.as_bytes(), Resolver::Kubernetes).map_err(|error| error.to_string());
    let parsed = read.and_then(|value| match value.is_null() {
        true => Ok(Vec::new()),
        false => serde_json::from_value(value).map_err(|error| error.to_string()),
    });
    parsed.unwrap_or_else(|problem| {
        problems.push(format!("{key}: {problem} (ignored)"));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Installation {
        Installation::read(&entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn kinds_are_left_alone_by_group_kind_and_cluster() {
        let settings = read(&[(
            "resource.exclusions",
            "- apiGroups: [cilium.io]\n  kinds: [CiliumIdentity]\n  clusters: ['*']\n- apiGroups: ['*.example.com']\n  clusters: ['https://b*']\n",
        )]);
        let excludes = |group: &str, kind: &str, server: &str| settings.excludes(&GroupKind::of(group, kind), server);
        assert!(settings.problems.is_empty(), "{:?}", settings.problems);
        assert!(excludes("cilium.io", "CiliumIdentity", "https://a"));
        assert!(!excludes("cilium.io", "CiliumEndpoint", "https://a"));
        assert!(excludes("x.example.com", "Thing", "https://b.test"));
        assert!(!excludes("x.example.com", "Thing", "https://a.test"));
        assert!(!excludes("", "ConfigMap", "https://a"));
    }

    #[test]
    fn what_changes_all_the_time_is_always_left_alone() {
        for (group, kind) in [("", "Event"), ("events.k8s.io", "Event"), ("coordination.k8s.io", "Lease")] {
            assert!(read(&[]).excludes(&GroupKind::of(group, kind), "https://a"), "{group} {kind}");
        }
    }

    #[test]
    fn inclusions_leave_everything_else_alone_and_exclusions_win() {
        let settings = read(&[
            ("resource.inclusions", "- apiGroups: [apps, '']\n"),
            ("resource.exclusions", "- apiGroups: ['']\n  kinds: [Secret]\n"),
        ]);
        let excludes = |group: &str, kind: &str| settings.excludes(&GroupKind::of(group, kind), "https://a");
        assert!(!excludes("apps", "Deployment") && !excludes("", "ConfigMap"));
        assert!(excludes("batch", "Job") && excludes("", "Secret"));
    }

    #[test]
    fn global_projects_are_read_and_what_is_wrong_is_said() {
        let settings = read(&[
            (
                "globalProjects",
                "- labelSelector:\n    matchExpressions:\n    - {key: team, operator: Exists}\n  projectName: base\n",
            ),
            ("resource.exclusions", "apiGroups: x"),
        ]);
        assert!(settings.is_global("base") && !settings.is_global("other"));
        assert!(settings.globals[0].label_selector.matches(&BTreeMap::from([("team".to_owned(), "a".to_owned())])));
        assert_eq!(settings.problems.len(), 1);
        assert!(settings.problems[0].starts_with("resource.exclusions: "), "{:?}", settings.problems);
    }
}
