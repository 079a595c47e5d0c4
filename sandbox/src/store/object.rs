//! A stored object, its address, and one change of it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::json;

/// Names a resource across versions: `pods`, `deployments.apps`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ResourceKey(Arc<str>);

impl ResourceKey {
    /// The key of a plural name in a group ("" for the core group).
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        if group.is_empty() { Self(plural.into()) } else { Self(format!("{plural}.{group}").into()) }
    }

    /// The key as written in messages.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ResourceKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

/// The address of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    /// Its resource.
    pub(crate) resource: ResourceKey,
    /// Its namespace, "" when the resource is cluster-scoped.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
}

impl ObjectId {
    /// The address of an object of a resource, from its metadata.
    pub(crate) fn of(resource: &ResourceKey, value: &Value) -> Self {
        Self { resource: resource.clone(), namespace: json::namespace(value).into(), name: json::name(value).into() }
    }
}

/// An object as it is at one revision; immutable.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The revision at which it was written; also in `metadata.resourceVersion`.
    pub(crate) revision: u64,
    /// The whole object in its storage version, with `kind` and `apiVersion`.
    pub(crate) value: Arc<Value>,
    /// JSON of the object without `kind` and `apiVersion`, written when first asked for.
    body: OnceLock<Bytes>,
}

impl Stored {
    /// Stamps the revision into the object.
    pub(crate) fn new(mut value: Value, revision: u64) -> Self {
        json::set(&mut value, &["metadata", "resourceVersion"], revision.to_string());
        Self { revision, value: Arc::new(value), body: OnceLock::new() }
    }

    /// An object that a dry run made: no revision of its own.
    pub(crate) fn unsaved(value: Value) -> Self {
        Self { revision: 0, value: Arc::new(value), body: OnceLock::new() }
    }

    /// The object's JSON without `kind` and `apiVersion`: the same bytes serve every version that differs only there.
    pub(crate) fn body(&self) -> &Bytes {
        self.body.get_or_init(|| headless(&self.value))
    }
}

/// JSON of an object without its `kind` and `apiVersion`.
pub(crate) fn headless(value: &Value) -> Bytes {
    struct Headless<'a>(&'a Map<String, Value>);
    impl serde::Serialize for Headless<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().filter(|(key, _)| *key != "kind" && *key != "apiVersion"))
        }
    }
    let empty = Map::new();
    let map = value.as_object().unwrap_or(&empty);
    serde_json::to_vec(&Headless(map)).expect("a JSON value with string keys always serialises").into()
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// It came to be.
    Added,
    /// It was written again.
    Modified,
    /// It is gone; the change holds its last state.
    Deleted,
}

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    /// What happened.
    pub(crate) kind: ChangeKind,
    /// The object's namespace.
    pub(crate) namespace: Arc<str>,
    /// The object's name.
    pub(crate) name: Arc<str>,
    /// The object after the change (for deletions: its last state, at the deletion's revision).
    pub(crate) object: Arc<Stored>,
    /// The object before the change.
    pub(crate) previous: Option<Arc<Stored>>,
}

impl Change {
    /// The revision of the change.
    pub(crate) fn revision(&self) -> u64 {
        self.object.revision
    }
}
