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

/// Which specs are run.
pub(crate) struct Choice {
    /// What their names contain.
    pub(crate) focus: String,
    /// What they may take at most on kube-apiserver, in seconds.
    pub(crate) seconds_max: u64,
    /// Whether specs that are not in the list are run too; then all that contain `focus`.
    pub(crate) is_unlisted: bool,
    /// When the suite is cut off, in seconds; what was not done by then fails.
    pub(crate) limit_s: u64,
    /// Where the suite's own log goes, if it is to be kept.
    pub(crate) log: Option<PathBuf>,
}

/// How many sandboxes are run side by side, each with a part of the specs. They wait more than they work.
const SANDBOXES: usize = 4;

/// What became of one spec.
struct Verdict {
    name: String,
    seconds: f64,
    /// Why it failed, if it did.
    failure: Option<String>,
}

/// Runs specs and tells how they went.
pub(crate) fn run(on: Plane, choice: &Choice) -> anyhow::Result<ExitCode> {
    let parts: Vec<Vec<String>> = if choice.is_unlisted {
        if choice.focus.is_empty() {
            bail!("--unlisted needs a --focus: the whole suite has thousands of specs");
        }
        vec![vec![choice.focus.clone()]]
    } else {
        let wanted: Vec<Spec> = specs()?
            .into_iter()
            .filter(|spec| spec.seconds <= choice.seconds_max && spec.name.contains(&choice.focus))
            .collect();
        if wanted.is_empty() {
            bail!(
                "no spec of conformance/kubernetes/specs.txt contains {:?} and takes at most {} s",
                choice.focus,
                choice.seconds_max
            );
        }
        divided(wanted, if on == Plane::Sandbox { SANDBOXES } else { 1 })
    };
    let programs = programs()?;
    let suite = suite(&programs.directory)?;
    let begun = std::time::Instant::now();
    let wanted: usize = parts.iter().map(Vec::len).sum();
    let verdicts: Vec<anyhow::Result<Vec<Verdict>>> = std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                let (suite, programs, log) = (&suite, &programs.directory, choice.log.as_deref());
                scope.spawn(move || play(on, choice, part, suite, programs, log.filter(|_| index == 0)))
            })
            .collect();
        running.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")))).collect()
    });
    let mut told = Vec::new();
    for part in verdicts {
        told.extend(part?);
    }
    told.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    let passed = told.iter().filter(|verdict| verdict.failure.is_none()).count();
    let of = if choice.is_unlisted { told.len() } else { wanted };
    crate::report(&format!("{passed} of {of} specs pass, in {} s", begun.elapsed().as_secs()));
    for verdict in told.iter().filter(|verdict| choice.is_unlisted || verdict.failure.is_some()) {
        let why = verdict.failure.as_deref().map_or_else(|| "passes".to_string(), |why| format!("fails\n    {why}"));
        crate::report(&format!("  {} ({:.0} s): {why}", verdict.name, verdict.seconds));
    }
    let not_run = parts.iter().flatten().filter(|name| {
        !choice.is_unlisted && !told.iter().any(|verdict| without_tags(&verdict.name).ends_with(name.as_str()))
    });
    for name in not_run {
        crate::report(&format!("  {name}: was not run"));
    }
    Ok(if passed == told.len() && passed >= of { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Divides specs into parts that take about the same time.
fn divided(mut specs: Vec<Spec>, count: usize) -> Vec<Vec<String>> {
    specs.sort_by_key(|spec| std::cmp::Reverse(spec.seconds));
    let mut parts: Vec<(u64, Vec<String>)> = vec![(0, Vec::new()); count.min(specs.len())];
    for spec in specs {
        if let Some(least) = parts.iter_mut().min_by_key(|(seconds, _)| *seconds) {
            // Every spec makes and removes a namespace, whatever else it does.
            least.0 += spec.seconds + 2;
            least.1.push(spec.name);
        }
    }
    parts.into_iter().map(|(_, names)| names).collect()
}

/// Runs some specs against a control plane of their own.
fn play(
    on: Plane,
    choice: &Choice,
    names: &[String],
    suite: &Path,
    programs: &Path,
    kept_log: Option<&Path>,
) -> anyhow::Result<Vec<Verdict>> {
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
    let pattern: Vec<String> =
        if !choice.is_unlisted { names.iter().map(|name| quoted(name)).collect() } else { names.to_vec() };
    let log = std::fs::File::create(kept_log.map_or_else(|| directory.path().join("log"), Path::to_owned))?;
    Command::new(suite)
        .args([
            "--provider=skeleton",
            "--allowed-not-ready-nodes=10",
            "--ginkgo.silence-skips",
            "--ginkgo.no-color",
            "--ginkgo.skip=\\[Slow\\]",
        ])
        .arg(format!("--ginkgo.timeout={}s", choice.limit_s))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--kubectl-path={}", programs.join("kubectl").display()))
        .arg(format!("--ginkgo.focus={}", pattern.join("|")))
        .arg(format!("--ginkgo.json-report={}", report.display()))
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .status()
        .context("cannot start the suite")?;
    let told: Value = serde_json::from_slice(&std::fs::read(&report).context("the suite left no report")?)?;
    let specs = told.pointer("/0/SpecReports").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(specs.iter().filter_map(verdict).collect())
}

/// What the suite's report says of a spec; nothing for what was not run.
fn verdict(spec: &Value) -> Option<Verdict> {
    // The report has nodes of the suite's own around the specs.
    spec.get("LeafNodeType").and_then(Value::as_str).filter(|kind| *kind == "It")?;
    let text = spec.get("LeafNodeText").and_then(Value::as_str).filter(|text| !text.is_empty())?;
    let state = spec.get("State").and_then(Value::as_str).filter(|state| !matches!(*state, "skipped" | "pending"))?;
    let containers = spec.get("ContainerHierarchyTexts").and_then(Value::as_array).into_iter().flatten();
    let mut words: Vec<&str> = containers.filter_map(Value::as_str).collect();
    words.push(text);
    let nanoseconds = spec.get("RunTime").and_then(Value::as_f64).unwrap_or(0.0);
    let failure = (state != "passed").then(|| {
        let why = spec.pointer("/Failure/Message").and_then(Value::as_str).unwrap_or(state);
        let lines: Vec<String> = why.lines().take(6).map(|line| line.chars().take(300).collect()).collect();
        lines.join("\n    ")
    });
    Some(Verdict { name: words.join(" "), seconds: nanoseconds / 1e9, failure })
}

/// A name as a regular expression that matches it whole, with the tags that the suite puts between its words and behind them.
fn quoted(name: &str) -> String {
    let words: Vec<String> = name
        .split(' ')
        .map(|word| {
            let escape = |c: char| if "\\.+*?()|[]{}^$".contains(c) { format!("\\{c}") } else { c.to_string() };
            word.chars().map(escape).collect()
        })
        .collect();
    format!(r"{}( \[[^\]]*\])*$", words.join(r" (\[[^\]]*\] )*"))
}

/// A name without the tags that the list leaves out.
fn without_tags(name: &str) -> String {
    name.replace(" [Conformance]", "").replace(" [Privileged:ClusterAdmin]", "")
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
