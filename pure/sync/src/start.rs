//! Beginning an operation, and beginning the next try of one.

use landfall_model::application::{Application, Info, Source};
use landfall_model::status::{Operation, OperationPhase, OperationState, SyncResult};
use landfall_model::time::Time;

/// The entry of `operation.info` that holds the digest of what a sync wanted ([`crate::targets::Targets::digest`]).
pub const WANTED: &str = "landfall.dev/wanted";

/// The entries of `operation.info` that hold what was fetched from outside of the sources: `ADDRESS@PIN`, the pin being a
/// commit or the digest of a chart's archive.
pub const FETCHED: &str = "landfall.dev/fetched";

/// How many of them are kept: a status has to fit.
const FETCHED_MAX: usize = 32;

/// Pins what an operation worked with, so that a version that was published again is told from the one that was synced.
pub fn with_fetched<'a>(mut state: OperationState, pins: impl Iterator<Item = &'a (String, String)>) -> OperationState {
    let info = &mut state.operation.info;
    info.retain(|entry| entry.name != FETCHED);
    let entry =
        |(address, pin): &(String, String)| Info { name: FETCHED.to_owned(), value: format!("{address}@{pin}") };
    info.extend(pins.take(FETCHED_MAX).map(entry));
    state
}

/// Puts what is wanted into an operation, so that a later commit that wants the same is told from one that does not.
pub(crate) fn with_wanted(mut operation: Operation, wanted: &str) -> Operation {
    operation.info.retain(|entry| entry.name != WANTED);
    if !wanted.is_empty() {
        operation.info.push(Info { name: WANTED.to_owned(), value: wanted.to_owned() });
    }
    operation
}

/// Reads what an operation wanted; `None` if it was begun by somebody who does not tell.
pub fn wanted_of(state: &OperationState) -> Option<&str> {
    state.operation.info.iter().find(|entry| entry.name == WANTED).map(|entry| entry.value.as_str())
}

/// An operation that is to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The operation, as it is kept in `operation` while it runs.
    pub operation: Operation,
    /// Why it begins.
    pub why: String,
    /// The message of the operation before, if that was given up for this one.
    pub supersedes: Option<String>,
}

/// Makes the state of an operation that begins now. `revisions` are those that were resolved and rendered, one per
/// source: what [`crate::decide::wanted`] named.
pub fn begin(start: &Start, application: &Application, revisions: &[String], now: Time) -> OperationState {
    let sync_result = sync_result(&start.operation, application, revisions);
    OperationState {
        operation: start.operation.clone(),
        phase: OperationPhase::Running,
        message: String::new(),
        sync_result: Some(sync_result),
        started_at: now,
        finished_at: None,
        retry_count: None,
    }
}

/// Makes the state of the next try: everything runs again, hooks included. `revisions` are those of this try; with
/// `retry.refresh` the newest, otherwise those of the last.
pub fn retry(state: &OperationState, application: &Application, revisions: &[String]) -> OperationState {
    OperationState {
        phase: OperationPhase::Running,
        message: format!("Retrying operation. Attempt #{}", state.retry_count.unwrap_or(0)),
        sync_result: Some(sync_result(&state.operation, application, revisions)),
        finished_at: None,
        ..state.clone()
    }
}

/// Ends the operation that runs, or the one that was asked for and cannot begin ([`crate::decide::Decision::Finish`]).
pub fn finish(application: &Application, phase: OperationPhase, message: &str, now: Time) -> OperationState {
    let running = application.status.operation_state.clone().filter(|state| !state.phase.is_completed());
    let mut state = running.unwrap_or_else(|| pending(application, now));
    (state.phase, state.message) = (phase, message.to_owned());
    state.finished_at = Some(now);
    state
}

/// The state of an operation that was asked for and has to wait before it begins: Running, and without a result.
pub(crate) fn pending(application: &Application, now: Time) -> OperationState {
    OperationState {
        operation: application.operation.clone().unwrap_or_default(),
        phase: OperationPhase::Running,
        message: String::new(),
        sync_result: None,
        started_at: now,
        finished_at: None,
        retry_count: None,
    }
}

/// The sources that an operation works with: its own, or the application's.
pub fn sources<'a>(operation: &'a Operation, application: &'a Application) -> (&'a [Source], bool) {
    match &operation.sync {
        Some(sync) if !sync.sources.is_empty() => (&sync.sources, true),
        Some(sync) if sync.source.is_some() => (sync.source.as_slice(), false),
        _ => (application.spec.sources(), application.spec.has_multiple_sources()),
    }
}

fn sync_result(operation: &Operation, application: &Application, revisions: &[String]) -> SyncResult {
    let (sources, has_several) = sources(operation, application);
    let metadata = application.spec.sync_policy.as_ref().and_then(|policy| policy.managed_namespace_metadata.clone());
    let mut result = SyncResult { managed_namespace_metadata: metadata, ..SyncResult::default() };
    if has_several {
        result.sources = sources.to_vec();
        result.revisions = revisions.to_vec();
    } else {
        result.source = sources.first().cloned();
        result.revision = revisions.first().cloned().unwrap_or_default();
    }
    result
}
