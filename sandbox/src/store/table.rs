//! The objects and recent changes of one resource.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;

use super::Compacted;
use super::object::{Change, ChangeKind, Stored};

type ByName = BTreeMap<Arc<str>, Arc<Stored>>;

/// One resource. Invariant: `log` holds every change after `floor`, in revision order; `logs` holds the same by namespace,
/// so that a watch of one namespace does not look at what happens in all others.
pub(super) struct Table {
    by_namespace: BTreeMap<Arc<str>, ByName>,
    log: VecDeque<Arc<Change>>,
    logs: HashMap<Arc<str>, VecDeque<Arc<Change>>>,
    floor: u64,
    wakers: HashMap<Option<Box<str>>, watch::Sender<u64>>,
    len: usize,
}

impl Table {
    pub(super) fn new(floor: u64) -> Self {
        Self {
            by_namespace: BTreeMap::new(),
            log: VecDeque::new(),
            logs: HashMap::new(),
            floor,
            wakers: HashMap::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.by_namespace.get(namespace)?.get(name)
    }

    pub(super) fn insert(&mut self, namespace: &Arc<str>, name: &Arc<str>, stored: Arc<Stored>) {
        let names = match self.by_namespace.get_mut(namespace) {
            Some(names) => names,
            None => self.by_namespace.entry(Arc::clone(namespace)).or_default(),
        };
        if names.insert(Arc::clone(name), stored).is_none() {
            self.len += 1;
        }
    }

    /// Replaces what objects hold, at the revisions that they have.
    pub(super) fn amend(&mut self, change: &dyn Fn(&serde_json::Value) -> serde_json::Value) {
        for stored in self.by_namespace.values_mut().flat_map(BTreeMap::values_mut) {
            let next = change(&stored.value);
            if next != *stored.value {
                *stored = Arc::new(Stored::new(next, stored.revision));
            }
        }
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(names) = self.by_namespace.get_mut(namespace) {
            if names.remove(name).is_some() {
                self.len -= 1;
            }
            if names.is_empty() {
                self.by_namespace.remove(namespace);
            }
        }
    }

    /// Lists now, or as of a revision by undoing the changes after it.
    pub(super) fn list(&self, namespace: Option<&str>, at: Option<u64>) -> Result<Vec<Arc<Stored>>, Compacted> {
        let later: Vec<&Arc<Change>> = match at {
            None => Vec::new(),
            Some(at) if at < self.floor => return Err(Compacted { oldest: self.floor }),
            Some(at) => self.since(at).collect(),
        };
        if later.is_empty() {
            return Ok(match namespace {
                Some(namespace) => {
                    self.by_namespace.get(namespace).map(|names| names.values().cloned().collect()).unwrap_or_default()
                }
                None => self.by_namespace.values().flat_map(BTreeMap::values).cloned().collect(),
            });
        }
        let mut past: BTreeMap<(&str, &str), Arc<Stored>> = self
            .by_namespace
            .iter()
            .filter(|(held_in, _)| namespace.is_none_or(|wanted| wanted == held_in.as_ref()))
            .flat_map(|(held_in, names)| {
                names.iter().map(move |(name, stored)| ((held_in.as_ref(), name.as_ref()), Arc::clone(stored)))
            })
            .collect();
        for change in later.into_iter().rev() {
            if namespace.is_some_and(|wanted| wanted != change.namespace.as_ref()) {
                continue;
            }
            let key = (change.namespace.as_ref(), change.name.as_ref());
            match &change.previous {
                Some(previous) => past.insert(key, Arc::clone(previous)),
                None => past.remove(&key),
            };
        }
        Ok(past.into_values().collect())
    }

    fn since(&self, revision: u64) -> impl DoubleEndedIterator<Item = &Arc<Change>> {
        let first = self.log.partition_point(|change| change.revision() <= revision);
        self.log.range(first..)
    }

    pub(super) fn changes(&self, namespace: Option<&str>, since: u64) -> Result<Vec<Arc<Change>>, Compacted> {
        if since < self.floor {
            return Err(Compacted { oldest: self.floor });
        }
        let log = match namespace {
            None => Some(&self.log),
            Some(namespace) => self.logs.get(namespace),
        };
        let Some(log) = log else { return Ok(Vec::new()) };
        let first = log.partition_point(|change| change.revision() <= since);
        Ok(log.range(first..).cloned().collect())
    }

    pub(super) fn record(&mut self, change: Arc<Change>, history_events_max: usize) {
        let revision = change.revision();
        if self.log.len() >= history_events_max
            && let Some(oldest) = self.log.pop_front()
        {
            self.floor = oldest.revision();
            if let Some(log) = self.logs.get_mut(&oldest.namespace) {
                // The oldest of all is the oldest of its namespace too.
                log.pop_front();
                if log.is_empty() {
                    self.logs.remove(&oldest.namespace);
                }
            }
        }
        for scope in [None, Some(change.namespace.as_ref())] {
            if let Some(waker) = self.wakers.get(&scope.map(Into::into)) {
                waker.send_replace(revision);
            }
        }
        debug_assert!(change.kind != ChangeKind::Deleted || change.previous.is_some(), "only what exists is deleted");
        self.logs.entry(Arc::clone(&change.namespace)).or_default().push_back(Arc::clone(&change));
        self.log.push_back(change);
    }

    pub(super) fn compact(&mut self, floor: u64) {
        self.floor = floor;
        self.log.clear();
        self.logs.clear();
    }

    pub(super) fn subscribe(&mut self, namespace: Option<&str>) -> watch::Receiver<u64> {
        // Scopes that nobody watches any more are dropped here, so the map stays as large as what is watched.
        self.wakers.retain(|_, sender| sender.receiver_count() > 0);
        self.wakers.entry(namespace.map(Into::into)).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }
}
