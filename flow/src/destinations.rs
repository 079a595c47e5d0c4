//! The clusters that applications go to, by server URL or by name.
//!
//! The cluster that Landfall runs from is always there, as `https://kubernetes.default.svc` and `in-cluster`; others are
//! added by whoever configures them. Source: Argo CD 3.5 `util/db/cluster.go`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use landfall_model::application::Destination;

use crate::live::LiveCluster;

/// The URL by which the home cluster is known.
pub const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";
/// The name by which the home cluster is known.
pub const IN_CLUSTER_NAME: &str = "in-cluster";

/// One cluster that applications may go to.
#[derive(Clone)]
pub struct KnownCluster {
    /// The URL that destinations name it by.
    pub server: String,
    /// The name that destinations name it by.
    pub name: String,
    /// Its live objects.
    pub live: Arc<LiveCluster>,
}

/// The clusters.
#[derive(Default)]
pub struct Destinations {
    by_server: RwLock<BTreeMap<String, KnownCluster>>,
}

impl Destinations {
    /// Adds a cluster, or puts it in the place of the one with its URL.
    pub fn add(&self, cluster: KnownCluster) {
        let mut known = self.by_server.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(trimmed(&cluster.server).to_owned(), cluster);
    }

    /// Lists the clusters.
    pub fn all(&self) -> Vec<KnownCluster> {
        self.by_server.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Finds the cluster of a destination. Errors: the reason, for the condition InvalidSpecError.
    pub fn find(&self, destination: &Destination) -> Result<KnownCluster, String> {
        let known = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        let names = || known.values().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>().join(", ");
        match (destination.server.as_str(), destination.name.as_str()) {
            ("", "") => {
                Err("application destination server or name must be set: write destination.server or destination.name"
                    .to_owned())
            }
            ("", name) => known
                .values()
                .find(|cluster| cluster.name == name)
                .cloned()
                .ok_or_else(|| format!("there is no cluster with the name {name:?}; known clusters: {}", names())),
            (server, "") => known.get(trimmed(server)).cloned().ok_or_else(|| {
                format!("there is no cluster with the server URL {server:?}; known clusters: {}", names())
            }),
            (server, name) => Err(format!(
                "application destination can't have both name and server defined: {name} {server}; keep one of them"
            )),
        }
    }
}

fn trimmed(server: &str) -> &str {
    server.trim_end_matches('/')
}
