//! The embedded control plane beside the real one, in one run: start, applies, memory, lists, watches.
//!
//! Both are asked over TLS by the same client. The sandbox shares its process with the client, the real one has processes
//! of its own; both have the same two cores or more of the machine.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use kube::config::{KubeConfigOptions, Kubeconfig};
use landfall_sandbox::{Sandbox, Serving};
use landfall_testkit::run::Testbed;
use serde_json::{Value, json};

use crate::Arguments;

/// How many requests are under way at the same time.
const AT_ONCE: usize = 32;

/// Runs everything and prints a table.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let only = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|held| held == name);
    if only("start") {
        start().await?;
    }
    if only("apply") {
        applies(arguments).await?;
    }
    if only("list") {
        list().await?;
    }
    if only("watch") {
        watches().await?;
    }
    if only("memory") {
        memory(arguments.objects).await?;
    }
    Ok(())
}

fn say(line: &str) {
    crate::print(line);
}

async fn client_of(yaml: &str) -> anyhow::Result<kube::Client> {
    let config =
        kube::Config::from_custom_kubeconfig(Kubeconfig::from_yaml(yaml)?, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

async fn served(nodes: usize) -> anyhow::Result<(Sandbox, Serving, kube::Client)> {
    let sandbox = Sandbox::builder().nodes(nodes).quick_probes().start().await?;
    let serving = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await?;
    let client = client_of(&serving.kubeconfig_yaml).await?;
    Ok((sandbox, serving, client))
}

async fn get(client: &kube::Client, path: &str) -> anyhow::Result<usize> {
    let text = client.request_text(http::Request::get(path).body(Vec::new())?).await?;
    Ok(text.len())
}

/// From nothing to an answer to discovery and to a list.
async fn start() -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        let (_sandbox, _serving, client) = served(2).await?;
        get(&client, "/readyz").await?;
        get(&client, "/apis/apps/v1").await?;
        get(&client, "/api/v1/namespaces").await?;
        times.push(begun.elapsed());
    }
    times.sort();
    say(&format!(
        "start: ready with every kind after {:.1} ms (median of 9; slowest {:.1} ms)",
        ms(times[times.len() / 2]),
        ms(times[times.len() - 1])
    ));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A ConfigMap of two kilobytes with labels, as charts make them.
fn two_kilobytes(index: usize, namespace: &str) -> Value {
    let data: serde_json::Map<String, Value> =
        (0..8).map(|key| (format!("key-{key}"), json!(format!("{index:06}-{}", "x".repeat(200))))).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("object-{index}"), "namespace": namespace, "labels": {
            "app.kubernetes.io/name": "bench", "app.kubernetes.io/instance": format!("bench-{index}"), "app.kubernetes.io/managed-by": "bench"},
            "annotations": {"argocd.argoproj.io/tracking-id": format!("bench:/ConfigMap:{namespace}/object-{index}")}},
        "data": data})
}

async fn apply(client: &kube::Client, index: usize, value: &Value) -> anyhow::Result<()> {
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or("default");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/object-{index}?fieldManager=bench&force=true");
    let request = http::Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(serde_json::to_vec(value)?)?;
    client.request_text(request).await?;
    Ok(())
}

async fn applied_per_second(client: &kube::Client, count: usize, marker: &str) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let results: Vec<anyhow::Result<()>> = stream::iter(0..count)
        .map(|index| {
            let mut value = two_kilobytes(index, "default");
            value["data"]["marker"] = json!(marker);
            let client = client.clone();
            async move { apply(&client, index, &value).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    results.into_iter().collect::<anyhow::Result<()>>()?;
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

async fn applies(arguments: &Arguments) -> anyhow::Result<()> {
    let count = arguments.applies;
    let directory = tempfile::tempdir()?;
    let (_sandbox, _serving, own) = served(2).await?;
    let place = directory.path().join("plane");
    let testbed = tokio::task::spawn_blocking(move || Testbed::start(Path::new(&place))).await??;
    let yaml = std::fs::read_to_string(&testbed.kubeconfig)?;
    let real = client_of(&yaml).await.context("the real control plane cannot be reached")?;
    for (what, marker) in [("creates", "one"), ("changes", "two"), ("changes nothing", "two")] {
        // Taken in turns, so that what else the machine does meets both.
        let ours = applied_per_second(&own, count, marker).await?;
        let theirs = applied_per_second(&real, count, marker).await?;
        say(&format!(
            "apply of 2 KB that {what}: {ours:.0} a second, kube-apiserver {theirs:.0} a second, ratio {:.1}",
            ours / theirs
        ));
    }
    Ok(())
}

fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

async fn memory(objects: usize) -> anyhow::Result<()> {
    let (sandbox, _serving, _client) = served(2).await?;
    let client = kube::Client::new(sandbox.client_service(), "default");
    for namespace in 0..100 {
        let body = json!({"metadata": {"name": format!("bench-{namespace}")}});
        client.request_text(http::Request::post("/api/v1/namespaces").body(serde_json::to_vec(&body)?)?).await?;
    }
    let before = resident_mib();
    let begun = Instant::now();
    let results: Vec<anyhow::Result<()>> = stream::iter(0..objects)
        .map(|index| {
            let value = two_kilobytes(index, &format!("bench-{}", index % 100));
            let client = client.clone();
            async move { apply(&client, index, &value).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    results.into_iter().collect::<anyhow::Result<()>>()?;
    sandbox.settle().await;
    say(&format!(
        "memory: {objects} objects of 2 KB applied in {:.1} s; {:.0} MiB resident, {:.0} MiB before",
        begun.elapsed().as_secs_f64(),
        resident_mib(),
        before
    ));
    Ok(())
}

async fn list() -> anyhow::Result<()> {
    const PODS: usize = 10_000;
    let (sandbox, _serving, client) = served(20).await?;
    let deployments = stream::iter(0..PODS / 100).map(|index| {
        let client = client.clone();
        async move {
            let name = format!("web-{index}");
            let body = json!({"metadata": {"name": name}, "spec": {"replicas": 100, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}}});
            let request = http::Request::post("/apis/apps/v1/namespaces/default/deployments").body(serde_json::to_vec(&body)?)?;
            client.request_text(request).await?;
            anyhow::Ok(())
        }
    });
    let begun = Instant::now();
    let made: Vec<anyhow::Result<()>> = deployments.buffer_unordered(8).collect().await;
    made.into_iter().collect::<anyhow::Result<()>>()?;
    sandbox.settle().await;
    let rolled_out = begun.elapsed();
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..9 {
        let begun = Instant::now();
        bytes = get(&client, "/api/v1/pods").await?;
        times.push(begun.elapsed());
    }
    times.sort();
    say(&format!(
        "list: {PODS} pods, {:.1} MB, in {:.0} ms (median of 9, first {:.0} ms or less); their rollout took {:.1} s",
        bytes as f64 / 1e6,
        ms(times[times.len() / 2]),
        ms(times[times.len() - 1]),
        rolled_out.as_secs_f64()
    ));
    Ok(())
}

/// Watches in every namespace while objects change: how long until each watch sees its own.
async fn watches() -> anyhow::Result<()> {
    const NAMESPACES: usize = 100;
    const WATCHES: usize = 1000;
    const PER_SECOND: usize = 2000;
    const SECONDS: usize = 10;
    let (sandbox, serving, client) = served(2).await?;
    for namespace in 0..NAMESPACES {
        let body = json!({"metadata": {"name": format!("bench-{namespace}")}});
        client.request_text(http::Request::post("/api/v1/namespaces").body(serde_json::to_vec(&body)?)?).await?;
    }
    let epoch = Instant::now();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel::<u64>();
    let events = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    // A connection for every hundred watches.
    for group in 0..WATCHES / 100 {
        let client = client_of(&serving.kubeconfig_yaml).await?;
        for index in 0..100 {
            let namespace = (group * 100 + index) % NAMESPACES;
            let path = format!("/api/v1/namespaces/bench-{namespace}/configmaps?watch=true");
            let lines = client.request_stream(http::Request::get(path).body(Vec::new())?).await?;
            let (sender, events) = (sender.clone(), Arc::clone(&events));
            tasks.push(tokio::spawn(async move {
                use futures::AsyncBufReadExt as _;
                let mut lines = Box::pin(lines).lines();
                while let Some(Ok(line)) = lines.next().await {
                    let now = epoch.elapsed();
                    if let Some(at) =
                        line.split("\"sent\":\"").nth(1).and_then(|rest| rest.split('"').next()?.parse::<u64>().ok())
                    {
                        events.fetch_add(1, Ordering::Relaxed);
                        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
                        // The table is made when all is over; a closed channel means that it is.
                        let _ = sender.send(micros.saturating_sub(at));
                    }
                }
            }));
        }
    }
    drop(sender);
    let own = kube::Client::new(sandbox.client_service(), "default");
    let begun = Instant::now();
    let mut late = Duration::ZERO;
    for round in 0..SECONDS * 100 {
        let due = begun + Duration::from_millis(10) * u32::try_from(round).unwrap_or(0);
        tokio::time::sleep_until(due.into()).await;
        late = late.max(due.elapsed());
        for step in 0..PER_SECOND / 100 {
            let index = round * (PER_SECOND / 100) + step;
            let namespace = format!("bench-{}", index % NAMESPACES);
            let sent = epoch.elapsed().as_micros().to_string();
            let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("object-{}", index % 1000), "namespace": namespace}, "data": {"sent": sent}});
            apply(&own, index % 1000, &value).await?;
        }
    }
    let took = begun.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for task in tasks {
        task.abort();
    }
    let mut delays = Vec::new();
    while let Ok(Some(delay)) = tokio::time::timeout(Duration::from_millis(10), seen.recv()).await {
        delays.push(delay);
    }
    delays.sort_unstable();
    let at = |share: usize| delays.get(delays.len() * share / 1000).map_or(f64::NAN, |micros| *micros as f64 / 1000.0);
    say(&format!(
        "watch: {WATCHES} watches over {NAMESPACES} namespaces, {} changes in {:.1} s ({} wanted), {} events seen; from write to sight p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
        SECONDS * PER_SECOND,
        took.as_secs_f64(),
        SECONDS,
        delays.len(),
        at(500),
        at(990),
        delays.last().map_or(f64::NAN, |micros| *micros as f64 / 1000.0)
    ));
    Ok(())
}
