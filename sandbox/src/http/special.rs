//! What can be done with objects of one or a few kinds by subresources of a form of their own: eviction, binding, tokens, logs, streams.

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::SandboxBody;
use super::path::ObjectPath;
use super::{Handler, Request, respond};
use crate::clock::rfc3339;
use crate::error::{ApiError, Cause};
use crate::front;
use crate::json;
use crate::operations::DeleteOptions;
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::store::ResourceKey;
use crate::tokens::{ISSUER, Identity, Issued};

/// The answer to something that was done and has nothing to show.
fn done(status: StatusCode) -> Response<SandboxBody> {
    let body =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": status.as_u16()});
    respond::json_bytes(status, body.to_string())
}

impl Handler {
    /// Does what a subresource with a form of its own asks for.
    pub(super) fn act(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
        act: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let method = &request.parts.method;
        match (resource.key.as_str(), act, method) {
            ("pods", "eviction", &Method::POST) => self.evict(request, resource, path, name),
            ("pods", "binding", &Method::POST) => {
                let body = request.decoded("Binding")?.value;
                self.bind(request, resource, path, name, &body)
            }
            ("pods", "log", &Method::GET) => self.log(request, resource, path, name),
            ("pods", "exec" | "attach" | "portforward", &Method::GET | &Method::POST) => {
                let pod = self.core.get(resource, path.namespace.as_deref().unwrap_or_default(), name)?;
                super::streams::open(self, request, &pod.value, act)
            }
            ("services", "proxy", _) => {
                let namespace = path.namespace.as_deref().unwrap_or_default();
                let rest = format!("/{}", path.rest.join("/"));
                Ok(front::ask_service(&self.core, namespace, name, &rest).into_response())
            }
            ("pods", "proxy", _) => {
                let namespace = path.namespace.as_deref().unwrap_or_default();
                let rest = format!("/{}", path.rest.join("/"));
                Ok(front::ask_pod(&self.core, namespace, name, &rest).into_response())
            }
            ("nodes", "proxy", _) => {
                self.core.get(resource, "", name)?;
                Err(ApiError::unavailable("nodes of this server are simulated: there is no kubelet to ask"))
            }
            ("serviceaccounts", "token", &Method::POST) => self.token(request, resource, path, name),
            _ => Err(ApiError::no_such_resource()),
        }
    }

    fn evict(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let namespace = path.namespace.as_deref().unwrap_or_default();
        let body = request.decoded("Eviction")?.value;
        let stored = self.core.get(resource, namespace, name)?;
        let is_running = !matches!(json::text(&stored.value, "/status/phase"), "Succeeded" | "Failed" | "Pending")
            && !json::is_terminating(&stored.value);
        let budgets_key = ResourceKey::from("poddisruptionbudgets.policy");
        let budgets: Vec<_> = self
            .core
            .store
            .list(&budgets_key, Some(namespace), None)
            .map(|listing| listing.items)
            .unwrap_or_default()
            .into_iter()
            .filter(|budget| LabelSelector::of_spec(budget.value.pointer("/spec/selector")).matches(&stored.value))
            .collect();
        let options = request.write_options()?;
        if is_running && let Some(budget) = budgets.first() {
            if budgets.len() > 1 {
                return Err(ApiError::internal(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                ));
            }
            if json::integer(&budget.value, "/status/disruptionsAllowed").unwrap_or(0) < 1 {
                let budget_name = json::name(&budget.value);
                let needed = json::integer(&budget.value, "/status/desiredHealthy").unwrap_or(0);
                let healthy = json::integer(&budget.value, "/status/currentHealthy").unwrap_or(0);
                let why = format!(
                    "The disruption budget {budget_name} needs {needed} healthy pods and has {healthy} currently"
                );
                let causes = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
                let message = "Cannot evict pod as it would violate the pod's disruption budget.";
                return Err(ApiError::too_many_requests(message, causes));
            }
            if !options.dry_run {
                self.count_disruption(&budget.value, name);
            }
        }
        let delete = DeleteOptions::parse(body.get("deleteOptions").unwrap_or(&Value::Null))?;
        self.core.delete(resource, namespace, name, &delete, &options)?;
        Ok(done(StatusCode::CREATED))
    }

    /// Takes one disruption off a budget at once, before its controller counts again.
    fn count_disruption(&self, budget: &Value, pod: &str) {
        let key = ResourceKey::from("poddisruptionbudgets.policy");
        let mut next = budget.clone();
        let allowed = json::integer(budget, "/status/disruptionsAllowed").unwrap_or(0);
        json::set(&mut next, &["status", "disruptionsAllowed"], allowed - 1);
        json::set(&mut next, &["status", "disruptedPods", pod], rfc3339(self.core.clock.now()));
        let revision = json::text(budget, "/metadata/resourceVersion").parse().unwrap_or(0);
        // If the controller counted meanwhile, its number is as good.
        let _ = self.core.store.put(&key, crate::store::Expect::Revision(revision), next);
    }

    /// Puts a pod on a node.
    pub(super) fn bind(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
        body: &Value,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let namespace = path.namespace.as_deref().unwrap_or_default();
        let node = json::text(body, "/target/name");
        if node.is_empty() {
            return Err(ApiError::unexplained("target.name: Required value"));
        }
        self.core.bind_pod(resource, namespace, name, node, &request.write_options()?)?;
        Ok(done(StatusCode::CREATED))
    }

    fn token(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let namespace = path.namespace.as_deref().unwrap_or_default();
        let account = self.core.get(resource, namespace, name)?;
        let mut body = request.decoded("TokenRequest")?.value;
        let lasts_s = json::integer(&body, "/spec/expirationSeconds").unwrap_or(3600);
        let refuse = |causes| Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", causes));
        if lasts_s < 600 {
            let why = "may not specify a duration less than 10 minutes";
            return refuse(vec![Cause::invalid("spec.expirationSeconds", &json!(lasts_s), why)]);
        }
        if lasts_s > 1 << 32 {
            let why = "may not specify a duration larger than 2^32 seconds";
            return refuse(vec![Cause::invalid("spec.expirationSeconds", &json!(lasts_s), why)]);
        }
        let now = self.core.clock.now();
        let expires = now + jiff::SignedDuration::from_secs(lasts_s);
        let mut user = Identity::service_account(namespace, name, json::uid(&account.value));
        let bound = self.bound_object(namespace, &body, &mut user)?;
        let mut audiences: Vec<String> =
            json::list(&body, "/spec/audiences").iter().filter_map(Value::as_str).map(str::to_string).collect();
        if audiences.is_empty() {
            audiences.push(ISSUER.to_string());
        }
        let issued =
            Issued { user, account: (namespace.into(), name.into()), audiences: audiences.clone(), expires, bound };
        let token = self.tokens.issue(issued, now).map_err(ApiError::internal)?;
        let mut owned = json!({"f:expirationSeconds": {}});
        if !json::list(&body, "/spec/audiences").is_empty() {
            owned["f:audiences"] = json!({});
        }
        if let Some(bound) = json::object(&body, "/spec/boundObjectRef") {
            let fields: serde_json::Map<String, Value> =
                bound.keys().map(|key| (format!("f:{key}"), json!({}))).collect();
            owned["f:boundObjectRef"] = Value::Object(fields);
            owned["f:boundObjectRef"]["."] = json!({});
        }
        let written = json!([{"apiVersion": "authentication.k8s.io/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": owned}, "manager": request.write_options()?.manager, "operation": "Update",
            "subresource": "token", "time": rfc3339(now)}]);
        json::set(&mut body, &["metadata", "managedFields"], written);
        json::set(&mut body, &["kind"], "TokenRequest");
        json::set(&mut body, &["apiVersion"], "authentication.k8s.io/v1");
        json::set(&mut body, &["metadata", "name"], name);
        json::set(&mut body, &["metadata", "namespace"], namespace);
        json::set(&mut body, &["metadata", "uid"], self.core.random.uid());
        json::set(&mut body, &["metadata", "creationTimestamp"], rfc3339(now));
        json::set(&mut body, &["spec", "expirationSeconds"], lasts_s);
        json::set(&mut body, &["spec", "audiences"], audiences);
        json::default(json::child(&mut body, "spec"), "boundObjectRef", Value::Null);
        json::set(&mut body, &["status"], json!({"token": token, "expirationTimestamp": rfc3339(expires)}));
        Ok(respond::json_bytes(StatusCode::CREATED, body.to_string()))
    }

    /// The object that a token is to be bound to, which must exist.
    fn bound_object(
        &self,
        namespace: &str,
        body: &Value,
        user: &mut Identity,
    ) -> Result<Option<(String, String, String)>, ApiError> {
        let Some(reference) = body.pointer("/spec/boundObjectRef").filter(|reference| reference.is_object()) else {
            return Ok(None);
        };
        let (kind, name) = (json::text(reference, "/kind"), json::text(reference, "/name"));
        let (key, space) = match kind {
            "Pod" => ("pods", namespace),
            "Secret" => ("secrets", namespace),
            "Node" => ("nodes", ""),
            _ => {
                return Err(ApiError::bad_request(format!("cannot bind token to object of type {kind}")));
            }
        };
        let held = self.core.get(&*self.core.resource(&ResourceKey::from(key))?, space, name)?;
        let (uid, given) = (json::uid(&held.value).to_string(), json::text(reference, "/uid"));
        if !given.is_empty() && given != uid {
            let why = format!(
                "the UID in the bound object reference ({given}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            return Err(ApiError::conflict(key, name, &why));
        }
        if kind == "Pod" {
            let node = self.core.store.get(&"nodes".into(), "", json::text(&held.value, "/spec/nodeName"));
            user.bind_to_pod(&held.value, node.as_ref().map(|node| &*node.value));
        }
        Ok(Some((kind.to_string(), name.to_string(), uid)))
    }

    fn log(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let pod = self.core.get(resource, path.namespace.as_deref().unwrap_or_default(), name)?;
        let containers = json::list(&pod.value, "/spec/containers");
        let wanted = request.params.text("container");
        let container = if wanted.is_empty() {
            match containers {
                [only] => only,
                several => {
                    let names: Vec<&str> = several.iter().map(|container| json::text(container, "/name")).collect();
                    return Err(ApiError::bad_request(format!(
                        "a container name must be specified for pod {name}, choose one of: [{}]",
                        names.join(" ")
                    )));
                }
            }
        } else {
            containers
                .iter()
                .chain(json::list(&pod.value, "/spec/initContainers"))
                .find(|container| json::text(container, "/name") == wanted)
                .ok_or_else(|| ApiError::bad_request(format!("container {wanted} is not valid for pod {name}")))?
        };
        for number in ["tailLines", "sinceSeconds", "limitBytes"] {
            let given = request.params.text(number).parse::<i64>().unwrap_or(0);
            if given < 0 {
                let cause = Cause::invalid(number, &json!(given), "must be greater than or equal to 0");
                return Err(ApiError::invalid("", "PodLogOptions", name, vec![cause]));
            }
        }
        if json::text(&pod.value, "/spec/nodeName").is_empty() {
            // There is no node yet that could have a log: the real server answers with nothing.
            let mut nothing = Response::new(SandboxBody::whole(bytes::Bytes::new()));
            *nothing.status_mut() = StatusCode::NO_CONTENT;
            return Ok(nothing);
        }
        let container_name = json::text(container, "/name");
        let status = json::list(&pod.value, "/status/containerStatuses")
            .iter()
            .chain(json::list(&pod.value, "/status/initContainerStatuses"))
            .find(|status| json::text(status, "/name") == container_name);
        let previous = request.params.flag("previous");
        let text = crate::workloads::logs::of(&pod.value, container, status, previous).map_err(|why| {
            ApiError::bad_request(format!("container {container_name:?} in pod {name:?} is waiting to start: {why}"))
        })?;
        let lines: Vec<&str> = text.lines().collect();
        let tail =
            request.params.number("tailLines")?.map_or(lines.len(), |tail| usize::try_from(tail).unwrap_or(usize::MAX));
        let shown: String = lines[lines.len().saturating_sub(tail)..].iter().map(|line| format!("{line}\n")).collect();
        Ok(respond::plain(StatusCode::OK, &shown))
    }
}
