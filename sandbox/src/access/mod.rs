//! Who may do what: roles and bindings are enforced as the real server's RBAC authorizer does.
//!
//! ```text
//!  request -> [`Attributes`] -> members of system:masters: yes
//!                            -> bindings of the cluster, then of the namespace -> their roles' rules: yes
//!                            -> no opinion: 403
//! ```

pub(crate) mod bootstrap;
pub(crate) mod escalation;
mod rules;

use std::fmt::Write as _;
use std::sync::Arc;

use rules::covers;

use serde_json::Value;

use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::store::{ResourceKey, Stored};
use crate::tokens::{Identity, MASTERS};

/// What somebody wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection` or a word of its own.
    pub(crate) verb: String,
    /// The API group, "" for the core group.
    pub(crate) group: String,
    /// The plural name.
    pub(crate) resource: String,
    /// The subresource, "" for none.
    pub(crate) subresource: String,
    /// The namespace, "" for all or none.
    pub(crate) namespace: String,
    /// The object's name, "" for none.
    pub(crate) name: String,
    /// For paths that are not of resources: the path. Then the fields above are empty.
    pub(crate) path: Option<String>,
}

impl Attributes {
    /// An act on a path that is not of a resource.
    pub(crate) fn of_path(verb: &str, path: &str) -> Self {
        Self { verb: verb.to_string(), path: Some(path.to_string()), ..Self::default() }
    }

    /// `resource` or `resource/subresource`, as rules name it.
    pub(crate) fn combined_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

/// The rules that apply to somebody in a namespace ("" for cluster-wide ones only), with where they come from.
pub(crate) fn rules_for(core: &Core, who: &Identity, namespace: &str) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    let cluster_bindings = ResourceKey::from("clusterrolebindings.rbac.authorization.k8s.io");
    for binding in core.store.list(&cluster_bindings, None, None).map(|listing| listing.items).unwrap_or_default() {
        gather(core, who, &binding.value, "", &mut found);
    }
    if !namespace.is_empty() {
        let bindings = ResourceKey::from("rolebindings.rbac.authorization.k8s.io");
        let listing = core.store.list(&bindings, Some(namespace), None);
        for binding in listing.map(|listing| listing.items).unwrap_or_default() {
            gather(core, who, &binding.value, namespace, &mut found);
        }
    }
    found
}

/// The roles that somebody's bindings name although they do not exist, in the real server's words.
pub(crate) fn missing_roles(core: &Core, who: &Identity, namespace: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |key: &str, space: Option<&str>| {
        let listing = core.store.list(&ResourceKey::from(key), space, None);
        for binding in listing.map(|listing| listing.items).unwrap_or_default() {
            let subjects = json::list(&binding.value, "/subjects");
            if !subjects.iter().any(|subject| is_subject(subject, who, space.unwrap_or_default())) {
                continue;
            }
            let (kind, name) =
                (json::text(&binding.value, "/roleRef/kind"), json::text(&binding.value, "/roleRef/name"));
            if role(core, kind, name, space.unwrap_or_default()).is_none() {
                let plural = if kind == "Role" { "role" } else { "clusterrole" };
                found.push(format!("{plural}.rbac.authorization.k8s.io {name:?} not found"));
            }
        }
    };
    look("clusterrolebindings.rbac.authorization.k8s.io", None);
    if !namespace.is_empty() {
        look("rolebindings.rbac.authorization.k8s.io", Some(namespace));
    }
    found
}

/// Several errors as Go's aggregate shows them.
pub(crate) fn aggregated(errors: &[String]) -> String {
    match errors {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

fn gather(core: &Core, who: &Identity, binding: &Value, namespace: &str, found: &mut Vec<(Value, String)>) {
    let Some(subject) = json::list(binding, "/subjects").iter().find(|subject| is_subject(subject, who, namespace))
    else {
        return;
    };
    let role = binding.get("roleRef").unwrap_or(&Value::Null);
    let (kind, name) = (json::text(role, "/kind"), json::text(role, "/name"));
    let rules = role_rules(core, kind, name, namespace);
    let mut source = if namespace.is_empty() {
        format!("RBAC: allowed by ClusterRoleBinding {:?} of {kind} {name:?} to ", json::name(binding))
    } else {
        format!("RBAC: allowed by RoleBinding \"{}/{namespace}\" of {kind} {name:?} to ", json::name(binding))
    };
    let subject_name = json::text(subject, "/name");
    let _ = match json::text(subject, "/kind") {
        "ServiceAccount" => {
            let space = json::text(subject, "/namespace");
            write!(source, "ServiceAccount \"{subject_name}/{}\"", if space.is_empty() { namespace } else { space })
        }
        kind => write!(source, "{kind} {subject_name:?}"),
    };
    found.extend(rules.into_iter().map(|rule| (rule, source.clone())));
}

/// The rules of a role.
pub(crate) fn role_rules(core: &Core, kind: &str, name: &str, namespace: &str) -> Vec<Value> {
    let held = role(core, kind, name, namespace);
    held.map(|held| json::list(&held.value, "/rules").to_vec()).unwrap_or_default()
}

fn role(core: &Core, kind: &str, name: &str, namespace: &str) -> Option<Arc<Stored>> {
    match kind {
        "ClusterRole" => core.store.get(&"clusterroles.rbac.authorization.k8s.io".into(), "", name),
        "Role" => core.store.get(&"roles.rbac.authorization.k8s.io".into(), namespace, name),
        _ => None,
    }
}

fn is_subject(subject: &Value, who: &Identity, namespace: &str) -> bool {
    let name = json::text(subject, "/name");
    match json::text(subject, "/kind") {
        "User" => name == who.name,
        "Group" => who.is_in(name),
        "ServiceAccount" => {
            let space = json::text(subject, "/namespace");
            let space = if space.is_empty() { namespace } else { space };
            !space.is_empty() && who.name == format!("system:serviceaccount:{space}:{name}")
        }
        _ => false,
    }
}

/// Decides: the reason if it is allowed, `None` if nobody said so.
pub(crate) fn authorize(core: &Core, who: &Identity, wanted: &Attributes) -> Option<String> {
    if who.is_in(MASTERS) {
        return Some(String::new());
    }
    rules_for(core, who, &wanted.namespace).into_iter().find(|(rule, _)| covers(rule, wanted)).map(|(_, source)| source)
}

/// Refuses what is not allowed, in the real server's words.
pub(crate) fn require(core: &Core, who: &Identity, wanted: &Attributes) -> Result<(), ApiError> {
    if authorize(core, who, wanted).is_some() {
        return Ok(());
    }
    let mut refused = refusal(who, wanted);
    let missing = missing_roles(core, who, &wanted.namespace);
    if !missing.is_empty() {
        refused.message = format!("{}: RBAC: {}", refused.message, aggregated(&missing));
    }
    Err(refused)
}

/// The refusal of something that nobody allowed.
pub(crate) fn refusal(who: &Identity, wanted: &Attributes) -> ApiError {
    let user = &who.name;
    if let Some(path) = &wanted.path {
        let mut error = ApiError::forbidden("", "", "");
        error.message = format!("forbidden: User {user:?} cannot {} path {path:?}", wanted.verb);
        error.details = serde_json::json!({});
        return error;
    }
    let scope = if wanted.namespace.is_empty() {
        " at the cluster scope".to_string()
    } else {
        format!(" in the namespace {:?}", wanted.namespace)
    };
    let why = format!(
        "User {user:?} cannot {} resource {:?} in API group {:?}{scope}",
        wanted.verb,
        wanted.combined_resource(),
        wanted.group
    );
    let qualified =
        if wanted.group.is_empty() { wanted.resource.clone() } else { format!("{}.{}", wanted.resource, wanted.group) };
    let mut error = ApiError::forbidden(&qualified, &wanted.name, &why);
    if wanted.name.is_empty() {
        error.message = format!("{qualified} is forbidden: {why}");
    }
    error
}
