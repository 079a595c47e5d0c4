//! Going back to an earlier sync. Source: Argo CD 3.5 `server/application/application.go` (Rollback).
//!
//! Argo CD refuses while automatic sync is on, because it would sync the bad commit again at once. Here the operation
//! remembers which revision was left, and the automatic policy holds that very revision back ([`left_revision`]) until a
//! newer commit comes or a person syncs: automatic sync can stay on.

use landfall_model::application::{Application, Info};
use landfall_model::status::{
    Operation, OperationInitiator, OperationState, StrategyForce, SyncOperation, SyncStrategy,
};

/// The entry of `operation.info` that names the revisions that were left, comma-separated.
pub const LEFT_REVISION: &str = "landfall.dev/rolled-back-from";

/// What a rollback is asked with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RollbackRequest {
    /// The history entry to go back to; `None` is the one before the last.
    pub id: Option<i64>,
    /// Whether objects that the earlier state did not have are deleted.
    pub prune: bool,
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// Who asks.
    pub username: String,
}

/// Makes the operation that goes back. Errors: a message for people, when there is no such entry.
pub fn operation(application: &Application, request: &RollbackRequest) -> Result<Operation, String> {
    let history = &application.status.history;
    let known = || history.iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>().join(", ");
    let entry = match request.id {
        Some(id) => history.iter().find(|entry| entry.id == id).ok_or_else(|| match history.is_empty() {
            true => format!("there is no sync {id} to go back to: the application has no history yet"),
            false => format!("there is no sync {id} to go back to; its history has {}", known()),
        })?,
        None => history.iter().rev().nth(1).ok_or("there is no sync before the last one to go back to")?,
    };
    let left = current_revisions(application);
    let sync = SyncOperation {
        revision: entry.revision.clone(),
        revisions: entry.revisions.clone(),
        prune: request.prune,
        dry_run: request.dry_run,
        // Hooks belong to going forward: a migration of the database must not run for going back.
        sync_strategy: Some(SyncStrategy { apply: Some(StrategyForce::default()), hook: None }),
        source: entry.source.clone(),
        sources: entry.sources.clone(),
        sync_options: application
            .spec
            .sync_policy
            .as_ref()
            .map(|policy| policy.sync_options.clone())
            .unwrap_or_default(),
        ..SyncOperation::default()
    };
    Ok(Operation {
        sync: Some(sync),
        initiated_by: OperationInitiator { username: request.username.clone(), automated: false },
        info: vec![Info { name: LEFT_REVISION.to_owned(), value: left.join(",") }],
        ..Operation::default()
    })
}

fn current_revisions(application: &Application) -> Vec<String> {
    let sync = &application.status.sync;
    if sync.revisions.is_empty() { vec![sync.revision.clone()] } else { sync.revisions.clone() }
}

/// Reads which revisions the last operation left, if it went back.
pub fn left_revision(state: &OperationState) -> Option<Vec<String>> {
    let is_real = state.operation.sync.as_ref().is_some_and(|sync| !sync.dry_run);
    let entry = state.operation.info.iter().find(|entry| entry.name == LEFT_REVISION && is_real)?;
    Some(entry.value.split(',').map(str::to_owned).collect())
}
