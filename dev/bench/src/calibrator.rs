//! The calibrator: exactly the writes that a scenario needs, many in flight, and nothing else. Its time is the floor.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::Patch;
use serde_json::json;

use crate::world::{World, namespace, objects, person};

/// How many requests are under way at the same time.
const IN_FLIGHT: usize = 64;

/// Creates the four objects of every application below another name, and patches every Application twice, as a sync
/// does. Returns how long that took.
pub(crate) async fn cold_start(world: &World, applications: usize) -> anyhow::Result<Duration> {
    let mut wanted = Vec::new();
    for index in 0..applications {
        for mut value in objects(index, "calibrator") {
            let name = format!("cal-{index}");
            let metadata = object::map_mut(&mut value, &["metadata"]);
            metadata.insert("name".to_owned(), json!(name));
            metadata.insert("namespace".to_owned(), json!(namespace(index)));
            let kind = value["kind"].as_str().unwrap_or_default().to_owned();
            wanted.push((kind, value));
        }
    }
    let mut kinds = std::collections::BTreeMap::new();
    for (name, value) in wanted.iter().take(4) {
        kinds.insert(name.clone(), world.kind(&object::gvk(value)).await?);
    }
    let application = world.kind(&GroupVersionKind::of("argoproj.io/v1alpha1", "Application")).await?;
    let started = Instant::now();
    let creates = futures::stream::iter(wanted.iter().map(|(name, value)| {
        let kind = &kinds[name];
        async move { world.cluster.apply(kind, value, &person()).await.map(|_| ()) }
    }));
    let results: Vec<_> = creates.buffer_unordered(IN_FLIGHT).collect().await;
    results.into_iter().collect::<Result<Vec<_>, _>>()?;
    for round in 0..2 {
        let kind = &application;
        let patches = futures::stream::iter((0..applications).map(|index| {
            let patch = Patch::Merge(json!({"status": {"calibrator": format!("{round} {}", "s".repeat(800))}}));
            async move {
                world.cluster.patch(kind, "argocd", &format!("app-{index}"), "", &patch, &person()).await.map(|_| ())
            }
        }));
        let results: Vec<_> = patches.buffer_unordered(IN_FLIGHT).collect().await;
        results.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    let took = started.elapsed();
    // The Applications are the product's next: they must look new.
    let clear = futures::stream::iter((0..applications).map(|index| {
        let kind = &application;
        async move {
            world
                .cluster
                .patch(kind, "argocd", &format!("app-{index}"), "", &Patch::Merge(json!({"status": null})), &person())
                .await
                .map(|_| ())
        }
    }));
    let results: Vec<_> = clear.buffer_unordered(IN_FLIGHT).collect().await;
    results.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(took)
}

/// Times single writes one after the other: the floor of one change.
pub(crate) async fn single_write(world: &World, repetitions: usize) -> anyhow::Result<Vec<Duration>> {
    let kind = world.kind(&GroupVersionKind::of("v1", "ConfigMap")).await?;
    let mut times = Vec::new();
    for round in 0..repetitions {
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cal-0", "namespace": namespace(0)}, "data": {"marker": format!("round {round}")}});
        let started = Instant::now();
        world.cluster.apply(&kind, &value, &person()).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}
