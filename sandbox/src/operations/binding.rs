//! Putting a pod on a node.

use serde_json::{Value, json};

use super::update::{Proposal, Record};
use super::{Core, Outcome, Part, WriteOptions};
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::json;
use crate::registry::Resource;

impl Core {
    /// Sets the node of a pod that has none, and says in its conditions that it is scheduled.
    pub(crate) fn bind_pod(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        node: &str,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let now = rfc3339(self.clock.now());
        self.change(resource, namespace, name, Part::Binding, options, &|pod| {
            if json::is_terminating(pod) {
                return Err(ApiError::conflict(
                    "pods/binding",
                    name,
                    &format!("pod {name} is being deleted, cannot be assigned to a host"),
                ));
            }
            let held = json::text(pod, "/spec/nodeName");
            if !held.is_empty() {
                return Err(ApiError::conflict(
                    "pods/binding",
                    name,
                    &format!("pod {name} is already assigned to node {held:?}"),
                ));
            }
            let mut value = pod.clone();
            json::set(&mut value, &["spec", "nodeName"], node);
            let mut conditions: Vec<Value> = json::list(pod, "/status/conditions")
                .iter()
                .filter(|condition| json::text(condition, "/type") != "PodScheduled")
                .cloned()
                .collect();
            conditions.push(
                json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}),
            );
            json::set(&mut value, &["status", "conditions"], conditions);
            Ok(Proposal { value, warnings: Vec::new(), record: Record::Update })
        })
    }
}
