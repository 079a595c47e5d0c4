//! Creating objects.

use std::sync::Arc;

use serde_json::Value;

use super::update::Record;
use super::{Core, Decoded, Outcome, Part, WriteOptions, fields, metadata};
use crate::error::{ApiError, Cause};
use crate::json;
use crate::kinds;
use crate::registry::Resource;
use crate::store::{Expect, Stored, WriteError};
use crate::{access, admission, convert, crd};

/// How often a generated name that is taken is drawn again. Source: `maxNameGenerationCreateAttempts`.
const GENERATED_NAME_ATTEMPTS_MAX: usize = 8;

impl Core {
    /// Creates an object in a namespace ("" for cluster-scoped resources).
    pub(crate) fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        body: Decoded,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        metadata::check_type(resource, &body.value)?;
        check_namespace(resource, namespace, &body.value)?;
        let (mut value, warnings) = self.without_unknown_fields(resource, body, options.validation)?;
        if json::name(&value).is_empty() && json::text(&value, "/metadata/generateName").is_empty() {
            return Err(ApiError::invalid(
                &resource.group,
                &resource.kind,
                "",
                vec![Cause::required("metadata.name", "name or generateName is required")],
            ));
        }
        if !json::text(&value, "/metadata/resourceVersion").is_empty() {
            return Err(ApiError::unexplained("resourceVersion should not be set on objects to be created"));
        }
        let mut warnings = warnings;
        self.prepare_new(resource, namespace, &mut value, Record::Update, options, &mut warnings)?;
        self.store_new(resource, value, options, warnings)
    }

    /// Everything between the decoded body and the record of managers.
    pub(super) fn prepare_new(
        &self,
        resource: &Resource,
        namespace: &str,
        value: &mut Value,
        record: Record,
        options: &WriteOptions,
        warnings: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        convert::to_storage(resource, value);
        if resource.has_status && !keeps_status_on_create(resource) {
            json::as_map(value).remove("status");
        }
        self.stamp_new(resource, namespace, value, &options.memory);
        if let Some(custom) = &resource.custom {
            crd::schema::fill_defaults(custom, value);
        }
        kinds::fold(resource, value);
        kinds::fill_defaults(resource, value);
        // Managers own what they wrote and what was completed from it, not what admission adds.
        if record == Record::Update {
            if let Value::Object(metadata) = &mut value["metadata"] {
                metadata.remove("managedFields");
            }
            fields::record_update(self, resource, None, value, options, Part::Main);
        }
        kinds::prepare_create(self, resource, value);
        kinds::fill_defaults(resource, value);
        admission::admit_create(self, resource, value, options, warnings)?;
        kinds::fill_defaults(resource, value);
        kinds::after_admission(resource, value);
        kinds::warn(resource, value, warnings);
        let mut causes = Vec::new();
        metadata::validate(resource, value, &mut causes);
        if let Some(custom) = &resource.custom {
            crd::schema::validate(custom, resource.scale.as_ref(), value, None, &mut causes);
        }
        kinds::validate(self, resource, value, None, &mut causes);
        if !causes.is_empty() {
            return Err(ApiError::invalid(&resource.group, &resource.kind, json::name(value), causes));
        }
        admission::validate(self, resource, Part::Main, value, None, options, warnings)?;
        kinds::allocate(self, resource, value, None, options.dry_run)
    }

    /// Stores a prepared object.
    pub(super) fn store_new(
        &self,
        resource: &Resource,
        mut value: Value,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Outcome, ApiError> {
        let generated = !json::text(&value, "/metadata/generateName").is_empty();
        for attempt in 1.. {
            let name = json::name(&value).to_string();
            if options.dry_run {
                if self.store.get(&resource.key, json::namespace(&value), &name).is_some() {
                    return Err(ApiError::already_exists(resource.qualified(), &name));
                }
                let object = Arc::new(Stored::unsaved(value));
                return Ok(Outcome { object, created: true, warnings });
            }
            // Only what may have to be tried again, or given back, is kept.
            let kept = (generated || resource.key.as_str() == "services").then(|| value.clone());
            match self.store.put(&resource.key, Expect::Absent, std::mem::take(&mut value)) {
                Ok(object) => {
                    self.after_write(resource, None, &object);
                    return Ok(Outcome { object, created: true, warnings });
                }
                Err(_) if generated && attempt < GENERATED_NAME_ATTEMPTS_MAX => {
                    value = kept.unwrap_or_default();
                    let prefix = json::text(&value, "/metadata/generateName").to_string();
                    json::set(&mut value, &["metadata", "name"], format!("{prefix}{}", self.random.name_suffix()));
                }
                Err(WriteError::Exists | WriteError::Missing | WriteError::Changed) => {
                    kinds::release(self, resource, &kept.unwrap_or_default());
                    return Err(ApiError::already_exists(resource.qualified(), &name));
                }
            }
        }
        unreachable!("the loop returns")
    }

    /// What must happen at once when an object of a special kind was written.
    pub(super) fn after_write(&self, resource: &Resource, old: Option<&Value>, object: &Stored) {
        if resource.key.as_str() == crd::CRD_RESOURCE {
            crd::follow(self, old, &object.value);
        }
        if resource.key.as_str() == "clusterroles.rbac.authorization.k8s.io" {
            access::escalation::aggregate(self);
        }
    }
}

/// Kinds whose status a creator may give. Source: their registry strategies do not reset it.
fn keeps_status_on_create(resource: &Resource) -> bool {
    resource.custom.is_none() && resource.key.as_str() == "nodes"
}

fn check_namespace(resource: &Resource, namespace: &str, value: &Value) -> Result<(), ApiError> {
    let given = json::namespace(value);
    if !resource.is_namespaced() || given.is_empty() || given == namespace {
        return Ok(());
    }
    Err(ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request"))
}
