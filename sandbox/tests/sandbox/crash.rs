//! The file survives `kill -9` at any instant with every acknowledged write.
//!
//! A writer process puts objects into a sandbox on a file and says on its standard output what was acknowledged; it is
//! killed at a random moment, and what the file then holds must be what was said last, or the one write that was under
//! way. The same file goes through all kills. `SANDBOX_CRASH_KILLS=3000` makes it thousands (20 by default).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{client, config_map};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use landfall_sandbox::Sandbox;
use serde_json::json;

const FILE: &str = "SANDBOX_CRASH_FILE";
const FROM: &str = "SANDBOX_CRASH_FROM";
/// How many write at the same time, each to an object of his own.
const WRITERS: usize = 8;

/// What the object of a writer is after his step `n`; `None` when it is deleted.
fn after(step: u64) -> Option<String> {
    (step % 7 != 0).then(|| step.to_string())
}

async fn open(file: &Path) -> Sandbox {
    Sandbox::builder().file(file).without_controllers().nodes(0).start().await.expect("a file that was killed opens")
}

/// The writer; only runs in the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the other process of the test below"]
async fn writer() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let from: Vec<u64> = std::env::var(FROM).unwrap().split(',').map(|step| step.parse().unwrap()).collect();
    let sandbox = open(Path::new(&file)).await;
    let mut tasks = Vec::new();
    for (writer, from) in from.into_iter().enumerate() {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
        tasks.push(tokio::spawn(async move {
            let name = format!("writer-{writer}");
            for step in from + 1.. {
                match (after(step - 1).is_some() && step > 1, after(step)) {
                    (true, Some(value)) => {
                        let patch = Patch::Merge(json!({"data": {"step": value}}));
                        maps.patch(&name, &PatchParams::default(), &patch).await.unwrap();
                    }
                    (false, Some(value)) => {
                        let made = maps.create(&PostParams::default(), &config_map(&name, "step", &value)).await;
                        made.unwrap();
                    }
                    (_, None) => {
                        maps.delete(&name, &DeleteParams::default()).await.unwrap();
                    }
                }
                // One write call each, so that lines of different writers do not mix.
                std::io::stdout().write_all(format!("ack {writer} {step}\n").as_bytes()).unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_write_survives_being_killed_at_any_instant() {
    let kills: u64 = std::env::var("SANDBOX_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crash.sqlite");
    let mut steps = [0_u64; WRITERS];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let (mut acknowledged, mut under_way) = (0, 0);
    for kill in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let from: Vec<String> = steps.iter().map(u64::to_string).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writer", "--ignored", "--nocapture"])
            .env(FILE, &file)
            .env(FROM, from.join(","))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut deadline = None;
        let mut told: BTreeMap<usize, u64> = BTreeMap::new();
        for line in lines.map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["ack", writer, step] = words.as_slice() {
                told.insert(writer.parse().unwrap(), step.parse().unwrap());
                // Some are killed at the first word, others up to 40 ms later.
                let at = *deadline.get_or_insert_with(|| Instant::now() + Duration::from_micros(random % 40_000));
                if Instant::now() >= at {
                    // SIGKILL: nothing is put in order.
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(!told.is_empty(), "kill {kill}: the writer wrote something before it was killed");
        let sandbox = open(&file).await;
        let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
        for (writer, step) in steps.iter_mut().enumerate() {
            let said = told.get(&writer).copied().unwrap_or(*step);
            acknowledged += said - *step;
            let held =
                maps.get_opt(&format!("writer-{writer}")).await.unwrap().and_then(|map| map.data?.remove("step"));
            *step = if held == after(said) && said > 0 {
                said
            } else if held == after(said + 1) {
                under_way += 1;
                said + 1
            } else if said == 0 && held.is_none() {
                0
            } else {
                panic!("kill {kill}: writer {writer} was told of step {said}, and the file holds {held:?}");
            };
        }
        sandbox.stop().await;
    }
    println!("{kills} kills, {acknowledged} acknowledged writes, {under_way} that were under way and on file");
    assert!(acknowledged > kills, "it wrote");
}
