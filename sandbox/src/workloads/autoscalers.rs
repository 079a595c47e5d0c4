//! HorizontalPodAutoscalers: from simulated metrics to a number of replicas, as fast as their behavior lets them.
//!
//! Metrics are told by annotations: `sandbox.landfall.io/utilization` on pods is how busy they are, in percent of what they
//! request (put it on the template); `sandbox.landfall.io/metric.NAME` on pods, on a described object or on the
//! autoscaler itself is a metric of the types Pods, Object and External.
//! Source: the replica calculator, stabilization and scaling policies of Kubernetes' controller, 1.36.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::{Context, Controller};
use super::pod_set::{self, is_active, is_ready, set_condition};
use super::schedule::requests;
use crate::json;
use crate::operations::{Decoded, WriteOptions};
use crate::quantity::Quantity;
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::store::{ObjectId, Stored};

const BY: &str = "horizontal-pod-autoscaler";
const RESOURCE: &str = "horizontalpodautoscalers.autoscaling";
/// How often metrics are looked at. Source: `--horizontal-pod-autoscaler-sync-period`.
const PERIOD: Duration = Duration::from_secs(15);
const UTILIZATION: &str = "sandbox.landfall.io/utilization";
const METRIC: &str = "sandbox.landfall.io/metric.";
/// Within this share of the target nothing is scaled. Source: the default tolerance.
const TOLERANCE: f64 = 0.1;

/// What autoscalers remember between two looks, by uid.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    held: Mutex<BTreeMap<String, Remembered>>,
}

#[derive(Debug, Default, Clone)]
struct Remembered {
    recommendations: Vec<(Timestamp, i64)>,
    /// Changes that were made: when, and by how many replicas.
    changes: Vec<(Timestamp, i64)>,
}

/// One metric's opinion.
struct Opinion {
    replicas: i64,
    name: String,
    current: Value,
}

/// Looks at one autoscaler.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get(RESOURCE, &id.namespace, &id.name) else { return };
    let scaler = stored.value.as_ref();
    if json::is_terminating(scaler) {
        return;
    }
    let mut status = scaler.get("status").cloned().unwrap_or_else(|| json!({}));
    json::set(&mut status, &["observedGeneration"], json::integer(scaler, "/metadata/generation").unwrap_or(1));
    look(context, id, scaler, &mut status);
    pod_set::write_status(context, BY, RESOURCE, scaler, status);
    context.again_in((Controller::Autoscaler, id.clone()), PERIOD);
}

fn condition(context: &Context<'_>, status: &mut Value, kind: &str, word: &str, reason: &str, message: &str) {
    set_condition(status, kind, word, reason, message, &context.stamp(), false);
}

fn look(context: &mut Context<'_>, id: &ObjectId, scaler: &Value, status: &mut Value) {
    let kind = json::text(scaler, "/spec/scaleTargetRef/kind");
    let api_version = json::text(scaler, "/spec/scaleTargetRef/apiVersion");
    let name = json::text(scaler, "/spec/scaleTargetRef/name");
    let resource = context.core.registry.of_kind(api_version, kind).filter(|resource| resource.scale.is_some());
    let target = resource.as_ref().and_then(|resource| context.core.store.get(&resource.key, &id.namespace, name));
    let (Some(resource), Some(target)) = (resource, target) else {
        let message =
            format!("the HPA controller was unable to get the target's current scale: {kind} {name:?} not found");
        condition(context, status, "AbleToScale", "False", "FailedGetScale", &message);
        context.event(BY, scaler, "Warning", "FailedGetScale", &message);
        return;
    };
    let current =
        resource.scale.as_ref().and_then(|paths| json::integer(&target.value, &paths.spec_replicas)).unwrap_or(0);
    let selector = LabelSelector::of_spec(target.value.pointer("/spec/selector"));
    let pods: Vec<Arc<Stored>> = context
        .list("pods", Some(&id.namespace))
        .into_iter()
        .filter(|pod| selector.matches(&pod.value) && is_active(&pod.value))
        .collect();
    let least = json::integer(scaler, "/spec/minReplicas").unwrap_or(1);
    let most = json::integer(scaler, "/spec/maxReplicas").unwrap_or(1).max(least);
    json::set(status, &["currentReplicas"], current);
    if current == 0 && least != 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        condition(
            context,
            status,
            "AbleToScale",
            "True",
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        condition(context, status, "ScalingActive", "False", "ScalingDisabled", message);
        json::set(status, &["desiredReplicas"], 0);
        return;
    }
    let (desired, reason) = if current > most {
        (most, "Current number of replicas above Spec.MaxReplicas".to_string())
    } else if current < least {
        (least, "Current number of replicas below Spec.MinReplicas".to_string())
    } else {
        let Some((wanted, reason)) = by_metrics(context, scaler, &pods, current, status) else {
            json::set(status, &["desiredReplicas"], current);
            return;
        };
        (restrained(context, scaler, current, wanted, (least, most), status), reason)
    };
    if desired == current {
        let held = json::list(status, "/conditions").iter().find(|held| json::text(held, "/type") == "AbleToScale");
        if held.is_none_or(|held| json::text(held, "/reason") != "ScaleDownStabilized") {
            let message = "recommended size matches current size";
            condition(context, status, "AbleToScale", "True", "ReadyForNewScale", message);
        }
    } else {
        scale(context, &resource, id, name, desired, status);
        json::set(status, &["lastScaleTime"], context.stamp());
        let message = format!("New size: {desired}; reason: {reason}");
        context.event(BY, scaler, "Normal", "SuccessfulRescale", &message);
        context.core.autoscaling.changed(json::uid(scaler), context.now, desired - current);
    }
    json::set(status, &["desiredReplicas"], desired);
}

/// What the metrics want: the most that any of them wants; `None` when none can be had.
fn by_metrics(
    context: &Context<'_>,
    scaler: &Value,
    pods: &[Arc<Stored>],
    current: i64,
    status: &mut Value,
) -> Option<(i64, String)> {
    let metrics = json::list(scaler, "/spec/metrics");
    let mut opinions: Vec<Opinion> = Vec::new();
    let mut failure: Option<(&'static str, String)> = None;
    for metric in metrics {
        match opinion(context, scaler, metric, pods, current) {
            Ok(opinion) => opinions.push(opinion),
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    let shown: Vec<Value> = opinions.iter().map(|opinion| opinion.current.clone()).collect();
    if shown.is_empty() {
        json::take(status, &["currentMetrics"]);
    } else {
        json::set(status, &["currentMetrics"], shown);
    }
    let best = opinions.iter().max_by_key(|opinion| opinion.replicas);
    match (best, failure) {
        // What wants more may go on without the others; what wants less may not.
        (Some(best), None) => {
            let message = format!("the HPA was able to successfully calculate a replica count from {}", best.name);
            condition(context, status, "ScalingActive", "True", "ValidMetricFound", &message);
        }
        (Some(best), Some(_)) if best.replicas > current => {
            let message = format!("the HPA was able to successfully calculate a replica count from {}", best.name);
            condition(context, status, "ScalingActive", "True", "ValidMetricFound", &message);
        }
        (_, Some((reason, why))) => {
            let message = format!("the HPA was unable to compute the replica count: {why}");
            condition(
                context,
                status,
                "AbleToScale",
                "True",
                "SucceededGetScale",
                "the HPA controller was able to get the target's current scale",
            );
            condition(context, status, "ScalingActive", "False", reason, &message);
            context.event(BY, scaler, "Warning", reason, &why);
            return None;
        }
        (None, None) => return Some((current, String::new())),
    }
    let best = best?;
    let reason = if best.replicas > current {
        format!("{} above target", best.name)
    } else {
        "All metrics below target".to_string()
    };
    Some((best.replicas, reason))
}

fn number_of(object: &Value, key: &str) -> Option<f64> {
    let text = json::annotation(object, key)?;
    Quantity::of(&json!(text.trim())).map(|amount| amount.as_f64())
}

fn quantity(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Quantity::of).map(|amount| amount.as_f64())
}

/// What one metric wants.
fn opinion(
    context: &Context<'_>,
    scaler: &Value,
    metric: &Value,
    pods: &[Arc<Stored>],
    current: i64,
) -> Result<Opinion, (&'static str, String)> {
    let kind = json::text(metric, "/type");
    match kind {
        "Resource" | "ContainerResource" => {
            let part = if kind == "Resource" { "resource" } else { "containerResource" };
            by_resource(scaler, metric, part, pods, current)
        }
        "Pods" => {
            let name = json::text(metric, "/pods/metric/name");
            let values: Vec<(bool, f64)> = pods
                .iter()
                .filter_map(|pod| Some((is_ready(&pod.value), number_of(&pod.value, &format!("{METRIC}{name}"))?)))
                .collect();
            let target = quantity(metric, "/pods/target/averageValue").unwrap_or(0.0);
            if values.is_empty() || target <= 0.0 {
                let why = format!("unable to get metric {name}: no metrics returned from custom metrics API");
                return Err(("FailedGetPodsMetric", why));
            }
            let average = mean(&values);
            let current_value = json!({"type": "Pods", "pods": {"metric": {"name": name}, "current": {"averageValue": shown(average)}}});
            Ok(Opinion {
                replicas: scaled(scaler, average / target, current, values.len()),
                name: format!("pods metric {name}"),
                current: current_value,
            })
        }
        "Object" | "External" => by_value(context, scaler, metric, kind, current),
        other => Err(("InvalidMetricSourceType", format!("unknown metric source type {other:?}"))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
fn mean(values: &[(bool, f64)]) -> f64 {
    values.iter().map(|(_, value)| value).sum::<f64>() / values.len().max(1) as f64
}

/// A quantity as the API writes it: whole, or in thousandths.
fn shown(value: f64) -> String {
    if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{:.0}m", value * 1000.0) }
}

fn by_resource(
    scaler: &Value,
    metric: &Value,
    part: &str,
    pods: &[Arc<Stored>],
    current: i64,
) -> Result<Opinion, (&'static str, String)> {
    let name = json::text(metric, &format!("/{part}/name"));
    let reason = if part == "resource" { "FailedGetResourceMetric" } else { "FailedGetContainerResourceMetric" };
    let busy: Vec<(bool, f64, f64)> = pods
        .iter()
        .filter_map(|pod| {
            let percent = number_of(&pod.value, UTILIZATION)?;
            Some((is_ready(&pod.value), percent, requests(&pod.value, name) * percent / 100.0))
        })
        .collect();
    if busy.is_empty() {
        let why = format!(
            "failed to get {name} utilization: unable to get metrics for resource {name}: no metrics returned from resource metrics API"
        );
        return Err((reason, why));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
    let count = busy.len() as f64;
    let utilization = busy.iter().map(|(_, percent, _)| percent).sum::<f64>() / count;
    let average = busy.iter().map(|(_, _, used)| used).sum::<f64>() / count;
    let (ratio, told) = match json::integer(metric, &format!("/{part}/target/averageUtilization")) {
        #[expect(clippy::cast_precision_loss, reason = "percentages are small")]
        Some(target) if target > 0 => (utilization / target as f64, "utilization (percentage of request)"),
        _ => match quantity(metric, &format!("/{part}/target/averageValue")).filter(|target| *target > 0.0) {
            Some(target) => (average / target, ""),
            None => return Err((reason, "the metric has no target".to_string())),
        },
    };
    #[expect(clippy::cast_possible_truncation, reason = "percentages are small")]
    let percent = utilization as i64;
    let mut own = json!({"name": name, "current": {"averageValue": shown(average)}});
    if !told.is_empty() {
        own["current"]["averageUtilization"] = json!(percent);
    }
    if part == "containerResource" {
        own["container"] = json!(json::text(metric, "/containerResource/container"));
    }
    let label = if told.is_empty() { format!("{name} resource") } else { format!("{name} resource {told}") };
    let kind = json::text(metric, "/type");
    let mut shown = json!({"type": kind});
    json::set(&mut shown, &[part], own);
    Ok(Opinion { replicas: scaled(scaler, ratio, current, busy.len()), name: label, current: shown })
}

fn by_value(
    context: &Context<'_>,
    scaler: &Value,
    metric: &Value,
    kind: &str,
    current: i64,
) -> Result<Opinion, (&'static str, String)> {
    let part = if kind == "Object" { "object" } else { "external" };
    let name = json::text(metric, &format!("/{part}/metric/name"));
    let key = format!("{METRIC}{name}");
    let described = (kind == "Object")
        .then(|| {
            let of = |field: &str| json::text(metric, &format!("/object/describedObject/{field}"));
            let resource = context.core.registry.of_kind(of("apiVersion"), of("kind"))?;
            context.core.store.get(&resource.key, json::namespace(scaler), of("name"))
        })
        .flatten();
    let value = described.as_ref().and_then(|held| number_of(&held.value, &key)).or_else(|| number_of(scaler, &key));
    let Some(value) = value else {
        let (reason, api) = if kind == "Object" {
            ("FailedGetObjectMetric", "custom metrics API")
        } else {
            ("FailedGetExternalMetric", "external metrics API")
        };
        return Err((reason, format!("unable to get metric {name}: no metrics returned from {api}")));
    };
    let whole = quantity(metric, &format!("/{part}/target/value"));
    let average = quantity(metric, &format!("/{part}/target/averageValue"));
    let (replicas, shown_value) = match (whole, average) {
        (Some(target), _) if target > 0.0 => (
            scaled(scaler, value / target, current, usize::try_from(current).unwrap_or(1)),
            json!({"value": shown(value)}),
        ),
        (_, Some(target)) if target > 0.0 => {
            #[expect(clippy::cast_precision_loss, reason = "counts of pods are small")]
            let (each, ratio) = (value / current.max(1) as f64, value / (target * current.max(1) as f64));
            #[expect(clippy::cast_possible_truncation, reason = "counts of pods are small")]
            let wanted = if within_tolerance(scaler, ratio) { current } else { (value / target).ceil() as i64 };
            (wanted, json!({"averageValue": shown(each)}))
        }
        _ => return Err(("InvalidMetricSourceType", "the metric has no target".to_string())),
    };
    let mut own = json!({"metric": {"name": name}, "current": shown_value});
    if kind == "Object" {
        own["describedObject"] = metric.pointer("/object/describedObject").cloned().unwrap_or_default();
    }
    let mut current = json!({"type": kind});
    json::set(&mut current, &[part], own);
    Ok(Opinion { replicas, name: format!("{} metric {name}", kind.to_lowercase()), current })
}

fn within_tolerance(scaler: &Value, ratio: f64) -> bool {
    let of = |direction: &str| quantity(scaler, &format!("/spec/behavior/{direction}/tolerance")).unwrap_or(TOLERANCE);
    (1.0 - of("scaleDown")..=1.0 + of("scaleUp")).contains(&ratio)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts of pods are small")]
fn scaled(scaler: &Value, ratio: f64, current: i64, measured: usize) -> i64 {
    if within_tolerance(scaler, ratio) { current } else { (ratio * measured as f64).ceil() as i64 }
}

/// How one direction may go.
struct Behavior {
    window_s: i64,
    policies: Vec<(bool, i64, i64)>,
    select: String,
}

impl Behavior {
    fn of(scaler: &Value, direction: &str) -> Self {
        let up = direction == "scaleUp";
        let at = |key: &str| format!("/spec/behavior/{direction}/{key}");
        let policies: Vec<(bool, i64, i64)> = json::list(scaler, &at("policies"))
            .iter()
            .map(|policy| {
                let number = |key: &str| json::integer(policy, key).unwrap_or(0);
                (json::text(policy, "/type") == "Percent", number("/value"), number("/periodSeconds"))
            })
            .collect();
        let defaults = if up { vec![(false, 4, 15), (true, 100, 15)] } else { vec![(true, 100, 15)] };
        let default_window = if up { 0 } else { 300 };
        let select = match json::text(scaler, &at("selectPolicy")) {
            "" => "Max",
            given => given,
        };
        Self {
            window_s: json::integer(scaler, &at("stabilizationWindowSeconds")).unwrap_or(default_window),
            policies: if policies.is_empty() { defaults } else { policies },
            select: select.to_string(),
        }
    }
}

impl Memory {
    fn with<T>(&self, uid: &str, act: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut held = self.held.lock().expect("no holder of this lock panics");
        act(held.entry(uid.to_string()).or_default())
    }

    fn changed(&self, uid: &str, at: Timestamp, by: i64) {
        self.with(uid, |held| held.changes.push((at, by)));
    }

    /// Remembers a recommendation, and tells the lowest and highest within the windows before.
    fn recommend(&self, uid: &str, now: Timestamp, wanted: i64, up_s: i64, down_s: i64) -> (i64, i64) {
        self.with(uid, |held| {
            let age = |at: Timestamp| now.duration_since(at).as_secs();
            held.recommendations.retain(|(at, _)| age(*at) <= 3600);
            held.changes.retain(|(at, _)| age(*at) <= 3600);
            held.recommendations.push((now, wanted));
            let within = |seconds: i64| {
                held.recommendations.iter().filter(move |(at, _)| age(*at) <= seconds).map(|(_, replicas)| *replicas)
            };
            (within(up_s).min().unwrap_or(wanted), within(down_s).max().unwrap_or(wanted))
        })
    }

    fn added_within(&self, uid: &str, now: Timestamp, seconds: i64, up: bool) -> i64 {
        self.with(uid, |held| {
            held.changes
                .iter()
                .filter(|(at, by)| now.duration_since(*at) < SignedDuration::from_secs(seconds) && (*by > 0) == up)
                .map(|(_, by)| by.abs())
                .sum()
        })
    }
}

/// What is wanted, after stabilization, policies and bounds; tells what held it back.
fn restrained(
    context: &Context<'_>,
    scaler: &Value,
    current: i64,
    wanted: i64,
    (least, most): (i64, i64),
    status: &mut Value,
) -> i64 {
    let uid = json::uid(scaler);
    let memory = &context.core.autoscaling;
    let (up, down) = (Behavior::of(scaler, "scaleUp"), Behavior::of(scaler, "scaleDown"));
    let (lowest, highest) = memory.recommend(uid, context.now, wanted, up.window_s, down.window_s);
    let mut stable = wanted;
    if wanted > current {
        stable = lowest.max(current);
    } else if wanted < current {
        stable = highest.min(current);
    }
    if stable == wanted {
        let message = "recommended size matches current size";
        condition(context, status, "AbleToScale", "True", "ReadyForNewScale", message);
    } else if wanted > current {
        let message = "recent recommendations were lower than current one, applying the lowest recent recommendation";
        condition(context, status, "AbleToScale", "True", "ScaleUpStabilized", message);
    } else {
        let message = "recent recommendations were higher than current one, applying the highest recent recommendation";
        condition(context, status, "AbleToScale", "True", "ScaleDownStabilized", message);
    }
    let is_up = stable > current;
    let behavior = if is_up { &up } else { &down };
    let mut allowed = stable;
    let mut limited = None;
    if stable != current {
        let limits = behavior.policies.iter().map(|(percent, value, period)| {
            let done = memory.added_within(uid, context.now, *period, is_up);
            if is_up {
                let begun = current - done;
                if *percent { (begun * (100 + value) + 99) / 100 } else { begun + value }
            } else {
                let begun = current + done;
                if *percent { begun * (100 - value) / 100 } else { begun - value }
            }
        });
        let limit = match (behavior.select.as_str(), is_up) {
            ("Disabled", _) => Some(current),
            ("Min", true) | ("Max", false) => limits.min(),
            _ => limits.max(),
        }
        .unwrap_or(stable);
        if is_up && stable > limit.max(current) {
            allowed = limit.max(current);
            limited =
                Some(("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate"));
        } else if !is_up && stable < limit.min(current) {
            allowed = limit.min(current);
            limited =
                Some(("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate"));
        }
    }
    let bounded = allowed.clamp(least, most);
    let (word, reason, message) = match limited {
        _ if allowed > most => {
            ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
        }
        _ if allowed < least => {
            ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
        }
        Some((reason, message)) => ("True", reason, message),
        None => ("False", "DesiredWithinRange", "the desired count is within the acceptable range"),
    };
    condition(context, status, "ScalingLimited", word, reason, message);
    bounded
}

fn scale(context: &Context<'_>, resource: &Resource, id: &ObjectId, name: &str, to: i64, status: &mut Value) {
    let Some(paths) = &resource.scale else { return };
    let body = Decoded::from(json!({"spec": {"replicas": to}}));
    let kind = Some(crate::operations::PatchKind::Merge);
    let written =
        context.core.write_scale(resource, paths, &id.namespace, name, kind, &body, &WriteOptions::component(BY));
    match written {
        Err(error) => {
            let message = format!("the HPA controller was unable to update the target scale: {error}");
            condition(context, status, "AbleToScale", "False", "FailedUpdateScale", &message);
        }
        Ok(_) => {
            let message = format!("the HPA controller was able to update the target scale to {to}");
            condition(context, status, "AbleToScale", "True", "SucceededRescale", &message);
        }
    }
}
