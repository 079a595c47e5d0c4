//! The built-in kinds: one file each, one row each in [`KINDS`].
//!
//! A new kind is a file `kinds/<group>_<kind>.rs` with a function from the live object to its health and at least three
//! cases, and a row here. Groups without a name are written `core`, and only the first word of a group is used.
//! Source of the rules: Argo CD 3.5.1 `gitops-engine/pkg/health/`, `resource_customizations/`.

mod apiextensions_customresourcedefinition;
mod apiregistration_apiservice;
mod apps_daemonset;
mod apps_deployment;
mod apps_replicaset;
mod apps_statefulset;
mod argoproj_application;
mod argoproj_workflow;
mod autoscaling_horizontalpodautoscaler;
mod batch_cronjob;
mod batch_job;
mod core_persistentvolumeclaim;
mod core_pod;
mod core_service;
mod networking_ingress;
mod policy_poddisruptionbudget;

pub use argoproj_application::ApplicationsCount;

use landfall_model::health::Health;
use serde_json::Value;

/// A built-in rule.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The API group, `""` for core. All versions of the group share the rule.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The rule in one sentence, for the documentation and `health explain`.
    pub rule: &'static str,
    /// Assesses a live object of this kind, whatever its shape.
    pub assess: fn(&Value) -> Health,
}

/// Every built-in kind, sorted by group and kind.
pub const KINDS: &[Kind] = &[
    core_persistentvolumeclaim::KIND,
    core_pod::KIND,
    core_service::KIND,
    apiextensions_customresourcedefinition::KIND,
    apiregistration_apiservice::KIND,
    apps_daemonset::KIND,
    apps_deployment::KIND,
    apps_replicaset::KIND,
    apps_statefulset::KIND,
    argoproj_workflow::KIND,
    autoscaling_horizontalpodautoscaler::KIND,
    batch_cronjob::KIND,
    batch_job::KIND,
    networking_ingress::KIND_OF_EXTENSIONS,
    networking_ingress::KIND,
    policy_poddisruptionbudget::KIND,
];

/// Finds the rule for a kind.
pub fn find(group: &str, kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|row| row.kind == kind && row.group == group)
}

#[cfg(test)]
mod tests {
    use super::KINDS;

    #[test]
    fn the_table_is_sorted_and_names_no_kind_twice() {
        let names: Vec<_> = KINDS.iter().map(|row| (row.group, row.kind)).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }
}
