//! Which application an object belongs to, and whether the object itself says so.
//! Source: Argo CD `util/argo/resource_tracking.go`, `docs/user-guide/resource_tracking.md`.

use serde_json::Value;

use crate::annotations::TRACKING_ID;
use crate::key::ObjectKey;
use crate::object;

/// The parsed value of the tracking annotation, `<instance>:<group>/<Kind>:<namespace>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrackingId {
    /// The application, as [`instance_name`] writes it.
    pub instance: String,
    /// The object that the annotation describes. Cluster-scoped objects carry the application's destination namespace.
    pub key: ObjectKey,
}

impl TrackingId {
    /// Reads the annotation's value; `None` if it has another form.
    pub fn parse(value: &str) -> Option<Self> {
        let (instance, rest) = value.split_once(':')?;
        let (kind, place) = rest.split_once(':')?;
        let (group, kind) = kind.split_once('/')?;
        let (namespace, name) = place.split_once('/')?;
        Some(Self { instance: instance.to_owned(), key: ObjectKey::of(group, kind, namespace, name) })
    }

    /// Reads the annotation of an object.
    pub fn of_object(live: &Value) -> Option<Self> {
        Self::parse(object::annotation(live, TRACKING_ID)?)
    }

    /// Says whether this describes the object at `key`. Namespaces are compared only for namespaced objects, because a
    /// cluster-scoped object's annotation holds the destination namespace.
    pub fn describes(&self, key: &ObjectKey) -> bool {
        let here = &self.key;
        here.group == key.group
            && here.kind == key.kind
            && here.name == key.name
            && (key.namespace.is_empty() || here.namespace == key.namespace)
    }
}

impl std::fmt::Display for TrackingId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ObjectKey { group, kind, namespace, name } = &self.key;
        write!(out, "{}:{group}/{kind}:{namespace}/{name}", self.instance)
    }
}

/// Writes an application's name for tracking: its name, or `<namespace>_<name>` outside the control namespace.
pub fn instance_name(application_namespace: &str, application_name: &str, control_namespace: &str) -> String {
    if application_namespace.is_empty() || application_namespace == control_namespace {
        application_name.to_owned()
    } else {
        format!("{application_namespace}_{application_name}")
    }
}

/// Names the application that an object says it belongs to, if the annotation describes this very object. An object with
/// somebody else's annotation (copied by an operator, say) belongs to nobody and is never pruned.
pub fn owner(live: &Value) -> Option<String> {
    let id = TrackingId::of_object(live)?;
    id.describes(&object::key(live)).then_some(id.instance)
}
