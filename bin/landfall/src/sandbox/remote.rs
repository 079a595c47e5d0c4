//! Speaking to a running sandbox.

use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use super::places::Place;

/// How long a running sandbox may take to say that it runs.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// How long one that was told to stop may take.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// A running sandbox.
pub(crate) struct Remote {
    client: kube::Client,
    place: Place,
}

impl Remote {
    /// Reaches a sandbox by name.
    ///
    /// Errors: there is none, or it does not run.
    pub(crate) async fn reach(name: &str) -> anyhow::Result<Self> {
        let place = Place::of(name)?;
        let text = place.kubeconfig_text()?;
        let kubeconfig = Kubeconfig::from_yaml(&text)
            .with_context(|| format!("{} is not readable", place.kubeconfig().display()))?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let remote = Self { client: kube::Client::try_from(config)?, place };
        match tokio::time::timeout(ANSWER_TIME_MAX, remote.get("status")).await {
            Ok(Ok(_)) => Ok(remote),
            _ => bail!(
                "the sandbox {name:?} does not run: start it with `landfall sandbox up {name} --detach`; its objects are in {}",
                remote.place.folder.display()
            ),
        }
    }

    /// Asks for something.
    pub(crate) async fn get(&self, verb: &str) -> anyhow::Result<Value> {
        self.request("GET", verb, Vec::new()).await
    }

    /// Has something done.
    pub(crate) async fn post(&self, verb: &str, body: &Value) -> anyhow::Result<Value> {
        self.request("POST", verb, body.to_string().into_bytes()).await
    }

    async fn request(&self, method: &str, verb: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/sandbox/v1/{verb}"))
            .header("content-type", "application/json")
            .body(body)?;
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(refusal)) => bail!("{}", refusal.message),
            Err(error) => Err(error).context("the sandbox cannot be reached"),
        }
    }

    /// Waits until it no longer answers.
    pub(crate) async fn until_gone(&self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + STOP_TIME_MAX;
        while let Ok(Ok(_)) = tokio::time::timeout(ANSWER_TIME_MAX, self.get("status")).await {
            if tokio::time::Instant::now() > deadline {
                let process = self.place.known().map_or(0, |known| known.process);
                bail!("the sandbox was told to stop and still runs; its process is {process}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
