//! Promises of the queue: each key once, one at a time, at the earliest moment asked for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use landfall_flow::queue::Queue;
use landfall_ports::clock::Clock;

/// A clock that stands still; what sleeps on it never wakes.
struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, _duration: Duration) {
        std::future::pending::<()>().await;
    }
}

fn next(queue: &Queue<&'static str>) -> Option<&'static str> {
    queue.next().now_or_never()
}

#[test]
fn a_key_that_is_pushed_twice_is_handed_out_once() {
    let queue = Queue::of(Arc::new(Still));
    queue.push("a");
    queue.push("a");
    assert_eq!((next(&queue), next(&queue)), (Some("a"), None));
}

#[test]
fn a_key_in_flight_waits_until_it_is_done_while_others_go_first() {
    let queue = Queue::of(Arc::new(Still));
    queue.push("a");
    assert_eq!(next(&queue), Some("a"));
    queue.push("a");
    queue.push("b");
    assert_eq!((next(&queue), next(&queue)), (Some("b"), None));
    queue.done(&"a");
    assert_eq!(next(&queue), Some("a"));
}

#[test]
fn the_earliest_moment_counts_and_the_future_waits() {
    let queue = Queue::of(Arc::new(Still));
    queue.push_at("a", Timestamp::UNIX_EPOCH + SignedDuration::from_secs(5));
    assert_eq!(next(&queue), None);
    queue.push("a");
    queue.push_at("a", Timestamp::UNIX_EPOCH + SignedDuration::from_secs(9));
    assert_eq!(next(&queue), Some("a"));
    queue.push("b");
    queue.remove(&"b");
    assert_eq!(next(&queue), None);
}
