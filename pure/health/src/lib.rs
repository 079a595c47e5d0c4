//! Assesses the health of live Kubernetes objects, and of the applications that own them.
//!
//! ```text
//! kinds        one file per built-in kind, and the table of all of them
//! application  the health of an application: the worst of what it manages
//! read         how the kinds read conditions and counts
//! ```
//!
//! Entry points: [`assess`] for one object by the built-in rules, [`Rules`] where an installation has rules of its own
//! (they are asked first), [`application::aggregate`] for an application.
//!
//! Nothing here looks at other objects: a Deployment's pods count only through the Deployment's own status. An object of
//! a kind nobody has a rule for has no health (`None`), which is not the same as unknown health.

pub mod application;
pub mod kinds;
mod read;

use landfall_model::annotations::HOOK_FINALIZER;
use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use serde_json::Value;

/// A rule for some kinds of objects. The built-in table is one; scripts and settings of an installation are others.
pub trait Assess: Send + Sync {
    /// Says whether this rule is for objects of that kind; only then [`Assess::assess`] is asked.
    fn covers(&self, group: &str, kind: &str) -> bool;
    /// Assesses a live object; `None` if it has no health.
    fn assess(&self, live: &Value) -> Option<Health>;
}

/// The rules of an installation: its own in order, then the built-in ones. The first rule that covers a kind decides.
/// Source: Argo CD `docs/operator-manual/health.md` (custom checks come before the built-in ones).
#[derive(Default)]
pub struct Rules {
    own: Vec<Box<dyn Assess>>,
}

impl Rules {
    /// Starts with the built-in rules alone.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Adds a rule that is asked before the built-in ones and after those added earlier.
    #[must_use]
    pub fn with(mut self, rule: Box<dyn Assess>) -> Self {
        self.own.push(rule);
        self
    }

    /// Assesses a live object; `None` if no rule is for its kind.
    pub fn assess(&self, live: &Value) -> Option<Health> {
        if let Some(health) = deletion(live) {
            return Some(health);
        }
        let gvk = object::gvk(live);
        match self.own.iter().find(|rule| rule.covers(&gvk.group, &gvk.kind)) {
            Some(rule) => rule.assess(live),
            None => kinds::find(&gvk.group, &gvk.kind).map(|kind| (kind.assess)(live)),
        }
    }

    /// Says whether assessing that kind needs the object's body (spec and status); for all others the metadata is enough.
    pub fn needs_body(&self, group: &str, kind: &str) -> bool {
        self.own.iter().any(|rule| rule.covers(group, kind)) || needs_body(group, kind)
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Rules({} own, {} built in)", self.own.len(), kinds::KINDS.len())
    }
}

/// Assesses a live object by the built-in rules; `None` if its kind has no health.
///
/// ```
/// use landfall_health::assess;
/// use landfall_model::health::HealthStatus;
/// let claim = serde_json::json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Bound"}});
/// assert_eq!(assess(&claim).map(|health| health.status), Some(HealthStatus::Healthy));
/// ```
pub fn assess(live: &Value) -> Option<Health> {
    if let Some(health) = deletion(live) {
        return Some(health);
    }
    let gvk = object::gvk(live);
    kinds::find(&gvk.group, &gvk.kind).map(|kind| (kind.assess)(live))
}

/// Says whether the built-in rules need the body (spec and status) of objects of that kind.
pub fn needs_body(group: &str, kind: &str) -> bool {
    kinds::find(group, kind).is_some()
}

/// The rule that comes before all others: what is being deleted is on its way, whatever its kind. Hooks are left out,
/// because their finalizer keeps them until their end was recorded, and that end is what counts.
/// Source: gitops-engine `pkg/health/health.go`.
fn deletion(live: &Value) -> Option<Health> {
    let is_deleted = !object::text(live, &["metadata", "deletionTimestamp"]).is_empty();
    let finalizers = object::finalizers(live);
    if !is_deleted || finalizers.contains(&HOOK_FINALIZER) {
        return None;
    }
    let message = if finalizers.is_empty() {
        "being deleted".to_owned()
    } else {
        format!("being deleted; held by finalizers {}", finalizers.join(", "))
    };
    Some(Health::of(HealthStatus::Progressing, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_without_a_rule_has_no_health() {
        assert_eq!(assess(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})), None);
        assert!(!needs_body("", "ConfigMap"));
        assert!(needs_body("apps", "Deployment"));
    }

    #[test]
    fn what_is_being_deleted_is_progressing_and_says_what_holds_it() {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(assess(&object), Some(Health::of(HealthStatus::Progressing, "being deleted")));
        object["metadata"]["finalizers"] = json!(["example.com/keep"]);
        let health = assess(&object).expect("has health");
        assert_eq!(health.status, HealthStatus::Progressing);
        assert!(health.message.contains("example.com/keep"), "{}", health.message);
    }

    #[test]
    fn a_hook_that_is_kept_by_its_finalizer_is_judged_by_its_end() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [HOOK_FINALIZER]},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]}});
        assert_eq!(assess(&job).map(|health| health.status), Some(HealthStatus::Healthy));
    }

    struct Always;
    impl Assess for Always {
        fn covers(&self, group: &str, kind: &str) -> bool {
            group == "apps" && kind == "Deployment"
        }
        fn assess(&self, _: &Value) -> Option<Health> {
            Some(Health::of(HealthStatus::Suspended, "by our own rule"))
        }
    }

    #[test]
    fn own_rules_come_before_the_built_in_ones() {
        let rules = Rules::built_in().with(Box::new(Always));
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1}});
        assert_eq!(rules.assess(&deployment).map(|health| health.status), Some(HealthStatus::Suspended));
        assert_eq!(Rules::built_in().assess(&deployment).map(|health| health.status), Some(HealthStatus::Progressing));
    }

    #[test]
    fn odd_shapes_never_panic() {
        for kind in kinds::KINDS {
            let api_version = if kind.group.is_empty() { "v1".into() } else { format!("{}/v1", kind.group) };
            for body in [
                json!(null),
                json!([]),
                json!("x"),
                json!({"conditions": {"a": 1}}),
                json!({"conditions": [1, "x", {}]}),
                json!({"containerStatuses": [null, {"state": 3}], "phase": 7}),
                json!({"replicas": "many", "observedGeneration": []}),
            ] {
                let object = json!({"apiVersion": api_version, "kind": kind.kind, "metadata": {"generation": "x"},
                    "spec": body, "status": body});
                assert!(assess(&object).is_some(), "{} {}", kind.group, kind.kind);
            }
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
