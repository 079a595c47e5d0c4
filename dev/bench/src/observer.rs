//! Sees changes arrive at the API server by a watch, so that looking costs the server nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::StreamExt as _;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Change, Detail, ListRequest, Selection};
use serde_json::Value;
use tokio::sync::Notify;

use crate::world::World;

#[derive(Default)]
struct Seen {
    markers: Mutex<HashMap<String, (String, Instant)>>,
    changed: Notify,
}

/// Watches the ConfigMaps of all applications.
pub(crate) struct Observer {
    seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Observer {
    /// Begins to watch.
    pub(crate) async fn start(world: &World) -> anyhow::Result<Self> {
        let kind = world.kind(&GroupVersionKind::of("v1", "ConfigMap")).await?;
        let page = world.cluster.list(&kind, Detail::Full, &ListRequest::default()).await?;
        let seen = Arc::new(Seen::default());
        page.objects.iter().for_each(|value| seen.take(value));
        let (cluster, into) = (world.cluster.clone(), seen.clone());
        let mut version = page.resource_version;
        let task = tokio::spawn(async move {
            while let Ok(mut changes) = cluster.watch(&kind, Detail::Full, &Selection::default(), &version).await {
                while let Some(Ok(change)) = changes.next().await {
                    match change {
                        Change::Applied(value) => {
                            object::resource_version(&value).clone_into(&mut version);
                            into.take(&value);
                            into.changed.notify_one();
                        }
                        Change::Deleted(value) => object::resource_version(&value).clone_into(&mut version),
                        Change::Bookmark(at) => version = at,
                    }
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// Waits until an application's ConfigMap carries a marker. Returns when it was seen.
    pub(crate) async fn until(&self, name: &str, marker: &str, longest: Duration) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(at) = self.seen.at(name, marker) {
                return Ok(at);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, self.seen.changed.notified()).await.is_err() {
                bail!("{name} did not get {marker}");
            }
        }
    }

    /// Waits until an application's ConfigMap carries a marker again that a person had overwritten.
    pub(crate) async fn until_changed_back(
        &self,
        name: &str,
        by_hand: &str,
        marker: &str,
        edited: Instant,
        longest: Duration,
    ) -> anyhow::Result<Instant> {
        // The edit's own event may come after its acknowledgement; it comes before that of its undoing.
        let deadline = Instant::now() + longest;
        loop {
            match self.seen.at(name, marker) {
                Some(at) if self.seen.at(name, by_hand).is_none() && at >= edited => return Ok(at),
                _ => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, self.seen.changed.notified()).await.is_err() {
                bail!("{name} did not get {marker} back");
            }
        }
    }
}

impl Seen {
    fn take(&self, value: &Value) {
        let marker = value.pointer("/data/marker").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(known, _): &(String, Instant)| *known == marker;
        if !markers.get(object::name(value)).is_some_and(is_same) {
            markers.insert(object::name(value).to_owned(), (marker, Instant::now()));
        }
    }

    fn at(&self, name: &str, marker: &str) -> Option<Instant> {
        let markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        markers.get(name).filter(|(known, _)| known == marker).map(|(_, at)| *at)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
