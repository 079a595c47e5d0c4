//! The sandbox' own verbs over HTTP, for who serves it in another process: `/sandbox/v1/…`.
//!
//! Who may do everything (`nonResourceURLs: ["*"]`) may do this. Source: `landfall sandbox fault|advance|snapshot|…`.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::body::SandboxBody;
use super::{Handler, Request, respond};
use crate::clock::rfc3339_micro;
use crate::error::ApiError;
use crate::faults::{RULES, Rule, duration};
use crate::json;
use crate::snapshot::Snapshot;
use crate::workloads;

/// The beginning of the paths.
pub(super) const PREFIX: &str = "/sandbox/v1/";

impl Handler {
    /// Answers a verb of the sandbox itself.
    pub(super) async fn control(&self, request: &Request<'_>) -> Result<Response<SandboxBody>, ApiError> {
        if !request.caller.is_master() {
            return Err(ApiError::forbidden("sandbox", "", "only members of system:masters control the sandbox"));
        }
        let verb = request.parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let body = if request.body.is_empty() { json!({}) } else { request.decoded("Object")?.value };
        let is_read = request.parts.method == Method::GET;
        let answer = match (verb, is_read) {
            ("status", true) => self.control_status(),
            ("faults", true) => self.control_faults(),
            ("fault", false) => {
                let line = json::text(&body, "/rule");
                let rule: Rule =
                    line.parse().map_err(|error: crate::faults::RuleError| ApiError::bad_request(error.to_string()))?;
                workloads::set_rule(&self.core, rule.subject(), Some(rule.faults()));
                self.control_faults()
            }
            ("heal", false) => {
                let subject = json::text(&body, "/subject");
                if subject.is_empty() {
                    return Err(ApiError::bad_request("heal needs a subject, e.g. {\"subject\": \"*:v2\"}"));
                }
                workloads::set_rule(&self.core, subject, None);
                self.control_faults()
            }
            ("scenario", false) => {
                let steps = json::text(&body, "/steps");
                workloads::set_scenario(&self.core, steps).map_err(ApiError::bad_request)?;
                self.control_status()
            }
            ("advance", false) => {
                let text = json::text(&body, "/by");
                let by = duration(text).ok_or_else(|| {
                    ApiError::bad_request(format!("{text:?} is no time to advance by: write 30s, 5m, 1h or 2d"))
                })?;
                self.advance(by).await;
                self.control_status()
            }
            ("jump", false) => {
                let text = json::text(&body, "/by");
                let by = duration(text.trim_start_matches(['-', '+']))
                    .and_then(|by| SignedDuration::try_from(by).ok())
                    .ok_or_else(|| ApiError::bad_request(format!("{text:?} is no time to jump by: write 1h or -1h")))?;
                self.core.clock.jump(if text.starts_with('-') { -by } else { by });
                self.advance(Duration::ZERO).await;
                self.control_status()
            }
            ("snapshot", false) => {
                let path = path_of(&body)?;
                let snapshot = Snapshot::of(&self.core);
                snapshot.write(&path).map_err(|error| ApiError::bad_request(error.to_string()))?;
                json!({"file": path, "objects": snapshot.len(), "revision": snapshot.revision()})
            }
            ("restore", false) => {
                let path = path_of(&body)?;
                let snapshot = Snapshot::read(&path).map_err(|error| ApiError::bad_request(error.to_string()))?;
                self.core.replace_all(snapshot.objects());
                self.advance(Duration::ZERO).await;
                let revision = self.core.store.revision();
                self.core.store.durable(revision).await.map_err(ApiError::internal)?;
                json!({"file": path, "objects": snapshot.len(), "revision": revision})
            }
            ("stop", false) => {
                self.core.asked_to_stop.cancel();
                json!({"stopping": true})
            }
            _ => {
                let why = "GET status, faults; POST fault, heal, scenario, advance, jump, snapshot, restore, stop";
                return Ok(respond::plain(StatusCode::NOT_FOUND, &format!("the sandbox' verbs are: {why}\n")));
            }
        };
        Ok(respond::json_bytes(StatusCode::OK, answer.to_string()))
    }

    async fn advance(&self, by: Duration) {
        if let Some(engine) = self.core.engine.get() {
            let target = self.core.clock.now() + SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
            engine.advance_to(target).await;
        }
    }

    fn control_status(&self) -> Value {
        let objects: usize = self.core.store.resources().iter().map(|resource| self.core.store.count(resource)).sum();
        json!({
            "time": rfc3339_micro(self.core.clock.now()),
            "clock": if self.core.clock.is_driven() { "driven" } else { "real" },
            "revision": self.core.store.revision(), "objects": objects,
        })
    }

    fn control_faults(&self) -> Value {
        let held = self.core.store.get(&"configmaps".into(), "kube-system", RULES);
        let lines: Vec<String> = held
            .as_ref()
            .and_then(|held| json::object(&held.value, "/data"))
            .into_iter()
            .flatten()
            .filter_map(|(_, text)| text.as_str())
            .flat_map(str::lines)
            .filter(|line| !line.trim().is_empty())
            .map(str::to_string)
            .collect();
        json!({"rules": lines})
    }
}

fn path_of(body: &Value) -> Result<PathBuf, ApiError> {
    let path = PathBuf::from(json::text(body, "/file"));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(ApiError::bad_request("the file must be named with its whole path, from /"))
    }
}
