//! The order of tasks: phase, wave, kind, name; then what others need comes before them.
//! Source: gitops-engine `pkg/sync/sync_tasks.go`.

use std::collections::BTreeMap;

use landfall_model::key::GroupKind;
use landfall_model::status::SyncPhase;

use crate::targets;
use crate::tasks::Task;

/// Kinds in the order they are applied within a wave. Kinds that are not listed come last, by name.
const KIND_ORDER: &[&str] = &[
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// The place of a kind within a wave.
pub(crate) fn kind_rank(kind: &str) -> usize {
    KIND_ORDER.iter().position(|known| *known == kind).unwrap_or(KIND_ORDER.len())
}

/// Sorts tasks, then moves every namespace before what stands in it, and every definition before its instances.
pub(crate) fn sort(tasks: &mut Vec<Task<'_>>) {
    tasks.sort_by(|a, b| {
        let place = |task: &Task<'_>| (task.phase, task.wave, kind_rank(&task.key.kind));
        place(a).cmp(&place(b)).then_with(|| {
            (&a.key.kind, &a.key.name, &a.key.namespace, &a.key.group).cmp(&(
                &b.key.kind,
                &b.key.name,
                &b.key.namespace,
                &b.key.group,
            ))
        })
    });
    bubble(tasks, |task| is_namespace(task).then(|| task.key.name.clone()), |task| task.key.namespace.clone());
    bubble(tasks, |task| task.object().and_then(targets::defined_kind), |task: &Task<'_>| task.key.group_kind());
}

fn is_namespace(task: &Task<'_>) -> bool {
    !task.is_prune() && task.key.group.is_empty() && task.key.kind == "Namespace"
}

/// Moves each task that provides something before the first that needs it, into that one's phase and wave.
fn bubble<K: Ord>(
    tasks: &mut Vec<Task<'_>>,
    provides: impl Fn(&Task<'_>) -> Option<K>,
    needs: impl Fn(&Task<'_>) -> K,
) {
    let providers: Vec<(usize, K)> =
        tasks.iter().enumerate().filter_map(|(index, task)| Some((index, provides(task)?))).collect();
    if providers.is_empty() {
        return;
    }
    let mut first_need: BTreeMap<K, (usize, SyncPhase, i64)> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate().filter(|(_, task)| !task.is_prune()) {
        first_need.entry(needs(task)).or_insert((index, task.phase, task.wave));
    }
    let mut moves: Vec<(usize, usize)> = Vec::new();
    for (index, key) in providers {
        if let Some((needed_at, phase, wave)) = first_need.get(&key).filter(|(needed_at, ..)| *needed_at < index) {
            (tasks[index].phase, tasks[index].wave) = (*phase, *wave);
            moves.push((*needed_at, index));
        }
    }
    if moves.is_empty() {
        return;
    }
    // Everything keeps its place but for those that move: each takes the place just before the first that needs it.
    let target_of: BTreeMap<usize, usize> = moves.into_iter().map(|(to, from)| (from, to)).collect();
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|index| target_of.get(index).map_or((*index, 1), |to| (*to, 0)));
    let mut slots: Vec<Option<Task<'_>>> = tasks.drain(..).map(Some).collect();
    tasks.extend(order.into_iter().map(|index| slots[index].take().expect("every index occurs once")));
}

/// Groups of indexes of the kinds that follow each other, so that equal kinds are applied at once and in order.
pub(crate) fn runs_of_kinds<'t>(tasks: impl Iterator<Item = (usize, &'t GroupKind)>) -> Vec<Vec<usize>> {
    let mut runs: Vec<(&GroupKind, Vec<usize>)> = Vec::new();
    for (index, kind) in tasks {
        match runs.last_mut() {
            Some((last, run)) if *last == kind => run.push(index),
            _ => runs.push((kind, vec![index])),
        }
    }
    runs.into_iter().map(|(_, run)| run).collect()
}
