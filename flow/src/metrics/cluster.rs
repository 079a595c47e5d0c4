//! Counting the requests that an application's syncs make to a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, Page, Patch, Selection, ServedKind,
    Write,
};
use serde_json::Value;

use super::{Metrics, OfApplication};

/// A cluster whose requests are counted for one application.
pub struct MeasuredCluster {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Whose requests they are.
    pub of: OfApplication,
    /// The cluster's URL.
    pub server: String,
}

struct Request<'a> {
    verb: &'static str,
    kind: &'a ServedKind,
    namespace: &'a str,
    dry_run: bool,
}

impl MeasuredCluster {
    async fn count<T>(
        &self,
        request: Request<'_>,
        answer: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let is_write = request.verb != "Get";
        if is_write {
            self.metrics.writes_pending.inc();
        }
        let answer = answer.await;
        if is_write {
            self.metrics.writes_pending.dec();
            self.metrics.writes.get_or_create(&vec![("command", request.verb.to_lowercase())]).inc();
        }
        let code = answer.as_ref().map_or_else(|error| code(error.cause), |_| "200");
        let mut labels = self.of.labels();
        labels.extend([
            ("server", self.server.clone()),
            ("response_code", code.to_owned()),
            ("verb", request.verb.to_owned()),
            ("resource_kind", request.kind.plural.clone()),
            ("resource_namespace", request.namespace.to_owned()),
            ("dry_run", request.dry_run.to_string()),
        ]);
        self.metrics.requests.get_or_create(&labels).inc();
        self.metrics.with_series(&self.of.key, |series| series.requests.insert(labels));
        answer
    }
}

/// The status that the server answered with; `unknown` if it did not answer.
fn code(cause: Cause) -> &'static str {
    match cause {
        Cause::Unreachable => "unknown",
        Cause::Unauthorized => "401",
        Cause::Forbidden => "403",
        Cause::NotFound | Cause::NotServed => "404",
        Cause::AlreadyExists | Cause::Conflict => "409",
        Cause::Gone => "410",
        Cause::TooLarge => "413",
        Cause::Invalid => "422",
        Cause::TooManyRequests => "429",
        Cause::Internal => "500",
    }
}

#[async_trait]
impl Cluster for MeasuredCluster {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        self.cluster.discovery().await
    }

    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        let request = Request { verb: "Get", kind, namespace, dry_run: false };
        self.count(request, self.cluster.get(kind, namespace, name)).await
    }

    async fn list(&self, kind: &ServedKind, detail: Detail, request: &ListRequest) -> Result<Page, ClusterError> {
        self.cluster.list(kind, detail, request).await
    }

    async fn watch(
        &self,
        kind: &ServedKind,
        detail: Detail,
        selection: &Selection,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        self.cluster.watch(kind, detail, selection, from).await
    }

    async fn apply(&self, kind: &ServedKind, object: &Value, write: &Write) -> Result<Value, ClusterError> {
        let namespace = landfall_model::object::namespace(object);
        let request = Request { verb: "Patch", kind, namespace, dry_run: write.dry_run };
        self.count(request, self.cluster.apply(kind, object, write)).await
    }

    async fn create(&self, kind: &ServedKind, object: &Value, write: &Write) -> Result<Value, ClusterError> {
        let namespace = landfall_model::object::namespace(object);
        let request = Request { verb: "Create", kind, namespace, dry_run: write.dry_run };
        self.count(request, self.cluster.create(kind, object, write)).await
    }

    async fn replace(&self, kind: &ServedKind, object: &Value, write: &Write) -> Result<Value, ClusterError> {
        let namespace = landfall_model::object::namespace(object);
        let request = Request { verb: "Update", kind, namespace, dry_run: write.dry_run };
        self.count(request, self.cluster.replace(kind, object, write)).await
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
        let request = Request { verb: "Patch", kind, namespace, dry_run: write.dry_run };
        self.count(request, self.cluster.patch(kind, namespace, name, subresource, patch, write)).await
    }

    async fn delete(&self, kind: &ServedKind, namespace: &str, name: &str, how: &Delete) -> Result<bool, ClusterError> {
        let request = Request { verb: "Delete", kind, namespace, dry_run: how.dry_run };
        self.count(request, self.cluster.delete(kind, namespace, name, how)).await
    }

    async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        tail_lines_max: Option<u32>,
        previous: bool,
    ) -> Result<String, ClusterError> {
        self.cluster.logs(namespace, pod, container, tail_lines_max, previous).await
    }
}
