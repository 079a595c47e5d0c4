//! The [`Cluster`] port over a Kubernetes API: one HTTP request per call, JSON in and out, errors in the server's words.
//!
//! It stands on `kube::Client`, so anything that is a tower service can be the server: a cluster by kubeconfig, the
//! embedded control plane in process, a recorder. Entry: [`KubeCluster`].

pub mod connect;
mod discovery;
mod request;
mod watch;

use async_trait::async_trait;
use futures::stream::BoxStream;
use kube::Client;
use landfall_model::object;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, LogRequest, Page, Patch, Selection,
    ServedKind, Write,
};
use serde_json::{Value, json};

use request::{Call, Requester, collection_path, object_path};

/// A Kubernetes API server, reached through a `kube::Client`.
pub struct KubeCluster {
    requester: Requester,
}

impl KubeCluster {
    /// Wraps a client.
    pub fn of(client: Client) -> Self {
        Self { requester: Requester { client } }
    }

    async fn write(
        &self,
        method: &'static str,
        path: String,
        action: String,
        object: &Value,
        write: &Write,
    ) -> Result<Value, ClusterError> {
        let query = request::write_query(write, Forced::Never);
        self.requester
            .json(Call {
                method,
                path,
                query,
                action,
                body: request::encode(object),
                content_type: "application/json",
                accept: "",
            })
            .await
    }
}

/// Whether `force` of a [`Write`] is sent: only server-side apply knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forced {
    AsWritten,
    Never,
}

fn describe(verb: &str, kind: &ServedKind, namespace: &str, name: &str) -> String {
    let key = landfall_model::key::ObjectKey::of(&kind.gvk.group, &kind.gvk.kind, namespace, name);
    format!("{verb} {key}")
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        discovery::ask(&self.requester).await
    }

    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        let call = Call::get(object_path(kind, namespace, name, ""), describe("read", kind, namespace, name));
        match self.requester.json(call).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.cause == Cause::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, kind: &ServedKind, detail: Detail, wanted: &ListRequest) -> Result<Page, ClusterError> {
        let mut call =
            Call::get(collection_path(kind, &wanted.selection.namespace), format!("list {}", kind.gvk.group_kind()));
        call.accept = accept(detail, "PartialObjectMetadataList");
        let query = [
            ("labelSelector", wanted.selection.label_selector.clone()),
            ("fieldSelector", wanted.selection.field_selector.clone()),
            ("limit", if wanted.page_size_max == 0 { String::new() } else { wanted.page_size_max.to_string() }),
            ("continue", wanted.from.clone()),
        ];
        call.query = query.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut list = self.requester.json(call).await?;
        let resource_version = object::resource_version(&list).to_owned();
        let next = object::text(&list, &["metadata", "continue"]).to_owned();
        let objects = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let objects = objects.into_iter().map(|item| with_kind(item, kind)).collect();
        Ok(Page { objects, resource_version, next })
    }

    async fn watch(
        &self,
        kind: &ServedKind,
        detail: Detail,
        selection: &Selection,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        let mut call =
            Call::get(collection_path(kind, &selection.namespace), format!("watch {}", kind.gvk.group_kind()));
        call.accept = accept(detail, "PartialObjectMetadata");
        call.query = vec![
            ("watch", "1".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("resourceVersion", from.to_owned()),
            ("timeoutSeconds", watch::TIMEOUT_S.to_string()),
        ];
        let selectors = [("labelSelector", &selection.label_selector), ("fieldSelector", &selection.field_selector)];
        let chosen = selectors.into_iter().filter(|(_, text)| !text.is_empty());
        call.query.extend(chosen.map(|(name, text)| (name, text.clone())));
        let action = call.action.clone();
        Ok(watch::changes(self.requester.stream(call).await?, kind.clone(), action))
    }

    async fn apply(&self, kind: &ServedKind, value: &Value, write: &Write) -> Result<Value, ClusterError> {
        let (namespace, name) = (object::namespace(value), object::name(value));
        self.requester
            .json(Call {
                method: "PATCH",
                path: object_path(kind, namespace, name, ""),
                query: request::write_query(write, Forced::AsWritten),
                action: describe("apply", kind, namespace, name),
                body: request::encode(value),
                content_type: "application/apply-patch+yaml",
                accept: "",
            })
            .await
    }

    async fn create(&self, kind: &ServedKind, value: &Value, write: &Write) -> Result<Value, ClusterError> {
        let (namespace, name) = (object::namespace(value), object::name(value));
        let action = describe("create", kind, namespace, name);
        self.write("POST", collection_path(kind, namespace), action, value, write).await
    }

    async fn replace(&self, kind: &ServedKind, value: &Value, write: &Write) -> Result<Value, ClusterError> {
        let (namespace, name) = (object::namespace(value), object::name(value));
        let action = describe("replace", kind, namespace, name);
        self.write("PUT", object_path(kind, namespace, name, ""), action, value, write).await
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
        let (content_type, body) = match patch {
            Patch::Merge(body) => ("application/merge-patch+json", body),
            Patch::Json(body) => ("application/json-patch+json", body),
            Patch::Strategic(body) => ("application/strategic-merge-patch+json", body),
        };
        self.requester
            .json(Call {
                method: "PATCH",
                path: object_path(kind, namespace, name, subresource),
                query: request::write_query(write, Forced::Never),
                action: describe("patch", kind, namespace, name),
                body: request::encode(body),
                content_type,
                accept: "",
            })
            .await
    }

    async fn delete(&self, kind: &ServedKind, namespace: &str, name: &str, how: &Delete) -> Result<bool, ClusterError> {
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if !how.propagation.is_empty() {
            options["propagationPolicy"] = json!(how.propagation);
        }
        if !how.uid.is_empty() {
            options["preconditions"] = json!({"uid": how.uid});
        }
        if how.dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let call = Call {
            method: "DELETE",
            path: object_path(kind, namespace, name, ""),
            query: Vec::new(),
            action: describe("delete", kind, namespace, name),
            body: request::encode(&options),
            content_type: "application/json",
            accept: "",
        };
        match self.requester.json(call).await {
            Ok(_) => Ok(true),
            Err(error) if error.cause == Cause::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        tail_lines_max: Option<u32>,
        previous: bool,
    ) -> Result<String, ClusterError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let mut call = Call::get(path, format!("read the log of Pod {namespace}/{pod}"));
        if !container.is_empty() {
            call.query.push(("container", container.to_owned()));
        }
        if let Some(lines) = tail_lines_max {
            call.query.push(("tailLines", lines.to_string()));
        }
        if previous {
            call.query.push(("previous", "true".to_owned()));
        }
        let bytes = self.requester.bytes(call).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn log_lines(
        &self,
        request: &LogRequest,
    ) -> Result<BoxStream<'static, Result<String, ClusterError>>, ClusterError> {
        let LogRequest { namespace, pod, container, .. } = request;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let mut call = Call::get(path, format!("read the log of Pod {namespace}/{pod}"));
        call.query.push(("timestamps", "true".to_owned()));
        if !container.is_empty() {
            call.query.push(("container", container.clone()));
        }
        let switches = [("follow", request.follows), ("previous", request.previous)];
        call.query.extend(switches.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (name, "true".to_owned())));
        let numbers = [("sinceSeconds", request.since_seconds), ("tailLines", request.tail_lines)];
        call.query.extend(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))));
        if let Some(since) = &request.since_time {
            call.query.push(("sinceTime", since.clone()));
        }
        let action = call.action.clone();
        Ok(watch::lines(self.requester.stream(call).await?, action))
    }
}

fn accept(detail: Detail, metadata_kind: &'static str) -> &'static str {
    match (detail, metadata_kind) {
        (Detail::Full, _) => "application/json",
        (Detail::Metadata, "PartialObjectMetadataList") => {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
        }
        (Detail::Metadata, _) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
    }
}

/// Items of a list carry no kind, and metadata-only objects carry the wrong one: both get the kind that was asked for.
fn with_kind(mut item: Value, kind: &ServedKind) -> Value {
    if let Some(fields) = item.as_object_mut() {
        fields.insert("apiVersion".to_owned(), Value::String(kind.gvk.api_version()));
        fields.insert("kind".to_owned(), Value::String(kind.gvk.kind.clone()));
    }
    item
}
