//! The API under load: N applications, clients that ask as fast as they are answered, streams that wait for one event.
//!
//! ```text
//! cargo run --release -p landfall-bench -- --api --applications 5000 --program target/release/landfall
//! ```
//! Beside each time stands what the server used for it: processor time and memory, read from /proc.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use serde_json::{Value, json};

use crate::process::Process;
use crate::scenario::{percentiles, wait_all_settled};
use crate::world::{World, person};
use crate::{Arguments, print};

/// How many clients ask at the same time, and how often each.
const CLIENTS: usize = 50;
const ASKS_EACH: usize = 60;
/// How many streams wait for one event.
const STREAMS: usize = 1000;
/// How often an event is told.
const EVENTS: usize = 10;
/// How long anything may take before the run fails.
const LIMIT: Duration = Duration::from_secs(60);
/// What Argo CD needs for 6,000 applications, in seconds: the full list has to be ten times faster.
const ARGO_LIST_SECONDS: f64 = 2.5;
const ARGO_LIST_APPLICATIONS: f64 = 6000.0;

struct Api {
    base: String,
    token: String,
}

impl Api {
    fn client() -> anyhow::Result<reqwest::Client> {
        Ok(reqwest::Client::builder().pool_max_idle_per_host(4).build()?)
    }

    async fn get(&self, client: &reqwest::Client, path: &str) -> anyhow::Result<Vec<u8>> {
        let answer = client.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{path} answers {status}: {}", String::from_utf8_lossy(&body));
        Ok(body.to_vec())
    }
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let count = arguments.applications;
    let world = World::start(count).await?;
    let kind = world.kind(&GroupVersionKind::of("argoproj.io/v1alpha1", "Application")).await?;
    let creates = futures::stream::iter((0..count).map(|index| {
        let (world, kind) = (&world, &kind);
        async move { world.cluster.apply(kind, &world.application(index), &person()).await.map(|_| ()) }
    }));
    creates.buffer_unordered(64).collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let process = Process::start_with(arguments, &world, &["--api", &address, "--insecure"])?;
    wait_all_settled(&world, count).await?;
    let (resident, _) = process.memory_mib()?;
    print(&format!("API: {count} applications x 4 objects are Synced; the whole process has {resident:.0} MiB"));
    let api = Arc::new(sign_in(&world, format!("http://{address}")).await?);

    let page = "/api/v1/application-pages?limit=100".to_owned();
    let size = api.get(&Api::client()?, &page).await?.len();
    let goal = format!("goal: p99 25 ms, 60 KB; a page has {:.1} KB", size as f64 / 1024.0);
    load(&process, &api, "first page", &goal, |_, _| page.clone()).await?;
    let searched =
        |client: usize, round: usize| format!("/api/v1/application-pages?limit=100&search=app-{client}{round}");
    load(&process, &api, "first page, another search each time", "goal: p99 25 ms", searched).await?;
    full_list(&process, &api, count).await?;
    let name = |client: usize, round: usize| (client * 131 + round * 37) % count;
    let goal = "goal: p99 25 ms; 2,000 a second of one core";
    load(&process, &api, "get", goal, |client, round| format!("/api/v1/applications/app-{}", name(client, round)))
        .await?;
    let tree = |client: usize, round: usize| format!("/api/v1/applications/app-{}/resource-tree", name(client, round));
    load(&process, &api, "tree", "goal: p99 25 ms", tree).await?;
    streams(&process, &api).await?;
    let (resident, peak) = process.memory_mib()?;
    print(&format!("memory at the end: {resident:.0} MiB, peak {peak:.0} MiB (goal: below 200 MiB)"));
    Ok(())
}

/// Signs in with the password that the server made.
async fn sign_in(world: &World, base: String) -> anyhow::Result<Api> {
    let kind = world.kind(&GroupVersionKind::of("v1", "Secret")).await?;
    let started = Instant::now();
    let secret = loop {
        if let Some(secret) = world.cluster.get(&kind, "argocd", "argocd-initial-admin-secret").await? {
            break secret;
        }
        ensure!(started.elapsed() < LIMIT, "the server makes no first password");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let password = object::text_map(&secret, &["data"]).remove("password").context("the Secret has no password")?;
    let password = String::from_utf8(decoded(&password).context("the password is no base64")?)?;
    let client = Api::client()?;
    let started = Instant::now();
    loop {
        let body = json!({"username": "admin", "password": password}).to_string();
        let answer = client
            .post(format!("{base}/api/v1/session"))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await;
        if let Ok(answer) = answer
            && answer.status().is_success()
        {
            let read: Value = serde_json::from_slice(&answer.bytes().await?)?;
            let token = read["token"].as_str().context("the server gives no token")?.to_owned();
            return Ok(Api { base, token });
        }
        ensure!(started.elapsed() < LIMIT, "nobody can sign in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|known| *known == byte)
    };
    let mut bits = 0_u32;
    let mut held = 0;
    let mut out = Vec::new();
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = bits << 6 | u32::try_from(value(byte)?).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

/// Clients that ask as fast as they are answered.
async fn load(
    process: &Process,
    api: &Arc<Api>,
    what: &str,
    goal: &str,
    path: impl Fn(usize, usize) -> String,
) -> anyhow::Result<()> {
    let cpu = process.cpu_seconds()?;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for client in 0..CLIENTS {
        let paths: Vec<String> = (0..ASKS_EACH).map(|round| path(client, round)).collect();
        let api = api.clone();
        tasks.push(tokio::spawn(async move {
            let client = Api::client()?;
            let mut times = Vec::new();
            for path in paths {
                let asked = Instant::now();
                api.get(&client, &path).await?;
                times.push(asked.elapsed());
            }
            Ok::<_, anyhow::Error>(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let (took, cpu) = (started.elapsed().as_secs_f64(), process.cpu_seconds()? - cpu);
    let count = times.len() as f64;
    print(&format!(
        "{what}: {CLIENTS} clients: {}; {:.0} a second, {:.0} a second of one core ({goal})",
        percentiles(times),
        count / took,
        if cpu > 0.0 { count / cpu } else { f64::INFINITY }
    ));
    Ok(())
}

/// All applications, whole, as Argo CD's clients ask for them.
async fn full_list(process: &Process, api: &Api, count: usize) -> anyhow::Result<()> {
    let client = Api::client()?;
    let cpu = process.cpu_seconds()?;
    let mut times = Vec::new();
    let mut size = 0;
    for _ in 0..10 {
        let asked = Instant::now();
        size = api.get(&client, "/api/v1/applications").await?.len();
        times.push(asked.elapsed());
    }
    let mean = times.iter().map(Duration::as_secs_f64).sum::<f64>() / times.len() as f64;
    let argo = ARGO_LIST_SECONDS * count as f64 / ARGO_LIST_APPLICATIONS;
    print(&format!(
        "full list: {}; {:.1} MB, {:.2} CPU s each; {:.1} times faster than {argo:.2} s (goal: 10)",
        percentiles(times),
        size as f64 / 1e6,
        (process.cpu_seconds()? - cpu) / 10.0,
        argo / mean
    ));
    Ok(())
}

/// One event to many who stream.
async fn streams(process: &Process, api: &Arc<Api>) -> anyhow::Result<()> {
    let client = Api::client()?;
    let page: Value = serde_json::from_slice(&api.get(&client, "/api/v1/application-pages?limit=1").await?)?;
    let cursor = page["cursor"].as_str().context("a page has no cursor")?.to_owned();
    let (seen, mut arrivals) = tokio::sync::mpsc::unbounded_channel::<(String, Instant)>();
    let mut tasks = Vec::new();
    for _ in 0..STREAMS {
        let (api, seen, cursor) = (api.clone(), seen.clone(), cursor.clone());
        tasks.push(tokio::spawn(async move {
            let client = Api::client()?;
            let url = format!("{}/api/v1/stream/application-changes?after={cursor}", api.base);
            let mut answer = client.get(url).bearer_auth(&api.token).send().await?;
            seen.send(("ready".to_owned(), Instant::now()))?;
            let mut text = String::new();
            while let Some(piece) = answer.chunk().await? {
                let now = Instant::now();
                text.push_str(&String::from_utf8_lossy(&piece));
                while let Some(end) = text.find('\n') {
                    let line: String = text.drain(..=end).collect();
                    let Some(data) = line.strip_prefix("data:") else { continue };
                    let row: Value = serde_json::from_str(data.trim())?;
                    if row["name"] == "app-0"
                        && let Some(version) = row["resourceVersion"].as_str()
                    {
                        seen.send((version.to_owned(), now))?;
                    }
                }
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    for _ in 0..STREAMS {
        tokio::time::timeout(LIMIT, arrivals.recv()).await.context("not all streams were opened")?;
    }
    let (cpu, mut slowest, mut all) = (process.cpu_seconds()?, Vec::new(), Vec::new());
    // An event may arrive before the answer that names its version.
    let mut heard: HashMap<String, Vec<Instant>> = HashMap::new();
    for round in 0..EVENTS {
        let patch = json!({"metadata": {"labels": {"bench": format!("event-{round}")}}}).to_string();
        let body = json!({"name": "app-0", "patch": patch, "patchType": "merge"});
        let asked = Instant::now();
        let answer = client
            .patch(format!("{}/api/v1/applications/app-0", api.base))
            .bearer_auth(&api.token)
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        let status = answer.status();
        let answer = answer.bytes().await?;
        ensure!(status.is_success(), "the application cannot be patched: {}", String::from_utf8_lossy(&answer));
        let answer: Value = serde_json::from_slice(&answer)?;
        let version = answer["metadata"]["resourceVersion"].as_str().context("the answer has no version")?.to_owned();
        while heard.get(&version).is_none_or(|heard| heard.len() < STREAMS) {
            let next = tokio::time::timeout(LIMIT, arrivals.recv()).await.context("not all streams were told")?;
            let Some((told, at)) = next else { anyhow::bail!("all streams ended") };
            heard.entry(told).or_default().push(at);
        }
        let times: Vec<Duration> =
            heard.remove(&version).unwrap_or_default().iter().map(|at| at.saturating_duration_since(asked)).collect();
        slowest.extend(times.iter().max());
        all.extend(times);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let used = process.cpu_seconds()? - cpu;
    let (resident, _) = process.memory_mib()?;
    print(&format!("an event to {STREAMS} streams, from the request that causes it: {}", percentiles(all)));
    print(&format!(
        "   the last of them: {}; {:.0} CPU ms each, {resident:.0} MiB meanwhile (goal: 100 ms)",
        percentiles(slowest),
        used * 1000.0 / EVENTS as f64
    ));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}
