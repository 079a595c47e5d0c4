//! What the containers of simulated pods have written.

use serde_json::Value;

use crate::json;

/// The log of a container, or why there is none yet.
pub(crate) fn of(pod: &Value, container: &Value, status: Option<&Value>, previous: bool) -> Result<String, String> {
    let waiting = status.map_or("ContainerCreating", |status| json::text(status, "/state/waiting/reason"));
    let restarts = status.and_then(|status| json::integer(status, "/restartCount")).unwrap_or(0);
    if previous && restarts == 0 {
        return Err("previous terminated container not found".to_string());
    }
    if !waiting.is_empty() && restarts == 0 {
        return Err(waiting.to_string());
    }
    let (image, name) = (json::text(container, "/image"), json::text(container, "/name"));
    Ok(format!("simulated container {name} of pod {}: {image} is running\n", json::name(pod)))
}
