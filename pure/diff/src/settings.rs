//! The rules that hold for all applications, from the settings that Argo CD's users have in `argocd-cm`:
//! `resource.compareoptions`, `resource.customizations.ignoreDifferences.KEY`, `resource.customizations.knownTypeFields.KEY`.

use std::collections::BTreeMap;

use landfall_model::application::IgnoreDifference;
use landfall_yaml::Resolver;
use serde_json::Value;

use crate::rules::{Holds, IgnoreStatus, KnownType, Options};

/// What the settings say about comparing.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// To be added to the entries of every application.
    pub ignore: Vec<IgnoreDifference>,
    /// With our own manager and the built-in known types.
    pub options: Options,
    /// What could not be read, for the author of the settings.
    pub problems: Vec<String>,
}

/// Reads the data of the settings' ConfigMap; keys of other concerns are passed over.
#[must_use]
pub fn read(data: &BTreeMap<String, String>) -> Settings {
    let mut settings = Settings::default();
    settings.options.known_types = built_in_known_types();
    for (key, text) in data {
        let parsed =
            || landfall_yaml::read_one(text.as_bytes(), Resolver::Kubernetes).map_err(|error| error.to_string());
        let outcome = if key == "resource.compareoptions" {
            parsed().map(|value| compare_options(&value, &mut settings.options))
        } else if let Some(kind) = key.strip_prefix("resource.customizations.ignoreDifferences.") {
            parsed().and_then(|value| ignore_entry(kind, value)).map(|entry| settings.ignore.push(entry))
        } else if let Some(kind) = key.strip_prefix("resource.customizations.knownTypeFields.") {
            parsed()
                .and_then(|value| known_fields(kind, &value))
                .map(|known| settings.options.known_types.extend(known))
        } else {
            Ok(())
        };
        if let Err(problem) = outcome {
            settings.problems.push(format!("{key}: {problem}"));
        }
    }
    settings
}

fn compare_options(value: &Value, options: &mut Options) {
    if let Some(flag) = value.get("ignoreAggregatedRoles").and_then(Value::as_bool) {
        options.ignore_aggregated_roles = flag;
    }
    options.ignore_status = match value.get("ignoreResourceStatusField").and_then(Value::as_str) {
        Some("crd") => IgnoreStatus::Definitions,
        Some("none" | "off") => IgnoreStatus::None,
        Some("all") => IgnoreStatus::All,
        _ => match value.get("ignoreResourceStatusField").and_then(Value::as_bool) {
            // YAML 1.1 reads `off` as false.
            Some(false) => IgnoreStatus::None,
            _ => options.ignore_status,
        },
    };
}

/// `apps_Deployment`, `ConfigMap` (core group), `*.example.com_*`, `all`.
fn group_and_kind(key: &str) -> (String, String) {
    if key == "all" {
        return ("*".to_owned(), "*".to_owned());
    }
    match key.split_once('_') {
        Some((group, kind)) => (group.to_owned(), kind.to_owned()),
        None => (String::new(), key.to_owned()),
    }
}

fn ignore_entry(key: &str, value: Value) -> Result<IgnoreDifference, String> {
    let strings = |name: &str| -> Result<Vec<String>, String> {
        match value.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => list
                .iter()
                .map(|text| text.as_str().map(str::to_owned).ok_or_else(|| format!("{name} must be a list of strings")))
                .collect(),
            Some(_) => Err(format!("{name} must be a list of strings")),
        }
    };
    let (group, kind) = group_and_kind(key);
    Ok(IgnoreDifference {
        group,
        kind,
        json_pointers: strings("jsonPointers")?,
        jq_path_expressions: strings("jqPathExpressions")?,
        managed_fields_managers: strings("managedFieldsManagers")?,
        ..IgnoreDifference::default()
    })
}

fn known_fields(key: &str, value: &Value) -> Result<Vec<KnownType>, String> {
    let (group, kind) = group_and_kind(key);
    let Some(list) = value.as_array() else {
        return Err("expected a list of {field, type}".to_owned());
    };
    list.iter()
        .map(|entry| {
            let text = |name| entry.get(name).and_then(Value::as_str);
            let (Some(field), Some(name)) = (text("field"), text("type")) else {
                return Err("every entry needs a field and a type".to_owned());
            };
            Ok(KnownType { group: group.clone(), kind: kind.clone(), field: field.to_owned(), holds: holds(name)? })
        })
        .collect()
}

/// `core/Quantity`, `meta/v1/Duration` or `core/v1/TYPE`.
fn holds(name: &str) -> Result<Holds, String> {
    match name {
        "core/Quantity" => Ok(Holds::Quantity),
        "meta/v1/Duration" => Ok(Holds::Duration),
        "core/v1/ResourceList" => Ok(Holds::Quantity),
        _ => {
            let full = name.strip_prefix("core/v1/").map(|name| format!("io.k8s.api.core.v1.{name}"));
            full.filter(|full| landfall_merge::builtin::kubernetes().named(full).is_some()).map(Holds::Type).ok_or_else(|| {
                format!("unknown type {name}: use core/Quantity, meta/v1/Duration or core/v1/ and a type such as PodSpec")
            })
        }
    }
}

/// Fields of widespread custom resources whose controllers or webhooks rewrite them in canonical form.
fn built_in_known_types() -> Vec<KnownType> {
    let known = |group: &str, kind: &str, field: &str, holds: Holds| KnownType {
        group: group.to_owned(),
        kind: kind.to_owned(),
        field: field.to_owned(),
        holds,
    };
    let pod_spec = || Holds::Type("io.k8s.api.core.v1.PodSpec".to_owned());
    vec![
        known("argoproj.io", "Rollout", "spec.template.spec", pod_spec()),
        known("cert-manager.io", "Certificate", "spec.duration", Holds::Duration),
        known("cert-manager.io", "Certificate", "spec.renewBefore", Holds::Duration),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_argo_cd_are_read_as_they_are() {
        let data = BTreeMap::from(
            [
                ("resource.compareoptions", "ignoreAggregatedRoles: true\nignoreResourceStatusField: crd\n"),
                (
                    "resource.customizations.ignoreDifferences.all",
                    "managedFieldsManagers:\n- kube-controller-manager\n",
                ),
                ("resource.customizations.ignoreDifferences.apps_Deployment", "jsonPointers:\n- /spec/replicas\n"),
                (
                    "resource.customizations.knownTypeFields.example.com_Thing",
                    "- field: spec.cpu\n  type: core/Quantity\n- field: spec.pod\n  type: core/v1/PodSpec\n",
                ),
                ("resource.customizations.ignoreDifferences.Secret", "jsonPointers: /data\n"),
                ("url", "https://example.com"),
            ]
            .map(|(key, text)| (key.to_owned(), text.to_owned())),
        );
        let settings = read(&data);
        assert!(settings.options.ignore_aggregated_roles);
        assert_eq!(settings.options.ignore_status, IgnoreStatus::Definitions);
        assert_eq!(settings.ignore.len(), 2);
        assert_eq!((settings.ignore[0].group.as_str(), settings.ignore[0].kind.as_str()), ("*", "*"));
        assert_eq!(settings.ignore[1].group, "apps");
        assert_eq!(settings.options.known_types.len(), built_in_known_types().len() + 2);
        assert_eq!(settings.problems.len(), 1);
        assert!(settings.problems[0].contains("ignoreDifferences.Secret"), "{:?}", settings.problems);
    }
}
