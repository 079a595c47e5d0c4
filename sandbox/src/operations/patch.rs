//! The four patch types over one object.

use landfall_merge::{builtin, json_patch, merge_patch, strategic};
use serde_json::Value;

use super::update::{Proposal, Record};
use super::{Core, Decoded, Outcome, Part, WriteOptions, fields, metadata};
use crate::convert;
use crate::error::ApiError;
use crate::http::params::FieldValidation;
use crate::json;
use crate::registry::Resource;

/// The media type of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`; with force, fields of other managers are taken over.
    Apply {
        /// Whether to take over fields of other managers.
        force: bool,
    },
}

impl Core {
    /// Patches one part of an object; apply creates it when it does not exist.
    #[expect(clippy::too_many_arguments, reason = "the address of a part of an object and what to do with it")]
    pub(crate) fn patch(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        part: Part,
        kind: PatchKind,
        body: Decoded,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        if let PatchKind::Apply { force } = kind {
            return self.apply(resource, namespace, name, part, force, body, options);
        }
        self.change(resource, namespace, name, part, options, &|current| {
            let mut shown = current.clone();
            convert::from_storage(resource, &mut shown);
            let patched = merged(resource, kind, &shown, &body.value)?;
            check_identity(resource, name, &shown, &patched)?;
            let decoded = Decoded { value: patched, duplicates: body.duplicates.clone() };
            let told = decoded.value.to_string();
            let (mut value, warnings) =
                self.without_unknown_fields(resource, decoded, options.validation).map_err(|error| {
                    let Some((_, why)) =
                        error.message.split_once(&format!(" cannot be handled as a {}: ", resource.kind))
                    else {
                        return error;
                    };
                    let cause = crate::error::Cause::invalid("patch", &Value::from(told.as_str()), why);
                    let mut refused = ApiError::invalid("", "", "", vec![cause]);
                    json::take(&mut refused.details, &["kind"]);
                    refused
                })?;
            convert::to_storage(resource, &mut value);
            if json::text(&body.value, "/metadata/resourceVersion").is_empty() && kind != PatchKind::Json {
                json::take(&mut value, &["metadata", "resourceVersion"]);
            }
            Ok(Proposal { value, warnings, record: Record::Update })
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the address of a part of an object and what to do with it")]
    fn apply(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        part: Part,
        force: bool,
        body: Decoded,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let given = json::name(&body.value);
        if !given.is_empty() && given != name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        if json::text(&body.value, "/kind").is_empty() || json::text(&body.value, "/apiVersion").is_empty() {
            return Err(ApiError::bad_request(
                "the applied configuration must say its apiVersion and kind: add both fields",
            ));
        }
        if !json::list(&body.value, "/metadata/managedFields").is_empty() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        metadata::check_type(resource, &body.value)?;
        // What the schema does not have cannot be owned: apply refuses it, whatever field validation says.
        let place = (json::namespace(&body.value).to_string(), json::name(&body.value).to_string());
        let bare = Decoded { value: body.value.clone(), duplicates: Vec::new() };
        let (_, unknown) = self.without_unknown_fields(resource, bare, FieldValidation::Warn)?;
        let paths: Vec<String> = unknown
            .iter()
            .filter_map(|told| told.strip_prefix("unknown field \"")?.strip_suffix('"'))
            .map(|path| format!(".{path}: field not declared in schema"))
            .collect();
        if !paths.is_empty() {
            let told = if paths.len() == 1 { paths.join("") } else { format!("errors:\n  {}", paths.join("\n  ")) };
            return Err(ApiError::unexplained(format!(
                "failed to create typed patch object ({}/{}; {}, Kind={}): {told}",
                place.0,
                place.1,
                resource.api_version(),
                resource.kind
            )));
        }
        let (mut config, warnings) = self.without_unknown_fields(resource, body, options.validation)?;
        json::set(&mut config, &["metadata", "name"], name);
        if resource.is_namespaced() {
            json::set(&mut config, &["metadata", "namespace"], namespace);
        }
        loop {
            if self.store.get(&resource.key, namespace, name).is_some() {
                let outcome = self.change(resource, namespace, name, part, options, &|current| {
                    let value = fields::apply(self, resource, Some(current), &config, part, force, options)?;
                    Ok(Proposal { value, warnings: warnings.clone(), record: Record::Done })
                });
                match outcome {
                    // Deleted in between: create it.
                    Err(error) if error.code == 404 && self.store.get(&resource.key, namespace, name).is_none() => {}
                    other => return other,
                }
            }
            if part != Part::Main {
                return Err(ApiError::not_found(resource.qualified(), name));
            }
            if !json::text(&config, "/metadata/uid").is_empty() {
                let why = "uid mismatch: the provided object specified uid, and no existing object was found";
                return Err(ApiError::conflict(resource.qualified(), name, why));
            }
            let mut value = fields::apply(self, resource, None, &config, part, force, options)?;
            if let Some(metadata) = value.get_mut("metadata") {
                json::as_map(metadata).remove("resourceVersion");
            }
            let mut warnings = warnings.clone();
            self.prepare_new(resource, namespace, &mut value, Record::Done, options, &mut warnings)?;
            match self.store_new(resource, value, options, warnings) {
                // Created in between: apply onto it.
                Err(error) if error.reason == "AlreadyExists" => {}
                other => return other,
            }
        }
    }
}

fn merged(resource: &Resource, kind: PatchKind, current: &Value, patch: &Value) -> Result<Value, ApiError> {
    let unprocessable = |why: String| {
        let mut error = ApiError::bad_request(why);
        error.code = 422;
        error.reason = "Invalid";
        error
    };
    match kind {
        PatchKind::Json => json_patch::apply(current, patch).map_err(|error| match error {
            json_patch::PatchError::NotAList { .. } => ApiError::bad_request(error.to_string()),
            other => {
                tracing::debug!(%other, "a JSON patch could not be applied");
                let mut refused =
                    unprocessable("the server rejected our request due to an error in our request".to_string());
                refused.details = serde_json::json!({});
                refused
            }
        }),
        PatchKind::Merge => {
            if !patch.is_object() {
                let kind = match patch {
                    Value::Array(_) => "array",
                    Value::String(_) => "string",
                    Value::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(ApiError::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
                )));
            }
            Ok(merge_patch::apply(current, patch))
        }
        PatchKind::Strategic => {
            if resource.custom.is_some() {
                return Err(ApiError::unsupported_media_type(&[
                    "application/json-patch+json",
                    "application/merge-patch+json",
                    "application/apply-patch+yaml",
                ]));
            }
            let schema = builtin::schema_of(&resource.api_version(), &resource.kind);
            strategic::apply::apply(current, patch, schema).map_err(|error| ApiError::unexplained(error.to_string()))
        }
        PatchKind::Apply { .. } => unreachable!("apply has its own way"),
    }
}

/// A patch may change neither the type nor the name of an object.
fn check_identity(resource: &Resource, name: &str, before: &Value, after: &Value) -> Result<(), ApiError> {
    for pointer in ["/apiVersion", "/kind"] {
        if before.pointer(pointer) != after.pointer(pointer) {
            return Err(ApiError::bad_request(format!(
                "the patch changes {} of {} {name:?}, which cannot be changed",
                &pointer[1..],
                resource.qualified()
            )));
        }
    }
    let (given, held) = (json::name(after), json::namespace(after));
    if given != name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    if held != json::namespace(before) {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if json::uid(before) != json::uid(after) && !json::uid(after).is_empty() {
        let uid = serde_json::json!(json::uid(after));
        // Told twice in the causes and once in the sentence, as the real server does.
        let cause = crate::error::Cause::invalid("metadata.uid", &uid, "field is immutable");
        return Err(ApiError::invalid(&resource.group, &resource.kind, name, vec![cause.clone(), cause]));
    }
    Ok(())
}
