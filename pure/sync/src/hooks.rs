//! Which objects are hooks, in which phases, and when they are deleted: Argo CD's annotations, and Helm's mapped to them.
//! Source: gitops-engine `pkg/sync/hook/`, Argo CD `docs/user-guide/resource_hooks.md`, `docs/user-guide/helm.md`.

use landfall_model::annotations::{
    HELM_HOOK, HELM_HOOK_DELETE_POLICY, HELM_HOOK_WEIGHT, HOOK, HOOK_DELETE_POLICY, SYNC_WAVE,
};
use landfall_model::object;
use landfall_model::status::SyncPhase;
use serde_json::Value;

/// What an object is to a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Part of the application.
    Ordinary,
    /// Never applied (`argocd.argoproj.io/hook: Skip`).
    Skipped,
    /// Runs in these phases, in order and without repeats; none if nobody knows the phase, then it never runs.
    Hook(Vec<SyncPhase>),
}

/// When a hook is deleted. Several may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletePolicy {
    /// Before it is made again. Holds when no policy is written.
    pub before_creation: bool,
    /// When the operation it ran in succeeded.
    pub on_success: bool,
    /// When the operation it ran in failed.
    pub on_failure: bool,
}

/// Reads an object's role. A recognised Argo CD annotation overrides Helm's.
pub fn role(object: &Value) -> Role {
    let written = object::annotation(object, HOOK);
    let words: Vec<&str> = written.map(|text| split(text).collect()).unwrap_or_default();
    let phases: Vec<SyncPhase> = words.iter().filter_map(|word| phase_of_argo(word)).collect();
    let is_skip = words.contains(&"Skip");
    if is_skip && phases.is_empty() {
        return Role::Skipped;
    }
    if !phases.is_empty() {
        return Role::Hook(ordered(phases));
    }
    let helm: Vec<&str> = object::annotation(object, HELM_HOOK).map(|text| split(text).collect()).unwrap_or_default();
    // crd-install made definitions of Helm 2 ordinary objects.
    let is_helm_hook = !helm.is_empty() && !helm.contains(&"crd-install");
    if is_helm_hook {
        return Role::Hook(ordered(helm.iter().filter_map(|word| phase_of_helm(word)).collect()));
    }
    if written.is_some() { Role::Hook(Vec::new()) } else { Role::Ordinary }
}

/// Reads when a hook is deleted.
pub fn delete_policy(object: &Value) -> DeletePolicy {
    let argo: Vec<&str> =
        object::annotation(object, HOOK_DELETE_POLICY).map(|text| split(text).collect()).unwrap_or_default();
    let helm: Vec<&str> =
        object::annotation(object, HELM_HOOK_DELETE_POLICY).map(|text| split(text).collect()).unwrap_or_default();
    let has = |name: &str, helm_name: &str| argo.contains(&name) || (argo.is_empty() && helm.contains(&helm_name));
    let policy = DeletePolicy {
        before_creation: has("BeforeHookCreation", "before-hook-creation"),
        on_success: has("HookSucceeded", "hook-succeeded"),
        on_failure: has("HookFailed", "hook-failed"),
    };
    let is_written = policy.before_creation || policy.on_success || policy.on_failure;
    if is_written { policy } else { DeletePolicy { before_creation: true, ..policy } }
}

/// Reads an object's wave: Argo CD's annotation, else Helm's hook weight, else 0. What is no whole number counts as absent.
pub fn wave(object: &Value) -> i64 {
    let number = |name: &str| object::annotation(object, name).and_then(|text| text.trim().parse::<i64>().ok());
    number(SYNC_WAVE).or_else(|| number(HELM_HOOK_WEIGHT)).unwrap_or(0)
}

/// The word for a phase, as in annotations and results.
pub fn phase_name(phase: SyncPhase) -> &'static str {
    match phase {
        SyncPhase::PreSync => "PreSync",
        SyncPhase::Sync => "Sync",
        SyncPhase::PostSync => "PostSync",
        SyncPhase::SyncFail => "SyncFail",
        SyncPhase::PreDelete => "PreDelete",
        SyncPhase::PostDelete => "PostDelete",
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn ordered(mut phases: Vec<SyncPhase>) -> Vec<SyncPhase> {
    phases.sort_unstable();
    phases.dedup();
    phases
}

fn phase_of_argo(word: &str) -> Option<SyncPhase> {
    Some(match word {
        "PreSync" => SyncPhase::PreSync,
        "Sync" => SyncPhase::Sync,
        "PostSync" => SyncPhase::PostSync,
        "SyncFail" => SyncPhase::SyncFail,
        "PreDelete" => SyncPhase::PreDelete,
        "PostDelete" => SyncPhase::PostDelete,
        _ => return None,
    })
}

/// Installing and upgrading are not told apart: a sync is both. Tests and rollback hooks have no counterpart.
fn phase_of_helm(word: &str) -> Option<SyncPhase> {
    Some(match word {
        "pre-install" | "pre-upgrade" => SyncPhase::PreSync,
        "post-install" | "post-upgrade" => SyncPhase::PostSync,
        "pre-delete" => SyncPhase::PreDelete,
        "post-delete" => SyncPhase::PostDelete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(annotations: Value) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "annotations": annotations}})
    }

    #[test]
    fn hooks_are_told_by_argo_cds_annotation_and_else_by_helms() {
        use SyncPhase::{PostSync, PreDelete, PreSync, Sync, SyncFail};
        for (annotations, role_expected) in [
            (json!({}), Role::Ordinary),
            (json!({HOOK: "PreSync"}), Role::Hook(vec![PreSync])),
            (json!({HOOK: "PostSync, PreSync,Sync"}), Role::Hook(vec![PreSync, Sync, PostSync])),
            (json!({HOOK: "SyncFail"}), Role::Hook(vec![SyncFail])),
            (json!({HOOK: "Skip"}), Role::Skipped),
            (json!({HOOK: "Skip,Sync"}), Role::Hook(vec![Sync])),
            (json!({HOOK: "Someday"}), Role::Hook(vec![])),
            (json!({HOOK: "Sync", HELM_HOOK: "pre-install"}), Role::Hook(vec![Sync])),
            (json!({HELM_HOOK: "pre-install,pre-upgrade"}), Role::Hook(vec![PreSync])),
            (json!({HELM_HOOK: "post-install"}), Role::Hook(vec![PostSync])),
            (json!({HELM_HOOK: "pre-delete"}), Role::Hook(vec![PreDelete])),
            (json!({HELM_HOOK: "test"}), Role::Hook(vec![])),
            (json!({HELM_HOOK: "crd-install"}), Role::Ordinary),
        ] {
            assert_eq!(role(&with(annotations.clone())), role_expected, "{annotations}");
        }
    }

    #[test]
    fn hooks_go_before_they_are_made_again_unless_told_otherwise() {
        let read = |annotations: Value| {
            let policy = delete_policy(&with(annotations));
            (policy.before_creation, policy.on_success, policy.on_failure)
        };
        assert_eq!(read(json!({})), (true, false, false));
        assert_eq!(read(json!({HOOK_DELETE_POLICY: "HookSucceeded"})), (false, true, false));
        assert_eq!(read(json!({HOOK_DELETE_POLICY: "HookSucceeded,HookFailed"})), (false, true, true));
        assert_eq!(read(json!({HELM_HOOK_DELETE_POLICY: "hook-failed,before-hook-creation"})), (true, false, true));
        assert_eq!(read(json!({HOOK_DELETE_POLICY: "Someday"})), (true, false, false));
    }

    #[test]
    fn the_wave_is_argo_cds_then_helms_then_zero() {
        assert_eq!(wave(&with(json!({}))), 0);
        assert_eq!(wave(&with(json!({SYNC_WAVE: "-5", HELM_HOOK_WEIGHT: "3"}))), -5);
        assert_eq!(wave(&with(json!({HELM_HOOK_WEIGHT: "3"}))), 3);
        assert_eq!(wave(&with(json!({SYNC_WAVE: "first"}))), 0);
    }
}
