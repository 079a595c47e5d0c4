//! Scenarios: faults that come and go by a timetable.
//!
//! The ConfigMap `sandbox-scenario` in `kube-system` holds, under `steps`, a line for each step: a time after the start,
//! `fault` or `heal`, and a rule or its subject. Lines that begin with `#` are remarks.
//!
//! ```text
//! 30s  fault *:v2 errors=20%
//! 5m   heal  *:v2
//! 10m  fault @node/node-1 lost
//! ```
//!
//! The start is the time at which the sandbox first saw it, kept in the annotation `sandbox.landfall.io/started`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::context::{Context, Controller};
use crate::clock::{parse_time, rfc3339};
use crate::faults::{Rule, duration};
use crate::json;
use crate::store::ObjectId;

/// The ConfigMap's name.
pub(super) const NAME: &str = "sandbox-scenario";
const STARTED: &str = "sandbox.landfall.io/started";
const DONE: &str = "sandbox.landfall.io/steps-done";

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Fault(Rule),
    Heal(String),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    after: std::time::Duration,
    deed: Deed,
}

/// Reads a scenario; steps in order of time.
///
/// Errors: the line, its number and why it is no step.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |why: &str| {
            format!(
                "line {}: {line:?} is no step: {why}; write `30s fault *:v2 errors=20%` or `5m heal *:v2`",
                index + 1
            )
        };
        let (time, rest) =
            line.split_once(char::is_whitespace).ok_or_else(|| refuse("a time and a deed are needed"))?;
        let after = duration(time.trim_start_matches('+')).ok_or_else(|| refuse("it begins with no time"))?;
        let (word, rest) =
            rest.trim().split_once(char::is_whitespace).ok_or_else(|| refuse("it says neither fault nor heal what"))?;
        let deed = match word {
            "fault" => Deed::Fault(rest.trim().parse::<Rule>().map_err(|error| refuse(&error.to_string()))?),
            "heal" => Deed::Heal(rest.trim().to_string()),
            _ => return Err(refuse("the deed is neither fault nor heal")),
        };
        steps.push(Step { after, deed });
    }
    steps.sort_by_key(|step| step.after);
    Ok(steps)
}

/// Plays the steps that are due.
pub(super) fn reconcile(context: &mut Context<'_>, id: &ObjectId) {
    let Some(stored) = context.get("configmaps", &id.namespace, &id.name) else { return };
    let map = &stored.value;
    let steps = match parse(json::text(map, "/data/steps")) {
        Ok(steps) => steps,
        Err(why) => {
            context.event("sandbox", map, "Warning", "NoScenario", &why);
            return;
        }
    };
    let mut next = Value::clone(map);
    let started = json::annotation(map, STARTED).and_then(parse_time).unwrap_or_else(|| {
        json::set(&mut next, &["metadata", "annotations", STARTED], rfc3339(context.now));
        context.now
    });
    let mut done: usize = json::annotation(map, DONE).and_then(|done| done.parse().ok()).unwrap_or(0);
    let due = |step: &Step| -> Timestamp {
        started + SignedDuration::try_from(step.after).unwrap_or(SignedDuration::from_hours(24 * 3650))
    };
    while let Some(step) = steps.get(done).filter(|step| due(step) <= context.now) {
        match &step.deed {
            Deed::Fault(rule) => super::set_rule(context.core, rule.subject(), Some(rule.faults())),
            Deed::Heal(subject) => super::set_rule(context.core, subject, None),
        }
        done += 1;
    }
    json::set(&mut next, &["metadata", "annotations", DONE], done.to_string());
    if next != **map {
        context.update("sandbox", "configmaps", next);
    }
    if let Some(step) = steps.get(done) {
        context.again_at((Controller::Scenario, id.clone()), due(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_order_of_time_and_mistakes_are_told_with_their_line() {
        let steps = parse("# two steps\n5m heal *:v2\n\n30s fault *:v2 errors=20%\n").expect("a scenario");
        assert_eq!(steps.iter().map(|step| step.after.as_secs()).collect::<Vec<_>>(), [30, 300]);
        for text in ["30s", "soon fault *:v2 oom", "1s break *:v2", "1s fault *:v2 explode"] {
            let error = parse(&format!("1s heal x\n{text}")).expect_err(text);
            assert!(error.contains("line 2") && error.contains("write `30s fault"), "{error}");
        }
    }
}
