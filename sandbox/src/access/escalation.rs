//! Nobody can hand out rights that they do not have: writes of roles and bindings are checked.

use serde_json::{Map, Value};

use super::rules::{Single, resource_rules_cover};
use super::{Attributes, authorize, role_rules, rules_for};
use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::registry::Resource;
use crate::store::{Expect, ResourceKey};
use crate::tokens::Identity;

/// Refuses a role or binding that would give more than its writer has.
pub(crate) fn check(
    core: &Core,
    resource: &Resource,
    value: &Value,
    old: Option<&Value>,
    who: &Identity,
) -> Result<(), ApiError> {
    if who.is_in(crate::tokens::MASTERS) {
        return Ok(());
    }
    let namespace = json::namespace(value);
    let may = |verb: &str, plural: &str, name: &str| {
        let wanted = Attributes {
            verb: verb.to_string(),
            group: "rbac.authorization.k8s.io".to_string(),
            resource: plural.to_string(),
            namespace: namespace.to_string(),
            name: name.to_string(),
            ..Attributes::default()
        };
        authorize(core, who, &wanted).is_some()
    };
    let wanted = match resource.plural.as_str() {
        "roles" | "clusterroles" => {
            let same = old.is_some_and(|old| old.get("rules") == value.get("rules"));
            if same || may("escalate", &resource.plural, json::name(value)) {
                return Ok(());
            }
            json::list(value, "/rules").to_vec()
        }
        "rolebindings" | "clusterrolebindings" => {
            let same = old.is_some_and(|old| {
                old.get("roleRef") == value.get("roleRef") && old.get("subjects") == value.get("subjects")
            });
            let (kind, name) = (json::text(value, "/roleRef/kind"), json::text(value, "/roleRef/name"));
            let plural = if kind == "ClusterRole" { "clusterroles" } else { "roles" };
            if same || may("bind", plural, name) {
                return Ok(());
            }
            let held = match kind {
                "ClusterRole" => core.store.get(&"clusterroles.rbac.authorization.k8s.io".into(), "", name),
                _ => core.store.get(&"roles.rbac.authorization.k8s.io".into(), namespace, name),
            };
            if held.is_none() {
                return Err(ApiError::not_found(&format!("{plural}.rbac.authorization.k8s.io"), name));
            }
            role_rules(core, kind, name, namespace)
        }
        _ => return Ok(()),
    };
    let held: Vec<Value> = rules_for(core, who, namespace).into_iter().map(|(rule, _)| rule).collect();
    let mut missing: Vec<String> = wanted.iter().flat_map(|rule| uncovered(rule, &held)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort();
    missing.dedup();
    let mut groups = who.groups.clone();
    groups.sort();
    let why = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        who.name,
        Value::from(groups).to_string().replace("\",\"", "\" \""),
        missing.join("\n")
    );
    Err(ApiError::forbidden(resource.qualified(), json::name(value), &why))
}

/// The parts of a rule that are not held, each in the form in which the server tells them.
fn uncovered(rule: &Value, held: &[Value]) -> Vec<String> {
    let texts = |pointer: &str| -> Vec<&str> { json::list(rule, pointer).iter().filter_map(Value::as_str).collect() };
    let verbs = texts("/verbs");
    let mut missing = Vec::new();
    for path in texts("/nonResourceURLs") {
        let lacking: Vec<&str> =
            verbs.iter().filter(|verb| !resource_rules_cover(held, &Single::Path { verb, path })).copied().collect();
        if !lacking.is_empty() {
            missing.push(format!("{{NonResourceURLs:{}, Verbs:{}}}", list(&[path]), list(&lacking)));
        }
    }
    let names: Vec<Option<&str>> = match texts("/resourceNames") {
        names if names.is_empty() => vec![None],
        names => names.into_iter().map(Some).collect(),
    };
    for group in texts("/apiGroups") {
        for resource in texts("/resources") {
            for name in &names {
                let lacking: Vec<&str> = verbs
                    .iter()
                    .filter(|verb| {
                        !resource_rules_cover(held, &Single::Resource { verb, group, resource, name: *name })
                    })
                    .copied()
                    .collect();
                if lacking.is_empty() {
                    continue;
                }
                let named = name.map_or_else(String::new, |name| format!(", ResourceNames:{}", list(&[name])));
                missing.push(format!(
                    "{{APIGroups:{}, Resources:{}{named}, Verbs:{}}}",
                    list(&[group]),
                    list(&[resource]),
                    list(&lacking)
                ));
            }
        }
    }
    missing
}

fn list(items: &[&str]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// Brings the rules of roles that gather others up to date.
pub(crate) fn aggregate(core: &Core) {
    let key = ResourceKey::from("clusterroles.rbac.authorization.k8s.io");
    // A gathered role may itself be gathered by another: `admin` holds what `edit` holds.
    for _ in 0..GATHERING_DEPTH {
        let mut changed = false;
        for role in core.store.list(&key, None, None).map(|listing| listing.items).unwrap_or_default() {
            let Some(rules) = aggregated(core, &role.value) else { continue };
            if json::list(&role.value, "/rules") == rules.as_slice() {
                continue;
            }
            let mut next = Value::clone(&role.value);
            json::set(&mut next, &["rules"], rules);
            // Who wrote in between aggregates in turn.
            changed |= core.store.put(&key, Expect::Revision(role.revision), next).is_ok();
        }
        if !changed {
            return;
        }
    }
}

/// How many roles may gather one another in a row.
const GATHERING_DEPTH: usize = 4;

/// A ClusterRole's rules when it gathers those of others by their labels.
fn aggregated(core: &Core, role: &Value) -> Option<Vec<Value>> {
    let selectors = json::list(role, "/aggregationRule/clusterRoleSelectors");
    if selectors.is_empty() {
        return None;
    }
    let parsed: Vec<_> = selectors.iter().map(|s| crate::selector::LabelSelector::of_spec(Some(s))).collect();
    let mut rules: Vec<Value> = Vec::new();
    let key = "clusterroles.rbac.authorization.k8s.io".into();
    for other in core.store.list(&key, None, None).map(|listing| listing.items).unwrap_or_default() {
        if json::name(&other.value) == json::name(role) || !parsed.iter().any(|s| s.matches(&other.value)) {
            continue;
        }
        for rule in json::list(&other.value, "/rules") {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Some(rules)
}

/// Resource rules and path rules of somebody, as SelfSubjectRulesReview lists them.
pub(crate) fn review(rules: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let mut resource_rules = Vec::new();
    let mut path_rules = Vec::new();
    for rule in rules {
        let pick = |keys: &[&str]| {
            let mut map = Map::new();
            for key in keys {
                if let Some(held) = rule.get(*key) {
                    map.insert((*key).to_string(), held.clone());
                }
            }
            Value::Object(map)
        };
        if !json::list(rule, "/resources").is_empty() {
            resource_rules.push(pick(&["verbs", "apiGroups", "resources", "resourceNames"]));
        }
        if !json::list(rule, "/nonResourceURLs").is_empty() {
            path_rules.push(pick(&["verbs", "nonResourceURLs"]));
        }
    }
    (resource_rules, path_rules)
}
