//! Requests for objects: from method and path to the verb.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::{SandboxBody, decode, decode_json, decode_yaml};
use super::negotiate::{self, Encoding, Form, Negotiated};
use super::params::dry_run;
use super::path::ObjectPath;
use super::{Handler, Request, respond};
use crate::convert;
use crate::error::{ApiError, Cause};
use crate::json;
use crate::operations::{Decoded, DeleteOptions, Deleted, ListQuery, Part, PatchKind, WriteOptions, scale_of};
use crate::registry::Resource;
use crate::selector::{FieldSelector, LabelSelector};
use crate::table;

/// The media types of patches.
const PATCH_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

impl Request<'_> {
    /// A header's text, "" when absent.
    pub(super) fn header(&self, name: http::header::HeaderName) -> &str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The representation that the client wants.
    pub(super) fn negotiated(&self) -> Result<Negotiated, ApiError> {
        negotiate::objects(self.header(ACCEPT))
    }

    /// The body as an object.
    pub(super) fn decoded(&self) -> Result<Decoded, ApiError> {
        if self.body.is_empty() {
            return Err(ApiError::bad_request(
                "the object provided is unrecognized (must be of type Object): couldn't get version/kind; json parse error: \
                 unexpected end of JSON input (<empty>)",
            ));
        }
        decode(self.header(CONTENT_TYPE), &self.body)
    }

    /// The options of a write.
    pub(super) fn write_options(&self) -> Result<WriteOptions, ApiError> {
        let kind = match self.parts.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            _ => "DeleteOptions",
        };
        let manager = match self.params.text("fieldManager") {
            "" => self.caller.default_manager(),
            given if given.len() > 128 => {
                return Err(ApiError::bad_options(kind, vec![Cause::too_long("fieldManager", 128)]));
            }
            given => given.to_string(),
        };
        Ok(WriteOptions {
            manager,
            dry_run: self.params.dry_run(kind)?,
            validation: self.params.field_validation(kind)?,
            who: Arc::clone(&self.caller.identity),
            memory: Arc::clone(&self.memory),
        })
    }
}

impl Handler {
    /// Answers a request for objects.
    pub(super) async fn objects(
        &self,
        request: &Request<'_>,
        path: &ObjectPath,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let not_served = || Err(ApiError::no_such_resource());
        let Some(resource) = self.core.registry.at(&path.group, &path.version, &path.plural) else {
            return not_served();
        };
        let fits = match (&path.namespace, resource.is_namespaced()) {
            (Some(_), namespaced) => namespaced,
            (None, true) => path.name.is_none(),
            (None, false) => true,
        };
        if !fits {
            return not_served();
        }
        let converts = resource.custom.as_ref().is_some_and(|custom| custom.converts_by_webhook);
        if converts && resource.version != resource.storage_version {
            return Err(ApiError::internal(format!(
                "conversion webhook for {}/{}, Kind={} failed: conversion webhooks are not called by this server; use the storage \
                 version {}",
                resource.group, resource.storage_version, resource.kind, resource.storage_version
            )));
        }
        if resource.is_virtual {
            return self.review(request, &resource, path);
        }
        let method = &request.parts.method;
        let response = match (path.name.as_deref(), path.subresource.as_deref()) {
            (None, _) => match *method {
                Method::GET => self.list_or_watch(request, &resource, path),
                Method::POST => self.create(request, &resource, path),
                Method::DELETE => self.delete_collection(request, &resource, path),
                _ => Err(ApiError::method_not_allowed()),
            },
            (Some(name), None) => match *method {
                Method::GET if path.is_watch || request.params.flag("watch") => {
                    self.list_or_watch(request, &resource, path)
                }
                Method::GET | Method::HEAD => self.get(request, &resource, path, name),
                Method::PUT | Method::PATCH => self.write(request, &resource, path, name, Part::Main),
                Method::DELETE => self.delete(request, &resource, path, name),
                _ => Err(ApiError::method_not_allowed()),
            },
            (Some(name), Some("status")) if resource.has_status => match *method {
                Method::GET => self.get(request, &resource, path, name),
                Method::PUT | Method::PATCH => self.write(request, &resource, path, name, Part::Status),
                _ => Err(ApiError::method_not_allowed()),
            },
            (Some(name), Some("scale")) if resource.scale.is_some() => self.scale(request, &resource, path, name),
            (Some(name), Some(subresource)) => self.special(request, &resource, path, name, subresource),
        }?;
        let written = matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
        if written {
            // What is answered is on file first, whatever other writers do meanwhile.
            let revision = self.core.store.revision();
            self.core.store.durable(revision).await.map_err(ApiError::internal)?;
        }
        Ok(response)
    }

    /// The namespace of a path, "" for cluster-scoped resources.
    fn namespace_of(path: &ObjectPath) -> &str {
        path.namespace.as_deref().unwrap_or_default()
    }

    fn get(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        if let Some(asked) = request.params.resource_version()? {
            let current = self.core.store.revision();
            if asked > current {
                let mut error = ApiError::revision_too_large(asked, current);
                error.message = format!("Timeout: {}", error.message);
                return Err(error);
            }
        }
        let stored = self.core.get(resource, Self::namespace_of(path), name)?;
        Ok(respond::object(StatusCode::OK, resource, &stored, negotiated, request))
    }

    fn create(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        if resource.is_namespaced() && path.namespace.is_none() {
            return Err(ApiError::method_not_allowed());
        }
        let outcome = self.core.create(resource, Self::namespace_of(path), request.decoded()?, &options)?;
        Ok(respond::outcome(resource, &outcome, negotiated, request))
    }

    /// PUT or PATCH of a part of an object.
    pub(super) fn write(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
        part: Part,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        let namespace = Self::namespace_of(path);
        let outcome = if request.parts.method == Method::PUT {
            self.core.update(resource, namespace, name, part, request.decoded()?, &options)?
        } else {
            let (kind, body) = self.patch_body(request, resource)?;
            if matches!(kind, PatchKind::Apply { .. }) {
                if request.params.text("fieldManager").is_empty() {
                    return Err(ApiError::invalid(
                        "meta.k8s.io",
                        "PatchOptions",
                        "",
                        vec![crate::error::Cause::required("fieldManager", "is required for apply patch")],
                    ));
                }
            } else if request.params.flag("force") {
                return Err(ApiError::invalid(
                    "meta.k8s.io",
                    "PatchOptions",
                    "",
                    vec![crate::error::Cause::forbidden("force", "may not be specified for non-apply patch")],
                ));
            }
            self.core.patch(resource, namespace, name, part, kind, body, &options)?
        };
        Ok(respond::outcome(resource, &outcome, negotiated, request))
    }

    /// Reads a patch by its media type.
    fn patch_body(&self, request: &Request<'_>, resource: &Resource) -> Result<(PatchKind, Decoded), ApiError> {
        let media_type = request.header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_string();
        let refuse = || {
            let accepted: Vec<&str> = PATCH_TYPES
                .iter()
                .filter(|kind| resource.custom.is_none() || !kind.contains("strategic"))
                .copied()
                .collect();
            let mut error = ApiError::unsupported_media_type(&accepted);
            if !PATCH_TYPES.contains(&media_type.as_str()) {
                error.message = "415: Unsupported Media Type".to_string();
                error.details = json!({});
            }
            error
        };
        match media_type.as_str() {
            "application/json-patch+json" => Ok((PatchKind::Json, decode_json(&request.body)?)),
            "application/merge-patch+json" => Ok((PatchKind::Merge, decode_json(&request.body)?)),
            "application/strategic-merge-patch+json" if resource.custom.is_none() => {
                Ok((PatchKind::Strategic, decode_json(&request.body)?))
            }
            "application/apply-patch+yaml" | "application/apply-patch+json" => {
                Ok((PatchKind::Apply { force: request.params.flag("force") }, decode_yaml(&request.body)?))
            }
            _ => Err(refuse()),
        }
    }

    fn scale(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let Some(paths) = &resource.scale else { return Err(ApiError::no_such_resource()) };
        let encoding = request.negotiated()?.encoding;
        let namespace = Self::namespace_of(path);
        let patch = match request.parts.method {
            Method::GET => {
                let stored = self.core.get(resource, namespace, name)?;
                return Ok(respond::value(StatusCode::OK, &scale_of(resource, paths, &stored.value), encoding));
            }
            Method::PUT => None,
            Method::PATCH => Some(self.patch_body(request, resource)?),
            _ => return Err(ApiError::method_not_allowed()),
        };
        let options = request.write_options()?;
        let (kind, body) = match patch {
            Some((kind, body)) => (Some(kind), body),
            None => (None, request.decoded()?),
        };
        let outcome = self.core.write_scale(resource, paths, namespace, name, kind, &body, &options)?;
        Ok(respond::value(StatusCode::OK, &scale_of(resource, paths, &outcome.object.value), encoding))
    }

    fn query(&self, request: &Request<'_>, resource: &Resource, path: &ObjectPath) -> Result<ListQuery, ApiError> {
        let params = &request.params;
        let revision = params.resource_version().map_err(|mut error| {
            if !(path.is_watch || params.flag("watch")) {
                error.message = format!("invalid resource version: {}", error.message);
            } else {
                (error.code, error.reason) = (500, "");
            }
            error
        })?;
        let how = params.text("resourceVersionMatch");
        let is_watch = path.is_watch || params.flag("watch");
        let list_options = |field: &str, why: &str| {
            ApiError::invalid("meta.k8s.io", "ListOptions", "", vec![crate::error::Cause::forbidden(field, why)])
        };
        if !is_watch && !params.text("sendInitialEvents").is_empty() {
            return Err(list_options("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        if !is_watch {
            match (how, revision) {
                ("", _) => {}
                ("Exact", Some(0)) => {
                    let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                    return Err(list_options("resourceVersionMatch", why));
                }
                ("Exact" | "NotOlderThan", Some(_)) => {}
                ("Exact" | "NotOlderThan", None) => {
                    let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                    return Err(list_options("resourceVersionMatch", why));
                }
                (other, _) => {
                    let cause = crate::error::Cause::not_supported(
                        "resourceVersionMatch",
                        &json!(other),
                        &["Exact", "NotOlderThan", ""],
                    );
                    return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", vec![cause]));
                }
            }
        }
        Ok(ListQuery {
            namespace: path.namespace.clone(),
            name: path.name.clone(),
            labels: LabelSelector::parse(params.text("labelSelector"))?,
            fields: FieldSelector::parse(params.text("fieldSelector"), resource)?,
            limit: usize::try_from(params.number("limit")?.unwrap_or(0)).unwrap_or(usize::MAX),
            continue_token: params.text("continue").to_string(),
            revision,
            exact: how == "Exact",
        })
    }

    fn list_or_watch(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
        path: &ObjectPath,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let query = self.query(request, resource, path)?;
        if negotiated.form == Form::Table
            && !matches!(request.params.text("includeObject"), "" | "None" | "Metadata" | "Object")
        {
            return Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {:?}: must be 'Metadata', 'Object', \
                 'None', or empty",
                request.params.text("includeObject")
            )));
        }
        if path.is_watch || request.params.flag("watch") {
            return self.watch(request, resource, query, negotiated);
        }
        let page = self.core.list(resource, &query)?;
        let mut metadata = respond::list_metadata(page.revision, &page.continue_token, page.remaining);
        if resource.custom.is_some() {
            json::default(json::as_map(&mut metadata), "continue", "");
        }
        let shown = || page.items.iter().map(|stored| convert::shown(resource, &stored.value));
        match (negotiated.form, negotiated.encoding) {
            (Form::Whole, Encoding::Json) => {
                let listed = respond::json_bytes(StatusCode::OK, respond::list_json(resource, &page.items, &metadata));
                Ok(respond::with_warnings(listed, respond::deprecation(resource).as_slice()))
            }
            (Form::Whole, Encoding::Yaml) => {
                let items: Vec<Value> = shown().map(std::borrow::Cow::into_owned).collect();
                let list = json!({"kind": resource.list_kind, "apiVersion": resource.api_version(),
                    "metadata": metadata, "items": items});
                Ok(respond::value(StatusCode::OK, &list, Encoding::Yaml))
            }
            (Form::Table, encoding) => {
                let rows: Vec<_> = shown().collect();
                let include = table::Include::parse(request.params.text("includeObject"));
                let mut whole = table::table(resource, rows.iter().map(AsRef::as_ref), include, true, request.now);
                json::set(&mut whole, &["metadata"], metadata);
                Ok(respond::value(StatusCode::OK, &whole, encoding))
            }
            (Form::Metadata, encoding) => {
                let items: Vec<Value> = page.items.iter().map(|stored| respond::partial(&stored.value)).collect();
                let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items});
                Ok(respond::value(StatusCode::OK, &list, encoding))
            }
        }
    }

    /// The options of a deletion, from body and parameters.
    pub(super) fn delete_options(request: &Request<'_>) -> Result<DeleteOptions, ApiError> {
        let body = if request.body.is_empty() {
            json!({})
        } else {
            decode(request.header(CONTENT_TYPE), &request.body)?.value
        };
        for value in json::list(&body, "/dryRun").iter().filter_map(Value::as_str) {
            dry_run(value, "DeleteOptions")?;
        }
        DeleteOptions::parse(&request.params.delete_options(body))
    }

    fn delete(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        let delete = Self::delete_options(request)?;
        match self.core.delete(resource, Self::namespace_of(path), name, &delete, &options)? {
            Deleted::Begun(stored) => {
                let status = if delete.accepts_later { StatusCode::ACCEPTED } else { StatusCode::OK };
                Ok(respond::object(status, resource, &stored, negotiated, request))
            }
            // The real server answers with the object for the kinds whose deletion is graceful, else with a Status.
            Deleted::Gone(stored) if returns_deleted_object(resource) => {
                Ok(respond::object(StatusCode::OK, resource, &stored, negotiated, request))
            }
            Deleted::Gone(stored) => {
                let mut details = json!({"name": name, "kind": resource.plural, "uid": json::uid(&stored.value)});
                if !resource.group.is_empty() {
                    json::set(&mut details, &["group"], resource.group.as_str());
                }
                let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                    "details": details});
                Ok(respond::value(StatusCode::OK, &status, negotiated.encoding))
            }
        }
    }

    fn delete_collection(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        path: &ObjectPath,
    ) -> Result<Response<SandboxBody>, ApiError> {
        if resource.is_namespaced() && path.namespace.is_none() {
            return Err(ApiError::method_not_allowed());
        }
        if resource.key.as_str() == "namespaces" {
            return Err(ApiError::method_not_allowed());
        }
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        let delete = Self::delete_options(request)?;
        let query = self.query(request, resource, path)?;
        let page = self.core.list(resource, &query)?;
        let mut deleted = Vec::with_capacity(page.items.len());
        for stored in &page.items {
            let (namespace, name) = (json::namespace(&stored.value), json::name(&stored.value));
            match self.core.delete(resource, namespace, name, &delete, &options) {
                Ok(Deleted::Begun(stored) | Deleted::Gone(stored)) => deleted.push(stored),
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let metadata = respond::list_metadata(page.revision, &page.continue_token, page.remaining);
        match negotiated.encoding {
            Encoding::Json => {
                Ok(respond::json_bytes(StatusCode::OK, respond::list_json(resource, &deleted, &metadata)))
            }
            Encoding::Yaml => {
                let items: Vec<Value> =
                    deleted.iter().map(|stored| convert::shown(resource, &stored.value).into_owned()).collect();
                let list = json!({"kind": resource.list_kind, "apiVersion": resource.api_version(),
                    "metadata": metadata, "items": items});
                Ok(respond::value(StatusCode::OK, &list, Encoding::Yaml))
            }
        }
    }
}

/// Source: `ReturnDeletedObject` of the registries of kube-apiserver 1.36.
fn returns_deleted_object(resource: &Resource) -> bool {
    matches!(
        resource.key.as_str(),
        "pods"
            | "services"
            | "serviceaccounts"
            | "podtemplates"
            | "persistentvolumes"
            | "persistentvolumeclaims"
            | "resourcequotas"
    )
}
