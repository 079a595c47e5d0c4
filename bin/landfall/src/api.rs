//! Where and how the API is served.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use landfall_flow::reconcile::Controller;
use landfall_http::web::WebClient;
use landfall_identity::access::Access;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::audit::{Audit, Journal};
use landfall_identity::layer::{self, Authenticator};
use landfall_identity::prepare::{INITIAL_PASSWORD_SECRET, prepare};
use landfall_identity::routes::{self, Identity};
use landfall_identity::sessions::Sessions;
use landfall_identity::tls::ServerCertificate;
use landfall_server::api::Api;
use landfall_server::api::gate::{Gate, Open};
use landfall_server::api::known::Installation;

use crate::journal::FileJournal;

/// How often it is looked whether settings have been read, and how long that may take.
const LOOK: Duration = Duration::from_millis(50);
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Arguments of the API.
#[derive(Args, Clone)]
pub(crate) struct ApiArguments {
    /// Serve the API (REST, gRPC and gRPC-web at one port) here, beside health, metrics and webhook.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) api: Option<SocketAddr>,
    /// Serve the API without TLS.
    #[arg(long, requires = "api")]
    pub(crate) insecure: bool,
    /// Keep the audit in this file too, where it can be read back: lines of JSON, each with the digest of the one before.
    #[arg(long, value_name = "FILE", requires = "api")]
    pub(crate) audit_file: Option<PathBuf>,
    /// Let everybody who reaches the API do everything.
    #[arg(long, requires = "api")]
    pub(crate) disable_auth: bool,
}

impl ApiArguments {
    /// Serves until dropped; waits for ever if no API is wanted.
    pub(crate) async fn serve(&self, controller: Arc<Controller>, tell: impl Fn(&str)) -> anyhow::Result<()> {
        let Some(address) = self.api else { return std::future::pending().await };
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("the API cannot be served at {address}: choose another address"))?;
        let address = listener.local_addr()?;
        let namespace = controller.settings.namespace.clone();
        let access = Access::of(controller.home_cluster.clone(), controller.clock.clone(), namespace.clone());
        let watching = access.clone().run();
        let serving = async {
            ready(&access).await?;
            let prepared = prepare(&access).await.context("accounts and keys cannot be made ready")?;
            let certificate = match self.insecure {
                true => None,
                false => Some(ServerCertificate::of(&access).await.context("TLS cannot be served")?),
            };
            let tls = certificate.as_ref().map(ServerCertificate::server_config).transpose()?;
            let router = self.router(controller.clone(), &access)?;
            let (scheme, flag) = if tls.is_some() { ("https", "--insecure") } else { ("http", "--plaintext") };
            tell(&format!("the API is served at {scheme}://{address}"));
            tell(&format!("  argocd login {address} {flag} --username admin"));
            match (&prepared.initial_password, self.disable_auth) {
                (_, true) => tell("  authentication is switched off: any password will do"),
                (Some(password), _) => tell(&format!("  the password of admin is {password}")),
                (None, _) => tell(&format!(
                    "  the first password of admin is in the Secret {INITIAL_PASSWORD_SECRET} of namespace {namespace}, if it is still there"
                )),
            }
            let follow = async {
                match certificate {
                    Some(certificate) => certificate.follow(access.clone()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = landfall_server::listen::serve(router, listener, tls) => Ok(result?),
                () = follow => anyhow::bail!("settings are not followed any more"),
            }
        };
        tokio::select! {
            result = serving => result,
            () = watching => anyhow::bail!("settings are not watched any more"),
        }
    }

    fn router(&self, controller: Arc<Controller>, access: &Arc<Access>) -> anyhow::Result<axum::Router> {
        let epoch = format!("{:x}", controller.clock.now().as_millisecond());
        let version = env!("CARGO_PKG_VERSION");
        let (limits, pages) = Default::default();
        if self.disable_auth {
            let gate: Arc<dyn Gate> = Arc::new(Open);
            return Ok(landfall_server::router_with_api(Arc::new(Api {
                controller,
                gate,
                version,
                epoch,
                limits,
                pages,
            })));
        }
        let authenticator = Authenticator::of(access.clone(), Arc::new(WebClient::default()));
        let sessions = Sessions::of(access.clone());
        let accounts = Accounts::of(sessions.clone());
        let audit = Audit::of(
            controller.clock.clone(),
            self.audit_file.clone().map(FileJournal::at).map(|file| Arc::new(file) as Arc<dyn Journal>),
        );
        let gate: Arc<dyn Gate> =
            Arc::new(Installation::of(authenticator.clone(), sessions.clone(), accounts.clone(), audit.clone()));
        let identity = Identity { authenticator: authenticator.clone(), sessions, accounts, audit };
        let api = Arc::new(Api { controller, gate, version, epoch, limits, pages });
        let router = routes::router(identity).merge(landfall_server::router_with_api(api));
        Ok(router.layer(axum::middleware::from_fn_with_state(authenticator, layer::identify)))
    }
}

async fn ready(access: &Access) -> anyhow::Result<()> {
    let wait = async {
        while !access.is_ready() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(READY_LIMIT, wait).await;
    waited.context("settings and projects cannot be read from the cluster: see the log for what is refused")
}
