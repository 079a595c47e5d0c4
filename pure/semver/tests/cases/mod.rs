//! Runs one golden case of `conformance/semver`.
//!
//! Shared by this crate's test and by `cargo xtask conformance semver`.

use landfall_semver::{Constraint, Version};
use serde_json::Value;

/// Gives what is different; `None` if nothing is.
pub(crate) fn run(case: &Value) -> Option<String> {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let expected = match case["error"].as_str() {
        Some(message) => Err(message.to_owned()),
        None => Ok(case["result"].as_bool()),
    };
    let constraint = Constraint::parse(text("constraint")).map_err(|error| error.to_string());
    let version = Version::parse(text("version")).map_err(|error| error.to_string());
    let actual = constraint.and_then(|constraint| Ok(Some(constraint.check(&version?))));
    (actual != expected).then(|| format!("{case}\nexpected {expected:?}\nactual   {actual:?}"))
}
