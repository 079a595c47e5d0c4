//! Starts the control plane, waits until it serves, and ends it.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::build::{Programs, programs};
use crate::pki::Pki;

/// How long a part may take to become ready.
const READY_MAX: Duration = Duration::from_secs(90);
/// How often readiness is looked at.
const READY_POLL: Duration = Duration::from_millis(100);
/// How often a part that ends by itself is started.
const STARTS_MAX: u32 = 10;

/// The roles and bindings of the client that products under test use: everything, but not as system:masters, so that
/// authorisation is asked.
const ACCESS: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: landfall}
rules:
- {apiGroups: ["*"], resources: ["*"], verbs: ["*"]}
- {nonResourceURLs: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: landfall}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: landfall}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: landfall}]
---
apiVersion: v1
kind: Node
metadata:
  name: node-0
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: node-0, kubernetes.io/os: linux, kubernetes.io/arch: amd64, type: kwok}
status:
  allocatable: {cpu: "64", memory: 256Gi, pods: "20000"}
  capacity: {cpu: "64", memory: 256Gi, pods: "20000"}
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// etcd, API server, controllers, scheduler, simulated nodes.
    All,
    /// etcd and API server.
    ApiServer,
}

/// A control plane that runs. It ends when this is dropped, unless [`Testbed::keep`] was called.
pub struct Testbed {
    /// Everything it wrote: PKI, kubeconfigs, logs, data.
    pub directory: PathBuf,
    /// The API server's address.
    pub server: String,
    /// A kubeconfig with every right there is, for setting up.
    pub admin_kubeconfig: PathBuf,
    /// The kubeconfig for products under test.
    pub kubeconfig: PathBuf,
    /// The kubectl of the same version.
    pub kubectl: PathBuf,
    children: Vec<(&'static str, Child)>,
    kwok: Option<Kept>,
}

impl Testbed {
    /// Starts one in an empty folder. Builds the programs if they are not there yet.
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        Self::start_parts(directory, Parts::All)
    }

    /// Starts only what answers requests: nothing changes in it but by a request.
    pub fn start_api_server(directory: &Path) -> anyhow::Result<Self> {
        Self::start_parts(directory, Parts::ApiServer)
    }

    fn start_parts(directory: &Path, parts: Parts) -> anyhow::Result<Self> {
        let programs = programs()?;
        std::fs::create_dir_all(directory.join("pki"))
            .with_context(|| format!("cannot make {}", directory.display()))?;
        // kubeconfigs name their certificates by path: those must hold from any working directory.
        let directory = &directory.canonicalize().with_context(|| format!("cannot find {}", directory.display()))?;
        let pki = Pki::make(
            &directory.join("pki"),
            &[
                ("admin", &["system:masters"]),
                ("kube-controller-manager", &["system:kube-controller-manager"]),
                ("kube-scheduler", &["system:kube-scheduler"]),
                ("landfall", &[]),
            ],
        )?;
        // The controller manager's own user is system:kube-controller-manager; a client certificate's name is its user.
        let [api, etcd, etcd_peer, manager, scheduler, kwok] = free_ports()?;
        let server = format!("https://127.0.0.1:{api}");
        let mut testbed = Self {
            directory: directory.to_owned(),
            admin_kubeconfig: pki.kubeconfig("admin", &server)?,
            kubeconfig: pki.kubeconfig("landfall", &server)?,
            kubectl: programs.directory.join("kubectl"),
            server: server.clone(),
            children: Vec::new(),
            kwok: None,
        };
        testbed.etcd(&programs, etcd, etcd_peer)?;
        testbed.api_server(&programs, &pki, api, etcd)?;
        testbed.wait_ready()?;
        if parts == Parts::ApiServer {
            return Ok(testbed);
        }
        testbed.apply(ACCESS)?;
        testbed.controllers(&programs, &pki, manager, scheduler)?;
        testbed.kwok(&programs, kwok)?;
        Ok(testbed)
    }

    /// Runs kubectl with every right and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output =
            Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.admin_kubeconfig).args(arguments).output()?;
        if !output.status.success() {
            bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Applies manifests with every right.
    pub fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        let path = self.directory.join("apply.yaml");
        std::fs::write(&path, manifests)?;
        self.kubectl(&["apply", "--server-side", "-f", &path.display().to_string()]).map(|_| ())
    }

    /// The process ids of its parts, and lets them run on after this is dropped.
    pub fn keep(mut self) -> Vec<u32> {
        let kwok = self.kwok.take().map(Kept::release);
        std::mem::take(&mut self.children).iter().map(|(_, child)| child.id()).chain(kwok).collect()
    }

    fn etcd(&mut self, programs: &Programs, port: u16, peer: u16) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{peer}");
        let data = self.directory.join("etcd");
        self.spawn(
            "etcd",
            Command::new(programs.directory.join("etcd"))
                .args(["--unsafe-no-fsync", "--name", "testbed", "--log-level", "warn", "--data-dir"])
                .arg(data)
                .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &format!("testbed={peer}")]),
        )
    }

    fn api_server(&mut self, programs: &Programs, pki: &Pki, port: u16, etcd: u16) -> anyhow::Result<()> {
        let flag = |name: &str, file: &str| format!("--{name}={}", pki.file(file).display());
        self.spawn(
            "kube-apiserver",
            Command::new(programs.directory.join("kube-apiserver"))
                .arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"))
                .arg(format!("--secure-port={port}"))
                .args([
                    "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1",
                    "--service-cluster-ip-range=10.96.0.0/16",
                ])
                .args(["--authorization-mode=RBAC", "--allow-privileged=true", "--enable-priority-and-fairness=true"])
                .args(["--service-account-issuer=https://kubernetes.default.svc", "--endpoint-reconciler-type=none"])
                .arg(flag("client-ca-file", "ca.crt"))
                .arg(flag("tls-cert-file", "apiserver.crt"))
                .arg(flag("tls-private-key-file", "apiserver.key"))
                .arg(flag("service-account-key-file", "service-accounts.pub"))
                .arg(flag("service-account-signing-key-file", "service-accounts.key")),
        )
    }

    fn controllers(&mut self, programs: &Programs, pki: &Pki, manager: u16, scheduler: u16) -> anyhow::Result<()> {
        let admin = self.admin_kubeconfig.display().to_string();
        self.spawn(
            "kube-controller-manager",
            Command::new(programs.directory.join("kube-controller-manager"))
                .arg(format!("--kubeconfig={admin}"))
                .arg(format!("--secure-port={manager}"))
                .args(["--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=false"])
                .args(["--controllers=*,-cloud-node-lifecycle-controller,-node-route-controller,-service-lb-controller,-node-ipam-controller"])
                .arg(format!("--service-account-private-key-file={}", pki.file("service-accounts.key").display()))
                .arg(format!("--root-ca-file={}", pki.file("ca.crt").display()))
                .args(["--kube-api-qps=500", "--kube-api-burst=1000"]),
        )?;
        self.spawn(
            "kube-scheduler",
            Command::new(programs.directory.join("kube-scheduler"))
                .arg(format!("--kubeconfig={admin}"))
                .arg(format!("--secure-port={scheduler}"))
                .args([
                    "--bind-address=127.0.0.1",
                    "--leader-elect=false",
                    "--kube-api-qps=500",
                    "--kube-api-burst=1000",
                ]),
        )
    }

    fn kwok(&mut self, programs: &Programs, port: u16) -> anyhow::Result<()> {
        let stages = kwok_stages()?;
        let mut command = Command::new(programs.directory.join("kwok"));
        command
            .arg("--kubeconfig")
            .arg(&self.admin_kubeconfig)
            .args([
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=0",
                "--disregard-status-with-annotation-selector=kwok.x-k8s.io/status=custom",
            ])
            .arg(format!("--server-address=127.0.0.1:{port}"));
        for stage in stages {
            command.arg("--config").arg(stage);
        }
        let log = self.directory.join("kwok.log");
        self.kwok = Some(Kept::start(move || started(&mut command, &log))?);
        Ok(())
    }

    fn spawn(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        let child = started(command, &self.directory.join(format!("{name}.log")))?;
        self.children.push((name, child));
        Ok(())
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            for (name, child) in &mut self.children {
                if let Some(status) = child.try_wait()? {
                    let log = std::fs::read_to_string(self.directory.join(format!("{name}.log"))).unwrap_or_default();
                    let end: Vec<&str> = log.lines().rev().take(5).collect();
                    bail!("{name} ended with {status}: {}", end.into_iter().rev().collect::<Vec<_>>().join(" | "));
                }
            }
            match self.kubectl(&["get", "--raw", "/readyz"]) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context("the API server did not become ready"));
                }
                Err(_) => std::thread::sleep(READY_POLL),
            }
        }
    }
}

/// Starts a program that writes to a log.
fn started(command: &mut Command, log: &Path) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// A program that is started again when it ends by itself. kwok 0.8.0 has a race between its first looks at nodes and pods
/// that ends it now and then ("concurrent map writes" in its expressions); nothing is lost when it begins anew.
struct Kept {
    child: Arc<Mutex<Child>>,
    stops: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Kept {
    fn start(mut start: impl FnMut() -> anyhow::Result<Child> + Send + 'static) -> anyhow::Result<Self> {
        let child = Arc::new(Mutex::new(start()?));
        let stops = Arc::new(AtomicBool::new(false));
        let (of_keeper, is_over) = (child.clone(), stops.clone());
        let keeper = std::thread::spawn(move || {
            let mut starts = 1;
            while !is_over.load(Ordering::Relaxed) && starts < STARTS_MAX {
                std::thread::sleep(READY_POLL);
                let mut child = of_keeper.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(child.try_wait(), Ok(Some(_)))
                    && let Ok(next) = start()
                {
                    *child = next;
                    starts += 1;
                }
            }
        });
        Ok(Self { child, stops, keeper: Some(keeper) })
    }

    /// Lets it run on, and says which process it is.
    fn release(mut self) -> u32 {
        self.leave();
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    fn leave(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        // A keeper that panicked keeps nothing.
        let _ended = self.keeper.take().map(JoinHandle::join);
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if let Some(mut kwok) = self.kwok.take() {
            kwok.leave();
            let mut child = kwok.child.lock().unwrap_or_else(PoisonError::into_inner);
            let _gone = child.kill();
            let _status = child.wait();
        }
        for (_, child) in self.children.iter_mut().rev() {
            // What ended by itself is gone already.
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

/// The files that say how kwok plays nodes and pods; they ship in its module.
fn kwok_stages() -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"])
        .current_dir(crate::build::workspace().join("dev/testbed/kwok"))
        .output()
        .context("cannot run `go` to find kwok's files")?;
    let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let stages = ["kustomize/stage/node/fast", "kustomize/stage/pod/fast", "kustomize/stage/node/heartbeat"];
    let mut found = Vec::new();
    for stage in stages {
        let folder = root.join(stage);
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("kwok's module has no {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let is_stage = path.extension().is_some_and(|extension| extension == "yaml")
                && path.file_name().is_some_and(|name| name != "kustomization.yaml");
            if is_stage {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let listeners: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
