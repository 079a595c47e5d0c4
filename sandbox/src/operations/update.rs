//! Changing objects that exist.

use std::sync::Arc;

use serde_json::Value;

use super::{Core, Decoded, Outcome, Part, WriteOptions, fields, metadata};
use crate::error::ApiError;
use crate::json;
use crate::kinds;
use crate::registry::Resource;
use crate::store::{Expect, Stored, WriteError};
use crate::{admission, convert, crd};

/// How often a write that lost a race is tried again before the conflict is reported.
const RACES_MAX: usize = 20;

/// What a change proposes for an object.
pub(super) struct Proposal {
    /// The object as it should become, in the storage version.
    pub(super) value: Value,
    /// Sentences for the `Warning` header.
    pub(super) warnings: Vec<String>,
    /// How the managers' record is to be made.
    pub(super) record: Record,
}

/// How managedFields are kept for a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// The difference to the old object becomes the manager's.
    Update,
    /// The proposal holds the right record already (server-side apply).
    Done,
}

impl Core {
    /// Replaces one part of an object (PUT).
    pub(crate) fn update(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        part: Part,
        body: Decoded,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        metadata::check_type(resource, &body.value)?;
        let given = json::name(&body.value);
        if given.is_empty() && part == Part::Main {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        if !given.is_empty() && given != name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let given = json::namespace(&body.value);
        if !given.is_empty() && resource.is_namespaced() && given != namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let (mut value, warnings) = self.without_unknown_fields(resource, body, options.validation)?;
        convert::to_storage(resource, &mut value);
        if part == Part::Main
            && json::text(&value, "/metadata/resourceVersion").is_empty()
            && needs_resource_version(resource)
            && self.store.get(&resource.key, namespace, name).is_some()
        {
            return Err(ApiError::invalid(
                &resource.group,
                if resource.custom.is_some() { &resource.plural } else { &resource.kind },
                name,
                vec![crate::error::Cause::invalid(
                    "metadata.resourceVersion",
                    &serde_json::json!(0),
                    "must be specified for an update",
                )],
            ));
        }
        self.change(resource, namespace, name, part, options, &|_| {
            Ok(Proposal { value: value.clone(), warnings: warnings.clone(), record: Record::Update })
        })
    }

    /// Changes an object by a function of its current state, again and again until no other writer is in between.
    pub(super) fn change(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        part: Part,
        options: &WriteOptions,
        propose: &dyn Fn(&Value) -> Result<Proposal, ApiError>,
    ) -> Result<Outcome, ApiError> {
        for _ in 0..RACES_MAX {
            let current = self
                .store
                .get(&resource.key, namespace, name)
                .ok_or_else(|| ApiError::not_found(resource.qualified(), name))?;
            let proposal = propose(&current.value)?;
            match self.try_change(resource, part, options, &current, proposal)? {
                Some(outcome) => return Ok(outcome),
                None => continue,
            }
        }
        Err(ApiError::modified(resource.qualified(), name))
    }

    /// One attempt; `None` when another writer came in between.
    fn try_change(
        &self,
        resource: &Resource,
        part: Part,
        options: &WriteOptions,
        current: &Arc<Stored>,
        proposal: Proposal,
    ) -> Result<Option<Outcome>, ApiError> {
        let Proposal { value: mut new, mut warnings, record } = proposal;
        let old: &Value = &current.value;
        let name = json::name(old);
        let given_revision = json::text(&new, "/metadata/resourceVersion").to_string();
        if !given_revision.is_empty() && given_revision != "0" && given_revision != current.revision.to_string() {
            return Err(ApiError::modified(resource.qualified(), name));
        }
        let given_uid = json::uid(&new);
        if !given_uid.is_empty() && given_uid != json::uid(old) {
            return Err(ApiError::conflict(
                resource.qualified(),
                name,
                &format!(
                    "StorageError: invalid object, Code: 4, Key: /registry/{}/{}, ResourceVersion: 0, \
                     AdditionalErrorMsg: Precondition failed: UID in precondition: {given_uid}, UID in object meta: {}",
                    resource.plural,
                    if resource.is_namespaced() {
                        format!("{}/{name}", json::namespace(old))
                    } else {
                        name.to_string()
                    },
                    json::uid(old)
                ),
            ));
        }
        metadata::carry_over(resource, part, old, &mut new);
        if let Some(custom) = &resource.custom {
            crd::schema::fill_defaults(custom, &mut new);
        }
        kinds::prepare_update(self, resource, part, old, &mut new);
        kinds::fill_defaults(resource, &mut new);
        // Who binds a pod or lets a namespace go owns nothing by that.
        if record == Record::Update && !matches!(part, Part::Binding | Part::Finalize) {
            fields::record_update(self, resource, Some(old), &mut new, options, part);
        }
        admission::admit_update(self, resource, part, old, &mut new, options, &mut warnings)?;
        kinds::fill_defaults(resource, &mut new);
        let mut causes = Vec::new();
        metadata::validate(resource, &new, &mut causes);
        metadata::validate_change(old, &new, &mut causes);
        if let Some(custom) = &resource.custom {
            crd::schema::validate(custom, resource.scale.as_ref(), &new, Some(old), &mut causes);
        }
        kinds::validate(self, resource, &new, Some(old), &mut causes);
        if part == Part::Resize {
            kinds::validate_resize(old, &new, &mut causes);
        }
        if !causes.is_empty() {
            return Err(ApiError::invalid(&resource.group, &resource.kind, name, causes));
        }
        admission::validate(self, resource, part, &new, Some(old), options, &mut warnings)?;
        if part != Part::Binding {
            metadata::advance_generation(resource, old, &mut new);
        }
        json::set(&mut new, &["metadata", "resourceVersion"], current.revision.to_string());
        if fields::same_but_for_times(old, &new) {
            return Ok(Some(Outcome { object: Arc::clone(current), created: false, warnings }));
        }
        kinds::allocate(self, resource, &mut new, Some(old), options.dry_run)?;
        if options.dry_run {
            return Ok(Some(Outcome { object: Arc::new(Stored::unsaved(new)), created: false, warnings }));
        }
        if is_finished(resource, &new) {
            return match self.store.remove(&resource.key, current.revision, new) {
                Ok(object) => {
                    kinds::release(self, resource, &object.value);
                    self.after_delete(resource, &object.value);
                    Ok(Some(Outcome { object, created: false, warnings }))
                }
                Err(_) => Ok(None),
            };
        }
        match self.store.put(&resource.key, Expect::Revision(current.revision), new) {
            Ok(object) => {
                self.after_write(resource, Some(old), &object);
                Ok(Some(Outcome { object, created: false, warnings }))
            }
            Err(WriteError::Changed | WriteError::Exists | WriteError::Missing) => Ok(None),
        }
    }
}

/// True when an object being deleted has nothing left to wait for.
fn is_finished(resource: &Resource, value: &Value) -> bool {
    if !json::is_terminating(value) || !json::list(value, "/metadata/finalizers").is_empty() {
        return false;
    }
    match resource.key.as_str() {
        "namespaces" => json::list(value, "/spec/finalizers").is_empty(),
        // Pods wait for the node to stop them.
        "pods" => json::integer(value, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0,
        _ => true,
    }
}

/// Kinds that refuse a blind overwrite. Source: `AllowUnconditionalUpdate` of their registry strategies.
fn needs_resource_version(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            resource.key.as_str(),
            "leases.coordination.k8s.io"
                | "customresourcedefinitions.apiextensions.k8s.io"
                | "apiservices.apiregistration.k8s.io"
                | "mutatingwebhookconfigurations.admissionregistration.k8s.io"
                | "validatingwebhookconfigurations.admissionregistration.k8s.io"
        )
}
