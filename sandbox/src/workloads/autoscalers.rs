//! HorizontalPodAutoscalers: keep the target between its bounds, and follow simulated utilization.
//!
//! Pods say how busy they are by the annotation `sandbox.landfall.io/utilization` (percent of their requests; it can be
//! put on the template). Without it, nothing is measured and only the bounds count.

use std::time::Duration;

use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::pod_set::{self, is_active, set_condition};
use crate::json;
use crate::operations::{Decoded, WriteOptions};
use crate::selector::LabelSelector;
use crate::store::ObjectId;

const BY: &str = "horizontal-pod-autoscaler";
/// How often utilization is looked at. Source: `--horizontal-pod-autoscaler-sync-period`.
const PERIOD: Duration = Duration::from_secs(15);
/// The annotation of pods that says how busy they are, in percent.
const UTILIZATION: &str = "sandbox.landfall.io/utilization";
/// Within this share of the target nothing is scaled, in percent. Source: the default tolerance of 0.1.
const TOLERANCE_PERCENT: i64 = 10;

/// Looks at one autoscaler.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("horizontalpodautoscalers.autoscaling", &id.namespace, &id.name) else { return };
    let scaler = stored.value.as_ref();
    if json::is_terminating(scaler) {
        return;
    }
    let now = context.stamp();
    let mut status = scaler.get("status").cloned().unwrap_or_else(|| json!({}));
    json::set(&mut status, &["observedGeneration"], json::integer(scaler, "/metadata/generation").unwrap_or(1));
    let kind = json::text(scaler, "/spec/scaleTargetRef/kind");
    let api_version = json::text(scaler, "/spec/scaleTargetRef/apiVersion");
    let name = json::text(scaler, "/spec/scaleTargetRef/name");
    let resource = context.core.registry.of_kind(api_version, kind).filter(|resource| resource.scale.is_some());
    let target = resource.as_ref().and_then(|resource| context.core.store.get(&resource.key, &id.namespace, name));
    let (Some(resource), Some(target)) = (resource, target) else {
        let message =
            format!("the HPA controller was unable to get the target's current scale: {kind} {name:?} not found");
        set_condition(&mut status, "AbleToScale", "False", "FailedGetScale", &message, &now, false);
        pod_set::write_status(context, BY, "horizontalpodautoscalers.autoscaling", scaler, status);
        context.again_in((Controller::Autoscaler, id.clone()), PERIOD);
        return;
    };
    let paths = resource.scale.as_ref();
    let current = paths.and_then(|paths| json::integer(&target.value, &paths.spec_replicas)).unwrap_or(0);
    let selector = LabelSelector::of_spec(target.value.pointer("/spec/selector"));
    let pods = context.list("pods", Some(&id.namespace));
    let busy: Vec<i64> = pods
        .iter()
        .filter(|pod| selector.matches(&pod.value) && is_active(&pod.value))
        .filter_map(|pod| json::annotation(&pod.value, UTILIZATION)?.parse().ok())
        .collect();
    let (least, most) = (
        json::integer(scaler, "/spec/minReplicas").unwrap_or(1),
        json::integer(scaler, "/spec/maxReplicas").unwrap_or(1),
    );
    set_condition(
        &mut status,
        "AbleToScale",
        "True",
        "ReadyForNewScale",
        "recommended size matches current size",
        &now,
        false,
    );
    let count = i64::try_from(busy.len()).unwrap_or(1).max(1);
    let average = if busy.is_empty() { None } else { Some(busy.iter().sum::<i64>() / count) };
    let mut desired = current;
    let metric = json::list(scaler, "/spec/metrics").iter().find_map(|metric| {
        Some((json::text(metric, "/resource/name"), json::integer(metric, "/resource/target/averageUtilization")?))
    });
    match (average, metric) {
        (Some(average), Some((name, goal))) if goal > 0 => {
            if (average - goal).abs() * 100 > goal * TOLERANCE_PERCENT {
                desired = (current * average + goal - 1) / goal;
            }
            let message = format!(
                "the HPA was able to successfully calculate a replica count from {name} resource utilization (percentage of request)"
            );
            set_condition(&mut status, "ScalingActive", "True", "ValidMetricFound", &message, &now, false);
            let measured = json!([{"type": "Resource", "resource": {"name": name, "current": {"averageUtilization": average, "averageValue": "0"}}}]);
            json::set(&mut status, &["currentMetrics"], measured);
        }
        _ => {
            let message =
                "the HPA was unable to compute the replica count: no metrics returned from resource metrics API";
            set_condition(&mut status, "ScalingActive", "False", "FailedGetResourceMetric", message, &now, false);
            json::take(&mut status, &["currentMetrics"]);
        }
    }
    let bounded = desired.clamp(least, most.max(least));
    if current == 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        set_condition(&mut status, "ScalingActive", "False", "ScalingDisabled", message, &now, false);
    } else if bounded != current {
        scale(context, &resource, id, name, bounded, &mut status);
        json::set(&mut status, &["lastScaleTime"], now.as_str());
        let message = format!("New size: {bounded}; reason: All metrics below target or outside of the bounds");
        context.event(BY, scaler, "Normal", "SuccessfulRescale", &message);
    }
    let (word, reason, message) = if desired < least {
        ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    } else if desired > most {
        ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
    } else {
        ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
    };
    set_condition(&mut status, "ScalingLimited", word, reason, message, &now, false);
    json::set(&mut status, &["currentReplicas"], current);
    json::set(&mut status, &["desiredReplicas"], if current == 0 { 0 } else { bounded });
    pod_set::write_status(context, BY, "horizontalpodautoscalers.autoscaling", scaler, status);
    context.again_in((Controller::Autoscaler, id.clone()), PERIOD);
}

fn scale(
    context: &Context<'_>,
    resource: &crate::registry::Resource,
    id: &ObjectId,
    name: &str,
    to: i64,
    status: &mut Value,
) {
    let Some(paths) = &resource.scale else { return };
    let body = Decoded::from(json!({"spec": {"replicas": to}}));
    let kind = Some(crate::operations::PatchKind::Merge);
    let written =
        context.core.write_scale(resource, paths, &id.namespace, name, kind, &body, &WriteOptions::component(BY));
    if let Err(error) = written {
        let message = format!("the HPA controller was unable to update the target scale: {error}");
        set_condition(status, "AbleToScale", "False", "FailedUpdateScale", &message, &context.stamp(), false);
    } else {
        set_condition(
            status,
            "AbleToScale",
            "True",
            "SucceededRescale",
            "the HPA controller was able to update the target scale",
            &context.stamp(),
            false,
        );
    }
}
