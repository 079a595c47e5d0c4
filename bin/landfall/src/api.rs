//! Where and how the API is served.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use landfall_flow::reconcile::Controller;
use landfall_server::api::Api;
use landfall_server::api::gate::Open;

/// Arguments of the API.
#[derive(Args, Clone)]
pub(crate) struct ApiArguments {
    /// Serve the API (REST, gRPC and gRPC-web at one port, without TLS) here, beside health, metrics and webhook.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "disable_auth")]
    pub(crate) api: Option<SocketAddr>,
    /// Let everybody who reaches the API do everything. Accounts and policies are not asked yet, so it must be said.
    #[arg(long, requires = "api")]
    pub(crate) disable_auth: bool,
}

impl ApiArguments {
    /// Serves until dropped; waits for ever if no API is wanted.
    pub(crate) async fn serve(&self, controller: Arc<Controller>, tell: impl Fn(&str)) -> anyhow::Result<()> {
        let Some(address) = self.api else { return std::future::pending().await };
        if !self.disable_auth {
            bail!("the API asks no accounts yet: add --disable-auth, and make sure that only you reach {address}");
        }
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("the API cannot be served at {address}: choose another address"))?;
        let address = listener.local_addr()?;
        let epoch = format!("{:x}", controller.clock.now().as_millisecond());
        let version = env!("CARGO_PKG_VERSION");
        let api = Arc::new(Api { controller, gate: Arc::new(Open), version, epoch });
        tell(&format!("the API is served at http://{address}, to everybody who reaches it"));
        tell(&format!("  argocd login {address} --plaintext --username admin --password any"));
        landfall_server::listen::serve(landfall_server::router_with_api(api), listener, None).await?;
        Ok(())
    }
}
