//! What the containers of simulated pods have written.

use serde_json::Value;

use super::program::Program;
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
    let lines = Program::output(container);
    let ended = if previous { "/lastState/terminated" } else { "/state/terminated" };
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if lines.is_empty() {
        let (image, name) = (json::text(container, "/image"), json::text(container, "/name"));
        text = format!("simulated container {name} of pod {}: running {image}\n", json::name(pod));
    }
    if let Some(ended) = status.and_then(|status| status.pointer(ended))
        && json::integer(ended, "/exitCode").is_some_and(|code| code != 0)
    {
        let code = json::integer(ended, "/exitCode").unwrap_or(0);
        text.push_str(&format!("simulated failure: {} with exit code {code}\n", json::text(ended, "/reason")));
    }
    Ok(text)
}
