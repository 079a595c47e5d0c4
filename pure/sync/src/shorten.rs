//! A status that fits into its object. etcd takes 1.5 MiB per object, and an application of ten thousand objects names each
//! of them twice in its status: then what is well is left out, what is not stays, and a condition says so.

use std::collections::BTreeSet;

use landfall_model::health::HealthStatus;
use landfall_model::status::{
    ApplicationStatus, Condition, ConditionType, OperationPhase, ResourceResult, ResourceStatus, ResultCode,
    SyncStatusCode,
};
use landfall_model::time::Time;

/// How long lists in a status may be together, as JSON. Source: etcd `--max-request-bytes` (1.5 MiB), less what history,
/// operation and managedFields may take.
const LISTS_BYTES_MAX: usize = 900_000;
/// Below this many entries nothing is measured.
const ENTRIES_UNMEASURED_MAX: usize = 1_000;

/// Leaves out of a status what does not fit; the condition that says so is returned if `before` did not have it. A status
/// that fits is not changed. `now` is the time of the condition.
pub fn shorten(status: &mut ApplicationStatus, before: &ApplicationStatus, now: Time) -> Option<Condition> {
    let results = status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    let count = status.resources.len() + results.map_or(0, |result| result.resources.len());
    if count <= ENTRIES_UNMEASURED_MAX {
        return None;
    }
    let result_sizes: Vec<usize> = results.iter().flat_map(|result| &result.resources).map(bytes).collect();
    let resource_sizes: Vec<usize> = status.resources.iter().map(bytes).collect();
    let total: usize = result_sizes.iter().chain(&resource_sizes).sum();
    if total <= LISTS_BYTES_MAX {
        return None;
    }
    // What is not well of either list goes before what is well of both; what a sync did is told again by what there is.
    let mut left = LISTS_BYTES_MAX;
    let mut kinds = BTreeSet::new();
    let all = status.resources.len();
    let keeps: Vec<bool> = status
        .resources
        .iter()
        .map(|resource| is_news(resource) || kinds.insert((resource.group.clone(), resource.kind.clone())))
        .collect();
    let results = status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    let result_keeps: Vec<bool> = results.iter().flat_map(|result| &result.resources).map(is_result_news).collect();
    let mut kept = vec![false; resource_sizes.len()];
    let mut results_kept = vec![false; result_sizes.len()];
    for is_must in [true, false] {
        choose(is_must, &keeps, &resource_sizes, &mut kept, &mut left);
        choose(is_must, &result_keeps, &result_sizes, &mut results_kept, &mut left);
    }
    retain(&mut status.resources, &kept);
    if let Some(result) = status.operation_state.as_mut().and_then(|state| state.sync_result.as_mut()) {
        retain(&mut result.resources, &results_kept);
    }
    let message = format!(
        "the application has {all} objects, more than its status can name: {} that are as they should be are left out of \
         status.resources, and what was synchronised well out of status.operationState; all of them are compared and kept; \
         an application for each part of them would be easier to follow",
        all - status.resources.len()
    );
    let condition_type = ConditionType::ExcludedResourceWarning;
    let known = before.conditions.iter().find(|condition| condition.message == message);
    let last_transition_time = known.and_then(|condition| condition.last_transition_time).or(Some(now));
    let condition = Condition { condition_type, message, last_transition_time };
    status.conditions.retain(|of_pass| of_pass.message != condition.message);
    status.conditions.push(condition.clone());
    known.is_none().then_some(condition)
}

/// Says which of the entries stay that must (or need not), in order, as far as they fit.
fn choose(is_must: bool, musts: &[bool], sizes: &[usize], kept: &mut [bool], left: &mut usize) {
    for (index, size) in sizes.iter().enumerate() {
        if musts[index] == is_must && *size <= *left {
            kept[index] = true;
            *left -= size;
        }
    }
}

fn retain<T>(entries: &mut Vec<T>, kept: &[bool]) {
    let mut index = 0;
    entries.retain(|_| {
        index += 1;
        kept[index - 1]
    });
}

fn is_news(resource: &ResourceStatus) -> bool {
    let is_well = resource.health.as_ref().is_none_or(|health| health.status == HealthStatus::Healthy);
    resource.status.is_some_and(|status| status != SyncStatusCode::Synced) || !is_well || resource.hook
}

fn is_result_news(result: &ResourceResult) -> bool {
    let is_good = matches!(result.status, Some(ResultCode::Synced | ResultCode::Pruned));
    let has_ended = result.hook_phase.is_none_or(|phase| phase == OperationPhase::Succeeded);
    !is_good || !has_ended || !result.hook_type.is_empty()
}

fn bytes(entry: &impl serde::Serialize) -> usize {
    serde_json::to_vec(entry).expect("parts of a status serialise").len() + 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(count: usize) -> ApplicationStatus {
        let resource = |index: usize| {
            let kind = if index == 7 { "Secret" } else { "ConfigMap" };
            let sync = if index == 5 { "OutOfSync" } else { "Synced" };
            json!({"version": "v1", "kind": kind, "namespace": "a", "name": format!("object-{index}"), "status": sync})
        };
        let result = |index: usize| {
            let code = if index == 5 { "SyncFailed" } else { "Synced" };
            json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "a", "name": format!("object-{index}"),
                   "status": code, "message": "done", "hookPhase": "Succeeded", "syncPhase": "Sync"})
        };
        let value = json!({
            "resources": (0..count).map(resource).collect::<Vec<_>>(),
            "operationState": {"operation": {}, "phase": "Succeeded", "startedAt": "2026-01-01T00:00:00Z",
                "syncResult": {"revision": "x", "resources": (0..count).map(result).collect::<Vec<_>>()}},
        });
        serde_json::from_value(value).expect("valid")
    }

    fn now() -> Time {
        Time::of(jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_status_that_fits_is_not_changed() {
        let mut short = status(2_000);
        assert_eq!(shorten(&mut short, &status(0), now()), None);
        assert_eq!(short, status(2_000));
    }

    #[test]
    fn what_is_not_well_stays_and_so_does_one_of_each_kind() {
        let mut short = status(20_000);
        assert!(shorten(&mut short, &status(0), now()).is_some(), "it is told");
        let size = serde_json::to_vec(&short).expect("serialises").len();
        assert!(size < 1_000_000, "{size}");
        assert!(short.resources.iter().any(|resource| resource.status == Some(SyncStatusCode::OutOfSync)));
        let kinds = |status: &ApplicationStatus| -> BTreeSet<String> {
            status.resources.iter().map(|resource| resource.kind.clone()).collect()
        };
        assert_eq!(kinds(&short), kinds(&status(20)));
        assert_eq!(short.conditions.len(), 1);
        let result = short.operation_state.as_ref().and_then(|state| state.sync_result.as_ref()).expect("there");
        assert!(result.resources.iter().any(|result| result.status == Some(ResultCode::SyncFailed)));
    }

    #[test]
    fn the_same_status_is_shortened_to_the_same() {
        let mut first = status(20_000);
        shorten(&mut first, &status(0), now());
        let mut second = status(20_000);
        assert_eq!(shorten(&mut second, &first, Time::of(jiff::Timestamp::MAX)), None, "it is told once");
        assert_eq!(first, second, "so that nothing is written again");
    }
}
