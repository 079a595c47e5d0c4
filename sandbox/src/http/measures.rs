//! `metrics.k8s.io`: what pods and nodes use, as `kubectl top` asks for it.
//!
//! The numbers are the simulated ones that the Prometheus query API tells too: what containers request, as busy as their annotation says.
//! Source: the API of metrics-server, `k8s.io/metrics/pkg/apis/metrics/v1beta1`.

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::SandboxBody;
use super::path::ObjectPath;
use super::{Handler, Request, respond};
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::json;
use crate::operations::ListQuery;
use crate::registry::Resource;
use crate::traffic::{Usage, usage};

/// What a node uses for itself.
const NODE_ITSELF: Usage = Usage { cpu_cores: 0.1, memory_bytes: 512.0 * 1024.0 * 1024.0 };

/// Amounts as metrics-server writes them.
fn amounts(usage: Usage) -> Value {
    let nanocores = (usage.cpu_cores * 1e9).round();
    let kibibytes = (usage.memory_bytes / 1024.0).round();
    json!({"cpu": format!("{nanocores:.0}n"), "memory": format!("{kibibytes:.0}Ki")})
}

fn sum(pod: &Value) -> Usage {
    json::list(pod, "/spec/containers")
        .iter()
        .map(|container| usage(pod, container))
        .fold(Usage::default(), Usage::plus)
}

fn is_running(pod: &Value) -> bool {
    json::text(pod, "/status/phase") == "Running" && !json::is_terminating(pod)
}

impl Handler {
    /// Answers a question of `metrics.k8s.io`.
    pub(super) fn measures(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        query: &ListQuery,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let encoding = request.negotiated()?.encoding;
        if request.parts.method != Method::GET || path.subresource.is_some() || request.params.flag("watch") {
            return Err(ApiError::method_not_allowed());
        }
        let space = path.namespace.as_deref();
        let pods = self.core.store.list(&"pods".into(), space, None).map(|listing| listing.items).unwrap_or_default();
        let running = pods.iter().map(|stored| &*stored.value).filter(|pod| is_running(pod));
        let measured: Vec<Value> = if resource.kind == "PodMetrics" {
            running.filter(|pod| query.selects(pod)).map(|pod| pod_metrics(pod, request)).collect()
        } else {
            let running: Vec<&Value> = running.collect();
            let nodes = self.core.store.list(&"nodes".into(), None, None).map(|listing| listing.items);
            nodes
                .unwrap_or_default()
                .iter()
                .filter(|node| query.selects(&node.value))
                .map(|node| {
                    let name = json::name(&node.value);
                    let used = running
                        .iter()
                        .filter(|pod| json::text(pod, "/spec/nodeName") == name)
                        .fold(NODE_ITSELF, |all, pod| all.plus(sum(pod)));
                    let mut metrics = head("NodeMetrics", &node.value, request);
                    metrics["usage"] = amounts(used);
                    metrics
                })
                .collect()
        };
        if let Some(name) = &path.name {
            let Some(one) = measured.into_iter().next() else {
                let told = space.map_or_else(|| name.clone(), |space| format!("{space}/{name}"));
                let mut error = ApiError::not_found(resource.qualified(), name);
                error.message = format!("{}.{} {told:?} not found", resource.kind.to_lowercase(), resource.group);
                return Err(error);
            };
            return Ok(respond::value(StatusCode::OK, &one, encoding));
        }
        let list = json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": {}, "items": measured});
        Ok(respond::value(StatusCode::OK, &list, encoding))
    }
}

fn head(kind: &str, of: &Value, request: &Request<'_>) -> Value {
    let now = rfc3339(request.now);
    let mut metadata = json!({"name": json::name(of), "creationTimestamp": now});
    if let Some(labels) = of.pointer("/metadata/labels") {
        metadata["labels"] = labels.clone();
    }
    if !json::namespace(of).is_empty() {
        metadata["namespace"] = json!(json::namespace(of));
    }
    json!({"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1", "metadata": metadata, "timestamp": now, "window": "15s"})
}

fn pod_metrics(pod: &Value, request: &Request<'_>) -> Value {
    let containers: Vec<Value> = json::list(pod, "/spec/containers")
        .iter()
        .map(|container| json!({"name": json::text(container, "/name"), "usage": amounts(usage(pod, container))}))
        .collect();
    let mut metrics = head("PodMetrics", pod, request);
    metrics["containers"] = json!(containers);
    metrics
}
