//! kubectl against the sandbox and against kube-apiserver: the same commands, the same output.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_exchanges::table::directory;
use landfall_sandbox::Sandbox;
use landfall_testkit::build::programs;
use landfall_testkit::run::Testbed;
use regex::Regex;

/// What a command came to, without what is chance.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    code: Option<i32>,
    output: String,
    errors: String,
}

fn commands() -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(directory().join("kubectl/commands.txt"))?;
    Ok(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_string).collect())
}

fn normal(text: &str) -> String {
    let patterns = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"\S{3}, \d\d \S{3} \d{4} \d\d:\d\d:\d\d \S+", "<date>"),
        (r"(?m)(^|\s)(\d+[smhd])+(\s|$)", "$1<age>$3"),
        (r"(?m)(^|\s)(\d+[smhd])+(\s|$)", "$1<age>$3"),
        (r#"resourceVersion"?: "\d+""#, "resourceVersion: <rv>"),
        (r"\b10\.(9\d|1[01]\d)\.\d+\.\d+\b", "<ip>"),
        (r"kube-api-access-\w{5}", "kube-api-access-<random>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"/\S*/(LIVE|MERGED|kubectl-edit)[\w.-]+", "<file>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}", "<time>"),
        (r#""(gitCommit|goVersion|compiler)": "[^"]*""#, "\"$1\": <build>"),
        (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<hash>"),
        // How the two planes and their administrators are called.
        (r"kubernetes-admin", "admin"),
        (r#"Context "(testbed|sandbox)""#, "Context <name>"),
        (r" +", " "),
    ];
    patterns.iter().fold(text.to_string(), |text, (pattern, word)| {
        Regex::new(pattern).expect("the pattern is one").replace_all(&text, *word).into_owned()
    })
}

/// Runs all commands with a kubeconfig of their own.
fn run(kubectl: &Path, kubeconfig: &Path, home: PathBuf) -> anyhow::Result<Vec<(String, Told)>> {
    let files = directory().join("kubectl");
    std::fs::create_dir_all(&home)?;
    let own = home.join("kubeconfig");
    std::fs::copy(kubeconfig, &own)?;
    let mut told = Vec::new();
    for line in commands()? {
        let words: Vec<String> = line.split_whitespace().map(|word| word.replace("\\_", " ")).collect();
        let output = Command::new(kubectl)
            .args(["--request-timeout=20s"])
            .args(&words)
            .current_dir(&files)
            .env("KUBECONFIG", &own)
            .env("HOME", &home)
            .env("KUBE_EDITOR", files.join("edit.sh"))
            .output()?;
        let text = |bytes: &[u8]| normal(&String::from_utf8_lossy(bytes));
        told.push((
            line,
            Told { code: output.status.code(), output: text(&output.stdout), errors: text(&output.stderr) },
        ));
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_tells_the_same_of_the_sandbox_as_of_kube_apiserver() -> anyhow::Result<()> {
    // FIXME: what kubectl tells differently; the list may only shrink.
    let known: BTreeSet<String> = std::fs::read_to_string(directory().join("kubectl/known-differences.txt"))?
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_string)
        .collect();
    let folder = std::env::temp_dir().join(format!("landfall-kubectl-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let kubectl = programs()?.directory.join("kubectl");
    let sandbox = Sandbox::builder().without_controllers().nodes(0).start().await?;
    let serving = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await?;
    let ours = folder.join("sandbox.kubeconfig");
    std::fs::write(&ours, &serving.kubeconfig_yaml)?;
    let (program, home) = (kubectl.clone(), folder.join("sandbox"));
    let here = tokio::task::spawn_blocking(move || run(&program, &ours, home)).await??;
    let place = folder.join("testbed");
    let there = tokio::task::spawn_blocking(move || {
        let testbed = Testbed::start_api_server(&place)?;
        let told = run(&kubectl, &testbed.admin_kubeconfig, place.join("home"));
        drop(testbed);
        told
    })
    .await??;
    // EXCHANGES_ALL=1 tells the known differences too.
    let tells_all = std::env::var_os("EXCHANGES_ALL").is_some();
    let mut outdated = known.clone();
    let mut report = String::new();
    let mut same = 0;
    for ((command, ours), (_, theirs)) in here.iter().zip(&there) {
        if ours == theirs {
            same += 1;
            continue;
        }
        outdated.remove(command);
        if tells_all || !known.contains(command) {
            report.push_str(&format!("\nkubectl {command}\n  wanted {theirs:?}\n  got    {ours:?}\n"));
        }
    }
    std::fs::remove_dir_all(&folder)?;
    assert!(outdated.is_empty(), "known-differences.txt lists what kubectl tells the same: {outdated:#?}");
    assert!(report.is_empty(), "kubectl tells other things:\n{report}");
    assert!(same >= 60, "only {same} commands told the same");
    Ok(())
}
