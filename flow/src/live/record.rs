//! What is remembered of a live object: enough to compare, assess and order it, and no more.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use landfall_health::Rules;
use landfall_model::health::Health;
use landfall_model::key::ObjectKey;
use landfall_model::time::Time;
use landfall_model::{object, tracking};
use serde_json::Value;

/// One live object, reduced. Objects that some application manages keep their body (without `status`), as JSON text,
/// because a difference is computed from it; of all others only what is listed here is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which object.
    pub key: ObjectKey,
    /// The version it was read in.
    pub version: String,
    /// The uid.
    pub uid: String,
    /// The resource version that this was read at.
    pub resource_version: String,
    /// The uids of its owners.
    pub owner_uids: Vec<String>,
    /// The application that it says it belongs to, if the annotation describes this very object.
    pub instance: Option<Arc<str>>,
    /// When its deletion was asked for.
    pub deletion_time: Option<Time>,
    /// How it does; `None` if its kind has no health.
    pub health: Option<Health>,
    /// Images of its containers, sorted.
    pub images: Vec<String>,
    /// Changes when the body does: everything but `status`, and the metadata that changes by itself.
    pub digest: u64,
    /// The body as JSON text, for objects that are managed.
    pub body: Option<Arc<[u8]>>,
}

impl Record {
    /// Reduces an object as the API sent it.
    pub fn of(mut live: Value, rules: &Rules) -> Self {
        let health = rules.assess(&live);
        let instance = tracking::owner(&live).map(Arc::from);
        let images = images(&live);
        if let Some(fields) = live.as_object_mut() {
            fields.remove("status");
        }
        let gvk = object::gvk(&live);
        let mut record = Self {
            key: object::key(&live),
            version: gvk.version,
            uid: object::uid(&live).to_owned(),
            resource_version: object::resource_version(&live).to_owned(),
            owner_uids: object::owner_uids(&live).into_iter().map(str::to_owned).collect(),
            deletion_time: object::deletion_time(&live),
            instance,
            health,
            images,
            digest: 0,
            body: None,
        };
        if record.instance.is_some() {
            record.body = Some(serde_json::to_vec(&live).expect("JSON values serialise").into());
        }
        record.digest = digest(live);
        record
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
        self.digest != other.digest
            || self.uid != other.uid
            || self.health != other.health
            || self.deletion_time != other.deletion_time
            || self.instance != other.instance
            || self.images != other.images
    }
}

/// Digests the body without what changes by itself. Which manager owns which field is kept (it says whether a field is
/// still ours), but not when.
fn digest(mut live: Value) -> u64 {
    if let Some(metadata) = live.get_mut("metadata").and_then(Value::as_object_mut) {
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
    serde_json::to_vec(&live).expect("JSON values serialise").hash(&mut hasher);
    hasher.finish()
}

/// Lists the images of pods and of pod templates.
fn images(live: &Value) -> Vec<String> {
    let templates =
        [&["spec"][..], &["spec", "template", "spec"], &["spec", "jobTemplate", "spec", "template", "spec"]];
    let mut found: Vec<String> = Vec::new();
    for pod in templates.iter().filter_map(|path| object::at(live, path)) {
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            let containers = pod.get(list).and_then(Value::as_array).into_iter().flatten();
            found.extend(containers.filter_map(|container| Some(container.get("image")?.as_str()?.to_owned())));
        }
    }
    found.sort();
    found.dedup();
    found
}
