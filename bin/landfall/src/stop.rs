//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is asked to stop.
pub(crate) async fn stopped() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened to");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
