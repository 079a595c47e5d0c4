//! The program under measurement: started, watched through /proc and its metrics, told of pushes, ended.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use serde_json::json;

use crate::Arguments;
use crate::world::World;

/// The kernel's ticks per second, as Linux counts times in /proc on every architecture that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The program while it runs.
pub(crate) struct Process {
    child: Child,
    address: String,
    client: reqwest::Client,
}

impl Process {
    /// Starts the controller. It polls every 120 s, as an installation does: what is timed comes by webhook.
    pub(crate) fn start(arguments: &Arguments, world: &World) -> anyhow::Result<Self> {
        Self::start_with(arguments, world, &[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(arguments: &Arguments, world: &World, further: &[&str]) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let log = std::fs::File::create(world.directory.path().join("controller.log"))?;
        let mut command = match &arguments.wrapper {
            None => Command::new(&arguments.program),
            Some(wrapper) => {
                let mut words = wrapper.split_whitespace();
                let mut command = Command::new(words.next().context("--wrapper names no program")?);
                command.args(words).arg(&arguments.program);
                command
            }
        };
        let child = command
            .args(["controller", "--metrics-address", &address])
            .args(further)
            .env("KUBECONFIG", &world.testbed.kubeconfig)
            .env("LANDFALL_CACHE", world.directory.path().join("cache"))
            .env("LANDFALL_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", arguments.program.display()))?;
        Ok(Self { child, address, client: reqwest::Client::new() })
    }

    /// Tells it of a push, as GitHub does.
    pub(crate) async fn webhook(&self, url: &str) -> anyhow::Result<()> {
        let body = json!({
            "ref": "refs/heads/main", "before": "0", "after": "1", "commits": [],
            "repository": {"clone_url": url, "html_url": url, "default_branch": "main"},
        });
        let answer = self
            .client
            .post(format!("http://{}/api/webhook", self.address))
            .header("X-GitHub-Event", "push")
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        let status = answer.status();
        anyhow::ensure!(status.is_success(), "the webhook was answered {status}: {}", answer.text().await?);
        Ok(())
    }

    /// Reads its counters without labels, by name.
    pub(crate) async fn counters(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let text = self.client.get(format!("http://{}/metrics", self.address)).send().await?.text().await?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let number = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(lines.filter_map(number).collect())
    }

    /// Seconds of processor time used so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
    }

    /// Resident memory now and at its highest, in MiB.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<(f64, f64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("");
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        Ok((field("VmRSS:"), field("VmHWM:")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}
