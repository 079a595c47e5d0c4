//! Reviews: objects that are created to be answered and never kept.
//!
//! Everybody who has been authenticated may do everything here; the answers say so in the real server's form, so that
//! an authorizer can take this place without any caller noticing.

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::SandboxBody;
use super::path::ObjectPath;
use super::{Handler, Request, respond};
use crate::error::ApiError;
use crate::json;
use crate::registry::Resource;

impl Handler {
    /// Answers a review.
    pub(super) fn review(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
    ) -> Result<Response<SandboxBody>, ApiError> {
        if request.parts.method != Method::POST || path.name.is_some() {
            return Err(ApiError::method_not_allowed());
        }
        let encoding = request.negotiated()?.encoding;
        let mut body = request.decoded()?.value;
        if resource.plural == "bindings" {
            let pod = json::name(&body).to_string();
            let pods = self.core.registry.at("", "v1", "pods").ok_or_else(ApiError::no_such_resource)?;
            return self.bind(request, &pods, path, &pod, &body);
        }
        let caller = &request.caller;
        let status = match resource.kind.as_str() {
            "SelfSubjectReview" => json!({"userInfo": {"username": caller.user, "groups": caller.groups}}),
            "TokenReview" => match self.tokens.user_of(json::text(&body, "/spec/token")) {
                Some(known) => json!({"authenticated": true, "user": known.to_json(),
                    "audiences": ["https://kubernetes.default.svc.cluster.local"]}),
                None => json!({"user": {}, "error": "the token is not known to this server"}),
            },
            "SelfSubjectRulesReview" => json!({
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            }),
            _ => {
                let spec = body.get("spec").cloned().unwrap_or(Value::Null);
                if spec.get("resourceAttributes").is_none() == spec.get("nonResourceAttributes").is_none() {
                    let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                    let cause = crate::error::Cause::invalid("spec.resourceAttributes", &Value::Null, why);
                    return Err(ApiError::invalid(&resource.group, &resource.kind, "", vec![cause]));
                }
                json!({"allowed": true, "reason": "the sandbox allows everything to whom it knows"})
            }
        };
        let map = json::as_map(&mut body);
        map.insert("kind".into(), json!(resource.kind));
        map.insert("apiVersion".into(), json!(resource.api_version()));
        json::default(map, "metadata", json!({"creationTimestamp": null}));
        map.insert("status".into(), status);
        Ok(respond::value(StatusCode::CREATED, &body, encoding))
    }
}
