//! The scenarios, in one run.

use std::time::{Duration, Instant};

use anyhow::bail;
use futures::StreamExt as _;
use landfall_model::key::GroupVersionKind;
use landfall_ports::cluster::{Change, Detail, ListRequest, Patch, Selection};
use serde_json::{Value, json};

use crate::observer::Observer;
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
    let process = cold_start(arguments, &world, count).await?;
    rest(arguments, &world, &process).await?;
    let observer = Observer::start(&world).await?;
    let single = calibrator::single_write(&world, arguments.repetitions).await?;
    print(&format!("   calibrator, one write: {}", percentiles(single)));
    one_change(arguments, &world, &process, &observer, count).await?;
    drift(arguments, &world, &observer, count).await?;
    for touched in [0, 1, 10, count] {
        monorepo(&world, &process, &observer, touched).await?;
    }
    let (resident, peak) = process.memory_mib()?;
    print(&format!("   at the end: {resident:.0} MiB, peak {peak:.0} MiB, {:.1} CPU s", process.cpu_seconds()?));
    Ok(())
}

/// S1: process start to every application Synced and Healthy.
async fn cold_start(arguments: &Arguments, world: &World, count: usize) -> anyhow::Result<Process> {
    let floor = calibrator::cold_start(world, count).await?;
    let before = world.requests()?;
    let started = Instant::now();
    let process = Process::start(arguments, world)?;
    wait_all_settled(world, count).await?;
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
    print(&format!("   requests answered meanwhile: {}", told(&difference(&before, &after))));
    Ok(process)
}

/// S4: at rest.
async fn rest(arguments: &Arguments, world: &World, process: &Process) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (cpu, before) = (process.cpu_seconds()?, world.requests()?);
    tokio::time::sleep(Duration::from_secs(arguments.rest_seconds)).await;
    let share = (process.cpu_seconds()? - cpu) / arguments.rest_seconds as f64;
    let asked = difference(&before, &world.requests()?);
    let (resident, _) = process.memory_mib()?;
    print(&format!(
        "S4 at rest for {} s: {:.2} % of a core, {resident:.0} MiB; requests by everybody: {}",
        arguments.rest_seconds,
        share * 100.0,
        told(&asked)
    ));
    Ok(())
}

/// S2: one application changed, from the webhook to the change.
async fn one_change(
    arguments: &Arguments,
    world: &World,
    process: &Process,
    observer: &Observer,
    count: usize,
) -> anyhow::Result<()> {
    let (before, cpu) = (world.requests()?, process.cpu_seconds()?);
    let mut times = Vec::new();
    for round in 0..arguments.repetitions {
        let index = (round * 37) % count;
        let marker = format!("change-{round}");
        world.write(index, &marker)?;
        world.commit()?;
        let started = Instant::now();
        process.webhook(&world.url()).await?;
        let seen = observer.until(&format!("app-{index}"), &marker, WAIT_MAX).await?;
        times.push(seen.saturating_duration_since(started));
        // What follows on the change is over before the next one, as it is between two commits.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let asked = difference(&before, &world.requests()?);
    let patches = asked.get("PATCH applications").copied().unwrap_or(0.0) / arguments.repetitions as f64;
    let cpu_ms = (process.cpu_seconds()? - cpu) * 1000.0 / arguments.repetitions as f64;
    print(&format!(
        "S2 webhook to applied, one of {count} changed: {}; {patches:.2} status patches and {cpu_ms:.0} CPU ms per commit",
        percentiles(times)
    ));
    Ok(())
}

/// S5: a hand edit of an owned field, from its acknowledgement until it is undone.
async fn drift(arguments: &Arguments, world: &World, observer: &Observer, count: usize) -> anyhow::Result<()> {
    let kind = world.kind(&GroupVersionKind::of("v1", "ConfigMap")).await?;
    let mut times = Vec::new();
    for round in 0..arguments.repetitions.min(count) {
        let index = (round * 53) % count;
        let name = format!("app-{index}");
        let value = world.cluster.get(&kind, &namespace(index), &name).await?.unwrap_or_default();
        let marker = value.pointer("/data/marker").and_then(Value::as_str).unwrap_or_default().to_owned();
        let by_hand = format!("by hand {round}");
        let patch = Patch::Merge(json!({"data": {"marker": by_hand}}));
        world.cluster.patch(&kind, &namespace(index), &name, "", &patch, &person()).await?;
        let edited = Instant::now();
        let undone = observer.until_changed_back(&name, &by_hand, &marker, edited, WAIT_MAX).await?;
        times.push(undone.saturating_duration_since(edited));
    }
    print(&format!("S5 hand edit of an owned field undone: {}", percentiles(times)));
    Ok(())
}

/// S7: a commit that touches so many folders.
async fn monorepo(world: &World, process: &Process, observer: &Observer, touched: usize) -> anyhow::Result<()> {
    let marker = format!("touched-{touched}");
    for index in 0..touched {
        world.write(index, &marker)?;
    }
    std::fs::write(world.repository.join("README.md"), &marker)?;
    world.commit()?;
    let (before, counted, cpu) = (world.requests()?, process.counters().await?, process.cpu_seconds()?);
    let started = Instant::now();
    process.webhook(&world.url()).await?;
    let mut last = started;
    for index in 0..touched {
        last = last.max(observer.until(&format!("app-{index}"), &marker, WAIT_MAX).await?);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let counter =
        |counters: &std::collections::BTreeMap<String, f64>, name: &str| counters.get(name).copied().unwrap_or(0.0);
    let now = process.counters().await?;
    let grown = |name: &str| counter(&now, name) - counter(&counted, name);
    print(&format!(
        "S7 a commit that touches {touched} folders: applied after {:.0} ms, {} renders, {} passes, {:.0} CPU ms; requests: {}",
        last.saturating_duration_since(started).as_secs_f64() * 1000.0,
        grown("landfall_render_cache_misses_total"),
        grown("landfall_passes_total"),
        (process.cpu_seconds()? - cpu) * 1000.0,
        told(&difference(&before, &world.requests()?))
    ));
    Ok(())
}

type Requests = std::collections::BTreeMap<String, f64>;

fn difference(before: &Requests, after: &Requests) -> Requests {
    let grown = after.iter().map(|(what, count)| (what.clone(), count - before.get(what).unwrap_or(&0.0)));
    grown.filter(|(_, count)| *count > 0.0).collect()
}

fn told(requests: &Requests) -> String {
    let told: Vec<String> = requests.iter().map(|(what, count)| format!("{what} {count}")).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

pub(crate) async fn wait_all_settled(world: &World, count: usize) -> anyhow::Result<()> {
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

pub(crate) fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms over {}", at(0.5), at(0.99), at(1.0), times.len())
}
