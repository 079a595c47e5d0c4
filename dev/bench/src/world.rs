//! The control plane, the repository and the Applications that the scenarios work on.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::git_server::GitServer;

use anyhow::bail;
use landfall_kube::KubeCluster;
use landfall_model::key::GroupVersionKind;
use landfall_model::{crds, object};
use landfall_ports::cluster::{Cluster, ServedKind, Write};
use landfall_testkit::run::Testbed;
use serde_json::{Value, json};

/// How many namespaces the objects are spread over.
pub(crate) const NAMESPACES: usize = 10;

/// What scenarios work on.
pub(crate) struct World {
    pub(crate) testbed: Testbed,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) repository: PathBuf,
    pub(crate) directory: tempfile::TempDir,
    server: GitServer,
}

pub(crate) fn namespace(index: usize) -> String {
    format!("bench-{}", index % NAMESPACES)
}

/// The four small objects of one application.
pub(crate) fn objects(index: usize, marker: &str) -> Vec<Value> {
    let name = format!("app-{index}");
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"marker": marker, "text": "x".repeat(200)}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80, "protocol": "TCP"}]}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    ]
}

impl World {
    /// Starts a control plane with the definitions, the namespaces and the repository.
    pub(crate) async fn start(applications: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let plane = directory.path().join("plane");
        let testbed = tokio::task::spawn_blocking(move || Testbed::start(&plane)).await??;
        let file = kube::config::Kubeconfig::read_from(&testbed.kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await?;
        let cluster: Arc<dyn Cluster> = Arc::new(KubeCluster::of(kube::Client::try_from(config)?));
        let repository = directory.path().join("repository");
        let server = GitServer::start(directory.path()).await?;
        let world = Self { testbed, cluster, repository, directory, server };
        for name in std::iter::once("argocd".to_owned()).chain((0..NAMESPACES).map(namespace)) {
            world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        }
        for text in crds::ALL {
            for definition in landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes)? {
                world.apply(&definition).await?;
            }
        }
        for index in 0..applications {
            world.write(index, "first")?;
        }
        world.git(&["init", "--quiet", "--initial-branch", "main"])?;
        world.commit()?;
        Ok(world)
    }

    /// Writes an application's folder.
    pub(crate) fn write(&self, index: usize, marker: &str) -> anyhow::Result<()> {
        let folder = self.repository.join(format!("apps/app-{index}"));
        std::fs::create_dir_all(&folder)?;
        let text: Vec<String> = objects(index, marker).iter().map(landfall_yaml::write).collect();
        std::fs::write(folder.join("all.yaml"), text.join("---\n"))?;
        Ok(())
    }

    /// The repository's address.
    pub(crate) fn url(&self) -> String {
        self.server.url("repository/.git")
    }

    /// Commits what was written.
    pub(crate) fn commit(&self) -> anyhow::Result<()> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"])
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("git")
            .current_dir(&self.repository)
            .args(["-c", "user.name=bench", "-c", "user.email=bench@example.test", "-c", "gc.auto=0"])
            .args(arguments)
            .output()?;
        if !output.status.success() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The Application of a folder.
    pub(crate) fn application(&self, index: usize) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": format!("app-{index}"), "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": self.url(), "path": format!("apps/app-{index}"), "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace(index)},
                "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
            },
        })
    }

    /// Finds how a kind is served, waiting for one that was defined just now.
    pub(crate) async fn kind(&self, gvk: &GroupVersionKind) -> anyhow::Result<ServedKind> {
        for _ in 0..200 {
            if let Some(kind) = self.cluster.discovery().await?.find(gvk) {
                return Ok(kind.clone());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        bail!("{gvk} is not served")
    }

    /// Applies one object.
    pub(crate) async fn apply(&self, wanted: &Value) -> anyhow::Result<()> {
        let kind = self.kind(&object::gvk(wanted)).await?;
        self.cluster.apply(&kind, wanted, &person()).await?;
        Ok(())
    }

    /// Counts the requests that the API server has answered so far, by verb and kind, without watches and without what
    /// the control plane's own parts ask for all the time.
    pub(crate) fn requests(&self) -> anyhow::Result<std::collections::BTreeMap<String, f64>> {
        let text = self.testbed.kubectl(&["get", "--raw", "/metrics"])?;
        let mut counts = std::collections::BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let Some((labels, value)) = line.rsplit_once(' ') else { continue };
            let label = |name: &str| {
                labels
                    .split(&format!("{name}=\""))
                    .nth(1)
                    .and_then(|rest| rest.split('"').next())
                    .unwrap_or("")
                    .to_owned()
            };
            let of_control_plane = [
                "leases",
                "events",
                "nodes",
                "pods",
                "endpointslices",
                "endpoints",
                "tokenreviews",
                "subjectaccessreviews",
            ];
            if label("verb") == "WATCH" || of_control_plane.contains(&label("resource").as_str()) {
                continue;
            }
            let what = format!("{} {}", label("verb"), label("resource"));
            *counts.entry(what).or_insert(0.0) += value.parse::<f64>().unwrap_or(0.0);
        }
        Ok(counts)
    }
}

/// How a person writes.
pub(crate) fn person() -> Write {
    Write { manager: "bench".to_owned(), force: true, dry_run: false, strict: false }
}
