//! `landfall controller`: against the cluster in KUBECONFIG, or the one it runs in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use landfall_flow::reconcile::Controller;
use landfall_flow::settings::Settings;
use landfall_helm::Profile;

use crate::api::ApiArguments;
use crate::logging::{self, LogFormat};
use crate::stop::stopped;
use crate::world;

/// Arguments of `landfall controller`.
#[derive(Args)]
pub(crate) struct ControllerArguments {
    /// The namespace of Applications, AppProjects and settings.
    #[arg(long, env = "ARGOCD_NAMESPACE", default_value = "argocd")]
    namespace: String,
    /// Keep Applications of all namespaces, where their project permits it.
    #[arg(long)]
    all_namespaces: bool,
    /// Seconds between two looks at a repository, besides webhooks.
    #[arg(long, default_value_t = 120)]
    poll_seconds: u64,
    /// Where /healthz, /readyz, /metrics and /api/webhook are served.
    #[arg(long, visible_alias = "listen", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8082")]
    metrics_address: SocketAddr,
    #[command(flatten)]
    api: ApiArguments,
    /// Which Helm renders charts where neither the Application (annotation landfall.dev/helm-profile) nor its source
    /// (helm.version) says it: helm3 or helm4.
    #[arg(long, env = "LANDFALL_HELM_PROFILE", default_value = "helm3", value_parser = helm_profile)]
    helm_profile: Profile,
    /// How logs are written.
    #[arg(long, value_enum, default_value = "json")]
    log_format: LogFormat,
}

fn helm_profile(name: &str) -> Result<Profile, String> {
    Profile::parse(name).ok_or_else(|| format!("{name:?} is none; there are helm3 and helm4"))
}

/// Runs until the process is told to stop.
pub(crate) async fn run(arguments: ControllerArguments) -> anyhow::Result<()> {
    logging::start(arguments.log_format);
    let client = kube::Client::try_default()
        .await
        .context("cannot reach a cluster: set KUBECONFIG to a kubeconfig file, or run inside a cluster")?;
    let settings = Settings {
        namespace: arguments.namespace,
        all_namespaces: arguments.all_namespaces,
        poll_interval: Duration::from_secs(arguments.poll_seconds.max(1)),
        helm_profile: arguments.helm_profile,
        ..Settings::default()
    };
    let controller = world::controller(client, settings, world::cache_directory()?)?;
    tokio::select! {
        result = serve(controller.clone(), Some(arguments.metrics_address)) => result,
        result = arguments.api.serve(controller.clone(), |line| tracing::info!("{line}")) => result,
        () = controller.run() => anyhow::bail!("the controller ended by itself; its log says why"),
        () = stopped() => Ok(()),
    }
}

/// Serves health, metrics and the webhook for as long as the controller runs; waits for ever without an address.
pub(crate) async fn serve(controller: Arc<Controller>, address: Option<SocketAddr>) -> anyhow::Result<()> {
    let Some(address) = address else { return std::future::pending().await };
    landfall_server::serve(controller, address)
        .await
        .with_context(|| format!("health, metrics and webhook cannot be served at {address}: choose another address"))
}
