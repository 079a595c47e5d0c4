//! Events are forgotten an hour after they were last told.

use std::time::Duration;

use jiff::SignedDuration;

use super::context::{Context, Controller};
use crate::clock::parse_time;
use crate::json;
use crate::operations::DeleteOptions;
use crate::store::ObjectId;

/// Source: `--event-ttl`.
const KEPT: Duration = Duration::from_secs(3600);

/// Looks at one event.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("events", &id.namespace, &id.name) else { return };
    // When it was last written counts, whatever time it tells of.
    let told = json::list(&stored.value, "/metadata/managedFields")
        .iter()
        .map(|entry| json::text(entry, "/time"))
        .chain([json::text(&stored.value, "/metadata/creationTimestamp")])
        .filter_map(parse_time)
        .max();
    let due = told.unwrap_or(context.now) + SignedDuration::try_from(KEPT).unwrap_or(SignedDuration::MAX);
    if due <= context.now {
        context.delete("event-ttl", id, &DeleteOptions::background());
    } else {
        context.again_at((Controller::Event, id.clone()), due);
    }
}
