//! The time, asked for rather than read, so that tests and simulations can move it.
//!
//! There are two: the date, which people and status fields go by and which somebody may set forward or back at any moment,
//! and the time that passes, which waiting and ageing go by.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Tells the time and waits for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The date now. It may go back.
    fn now(&self) -> Timestamp;

    /// The time that has passed since some moment, and never goes back. What is not overridden follows the date, which
    /// is right for clocks that nobody sets.
    fn elapsed(&self) -> Duration {
        Duration::try_from(self.now().duration_since(Timestamp::MIN)).unwrap_or_default()
    }

    /// Returns after `duration` of this clock's time has passed.
    async fn sleep(&self, duration: Duration);
}
