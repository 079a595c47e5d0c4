//! What policies and webhooks are about: rules, selectors, and the request as expressions and webhooks see it.

use serde_json::{Value, json};

use crate::convert;
use crate::json;
use crate::operations::{Core, WriteOptions};
use crate::registry::Resource;
use crate::selector::LabelSelector;

/// A write, as admission looks at it.
pub(crate) struct Act<'a> {
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub(crate) operation: &'static str,
    /// The resource.
    pub(crate) resource: &'a Resource,
    /// The subresource, "" for none.
    pub(crate) subresource: &'static str,
    /// The object as it should become, in the storage version; null on deletion.
    pub(crate) object: Value,
    /// The object as it was; null on creation.
    pub(crate) old: Value,
    /// Who writes, and how.
    pub(crate) options: &'a WriteOptions,
    /// Whether nothing is stored.
    pub(crate) dry_run: bool,
}

impl Act<'_> {
    /// The object that decides about selectors: the new one, or the old one on deletion.
    pub(crate) fn subject(&self) -> &Value {
        if self.object.is_null() { &self.old } else { &self.object }
    }

    /// The object in the version of the request, null stays null.
    pub(crate) fn shown(&self, value: &Value) -> Value {
        if value.is_null() {
            return Value::Null;
        }
        let mut shown = value.clone();
        convert::from_storage(self.resource, &mut shown);
        shown
    }

    /// The request, as `AdmissionReview.request` and expressions have it, without the objects.
    pub(crate) fn request(&self, uid: &str) -> Value {
        let resource = self.resource;
        let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        let of = json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
        let options = match self.operation {
            "CREATE" => json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}),
            "DELETE" => json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}),
            _ => json!({"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"}),
        };
        let mut request = json!({
            "uid": uid, "kind": kind, "resource": of, "requestKind": kind, "requestResource": of,
            "name": json::name(self.subject()), "operation": self.operation, "userInfo": self.options.who.to_json(),
            "dryRun": self.dry_run, "options": options,
        });
        if !self.subresource.is_empty() {
            request["subResource"] = json!(self.subresource);
            request["requestSubResource"] = json!(self.subresource);
        }
        if resource.is_namespaced() {
            request["namespace"] = json!(json::namespace(self.subject()));
        } else if resource.key.as_str() == "namespaces" {
            request["namespace"] = json!(json::name(self.subject()));
        }
        request
    }

    /// The namespace that the act is in, or the namespace itself; null for other cluster-wide objects.
    pub(crate) fn namespace(&self, core: &Core) -> Value {
        if self.resource.key.as_str() == "namespaces" {
            return self.subject().clone();
        }
        if !self.resource.is_namespaced() {
            return Value::Null;
        }
        let held = core.store.get(&"namespaces".into(), "", json::namespace(self.subject()));
        held.map_or(Value::Null, |held| Value::clone(&held.value))
    }
}

fn has(rule: &Value, pointer: &str, wanted: &str) -> bool {
    json::list(rule, pointer).iter().filter_map(Value::as_str).any(|held| held == "*" || held == wanted)
}

/// True when a rule of `rules`, `resourceRules` or `excludeResourceRules` is about an act.
pub(crate) fn rule_matches(rule: &Value, act: &Act<'_>) -> bool {
    let resource = act.resource;
    let is_equal_version =
        has(rule, "/apiVersions", &resource.version) || has(rule, "/apiVersions", &resource.storage_version);
    let scope = json::text(rule, "/scope");
    let scope_fits = match scope {
        "Namespaced" => resource.is_namespaced(),
        "Cluster" => !resource.is_namespaced(),
        _ => true,
    };
    let names = json::list(rule, "/resourceNames");
    let name_fits = names.is_empty() || names.iter().any(|name| name.as_str() == Some(json::name(act.subject())));
    let resource_fits =
        json::list(rule, "/resources").iter().filter_map(Value::as_str).any(|held| match held.split_once('/') {
            None => act.subresource.is_empty() && (held == "*" || held == resource.plural),
            Some((main, sub)) => (main == "*" || main == resource.plural) && (sub == "*" || sub == act.subresource),
        });
    scope_fits
        && name_fits
        && resource_fits
        && is_equal_version
        && has(rule, "/operations", act.operation)
        && has(rule, "/apiGroups", &resource.group)
}

/// True when the selectors of a webhook or of match constraints let an act through.
pub(crate) fn selectors_match(core: &Core, holder: &Value, act: &Act<'_>) -> bool {
    if let Some(selector) = holder.get("namespaceSelector").filter(|selector| selector.is_object()) {
        let namespace = act.namespace(core);
        // Objects that are in no namespace are never left out by it.
        if !namespace.is_null() && !LabelSelector::of_spec(Some(selector)).matches(&namespace) {
            return false;
        }
    }
    if let Some(selector) = holder.get("objectSelector").filter(|selector| selector.is_object()) {
        let parsed = LabelSelector::of_spec(Some(selector));
        let fits = |value: &Value| !value.is_null() && parsed.matches(value);
        if !parsed.is_everything() && !fits(&act.object) && !fits(&act.old) {
            return false;
        }
    }
    true
}

/// True when `matchConstraints` or `matchResources` are about an act. Without rules, everything is meant.
pub(crate) fn constraints_match(core: &Core, constraints: &Value, act: &Act<'_>) -> bool {
    if !constraints.is_object() {
        return true;
    }
    let rules = json::list(constraints, "/resourceRules");
    (rules.is_empty() || rules.iter().any(|rule| rule_matches(rule, act)))
        && !json::list(constraints, "/excludeResourceRules").iter().any(|rule| rule_matches(rule, act))
        && selectors_match(core, constraints, act)
}
