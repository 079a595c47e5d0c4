//! What is remembered of a live object: enough to compare, assess and order it, and no more.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use landfall_health::Rules;
use landfall_model::object;
use landfall_sync::live::Live;
use serde_json::Value;

use super::pod::Pod;

/// The annotation with a ReplicaSet's revision. Source: Kubernetes' deployment controller.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// One live object, reduced. Objects that some application manages keep their body (without `status`), as JSON text,
/// because a difference is computed from it; of all others only what is listed here is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What deciding needs.
    pub live: Live,
    /// The resource version that this was read at.
    pub resource_version: String,
    /// The uids of its owners.
    pub owner_uids: Vec<String>,
    /// Changes when the body does: everything but `status`, and the metadata that changes by itself.
    pub digest: u64,
    /// The body as JSON text, for objects that are managed.
    pub body: Option<Arc<[u8]>>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The revision of a ReplicaSet.
    pub revision: Option<u64>,
    /// What people look for at a Pod; `None` for everything else.
    pub pod: Option<Box<Pod>>,
}

impl Record {
    /// Reduces an object as the API sent it.
    pub fn of(mut value: Value, rules: &Rules) -> Self {
        let live = Live::read(&value, rules);
        let is = |group: &str, kind: &str| live.key.group == group && live.key.kind == kind;
        let pod = is("", "Pod").then(|| Box::new(Pod::read(&value)));
        let revision = object::annotation(&value, REVISION).filter(|_| is("apps", "ReplicaSet"));
        let revision = revision.and_then(|text| text.parse().ok());
        let created = object::text(&value, &["metadata", "creationTimestamp"]).parse().ok();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        let keeps_body = live.owner.is_some() || live.key.kind == "Namespace";
        Self {
            live,
            resource_version: object::resource_version(&value).to_owned(),
            owner_uids: object::owner_uids(&value).into_iter().map(str::to_owned).collect(),
            body: keeps_body.then(|| serde_json::to_vec(&value).expect("JSON values serialise").into()),
            digest: digest(value),
            created,
            revision,
            pod,
        }
    }

    /// Reads the body; `None` if the object is not managed.
    pub fn body(&self) -> Option<Value> {
        self.body.as_ref().map(|bytes| serde_json::from_slice(bytes).expect("we wrote it"))
    }

    /// Says whether this is a later state than `other`, by resource version; texts that are no numbers count as later.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        match (self.resource_version.parse::<u64>(), other.resource_version.parse::<u64>()) {
            (Ok(ours), Ok(theirs)) => ours > theirs,
            _ => true,
        }
    }

    /// Says whether an application that manages the object has reason to look at it again.
    pub fn differs_visibly_from(&self, other: &Self) -> bool {
        self.digest != other.digest || self.live != other.live
    }
}

/// Digests the body without what changes by itself. Which manager owns which field is kept (it says whether a field is
/// still ours), but not when.
fn digest(mut value: Value) -> u64 {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("generation");
        if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
            entries.retain(|entry| object::text(entry, &["subresource"]) != "status");
            entries.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| {
                entry.remove("time");
            });
        }
    }
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(&value).expect("JSON values serialise").hash(&mut hasher);
    hasher.finish()
}
