//! Starting, driving and stopping a sandbox.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::faults::{Fault, Rule};
use crate::front::{self, Front, HttpServing};
use crate::http::{AuditLog, Handler};
use crate::operations::{Core, Settings};
use crate::random::Random;
use crate::serve::{Pki, ServeError, Serving, serve};
use crate::service::ClientService;
use crate::snapshot::Snapshot;
use crate::store::{HISTORY_EVENTS_MAX, Journal, JournalError, Store};
use crate::tokens::Identity;
use crate::workloads::{self, Engine};
use crate::{access, crd, kinds};

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Keys or certificates cannot be made, or those in the file cannot be read.
    #[error("cannot make the sandbox' certificate authority: {0}")]
    Certificates(String),
    /// The audit log cannot be written.
    #[error("cannot open the audit log: {0}; name a file that can be written")]
    AuditLog(std::io::Error),
}

/// What a sandbox is to be like. Defaults: in memory, the machine's clock, one simulated node per default set.
#[derive(Debug, Clone)]
pub struct SandboxBuilder {
    clock: Clock,
    seed: Option<u64>,
    file: Option<PathBuf>,
    nodes: usize,
    history_events_max: usize,
    controllers: bool,
    audit: Option<PathBuf>,
    settings: Settings,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            clock: Clock::real(),
            seed: None,
            file: None,
            nodes: 2,
            history_events_max: HISTORY_EVENTS_MAX,
            controllers: true,
            audit: None,
            settings: Settings::default(),
        }
    }
}

impl SandboxBuilder {
    /// Uses this clock; a driven one moves only by [`Sandbox::advance`].
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes names, uids and addresses repeatable.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Keeps all objects in one SQLite file, and begins with what it holds.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Sets the number of simulated nodes (2 unless set). Without nodes, pods stay pending.
    #[must_use]
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = count;
        self
    }

    /// Bounds how many changes of each resource are kept for watches and continued lists (10,000 unless set).
    #[must_use]
    pub fn history_events_max(mut self, count: usize) -> Self {
        self.history_events_max = count.max(1);
        self
    }

    /// Lets readiness and startup probes succeed at once, whatever `initialDelaySeconds` says.
    #[must_use]
    pub fn quick_probes(mut self) -> Self {
        self.settings.quick_probes = true;
        self
    }

    /// Lets commands that are not understood end well after a while, in pods that may end (Jobs, hooks).
    ///
    /// Unless this is set, they run until a fault such as `exit=0` says otherwise.
    #[must_use]
    pub fn unknown_commands_end_after(mut self, after: Duration) -> Self {
        self.settings.unknown_commands_end = Some(after);
        self
    }

    /// How long the body of a request may take to come, over a socket (30 s unless set).
    #[must_use]
    pub fn body_patience(mut self, patience: Duration) -> Self {
        self.settings.body_patience = patience;
        self
    }

    /// Leaves out everything that acts by itself: nothing but the API is served.
    #[must_use]
    pub fn without_controllers(mut self) -> Self {
        self.controllers = false;
        self
    }

    /// Writes a line for every request to a file, in the form of Kubernetes' audit log.
    #[must_use]
    pub fn audit_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit = Some(path.into());
        self
    }

    /// Starts the sandbox on the current tokio runtime.
    ///
    /// Errors: the file cannot be opened or read.
    pub async fn start(self) -> Result<Sandbox, StartError> {
        let (journal, restored, latest) = match &self.file {
            None => (None, Vec::new(), 1),
            Some(path) => {
                let (journal, restored, latest) = Journal::open(path).await?;
                (Some(journal), restored, latest)
            }
        };
        let store = Store::new(self.history_events_max, journal);
        for object in restored {
            store.restore(&object.resource, object.value, object.revision);
        }
        store.restore_revision(latest);
        let random = self.seed.map_or_else(Random::fresh, Random::seeded);
        let core = Arc::new(Core::new(store, self.clock.clone(), random, self.settings));
        crd::restore(&core);
        let services = core.store.list(&"services".into(), None, None).map(|listing| listing.items).unwrap_or_default();
        for service in services {
            kinds::restore(&core, &service.value);
        }
        let stop = CancellationToken::new();
        workloads::bootstrap(&core, self.nodes);
        access::bootstrap::bootstrap(&core);
        let pki = authority(&core)?;
        workloads::bootstrap_own_maps(&core);
        let engine = self.controllers.then(|| Engine::start(Arc::clone(&core), stop.clone()));
        if let Some(engine) = &engine {
            // Set once, here.
            let _ = core.engine.set(engine.clone());
        }
        if engine.is_some() {
            core.registry.add_metrics();
        }
        let mut handler = Handler::new(Arc::clone(&core), stop.clone());
        if let Some(path) = &self.audit {
            handler.audit = Some(Arc::new(AuditLog::open(path).map_err(StartError::AuditLog)?));
        }
        Ok(Sandbox { core, handler, engine, stop, pki })
    }
}

/// Where the authority is kept, so that kubeconfigs outlive the process when the objects do.
const AUTHORITY_SECRET: &str = "sandbox-authority";

/// The certificate authority that the store holds, or a new one.
fn authority(core: &Core) -> Result<Pki, StartError> {
    let secrets = "secrets".into();
    let text = |secret: &Value, key: &str| {
        let encoded = secret.pointer(&format!("/data/{key}")).and_then(Value::as_str).unwrap_or_default();
        STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    let pki = match core.store.get(&secrets, "kube-system", AUTHORITY_SECRET) {
        Some(held) => Pki::restore(&text(&held.value, "tls.crt"), &text(&held.value, "tls.key")),
        None => Pki::generate(),
    }
    .map_err(StartError::Certificates)?;
    workloads::keep_authority(core, AUTHORITY_SECRET, pki.certificate_pem(), pki.key_pem());
    // Set once, here; nobody else does.
    let _ = core.root_certificate_pem.set(pki.certificate_pem().to_string());
    Ok(pki)
}

/// A running API server with its simulated cluster. Stops when dropped.
pub struct Sandbox {
    core: Arc<Core>,
    handler: Handler,
    engine: Option<Engine>,
    stop: CancellationToken,
    pki: Pki,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sandbox").field("revision", &self.core.store.revision()).finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Sandbox {
    /// Says what the sandbox is to be like.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// The API server as a service, for an administrator: `kube::Client::new(sandbox.client_service(), "default")`.
    pub fn client_service(&self) -> ClientService {
        self.client_service_as("kubernetes-admin", &["system:masters", "system:authenticated"])
    }

    /// The API server as a service, for a certain user.
    pub fn client_service_as(&self, user: &str, groups: &[&str]) -> ClientService {
        let identity = Identity {
            name: user.to_string(),
            groups: groups.iter().map(|group| (*group).to_string()).collect(),
            ..Identity::default()
        };
        ClientService::new(self.handler.clone(), Some(identity))
    }

    /// The API server as a service, for whom each request's own `Authorization` header says; nobody without one.
    pub fn anonymous_service(&self) -> ClientService {
        ClientService::new(self.handler.clone(), None)
    }

    /// Serves the API over TLS at an address (port 0 takes any free one), until the answer is dropped.
    ///
    /// Errors: the address cannot be listened on.
    pub async fn serve_tls(&self, addr: SocketAddr) -> Result<Serving, ServeError> {
        serve(self.handler.clone(), &self.pki, addr, self.stop.clone()).await
    }

    /// Gives all containers whose image matches a pattern (`*` for anything) a behaviour, from now on.
    ///
    /// The rules are in the ConfigMap `sandbox-faults` in `kube-system`; there they can be seen and changed too.
    pub fn fault_images(&self, pattern: &str, faults: &[Fault]) {
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        workloads::set_rule(&self.core, pattern, (!texts.is_empty()).then(|| texts.join(",")).as_deref());
    }

    /// Takes the rules of a pattern away again.
    pub fn heal_images(&self, pattern: &str) {
        workloads::set_rule(&self.core, pattern, None);
    }

    /// Lets a rule hold from now on, in the place of an earlier one about the same subject.
    ///
    /// Rules are about images, nodes, namespaces, admission webhooks and the API server; see [`Rule`].
    pub fn fault(&self, rule: &Rule) {
        workloads::set_rule(&self.core, rule.subject(), Some(rule.faults()));
    }

    /// Takes the rule about a subject away again.
    pub fn heal(&self, subject: &str) {
        workloads::set_rule(&self.core, subject, None);
    }

    /// The clock that everything in the sandbox goes by.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// Moves the clock on; everything that is due until then happens in order, before this returns.
    ///
    /// The machine's clock is moved too, as far as the sandbox is concerned: it runs on from there.
    pub async fn advance(&self, by: Duration) {
        let target = self.clock().now() + SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.advance_to(target).await;
    }

    /// Moves the clock on to a time; see [`Sandbox::advance`].
    pub async fn advance_to(&self, target: Timestamp) {
        match &self.engine {
            Some(engine) => engine.advance_to(target).await,
            None => self.core.clock.set(target),
        }
    }

    /// Waits until the controllers have nothing to do at the present time.
    pub async fn settle(&self) {
        if let Some(engine) = &self.engine {
            engine.settle().await;
        }
    }

    /// Sets the clock forwards or backwards at once, as somebody sets a machine's clock: nothing happens on the way.
    pub async fn jump(&self, by: SignedDuration) {
        self.clock().jump(by);
        self.settle().await;
    }

    /// Plays a scenario from now on: a line for each step, such as `30s fault *:v2 errors=20%` or `5m heal *:v2`.
    ///
    /// Errors: the line that is no step, and how to write one.
    pub fn play(&self, steps: &str) -> Result<(), String> {
        workloads::set_scenario(&self.core, steps)
    }

    /// Serves what pods answer and Prometheus' query API over plain HTTP at an address, until the answer is dropped.
    ///
    /// Errors: the address cannot be listened on.
    pub async fn serve_http(&self, addr: SocketAddr) -> Result<HttpServing, ServeError> {
        front::serve(Front::new(Arc::clone(&self.core)), addr, self.stop.clone()).await
    }

    /// Evaluates a PromQL query over the simulated metrics at the present time: the `data` of Prometheus' answer.
    ///
    /// Errors: what is wrong with the query, in a sentence.
    pub fn query(&self, promql: &str) -> Result<Value, String> {
        front::query_now(&self.core, promql)
    }

    /// Takes a snapshot of all objects.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.core)
    }

    /// Puts a snapshot back: other objects go, its objects come or change, with their identities. Watches are told.
    pub async fn restore(&self, snapshot: &Snapshot) {
        self.core.replace_all(snapshot.objects());
        self.settle().await;
    }

    /// Waits until somebody asks the sandbox to stop, by `landfall sandbox down`.
    pub async fn asked_to_stop(&self) {
        self.core.asked_to_stop.cancelled().await;
    }

    /// Forgets all history: older resourceVersions get 410 from now on.
    pub fn compact(&self) {
        self.core.store.compact();
    }

    /// Ends all watches and background work; writes that were answered are on file.
    pub async fn stop(self) {
        self.stop.cancel();
        let revision = self.core.store.revision();
        // A failed file was reported to every writer already.
        let _ = self.core.store.durable(revision).await;
    }
}
