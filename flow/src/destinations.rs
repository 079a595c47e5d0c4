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
    /// The only project that may use it; `""` for all.
    pub project: String,
    /// Its live objects.
    pub live: Arc<LiveCluster>,
}

impl KnownCluster {
    /// The cluster that Landfall runs from, under the names that everybody knows it by.
    pub fn home(live: Arc<LiveCluster>) -> Self {
        let (server, name) = (IN_CLUSTER_SERVER.to_owned(), IN_CLUSTER_NAME.to_owned());
        Self { server, name, project: String::new(), live }
    }
}

#[derive(Default)]
struct State {
    by_server: BTreeMap<String, KnownCluster>,
    /// Clusters that somebody described and that cannot be used: by server, name and reason.
    unusable: BTreeMap<String, (String, String)>,
}

/// The clusters.
#[derive(Default)]
pub struct Destinations {
    state: RwLock<State>,
}

impl Destinations {
    /// Adds a cluster, or puts it in the place of the one with its URL.
    pub fn add(&self, cluster: KnownCluster) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.unusable.remove(trimmed(&cluster.server));
        state.by_server.insert(trimmed(&cluster.server).to_owned(), cluster);
    }

    /// Forgets a cluster.
    pub fn remove(&self, server: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.by_server.remove(trimmed(server));
        state.unusable.remove(trimmed(server));
    }

    /// Takes note of a cluster that cannot be used, for whoever asks for it.
    pub fn refuse(&self, server: &str, name: &str, reason: String) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.by_server.remove(trimmed(server));
        state.unusable.insert(trimmed(server).to_owned(), (name.to_owned(), reason));
    }

    /// Finds a cluster by its URL.
    pub fn by_server(&self, server: &str) -> Option<KnownCluster> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).by_server.get(trimmed(server)).cloned()
    }

    /// Lists the clusters.
    pub fn all(&self) -> Vec<KnownCluster> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).by_server.values().cloned().collect()
    }

    /// Says whether a destination names a cluster that somebody described and that cannot be used: it is not gone.
    pub fn is_unusable(&self, destination: &Destination) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |(server, (name, _)): (&String, &(String, String))| match destination.name.as_str() {
            "" => server == trimmed(&destination.server),
            wanted => name == wanted,
        };
        state.unusable.iter().any(is_meant)
    }

    /// Finds the cluster of a destination. Errors: the reason, for the condition InvalidSpecError.
    pub fn find(&self, destination: &Destination) -> Result<KnownCluster, String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let known = &state.by_server;
        let names = || known.values().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>().join(", ");
        let unusable = |is_meant: &dyn Fn(&str, &str) -> bool| {
            let found = state.unusable.iter().find(|(server, (name, _))| is_meant(server, name));
            found.map(|(server, (name, reason))| format!("the cluster {name} ({server}) cannot be used: {reason}"))
        };
        match (destination.server.as_str(), destination.name.as_str()) {
            ("", "") => {
                Err("application destination server or name must be set: write destination.server or destination.name"
                    .to_owned())
            }
            // The home cluster keeps its own name also when a Secret gives it another.
            ("", name) => {
                let mut called = known.values().filter(|cluster| {
                    cluster.name == name || (name == IN_CLUSTER_NAME && cluster.server == IN_CLUSTER_SERVER)
                });
                match (called.next(), called.next()) {
                    (Some(cluster), None) => Ok(cluster.clone()),
                    (Some(first), Some(second)) => Err(format!(
                        "there are 2 clusters with the same name: [{} {}]; write destination.server instead",
                        first.server, second.server
                    )),
                    (None, _) => Err(unusable(&|_, known| known == name).unwrap_or_else(|| {
                        format!("there are no clusters with this name: {name}; known clusters: {}", names())
                    })),
                }
            }
            (server, "") => known.get(trimmed(server)).cloned().ok_or_else(|| {
                unusable(&|known, _| known == trimmed(server)).unwrap_or_else(|| {
                    format!(
                        "cluster {server:?} not found; known clusters: {}; others are added by Secrets with the label argocd.argoproj.io/secret-type=cluster",
                        names()
                    )
                })
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
