//! Putting a whole earlier state back.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Core;
use crate::store::{Expect, ObjectId, ResourceKey};
use crate::{crd, json, kinds};

impl Core {
    /// Makes the objects be exactly these: others go, these come or change; identities are kept. Watches are told.
    pub(crate) fn replace_all(&self, objects: &[(ResourceKey, Arc<Value>)]) {
        let wanted: BTreeSet<ObjectId> =
            objects.iter().map(|(resource, value)| ObjectId::of(resource, value)).collect();
        let definitions = ResourceKey::from(crd::CRD_RESOURCE);
        for resource in self.store.resources() {
            for stored in self.store.list(&resource, None, None).map(|listing| listing.items).unwrap_or_default() {
                if wanted.contains(&ObjectId::of(&resource, &stored.value)) {
                    continue;
                }
                let known = self.registry.stored(&resource);
                let last = Value::clone(&stored.value);
                // Whoever wrote in between keeps what he wrote: the object is then as new as if he had come later.
                if let Ok(gone) = self.store.remove(&resource, stored.revision, last)
                    && let Some(resource) = known
                {
                    kinds::release(self, &resource, &gone.value);
                    self.after_delete(&resource, &gone.value);
                }
            }
        }
        // Definitions first, so that what they define is served.
        let order = objects.iter().filter(|(resource, _)| *resource == definitions);
        for (resource, value) in order.chain(objects.iter().filter(|(resource, _)| *resource != definitions)) {
            let id = ObjectId::of(resource, value);
            let held = self.store.get(resource, &id.namespace, &id.name);
            let expect = match &held {
                Some(held) if same(&held.value, value) => continue,
                Some(held) => Expect::Revision(held.revision),
                None => Expect::Absent,
            };
            // As above.
            let stored = self.store.put(resource, expect, Value::clone(value));
            if let (Ok(stored), Some(known)) = (stored, self.registry.stored(resource)) {
                if resource.as_str() == "services" {
                    kinds::restore(self, &stored.value);
                }
                self.after_write(&known, held.as_ref().map(|held| held.value.as_ref()), &stored);
            }
        }
        crd::restore(self);
    }
}

/// Equal but for the resourceVersion.
fn same(left: &Value, right: &Value) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        json::take(&mut value, &["metadata", "resourceVersion"]);
        value
    };
    without(left) == without(right)
}
