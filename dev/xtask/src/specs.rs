//! `cargo xtask testbed conformance`: Kubernetes' own end-to-end specs against the sandbox or a real control plane.
//!
//! The suite is built from the Go module `k8s.io/kubernetes/test/e2e` (dev/testbed/specs) once and kept. Which specs are run is
//! `conformance/kubernetes/specs.txt`: a line each, what it may take in seconds and its name.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use landfall_sandbox::Sandbox;
use landfall_testkit::build::{KUBERNETES_VERSION, programs, workspace};
use landfall_testkit::run::Testbed;
use serde_json::Value;

/// What the specs are run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plane {
    /// The embedded control plane
    Sandbox,
    /// kube-apiserver with its controllers and simulated nodes
    Testbed,
}

/// One line of the list.
struct Spec {
    seconds: u64,
    name: String,
}

fn specs() -> anyhow::Result<Vec<Spec>> {
    let path = workspace().join("conformance/kubernetes/specs.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (seconds, name) = line.split_once(' ').context("a line is a number and a name")?;
            Ok(Spec { seconds: seconds.parse()?, name: name.trim().to_string() })
        })
        .collect()
}

/// Runs the specs whose names contain `focus` and that take at most `seconds_max`.
pub(crate) fn run(on: Plane, focus: &str, seconds_max: u64) -> anyhow::Result<ExitCode> {
    let wanted: Vec<Spec> = specs()?
        .into_iter()
        .filter(|spec| spec.seconds <= seconds_max && (focus.is_empty() || spec.name.contains(focus)))
        .collect();
    if wanted.is_empty() {
        bail!("no spec of conformance/kubernetes/specs.txt contains {focus:?} and takes at most {seconds_max} s");
    }
    let programs = programs()?;
    let suite = suite(&programs.directory)?;
    let directory = tempfile::tempdir()?;
    let kubeconfig = directory.path().join("kubeconfig");
    let report = directory.path().join("report.json");
    let runtime = tokio::runtime::Runtime::new()?;
    // Kept until the end: dropping them ends what they serve.
    let (_testbed, _sandbox, _serving);
    let kubeconfig = match on {
        Plane::Testbed => {
            let testbed = Testbed::start(directory.path())?;
            let path = testbed.admin_kubeconfig.clone();
            _testbed = testbed;
            path
        }
        Plane::Sandbox => {
            let sandbox = runtime.block_on(Sandbox::builder().start())?;
            let serving = runtime.block_on(sandbox.serve_tls(([127, 0, 0, 1], 0).into()))?;
            std::fs::write(&kubeconfig, &serving.kubeconfig_yaml)?;
            (_sandbox, _serving) = (sandbox, serving);
            kubeconfig
        }
    };
    let pattern: Vec<String> = wanted.iter().map(|spec| quoted(&spec.name)).collect();
    let log = std::fs::File::create(directory.path().join("log"))?;
    Command::new(suite)
        .args([
            "--provider=skeleton",
            "--allowed-not-ready-nodes=10",
            "--ginkgo.silence-skips",
            "--ginkgo.skip=\\[Slow\\]",
        ])
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--kubectl-path={}", programs.directory.join("kubectl").display()))
        .arg(format!("--ginkgo.focus={}", pattern.join("|")))
        .arg(format!("--ginkgo.json-report={}", report.display()))
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .status()
        .context("cannot start the suite")?;
    let told: Value = serde_json::from_slice(&std::fs::read(&report).context("the suite left no report")?)?;
    let mut failed = Vec::new();
    let mut passed = 0;
    for spec in told.pointer("/0/SpecReports").and_then(Value::as_array).into_iter().flatten() {
        let text = spec.get("LeafNodeText").and_then(Value::as_str).unwrap_or_default();
        match spec.get("State").and_then(Value::as_str) {
            Some("passed") if !text.is_empty() => passed += 1,
            Some("skipped" | "pending") | None => {}
            Some(_) if text.is_empty() => {}
            Some(_) => {
                let why = spec.pointer("/Failure/Message").and_then(Value::as_str).unwrap_or_default();
                failed.push(format!("{text}\n    {}", why.lines().take(6).collect::<Vec<_>>().join("\n    ")));
            }
        }
    }
    crate::report(&format!("{passed} of {} specs pass", wanted.len()));
    for failure in &failed {
        crate::report(&format!("  {failure}"));
    }
    Ok(if failed.is_empty() && passed >= wanted.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A name as a regular expression that matches it, with what stands between its words in the suite.
fn quoted(name: &str) -> String {
    name.chars().map(|c| if "\\.+*?()|[]{}^$".contains(c) { format!("\\{c}") } else { c.to_string() }).collect()
}

/// The suite, built if it is not there yet (two minutes).
fn suite(directory: &Path) -> anyhow::Result<PathBuf> {
    let path = directory.join("e2e.test");
    if path.exists() {
        return Ok(path);
    }
    let mut parts = KUBERNETES_VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    let flags: Vec<String> = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .map(|package| {
            format!("-X {package}.gitVersion=v{KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}")
        })
        .into();
    let partial = directory.join(format!("e2e.test.partial-{}", std::process::id()));
    let output = Command::new("go")
        .args(["test", "-c", "-trimpath", "-ldflags", &format!("-s -w {}", flags.join(" ")), "-o"])
        .arg(&partial)
        .arg("k8s.io/kubernetes/test/e2e")
        .current_dir(workspace().join("dev/testbed/specs"))
        .env("CGO_ENABLED", "0")
        .output()
        .context("cannot run `go`: install Go 1.26 or newer, the suite is built with it")?;
    if !output.status.success() {
        bail!("building the suite failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(&partial, &path)?;
    Ok(path)
}
