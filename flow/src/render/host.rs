//! What templates may ask besides files: the time and randomness. No cluster and no network.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_gotemplate::context::Host;
use sha2::{Digest as _, Sha256};

/// Answers a render's questions. Randomness comes from the process' own secret and the render's input: the same input
/// gives the same passwords as long as the process lives, and nobody who knows the input can guess them.
pub(super) struct RenderHost {
    now: Timestamp,
    seed: [u8; 32],
    block: u64,
    deadline_passed: Box<dyn Fn() -> bool + Send>,
}

impl RenderHost {
    pub(super) fn of(
        secret: &[u8; 32],
        key: &[u8; 32],
        now: Timestamp,
        deadline_passed: Box<dyn Fn() -> bool + Send>,
    ) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(secret);
        hasher.update(key);
        Self { now, seed: hasher.finalize().into(), block: 0, deadline_passed }
    }
}

impl Host for RenderHost {
    fn now(&self) -> jiff::Zoned {
        self.now.to_zoned(TimeZone::UTC)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut hasher = Sha256::new();
            hasher.update(self.seed);
            hasher.update(self.block.to_be_bytes());
            self.block += 1;
            chunk.copy_from_slice(&hasher.finalize()[..chunk.len()]);
        }
    }

    fn is_past_deadline(&self) -> bool {
        (self.deadline_passed)()
    }
}
