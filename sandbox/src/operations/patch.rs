//! The four patch types over one object.

use landfall_merge::strategic::StrategicError;
use landfall_merge::{builtin, json_patch, merge_patch, strategic};
use serde_json::Value;

use super::update::{Proposal, Record};
use super::{Core, Decoded, Outcome, Part, WriteOptions, fields, metadata};
use crate::convert;
use crate::error::ApiError;
use crate::json;
use crate::registry::{Resource, split_api_version};

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
            let refuse = |why: &str| {
                let told = Value::from(as_go(&patched));
                let mut refused =
                    ApiError::invalid("", "", "", vec![crate::error::Cause::invalid("patch", &told, why)]);
                json::take(&mut refused.details, &["kind"]);
                refused
            };
            if let Some((_, why)) = metadata::type_problem(resource, &patched) {
                return Err(refuse(&why));
            }
            if resource.custom.is_some() {
                metadata::check_type(resource, &patched)?;
            }
            check_identity(resource, name, &shown, &patched)?;
            let decoded = Decoded { value: patched.clone(), duplicates: body.duplicates.clone() };
            let (mut value, warnings) =
                self.without_unknown_fields(resource, decoded, options.validation).map_err(|error| {
                    let Some((_, why)) =
                        error.message.split_once(&format!(" cannot be handled as a {}: ", resource.kind))
                    else {
                        return error;
                    };
                    refuse(why)
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
        let given = json::name(&body.value).to_string();
        let (api_version, kind) = (json::text(&body.value, "/apiVersion"), json::text(&body.value, "/kind"));
        let is_same_group = split_api_version(api_version).0 == resource.group;
        if api_version.is_empty() || kind != resource.kind || !is_same_group {
            let told = if api_version.contains('/') { api_version.to_string() } else { format!("/{api_version}") };
            return Err(ApiError::bad_request(format!("invalid object type: {told}, Kind={kind}")));
        }
        if !json::list(&body.value, "/metadata/managedFields").is_empty() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        metadata::check_type(resource, &body.value)?;
        // What the schema does not have cannot be owned: apply refuses it, whatever field validation says.
        let place = (json::namespace(&body.value).to_string(), json::name(&body.value).to_string());
        let paths: Vec<String> = super::unknown::unknown_fields(resource, &body.value)
            .iter()
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
        let addressed = |mut config: Value| {
            json::set(&mut config, &["metadata", "name"], name);
            if resource.is_namespaced() {
                json::set(&mut config, &["metadata", "namespace"], namespace);
            }
            config
        };
        // The refusal of a wrong type names the object as the configuration does.
        let merge = |current: Option<&Value>, config: &Value| {
            fields::apply(self, resource, current, config, part, force, options).map_err(|mut error| {
                if place.0.is_empty() {
                    error.message = error.message.replacen(&format!("({namespace}/{name};"), &format!("(/{name};"), 1);
                }
                error
            })
        };
        let raw = body.value.clone();
        let (config, warnings) = self.without_unknown_fields(resource, body, options.validation).map_err(|error| {
            // What structured merge says of a wrong type comes before what the decoder says.
            let current = self.store.get(&resource.key, namespace, name);
            merge(current.as_deref().map(|stored| &*stored.value), &addressed(raw)).err().unwrap_or(error)
        })?;
        let config = addressed(config);
        let misnamed = || {
            let is_other = !given.is_empty() && given != name;
            is_other.then(|| {
                ApiError::bad_request(format!(
                    "the name of the object ({given}) does not match the name on the URL ({name})"
                ))
            })
        };
        loop {
            if self.store.get(&resource.key, namespace, name).is_some() {
                let outcome = self.change(resource, namespace, name, part, options, &|current| {
                    let value = merge(Some(current), &config)?;
                    if let Some(refused) = misnamed() {
                        return Err(refused);
                    }
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
                let why = format!(
                    "uid mismatch: the provided object specified uid {}, and no existing object was found",
                    json::text(&config, "/metadata/uid")
                );
                return Err(ApiError::conflict(resource.qualified(), name, &why));
            }
            let mut value = merge(None, &config)?;
            if let Some(refused) = misnamed() {
                return Err(refused);
            }
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

/// An object with a patch applied that is no server-side apply; both in the resource's version.
pub(crate) fn patched(resource: &Resource, kind: PatchKind, current: &Value, patch: &Value) -> Result<Value, ApiError> {
    let next = merged(resource, kind, current, patch)?;
    check_identity(resource, json::name(current), current, &next)?;
    Ok(next)
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
            strategic::apply::apply(current, patch, schema)
                .map_err(|error| ApiError::unexplained(strategic_words(&error)))
        }
        PatchKind::Apply { .. } => unreachable!("apply has its own way"),
    }
}

/// What is wrong with a strategic patch, in the real server's words.
fn strategic_words(error: &StrategicError) -> String {
    match error {
        StrategicError::NoMergeKey { element, key, .. } => {
            let element = serde_json::from_str(element).unwrap_or_default();
            format!("map: {} does not contain declared merge key: {key}", go_value(&element))
        }
        StrategicError::UnknownDirective { directive, .. } => {
            let directive = directive.trim_matches('"');
            format!("unknown patch type: {directive} in map: map[$patch:{directive}]")
        }
        other => other.to_string(),
    }
}

/// A value as Go's `%v` prints it.
fn go_value(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_value(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(go_value).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_string(),
        other => other.to_string(),
    }
}

/// The fields of ObjectMeta and of an entry of managedFields in the order of Go's types.
const METADATA_FIELDS: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
const MANAGED_FIELDS: &[&str] =
    &["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];

/// JSON of a patched object as the real server has it in hand: its metadata comes from a Go type.
fn as_go(object: &Value) -> String {
    let in_order = |map: &serde_json::Map<String, Value>, names: &[&str], show: &dyn Fn(&str, &Value) -> String| {
        let known = names.iter().filter_map(|name| Some((*name, map.get(*name)?)));
        let others = map.iter().filter(|(key, _)| !names.contains(&key.as_str()));
        let fields: Vec<String> = known
            .chain(others.map(|(key, value)| (key.as_str(), value)))
            .map(|(key, value)| format!("{}:{}", Value::from(key), show(key, value)))
            .collect();
        format!("{{{}}}", fields.join(","))
    };
    let Some(map) = object.as_object() else { return object.to_string() };
    in_order(map, &[], &|key, value| match (key, value) {
        ("metadata", Value::Object(metadata)) => {
            in_order(metadata, METADATA_FIELDS, &|key, value| match (key, value) {
                ("managedFields", Value::Array(entries)) => {
                    let shown: Vec<String> = entries
                        .iter()
                        .map(|entry| match entry {
                            Value::Object(entry) => in_order(entry, MANAGED_FIELDS, &|_, value| value.to_string()),
                            other => other.to_string(),
                        })
                        .collect();
                    format!("[{}]", shown.join(","))
                }
                (_, value) => value.to_string(),
            })
        }
        (_, value) => value.to_string(),
    })
}

/// A patch may not change the name of an object.
fn check_identity(resource: &Resource, name: &str, before: &Value, after: &Value) -> Result<(), ApiError> {
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
