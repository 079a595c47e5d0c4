//! Deadline and cancellation of one operation, and the first failure it met.
//!
//! Git's protocol code is blocking and wraps our I/O errors in its own; the transports therefore leave their failure
//! here, in words, and [`Work::explain`] prefers it to whatever the protocol code made of it.

use std::future::Future;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use landfall_repository::problem::{SourceError, SourceProblem};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Accompanies one operation on a blocking thread.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// The address, for messages.
    pub(crate) url: String,
    /// Where the async parts run.
    pub(crate) runtime: Handle,
    /// Set when the operation is called off or out of time; the pack writer looks at it.
    pub(crate) is_stopped: Arc<AtomicBool>,
    idle_timeout: Duration,
    total: Duration,
    deadline: Instant,
    cancel: CancellationToken,
    failure: Arc<Mutex<Option<SourceError>>>,
}

impl Work {
    /// Starts the clock of an operation on `url`; must be called on a runtime.
    pub(crate) fn start(url: &str, idle_timeout: Duration, total: Duration, cancel: CancellationToken) -> Self {
        Self {
            url: url.to_owned(),
            runtime: Handle::current(),
            is_stopped: Arc::default(),
            idle_timeout,
            total,
            deadline: Instant::now() + total,
            cancel,
            failure: Arc::default(),
        }
    }

    /// Waits on this blocking thread for `future`, but no longer than a server may be silent.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> io::Result<T> {
        self.wait_at_most(self.idle_timeout, future)
    }

    /// Waits for `future` until the operation's own deadline: for a program that says nothing until it is done.
    pub(crate) fn wait_in_all<T>(&self, future: impl Future<Output = T>) -> io::Result<T> {
        self.wait_at_most(self.total, future)
    }

    fn wait_at_most<T>(&self, idle_timeout: Duration, future: impl Future<Output = T>) -> io::Result<T> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        let patience = remaining.min(idle_timeout);
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => None,
                outcome = tokio::time::timeout(patience, future) => Some(outcome),
            }
        });
        match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) if remaining <= idle_timeout => {
                let reason = format!("it was not finished after {} s", self.total.as_secs());
                Err(self.fail(SourceError::of(SourceProblem::TimedOut, &self.url, reason)))
            }
            Some(Err(_)) => {
                let reason = format!("the server was silent for {} s", patience.as_secs());
                Err(self.fail(SourceError::of(SourceProblem::TimedOut, &self.url, reason)))
            }
            None => {
                Err(self.fail(SourceError::of(SourceProblem::Cancelled, &self.url, "nobody waits for it any more")))
            }
        }
    }

    /// Notes a failure, unless an earlier one is known, and returns an I/O error for the code that stands between.
    pub(crate) fn fail(&self, error: SourceError) -> io::Error {
        let kind = match error.problem {
            SourceProblem::AuthenticationRequired | SourceProblem::AuthenticationFailed => {
                io::ErrorKind::PermissionDenied
            }
            SourceProblem::TimedOut => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        let text = error.summary();
        self.is_stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::new(kind, text)
    }

    /// Makes an error of this operation's address.
    pub(crate) fn error(&self, problem: SourceProblem, reason: impl Into<String>) -> SourceError {
        SourceError::of(problem, &self.url, reason)
    }

    /// Returns the noted failure, or else puts the error of the protocol code into words.
    pub(crate) fn explain(&self, what: &str, error: &(dyn std::error::Error + 'static)) -> SourceError {
        if let Some(noted) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return noted;
        }
        let mut texts = vec![error.to_string()];
        let mut next = error.source();
        while let Some(inner) = next {
            let text = inner.to_string();
            if texts.last() != Some(&text) {
                texts.push(text);
            }
            next = inner.source();
        }
        let chain = texts.join(": ");
        if chain.contains("not our ref") {
            return self.error(SourceProblem::UnknownRevision, "the server does not have the commit (any more)");
        }
        self.error(SourceProblem::Broken, format!("{what}: {chain}"))
    }
}
