//! The clusters that Secrets describe: connected when a Secret appears, kept while it stays, left when it goes.
//!
//! The home cluster needs no Secret. One that names it gives it another name, a project or namespaces, and with
//! credentials of its own another way to be reached. Source: Argo CD `util/db/cluster.go`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_health::Rules;
use landfall_ports::cluster::{Cluster, ClusterConnector};
use landfall_repository::cluster::ClusterConfig;
use tokio::sync::{Notify, watch};

use super::Controller;
use crate::destinations::{IN_CLUSTER_SERVER, KnownCluster};
use crate::live::{LiveCluster, Reach};

/// How often it is looked whether everything that people wrote is known, at the start.
const START_TICK: Duration = Duration::from_millis(10);

/// What is connected.
pub(super) struct Clusters {
    connector: Arc<dyn ClusterConnector>,
    changed: Notify,
    connected: Mutex<BTreeMap<String, ClusterConfig>>,
    is_known: watch::Sender<bool>,
}

impl Clusters {
    pub(super) fn of(connector: Arc<dyn ClusterConnector>) -> Self {
        let (changed, connected) = (Notify::new(), Mutex::default());
        Self { connector, changed, connected, is_known: watch::Sender::new(false) }
    }

    /// Makes the Secrets be looked at again.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits until everything that people wrote was read once, and the clusters in it are connected.
    pub(super) async fn until_known(&self) {
        let mut is_known = self.is_known.subscribe();
        // The sender lives as long as this does.
        let _known = is_known.wait_for(|is_known| *is_known).await;
    }
}

impl Controller {
    /// What reaches API servers by their address and credentials.
    pub fn connector(&self) -> &Arc<dyn ClusterConnector> {
        &self.clusters.connector
    }

    /// Connects clusters as their Secrets come, change and go.
    pub(super) async fn keep_clusters(self: Arc<Self>) {
        let mut told = String::new();
        loop {
            match self.home.is_ready() {
                Ok(true) => break,
                Ok(false) => {}
                Err(reason) if reason != told => {
                    tracing::error!(%reason, "what people wrote cannot be read; nothing is done before it can");
                    told = reason;
                }
                Err(_) => {}
            }
            self.clock.sleep(START_TICK).await;
        }
        loop {
            self.connect_clusters().await;
            self.clusters.is_known.send_replace(true);
            self.clusters.changed.notified().await;
        }
    }

    async fn connect_clusters(self: &Arc<Self>) {
        let (configs, problems) = self.home.clusters();
        problems.iter().for_each(|problem| tracing::warn!(%problem, "a cluster Secret cannot be used"));
        let before = self.connected().clone();
        for cluster in self.destinations.all() {
            cluster.live.measure(self.metrics.clone(), &cluster.server);
        }
        let mut wanted = BTreeMap::new();
        for config in configs {
            let (server, secret) = (config.server.clone(), config.secret.clone());
            if let Some(other) = wanted.insert(server.clone(), config) {
                tracing::warn!(%server, first = %other.secret, second = %secret, "two Secrets describe one cluster; the second is used");
            }
        }
        let is_other = before != wanted;
        for server in before.keys().filter(|server| !wanted.contains_key(*server)) {
            match server == IN_CLUSTER_SERVER {
                true => self.destinations.add(KnownCluster::home(self.home_live())),
                false => self.destinations.remove(server),
            }
        }
        for (server, config) in &wanted {
            if before.get(server) != Some(config) {
                self.connect(config, before.get(server)).await;
            }
        }
        *self.connected() = wanted;
        if is_other {
            self.home.applications().into_iter().for_each(|(key, _)| self.queue.push(key));
        }
    }

    async fn connect(self: &Arc<Self>, config: &ClusterConfig, before: Option<&ClusterConfig>) {
        let reach = reach(config);
        let is_same_way = before.is_some_and(|before| before.access == config.access && self::reach(before) == reach);
        let known = self.destinations.by_server(&config.server).filter(|_| is_same_way);
        let is_home = config.server == IN_CLUSTER_SERVER && config.access.is_anonymous();
        let live = match known {
            Some(known) => known.live,
            None if is_home => self.live(self.home_cluster.clone(), reach),
            None => match self.clusters.connector.connect(&config.server, &config.access).await {
                Ok(cluster) => self.live(cluster, reach),
                Err(reason) => {
                    let reason = format!("Secret {}: {reason}", config.secret);
                    tracing::warn!(server = %config.server, %reason, "a cluster cannot be used");
                    self.destinations.refuse(&config.server, &config.name, reason);
                    return;
                }
            },
        };
        tracing::info!(server = %config.server, name = %config.name, "a cluster is known");
        live.measure(self.metrics.clone(), &config.server);
        let (server, name, project) = (config.server.clone(), config.name.clone(), config.project.clone());
        self.destinations.add(KnownCluster { server, name, project, live });
    }

    fn home_live(self: &Arc<Self>) -> Arc<LiveCluster> {
        self.live(self.home_cluster.clone(), Reach::default())
    }

    fn live(self: &Arc<Self>, cluster: Arc<dyn Cluster>, reach: Reach) -> Arc<LiveCluster> {
        LiveCluster::within(reach, cluster, self.clock.clone(), Rules::built_in(), self.concern())
    }

    fn connected(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ClusterConfig>> {
        self.clusters.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reach(config: &ClusterConfig) -> Reach {
    Reach { namespaces: config.namespaces.clone(), cluster_resources: config.cluster_resources }
}
