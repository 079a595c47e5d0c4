//! The audit log: one line of JSON for every request that was answered, in the form of `audit.k8s.io/v1` Events.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use serde_json::json;

use super::Request;
use crate::access::Attributes;
use crate::clock::rfc3339_micro;
use crate::operations::Core;

/// A file that grows by a line per request.
#[derive(Debug)]
pub(crate) struct AuditLog {
    file: Mutex<File>,
}

impl AuditLog {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Mutex::new(OpenOptions::new().create(true).append(true).open(path)?) })
    }

    /// Writes what was asked and answered. A full disk loses lines, not requests.
    pub(super) fn record(&self, core: &Core, request: &Request<'_>, wanted: &Attributes, code: u16) {
        let mut line = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": core.random.uid(),
            "stage": "ResponseComplete", "requestURI": request.parts.uri.to_string(), "verb": wanted.verb,
            "user": request.caller.identity.to_json(), "sourceIPs": ["127.0.0.1"],
            "userAgent": request.caller.user_agent, "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": rfc3339_micro(request.now), "stageTimestamp": rfc3339_micro(core.clock.now()),
        });
        if wanted.path.is_none() {
            line["objectRef"] = json!({"resource": wanted.resource, "namespace": wanted.namespace, "name": wanted.name,
                "apiGroup": wanted.group, "subresource": wanted.subresource});
        }
        let mut file = self.file.lock().expect("no holder of this lock panics");
        if let Err(why) = writeln!(file, "{line}") {
            tracing::warn!(%why, "a line of the audit log was lost");
        }
    }
}
