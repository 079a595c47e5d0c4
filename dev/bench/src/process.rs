//! The program under measurement: started, watched through /proc, ended.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use crate::Arguments;
use crate::world::World;

/// The kernel's ticks per second, as Linux counts times in /proc on every architecture that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The program while it runs.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts the controller.
    pub(crate) fn start(arguments: &Arguments, world: &World) -> anyhow::Result<Self> {
        let log = std::fs::File::create(world.directory.path().join("controller.log"))?;
        let child = Command::new(&arguments.program)
            .args(["controller", "--poll-seconds", "2"])
            .env("KUBECONFIG", &world.testbed.kubeconfig)
            .env("LANDFALL_CACHE", world.directory.path().join("cache"))
            .env("LANDFALL_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", arguments.program.display()))?;
        Ok(Self { child })
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
