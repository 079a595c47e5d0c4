//! The time, asked for rather than read, so that tests and simulations can move it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Tells the time and waits for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The moment now.
    fn now(&self) -> Timestamp;

    /// Returns after `duration` of this clock's time has passed.
    async fn sleep(&self, duration: Duration);
}
