//! One life of the controller: from a start with nothing remembered to its death at any call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use landfall_flow::destinations::KnownCluster;
use landfall_flow::live::LiveCluster;
use landfall_flow::reconcile::{Controller, Parts};
use landfall_flow::render::Renderer;
use landfall_flow::settings::{Rendering, Settings};
use landfall_ports::clock::Clock;
use landfall_ports::cluster::Cluster;

use crate::charts::NoCharts;
use crate::cluster::GatedCluster;
use crate::gate::{Gate, Script};
use crate::git::{GatedGit, Server};
use crate::judge::Judge;
use crate::time::{ProcessClock, Timeline};

/// What a process finds in the world.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub timeline: Arc<Timeline>,
    /// How wrong the machine's clock is.
    pub wrong_by: Arc<Mutex<SignedDuration>>,
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Git.
    pub git: Arc<Server>,
    /// Who is told of writes.
    pub judge: Arc<Judge>,
}

/// A controller that lives, or lived.
pub struct Process {
    /// The controller.
    pub controller: Arc<Controller>,
    /// What its calls go through.
    pub gate: Arc<Gate>,
    running: tokio::task::JoinHandle<()>,
}

/// How often repositories are listed.
pub const POLL_INTERVAL: Duration = Duration::from_secs(20);

impl Process {
    /// Starts one whose calls meet the fates of a script.
    pub fn start(around: &Surroundings, script: Arc<dyn Script>) -> Self {
        let gate = Gate::of(around.timeline.clone(), script);
        let clock: Arc<dyn Clock> =
            Arc::new(ProcessClock::of(around.timeline.clone(), around.wrong_by.clone(), gate.is_alive.clone()));
        let cluster: Arc<dyn Cluster> =
            Arc::new(GatedCluster { inner: around.cluster.clone(), gate: gate.clone(), judge: around.judge.clone() });
        let nothing = Arc::new(|| Box::new(|| Duration::ZERO) as Box<dyn Fn() -> Duration + Send>);
        let controller = Controller::of(Parts {
            home_cluster: cluster.clone(),
            connector: Arc::new(landfall_kube::connect::Connector),
            git: Arc::new(GatedGit { server: around.git.clone(), gate: gate.clone() }),
            chart_repositories: Arc::new(NoCharts { gate: gate.clone() }),
            registry: Arc::new(NoCharts { gate: gate.clone() }),
            renderer: Renderer::of([7; 32], nothing),
            clock: clock.clone(),
            settings: Settings {
                poll_interval: POLL_INTERVAL,
                rendering: Rendering::OnTheSpot,
                renders_at_once_max: 2,
                ..Settings::default()
            },
        });
        let live = LiveCluster::of(cluster, clock, landfall_health::Rules::built_in(), controller.concern());
        controller.destinations.add(KnownCluster::home(live));
        let running = tokio::spawn(controller.clone().run());
        Self { controller, gate, running }
    }

    /// Says whether it lives.
    pub fn is_alive(&self) -> bool {
        self.gate.is_alive.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Ends it at this very instant.
    pub fn kill(&self) {
        self.gate.kill();
        self.running.abort();
    }
}
