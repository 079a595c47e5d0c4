//! PodDisruptionBudgets: how many pods may be evicted now.

use serde_json::{Value, json};

use super::context::Context;
use super::pod_set::{self, is_active, is_ready, set_condition, share};
use crate::json;
use crate::selector::LabelSelector;
use crate::store::ObjectId;

const BY: &str = "disruption-controller";

/// Looks at one budget.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("poddisruptionbudgets.policy", &id.namespace, &id.name) else { return };
    let budget = stored.value.as_ref();
    let selector = LabelSelector::of_spec(budget.pointer("/spec/selector"));
    let pods: Vec<_> = context
        .list("pods", Some(&id.namespace))
        .into_iter()
        .filter(|pod| selector.matches(&pod.value) && !super::schedule::is_finished(&pod.value))
        .collect();
    let active: Vec<&Value> = pods.iter().map(|pod| pod.value.as_ref()).filter(|pod| is_active(pod)).collect();
    let disrupted = json::object(budget, "/status/disruptedPods").cloned().unwrap_or_default();
    let still_disrupted: serde_json::Map<String, Value> =
        disrupted.into_iter().filter(|(name, _)| active.iter().any(|pod| json::name(pod) == name)).collect();
    let healthy = active.iter().filter(|pod| is_ready(pod) && !still_disrupted.contains_key(json::name(pod))).count();
    let healthy = i64::try_from(healthy).unwrap_or(0);
    let count = i64::try_from(active.len()).unwrap_or(0);
    let (expected, desired) = if let Some(most) = budget.pointer("/spec/maxUnavailable") {
        let expected = expected_of(context, &active).unwrap_or(count);
        (expected, (expected - share(Some(most), expected, true, 0)).max(0))
    } else {
        let least = budget.pointer("/spec/minAvailable");
        let is_percent = least.is_some_and(Value::is_string);
        let expected = if is_percent { expected_of(context, &active).unwrap_or(count) } else { count };
        (expected, share(least, expected, true, 1))
    };
    let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
    let mut status = budget.get("status").cloned().unwrap_or_else(|| json!({}));
    for (key, number) in [
        ("currentHealthy", healthy),
        ("desiredHealthy", desired),
        ("expectedPods", expected),
        ("disruptionsAllowed", allowed),
    ] {
        json::set(&mut status, &[key], number);
    }
    if still_disrupted.is_empty() {
        json::take(&mut status, &["disruptedPods"]);
    } else {
        json::set(&mut status, &["disruptedPods"], Value::Object(still_disrupted));
    }
    let generation = json::integer(budget, "/metadata/generation").unwrap_or(0);
    json::set(&mut status, &["observedGeneration"], generation);
    let (word, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let now = context.stamp();
    set_condition(&mut status, "DisruptionAllowed", word, reason, "", &now, false);
    for condition in status.pointer_mut("/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        json::set(condition, &["observedGeneration"], generation);
    }
    pod_set::write_status(context, BY, "poddisruptionbudgets.policy", budget, status);
}

/// How many pods the controllers of these pods want together.
fn expected_of(context: &Context<'_>, pods: &[&Value]) -> Option<i64> {
    let mut uids: Vec<&str> = pods.iter().map(|pod| json::controller_uid(pod)).filter(|uid| !uid.is_empty()).collect();
    uids.sort_unstable();
    uids.dedup();
    let mut counted: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for uid in uids {
        let id = context.core.store.by_uid(uid)?;
        let mut owner = context.core.store.get(&id.resource, &id.namespace, &id.name)?;
        if let Some(deployment) = json::controller(&owner.value).map(|owner| json::text(owner, "/uid").to_string()) {
            let id = context.core.store.by_uid(&deployment)?;
            owner = context.core.store.get(&id.resource, &id.namespace, &id.name)?;
        }
        let wanted = json::integer(&owner.value, "/spec/replicas")?;
        counted.insert(json::uid(&owner.value).to_string(), wanted);
    }
    Some(counted.values().sum())
}
