//! The Helm programs, 3 and 4, as clients: install, upgrade, roll back, uninstall three charts, on both control planes.
//!
//! The charts are other people's: `LANDFALL_CORPUS` names a folder that has them. Without it the tests say so and pass,
//! unless `CI=true`.

use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_e2e::plane::{Kind, Plane};
use serde_json::{Value, json};

/// A chart: its name, values for the installation, and a value that the upgrade changes with where it is seen.
struct Case {
    chart: &'static str,
    values: &'static [&'static str],
    change: &'static str,
    seen: (&'static str, &'static str, &'static str),
    wanted: [i64; 2],
}

const CASES: &[Case] = &[
    Case {
        chart: "podinfo",
        values: &["replicaCount=2"],
        change: "replicaCount=3",
        seen: ("deployments.apps", "r", "/spec/replicas"),
        wanted: [2, 3],
    },
    Case {
        chart: "kube-state-metrics",
        values: &["replicas=1"],
        change: "replicas=2",
        seen: ("deployments.apps", "r", "/spec/replicas"),
        wanted: [1, 2],
    },
    Case {
        chart: "prometheus-blackbox-exporter",
        values: &["replicas=1"],
        change: "replicas=2",
        seen: ("deployments.apps", "r", "/spec/replicas"),
        wanted: [1, 2],
    },
];

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("LANDFALL_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from)
        .join("helm");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").is_err(), "LANDFALL_CORPUS must name the charts: {} is not there", folder.display());
    println!("left out: the Helm programs, since there are no charts at {}", folder.display());
    None
}

/// A program with its environment.
struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Helm {
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env("HELM_CACHE_HOME", self.home.join("cache"))
            .env("HELM_CONFIG_HOME", self.home.join("config"))
            .env("HELM_DATA_HOME", self.home.join("data"))
            .output()
            .expect("helm can be started");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("helm {}: {told}", arguments.join(" ")))
        }
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
    fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        serde_json::from_str(&self.run(&arguments).unwrap()).unwrap()
    }
}

async fn objects(client: &kube::Client, resource: &str, namespace: &str) -> Vec<Value> {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let path = if group.is_empty() {
        format!("/api/v1/namespaces/{namespace}/{plural}")
    } else {
        format!("/apis/{group}/v1/namespaces/{namespace}/{plural}")
    };
    let request = kube::core::Request::new(path).list(&Default::default()).expect("a request");
    let list: Value = client.request(request).await.expect("a list");
    list["items"].as_array().cloned().unwrap_or_default()
}

/// The number at the pointer of the first object of the release.
async fn number(client: &kube::Client, case: &Case, namespace: &str) -> Option<i64> {
    let (resource, prefix, pointer) = case.seen;
    objects(client, resource, namespace)
        .await
        .into_iter()
        .find(|object| object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix)))?
        .pointer(pointer)?
        .as_i64()
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn the_life_of_a_release(kind: Kind, helm: &Helm, client: &kube::Client, charts: &Path, case: &Case) {
    let chart = charts.join(case.chart).join("chart.tgz");
    let chart = chart.display().to_string();
    let namespace = format!(
        "{}-{}",
        case.chart,
        helm.program.parent().unwrap().file_name().unwrap().to_string_lossy().replace('.', "-")
    );
    let mut install = vec!["install", "r", chart.as_str(), "-n", &namespace, "--create-namespace"];
    for value in case.values {
        install.extend(["--set", value]);
    }
    // Simulated containers become ready on both; what else `--wait` looks at is there on the sandbox only.
    if kind == Kind::Sandbox {
        install.extend(["--wait", "--timeout", "60s"]);
    }
    helm.run(&install).unwrap();
    assert_eq!(number(client, case, &namespace).await, Some(case.wanted[0]), "{} installed", case.chart);
    helm.run(&["upgrade", "r", &chart, "-n", &namespace, "--reuse-values", "--set", case.change]).unwrap();
    assert_eq!(number(client, case, &namespace).await, Some(case.wanted[1]), "{} upgraded", case.chart);
    // The same again changes nothing that anybody sees.
    helm.run(&["upgrade", "r", &chart, "-n", &namespace, "--reuse-values"]).unwrap();
    helm.run(&["rollback", "r", "1", "-n", &namespace]).unwrap();
    assert_eq!(number(client, case, &namespace).await, Some(case.wanted[0]), "{} rolled back", case.chart);
    let history = helm.json(&["history", "r", "-n", &namespace]);
    let states: Vec<(i64, &str)> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["revision"].as_i64().unwrap(), entry["status"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [(1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "deployed")]);
    assert_eq!(helm.json(&["list", "-n", &namespace])[0]["revision"], json!("4"));
    assert!(helm.run(&["get", "manifest", "r", "-n", &namespace]).unwrap().contains("kind: Service"));
    // What is there already is refused with the owner that it lacks.
    let again = helm.run(&["install", "r", &chart, "-n", &namespace]).unwrap_err();
    assert!(again.contains("cannot re-use a name") || again.contains("cannot reuse a name"), "{again}");
    helm.run(&["uninstall", "r", "-n", &namespace, "--timeout", "60s"]).unwrap();
    assert_eq!(number(client, case, &namespace).await, None, "{} uninstalled", case.chart);
    assert!(objects(client, "services", &namespace).await.is_empty());
    assert!(helm.json(&["list", "-n", &namespace]).as_array().unwrap().is_empty());
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn try_programs(kind: Kind) {
    let Some(charts) = corpus() else { return };
    let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::start(kind, &folder.path().join("plane")).await.unwrap();
    let client = plane.client().await.unwrap();
    let (kubeconfig, _serving) = match &plane {
        Plane::Sandbox(sandbox) => {
            let serving = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await.unwrap();
            let path = folder.path().join("kubeconfig");
            std::fs::write(&path, &serving.kubeconfig_yaml).unwrap();
            (path, Some(serving))
        }
        Plane::Testbed(testbed) => (testbed.admin_kubeconfig.clone(), None),
    };
    for major in [3, 4] {
        let program = tokio::task::spawn_blocking(move || landfall_testkit::build::helm(major)).await.unwrap().unwrap();
        let helm = Helm { program, kubeconfig: kubeconfig.clone(), home: folder.path().join(format!("helm{major}")) };
        for case in CASES {
            the_life_of_a_release(kind, &helm, &client, &charts, case).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_3_and_4_install_upgrade_roll_back_and_uninstall_on_the_sandbox() {
    try_programs(Kind::Sandbox).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_3_and_4_install_upgrade_roll_back_and_uninstall_on_a_real_control_plane() {
    try_programs(Kind::Testbed).await;
}
