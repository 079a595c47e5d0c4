//! The scenarios, in one run.

use std::time::{Duration, Instant};

use anyhow::bail;
use futures::StreamExt as _;
use landfall_model::key::GroupVersionKind;
use landfall_ports::cluster::{Change, Detail, ListRequest, Patch, Selection};
use serde_json::{Value, json};

use crate::process::Process;
use crate::world::{World, namespace, person};
use crate::{Arguments, calibrator, print};

/// How long any one thing may take.
const WAIT_MAX: Duration = Duration::from_secs(600);

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let count = arguments.applications;
    let world = World::start(count).await?;
    let application_kind = world.kind(&GroupVersionKind::of("argoproj.io/v1alpha1", "Application")).await?;
    let creates = futures::stream::iter((0..count).map(|index| {
        let (world, kind) = (&world, &application_kind);
        async move { world.cluster.apply(kind, &world.application(index), &person()).await.map(|_| ()) }
    }));
    creates.buffer_unordered(64).collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>, _>>()?;

    let floor = calibrator::cold_start(&world, count).await?;
    let before = world.requests()?;
    let started = Instant::now();
    let process = Process::start(arguments, &world)?;
    wait_all_settled(&world, count).await?;
    let took = started.elapsed();
    let after = world.requests()?;
    let (_, peak) = process.memory_mib()?;
    print(&format!(
        "S1 cold start, {count} applications x 4 objects: {:.2} s, calibrator {:.2} s, ratio {:.2}; {:.1} CPU s; peak {peak:.0} MiB",
        took.as_secs_f64(),
        floor.as_secs_f64(),
        took.as_secs_f64() / floor.as_secs_f64(),
        process.cpu_seconds()?
    ));
    let used: Vec<String> =
        after.iter().map(|(verb, value)| format!("{verb} {}", value - before.get(verb).unwrap_or(&0.0))).collect();
    print(&format!("   requests answered meanwhile (without watches, leases, events): {}", used.join(", ")));

    tokio::time::sleep(Duration::from_secs(5)).await;
    let (cpu, requests) = (process.cpu_seconds()?, world.requests()?);
    tokio::time::sleep(Duration::from_secs(arguments.rest_seconds)).await;
    let share = (process.cpu_seconds()? - cpu) / arguments.rest_seconds as f64;
    let since: f64 = world.requests()?.iter().map(|(verb, value)| value - requests.get(verb).unwrap_or(&0.0)).sum();
    let (resident, _) = process.memory_mib()?;
    print(&format!(
        "S4 at rest for {} s: {:.2} % of a core, {since} requests by everybody, {resident:.0} MiB",
        arguments.rest_seconds,
        share * 100.0
    ));

    let single = calibrator::single_write(&world, arguments.repetitions).await?;
    print(&format!("   calibrator, one write: {}", percentiles(single)));
    let mut times = Vec::new();
    for round in 0..arguments.repetitions {
        let index = (round * 37) % count;
        let marker = format!("change-{round}");
        world.write(index, &marker)?;
        world.commit()?;
        times.push(until_applied(&world, index, &marker, async { Ok(()) }).await?);
    }
    print(&format!("S2 commit to applied, one of {count} changed, by polling every 2 s: {}", percentiles(times)));

    let mut times = Vec::new();
    for round in 0..arguments.repetitions {
        let index = (round * 53) % count;
        let value = world
            .cluster
            .get(
                &world.kind(&GroupVersionKind::of("v1", "ConfigMap")).await?,
                &namespace(index),
                &format!("app-{index}"),
            )
            .await?
            .unwrap_or_default();
        let marker = value.pointer("/data/marker").and_then(Value::as_str).unwrap_or_default().to_owned();
        times.push(until_healed(&world, index, &marker).await?);
    }
    print(&format!("S5 hand edit of an owned field undone: {}", percentiles(times)));

    let requests = world.requests()?;
    std::fs::write(world.repository.join("README.md"), "nothing that any application reads")?;
    world.commit()?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = world.requests()?;
    let writes: f64 = ["PATCH", "PUT", "POST", "APPLY"]
        .iter()
        .map(|verb| after.get(*verb).unwrap_or(&0.0) - requests.get(*verb).unwrap_or(&0.0))
        .sum();
    print(&format!("S7 a commit that touches nothing any application reads: {writes} writes by everybody within 6 s"));
    Ok(())
}

async fn wait_all_settled(world: &World, count: usize) -> anyhow::Result<()> {
    let kind = world.kind(&GroupVersionKind::of("argoproj.io/v1alpha1", "Application")).await?;
    let list = || ListRequest {
        selection: Selection { namespace: "argocd".to_owned(), ..Selection::default() },
        page_size_max: 0,
        from: String::new(),
    };
    let is_settled = |value: &Value| {
        value.pointer("/status/sync/status") == Some(&json!("Synced"))
            && value.pointer("/status/health/status") == Some(&json!("Healthy"))
    };
    let page = world.cluster.list(&kind, Detail::Full, &list()).await?;
    let mut settled: std::collections::HashSet<String> = page
        .objects
        .iter()
        .filter(|value| is_settled(value))
        .map(|value| landfall_model::object::name(value).to_owned())
        .collect();
    let selection = Selection { namespace: "argocd".to_owned(), ..Selection::default() };
    let mut changes = world.cluster.watch(&kind, Detail::Full, &selection, &page.resource_version).await?;
    let waiting = async {
        while settled.len() < count {
            match changes.next().await {
                Some(Ok(Change::Applied(value))) => {
                    let name = landfall_model::object::name(&value).to_owned();
                    if is_settled(&value) {
                        settled.insert(name)
                    } else {
                        settled.remove(&name)
                    };
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => bail!("the watch failed: {error}"),
                None => bail!("the watch ended with {} of {count} settled", settled.len()),
            }
        }
        Ok(())
    };
    match tokio::time::timeout(WAIT_MAX, waiting).await {
        Ok(result) => result,
        Err(_) => bail!("not all {count} applications settled in time"),
    }
}

/// Times from now until a ConfigMap carries a marker.
async fn until_applied(
    world: &World,
    index: usize,
    marker: &str,
    act: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Duration> {
    let kind = world.kind(&GroupVersionKind::of("v1", "ConfigMap")).await?;
    let started = Instant::now();
    act.await?;
    loop {
        let value = world.cluster.get(&kind, &namespace(index), &format!("app-{index}")).await?;
        if value.as_ref().and_then(|value| value.pointer("/data/marker")?.as_str()) == Some(marker) {
            return Ok(started.elapsed());
        }
        if started.elapsed() > WAIT_MAX {
            bail!("app-{index} did not get {marker}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn until_healed(world: &World, index: usize, marker: &str) -> anyhow::Result<Duration> {
    let kind = world.kind(&GroupVersionKind::of("v1", "ConfigMap")).await?;
    let patch = Patch::Merge(json!({"data": {"marker": "by hand"}}));
    world.cluster.patch(&kind, &namespace(index), &format!("app-{index}"), "", &patch, &person()).await?;
    until_applied(world, index, marker, async { Ok(()) }).await
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms over {}", at(0.5), at(0.99), at(1.0), times.len())
}
