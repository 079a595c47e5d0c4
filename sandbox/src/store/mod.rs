//! What the API server remembers: the latest objects, and a window of recent changes.
//!
//! ```text
//!   create/update/delete --(compare and swap on the revision)--> table of the resource
//!                                                                  |-> change log  -> watches, older lists, 410
//!                                                                  |-> tap         -> simulated controllers
//!                                                                  `-> journal     -> one SQLite file (optional)
//! ```
//!
//! One counter gives every change its revision, which is the object's `resourceVersion`; changes are totally ordered.
//! Objects are immutable once stored and shared by reference. Nothing here knows about HTTP, kinds or validation.
//! Entry: [`Store`].

mod journal;
mod object;
mod table;

pub(crate) use journal::Journal;
pub use journal::JournalError;
pub(crate) use object::{Change, ChangeKind, ObjectId, ResourceKey, Stored};

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::json;
use table::Table;

/// How many changes of one resource are kept for watches and continued lists, unless told otherwise.
pub(crate) const HISTORY_EVENTS_MAX: usize = 10_000;

/// What a writer believes about the object it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It does not exist.
    Absent,
    /// It exists at this revision.
    Revision(u64),
}

/// Why a write did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// [`Expect::Absent`], but it exists.
    Exists,
    /// [`Expect::Revision`], but it does not exist.
    Missing,
    /// [`Expect::Revision`], but it has moved on.
    Changed,
}

/// The asked history is gone: it was compacted up to `oldest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The oldest revision from which changes can still be told.
    pub(crate) oldest: u64,
}

/// Objects of one resource at one revision, in key order.
pub(crate) struct Listing {
    /// The objects.
    pub(crate) items: Vec<Arc<Stored>>,
    /// The revision at which they are exactly what exists.
    pub(crate) revision: u64,
}

/// Changes since a revision.
pub(crate) struct Changes {
    /// The changes, oldest first.
    pub(crate) events: Vec<Arc<Change>>,
    /// Everything up to this revision has been told.
    pub(crate) revision: u64,
}

/// One change with the resource it belongs to, as the simulated controllers hear it.
pub(crate) type Tapped = (ResourceKey, Arc<Change>);

/// The objects of all resources.
pub(crate) struct Store {
    inner: RwLock<Inner>,
}

struct Inner {
    revision: u64,
    /// History before this revision was lived by an earlier process and cannot be told.
    restored_revision: u64,
    history_events_max: usize,
    tables: HashMap<ResourceKey, Table>,
    by_uid: HashMap<Box<str>, ObjectId>,
    children: HashMap<Box<str>, BTreeSet<ObjectId>>,
    /// Pods, ReplicaSets and ControllerRevisions that no controller owns, since others look for those to adopt all the time.
    lone: HashMap<ResourceKey, BTreeSet<ObjectId>>,
    tap: Option<mpsc::UnboundedSender<Tapped>>,
    journal: Option<Journal>,
}

impl Store {
    /// An empty store whose first write gets revision 2 (clients treat 0 and 1 specially), or one filled from a journal.
    pub(crate) fn new(history_events_max: usize, journal: Option<Journal>) -> Self {
        Self {
            inner: RwLock::new(Inner {
                revision: 1,
                restored_revision: 0,
                history_events_max,
                tables: HashMap::new(),
                by_uid: HashMap::new(),
                children: HashMap::new(),
                lone: ["pods", "replicasets.apps", "controllerrevisions.apps"]
                    .map(|resource| (ResourceKey::from(resource), BTreeSet::new()))
                    .into(),
                tap: None,
                journal,
            }),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().expect("no holder of this lock panics")
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().expect("no holder of this lock panics")
    }

    /// Puts an object read from the journal in place, without telling anybody.
    pub(crate) fn restore(&self, resource: &ResourceKey, value: Value, revision: u64) {
        let mut inner = self.write_lock();
        inner.revision = inner.revision.max(revision);
        let id = ObjectId::of(resource, &value);
        let stored = Arc::new(Stored::new(value, revision));
        inner.index(&id, None, Some(&stored));
        inner.table(resource).insert(&id.namespace, &id.name, stored);
    }

    /// Moves the counter forward to a revision known from the journal; history before it cannot be told.
    pub(crate) fn restore_revision(&self, revision: u64) {
        let mut inner = self.write_lock();
        inner.revision = inner.revision.max(revision);
        let floor = inner.revision;
        inner.restored_revision = floor;
        for table in inner.tables.values_mut() {
            table.compact(floor);
        }
    }

    /// Sends every later change to the returned receiver; there is one tap at a time.
    pub(crate) fn tap(&self) -> mpsc::UnboundedReceiver<Tapped> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.write_lock().tap = Some(sender);
        receiver
    }

    /// The revision of the latest change.
    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    /// One object.
    pub(crate) fn get(&self, resource: &ResourceKey, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        self.read().tables.get(resource)?.get(namespace, name).cloned()
    }

    /// The object that carries a uid.
    pub(crate) fn by_uid(&self, uid: &str) -> Option<ObjectId> {
        self.read().by_uid.get(uid).cloned()
    }

    /// The objects whose owner references name this uid, in key order.
    pub(crate) fn children(&self, uid: &str) -> Vec<ObjectId> {
        self.read().children.get(uid).map(|set| set.iter().cloned().collect()).unwrap_or_default()
    }

    /// The children of a uid that belong to one resource.
    pub(crate) fn children_of(&self, uid: &str, resource: &ResourceKey) -> Vec<Arc<Stored>> {
        let inner = self.read();
        let Some(table) = inner.tables.get(resource) else { return Vec::new() };
        inner
            .children
            .get(uid)
            .into_iter()
            .flatten()
            .filter(|id| id.resource == *resource)
            .filter_map(|id| table.get(&id.namespace, &id.name).cloned())
            .collect()
    }

    /// The pods or ReplicaSets of a namespace that no controller owns.
    pub(crate) fn lone(&self, resource: &ResourceKey, namespace: &str) -> Vec<Arc<Stored>> {
        let inner = self.read();
        let (Some(ids), Some(table)) = (inner.lone.get(resource), inner.tables.get(resource)) else {
            return Vec::new();
        };
        let first = ObjectId { resource: resource.clone(), namespace: namespace.into(), name: "".into() };
        ids.range(first..)
            .take_while(|id| &*id.namespace == namespace)
            .filter_map(|id| table.get(&id.namespace, &id.name).cloned())
            .collect()
    }

    /// All objects of a resource, in one namespace or everywhere, now or as they were at a revision.
    pub(crate) fn list(
        &self,
        resource: &ResourceKey,
        namespace: Option<&str>,
        at: Option<u64>,
    ) -> Result<Listing, Compacted> {
        let inner = self.read();
        let revision = at.unwrap_or(inner.revision);
        let items = match inner.tables.get(resource) {
            None => Vec::new(),
            Some(table) => table.list(namespace, at)?,
        };
        Ok(Listing { items, revision })
    }

    /// How many objects a resource has.
    pub(crate) fn count(&self, resource: &ResourceKey) -> usize {
        self.read().tables.get(resource).map_or(0, Table::len)
    }

    /// True when one of these resources has objects.
    pub(crate) fn has_any(&self, resources: &[ResourceKey]) -> bool {
        let inner = self.read();
        resources.iter().any(|resource| inner.tables.get(resource).is_some_and(|table| table.len() > 0))
    }

    /// Every resource that has or had objects.
    pub(crate) fn resources(&self) -> Vec<ResourceKey> {
        let mut keys: Vec<ResourceKey> = self.read().tables.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// Changes after `since`, in one namespace or everywhere.
    pub(crate) fn changes(
        &self,
        resource: &ResourceKey,
        namespace: Option<&str>,
        since: u64,
    ) -> Result<Changes, Compacted> {
        let inner = self.read();
        let revision = inner.revision;
        let events = match inner.tables.get(resource) {
            None => Vec::new(),
            Some(table) => table.changes(namespace, since)?,
        };
        Ok(Changes { events, revision })
    }

    /// Wakes when something changes in a resource, in one namespace or anywhere.
    pub(crate) fn subscribe(&self, resource: &ResourceKey, namespace: Option<&str>) -> watch::Receiver<u64> {
        self.write_lock().table(resource).subscribe(namespace)
    }

    /// Stores an object under the next revision if `expect` holds; the revision becomes its `resourceVersion`.
    pub(crate) fn put(&self, resource: &ResourceKey, expect: Expect, value: Value) -> Result<Arc<Stored>, WriteError> {
        let mut inner = self.write_lock();
        let id = ObjectId::of(resource, &value);
        let previous = inner.check(&id, expect)?;
        inner.revision += 1;
        let revision = inner.revision;
        let stored = Arc::new(Stored::new(value, revision));
        let kind = if previous.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        inner.index(&id, previous.as_ref(), Some(&stored));
        inner.table(resource).insert(&id.namespace, &id.name, Arc::clone(&stored));
        inner.record(id, kind, Arc::clone(&stored), previous);
        Ok(stored)
    }

    /// Shows the objects of a resource differently from now on, without a change of their own: neither revisions nor watches tell of it.
    pub(crate) fn amend(&self, resource: &ResourceKey, change: &dyn Fn(&Value) -> Value) {
        let mut inner = self.write_lock();
        let Some(table) = inner.tables.get_mut(resource) else { return };
        table.amend(change);
    }

    /// Removes an object if it is still at `revision`; `last` is its final state as watchers see it.
    pub(crate) fn remove(&self, resource: &ResourceKey, revision: u64, last: Value) -> Result<Arc<Stored>, WriteError> {
        let mut inner = self.write_lock();
        let id = ObjectId::of(resource, &last);
        let previous = inner.check(&id, Expect::Revision(revision))?;
        inner.revision += 1;
        let stored = Arc::new(Stored::new(last, inner.revision));
        inner.index(&id, previous.as_ref(), None);
        inner.table(resource).remove(&id.namespace, &id.name);
        inner.record(id, ChangeKind::Deleted, Arc::clone(&stored), previous);
        Ok(stored)
    }

    /// Forgets the history of every resource, so that older watches and continued lists get 410.
    pub(crate) fn compact(&self) {
        let mut inner = self.write_lock();
        let floor = inner.revision;
        for table in inner.tables.values_mut() {
            table.compact(floor);
        }
    }

    /// Waits until everything up to `revision` would survive a crash; at once when nothing is persisted.
    pub(crate) async fn durable(&self, revision: u64) -> Result<(), JournalError> {
        let waiter = self.read().journal.as_ref().map(Journal::durable);
        match waiter {
            None => Ok(()),
            Some(waiter) => journal::wait_for(waiter, revision).await,
        }
    }
}

impl Inner {
    fn table(&mut self, resource: &ResourceKey) -> &mut Table {
        let floor = self.restored_revision;
        self.tables.entry(resource.clone()).or_insert_with(|| Table::new(floor))
    }

    fn check(&self, id: &ObjectId, expect: Expect) -> Result<Option<Arc<Stored>>, WriteError> {
        let current = self.tables.get(&id.resource).and_then(|table| table.get(&id.namespace, &id.name));
        match (expect, current) {
            (Expect::Absent, None) => Ok(None),
            (Expect::Absent, Some(_)) => Err(WriteError::Exists),
            (Expect::Revision(_), None) => Err(WriteError::Missing),
            (Expect::Revision(revision), Some(stored)) if stored.revision == revision => Ok(Some(Arc::clone(stored))),
            (Expect::Revision(_), Some(_)) => Err(WriteError::Changed),
        }
    }

    /// Keeps the uid and owner indexes in step with one object's change.
    fn index(&mut self, id: &ObjectId, before: Option<&Arc<Stored>>, after: Option<&Arc<Stored>>) {
        if let Some(lone) = self.lone.get_mut(&id.resource) {
            if after.is_some_and(|after| json::controller(&after.value).is_none()) {
                lone.insert(id.clone());
            } else {
                lone.remove(id);
            }
        }
        if let Some(before) = before {
            let same_owners = after.is_some_and(|after| owners_of(&after.value).eq(owners_of(&before.value)));
            if !same_owners {
                for owner in owners_of(&before.value) {
                    if let Some(set) = self.children.get_mut(owner) {
                        set.remove(id);
                        if set.is_empty() {
                            self.children.remove(owner);
                        }
                    }
                }
            }
            if after.is_none() {
                self.by_uid.remove(json::uid(&before.value));
            }
            if same_owners {
                return;
            }
        }
        if let Some(after) = after {
            let uid = json::uid(&after.value);
            if !uid.is_empty() {
                self.by_uid.insert(uid.into(), id.clone());
            }
            for owner in owners_of(&after.value) {
                self.children.entry(owner.into()).or_default().insert(id.clone());
            }
        }
    }

    fn record(&mut self, id: ObjectId, kind: ChangeKind, object: Arc<Stored>, previous: Option<Arc<Stored>>) {
        if let Some(journal) = &self.journal {
            journal.append(&id, kind, &object);
        }
        let resource = id.resource.clone();
        let change = Arc::new(Change { kind, namespace: id.namespace, name: id.name, object, previous });
        let history_events_max = self.history_events_max;
        self.table(&resource).record(Arc::clone(&change), history_events_max);
        if let Some(tap) = &self.tap
            && tap.send((resource, change)).is_err()
        {
            self.tap = None;
        }
    }
}

fn owners_of(value: &Value) -> impl Iterator<Item = &str> {
    json::list(value, "/metadata/ownerReferences").iter().map(|owner| json::text(owner, "/uid"))
}
