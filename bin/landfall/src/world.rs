//! The World: what the controller reaches the outside through.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use landfall_flow::charts::Charts;
use landfall_flow::destinations::KnownCluster;
use landfall_flow::live::LiveCluster;
use landfall_flow::reconcile::{Controller, Parts};
use landfall_flow::remotes::{Asker, Fetched, Policy, Remotes};
use landfall_flow::render::Renderer;
use landfall_flow::repositories::{Freshness, Repositories};
use landfall_flow::settings::Settings;
use landfall_git::client::GitClient;
use landfall_host::clock::SystemClock;
use landfall_kube::KubeCluster;
use landfall_kustomize::{AllowList, Question};
use landfall_ports::clock::Clock as _;
use landfall_ports::cluster::Cluster;

/// Puts a controller together that manages the cluster it runs from.
pub(crate) fn controller(client: kube::Client, settings: Settings, cache: PathBuf) -> anyhow::Result<Arc<Controller>> {
    let clock = Arc::new(SystemClock);
    let cluster: Arc<dyn Cluster> = Arc::new(KubeCluster::of(client));
    let git = Arc::new(GitClient::with_settings(landfall_git::settings::Settings::in_directory(cache.join("git"))));
    let charts = landfall_charts::settings::Settings::in_directory(cache.join("charts"));
    let controller = Controller::of(Parts {
        home_cluster: cluster.clone(),
        connector: Arc::new(landfall_kube::connect::Connector),
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
    controller.destinations.add(KnownCluster::home(live));
    Ok(controller)
}

/// Fetches one thing that a kustomization names, without any credentials but those in its address.
pub(crate) async fn fetch_once(question: &Question) -> anyhow::Result<Fetched> {
    let cache = cache_directory()?;
    let clock = Arc::new(SystemClock);
    let git = GitClient::with_settings(landfall_git::settings::Settings::in_directory(cache.join("git")));
    let settings = landfall_charts::settings::Settings::in_directory(cache.join("charts"));
    let http = Arc::new(landfall_charts::client::ChartClient::with_settings(settings));
    let registry =
        landfall_registry::client::RegistryClient::with_settings(landfall_registry::client::Settings::default());
    let repositories = Arc::new(Repositories::of(Arc::new(git), clock.clone(), std::time::Duration::ZERO));
    let charts = Charts::of(http.clone(), Arc::new(registry));
    let remotes = Remotes::of(repositories, http);
    // Whoever asks has checked the address.
    let policy = Policy::List(AllowList::of(["*"]));
    let now = clock.elapsed();
    let asker = Asker { project: "default", policy: &policy, freshness: Freshness::Since(now) };
    Ok(remotes.answer(&charts, &asker, question.clone(), now).await)
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
