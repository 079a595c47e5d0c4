//! The API of a world's controller, served as the program serves it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use landfall_http::web::WebClient;
use landfall_identity::access::Access;
use landfall_identity::accounts_service::Accounts;
use landfall_identity::audit::Audit;
use landfall_identity::layer::{self, Authenticator};
use landfall_identity::prepare::prepare;
use landfall_identity::routes::{self, Identity};
use landfall_identity::sessions::Sessions;
use landfall_identity::tls::ServerCertificate;
use landfall_server::api::Api;
use landfall_server::api::gate::Open;
use landfall_server::api::known::Installation;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::World;

/// How long settings may take to be read.
const READY_MAX: Duration = Duration::from_secs(20);
/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(10);

/// Whether TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// With the certificate that the server made for itself.
    Tls,
    /// Without.
    Plain,
}

/// An API that is served until this is dropped.
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    /// Whether TLS is spoken.
    pub wire: Wire,
    /// The first password of `admin`; `""` where nobody signs in.
    pub password: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Serves to everybody, without TLS.
    pub async fn open(world: &World) -> anyhow::Result<Self> {
        let controller = world.controller.clone().context("no controller runs")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let api = Arc::new(Api {
            controller,
            gate: Arc::new(Open),
            version: "test",
            epoch: "e2e".to_owned(),
            limits: Arc::default(),
            pages: Default::default(),
        });
        let router = landfall_server::router_with_api(api);
        let task = tokio::spawn(async move {
            let _ended = landfall_server::listen::serve(router, listener, None).await;
        });
        Ok(Self { address, wire: Wire::Plain, password: String::new(), tasks: vec![task] })
    }

    /// Serves to whom accounts and policies let in.
    pub async fn guarded(world: &World, wire: Wire) -> anyhow::Result<Self> {
        let controller = world.controller.clone().context("no controller runs")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let namespace = controller.settings.namespace.clone();
        let access = Access::of(controller.home_cluster.clone(), controller.clock.clone(), namespace);
        let watching = tokio::spawn(access.clone().run());
        let started = Instant::now();
        while !access.is_ready() {
            if started.elapsed() > READY_MAX {
                bail!("settings and projects were not read");
            }
            tokio::time::sleep(LOOK).await;
        }
        let prepared = prepare(&access).await?;
        let tls = match wire {
            Wire::Tls => Some(ServerCertificate::of(&access).await?.server_config()?),
            Wire::Plain => None,
        };
        let authenticator = Authenticator::of(access.clone(), Arc::new(WebClient::default()));
        let sessions = Sessions::of(access.clone());
        let accounts = Accounts::of(sessions.clone());
        let audit = Audit::of(controller.clock.clone(), None);
        let gate = Arc::new(Installation::of(authenticator.clone(), sessions.clone(), accounts.clone(), audit.clone()));
        let identity = Identity { authenticator: authenticator.clone(), sessions, accounts, audit };
        let api = Arc::new(Api {
            controller,
            gate,
            version: "test",
            epoch: "e2e".to_owned(),
            limits: Arc::default(),
            pages: Default::default(),
        });
        let router = routes::router(identity).merge(landfall_server::router_with_api(api));
        let router = router.layer(axum::middleware::from_fn_with_state(authenticator, layer::identify));
        let serving = tokio::spawn(async move {
            let _ended = landfall_server::listen::serve(router, listener, tls).await;
        });
        let password = prepared.initial_password.context("admin has a password already")?;
        Ok(Self { address, wire, password, tasks: vec![watching, serving] })
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        let scheme = match self.wire {
            Wire::Tls => "https",
            Wire::Plain => "http",
        };
        format!("{scheme}://{}{path}", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
