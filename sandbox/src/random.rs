//! Names and identities that must differ: generated names, uids, addresses. Not for secrets.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// The letters of generated names: no vowels and no look-alikes, so that no words arise.
/// Source: `k8s.io/apimachinery/pkg/util/rand`.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A stream of numbers (SplitMix64): fresh for every sandbox, or repeatable from a seed.
#[derive(Debug)]
pub(crate) struct Random {
    state: AtomicU64,
}

impl Random {
    /// A stream that nobody can predict well enough to depend on it.
    pub(crate) fn fresh() -> Self {
        Self::seeded(RandomState::new().hash_one("landfall-sandbox"))
    }

    /// A stream that is the same for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next number.
    pub(crate) fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound` (which must not be 0).
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// The five letters that complete a `generateName`.
    pub(crate) fn name_suffix(&self) -> String {
        (0..5).map(|_| char::from(NAME_LETTERS[(self.below(27)) as usize])).collect()
    }

    /// A uid in the form of a version 4 UUID.
    pub(crate) fn uid(&self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            0x8000 | ((low >> 48) & 0x3FFF),
            low & 0xFFFF_FFFF_FFFF
        )
    }
}

/// The letters of generated names, for suffixes that are hashes.
pub(crate) fn safe_encoded(digits: &str) -> String {
    digits.bytes().map(|byte| char::from(NAME_LETTERS[usize::from(byte) % NAME_LETTERS.len()])).collect()
}
