//! Renders that were made, by what they were made from; the ones used longest ago go when there are too many or they are
//! too large.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use landfall_kustomize::Question;
use landfall_tree::Trace;
use serde_json::Value;

use super::{RenderError, Rendered};

/// How many renders of one source are kept: enough for a rollback and a branch that moves back and forth.
const RENDERS_PER_SOURCE_MAX: usize = 3;

/// Digests everything that a render depends on but files: SHA-256, so that nobody can make two sources share one.
pub(super) type Key = [u8; 32];

/// What the cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many sources are remembered.
    pub sources_max: usize,
    /// How much memory all renders take together, roughly.
    pub size_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { sources_max: 20_000, size_bytes_max: 256 << 20 }
    }
}

/// One render.
pub(super) struct Kept {
    /// What was read of each checkout.
    pub(super) traces: Vec<Trace>,
    /// Address and revision of each checkout.
    pub(super) checkouts: Vec<(String, String)>,
    /// What had to be fetched from outside of the repository, each with the state that it had.
    pub(super) pins: Vec<(Question, String)>,
    /// What came out.
    pub(super) result: Result<Arc<Rendered>, RenderError>,
}

struct Source {
    renders: Vec<Kept>,
    size_bytes: usize,
    used_at: u64,
}

/// The renders. Invariant: `by_use` names exactly the sources, by their `used_at`; `size_bytes` is the sum of theirs.
#[derive(Default)]
pub(super) struct Cache {
    bounds: Bounds,
    sources: HashMap<Key, Source>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    size_bytes: usize,
}

impl Cache {
    pub(super) fn of(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// The renders of a source, the newest last; it counts as used now.
    pub(super) fn renders(&mut self, key: &Key) -> &[Kept] {
        self.use_now(key);
        self.sources.get(key).map(|source| source.renders.as_slice()).unwrap_or_default()
    }

    /// Puts a render in, and what is too much out: never the source that it belongs to.
    pub(super) fn keep(&mut self, key: Key, kept: Kept) {
        self.uses += 1;
        let now = self.uses;
        let source = self.sources.entry(key).or_insert(Source { renders: Vec::new(), size_bytes: 0, used_at: now });
        self.by_use.remove(&source.used_at);
        source.used_at = now;
        self.by_use.insert(now, key);
        let before = source.size_bytes;
        source.size_bytes += size_bytes(&kept);
        source.renders.push(kept);
        if source.renders.len() > RENDERS_PER_SOURCE_MAX {
            source.size_bytes -= size_bytes(&source.renders.remove(0));
        }
        self.size_bytes = self.size_bytes + source.size_bytes - before;
        while self.sources.len() > 1 && self.is_too_much() {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            self.size_bytes -= self.sources.remove(&oldest).map_or(0, |source| source.size_bytes);
        }
    }

    /// Forgets the renders of a source.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(source) = self.sources.remove(key) {
            self.by_use.remove(&source.used_at);
            self.size_bytes -= source.size_bytes;
        }
    }

    fn is_too_much(&self) -> bool {
        self.sources.len() > self.bounds.sources_max || self.size_bytes > self.bounds.size_bytes_max
    }

    fn use_now(&mut self, key: &Key) {
        if let Some(source) = self.sources.get_mut(key) {
            self.uses += 1;
            self.by_use.remove(&source.used_at);
            source.used_at = self.uses;
            self.by_use.insert(self.uses, *key);
        }
    }
}

/// About how much memory a render takes.
fn size_bytes(kept: &Kept) -> usize {
    let text = |text: &String| text.len() + size_of::<String>();
    let traces = kept.traces.iter().flatten().map(|(path, identity)| text(path) + identity.as_ref().map_or(0, text));
    let result = match &kept.result {
        Ok(rendered) => rendered.objects.iter().map(size_of_value).sum(),
        Err(error) => error.0.len(),
    };
    let pins = kept.pins.iter().map(|(_, pin)| size_of::<Question>() + text(pin));
    size_of::<Kept>() + traces.sum::<usize>() + pins.sum::<usize>() + result
}

fn size_of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size_of_value).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| size_of::<String>() + name.len() + size_of_value(value)).sum()
            }
        }
}
