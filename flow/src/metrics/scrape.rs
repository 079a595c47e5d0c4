//! The metrics as text: what was counted, and what stands now, taken from the controller at the moment it is asked for.
//!
//! Format: OpenMetrics 1.0, which Prometheus reads as it reads its own.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_model::application::Application;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Labels, OfApplication};
use crate::reconcile::Controller;

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a cluster may take to say what it serves before it counts as one that cannot be reached. Mostly it is known.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(2);

type Gauges = Family<Labels, Gauge>;

/// Writes all metrics of a controller.
pub async fn text(controller: &Controller) -> String {
    let mut standing = Registry::default();
    applications(controller, &mut standing);
    clusters(controller, &mut standing).await;
    workings(controller, &mut standing);
    let mut text = String::new();
    let written = encode_registry(&mut text, &controller.metrics.registry)
        .and_then(|()| encode_registry(&mut text, &standing))
        .and_then(|()| encode_eof(&mut text));
    written.expect("writing to a text in memory does not fail");
    text
}

fn applications(controller: &Controller, registry: &mut Registry) {
    let (info, conditions) = (Gauges::default(), Gauges::default());
    for (_, known) in controller.home.applications() {
        let Ok(application) = &known.application else { continue };
        info.get_or_create(&info_labels(controller, application)).set(1);
        let mut counts = BTreeMap::<String, i64>::new();
        for condition in &application.status.conditions {
            *counts.entry(format!("{:?}", condition.condition_type)).or_default() += 1;
        }
        for (condition, count) in counts {
            let mut labels = OfApplication::of(application).labels();
            labels.push(("condition", condition));
            conditions.get_or_create(&labels).set(count);
        }
    }
    registry.register("argocd_app_info", "Applications", info);
    registry.register("argocd_app_condition", "Conditions of applications", conditions);
}

fn info_labels(controller: &Controller, application: &Application) -> Labels {
    let (spec, status) = (&application.spec, &application.status);
    let is_automated = spec.automated().is_some();
    let operation = match (&application.operation, &status.operation_state) {
        _ if application.metadata.deletion_timestamp.is_some() => "delete",
        (Some(operation), _) if operation.sync.is_some() => "sync",
        (None, Some(state)) if !state.phase.is_completed() && state.operation.sync.is_some() => "sync",
        _ => "",
    };
    let repo = spec.sources().first().map_or("", |source| source.repo_url.as_str());
    let mut labels = OfApplication::of(application).labels();
    labels.extend([
        ("autosync_enabled", is_automated.to_string()),
        ("repo", landfall_repository::address::without_credentials(repo)),
        ("dest_server", controller.server_of(application)),
        ("dest_namespace", spec.destination.namespace.clone()),
        ("sync_status", status.sync.status.as_str().to_owned()),
        ("health_status", status.health.status.as_str().to_owned()),
        ("operation", operation.to_owned()),
    ]);
    labels
}

async fn clusters(controller: &Controller, registry: &mut Registry) {
    let (info, connected) = (Gauges::default(), Gauges::default());
    let (resources, objects, watches) = (Gauges::default(), Gauges::default(), Gauges::default());
    for cluster in controller.destinations.all() {
        let discovery = tokio::time::timeout(DISCOVERY_LIMIT, cluster.live.discovery()).await.ok().and_then(Result::ok);
        let version = discovery.as_ref().map(|discovery| discovery.server_version.clone()).unwrap_or_default();
        let mut labels = vec![("server", cluster.server.clone())];
        objects.get_or_create(&labels).set(gauge(cluster.live.len()));
        watches.get_or_create(&labels).set(gauge(cluster.live.watched().len()));
        resources.get_or_create(&labels).set(discovery.as_ref().map_or(0, |discovery| gauge(discovery.kinds.len())));
        labels.push(("k8s_version", version));
        connected.get_or_create(&labels).set(i64::from(discovery.is_some()));
        labels.push(("name", cluster.name.clone()));
        info.get_or_create(&labels).set(1);
    }
    registry.register("argocd_cluster_info", "Clusters that applications go to", info);
    registry.register("argocd_cluster_connection_status", "Whether a cluster answers", connected);
    registry.register("argocd_cluster_api_resources", "Kinds that a cluster serves", resources);
    registry.register("argocd_cluster_api_resource_objects", "Live objects known of a cluster", objects);
    registry.register("landfall_cluster_watches", "Watches held on a cluster", watches);
}

fn workings(controller: &Controller, registry: &mut Registry) {
    let (waiting, in_flight) = controller.queue.depth();
    let depth = Gauges::default();
    depth.get_or_create(&vec![("name", "app_reconciliation_queue".to_owned())]).set(gauge(waiting));
    registry.register("workqueue_depth", "Applications that are due and wait", depth);
    let adds = Family::<Labels, Counter>::default();
    adds.get_or_create(&vec![("name", "app_reconciliation_queue".to_owned())]).inc_by(controller.queue.adds());
    registry.register("workqueue_adds", "How often an application became due", adds);
    let mut single = |name: &str, help: &str, value: i64| {
        let metric = Gauge::<i64>::default();
        metric.set(value);
        registry.register(name, help, metric);
    };
    single("landfall_passes_in_flight", "Applications that are being passed over", gauge(in_flight));
    let mut total = |name: &str, help: &str, value: u64| {
        let metric = prometheus_client::metrics::counter::Counter::<u64>::default();
        metric.inc_by(value);
        registry.register(name, help, metric);
    };
    let (hits, misses) = controller.renderer.hits_and_misses();
    total("landfall_passes", "Passes over applications", controller.passes());
    total("landfall_render_cache_hits", "Renders that were answered from memory", hits);
    total("landfall_render_cache_misses", "Renders that were made", misses);
    total(
        "landfall_events_dropped",
        "Kubernetes Events that were not written: too many waited",
        controller.events.dropped(),
    );
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
