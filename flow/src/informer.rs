//! Keeps a caller up to date about one kind of one cluster: lists it page by page, then watches it, and starts again
//! when the watch is lost.
//!
//! ```text
//! list pages -> Began, Listed*, Ended -> watch -> Applied | Deleted ... -> (Gone) -> list again
//! ```
//!
//! Objects are handed over one at a time and dropped by the caller when it has taken what it needs, so that a list of a
//! hundred thousand objects is never held whole. What the list no longer holds is for the caller to drop at
//! [`Observation::Ended`], but for what it knows from after the list's version: a write of its own that the list is too
//! old to show. Errors never end an informer: it says [`Observation::Failed`] and tries again with backoff.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cause, Change, Cluster, ClusterError, Detail, ListRequest, Selection, ServedKind};
use serde_json::Value;

/// How many objects one page of a list holds. API servers are tuned for 500; a page is held whole while it is read, several
/// kinds at the same time, and that is what memory peaks at.
const PAGE_SIZE: u32 = 250;
/// The first wait after a failure; doubles up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
/// The longest wait after failures in a row.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What an informer says.
#[derive(Debug)]
pub enum Observation {
    /// A list begins; everything known is old until it is listed again.
    Began,
    /// The object is there.
    Listed(Value),
    /// The list is complete: what was not listed was gone at this resource version.
    Ended(String),
    /// The object was made or changed.
    Applied(Value),
    /// The object is gone.
    Deleted(Value),
    /// Listing or watching failed; what is known may be old.
    Failed(ClusterError),
}

/// Which objects an informer is about.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The kind.
    pub kind: ServedKind,
    /// How much of each object.
    pub detail: Detail,
    /// Which objects.
    pub selection: Selection,
}

/// Runs until dropped, telling `tell` what happens. `tell` must be quick: it runs between two events.
pub async fn run(
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    scope: Scope,
    mut tell: impl FnMut(Observation) + Send,
) {
    let mut backoff = BACKOFF_FIRST;
    loop {
        let version = match list(&*cluster, &scope, &mut tell).await {
            Ok(version) => {
                backoff = BACKOFF_FIRST;
                version
            }
            Err(error) => {
                let wait = error.retry_after.unwrap_or(backoff);
                tell(Observation::Failed(error));
                clock.sleep(wait).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
                continue;
            }
        };
        watch(&*cluster, &*clock, &scope, version, &mut tell).await;
    }
}

async fn list(
    cluster: &dyn Cluster,
    scope: &Scope,
    tell: &mut (impl FnMut(Observation) + Send),
) -> Result<String, ClusterError> {
    let selection = scope.selection.clone();
    let mut request = ListRequest { selection, page_size_max: PAGE_SIZE, from: String::new() };
    let mut has_begun = false;
    loop {
        let page = cluster.list(&scope.kind, scope.detail, &request).await?;
        if !has_begun {
            tell(Observation::Began);
            has_begun = true;
        }
        page.objects.into_iter().for_each(|object| tell(Observation::Listed(object)));
        if page.next.is_empty() {
            tell(Observation::Ended(page.resource_version.clone()));
            return Ok(page.resource_version);
        }
        request.from = page.next;
    }
}

/// Watches until the server says that `version` is too old, or fails for good: then the caller lists again.
async fn watch(
    cluster: &dyn Cluster,
    clock: &dyn Clock,
    scope: &Scope,
    mut version: String,
    tell: &mut (impl FnMut(Observation) + Send),
) {
    let mut backoff = BACKOFF_FIRST;
    loop {
        let failure = match cluster.watch(&scope.kind, scope.detail, &scope.selection, &version).await {
            Err(error) => Some(error),
            Ok(mut changes) => loop {
                match changes.next().await {
                    None => break None,
                    Some(Err(error)) => break Some(error),
                    Some(Ok(change)) => {
                        backoff = BACKOFF_FIRST;
                        take(change, &mut version, tell);
                    }
                }
            },
        };
        let Some(error) = failure else { continue };
        if matches!(error.cause, Cause::Gone | Cause::NotServed | Cause::Invalid) {
            tracing::debug!(kind = %scope.kind.gvk, reason = %error, "the watch is lost, listing again");
            return;
        }
        let wait = error.retry_after.unwrap_or(backoff);
        tell(Observation::Failed(error));
        clock.sleep(wait).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Says whether `version` is not later than `other`; texts that are no numbers are compared for equality.
pub(crate) fn is_at_most(version: &str, other: &str) -> bool {
    match (version.parse::<u64>(), other.parse::<u64>()) {
        (Ok(version), Ok(other)) => version <= other,
        _ => version == other,
    }
}

fn take(change: Change, version: &mut String, tell: &mut impl FnMut(Observation)) {
    let mut seen = |object: &Value| landfall_model::object::resource_version(object).clone_into(version);
    match change {
        Change::Applied(object) => {
            seen(&object);
            tell(Observation::Applied(object));
        }
        Change::Deleted(object) => {
            seen(&object);
            tell(Observation::Deleted(object));
        }
        Change::Bookmark(at) => *version = at,
    }
}
