//! The nodes of a cluster, as trees of Applications tell of them: read when somebody asks, and kept for a moment. Nothing
//! depends on them, so a cluster that refuses to list its nodes has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Detail, ListRequest, ServedKind};
use serde_json::Value;

use super::LiveCluster;

/// How old an answer may be: nodes come and go slowly, and who looks at a tree looks often.
const AGE_MAX: SignedDuration = SignedDuration::from_secs(60);
/// How many nodes a page holds.
const PAGE_SIZE: u32 = 500;

/// One node, reduced.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// What it tells of itself: `status.nodeInfo`.
    pub system: Value,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it has, by resource, as it is written.
    pub capacity: BTreeMap<String, String>,
}

/// What is known of the nodes, by name.
pub type Hosts = Arc<BTreeMap<String, Host>>;

/// The last answer, and when it came. Held while the cluster is asked: one question at a time.
#[derive(Default)]
pub(super) struct KnownHosts(tokio::sync::Mutex<Option<(Timestamp, Hosts)>>);

impl LiveCluster {
    /// The nodes of the cluster; none if it does not tell.
    pub async fn hosts(&self) -> Hosts {
        let mut last = self.hosts.0.lock().await;
        let now = self.clock.now();
        if let Some((at, known)) = &*last
            && now.duration_since(*at) < AGE_MAX
        {
            return known.clone();
        }
        let fresh = Arc::new(self.ask_hosts().await);
        *last = Some((now, fresh.clone()));
        fresh
    }

    async fn ask_hosts(&self) -> BTreeMap<String, Host> {
        let kind = ServedKind {
            gvk: GroupVersionKind::of("v1", "Node"),
            plural: "nodes".to_owned(),
            is_namespaced: false,
            verbs: vec!["list".to_owned()],
            is_preferred: true,
        };
        let mut found = BTreeMap::new();
        let mut asked = ListRequest { page_size_max: PAGE_SIZE, ..ListRequest::default() };
        loop {
            let page = match self.cluster.list(&kind, Detail::Full, &asked).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::debug!(%error, "the nodes of a cluster are not known");
                    return BTreeMap::new();
                }
            };
            found.extend(page.objects.iter().map(|node| (object::name(node).to_owned(), host(node))));
            if page.next.is_empty() {
                return found;
            }
            asked.from = page.next;
        }
    }
}

fn host(node: &Value) -> Host {
    Host {
        system: node.pointer("/status/nodeInfo").cloned().unwrap_or_default(),
        labels: object::text_map(node, &["metadata", "labels"]),
        capacity: object::text_map(node, &["status", "capacity"]),
    }
}
