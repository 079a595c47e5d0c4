//! The World: what the controller reaches the outside through.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use landfall_flow::destinations::{IN_CLUSTER_NAME, IN_CLUSTER_SERVER, KnownCluster};
use landfall_flow::live::LiveCluster;
use landfall_flow::reconcile::{Controller, Parts};
use landfall_flow::render::Renderer;
use landfall_flow::settings::Settings;
use landfall_git::client::GitClient;
use landfall_host::clock::SystemClock;
use landfall_kube::KubeCluster;
use landfall_ports::cluster::Cluster;

/// Puts a controller together that manages the cluster it runs from.
pub(crate) fn controller(client: kube::Client, settings: Settings, cache: PathBuf) -> anyhow::Result<Arc<Controller>> {
    let clock = Arc::new(SystemClock);
    let cluster: Arc<dyn Cluster> = Arc::new(KubeCluster::of(client));
    let git = Arc::new(GitClient::with_settings(landfall_git::settings::Settings::in_directory(cache.join("git"))));
    let charts = landfall_charts::settings::Settings::in_directory(cache.join("charts"));
    let controller = Controller::of(Parts {
        home_cluster: cluster.clone(),
        git,
        chart_repositories: Arc::new(landfall_charts::client::ChartClient::with_settings(charts)),
        registry: Arc::new(landfall_registry::client::RegistryClient::with_settings(
            landfall_registry::client::Settings::default(),
        )),
        renderer: renderer()?,
        clock: clock.clone(),
        settings,
    });
    let live = LiveCluster::of(cluster, clock, landfall_health::Rules::built_in(), controller.concern());
    let (server, name) = (IN_CLUSTER_SERVER.to_owned(), IN_CLUSTER_NAME.to_owned());
    controller.destinations.add(KnownCluster { server, name, live });
    Ok(controller)
}

/// A renderer whose templates' randomness comes from the machine.
fn renderer() -> anyhow::Result<Renderer> {
    let mut secret = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").context("the machine gives no randomness")?;
    std::io::Read::read_exact(&mut source, &mut secret).context("the machine gives no randomness")?;
    let stopwatch = Arc::new(|| {
        let start = std::time::Instant::now();
        Box::new(move || start.elapsed()) as Box<dyn Fn() -> std::time::Duration + Send>
    });
    Ok(Renderer::of(secret, stopwatch))
}

/// The folder for what is only kept to save time: `LANDFALL_CACHE`, else below the user's cache folder.
pub(crate) fn cache_directory() -> anyhow::Result<PathBuf> {
    let own = std::env::var_os("LANDFALL_CACHE").map(PathBuf::from);
    let of_user = || Some(PathBuf::from(std::env::var_os("XDG_CACHE_HOME")?).join("landfall"));
    let of_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/landfall"));
    let found = own.or_else(of_user).or_else(of_home);
    found.context("there is no folder to cache in: set LANDFALL_CACHE to one")
}

/// Where `landfall up` writes the kubeconfig of its control plane, and where the other verbs look for one.
pub(crate) fn up_kubeconfig() -> anyhow::Result<PathBuf> {
    Ok(cache_directory()?.join("up/kubeconfig"))
}
