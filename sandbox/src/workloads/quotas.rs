//! ResourceQuotas: what is used of them.

use serde_json::{Value, json};

use super::context::Context;
use super::pod_set;
use crate::admission::quotas;
use crate::json;
use crate::store::ObjectId;

/// Counts for one quota.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("resourcequotas", &id.namespace, &id.name) else { return };
    let used = quotas::count(context.core, &stored.value);
    let hard = json::object(&stored.value, "/spec/hard").cloned().unwrap_or_default();
    let status = json!({"hard": hard, "used": Value::Object(used)});
    if stored.value.get("status") != Some(&status) {
        pod_set::write_status(context, "resourcequota-controller", "resourcequotas", &stored.value, status);
    }
}
