//! How the kinds read conditions and counts from a status: absent and misshapen fields read as absent.

use landfall_model::health::{Health, HealthStatus};
use landfall_model::object;
use serde_json::Value;

/// One entry of `status.conditions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition<'a> {
    pub(crate) kind: &'a str,
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

impl Condition<'_> {
    /// Says whether the condition holds.
    pub(crate) fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// Reason and message in one line, whichever there are.
    pub(crate) fn words(&self) -> String {
        match (self.reason.is_empty(), self.message.is_empty()) {
            (true, _) => self.message.to_owned(),
            (_, true) => self.reason.to_owned(),
            _ => format!("{}: {}", self.reason, self.message),
        }
    }
}

/// Reads the conditions in the order they are written.
pub(crate) fn conditions(object: &Value) -> Vec<Condition<'_>> {
    let list = object::at(object, &["status", "conditions"]).and_then(Value::as_array);
    list.into_iter().flatten().map(condition).collect()
}

/// Reads one condition, wherever it stands.
pub(crate) fn condition(entry: &Value) -> Condition<'_> {
    Condition {
        kind: object::text(entry, &["type"]),
        status: object::text(entry, &["status"]),
        reason: object::text(entry, &["reason"]),
        message: object::text(entry, &["message"]),
    }
}

/// Finds a condition by its type.
pub(crate) fn find<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    conditions(object).into_iter().find(|condition| condition.kind == kind)
}

/// Reads a count of the status; absent is 0, as Kubernetes leaves zeros out.
pub(crate) fn count(object: &Value, field: &str) -> i64 {
    object::integer(object, &["status", field]).unwrap_or(0)
}

/// Reads the wish for replicas.
pub(crate) fn replicas_wanted(object: &Value) -> Option<i64> {
    object::integer(object, &["spec", "replicas"])
}

/// Says whether the controller has not yet looked at the newest spec.
pub(crate) fn is_unobserved(object: &Value) -> bool {
    object::integer(object, &["metadata", "generation"]).unwrap_or(0) > count(object, "observedGeneration")
}

/// The health of what its controller has not yet looked at.
pub(crate) fn unobserved() -> Health {
    progressing("its controller has not seen the newest change yet")
}

/// All is well, nothing to say.
pub(crate) fn healthy() -> Health {
    Health::of(HealthStatus::Healthy, "")
}

/// Still moving.
pub(crate) fn progressing(message: impl Into<String>) -> Health {
    Health::of(HealthStatus::Progressing, message)
}

/// Failed.
pub(crate) fn degraded(message: impl Into<String>) -> Health {
    Health::of(HealthStatus::Degraded, message)
}

/// Paused on purpose.
pub(crate) fn suspended(message: impl Into<String>) -> Health {
    Health::of(HealthStatus::Suspended, message)
}

/// Cannot be assessed.
pub(crate) fn unknown(message: impl Into<String>) -> Health {
    Health::of(HealthStatus::Unknown, message)
}

/// Checks a table of cases: what the object's spec and status are, what is to come out, and a part of the reason.
#[cfg(test)]
pub(crate) fn check(api_version: &str, kind: &str, cases: &[(Value, HealthStatus, &str)]) {
    assert!(cases.len() >= 3, "at least three cases per kind");
    for (index, (parts, status, words)) in cases.iter().enumerate() {
        let mut object = parts.clone();
        object["apiVersion"] = api_version.into();
        object["kind"] = kind.into();
        let health = crate::assess(&object).expect("the kind is in the table");
        assert_eq!(health.status, *status, "case {index} of {kind}: {parts} gave {health:?}");
        assert!(health.message.contains(words), "case {index} of {kind}: {:?} lacks {words:?}", health.message);
    }
}
