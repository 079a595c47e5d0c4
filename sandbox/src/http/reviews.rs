//! Reviews: objects that are created to be answered and never kept.
//!
//! Access reviews are answered by the same rules that requests are held against.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::SandboxBody;
use super::negotiate::{Form, WRITTEN};
use super::path::ObjectPath;
use super::{Handler, Request, respond};
use crate::access::{self, Attributes};
use crate::error::{ApiError, Cause};
use crate::json;
use crate::registry::Resource;
use crate::tokens::{Identity, MASTERS};

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
        let negotiated = request.negotiated()?;
        if negotiated.form != Form::Whole {
            return Err(ApiError::not_acceptable(WRITTEN));
        }
        let encoding = negotiated.encoding;
        let mut body = request.decoded(&resource.kind)?.value;
        if resource.plural == "bindings" {
            let pod = json::name(&body).to_string();
            let pods = self.core.registry.at("", "v1", "pods").ok_or_else(ApiError::no_such_resource)?;
            return self.bind(request, &pods, path, &pod, &body);
        }
        let who = Arc::clone(&request.caller.identity);
        let status = match resource.kind.as_str() {
            "SelfSubjectReview" => json!({"userInfo": who.to_json()}),
            "TokenReview" => self.token_review(&body)?,
            "SelfSubjectRulesReview" => {
                let namespace = json::text(&body, "/spec/namespace");
                if namespace.is_empty() {
                    return Err(ApiError::bad_request("no namespace on request"));
                }
                let rules: Vec<Value> = if who.is_in(MASTERS) {
                    let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
                    vec![all, json!({"verbs": ["*"], "nonResourceURLs": ["*"]})]
                } else {
                    access::rules_for(&self.core, &who, namespace).into_iter().map(|(rule, _)| rule).collect()
                };
                let (resources, paths) = access::escalation::review(&rules);
                let mut told = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
                let missing = access::missing_roles(&self.core, &who, namespace);
                if !missing.is_empty() {
                    told["evaluationError"] = json!(access::aggregated(&missing));
                }
                told
            }
            kind => {
                let wanted = asked(resource, &body, path)?;
                let about = if kind.starts_with("Self") { who.as_ref().clone() } else { subject(resource, &body)? };
                match access::authorize(&self.core, &about, &wanted) {
                    Some(reason) if reason.is_empty() => json!({"allowed": true}),
                    Some(reason) => json!({"allowed": true, "reason": reason}),
                    None => match access::missing_roles(&self.core, &about, &wanted.namespace).as_slice() {
                        [] => json!({"allowed": false}),
                        missing => {
                            json!({"allowed": false, "reason": format!("RBAC: {}", access::aggregated(missing))})
                        }
                    },
                }
            }
        };
        let map = json::as_map(&mut body);
        map.insert("kind".into(), json!(resource.kind));
        map.insert("apiVersion".into(), json!(resource.api_version()));
        let metadata = map.entry("metadata").or_insert_with(|| json!({}));
        if resource.kind == "SelfSubjectReview" {
            json::set(metadata, &["creationTimestamp"], crate::clock::rfc3339(request.now));
        }
        map.insert("status".into(), status);
        if resource.kind == "SelfSubjectRulesReview" {
            // The answer does not repeat the question.
            map.insert("spec".into(), json!({}));
        }
        if !resource.kind.starts_with("SelfSubjectRules") {
            self.core.record_review(resource, &mut body, &request.write_options()?);
        }
        Ok(respond::value(StatusCode::CREATED, &body, encoding))
    }
}

impl Handler {
    fn token_review(&self, body: &Value) -> Result<Value, ApiError> {
        let token = json::text(body, "/spec/token");
        if token.is_empty() {
            return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
        }
        let wanted: Vec<&str> = json::list(body, "/spec/audiences").iter().filter_map(Value::as_str).collect();
        let Some(issued) = self.valid_token(token) else {
            return Ok(json!({"user": {}, "error": "invalid bearer token"}));
        };
        let shared: Vec<&String> = issued
            .audiences
            .iter()
            .filter(|audience| {
                wanted.is_empty() && *audience == crate::tokens::ISSUER || wanted.contains(&audience.as_str())
            })
            .collect();
        if shared.is_empty() {
            return Ok(json!({"user": {}, "error": "[invalid bearer token, token audiences do not match]"}));
        }
        Ok(json!({"authenticated": true, "user": issued.user.to_json(), "audiences": shared}))
    }
}

/// The refusal of a review, which the real server gives without the review's kind.
fn invalid_review(resource: &Resource, cause: Cause) -> ApiError {
    let mut error = ApiError::invalid(&resource.group, "", "", vec![cause]);
    json::take(&mut error.details, &["kind"]);
    error
}

/// What an access review asks about.
fn asked(resource: &Resource, body: &Value, path: &ObjectPath) -> Result<Attributes, ApiError> {
    let spec = body.get("spec").unwrap_or(&Value::Null);
    let refuse = |cause| Err(invalid_review(resource, cause));
    match (spec.get("resourceAttributes"), spec.get("nonResourceAttributes")) {
        (Some(_), Some(_)) => refuse(Cause::invalid(
            "spec.nonResourceAttributes",
            &json!({"Path": json::text(spec, "/nonResourceAttributes/path"), "Verb": json::text(spec, "/nonResourceAttributes/verb")}),
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => refuse(Cause::invalid(
            "spec.resourceAttributes",
            &Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        (Some(held), None) => {
            let text = |key: &str| json::text(held, &format!("/{key}")).to_string();
            if resource.kind == "LocalSubjectAccessReview"
                && path.namespace.as_deref().unwrap_or_default() != text("namespace")
            {
                return refuse(Cause::invalid(
                    "spec.resourceAttributes.namespace",
                    &json!(text("namespace")),
                    "must match metadata.namespace",
                ));
            }
            Ok(Attributes {
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: None,
            })
        }
        (None, Some(held)) => Ok(Attributes::of_path(json::text(held, "/verb"), json::text(held, "/path"))),
    }
}

/// Whom an access review asks about.
fn subject(resource: &Resource, body: &Value) -> Result<Identity, ApiError> {
    let name = json::text(body, "/spec/user").to_string();
    let groups: Vec<String> =
        json::list(body, "/spec/groups").iter().filter_map(Value::as_str).map(str::to_string).collect();
    if name.is_empty() && groups.is_empty() {
        let cause = Cause::invalid("spec.user", &json!(""), "at least one of user or group must be specified");
        return Err(invalid_review(resource, cause));
    }
    Ok(Identity { name, groups, ..Identity::default() })
}
