//! The settings for objects of a project's namespaces that no application has. Source: Argo CD 3.5
//! `app_project_types.go` (OrphanedResourcesMonitorSettings), `docs/user-guide/orphaned-resources.md`.

use landfall_model::key::ObjectKey;
use landfall_model::project::{KindRule, ProjectSpec};
use serde::Deserialize;

use crate::pattern::Pattern;

/// What a project wants to know about orphans.
#[derive(Debug, Clone, Default)]
pub struct OrphanSettings {
    /// Whether applications get a warning.
    pub warns: bool,
    ignored: Vec<(Pattern, Pattern, Pattern)>,
}

#[derive(Deserialize)]
struct Wire {
    warn: Option<bool>,
    #[serde(default)]
    ignore: Vec<KindRule>,
}

impl OrphanSettings {
    /// Reads the settings; `None` if the project does not watch for orphans. Errors: what is wrong, in words.
    pub fn read(project: &ProjectSpec) -> Result<Option<Self>, String> {
        let Some(written) = &project.orphaned_resources else { return Ok(None) };
        let wire: Wire =
            serde_json::from_value(written.clone()).map_err(|error| format!("spec.orphanedResources: {error}"))?;
        let any_if_empty = |glob: &str| Pattern::read(if glob.is_empty() { "*" } else { glob }, None);
        let ignored = wire
            .ignore
            .iter()
            .map(|rule| (Pattern::read(&rule.group, None), any_if_empty(&rule.kind), any_if_empty(&rule.name)))
            .collect();
        Ok(Some(Self { warns: wire.warn.unwrap_or(true), ignored }))
    }

    /// Says whether an object is left out: by the settings, or because every namespace has it.
    pub fn ignores(&self, key: &ObjectKey) -> bool {
        let comes_by_itself = matches!(
            (key.group.as_str(), key.kind.as_str(), key.name.as_str()),
            ("", "ServiceAccount", "default") | ("", "ConfigMap", "kube-root-ca.crt") | ("", "Service", "kubernetes")
        );
        comes_by_itself
            || self.ignored.iter().any(|(group, kind, name)| {
                group.matches(&key.group) && kind.matches(&key.kind) && name.matches(&key.name)
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn orphans_are_told_unless_ignored() {
        let project = |settings| ProjectSpec { orphaned_resources: settings, ..ProjectSpec::default() };
        assert!(OrphanSettings::read(&project(None)).expect("valid").is_none());
        let settings =
            OrphanSettings::read(&project(Some(json!({"ignore": [{"kind": "ConfigMap", "name": "leader-*"}]}))))
                .expect("valid")
                .expect("there");
        assert!(settings.warns);
        let key = |kind: &str, name: &str| ObjectKey::of("", kind, "shop", name);
        assert!(settings.ignores(&key("ConfigMap", "leader-1")));
        assert!(settings.ignores(&key("ServiceAccount", "default")));
        assert!(!settings.ignores(&key("ConfigMap", "settings")));
        assert!(OrphanSettings::read(&project(Some(json!({"warn": "yes"})))).is_err());
    }
}
