//! The words for reasons, in one place, so that conditions, Events, the terminal and the web say the same.

use landfall_model::key::ObjectKey;
use landfall_model::plan::{WaitUntil, Waiting};
use landfall_model::status::{Condition, Operation};
use landfall_model::window::WindowVerdict;

use crate::decide::Decision;

/// How many objects are named before the rest is counted.
const NAMED_MAX: usize = 3;
/// How much of a commit id people need.
const SHORT_LENGTH: usize = 7;

/// How the message of an operation begins that was ended for a newer commit.
pub const GIVEN_UP: &str = "given up for a newer commit";

/// Shortens commit ids; leaves versions and names alone.
pub fn revision(revision: &str) -> &str {
    let is_commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { &revision[..SHORT_LENGTH] } else { revision }
}

/// Names the revisions of all sources.
pub fn revisions<T: AsRef<str>>(revisions: &[T]) -> String {
    let names: Vec<&str> =
        revisions.iter().map(|name| revision(name.as_ref())).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "its revision".to_owned() } else { names.join(", ") }
}

/// Names a few objects and counts the rest.
pub fn names<'a>(keys: impl Iterator<Item = &'a ObjectKey>) -> String {
    let keys: Vec<&ObjectKey> = keys.collect();
    let mut named: Vec<String> = keys.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if keys.len() > NAMED_MAX {
        named.push(format!("and {} more", keys.len() - NAMED_MAX));
    }
    named.join(", ")
}

/// Says who asked for an operation.
pub fn initiator(operation: &Operation) -> String {
    match (operation.initiated_by.automated, operation.initiated_by.username.as_str()) {
        (true, _) => "the automatic policy".to_owned(),
        (false, "") => "somebody".to_owned(),
        (false, name) => name.to_owned(),
    }
}

/// Joins the conditions that stop a sync; `None` if none does.
pub fn blocking(conditions: &[Condition]) -> Option<String> {
    let errors: Vec<&str> = conditions
        .iter()
        .filter(|condition| condition.condition_type.is_error())
        .map(|condition| condition.message.as_str())
        .collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

/// Says that a window blocks, which and until when.
pub fn window(windows: &WindowVerdict) -> String {
    let until = windows.changes_at.map(|at| format!(" until {at}")).unwrap_or_default();
    let why = if windows.why.is_empty() { String::new() } else { format!(": {}", windows.why) };
    format!("blocked by sync window{until}{why}")
}

/// Says what a sync waits for. The reason why an object is not healthy yet is left out: it changes with every step of a
/// rollout, and each change would be written to the application's status. Source of the form: gitops-engine `sync_context.go` (`setRunningPhase`), which people grep.
pub fn waiting(waits: &[Waiting]) -> String {
    let Some(first) = waits.first() else { return String::new() };
    let key = &first.key;
    let object = format!("{}/{}/{}", key.group, key.kind, key.name);
    let (what, plural) = match first.until {
        WaitUntil::Healthy => (format!("healthy state of {object}"), "resources"),
        WaitUntil::HookEnds => (format!("completion of hook {object}"), "hooks"),
        WaitUntil::Gone => (format!("deletion of {object}"), "resources"),
        WaitUntil::KindServed => (format!("the kind that {object} defines"), "kinds"),
        WaitUntil::Confirmed => (format!("pruning confirmation of {object}"), "resources"),
    };
    let more = match waits.len() - 1 {
        0 => String::new(),
        count => format!(" and {count} more {plural}"),
    };
    let is_steady = first.until != WaitUntil::Healthy && !first.detail.is_empty();
    let detail = if is_steady { format!(" ({})", first.detail) } else { String::new() };
    format!("waiting for {what}{more}{detail}")
}

/// Says what was decided and why, in one line for people.
pub fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Nothing { why } => format!("nothing to do: {why}"),
        Decision::Sync(start) => format!("sync: {}", start.why),
        Decision::Heal(start) => format!("heal: {}", start.why),
        Decision::RollBack(start) => format!("roll back: {}", start.why),
        Decision::Retry { why } => format!("try again: {why}"),
        Decision::Continue => "go on with the running sync".to_owned(),
        // The moment and not the time that is left, so that the words stay the same while it waits.
        Decision::Wait { until: Some(until), why } => format!("wait until {until}: {why}"),
        Decision::Wait { until: None, why } => format!("wait: {why}"),
        Decision::Hold { why, .. } => format!("hold: {why}"),
        Decision::Finish { phase, message } => format!("end the sync as {}: {message}", phase.as_str()),
        Decision::GiveUp { why } => format!("{GIVEN_UP}: {why}"),
        Decision::Delete => "delete what the application has".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commit_ids_are_shortened() {
        assert_eq!(revision("0123456789abcdef0123456789abcdef01234567"), "0123456");
        assert_eq!(revision("v1.2.3"), "v1.2.3");
        assert_eq!(revisions(&["", "1.0.0"]), "1.0.0");
        assert_eq!(revisions::<&str>(&[]), "its revision");
    }

    #[test]
    fn waits_name_the_first_and_count_the_rest() {
        let wait = |name: &str| Waiting {
            key: ObjectKey::of("apps", "Deployment", "shop", name),
            until: WaitUntil::Healthy,
            detail: String::new(),
        };
        assert_eq!(waiting(&[wait("a")]), "waiting for healthy state of apps/Deployment/a");
        assert_eq!(
            waiting(&[wait("a"), wait("b")]),
            "waiting for healthy state of apps/Deployment/a and 1 more resources"
        );
        assert_eq!(waiting(&[]), "");
    }
}
