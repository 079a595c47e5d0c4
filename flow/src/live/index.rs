//! The live objects of one cluster, by key, by application and by owner. Synchronous; no I/O.
//!
//! What is known of an object comes on two ways, the watch and the answers to our own writes, and these overtake each
//! other. Resource versions say which is later: an older state never takes the place of a newer one, and an answer that
//! arrives after the object's end does not bring it back.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use landfall_model::key::{GroupKind, ObjectKey};
use landfall_model::time::Time;

use super::record::Record;

/// How far up an object's owners are followed to find the application it belongs to.
const OWNERS_FOLLOWED_MAX: usize = 8;

/// How many ends of objects are remembered: as many as can be seen while one answer is on its way.
const ENDS_MAX: usize = 4_096;

/// The index. Invariant: `by_instance`, `by_owner` and `by_node` name exactly the records in `records`.
#[derive(Debug, Default)]
pub(crate) struct Index {
    records: HashMap<ObjectKey, Arc<Record>>,
    key_by_uid: HashMap<String, ObjectKey>,
    by_instance: HashMap<Arc<str>, BTreeSet<ObjectKey>>,
    by_owner: HashMap<String, BTreeSet<ObjectKey>>,
    /// Pods by the node that they run on.
    by_node: HashMap<String, BTreeSet<ObjectKey>>,
    /// The resource versions at which objects ended, the oldest first.
    ends: VecDeque<(ObjectKey, u64)>,
    /// When each application was last given reason to look again, counted in changes of all of them.
    changes_by_instance: HashMap<Arc<str>, u64>,
    changes: u64,
}

impl Index {
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Arc<Record>> {
        self.records.get(key)
    }

    pub(crate) fn of_instance(&self, instance: &str) -> Vec<Arc<Record>> {
        let keys = self.by_instance.get(instance).into_iter().flatten();
        keys.filter_map(|key| self.records.get(key).cloned()).collect()
    }

    /// Grows whenever an application has reason to look again.
    pub(crate) fn changes_of(&self, instance: &str) -> u64 {
        self.changes_by_instance.get(instance).copied().unwrap_or(0)
    }

    fn note(&mut self, concerned: &[Arc<str>]) {
        self.changes += 1;
        for instance in concerned {
            self.changes_by_instance.insert(instance.clone(), self.changes);
        }
    }

    /// Lists the Pods that run on one of these nodes.
    pub(crate) fn pods_on(&self, nodes: &BTreeSet<String>) -> Vec<Arc<Record>> {
        let keys = nodes.iter().filter_map(|node| self.by_node.get(node)).flatten();
        keys.filter_map(|key| self.records.get(key).cloned()).collect()
    }

    /// Lists the objects that name `uid` as an owner.
    pub(crate) fn children(&self, uid: &str) -> Vec<Arc<Record>> {
        let keys = self.by_owner.get(uid).into_iter().flatten();
        keys.filter_map(|key| self.records.get(key).cloned()).collect()
    }

    /// Puts a record in. Returns the applications that have reason to look again: none if the record is not newer, or
    /// differs in nothing that they see.
    pub(crate) fn put(&mut self, record: Record) -> Vec<Arc<str>> {
        let old = self.records.get(&record.live.key).cloned();
        if let Some(old) = &old {
            if !record.is_newer_than(old) {
                return Vec::new();
            }
            self.unlink(old);
        } else if self.has_ended_since(&record) {
            return Vec::new();
        }
        let is_visible = old.as_ref().is_none_or(|old| record.differs_visibly_from(old));
        let mut concerned = if is_visible { self.concerned(&record) } else { Vec::new() };
        let left = old.and_then(|old| old.live.owner.clone());
        if let Some(left) = left.filter(|left| Some(left) != record.live.owner.as_ref()) {
            concerned.push(left.into());
        }
        self.link(record);
        self.note(&concerned);
        concerned
    }

    /// Takes in that an object of this uid ended at a resource version. Returns the applications that have reason to
    /// look again. An object of another uid stays.
    pub(crate) fn end(&mut self, key: &ObjectKey, uid: &str, version: &str) -> Vec<Arc<str>> {
        if let Ok(version) = version.parse() {
            if self.ends.len() >= ENDS_MAX {
                self.ends.pop_front();
            }
            self.ends.push_back((key.clone(), version));
        }
        self.remove(key, Some(uid))
    }

    /// Says whether the object's end is known, and was later than this state of it.
    fn has_ended_since(&self, record: &Record) -> bool {
        let Ok(version) = record.resource_version.parse::<u64>() else { return false };
        self.ends.iter().any(|(key, ended)| *ended >= version && *key == record.live.key)
    }

    /// Takes an object out. Returns the applications that have reason to look again. An object of another uid stays.
    pub(crate) fn remove(&mut self, key: &ObjectKey, uid: Option<&str>) -> Vec<Arc<str>> {
        match self.records.get(key) {
            Some(old) if uid.is_none_or(|uid| uid.is_empty() || old.live.uid == uid) => {}
            _ => return Vec::new(),
        }
        let old = self.records.remove(key).expect("found above");
        let concerned = self.concerned(&old);
        self.unlink(&old);
        self.note(&concerned);
        concerned
    }

    /// Marks an object as on its way out, if it still has this uid.
    pub(crate) fn mark_deleted(&mut self, key: &ObjectKey, uid: &str, at: Time) {
        if let Some(record) = self.records.get_mut(key).filter(|record| record.live.uid == uid) {
            Arc::make_mut(record).live.deletion_time.get_or_insert(at);
            let owner: Vec<Arc<str>> = record.live.owner.iter().map(|owner| owner.as_str().into()).collect();
            self.note(&owner);
        }
    }

    /// Lists the keys of all objects of a kind, in one namespace or (`""`) everywhere.
    pub(crate) fn keys_of(&self, kind: &GroupKind, namespace: &str) -> Vec<ObjectKey> {
        let is_meant = |key: &&ObjectKey| {
            key.group == kind.group && key.kind == kind.kind && (namespace.is_empty() || key.namespace == namespace)
        };
        self.records.keys().filter(is_meant).cloned().collect()
    }

    /// Lists the objects of a namespace that no other object owns.
    pub(crate) fn top_level_in(&self, namespace: &str) -> Vec<Arc<Record>> {
        let is_meant = |record: &&Arc<Record>| record.live.key.namespace == namespace && record.owner_uids.is_empty();
        self.records.values().filter(is_meant).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Names the applications an object counts for: its own, or that of the nearest managed owner.
    fn concerned(&self, record: &Record) -> Vec<Arc<str>> {
        if let Some(instance) = &record.live.owner {
            return vec![instance.as_str().into()];
        }
        let mut found = Vec::new();
        let mut uids = record.owner_uids.clone();
        for _ in 0..OWNERS_FOLLOWED_MAX {
            let owners: Vec<_> =
                uids.iter().filter_map(|uid| self.records.get(self.key_by_uid.get(uid)?)).cloned().collect();
            found.extend(owners.iter().filter_map(|owner| owner.live.owner.as_deref().map(Arc::from)));
            if owners.is_empty() || !found.is_empty() {
                break;
            }
            uids = owners.iter().flat_map(|owner| owner.owner_uids.iter().cloned()).collect();
        }
        found
    }

    fn link(&mut self, record: Record) {
        let key = record.live.key.clone();
        if let Some(instance) = &record.live.owner {
            self.by_instance.entry(instance.as_str().into()).or_default().insert(key.clone());
        }
        for uid in &record.owner_uids {
            self.by_owner.entry(uid.clone()).or_default().insert(key.clone());
        }
        if let Some(pod) = record.pod.as_ref().filter(|pod| !pod.node.is_empty()) {
            self.by_node.entry(pod.node.clone()).or_default().insert(key.clone());
        }
        self.key_by_uid.insert(record.live.uid.clone(), key.clone());
        self.records.insert(key, Arc::new(record));
    }

    fn unlink(&mut self, record: &Record) {
        if let Some(instance) = record.live.owner.as_deref()
            && let Some(keys) = self.by_instance.get_mut(instance)
        {
            keys.remove(&record.live.key);
            if keys.is_empty() {
                self.by_instance.remove(instance);
            }
        }
        for uid in &record.owner_uids {
            if let Some(keys) = self.by_owner.get_mut(uid) {
                keys.remove(&record.live.key);
                if keys.is_empty() {
                    self.by_owner.remove(uid);
                }
            }
        }
        if let Some(pod) = &record.pod
            && let Some(keys) = self.by_node.get_mut(&pod.node)
        {
            keys.remove(&record.live.key);
            if keys.is_empty() {
                self.by_node.remove(&pod.node);
            }
        }
        self.key_by_uid.remove(&record.live.uid);
    }
}

#[cfg(test)]
mod tests {
    use landfall_health::Rules;
    use serde_json::json;

    use super::*;

    fn record(uid: &str, version: u64) -> Record {
        let id = "shop:/ConfigMap:shop/a";
        let metadata = json!({
            "name": "a", "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
            "annotations": {"argocd.argoproj.io/tracking-id": id},
        });
        Record::of(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}), &Rules::built_in())
    }

    fn version(index: &Index) -> Option<String> {
        index.get(&ObjectKey::of("", "ConfigMap", "shop", "a")).map(|record| record.resource_version.clone())
    }

    #[test]
    fn an_older_state_never_takes_the_place_of_a_newer_one_not_even_that_of_an_object_made_anew() {
        let mut index = Index::default();
        index.put(record("second", 9));
        assert!(index.put(record("first", 5)).is_empty());
        assert_eq!(version(&index).as_deref(), Some("9"));
    }

    #[test]
    fn pods_are_found_by_their_node_wherever_they_go() {
        let pod = |node: &str, version: u64| {
            let metadata =
                json!({"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": version.to_string()});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}});
            Record::of(pod, &Rules::built_in())
        };
        let on = |index: &Index, node: &str| index.pods_on(&BTreeSet::from([node.to_owned()])).len();
        let mut index = Index::default();
        index.put(pod("", 1));
        index.put(pod("one", 2));
        assert_eq!((on(&index, "one"), on(&index, "")), (1, 0));
        index.end(&pod("one", 2).live.key, "u", "3");
        assert_eq!(on(&index, "one"), 0);
        assert!(index.by_node.is_empty());
    }

    #[test]
    fn an_answer_that_arrives_after_the_objects_end_does_not_bring_it_back() {
        let mut index = Index::default();
        index.put(record("first", 5));
        let key = record("first", 5).live.key;
        assert_eq!(index.end(&key, "first", "8").len(), 1);
        index.put(record("first", 7));
        assert_eq!(version(&index), None, "it was written before it ended");
        index.put(record("second", 9));
        assert_eq!(version(&index).as_deref(), Some("9"), "it was made anew since");
    }
}
