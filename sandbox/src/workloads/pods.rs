//! Pods: from unscheduled to running to gone.

use super::context::Context;
use crate::json;
use crate::operations::DeleteOptions;
use crate::store::ObjectId;

/// Looks at one pod.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("pods", &id.namespace, &id.name) else { return };
    if json::is_terminating(&stored.value) {
        context.delete("kubelet", id, &DeleteOptions::now());
    }
}
