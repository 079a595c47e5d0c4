//! One rule of a role against one act, and against other rules.

use serde_json::Value;

use super::Attributes;
use crate::json;

fn holds(rule: &Value, pointer: &str, wanted: &str) -> bool {
    json::list(rule, pointer).iter().filter_map(Value::as_str).any(|held| held == "*" || held == wanted)
}

/// True when a rule allows an act.
pub(crate) fn covers(rule: &Value, wanted: &Attributes) -> bool {
    if !holds(rule, "/verbs", &wanted.verb) {
        return false;
    }
    if let Some(path) = &wanted.path {
        return json::list(rule, "/nonResourceURLs").iter().filter_map(Value::as_str).any(|held| {
            held == "*" || held == path || held.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
        });
    }
    let names = json::list(rule, "/resourceNames");
    holds(rule, "/apiGroups", &wanted.group)
        && holds_resource(rule, &wanted.resource, &wanted.subresource)
        && (names.is_empty() || names.iter().any(|name| name.as_str() == Some(&wanted.name)))
}

fn holds_resource(rule: &Value, resource: &str, subresource: &str) -> bool {
    json::list(rule, "/resources").iter().filter_map(Value::as_str).any(|held| {
        if held == "*" {
            return true;
        }
        match held.split_once('/') {
            None => subresource.is_empty() && held == resource,
            Some(("*", sub)) => sub == subresource && !subresource.is_empty(),
            Some((main, sub)) => main == resource && sub == subresource,
        }
    })
}

/// True when a rule for one verb, group, resource and name is covered by rules that somebody holds.
pub(crate) fn resource_rules_cover(held: &[Value], single: &Single<'_>) -> bool {
    held.iter().any(|rule| match single {
        Single::Path { verb, path } => {
            holds(rule, "/verbs", verb)
                && json::list(rule, "/nonResourceURLs")
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|held| held == *path || held.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix)))
        }
        Single::Resource { verb, group, resource, name } => {
            let names = json::list(rule, "/resourceNames");
            let (main, sub) = resource.split_once('/').unwrap_or((resource, ""));
            holds(rule, "/verbs", verb)
                && holds(rule, "/apiGroups", group)
                && (holds_resource(rule, main, sub)
                    || json::list(rule, "/resources").iter().any(|held| held.as_str() == Some(resource)))
                && (names.is_empty() || name.is_some_and(|name| names.iter().any(|held| held.as_str() == Some(name))))
        }
    })
}

/// A rule taken apart: one verb on one thing.
pub(crate) enum Single<'a> {
    /// A path.
    Path {
        /// The verb.
        verb: &'a str,
        /// The path or pattern.
        path: &'a str,
    },
    /// A resource.
    Resource {
        /// The verb.
        verb: &'a str,
        /// The API group.
        group: &'a str,
        /// `resource` or `resource/subresource`.
        resource: &'a str,
        /// The only object, if the rule names one.
        name: Option<&'a str>,
    },
}
