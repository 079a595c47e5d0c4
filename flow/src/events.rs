//! Kubernetes Events about Applications, with Argo CD's reasons. Telling is best effort: a reconcile never waits for it
//! and never fails because of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use landfall_model::annotations::FIELD_MANAGER;
use landfall_model::key::GroupVersionKind;
use landfall_model::outcome::Event;
use landfall_model::time::Time;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cluster, ServedKind, Write};
use serde_json::json;
use tokio::sync::mpsc;

use crate::home::AppKey;

/// How many Events may wait to be written; beyond it they are dropped and counted.
const WAITING_MAX: usize = 1024;
/// The longest message of an Event. Source: Kubernetes `pkg/apis/core/validation/events.go`.
const MESSAGE_BYTES_MAX: usize = 1024;

struct Told {
    key: AppKey,
    uid: String,
    event: Event,
    at: Timestamp,
}

/// Takes Events and writes them one after the other.
pub struct Events {
    queue: mpsc::Sender<Told>,
    clock: Arc<dyn Clock>,
    dropped: AtomicU64,
}

impl Events {
    /// Starts writing to a cluster, until this is dropped.
    pub fn start(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Told>(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(told) = waiting.recv().await {
                write(&*cluster, told).await;
            }
        });
        Self { queue, clock, dropped: AtomicU64::new(0) }
    }

    /// Tells what happened to an Application.
    pub fn tell(&self, key: &AppKey, uid: &str, event: Event) {
        tracing::info!(application = %key, reason = event.reason.as_str(), message = %event.message, "event");
        let told = Told { key: key.clone(), uid: uid.to_owned(), event, at: self.clock.now() };
        if self.queue.try_send(told).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the Events that were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn write(cluster: &dyn Cluster, told: Told) {
    let kind = ServedKind {
        gvk: GroupVersionKind::of("v1", "Event"),
        plural: "events".to_owned(),
        is_namespaced: true,
        verbs: Vec::new(),
        is_preferred: true,
    };
    let Told { key, uid, event, at } = told;
    let time = Time::of(at).to_string();
    let object = json!({
        "apiVersion": "v1", "kind": "Event",
        // Named as client-go's recorder names them: object and nanoseconds.
        "metadata": {"namespace": key.namespace, "name": format!("{}.{:x}", key.name, at.as_nanosecond())},
        "involvedObject": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                           "namespace": key.namespace, "name": key.name, "uid": uid},
        "reason": event.reason.as_str(), "message": shortened(&event.message),
        "type": if event.is_warning { "Warning" } else { "Normal" },
        "source": {"component": "landfall"}, "reportingComponent": "landfall", "reportingInstance": "landfall",
        "firstTimestamp": time, "lastTimestamp": time, "count": 1,
    });
    let write = Write { manager: FIELD_MANAGER.to_owned(), force: false, dry_run: false, strict: false };
    if let Err(error) = cluster.create(&kind, &object, &write).await {
        tracing::debug!(application = %key, %error, "an event could not be written");
    }
}

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    let mut end = MESSAGE_BYTES_MAX - 4;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end])
}
