//! Objects of a definition whose versions differ in form: a webhook turns one into the other.
//!
//! ```text
//!  request in version A --[incoming]--> the version that is kept --> the verbs --> kept object --[outgoing]--> answer in version A
//! ```
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/conversion` 1.36.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::path::ObjectPath;
use super::{Handler, Request};
use crate::crd::{self, Conversion};
use crate::error::ApiError;
use crate::json;
use crate::operations::{Core, Decoded, Outcome, Part, PatchKind, WriteOptions, patched};
use crate::outside::{self, Call};
use crate::registry::Resource;
use crate::store::{Expect, Stored};

/// How long a conversion may take. Source: the real server's constant.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a patch that lost a race is tried again.
const RACES_MAX: usize = 20;

/// The webhook of a resource, if its versions have one.
fn webhook(resource: &Resource) -> Option<&Conversion> {
    resource.custom.as_ref()?.conversion.as_ref()
}

/// True when an object of this resource is not in the version that is asked for, and a webhook must be asked for it.
fn differs(resource: &Resource, stored: &Value) -> bool {
    webhook(resource).is_some() && json::text(stored, "/apiVersion") != resource.api_version()
}

/// Turns kept objects into the version that was asked for.
pub(super) async fn outgoing(
    core: &Core,
    resource: &Resource,
    mut items: Vec<Arc<Stored>>,
) -> Result<Vec<Arc<Stored>>, ApiError> {
    let Some(conversion) = webhook(resource) else { return Ok(items) };
    let places: Vec<usize> = (0..items.len()).filter(|place| differs(resource, &items[*place].value)).collect();
    if places.is_empty() {
        return Ok(items);
    }
    let objects = places.iter().map(|place| Value::clone(&items[*place].value)).collect();
    let converted = convert(core, conversion, objects, &resource.api_version()).await?;
    for (place, value) in places.into_iter().zip(converted) {
        let revision = items[place].revision;
        let shown = if revision == 0 { Stored::unsaved(value) } else { Stored::new(value, revision) };
        items[place] = Arc::new(shown);
    }
    Ok(items)
}

/// One object of [`outgoing`].
pub(super) async fn outgoing_one(core: &Core, resource: &Resource, item: Arc<Stored>) -> Result<Arc<Stored>, ApiError> {
    if !differs(resource, &item.value) {
        return Ok(item);
    }
    let kept = Arc::clone(&item);
    Ok(outgoing(core, resource, vec![item]).await?.pop().unwrap_or(kept))
}

/// Asks the webhook to turn objects into a version, and holds its answer against what it may change.
async fn convert(
    core: &Core,
    conversion: &Conversion,
    objects: Vec<Value>,
    wanted: &str,
) -> Result<Vec<Value>, ApiError> {
    let first = objects.first().cloned().unwrap_or_default();
    let (group_version, kind) = (json::text(&first, "/apiVersion"), json::text(&first, "/kind"));
    let failed = |why: String| {
        let why = why.strip_prefix("failed to call webhook: ").unwrap_or(&why);
        ApiError::unexplained(format!("conversion webhook for {group_version}, Kind={kind} failed: {why}"))
    };
    let invalid = |why: String| {
        ApiError::unexplained(format!(
            "conversion webhook for {group_version}, Kind={kind} returned invalid converted object{why}"
        ))
    };
    let uid = core.random.uid();
    let review = json!({"kind": "ConversionReview", "apiVersion": format!("apiextensions.k8s.io/{}", conversion.review_version),
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects}});
    let call = Call { question: String::new(), client: conversion.client.clone(), body: review, timeout: PATIENCE };
    let answer = outside::ask(core, &call).await.map_err(failed)?;
    let Some(response) = answer.get("response").filter(|response| response.is_object()) else {
        return Err(failed("the answer has no response".to_string()));
    };
    if json::text(response, "/uid") != uid {
        return Err(failed("the response has another uid than the request".to_string()));
    }
    if json::text(response, "/result/status") != "Success" {
        let message = json::text(response, "/result/message");
        return Err(failed(if message.is_empty() {
            "failed without a message".to_string()
        } else {
            message.to_string()
        }));
    }
    let converted = json::list(response, "/convertedObjects");
    if converted.len() != objects.len() {
        let why = format!("s, expected {} objects, received {}", objects.len(), converted.len());
        return Err(invalid(why));
    }
    let mut checked = Vec::with_capacity(converted.len());
    for (index, (before, after)) in objects.iter().zip(converted).enumerate() {
        let at = format!(" at index {index}: ");
        let (version, given_kind) = (json::text(after, "/apiVersion"), json::text(after, "/kind"));
        if version != wanted {
            return Err(invalid(format!("{at}invalid groupVersion (required: {wanted}, received: {version})")));
        }
        if given_kind != json::text(before, "/kind") {
            let wanted = json::text(before, "/kind");
            return Err(invalid(format!("{at}invalid kind (required: {wanted}, received: {given_kind})")));
        }
        checked.push(with_metadata(before, after).map_err(|why| invalid(format!("{at}{why}")))?);
    }
    Ok(checked)
}

/// A converted object with the metadata that it had: only labels and annotations may be others.
fn with_metadata(before: &Value, after: &Value) -> Result<Value, String> {
    for key in ["name", "namespace", "uid"] {
        let pointer = format!("/metadata/{key}");
        let (had, has) = (json::text(before, &pointer), json::text(after, &pointer));
        if had != has {
            return Err(format!("must have the same {key}: {had} != {has}"));
        }
    }
    let mut metadata = before.get("metadata").cloned().unwrap_or_else(|| json!({}));
    for key in ["labels", "annotations"] {
        match after.pointer(&format!("/metadata/{key}")) {
            Some(held) => json::set(&mut metadata, &[key], held.clone()),
            None => {
                json::take(&mut metadata, &[key]);
            }
        }
    }
    let mut whole = after.clone();
    json::set(&mut whole, &["metadata"], metadata);
    Ok(whole)
}

impl Handler {
    /// The row under which the objects of a resource are kept; the resource itself where no webhook is between them.
    pub(super) fn kept_as(&self, resource: &Arc<Resource>) -> Result<Arc<Resource>, ApiError> {
        if webhook(resource).is_none() || resource.version == resource.storage_version {
            return Ok(Arc::clone(resource));
        }
        crd::storage_row(&self.core, &resource.key).map(Arc::new).ok_or_else(ApiError::no_such_resource)
    }

    /// Brings a body into the version that is kept; the sentences are for the `Warning` header.
    pub(super) async fn incoming(
        &self,
        resource: &Resource,
        kept: &Resource,
        body: Decoded,
        fills_defaults: bool,
        options: &WriteOptions,
    ) -> Result<(Decoded, Vec<String>), ApiError> {
        let Some(conversion) = webhook(resource).filter(|_| kept.version != resource.version) else {
            return Ok((body, Vec::new()));
        };
        let (value, warnings) = self.core.read_as(resource, body, fills_defaults, options)?;
        let converted = convert(&self.core, conversion, vec![value], &kept.api_version()).await?;
        Ok((Decoded::from(converted.into_iter().next().unwrap_or_default()), warnings))
    }

    /// Keeps an object anew that was kept in an earlier version.
    pub(super) async fn migrate(&self, kept: &Resource, namespace: &str, name: &str) -> Result<(), ApiError> {
        let Some(held) = self.core.store.get(&kept.key, namespace, name) else { return Ok(()) };
        if !differs(kept, &held.value) {
            return Ok(());
        }
        let revision = held.revision;
        let converted = outgoing_one(&self.core, kept, held).await?;
        // Who wrote it in between kept it in the right version.
        let _ = self.core.store.put(&kept.key, Expect::Revision(revision), Value::clone(&converted.value));
        Ok(())
    }

    /// A JSON or merge patch in another version than the one that is kept.
    #[expect(clippy::too_many_arguments, reason = "the address of a part of an object and what to do with it")]
    pub(super) async fn patch_across(
        &self,
        request: &Request<'_>,
        resource: &Resource,
        kept: &Resource,
        path: &ObjectPath,
        name: &str,
        part: Part,
        kind: PatchKind,
        body: &Decoded,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let namespace = path.namespace.as_deref().unwrap_or_default();
        let names_revision = !json::text(&body.value, "/metadata/resourceVersion").is_empty();
        for _ in 0..RACES_MAX {
            let current = self.core.get(kept, namespace, name)?;
            let revision = current.revision;
            let shown = outgoing_one(&self.core, resource, current).await?;
            let next = patched(resource, kind, &shown.value, &body.value)?;
            let (mut next, warnings) = self.incoming(resource, kept, Decoded::from(next), true, options).await?;
            if !names_revision {
                json::set(&mut next.value, &["metadata", "resourceVersion"], revision.to_string());
            }
            match self.core.update(kept, namespace, name, part, next, options) {
                Err(error) if error.reason == "Conflict" && !names_revision => {}
                Ok(mut outcome) => {
                    outcome.warnings.splice(0..0, warnings);
                    return Ok(outcome);
                }
                other => return other,
            }
        }
        tracing::debug!(path = request.parts.uri.path(), "a patch lost every race");
        Err(ApiError::modified(resource.qualified(), name))
    }
}
