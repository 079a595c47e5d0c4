//! A control plane to run scenarios on.

use std::path::Path;

use anyhow::Context as _;
use landfall_sandbox::Sandbox;
use landfall_testkit::run::Testbed;

/// Which control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded one.
    Sandbox,
    /// kube-apiserver and its controllers, with kwok in the place of nodes.
    Testbed,
}

/// A control plane that runs until this is dropped.
pub enum Plane {
    /// The embedded one.
    Sandbox(Box<Sandbox>),
    /// The real one.
    Testbed(Box<Testbed>),
}

impl Plane {
    /// Starts one; what it writes goes below `directory`.
    pub async fn start(kind: Kind, directory: &Path) -> anyhow::Result<Self> {
        match kind {
            Kind::Sandbox => Ok(Self::Sandbox(Box::new(Sandbox::builder().quick_probes().start().await?))),
            Kind::Testbed => {
                let directory = directory.to_owned();
                let started = tokio::task::spawn_blocking(move || Testbed::start(&directory)).await?;
                Ok(Self::Testbed(Box::new(started?)))
            }
        }
    }

    /// A client with the rights that the product has.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        match self {
            Self::Sandbox(sandbox) => Ok(kube::Client::new(sandbox.client_service(), "default")),
            Self::Testbed(testbed) => {
                let file = kube::config::Kubeconfig::read_from(&testbed.kubeconfig)?;
                let config =
                    kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await?;
                kube::Client::try_from(config).context("cannot make a client for the test bed")
            }
        }
    }
}
