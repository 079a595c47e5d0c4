//! A server's Applications as if they stood in a cluster, so that the verbs work the same over either. What the API has a
//! method of its own for - syncs, rollbacks, terminating, refreshing, deleting - goes through that method, with its rights.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use landfall_model::annotations::REFRESH;
use landfall_model::object;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, Page, Patch, Selection, ServedKind,
    Write,
};
use landfall_ports::web::WebError;
use serde_json::{Map, Value, json};

use super::client::{Client, Failure, encoded, named};

const APPLICATIONS: &str = "/api/v1/applications";
/// The finalizer that has what an Application made deleted with it, in the background.
const BACKGROUND: &str = "resources-finalizer.argocd.argoproj.io/background";
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// A server seen as a cluster.
pub(crate) struct ApiCluster {
    client: Arc<Client>,
    /// Finalizers that were asked for before a deletion, by name: they become its parameters.
    finalizers: Mutex<HashMap<String, Vec<String>>>,
}

impl ApiCluster {
    /// Sees a server as a cluster.
    pub(crate) fn of(client: Arc<Client>) -> Self {
        Self { client, finalizers: Mutex::default() }
    }

    async fn read(&self, namespace: &str, name: &str, refresh: &str) -> Result<Value, Failure> {
        let path = format!("{APPLICATIONS}/{}", encoded(name));
        self.client.get(&path, &[("appNamespace", namespace), ("refresh", refresh)]).await.map(complete)
    }

    async fn operate(&self, namespace: &str, name: &str, operation: &Value) -> Result<Value, Failure> {
        let path = format!("{APPLICATIONS}/{}", encoded(name));
        let sync = &operation["sync"];
        let is_rollback = sync.get("source").is_some() || sync.get("sources").is_some();
        if is_rollback {
            let present = self.read(namespace, name, "").await?;
            let id = history_id(&present, sync).ok_or_else(|| Failure {
                status: 404,
                code: 5,
                message: format!(
                    "the history of {name} has no such entry\nhint: `landfall app history {name}` lists it"
                ),
            })?;
            let body = json!({"name": name, "appNamespace": namespace, "id": id, "prune": sync["prune"] == true, "dryRun": sync["dryRun"] == true});
            return self.client.post(&format!("{path}/rollback"), body).await.map(complete);
        }
        let mut body = json!({"name": name, "appNamespace": namespace});
        let fields = ["revision", "revisions", "sourcePositions", "dryRun", "prune", "resources", "manifests"];
        for field in fields.into_iter().filter(|field| sync.get(field).is_some()) {
            body[field] = sync[field].clone();
        }
        if let Some(strategy) = sync.get("syncStrategy") {
            body["strategy"] = strategy.clone();
        }
        if let Some(options) = sync.get("syncOptions") {
            body["syncOptions"] = json!({"items": options});
        }
        if let Some(retry) =
            operation.get("retry").filter(|retry| retry.as_object().is_some_and(|retry| !retry.is_empty()))
        {
            body["retryStrategy"] = retry.clone();
        }
        if let Some(infos) = operation.get("info") {
            body["infos"] = infos.clone();
        }
        self.client.post(&format!("{path}/sync"), body).await.map(complete)
    }

    async fn change(&self, namespace: &str, name: &str, patch: &Value) -> Result<Value, Failure> {
        let path = format!("{APPLICATIONS}/{}", encoded(name));
        if patch.get("operation").is_some_and(Value::is_object) {
            return self.operate(namespace, name, &patch["operation"]).await;
        }
        let terminates = patch["status"]["operationState"]["phase"] == "Terminating";
        if terminates || patch.get("operation").is_some_and(Value::is_null) {
            self.client.call("DELETE", &format!("{path}/operation"), &[("appNamespace", namespace)], None).await?;
            return self.read(namespace, name, "").await;
        }
        if let Some(how) = patch["metadata"]["annotations"][REFRESH].as_str() {
            return self.read(namespace, name, how).await;
        }
        let metadata = patch["metadata"].as_object();
        let only_finalizers = metadata.is_some_and(|metadata| {
            metadata.contains_key("finalizers")
                && metadata.keys().all(|key| matches!(key.as_str(), "finalizers" | "resourceVersion"))
        });
        if only_finalizers && patch.as_object().is_some_and(|patch| patch.len() == 1) {
            let wanted = serde_json::from_value(patch["metadata"]["finalizers"].clone()).unwrap_or_default();
            self.finalizers.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), wanted);
            return self.read(namespace, name, "").await;
        }
        let mut patch = patch.clone();
        if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        let body = json!({"name": name, "appNamespace": namespace, "patch": patch.to_string(), "patchType": "merge"});
        self.client.call("PATCH", &path, &[], Some(body)).await.map(complete)
    }
}

/// The entry of the history that a rollback's operation was made of.
fn history_id(application: &Value, sync: &Value) -> Option<i64> {
    let history = application["status"]["history"].as_array()?;
    let same = |entry: &&Value| match sync
        .get("sources")
        .filter(|sources| sources.as_array().is_some_and(|list| !list.is_empty()))
    {
        Some(sources) => entry["sources"] == *sources && entry["revisions"] == sync["revisions"],
        None => entry["source"] == sync["source"] && entry["revision"] == sync["revision"],
    };
    history.iter().rev().find(same)?["id"].as_i64()
}

/// Adds what objects in a cluster say of themselves.
fn complete(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.entry("apiVersion").or_insert(json!("argoproj.io/v1alpha1"));
        fields.entry("kind").or_insert(json!("Application"));
    }
    value
}

fn failed(action: String, failure: Failure) -> ClusterError {
    let cause = match failure.status {
        0 | 502 | 503 | 504 => Cause::Unreachable,
        401 => Cause::Unauthorized,
        403 => Cause::Forbidden,
        404 => Cause::NotFound,
        409 if failure.code == 6 => Cause::AlreadyExists,
        409 => Cause::Conflict,
        400 => Cause::Invalid,
        413 => Cause::TooLarge,
        429 => Cause::TooManyRequests,
        501 => Cause::NotServed,
        _ => Cause::Internal,
    };
    ClusterError { cause, action, message: named(&failure), retry_after: None }
}

fn no_application(kind: &ServedKind) -> ClusterError {
    ClusterError {
        cause: Cause::NotServed,
        action: format!("ask a server for {}", kind.gvk.kind),
        message: "a server gives Applications only; --core asks the cluster itself".to_owned(),
        retry_after: None,
    }
}

#[async_trait]
impl Cluster for ApiCluster {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        // What a destination serves is known to the server: it renders and compares there.
        Ok(Discovery::default())
    }

    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        if kind.gvk.kind != "Application" {
            return Err(no_application(kind));
        }
        match self.read(namespace, name, "").await {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.status == 404 || failure.is_denied_plainly() => Ok(None),
            Err(failure) => Err(failed(format!("read the Application {name}"), failure)),
        }
    }

    async fn list(&self, kind: &ServedKind, _: Detail, request: &ListRequest) -> Result<Page, ClusterError> {
        if kind.gvk.kind != "Application" {
            return Err(no_application(kind));
        }
        let selection = &request.selection;
        let name = selection.field_selector.strip_prefix("metadata.name=").unwrap_or("");
        // Without `-n` a server lists what it has, wherever it stands; only a single one is asked for by namespace.
        let namespace = if name.is_empty() { "" } else { selection.namespace.as_str() };
        let query = [("selector", selection.label_selector.as_str()), ("name", name), ("appNamespace", namespace)];
        let answer = self.client.get(APPLICATIONS, &query).await;
        let mut answer = answer.map_err(|failure| failed("list Applications".to_owned(), failure))?;
        let resource_version = object::text(&answer, &["metadata", "resourceVersion"]).to_owned();
        let items = answer["items"].take();
        let objects = items.as_array().cloned().unwrap_or_default().into_iter().map(complete).collect();
        Ok(Page { objects, resource_version, next: String::new() })
    }

    async fn watch(
        &self,
        kind: &ServedKind,
        _: Detail,
        selection: &Selection,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        if kind.gvk.kind != "Application" {
            return Err(no_application(kind));
        }
        let name = selection.field_selector.strip_prefix("metadata.name=").unwrap_or("");
        let namespace = if name.is_empty() { "" } else { selection.namespace.as_str() };
        let query = [
            ("name", name),
            ("selector", selection.label_selector.as_str()),
            ("appNamespace", namespace),
            ("resourceVersion", from),
        ];
        let answer = self.client.open("GET", "/api/v1/stream/applications", &query, None).await;
        let answer = answer.map_err(|failure| failed("watch Applications".to_owned(), failure))?;
        Ok(lines(answer.body).map(|line| line.and_then(|line| read_event(&line))).boxed())
    }

    async fn apply(&self, kind: &ServedKind, _: &Value, _: &Write) -> Result<Value, ClusterError> {
        Err(no_application(kind))
    }

    async fn create(&self, _: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        let action = || format!("create the Application {}", object::name(object));
        let answer = self.client.post(APPLICATIONS, object.clone()).await;
        answer.map(complete).map_err(|failure| failed(action(), failure))
    }

    async fn replace(&self, _: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        let name = object::name(object);
        let path = format!("{APPLICATIONS}/{}", encoded(name));
        let answer = self.client.call("PUT", &path, &[], Some(object.clone())).await;
        answer.map(complete).map_err(|failure| failed(format!("update the Application {name}"), failure))
    }

    async fn patch(
        &self,
        kind: &ServedKind,
        namespace: &str,
        name: &str,
        _: &str,
        patch: &Patch,
        _: &Write,
    ) -> Result<Value, ClusterError> {
        let Patch::Merge(patch) = patch else { return Err(no_application(kind)) };
        self.change(namespace, name, patch)
            .await
            .map_err(|failure| failed(format!("change the Application {name}"), failure))
    }

    async fn delete(&self, _: &ServedKind, namespace: &str, name: &str, _: &Delete) -> Result<bool, ClusterError> {
        let action = || format!("delete the Application {name}");
        let asked = self.finalizers.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let finalizers = match asked {
            Some(asked) => asked,
            None => {
                let present = self.read(namespace, name, "").await.map_err(|failure| failed(action(), failure))?;
                object::finalizers(&present).into_iter().map(str::to_owned).collect()
            }
        };
        let cascade = finalizers.iter().any(|finalizer| finalizer.starts_with(FINALIZER));
        let policy = match (cascade, finalizers.iter().any(|finalizer| finalizer == BACKGROUND)) {
            (false, _) => "",
            (true, true) => "background",
            (true, false) => "foreground",
        };
        let cascade = if cascade { "true" } else { "false" };
        let query = [("appNamespace", namespace), ("cascade", cascade), ("propagationPolicy", policy)];
        let path = format!("{APPLICATIONS}/{}", encoded(name));
        match self.client.call("DELETE", &path, &query, None).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.status == 404 => Ok(false),
            Err(failure) => Err(failed(action(), failure)),
        }
    }

    async fn logs(&self, _: &str, pod: &str, _: &str, _: Option<u32>, _: bool) -> Result<String, ClusterError> {
        let message = "a server gives logs by application: `landfall app logs`".to_owned();
        Err(ClusterError {
            cause: Cause::NotServed,
            action: format!("read the log of {pod}"),
            message,
            retry_after: None,
        })
    }
}

/// Lines of a stream; `data: ` before them is left out, as are empty ones.
pub(crate) fn lines(
    body: BoxStream<'static, Result<Bytes, WebError>>,
) -> BoxStream<'static, Result<String, ClusterError>> {
    let broken = |error: &WebError| ClusterError {
        cause: Cause::Unreachable,
        action: "watch".to_owned(),
        message: error.to_string(),
        retry_after: None,
    };
    let state = (body, BytesMut::new());
    futures::stream::unfold(state, move |(mut body, mut rest)| async move {
        loop {
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(at + 1);
                let text = String::from_utf8_lossy(&line);
                let text = text.trim().strip_prefix("data:").unwrap_or(text.trim()).trim();
                if text.is_empty() || text.starts_with(':') {
                    continue;
                }
                return Some((Ok(text.to_owned()), (body, rest)));
            }
            match body.next().await? {
                Ok(chunk) => rest.extend_from_slice(&chunk),
                Err(error) => return Some((Err(broken(&error)), (body, rest))),
            }
        }
    })
    .boxed()
}

fn read_event(line: &str) -> Result<Change, ClusterError> {
    let odd = |cause: Cause, message: String| ClusterError {
        cause,
        action: "watch Applications".to_owned(),
        message,
        retry_after: None,
    };
    let mut event: Map<String, Value> = serde_json::from_str(line)
        .map_err(|error| odd(Cause::Internal, format!("the server's event cannot be read: {error}")))?;
    if let Some(error) = event.get("error") {
        let message = error["message"].as_str().unwrap_or("the server ended the watch").to_owned();
        let cause = if error["code"] == 11 { Cause::Gone } else { Cause::Internal };
        return Err(odd(cause, message));
    }
    let mut result = event.remove("result").unwrap_or_default();
    let application = complete(result["application"].take());
    Ok(match result["type"].as_str() {
        Some("DELETED") => Change::Deleted(application),
        Some("BOOKMARK") => Change::Bookmark(object::resource_version(&application).to_owned()),
        _ => Change::Applied(application),
    })
}
