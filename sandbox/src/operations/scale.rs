//! The scale subresource: a small object that stands for the number of replicas of a larger one.

use serde_json::{Value, json};

use super::update::{Proposal, Record};
use super::{Core, Decoded, Outcome, Part, PatchKind, WriteOptions};
use crate::error::{ApiError, Cause};
use crate::json;
use crate::registry::{Resource, ScalePaths};
use crate::selector::LabelSelector;

/// Makes the `autoscaling/v1` Scale of an object.
pub(crate) fn scale_of(resource: &Resource, paths: &ScalePaths, object: &Value) -> Value {
    let selector = match paths.selector.as_deref().and_then(|pointer| object.pointer(pointer)) {
        Some(Value::String(text)) => text.clone(),
        Some(map) if resource.key.as_str() == "replicationcontrollers" => LabelSelector::of_map(Some(map)).to_string(),
        Some(map) => LabelSelector::of_spec(Some(map)).to_string(),
        None => String::new(),
    };
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": json::name(object),
            "namespace": json::namespace(object),
            "uid": json::uid(object),
            "resourceVersion": json::text(object, "/metadata/resourceVersion"),
            "creationTimestamp": json::text(object, "/metadata/creationTimestamp"),
        },
        "spec": {"replicas": json::integer(object, &paths.spec_replicas).unwrap_or(0)},
        "status": {"replicas": json::integer(object, &paths.status_replicas).unwrap_or(0)},
    });
    if !selector.is_empty() {
        json::set(&mut scale, &["status", "selector"], selector);
    }
    scale
}

impl Core {
    /// Replaces or patches the scale of an object. `body` is a Scale, or a patch of one.
    #[expect(clippy::too_many_arguments, reason = "the address of an object and what to do with it")]
    pub(crate) fn write_scale(
        &self,
        resource: &Resource,
        paths: &ScalePaths,
        namespace: &str,
        name: &str,
        patch: Option<PatchKind>,
        body: &Decoded,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        self.change(resource, namespace, name, Part::Scale, options, &|current| {
            let scale = scale_of(resource, paths, current);
            let wanted = match patch {
                None => body.value.clone(),
                Some(PatchKind::Json) => landfall_merge::json_patch::apply(&scale, &body.value)
                    .map_err(|error| ApiError::bad_request(error.to_string()))?,
                Some(PatchKind::Merge | PatchKind::Strategic | PatchKind::Apply { .. }) => {
                    landfall_merge::merge_patch::apply(&scale, &body.value)
                }
            };
            let replicas = match wanted.pointer("/spec/replicas") {
                None | Some(Value::Null) => 0,
                Some(number) => number.as_i64().ok_or_else(|| {
                    ApiError::bad_request(
                        "Scale in version \"v1\" cannot be handled as a Scale: spec.replicas must be an integer",
                    )
                })?,
            };
            if replicas < 0 {
                let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
                return Err(ApiError::invalid("autoscaling", "Scale", name, vec![cause]));
            }
            let given = |pointer: &str| wanted.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
            let mut value = current.clone();
            let path: Vec<&str> = paths.spec_replicas.split('/').skip(1).collect();
            json::set(&mut value, &path, replicas);
            let from_patch = patch.is_some() && json::text(&body.value, "/metadata/resourceVersion").is_empty();
            let revision = if from_patch { String::new() } else { given("/metadata/resourceVersion") };
            json::set(&mut value, &["metadata", "resourceVersion"], revision);
            Ok(Proposal { value, warnings: Vec::new(), record: Record::Update })
        })
    }
}
