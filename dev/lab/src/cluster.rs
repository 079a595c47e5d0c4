//! The Kubernetes API as one process reaches it: through its gate, with every write told to the judge.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, Page, Patch, Selection, ServedKind,
    Write,
};
use serde_json::{Value, json};

use crate::gate::{Effect, Gate, Port};
use crate::judge::{Judge, Taken};

/// How long a server that asks for patience asks to wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// One process' way to a cluster.
pub struct GatedCluster {
    /// The cluster.
    pub inner: Arc<dyn Cluster>,
    /// The process' gate.
    pub gate: Arc<Gate>,
    /// Who is told of writes.
    pub judge: Arc<Judge>,
}

/// Names a kind that the simulated world uses, as discovery would.
pub fn served(api_version: &str, kind: &str) -> ServedKind {
    let is_namespaced = !matches!(kind, "Namespace" | "CustomResourceDefinition");
    ServedKind {
        gvk: GroupVersionKind::of(api_version, kind),
        plural: format!("{}s", kind.to_lowercase()),
        is_namespaced,
        verbs: Vec::new(),
        is_preferred: true,
    }
}

fn failure(action: &str, cause: Cause) -> ClusterError {
    ClusterError {
        cause,
        action: action.to_owned(),
        message: format!("a fault of the simulation ({cause:?})"),
        retry_after: (cause == Cause::TooManyRequests).then_some(PATIENCE),
    }
}

struct Wrote<'a> {
    verb: &'static str,
    kind: &'a ServedKind,
    namespace: &'a str,
    name: &'a str,
    sent: Value,
    is_dry_run: bool,
}

impl GatedCluster {
    async fn read<T>(
        &self,
        verb: &'static str,
        subject: String,
        act: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let action = format!("{verb} {subject}");
        self.gate.pass((Port::Cluster, verb, Effect::Reads), subject, |cause| failure(&action, cause), act).await
    }

    async fn write<T>(
        &self,
        wrote: Wrote<'_>,
        after: impl Fn(&T) -> Option<Value>,
        act: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let Wrote { verb, kind, namespace, name, sent, is_dry_run } = wrote;
        let key = ObjectKey::of(&kind.gvk.group, &kind.gvk.kind, namespace, name);
        let action = format!("{verb} {key}");
        let judged = async {
            if is_dry_run || kind.gvk.kind == "Event" {
                return act.await;
            }
            let before = self.inner.get(kind, namespace, name).await.ok().flatten();
            let answer = act.await;
            if let Ok(answer) = &answer {
                let after = after(answer);
                self.judge.took(Taken { at: self.judge.elapsed(), verb, key: key.clone(), sent, before, after }).await;
            }
            answer
        };
        let place = (Port::Cluster, verb, Effect::Writes);
        self.gate.pass(place, key.to_string(), |cause| failure(&action, cause), judged).await
    }
}

#[async_trait]
impl Cluster for GatedCluster {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        self.read("discover", String::new(), self.inner.discovery()).await
    }

    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        let subject = format!("{} {namespace}/{name}", kind.gvk.kind);
        self.read("get", subject, self.inner.get(kind, namespace, name)).await
    }

    async fn list(&self, kind: &ServedKind, detail: Detail, request: &ListRequest) -> Result<Page, ClusterError> {
        self.read("list", kind.gvk.kind.clone(), self.inner.list(kind, detail, request)).await
    }

    async fn watch(
        &self,
        kind: &ServedKind,
        detail: Detail,
        selection: &Selection,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        let subject = kind.gvk.kind.clone();
        let changes = self.read("watch", subject.clone(), self.inner.watch(kind, detail, selection, from)).await?;
        Ok(gated(self.gate.clone(), subject, changes))
    }

    async fn apply(&self, kind: &ServedKind, value: &Value, write: &Write) -> Result<Value, ClusterError> {
        let (namespace, name) = (object::namespace(value), object::name(value));
        let (sent, is_dry_run) = (value.clone(), write.dry_run);
        let wrote = Wrote { verb: "apply", kind, namespace, name, sent, is_dry_run };
        self.write(wrote, |answer| Some(answer.clone()), self.inner.apply(kind, value, write)).await
    }

    async fn create(&self, kind: &ServedKind, value: &Value, write: &Write) -> Result<Value, ClusterError> {
        let (namespace, name) = (object::namespace(value), object::name(value));
        let (sent, is_dry_run) = (value.clone(), write.dry_run);
        let wrote = Wrote { verb: "create", kind, namespace, name, sent, is_dry_run };
        self.write(wrote, |answer| Some(answer.clone()), self.inner.create(kind, value, write)).await
    }

    async fn replace(&self, kind: &ServedKind, value: &Value, write: &Write) -> Result<Value, ClusterError> {
        let (namespace, name) = (object::namespace(value), object::name(value));
        let (sent, is_dry_run) = (value.clone(), write.dry_run);
        let wrote = Wrote { verb: "replace", kind, namespace, name, sent, is_dry_run };
        self.write(wrote, |answer| Some(answer.clone()), self.inner.replace(kind, value, write)).await
    }

    async fn patch(
        &self,
        kind: &ServedKind,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: &Patch,
        write: &Write,
    ) -> Result<Value, ClusterError> {
        let sent = match patch {
            Patch::Merge(body) | Patch::Json(body) | Patch::Strategic(body) => body.clone(),
        };
        let wrote = Wrote { verb: "patch", kind, namespace, name, sent, is_dry_run: write.dry_run };
        let act = self.inner.patch(kind, namespace, name, subresource, patch, write);
        self.write(wrote, |answer| Some(answer.clone()), act).await
    }

    async fn delete(&self, kind: &ServedKind, namespace: &str, name: &str, how: &Delete) -> Result<bool, ClusterError> {
        let sent = json!({"uid": how.uid, "propagation": how.propagation});
        let wrote = Wrote { verb: "delete", kind, namespace, name, sent, is_dry_run: how.dry_run };
        self.write(wrote, |_| None, self.inner.delete(kind, namespace, name, how)).await
    }

    async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        tail_lines_max: Option<u32>,
        previous: bool,
    ) -> Result<String, ClusterError> {
        let act = self.inner.logs(namespace, pod, container, tail_lines_max, previous);
        self.read("logs", format!("{namespace}/{pod}"), act).await
    }
}

type Changes = BoxStream<'static, Result<Change, ClusterError>>;

/// A watch whose every event goes through the gate. A failure before an event breaks the watch with an error, one after
/// it ends the watch without a word; either way the event is lost.
fn gated(gate: Arc<Gate>, kind: String, changes: Changes) -> Changes {
    let state = (gate, kind, changes, false);
    let events = futures::stream::unfold(state, |(gate, kind, mut changes, is_over)| async move {
        if is_over {
            return None;
        }
        let event = changes.next().await;
        gate.stay_if_dead().await;
        let Some(event) = event else { return None };
        let place = (Port::Watch, "event", Effect::Reads);
        let quietly = std::sync::atomic::AtomicBool::new(false);
        let passed = gate
            .pass(place, kind.clone(), |cause| failure("watch", cause), async {
                quietly.store(true, std::sync::atomic::Ordering::Relaxed);
                event
            })
            .await;
        let was_carried_out = quietly.load(std::sync::atomic::Ordering::Relaxed);
        match passed {
            Ok(change) => Some((Ok(change), (gate, kind, changes, false))),
            Err(error) if error.action == "watch" && was_carried_out => None,
            Err(error) => Some((Err(error), (gate, kind, changes, true))),
        }
    });
    events.boxed()
}
