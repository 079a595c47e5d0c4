//! Requests for objects: from method and path to the verb.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::{SandboxBody, decode, decode_json, decode_yaml, go_kind};
use super::conversion::{outgoing, outgoing_one};
use super::negotiate::{self, Encoding, Form, Negotiated};
use super::params::dry_run;
use super::path::ObjectPath;
use super::{Handler, Request, respond};
use crate::convert;
use crate::error::{ApiError, Cause};
use crate::json;
use crate::operations::{Decoded, DeleteOptions, Deleted, ListQuery, Outcome, Part, PatchKind, WriteOptions, scale_of};
use crate::registry::{METRICS_GROUP, Resource, is_builtin_group};
use crate::selector::{FieldSelector, LabelSelector};
use crate::table;

/// The media types of patches.
const PATCH_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// What merge patches are read as.
const GO_MAP: &str = "map[string]interface {}";

impl Request<'_> {
    /// A header's text, "" when absent.
    pub(super) fn header(&self, name: http::header::HeaderName) -> &str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The representation that the client wants.
    pub(super) fn negotiated(&self) -> Result<Negotiated, ApiError> {
        negotiate::objects(self.header(ACCEPT))
    }

    /// The body as an object of a kind.
    pub(super) fn decoded(&self, kind: &str) -> Result<Decoded, ApiError> {
        decode(self.header(CONTENT_TYPE), &self.body, kind)
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

/// What a path names of a resource.
enum Target<'a> {
    /// All objects, or all of a namespace.
    Collection,
    /// An object, or a part of it that is read and written as the object is.
    Object(&'a str, Part),
    /// The number of replicas of an object.
    Scale(&'a str),
    /// Something that is done with an object: a subresource with a form of its own.
    Act(&'a str, &'a str),
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
            if is_builtin_group(&path.group) {
                return not_served();
            }
            // What no definition defines is no place of the API at all.
            return Ok(respond::plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        };
        let fits = match (&path.namespace, resource.is_namespaced()) {
            (Some(_), namespaced) => namespaced,
            (None, true) => path.name.is_none(),
            (None, false) => true,
        };
        if !fits {
            return not_served();
        }
        if resource.is_virtual {
            return self.review(request, &resource, path);
        }
        if resource.group == METRICS_GROUP {
            return self.measures(request, &resource, path, &self.query(request, &resource, path)?);
        }
        let method = &request.parts.method;
        let target = match (path.name.as_deref(), path.subresource.as_deref()) {
            (None, _) => Target::Collection,
            (Some(name), None) => Target::Object(name, Part::Main),
            (Some(name), Some("scale")) if resource.scale.is_some() => Target::Scale(name),
            (Some(name), Some(subresource)) => match Part::served(&resource, subresource) {
                Some(part) => Target::Object(name, part),
                None => Target::Act(name, subresource),
            },
        };
        let is_watch = path.is_watch || request.params.flag("watch");
        let response = match (target, method) {
            (Target::Collection, &Method::GET) => self.list_or_watch(request, &resource, path).await,
            (Target::Collection, &Method::POST) => self.create(request, &resource, path).await,
            (Target::Collection, &Method::DELETE) => self.delete_collection(request, &resource, path).await,
            (Target::Object(_, Part::Main), &Method::GET) if is_watch => {
                self.list_or_watch(request, &resource, path).await
            }
            (Target::Object(name, part), &Method::GET | &Method::HEAD) if part.is_read() => {
                self.get(request, &resource, path, name).await
            }
            (Target::Object(name, part), &Method::PUT) => self.write(request, &resource, path, name, part).await,
            (Target::Object(name, part), &Method::PATCH) if part.is_read() => {
                self.write(request, &resource, path, name, part).await
            }
            (Target::Object(name, Part::Main), &Method::DELETE) => self.delete(request, &resource, path, name).await,
            (Target::Scale(name), _) => self.scale(request, &resource, path, name).await,
            (Target::Act(name, act), _) => self.act(request, &resource, path, name, act),
            (Target::Collection | Target::Object(..), _) => Err(ApiError::method_not_allowed()),
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

    async fn get(
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
        let stored = outgoing_one(&self.core, resource, stored).await?;
        Ok(respond::object(StatusCode::OK, resource, &stored, negotiated, request))
    }

    async fn create(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
        path: &ObjectPath,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        if resource.is_namespaced() && path.namespace.is_none() {
            return Err(ApiError::method_not_allowed());
        }
        let kept = self.kept_as(resource)?;
        let body = request.decoded(&resource.kind)?;
        let (body, warnings) = self.incoming(resource, &kept, body, true, &options).await?;
        let outcome = self.core.create(&kept, Self::namespace_of(path), body, &options)?;
        self.told(request, resource, outcome, warnings, negotiated).await
    }

    /// The outcome of a write in the version that was asked for.
    async fn told(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        mut outcome: Outcome,
        warnings: Vec<String>,
        negotiated: Negotiated,
    ) -> Result<Response<SandboxBody>, ApiError> {
        outcome.object = outgoing_one(&self.core, resource, outcome.object).await?;
        outcome.warnings.splice(0..0, warnings);
        Ok(respond::outcome(resource, &outcome, negotiated, request))
    }

    /// PUT or PATCH of a part of an object.
    async fn write(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
        path: &ObjectPath,
        name: &str,
        part: Part,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        let namespace = Self::namespace_of(path);
        let kept = self.kept_as(resource)?;
        self.migrate(&kept, namespace, name).await?;
        if request.parts.method == Method::PUT {
            let body = request.decoded(&resource.kind)?;
            let (body, warnings) = self.incoming(resource, &kept, body, true, &options).await?;
            let outcome = self.core.update(&kept, namespace, name, part, body, &options)?;
            return self.told(request, resource, outcome, warnings, negotiated).await;
        }
        let (kind, body) = self.patch_body(request, resource)?;
        let is_apply = matches!(kind, PatchKind::Apply { .. });
        if is_apply && request.params.text("fieldManager").is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(ApiError::bad_options("PatchOptions", vec![cause]));
        }
        if !is_apply && request.params.flag("force") {
            let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
            return Err(ApiError::bad_options("PatchOptions", vec![cause]));
        }
        if !is_apply && kept.version != resource.version {
            let outcome = self.patch_across(request, resource, &kept, path, name, part, kind, &body, &options).await?;
            return self.told(request, resource, outcome, Vec::new(), negotiated).await;
        }
        let (body, warnings) =
            if is_apply { self.incoming(resource, &kept, body, false, &options).await? } else { (body, Vec::new()) };
        let outcome = self.core.patch(&kept, namespace, name, part, kind, body, &options)?;
        self.told(request, resource, outcome, warnings, negotiated).await
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
        let json = |wanted: &str| {
            let wrong = |why: String| ApiError::bad_request(format!("error decoding patch: {why}"));
            let decoded = decode_json(&request.body).map_err(wrong)?;
            let is_list = wanted.starts_with("[]");
            match &decoded.value {
                Value::Array(_) if is_list => Ok(decoded),
                Value::Object(_) if !is_list => Ok(decoded),
                Value::Object(_) => Err(wrong(format!("json: cannot unmarshal object into Go value of type {wanted}"))),
                other => {
                    let found = go_kind(other).unwrap_or("null");
                    Err(wrong(format!("json: cannot unmarshal {found} into Go value of type {wanted}")))
                }
            }
        };
        match media_type.as_str() {
            "application/json-patch+json" => Ok((PatchKind::Json, json("[]handlers.jsonPatchOp")?)),
            "application/merge-patch+json" => Ok((PatchKind::Merge, json(GO_MAP)?)),
            "application/strategic-merge-patch+json" if resource.custom.is_none() => {
                Ok((PatchKind::Strategic, json(GO_MAP)?))
            }
            "application/apply-patch+yaml" | "application/apply-patch+json" => {
                Ok((PatchKind::Apply { force: request.params.flag("force") }, decode_yaml(&request.body)?))
            }
            _ => Err(refuse()),
        }
    }

    async fn scale(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let resource = &self.kept_as(resource)?;
        self.migrate(resource, Self::namespace_of(path), name).await?;
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
            None => (None, request.decoded("Scale")?),
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
            ApiError::invalid("meta.k8s.io", "ListOptions", "", vec![Cause::forbidden(field, why)])
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
                    let cause =
                        Cause::not_supported("resourceVersionMatch", &json!(other), &["Exact", "NotOlderThan", ""]);
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

    async fn list_or_watch(
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
        let mut page = self.core.list(resource, &query)?;
        page.items = outgoing(&self.core, resource, page.items).await?;
        let mut metadata = respond::list_metadata(page.revision, &page.continue_token, page.remaining);
        if resource.custom.is_some() && negotiated.form == Form::Whole {
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
            decode(request.header(CONTENT_TYPE), &request.body, "DeleteOptions")?.value
        };
        for value in json::list(&body, "/dryRun").iter().filter_map(Value::as_str) {
            dry_run(value, "DeleteOptions")?;
        }
        DeleteOptions::parse(&request.params.delete_options(body))
    }

    async fn delete(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
        path: &ObjectPath,
        name: &str,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let negotiated = request.negotiated()?;
        let options = request.write_options()?;
        let delete = Self::delete_options(request)?;
        let kept = self.kept_as(resource)?;
        match self.core.delete(&kept, Self::namespace_of(path), name, &delete, &options)? {
            Deleted::Begun(stored) => {
                let stored = outgoing_one(&self.core, resource, stored).await?;
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

    async fn delete_collection(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
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
        let kept = self.kept_as(resource)?;
        let page = self.core.list(&kept, &query)?;
        let mut deleted = Vec::with_capacity(page.items.len());
        for stored in &page.items {
            let (namespace, name) = (json::namespace(&stored.value), json::name(&stored.value));
            match self.core.delete(&kept, namespace, name, &delete, &options) {
                Ok(Deleted::Begun(stored) | Deleted::Gone(stored)) => deleted.push(stored),
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let deleted = outgoing(&self.core, resource, deleted).await?;
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
