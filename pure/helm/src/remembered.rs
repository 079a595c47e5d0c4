//! What was made of texts, kept by content: the next commit's chart is the same chart but for a file or two.
//!
//! Shared by all charts of the process. Two generations: when the young one is full it becomes the old one, and what nobody
//! asked for since goes. Holding is bounded by bytes of text, not by time.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Things made of texts.
pub(crate) struct Remembered<K, V> {
    generations: Mutex<Option<Generations<K, V>>>,
    /// Bytes of text whose results one generation may hold.
    bytes_max: usize,
}

struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_bytes: usize,
}

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    /// Starts with nothing; holds the results of at most twice `bytes_max` bytes of text.
    pub(crate) const fn of(bytes_max: usize) -> Self {
        Self { generations: Mutex::new(None), bytes_max }
    }

    /// What was made of the key before, or what `make` makes of it now. Made outside the lock: two threads may both make it.
    pub(crate) fn get_or_make<Q>(&self, key: &Q, own: impl FnOnce() -> K, bytes: usize, make: impl FnOnce() -> V) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(found) = self.find(key, bytes) {
            return found;
        }
        let made = make();
        self.keep(own(), made.clone(), bytes);
        made
    }

    fn find<Q>(&self, key: &Q, bytes: usize) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut guard = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let generations = guard.as_mut()?;
        if let Some(found) = generations.young.get(key) {
            return Some(found.clone());
        }
        let (key, found) = generations.old.remove_entry(key)?;
        generations.put(key, found.clone(), bytes, self.bytes_max);
        Some(found)
    }

    fn keep(&self, key: K, made: V, bytes: usize) {
        let mut guard = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = || Generations { young: HashMap::new(), old: HashMap::new(), young_bytes: 0 };
        guard.get_or_insert_with(empty).put(key, made, bytes, self.bytes_max);
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn put(&mut self, key: K, made: V, bytes: usize, bytes_max: usize) {
        if self.young_bytes + bytes > bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if bytes <= bytes_max {
            self.young_bytes += bytes;
            self.young.insert(key, made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let kept: Remembered<String, usize> = Remembered::of(10);
        let made = std::cell::Cell::new(0);
        let ask = |key: &str| {
            kept.get_or_make(
                key,
                || key.to_owned(),
                4,
                || {
                    made.set(made.get() + 1);
                    made.get()
                },
            )
        };
        assert_eq!((ask("a"), ask("b"), ask("a")), (1, 2, 1));
        assert_eq!(ask("c"), 3, "the first generation is full");
        assert_eq!((ask("a"), ask("d")), (1, 4), "what was asked for again moved on");
        assert_eq!(ask("b"), 5, "what nobody asked for is gone");
    }

    #[test]
    fn what_is_too_large_is_made_each_time() {
        let kept: Remembered<u8, u8> = Remembered::of(10);
        assert_eq!(kept.get_or_make(&1, || 1, 11, || 7), 7);
        assert_eq!(kept.get_or_make(&1, || 1, 11, || 8), 8);
    }
}
